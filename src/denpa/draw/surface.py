"""A function of two variables in height, as SVG: its sheet seen from above and aside, with the paths that lie on it.

Nearer cells are drawn over farther ones; the part of a path that the sheet hides is dotted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from denpa.draw.axes import linear_ticks
from denpa.draw.chart_parts import FONT, WIDTH, canvas, label, marker
from denpa.draw.linechart import LEGEND_ROW, dash
from denpa.draw.markup import Markup, element, join, width
from denpa.draw.style import TINTS
from denpa.draw.thinning import thin_line
from denpa.explain.charts import Surface, Track
from denpa.explain.words import Language, T
from denpa.formatting import number

CELLS = 32  # a side, at most: 1,024 small paths
TURN, TILT = math.radians(-35), math.radians(30)  # the floor's turn; how high the eye stands
SIDE, TALL = 250.0, 210.0  # px: half of the floor's longer side, the height of the sheet
LOOK = 96  # places on the way to the eye at which the sheet may stand before a point
MARKED = 40  # points of a path with a marker of its own

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]  # x and y in −1 … 1, the height in 0 … 1

_CUT = T(en="cut off at {0}", ja="{0} で切り取り")
_HIDDEN = T(en="dotted: behind the sheet", ja="点線：曲面の裏側")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where things stand on the page, and how high the sheet is.  low, high: of x, y and the height, in data."""

    x: Floats
    y: Floats
    heights: Floats
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    top: float  # px, of the plot

    def unit(self, axis: int, value: float) -> float:
        low, high = self.low[axis], self.high[axis]
        share = (value / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)  # halves: the span of two floats is finite
        return share if axis == 2 else 2 * share - 1

    def at(self, point: Point) -> tuple[float, float]:
        """The pixel of a point."""
        x, y, z = point
        across, away = x * math.cos(TURN) - y * math.sin(TURN), x * math.sin(TURN) + y * math.cos(TURN)
        middle = self.top + TALL * math.cos(TILT) + 1.42 * SIDE * math.sin(TILT)
        return WIDTH / 2 + SIDE * across, middle - SIDE * away * math.sin(TILT) - TALL * math.cos(TILT) * z

    def over(self, x: Floats, y: Floats) -> Floats:
        """The sheet's heights over places of the floor, between the grid's corners; NaN outside, and where there is
        none."""
        inside = (self.x[0] <= x) & (x <= self.x[-1]) & (self.y[0] <= y) & (y <= self.y[-1])
        i, j = (np.interp(v, axis, np.arange(len(axis))) for v, axis in ((x, self.x), (y, self.y)))
        a, b = np.minimum(i.astype(int), len(self.x) - 2), np.minimum(j.astype(int), len(self.y) - 2)
        u, v, z = i - a, j - b, np.where(np.isfinite(self.heights), self.heights, np.nan)
        upper, lower = (1 - u) * z[b, a] + u * z[b, a + 1], (1 - u) * z[b + 1, a] + u * z[b + 1, a + 1]
        return np.where(inside, (1 - v) * upper + v * lower, np.nan)

    def lifted(self, x: Floats, y: Floats) -> Floats:
        """The points (n, 3) of the sheet over places in −1 … 1; the height NaN where there is none."""
        places = (self.low[k] + (v + 1) * (self.high[k] / 2 - self.low[k] / 2) for k, v in ((0, x), (1, y)))
        return np.stack([x, y, np.array([self.unit(2, float(z)) for z in self.over(*places)])], axis=1)

    def hidden(self, point: Point) -> bool:
        """Whether the sheet stands between a point on it and the eye."""
        x, y, z = point
        far = np.linspace(0.06, 2.9, LOOK)
        px, py = x - far * math.sin(TURN), y - far * math.cos(TURN)
        inside = (np.abs(px) <= 1) & (np.abs(py) <= 1)
        ray = z + far * SIDE * math.tan(TILT) / TALL
        return bool((self.lifted(px[inside], py[inside])[:, 2] > ray[inside] + 0.01).any())


