"""The language of scalar texts: one element of a primitive as a Python expression, which is parsed and never run.

The arrays' elements x, y, z, u, v, w, the parameters, numbers, inf, nan and pi; + - * / **, comparisons, and, or, not,
`a if condition else b`; and the functions below.  Nothing else: what evaluates a text, or makes code of it, reads a
tree that has been looked through here.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import lru_cache

from denpa.errors import UsageError

LETTERS = "xyzuvw"
CONSTANTS = ("inf", "nan", "pi")
FUNCTIONS: dict[str, int] = {  # and how many arguments they take
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan"), 1),
    **dict.fromkeys(("erf", "erfc", "abs", "isnan", "isinf"), 1),
    "copysign": 2,
}
BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
UNARY = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}


def parse(text: str, names: Collection[str]) -> ast.expr:
    """The syntax tree of a scalar text that may use these names.  UsageError for all that is not in the language."""
    tree, used = _parsed(text)
    for name in used:
        if name not in names and name not in CONSTANTS:
            raise _illegal(text, name, names)
    return tree


@lru_cache(4096)
def _parsed(text: str) -> tuple[ast.expr, tuple[str, ...]]:
    """The tree, and the names in it.  One tree for all who ask: they only read it."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested too deeply
        raise UsageError(f"the scalar text {text!r:.200} is not a Python expression", got=str(error)[:200]) from error
    used, todo = [], [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            used.append(node.id)
            continue
        parts = _parts(node)
        if parts is None:
            raise _illegal(text, ast.unparse(node), LETTERS)
        todo += parts
    return tree, tuple(dict.fromkeys(used))


def _parts(node: ast.expr) -> list[ast.expr] | None:  # noqa: PLR0911  one return a kind of node
    """The expressions in an expression; None when the language does not have it."""
    match node:
        case ast.Constant(value=int() | float()):
            return []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return [operand]
        case ast.BoolOp(values=values):
            return values
        case ast.IfExp(test=test, body=body, orelse=other):
            return [test, body, other]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
            return [left, *others]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if FUNCTIONS.get(name) == len(args):
            return args
    return None


def _illegal(text: str, part: str, names: Collection[str]) -> UsageError:
    return UsageError(
        f"the scalar text {text!r:.200} has a part it may not have",
        got=part[:200],
        want=f"numbers, + - * / **, comparisons, and, or, not, if … else, and the names {', '.join(_known(names))}",
    )


def _known(names: Collection[str]) -> Iterator[str]:
    yield from sorted({*names, *CONSTANTS, *FUNCTIONS})
