"""Elementwise primitives: arithmetic, exponentials, trigonometry, activations, comparisons."""

from __future__ import annotations

from typing import Any

from denpa.arrays import Array
from denpa.primitive import broadcast, primitive, same


@primitive(shape=broadcast, scalar="x + y", latex="{0} + {1}", label="+", analytic=True)
def add(xp: Any, x: Array, y: Array) -> Array:
    """x + y, broadcast.  Source: seed 000, the addition node: passes the gradient on as it is."""
    return x + y


@add.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g, g


@primitive(shape=broadcast, scalar="x * y", latex=r"{0} \times {1}", label="×", analytic=True)
def multiply(xp: Any, x: Array, y: Array) -> Array:
    """x · y, broadcast.  Source: seed 000, the multiplication node: the gradient times the other input."""
    return x * y


@multiply.vjp
def _(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * y, g * x


@primitive(shape=same, scalar="x", latex="{0}", label="=", analytic=True)
def identity(xp: Any, x: Array) -> Array:
    """x itself, as a node of its own: what a transformation differentiates with respect to."""
    return x


@identity.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g,)
