"""Scatter plots and histograms as SVG; values that are not finite are counted beside the plot."""

from __future__ import annotations

import math

import numpy as np

from denpa.arrays import Array
from denpa.draw.axes import Axis, linear_ticks, value_axis
from denpa.draw.chart_parts import RIGHT, WIDTH, axis_titles, canvas, frame, label, left_margin
from denpa.draw.markup import Markup, element
from denpa.draw.thinning import thin_points
from denpa.explain.charts import Histogram, Scatter
from denpa.explain.words import Language, T
from denpa.formatting import number

HEIGHT = 300.0


def _notes(notes: list[T], top: float, language: Language | None) -> list[Markup]:
    return [label(words, 8.0, top + 18 * i, language=language, class_="note") for i, words in enumerate(notes)]


def _odd_note(count: int) -> T:
    return T(
        en=f"Not drawn, as NaN or infinite: {number(count)}.",
        ja=f"NaN または無限大の値{number(count)}個は描いていない。",
    )


def draw_scatter(chart: Scatter, *, language: Language | None = None, name: str = "") -> Markup:
    """The points as an SVG element; with `diagonal`, both axes cover the same range."""
    xs, ys = np.asarray(chart.x, np.float64), np.asarray(chart.y, np.float64)
    finite = np.isfinite(xs) & np.isfinite(ys)
    usable_x, usable_y = xs[finite], ys[finite]
    kept = thin_points(usable_x, usable_y)
    together = [*usable_x.tolist(), *usable_y.tolist()]
    y = value_axis(together if chart.diagonal else usable_y.tolist(), 30 + HEIGHT, 30)
    left = left_margin(y)
    side = HEIGHT + 60 if chart.diagonal else WIDTH - RIGHT - left
    x = value_axis(together if chart.diagonal else usable_x.tolist(), left, left + side)
    parts = [frame(x, y)]
    if chart.diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        ends = {"x1": x.at(low), "y1": y.at(low), "x2": x.at(high), "y2": y.at(high)}
        parts.append(element("line", class_="reference", **ends))
        parts.append(label("y = x", x.at(high) + 6, y.at(high) + 4, language=language, class_="tick"))
    dots = (element("circle", cx=x.at(usable_x[i]), cy=y.at(usable_y[i]), r=3.0) for i in kept)
    parts.append(element("g", *dots, class_="dot"))
    height = y.start + 38
    parts.append(axis_titles(x, y, x_label=chart.x_label, y_label=chart.y_label, below=height, language=language))
    notes = [_odd_note(int((~finite).sum()))] if not finite.all() else []
    if len(kept) < len(usable_x):
        notes.append(_thinning_note(len(usable_x), len(kept)))
    parts += _notes(notes, height + 20, language)
    return canvas(height + 10 + 18 * len(notes), parts, language=language, name=name)


def _thinning_note(total: int, drawn: int) -> T:
    return T(
        en=f"{number(total)} points drawn as {number(drawn)}: the extremes and the largest errors are kept.",
        ja=f"{number(total)}点を{number(drawn)}点に間引いて描画（極値と誤差の大きい点は残す）。",
    )


def intervals(values: Array, bins: int) -> tuple[Array, Array, int]:
    """Counts (bins,), edges (bins + 1,), and how many finite values lie outside them.

    All finite values are inside, unless a few far ones would press the rest into one or two bars: then the edges
    cover the middle 99 % and half as much again on both sides.  Equal values get one interval of width 1.
    """
    finite = values[np.isfinite(values)] / 2  # halves: the range of any two floats is finite
    if not len(finite):
        return np.zeros(1, np.int64), np.array([0.0, 1.0]), 0
    low, high = float(finite.min()), float(finite.max())
    near, far = (float(q) for q in np.percentile(finite, [0.5, 99.5]))
    if 0 < 6 * (far - near) < high - low:
        room = (far - near) / 2
        low, high = max(low, near - room), min(high, far + room)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-290):
        return np.array([len(finite)]), np.array([2 * low - 0.5, 2 * low + 0.5]), 0
    counts, edges = np.histogram(finite, bins=bins, range=(low, high))
    return counts, 2 * edges, len(finite) - int(counts.sum())


def _outside_note(values: Array, count: int) -> T:
    finite = values[np.isfinite(values)]
    least, most = number(float(finite.min())), number(float(finite.max()))
    return T(
        en=f"Values outside the axis: {number(count)}. All values: {least} to {most}.",
        ja=f"{number(count)}個の値は軸の範囲外にある。全体の範囲は {least} から {most}。",
    )


def draw_histogram(chart: Histogram, *, language: Language | None = None, name: str = "") -> Markup:
    """The counts as bars of an SVG element; a line marks 0 where it lies inside."""
    values = np.asarray(chart.values, np.float64)
    counts, edges, outside = intervals(values, chart.bins)
    y = _count_axis(int(counts.max()))
    left = left_margin(y)
    x = value_axis([float(edges[0]), float(edges[-1])], left, WIDTH - RIGHT)
    bars = []
    for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True):
        top = y.at(float(count))
        span = max(x.at(float(b)) - x.at(float(a)) - 1, 0.5)
        bars.append(element("rect", x=x.at(float(a)), y=top, width=span, height=y.start - top, class_="bar"))
    parts = [frame(x, y), *bars]
    if edges[0] < 0 < edges[-1]:
        at = x.at(0.0)
        parts.append(element("line", x1=at, x2=at, y1=y.start, y2=y.end, class_="reference"))
    height = y.start + 38
    parts.append(axis_titles(x, y, x_label=chart.x_label, y_label=chart.y_label, below=height, language=language))
    missing = int((~np.isfinite(values)).sum())
    notes = [_odd_note(missing)] if missing else []
    notes += [_outside_note(values, outside)] if outside else []
    parts += _notes(notes, height + 20, language)
    return canvas(height + 10 + 18 * len(notes), parts, language=language, name=name)


def _count_axis(most: int) -> Axis:
    """0 to the next whole tick; whole ticks only."""
    high = max(1, math.ceil(most * 1.05))
    return Axis(0.0, float(high), 30 + HEIGHT * 0.7, 30.0, False, linear_ticks(0.0, float(high), 5, whole=True))
