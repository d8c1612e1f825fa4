"""Charts as SVG: the one door to the drawing of any `explain.charts` value.  Pure Python, no dependency but NumPy."""

from __future__ import annotations

from denpa.draw import contour, heatmap, linechart, points, surface, svg as graphs
from denpa.draw.chart_parts import WIDTH, canvas, label
from denpa.draw.markup import Markup, element, join
from denpa.draw.png import data_uri, to_bytes
from denpa.draw.units import network_scene
from denpa.explain.charts import (
    Chart,
    Contour,
    HeatMap,
    Histogram,
    LineChart,
    NetworkUnits,
    Scatter,
    Surface,
    Thumbnail,
    Thumbnails,
)
from denpa.explain.words import LANGUAGES, Language, Words, in_language

LARGEST = 96  # pixels a side of an embedded image: an 8-bit colour one takes at most 37 kB as base64


def embed(image: Thumbnail) -> tuple[str, tuple[int, int], int]:
    """The image as a `data:` address, its size in pixels (width, height), and of how many rows and columns one was kept
    (1: all)."""
    pixels = to_bytes(image.pixels, image.low, image.high)
    every = max(1, -(-max(pixels.shape[:2]) // LARGEST))
    pixels = pixels[::every, ::every]
    return data_uri(pixels), (pixels.shape[1], pixels.shape[0]), every


def thumbnail(image: Thumbnail, side: float = 84.0) -> Markup:
    """One image as an SVG element of `side` pixels a side; its pixels keep their edges and its proportions stay."""
    address, _, _ = embed(image)
    picture = element("image", href=address, width=side, height=side, image_rendering="pixelated")
    return element("svg", picture, viewBox=f"0 0 {side:g} {side:g}", width=side, height=side)


def _strip(chart: Thumbnails, *, language: Language | None, name: str) -> Markup:
    """All images in rows, with their lines of text under each."""
    cell, side = 112.0, 84.0
    a_row = int(WIDTH // cell)
    lines = max((len(image.lines) for image in chart.images), default=0)
    row = side + 16 * lines + 18
    parts: list[Markup] = []
    for number, image in enumerate(chart.images):
        x, y = number % a_row * cell + 8, number // a_row * row + 8
        address, _, _ = embed(image)
        parts.append(element("image", href=address, x=x, y=y, width=side, height=side, image_rendering="pixelated"))
        parts += [
            label(words, x, y + side + 16 * (i + 1), language=language, class_="tick")
            for i, words in enumerate(image.lines)
        ]
    rows = -(-len(chart.images) // a_row)
    return canvas(rows * row + 8, parts, language=language, name=name)


def network(chart: NetworkUnits, prefix: str = "") -> Markup:
    """One picture in each language, for a page to choose from.  prefix: of their ids, where a page has several."""
    pictures = [
        element(
            "div", graphs.render(network_scene(chart, code), "auto", prefix=f"{prefix}{code}-"), class_=code, lang=code
        )
        for code in LANGUAGES
    ]
    return element("div", join(*pictures), class_="wide")


def svg(chart: Chart, *, language: Language | None = None, name: Words = "") -> str:  # noqa: PLR0911  one a kind of chart
    """The chart as SVG text.

    `language` "en" or "ja": a complete file of its own, `name` its title.  None: an element to be put into a page that
    has `style.PAGE`, with the words in every language for the page to choose from.
    """
    title = in_language(name, language) if language else ""
    match chart:
        case LineChart():
            return linechart.draw(chart, language=language, name=title)
        case HeatMap():
            return heatmap.draw(chart, language=language, name=title)
        case Scatter():
            return points.draw_scatter(chart, language=language, name=title)
        case Histogram():
            return points.draw_histogram(chart, language=language, name=title)
        case Thumbnails():
            return _strip(chart, language=language, name=title)
        case Contour():
            return contour.draw(chart, language=language, name=title)
        case Surface():
            return surface.draw(chart, language=language, name=title)
        case NetworkUnits():
            return graphs.render(network_scene(chart, language, title), "light") if language else network(chart)
