"""The scalar text of a primitive, evaluated by walking its syntax tree.  The language is that of `denpa.scalartext`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from denpa import scalartext

_OTHER: dict[str, Callable[..., Any]] = {"atan": np.arctan, "erf": math.erf, "erfc": math.erfc}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: _OTHER.get(name) or getattr(np, name) for name in scalartext.FUNCTIONS
}
_CONSTANTS = {name: getattr(math, name) for name in scalartext.CONSTANTS}
_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos, "not": operator.not_}


def evaluate_scalar(text: str, names: Mapping[str, Any]) -> Any:
    """The value of a scalar text; `names` holds x, y, z and the parameters.  UsageError for anything else in it.

    Numbers are NumPy's, so that division by zero and overflow give inf and NaN as they do in arrays.
    """
    with np.errstate(all="ignore"):
        return _value(scalartext.parse(text, names), {**_CONSTANTS, **names})


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:  # noqa: PLR0911  one return a kind of node
    def value(child: ast.expr) -> Any:
        return _value(child, names)

    match node:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[scalartext.BINARY[type(op)]](value(left), value(right))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[scalartext.UNARY[type(op)]](value(operand))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(value(part) for part in parts)
        case ast.BoolOp(values=parts):
            return any(value(part) for part in parts)
        case ast.IfExp(test=test, body=body, orelse=other):
            return value(body) if value(test) else value(other)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [value(left), *map(value, others)]
            compare = [_OPERATORS[scalartext.COMPARISONS[type(op)]] for op in ops]
            return all(holds(a, b) for holds, a, b in zip(compare, sides, sides[1:], strict=False))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*map(value, arguments))
    raise AssertionError(f"scalartext.parse lets {type(node).__name__} through")
