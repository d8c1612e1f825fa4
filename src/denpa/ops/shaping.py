"""Primitives that move, repeat or join elements without changing them, and `sum_to`, the adjoint of broadcasting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from denpa.arrays import Array, Shape, shape_of
from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Tensor
from denpa.ops.indexing import gather
from denpa.ops.samples import Args, unary, uniform, with_params
from denpa.primitive import function, primitive, same


def _to_shape(x: Shape, *, shape: Shape) -> Shape:
    return shape


def _sum_to_samples(rng: np.random.Generator) -> Iterator[Args]:
    pairs = (((2, 3), (3,)), ((2, 3), (1, 3)), ((4, 2, 3), (2, 1)), ((2, 2), ()), ((3,), (3,)), ((0, 2), (2,)))
    for big, small in pairs:
        yield (uniform(rng, big),), {"shape": small}


def _broadcast_samples(rng: np.random.Generator) -> Iterator[Args]:
    for (x,), params in _sum_to_samples(rng):
        yield (uniform(rng, params["shape"]),), {"shape": x.shape}


@primitive(shape=_to_shape, latex=r"\sum {0}", label="Σ", samples=_sum_to_samples, analytic=True)
def sum_to(xp: Any, x: Array, *, shape: Shape) -> Array:
    """x summed over the axes along which `shape` was broadcast to x's shape: added axes go, stretched ones become 1."""
    added = x.ndim - len(shape)
    if added < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[added:], strict=True)):
        raise ValueError(f"shape {tuple(shape)} does not broadcast to {tuple(x.shape)}")
    stretched = tuple([i + added for i, n in enumerate(shape) if n == 1 and x.shape[i + added] != 1])
    if added or stretched:
        x = xp.sum(x, axis=tuple(range(added)) + stretched, keepdims=bool(stretched))
    return x if x.shape == shape else xp.reshape(x, shape)


@sum_to.vjp
def _(g: Any, out: Any, x: Any, *, shape: Shape) -> Any:
    return (broadcast_to(g, shape=x.shape),)


@primitive(shape=_to_shape, latex="{0}", label="broadcast", samples=_broadcast_samples, analytic=True)
def broadcast_to(xp: Any, x: Array, *, shape: Shape) -> Array:
    """x repeated to `shape` by NumPy's broadcasting rules."""
    return xp.broadcast_to(x, shape)


@broadcast_to.vjp
def _(g: Any, out: Any, x: Any, *, shape: Shape) -> Any:
    return (sum_to(g, shape=x.shape),)


