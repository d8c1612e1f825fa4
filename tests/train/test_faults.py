"""Nothing that is NaN or infinite goes by: where it comes from is named, and the last good checkpoint is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa.data import cache, streaming
from denpa.errors import DataError, TrainingError, UsageError
from denpa.train import checkpoint, feeding, loop
from denpa.train.loop import Loop, Progress
from denpa.train.run import Run
from denpa.train.training import train


def settings(**changes: Any) -> Any:
    return worker.settings(**{"optimizer": "sgd", "dropout": 0.0, "clip": 0.0, "schedule": "constant", **changes})


def fails(folder: Path, config: Any, monkeypatch: pytest.MonkeyPatch, spoil: Any, at_step: int = 0) -> TrainingError:
    """The error of a training whose Loop `spoil` damages before it runs; the run folder is looked at as well."""
    honest = Loop._advance
    if loop.CALL_SECONDS < 1:
        monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)  # one step a call, so that at_step is met exactly

    def advance(self: Loop) -> None:
        if self.at.step >= at_step:
            spoil(self)
        honest(self)

    monkeypatch.setattr(Loop, "_advance", advance)
    with pytest.raises(TrainingError) as caught:
        train(config, worker.dataset(), folder)
    run = Run(folder)
    assert run.status == "failed"
    assert run.info["error"] == str(caught.value)
    kept = checkpoint.latest(folder, pytest.fail)
    assert kept is not None
    assert all(np.isfinite(v).all() for v in [*kept.parameters.values(), *kept.optimizer.values()])
    assert not run.model_path.exists()
    return caught.value


def spoiled_input(self: Any) -> None:
    x = self.feed.data["x"].copy()
    x[self.feed.order(1)[40:41], 3] = np.nan  # the ninth row of the second batch
    self.feed.data = {**self.feed.data, "x": x}


def test_a_nan_in_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def spoil(self: Any) -> None:
        rows.append(int(self.feed.order(1)[40:41][0]))
        spoiled_input(self)

    error = fails(tmp_path / "run", settings(), monkeypatch, spoil)
    assert "an input became NaN" in error.what
    assert "step 2 (epoch 1, batch 2)" in str(error.where)
    assert f"rows {rows[-1] + 1}" in str(error.got)
    assert "1 of 384 values" in str(error.got)


def test_the_step_is_found_inside_a_long_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of any length name the same step."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 100.0)
    error = fails(tmp_path / "run", settings(), monkeypatch, spoiled_input, at_step=1)
    assert "step 2 (epoch 1, batch 2)" in str(error.where)


def test_a_nan_in_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any) -> None:
        t = self.feed.data["t"].copy()
        t[self.feed.order(1)[:1], 1] = np.inf
        self.feed.data = {**self.feed.data, "t": t}

    config = settings(output="sigmoid", loss="squared_error")
    error = fails(tmp_path / "run", config, monkeypatch, spoil)
    assert "a target became infinite" in error.what


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.weight", "4.bias"])
def test_a_weight_that_is_not_finite(name: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any) -> None:
        w = self.state[name].copy()
        w.flat[0] = value
        self.state[name] = w

    error = fails(tmp_path / "run", settings(), monkeypatch, spoil, at_step=5)
    assert f"parameter {name}" in error.what
    assert "step 6 " in str(error.where)


def test_a_weight_that_relu_would_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bias of −inf switches a ReLU unit off and leaves the loss finite: it is found all the same."""

    def spoil(self: Any) -> None:
        b = self.state["0.bias"].copy()
        b[0] = -np.inf
        self.state["0.bias"] = b

    error = fails(tmp_path / "run", settings(), monkeypatch, spoil)
    assert "parameter 0.bias became infinite" in error.what


