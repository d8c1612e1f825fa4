"""Line charts as SVG: several series, told apart by dash and marker as well as colour, with every odd value marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from denpa.draw.axes import Axis, position_axis, value_axis
from denpa.draw.chart_parts import FONT, RIGHT, WIDTH, axis_titles, canvas, frame, label, left_margin, marker, odd_mark
from denpa.draw.markup import Markup, element, width
from denpa.draw.thinning import thin_line
from denpa.explain.charts import LineChart, Reference, Series
from denpa.explain.words import Language, T, Words
from denpa.formatting import number

DASHES = (None, "7 3", "2 3", "10 3 2 3", "14 4", "4 2", "1 2", "8 2 2 2 2 2")
PLOT_HEIGHT, ROW, LEGEND_ROW = 230.0, 12.0, 20.0  # pixels; a ROW holds the odd values of one series
MARKED = 30  # lines of up to so many points show every marker; longer ones eight, to be matched with the legend

ODD_NAMES = {
    "nan": T(en="NaN (not a number)", ja="NaN（非数）"),
    "high": T(en="+∞", ja="+∞"),
    "low": T(en="-∞", ja="-∞"),
    "zero": T(en="0 (below a log scale)", ja="0（対数軸では下端の外）"),
    "negative": T(en="negative (not on a log scale)", ja="負の値（対数軸に描けない）"),
}
ABOVE = ("nan", "high")  # marked in the strip above the plot, the others below


def dash(index: int) -> str | None:
    """The dashes of the index-th line; each round of colours has them in another order."""
    return DASHES[(index + index // len(DASHES)) % len(DASHES)]


def odd_kind(value: float, log: bool) -> str | None:
    """Why a value has no place on the axis: a key of ODD_NAMES; None for an ordinary value."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "high" if value > 0 else "low"
    if log and value <= 0:
        return "zero" if value == 0 else "negative"
    return None


@dataclass(frozen=True, slots=True)
class Line:
    """A series thinned for drawing: stretches of points of one kind, in order (kind None: ordinary points)."""

    name: Words
    class_: str
    index: int
    runs: tuple[tuple[str | None, tuple[tuple[float, float], ...]], ...]
    drawn: int
    total: int

    def has(self, above: bool) -> bool:
        return any(kind and (kind in ABOVE) == above for kind, _ in self.runs)


def _line(series: Series, index: int, log: bool) -> Line:
    kept = thin_line(np.asarray(series.y, dtype=np.float64))
    points = [(float(series.x[i]), float(series.y[i])) for i in kept]
    groups = groupby(points, key=lambda point: odd_kind(point[1], log))
    return Line(
        name=series.name,
        class_=f"series {series.hue[0]}{index % len(DASHES)}",
        index=index,
        runs=tuple((kind, tuple(group)) for kind, group in groups),
        drawn=len(points),
        total=len(series.y),
    )


def _draw_line(line: Line, x: Axis, y: Axis, count: int) -> Markup:
    parts: list[Markup] = []
    dots: list[tuple[float, float]] = []
    lone: list[tuple[float, float]] = []
    for kind, run in line.runs:
        if kind is not None:
            continue
        pixels = [(x.at(a), y.at(b)) for a, b in run]
        if len(pixels) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in pixels)
            parts.append(element("polyline", points=path, stroke_dasharray=dash(line.index)))
            dots += pixels
        else:
            lone += pixels  # a point between two odd ones has no line to be seen by
    step = 1 if len(dots) <= MARKED else len(dots) // 8
    first = line.index * step // count if step > 1 else 0  # staggered: markers of close lines stay apart
    parts += [marker(line.index, a, b) for a, b in dots[first::step] + lone]
    return element("g", *parts, class_=line.class_)


def _draw_odd(line: Line, x: Axis, row: float, above: bool) -> Markup:
    """One series' row of odd values: a mark at both ends of a stretch, a line between."""
    parts: list[Markup] = []
    last: tuple[str | None, float] = (None, -math.inf)
    for kind, run in line.runs:
        if kind is None or (kind in ABOVE) != above:
            continue
        start, end = x.at(run[0][0]), x.at(run[-1][0])
        if end > start:
            parts.append(element("line", x1=start, x2=end, y1=row, y2=row))
        for at in (start, end):
            if last[0] != kind or at - last[1] >= 3:  # marks of a kind closer than 3 px are one blot
                parts.append(odd_mark(kind, at, row))
                last = (kind, at)
    return element("g", *parts, class_=line.class_)


