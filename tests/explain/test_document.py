from __future__ import annotations

import dataclasses

import pytest

from denpa.errors import UsageError
from denpa.explain.charts import LineChart, Series
from denpa.explain.document import (
    Document,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    in_language,
    walk,
)


def test_words_need_every_language() -> None:
    assert in_language(T(en="loss", ja="損失"), "ja") == "損失"
    assert in_language("0.weight", "ja") == "0.weight"
    for en, ja in (("loss", ""), ("  ", "損失"), ("", "")):
        with pytest.raises(UsageError, match="no words in language"):
            T(en=en, ja=ja)


def test_a_row_has_as_many_cells_as_headings() -> None:
    with pytest.raises(UsageError, match="row 2") as caught:
        Table(("a", "b"), ((1, 2), (1,)))
    assert "1 cells" in str(caught.value)
    assert Table(("a", "b"), ()).rows == ()


def test_documents_are_frozen() -> None:
    text = Text("x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        text.words = "y"  # type: ignore[misc]


def test_walk_finds_everything_in_reading_order() -> None:
    chart = LineChart((Series(T(en="training", ja="訓練"), (1.0,), (2.0,)),), "epoch", "loss")
    document = Document(
        title=T(en="title", ja="題"),
        lead=(Text("lead"),),
        sections=(
            Section(
                "one", (Picture(chart, T(en="what", ja="何")), Section("inner", (Table(("h",), ((Number(3),),)),)))
            ),
        ),
    )
    words = [part.en for part in walk(document) if isinstance(part, T)]
    assert words == ["title", "training", "what"]
    assert [part for part in walk(document) if isinstance(part, Number)] == [Number(3)]
    assert {"lead", "one", "inner", "epoch", "h"} <= {part for part in walk(document) if isinstance(part, str)}
