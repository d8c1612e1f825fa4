from __future__ import annotations

import pytest

import denpa.ops  # noqa: F401  fills the registry
from denpa.errors import UsageError
from denpa.explain.tex import code, formula, numeral, parse, plain, words
from denpa.primitive import REGISTRY


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\mathbf{a}^{(1)} = \mathbf{W}^{(1)} \, \mathbf{z}^{(0)}", "a⁽¹⁾ = W⁽¹⁾ z⁽⁰⁾"),
        (r"\frac{\partial L}{\partial W_{21}^{(1)}} = \delta_{2}^{(1)}", "∂L/∂W₂₁⁽¹⁾ = δ₂⁽¹⁾"),
        (r"\frac{a + b}{c - 1}", "(a + b)/(c − 1)"),
        (r"w_{1,12}^2", "w₁,₁₂²"),
        (r"\begin{pmatrix} 1 & -2.5 \\ 3 & 4 \end{pmatrix}", "[1, −2.5; 3, 4]"),
        (r"-\sum_k t_k \log y_k", "−Σₖ tₖ log yₖ"),
        (r"\left(f^{(l)}\right)'", "(f⁽ˡ⁾)′"),
        (r"\hat{\mathbf{y}}", "ŷ"),
        (r"\texttt{cost\_grad\_for\_bias0}", "cost_grad_for_bias0"),
        (r"\left(a - b\right)^2", "(a − b)²"),
        (r"{\left(x + y\right)}^{\mu}", "(x + y)^μ"),
    ],
)
def test_plain_characters(latex: str, expected: str) -> None:
    assert plain(latex) == expected
    assert formula(latex).latex == latex


@pytest.mark.parametrize(
    "latex",
    [
        r"\frac{1}{2",
        r"{x",
        r"x}",
        r"\left(x",
        r"x \right)",
        r"\unknown{x}",
        r"\input{file}",
        r"\begin{pmatrix} 1 \end{bmatrix}",
        r"\begin{verbatim}x\end{verbatim}",
        "x^2^3",
        "a & b",
        r"\text{50% off}",
        r"\texttt{mul_mat}",
        r"\text{a$b$}",
    ],
)
def test_what_latex_would_stumble_over_is_refused(latex: str) -> None:
    with pytest.raises(UsageError):
        parse(latex)


def test_every_primitives_template_is_read() -> None:
    for name, op in REGISTRY.items():
        parts = ["x", "y", "z"][: op.arity or 2]
        text = plain(op.latex.format(*parts, args=", ".join(parts)))
        assert all(part in text or part in "xyz" for part in parts), name
        assert text, name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.25, "0.25"),
        (-1.5e-7, r"-1.5 \times 10^{-7}"),
        (1e20, "10^{20}"),
        (-1e20, "-10^{20}"),
        (12345, "12{,}345"),
        (float("nan"), r"\mathrm{NaN}"),
        (float("-inf"), r"-\infty"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    assert numeral(value) == expected
    parse(numeral(value))


@pytest.mark.parametrize(
    "name", ["x", "x_1", "W1", "eta", "n_apple", "りんご", "50 % $ & # {x}", "a\\b^c~", "", "\x00"]
)
def test_any_name_becomes_a_formula_that_can_be_read(name: str) -> None:
    parse(words(name))
    parse(code(name))
