"""Variances, bounds and bits of initial parameters."""

from __future__ import annotations

import numpy as np
import pytest

from denpa.errors import UsageError
from denpa.nn import init
from denpa.nn.random import generator

SHAPE = (300, 700)  # (n_out, n_in), unequal: a swap of fan_in and fan_out must show
VARIANCE = {
    "he": 2 / 700,
    "glorot": 2 / 1000,
    "lecun": 1 / 700,
}


def spread(weight: np.ndarray, variance: float, kurtosis: float) -> float:
    """How many standard errors the sample variance is away from `variance`; Var(s²) ≈ σ⁴ (kurtosis − 1) / n."""
    return float(abs((weight**2).mean() / variance - 1) / np.sqrt((kurtosis - 1) / weight.size))


@pytest.mark.parametrize("name", list(VARIANCE))
@pytest.mark.parametrize(("kind", "kurtosis"), [("normal", 3.0), ("uniform", 1.8)])
def test_variances(name: str, kind: str, kurtosis: float) -> None:
    start = init.initializer(f"{name}_{kind}")
    weight = start.weight(SHAPE, generator(0, 0))
    assert spread(weight, VARIANCE[name], kurtosis) < 5
    assert abs(weight.mean()) < 5 * np.sqrt(VARIANCE[name] / weight.size)
    if kind == "uniform":
        assert abs(weight).max() <= np.sqrt(3 * VARIANCE[name])
        assert abs(weight).max() > 0.9999 * np.sqrt(3 * VARIANCE[name])
    if name != "glorot":  # the broken twin: fan_in taken for fan_out
        assert spread(start.weight(SHAPE[::-1], generator(0, 0)), VARIANCE[name], kurtosis) > 50
    assert not start.bias((300,), 700, generator(0, 1)).any()


def test_pytorch_start_has_its_bounds() -> None:
    start = init.initializer("pytorch")
    weight = start.weight(SHAPE, generator(0, 0), "float32")
    bias = start.bias((30_000,), 700, generator(0, 1), "float32")
    for values in (weight, bias):
        assert values.dtype == np.float32
        assert 0.999 / np.sqrt(700) < abs(values).max() <= np.float32(1 / np.sqrt(700))
        assert spread(values.astype(float), 1 / (3 * 700), 1.8) < 5


def test_normal_and_constant() -> None:
    book = init.normal(0.01).weight(SHAPE, generator(4, 0))
    assert spread(book, 1e-4, 3) < 5
    assert np.array_equal(init.constant(-0.5).weight((2, 3), generator(0, 0)), np.full((2, 3), -0.5))


def test_float32_is_the_rounded_float64() -> None:
    for name in ("he_normal", "glorot_uniform", "normal:0.01"):
        start = init.initializer(name)
        wide, narrow = (start.weight((5, 4), generator(1, 2), dtype) for dtype in ("float64", "float32"))
        assert np.array_equal(wide.astype(np.float32), narrow)


def test_the_key_decides_the_bits() -> None:
    start = init.initializer("he_normal")
    first = start.weight((5, 4), generator(1, 2))
    assert np.array_equal(first, start.weight((5, 4), generator(1, 2)))
    assert not np.array_equal(first, start.weight((5, 4), generator(1, 3)))
    assert not np.array_equal(first, start.weight((5, 4), generator(2, 2)))


@pytest.mark.parametrize("text", ["he_normal", "lecun_uniform", "normal:0.01", "constant:-2.0", "pytorch"])
def test_texts_round_trip(text: str) -> None:
    assert init.initializer(text).text == text
    assert init.initializer(init.initializer(text)) == init.initializer(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("he_norml", "he_normal"),
        ("xavier", "one of"),
        ("normal", "takes a number"),
        ("he_normal:2", "takes no number"),
        ("normal:-1", "std"),
        ("normal:nan", "std"),
        ("constant:x", "constant"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        init.initializer(text)


def test_defaults_by_activation() -> None:
    assert init.default("relu").name == "he_normal"
    assert init.default("gelu").name == "he_normal"
    for name in ("tanh", "sigmoid", "softmax", "identity", None):
        assert init.default(name).name == "glorot_uniform"
