"""Arrays: the namespace an array belongs to, and the dtype rules.

Values inside denpa are read-only NumPy arrays; a value of shape () may be a NumPy scalar, which is immutable by nature
and four times cheaper to compute with.  Evaluation rules take the namespace as their first argument, so the same rule
runs on NumPy and on any array-API library (jax.numpy under jit).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from denpa.errors import DenpaError, DTypeError, user_line

Array: TypeAlias = Any  # np.ndarray, np.generic, or another array-API array inside an engine
Shape: TypeAlias = tuple[int, ...]

_NUMPY = (np.ndarray, np.generic, float, int, bool, complex)


def namespace(*arrays: Array) -> Any:
    """The array namespace of the first array that is not NumPy's or Python's own; NumPy otherwise."""
    for a in arrays:
        if not isinstance(a, _NUMPY) and hasattr(a, "__array_namespace__"):
            return a.__array_namespace__()
    return np


def freeze(value: Array) -> Array:
    """Make an array read-only and return it; NumPy scalars are so already."""
    if type(value) is np.ndarray:
        value.flags.writeable = False
    return value


def shape_of(x: Any) -> Shape:
    """The shape of an array, a Tensor, a number or a nested list.  `np.shape` of a Tensor would go through dispatch."""
    shape: Shape = x.shape if hasattr(x, "shape") else np.shape(x)
    return shape


def unwrap(value: Array) -> Array:
    """A NumPy array of shape () as the NumPy scalar in it; anything else as it is."""
    return value[()] if type(value) is np.ndarray and value.ndim == 0 else value


def as_value(data: Any, dtype: Any = None) -> Array:
    """A read-only copy of `data` as a numeric NumPy array, or a NumPy scalar for shape ().

    A copy, because a later in-place change of the caller's array must not reach a recorded graph.
    DTypeError for text, objects and ragged lists.
    """
    if type(data) is float and dtype is None:
        return np.float64(data)
    try:
        value = np.array(data, dtype=dtype)
    except DenpaError:  # a Tensor inside a list, which says what to do
        raise
    except (ValueError, TypeError) as error:
        raise DTypeError("not an array of numbers", where=user_line(), got=f"{type(data).__name__}: {error}") from error
    if value.dtype.kind not in "biufc":
        raise DTypeError(
            "not an array of numbers",
            where=user_line(),
            got=f"dtype {value.dtype}",
            want="bool, integer, float or complex",
            fix="encode text and missing values as numbers first",
        )
    return freeze(unwrap(value))


def is_float(value: Array) -> bool:
    """True for the dtypes that have a gradient: real floating point (and complex, for the complex-step check)."""
    return value.dtype.kind in "fc"


def like(scalar: float, value: Array) -> Array:
    """A Python number as a NumPy scalar of the dtype NumPy's promotion gives it beside `value` (NEP 50: it is weak)."""
    dtype = value.dtype
    if dtype.kind not in "fc":
        dtype = np.result_type(dtype, scalar)
    return dtype.type(scalar)
