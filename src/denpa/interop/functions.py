"""Functions with a derivative beside them: `sigmoid(x)` and `sigmoid_derivative(x)` or `sigmoid_grad(x)`.

The twin may take the input x, or the output y = f(x): both habits are common, and `of` says which.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from denpa.blackbox import black_box
from denpa.errors import ShapeError, UsageError, user_line
from denpa.primitive import Primitive

Of: TypeAlias = Literal["input", "output"]
SUFFIXES = ("_derivative", "_grad", "_prime", "_deriv", "_gradient", "_backward")
COTANGENTS = ("dout", "g", "grad", "grad_output", "delta", "dy", "upstream", "dz")


def twins(names: Mapping[str, Any]) -> dict[str, str]:
    """Names of functions, each with the name of its derivative: {"sigmoid": "sigmoid_grad"}."""
    functions = {n for n, f in names.items() if inspect.isfunction(f)}
    found = {}
    for name in names:
        twin = next((name + suffix for suffix in SUFFIXES if name + suffix in functions), None)
        if name in functions and twin is not None and not name.endswith(SUFFIXES):
            found[name] = twin
    return found


def required(f: Callable[..., Any]) -> list[str]:
    """The names of the arguments that must be given, in order."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(f).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]


def from_derivative(
    f: Callable[..., Any], derivative: Callable[..., Any], *, of: Of = "input", name: str = ""
) -> Primitive:
    """A node of f(x) whose cotangent is g · derivative(x), or with of="output" g · derivative(f(x)).

    derivative gives the elementwise derivative in x's shape, or the Jacobian, shape f(x).shape + x.shape.
    """
    if of not in ("input", "output"):
        raise UsageError("a derivative is of the input or of the output", where=user_line(), got=repr(of)[:40])

    def backward(g: Any, out: Any, x: Any) -> Any:
        return apply_derivative(g, derivative(out if of == "output" else x), out, x)

    return black_box(f, backward, name=name or f.__name__, label=name or f.__name__)


def apply_derivative(g: Any, d: Any, out: Any, x: Any) -> Any:
    """gᵀJ from what a derivative function gave: elementwise (or the gradient of a scalar f), or a Jacobian."""
    d = np.asarray(d)
    if np.ndim(x) and d.shape == (*np.shape(out), *np.shape(x)) and np.ndim(out):
        return np.tensordot(np.asarray(g), d, np.ndim(out))
    try:
        return np.asarray(g) * d
    except ValueError as error:
        raise ShapeError(
            "a derivative has neither the shape of its input nor that of a Jacobian",
            where=user_line(),
            got=f"{d.shape}",
            want=f"{np.shape(x)} or {(*np.shape(out), *np.shape(x))}",
        ) from error
