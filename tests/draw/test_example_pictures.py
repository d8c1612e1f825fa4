"""What the examples draw and explain, as LaTeX that compiles: every picture, every document, in both languages."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from tests.draw.test_latex import balanced, compile_page

import denpa as dp
from denpa.draw import graph_picture, latex
from denpa.explain.document import Document

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DRAWN = (
    "01_apple_shop",
    "02_apples_and_oranges",
    "03_chain_rule",
    "07_black_box",
    "15_draw_a_graph",
    "16_trace_a_step",
    "17_explain_one_weight",
)


def test_the_examples_are_there() -> None:
    assert [name for name in DRAWN if not (EXAMPLES / f"{name}.py").is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_everything_an_example_shows_compiles(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawings: dict[tuple[str, int], graph_picture.Drawing] = {}
    documents: dict[str, Document] = {}
    at, made = graph_picture._at, Document.__init__

    def keep_drawing(drawing: graph_picture.Drawing, step: int | None) -> graph_picture.Drawing:
        drawings[drawing.scene.title, len(drawing.scene.boxes)] = drawing
        return at(drawing, step)

    def keep_document(self: Document, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        documents[repr(self.title)] = self

    monkeypatch.setattr(graph_picture, "_at", keep_drawing)
    monkeypatch.setattr(Document, "__init__", keep_document)
    monkeypatch.chdir(tmp_path)
    shown = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    for value in shown.values():
        if isinstance(value, dp.Tensor) and value.node.op is not None:
            dp.draw(value, local=True)
        elif hasattr(value, "document"):
            assert value.document is not None
    sources = [drawing.tikz() for drawing in drawings.values()]
    sources += [latex.page(document, language) for document in documents.values() for language in ("en", "ja")]
    assert sources
    for i, source in enumerate(sources):
        assert balanced(source)
        (folder := tmp_path / f"page{i}").mkdir()
        compile_page(source, folder)