def _coarse(axis: Floats) -> list[int]:
    """Indices of the corners of at most CELLS cells (and a narrower last one), both ends among them."""
    every = -(-(len(axis) - 1) // CELLS)
    return [*range(0, len(axis) - 1, every), len(axis) - 1]


def _below(corners: list[Point]) -> list[Point]:
    """The part of a cell that is not above the plot's top (Sutherland and Hodgman 1974, one plane)."""
    kept: list[Point] = []
    for a, b in pairwise([*corners, corners[0]]):
        if a[2] <= 1:
            kept.append(a)
        if (a[2] <= 1) != (b[2] <= 1):
            share = (1 - a[2]) / (b[2] - a[2])
            kept.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), 1.0))
    return kept


def cells(scene: Scene) -> list[list[Point]]:
    """The sheet's cells, the farthest first.  A cell with a corner that is not finite is left out."""
    columns, rows = _coarse(scene.x), _coarse(scene.y)
    found: list[tuple[float, list[Point]]] = []
    for j, below in pairwise(rows):
        for i, right in pairwise(columns):
            corners = [
                (
                    scene.unit(0, float(scene.x[a])),
                    scene.unit(1, float(scene.y[b])),
                    scene.unit(2, float(scene.heights[b, a])),
                )
                for a, b in ((i, j), (right, j), (right, below), (i, below))
            ]
            if all(math.isfinite(z) for _, _, z in corners) and len(kept := _below(corners)) > 2:
                x, y = (sum(c[k] for c in corners) / 4 for k in (0, 1))
                found.append((x * math.sin(TURN) + y * math.cos(TURN), kept))
    return [kept for _, kept in sorted(found, key=lambda pair: -pair[0])]


def _sheet(scene: Scene) -> Markup:
    parts = []
    for corners in cells(scene):
        tint = min(int(sum(z for _, _, z in corners) / len(corners) * TINTS), TINTS - 1)
        path = "L".join("{:.1f} {:.1f}".format(*scene.at(c)) for c in corners)
        parts.append(element("path", d=f"M{path}z", class_=f"t{tint}"))
    return element("g", *parts, class_="sheet")


def _floor(scene: Scene, chart: Surface, language: Language | None) -> list[Markup]:
    """The floor's outline, and the three axes along its near sides and at the left corner."""
    corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
    outline = "L".join("{:.1f} {:.1f}".format(*scene.at((x, y, 0.0))) for x, y in corners)
    parts = [element("path", d=f"M{outline}z", class_="axis")]
    for axis, count in ((0, 5), (1, 5), (2, 5)):
        for value, text in linear_ticks(scene.low[axis], scene.high[axis], count):
            v = scene.unit(axis, value)
            place, dx, dy, anchor = (
                ((v, -1.0, 0.0), -4.0, 16.0, "end"),
                ((1.0, v, 0.0), 8.0, 14.0, "start"),
                ((-1.0, -1.0, v), -9.0, 4.0, "end"),
            )[axis]
            x, y = scene.at(place)
            ends = {"x1": x, "y1": y, "x2": x + math.copysign(5, dx), "y2": y + (4 if axis < 2 else 0)}
            parts += [element("line", class_="axis", **ends)]
            parts.append(element("text", text, x=x + dx, y=y + dy, text_anchor=anchor, class_="tick"))
    low, high = scene.at((-1.0, -1.0, 0.0)), scene.at((-1.0, -1.0, 1.0))
    parts.append(element("line", class_="axis", x1=low[0], y1=low[1], x2=high[0], y2=high[1]))
    for words, place, dx, dy, anchor in (
        (chart.x_label, (0.0, -1.0, 0.0), -40.0, 40.0, "end"),
        (chart.y_label, (1.0, 0.0, 0.0), 44.0, 36.0, "start"),
        (chart.z_label, (-1.0, -1.0, 1.0), -4.0, -14.0, "middle"),
    ):
        x, y = scene.at(place)
        parts.append(label(words, x + dx, y + dy, language=language, class_="title", anchor=anchor))
    return parts


