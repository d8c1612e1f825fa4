"""Columns that tell the target alone are named, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from denpa.data.coding import InputColumn
from denpa.data.leaks import Leaks

N = 200
RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 3, N)


def told(column: InputColumn, values: np.ndarray, target: np.ndarray, classes: tuple[str, ...] | None) -> bool:
    leaks = Leaks([column], classes)
    for start in range(0, N, 30):
        leaks.add([values[start : start + 30].astype(float)], [target[start : start + 30]])
    said = leaks.notices(["y"])
    assert len(said) <= 1
    return bool(said) and "'x' tells the target 'y' alone" in said[0]


NUMBER, CATEGORY = InputColumn("x"), InputColumn("x", "category", ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("column", "values", "tells"),
    [
        (NUMBER, CLASSES * 10 + RNG.random(N), True),
        (NUMBER, CLASSES * 10 + 15 * RNG.random(N), False),
        (NUMBER, np.where(CLASSES == 2, 5.0, RNG.random(N)), False),  # one class of three
        (CATEGORY, (2 - CLASSES), True),
        (CATEGORY, np.where(CLASSES == 0, RNG.integers(2, 4, N), CLASSES - 1), True),
        (CATEGORY, RNG.integers(0, 4, N), False),
    ],
)
def test_classes(column: InputColumn, values: np.ndarray, tells: bool) -> None:
    assert told(column, values, CLASSES, ("p", "q", "r")) is tells


def test_missing_cells_tell_nothing_but_do_not_hide_a_leak() -> None:
    values = np.where(RNG.random(N) < 0.1, np.nan, CLASSES * 10.0)
    assert told(NUMBER, values, CLASSES, ("p", "q", "r"))
    assert not told(NUMBER, np.full(N, np.nan), CLASSES, ("p", "q", "r"))


def test_numbers() -> None:
    target = RNG.normal(size=N)
    assert told(NUMBER, 1e6 - 3 * target, target, None)
    assert not told(NUMBER, target + 0.1 * RNG.normal(size=N), target, None)
    assert not told(NUMBER, np.ones(N), target, None)
    assert not told(CATEGORY, RNG.integers(0, 4, N), target, None)
