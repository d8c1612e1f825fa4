"""The doctor on a run folder, and on a training that has just ended."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data import Dataset, read, stream
from denpa.errors import DataError
from denpa.explain.doctor import MOST_ROWS, Diagnosis, doctor
from denpa.explain.doctor_findings import Finding
from denpa.explain.words import T
from denpa.nn import Network
from denpa.train import checkpoint
from denpa.train.model_file import load_model
from denpa.train.parts import Parts, build_network, encodings, parts
from denpa.train.run import Run


def doctor_of(run: Run, network: Network, prepared: Parts) -> Diagnosis:
    """Examine a network on up to 1,024 of its training rows (drawn by the run's seed), with the run's history."""
    train = prepared.train
    rows = train[np.sort(stream(run.config.seed, "sample").permutation(len(train))[:MOST_ROWS])]
    return doctor(network, prepared.x[rows], prepared.t[rows], run.history, failure=_failure(run))


def doctor_run(path: str | Path, data: Dataset | None = None) -> Diagnosis:
    """Examine a run, finished or not: its model, or where it has none its last good checkpoint, on its own data.

    data: the run's source if it is in memory already.  DataError when the source is gone or has changed, ModelFileError
    when the folder is no run or holds no parameters.
    """
    run = Run(path)
    config = run.config
    data = read(config.source, config.target, config.task) if data is None else data
    _check_same(run, data)
    inputs, targets, rows = encodings(config, data)
    network = _with_values(run, build_network(config, inputs, targets))
    return doctor_of(run, network, parts(network, data, inputs, targets, rows))


def _with_values(run: Run, network: Network) -> Network:
    """The model's parameters, else those of the last good checkpoint, else the initial ones.

    A run that went on after its model was written, and did not end well, has a checkpoint newer than the model.
    """
    if run.status in ("finished", "stopped") and run.model_path.exists():
        return load_model(run.path).network
    last = checkpoint.latest(run.path, lambda _: None)  # a damaged one is passed over, as a resume does
    return network if last is None else network.with_parameters(last.parameters)


def _check_same(run: Run, data: Dataset) -> None:
    told: Any = run.info.get("data")
    before = told.get("sha256") if isinstance(told, dict) else None
    if before != data.sha256:
        raise DataError(
            "the data changed since the run began: what the network saw cannot be looked at",
            where=data.source,
            got=f"sha256 {str(data.sha256)[:16]}…",
            want=f"sha256 {str(before)[:16]}…",
            fix="put the old file back",
        )


def _failure(run: Run) -> Finding | None:
    """What ended a run that failed: its error names the first value that was not finite, its layer, batch and rows."""
    error = run.info.get("error")
    if run.status != "failed" or not isinstance(error, str):
        return None
    told = " ".join(line.strip() for line in error.splitlines())
    return Finding(
        "not_finite" if _is_number_fault(error) else "failed",
        told,
        T(
            en="The run stopped there. The other findings are those of the last good checkpoint before it.",
            ja="学習はそこで停止した。ほかの所見は、その前の最後の正常なチェックポイントについてのもの。",
        ),
        T(
            en="Try a smaller learning rate or --clip 1.0, and look at the rows that are named.",
            ja="学習率を下げるか --clip 1.0 を使い、示された行のデータを確かめる。",
        )
        if _is_number_fault(error)
        else T(en="Repair what the message names; denpa resume goes on.", ja="原因を取り除き、denpa resume で続ける。"),
    )


def _is_number_fault(error: str) -> bool:
    return re.search(r"became (NaN|nan|infinite|-?inf)\b", error.partition("\n")[0]) is not None
