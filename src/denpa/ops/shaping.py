"""Primitives that move elements without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.ops.reducing import sum_to
from denpa.primitive import primitive, same


def _to_shape(x: Shape, *, shape: Shape) -> Shape:
    return shape


@primitive(shape=_to_shape, latex="{0}", label="broadcast", analytic=True)
def broadcast_to(xp: Any, x: Array, *, shape: Shape) -> Array:
    """x repeated to `shape` by NumPy's broadcasting rules."""
    return xp.broadcast_to(x, shape)


@broadcast_to.vjp
def _(g: Any, out: Any, x: Any, *, shape: Shape) -> Any:
    return (sum_to(g, shape=x.shape),)


@primitive(shape=same, latex="{0}", label="cast", analytic=True)
def astype(xp: Any, x: Array, *, dtype: Any) -> Array:
    """x with another dtype."""
    return x.astype(dtype)


@astype.vjp
def _(g: Any, out: Any, x: Any, *, dtype: Any) -> Any:
    return (astype(g, dtype=x.dtype),)


_ = np
