"""The path of a training, found by training once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.train import worker

from denpa.errors import DataError, UsageError
from denpa.train.course import TIMES, course
from denpa.train.run import Run
from denpa.train.training import train


def test_the_times_are_those_of_the_run(tmp_path: Path) -> None:
    """Each time equals a run of as many epochs: its last parameters, bit for bit."""
    config = worker.settings(epochs=3, engine="eager", schedule="constant")
    done = train(config, worker.dataset(), tmp_path / "run")
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "run").rglob("*") if p.is_file())
    found = course(tmp_path / "run", worker.dataset())
    assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "run").rglob("*") if p.is_file()) == before
    assert found.same
    assert len(found.times) == 4
    assert len(found.x) == len(found.t) == 322
    for epochs in (1, 2):
        shorter = train(replace(config, epochs=epochs), worker.dataset(), tmp_path / f"run{epochs}")
        for name, p in shorter.model.network.parameters().items():
            assert np.array_equal(found.times[epochs][name], p.value)
    for name, p in done.model.network.parameters().items():
        assert np.array_equal(found.times[3][name], p.value)
    assert course(tmp_path / "run", worker.dataset(), again=False).times == ()


def test_long_runs_are_thinned_and_their_end_is_kept(tmp_path: Path) -> None:
    train(worker.settings(epochs=125, batch_size=400, engine="eager"), worker.dataset(), tmp_path / "run")
    found = course(tmp_path / "run", worker.dataset())
    assert found.same
    best = Run(tmp_path / "run").info["best"]["epoch"]
    extra = len({best, 125} - set(range(0, 125, 3)))
    assert len(found.times) == 1 + 41 + extra <= TIMES  # before, every third epoch, the best and the last


def test_what_has_no_path(tmp_path: Path) -> None:
    train(worker.settings(epochs=0, engine="eager"), worker.dataset(), tmp_path / "run")
    with pytest.raises(UsageError, match="no finished epoch"):
        course(tmp_path / "run", worker.dataset())
    with pytest.raises(DataError, match="changed"):
        course(tmp_path / "run", worker.dataset(rows=300))
