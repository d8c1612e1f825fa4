"""Callbacks hear of every turn of a training, change no bit of it, and fail aloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

import denpa as dp
from denpa.errors import UsageError, installed
from denpa.nn import Network
from denpa.nn.random import step_key
from denpa.train import Run, resume, train
from denpa.train.callbacks import Callback, GradientTape, Moment, TensorBoard

ENGINES = ["eager", *(["native"] if installed("numba") else [])]


class Ear(Callback):
    """Writes down what it is called with, and stops where it is told to."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.heard: list[tuple[str, int, int]] = []
        self.rows: list[dict[str, Any]] = []
        self.stop = stop

    def _hear(self, what: str, now: Moment) -> bool:
        self.heard.append((what, now.epoch, now.step))
        return self.stop == (what, now.step)

    def on_train_begin(self, now: Moment) -> bool:
        return self._hear("train begin", now)

    def on_epoch_begin(self, now: Moment) -> bool:
        return self._hear("epoch begin", now)

    def on_gradients(self, now: Moment, gradients: dict[str, Any]) -> bool:
        return self._hear("gradients", now)

    def on_batch_end(self, now: Moment) -> bool:
        return self._hear("batch end", now)

    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> bool:
        self.rows.append(row)
        row.clear()  # it is a copy
        return self._hear("epoch end", now)

    def on_train_end(self, now: Moment) -> None:
        self._hear("train end", now)


def problem(rng: np.random.Generator, n: int = 10) -> tuple[Network, Any, Any]:
    network = Network([3, 5, 2], seed=1, dtype="float64", dropout=0.3)
    return network, rng.normal(size=(n, 3)), rng.integers(0, 2, n)


