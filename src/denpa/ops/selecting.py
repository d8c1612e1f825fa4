"""Primitives that choose or pass on: identity, stop_gradient, where, maximum, minimum, clip.

Conventions at kinks: ties of maximum and minimum are shared equally; clip has gradient 0 outside and at its bounds.
A NaN input gives a NaN gradient, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from denpa.arrays import Array, unwrap
from denpa.errors import UsageError, user_line
from denpa.graph import Tensor, constant
from denpa.ops.comparing import isnan
from denpa.ops.samples import PAIRS, Args, apart, unary, uniform
from denpa.primitive import Special, broadcast, function, primitive, same


@primitive(shape=same, scalar="x", latex="{0}", label="=", samples=unary(), analytic=True)
def identity(xp: Any, x: Array) -> Array:
    """x itself, as a node of its own: what a transformation differentiates with respect to."""
    return x


@identity.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g,)


@primitive(shape=same, scalar="x", latex="{0}", label="stop", samples=unary(), differentiable=False)
def stop_gradient(xp: Any, x: Array) -> Array:
    """x, taken as a constant by the backward pass."""
    return x


def _where_samples(rng: np.random.Generator) -> Iterator[Args]:
    for a, b in PAIRS:
        yield (rng.random(np.broadcast_shapes(a, b)) < 0.5, uniform(rng, a), uniform(rng, b)), {}


@primitive(
    shape=broadcast,
    scalar="y if x else z",
    latex=r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
    label="where",
    samples=_where_samples,
    analytic=True,
)
def where(xp: Any, condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, y elsewhere, broadcast.  The gradient goes to the chosen side; the other gets 0.

    The side that is not chosen is still computed, and 0 times an infinite derivative is NaN: `where(x > 0, log(x), 0)`
    has gradient NaN at 0, as in PyTorch and JAX.  Make its argument safe too: `log(where(x > 0, x, 1))`.
    """
    if type(condition) is np.bool_ and isinstance(x, np.generic) and isinstance(y, np.generic):
        chosen = x if condition else y  # np.where on scalars costs 1.3 µs
        return chosen if x.dtype == y.dtype else np.result_type(x, y).type(chosen)
    return unwrap(xp.where(condition, x, y))


@where.vjp
def _(g: Any, out: Any, condition: Any, x: Any, y: Any, *, needs: Any) -> Any:
    return None, where(condition, g, 0.0) if needs[1] else None, where(condition, 0.0, g) if needs[2] else None


def choose(condition: Any, x: Any, y: Any) -> Any:
    """`where` for the rules of other primitives: on NumPy values without the cost of calling a primitive (2 µs)."""
    if type(condition) is np.bool_:
        return x if condition else y
    return np.where(condition, x, y) if type(condition) is np.ndarray else where(condition, x, y)


def _binary_apart(rng: np.random.Generator) -> Iterator[Args]:
    for a, b in PAIRS:
        size = int(np.prod(a))
        both = apart(rng, (size + int(np.prod(b)),))
        yield (both[:size].reshape(a)[()], both[size:].reshape(b)[()]), {}


@primitive(
    shape=broadcast,
    scalar="1.0 if x > y else 0.5 if x == y else 0.0 if x < y else nan",
    latex=r"\mathbf{{1}}\left[{0} > {1}\right]",
    label="½≥",
    samples=_binary_apart,
    differentiable=False,
)
def tie_share(xp: Any, x: Array, y: Array) -> Array:
    """The share of x in the gradient of maximum(x, y): 1 where x > y, ½ in a tie, 0 where x < y, NaN beside NaN."""
    dtype = x.dtype if x.dtype == y.dtype else xp.result_type(x.dtype, y.dtype)
    if xp is np and x.ndim == y.ndim == 0 and dtype.kind == "f":
        return dtype.type(1.0 if x > y else 0.5 if x == y else 0.0 if x < y else np.nan)
    half = xp.asarray(0.5, dtype=dtype if dtype.kind not in "biu" else None)
    share = half * (x > y) + half * (x >= y)
    return unwrap(xp.where(xp.isnan(x) | xp.isnan(y), xp.asarray(np.nan, dtype=share.dtype), share))


