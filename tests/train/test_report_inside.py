"""The report's look inside: what is drawn, traced and explained is the network's, and what is missing is said."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.draw.test_html import safe
from tests.train.records import classification

from denpa.autodiff import backward
from denpa.draw import html, plots, text
from denpa.explain.charts import NetworkUnits
from denpa.explain.document import Picture, Section, T, Table, Text, in_language, walk
from denpa.graph import Graph
from denpa.nn import Network
from denpa.train.inside import Inside, chosen, inside_of
from denpa.train.report import report
from denpa.train.report_inside import LAYERS, inside

KEYS = ["picture", "trace", "weights"]


def rows_of(units: tuple[int, ...], rng: np.random.Generator, rows: int = 5, classes: bool = True) -> Any:
    """What `inside_of` reads of a run's parts; training begins at row 2."""
    x = rng.normal(size=(rows, units[0])).astype(np.float32)
    t = rng.integers(0, units[-1], rows) if classes else rng.random((rows, units[-1])).astype(np.float32)
    return SimpleNamespace(x=x, t=t, train=np.arange(2, rows), inputs=SimpleNamespace(positional=True))


def looked(units: tuple[int, ...], rng: np.random.Generator, **options: Any) -> tuple[Network, Any, Inside]:
    network, parts = Network(units, **options), rows_of(units, rng)
    return network, parts, inside_of(network, parts)


def words(part: Any, language: Any = "en") -> str:
    return " ".join(in_language(p.words, language) for p in walk(part) if isinstance(p, Text))


def page_of(found: Inside) -> str:
    return html.page(report(replace(classification(), inside=found)))


def test_the_three_weights_are_the_largest_of_their_layers(rng: np.random.Generator) -> None:
    """Against a backward pass of the network's own loss."""
    network, parts, found = looked((6, 5, 4, 7, 3), rng)
    loss = network.loss(parts.x[2:3], parts.t[2:3])
    gradients = backward(loss)
    places = []
    for e in found.explanations:
        name = str(e.subject.node.name)
        g = np.asarray(gradients[Graph(loss).parameters[name]])
        places.append(name)
        assert abs(g[e.subject.element.at]) == np.abs(g).max()
        assert e.backprop == pytest.approx(float(g[e.subject.element.at]), rel=1e-4, abs=1e-7)
        assert e.paths_agree
        assert e.numerical_agrees is not False
        assert len(e.ranking.paths) <= 5
    assert places == ["0.weight", "2.weight", "6.weight"]


@pytest.mark.parametrize(
    ("units", "names"),
    [((4, 3), ["0", "0", "0"]), ((4, 5, 3), ["0", "0", "2"]), ((1, 1), ["0"]), ((3, 1, 1, 1, 2), ["0", "2", "6"])],
)
def test_short_networks_give_what_they_have(units: tuple[int, ...], names: list[str], rng: np.random.Generator) -> None:
    options = {"output": "identity"} if units == (1, 1) else {}
    network = Network(units, **options)  # type: ignore[arg-type]
    found = inside_of(network, rows_of(units, rng, classes=not options))
    assert found.step is not None
    places = list(chosen(found.step))
    told = {2: "only layer", 3: "two in the first"}.get(len(units), "a middle")
    assert told in words(inside(found)[2])
    assert [name for name, _, _ in places] == names
    assert len(set(places)) == len(places)
    for (name, *a), (other, *b) in pairwise(places):
        if name == other:
            g = next(v.weight_gradient for v in found.step.layers if v.name == name)
            assert abs(g[tuple(a)]) >= abs(g[tuple(b)])


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_sections_in_both_languages(output: str, rng: np.random.Generator) -> None:
    units = (6, 5, 3)
    network = Network(units, output=output)
    found = inside_of(network, rows_of(units, rng, classes=output == "softmax"))
    sections = inside(found)
    assert [s.key for s in sections] == KEYS
    for part in walk(sections):
        if isinstance(part, T):
            assert part.en.strip()
            assert part.ja.strip()
    document = report(replace(classification(), inside=found))
    assert [k for k in (s.key for s in document.sections) if k in KEYS] == KEYS
    for language in ("en", "ja"):
        assert any("δ" in line for line in text.lines(document, language))  # type: ignore[arg-type]
    page = html.page(document)
    safe(page)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_the_table_holds_the_values_of_the_step(rng: np.random.Generator) -> None:
    _, parts, found = looked((6, 5, 3), rng)
    table = next(p for p in walk(inside(found)[1]) if isinstance(p, Table))
    by_name = {row[0]: row[1:] for row in table.rows}
    assert found.step is not None
    assert found.trace is not None
    x = parts.x[2].astype(np.float64)
    _, low, _, high, _ = next(iter(by_name.values()))
    assert (low.value, high.value) == (pytest.approx(min(x.min(), 1.0)), pytest.approx(max(x.max(), 1.0)))
    deltas = [cells for name, cells in by_name.items() if str(name).startswith("δ")]
    expected = [np.linalg.norm(v.delta.astype(np.float64)) for v in reversed(found.step.layers)]
    assert [cells[-1].value for cells in deltas] == [pytest.approx(e, rel=1e-6) for e in expected]
    assert found.trace.agrees
    assert "Both give the same gradients." in words(inside(found)[1])


