"""Indexing as in NumPy: integers, slices, None, Ellipsis, integer arrays, boolean masks, and mixtures of them.

An index is taken apart into a template (what is fixed: integers, slices, None, Ellipsis, and a word where an array
stands) and the arrays, which are inputs of the node.  The adjoint of taking elements is adding them back where they
were taken from, `scatter_add`; each of the two is the other's derivative.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from denpa.arrays import Array, Shape
from denpa.errors import IndexingError, user_line
from denpa.graph import Tensor
from denpa.ops.samples import Args, uniform
from denpa.primitive import function, primitive

INTEGERS, MASK = "integers", "mask"  # the words of a template; strings, since a string is never an index itself
Template = tuple[Any, ...]


def fill(template: Template, indices: Sequence[Array]) -> tuple[Any, ...]:
    """The index: the template with the arrays put in their places."""
    if not indices:
        return template
    arrays = iter(indices)
    return tuple([next(arrays) if type(part) is str else part for part in template])


def _index_samples(rng: np.random.Generator) -> Iterator[Args]:
    x = uniform(rng, (4, 3, 2))
    pick, other = np.array([[0, -1], [2, 0]]), np.array([1, 1])
    mask, row = np.array([True, False, True, True]), np.array([False, True, True])
    yield (x,), {"template": (1,)}
    yield (x,), {"template": (slice(None, None, -2), None, Ellipsis, -1)}
    yield (x,), {"template": (slice(2, 2),)}
    yield (x, pick), {"template": (INTEGERS,)}
    yield (x, pick, other), {"template": (INTEGERS, slice(None), INTEGERS)}
    yield (x, pick, other, other[0]), {"template": (INTEGERS, INTEGERS, INTEGERS)}
    yield (x, mask), {"template": (MASK,)}
    yield (x, row), {"template": (slice(1, None), MASK, 0)}


def _taken(x: Shape, *indices: Shape, template: Template) -> Shape | None:
    """The shape of x[index], without memory; None when a mask makes it depend on values."""
    if MASK in template:
        return None
    length = len(x) - sum(part is not None and part is not Ellipsis for part in template)
    rest = (slice(None),) * length
    at = next((i for i, part in enumerate(template) if part is Ellipsis), len(template))
    parts = template[:at] + rest + template[at + 1 :]
    shapes = iter(indices)
    sizes = iter(x)
    taken: list[tuple[int, ...] | None] = []  # the axes each part leaves; None for one that the arrays replace together
    for part in parts:
        n = 1 if part is None else next(sizes)
        if isinstance(part, slice):
            taken.append((len(range(*part.indices(n))),))
        else:
            taken.append((1,) if part is None else None if indices else ())
    if not indices:
        return tuple([n for axes in taken for n in axes or ()])
    together = np.broadcast_shapes(*shapes)
    places = [i for i, axes in enumerate(taken) if axes is None]
    # NumPy puts the arrays' axes where the arrays stand when they stand side by side, and first when they do not.
    first = places[0] if places[-1] - places[0] == len(places) - 1 else 0
    before, after = taken[:first], taken[first:]
    return (*(n for a in before for n in a or ()), *together, *(n for a in after for n in a or ()))


@primitive(
    name="getitem",
    shape=_taken,
    latex=r"{0}\left[\cdot\right]",
    label="[ ]",
    samples=_index_samples,
    analytic=True,
)
def gather(xp: Any, x: Array, *indices: Array, template: Template) -> Array:
    """x[index], with the index as a template and its arrays.  IndexingError when it is outside of x."""
    return x[fill(template, indices)]


@gather.vjp
def _(g: Any, out: Any, x: Any, *indices: Any, template: Template) -> Any:
    return scatter_add(g, *indices, template=template, shape=x.shape), *[None] * len(indices)


def _scatter_samples(rng: np.random.Generator) -> Iterator[Args]:
    for (x, *indices), params in _index_samples(rng):
        g = uniform(rng, x[fill(params["template"], indices)].shape)
        yield (g, *indices), {"template": params["template"], "shape": x.shape}


def _to_shape(g: Shape, *indices: Shape, template: Template, shape: Shape) -> Shape:
    return shape


@primitive(shape=_to_shape, latex=r"\sum {0}", label="Σ→[ ]", samples=_scatter_samples, analytic=True)
def scatter_add(xp: Any, g: Array, *indices: Array, template: Template, shape: Shape) -> Array:
    """Zeros of `shape` with g added at the index: elements that were taken twice get both.  The adjoint of getitem."""
    if xp is not np:
        return xp.zeros(shape, dtype=g.dtype).at[fill(template, indices)].add(g)
    z = np.zeros(shape, g.dtype)
    if not indices or (len(indices) == 1 and MASK in template):
        z[fill(template, indices)] = g  # no element is taken twice
    elif all(part == INTEGERS for part in template):
        _add_flat(z, indices, g)
    else:
        np.add.at(z, fill(template, indices), g)
    return z[()]


@scatter_add.vjp
def _(g: Any, out: Any, x: Any, *indices: Any, template: Template, shape: Shape) -> Any:
    return gather(g, *indices, template=template), *[None] * len(indices)


def _add_flat(z: Array, indices: Sequence[Array], g: Array) -> None:
    """z[i, j, …] += g through positions in the flat array: add.at has a fast loop for one axis (2 to 4 times)."""
    position: Any = 0
    for index, n in zip(indices, z.shape, strict=False):
        index = index.astype(np.intp)  # an index of uint8 would overflow in the product
        position = position * n + np.where(index < 0, index + n, index)
    width = math.prod(z.shape[len(indices) :])
    if width != 1:
        position = position[..., None] * width + np.arange(width)
    np.add.at(z.reshape(-1), np.reshape(position, -1), np.reshape(g, -1))


@function
def getitem(x: Any, index: Any) -> Any:
    """x[index] as in NumPy; integer and boolean Tensors are legal index arrays.  IndexingError outside of x."""
    parts = index if type(index) is tuple else (index,)
    template: list[Any] = []
    arrays: list[Any] = []
    for part in parts:
        fixed = _fixed(part)
        if fixed is not NotImplemented:
            template.append(fixed)
            continue
        array = _index_array(part)
        template.append(MASK if array.dtype.kind == "b" else INTEGERS)
        arrays.append(array)
    return gather(x, *arrays, template=tuple(template))


def _fixed(part: Any) -> Any:
    """An integer, slice, None or Ellipsis as it goes into the template; NotImplemented for what is an array."""
    if type(part) is int or part is None or part is Ellipsis:
        return part
    if type(part) is slice:
        return slice(*[None if end is None else operator.index(end) for end in (part.start, part.stop, part.step)])
    return int(part) if isinstance(part, np.integer) else NotImplemented


def _index_array(part: Any) -> Any:
    array = part if isinstance(part, Tensor) else np.asarray(part)
    if array.size == 0 and isinstance(part, (list, tuple)):
        array = array.astype(np.intp)
    if array.dtype.kind not in "biu":
        raise IndexingError(
            "an index must be integers or booleans",
            where=user_line(),
            got=f"{type(part).__name__} of dtype {array.dtype}",
            want="an integer, a slice, None, Ellipsis, an integer array or a boolean mask",
        )
    return array


@function
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """x[…, indices, …] along an axis; of the flattened x when axis is None (as NumPy).  Repeated indices are legal."""
    if not isinstance(x, Tensor):
        x = np.asarray(x)
    if axis is None:
        return getitem(x.reshape(-1), (_index_array(indices),))
    return getitem(x, (slice(None),) * normalize_axis_index(axis, x.ndim) + (_index_array(indices),))
