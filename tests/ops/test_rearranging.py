"""What the table of NumPy's functions does not reach: errors, and what has no counterpart in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.ops.derivatives import first_order

import denpa as dp
from denpa.errors import ShapeError, UsageError
from denpa.ops import (
    broadcast_arrays,
    diff,
    moveaxis,
    repeat,
    split,
    swapaxes,
    take_along_axis,
    tile,
    tril,
    triu,
    unstack,
)

SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


@given(shape=SHAPES, counts=st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_tile_of_any_shape(shape, counts) -> None:
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert np.array_equal(tile(dp.tensor(x), counts).value, np.tile(x, counts))


@given(shape=SHAPES, data=st.data())
def test_moving_axes_of_any_shape(shape, data) -> None:
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    n = len(shape)
    axes = st.lists(st.integers(-n, n - 1), min_size=1, max_size=n, unique_by=lambda a: a % n)
    source = data.draw(axes)
    destination = data.draw(axes.filter(lambda d: len(d) == len(source)))
    assert np.array_equal(moveaxis(dp.tensor(x), source, destination).value, np.moveaxis(x, source, destination))
    i, j = data.draw(st.integers(-n, n - 1)), data.draw(st.integers(-n, n - 1))
    assert np.array_equal(swapaxes(dp.tensor(x), i, j).value, np.swapaxes(x, i, j))


@given(n=st.integers(0, 9), sections=st.integers(1, 5), cuts=st.lists(st.integers(-12, 12), max_size=4))
def test_cutting_at_any_place(n, sections, cuts) -> None:
    x = np.arange(float(n))
    for ours, numpys in (
        (split(dp.tensor(x), cuts), np.split(x, cuts)),
        (split(dp.tensor(x), sections, even=False), np.array_split(x, sections)),
    ):
        assert len(ours) == len(numpys)
        assert all(np.array_equal(a.value, b) for a, b in zip(ours, numpys, strict=True))


def test_they_work_on_arrays_as_on_tensors(rng) -> None:
    x = rng.normal(size=(3, 4))
    for f in (
        lambda x: unstack(x, 1)[2],
        lambda x: broadcast_arrays(x, x[:1])[1],
        lambda x: repeat(x, 2),
        lambda x: diff(x, 0),
        lambda x: tril(x, -1) * triu(x, -2),
        lambda x: take_along_axis(x, np.array([[0], [3], [1]]), 1),
    ):
        assert isinstance(f(x), np.ndarray)
        first_order(f, (x,), rng)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: split(t, 2), ShapeError),
        (lambda t: split(t, 0), ShapeError),
        (lambda t: moveaxis(t, (0, 1), (0,)), UsageError),
        (lambda t: repeat(t, dp.tensor([1, 2, 3]), 0), UsageError),
        (lambda t: take_along_axis(t, np.array([0]), 1), ShapeError),
    ],
)
def test_what_does_not_fit_is_an_error(call, error) -> None:
    with pytest.raises(error):
        call(dp.tensor(np.ones((3, 4))))
