from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes
from tests.ops.derivatives import first_order, gradient, second_order

import denpa as dp
from denpa import ops
from denpa.errors import ShapeError, UsageError

INF, NAN = np.inf, np.nan
PAIRS = [
    (ops.sum, np.sum),
    (ops.prod, np.prod),
    (ops.max, np.max),
    (ops.min, np.min),
    (ops.mean, np.mean),
    (ops.var, np.var),
    (ops.std, np.std),
]


@st.composite
def reductions(draw):
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
    axes = draw(st.one_of(st.none(), st.lists(st.integers(0, 3), unique=True, max_size=3)))
    if axes is not None:
        axes = tuple(a - draw(st.sampled_from([0, len(shape)])) for a in axes if a < len(shape))
        axes = axes[0] if len(axes) == 1 and draw(st.booleans()) else axes
    return shape, axes, draw(st.booleans())


@given(case=reductions(), which=st.integers(0, len(PAIRS) - 1))
def test_values_and_gradients_over_any_axes(case, which) -> None:
    shape, axis, keepdims = case
    rng = np.random.default_rng(1)
    x = rng.permutation(math.prod(shape)).reshape(shape) * 0.37 + 0.5
    mine, reference = PAIRS[which]
    f = lambda a: mine(a, axis=axis, keepdims=keepdims)
    assert np.allclose(f(x), reference(x, axis=axis, keepdims=keepdims), rtol=1e-13, atol=1e-13)
    assert np.shape(f(x)) == np.shape(reference(x, axis=axis, keepdims=keepdims))
    if mine is ops.std and np.any(f(x) == 0):
        return  # its slope there is a convention
    first_order(f, (x,), rng)


@pytest.mark.parametrize("f", [ops.mean, ops.var, ops.std, lambda x, **k: ops.var(x, correction=1, **k)])
def test_second_derivatives_of_composites(f, rng) -> None:
    for params in ({}, {"axis": 0}, {"axis": (0, -1), "keepdims": True}):
        second_order(lambda x, p=params: f(x, **p), (rng.normal(size=(3, 2, 4)),), rng)


def test_empty_reductions_follow_numpy() -> None:
    x = np.zeros((0, 3))
    assert ops.sum(x, axis=0).tolist() == [0, 0, 0]
    assert ops.prod(x, axis=0).tolist() == [1, 1, 1]
    assert ops.logsumexp(x, axis=0).tolist() == [-INF] * 3
    assert gradient(ops.sum, x).shape == (0, 3)
    assert gradient(lambda t: ops.prod(t, axis=0), x).shape == (0, 3)
    for f in (ops.max, ops.min):
        with pytest.raises(ShapeError, match=f"{f.name}.*no identity"):
            f(x, axis=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for mine, reference in ((ops.mean, np.mean), (ops.var, np.var), (ops.std, np.std)):
            assert np.array_equal(mine(x, axis=0), reference(x, axis=0), equal_nan=True)
        one = np.array([2.0])
        assert np.isnan(ops.var(one, correction=1))
        assert np.isnan(np.var(one, ddof=1))
        assert np.array_equal(ops.var(np.array([1.0, 2.0]), correction=3), np.var([1.0, 2.0], ddof=3))


def test_an_axis_that_is_not_there_names_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"sum: axis 2 is out of bounds(?s:.*)float64\[2, 3\]"):
        ops.sum(dp.tensor(np.ones((2, 3))), axis=2)


@pytest.mark.parametrize(("f", "sign"), [(ops.max, 1), (ops.min, -1)])
def test_ties_are_shared_and_nan_spreads(f, sign) -> None:
    x = sign * np.array([[1.0, 1.0, 0.0], [3.0, 3.0, 3.0], [INF, INF, 1.0], [-INF, -INF, -INF]])
    g = gradient(lambda t: f(t, axis=1), x)
    assert g == pytest.approx(np.array([[1 / 2, 1 / 2, 0], [1 / 3] * 3, [1 / 2, 1 / 2, 0], [1 / 3] * 3]))
    assert gradient(f, np.ones((2, 2))).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    g = gradient(lambda t: f(t, axis=1), np.array([[1.0, NAN], [1.0, 2.0]]))
    assert np.isnan(g[0]).all()
    assert np.isfinite(g[1]).all()


# -- prod
def others(x) -> list[float]:
    return [math.prod(x[:i] + x[i + 1 :]) for i in range(len(x))]


