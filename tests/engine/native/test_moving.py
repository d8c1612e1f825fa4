"""Operations that place, take, add and contract elements: native = reference, with gradients and in chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.errors import IndexingError
from denpa.graph import FUNCTIONS

pytest.importorskip("numba")

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}
rng = np.random.default_rng(7)
INDEX = rng.integers(-9, 9, (4, 5))
COLUMNS = np.array([2, 0, 0, -1])
MASK = rng.random(9) < 0.5


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "concat": (lambda x, y: dp.concat([x, dp.tanh(y), x * 2], axis=1), (normal(6, 3), normal(6, 5))),
    "concat of transposed": (lambda x, y: dp.concat([x.T, y], axis=0), (normal(6, 3), normal(2, 6))),
    "stack": (lambda x, y: dp.stack([x, y, x * y], axis=1), (normal(6, 3), normal(6, 3))),
    "pad": (lambda x: FUNCTIONS["pad"](x * 3, [(1, 2), (0, 4)]), (normal(6, 3),)),
    "steps back": (lambda x: dp.exp(x[::-2, 1:]) + x[:3, :2], (normal(6, 3),)),
    "rows by number": (lambda x: dp.take(x, INDEX, axis=0) * 2, (normal(9, 3),)),
    "elements by two numbers": (lambda x: x[INDEX, np.arange(5) % 3], (normal(9, 3),)),
    "columns by number": (lambda x: x[:, COLUMNS], (normal(9, 3),)),
    "columns of some rows": (lambda x: dp.exp(x[1::2, None, COLUMNS] * 2), (normal(9, 3),)),
    "apart": (lambda x: x[COLUMNS, 1:, [[0], [-1]]], (normal(3, 5, 2),)),
    "after a number": (lambda x: x[-1, :, COLUMNS], (normal(2, 5, 3),)),
    "a number between": (lambda x: x[:, 1, COLUMNS, ...], (normal(2, 5, 3, 2),)),
    "last axis": (lambda x: x[..., COLUMNS], (normal(2, 5, 3),)),
    "of a turned array": (lambda x: x.T[::-1, INDEX], (normal(9, 3),)),
    "mask of rows": (lambda x: x[MASK] * 2, (normal(9, 3),)),
    "mask of columns": (lambda x: x[2:, [True, False, True]], (normal(9, 3),)),
    "mask of elements": (lambda x: x[np.outer(MASK, [True, False, True])], (normal(9, 3),)),
    "mask and numbers": (lambda x: x[MASK, np.arange(MASK.sum()) % 3], (normal(9, 3),)),
    "mask of nothing": (lambda x: x[np.zeros(9, bool)], (normal(9, 3),)),
    "no numbers": (lambda x: x[:, np.zeros(0, int)], (normal(9, 3),)),
    "loss of no rows": (
        lambda x: dp.softmax_cross_entropy(x, np.zeros(0, int), reduction="sum"),
        (normal(0, 3),),
    ),
    "losses of no rows": (
        lambda x: dp.softmax_cross_entropy(x * 2, np.zeros(0, int), reduction="none"),
        (normal(0, 3),),
    ),
    "along an axis": (lambda x: dp.logsumexp(x, axis=1) + dp.logsumexp(x, axis=(1,)), (normal(40, 30) * 50,)),
    "norm": (lambda x: dp.vector_norm(x, axis=0), (normal(40, 30),)),
    "running": (lambda x: dp.cumulative_sum(dp.tanh(x), axis=0), (normal(40, 30),)),
    "attention": (lambda q, k: dp.einsum("bhqd,bhkd->bhqk", q, k), (normal(2, 3, 5, 4), normal(2, 3, 6, 4))),
    "product": (lambda a, b: dp.einsum("ij,jk->ki", a, b), (normal(30, 20), normal(20, 40))),
    "outer": (lambda a, b: dp.einsum("i,j->ji", a, b), (normal(30), normal(20))),
    "trace of two": (lambda a, b: dp.einsum("ij,ij->", a, b), (normal(30, 20), normal(30, 20))),
    "three": (lambda a, b, c: dp.einsum("ij,jk,k->i", a, b, c), (normal(5, 6), normal(6, 7), normal(7))),
}


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("name", list(CASES))
def test_values_and_gradients(name: str, dtype: str) -> None:
    f, arrays = CASES[name]
    args = [a.astype(dtype) for a in arrays]
    weights = np.random.default_rng(3).normal(size=np.shape(f(*args))).astype(dtype)

    def weighed(*xs: Any) -> Any:
        return (f(*xs) * weights).sum()

    every = tuple(range(len(args)))
    for g in (f, dp.grad(weighed, every)):
        found = dp.compile(g, engine="native!")(*args)
        wanted = dp.compile(g, engine="eager")(*args)
        for a, b in zip(_list(found), _list(wanted), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(
                a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(np.abs(b).max(initial=0), 1)
            )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def test_a_mask_that_changes_is_left_to_numpy() -> None:
    """Its result has the shape it was compiled with, or there is an error: never other elements."""
    f = dp.compile(lambda x, mask: x[mask] * 2, engine="native")
    x, mask = np.arange(4.0), np.array([True, False, True, True])
    np.testing.assert_array_equal(f(x, mask), [0, 4, 6])
    assert [line.rpartition(": ")[0] for line in f.fallbacks] != []
    assert "a mask, whose true elements decide the size of the result" in f.fallbacks[0]
    np.testing.assert_array_equal(f(x, mask[::-1]), [0, 2, 6])
    with pytest.raises(dp.DenpaError):
        f(x, np.ones(4, bool))


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_a_number_outside_is_an_error(engine: str) -> None:
    for index in (np.array([0, 3]), np.array([-4])):
        f = dp.compile(lambda x, i: x[:, i], engine=engine)
        f(np.ones((2, 3)), np.zeros(len(index), int))
        with pytest.raises(IndexingError):
            f(np.ones((2, 3)), index)
