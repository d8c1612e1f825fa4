"""The report says what the record says, says what is missing, and survives every kind of run."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.draw.pages import HOSTILE, Element
from tests.draw.test_html import safe
from tests.train.records import classification, history, regression

from denpa.draw import html, plots, text
from denpa.draw.markup import plain
from denpa.draw.png import to_bytes
from denpa.explain.charts import HeatMap, Histogram, LineChart, Scatter, Thumbnails
from denpa.explain.document import Document, Number, Picture, Section, T, Table, Text, in_language, walk
from denpa.train.record import RunRecord
from denpa.train.report import flatten, report

NAN, INF = math.nan, math.inf


def shown(record: RunRecord) -> tuple[Document, Element]:
    """The document and its page, which is safe, in both languages, and also goes through a terminal."""
    document = report(record)
    tree = safe(html.page(document))
    for language in ("en", "ja"):
        assert list(text.lines(document, language))  # type: ignore[arg-type]
    for part in walk(document):
        if isinstance(part, Picture):
            ET.fromstring(plots.svg(part.chart))
    return document, tree


def section(document: Document, key: str) -> Section:
    return next(s for s in document.sections if s.key == key)


def charts(part: Any, kind: type) -> list[Any]:
    return [p for p in walk(part) if isinstance(p, kind)]


def sentences(part: Any, language: str = "en") -> str:
    return " ".join(in_language(p.words, language) for p in walk(part) if isinstance(p, Text))  # type: ignore[arg-type]


def tables(part: Any) -> list[dict[str, dict[str, Any]]]:
    """Each table as {first cell: {heading: value}}, in English, numbers exact."""

    def value(cell: Any) -> Any:
        return (
            cell.value if isinstance(cell, Number) else in_language(cell, "en") if isinstance(cell, (T, str)) else cell
        )

    return [
        {
            str(value(row[0])): {in_language(h, "en"): value(c) for h, c in zip(t.headings, row, strict=True)}
            for row in t.rows
        }
        for t in walk(part)
        if isinstance(t, Table)
    ]


def test_sections_in_both_languages() -> None:
    document, tree = shown(classification())
    assert [s.title.ja for s in document.sections if isinstance(s.title, T)] == [
        "学習曲線", "混同行列", "誤分類", "勾配ノルム", "勾配確認", "データ", "ネットワーク", "設定", "再現方法",
    ]  # fmt: skip
    assert [e.text("en") for e in tree.all("h2")] == [
        "Learning curves", "Confusion matrix", "Misclassified rows", "Gradient norms", "Gradient check", "Data",
        "Network", "Settings", "How to reproduce",
    ]  # fmt: skip


@pytest.mark.parametrize("record", [classification(), regression()], ids=["classification", "regression"])
def test_every_text_is_in_both_languages(record: RunRecord) -> None:
    """What is not data of the run (names, commands, numbers) is a T, and its Japanese is Japanese."""
    data = {record.command, record.run_id, record.engine, record.dtype, str(record.seed), record.started, "y = x", ""}
    data |= set(record.versions) | set(record.versions.values()) | set(record.fallbacks) | set(record.data.features)
    data |= {record.data.source, record.data.target, record.data.sha256, *(record.data.classes or ())}
    data |= {name for name, _ in flatten(record.config)} | {str(cell) for _, cell in flatten(record.config)}
    data |= {*record.network.activations, "16 → 5 → 3", "4 × 4", *record.history[0]["gradient_norms"]}
    if record.gradient_check:
        data |= {row.parameter for row in record.gradient_check.rows}
    structure = {s.key for s in report(record).sections} | {"plain", "note", "warning", "code", "percent", "duration"}
    structure |= {"linear", "log", "x", "y", "value", "gradient"}
    for part in walk(report(record)):
        if isinstance(part, str):
            assert part in data | structure or "L(θ" in part or "frac" in part, f"not in both languages: {part!r}"
        if isinstance(part, T):
            assert any("ぁ" <= c <= "ヿ" or "一" <= c <= "鿿" for c in part.ja), f"not Japanese: {part.ja}"
            assert not any("ぁ" <= c <= "ヿ" or "一" <= c <= "鿿" for c in part.en), f"not English: {part.en}"


def test_numbers_are_the_records() -> None:
    record = classification()
    document, tree = shown(record)
    (epochs,) = [t for t in tables(section(document, "curves")) if "1" in t]
    for line in record.history:
        row = epochs[str(line["epoch"])]
        for heading, key in (
            ("updates", "step"),
            ("training loss", "train_loss"),
            ("validation accuracy", "valid_accuracy"),
            ("learning rate", "learning_rate"),
            ("rows per second", "rows_per_second"),
        ):
            assert row[heading] == line[key]  # type: ignore[literal-required]
    metrics, _, classes = tables(section(document, "outcome"))
    assert metrics["accuracy"] == {"measure": "accuracy", "network": 0.95, "baseline": 0.41}
    assert metrics["loss"]["baseline"] is None
    assert classes["one"]["recall"] == 18 / 20
    assert classes["one"]["precision"] == 18 / 19
    assert classes["one"]["F1"] == pytest.approx(2 / (20 / 18 + 19 / 18))
    (check,) = tables(section(document, "check"))
    assert check["0.weight[3,17]"]["backpropagation"] == 0.00123
    assert check["0.weight[3,17]"]["numerical"] == 0.00123000001
    assert check["0.bias[4]"]["verdict"] == "at a kink"
    exact = {e.attributes["value"] for e in tree.all("data")}
    assert {repr(line["train_loss"]) for line in record.history} <= exact
    assert {"0.123456789", "0.95", "0.41", "0.00123000001", "103", "3725.0"} <= exact


def test_curves_hold_every_point() -> None:
    record = classification()
    document = report(record)
    loss, accuracy = charts(section(document, "curves"), LineChart)
    assert [s.name.en for s in loss.series] == ["training", "validation"]
    assert loss.series[0].y == tuple(line["train_loss"] for line in record.history)
    assert accuracy.references[-1].at == 0.41
    weights, biases = charts(section(document, "norms"), LineChart)
    assert weights.scale == "log"
    assert [s.y for s in weights.series] == [
        tuple(line["gradient_norms"][name] for line in record.history) for name in ("0.weight", "2.weight")
    ]
    assert all(s.hue == "gradient" for s in weights.series + biases.series)
    assert "0.25 times" in sentences(section(document, "norms"))


def test_images_are_shown_with_their_labels() -> None:
    document, tree = shown(classification())
    (strip,) = charts(section(document, "misclassified"), Thumbnails)
    assert [line.en for line in strip.images[0].lines] == ["true: zero", "predicted: one", "probability 90.0 %"]
    assert [line.ja for line in strip.images[0].lines][:2] == ["正解：zero", "予測：one"]
    assert len(tree.all("image")) == 3


def test_images_of_small_whole_numbers_are_stretched_to_white() -> None:
    """scikit-learn's digits are bytes of 0 … 16: as bytes of 0 … 255 they would be black on black."""
    record = classification()
    few = [replace(item, inputs=np.asarray(item.inputs).astype(np.uint8)) for item in record.misclassified]
    document, _ = shown(replace(record, misclassified=tuple(few)))
    (strip,) = charts(section(document, "misclassified"), Thumbnails)
    assert max(to_bytes(i.pixels, i.low, i.high).max() for i in strip.images) == 255


