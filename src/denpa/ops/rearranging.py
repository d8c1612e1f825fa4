"""Functions of the array API that only move, repeat or leave out elements, composed of the primitives of shaping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from denpa.arrays import Array, Shape
from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Tensor
from denpa.ops.elementwise import subtract
from denpa.ops.indexing import getitem, take
from denpa.ops.selecting import where
from denpa.ops.shaping import broadcast_to, permute_dims, reshape
from denpa.primitive import function


@function
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """The axes `source` at the places `destination`, the others in their order."""
    ndim = x.ndim
    old, new = normalize_axis_tuple(source, ndim), normalize_axis_tuple(destination, ndim)
    if len(old) != len(new):
        raise UsageError("moveaxis needs as many places as axes", where=user_line(), got=f"{source} to {destination}")
    order = [i for i in range(ndim) if i not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, axes=tuple(order))


@function
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes in each other's place."""
    order = list(range(x.ndim))
    i, j = normalize_axis_index(axis1, x.ndim), normalize_axis_index(axis2, x.ndim)
    order[i], order[j] = j, i
    return permute_dims(x, axes=tuple(order))


@function
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element `repeats` times in a row along an axis (a number, or one for each); flattened when axis is None."""
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    if isinstance(repeats, Tensor):
        raise UsageError("repeat: the number of repetitions must be plain integers", where=user_line(), got="a Tensor")
    return take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis=axis)


@function
def tile(x: Any, repetitions: int | Sequence[int]) -> Any:
    """x laid side by side, repetitions[i] times along axis i."""
    counts = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    ndim = max(x.ndim, len(counts))
    shape: Shape = (1,) * (ndim - x.ndim) + tuple(x.shape)
    counts = (1,) * (ndim - len(counts)) + counts
    pairs = list(zip(counts, shape, strict=True))
    spread = reshape(x, shape=tuple([n for _, size in pairs for n in (1, size)]))
    spread = broadcast_to(spread, shape=tuple([n for pair in pairs for n in pair]))
    return reshape(spread, shape=tuple([count * size for count, size in pairs]))


@function
def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The parts of x along an axis, without that axis."""
    before = (slice(None),) * normalize_axis_index(axis, x.ndim)
    return tuple([getitem(x, (*before, i)) for i in range(x.shape[axis])])


@function
def split(x: Any, sections: int | Sequence[int], axis: int = 0, even: bool = True) -> list[Any]:
    """x cut along an axis into so many parts, or at the places given.

    ShapeError when `even` is asked for and the axis does not divide into so many parts.
    """
    before = (slice(None),) * normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or (even and n % sections):
            raise ShapeError(
                "split: the axis does not divide into so many equal parts",
                where=user_line(),
                got=f"{n} elements into {sections} parts",
                fix="give the places to cut at, or use numpy.array_split",
            )
        each, longer = divmod(n, int(sections))
        cuts = np.cumsum([0, *[each + (i < longer) for i in range(sections)]]).tolist()
    else:
        cuts = [0, *[int(i) for i in sections], n]
    if isinstance(sections, (int, np.integer)):
        return [getitem(x, (*before, slice(a, b))) for a, b in pairwise(cuts)]
    return [getitem(x, (*before, slice(a, b))) for a, b in pairwise([*cuts[:-1], None])]


@function
def broadcast_arrays(*arrays: Any) -> list[Any]:
    """All arrays broadcast to their common shape."""
    shape = np.broadcast_shapes(*[np.shape(a) for a in arrays])
    return [broadcast_to(a, shape=shape) for a in arrays]


@function
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Along an axis, the elements that `indices` name for every line of x; shapes broadcast elsewhere."""
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    axis = normalize_axis_index(axis, x.ndim)
    if len(indices.shape) != x.ndim:
        raise ShapeError(
            "take_along_axis: as many axes are needed in both", where=user_line(), got=f"{x.shape}, {indices.shape}"
        )
    lines = [np.arange(n).reshape([-1 if i == j else 1 for j in range(x.ndim)]) for i, n in enumerate(x.shape)]
    return getitem(x, tuple([indices if i == axis else line for i, line in enumerate(lines)]))


@function
def diff(x: Any, axis: int = -1) -> Any:
    """The differences of neighbours along an axis."""
    before = (slice(None),) * normalize_axis_index(axis, x.ndim)
    return subtract(getitem(x, (*before, slice(1, None))), getitem(x, (*before, slice(None, -1))))


@function
def tril(x: Any, k: int = 0) -> Any:
    """The last two axes with 0 above the diagonal number k (to the right)."""
    return where(_lower(x.shape, k), x, 0.0)


@function
def triu(x: Any, k: int = 0) -> Any:
    """The last two axes with 0 below the diagonal number k (to the right)."""
    return where(_lower(x.shape, k - 1), 0.0, x)


def _lower(shape: Shape, k: int) -> Array:
    return np.tri(shape[-2], shape[-1], k, dtype=bool)
