"""The column beside the unit in a trace, an explanation and a picture; the formulas stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.draw import html, latex, text
from denpa.errors import UsageError
from denpa.explain.document import Document, Formula, Table, walk
from denpa.explain.trace import trace_step
from denpa.nn import Network

NAMES = ("living_area", "district=港", "age & % missing")


@pytest.fixture
def step(rng) -> tuple[Network, Any, Any]:
    network = Network((3, 4, 2))
    return network, rng.normal(size=(2, 3)), np.array([0, 1])


def formulas(document: Document) -> list[str]:
    return [block.latex for block in walk(document) if isinstance(block, Formula)]


@pytest.mark.parametrize("notation", ["001", "002", "book", "pytorch"])
def test_a_trace_names_the_columns_in_tables_and_changes_no_formula(step, notation) -> None:
    plain = trace_step(*step, notation=notation).document
    named = trace_step(*step, notation=notation, input_names=NAMES).document
    assert formulas(named) == formulas(plain)
    tables = [t for t in walk(named) if isinstance(t, Table)]
    listed = next(t for t in tables if t.headings[1:2] and getattr(t.headings[1], "en", "") == "column")
    assert [row[1] for row in listed.rows] == list(NAMES)
    assert [row[2].value for row in listed.rows] == pytest.approx(step[1][0].tolist())
    heads = [str(c) for t in tables for c in (*t.headings, *(row[0] for row in t.rows))]
    first = "1" if notation in ("001", "002") else "0"
    assert f"{first} living_area" in heads
    assert not any("living_area" in str(block) for block in walk(plain))


def test_an_explanation_names_the_column_of_a_weight_of_the_first_layer_only(step) -> None:
    network, x, t = step
    told = "\n".join(text.lines(dp.explain(network, "0.weight[2,1]", x=x, t=t, row=0, input_names=NAMES), "en"))
    assert "from unit 2 (district=港) of layer 0" in told
    assert "the value of district=港" in told
    japanese = "\n".join(text.lines(dp.explain(network, "0.weight[2,1]", x=x, t=t, row=0, input_names=NAMES), "ja"))
    assert "ユニット2「district=港」" in japanese
    for other in ("0.bias[2]", "2.weight[1,1]"):
        lines = "\n".join(text.lines(dp.explain(network, other, x=x, t=t, row=0, input_names=NAMES), "en"))
        assert not any(name in lines for name in NAMES)


def test_units_are_drawn_with_their_columns(step) -> None:
    drawing = dp.draw(*step, zoom="units", input_names=NAMES)
    notes = {row.text for box in drawing.scene.boxes for row in box.lines if row.kind == "note"}
    assert notes >= {"living_area", "district=港", "age & % missing"}
    assert "living_area" in drawing.svg()
    long = "x" * 60
    shown = dp.draw(*step, zoom="units", input_names=(long, *NAMES[1:]))
    assert long not in {row.text for box in shown.scene.boxes for row in box.lines}
    assert long in {row.exact for box in shown.scene.boxes for row in box.lines}


def test_pages_escape_the_names(step) -> None:
    document = trace_step(*step, input_names=NAMES).document
    assert "age &amp; % missing" in html.page(document)
    assert r"age \& \% missing" in latex.page(document)


def test_as_many_names_as_inputs(step) -> None:
    with pytest.raises(UsageError, match="one name for each input"):
        trace_step(*step, input_names=("one",))
