"""The language of scalar texts has one home: what it lets through is evaluated and made into code the same way."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from denpa import scalartext
from denpa.check.scalar import evaluate_scalar
from denpa.engine import Step
from denpa.errors import UsageError
from denpa.graph import Graph, tensor
from denpa.primitive import primitive

LANGUAGE = [
    *(f"{name}({', '.join('xy'[:count])})" for name, count in scalartext.FUNCTIONS.items()),
    *(f"x {sign} y" for sign in (*scalartext.BINARY.values(), *scalartext.COMPARISONS.values())),
    *(f"{sign} x" for sign in scalartext.UNARY.values()),
    *(f"x * {name}" for name in scalartext.CONSTANTS),
    "x if x < y <= 1 and not y == 0.25 or isnan(x) else 2",
]


@pytest.mark.parametrize("text", LANGUAGE)
def test_both_readers_understand_all_of_it_alike(text: str) -> None:
    pytest.importorskip("numba")
    from denpa.engine.native.program import NativeProgram

    x, y = np.array([0.5, 0.25, 0.75, 0.125]), np.array([0.25, 0.5, 0.75, 2.0])
    wanted = np.array([float(evaluate_scalar(text, {"x": a, "y": b})) for a, b in zip(x, y, strict=True)])
    op = primitive(name="sample", register=False, shape=lambda x, y: x, scalar=text)(lambda xp, x, y: wanted)
    inputs = {"x": tensor(x), "y": tensor(y)}
    program = NativeProgram(Step(Graph({"out": op(*inputs.values())}, inputs), {}))
    assert program.fallbacks == ()
    found = program.run({"x": x, "y": y}, {}, np.zeros((1, 0), np.int64), {})["out"][0]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


FOREIGN = """x % y | x // y | x @ y | x ^ y | ~x | x.real | x[0] | exp(x, y) | exp() | exp(x=1) | copysign(x) | [x]
'a' | 1j | None | z | exp | x + | x in y | x is y | lambda: 1 | (x := 1) | f'{x}' | ..."""


@pytest.mark.parametrize("text", [*FOREIGN.replace("\n", " | ").split(" | "), "", "x | y", "-" * 5000 + "x"])
def test_nothing_else_is_let_through(text: str) -> None:
    with pytest.raises(UsageError, match="scalar text"):
        scalartext.parse(text, "xy")


def test_a_tree_is_parsed_once() -> None:
    assert scalartext.parse("x + y", "xy") is scalartext.parse("x + y", {"x": 1, "y": 2})
    assert isinstance(scalartext.parse("x + y", "xy"), ast.BinOp)
