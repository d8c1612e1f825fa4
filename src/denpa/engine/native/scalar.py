"""Scalar texts → the source of typed, branch-free expressions that numba compiles.

A text such as "x if x > 0 or isnan(x) else 0.0" is parsed, never run; the language is that of `denpa.scalartext`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from denpa import scalartext
from denpa.engine.values import Statement

NUMBERS = {"inf": "INF", "nan": "NAN", "pi": "PI"}
WHOLE = ("sigmoid", "softplus")  # primitives that vecmath has as one function, better than their texts say
INLINE = ("abs", "copysign", "isnan", "isinf")  # of any dtype, and not of vecmath
FUNCTIONS = (*WHOLE, *[name for name in scalartext.FUNCTIONS if name not in INLINE])
Typed = tuple[str, bool]  # source, and whether it is a truth value


def statement(s: Statement, arguments: Sequence[tuple[str, str]]) -> str:
    """The source of a statement's result in its dtype.  arguments: (variable, its dtype)."""
    compute = s.compute
    if "inf" in s.text and compute.startswith(("int", "uint")):
        compute = "float64"
    if s.text == "x" and arguments[0][1] == s.dtype:
        return arguments[0][0]
    if s.name in WHOLE and compute in ("float32", "float64"):
        return converted(f"{s.name}_{compute}({converted(*arguments[0], compute)})", compute, s.dtype)
    names = {letter: converted(*a, compute) for letter, a in zip(scalartext.LETTERS, arguments, strict=False)}
    params = dict(s.params)
    source, truth = _Expression(names, params, compute).emit(scalartext.parse(s.text, {*names, *params}))
    if truth:
        return source if s.dtype == "bool" else converted(source, "bool", s.dtype)
    return converted(source, compute, s.dtype)


def converted(source: str, dtype: str, to: str) -> str:
    """A value in another dtype; truth values are numba booleans."""
    if dtype == to:
        return source
    if dtype == "bool":
        return f"select({source}, {to}(1), {to}(0))"
    return f"({source} != {dtype}(0))" if to == "bool" else f"{to}({source})"


class _Expression:
    def __init__(self, names: Mapping[str, str], params: Mapping[str, Any], compute: str) -> None:
        self.names, self.params, self.compute = names, params, compute

    def emit(self, node: ast.expr) -> Typed:
        typed: Typed = getattr(self, f"_{type(node).__name__.lower()}")(node)
        return typed

    def number(self, node: ast.expr) -> str:
        source, truth = self.emit(node)
        return converted(source, "bool", self.compute) if truth else source

    def truth(self, node: ast.expr) -> str:
        source, truth = self.emit(node)
        return source if truth else f"({source} != {self.compute}(0))"

    def _constant(self, node: ast.Constant) -> Typed:
        return f"{self.compute}({node.value!r})", False

    def _name(self, node: ast.Name) -> Typed:
        if node.id in self.params:
            value = self.params[node.id]
            text = {"inf": "INF", "-inf": "-INF", "nan": "NAN"}.get(repr(float(value)), repr(value))
            return f"{self.compute}({text})", False
        if node.id in self.names:
            return self.names[node.id], False
        return f"{self.compute}({NUMBERS[node.id]})", False

    def _binop(self, node: ast.BinOp) -> Typed:
        return f"({self.number(node.left)} {scalartext.BINARY[type(node.op)]} {self.number(node.right)})", False

    def _unaryop(self, node: ast.UnaryOp) -> Typed:
        if isinstance(node.op, ast.Not):
            return f"({self.truth(node.operand)} == False)", True
        return f"(-{self.number(node.operand)})" if isinstance(node.op, ast.USub) else self.number(node.operand), False

    def _compare(self, node: ast.Compare) -> Typed:
        sides = [self.number(n) for n in (node.left, *node.comparators)]
        signs = [scalartext.COMPARISONS[type(op)] for op in node.ops]
        parts = [f"({a} {sign} {b})" for a, sign, b in zip(sides, signs, sides[1:], strict=False)]
        return f"({' & '.join(parts)})", True

    def _boolop(self, node: ast.BoolOp) -> Typed:
        sign = " & " if isinstance(node.op, ast.And) else " | "
        return f"({sign.join(self.truth(n) for n in node.values)})", True

    def _ifexp(self, node: ast.IfExp) -> Typed:
        return f"select({self.truth(node.test)}, {self.number(node.body)}, {self.number(node.orelse)})", False

    def _call(self, node: ast.Call) -> Typed:
        assert isinstance(node.func, ast.Name)  # as scalartext.parse has seen to
        name, arguments = node.func.id, [self.number(a) for a in node.args]
        if name == "isnan":
            return f"({arguments[0]} != {arguments[0]})", True
        if name == "isinf":
            return f"(abs({arguments[0]}) == {self.compute}(INF))", True
        return f"{name if name in INLINE else f'{name}_{self.compute}'}({', '.join(arguments)})", False
