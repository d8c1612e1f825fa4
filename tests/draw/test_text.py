from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.draw.pages import HOSTILE

from denpa.draw import text
from denpa.draw.markup import columns
from denpa.explain.charts import HeatMap, Histogram, LineChart, Scatter, Series, Thumbnail, Thumbnails
from denpa.explain.document import Document, Formula, Highlight, Highlights, Number, Picture, Section, T, Table, Text


def shown(*blocks: object, language: str = "en", size: int = 100) -> list[str]:
    document = Document("title", (Section(T(en="section", ja="節"), blocks),))  # type: ignore[arg-type]
    return list(text.lines(document, language, size))[3:]  # type: ignore[arg-type]


def test_tables_stay_aligned_with_full_width_characters() -> None:
    table = Table(("名前", "n"), (("りんご", 1.5), ("x", 200), ("-", None)))
    assert shown(table)[2:] == [
        "  名前      n",
        "  ──────  ───",
        "  りんご  1.5",
        "  x       200",
        "  -         –",
    ]


def test_every_kind_of_block_in_both_languages() -> None:
    words = T(en="loss", ja="損失")
    blocks = (
        Text(words),
        Text(words, "warning"),
        Text("denpa train x", "code"),
        Formula("x^2", "x²"),
        Highlights((Highlight(words, Number(0.5, style="percent"), "best"),)),
        Picture(LineChart((Series(words, (1.0, 2.0), (4.0, 2.0)),), "epoch", words), words),
        Picture(HeatMap(((5, 0), (1, 4)), ("a", "b"), ("a", "b"), words, words), words),
        Picture(Scatter((1.0,), (2.0,), "t", "y"), words),
        Picture(Histogram((1.0, 2.0, 2.0), "r", "n", 2), words),
        Picture(Thumbnails((Thumbnail(np.zeros((2, 2)), ("true: 1", "predicted: 2")),)), words),
    )
    english, japanese = shown(*blocks), shown(*blocks, language="ja")
    assert "損失" not in "".join(english)
    assert "loss" not in "".join(japanese)
    for line in (
        "⚠ loss",
        "  denpa train x",
        "  x²",
        "  loss  50.00 %  best",
        "  loss  4 █▁ 2",
        "  true: 1 · predicted: 2",
    ):
        assert line in english
    assert ["a", "5", "0"] in [line.split() for line in english]
    assert "y / t (points: 1)" in english
    assert any(line.endswith("2  " + "█" * 40) for line in english)


@pytest.mark.parametrize(
    ("values", "log", "signs"),
    [
        ((1.0, 2.0, 3.0), False, "▁▅█"),
        ((1.0, 10.0, 100.0), True, "▁▅█"),
        ((1.0, math.nan, math.inf, 2.0), False, "▁×!█"),
        ((0.0, 1.0), True, "!▄"),
        ((5.0,), False, "▄"),
        ((), False, ""),
    ],
)
def test_sparks(values: tuple[float, ...], log: bool, signs: str) -> None:
    assert text.spark(values, log=log) == signs


@given(st.lists(st.floats(), max_size=200), st.booleans())
def test_any_floats_give_a_spark(values: list[float], log: bool) -> None:
    assert len(text.spark(tuple(values), log=log)) == min(40, len(values))


@given(st.text(alphabet="ab 損失、。", max_size=200), st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_nothing(words: str, size: int) -> None:
    lines = list(text.wrap(words, size))
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    longest_word = max((len(w) for w in words.split()), default=0)
    if longest_word < size // 2:
        assert all(columns(line) <= size + 2 for line in lines)  # closing punctuation may hang over


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_gets_no_control_characters(name: str) -> None:
    table = Table((name,), ((name,), (T(en=name, ja=name),)), name)
    for line in shown(
        Text(name), table, Text(name, "code"), Section(name, ()), Picture(Histogram((), name, name), name)
    ):
        assert all(c.isprintable() or c in " \t\n" for c in line), ascii(line)
        line.encode("utf-8")


def test_long_folded_tables_are_shortened_aloud() -> None:
    lines = shown(Table(("n",), tuple((i,) for i in range(1000)), "all", folded=True, keep=(333,)))
    assert len(lines) < 40
    assert any(line.strip() == "333" for line in lines)
    assert lines[-1].strip().endswith("of 1000 rows shown")
