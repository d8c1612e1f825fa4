"""Reductions over axes (None for all, an integer, or several), and what is composed of them.

Conventions: a tie of max or min shares the gradient equally; std has gradient 0 where it is 0.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from denpa.arrays import Array, Shape, shape_of
from denpa.errors import UsageError, user_line
from denpa.graph import Tensor, is_recorded
from denpa.ops.comparing import isfinite
from denpa.ops.elementwise import exp, sqrt, square
from denpa.ops.indexing import gather
from denpa.ops.samples import AXES, EMPTY_AXES, with_params
from denpa.ops.selecting import ones_like, where
from denpa.ops.shaping import astype, broadcast_to, concat, flip, permute_dims, reshape, stack
from denpa.primitive import Special, function, primitive

Axis = int | tuple[int, ...] | None


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def _kept(x: Shape, axis: Axis) -> Shape:
    """The shape after reducing with keepdims."""
    axes = _axes(axis, len(x))
    return tuple([1 if i in axes else n for i, n in enumerate(x)])


def _reduced(x: Shape, *, axis: Axis = None, keepdims: bool = False, **_: Any) -> Shape:
    axes = _axes(axis, len(x))
    return _kept(x, axis) if keepdims else tuple([n for i, n in enumerate(x) if i not in axes])


def _beside(r: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced array with its axes back as length 1, so that it broadcasts against x."""
    return r if keepdims or r.shape == () else reshape(r, shape=_kept(x.shape, axis))