@primitive(
    shape=broadcast,
    scalar="x if x > y or isnan(x) else y",
    latex=r"\max\left({0}, {1}\right)",
    label="max",
    samples=_binary_apart,
    special=[Special((1.5, 1.5), (0.5, 0.5), "a tie is shared equally")],
    analytic=True,
)
def maximum(xp: Any, x: Array, y: Array) -> Array:
    """The larger of x and y, elementwise; NaN beside NaN.  A tie shares the gradient equally."""
    return xp.maximum(x, y)


@maximum.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * tie_share(x, y), g * tie_share(y, x)


@primitive(
    shape=broadcast,
    scalar="x if x < y or isnan(x) else y",
    latex=r"\min\left({0}, {1}\right)",
    label="min",
    samples=_binary_apart,
    special=[Special((1.5, 1.5), (0.5, 0.5), "a tie is shared equally")],
    analytic=True,
)
def minimum(xp: Any, x: Array, y: Array) -> Array:
    """The smaller of x and y, elementwise; NaN beside NaN.  A tie shares the gradient equally."""
    return xp.minimum(x, y)


@minimum.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * tie_share(y, x), g * tie_share(x, y)


def _clip_samples(rng: np.random.Generator) -> Iterator[Args]:
    for args, _ in unary(-2, 2)(rng):
        x = args[0] + 0.05 * np.sign(args[0] - 1) if np.size(args[0]) else args[0]
        yield (x + 0.05 * np.sign(x + 0.5),), {"min": -0.5, "max": 1.0}
        yield (x + 0.05 * np.sign(x + 0.5),), {"max": 1.0}


@primitive(
    name="clip",
    shape=same,
    scalar="min if x < min else max if x > max else x",
    latex=r"\operatorname{{clip}}\left({0}\right)",
    label="clip",
    samples=_clip_samples,
    special=[
        Special((2.0,), (0.0,), "0 at the upper bound", {"min": -1.0, "max": 2.0}),
        Special((-1.0,), (0.0,), "0 at the lower bound", {"min": -1.0, "max": 2.0}),
    ],
    analytic=True,
)
def clip_to_numbers(xp: Any, x: Array, *, min: float = -np.inf, max: float = np.inf) -> Array:
    """x held between two numbers.  The gradient is 0 outside and at the bounds.  An infinite bound is no bound."""
    if min > -np.inf:
        x = xp.maximum(x, min)
    return xp.minimum(x, max) if max < np.inf else x


@clip_to_numbers.vjp
def _(g: Any, out: Any, x: Any, *, min: float, max: float) -> Any:
    if min > -np.inf:
        g = choose(x > min, g, out * 0.0)  # out is a finite bound there, or NaN, and then the gradient is NaN
    return (choose(x < max, g, out * 0.0) if max < np.inf else g,)


@function
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """x held between min and max (numbers or arrays, None for no bound; max wins when min > max).

    The gradient is 0 outside and at the bounds; array bounds that are Tensors get the gradient where they hold x.
    """
    if _is_number(min) and _is_number(max):
        low, high = -np.inf if min is None else _number(min), np.inf if max is None else _number(max)
        if np.isnan(low) or np.isnan(high):
            raise UsageError("clip's bounds must be numbers, not NaN", where=user_line(), got=f"min={min}, max={max}")
        return clip_to_numbers(x, min=low, max=high)
    if min is not None:
        x = where((x <= min) | isnan(min), min, x)  # a NaN bound gives NaN, as in NumPy
    return x if max is None else where((x >= max) | isnan(max), max, x)


def _is_number(bound: Any) -> bool:
    return bound is None or isinstance(bound, (int, float, np.integer, np.floating))


def _number(bound: Any) -> Any:
    return bound.item() if isinstance(bound, np.generic) else bound


@function
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of x's shape; a constant when x is a Tensor."""
    return constant(np.zeros_like(x.value, dtype=dtype)) if isinstance(x, Tensor) else np.zeros_like(x, dtype=dtype)


@function
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of x's shape; a constant when x is a Tensor."""
    return constant(np.ones_like(x.value, dtype=dtype)) if isinstance(x, Tensor) else np.ones_like(x, dtype=dtype)
