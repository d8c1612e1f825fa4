"""Black-box nodes: a function with its own backward that joins the graph like any other.

Source: seed 000 §5.1: whatever happens inside a node, the nodes around it only need its value and its local derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from denpa.arrays import as_value, freeze
from denpa.errors import GradientError, UsageError, user_line
from denpa.graph import Tensor
from denpa.primitive import Primitive


def black_box(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    label: str | None = None,
) -> Primitive:
    """A node from `forward(*arrays) → array` and `backward(g, out, *arrays) → cotangent or tuple of cotangents`.

    Both see plain writable copies of the arrays, so code that works in place cannot harm the graph.  Without `backward`
    a gradient that would have to pass through the box is a GradientError.  Differentiable once: no second order.
    """
    title: str = name or getattr(forward, "__name__", None) or "black_box"

    def evaluate(xp: Any, *arrays: Any) -> Any:
        return as_value(forward(*[np.array(a) for a in arrays]))

    op = Primitive(evaluate, name=title, shape=_unknown, label=label or title)

    def rule(g: Any, out: Any, *arrays: Any) -> Sequence[Any]:
        if isinstance(g, Tensor) or isinstance(out, Tensor):
            raise GradientError(
                f"{title} is a black box: its derivative is known, the derivative of that is not",
                where=user_line(),
                fix="write it with denpa's functions, or as a @denpa.primitive, to differentiate twice",
            )
        if backward is None:
            raise GradientError(
                f"a gradient would have to pass through the black box {title!r}, which has no backward",
                where=user_line(),
                fix="give denpa.black_box(forward, backward)",
            )
        parts = backward(np.array(g), np.array(out), *[np.array(a) for a in arrays])
        parts = tuple(parts) if isinstance(parts, (tuple, list)) else (parts,)
        if len(parts) != len(arrays):
            raise UsageError(
                f"backward of the black box {title!r} must return one cotangent an input",
                where=user_line(),
                got=f"{len(parts)}",
                want=f"{len(arrays)}",
            )
        return tuple(None if p is None else _checked(title, p, a) for p, a in zip(parts, arrays, strict=True))

    op.vjp(rule)
    return op


def _checked(title: str, part: Any, array: Any) -> Any:
    value = as_value(part)
    if tuple(value.shape) != tuple(array.shape):
        raise UsageError(
            f"backward of the black box {title!r} returned a cotangent of the wrong shape",
            where=user_line(),
            got=f"{tuple(value.shape)}",
            want=f"{tuple(array.shape)}",
        )
    return freeze(value)


def _unknown(*_: Any) -> None:
    return None
