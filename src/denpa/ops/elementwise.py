"""Elementwise primitives: arithmetic, powers, exponentials and logarithms, trigonometry.

Rules compute the local derivative from `out` where that saves a function call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.graph import Tensor
from denpa.ops.samples import binary, unary
from denpa.ops.selecting import choose
from denpa.primitive import Special, broadcast, primitive, same

INF = float("inf")


@primitive(shape=broadcast, scalar="x + y", latex="{0} + {1}", label="+", samples=binary(), analytic=True)
def add(xp: Any, x: Array, y: Array) -> Array:
    """x + y, broadcast.  Source: seed 000, the addition node: passes the gradient on as it is."""
    return x + y


@add.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g, g


@primitive(shape=broadcast, scalar="x - y", latex="{0} - {1}", label="−", samples=binary(), analytic=True)
def subtract(xp: Any, x: Array, y: Array) -> Array:
    """x − y, broadcast."""
    return x - y


@subtract.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g, -g


@primitive(shape=broadcast, scalar="x * y", latex=r"{0} \times {1}", label="×", samples=binary(), analytic=True)
def multiply(xp: Any, x: Array, y: Array) -> Array:
    """x · y, broadcast.  Source: seed 000, the multiplication node: the gradient times the other input."""
    return x * y


@multiply.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * y, g * x


@primitive(
    shape=broadcast,
    scalar="x / y",
    latex=r"\frac{{{0}}}{{{1}}}",
    label="÷",
    samples=binary(second=(-2.0, 2.0, 0.3)),
    analytic=True,
)
def divide(xp: Any, x: Array, y: Array) -> Array:
    """x / y, broadcast; integers give floats.  Source: seed 000 §5.5.2 (the ÷ node: −out² for 1/y)."""
    return x / y


@divide.vjp
def _(g: Any, out: Any, x: Any, y: Any, *, needs: Any) -> Any:
    gx = g / y
    return gx, -gx * out if needs[1] else None


@primitive(shape=same, scalar="-x", latex="-{0}", label="−", samples=unary(), analytic=True)
def negative(xp: Any, x: Array) -> Array:
    """−x."""
    return -x


@negative.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (-g,)


@primitive(
    shape=broadcast,
    scalar="x ** y",
    latex="{{{0}}}^{{{1}}}",
    label="xʸ",
    samples=binary(0.3, 2.0, second=(-2.0, 2.0, 0.0)),
    special=[
        Special((0.0, 0.0), (0.0, 0.0), "x⁰ is 1 for every x, and 0ʸ counts as constant from y = 0 on"),
        Special((0.0, 2.0), (0.0, 0.0), "0ʸ does not change with y > 0"),
        Special((0.0, 0.5), (INF, 0.0), "the slope of √x at 0 is infinite"),
    ],
    analytic=True,
)
def power(xp: Any, x: Array, y: Array) -> Array:
    """x to the power y, broadcast.  A negative x needs integer-valued y (NaN otherwise, and for the gradient in y)."""
    if xp is np and y.ndim == 0 and y == 2:
        return x * x  # 20 times faster than pow, and exact where pow may be off by a bit
    return x**y


@power.vjp
def _(g: Any, out: Any, x: Any, y: Any, *, needs: Any) -> Any:
    gx = g * _slope_in_base(x, y) if needs[0] else None
    gy = g * (out * log(choose((x == 0) & (y >= 0), 1.0, x))) if needs[1] else None  # log 0 times 0ʸ would be NaN
    return gx, gy


def _slope_in_base(x: Any, y: Any) -> Any:
    """y·x^(y−1), which is 0 at x = y = 0.  An exponent known for good needs no mask."""
    known = y if not isinstance(y, Tensor) else y.value if y.node.kind == "constant" else None
    if isinstance(known, np.generic) and known != 0:
        return y * x if known == 2 else y * x ** (y - 1)
    return y * x ** choose((x == 0) & (y == 0), 1.0, y - 1)


@primitive(shape=same, scalar="x * x", latex="{{{0}}}^{{2}}", label="x²", samples=unary(), analytic=True)
def square(xp: Any, x: Array) -> Array:
    """x²."""
    return x * x


@square.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (2.0 * x),)


@primitive(
    shape=same,
    scalar="sqrt(x)",
    latex=r"\sqrt{{{0}}}",
    label="√",
    samples=unary(0.2, 3.0),
    special=[Special((0.0,), (INF,), "the slope at 0 is infinite")],
    analytic=True,
)
def sqrt(xp: Any, x: Array) -> Array:
    """√x; NaN for x < 0.  The gradient at 0 is inf (and a cotangent of 0 there gives NaN, as 0·∞ does)."""
    return xp.sqrt(x)


@sqrt.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (0.5 / out),)


@primitive(
    shape=same,
    scalar="abs(x)",
    latex=r"\left|{0}\right|",
    label="|x|",
    samples=unary(gap=0.1),
    special=[Special((0.0,), (0.0,), "0, the middle of −1 and 1")],
    analytic=True,
)
def abs(xp: Any, x: Array) -> Array:
    """|x|.  The gradient at 0 is 0.  A complex step takes the branch of its real part."""
    return xp.maximum(x, -x) if x.dtype.kind == "c" else xp.abs(x)


@abs.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * sign(x),)


@primitive(
    shape=same,
    scalar="copysign(1.0, x) if x != 0 and not isnan(x) else x",
    latex=r"\operatorname{{sgn}}\left({0}\right)",
    label="sgn",
    samples=unary(gap=0.1),
    special=[Special((0.0,), (0.0,), "0, the slope on both sides of the step")],
    analytic=True,
)
def sign(xp: Any, x: Array) -> Array:
    """−1, 0 or 1; NaN for NaN.  The gradient is 0 everywhere, at the step too."""
    return xp.sign(x.real) + 0j if x.dtype.kind == "c" else xp.sign(x)


@sign.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (out * 0.0),)  # 0, or NaN for NaN


@primitive(shape=same, scalar="exp(x)", latex=r"e^{{{0}}}", label="exp", samples=unary(), analytic=True)
def exp(xp: Any, x: Array) -> Array:
    """eˣ.  Source: seed 000 §5.5.2: the derivative is the output."""
    return xp.exp(x)


@exp.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * out,)


@primitive(shape=same, scalar="expm1(x)", latex=r"e^{{{0}}} - 1", label="exp−1", samples=unary(), analytic=True)
def expm1(xp: Any, x: Array) -> Array:
    """eˣ − 1, exact near 0."""
    return xp.expm1(x)


@expm1.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * exp(x),)  # out + 1 would be 0 below x = −37


@primitive(
    shape=same, scalar="log(x)", latex=r"\log\left({0}\right)", label="log", samples=unary(0.2, 3.0), analytic=True
)
def log(xp: Any, x: Array) -> Array:
    """Natural logarithm; −inf at 0 and NaN below, as NumPy."""
    return xp.log(x)


@log.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g / x,)


@primitive(
    shape=same,
    scalar="log1p(x)",
    latex=r"\log\left(1 + {0}\right)",
    label="log1p",
    samples=unary(-0.7, 2.0),
    analytic=True,
)
def log1p(xp: Any, x: Array) -> Array:
    """log(1 + x), exact near 0."""
    return xp.log1p(x)


@log1p.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g / (1.0 + x),)


@primitive(shape=same, scalar="sin(x)", latex=r"\sin\left({0}\right)", label="sin", samples=unary(), analytic=True)
def sin(xp: Any, x: Array) -> Array:
    """sin x (radians)."""
    return xp.sin(x)


@sin.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * cos(x),)


@primitive(shape=same, scalar="cos(x)", latex=r"\cos\left({0}\right)", label="cos", samples=unary(), analytic=True)
def cos(xp: Any, x: Array) -> Array:
    """cos x (radians)."""
    return xp.cos(x)


@cos.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (-g * sin(x),)


@primitive(
    shape=same, scalar="tan(x)", latex=r"\tan\left({0}\right)", label="tan", samples=unary(-1.2, 1.2), analytic=True
)
def tan(xp: Any, x: Array) -> Array:
    """tan x (radians)."""
    return xp.tan(x)


@tan.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (1.0 + out * out),)


@primitive(shape=same, scalar="sinh(x)", latex=r"\sinh\left({0}\right)", label="sinh", samples=unary(), analytic=True)
def sinh(xp: Any, x: Array) -> Array:
    """Hyperbolic sine."""
    return xp.sinh(x)


@sinh.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * cosh(x),)


@primitive(shape=same, scalar="cosh(x)", latex=r"\cosh\left({0}\right)", label="cosh", samples=unary(), analytic=True)
def cosh(xp: Any, x: Array) -> Array:
    """Hyperbolic cosine."""
    return xp.cosh(x)


@cosh.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * sinh(x),)


@primitive(
    shape=same, scalar="atan(x)", latex=r"\arctan\left({0}\right)", label="arctan", samples=unary(), analytic=True
)
def arctan(xp: Any, x: Array) -> Array:
    """Inverse tangent, in (−π/2, π/2)."""
    return xp.arctan(x)


@arctan.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g / (1.0 + x * x),)