@pytest.mark.parametrize(
    "x", [[2.0], [2.0, 0.0], [2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0] * 4, [1.5, -2.0, 0.0, 4.0, 0.5, 3.0, 7.0]]
)
def test_prod_with_any_number_of_zeros(x) -> None:
    assert gradient(ops.prod, np.array(x)) == pytest.approx(others(x))
    hessian = dp.hessian(ops.prod)(np.array(x))
    for i in range(len(x)):
        for j in range(len(x)):
            rest = math.prod(v for k, v in enumerate(x) if k not in (i, j))
            assert hessian[i, j] == pytest.approx(0.0 if i == j else rest)


@pytest.mark.parametrize("params", [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"axis": (2, 1)}])
def test_prod_over_axes_to_the_second_order(params, rng) -> None:
    x = rng.normal(size=(3, 5, 2))
    x[0, 1] = 0
    f = lambda a: ops.prod(a, **params)
    first_order(f, (x,), rng)
    second_order(f, (x,), rng)


def test_a_prod_that_divides_would_be_caught(rng) -> None:
    """The broken twin: out / x is NaN beside a zero."""
    x = np.array([2.0, 0.0, 3.0])
    with np.errstate(all="ignore"):
        assert not np.allclose(np.prod(x) / x, others(list(x)))


# -- cumulative_sum
def test_cumulative_sum(rng) -> None:
    x = rng.normal(size=(3, 4))
    assert np.array_equal(ops.cumulative_sum(x, axis=1), np.cumsum(x, axis=1))
    assert gradient(ops.cumulative_sum, np.ones(4)).tolist() == [4, 3, 2, 1]
    with pytest.raises(UsageError, match="axis"):
        ops.cumulative_sum(x)


# -- logsumexp
def test_logsumexp_of_large_and_infinite_rows() -> None:
    x = np.array([[1e4, 1e4], [-1e4, -1e4], [-INF, -INF], [INF, 1.0], [INF, INF], [INF, -INF], [NAN, 1.0], [0.0, -INF]])
    expected = [1e4 + math.log(2), -1e4 + math.log(2), -INF, INF, INF, INF, NAN, 0.0]
    assert np.allclose(ops.logsumexp(x, axis=1), expected, equal_nan=True)
    g = gradient(lambda t: ops.logsumexp(t, axis=1), x)
    softmax = [[0.5, 0.5], [0.5, 0.5], [0, 0], [1, 0], [0.5, 0.5], [1, 0], [NAN, NAN], [1, 0]]
    assert np.allclose(g, softmax, equal_nan=True)
    again = gradient(lambda t: ops.logsumexp(t, axis=1), x[:2])
    assert np.allclose(again, g[:2]), "rows do not depend on one another"
    assert ops.logsumexp(np.array([1000, 1000])) == pytest.approx(1000 + math.log(2))
    small = ops.logsumexp(np.array([100.0, 100.0], np.float32))
    assert small.dtype == np.float32
    assert small == pytest.approx(100 + math.log(2))


def test_logsumexp_second_derivative_is_that_of_softmax(rng) -> None:
    x = rng.normal(size=5) * 3
    p = np.exp(x) / np.exp(x).sum()
    assert np.allclose(dp.hessian(ops.logsumexp)(x), np.diag(p) - np.outer(p, p), atol=1e-14)


# -- std, integers, dtypes
def test_std_where_all_are_equal() -> None:
    x = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]])
    g = gradient(lambda t: ops.std(t, axis=1), x)
    assert g[0].tolist() == [0, 0, 0]
    assert np.allclose(g[1], (x[1] - x[1].mean()) / (3 * x[1].std()))
    assert np.isnan(gradient(ops.std, np.array([1.0, NAN]))).all()


def test_integers_and_float32() -> None:
    i = np.array([[1, 2], [3, 4]])
    assert ops.sum(i).dtype == np.sum(i).dtype
    assert ops.mean(i) == 2.5
    assert ops.prod(np.array([True, True])).dtype.kind == "i"
    x = np.ones((2, 3), np.float32)
    for f, _ in PAIRS:
        assert f(x, axis=0).dtype == np.float32
        assert gradient(lambda t, f=f: f(t, axis=0), x).dtype == np.float32
    assert dp.tensor(x).mean().dtype == np.float32


def test_tensor_methods(rng) -> None:
    x = rng.normal(size=(3, 4))
    t = dp.tensor(x)
    for name in ("sum", "mean", "max", "min", "prod", "var", "std"):
        assert np.allclose(getattr(t, name)(axis=1, keepdims=True).value, getattr(x, name)(axis=1, keepdims=True))
    assert np.allclose(t.var(axis=0, ddof=1).value, x.var(axis=0, ddof=1))


def test_any_and_all() -> None:
    x = np.array([[0, 1], [2, 3]])
    assert ops.any(dp.tensor(x), axis=1).value.tolist() == [True, True]
    assert ops.all(dp.tensor(x), axis=1).value.tolist() == [False, True]
    assert not ops.all(dp.tensor(x)).value
