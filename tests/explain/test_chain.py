"""Derivations against numbers known beforehand, and the formulas themselves: read back and computed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa import nn
from denpa.draw import latex, text
from denpa.errors import GradientError, UsageError
from denpa.explain.chain import chain
from denpa.explain.document import Document, Formula, walk
from denpa.explain.expression import expression, fill
from denpa.explain.tex import Fenced, Fraction, Row, Script, Sign, Tree, parse
from denpa.numeric import numerical_gradient
from denpa.primitive import REGISTRY


def formulas(document: Document) -> list[str]:
    return [part.plain for part in walk(document) if isinstance(part, Formula)]


def last_number(line: str) -> float:
    number = line.rsplit("=", 1)[1].strip().replace("−", "-")
    mantissa, _, power = number.partition(" × 10")
    return float(mantissa) * 10 ** float(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)


def shop() -> dp.Tensor:
    apple, n_apple, orange, n_orange, tax = dp.inputs(apple=100.0, n_apple=2.0, orange=150.0, n_orange=3.0, tax=1.1)
    return (apple * n_apple + orange * n_orange) * tax


@pytest.mark.parametrize(
    ("wrt", "expected"), [("apple", 2.2), ("n_apple", 110.0), ("orange", 3.3), ("n_orange", 165.0), ("tax", 650.0)]
)
def test_the_shop_of_seed_000(wrt: str, expected: float) -> None:
    lines = formulas(chain(dp.Graph(shop()), wrt))
    assert "u₁ = apple × n_apple = 100 × 2 = 200" in lines
    assert last_number(lines[-1]) == pytest.approx(expected)
    assert lines[-1].startswith(f"∂L/∂{wrt}")


def test_the_steps_are_those_one_writes_by_hand() -> None:
    lines = formulas(chain(dp.Graph(shop()), "apple"))
    assert lines[-2:] == ["∂L/∂apple = ∂L/∂u₁ ∂u₁/∂apple", "∂L/∂apple = ∂L/∂u₁ × n_apple = 1.1 × 2 = 2.2"]


def test_the_square_of_a_sum() -> None:
    x, y = dp.inputs(x=2.0, y=-3.0)
    lines = formulas(chain((x + y) ** 2, "x"))
    assert "u₁ = x + y = 2 + (−3) = −1" in lines
    assert any("2 × u₁" in line for line in lines)
    assert last_number(lines[-1]) == -2.0


def test_several_uses_add() -> None:
    (x,) = dp.inputs(x=1.5)
    lines = formulas(chain(dp.sin(x) * x + x / dp.exp(x), x))
    assert "∂L/∂x = " in lines[-2]
    assert lines[-2].count(" + ") == 3  # x is used four times
    with np.errstate(all="ignore"):
        expected = numerical_gradient(lambda v: np.sin(v) * v + v / np.exp(v), 1.5)
    assert last_number(lines[-1]) == pytest.approx(float(np.asarray(getattr(expected, "value", expected))), rel=1e-3)


def test_names_of_a_network_in_a_notation(rng: np.random.Generator) -> None:
    network = nn.Network([2, 2, 2], hidden="tanh", dtype="float64")
    loss = network.loss(rng.normal(size=(1, 2)), [1])
    lines = formulas(chain(dp.Graph(loss), "0.weight", notation="001"))
    assert any(line.startswith("∂J̃/∂W⁽¹⁾") for line in lines)
    assert any("tanh(a⁽¹⁾)" in line for line in lines)
    gradient = dp.backward(loss)["0.weight"]
    numbers = re.findall(r"[−\d.]+(?: × 10[⁻\d⁰-⁹]+)?", lines[-1].rsplit("= [", 1)[1])
    assert len(numbers) == gradient.size


def test_large_values_are_named_and_not_written(rng: np.random.Generator) -> None:
    network = nn.Network([50, 30, 10], dtype="float64")
    document = chain(network.loss(rng.normal(size=(20, 50)), rng.integers(0, 10, 20)), "0.weight")
    for line in formulas(document):
        assert len(line) < 400
    assert "30 × 50" in "\n".join(text.lines(document))
    assert r"\end{document}" in latex.page(document)


def test_what_cannot_be_derived_is_told() -> None:
    x, y = dp.inputs(x=2.0, y=3.0)
    with pytest.raises(GradientError, match="nothing to derive"):
        chain(dp.Graph({"L": x * 2, "other": y * 2}), "y", output="L")
    with pytest.raises(GradientError, match="shape"):
        chain(dp.tensor([1.0, 2.0], name="v") * 2, "v")
    with pytest.raises(UsageError, match="no node is named"):
        chain(x * y, "z")
    with pytest.raises(UsageError, match="not part of the graph"):
        chain(x * 2, y)
    long = x
    for _ in range(500):
        long = long * 1.01
    with pytest.raises(UsageError, match="too many values"):
        chain(long, "x")


# -- formulas, read back -----------------------------------------------------------------------------------------------
def compute(tree: Tree) -> float:
    """The number a formula of numbers says, by the rules a reader knows: the independent reference for parentheses."""
    match tree:
        case Sign():
            return float(tree.text)
        case Fraction():
            return compute(tree.top) / compute(tree.bottom)
        case Fenced():
            return compute(tree.inside)
        case Script():
            assert tree.above is not None
            return compute(tree.base) ** compute(tree.above)
        case Row():
            return _sum(list(tree.items))
    raise AssertionError(tree)


def _sum(items: list[Any]) -> float:
    total, sign, part = 0.0, 1.0, []
    for item in [*items, Sign("binary", "+")]:
        if isinstance(item, Sign) and item.kind == "binary" and item.text in "+−":
            if part:
                total, part = total + sign * _product(part), []
                sign = 1.0 if item.text == "+" else -1.0
            else:
                sign = sign if item.text == "+" else -sign
        else:
            part.append(item)
    return total


def _product(items: list[Any]) -> float:
    result = 1.0
    for item in items:
        if not (isinstance(item, Sign) and item.text == "×"):
            result *= compute(item)
    return result


def random_expression(rng: np.random.Generator, depth: int) -> dp.Tensor:
    if depth == 0:
        return dp.tensor(float(rng.integers(-9, 10)) or 2.0)
    a, b = random_expression(rng, depth - 1), random_expression(rng, int(rng.integers(depth)))
    kind = rng.integers(6)
    if kind == 0:
        return a + b
    if kind == 1:
        return a - b
    if kind == 2:
        return a * b
    if kind == 3:
        return a / (b if abs(float(b)) > 0.1 else dp.tensor(3.0))
    return -a if kind == 4 else dp.square(a)


def test_the_formula_of_an_expression_says_its_value(rng: np.random.Generator) -> None:
    for _ in range(300):
        value = random_expression(rng, 4)
        shown = expression(value.node, {}, depth=20)
        assert compute(parse(shown)) == pytest.approx(float(value), rel=1e-9, abs=1e-9), shown


def test_missing_parentheses_would_be_noticed() -> None:
    """The same reader on a formula put together without them."""
    a, b = dp.tensor(2.0), dp.tensor(3.0)
    value = (a + b) * b
    right = expression(value.node, {})
    assert compute(parse(right)) == 15.0
    assert compute(parse(right.replace(r"\left(", "").replace(r"\right)", ""))) != 15.0


def test_every_primitive_can_be_filled() -> None:
    for op in REGISTRY.values():
        parts = [("a - b", 2)] * (op.arity or 2)
        parse(fill(op.latex, parts)[0])


def test_the_package_is_a_function_with_functions_beside_it() -> None:
    import denpa.explain.chain  # the import system would put the module in the function's place

    assert denpa.explain.chain is chain
    assert dp.explain.chain is chain
    assert callable(dp.explain)
    (x,) = dp.inputs(x=2.0)
    assert formulas(dp.explain.chain(x * x, "x"))
