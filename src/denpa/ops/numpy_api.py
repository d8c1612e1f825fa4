"""NumPy's functions on Tensors: `np.exp(t)`, `a + t`, `np.concatenate([t, a])` give Tensors that carry their graph.

Two tables, one for ufuncs and one for the other functions (with NumPy's own parameter names).  What is in neither is
refused by name: the only other answer NumPy could give is an array that is cut off from the graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from denpa.errors import UsageError, user_line
from denpa.graph import FUNCTIONS
from denpa.ops.numpy_functions import HANDLERS


class UnsupportedFunction(UsageError, TypeError):
    """A NumPy function, or a way of calling one, that Tensors do not take part in."""


UFUNCS: dict[Any, str] = {
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.negative: "negative",
    np.positive: "identity",
    np.power: "power",
    np.float_power: "power",
    np.exp: "exp",
    np.expm1: "expm1",
    np.log: "log",
    np.log1p: "log1p",
    np.sqrt: "sqrt",
    np.square: "square",
    np.absolute: "abs",
    np.fabs: "abs",
    np.sign: "sign",
    np.sin: "sin",
    np.cos: "cos",
    np.tan: "tan",
    np.sinh: "sinh",
    np.cosh: "cosh",
    np.tanh: "tanh",
    np.arctan: "arctan",
    np.maximum: "maximum",
    np.minimum: "minimum",
    np.matmul: "matmul",
    np.vecdot: "vecdot",
    np.less: "less",
    np.less_equal: "less_equal",
    np.greater: "greater",
    np.greater_equal: "greater_equal",
    np.equal: "equal",
    np.not_equal: "not_equal",
    np.logical_and: "logical_and",
    np.logical_or: "logical_or",
    np.logical_not: "logical_not",
    np.bitwise_and: "logical_and",
    np.bitwise_or: "logical_or",
    np.invert: "logical_not",
    np.isnan: "isnan",
    np.isfinite: "isfinite",
    np.isinf: "isinf",
}
_BOOLEAN_ONLY = {np.bitwise_and, np.bitwise_or, np.invert}  # on integers they work on bits, which no primitive does
_KEYWORDS = {np.vecdot: {"axis"}}  # ufuncs with a keyword that denpa's function has as well

# What to write in place of what is refused.
INSTEAD = {
    "numpy.reciprocal": "1 / t",
    "numpy.exp2": "np.exp(t * np.log(2))",
    "numpy.log2": "np.log(t) / np.log(2)",
    "numpy.log10": "np.log(t) / np.log(10)",
    "numpy.cbrt": "t ** (1 / 3), for t > 0",
    "numpy.hypot": "np.sqrt(x**2 + y**2)",
    "numpy.logaddexp": "denpa.logsumexp(np.stack([x, y]), axis=0)",
    "numpy.heaviside": "denpa.where(t > 0, 1.0, 0.0)",
    "numpy.add.reduce": "np.sum(t, axis)",
    "numpy.multiply.reduce": "np.prod(t, axis)",
    "numpy.maximum.reduce": "np.max(t, axis)",
    "numpy.minimum.reduce": "np.min(t, axis)",
    "numpy.logical_and.reduce": "np.all(t, axis)",
    "numpy.logical_or.reduce": "np.any(t, axis)",
    "numpy.add.accumulate": "np.cumsum(t, axis)",
    "numpy.multiply.outer": "np.outer(x, y)",
    "numpy.add.at": "t + a new array that has the addends in place",
    "numpy.nan_to_num": "denpa.where(np.isnan(t), 0.0, t), if a gradient of 0 is meant there",
    "numpy.put": "denpa.where(mask, new, old)",
    "numpy.copyto": "denpa.where(mask, new, old)",
    "numpy.putmask": "denpa.where(mask, new, old)",
    "numpy.cumprod": "np.exp(np.cumsum(np.log(t), axis)), for t > 0",
    "numpy.full_like": "np.full(t.shape, value)",
}


def numpy_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`Tensor.__array_ufunc__`: the function of denpa that a ufunc stands for.  UnsupportedFunction otherwise."""
    name = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if kwargs.get("out") is not None:
        raise _no_out(name)
    unknown = {k for k, v in kwargs.items() if k != "out" and k not in _KEYWORDS.get(ufunc, ())}
    if method != "__call__" or ufunc not in UFUNCS:
        raise _unsupported(name)
    if unknown:
        raise _unsupported(name, f" with {', '.join(sorted(unknown))}=")
    if ufunc in _BOOLEAN_ONLY and any(np.result_type(getattr(a, "dtype", a)).kind != "b" for a in inputs):
        raise _unsupported(name, " of numbers", fix="use it on comparisons, such as (x > 0) & (x < 1)")
    return FUNCTIONS[UFUNCS[ufunc]](*inputs, **{k: v for k, v in kwargs.items() if k != "out"})


def numpy_function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`Tensor.__array_function__`: a NumPy function by way of its handler.  UnsupportedFunction when it has none."""
    name = f"{func.__module__}.{func.__name__}"
    if kwargs.get("out") is not None:
        raise _no_out(name)
    if func not in HANDLERS:
        raise _unsupported(name)
    handler = HANDLERS[func]
    signature = _signature(handler)
    kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue and k != "out"}
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        raise _unsupported(
            name,
            " when called so",
            got=", ".join([f"{len(args)} positional arguments", *[f"{k}=" for k in kwargs]]),
            want=f"{_short(name)}{_readable(signature)}",
        ) from None
    return handler(*args, **kwargs)


_signature = cache(inspect.signature)  # 10 µs each; taken at the first call, not at import


def _readable(signature: inspect.Signature) -> str:
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))


def _short(name: str) -> str:
    return "np." + name.removeprefix("numpy.")


def _no_out(name: str) -> UnsupportedFunction:
    return UnsupportedFunction(
        f"{_short(name)} cannot write a Tensor into an array (out=, or an operator such as a += t)",
        where=user_line(),
        got="an array to write to, which would cut the result off from the graph",
        fix="write a = a + t, or keep the result of the call",
    )


def _unsupported(
    name: str, how: str = "", got: str | None = None, want: str | None = None, fix: str | None = None
) -> UnsupportedFunction:
    instead = INSTEAD.get(name)
    if fix is None:
        fix = f"write {instead}" if instead else None
    plain = f"{_short(name)}(t.value) computes on the plain array, without a gradient"
    return UnsupportedFunction(
        f"{_short(name)} does not work on a Tensor{how}",
        where=user_line(),
        got=got,
        want=want,
        fix=f"{fix}; {plain}" if fix else plain,
    )


FUNCTIONS["numpy_ufunc"] = numpy_ufunc
FUNCTIONS["numpy_function"] = numpy_function
