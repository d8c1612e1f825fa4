"""Formulas: the same numbers as Python's own arithmetic, and one clear message for everything else."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

import denpa as dp
from denpa.errors import UsageError
from denpa.formula import FUNCTION_NAMES, MAX_LENGTH, formula, parse

NAMES = ("x", "y", "りんご")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    kind = draw(st.sampled_from(["name", "number", "binary", "sign", "call", "power"] if depth else ["name", "number"]))
    inner = expressions(depth - 1) if depth else st.nothing()
    if kind == "name":
        return draw(st.sampled_from(NAMES))
    if kind == "number":
        return draw(st.sampled_from(["1", "2.5", "0.125", "3e-1", "pi"]))
    if kind == "binary":
        space = draw(st.sampled_from(["", " "]))
        return f"({draw(inner)}{space}{draw(st.sampled_from('+-*/'))}{space}{draw(inner)})"
    if kind == "sign":
        return f"{draw(st.sampled_from('+-'))}({draw(inner)})"
    if kind == "call":
        return f"{draw(st.sampled_from(['exp', 'sin', 'cos', 'tanh', 'sqrt', 'log']))}({draw(inner)})"
    return f"({draw(inner)})**{draw(st.sampled_from(['2', '3', '-1', '0.5']))}"


SCOPE = {name: getattr(np, name) for name in ("exp", "sin", "cos", "tanh", "sqrt", "log")} | {"pi": math.pi}


@given(expressions(), st.tuples(*[st.floats(0.1, 2)] * 3))
def test_values_are_those_of_python(text: str, values: tuple[float, ...]) -> None:
    given_values = dict(zip(NAMES, map(np.float64, values), strict=True))
    used = {name: given_values[name] for name in parse(f"{text} + 0*x").names}
    with np.errstate(all="ignore"):
        try:
            expected = eval(f"{text} + 0*x", {"__builtins__": {}}, {**SCOPE, **used})
        except (ZeroDivisionError, OverflowError):  # two literals: Python's own floats raise where float64 has ∞
            return
    if np.iscomplexobj(expected):  # a negative literal to the power 0.5: complex in Python, NaN in float64
        return
    found = formula(f"{text} + 0*x", **used).output.value
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0, equal_nan=True)


def test_the_shop() -> None:
    graph = formula("(apple*n_apple + orange*n_orange)*tax", apple=100, n_apple=2, orange=150, n_orange=3, tax=1.1)
    assert list(graph.inputs) == ["apple", "n_apple", "orange", "n_orange", "tax"]
    assert graph.output.value == pytest.approx(715)
    gradients = dp.backward(dp.Tensor(graph.output))
    assert [round(float(gradients[n]), 10) for n in graph.inputs] == [2.2, 110, 3.3, 165, 650]


def test_parts_have_names() -> None:
    graph = formula("t = x + y\nz = t**2", x=3, y=4)
    assert graph["t"].value == 7
    assert list(graph.outputs) == ["z"]
    assert formula("a = x; b = a*2", x=3)["x"].value == 3  # a stands for x and does not rename it
    assert formula("h = x + y; h*h; h**2", x=1, y=1).output.value == 4


def test_signs_of_textbooks() -> None:
    assert formula("（りんご×個数＋みかん）÷2 − 1", りんご=100, 個数=2, みかん=50).output.value == 124


def test_names_are_normalised_as_python_does() -> None:
    assert formula("ｘ * 2", x=3).output.value == 6
    assert formula("x * 2", ｘ=3).output.value == 6


def test_arrays_and_tensors() -> None:
    x = dp.tensor([1.0, 2.0], name="data")
    graph = formula("sum(x*w) + b", x=x, w=[3, 4], b=True)
    assert graph.output.value == 12
    assert graph.inputs["x"] is x.node
    assert formula("a @ b", a=[[1.0, 2.0]], b=[[3.0], [4.0]]).output.value == [[11.0]]


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_every_function_of_the_table_exists(name: str) -> None:
    argument = "x, x + 0.1" if name in ("max", "min", "maximum", "minimum", "pow") else "x"
    graph = formula(f"sum({name}({argument}))", x=[0.5, 0.25])
    assert math.isfinite(graph.output.value)
    dp.backward(dp.Tensor(graph.output))


BAD = [
    ("", "is empty"),
    ("   ", "is empty"),
    ("x +", "cannot be read"),
    ("x y", "cannot be read"),
    ("(x", "cannot be read"),
    ("x)", "cannot be read"),
    ("x^2", "no operator ^"),
    ("x // 2", "no operator //"),
    ("x % 2", "no operator %"),
    ("foo(x)", "no function 'foo'"),
    ("exp(x, x)", "exp takes 1 argument"),
    ("exp()", "exp takes 1 argument"),
    ("max(x)", "max takes 2 arguments"),
    ("exp(x=x)", "exp takes 1 argument"),
    ("exp(*x)", "no star"),
    ("x.real", "no dot"),
    ("x[0]", "no index"),
    ("x < 1", "no comparison"),
    ("x and y", "no and/or"),
    ("not x", "no such sign"),
    ("~x", "no such sign"),
    ("x if x else x", "no if"),
    ("lambda: x", "no lambda"),
    ("[x]", "no list"),
    ("(x, x)", "no tuple"),
    ("{x}", "no set"),
    ("'a'*x", "no text"),
    ("f'{x}'", "no text"),
    ("True*x", "no True"),
    ("None", "no None"),
    ("1j*x", "no 1j"),
    ("(y := x)", "no walrus"),
    ("x**9999", "exponent is too large"),
    ("x**-9999", "exponent is too large"),
    ("x**1e400", "exponent is too large"),
    ("1 + 2", "no inputs"),
    ("import os", "no import statement"),
    ("del x", "no delete statement"),
    ("for i in x: x", "no for statement"),
    ("def f(): x", "no functiondef statement"),
    ("x = y = z", "must be one name"),
    ("x.a = y", "must be one name"),
    ("a, b = x", "must be one name"),
    ("t = x; t = x*2", "has a value already"),
    ("x*2; x = 3", "has a value already"),
    ("x\0", "cannot be read"),
    ("(" * 150 + "x" + ")" * 150, "nested deeper"),
    ("-" * 500 + "x", "nested deeper"),
    ("exp(" * 120 + "x" + ")" * 120, "nested deeper"),
    ("x" * (MAX_LENGTH + 1), "too long"),
    ("().__class__.__bases__[0]", "no index"),
    ("().__class__", "no dot"),
    ("__import__('os').system('x')", "only functions by name"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_what_a_formula_may_not_have(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "under"),
    [
        ("apple * (n ^ 2)", "n ^ 2"),
        ("りんご*2 + foo(x)", "foo(x)"),
        ("a = x\nb = a*2\nb + 'c'", "'c'"),
        ("y + x.real", "x.real"),
    ],
)
def test_the_caret_stands_under_the_place(text: str, under: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    where = next(i for i, line in enumerate(str(error.value).split("\n")) if line.startswith("  where:"))
    shown, caret = str(error.value).split("\n")[where : where + 2]

    def columns(line: str) -> int:  # a full-width character takes two columns, as the full-width space under it does
        return sum(2 if ord(c) > 0x2E80 else 1 for c in line)

    assert columns(caret.partition("^")[0]) == columns(shown.partition(under)[0])


def test_a_long_line_is_cut_around_the_place() -> None:
    with pytest.raises(UsageError) as error:
        parse(" + ".join(["x"] * 100) + " + 'a' + " + " + ".join(["y"] * 100))
    shown, caret = str(error.value).split("\n")[1:3]
    assert len(shown) < 130
    assert shown[caret.index("^") :].startswith("'a'")


def test_a_long_sum_is_not_deep() -> None:
    assert formula(" + ".join(["x"] * 900), x=1).output.value == 900
    limit = sys.getrecursionlimit()
    with pytest.raises(UsageError):
        parse("+".join(["x"] * 4900))  # beyond Python's own parser
    assert sys.getrecursionlimit() == limit


def test_values_must_fit() -> None:
    with pytest.raises(UsageError, match="needs more values") as error:
        formula("x*y + z", x=1)
    assert "y=number, z=number" in str(error.value)
    with pytest.raises(UsageError, match="did you mean 'apple'"):
        formula("apple*2", apple=1, aple=2)
    with pytest.raises(dp.DTypeError):
        formula("x*2", x="text")


def test_results_that_are_not_finite_are_shown_not_hidden() -> None:
    assert formula("1/x", x=0).output.value == math.inf
    assert math.isnan(formula("log(x)", x=-1).output.value)
    assert formula("x**1000", x=10).output.value == math.inf
    assert formula("x**(9**9**9)", x=2).output.value == math.inf  # float64 all along: no whole number of a billion bits


@given(st.text(max_size=40))
def test_any_text_is_a_formula_or_a_usage_error(text: str) -> None:
    try:
        parsed = parse(text)
    except UsageError:
        return
    assert parsed.names


def test_the_module_is_the_function() -> None:
    assert dp.formula("x*2", x=4).output.value == 8
