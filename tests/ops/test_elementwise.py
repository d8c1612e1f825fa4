"""Arithmetic, powers, exponentials and trigonometry: conventions, extremes, dtypes, broadcasting."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from tests.ops.derivatives import directional, gradient

import denpa as dp
from denpa import ops
from denpa.errors import DTypeError, ShapeError

# -- arithmetic
OPERATORS = [ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum]
NUMPY = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum]


@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), which=st.integers(0, 5))
def test_broadcasting_equals_numpy_and_its_adjoint(shapes, which) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 2.0, s) for s in shapes.input_shapes)
    f, reference = OPERATORS[which], NUMPY[which]
    x, y = dp.tensor(a), dp.tensor(b)
    out = f(x, y)
    assert np.array_equal(out.value, reference(a, b))
    g = rng.normal(size=shapes.result_shape)
    gradients = dp.backward(out, g)
    for t, i in ((x, 0), (y, 1)):
        d = rng.normal(size=t.shape)
        expected = np.sum(g * directional(f, (a, b), i, d))  # <J d, g> = <d, Jᵀ g>
        assert np.sum(gradients[t] * d) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_a_python_number_takes_the_dtype_beside_it() -> None:
    a = np.ones(3, np.float32)
    for x in (a, dp.tensor(a), a[0], dp.tensor(a[0])):
        for y in (ops.multiply(x, 2.0), ops.add(1, x), ops.power(x, 2), ops.where(a > 0, x, 0.0), ops.maximum(x, 0)):
            assert y.dtype == np.float32
    assert ops.add(np.arange(3), 0.5).dtype == np.float64
    assert ops.add(1, 2).dtype.kind == "i"


def test_integers_follow_numpy() -> None:
    i = np.array([1, 2, 3])
    assert ops.divide(i, 2).dtype == np.float64
    assert ops.exp(i).dtype == np.float64
    assert ops.sigmoid(np.array([0, 255], np.uint8)) == pytest.approx([0.5, 1.0])
    assert ops.softplus(np.array([0, 200], np.uint8)) == pytest.approx([math.log(2), 200])
    assert ops.negative(i).dtype == i.dtype
    with pytest.raises(DTypeError, match="negative"):
        ops.negative(np.array([True]))
    with pytest.raises(ShapeError, match="negative integer powers"):
        ops.power(i, -1)


def test_shapes_that_do_not_broadcast_name_both() -> None:
    with pytest.raises(ShapeError, match=r"multiply.*\(2,\) \(3,\)(?s:.*)float64\[2\], float64\[3\]"):
        dp.tensor(np.ones(2)) * dp.tensor(np.ones(3))


# -- powers
def test_power_at_the_awkward_points() -> None:
    x = np.array([0.0, 0.0, 0.0, -2.0, -2.0, 3.0])
    y = np.array([0.0, 2.0, 1.0, 3.0, 2.0, 0.0])
    gx, gy = gradient(ops.power, x, y)
    assert np.array_equal(gx, [0, 0, 1, 12, -4, 0])
    assert np.array_equal(gy[:3], [0, 0, 0])  # log 0 must not make it NaN
    assert np.isnan(gy[3:5]).all()  # (−2)ʸ is real only at whole y
    assert gy[5] == math.log(3)
    for exponent, expected in ((0, 0.0), (1, 1.0), (2, 0.0), (0.5, np.inf), (3, 0.0)):
        assert gradient(lambda t, e=exponent: t**e, 0.0) == expected
        assert gradient(lambda t, e=exponent: t**e, np.zeros(2)) == pytest.approx([expected] * 2)
    assert np.isnan(gradient(lambda t: t**2, np.nan))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 0.5, -1.0])
def test_a_constant_exponent_is_the_same_as_a_variable_one(exponent, rng) -> None:
    x = rng.uniform(0.5, 2, 5)
    constant = gradient(lambda t: t**exponent, x)
    variable, _ = gradient(ops.power, x, np.full(5, exponent))
    assert constant == pytest.approx(variable, rel=1e-14)
    second = dp.grad(dp.grad(lambda t: t**exponent))(1.7)
    assert second == pytest.approx(exponent * (exponent - 1) * 1.7 ** (exponent - 2), rel=1e-13)


def test_higher_derivatives_of_powers_at_zero() -> None:
    third = dp.grad(dp.grad(dp.grad(lambda x: x**3)))
    assert third(0.0) == 6.0
    assert dp.grad(dp.grad(lambda x: x**0))(0.0) == 0.0
    assert dp.grad(dp.grad(lambda x: x**2))(0.0) == 2.0


# -- values beyond the ordinary
EXTREMES = np.array([-np.inf, -1e4, -1e3, -1e-310, -0.0, 0.0, 1e-310, 1e3, 1e4, np.inf, np.nan])


@pytest.mark.parametrize("name", ["abs", "sign", "arctan", "tanh", "relu", "sigmoid", "softplus", "erf", "erfc"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extremes_are_finite_and_silent(name, dtype) -> None:
    f = getattr(ops, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 1e-310 rounds to 0 in float32; what follows must not warn
        x = EXTREMES.astype(dtype)
    y = f(x)
    slope = gradient(f, x)
    assert np.isnan(y[-1])
    assert np.isnan(slope[-1]), "a NaN must not become a gradient of 0"
    assert np.isfinite(slope[:-1]).all()
    assert np.isfinite(y[1:-2]).all()
    for value, expected, expected_slope in zip(x, y, slope, strict=True):  # one number is computed as an array is
        assert np.allclose(f(value), expected, rtol=1e-6 if dtype is np.float32 else 1e-14, equal_nan=True)
        assert np.allclose(gradient(f, value), expected_slope, rtol=1e-5, equal_nan=True)


def test_what_numpy_makes_infinite_stays_so() -> None:
    with np.errstate(all="ignore"):
        x = np.array([0.0, -1.0, np.inf, np.nan])
        assert np.array_equal(ops.log(x), np.log(x), equal_nan=True)
        assert np.array_equal(ops.sqrt(x), np.sqrt(x), equal_nan=True)
        assert np.array_equal(ops.divide(1.0, x), 1.0 / x, equal_nan=True)
        assert np.array_equal(ops.exp(np.array([710.0, -746.0])), [np.inf, 0.0])
        assert gradient(ops.log, 0.0) == np.inf
        assert np.isnan(gradient(ops.log, np.nan))
        assert gradient(ops.sqrt, np.array([0.0, 4.0])) == pytest.approx([np.inf, 0.25])
        assert gradient(ops.divide, 1.0, 0.0)[0] == np.inf


def test_expm1_keeps_its_slope_where_the_output_is_saturated() -> None:
    assert gradient(ops.expm1, -50.0) == pytest.approx(math.exp(-50), rel=1e-15)


def test_against_torch(rng) -> None:
    torch = pytest.importorskip("torch")
    x = rng.uniform(0.2, 1.4, 50)
    names = [
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "square",
        "abs",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "arctan",
        "sigmoid",
        "erf",
        "erfc",
    ]
    for name in names:
        t = torch.tensor(x, requires_grad=True)
        expected = getattr(torch, name)(t)
        (slope,) = torch.autograd.grad(expected.sum(), t, create_graph=True)
        (curvature,) = torch.autograd.grad((slope * t).sum(), t)
        f = getattr(ops, name)
        mine = dp.grad(lambda v, f=f: (dp.grad(lambda w: f(w).sum())(v) * v).sum())(x)
        assert gradient(f, x) == pytest.approx(slope.detach().numpy(), rel=1e-12)
        assert mine == pytest.approx(curvature.numpy(), rel=1e-11)
