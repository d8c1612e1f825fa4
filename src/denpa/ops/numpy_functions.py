"""NumPy's functions (those that are no ufuncs) as functions of Tensors, under NumPy's own parameter names.

A handler declares exactly the parameters it honours; a call that gives another one is refused by `numpy_api`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from denpa.errors import UsageError, user_line
from denpa.graph import Tensor, number_of
from denpa.ops import comparing, indexing, linear, rearranging as move, reducing, selecting, shaping
from denpa.ops.contraction import einsum
from denpa.ops.elementwise import abs as abs_, multiply, subtract

HANDLERS: dict[Callable[..., Any], Callable[..., Any]] = {}


def handles(*functions: Callable[..., Any] | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a handler of NumPy functions; None stands for one that this version of NumPy does not have."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            if function is not None:
                HANDLERS[function] = handler
        return handler

    return declare


def plain(a: Any) -> Any:
    """The value of a Tensor, for questions whose answer is no Tensor."""
    return number_of(a) if isinstance(a, Tensor) else a


# -- questions about a Tensor ---------------------------------------------------------------------------------------
handles(np.ndim)(lambda a: a.ndim)
handles(np.shape)(lambda a: a.shape)
handles(np.size)(lambda a, axis=None: a.size if axis is None else a.shape[axis])
handles(np.iscomplexobj)(lambda x: x.dtype.kind == "c")
handles(np.isrealobj)(lambda x: x.dtype.kind != "c")
handles(np.result_type)(lambda *a: np.result_type(*[x.dtype if isinstance(x, Tensor) else x for x in a]))
handles(np.can_cast)(lambda from_, to, casting="safe": np.can_cast(from_.dtype, to, casting))
handles(np.array_repr)(repr)
handles(np.array_str)(lambda a: str(a.value))


@handles(np.allclose)
def _(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    return bool(np.allclose(plain(a), plain(b), rtol=rtol, atol=atol, equal_nan=equal_nan))


@handles(np.array_equal)
def _(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    return bool(np.array_equal(plain(a1), plain(a2), equal_nan=equal_nan))


@handles(np.isclose)
def _(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Any:
    finite = comparing.isfinite(b)
    c = selecting.where(finite, b, 0.0)  # ∞ - ∞ would warn; infinities are close when they are equal
    near = comparing.less_equal(abs_(subtract(a, c)), atol + multiply(abs_(c), rtol))
    return comparing.logical_or(comparing.logical_and(near, finite), comparing.equal(a, b))


@handles(np.count_nonzero)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.sum(comparing.not_equal(a, 0), axis=axis, keepdims=keepdims)


# -- reductions -----------------------------------------------------------------------------------------------------
@handles(np.sum)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.sum(a, axis=axis, keepdims=keepdims)


@handles(np.mean)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.mean(a, axis=axis, keepdims=keepdims)


@handles(np.average)
def _(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return reducing.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(plain(weights)) != np.shape(plain(a)):
        raise UsageError("np.average on a Tensor needs weights of the same shape", where=user_line())
    total = reducing.sum(multiply(a, weights), axis=axis, keepdims=keepdims)
    return total / reducing.sum(weights, axis=axis, keepdims=keepdims)


@handles(np.max, np.amax)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.max(a, axis=axis, keepdims=keepdims)


@handles(np.min, np.amin)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.min(a, axis=axis, keepdims=keepdims)


@handles(np.ptp)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    largest = reducing.max(a, axis=axis, keepdims=keepdims)
    return subtract(largest, reducing.min(a, axis=axis, keepdims=keepdims))


@handles(np.prod)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.prod(a, axis=axis, keepdims=keepdims)


@handles(np.var)
def _(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
    return reducing.var(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@handles(np.std)
def _(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
    return reducing.std(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@handles(np.any)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.any(a, axis=axis, keepdims=keepdims)


@handles(np.all)
def _(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reducing.all(a, axis=axis, keepdims=keepdims)


@handles(np.argmax)
def _(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    return comparing.argmax(a, axis=axis, keepdims=keepdims)


@handles(np.argmin)
def _(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    return comparing.argmin(a, axis=axis, keepdims=keepdims)


@handles(np.cumsum)
def _(a: Any, axis: int | None = None) -> Any:
    return reducing.cumulative_sum(shaping.reshape(a, (-1,)) if axis is None else a, axis=0 if axis is None else axis)


@handles(getattr(np, "cumulative_sum", None))
def _(x: Any, /, *, axis: int | None = None) -> Any:
    return reducing.cumulative_sum(x, axis=axis)


@handles(np.linalg.norm)
def _(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    vector = isinstance(axis, int) or (axis is None and x.ndim == 1)
    if ord is None or (ord == 2 and vector) or (ord == "fro" and not vector):
        return linear.vector_norm(x, axis=axis, keepdims=keepdims)
    if vector and ord == 1:
        return reducing.sum(abs_(x), axis=axis, keepdims=keepdims)
    if vector and ord in (np.inf, -np.inf):
        return (reducing.max if ord > 0 else reducing.min)(abs_(x), axis=axis, keepdims=keepdims)
    raise UsageError(
        "np.linalg.norm: this norm does not work on a Tensor",
        where=user_line(),
        got=f"ord={ord!r}, axis={axis!r}, {x.ndim} axes",
        want="None or 'fro'; 1, 2, inf or -inf of vectors",
    )


@handles(np.linalg.vector_norm)
def _(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    return linear.vector_norm(x, axis=axis, keepdims=keepdims)


# -- products -------------------------------------------------------------------------------------------------------
handles(np.dot)(linear.dot)
handles(np.inner)(linear.inner)
handles(np.outer, np.linalg.outer)(linear.outer)
handles(np.vdot)(lambda a, b, /: linear.matmul(shaping.reshape(a, (-1,)), shaping.reshape(b, (-1,))))
handles(np.tensordot)(lambda a, b, axes=2: linear.tensordot(a, b, axes))
handles(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: linear.tensordot(x1, x2, axes))
handles(np.linalg.matmul)(lambda x1, x2, /: linear.matmul(x1, x2))
handles(np.linalg.vecdot)(lambda x1, x2, /, *, axis=-1: linear.vecdot(x1, x2, axis))
handles(np.linalg.diagonal)(lambda x, /, *, offset=0: linear.diagonal(x, offset))
handles(np.linalg.trace)(lambda x, /, *, offset=0: linear.trace(x, offset))


@handles(np.einsum)
def _(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    return einsum(subscripts, *operands)


@handles(np.diagonal)
def _(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return linear.diagonal(move.moveaxis(a, (axis1, axis2), (-2, -1)), offset)


@handles(np.trace)
def _(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return linear.trace(move.moveaxis(a, (axis1, axis2), (-2, -1)), offset)


@handles(np.diag)
def _(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return linear.diagonal(v, k)
    if v.ndim != 1:
        raise UsageError("np.diag needs one or two axes", where=user_line(), got=f"shape {v.shape}")
    # Column j of row i holds v[j - max(k, 0)]; the mask lets it through on the k-th diagonal only.
    n = v.shape[0] + abs(k)
    columns = shaping.pad(v, (max(k, 0), max(-k, 0)))
    return selecting.where(np.eye(n, k=k, dtype=bool), columns, 0.0)


# -- shapes ---------------------------------------------------------------------------------------------------------
@handles(np.reshape)
def _(a: Any, /, shape: Any, order: str = "C") -> Any:
    _row_major("np.reshape", order)
    return shaping.reshape(a, shape)


@handles(np.ravel)
def _(a: Any, order: str = "C") -> Any:
    _row_major("np.ravel", order)
    return shaping.reshape(a, (-1,))


def _row_major(name: str, order: str) -> None:
    if order != "C":
        raise UsageError(f"{name} on a Tensor knows row-major order only", where=user_line(), got=f"order={order!r}")


handles(np.transpose)(lambda a, axes=None: a.transpose(axes))
handles(np.matrix_transpose, np.linalg.matrix_transpose)(lambda x, /: shaping.matrix_transpose(x))
handles(np.swapaxes)(move.swapaxes)
handles(np.moveaxis)(move.moveaxis)
handles(np.expand_dims)(shaping.expand_dims)
handles(np.squeeze)(lambda a, axis=None: shaping.squeeze(a, axis))
handles(np.broadcast_to)(lambda array, shape: shaping.broadcast_to(array, shape=shape))
handles(np.broadcast_arrays)(lambda *args: tuple(move.broadcast_arrays(*args)))
handles(np.atleast_1d)(lambda a: a if a.ndim else shaping.reshape(a, (1,)))
handles(np.atleast_2d)(lambda a: a if a.ndim > 1 else shaping.reshape(a, (1, -1)))
handles(np.concatenate)(lambda arrays, /, axis=0: shaping.concat(arrays, axis=axis))
handles(np.stack)(lambda arrays, axis=0: shaping.stack(arrays, axis=axis))
handles(np.vstack)(lambda tup: shaping.concat([_rows(a) for a in tup], axis=0))
handles(np.split)(lambda ary, indices_or_sections, axis=0: move.split(ary, indices_or_sections, axis))
handles(np.array_split)(lambda ary, indices_or_sections, axis=0: move.split(ary, indices_or_sections, axis, even=False))
handles(np.vsplit)(lambda ary, indices_or_sections: move.split(ary, indices_or_sections, 0))
handles(getattr(np, "unstack", None))(lambda x, /, *, axis=0: move.unstack(x, axis))
handles(np.flip)(lambda m, axis=None: shaping.flip(m, axis=axis))
handles(np.flipud)(lambda m: shaping.flip(m, axis=0))
handles(np.fliplr)(lambda m: shaping.flip(m, axis=1))
handles(np.roll)(lambda a, shift, axis=None: shaping.roll(a, shift=shift, axis=axis))
handles(np.tile)(move.tile)
handles(np.repeat)(lambda a, repeats, axis=None: move.repeat(a, repeats, axis))
handles(np.take)(lambda a, indices, axis=None: indexing.take(a, indices, axis))
handles(np.take_along_axis)(lambda arr, indices, axis=-1: move.take_along_axis(arr, indices, axis))
handles(np.tril)(lambda m, k=0: move.tril(m, k))
handles(np.triu)(lambda m, k=0: move.triu(m, k))
handles(np.copy)(lambda a: a)  # Tensors do not change


def _rows(a: Any) -> Any:
    return a if np.ndim(plain(a)) > 1 else shaping.reshape(a, (1, -1))


@handles(np.hstack)
def _(tup: Sequence[Any]) -> Any:
    parts = [a if np.ndim(plain(a)) else shaping.reshape(a, (1,)) for a in tup]
    return shaping.concat(parts, axis=0 if np.ndim(plain(parts[0])) == 1 else 1)


@handles(np.column_stack)
def _(tup: Sequence[Any]) -> Any:
    return shaping.concat([a if np.ndim(plain(a)) > 1 else shaping.reshape(a, (-1, 1)) for a in tup], axis=1)


@handles(np.hsplit)
def _(ary: Any, indices_or_sections: Any) -> Any:
    return move.split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


@handles(np.pad)
def _(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Any:
    return shaping.pad(array, pad_width, mode, constant_values)


@handles(np.diff)
def _(a: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        a = move.diff(a, axis)
    return a


# -- choosing -------------------------------------------------------------------------------------------------------
handles(np.where)(lambda condition, x, y, /: selecting.where(condition, x, y))
handles(np.zeros_like)(lambda a, dtype=None: selecting.zeros_like(a, dtype))
handles(np.ones_like)(lambda a, dtype=None: selecting.ones_like(a, dtype))


@handles(np.clip)
def _(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return selecting.clip(a, a_min if min is None else min, a_max if max is None else max)