def test_a_sample_weight_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any) -> None:
        w = self.feed.data["w"].copy()
        w[self.feed.order(1)[5:6]] = np.inf
        self.feed.data = {**self.feed.data, "w": w}
        rows.append(int(self.feed.order(1)[5:6][0]))

    rows: list[int] = []
    plain = worker.dataset
    monkeypatch.setattr(worker, "dataset", lambda: replace(plain(), weights=np.linspace(1, 2, len(plain()))))
    error = fails(tmp_path / "run", settings(), monkeypatch, spoil)
    assert "a sample weight became infinite" in error.what
    assert "step 1 (epoch 1, batch 1)" in str(error.where)
    assert f"rows {rows[-1] + 1}" in str(error.got)


def test_a_nan_in_rows_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamed: the row is named by its number in the source, not by its place in a block."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    honest = feeding.Encoder.__call__
    bad = 17

    def encode(self: Any, rows: Any) -> Any:
        data = honest(self, rows)
        x = data["x"].copy()
        x[np.asarray(rows) == bad, 2] = np.nan
        return {**data, "x": x}

    monkeypatch.setattr(feeding.Encoder, "__call__", encode)
    stored = streaming.on_disk(worker.dataset())
    with pytest.raises(TrainingError, match="an input became NaN") as caught:
        train(settings(valid=0.0, monitor="last"), stored, tmp_path / "run")
    assert f"rows {bad + 1}" in str(caught.value.got)
    assert "step " in str(caught.value.where)
    assert Run(tmp_path / "run").status == "failed"


def test_a_learning_rate_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any) -> None:
        self.schedule = lambda step: float("nan")  # type: ignore[assignment]

    error = fails(tmp_path / "run", settings(), monkeypatch, spoil, at_step=3)
    assert "the learning rate became NaN" in error.what
    with pytest.raises(UsageError):
        settings(learning_rate=float("nan"))


def test_a_run_that_diverges(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--lr") as caught:
        train(settings(learning_rate=1e30), worker.dataset(), tmp_path / "run")
    assert "layer" in str(caught.value.where)
    assert "step" in str(caught.value.where)


def test_an_update_that_overflows_names_the_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite gradient times a huge rate: the first value that is not finite is the update, not the forward pass."""

    def spoil(self: Any) -> None:
        self.schedule = lambda step: 1e308  # type: ignore[assignment]

    error = fails(tmp_path / "run", settings(dtype="float64", weight_decay=1e3), monkeypatch, spoil, at_step=2)
    assert "step 3 " in str(error.where)
    assert "computed from" in str(error.where) or "the update of" in str(error.where)


def test_the_sweep_of_parameters_is_not_the_only_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is infinite for one row while everything else stays finite."""

    def spoil(self: Any) -> None:
        t = self.feed.data["t"].copy()
        t[self.feed.order(1)[:1], 0] = 1e30  # squared: infinite in float32; its sigmoid's gradient is finite
        self.feed.data = {**self.feed.data, "t": t}

    error = fails(tmp_path / "run", settings(output="sigmoid", loss="squared_error"), monkeypatch, spoil)
    assert "infinite" in error.what


def test_the_rows_that_only_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Loop._watch

    def watch(self: Loop) -> Any:
        name, (x, t) = honest(self) or ("", (np.empty(0), np.empty(0)))
        return name, (x * np.float32(1e38), t)

    monkeypatch.setattr(Loop, "_watch", watch)
    with pytest.raises(TrainingError, match="the loss on the valid rows"):
        train(settings(), worker.dataset(), tmp_path / "run")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_is_not_finite_is_refused_before_anything_is_written(value: float, tmp_path: Path) -> None:
    data = worker.dataset()
    inputs = data.inputs.copy()
    inputs[7, 2] = value
    with pytest.raises(DataError, match="first in row 8"):
        train(settings(), replace(data, inputs=inputs), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_healthy_run_is_let_through(tmp_path: Path) -> None:
    seen: list[Progress] = []
    assert train(settings(epochs=2), worker.dataset(), tmp_path / "run", on_progress=seen.append).finished
    assert seen[-1].row is not None
