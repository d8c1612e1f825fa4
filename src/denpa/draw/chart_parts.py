"""What every chart is made of: the canvas, words in every language, axes with grid and ticks, markers.

Every colour is a class of `draw.style.CHART`, which a page has in its head and a file of its own inside the SVG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from denpa.draw.axes import Axis
from denpa.draw.markup import Markup, both, element, join
from denpa.draw.style import CHART_ALONE, LIGHT
from denpa.explain.words import Language, Words

WIDTH = 800.0  # pixels of every chart; a page scales it down on narrow screens
FONT = 12.0
RIGHT = 24.0  # margin: half of the widest tick label


def canvas(
    height: float, parts: Sequence[str], *, language: Language | None, name: str = "", width: float = WIDTH
) -> Markup:
    """The `svg` element.  For a file of its own (a language is given) with name space, title and style inside."""
    box = f"0 0 {width:.0f} {math.ceil(height)}"
    if language is None:
        return element("svg", *parts, class_="chart", viewBox=box, width=width, height=float(math.ceil(height)))
    return element(
        "svg",
        element("title", name) if name else Markup(""),
        element("style", Markup(CHART_ALONE)),  # the module's own text; has no < or &
        element("rect", width=width, height=height, fill=LIGHT["paper"]),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        viewBox=box,
        width=width,
        height=float(math.ceil(height)),
        role="img",
        lang=language,
    )


def label(
    words: Words,
    x: float,
    y: float,
    *,
    language: Language | None,
    class_: str | None = None,
    anchor: str = "start",
    turn: float = 0.0,
) -> Markup:
    """A line of text with its baseline at y; `turn` degrees around its own start."""
    return element(
        "text",
        both(words, "tspan", language),
        x=x,
        y=y,
        class_=class_,
        text_anchor=None if anchor == "start" else anchor,
        transform=f"rotate({turn:g} {x:.2f} {y:.2f})" if turn else None,
    )


_SHAPES = (
    "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",  # circle
    "M-3-3h6v6h-6z",  # square
    "M0-4.2l4.2 4.2l-4.2 4.2l-4.2-4.2z",  # diamond
    "M0-4l4 7h-8z",  # triangle
)


def marker(index: int, x: float, y: float) -> Markup:
    """The marker of the index-th series: four shapes, filled, then hollow."""
    hollow = index // len(_SHAPES) % 2
    place = f"translate({x:.1f} {y:.1f})"
    return element("path", d=_SHAPES[index % len(_SHAPES)], class_="open" if hollow else "solid", transform=place)


_ODD_SHAPES = {
    "nan": "M-4-4l8 8m0-8l-8 8",  # ×
    "high": "M-4 3l4-7l4 7z",  # ▵ beyond the top
    "low": "M-4-3l4 7l4-7z",
    "zero": "M-4-3l4 7l4-7zM-4 4h8",  # ▿ on a line: the axis ends here
    "negative": "M-4 0h8",
}


def odd_mark(kind: str, x: float, y: float) -> Markup:
    """The mark of a value that has no place on the axis."""
    return element("path", d=_ODD_SHAPES[kind], class_="alarm", transform=f"translate({x:.1f} {y:.1f})")


def frame(x: Axis, y: Axis) -> Markup:
    """Grid, ticks and axis lines.  The x axis runs along y.start."""
    left, right, bottom, top = x.start, x.end, y.start, y.end
    parts: list[Markup] = []
    for value, text in y.ticks:
        at = y.at(value)
        parts.append(element("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
        parts.append(element("text", text, x=left - 8, y=at + 4, text_anchor="end", class_="tick"))
    for value, text in x.ticks:
        at = x.at(value)
        parts.append(element("line", x1=at, x2=at, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(element("text", text, x=at, y=bottom + 18, text_anchor="middle", class_="tick"))
    parts.append(element("path", d=f"M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}", class_="axis"))
    return join(*parts)


def axis_titles(x: Axis, y: Axis, *, x_label: Words, y_label: Words, below: float, language: Language | None) -> Markup:
    """The x axis' name centred at height `below`, the y axis' name above the axis' end."""
    return join(
        label(x_label, (x.start + x.end) / 2, below, language=language, class_="title", anchor="middle"),
        label(y_label, 2.0, y.end - 10, language=language, class_="title"),
    )


def left_margin(y: Axis) -> float:
    """Room for the widest tick label of a y axis."""
    return 16 + max((6.8 * len(text) for _, text in y.ticks), default=0.0)
