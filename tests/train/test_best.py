"""The best epoch: kept however a run ends, the same after a resume; and when a run stops early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa.errors import ModelFileError, UsageError
from denpa.train import best, checkpoint, loop
from denpa.train.config import Config
from denpa.train.course import course
from denpa.train.model_file import load_model
from denpa.train.training import resume, train

VALUES = [5.0, 4.0, 4.5, 3.95, 3.9, 4.2, 3.8, 9.0]


def walk(monitor: str, min_delta: float, values: list[float]) -> list[best.Best]:
    found, steps = None, []
    for epoch, value in enumerate(values, 1):
        row = {"epoch": epoch, monitor: value}
        found = best.after(found, monitor, min_delta, row, {"w": np.array(epoch)})
        assert found is not None
        steps.append(found)
    return steps


def test_the_best_is_the_lowest_loss_and_the_highest_accuracy() -> None:
    for monitor, sign in (("valid_loss", 1), ("valid_accuracy", -1)):
        steps = walk(monitor, 0.0, [sign * v for v in VALUES])
        assert [s.epoch for s in steps] == [1, 2, 2, 4, 5, 5, 7, 7]
        assert all(int(s.parameters["w"]) == s.epoch for s in steps)
        assert [s.since for s in steps] == [s.epoch for s in steps]


def test_small_steps_are_kept_and_not_waited_for() -> None:
    steps = walk("valid_loss", 0.15, VALUES)
    assert [s.epoch for s in steps] == [1, 2, 2, 4, 5, 5, 7, 7]
    assert [s.since for s in steps] == [1, 2, 2, 2, 2, 2, 7, 7]
    assert [best.patient(s, 3, epoch) for epoch, s in enumerate(steps, 1)] == [True] * 4 + [False] * 2 + [True] * 2
    assert all(best.patient(s, 0, 100) for s in steps)
    assert best.patient(None, 3, 100)


def test_equal_is_not_better() -> None:
    assert [s.epoch for s in walk("valid_loss", 0.0, [1.0, 1.0, 1.0])] == [1, 1, 1]
    assert best.after(None, "last", 0.0, {"epoch": 1}, {}) is None


def overfitting(**changes: Any) -> Config:
    """One that gets worse: the best epoch is in the middle."""
    return worker.settings(**{"dropout": 0.0, "learning_rate": 0.03, "schedule": "constant", "epochs": 30, **changes})


def values_of(path: Path) -> dict[str, Any]:
    return {name: p.value for name, p in load_model(path).network.parameters().items()}


def test_the_model_is_the_best_epochs(tmp_path: Path) -> None:
    done = train(overfitting(), worker.dataset(), tmp_path / "run")
    losses = [row["valid_loss"] for row in done.run.history]
    at = int(np.argmin(losses)) + 1
    assert 1 < at < 30
    assert done.run.info["best"] == {"epoch": at, "monitor": "valid_loss", "value": min(losses)}
    assert done.evaluation is not None
    assert done.evaluation.values["loss"] == pytest.approx(min(losses), rel=1e-5)
    short = train(overfitting(epochs=at), worker.dataset(), tmp_path / "short")
    for name, value in values_of(short.run.path).items():
        assert value.tobytes() == values_of(done.run.path)[name].tobytes()
    last = train(overfitting(monitor="last"), worker.dataset(), tmp_path / "last")
    found = checkpoint.latest(done.run.path, lambda _: None)
    assert found is not None
    for name, value in values_of(last.run.path).items():  # the broken twin: the last weights are others
        assert value.tobytes() == found.parameters[name].tobytes()
        assert value.tobytes() != values_of(done.run.path)[name].tobytes()
    assert "best" not in last.run.info
    assert course(done.run.path, worker.dataset()).same


def test_a_run_stops_when_its_patience_ends(tmp_path: Path) -> None:
    done = train(overfitting(patience=4), worker.dataset(), tmp_path / "run")
    at = done.run.info["best"]["epoch"]
    assert len(done.run.history) == at + 4 < 30
    assert done.finished
    assert done.run.info["stopped_early"]
    assert not done.run.info.get("stopped_early") or done.run.info["epoch"] == at + 4
    with pytest.raises(UsageError, match="it stopped early"):
        resume(done.run.path, worker.dataset())
    more = resume(done.run.path, worker.dataset(), patience=0)
    assert len(more.run.history) == 30
    assert not more.run.info["stopped_early"]
    whole = train(overfitting(), worker.dataset(), tmp_path / "whole")
    assert worker.bits(more.run.path) == {
        **worker.bits(whole.run.path),
        "model.safetensors": worker.bits(more.run.path)["model.safetensors"],  # it names the run
    }


@pytest.mark.parametrize("asks", [3, 60, 120, 150])
def test_a_resumed_run_keeps_the_same_best_epoch(asks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before, at and after the best epoch, also inside of an epoch."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    config = overfitting(patience=6)
    whole = train(config, worker.dataset(), tmp_path / "whole" / "run")
    count = iter(range(10_000))
    stopped = train(config, worker.dataset(), tmp_path / "parts" / "run", should_stop=lambda: next(count) == asks)
    assert not stopped.finished
    if (told := stopped.run.info.get("best")) is not None:  # however it ends, the best so far is in the model
        assert told["value"] == min(row["valid_loss"] for row in stopped.run.history)
    resume(tmp_path / "parts" / "run", worker.dataset())
    assert worker.bits(tmp_path / "parts" / "run") == worker.bits(whole.run.path)


def test_without_validation_rows_the_last_weights_are_kept(tmp_path: Path) -> None:
    done = train(overfitting(valid=0.0, epochs=3), worker.dataset(), tmp_path / "run")
    assert done.config.monitor == "last"
    assert "best" not in done.run.info
    with pytest.raises(UsageError, match="no such figure to watch"):
        train(overfitting(valid=0.0, patience=3), worker.dataset(), tmp_path / "other")
    watched = train(overfitting(valid=0.0, epochs=3, monitor="train_loss"), worker.dataset(), tmp_path / "watched")
    assert watched.run.info["best"]["monitor"] == "train_loss"


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="monitor"):
        Config(monitor="valid_los")
    with pytest.raises(UsageError, match="patience"):
        Config(patience=-1)
    with pytest.raises(UsageError, match="no such figure"):
        best.resolve("valid_accuracy", 0, valid=True, classify=False)


def test_a_checkpoint_with_half_a_best_epoch_is_damaged(tmp_path: Path) -> None:
    done = train(overfitting(epochs=2), worker.dataset(), tmp_path / "run")
    found = checkpoint.latest(done.run.path, lambda _: None)
    assert found is not None
    assert found.best is not None
    again = checkpoint.decode(checkpoint.encode(found), "here")
    assert again.best is not None
    assert again.best.to_json() == found.best.to_json()
    found.best = best.Best(0, 0.0, 0.0, 1, found.best.parameters)
    with pytest.raises(ModelFileError, match="best epoch is not complete"):
        checkpoint.decode(checkpoint.encode(found), "here")
