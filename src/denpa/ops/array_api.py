"""The array-API namespace of Tensors: `xp = t.__array_namespace__()` and the standard's names on it.

Functions are those of denpa; creation functions give constants.  What the standard has and denpa has not (floor, sort,
linalg.solve, …) is an AttributeError that says so.  Source: data-apis.org/array-api, version 2024.12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from denpa.arrays import Shape
from denpa.errors import UsageError, user_line
from denpa.graph import FUNCTIONS, Tensor, constant, number_of
from denpa.ops import linear
from denpa.ops.reducing import cumulative_sum as _cumulative_sum
from denpa.ops.shaping import astype as _astype, matrix_transpose, stack

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")

# Standard names by which denpa's functions are known under the same name.
_SAME_NAMES = """
    abs add all any argmax argmin broadcast_arrays broadcast_to clip concat cos cosh diff divide equal exp expand_dims
    expm1 flip greater greater_equal isfinite isinf isnan less less_equal log log1p logical_and logical_not logical_or
    matmul matrix_transpose max maximum mean min minimum moveaxis multiply negative not_equal permute_dims prod repeat
    reshape roll sign sin sinh sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile
    tril triu unstack var vecdot where
"""
FUNCTION_NAMES = tuple(_SAME_NAMES.split())
ALIASES = {
    "atan": "arctan",
    "pow": "power",
    "positive": "identity",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_invert": "logical_not",
}
DTYPES = {
    d.__name__ if d is not np.bool_ else "bool": d
    for d in (
        np.bool_,
        *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float32, np.float64, np.complex64, np.complex128),
    )
}
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}

# What `import denpa as dp` exposes of this floor: dp.exp, dp.matmul, dp.float32, …
_MORE_NAMES = """
    absolute_error arctan astype cumulative_sum einsum elu erf erfc gelu huber leaky_relu log_softmax logsumexp one_hot
    ones_like outer pad power relu sigmoid sigmoid_cross_entropy softmax softmax_cross_entropy softplus squared_error
    stop_gradient vector_norm zeros_like
"""
PUBLIC = (*FUNCTION_NAMES, *_MORE_NAMES.split(), "float32", "float64", "int64")


def on_cpu(device: Any) -> None:
    """UsageError unless the device is the only one there is."""
    if device not in (None, "cpu"):
        raise UsageError("denpa's arrays live on the CPU", where=user_line(), got=f"device={device!r}", want='"cpu"')


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor as it is (cast when `dtype` says so); a list with Tensors inside stacked; other data as a constant."""
    on_cpu(device)
    if isinstance(obj, (list, tuple)) and _holds_tensor(obj):
        obj = stack([asarray(part) for part in obj])
    if not isinstance(obj, Tensor):
        return constant(obj, dtype=dtype)
    return obj if dtype is None or obj.dtype == dtype else _astype(obj, dtype)


def _holds_tensor(obj: Sequence[Any]) -> bool:
    return any(isinstance(a, Tensor) or (isinstance(a, (list, tuple)) and _holds_tensor(a)) for a in obj)


