"""The course of a training: the parameters a run had at several times, found by training it once more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data import Dataset
from denpa.engine import engine
from denpa.errors import UsageError
from denpa.explain.doctor import MOST_ROWS
from denpa.nn import Network
from denpa.train import loop, machine
from denpa.train.doctor import sample_rows
from denpa.train.loop import Loop
from denpa.train.opened import opened
from denpa.train.parts import Parts, build_network
from denpa.train.run import Run

TIMES = 60  # most times at which parameters are kept


@dataclass(frozen=True, eq=False)
class Course:
    """times: parameters by name, before the first epoch and after some or all of the others.

    network: the run's own.  x (n, n_in), t: up to 1,024 of its training rows.  same: whether one of the times is the
    network, bit for bit: the last, or where the weights of a better epoch were kept that one.
    """

    network: Network
    x: Array
    t: Array
    times: tuple[dict[str, Array], ...]
    same: bool


def course(path: str | Path, data: Dataset | None = None, *, again: bool = True) -> Course:
    """Train a run once more, without a folder, to the epoch it reached; keep its parameters on the way.

    data: the run's source if it is in memory already.  again: False leaves the training out; times is empty then.
    DataError when the source has changed, UsageError when no epoch was finished.
    """
    run, network, prepared = opened(path, data)
    rows = sample_rows(run, prepared, MOST_ROWS)
    times = _times(run, prepared) if again else ()
    own = {name: p.value for name, p in network.parameters().items()}
    same = any(all(np.array_equal(at[name], value) for name, value in own.items()) for at in reversed(times))
    return Course(network, prepared.x[rows], prepared.t[rows], times, same)


def _times(run: Run, prepared: Parts) -> tuple[dict[str, Array], ...]:
    config, epochs = replace(run.config, monitor="last", patience=0), len(run.history)
    if not epochs:
        raise UsageError("this run has no finished epoch, and so no path", where=str(run.path), fix="denpa resume it")
    network = build_network(config, prepared.inputs, prepared.targets)
    at = loop.start(network, config)
    times = [{name: np.array(value) for name, value in at.parameters.items()}]
    every, best = -(-epochs // TIMES), run.info.get("best")
    kept = {epochs, best.get("epoch") if isinstance(best, dict) else None}

    def keep(row: dict[str, Any], parameters: dict[str, Array]) -> tuple[()]:
        if row["epoch"] % every == 0 or row["epoch"] in kept:
            times.append({name: np.array(value) for name, value in parameters.items()})
        return ()

    with machine.threads(config.threads):
        how = engine(config.engine)
        Loop(
            None, config, network, prepared, how, at, _nothing, lambda: at.epoch > epochs, look=keep, norms=False
        ).run()
    return tuple(times)


def _nothing(_: Any) -> None:
    return None