def _strip(lines: Sequence[Line], x: Axis, top: float, above: bool) -> Markup:
    """The band of odd values with a row for each series that has some; nothing when none has."""
    affected = [line for line in lines if line.has(above)]
    if not affected:
        return Markup("")
    band = element("rect", x=x.start, y=top, width=x.end - x.start, height=ROW * len(affected), class_="strip")
    rows = [_draw_odd(line, x, top + ROW * (i + 0.5), above) for i, line in enumerate(affected)]
    return element("g", band, *rows)


def _reference(line: Reference, x: Axis, y: Axis, above: float, language: Language | None) -> Markup:
    """A thin line with its name: at the right end of a level line, over the plot (at `above`) for an upright one."""
    axis = y if line.axis == "y" else x
    if not axis.low <= line.at <= axis.high:
        return Markup("")  # no place on the axis (0 on a log scale, NaN); its number stands in the tables
    if line.axis == "y":
        at = y.at(line.at)
        return element(
            "g",
            element("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="reference"),
            label(line.name, x.end - 4, at - 5, language=language, class_="tick halo", anchor="end"),
        )
    at = x.at(line.at)
    offset, anchor = (5, "start") if at + width(line.name, FONT) + 8 < x.end else (-5, "end")
    return element(
        "g",
        element("line", x1=at, x2=at, y1=y.start, y2=above - 6, class_="reference"),
        label(line.name, at + offset, above - 8, language=language, class_="tick", anchor=anchor),
    )


def _legend(lines: Sequence[Line], top: float, language: Language | None) -> tuple[Markup, float]:
    """A sample of every line with its name, then the odd marks in use with their meaning; and the legend's height."""
    odd = sorted({kind for line in lines for kind, _ in line.runs if kind}, key=list(ODD_NAMES).index)
    entries: list[tuple[Markup, Words]] = []
    for line in lines:
        sample = element("line", x1=0, x2=34, y1=0, y2=0, stroke_dasharray=dash(line.index))
        entries.append((element("g", sample, marker(line.index, 17, 0), class_=line.class_), line.name))
    entries += [(element("g", odd_mark(kind, 17, 0), class_="series v1"), ODD_NAMES[kind]) for kind in odd]
    parts: list[Markup] = []
    at, row = 8.0, 0
    for sample, name in entries:
        needed = 34 + 8 + width(name, FONT) + 22
        if at > 8 and at + needed > WIDTH:
            at, row = 8.0, row + 1
        y = top + LEGEND_ROW * (row + 0.5)
        parts.append(element("g", sample, transform=f"translate({at:.1f} {y:.1f})"))
        parts.append(label(name, at + 42, y + 4, language=language))
        at += needed
    return element("g", *parts), LEGEND_ROW * (row + 1)


def _thinning_note(lines: Sequence[Line], y: float, language: Language | None) -> Markup:
    drawn, total = max(line.drawn for line in lines), max(line.total for line in lines)
    words = T(
        en=f"{number(total)} points a line, drawn as at most {number(drawn)}: every extreme, gap and end is kept.",
        ja=f"1本あたり{number(total)}点を最大{number(drawn)}点に間引いて描画（極値・欠け・両端はすべて残す）。",
    )
    return label(words, 8.0, y, language=language, class_="note")


def draw(chart: LineChart, *, language: Language | None = None, name: str = "") -> Markup:
    """The chart as an SVG element: legend on top, odd values in strips beside the plot, x axis below."""
    log = chart.scale == "log"
    lines = [_line(series, index, log) for index, series in enumerate(chart.series)]
    legend, used = _legend(lines, 4.0, language)
    above, below = (ROW * sum(line.has(side) for line in lines) for side in (True, False))
    top = 4 + used + 28 + above
    y = value_axis(
        [b for line in lines for kind, run in line.runs if kind is None for _, b in run]
        + [line.at for line in chart.references if line.axis == "y"],
        top + PLOT_HEIGHT,
        top,
        log=log,
        bounds=chart.bounds,
    )
    x = position_axis([a for line in lines for _, run in line.runs for a, _ in run], left_margin(y), WIDTH - RIGHT)
    bottom = y.start + below
    shifted = replace(y, end=top - above)
    parts = [legend, frame(x, y), _strip(lines, x, top - above, True), _strip(lines, x, y.start + 22, False)]
    parts += [_reference(line, x, y, top - above, language) for line in chart.references]
    parts += [_draw_line(line, x, y, len(lines)) for line in lines]
    height = bottom + (4 if below else 0) + 38
    parts.append(axis_titles(x, shifted, x_label=chart.x_label, y_label=chart.y_label, below=height, language=language))
    if any(line.drawn < line.total for line in lines):
        height += 20
        parts.append(_thinning_note(lines, height, language))
    return canvas(height + 8, parts, language=language, name=name)
