"""Documents as text for a terminal, in one language; charts as block characters with their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from denpa.draw.markup import columns, number_text, plain, shorten
from denpa.draw.outline import outline
from denpa.draw.points import intervals
from denpa.draw.thinning import thin_rows
from denpa.draw.units import network_scene
from denpa.explain.charts import (
    Chart,
    Contour,
    HeatMap,
    Histogram,
    LineChart,
    NetworkUnits,
    Scatter,
    Series,
    Surface,
    Thumbnails,
)
from denpa.explain.document import (
    Block,
    Cell,
    Document,
    Formula,
    Highlights,
    Language,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    Words,
    in_language,
)
from denpa.formatting import number

BARS = "▁▂▃▄▅▆▇█"
ROWS = 30  # of a folded table; the whole of it belongs on a page
CELL = 40  # columns of one cell
_POINTS = T(en="(points: {0})", ja="（{0}点）")
_OUTSIDE = T(en="outside this range: {0}", ja="この範囲の外：{0}")
_MORE = T(en="{0} of {1} rows shown", ja="全{1}行のうち{0}行を表示")


def _words(words: Words, language: Language) -> str:
    return plain(in_language(words, language))


def pad(text: str, size: int, right: bool = False) -> str:
    """`text` filled with spaces to `size` columns, full-width characters counted as two."""
    space = " " * (size - columns(text))
    return space + text if right else text + space


def wrap(text: str, size: int) -> Iterator[str]:
    """Lines of at most `size` columns: broken at spaces, and anywhere between full-width characters."""
    for paragraph in text.split("\n"):
        line = ""
        for word in _pieces(paragraph):
            if line and columns(line + word.rstrip()) > size:
                yield line.rstrip()
                line = word.lstrip()
            else:
                line += word
        yield line.rstrip()


def _pieces(text: str) -> Iterator[str]:
    """Words with the spaces after them; a full-width character is a piece of its own, with punctuation kept to it."""
    piece = ""
    for character in text:
        if piece and (piece[-1] == " " != character or (columns(piece[-1]) == 2 and character not in "、。」）!?")):
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _cell(cell: Cell, language: Language) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, (int, float)):
        return number(cell)
    if isinstance(cell, Number):
        return f"{number_text(cell)} {_words(cell.unit, language)}".rstrip()
    return shorten(_words(cell, language).replace("\n", " "), CELL)


def table_lines(table: Table, language: Language = "en") -> Iterator[str]:
    """A table alone, line by line: numbers to the right, a rule under the headings, thinned where it is folded."""
    kept = thin_rows(len(table.rows), ROWS, set(table.keep)) if table.folded else range(len(table.rows))
    rows = [[_cell(cell, language) for cell in table.rows[i]] for i in kept]
    heads = [_words(words, language) for words in table.headings]
    sizes = [max(columns(text) for text in column) for column in zip(heads, *rows, strict=True)]
    right = [
        bool(table.rows) and all(isinstance(row[j], (int, float, Number, type(None))) for row in table.rows)
        for j in range(len(heads))
    ]
    if table.caption:
        yield _words(table.caption, language)
    for line in (heads, ["─" * size for size in sizes], *rows):
        yield "  " + "  ".join(pad(*cell) for cell in zip(line, sizes, right, strict=True)).rstrip()
    if len(rows) < len(table.rows):
        yield "  " + _words(_MORE, language).format(len(rows), len(table.rows))


def spark(values: tuple[float, ...], size: int = 40, log: bool = False) -> str:
    """A line as block characters: one for each of `size` stretches (its last value), `×` for NaN, `!` for the rest."""
    parts = np.array_split(np.asarray(values, np.float64), max(min(size, len(values)), 1))
    chosen = [float(part[-1]) for part in parts if len(part)]
    usable = [v for v in chosen if math.isfinite(v) and (v > 0 or not log)]
    low, high = (min(usable), max(usable)) if usable else (0.0, 0.0)
    position = math.log10 if log else float
    span = position(high) - position(low) if usable else 0.0

    def sign(v: float) -> str:
        if math.isnan(v):
            return "×"
        if math.isinf(v) or (log and v <= 0):
            return "!"
        return BARS[round((position(v) - position(low)) / span * 7) if 0 < span < math.inf else 3]

    return "".join(map(sign, chosen))


def _line(series: Series, log: bool, names: int, language: Language) -> str:
    if not series.y:
        return f"  {_words(series.name, language)}  –"
    first, last = number(series.y[0]), number(series.y[-1])
    return f"  {pad(_words(series.name, language), names)}  {first} {spark(series.y, log=log)} {last}"


def _chart(chart: Chart, language: Language) -> Iterator[str]:
    match chart:
        case LineChart():
            yield f"{_words(chart.y_label, language)} / {_words(chart.x_label, language)}"
            names = max((columns(_words(series.name, language)) for series in chart.series), default=0)
            yield from (_line(series, chart.scale == "log", names, language) for series in chart.series)
        case HeatMap():
            heads = (f"{in_language(chart.row_label, language)}\\{in_language(chart.column_label, language)}",)
            rows = zip(chart.row_names, chart.counts, strict=True)
            if len(chart.column_names) <= 20:
                yield from table_lines(Table(heads + chart.column_names, tuple((n, *c) for n, c in rows)), language)
        case Scatter():
            points = _words(_POINTS, language).format(number(len(chart.x)))
            yield f"{_words(chart.y_label, language)} / {_words(chart.x_label, language)} {points}"
        case Histogram():
            counts, edges, outside = intervals(np.asarray(chart.values, np.float64), min(chart.bins, 16))
            for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
                bar = "█" * round(40 * int(count) / max(int(counts.max()), 1))
                yield f"  {number(float(low), 3):>9} … {number(float(high), 3):>9}  {count:>7}  {bar}".rstrip()
            if outside:
                yield "  " + _words(_OUTSIDE, language).format(outside)
        case Thumbnails():
            for image in chart.images:
                yield "  " + " · ".join(_words(words, language) for words in image.lines)
        case Contour() | Surface():
            yield f"{_words(chart.x_label, language)} / {_words(chart.y_label, language)}"
            for track in chart.tracks:
                ends = [(number(track.x[i]), number(track.y[i])) for i in (0, -1)] if track.x else []
                walk = " → ".join(f"({a}, {b})" for a, b in ends)
                yield f"  {_words(track.name, language)}  {walk} {_words(_POINTS, language).format(len(track.x))}"
        case NetworkUnits():
            yield from outline(network_scene(chart, language)).splitlines()


def _block(block: Block, language: Language, size: int) -> Iterator[str]:
    match block:
        case Text():
            head = {"warning": "⚠ ", "code": "  "}.get(block.kind, "")
            lines = _words(block.words, language)
            yield from (
                (head + line for line in lines.split("\n")) if block.kind == "code" else wrap(head + lines, size)
            )
        case Formula():
            yield "  " + plain(block.plain)
        case Table():
            yield from table_lines(block, language)
        case Highlights():
            rows = tuple((item.name, item.value, item.remark) for item in block.items)
            names = max((columns(_words(name, language)) for name, _, _ in rows), default=0)
            for name, value, remark in rows:
                words = (pad(_words(name, language), names), _cell(value, language), _words(remark, language))
                yield ("  " + "  ".join(words)).rstrip()
        case Picture():
            yield from wrap(_words(block.description, language), size)
            yield from _chart(block.chart, language)
        case Section():
            yield from _section(block, language, size, "─")


def _section(section: Section, language: Language, size: int, rule: str) -> Iterator[str]:
    title = _words(section.title, language)
    yield title
    yield rule * min(columns(title), size)
    for i, block in enumerate(section.blocks):
        if i:
            yield ""
        yield from _block(block, language, size)


def lines(document: Document, language: Language = "en", size: int = 100) -> Iterator[str]:
    """The document line by line; paragraphs are wrapped at `size` columns, tables are as wide as they are."""
    title = _words(document.title, language)
    yield title
    yield "═" * min(columns(title), size)
    for block in document.lead:
        yield from _block(block, language, size)
        yield ""
    for section in document.sections:
        yield ""
        yield from _section(section, language, size, "─")
