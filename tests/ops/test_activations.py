from __future__ import annotations

import math

import numpy as np
import pytest
from tests.ops.derivatives import first_order, gradient, second_order

import denpa as dp
from denpa import ops


def worst_ulps(f, reference, x) -> float:
    """The largest error in units of the last place, against mpmath at 60 digits."""
    mp = pytest.importorskip("mpmath")
    with mp.workdps(60):
        exact = [reference(mp.mpf(float(v))) for v in x]
        return max(
            float(abs(mp.mpf(float(y)) - e) / mp.mpf(float(np.spacing(abs(float(e))))))
            for y, e in zip(f(x), exact, strict=True)
        )


def test_sigmoid_and_softplus_keep_relative_precision_in_both_tails(rng) -> None:
    mp = pytest.importorskip("mpmath")
    x = np.concatenate([rng.uniform(-700, 40, 300), rng.uniform(-90, -70, 100), rng.uniform(-3, 3, 200)])
    assert worst_ulps(ops.sigmoid, lambda v: 1 / (1 + mp.exp(-v)), x) < 3
    assert worst_ulps(ops.softplus, lambda v: mp.log1p(mp.exp(v)), x) < 3
    small = np.linspace(-87, 20, 200, dtype=np.float32)
    assert np.allclose(ops.sigmoid(small), 1 / (1 + np.exp(-small.astype(float))), rtol=3e-7, atol=0)
    assert ops.sigmoid(np.float32(-100)) > 0  # 3.8e-44, a denormal; 1/(1 + e¹⁰⁰) would overflow to 0


def test_an_element_does_not_depend_on_the_others_in_its_batch(rng) -> None:
    x = rng.uniform(-85, 85, 50)
    together = ops.sigmoid(np.append(x, -1e4))[:-1]
    assert np.array_equal(together, ops.sigmoid(x))
    assert np.array_equal([ops.sigmoid(v) for v in x], ops.sigmoid(x))


def test_conventions_at_zero() -> None:
    assert gradient(ops.relu, np.array([-1.0, -0.0, 0.0, 2.0])).tolist() == [0, 0, 0, 1]
    assert gradient(ops.leaky_relu, np.array([-1.0, 0.0, 2.0])).tolist() == [0.01, 0.01, 1]
    assert gradient(lambda x: ops.leaky_relu(x, 0.2), 0.0) == 0.2
    assert gradient(ops.elu, np.array([0.0, 2.0])).tolist() == [1, 1]
    assert gradient(lambda x: ops.elu(x, 0.5), 0.0) == 0.5


def test_relu_cuts_an_infinite_slope_off() -> None:
    """√relu(x) is the constant 0 for x < 0: its slope is 0 there, not 0 · inf."""
    assert gradient(lambda x: ops.sqrt(ops.relu(x)), np.array([-1.0, 4.0])).tolist() == [0.0, 0.25]


@pytest.mark.parametrize("f", [ops.relu, ops.leaky_relu, ops.elu, ops.gelu, ops.softplus, ops.sigmoid])
def test_a_nan_is_never_a_gradient_of_zero(f) -> None:
    slope = gradient(f, np.array([np.nan, 1.0]))
    assert np.isnan(f(np.array([np.nan]))).all()
    assert slope[0] != 0
    assert np.isfinite(slope[1])


@pytest.mark.parametrize("f", [ops.relu, ops.leaky_relu, ops.elu, ops.gelu, ops.softplus, ops.sigmoid, ops.tanh])
def test_large_inputs_are_finite_and_silent(f) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([-1e4, -1e3, -100, 100, 1e3, 1e4], dtype)
        assert np.isfinite(f(x)).all()
        assert np.isfinite(gradient(f, x)).all()
        assert f(x).dtype == gradient(f, x).dtype == dtype


def test_limits_at_infinity() -> None:
    x = np.array([-np.inf, np.inf])
    assert ops.sigmoid(x).tolist() == [0, 1]
    assert ops.softplus(x).tolist() == [0, np.inf]
    assert ops.elu(x).tolist() == [-1, np.inf]
    assert ops.leaky_relu(x).tolist() == [-np.inf, np.inf]
    for f in (ops.sigmoid, ops.softplus, ops.elu, ops.relu):
        assert np.isfinite(gradient(f, x)).all()


def test_gelu_and_its_derivatives_in_the_left_tail(rng) -> None:
    mp = pytest.importorskip("mpmath")
    x = np.concatenate([rng.uniform(-37, -1, 60), rng.uniform(-1, 6, 60)])
    with mp.workdps(50):
        value = [float(mp.mpf(v) * mp.ncdf(mp.mpf(v))) for v in x]
        slope = [float(mp.ncdf(mp.mpf(v)) + mp.mpf(v) * mp.npdf(mp.mpf(v))) for v in x]
        curvature = [float((2 - mp.mpf(v) ** 2) * mp.npdf(mp.mpf(v))) for v in x]
    assert np.allclose(ops.gelu(x), value, rtol=3e-13, atol=0)
    assert np.allclose(gradient(ops.gelu, x), slope, rtol=1e-11, atol=0)  # Φ and xφ cancel near x = −0.75
    second = dp.grad(lambda v: dp.grad(lambda w: ops.gelu(w).sum())(v).sum())(x)
    assert np.allclose(second, curvature, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("f", [ops.leaky_relu, ops.elu, lambda x: ops.elu(x, 0.3)])
def test_composites(f, rng) -> None:
    x = rng.uniform(0.1, 3, (4, 3)) * rng.choice([-1, 1], (4, 3))
    first_order(f, (x,), rng)
    second_order(f, (x,), rng)


def test_against_torch(rng) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    pairs = [
        (ops.relu, functional.relu),
        (ops.leaky_relu, functional.leaky_relu),
        (ops.elu, functional.elu),
        (ops.gelu, functional.gelu),
        (ops.softplus, functional.softplus),
        (ops.sigmoid, torch.sigmoid),
    ]
    x = np.append(rng.normal(size=200) * 3, [0.0, 1e3, -1e3])
    for mine, theirs in pairs:
        t = torch.tensor(x, requires_grad=True)
        y = theirs(t)
        y.sum().backward()
        # 1e-8: torch's softplus is the identity above 20, an error of 2e-9
        assert np.allclose(mine(x), y.detach().numpy(), rtol=1e-8 if mine is ops.softplus else 1e-13)
        assert np.allclose(gradient(mine, x), t.grad.numpy(), rtol=1e-8 if mine is ops.softplus else 1e-12)


def test_sigmoid_at_the_textbook_point() -> None:
    assert ops.sigmoid(0.0) == 0.5
    assert gradient(ops.sigmoid, 0.0) == 0.25
    assert ops.sigmoid(1.0) == 1 / (1 + math.exp(-1))
