"""The report's results: confusion matrix or residuals, and the rows the network got wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from denpa.explain.charts import HeatMap, Histogram, LineChart, Scatter, Series, Thumbnail, Thumbnails
from denpa.explain.document import Block, Cell, Number, Picture, Section, T, Table, Text
from denpa.formatting import number, percent
from denpa.train.record import Misclassified, RunRecord
from denpa.train.report_terms import because, metric_name, metric_number, rows_name

PAIRS = 10  # most frequent confusions listed
IMAGES = 48  # misclassified images shown
INPUTS = 8  # columns of a misclassified table row shown

CLASS = T(en="class", ja="クラス")
TRUE, PREDICTED = T(en="true class", ja="正解"), T(en="predicted class", ja="予測")


def _share(part: int, whole: int) -> Cell:
    """A ratio of counts; None where nothing was counted."""
    return Number(part / whole, style="percent") if whole else None


def _metrics(record: RunRecord) -> Iterator[Block]:
    """Every metric beside the baseline."""
    if not record.metrics:
        return
    base = record.baseline
    rows = tuple(
        (metric_name(key), metric_number(key, value), metric_number(key, base[key]) if key in base else None)
        for key, value in record.metrics.items()
    )
    headings = (
        T(en="measure", ja="指標"),
        T(en="network", ja="ネットワーク"),
        T(en="baseline", ja="ベースライン"),
    )
    yield Table(headings, rows)
    if record.baseline and record.baseline_name:
        name = record.baseline_name
        en, ja = (name, name) if isinstance(name, str) else (name.en, name.ja)
        yield Text(T(en=f"Baseline: always guessing {en}.", ja=f"ベースライン：常に{ja}と答えた場合。"), "note")


def confusion_table(names: tuple[str, ...], confusion: tuple[tuple[int, ...], ...]) -> Table:
    """Rows are the true classes, columns the predicted ones."""
    rows: list[tuple[Cell, ...]] = [
        (name, *(Number(count) for count in row)) for name, row in zip(names, confusion, strict=True)
    ]
    return Table((T(en="true \\ predicted", ja="正解 \\ 予測"), *names), tuple(rows))


def class_table(names: tuple[str, ...], confusion: tuple[tuple[int, ...], ...]) -> Table:
    """Recall, precision and F1 of each class; a class without rows has no recall, one never predicted no precision."""
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    counts = ((row[i], sum(row), predicted[i]) for i, row in enumerate(confusion))
    return rates_table(tuple((name, *three) for name, three in zip(names, counts, strict=True)))


def rates_table(counts: tuple[tuple[str, int, int, int], ...], head: T = CLASS) -> Table:
    """counts: name, rows found rightly, rows that are so, rows found to be so."""
    rows = [
        (name, Number(total), _share(hits, total), _share(hits, found), _share(2 * hits, total + found))
        for name, hits, total, found in counts
    ]
    headings = (
        head,
        T(en="rows", ja="行数"),
        T(en="recall", ja="再現率"),
        T(en="precision", ja="適合率"),
        T(en="F1", ja="F1 値"),
    )
    return Table(headings, tuple(rows), T(en="By class", ja="クラス別の成績"), folded=len(rows) > 20)


CLASS_TERMS = Text(
    T(
        en="Recall: share of the class's rows that were found. Precision: share of the predictions of the "
        "class that are right.",
        ja="再現率：そのクラスの行のうち正しく予測した割合。適合率：そのクラスと予測した行のうち正解だった割合。",
    ),
    "note",
)


def _pairs(names: tuple[str, ...], confusion: tuple[tuple[int, ...], ...]) -> Iterator[Table]:
    found = [(n, i, j) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n]
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    if found:
        yield Table(
            (TRUE, PREDICTED, T(en="rows", ja="行数")),
            tuple((names[i], names[j], Number(n)) for n, i, j in found[:PAIRS]),
            T(en="Most frequent confusions", ja="多い取り違え"),
        )


def _empty_classes(names: tuple[str, ...], confusion: tuple[tuple[int, ...], ...]) -> Iterator[Text]:
    empty = [name for name, row in zip(names, confusion, strict=True) if not sum(row)]
    if empty:
        some = ", ".join(empty[:10]) + (", …" if len(empty) > 10 else "")
        yield Text(
            T(
                en=f"Classes without a row here, about which nothing is known: {number(len(empty))} of "
                f"{number(len(names))} ({some}).",
                ja=f"{number(len(names))}クラスのうち{number(len(empty))}クラスはこのデータに1行もなく、"
                f"成績は分からない：{some}。",
            ),
            "warning",
        )


def _confusion(record: RunRecord, names: tuple[str, ...]) -> Iterator[Block]:
    confusion = record.confusion
    if confusion is None:
        yield Text(because("the network was not evaluated", "ネットワークを評価していない"), "note")
        return
    rows, right = sum(map(sum, confusion)), sum(confusion[i][i] for i in range(len(confusion)))
    part = rows_name(record.evaluated_on)
    yield Picture(
        HeatMap(confusion, names, names, TRUE, PREDICTED),
        T(
            en=f"Confusion matrix of {number(rows)} {part.en} rows: the true class by row, the predicted by column.",
            ja=f"{part.ja}データ{number(rows)}行の混同行列。行が正解、列が予測のクラス。",
        ),
        T(
            en=f"Right: {number(right)} of {number(rows)} rows, on the diagonal."
            + (f" That is {percent(right / rows)}." if rows else ""),
            ja=f"正解は対角線上の{number(right)}行（全{number(rows)}行"
            + (f"の {percent(right / rows)}）。" if rows else "）。"),
        ),
    )
    yield from _empty_classes(names, confusion)
    yield from _pairs(names, confusion)
    yield class_table(names, confusion)
    yield CLASS_TERMS
    yield from _curves(record)


def _curves(record: RunRecord) -> Iterator[Block]:
    """How well the outputs rank the rows, and whether they can be taken as probabilities."""
    even = Series(T(en="guessing", ja="当て推量"), (0.0, 1.0), (0.0, 1.0))
    if record.roc:
        lines = tuple(Series(name, curve.x, curve.y) for name, curve in record.roc)
        axes = T(en="false-positive rate", ja="偽陽性率"), T(en="true-positive rate", ja="真陽性率")
        yield Picture(
            LineChart((*lines, even), *axes, bounds=(0.0, 1.0)),
            T(en="ROC curves: each class against the others.", ja="ROC 曲線：各クラスと、それ以外のクラス。"),
            T(
                en="The area under a curve is the chance that a row of the class is ranked above one of another.",
                ja="曲線の下の面積は、そのクラスの行が他のクラスの行より上位になる確率。",
            ),
        )
    if record.calibration is not None and record.calibration.x:
        curve = record.calibration
        right = Series(T(en="perfect", ja="理想"), (0.0, 1.0), (0.0, 1.0))
        line = Series(T(en="network", ja="ネットワーク"), curve.x, curve.y)
        axes = T(en="probability given", ja="出力した確率"), T(en="share that came true", ja="実際の割合")
        yield Picture(
            LineChart((line, right), *axes, bounds=(0.0, 1.0)),
            T(
                en=f"Calibration over {number(len(curve.x))} intervals of the probability.",
                ja=f"較正曲線（確率の{number(len(curve.x))}区間）。",
            ),
            T(
                en="Below the diagonal the network is too sure of itself.",
                ja="対角線より下ではネットワークが自信過剰。",
            ),
        )


def _residuals(record: RunRecord) -> Iterator[Block]:
    if not record.targets or not record.predictions:
        yield Text(because("the run kept no predictions", "予測値が記録されていない"), "note")
        return
    targets, predictions = record.targets, record.predictions
    name, part = record.data.target or "", rows_name(record.evaluated_on)
    yield Picture(
        Scatter(
            targets,
            predictions,
            T(en=f"target {name}".strip(), ja=f"目標値 {name}".strip()),
            T(en="prediction", ja="予測値"),
            diagonal=True,
        ),
        T(
            en=f"Predictions against targets of {number(len(targets))} {part.en} rows; on the dotted line the "
            "prediction is exact.",
            ja=f"{part.ja}データ{number(len(targets))}行の目標値と予測値。点線上の点は予測が完全に一致している。",
        ),
    )
    residuals = tuple(p - t for p, t in zip(predictions, targets, strict=True))
    finite = [r for r in residuals if math.isfinite(r)]
    yield Picture(
        Histogram(
            residuals, T(en="residual: prediction − target", ja="残差（予測値 − 目標値）"), T(en="rows", ja="行数")
        ),
        T(en="How the residuals are distributed.", ja="残差の分布。"),
        T(
            en=f"Mean residual {number(sum(finite) / len(finite))}: far from 0, the network is biased; a long tail to "
            "one side is a kind of row that it misjudges.",
            ja=f"残差の平均は {number(sum(finite) / len(finite))}。0 から離れていれば予測が偏っており、"
            "片側に長い裾があれば、特定の種類の行で外している。",
        )
        if finite
        else "",
    )


def outcome(record: RunRecord) -> Section:
    """Confusion matrix for a classification, predictions and residuals for a regression."""
    classes = record.data.classes
    if record.labels:
        blocks = rates_table(record.labels, T(en="label", ja="ラベル")), CLASS_TERMS
        return Section(T(en="Labels", ja="ラベル"), (*_metrics(record), *blocks), "outcome")
    if classes is None:
        title = T(en="Predictions and residuals", ja="予測値と残差")
        return Section(title, (*_metrics(record), *_residuals(record)), "outcome")
    return Section(
        T(en="Confusion matrix", ja="混同行列"), (*_metrics(record), *_confusion(record, classes)), "outcome"
    )


def _images(record: RunRecord, names: tuple[str, ...]) -> Picture:
    """All images on one grey scale: the smallest value of the sample black, the largest white."""
    chosen = record.misclassified[:IMAGES]
    # as floats: bytes would be drawn as 0 … 255, and there are images of 0 … 16
    arrays = [np.asarray(item.inputs, np.float64).reshape(record.data.image_shape or ()) for item in chosen]
    finite = np.concatenate([a[np.isfinite(a)].ravel() for a in arrays])
    low, high = min(0.0, float(finite.min(initial=0.0))), float(finite.max(initial=0.0)) or 1.0

    def one(item: Misclassified, pixels: np.ndarray) -> Thumbnail:
        true, guess = names[item.true], names[item.predicted]
        return Thumbnail(
            pixels,
            (
                T(en=f"true: {true}", ja=f"正解：{true}"),
                T(en=f"predicted: {guess}", ja=f"予測：{guess}"),
                T(en=f"probability {percent(item.probability, 1)}", ja=f"確率 {percent(item.probability, 1)}"),
            ),
            low,
            high,
        )

    return Picture(
        Thumbnails(tuple(map(one, chosen, arrays))),
        T(
            en="Images that the network got wrong, with the probability it gave its answer.",
            ja="ネットワークが誤分類した画像と、その予測に与えた確率。",
        ),
    )


def _rows(record: RunRecord, names: tuple[str, ...]) -> Iterator[Block]:
    columns = record.data.columns or record.data.features
    features = columns[:INPUTS]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Number(item.row),
            names[item.true],
            names[item.predicted],
            Number(item.probability, style="percent"),
            *(v if isinstance(v, float | int) else str(v) for v in np.ravel(item.inputs)[: len(features)].tolist()),
        )
        for item in record.misclassified
    )
    heads = (T(en="row", ja="行"), TRUE, PREDICTED, T(en="probability", ja="確率"))
    yield Table((*heads, *features), rows)
    if len(features) < len(columns):
        yield Text(
            T(
                en=f"The first {len(features)} of {number(len(columns))} inputs are shown.",
                ja=f"{number(len(columns))}個の入力のうち最初の{len(features)}個を示す。",
            ),
            "note",
        )


def _count(record: RunRecord) -> Iterator[Text]:
    shown = min(len(record.misclassified), IMAGES) if record.data.image_shape else len(record.misclassified)
    total = record.misclassified_total
    if total is not None:
        yield Text(
            T(
                en=f"{number(total)} rows were misclassified; {number(shown)} of them are shown.",
                ja=f"誤分類は{number(total)}行。そのうち{number(shown)}行を示す。",
            )
        )


def misclassified(record: RunRecord) -> Section:
    """Rows that the network got wrong: as pictures where a row is an image, as a table otherwise."""
    title, classes = T(en="Misclassified rows", ja="誤分類"), record.data.classes
    if classes is None:
        reason = because("a regression has no classes", "回帰にはクラスがない")
    elif not record.misclassified and record.misclassified_total == 0:
        reason = T(en="The network got every evaluated row right.", ja="評価したすべての行を正しく分類した。")
    elif not record.misclassified:
        reason = because("the run kept no misclassified rows", "誤分類した行が記録されていない")
    else:
        blocks = (_images(record, classes),) if record.data.image_shape else tuple(_rows(record, classes))
        return Section(title, (*_count(record), *blocks), "misclassified")
    return Section(title, (Text(reason, "note"),), "misclassified")
