from __future__ import annotations

from xml.etree import ElementTree

import pytest

import denpa.ops  # noqa: F401  fills the registry
from denpa.draw.mathml import math
from denpa.errors import UsageError
from denpa.explain.tex import formula, words
from denpa.primitive import REGISTRY

CORE = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "munder", "mover", "munderover"}
CORE |= {"mfrac", "msqrt", "mtable", "mtr", "mtd"}
CHILDREN = {"msup": 2, "msub": 2, "mfrac": 2, "mover": 2, "munder": 2, "msubsup": 3, "munderover": 3}


def tree(latex: str) -> ElementTree.Element:
    found = ElementTree.fromstring(math(formula(latex)))
    for item in found.iter():
        assert item.tag in CORE, item.tag
        assert len(item) == CHILDREN.get(item.tag, len(item)), latex
    return found


def test_every_primitive_is_drawn() -> None:
    for op in REGISTRY.values():
        parts = ["x", "y", "z"][: op.arity or 2]
        tree(op.latex.format(*parts, args=", ".join(parts)))


def test_a_fraction_with_indices() -> None:
    found = tree(r"\frac{\partial L}{\partial W_{21}^{(1)}} = \boldsymbol{\delta}")
    assert "".join(found.itertext()) == "∂L∂W21(1)=𝛅"
    assert found.get("aria-label") == "∂L/∂W₂₁⁽¹⁾ = δ"
    assert found.find(".//mfrac/mrow") is not None


def test_matrices_and_cases() -> None:
    assert len(tree(r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}").findall(".//mtd")) == 4
    assert len(tree(r"\begin{cases} a & b > 0 \\ c & b \le 0 \end{cases}").findall(".//mtr")) == 2


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a" onload="x', "&amp;", "りんご"])
def test_names_stay_words(name: str) -> None:
    found = tree(words(name))
    assert {item.tag for item in found.iter()} <= CORE
    assert all(not key.startswith("on") for item in found.iter() for key in item.attrib)


def test_unknown_latex_is_refused() -> None:
    from denpa.explain.document import Formula

    with pytest.raises(UsageError):
        math(Formula(r"\href{x}{y}", "x"))