def test_every_turn_is_heard_in_order(rng: np.random.Generator) -> None:
    ear = Ear()
    dp.fit(*problem(rng), epochs=2, batch_size=5, callbacks=[ear], engine="eager")
    step = [[("gradients", e, s), ("batch end", e, s + 1)] for e, s in ((1, 0), (1, 1), (2, 2), (2, 3))]
    assert ear.heard == [
        ("train begin", 1, 0),
        ("epoch begin", 1, 0),
        *step[0],
        *step[1],
        ("epoch end", 1, 2),
        ("epoch begin", 2, 2),
        *step[2],
        *step[3],
        ("epoch end", 2, 4),
        ("train end", 3, 4),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_they_change_no_bit(engine: str, tmp_path: Path) -> None:
    """Of checkpoints, metrics and model: parameters, momentum, running sums, figures."""
    config = worker.settings(engine=engine, dropout=0.2, epochs=3)
    train(config, worker.dataset(), tmp_path / "without" / "run")
    train(config, worker.dataset(), tmp_path / "with" / "run", callbacks=[Ear(), GradientTape(), GradientTape(7)])
    assert worker.bits(tmp_path / "with" / "run") == worker.bits(tmp_path / "without" / "run")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradients_are_those_of_the_batch(engine: str, rng: np.random.Generator) -> None:
    """Against `backward` on the network of that moment, with that step's dropout and the same rows."""
    network, x, t = problem(rng, 12)
    w = rng.random(12)
    seen: list[Network] = []

    class Watch(Callback):
        every = 2

        def on_gradients(self, now: Moment, gradients: dict[str, Any]) -> None:
            seen.append(now.network)

    tape = GradientTape(every=2)
    dp.fit(network, x, t, epochs=4, batch_size=12, shuffle=False, seed=9, sample_weight=w, callbacks=[tape, Watch()],
           engine=engine)  # fmt: skip
    assert tape.steps == [0, 2]
    for step, found, then in zip(tape.steps, tape.gradients, seen, strict=True):
        loss = then.loss(x, t, weights=w / w.mean(), training=True, key=step_key(9, step))
        wanted = dp.backward(loss)
        for name, p in then.parameters().items():
            np.testing.assert_allclose(found[name], wanted[p], rtol=1e-12, atol=1e-14)
            assert tape.norms()[name][tape.steps.index(step)] == pytest.approx(np.linalg.norm(found[name]))


def test_a_tape_keeps_the_latest(rng: np.random.Generator) -> None:
    tape = GradientTape(every=1, most=3)
    dp.fit(*problem(rng), epochs=10, batch_size=10, callbacks=[tape])
    assert tape.steps == [7, 8, 9]
    assert len(tape.gradients) == 3
    assert GradientTape().norms() == {}


@pytest.mark.parametrize(
    ("stop", "steps", "epochs"),
    [(("train begin", 0), 0, 0), (("epoch begin", 2), 2, 1), (("gradients", 3), 3, 1), (("batch end", 3), 3, 1),
     (("epoch end", 4), 4, 2)],
)  # fmt: skip
def test_true_ends_the_training(stop: tuple[str, int], steps: int, epochs: int, rng: np.random.Generator) -> None:
    ear = Ear(stop)
    fitted = dp.fit(*problem(rng), epochs=5, batch_size=5, callbacks=[ear])
    assert (ear.heard[-1][0], ear.heard[-1][2]) == ("train end", steps)
    assert len(fitted.history) == epochs
    assert fitted.stopped_early


def test_a_run_that_a_callback_ended_is_finished_and_goes_on(tmp_path: Path) -> None:
    batches = -(-int(worker.ROWS * 0.8) // worker.settings().batch_size)
    config = worker.settings(epochs=4)
    train(config, worker.dataset(), tmp_path / "whole" / "run")
    done = train(config, worker.dataset(), tmp_path / "cut" / "run", callbacks=[Ear(("epoch end", batches))])
    assert (done.run.status, done.run.info["stopped_early"], done.run.info["epoch"]) == ("finished", True, 1)
    resume(tmp_path / "cut" / "run", worker.dataset())
    assert worker.bits(tmp_path / "cut" / "run") == worker.bits(tmp_path / "whole" / "run")


class Broken(Callback):
    def on_batch_end(self, now: Moment) -> None:
        if now.step == 7:
            raise KeyError("broken")


def test_an_exception_reaches_the_caller_and_the_run_has_failed(tmp_path: Path) -> None:
    config = worker.settings(epochs=4)
    with pytest.raises(KeyError, match="broken"):
        train(config, worker.dataset(), tmp_path / "run", callbacks=[Broken()])
    run = Run(tmp_path / "run")
    assert run.status == "failed"
    assert run.info["error"] == "KeyError: 'broken'"
    assert resume(tmp_path / "run", worker.dataset()).finished


def test_what_they_get_cannot_change_the_training(rng: np.random.Generator) -> None:
    class Meddler(Callback):
        def on_batch_end(self, now: Moment) -> None:
            with pytest.raises(ValueError, match="read-only"):
                now.parameters["0.weight"][:] = 0

        def on_gradients(self, now: Moment, gradients: dict[str, Any]) -> None:
            gradients["0.weight"][:] = 0

    data = problem(rng)
    one, two = dp.fit(*data, epochs=3), dp.fit(*data, epochs=3, callbacks=[Meddler()])
    for name, p in one.network.parameters().items():
        assert np.array_equal(p.value, two.network.parameters()[name].value)


def test_only_callbacks_are_callbacks(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match=r"derives from denpa\.train\.callbacks\.Callback[\s\S]*MyCallback\(\)"):
        dp.fit(*problem(rng), callbacks=[GradientTape])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="derives from"):
        train(worker.settings(), worker.dataset(), tmp_path / "run", callbacks=[print])  # type: ignore[list-item]
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="every"):
        GradientTape(every=0)


def test_tensorboard_reads_what_is_written_on_the_way(tmp_path: Path, rng: np.random.Generator) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoard(tmp_path / "events")
    network, x, t = problem(rng)
    fitted = dp.fit(network, x, t, epochs=3, validation=(x, t), callbacks=[board])
    assert [p.name for p in (tmp_path / "events").iterdir()] == [board.path.name]  # type: ignore[union-attr]
    found = reader.EventAccumulator(str(tmp_path / "events"))
    found.Reload()
    for tag, key in (("loss/train", "train_loss"), ("loss/valid", "valid_loss")):
        events = found.Scalars(tag)
        assert [e.step for e in events] == [row["step"] for row in fitted.history]
        assert [e.value for e in events] == pytest.approx([row[key] for row in fitted.history])