def test_a_table_of_rows_where_they_are_no_images() -> None:
    record = classification()
    record = replace(record, data=replace(record.data, image_shape=None))
    document, _ = shown(record)
    (rows,) = tables(section(document, "misclassified"))
    assert rows["10"]["predicted class"] == "one"
    assert rows["10"]["pixel 0,3"] == 3.0
    assert "first 8 of 16 inputs" in sentences(section(document, "misclassified"))


def test_regression() -> None:
    record = regression()
    document, _ = shown(record)
    (scatter,), (residuals,) = charts(document, Scatter), charts(document, Histogram)
    assert scatter.x == record.targets
    assert scatter.y == record.predictions
    assert set(residuals.values) == {0.5}
    assert "accuracy has no meaning for a regression" in sentences(document)
    assert "a regression has no classes" in sentences(section(document, "misclassified"))
    assert "回帰にはクラスがない" in sentences(document, "ja")
    assert not charts(document, HeatMap)


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"history": []}, "curves", "no epoch was finished"),
        ({"history": history(gradient_norms={})}, "norms", "did not measure them"),
        ({"history": history(valid_loss=None)}, "curves", "no validation or test curves"),
        ({"gradient_check": None}, "check", "ended before the check"),
        ({"confusion": None, "misclassified": ()}, "outcome", "not evaluated"),
        ({"misclassified": (), "misclassified_total": None}, "misclassified", "kept no misclassified rows"),
        ({"misclassified": (), "misclassified_total": 0}, "misclassified", "every evaluated row right"),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, Any], key: str, reason: str) -> None:
    full, missing = report(classification()), replace(classification(), **changes)
    assert reason not in sentences(section(full, key))
    document, _ = shown(missing)
    assert reason in sentences(section(document, key))


def test_an_empty_run() -> None:
    record = classification()
    bare = RunRecord(
        run_id="r", command="denpa train x", config={}, data=record.data, network=record.network, history=[]
    )
    document, _ = shown(bare)
    assert "no epoch was finished" in sentences(document)


@pytest.mark.parametrize("bad", [NAN, INF, -INF, None])
def test_a_loss_that_is_no_number_is_marked(bad: float | None) -> None:
    lines = history(40)
    for line in lines[20:]:
        line["train_loss"] = bad  # type: ignore[typeddict-item]
    document, tree = shown(replace(classification(), history=lines, status="diverged"))
    loss = charts(section(document, "curves"), LineChart)[0]
    assert sum(not math.isfinite(v) for v in loss.series[0].y) == 20
    assert "in epoch 21" in sentences(section(document, "curves"))
    assert "Training diverged" in sentences(document.lead)
    assert len([e for e in tree.all("path") if e.attributes.get("class") == "alarm"]) >= 2


