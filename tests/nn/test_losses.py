"""Targets of softmax cross-entropy that are rows: probabilities, or one clear error with the row's number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.errors import ShapeError, UsageError
from denpa.nn import Network

NETWORK = Network([2, 4, 3])
X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
GOOD = np.array([[0.2, 0.3, 0.5], [1, 0, 0], [0, 0.5, 0.5], [0.4, 0.4, 0.2]])


def changed(row: int, *values: float) -> Any:
    t = GOOD.copy()
    t[row] = values
    return t


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_probabilities_are_taken_in_every_precision(dtype: str) -> None:
    loss = NETWORK.loss(X, GOOD.astype(dtype))
    p = NETWORK.predict(X)
    assert loss.dtype == np.float32
    assert float(loss) == pytest.approx(float(-(GOOD * np.log(p)).sum() / 4), rel=2e-3)


@pytest.mark.parametrize(
    "t", [np.eye(3)[[0, 1, 2, 0]], np.eye(3, dtype=int)[[0, 1, 2, 0]], np.eye(3, dtype=bool)[[0, 1, 2, 0]]]
)
def test_one_hot_rows_are_those_class_numbers(t: Any) -> None:
    assert float(NETWORK.loss(X, t)) == pytest.approx(float(NETWORK.loss(X, np.array([0, 1, 2, 0]))), rel=1e-6)


def test_a_sum_may_be_off_by_a_thousandth() -> None:
    NETWORK.loss(X, GOOD * 1.0009)
    with pytest.raises(UsageError, match=r"targets\[0\] sums to 1\.0011"):
        NETWORK.loss(X, GOOD * 1.0011)


@pytest.mark.parametrize(
    ("t", "said"),
    [
        (changed(2, 0.5, 0.7, -0.2), r"targets\[2\] has -0\.2"),
        (changed(1, 0, 0, 0), r"targets\[1\] sums to 0"),
        (changed(3, np.nan, 0, 1), r"targets\[3\] sums to nan"),
        (changed(0, np.inf, 0, 1), r"targets\[0\] sums to inf"),
        (changed(0, np.inf, -np.inf, 1), r"targets\[0\] has -inf"),
        (np.ones((4, 3), int), r"targets\[0\] sums to 3"),
        (np.zeros((4, 3), np.float32), r"targets\[0\] sums to 0"),
    ],
)
def test_other_rows_are_errors(t: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        NETWORK.loss(X, t)


def test_other_shapes_are_what_they_were() -> None:
    for t in (GOOD[:, :2], GOOD[:3], GOOD[0], GOOD[None]):
        with pytest.raises((ShapeError, dp.DTypeError)):
            NETWORK.loss(X, t)


def test_the_primitive_and_tensors_take_any_weights() -> None:
    """They are linear in t: derivatives with respect to targets, and weighted targets, are legal."""
    logits = np.array([[1.0, 2.0, 3.0]])
    t = np.array([[2.0, 0.0, -1.0]])
    both = dp.softmax_cross_entropy(logits, t)
    assert float(both) == pytest.approx(
        2 * float(dp.softmax_cross_entropy(logits, np.array([0])))
        - float(dp.softmax_cross_entropy(logits, np.array([2])))
    )
    NETWORK.loss(X, dp.tensor(2 * GOOD.astype(np.float32)))


def test_other_losses_take_what_they_took() -> None:
    wild = np.array([[3.0, -2.0, 0.5]] * 4)
    Network([2, 3], output="identity").loss(X, wild)
    Network([2, 3], output="softmax", loss="squared_error").loss(X, wild)
    Network([2, 3], output="sigmoid").loss(X, np.ones((4, 3)))