def test_the_drawing_stands_in_the_page_and_its_policy_allows_it(rng: np.random.Generator) -> None:
    _, _, found = looked((6, 5, 3), rng)
    page = page_of(found)
    drawn = re.findall(r'<div class="(en|ja)" lang="\1"><svg', page)
    assert drawn == ["en", "ja"]
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(styles) == 3
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for style in styles:
        assert html._source(style).strip("'") in policy[1]
    assert "<script" not in page
    plain = html.page(report(classification()))
    assert "denpa-graph denpa-auto" not in plain


def test_a_chart_of_units_is_a_file_of_its_own(rng: np.random.Generator) -> None:
    _, _, found = looked((6, 5, 3), rng)
    picture = next(p for p in walk(inside(found)) if isinstance(p, Picture))
    assert isinstance(picture.chart, NetworkUnits)
    alone = plots.svg(picture.chart, language="ja", name="題")
    assert alone.startswith("<svg")
    assert "他 3 個" in alone
    assert "題" in alone


def reasons(found: Inside) -> list[str]:
    return [words(section) for section in inside(found)]


def test_parameters_that_are_not_finite_are_said(rng: np.random.Generator) -> None:
    network = Network((4, 3, 2))
    values = {n: np.array(p.value) for n, p in network.parameters().items()}
    values["2.weight"][0, 0] = np.nan
    found = inside_of(network.with_parameters(values), rows_of((4, 3, 2), rng))
    assert all(r == "Not shown: the parameters are not all finite." for r in reasons(found))
    safe(page_of(found))


def test_a_loss_that_overflows_is_said(rng: np.random.Generator) -> None:
    network = Network((4, 3, 2), output="identity")
    values = {n: np.full(p.shape, 3e38, np.float32) for n, p in network.parameters().items()}
    found = inside_of(network.with_parameters(values), rows_of((4, 3, 2), rng, classes=False))
    assert all(re.search(r"Not shown: the loss of row 2 is (inf|nan)", r) for r in reasons(found))


def test_no_training_row_is_said(rng: np.random.Generator) -> None:
    parts = rows_of((4, 3, 2), rng)
    parts.train = np.arange(0)
    assert reasons(inside_of(Network((4, 3, 2)), parts)) == ["Not shown: there is no training row."] * 3


def test_a_large_network_is_drawn_but_not_traced(rng: np.random.Generator) -> None:
    network = Network((4, 3, 2))
    picture, *others = inside(inside_of(network, rows_of((4, 3, 2), rng), most=22))
    assert any(isinstance(part, Picture) for part in walk(picture))
    for section in others:
        assert "the network has 23 parameters" in words(section)
        assert "23個" in words(section, "ja")
    assert inside_of(network, rows_of((4, 3, 2), rng), most=23).trace is not None


def test_a_deep_network_is_traced_but_not_drawn(rng: np.random.Generator) -> None:
    units = (3,) * (LAYERS + 2)
    _, _, found = looked(units, rng, hidden="tanh")
    picture, trace, weights = inside(found)
    assert f"the network has {LAYERS + 1} layers of weights" in words(picture)
    assert not any(isinstance(part, Picture) for part in walk(picture))
    assert "Not shown" not in words(trace)
    assert "Not shown" not in words(weights)
    assert sum(isinstance(b, Section) for b in weights.blocks) == 3


def test_a_dead_layer_has_derivative_zero_and_dropout_is_told(rng: np.random.Generator) -> None:
    network = Network((4, 3, 2), dropout=0.5)
    values = {n: np.array(p.value) for n, p in network.parameters().items()}
    values[next(n for n in values if n.endswith("bias"))][:] = -100
    found = inside_of(network.with_parameters(values), rows_of((4, 3, 2), rng))
    assert found.explanations[0].backprop == 0
    picture = next(p for p in walk(inside(found)) if isinstance(p, Picture))
    assert isinstance(picture.caption, T)
    assert "Dropout is left out" in picture.caption.en
    safe(page_of(found))


def test_an_unexpected_error_is_not_swallowed(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("denpa.train.inside.explanation", broken)
    with pytest.raises(RuntimeError, match="planted"):
        looked((4, 3, 2), rng)


def test_the_book_network_stays_small(rng: np.random.Generator) -> None:
    _, _, found = looked((784, 500, 300, 10), rng)
    document = report(classification())
    grown = len(page_of(found).encode()) - len(html.page(document).encode())
    assert 30_000 < grown < 400_000  # of the megabyte a report may have
    assert len(found.explanations) == 3
    assert found.trace is not None
    assert found.trace.agrees


def test_a_note_is_said_once(rng: np.random.Generator) -> None:
    """Each of the four traced and explained things tells its letters and its dtype: the report does so once."""
    _, _, found = looked((6, 5, 3), rng)
    notes = [b.words for s in inside(found) for b in walk(s) if isinstance(b, Text) and b.kind == "note"]
    assert len(notes) == len(set(notes))
    assert sum("bias is the last column" in in_language(note, "en") for note in notes) == 1
    assert sum("float64" in in_language(note, "en") for note in notes) == 1