@primitive(shape=_reduced, latex=r"\sum {0}", label="Σ", samples=with_params(*AXES, *EMPTY_AXES), analytic=True)
def sum(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over the axes; 0 over none.  Integers give integers."""
    return xp.sum(x, axis=axis, keepdims=keepdims)


@sum.vjp
def _(g: Any, out: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    return (broadcast_to(_beside(g, x, axis, keepdims), shape=x.shape),)


@primitive(
    shape=_reduced,
    latex=r"\max {0}",
    label="max",
    samples=with_params(*AXES, distinct=True),
    special=[Special((np.array([1.0, 1.0, 0.0]),), (np.array([0.5, 0.5, 0.0]),), "a tie is shared equally")],
    analytic=True,
)
def max(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest over the axes; NaN beside NaN.  ShapeError over nothing.  A tie shares the gradient equally."""
    return xp.max(x, axis=axis, keepdims=keepdims)


@primitive(
    shape=_reduced,
    latex=r"\min {0}",
    label="min",
    samples=with_params(*AXES, distinct=True),
    special=[Special((np.array([1.0, 1.0, 2.0]),), (np.array([0.5, 0.5, 0.0]),), "a tie is shared equally")],
    analytic=True,
)
def min(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest over the axes; NaN beside NaN.  ShapeError over nothing.  A tie shares the gradient equally."""
    return xp.min(x, axis=axis, keepdims=keepdims)


@max.vjp
@min.vjp
def _(g: Any, out: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    chosen = astype(x == _beside(out, x, axis, keepdims), x.dtype)
    count = sum(chosen, axis=axis, keepdims=True)  # 0 beside NaN, which makes the gradient NaN
    return (chosen * (_beside(g, x, axis, keepdims) / count),)


@primitive(
    shape=_reduced,
    latex=r"\prod {0}",
    label="Π",
    samples=with_params(*AXES, *EMPTY_AXES),
    special=[
        Special((np.array([2.0, 0.0, 3.0]),), (np.array([0.0, 6.0, 0.0]),), "smooth: one zero"),
        Special((np.array([2.0, 0.0, 0.0]),), (np.array([0.0, 0.0, 0.0]),), "smooth: two zeros"),
    ],
    analytic=True,
)
def prod(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The product over the axes; 1 over none.  Its derivative never divides, so zeros are right, to any order."""
    return xp.prod(x, axis=axis, keepdims=keepdims)


@prod.vjp
def _(g: Any, out: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    axes = _axes(axis, x.ndim)
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    rows = permute_dims(x, axes=order)
    rest = x.ndim - len(axes)
    others = _product_of_others(reshape(rows, shape=(*rows.shape[:rest], math.prod(rows.shape[rest:]))))
    back = tuple([order.index(i) for i in range(x.ndim)])
    return (_beside(g, x, axis, keepdims) * permute_dims(reshape(others, shape=rows.shape), axes=back),)


def _product_of_others(x: Any) -> Any:
    """For each element of the last axis the product of all others: pairs up, pairs down, 2 log₂ n steps."""
    n = x.shape[-1]
    if n < 2:
        return ones_like(x)
    if n % 2:
        x = concat([x, ones_like(gather(x, template=(Ellipsis, slice(0, 1))))], axis=-1)
    left = gather(x, template=(Ellipsis, slice(0, None, 2)))
    right = gather(x, template=(Ellipsis, slice(1, None, 2)))
    others = _product_of_others(left * right)
    both = reshape(stack([others * right, others * left], axis=-1), shape=x.shape)
    return gather(both, template=(Ellipsis, slice(0, n))) if n % 2 else both


def _cumulative(x: Shape, *, axis: int | None = None) -> Shape:
    return x


_CUMULATIVE = with_params(((4,), {}), ((2, 3), {"axis": 0}), ((2, 3), {"axis": -1}), ((0, 3), {"axis": 0}))


@primitive(shape=_cumulative, latex=r"\sum_{{\le}} {0}", label="Σ≤", samples=_CUMULATIVE, analytic=True)
def cumulative_sum(xp: Any, x: Array, *, axis: int | None = None) -> Array:
    """The running sum along an axis, which may be left out for one axis only (array API)."""
    if axis is None and x.ndim != 1:
        raise UsageError("cumulative_sum needs an axis", where=user_line(), got=f"an array of shape {tuple(x.shape)}")
    return xp.cumsum(x, axis=0 if axis is None else axis)


@cumulative_sum.vjp
def _(g: Any, out: Any, x: Any, *, axis: int | None) -> Any:
    axis = 0 if axis is None else axis
    return (flip(cumulative_sum(flip(g, axis=axis), axis=axis), axis=axis),)


@primitive(shape=_reduced, latex=r"\log \sum e^{{{0}}}", label="log Σ exp", samples=with_params(*AXES), analytic=True)
def logsumexp(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log Σ eˣ over the axes, without overflow; −inf over nothing.

    Gradient: softmax; where all are −inf it is 0, and several inf share it equally.
    """
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    top = xp.max(x.real, axis=axis, keepdims=True, initial=-np.inf)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))  # the shift: exp overflows float32 above 88.7
    with np.errstate(over="ignore", divide="ignore"):  # inf beside large numbers; log 0 of a row of −inf
        out = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else xp.reshape(out, _reduced(x.shape, axis=axis))


@logsumexp.vjp
def _(g: Any, out: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    out = _beside(out, x, axis, keepdims)
    g = _beside(g, x, axis, keepdims)
    if not is_recorded() and np.isfinite(out.value if isinstance(out, Tensor) else out).all():
        return (g * exp(x - out),)
    # Rows that are not finite: inf − inf is NaN where the limit is clear.  Only then, so that the usual graph is short,
    # or where the graph is for other values too.
    finite = isfinite(out)
    at_top = astype((x == out) & (out > 0), x.dtype)
    share = at_top / sum(astype(x == out, x.dtype), axis=axis, keepdims=True)  # 0/0 is NaN beside NaN
    return (g * where(finite, exp(x - where(finite, out, 0.0)), share),)


@function
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over the axes; NaN over nothing."""
    return sum(x, axis=axis, keepdims=keepdims) / _count(x, axis)


def _count(x: Any, axis: Axis) -> int:
    shape = shape_of(x)
    return math.prod([shape[i] for i in _axes(axis, len(shape))])


@function
def var(x: Any, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The variance over the axes, divided by n − correction (1 for the unbiased one; NumPy's ddof)."""
    deviation = x - mean(x, axis=axis, keepdims=True)
    return sum(square(deviation), axis=axis, keepdims=keepdims) / builtins.max(_count(x, axis) - correction, 0)


@function
def std(x: Any, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation over the axes (see var).  The gradient is 0 where all elements are equal."""
    v = var(x, axis=axis, correction=correction, keepdims=keepdims)
    constant = v == 0
    return where(constant, v, sqrt(where(constant, 1.0, v)))  # √ has an infinite slope at 0, and inf · 0 is NaN


_TRUTHS = with_params(*AXES)


@primitive(shape=_reduced, latex=r"\exists {0}", label="∃", samples=_TRUTHS, differentiable=False)
def any(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Is one of them true (not zero)?"""
    return xp.any(x, axis=axis, keepdims=keepdims)


@primitive(shape=_reduced, latex=r"\forall {0}", label="∀", samples=_TRUTHS, differentiable=False)
def all(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Are all of them true (not zero)?"""
    return xp.all(x, axis=axis, keepdims=keepdims)
