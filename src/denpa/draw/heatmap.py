"""Heat maps of counts as SVG: each cell coloured by its share of the row, and its count written in it where it fits."""

from __future__ import annotations

import math

import numpy as np

from denpa.arrays import Array
from denpa.draw.chart_parts import FONT, WIDTH, canvas, label
from denpa.draw.markup import Markup, element, shorten, width
from denpa.draw.png import data_uri
from denpa.explain.charts import HeatMap
from denpa.explain.words import LANGUAGES, Language, T, Words, in_language
from denpa.formatting import number

WRITTEN = 20  # rows or columns up to which counts and every name are written; beyond, the cells are one image
SIDE = 460.0  # pixels the cells may take
EXPONENT = 0.5  # the colour follows the square root of the share, so that rare mistakes are seen beside the diagonal
NAME_COLUMNS = 14  # of a name beside the cells; the tables have it in full
BLUE = (0, 114, 178)  # #0072B2

EMPTY = T(en="no rows", ja="該当なし")
LEGEND = T(en="share of the row", ja="行に占める割合")


def shares(counts: Array) -> Array:
    """Each count as a share of its row, (rows, columns) float64; a row without any count is 0 throughout."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)


def _short(words: Words) -> Words:
    if isinstance(words, str):
        return shorten(words, NAME_COLUMNS)
    return T(**{code: shorten(in_language(words, code), NAME_COLUMNS) for code in LANGUAGES})


def _written(counts: Array, left: float, top: float, cell: float) -> list[Markup]:
    parts: list[Markup] = []
    strength = shares(counts) ** EXPONENT
    font = min(FONT, 1.5 * cell / max(len(str(counts.max(initial=0))), 3))  # the longest count fits its cell
    for i, j in np.ndindex(*counts.shape):
        x, y, tone = left + j * cell, top + i * cell, float(strength[i, j])
        box = {"x": x + 0.5, "y": y + 0.5, "width": cell - 1, "height": cell - 1}
        parts.append(element("rect", class_="cell", fill_opacity=max(tone, 0.04), **box))
        if counts[i, j] or i == j:
            text = number(int(counts[i, j])) if font == FONT else str(counts[i, j])
            tint = "inverse" if tone > 0.5 else None
            at = {"x": x + cell / 2, "y": y + cell / 2 + font * 0.36}
            parts.append(element("text", text, class_=tint, text_anchor="middle", font_size=font, **at))
    return parts


def _image(counts: Array, left: float, top: float, cell: float) -> list[Markup]:
    """All cells as one image of a pixel each, transparent where the share is 0."""
    rows, columns = counts.shape
    alpha = np.round(255 * shares(counts) ** EXPONENT).astype(np.uint8)
    pixels = np.concatenate([np.broadcast_to(np.array(BLUE, np.uint8), (rows, columns, 3)), alpha[..., None]], axis=2)
    area = {"x": left, "y": top, "width": columns * cell, "height": rows * cell}
    picture = element("image", href=data_uri(pixels), preserveAspectRatio="none", image_rendering="pixelated", **area)
    return [picture, element("rect", class_="empty", **area)]


def _marks(counts: Array, left: float, top: float, cell: float, language: Language | None) -> list[Markup]:
    """A border around each cell of the diagonal, and around a row that has no counts its reason."""
    rows, columns = counts.shape
    if rows > WRITTEN or columns > WRITTEN:
        return []
    parts = [
        element("rect", class_="diagonal", x=left + i * cell, y=top + i * cell, width=cell, height=cell)
        for i in range(min(rows, columns) if rows == columns else 0)
    ]
    for i in np.flatnonzero(counts.sum(axis=1) == 0):
        box = {"x": left + 1, "y": top + i * cell + 3, "width": columns * cell - 2, "height": cell - 6}
        parts.append(element("rect", class_="empty", **box))
        parts.append(
            label(EMPTY, left + columns * cell + 8, top + (i + 0.5) * cell + 4, language=language, class_="note")
        )
    return parts


def _names(
    chart: HeatMap, left: float, top: float, cell: float, *, slanted: bool, language: Language | None
) -> list[Markup]:
    """Names of rows (left) and columns (above), every n-th where they would touch."""
    every = max(1, math.ceil(13 / cell))
    parts: list[Markup] = []
    for i in range(0, len(chart.row_names), every):
        at = top + (i + 0.5) * cell + 4
        parts.append(label(_short(chart.row_names[i]), left - 8, at, language=language, class_="tick", anchor="end"))
    for j in range(0, len(chart.column_names), every):
        at, name = left + (j + 0.5) * cell, _short(chart.column_names[j])
        if slanted:
            parts.append(label(name, at + 4, top - 6, language=language, class_="tick", turn=-60))
        else:
            parts.append(label(name, at, top - 6, language=language, class_="tick", anchor="middle"))
    return parts


def _key(x: float, y: float, language: Language | None) -> list[Markup]:
    """The colour scale: five swatches with the share they stand for."""
    parts = [label(LEGEND, x, y - 8, language=language, class_="note")]
    for step, share in enumerate((1.0, 0.5, 0.25, 0.05, 0.01)):
        at = y + 18 * step
        tone = max(share**EXPONENT, 0.04)
        parts.append(element("rect", class_="cell", fill_opacity=tone, x=x, y=at, width=22, height=14))
        parts.append(element("text", f"{100 * share:g} %", class_="tick", x=x + 30, y=at + 11))
    return parts


def draw(chart: HeatMap, *, language: Language | None = None, name: str = "") -> Markup:
    """The heat map as an SVG element: row names left, column names above, the colour scale on the right."""
    counts = np.array(chart.counts, dtype=np.int64).reshape(len(chart.row_names), len(chart.column_names))
    rows, columns = counts.shape
    cell = min(38.0, SIDE / max(rows, columns, 1))
    row_width = max((width(_short(words), FONT) for words in chart.row_names), default=0.0)
    column_width = max((width(_short(words), FONT) for words in chart.column_names), default=0.0)
    slanted = column_width > cell - 4
    left = 24 + max(row_width, width(chart.row_label, FONT))
    top = 30 + (column_width * 0.87 if slanted else 12)
    above_names = column_width * 0.87 + 14 if slanted else 24
    whole = rows <= WRITTEN and columns <= WRITTEN
    parts = [
        label(chart.row_label, 4, top - 6, language=language, class_="title"),
        label(chart.column_label, left, top - above_names, language=language, class_="title"),
        *(_written if whole else _image)(counts, left, top, cell),
        *_marks(counts, left, top, cell, language),
        *_names(chart, left, top, cell, slanted=slanted, language=language),
        *_key(min(left + columns * cell + 70, WIDTH - 110), top + 8, language),
    ]
    return canvas(top + max(rows * cell, 110) + 30, parts, language=language, name=name)
