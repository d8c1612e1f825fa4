"""Activation functions.  Values and gradients are finite and right for any finite input, and warn about nothing.

Convention at kinks: relu and abs have gradient 0 at 0; leaky_relu has its slope there.
"""

from __future__ import annotations

from math import sqrt as _sqrt
from typing import Any

import numpy as np

from denpa.arrays import Array, unwrap
from denpa.ops.elementwise import expm1
from denpa.ops.samples import unary
from denpa.ops.selecting import choose, where
from denpa.ops.special import erfc
from denpa.primitive import Special, function, primitive, same


def _floating(x: Array) -> Array:
    return x.astype(np.float64) if x.dtype.kind in "biu" else x


@primitive(
    shape=same,
    scalar="1.0 / (1.0 + exp(-x)) if x >= -80.0 else exp(x)",
    latex=r"\sigma\left({0}\right)",
    label="σ",
    samples=unary(-4.0, 4.0),
    analytic=True,
)
def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + e⁻ˣ), with full relative precision in both tails.  Source: seed 000 §5.5.2, seed 001 (g)."""
    x = _floating(x)
    if xp is np and (x >= -80 if x.ndim == 0 else x.size == 0 or x.min() >= -80):
        return 1.0 / (1.0 + xp.exp(-x))
    # Below −80 the sum rounds to e⁻ˣ in both precisions, so eˣ is the value, and e⁻ˣ overflows float32 at −88.8.
    return unwrap(xp.where(x < -80, xp.exp(xp.minimum(x, -80)), 1.0 / (1.0 + xp.exp(-xp.maximum(x, -80)))))


@sigmoid.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (out * (1.0 - out)),)


@primitive(
    shape=same,
    scalar="tanh(x)",
    latex=r"\tanh\left({0}\right)",
    label="tanh",
    samples=unary(),
    analytic=True,
)
def tanh(xp: Any, x: Array) -> Array:
    """Hyperbolic tangent."""
    return xp.tanh(x)


@tanh.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (1.0 - out * out),)


@primitive(
    shape=same,
    scalar="log1p(exp(-abs(x))) + (x if x > 0 else 0.0)",
    latex=r"\log\left(1 + e^{{{0}}}\right)",
    label="softplus",
    samples=unary(-4.0, 4.0, gap=0.01),
    analytic=True,
)
def softplus(xp: Any, x: Array) -> Array:
    """log(1 + eˣ), without overflow and with full relative precision in the left tail."""
    x = _floating(x)
    # maximum(x, −x) is |x|, and for a complex step the branch of the real part.
    return xp.log1p(xp.exp(-xp.maximum(x, -x))) + xp.maximum(x, 0)


@softplus.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * sigmoid(x),)


@primitive(
    shape=same,
    scalar="x if x > 0 or isnan(x) else 0.0",
    latex=r"\operatorname{{ReLU}}\left({0}\right)",
    label="ReLU",
    samples=unary(gap=0.1),
    special=[Special((0.0,), (0.0,), "0, the slope on the left")],
    analytic=True,
)
def relu(xp: Any, x: Array) -> Array:
    """max(x, 0).  The gradient at 0 is 0.  Source: seed 000 (5.7), (5.8); seed 001 (55), (56) with cases righted."""
    return xp.maximum(x, 0)


@relu.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (choose(out > 0, g, out),)  # where out is not positive it is 0, or NaN: just the gradient there


@function
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, slope·x elsewhere; the gradient at 0 is the slope.  Source: Maas, Hannun and Ng (2013)."""
    return where(x > 0, x, slope * x)


@function
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, α·(eˣ − 1) elsewhere; the gradient at 0 is α.  Source: Clevert et al. (2016), arXiv:1511.07289."""
    return where(x > 0, x, alpha * expm1(where(x > 0, 0.0, x)))  # the inner mask: eˣ overflows on the other side


@function
def gelu(x: Any) -> Any:
    """x·Φ(x), exact, to 2e-13 in the left tail.  ∞ · 0: NaN at −inf, NaN gradient at ±inf.  Source arXiv:1606.08415."""
    return x * (0.5 * erfc(-x * _sqrt(0.5)))
