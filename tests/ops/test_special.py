from __future__ import annotations

import math

import numpy as np
import pytest
from tests.ops.derivatives import gradient
from tests.ops.test_activations import worst_ulps

from denpa import ops
from denpa.ops import special

RANGES = [(-6, 6), (-0.5, 0.5), (-1e-3, 1e-3), (0.4, 0.6), (0.5, 1), (1, 3), (3, 10), (10, 26.5)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_erf_and_erfc_within_five_units_in_the_last_place(low, high, rng) -> None:
    mp = pytest.importorskip("mpmath")
    x = rng.uniform(low, high, 300)
    assert worst_ulps(ops.erf, mp.erf, x) < 3
    assert worst_ulps(ops.erfc, mp.erfc, x) < 5
    assert [ops.erfc(v) for v in x] == pytest.approx(ops.erfc(x), rel=1e-15), "one number: the C library's"


def test_a_wrong_coefficient_would_be_noticed(rng, monkeypatch) -> None:
    mp = pytest.importorskip("mpmath")
    x = rng.uniform(0.5, 3, 200)
    for name, index in (("Q", 5), ("Q", 20), ("P", 4)):
        values = list(getattr(special, name))
        values[index] *= 1 + 1e-6
        with monkeypatch.context() as patch:
            patch.setattr(special, name, tuple(values))
            assert worst_ulps(ops.erf if name == "P" else ops.erfc, mp.erf if name == "P" else mp.erfc, x / 4) > 5


def test_the_coefficients_are_those_that_mpmath_gives() -> None:
    pytest.importorskip("mpmath")
    from tests.ops.fit_erf import erf_small, erfc_scaled

    assert list(special.P) == erf_small(len(special.P))
    assert list(special.Q) == erfc_scaled(len(special.Q))
    assert list(special.Q_SINGLE) == erfc_scaled(len(special.Q_SINGLE))


def test_float32_is_correct_to_the_last_place(rng) -> None:
    x = rng.uniform(-4, 9, 20_000).astype(np.float32)
    for f, exact in ((ops.erf, math.erf), (ops.erfc, math.erfc)):
        expected = np.array([exact(float(v)) for v in x])
        assert f(x).dtype == np.float32
        assert np.max(np.abs(f(x) - expected) / np.spacing(expected.astype(np.float32))) < 0.52


def test_shapes_blocks_and_layouts(rng) -> None:
    x = rng.normal(size=(3, special.BLOCK // 2 + 1, 2))
    for a in (x, x.T, x[:, ::3], x[:0], x[0, 0, 0]):
        assert np.array_equal(np.shape(ops.erf(a)), np.shape(a))
        assert np.allclose(ops.erf(a), np.vectorize(math.erf, otypes=[float])(a), rtol=1e-15, atol=0)


def test_ends_and_signs() -> None:
    x = np.array([-np.inf, -30.0, -0.0, 0.0, 27.0, 30.0, np.inf, np.nan])
    assert np.array_equal(ops.erf(x), [-1, -1, 0, 0, 1, 1, 1, np.nan], equal_nan=True)
    assert np.signbit(ops.erf(x)[2])
    assert np.array_equal(ops.erfc(x)[[0, 1, 2, 3, 5, 6, 7]], [2, 2, 1, 1, 0, 0, np.nan], equal_nan=True)
    assert ops.erfc(x)[4] == pytest.approx(5.2e-319, rel=0.1)
    assert gradient(ops.erf, x)[:-1].tolist()[2:4] == [2 / math.sqrt(math.pi)] * 2
    assert gradient(ops.erf, x)[[0, 6]].tolist() == [0, 0]
    assert ops.erf(np.arange(3)).dtype == np.float64
