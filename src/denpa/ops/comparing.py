"""Comparisons, logic, and positions: results without a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from denpa.arrays import Array, Shape
from denpa.ops.samples import PAIRS, Args, binary, unary, with_params
from denpa.primitive import broadcast, primitive, same


def _truths(rng: np.random.Generator) -> Iterator[Args]:
    for a, b in PAIRS:
        yield (rng.random(a) < 0.5, rng.random(b) < 0.5), {}


@primitive(shape=broadcast, scalar="x < y", latex="{0} < {1}", label="<", samples=binary(), differentiable=False)
def less(xp: Any, x: Array, y: Array) -> Array:
    """x < y; false beside NaN."""
    return x < y


@primitive(shape=broadcast, scalar="x <= y", latex=r"{0} \le {1}", label="≤", samples=binary(), differentiable=False)
def less_equal(xp: Any, x: Array, y: Array) -> Array:
    """x ≤ y; false beside NaN."""
    return x <= y


@primitive(shape=broadcast, scalar="x > y", latex="{0} > {1}", label=">", samples=binary(), differentiable=False)
def greater(xp: Any, x: Array, y: Array) -> Array:
    """x > y; false beside NaN."""
    return x > y


@primitive(shape=broadcast, scalar="x >= y", latex=r"{0} \ge {1}", label="≥", samples=binary(), differentiable=False)
def greater_equal(xp: Any, x: Array, y: Array) -> Array:
    """x ≥ y; false beside NaN."""
    return x >= y


@primitive(shape=broadcast, scalar="x == y", latex="{0} = {1}", label="=?", samples=_truths, differentiable=False)
def equal(xp: Any, x: Array, y: Array) -> Array:
    """x = y, elementwise; false beside NaN."""
    return x == y


@primitive(shape=broadcast, scalar="x != y", latex=r"{0} \ne {1}", label="≠", samples=_truths, differentiable=False)
def not_equal(xp: Any, x: Array, y: Array) -> Array:
    """x ≠ y, elementwise; true beside NaN."""
    return x != y


@primitive(
    shape=broadcast,
    scalar="(x != 0) and (y != 0)",
    latex=r"{0} \land {1}",
    label="∧",
    samples=_truths,
    differentiable=False,
)
def logical_and(xp: Any, x: Array, y: Array) -> Array:
    """Both are true (not zero)."""
    return xp.logical_and(x, y)


@primitive(
    shape=broadcast,
    scalar="(x != 0) or (y != 0)",
    latex=r"{0} \lor {1}",
    label="∨",
    samples=_truths,
    differentiable=False,
)
def logical_or(xp: Any, x: Array, y: Array) -> Array:
    """At least one is true (not zero)."""
    return xp.logical_or(x, y)


@primitive(shape=same, scalar="x == 0", latex=r"\lnot {0}", label="¬", samples=unary(), differentiable=False)
def logical_not(xp: Any, x: Array) -> Array:
    """False (zero) becomes true."""
    return xp.logical_not(x)


@primitive(
    shape=same,
    scalar="x != x",
    latex=r"\operatorname{{isnan}}\left({0}\right)",
    label="NaN?",
    samples=unary(),
    differentiable=False,
)
def isnan(xp: Any, x: Array) -> Array:
    """Is it not a number?"""
    return xp.isnan(x)


@primitive(
    shape=same,
    scalar="x == x and abs(x) != inf",
    latex=r"\operatorname{{isfinite}}\left({0}\right)",
    label="finite?",
    samples=unary(),
    differentiable=False,
)
def isfinite(xp: Any, x: Array) -> Array:
    """Is it neither infinite nor NaN?"""
    return xp.isfinite(x)


@primitive(
    shape=same,
    scalar="abs(x) == inf",
    latex=r"\operatorname{{isinf}}\left({0}\right)",
    label="inf?",
    samples=unary(),
    differentiable=False,
)
def isinf(xp: Any, x: Array) -> Array:
    """Is it inf or −inf?"""
    return xp.isinf(x)


def _without_axis(x: Shape, *, axis: int | None, keepdims: bool) -> Shape:
    if axis is None:
        return (1,) * len(x) if keepdims else ()
    axis = normalize_axis_index(axis, len(x))
    return x[:axis] + ((1,) if keepdims else ()) + x[axis + 1 :]


_POSITIONS = with_params(
    ((4,), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "keepdims": True}),
    ((2, 3), {"axis": None}),
    distinct=True,
)


@primitive(shape=_without_axis, latex=r"\arg\max {0}", label="argmax", samples=_POSITIONS, differentiable=False)
def argmax(xp: Any, x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the first largest element along the axis (of the flattened array when None)."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive(shape=_without_axis, latex=r"\arg\min {0}", label="argmin", samples=_POSITIONS, differentiable=False)
def argmin(xp: Any, x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the first smallest element along the axis (of the flattened array when None)."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)
