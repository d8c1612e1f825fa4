"""Rules of `lower` for operations that place, take and add elements, and for random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

import numpy as np

from denpa.arrays import Shape
from denpa.engine.lower import FLOATS, Lowering, _as_numpy, _reduced_axes, rule
from denpa.engine.terms import Term
from denpa.engine.values import Value, View, full
from denpa.ops.indexing import INTEGERS, MASK

INDICES = ("int64", "int32")


@rule("uniform")
def _uniform(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    key = lowering.rows(views[0])
    if key.dtype.name != "uint64":
        return f"a key of dtype {key.dtype}"
    out = full(lowering.value(term.shape, term.dtype, term, row_major=True))
    lowering.add("uniform", [key], [out], term, title="random", stream=int(term.params["stream"]), flops=20 * out.size)
    return out


# -- parts beside each other -------------------------------------------------------------------------------------------
@rule("concat")
def _concat(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    axis = term.params["axis"]
    if axis is None:
        return "flattened"
    out = full(lowering.value(term.shape, term.dtype, term))
    axis, at = axis % len(term.shape), 0
    for view in views:
        _put(lowering, view, _slice(out, axis, at, view.shape[axis]), term)
        at += view.shape[axis]
    return out


@rule("roll")
def _roll(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    """Each axis is cut in two; the parts change places."""
    x, shift, axis = views[0], term.params["shift"], term.params["axis"]
    if axis is None or len(x.shape) == 0:
        if len(x.shape) != 1:
            return "flattened"
        axis = 0
    shifts = [0] * len(x.shape)
    given = np.broadcast_arrays(shift, axis)
    for s, a in zip(given[0].reshape(-1).tolist(), given[1].reshape(-1).tolist(), strict=True):
        shifts[a] += s
    out = full(lowering.value(term.shape, term.dtype, term))
    moves = [[(0, s % n, n - s % n), (n - s % n, 0, s % n)] if n else [] for n, s in zip(x.shape, shifts, strict=True)]
    for pieces in cartesian(*moves):
        source, target = x, out
        for i, (a, b, length) in enumerate(pieces):
            source, target = _slice(source, i, a, length), _slice(target, i, b, length)
        _put(lowering, source, target, term)
    return out


def _slice(view: View, axis: int, first: int, length: int) -> View:
    shape = (*view.shape[:axis], length, *view.shape[axis + 1 :])
    return View(view.value, shape, view.strides, view.offset + first * view.strides[axis])


def _put(lowering: Lowering, source: View, target: View, term: Term) -> None:
    if source.size:
        lowering.loop(term.kind, "x", [source], source.shape, target.dtype, term=term, out=target)


# -- elements among others ---------------------------------------------------------------------------------------------
@rule("pad")
def _pad(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(views[0].shape, term.params["pad_width"], strict=True))
    return _placed(lowering, term, views[0], inside, float(term.params["value"]))


@rule("scatter_add")
def _scatter(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    template, g = term.params["template"], views[0]
    if len(views) == 1:
        return _placed(lowering, term, g, template if Ellipsis in template else (*template, Ellipsis), 0.0)
    found = _picked(lowering, term, term.shape)
    if isinstance(found, str):
        return found
    moved = _as_numpy(g, lambda a: a.transpose(np.argsort(found.back(len(g.shape)))))
    order = found.order(len(found.sizes))
    whole = full(lowering.value(tuple(found.sizes[i] for i in order), term.dtype, term, row_major=True))
    lowering.add(
        "take", [lowering.rows(moved), *found.indices], [whole], term, title="scatter", back=True, flops=g.size
    )
    out = _as_numpy(whole, lambda a: a.transpose(np.argsort(order)))
    every = all(part == slice(None) for part in found.basic)
    return out if every else _placed(lowering, term, out, found.basic, 0.0)


def _placed(lowering: Lowering, term: Term, source: View, index: Any, value: float) -> View | str:
    """Everywhere `value`, but at the index the source's elements, none of them twice."""
    if term.dtype.name not in FLOATS or source.dtype != term.dtype:
        return "no kernel for this dtype"
    out = full(lowering.value(term.shape, term.dtype, term, row_major=True))
    inside = _as_numpy(out, lambda x: x[index])
    source = source.broadcast(inside.shape)
    lowering.add("place", [source], [out], term, title=term.kind, inside=inside, value=value)
    return out


