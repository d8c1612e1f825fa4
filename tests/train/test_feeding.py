"""Streamed training: the bits of the training in memory, at any block, after any kill; errors and threads end well."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa.data import Dataset, cache, streaming
from denpa.data.store import Store
from denpa.errors import DataError, ModelFileError
from denpa.train import feeding, loop, parts
from denpa.train.feeding import Held, Streamed, steps_of
from denpa.train.run import Run
from denpa.train.training import resume, train


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores in a folder of their own; blocks of a few batches."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(feeding, "BLOCK", 32 * 60 * 3)


def data(kind: str = "classes") -> Dataset:
    found = worker.dataset()
    if kind == "numbers":
        values = found.inputs @ np.arange(24.0).reshape(12, 2)
        return replace(found, targets=values, classes=None, sha256="other")
    if kind == "weighted":
        return replace(found, weights=np.linspace(0.1, 3, len(found)), sha256="weighted")
    return found


def metrics(folder: Path) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


def model(folder: Path) -> dict[str, np.ndarray]:
    from denpa.train.model_file import load_model

    return {name: np.asarray(p.value) for name, p in load_model(folder).network.parameters().items()}


@pytest.mark.parametrize("engine", ["eager", "native"])
@pytest.mark.parametrize("kind", ["classes", "numbers", "weighted"])
@pytest.mark.parametrize("large", [False, True])
def test_the_bits_of_the_training_in_memory(
    kind: str, engine: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders held and computed; parts, metrics, final figures and every parameter."""
    if engine == "native":
        pytest.importorskip("numba")
    if large:
        monkeypatch.setattr(parts, "LARGE", 100)
    config = worker.settings(epochs=3, engine=engine, test=0.1)
    held = train(config, data(kind), tmp_path / "held")
    stored = train(config, streaming.on_disk(data(kind)), tmp_path / "stored")
    assert metrics(tmp_path / "stored") == metrics(tmp_path / "held")
    mine, theirs = model(tmp_path / "stored"), model(tmp_path / "held")
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    assert held.evaluation is not None
    assert stored.evaluation is not None
    assert stored.evaluation.values == held.evaluation.values


def test_orders_that_are_computed_train_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not equal to the held ones, but as good."""
    first = train(worker.settings(epochs=10, engine="eager"), data(), tmp_path / "a")
    monkeypatch.setattr(parts, "LARGE", 100)
    second = train(worker.settings(epochs=10, engine="eager"), data(), tmp_path / "b")
    assert first.evaluation is not None
    assert second.evaluation is not None
    assert metrics(tmp_path / "a") != metrics(tmp_path / "b")
    assert abs(first.evaluation.values["accuracy"] - second.evaluation.values["accuracy"]) < 0.15


@pytest.mark.parametrize("stop", [1, 4, 11, 17])
def test_stopped_inside_an_epoch_and_resumed(stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after so many calls, each of one step, in other blocks than the run that was never stopped."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    config = worker.settings(epochs=3, engine="eager")
    train(config, data(), tmp_path / "whole")
    asked = iter(range(1000))
    first = train(config, streaming.on_disk(data()), tmp_path / "run", should_stop=lambda: next(asked) >= stop)
    assert first.run.status == "stopped"
    monkeypatch.setattr(feeding, "BLOCK", 32 * 60 * 5)
    resume(tmp_path / "run", streaming.on_disk(data()))
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    mine, theirs = model(tmp_path / "run"), model(tmp_path / "whole")
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    assert names() == []


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "denpa rows"]


def test_an_error_while_reading_ends_the_run_and_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, honest, calls = streaming.on_disk(data()), Store.visit, []

    def visit(self: Store, *args: Any) -> None:
        calls.append(threading.current_thread().name)
        if calls.count("denpa rows") == 3:
            raise DataError("the disk is gone", where="row 7")
        honest(self, *args)

    monkeypatch.setattr(Store, "visit", visit)
    with pytest.raises(DataError, match="the disk is gone"):
        train(worker.settings(epochs=3, engine="eager"), stored, tmp_path / "run")
    assert Run(tmp_path / "run").status == "failed"
    assert names() == []


def test_a_store_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    stored: Any = streaming.on_disk(data())
    store = stored.inputs.store
    with open(store.path, "r+b") as file:
        file.truncate(store.path.stat().st_size - 100)
    with pytest.raises(ModelFileError, match="damaged"):
        store.between(0, len(store))


def test_a_slow_disk_leaves_room_for_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop waits for a block in short turns and asks between them."""
    stored, honest, waiting = streaming.on_disk(data()), Store.visit, threading.Event()

    def visit(self: Store, *args: Any) -> None:
        if threading.current_thread().name == "denpa rows":
            waiting.wait(20)
        honest(self, *args)

    monkeypatch.setattr(Store, "visit", visit)
    monkeypatch.setattr(feeding, "WAIT", 0.01)
    asked: list[float] = []

    def stop() -> bool:
        asked.append(time.monotonic())
        if len(asked) > 3:
            waiting.set()  # or the thread could not end
        return len(asked) > 3

    trained = train(worker.settings(epochs=3, engine="eager"), stored, tmp_path / "run", should_stop=stop)
    assert trained.run.status == "stopped"
    assert trained.run.info["epoch"] == 0
    assert names() == []


def test_two_blocks_at_most() -> None:
    """The thread begins the next block when the one before has been taken, not earlier."""
    made: list[int] = []

    class Encoder:
        row_bytes = 60

        def __call__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
            made.append(len(rows))
            return {"x": rows[:, None].astype(np.float32), "t": rows}

    feed = Streamed(Encoder(), np.arange(960), 0, 32, 2)  # type: ignore[arg-type]
    while feed.next(1, 0, 1) is None:
        pass
    deadline = time.monotonic() + 10
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    assert len(made) == 2
    held = Held({"x": np.arange(960.0)[:, None], "t": np.arange(960)}, np.arange(960), 0, 32)
    for epoch in (1, 2):
        for batch in (0, 2, 3, 29):  # forward, and one jump back at the second epoch
            mine, theirs = None, held.next(epoch, batch, 2)
            while mine is None:
                mine = feed.next(epoch, batch, 2)
            assert theirs is not None
            count = min(len(mine.rows), len(theirs.rows))
            assert np.array_equal(mine.numbers[:count], theirs.numbers[:count])
            assert np.array_equal(mine.data["t"][mine.rows], mine.numbers)
    feed.close()
    assert names() == []


@pytest.mark.parametrize(("n", "size", "batch", "most", "shape"), [
    (100, 32, 0, 2, (2, 32)), (100, 32, 2, 9, (1, 32)), (100, 32, 3, 9, (1, 4)), (5, 32, 0, 1, (1, 5)),
    (64, 32, 1, 0, (1, 32)),
])  # fmt: skip
def test_steps_of_one_size(n: int, size: int, batch: int, most: int, shape: tuple[int, int]) -> None:
    rows = steps_of(n, size, batch, most, lambda s: np.arange(s.start, s.stop))
    assert rows.shape == shape
    assert rows[0, 0] == batch * size
