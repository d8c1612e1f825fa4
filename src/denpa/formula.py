"""Formulas as text: "(apple*n + orange*m)*tax" → Graph, by walking Python's syntax tree.  Nothing is ever evaluated.

Several statements make one graph, `h = x + y; h**2`; the names on the left name the nodes.  What a formula may contain
is a closed table: numbers, names, + - * / ** @, and the functions in FUNCTION_NAMES.
"""

from __future__ import annotations

import ast
import math
import sys
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import numpy as np

import denpa.ops  # noqa: F401  registers the functions a formula is made of
from denpa.errors import UsageError
from denpa.graph import FUNCTIONS, Graph, Tensor, constant, tensor

MAX_LENGTH = 10_000  # characters; a picture of more than a few hundred operations is collapsed anyway
MAX_DEPTH = 100  # nested parentheses and operators: Python's own parser gives up at 200 parentheses
MAX_EXPONENT = 1000.0  # of a power written as a number: 2.0**1024 is already infinite in float64

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
    ast.MatMult: "matmul",
}  # fmt: skip
# Name in a formula → name in FUNCTIONS, and how many arguments it takes.
_CALLS: dict[str, tuple[str, int]] = {
    **{name: (name, 1) for name in (
        "exp", "expm1", "log", "log1p", "sqrt", "square", "abs", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh",
        "arctan", "erf", "erfc", "sigmoid", "relu", "leaky_relu", "elu", "gelu", "softplus", "softmax", "logsumexp",
        "sum", "mean", "prod",
    )},
    "ln": ("log", 1), "atan": ("arctan", 1), "max": ("maximum", 2), "min": ("minimum", 2),
    "maximum": ("maximum", 2), "minimum": ("minimum", 2), "pow": ("power", 2),
}  # fmt: skip
FUNCTION_NAMES = tuple(sorted(_CALLS))
_CONSTANTS = {"pi": math.pi, "π": math.pi}
# Signs of textbooks and of Japanese input, one character for one, so that places in the text stay what they are.
_SIGNS = str.maketrans("×÷−＋－＊／（）＝，；　", "*/-+-*/()=,; ")


@dataclass(frozen=True)
class Formula:
    """A parsed formula.  `names` are those it needs values for, in order of first use; `output` names the result."""

    text: str
    names: tuple[str, ...]
    output: str
    statements: tuple[ast.stmt, ...]

    def graph(self, values: Mapping[str, Any]) -> Graph:
        """The graph at these values: numbers, arrays or Tensors by name.  Numbers become float64.

        UsageError for a value that is missing or not used.
        """
        given = {unicodedata.normalize("NFKC", name): value for name, value in values.items()}
        if missing := [name for name in self.names if name not in given]:
            raise UsageError(
                "the formula needs more values", got=_names(given), want=", ".join(f"{n}=number" for n in missing)
            )
        if unused := [name for name in given if name not in self.names]:
            near = get_close_matches(unused[0], self.names, n=1)
            raise UsageError(
                f"the formula has no {', '.join(map(repr, unused))}",
                want=_names(self.names),
                fix=f"did you mean {near[0]!r}?" if near else None,
            )
        scope = {name: _input(name, given[name]) for name in self.names}
        inputs = dict(scope)
        result: Tensor | None = None
        with np.errstate(all="ignore"):  # ∞ and NaN are shown as what they are
            for statement in self.statements:
                result = _Builder(self.text, scope).run(statement)
        assert result is not None  # parse() lets no empty formula through
        return Graph({self.output: result}, inputs)


def formula(text: str, /, **values: Any) -> Graph:
    """The graph of a formula at these values: `formula("(a*n + b*m)*tax", a=100, n=2, b=150, m=3, tax=1.1)`.

    UsageError with the place marked for anything but numbers, names, + - * / ** @ and the functions in FUNCTION_NAMES;
    for more than 10,000 characters, nesting beyond 100, and a power beyond 1000; for values that are missing or unused.
    """
    return parse(text).graph(values)


