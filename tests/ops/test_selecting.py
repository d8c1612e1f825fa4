from __future__ import annotations

import numpy as np
import pytest
from tests.ops.derivatives import first_order, gradient, second_order

import denpa as dp
from denpa import ops
from denpa.errors import GradientError, UsageError

NAN, INF = np.nan, np.inf


def test_ties_are_shared_equally_and_nan_stays() -> None:
    x = np.array([1.0, 2.0, 3.0, NAN, 1.0, INF, -INF])
    y = np.array([2.0, 2.0, 2.0, 2.0, NAN, INF, -INF])
    for f, reference, at_x in ((ops.maximum, np.maximum, [0, 0.5, 1]), (ops.minimum, np.minimum, [1, 0.5, 0])):
        assert np.array_equal(f(x, y), reference(x, y), equal_nan=True)
        gx, gy = gradient(f, x, y)
        assert gx[:3].tolist() == at_x
        assert np.isnan(gx[3:5]).all()
        assert np.isnan(gy[3:5]).all()
        assert gx[5:].tolist() == gy[5:].tolist() == [0.5, 0.5]
        assert np.array_equal((gx + gy)[:3], [1, 1, 1])


def test_clip_between_numbers() -> None:
    x = np.array([-3.0, -1.0, 0.0, 2.0, 5.0, NAN, -INF, INF])
    assert np.array_equal(ops.clip(x, -1, 2), np.clip(x, -1, 2), equal_nan=True)
    slope = gradient(lambda t: ops.clip(t, -1, 2), x)
    assert slope[[0, 1, 2, 3, 4, 6, 7]].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert np.isnan(slope[5])
    assert gradient(lambda t: ops.clip(t, 0), x)[[2, 3, 7]].tolist() == [0, 1, 1]
    assert gradient(lambda t: ops.clip(t, max=2), x)[[3, 4, 6]].tolist() == [0, 0, 1]
    assert gradient(ops.clip, x)[:3].tolist() == [1, 1, 1]
    assert gradient(lambda t: ops.clip(t, 3, 1), x)[:5].tolist() == [0] * 5, "max wins: the constant 1"
    assert ops.clip(np.arange(4), 1, 2).dtype.kind == "i"
    assert dp.tensor(x).clip(0, 1).node.params == {"min": 0, "max": 1}
    with pytest.raises(UsageError, match="not NaN"):
        ops.clip(x, NAN)


def test_clip_between_arrays_passes_the_gradient_to_the_bounds(rng) -> None:
    x, low, high = np.array([-3.0, 0.0, 5.0, 1.0]), np.full(4, -1.0), np.array([2.0, 2.0, 2.0, 1.0])
    g = gradient(ops.clip, x, low, high)
    assert [part.tolist() for part in g] == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]]
    first_order(ops.clip, (rng.normal(size=(3, 4)), np.full(4, -0.5), np.full((3, 1), 0.5)), rng)
    for bounds in ((np.full(4, -1.0), None), (np.array([NAN, -1, -1, -1]), high)):
        assert np.array_equal(ops.clip(x, *bounds), np.clip(x, *bounds), equal_nan=True)


def test_where_masks_the_gradient_but_cannot_undo_what_the_masked_side_makes_of_it() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    with np.errstate(all="ignore"):
        unsafe = gradient(lambda t: ops.where(t > 0, ops.log(t), 0.0), x)
    assert np.isnan(unsafe[1])  # 0 · inf, as in PyTorch and JAX
    safe = gradient(lambda t: ops.where(t > 0, ops.log(ops.where(t > 0, t, 1.0)), 0.0), x)
    assert safe.tolist() == [0, 0, 0.5]


def test_where_with_scalars_arrays_and_tensors(rng) -> None:
    assert ops.where(True, 1.0, 2.0) == 1.0
    assert type(ops.where(np.bool_(False), np.float64(1), np.float64(2))) is np.float64
    assert ops.where(np.True_, np.float32(1), np.float64(2)).dtype == np.float64
    c = rng.random((3, 1)) < 0.5
    f = lambda x, y: ops.where(c, x, y)
    first_order(f, (rng.normal(size=4), rng.normal(size=(3, 4))), rng)
    second_order(f, (rng.normal(size=4), rng.normal(size=(3, 4))), rng)
    t = dp.tensor(np.ones(2, np.float32))
    for y in (ops.where(t > 0, t, 0.0), ops.where(t > 0, 1, t)):
        assert y.dtype == np.float32


def test_stop_gradient_and_comparisons_end_the_gradient() -> None:
    x = dp.tensor(3.0)
    assert dp.backward(x * ops.stop_gradient(x))[x] == 3.0
    for y in (ops.stop_gradient(x), x > 2, x == 3.0, ops.argmax(x), ops.isnan(x), ~(x > 2) | (x < 5)):
        assert not y.node.requires
    with pytest.raises(GradientError):
        dp.backward(ops.stop_gradient(x) * 2)


def test_zeros_and_ones_like() -> None:
    x = dp.tensor(np.ones((2, 3), np.float32))
    for f, value in ((ops.zeros_like, 0), (ops.ones_like, 1)):
        assert f(x).node.kind == "constant"
        assert np.array_equal(f(x).value, np.full((2, 3), value))
        assert f(x).dtype == np.float32
        assert f(np.ones(2), dtype=int).dtype.kind == "i"


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        (n, getattr(np, n))
        for n in ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or"]
    ],
)
def test_comparisons_equal_numpy(name, reference) -> None:
    x = np.array([0.0, 1.0, NAN, INF, -0.0])
    y = x[:, None]
    t = getattr(ops, name)(dp.tensor(x), y)
    assert t.dtype == bool
    assert np.array_equal(t.value, reference(x, y))
    assert np.array_equal(getattr(ops, name)(x, y), reference(x, y))


def test_operators_compare_elementwise() -> None:
    x = dp.tensor(np.array([1.0, 2.0, 3.0]))
    assert ((x > 1) & (x <= 3) & ~(x == 2)).value.tolist() == [False, False, True]
    assert ((x < 2) | (x != 2)).value.tolist() == [True, False, True]


def test_positions_equal_numpy(rng) -> None:
    x = rng.normal(size=(3, 4))
    for f, reference in ((ops.argmax, np.argmax), (ops.argmin, np.argmin)):
        for axis in (None, 0, -1):
            for keepdims in (False, True):
                expected = reference(x, axis=axis, keepdims=keepdims)
                assert np.array_equal(f(dp.tensor(x), axis=axis, keepdims=keepdims).value, expected)
    assert ops.isfinite(np.array([1, INF, NAN])).tolist() == [True, False, False]
    assert ops.isinf(np.array([1, -INF, NAN])).tolist() == [False, True, False]