def _resolved(x: Shape, *, shape: Shape | int) -> Shape:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        shape = tuple([math.prod(x) // known if n == -1 else n for n in shape])
    return shape


_RESHAPES = with_params(
    ((), {"shape": (1, 1)}), ((6,), {"shape": (2, -1)}), ((2, 3), {"shape": -1}), ((0, 3), {"shape": (3, 0, 1)})
)


@primitive(shape=_resolved, latex="{0}", label="reshape", samples=_RESHAPES, analytic=True)
def reshape(xp: Any, x: Array, *, shape: Shape | int) -> Array:
    """The same elements in row-major order in another shape; one length may be −1 and is worked out."""
    return xp.reshape(x, shape)


@reshape.vjp
def _(g: Any, out: Any, x: Any, *, shape: Shape | int) -> Any:
    return (reshape(g, shape=x.shape),)


def _permuted(x: Shape, *, axes: Sequence[int]) -> Shape:
    return tuple([x[i] for i in axes])


_AXES_ORDERS = with_params(((2, 3), {"axes": (1, 0)}), ((2, 3, 4), {"axes": (2, 0, -2)}), ((), {"axes": ()}))


@primitive(shape=_permuted, latex=r"{{{0}}}^{{\top}}", label="permute", samples=_AXES_ORDERS, analytic=True)
def permute_dims(xp: Any, x: Array, *, axes: Sequence[int]) -> Array:
    """The axes in another order (array API; NumPy's transpose)."""
    return xp.transpose(x, axes)


@permute_dims.vjp
def _(g: Any, out: Any, x: Any, *, axes: Sequence[int]) -> Any:
    order = normalize_axis_tuple(axes, len(axes))
    return (permute_dims(g, axes=tuple([order.index(i) for i in range(len(order))])),)


def _transposed(x: Shape) -> Shape:
    return (*x[:-2], x[-1], x[-2])


_MATRICES = unary(shapes=((2, 3), (4, 1, 2), (0, 3)))


@primitive(shape=_transposed, latex=r"{{{0}}}^{{\top}}", label="ᵀ", samples=_MATRICES, analytic=True)
def matrix_transpose(xp: Any, x: Array) -> Array:
    """The last two axes swapped.  ShapeError below two axes.  Source: seed 001 (W⊤)."""
    return xp.matrix_transpose(x)


@matrix_transpose.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (matrix_transpose(g),)


@function
def expand_dims(x: Any, axis: int | tuple[int, ...] = 0) -> Any:
    """x with axes of length 1 put in, so that they stand at `axis` in the result."""
    ndim = len(shape_of(x)) + (len(axis) if isinstance(axis, tuple) else 1)
    new = _axes(axis, ndim)
    old = iter(shape_of(x))
    return reshape(x, shape=tuple([1 if i in new else next(old) for i in range(ndim)]))


@function
def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """x without axes of length 1 (all of them when None).  ShapeError when an axis is longer."""
    shape = shape_of(x)
    gone = tuple([i for i, n in enumerate(shape) if n == 1]) if axis is None else _axes(axis, len(shape))
    if any(shape[i] != 1 for i in gone):
        raise ShapeError("only axes of length 1 can be squeezed", where=user_line(), got=f"shape {shape}, axis={axis}")
    return reshape(x, shape=tuple([n for i, n in enumerate(shape) if i not in gone]))


def _axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Axes as increasing numbers from 0; all of them for None.  ShapeError when one is not there or comes twice."""
    if axis is None:
        return tuple(range(ndim))
    try:
        return tuple(sorted(normalize_axis_tuple(axis, ndim)))
    except ValueError as error:
        raise ShapeError(f"no such axis: {error}", where=user_line(), got=f"axis={axis}") from error


def _joined(*shapes: Shape, axis: int) -> Shape:
    axis = normalize_axis_index(axis, len(shapes[0]))
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def _concat_samples(rng: np.random.Generator) -> Iterator[Args]:
    yield (uniform(rng, (2,)), uniform(rng, (3,))), {"axis": 0}
    yield (uniform(rng, (2, 1)), uniform(rng, (2, 3)), uniform(rng, (2, 0))), {"axis": -1}


@primitive(
    name="concat", shape=_joined, latex=r"\left[{args}\right]", label="concat", samples=_concat_samples, analytic=True
)
def concat_arrays(xp: Any, *arrays: Array, axis: int) -> Array:
    """The arrays one after another along an axis that is there."""
    return xp.concat(arrays, axis=axis)


@concat_arrays.vjp
def _(g: Any, out: Any, *arrays: Any, axis: int, needs: Any) -> Any:
    before = (slice(None),) * normalize_axis_index(axis, out.ndim)
    parts, start = [], 0
    for x, need in zip(arrays, needs, strict=True):
        stop = start + x.shape[len(before)]
        parts.append(gather(g, template=(*before, slice(start, stop))) if need else None)
        start = stop
    return parts


@function
def concat(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """The arrays one after another along an axis; flattened first when axis is None."""
    if axis is None:
        arrays, axis = [reshape(a, shape=(-1,)) for a in arrays], 0
    if len(arrays) == 0:
        raise UsageError("concat needs at least one array", where=user_line())
    return concat_arrays(*arrays, axis=axis)


@function
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    shapes = {shape_of(a) for a in arrays}
    if len(shapes) != 1:
        raise ShapeError("stack needs arrays of one shape", where=user_line(), got=str(sorted(shapes)) or "none")
    return concat_arrays(*[expand_dims(a, axis) for a in arrays], axis=axis)


_FLIPS = with_params(((3,), {}), ((2, 3), {"axis": 1}), ((2, 3, 2), {"axis": (0, -1)}), ((), {}))


@primitive(shape=same, latex="{0}", label="flip", samples=_FLIPS, analytic=True)
def flip(xp: Any, x: Array, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """The order of the elements reversed along the axes (all of them when None)."""
    return xp.flip(x, axis=axis)


@flip.vjp
def _(g: Any, out: Any, x: Any, *, axis: Any) -> Any:
    return (flip(g, axis=axis),)


_ROLLS = with_params(
    ((3,), {"shift": 1}), ((2, 3), {"shift": -4, "axis": 1}), ((2, 3), {"shift": (1, 2), "axis": (0, 1)})
)


@primitive(shape=same, latex="{0}", label="roll", samples=_ROLLS, analytic=True)
def roll(xp: Any, x: Array, *, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Array:
    """Elements moved by `shift` places along the axes, those that fall off coming in at the other end."""
    return xp.roll(x, shift, axis=axis)


@roll.vjp
def _(g: Any, out: Any, x: Any, *, shift: Any, axis: Any) -> Any:
    return (roll(g, shift=tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift, axis=axis),)


Widths = tuple[tuple[int, int], ...]


def _padded(x: Shape, *, pad_width: Widths, value: float = 0.0) -> Shape:
    return tuple([before + n + after for n, (before, after) in zip(x, pad_width, strict=True)])


_PADS = with_params(((3,), {"pad_width": ((1, 2),)}), ((2, 3), {"pad_width": ((0, 1), (2, 0)), "value": 7.0}))


@primitive(name="pad", shape=_padded, latex="{0}", label="pad", samples=_PADS, analytic=True)
def pad_constant(xp: Any, x: Array, *, pad_width: Widths, value: float = 0.0) -> Array:
    """x with `before` and `after` elements of one value put around it on each axis."""
    return xp.pad(x, pad_width, mode="constant", constant_values=value) if pad_width else x


@pad_constant.vjp
def _(g: Any, out: Any, x: Any, *, pad_width: Widths, value: float) -> Any:
    inner = [slice(before, before + n) for n, (before, _) in zip(x.shape, pad_width, strict=True)]
    return (gather(g, template=tuple(inner)),)


@function
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    """x with elements of one value put around it.  pad_width: a number, (before, after), or one such pair an axis."""
    if mode != "constant" or np.ndim(constant_values):
        raise UsageError("pad knows the mode 'constant' with one value", where=user_line(), got=f"mode={mode!r}")
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (len(shape_of(x)), 2))
    except ValueError as error:
        raise ShapeError(
            "pad_width does not fit",
            where=user_line(),
            got=f"{pad_width!r} for {len(shape_of(x))} axes",
            want="a number, (before, after), or one such pair an axis",
        ) from error
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise UsageError("pad_width must be whole numbers from 0 on", where=user_line(), got=f"{pad_width!r}")
    return pad_constant(x, pad_width=tuple([(int(b), int(a)) for b, a in widths]), value=constant_values)


def _astype_samples(rng: np.random.Generator) -> Iterator[Args]:
    yield (uniform(rng, (3,)),), {"dtype": np.dtype(np.float64)}


@primitive(name="astype", shape=same, scalar="x", latex="{0}", label="cast", samples=_astype_samples)
def astype_float(xp: Any, x: Array, *, dtype: Any) -> Array:
    """x with another floating dtype."""
    return x.astype(dtype)


@astype_float.vjp
def _(g: Any, out: Any, x: Any, *, dtype: Any) -> Any:
    return (astype_float(g, dtype=x.dtype),)


def _discrete_samples(rng: np.random.Generator) -> Iterator[Args]:
    yield (uniform(rng, (3,)),), {"dtype": np.dtype(np.int64)}


@primitive(
    name="astype_discrete",
    shape=same,
    latex="{0}",
    label="cast",
    samples=_discrete_samples,
    differentiable=False,
)
def astype_discrete(xp: Any, x: Array, *, dtype: Any) -> Array:
    """x as integers (cut off towards 0) or booleans: the gradient ends here."""
    return x.astype(dtype)


@function
def astype(x: Any, dtype: Any) -> Any:
    """x with another dtype.  The gradient passes to floating dtypes only."""
    dtype = np.dtype(dtype)
    x = x if isinstance(x, Tensor) else np.asarray(x)[()] if not hasattr(x, "dtype") else x
    return (astype_float if dtype.kind in "fc" else astype_discrete)(x, dtype=dtype)