def parse(text: str) -> Formula:
    """The formula as data, every part of it checked; UsageError as in `formula`."""
    if len(text) > MAX_LENGTH:
        raise UsageError("the formula is too long", got=f"{len(text):,} characters", want=f"at most {MAX_LENGTH:,}")
    if not text.strip():
        raise UsageError("the formula is empty", want='something like "(a*n + b*m)*tax"')
    plain = text.translate(_SIGNS).strip()
    _check_parentheses(plain)
    tree = _syntax(plain)
    if not tree.body:  # a comment alone
        raise UsageError("the formula is empty", got=plain[:80], want='something like "(a*n + b*m)*tax"')
    check = _Checker(plain)
    for statement in tree.body:
        check.statement(statement)
    last = tree.body[-1]
    output = check.target(last) if isinstance(last, ast.Assign) else "out"
    if not check.names:
        raise UsageError("the formula has no inputs", got=plain[:80], want="at least one name")
    return Formula(plain, tuple(check.names), output, tuple(tree.body))


def _syntax(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():  # "1 is 1" and the like: they are refused below with a better message
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        column = (error.offset or 1) - 1
        raise _at(text, error.lineno or 1, column, f"the formula cannot be read: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nesting beyond the parser's own stack
        fix = "name a part of it: h = ...; h*2"
        raise UsageError("the formula cannot be read", got=str(error) or type(error).__name__, fix=fix) from None


def _check_parentheses(text: str) -> None:
    depth = 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, place) + 1
            raise _at(text, line, place - text.rfind("\n", 0, place) - 1, f"nested deeper than {MAX_DEPTH}")


def _at(text: str, line: int, column: int, what: str, **more: str | None) -> UsageError:
    """The error with the line of the formula and a caret under the place; long lines are cut around it."""
    source = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    start = max(column - 60, 0)
    shown = ("…" if start else "") + source[start : column + 40].replace("\0", "␀")
    lead = shown[: column - start + (1 if start else 0)]
    space = "".join("　" if unicodedata.east_asian_width(c) in "WF" else " " for c in lead)
    return UsageError(what, where=f"{shown}\n         {space}^", **more)


class _Checker:
    """Walks the tree once: refuses what is not in the table, and collects the names that need values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.defined: set[str] = set()
        self.names: dict[str, None] = {}

    def error(self, node: Any, what: str, **more: str | None) -> UsageError:
        line = self.text.split("\n")[node.lineno - 1]
        column = len(line.encode()[: node.col_offset].decode(errors="ignore"))  # the parser counts UTF-8 bytes
        return _at(self.text, node.lineno, column, what, **more)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr):
            self.walk(node.value, 1)
        elif isinstance(node, ast.Assign):
            name = self.target(node)
            self.walk(node.value, 1)
            if name in self.names or name in self.defined:
                raise self.error(node, f"{name!r} has a value already", fix="choose another name for this result")
            self.defined.add(name)
        else:
            raise self.error(node, f"a formula has no {type(node).__name__.lower()} statement")

    def target(self, node: ast.Assign) -> str:
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            raise self.error(node, "the left of = must be one name")
        return node.targets[0].id

    def walk(self, node: ast.expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self.error(node, f"nested deeper than {MAX_DEPTH}", fix="name a part of it: h = ...; h*2")
        if isinstance(node, ast.BinOp):
            self.binary(node, depth)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
            self.walk(node.operand, depth + 1)
        elif isinstance(node, ast.Call):
            self.call(node, depth)
        elif isinstance(node, ast.Name):
            if node.id not in self.defined and node.id not in _CONSTANTS:
                self.names.setdefault(node.id)
        elif not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
            other = isinstance(node, ast.Constant) and not isinstance(node.value, (str, bytes))
            kind = ast.unparse(node) if other else _KINDS.get(type(node), "such part")
            raise self.error(node, f"a formula has no {kind}", want=_ALLOWED)

    def binary(self, node: ast.BinOp, depth: int) -> None:
        first, chain = _spine(node)
        self.walk(first, depth + 1)
        for part in chain:
            if type(part.op) not in _BINARY:
                fix = "a power is written x**2" if isinstance(part.op, ast.BitXor) else None
                sign = _SYMBOLS.get(type(part.op), "")
                raise self.error(part, f"a formula has no operator {sign}", want=_ALLOWED, fix=fix)
            self.walk(part.right, depth + 1)
            power = _literal(part.right) if isinstance(part.op, ast.Pow) else None
            if power is not None and abs(power) > MAX_EXPONENT:
                raise self.error(part.right, "the exponent is too large", want=f"at most {MAX_EXPONENT:g}")

    def call(self, node: ast.Call, depth: int) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in _CALLS:
            near = get_close_matches(name or "", FUNCTION_NAMES, n=1)
            raise self.error(
                node,
                f"no function {name!r}" if name else "only functions by name can be called",
                want=", ".join(FUNCTION_NAMES),
                fix=f"did you mean {near[0]!r}?" if near else None,
            )
        count = _CALLS[name][1]
        if node.keywords or len(node.args) != count:
            raise self.error(node, f"{name} takes {count} argument{'s' if count > 1 else ''}")
        for argument in node.args:
            self.walk(argument, depth + 1)


_ALLOWED = "numbers, names, + - * / ** @ and functions such as exp(x)"
_SYMBOLS = {ast.Mod: "%", ast.FloorDiv: "//", ast.BitXor: "^", ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<",
            ast.RShift: ">>"}  # fmt: skip
_KINDS: dict[type[ast.expr], str] = {
    ast.Constant: "text", ast.Compare: "comparison", ast.BoolOp: "and/or", ast.Lambda: "lambda", ast.Attribute: "dot",
    ast.Subscript: "index", ast.IfExp: "if", ast.List: "list", ast.Tuple: "tuple", ast.Dict: "dict", ast.Set: "set",
    ast.ListComp: "comprehension", ast.GeneratorExp: "comprehension", ast.JoinedStr: "text", ast.NamedExpr: "walrus",
    ast.Starred: "star", ast.UnaryOp: "such sign", ast.Await: "await", ast.Yield: "yield",
}  # fmt: skip


def _spine(node: ast.BinOp) -> tuple[ast.expr, list[ast.BinOp]]:
    """a + b + c + … leans to the left, as deep as it is long: its first operand, and its operations in order."""
    chain: list[ast.BinOp] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp):
        chain.append(left)
        left = left.left
    return left, chain[::-1]


def _literal(node: ast.expr) -> float | None:
    """The number a (signed) literal stands for; a whole number beyond float64 is infinite."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return _literal(node.operand)
    if not isinstance(node, ast.Constant):
        return None
    try:
        return float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


class _Builder:
    """Makes the Tensors of a checked tree."""

    def __init__(self, text: str, scope: dict[str, Tensor]) -> None:
        self.text, self.scope = text, scope

    def run(self, statement: ast.stmt) -> Tensor:
        assert isinstance(statement, (ast.Assign, ast.Expr))
        result = self.build(statement.value)
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            assert isinstance(target, ast.Name)
            self.scope[target.id] = result
            if result.node.op is not None and result.name is None:
                result.name = target.id
        return result

    def build(self, node: ast.expr) -> Tensor:
        match node:
            case ast.BinOp():
                first, chain = _spine(node)
                result = self.build(first)
                for part in chain:
                    result = FUNCTIONS[_BINARY[type(part.op)]](result, self.build(part.right))
                return result
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return constant(-_number(node.operand), name=ast.unparse(node).replace("-", "−"))
            case ast.UnaryOp(op=ast.USub()):
                return self.call("negative", node.operand)
            case ast.UnaryOp():
                return self.build(node.operand)
            case ast.Call(func=ast.Name(id=name)):
                return self.call(_CALLS[name][0], *node.args)
            case _:
                return self.leaf(node)

    def leaf(self, node: ast.expr) -> Tensor:
        if not isinstance(node, ast.Name):
            return constant(_number(node), name=ast.unparse(node))
        if node.id not in self.scope:
            self.scope[node.id] = constant(_CONSTANTS[node.id], name=node.id)
        return self.scope[node.id]

    def call(self, name: str, *arguments: ast.expr) -> Tensor:
        result: Tensor = FUNCTIONS[name](*[self.build(argument) for argument in arguments])
        return result


def _number(node: ast.expr) -> float:
    value = _literal(node)
    assert value is not None
    return value


def _input(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    return tensor(array.astype(np.float64) if array.dtype.kind in "biu" else value, name=name)


def _names(names: Any) -> str:
    return ", ".join(names) or "none"


class _Callable(ModuleType):
    """Lets `denpa.formula("x*y", x=1, y=2)` mean the function: loading this module binds the name to it."""

    def __call__(self, text: str, /, **values: Any) -> Graph:
        return formula(text, **values)


sys.modules[__name__].__class__ = _Callable
