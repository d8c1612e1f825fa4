"""The scalar text of a primitive (one element, as a Python expression), evaluated by walking its syntax tree.

Names: x, y, z (the arrays in order), the parameters, and the functions and constants below; arithmetic, comparisons,
and/or/not and `a if condition else b`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from denpa.errors import UsageError

_UFUNCS = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "abs",
    "copysign",
    "isnan",
)
FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _UFUNCS}
FUNCTIONS |= {"atan": np.arctan, "erf": math.erf, "erfc": math.erfc}
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate_scalar(text: str, names: Mapping[str, Any]) -> Any:
    """The value of a scalar text; `names` holds x, y, z and the parameters.  UsageError for anything else in it.

    Numbers are NumPy's, so that division by zero and overflow give inf and NaN as they do in arrays.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"the scalar text {text!r} is not a Python expression", got=error.msg) from error
    with np.errstate(all="ignore"):
        return _value(tree, {**CONSTANTS, **names}, text)


def _value(node: ast.expr, names: Mapping[str, Any], text: str) -> Any:  # noqa: PLR0911  one return a kind of node
    def value(child: ast.expr) -> Any:
        return _value(child, names, text)

    match node:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](value(left), value(right))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](value(operand))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(value(part) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(value(part) for part in parts)
        case ast.IfExp(test=test, body=body, orelse=other):
            return value(body) if value(test) else value(other)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            sides = [value(left), *map(value, others)]
            return all(_COMPARE[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*map(value, arguments))
    raise UsageError(
        f"the scalar text {text!r} has a part it may not have",
        got=ast.unparse(node),
        want=f"numbers, arithmetic, comparisons, and the names {', '.join(sorted({*names, *FUNCTIONS}))}",
    )
