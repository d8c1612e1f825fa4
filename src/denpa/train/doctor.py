"""The doctor on a run folder, on a training that has just ended, and while one goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from denpa.arrays import Array
from denpa.data import Dataset
from denpa.data.shuffle import sample
from denpa.errors import ModelFileError
from denpa.explain.doctor import MOST_ROWS, Diagnosis, doctor
from denpa.explain.doctor_curves import curve_of, of_curve
from denpa.explain.doctor_findings import Finding
from denpa.explain.words import T
from denpa.nn import Network
from denpa.train.opened import opened
from denpa.train.parts import Parts
from denpa.train.run import Run

WATCHED_ROWS = 256  # rows of each look during the training
SHARE = 0.01  # of the time of the epochs that the looks may take, about
LOOK = 2e8  # operations a look costs besides its rows, 1.6 ms on a core that does 127e9 a second; 3.4 ms in all
STEP = 5e5  # the same of one step of the training: 4 µs
PATIENCE = 10  # epochs, or half of those planned, after which a network may be blamed for what it has not learned
IMPATIENT = ("learning_rate_low", "no_better_than_baseline", "one_class")
CURVE = ("learning_rate_high", "learning_rate_low", "overfitting")


class Watch:
    """The doctor during a training: called after every epoch, gives what shows for the first time.

    It looks after epochs 1, 2, 4, 8, … and, once that is seldom enough for the looks to take a hundredth of the time,
    at equal distances.  What it finds depends on the parameters and the metrics alone, never on the clock, so a
    resumed run finds the same; findings are kept in the run's status.  It changes nothing of the training.
    """

    def __init__(self, run: Run, network: Network, prepared: Parts, epoch: int = 1) -> None:
        """epoch: the first that is going to be trained here; what was found in or after it is forgotten."""
        self.run, self.network, self.epochs = run, network, run.config.epochs
        rows = sample_rows(run, prepared, WATCHED_ROWS)
        self.x, self.t = prepared.x[rows], prepared.t[rows]
        self.rows = [row for row in run.history if row.get("epoch", 0) < epoch]
        self.found = [f for f in findings(run) if f.epoch is not None and f.epoch < epoch]
        self.every = _every(network, len(rows), len(prepared.train), run.config.batch_size)
        self.next = 1
        while self.next < epoch:
            self._advance()

    def __call__(self, row: Mapping[str, Any], parameters: Mapping[str, Array]) -> tuple[Finding, ...]:
        """row: the metrics of the epoch that has just ended; parameters: as they are now."""
        self.rows.append(dict(row))
        epoch = len(self.rows)
        if epoch < self.next:
            return ()
        self._advance()
        diagnosis = doctor(self.network.with_parameters(parameters), self.x, self.t, self.rows)
        # A curve may look ill for an epoch: what it says counts when it said so two epochs ago, too.
        lasting = {f.key for f in of_curve(curve_of(self.rows[:-2]))}
        patient = epoch >= min(PATIENCE, max(self.epochs / 2, 4))
        said = {f.key for f in self.found}
        new = tuple(
            replace(f, epoch=epoch)
            for f in diagnosis.findings
            if f.key not in said and (f.key not in CURVE or f.key in lasting) and (patient or f.key not in IMPATIENT)
        )
        if new:
            self.found += new
            self.run.update(findings=[f.to_json() for f in self.found])
        return new

    def _advance(self) -> None:
        self.next += min(self.every, self.next)


def _every(network: Network, rows: int, train: int, batch_size: int) -> int:
    """Epochs from one look to the next that make the looks cost `SHARE` of the training, by counting operations."""
    weights = sum(n_in * n_out for n_in, n_out in pairwise(network.units))
    look = LOOK + 20.0 * rows * weights  # float64, forward and twice back
    epoch = 4.0 * train * weights + STEP * train / batch_size
    return math.ceil(look / (SHARE * epoch))


def findings(run: Run) -> tuple[Finding, ...]:
    """What was found while the run was trained, in order.  ModelFileError when its status does not hold findings."""
    told = run.info.get("findings", [])
    try:
        return tuple(map(Finding.from_json, told if isinstance(told, list) else [told]))
    except ValueError as error:
        raise ModelFileError("the run's status is damaged", where=str(run.path), got=str(error)) from error


def sample_rows(run: Run, prepared: Parts, most: int) -> Array:
    """Training rows drawn by the run's seed, ascending."""
    return sample(prepared.train, run.config.seed, most)


def doctor_of(run: Run, network: Network, prepared: Parts) -> Diagnosis:
    """Examine a network on up to 1,024 of its training rows (drawn by the run's seed), with the run's history."""
    rows = sample_rows(run, prepared, MOST_ROWS)
    diagnosis = doctor(network, prepared.x[rows], prepared.t[rows], run.history, failure=_failure(run))
    return replace(diagnosis, during=findings(run))


def doctor_run(path: str | Path, data: Dataset | None = None) -> Diagnosis:
    """Examine a run, finished or not: its model, or where it has none its last good checkpoint, on its own data.

    data: the run's source if it is in memory already.  DataError when the source is gone or has changed, ModelFileError
    when the folder is no run or holds no parameters.
    """
    return doctor_of(*opened(path, data))


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
