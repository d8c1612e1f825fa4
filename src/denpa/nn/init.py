"""Initial parameters.  Every draw comes from a generator passed in; draws are made in float64 and rounded to the dtype,
so a float32 network starts from the rounded parameters of the float64 network with the same seed.

fan_in = n_in and fan_out = n_out of a weight (n_out, n_in).  With inputs of unit variance, variance 1/fan_in keeps the
variance of the preactivation (LeCun), 2/fan_in makes up for ReLU's zeros (He), 2/(fan_in + fan_out) is the compromise
between the forward and the backward pass (Glorot).  A uniform distribution on ±b has variance b²/3.

LeCun: Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, Efficient BackProp, 1998, §4.6.
Glorot (Xavier): X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010,
(16).
He (Kaiming): K. He, X. Zhang, S. Ren, J. Sun, Delving deep into rectifiers, ICCV 2015, (10) and (15).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from denpa.arrays import Array, Shape
from denpa.errors import UsageError
from denpa.nn.choices import choose, number

# name → the variance of a weight from fan_in, fan_out; each exists as name_normal and name_uniform
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
}

# What follows the layer → how its weight starts when nothing is said.  The ReLU family halves the signal's power (He);
# the others are near linear around 0 (Glorot).
DEFAULTS: dict[str, str] = {
    "relu": "he_normal",
    "leaky_relu": "he_normal",
    "elu": "he_normal",
    "gelu": "he_normal",
    "softplus": "he_normal",
    "tanh": "glorot_uniform",
    "sigmoid": "glorot_uniform",
    "softmax": "glorot_uniform",
    "identity": "glorot_uniform",
}


@dataclass(frozen=True)
class Initializer:
    """How a weight (n_out, n_in) and a bias (n_out,) start: a name of INITIALIZERS, and the number it takes, if any."""

    name: str
    value: float | None = None

    def weight(self, shape: Shape, rng: np.random.Generator, dtype: str = "float64") -> Array:
        """A draw of that shape; the same generator state gives the same bits."""
        n_out, n_in = shape
        return _DRAW[self.name](rng, (n_out, n_in), self.value).astype(dtype)

    def bias(self, shape: Shape, fan_in: int, rng: np.random.Generator, dtype: str = "float64") -> Array:
        """Zeros; for "pytorch" uniform on ±1/√fan_in, as nn.Linear there."""
        if self.name == "pytorch":
            return rng.uniform(-1, 1, shape).astype(dtype) * np.dtype(dtype).type(1 / math.sqrt(fan_in))
        return np.zeros(shape, dtype)

    @property
    def text(self) -> str:
        """The form `initializer` parses: "he_normal", "normal:0.01"."""
        return self.name if self.value is None else f"{self.name}:{self.value!r}"


_Draw = Callable[[np.random.Generator, tuple[int, int], float | None], Array]


def _normal(variance: Callable[[int, int], float]) -> _Draw:
    return lambda rng, shape, _: rng.standard_normal(shape) * math.sqrt(variance(shape[1], shape[0]))


def _uniform(variance: Callable[[int, int], float]) -> _Draw:
    return lambda rng, shape, _: rng.uniform(-1, 1, shape) * math.sqrt(3 * variance(shape[1], shape[0]))


_DRAW: dict[str, _Draw] = {
    **{f"{name}_normal": _normal(v) for name, v in VARIANCES.items()},
    **{f"{name}_uniform": _uniform(v) for name, v in VARIANCES.items()},
    # PyTorch's nn.Linear draws from kaiming_uniform with a = √5, which is the variance 1/(3·fan_in)
    "pytorch": _uniform(lambda fan_in, fan_out: 1 / (3 * fan_in)),
    "normal": lambda rng, shape, std: rng.standard_normal(shape) * (0.0 if std is None else std),
    "constant": lambda rng, shape, value: np.full(shape, 0.0 if value is None else value),
}
INITIALIZERS = tuple(_DRAW)
_TAKES_A_NUMBER = ("normal", "constant")


def normal(std: float) -> Initializer:
    """Normal with mean 0 and this standard deviation; the book's start is normal(0.01) (seed 000)."""
    return Initializer("normal", number("std", std, 0))


def constant(value: float) -> Initializer:
    """Every weight the same.  Units of a layer then stay equal for ever: of use for experiments only."""
    return Initializer("constant", number("constant", value))


def initializer(text: str | Initializer) -> Initializer:
    """From a text: a name, or "normal:STD", "constant:VALUE".  UsageError with the nearest name for anything else."""
    if isinstance(text, Initializer):
        return text
    name, colon, rest = str(text).partition(":")
    choose("initializer", name, _DRAW)
    if (name in _TAKES_A_NUMBER) != bool(colon):
        raise UsageError(
            f"initializer {name!r} takes {'a' if name in _TAKES_A_NUMBER else 'no'} number",
            got=repr(text),
            want=f"{name}:0.01" if name in _TAKES_A_NUMBER else name,
        )
    if not colon:
        return Initializer(name)
    try:
        value = float(rest)
    except ValueError:
        value = math.nan
    return normal(value) if name == "normal" else constant(value)


def default(activation: str | None) -> Initializer:
    """The start of a layer that is followed by this activation (None: nothing): He for the ReLU family, else Glorot."""
    return Initializer(DEFAULTS.get(activation or "identity", "glorot_uniform"))