def _track(track: Track, index: int, scene: Scene) -> Markup:
    """The path on the sheet.  Points outside of the plot, or where the sheet has no height, are left out."""
    x, y = (np.array(values, np.float64) for values in (track.x, track.y))
    kept = np.isfinite(x) & np.isfinite(y)
    unit = [np.array([scene.unit(k, float(v)) for v in values[kept]]) for k, values in ((0, x), (1, y))]
    points = scene.lifted(*unit)
    points = points[points[:, 2] <= 1]
    points = points[thin_line(points[:, 2])]
    if not len(points):
        return Markup("")
    places = [points[:1, :2]]
    for start, end in pairwise(points[:, :2]):  # on a long step the sheet rises and falls
        steps = math.ceil(min(max(24 * math.dist(start, end), 1), 24))
        places.append(start + (end - start) * np.linspace(0, 1, steps + 1)[1:, None])
    fine = [_point(p) for p in scene.lifted(*np.concatenate(places).T) if p[2] <= 1]
    seen = [scene.hidden(p) for p in fine]
    parts: list[Markup] = []
    for hidden, group in groupby(range(len(fine) - 1), key=lambda k: seen[k] or seen[k + 1]):
        run = list(group)
        line = " ".join("{:.1f},{:.1f}".format(*scene.at(fine[k])) for k in [*run, run[-1] + 1])
        broken = "1 4" if hidden else dash(index)
        parts.append(element("polyline", points=line, stroke_dasharray=broken, opacity=0.7 if hidden else None))
    dots = [_point(p) for p in points[:: max(1, len(points) // MARKED)]]
    parts += [marker(index, *scene.at(p)) for p in dots if not scene.hidden(p)]
    return element("g", *parts, class_=f"series g{index % 8}")


def _point(values: Floats) -> Point:
    x, y, z = values.tolist()
    return x, y, z


def _legend(chart: Surface, top: float | None, language: Language | None) -> tuple[list[Markup], float]:
    parts: list[Markup] = []
    for i, track in enumerate(chart.tracks):
        at = 4 + LEGEND_ROW * (i + 0.5)
        sample = element("line", x1=8, x2=42, y1=at, y2=at, stroke_dasharray=dash(i))
        parts.append(element("g", sample, marker(i, 25, at), class_=f"series g{i % 8}"))
        parts.append(label(track.name, 50, at + 4, language=language))
    notes = [_HIDDEN] if chart.tracks else []
    if top is not None:
        notes.append(T(en=_CUT.en.format(number(top, 3)), ja=_CUT.ja.format(number(top, 3))))
    for k, words in enumerate(notes):
        at = WIDTH - 12.0
        parts.append(label(words, at, 4 + LEGEND_ROW * (k + 0.7), language=language, class_="note", anchor="end"))
    return parts, 4 + LEGEND_ROW * max(len(chart.tracks), len(notes))


def draw(chart: Surface, *, language: Language | None = None, name: str = "") -> Markup:
    """The chart as an SVG element: legend on top, the sheet with its paths below."""
    xs, ys = np.asarray(chart.x, np.float64), np.asarray(chart.y, np.float64)
    heights = np.asarray(chart.heights, np.float64).reshape(len(ys), len(xs))
    finite = heights[np.isfinite(heights)]
    low, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    high = most if chart.top is None else min(chart.top, most)
    if not low < high:
        low, high = low - (abs(low) * 0.1 or 0.5), low + (abs(low) * 0.1 or 0.5)
    legend, used = _legend(chart, high if high < most else None, language)
    scene = Scene(xs, ys, heights, (float(xs[0]), float(ys[0]), low), (float(xs[-1]), float(ys[-1]), high), 0.0)
    highest = min(scene.at(c)[1] for c in [(-1.0, -1.0, 1.0), *(c for corners in cells(scene) for c in corners)])
    scene = replace(scene, top=used + 30 - highest)
    parts = [*legend, *_floor(scene, chart, language), _sheet(scene)]
    parts += [_track(track, i, scene) for i, track in enumerate(chart.tracks)]
    bottom = scene.at((1.0, -1.0, 0.0))[1]
    wide = max([WIDTH, *(62 + width(t.name, FONT) + width(_HIDDEN, FONT) for t in chart.tracks)])
    return canvas(bottom + 34, [join(*parts)], language=language, name=name, width=wide)
