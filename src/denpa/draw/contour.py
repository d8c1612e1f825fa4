"""Contour charts as SVG: lines of equal height by marching squares, the heights as a tint, and the paths on top."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from denpa.draw.axes import Axis, linear_ticks
from denpa.draw.chart_parts import FONT, WIDTH, axis_titles, canvas, frame, label, left_margin, marker
from denpa.draw.heatmap import BLUE
from denpa.draw.linechart import LEGEND_ROW, dash
from denpa.draw.markup import Markup, element, width
from denpa.draw.png import data_uri
from denpa.draw.thinning import thin_line
from denpa.explain.charts import Contour, Track
from denpa.explain.words import Language
from denpa.formatting import number

HEIGHT, SIDE = 380.0, 560.0  # pixels of the plot
NAMED = 4  # at most so many levels carry their height
SHOWN = 60  # points of a track with a marker of its own

Floats = npt.NDArray[np.float64]


def segments(x: Floats, y: Floats, heights: Floats, level: float) -> Floats:
    """The level line as pieces (count, 2 ends, 2): where it crosses the sides of each square of the grid.

    x (columns,), y (rows,), heights (rows, columns).  A square with four crossings is a saddle: its mean height says
    which corners belong together.  Squares with a corner that is not finite have no line.
    Source: W. Lorensen, H. Cline, SIGGRAPH 1987, in two dimensions.
    """
    z = heights - level
    a, b, c, d = z[:-1, :-1], z[:-1, 1:], z[1:, 1:], z[1:, :-1]  # corners, around the square
    corners = np.stack([a, b, c, d])
    usable = np.isfinite(corners).all(axis=0)
    above = corners > 0
    x0, x1, y0, y1 = x[None, :-1], x[None, 1:], y[:-1, None], y[1:, None]
    shape = a.shape
    with np.errstate(all="ignore"):
        share = [a / (a - b), b / (b - c), c / (c - d), d / (d - a)]
        points = [
            (x0 + (x1 - x0) * share[0], y0 + 0 * share[0]),
            (x1 + 0 * share[1], y0 + (y1 - y0) * share[1]),
            (x1 + (x0 - x1) * share[2], y1 + 0 * share[2]),
            (x0 + 0 * share[3], y1 + (y0 - y1) * share[3]),
        ]
        middle = corners.mean(axis=0) > 0
    crossed = [(above[i] != above[(i + 1) % 4]) & usable for i in range(4)]
    four = crossed[0] & crossed[1] & crossed[2] & crossed[3]
    pieces: list[Floats] = []
    for i in range(4):
        for j in range(i + 1, 4):
            pair = crossed[i] & crossed[j] & ~four
            # Sides k − 1 and k meet in corner k.  A saddle's line cuts off the corners that differ from its middle.
            corner = j if j == i + 1 else 0 if (i, j) == (0, 3) else None
            if corner is not None:
                pair = pair | (four & (above[corner] != middle))
            ends = [np.broadcast_to(v, shape)[pair] for v in (*points[i], *points[j])]
            pieces.append(np.stack(ends, axis=-1).reshape(-1, 2, 2))
    return np.concatenate(pieces)


def _tint(heights: Floats, x: Axis, y: Axis) -> Markup:
    """The rank of each height as a tint: lowest strongest, where the ball comes to rest."""
    finite = np.isfinite(heights)
    ranks = np.zeros(heights.shape)
    order = np.unique(heights[finite])
    if len(order):
        ranks[finite] = 1 - np.searchsorted(order, heights[finite]) / len(order)
    alpha = np.round(90 * ranks).astype(np.uint8)[::-1]
    rows, columns = alpha.shape
    pixels = np.concatenate([np.broadcast_to(np.array(BLUE, np.uint8), (rows, columns, 3)), alpha[..., None]], axis=2)
    area = {"x": x.start, "y": y.end, "width": x.end - x.start, "height": y.start - y.end}
    return element("image", href=data_uri(pixels), preserveAspectRatio="none", **area)


def _level(pieces: Floats, x: Axis, y: Axis) -> Markup:
    path = "".join(f"M{x.at(a):.1f} {y.at(b):.1f}L{x.at(c):.1f} {y.at(d):.1f}" for a, b, c, d in pieces.reshape(-1, 4))
    return element("path", d=path, stroke_width=1.0)


def _height(pieces: Floats, level: float, turn: int, x: Axis, y: Axis, language: Language | None) -> Markup:
    """The height beside its line: each level in a direction of its own from the middle, so that few lie on another."""
    ends = pieces[:, 0]
    angle = math.tau * turn / NAMED + 0.6
    away = (ends - ends.mean(axis=0)) @ np.array([math.cos(angle), math.sin(angle)])
    at = ends[int(np.argmax(away))]
    text = number(level, 3)
    half = width(text, FONT) / 2 + 4
    px = min(max(x.at(float(at[0])), x.start + half), x.end - half)
    py = min(max(y.at(float(at[1])), y.end + 14), y.start - 8)
    return label(text, px, py, language=language, class_="tick halo", anchor="middle")


def _track(track: Track, index: int, x: Axis, y: Axis) -> Markup:
    """Points outside of the map are left out: the path leaves it there, and the numbers stand in the tables."""
    points = [
        (a, b)
        for a, b in zip(track.x, track.y, strict=True)
        if math.isfinite(a) and math.isfinite(b) and x.low <= a <= x.high and y.low <= b <= y.high
    ]
    kept = thin_line(np.array([b for _, b in points]))
    pixels = [(x.at(points[i][0]), y.at(points[i][1])) for i in kept]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in pixels)
    dots = [marker(index, a, b) for a, b in pixels[:: max(1, len(pixels) // SHOWN)]]
    path = element("polyline", points=line, stroke_dasharray=dash(index))
    return element("g", path, *dots, class_=f"series g{index % 8}")


def draw(chart: Contour, *, language: Language | None = None, name: str = "") -> Markup:
    """The chart as an SVG element: legend of the paths on top, the map below it."""
    xs, ys = np.asarray(chart.x, np.float64), np.asarray(chart.y, np.float64)
    heights = np.asarray(chart.heights, np.float64).reshape(len(ys), len(xs))
    top = 34 + LEGEND_ROW * len(chart.tracks)
    y = Axis(float(ys[0]), float(ys[-1]), top + HEIGHT, top, False, linear_ticks(float(ys[0]), float(ys[-1])))
    left = left_margin(y)
    x = Axis(float(xs[0]), float(xs[-1]), left, left + SIDE, False, linear_ticks(float(xs[0]), float(xs[-1]), 8))
    lines = [(level, segments(xs, ys, heights, level)) for level in chart.levels]
    lines = [(level, pieces) for level, pieces in lines if len(pieces)]
    named = lines[:: max(1, math.ceil(len(lines) / NAMED))]
    parts = [frame(x, y), _tint(heights, x, y)]
    parts.append(element("g", *(_level(pieces, x, y) for _, pieces in lines), class_="series v6"))
    parts += [_track(track, i, x, y) for i, track in enumerate(chart.tracks)]
    parts += [_height(pieces, level, i, x, y, language) for i, (level, pieces) in enumerate(named)]
    for i, track in enumerate(chart.tracks):
        at = 4 + LEGEND_ROW * (i + 0.5)
        sample = element("line", x1=8, x2=42, y1=at, y2=at, stroke_dasharray=dash(i))
        parts.append(element("g", sample, marker(i, 25, at), class_=f"series g{i % 8}"))
        parts.append(label(track.name, 50, at + 4, language=language))
    below = y.start + 38
    parts.append(axis_titles(x, y, x_label=chart.x_label, y_label=chart.y_label, below=below, language=language))
    used = max(left + SIDE + 24, max((50 + width(t.name, FONT) for t in chart.tracks), default=0.0))
    return canvas(below + 10, parts, language=language, name=name, width=max(WIDTH, used))
