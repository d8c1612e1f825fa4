"""Reductions, and `sum_to`: the adjoint of broadcasting."""

from __future__ import annotations

import builtins
from typing import Any

from denpa.arrays import Array, Shape
from denpa.primitive import primitive


def _sum_to_shape(x: Shape, *, shape: Shape) -> Shape:
    return shape


@primitive(shape=_sum_to_shape, latex=r"\sum {0}", label="Σ", analytic=True)
def sum_to(xp: Any, x: Array, *, shape: Shape) -> Array:
    """x summed over the axes along which `shape` was broadcast to x's shape: added axes go, stretched ones become 1."""
    added = builtins.max(x.ndim - len(shape), 0)
    stretched = tuple(i + added for i, n in enumerate(shape) if n == 1 and x.shape[i + added] != 1)
    out = xp.sum(x, axis=tuple(range(added)) + stretched, keepdims=True) if added or stretched else x
    return xp.reshape(out, shape)


@sum_to.vjp
def _(g: Any, out: Any, x: Any, *, shape: Shape) -> Any:
    from denpa.ops.shaping import broadcast_to

    return (broadcast_to(g, shape=x.shape),)