def _creation(make: Callable[..., Any]) -> Callable[..., Tensor]:
    """A creation function of NumPy as one that gives a constant Tensor."""

    def create(*args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
        on_cpu(device)
        plain = [number_of(a) if isinstance(a, Tensor) else a for a in args]
        return constant(make(*plain, dtype=dtype, **kwargs))

    create.__name__ = create.__qualname__ = make.__name__
    create.__doc__ = f"As numpy.{make.__name__}; a constant."
    return create


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """x with another dtype; the gradient passes to floating dtypes only."""
    on_cpu(device)
    return _astype(x, dtype)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """The sums up to each element along an axis, after a 0 when `include_initial`."""
    axis = 0 if axis is None and x.ndim == 1 else axis
    if axis is None:
        raise UsageError("cumulative_sum needs an axis", where=user_line(), got=f"shape {x.shape}")
    out = _cumulative_sum(x if dtype is None else _astype(x, dtype), axis=axis)
    if not include_initial:
        return out
    widths = [(1 if i == axis % x.ndim else 0, 0) for i in range(x.ndim)]
    return FUNCTIONS["pad"](out, widths)


def _dtype(a: Any) -> Any:
    return a.dtype if isinstance(a, Tensor) else a


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that arithmetic between these gives."""
    return np.result_type(*[_dtype(a) for a in arrays_and_dtypes])


def can_cast(from_: Any, to: Any, /) -> bool:
    return bool(np.can_cast(_dtype(from_), to))


def isdtype(dtype: Any, kind: Any) -> bool:
    return bool(np.isdtype(np.dtype(dtype), kind))


def finfo(dtype: Any, /) -> Any:
    return np.finfo(_dtype(dtype))


def iinfo(dtype: Any, /) -> Any:
    return np.iinfo(_dtype(dtype))


def broadcast_shapes(*shapes: Shape) -> Shape:
    return np.broadcast_shapes(*shapes)


class Linalg:
    """The `linalg` extension, as far as it is there."""

    matmul = staticmethod(linear.matmul)
    matrix_transpose = staticmethod(matrix_transpose)
    tensordot = staticmethod(linear.tensordot)
    vecdot = staticmethod(linear.vecdot)
    outer = staticmethod(linear.outer)
    diagonal = staticmethod(linear.diagonal)
    trace = staticmethod(linear.trace)

    @staticmethod
    def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
        """√Σx² for ord=2, Σ|x| for 1, the largest |x| for inf."""
        if ord == 2:
            return linear.vector_norm(x, axis=axis, keepdims=keepdims)
        if ord not in (1, math.inf):
            raise UsageError("vector_norm: unknown order", where=user_line(), got=f"ord={ord}", want="1, 2 or inf")
        size = FUNCTIONS["abs"](x)
        return FUNCTIONS["sum" if ord == 1 else "max"](size, axis=axis, keepdims=keepdims)


class Info:
    """What `__array_namespace_info__()` tells."""

    @staticmethod
    def capabilities() -> dict[str, Any]:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    @staticmethod
    def default_device() -> str:
        return "cpu"

    @staticmethod
    def devices() -> list[str]:
        return ["cpu"]

    @staticmethod
    def default_dtypes(*, device: Any = None) -> dict[str, Any]:
        on_cpu(device)
        return {
            "real floating": np.float64,
            "complex floating": np.complex128,
            "integral": np.int64,
            "indexing": np.int64,
        }

    @staticmethod
    def dtypes(*, device: Any = None, kind: Any = None) -> dict[str, Any]:
        on_cpu(device)
        return {name: d for name, d in DTYPES.items() if kind is None or isdtype(d, kind)}


_MAKERS: tuple[Callable[..., Any], ...] = (
    *(np.arange, np.empty, np.eye, np.full, np.linspace, np.ones, np.zeros),
    *(np.empty_like, np.full_like, np.ones_like, np.zeros_like),
)
CREATION = {make.__name__: _creation(make) for make in _MAKERS}
OWN = (asarray, astype, cumulative_sum, result_type, can_cast, isdtype, finfo, iinfo, broadcast_shapes)


class Namespace:
    """The module-like object of the array API; there is one, `NAMESPACE`."""

    __name__ = "denpa"
    __array_api_version__ = VERSIONS[-1]
    linalg = Linalg()

    @cached_property
    def _names(self) -> dict[str, Any]:
        return {
            **{name: FUNCTIONS[name] for name in FUNCTION_NAMES},
            **{name: FUNCTIONS[ours] for name, ours in ALIASES.items()},
            **{f.__name__: f for f in OWN},
            **CREATION,
            **DTYPES,
            **CONSTANTS,
        }

    def __array_namespace_info__(self) -> Info:
        return Info()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._names:  # hidden names are asked for by copy, inspect and others
            return self._names[name]
        raise AttributeError(f"denpa's array-API namespace has no {name!r}")

    def __dir__(self) -> list[str]:
        return sorted([*self._names, "linalg", "__array_api_version__", "__array_namespace_info__"])

    def __repr__(self) -> str:
        return f"<array-API namespace of denpa, {self.__array_api_version__}>"


NAMESPACE = Namespace()


def array_namespace(api_version: str | None = None) -> Namespace:
    """`Tensor.__array_namespace__`.  UsageError for a version that is not there."""
    if api_version is not None and api_version not in VERSIONS:
        raise UsageError("no such array-API version", where=user_line(), got=api_version, want=", ".join(VERSIONS))
    return NAMESPACE


FUNCTIONS["array_namespace"] = array_namespace