def taken(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    """x[index] with arrays: first what needs none of them, then rows along their axes, which are moved to the front."""
    x = views[0]
    found = _picked(lowering, term, x.shape)
    if isinstance(found, str):
        return found
    order = found.order(len(found.sizes))
    rows = lowering.rows(_as_numpy(x, lambda a: a[found.basic].transpose(order)))
    shape = (*found.indices[0].shape, *rows.shape[len(found.indices) :])
    out = full(lowering.value(shape, term.dtype, term, row_major=True))
    lowering.add("take", [rows, *found.indices], [out], term, title="take", back=False)
    return _as_numpy(out, lambda a: a.transpose(found.back(len(shape))))


@dataclass(frozen=True)
class _Picked:
    """An index taken apart.

    basic: its integers, slices and new axes, with whole axes where arrays stand; sizes: the shape of x[basic]; axes:
    those of it that the arrays index; indices: the arrays, int64, contiguous, of one shape; first: where NumPy puts
    their axes in the result.
    """

    basic: tuple[Any, ...]
    sizes: tuple[int, ...]
    axes: tuple[int, ...]
    indices: list[View]
    first: int

    def order(self, ndim: int) -> list[int]:
        """The axes of x[basic], those that arrays index first."""
        return [*self.axes, *[i for i in range(ndim) if i not in self.axes]]

    def back(self, ndim: int) -> list[int]:
        """The axes of the rows found, the arrays' first, in the order of the result."""
        n = len(self.indices[0].shape)
        rest = list(range(n, ndim))
        return [*rest[: self.first], *range(n), *rest[self.first :]]


def _picked(lowering: Lowering, term: Term, shape: Shape) -> _Picked | str:
    """The index of `term` into an array of this shape."""
    given = iter(term.inputs[1:])
    parts: list[Any] = []
    indices: list[View] = []
    for part in term.params["template"]:
        if part not in (INTEGERS, MASK):
            parts.append(part)
            continue
        index = next(given)
        arrays = _integers(lowering, index)
        if isinstance(arrays, str):
            return arrays
        parts += [INTEGERS] * len(arrays)
        indices += arrays
    length = len(shape) - sum(part is not None and part is not Ellipsis for part in parts)
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    parts[at : at + 1] = [slice(None)] * length
    together = np.broadcast_shapes(*[v.shape for v in indices])
    # NumPy takes an integer beside arrays for one of them.  All other parts leave one axis each.
    places = [i for i, part in enumerate(parts) if part == INTEGERS or type(part) is int]
    basic = tuple(slice(None) if part == INTEGERS else part for part in parts)
    left = [part for part in parts if type(part) is not int]
    return _Picked(
        basic,
        np.broadcast_to(np.empty(()), shape)[basic].shape,
        tuple(i for i, part in enumerate(left) if part == INTEGERS),
        [lowering.rows(lowering.cast(v, np.int64).broadcast(together)) for v in indices],
        places[0] if places[-1] - places[0] == len(places) - 1 else 0,
    )


def _integers(lowering: Lowering, index: Term) -> list[View] | str:
    """An index array as arrays of integers: one, or of a mask that is known the places where it is true."""
    if index.dtype.kind != "b":
        known = index.dtype.name in INDICES
        return [lowering.env[index]] if known else f"an index of dtype {index.dtype}, not int64 or int32"
    if index.data is None or not index.shape:
        return "a mask, whose true elements decide the size of the result"
    return [full(Value(found.shape, np.int64, "constant", data=found)) for found in np.nonzero(index.data)]


# -- along an axis -----------------------------------------------------------------------------------------------------
@rule("cumulative_sum")
def _running(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    if term.dtype.name not in FLOATS:
        return "no kernel for this dtype"
    x = views[0]
    axis = (term.params["axis"] or 0) % len(x.shape)
    order = [*[i for i in range(len(x.shape)) if i != axis], axis]
    x = lowering.rows(_as_numpy(x, lambda a: a.transpose(order)))
    out = full(lowering.value(x.shape, term.dtype, term, row_major=True))
    lowering.add("running", [x], [out], term, title="running sum", flops=x.size)
    return _as_numpy(out, lambda a: a.transpose(np.argsort(order)))


@rule("logsumexp")
def _logsumexp(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x = views[0]
    if x.dtype.name not in FLOATS or x.size == 0:
        return "no kernel for this dtype or shape"
    axes = _reduced_axes(term, x)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))

    def reduced(how: str, view: View) -> View:
        out = full(lowering.value(kept, term.dtype))
        strides = tuple(0 if i in axes else s for i, s in enumerate(out.strides))
        lowering.loop(how, "x", [view], x.shape, term.dtype, reduce=how, out=View(out.value, x.shape, strides))
        return out

    top = lowering.loop("shift", "x if abs(x) < inf else 0.0", [reduced("max", x)], kept, term.dtype)
    total = reduced("sum", lowering.loop("exp", "exp(x - y)", [x, top], x.shape, term.dtype))
    out = lowering.loop("logsumexp", "log(x) + y", [total, top], kept, term.dtype, term=term)
    shape = term.shape
    return View(out.value, shape, full(out.value).strides if len(shape) == len(kept) else _left(out, axes), 0)


def _left(view: View, axes: set[int]) -> tuple[int, ...]:
    return tuple(s for i, s in enumerate(view.strides) if i not in axes)


@rule("vector_norm")
def _norm(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x = views[0]
    if x.dtype.name not in FLOATS:
        return "no kernel for this dtype"
    axes = _reduced_axes(term, x)
    total = full(lowering.value(term.shape, term.dtype))
    lowering.loop("square", "x * x", [x], x.shape, term.dtype, reduce="sum", out=_summed(term, x, total, axes))
    return lowering.loop("norm", "sqrt(x)", [total], term.shape, term.dtype, term=term)


@rule("any", "all")
def _truth(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    """Is the number of true elements, or of false ones, more than, or exactly, 0?"""
    x = views[0]
    counted, asked = ("x != 0", "x > 0") if term.kind == "any" else ("x == 0", "x == 0")
    axes = _reduced_axes(term, x)
    total = full(lowering.value(term.shape, np.int64))
    compute = "int64" if x.dtype.kind == "b" else x.dtype.name
    lowering.loop(
        "count", counted, [x], x.shape, np.int64, reduce="sum", compute=compute, out=_summed(term, x, total, axes)
    )
    return lowering.loop(term.kind, asked, [total], term.shape, term.dtype, term=term, compute="int64")


def _summed(term: Term, x: View, total: View, axes: set[int]) -> View:
    """The total as a loop over x sees it: standing still along the axes that are reduced."""
    steps = iter(total.strides)
    keeps = term.params.get("keepdims")
    strides = [0 if i in axes else (total.strides[i] if keeps else next(steps)) for i in range(len(x.shape))]
    return View(total.value, x.shape, tuple(strides))


__all__ = ["taken"]