def test_zeros_on_the_log_axis_of_norms() -> None:
    lines = history(10)
    for line in lines[5:]:
        line["gradient_norms"] = dict.fromkeys(line["gradient_norms"], 0.0)
    document, tree = shown(replace(classification(), history=lines))
    assert "0 (below a log scale)" in tree.text("en")
    assert "times the last layer's" not in sentences(section(document, "norms"))


def test_one_epoch() -> None:
    shown(replace(classification(), history=history(1)))


def test_ten_thousand_epochs_stay_readable() -> None:
    lines = history(10_000)
    lines[7776]["train_loss"] = 1e6
    record = replace(classification(), history=lines, best_epoch=1234)
    document, tree = shown(record)
    assert len(html.page(document)) < 1_000_000
    values = {e.attributes["value"] for e in tree.all("details")[0].all("data")}
    assert {"1", "10000", "1234"} <= values
    (loss, *_) = charts(document, LineChart)
    assert 1e6 in loss.series[0].y
    assert "10,000 points a line" in tree.text("en")


def test_a_hundred_classes_and_one_of_them_missing(rng: np.random.Generator) -> None:
    counts = rng.integers(0, 3, (100, 100)) + np.diag(np.full(100, 50))
    counts[17] = 0
    record = classification()
    data = replace(record.data, classes=tuple(f"class {i}" for i in range(100)), class_counts=(12,) * 100)
    document, _ = shown(replace(record, data=data, confusion=tuple(map(tuple, counts.tolist()))))
    assert "1 of 100 (class 17)" in sentences(section(document, "outcome"))
    by_class = tables(section(document, "outcome"))[2]
    assert by_class["class 17"]["recall"] is None
    assert len(by_class) == 100
    assert len(html.page(document)) < 600_000


def test_many_layers_are_thinned_aloud() -> None:
    names = [f"{2 * i}.weight" for i in range(30)]
    lines = history(3)
    for line in lines:
        line["gradient_norms"] = {name: 10.0**-i for i, name in enumerate(reversed(names))}
    document, tree = shown(replace(classification(), history=lines))
    (chart,) = charts(section(document, "norms"), LineChart)
    drawn = [s.name.en for s in chart.series]
    assert len(drawn) == 8
    assert drawn[0].startswith("layer 1 ")
    assert drawn[-1].startswith("layer 30 ")
    assert "8 of 30 layers are drawn" in tree.text("en")
    assert len(tables(section(document, "norms"))[0]) == 30


def test_a_wrong_gradient_is_a_warning() -> None:
    record = classification()
    check = record.gradient_check
    assert check is not None
    wrong = replace(check.rows[0], numeric=0.5, difference=0.99, verdict="differs")
    for rows, words in (((wrong, *check.rows), "1 of 4 gradients differ"), (check.rows[2:], "None of the gradients")):
        document, _ = shown(replace(record, gradient_check=replace(check, rows=rows)))
        loud = [p for p in walk(section(document, "check")) if isinstance(p, Text) and p.kind == "warning"]
        assert [words in in_language(p.words, "en") for p in loud] == [True]
    calm = report(record)
    assert "2 of 3 gradients agree" in sentences(section(calm, "check"))
    assert not [p for p in walk(section(calm, "check")) if isinstance(p, Text) and p.kind == "warning"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_from_a_file_stay_text(name: str) -> None:
    record = classification()
    data = replace(
        record.data,
        source=name,
        target=name,
        classes=(name, "b", name + "c"),
        features=(name,) * 16,
        task_reason=name,
        scaling=name,
        image_shape=None,
    )
    lines = history(gradient_norms={name: 1.0, f"{name}.weight": 2.0})
    record = replace(
        record,
        data=data,
        history=lines,
        run_id=name,
        command=name,
        config={name: name, "a": {name: [name]}},
        versions={name: name},
        fallbacks=(name,),
        warnings=(name,),
        metrics={name: 1.0},
        baseline={name: 2.0},
        baseline_name=name,
        evaluated_on=name,
        started=name,
        status=name,
    )
    _, tree = shown(record)
    assert plain(name) in tree.all("pre")[0].text()


def test_float_and_byte_images_and_colour(rng: np.random.Generator) -> None:
    record = classification()
    for image in (
        rng.integers(0, 256, (4, 4, 3), dtype=np.uint8),
        rng.normal(size=(4, 4, 3)),
        np.full((4, 4, 3), NAN),
        np.zeros((4, 4, 3), np.int64),
    ):
        wrong = tuple(replace(m, inputs=image.reshape(-1)) for m in record.misclassified)
        shown(replace(record, data=replace(record.data, image_shape=(4, 4, 3)), misclassified=wrong))


def test_interruptions_are_said() -> None:
    for status, words in (("interrupted", "interrupted after epoch 5"), ("running", "has not ended")):
        document, _ = shown(replace(classification(), status=status))
        assert words in sentences(document.lead)
    assert "interrupted" not in sentences(report(classification()).lead)
