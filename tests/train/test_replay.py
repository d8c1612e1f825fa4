"""The book's network from the book's start, beside a loop written by hand in NumPy (seed 000 §5.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.data import read
from denpa.engine import engine
from denpa.nn import optim
from denpa.train.step import training_step

STEPS, BATCH, RATE = 1000, 100, 0.1
UNITS = [784, 50, 10]


def book_start(seed: int) -> dict[str, Any]:
    """0.01 · randn weights and zero biases, in the book's layout X·W + B."""
    rng = np.random.default_rng(seed)
    return {
        "W1": 0.01 * rng.standard_normal((784, 50)),
        "b1": np.zeros(50),
        "W2": 0.01 * rng.standard_normal((50, 10)),
        "b2": np.zeros(10),
    }


def by_hand(p: dict[str, Any], X: Any, T: Any, rows: Any) -> tuple[dict[str, Any], list[float]]:
    """ReLU, softmax with cross-entropy, plain gradient descent: no line of denpa."""
    p = {name: value.copy() for name, value in p.items()}
    losses = []
    for batch in rows:
        x, t = X[batch], T[batch]
        a1 = x @ p["W1"] + p["b1"]
        z1 = np.where(a1 > 0, a1, 0.0)
        a2 = z1 @ p["W2"] + p["b2"]
        e = np.exp(a2 - a2.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        losses.append(-np.log(y[np.arange(len(t)), t]).mean())
        d2 = y.copy()
        d2[np.arange(len(t)), t] -= 1
        d2 /= len(t)
        d1 = (d2 @ p["W2"].T) * (a1 > 0)
        p["W2"] -= RATE * (z1.T @ d2)
        p["b2"] -= RATE * d2.sum(axis=0)
        p["W1"] -= RATE * (x.T @ d1)
        p["b1"] -= RATE * d1.sum(axis=0)
    return p, losses


def by_denpa(start: dict[str, Any], X: Any, T: Any, rows: Any) -> tuple[dict[str, Any], Any]:
    network = nn.Network(UNITS, dtype="float64").with_parameters(
        {"0.weight": start["W1"].T, "0.bias": start["b1"], "2.weight": start["W2"].T, "2.bias": start["b2"]}
    )
    state = {name: np.ascontiguousarray(p.value) for name, p in network.parameters().items()}
    step = training_step(network, optim.SGD(), X[rows[0]], T[rows[0]], classify=True)
    by_step = {"learning_rate": np.full(len(rows), RATE)}
    metrics = engine("eager").compile(step).run(state, {"x": X, "t": T}, rows, by_step)
    return {
        "W1": state["0.weight"].T,
        "b1": state["0.bias"],
        "W2": state["2.weight"].T,
        "b2": state["2.bias"],
    }, metrics["loss"]


def compare(X: Any, T: Any, seed: int, most: float = 1e-10) -> list[float]:
    start = book_start(seed)
    rows = np.random.default_rng(seed + 1).integers(0, len(X), (STEPS, BATCH))
    want, losses = by_hand(start, X, T, rows)
    got, found = by_denpa(start, X, T, rows)
    for name, value in want.items():
        assert np.abs(value - start[name]).max() > 1e-3, f"{name} hardly moved: the comparison would say nothing"
        assert np.abs(got[name] - value).max() <= most, name
    np.testing.assert_allclose(found, losses, rtol=0, atol=most)
    return losses


def test_a_thousand_steps_on_generated_images() -> None:
    """Ten noisy prototypes of 28 × 28 bytes."""
    rng = np.random.default_rng(0)
    prototypes, T = rng.integers(0, 256, (10, 784)), rng.integers(0, 10, 2000)
    X = np.clip(prototypes[T] * 0.3 + rng.integers(0, 180, (2000, 784)), 0, 255) / 255
    losses = compare(X, T, seed=3)
    assert losses[-1] < 0.2 < losses[0]


def test_a_thousand_steps_on_mnist(shared_data: Path) -> None:
    data = read(shared_data / "mnist")
    losses = compare(data.inputs.reshape(-1, 784)[:20_000] / 255.0, data.targets[:20_000], seed=1)
    assert np.mean(losses[-50:]) < 0.4


def test_a_wrong_gradient_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a momentum of 1e-9 that nobody asked for."""
    rng = np.random.default_rng(0)
    X, T = rng.random((500, 784)), rng.integers(0, 10, 500)
    monkeypatch.setattr(optim, "SGD", lambda: optim.by_name("sgd", weight_decay=1e-7))
    with pytest.raises(AssertionError):
        compare(X, T, seed=2)
