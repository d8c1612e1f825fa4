"""`dp.fit`: the loop of a run on arrays, without a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.errors import DataError, ShapeError, TrainingError, UsageError, installed
from denpa.nn import Network, optim
from denpa.train import programs

ENGINES = ["eager", *(["native"] if installed("numba") else [])]


def problem(rng: np.random.Generator, n: int = 40) -> tuple[Network, Any, Any]:
    x = rng.normal(size=(n, 3))
    return Network([3, 8, 2], seed=1, dtype="float64"), x, (x[:, 0] > 0).astype(int)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_gradient_descent(engine: str, rng: np.random.Generator) -> None:
    """Against the update written out, on full batches in order."""
    network, x, t = problem(rng)
    fitted = dp.fit(network, x, t, epochs=5, batch_size=40, optimizer="sgd", learning_rate=0.5, shuffle=False,
                    engine=engine)  # fmt: skip
    losses = []
    for _ in range(5):
        loss = network.loss(x, t)
        losses.append(loss.item())
        found = dp.backward(loss)
        network = network.with_parameters({name: p.value - 0.5 * found[p] for name, p in network.parameters().items()})
    for name, p in network.parameters().items():
        np.testing.assert_allclose(fitted.network.parameters()[name].value, p.value, rtol=1e-11, atol=1e-13)
    assert [row["train_loss"] for row in fitted.history] == pytest.approx(losses, rel=1e-11)


def test_nothing_is_written_and_the_given_network_stays(tmp_path: Path, rng: np.random.Generator) -> None:
    network, x, t = problem(rng)
    before = {name: p.value.copy() for name, p in network.parameters().items()}
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        dp.fit(network, x, t, epochs=2)
    finally:
        os.chdir(here)
    assert list(tmp_path.iterdir()) == []
    assert all(np.array_equal(p.value, before[name]) for name, p in network.parameters().items())


def test_the_best_epoch_is_kept(rng: np.random.Generator) -> None:
    network, x, t = problem(rng)
    flipped = t ^ (rng.random(len(t)) < 0.4)  # noise, to be overfitted
    fitted = dp.fit(network, x, flipped, epochs=400, learning_rate=0.02, validation=(x[::2], t[::2]), patience=20)
    curve = [row["valid_loss"] for row in fitted.history]
    assert fitted.stopped_early
    assert fitted.best_epoch == int(np.argmin(curve)) + 1 == len(curve) - 20
    assert fitted.network.loss(x[::2], t[::2]).item() == pytest.approx(min(curve))


def test_weights(rng: np.random.Generator) -> None:
    """A weight is a repetition in a full batch; its unit does not matter; alone in a batch it counts, too."""
    network, x, t = problem(rng)
    often = rng.integers(0, 4, len(t))
    rows = np.repeat(np.arange(len(t)), often)
    same: dict[str, Any] = {"epochs": 3, "batch_size": 1000, "optimizer": "sgd", "shuffle": False}
    weighted = dp.fit(network, x, t, sample_weight=often * 8, **same).network.parameters()
    repeated = dp.fit(network, x[rows], t[rows], **same).network.parameters()
    for name, p in weighted.items():
        np.testing.assert_allclose(p.value, repeated[name].value, rtol=1e-10, atol=1e-12)
    single: dict[str, Any] = {"epochs": 1, "batch_size": 1, "optimizer": "sgd"}
    one = dp.fit(network, x, t, sample_weight=np.where(t, 5.0, 1.0), **single).network.parameters()
    two = dp.fit(network, x, t, **single).network.parameters()
    assert not np.allclose(one["0.weight"].value, two["0.weight"].value)


def test_numbers_and_an_optimizer_of_ones_own(rng: np.random.Generator) -> None:
    x = rng.normal(size=(60, 2))
    network = Network([2, 16, 1], output="identity", seed=0)
    fitted = dp.fit(network, x, x @ [1.0, -2.0], epochs=60, batch_size=20, optimizer=optim.Adam(beta1=0.8),
                    learning_rate=0.02, schedule="cosine", clip=5.0)  # fmt: skip
    assert fitted.history[-1]["train_loss"] < 0.02 * fitted.history[0]["train_loss"]
    assert "train_accuracy" not in fitted.history[0]
    assert fitted.best_epoch is None


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": np.zeros((4, 2))}, ShapeError, r"\(4, 2\)[\s\S]*\(n, 3\)"),
    ({"x": np.full((4, 3), np.nan)}, DataError, "12 values that are NaN"),
    ({"x": np.zeros((0, 3)), "t": np.zeros(0, int)}, DataError, "no training rows"),
    ({"t": np.array([0, 1, 2, 0])}, DataError, r"0 … 2[\s\S]*0 … 1"),
    ({"t": np.zeros((4, 3))}, ShapeError, "targets do not fit"),
    ({"t": np.zeros(3, int)}, ShapeError, "4 rows, 3 targets"),
    ({"sample_weight": np.array([1, 1, 1, -1.0])}, DataError, "weights cannot be used"),
    ({"sample_weight": np.zeros(4)}, DataError, "weights cannot be used"),
    ({"validation": (np.zeros((4, 3)),)}, UsageError, "validation is"),
    ({"validation": (np.zeros((4, 2)), np.zeros(4, int))}, ShapeError, "validation rows"),
    ({"epochs": -1}, UsageError, "epochs"),
    ({"batch_size": 0}, UsageError, "batch_size"),
    ({"optimizer": "adma"}, UsageError, "adam"),
    ({"schedule": "cos"}, UsageError, "cosine"),
    ({"patience": 3}, UsageError, "no such figure"),
    ({"engine": "fast"}, UsageError, "engine"),
    ({"network": dp.nn.Sequential(dp.nn.Linear(3, 2))}, UsageError, "Network"),
]


@pytest.mark.parametrize(("change", "error", "text"), BAD)
def test_what_cannot_be_used_is_named_before_the_first_step(
    change: dict[str, Any], error: type[Exception], text: str
) -> None:
    given = {"network": Network([3, 2], seed=0), "x": np.zeros((4, 3)), "t": np.array([0, 1, 1, 0]), **change}
    with pytest.raises(error, match=text):
        dp.fit(given.pop("network"), given.pop("x"), given.pop("t"), **given)


def test_a_divergence_names_its_step(rng: np.random.Generator) -> None:
    network, x, t = problem(rng)
    with pytest.raises(
        TrainingError, match=r"step \d+ \(epoch 2[\s\S]*smaller learning rate \(it was 1e\+200"
    ) as found:
        dp.fit(network, x * 1e100, t, optimizer="sgd", learning_rate=1e200)
    assert "checkpoint" not in str(found.value)


@pytest.mark.skipif(not installed("numba"), reason="the native engine has plans to keep")
def test_programs_are_kept_for_the_next_fit_and_give_the_same_bits(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_kept", type(programs._kept)())
    network, x, t = problem(rng)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 16, "engine": "native", "validation": (x, t)}
    first = dp.fit(network, x, t, **settings)
    kept = dict(programs._kept)
    assert len(kept) == 3  # 16 rows, the last 8, and the evaluation
    other = Network([3, 8, 2], seed=2, dtype="float64")
    fresh = dp.fit(other, x, t, **settings)
    assert dict(programs._kept) == kept
    again = dp.fit(network, x, t, **settings)
    monkeypatch.setattr(programs, "BYTES", 0)
    for one, two in ((first, again), (fresh, dp.fit(other, x, t, **settings))):
        assert one.history == two.history
        for name, p in one.network.parameters().items():
            assert np.array_equal(p.value, two.network.parameters()[name].value)
    assert not programs._kept  # too large for the memory that is left


@pytest.mark.parametrize("change", [{"clip": 0.01}, {"optimizer": "sgd"}, {"sample_weight": np.arange(40.0)}])
def test_another_step_is_another_program(change: dict[str, Any], rng: np.random.Generator) -> None:
    network, x, t = problem(rng)
    one, two = (dp.fit(network, x, t, epochs=2, **c).network.parameters() for c in ({}, change))
    assert not np.array_equal(one["0.weight"].value, two["0.weight"].value)
