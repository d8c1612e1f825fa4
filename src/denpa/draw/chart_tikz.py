"""Charts as TikZ: the chart's own SVG, element by element, with the colours its style sheet gives each of them.

Knows what denpa's charts are made of: lines, polylines, paths of M L H V C and half circles, rectangles, circles, text,
small images, groups that are moved.  UsageError for anything else.
"""

from __future__ import annotations

import base64
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from itertools import groupby

from denpa.draw.latex_text import text
from denpa.draw.png import decode
from denpa.draw.style import CHART_ALONE
from denpa.errors import UsageError

POINT = 0.75  # bp a pixel
PIXELS = 64  # a side of an image; larger ones are drawn with fewer
SHADES = 16  # of a pixel's colour, so that neighbours alike become one rectangle

_NAMESPACE = "{http://www.w3.org/2000/svg}"
Style = dict[str, str]


def picture(chart: str) -> tuple[str, float, float]:
    """The chart's SVG (a file of its own) as one tikzpicture, its width and its height in pixels.  Needs tikz."""
    root = ET.fromstring(chart)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    lines = ["\\begin{tikzpicture}[x=0.75bp,y=-0.75bp,font=\\sffamily\\fontsize{9}{10}\\selectfont]"]
    lines.append(f"\\useasboundingbox (0,0) rectangle ({_n(width)},{_n(height)});")
    for child in root:
        lines += _element(child, ["chart"], {}, (0.0, 0.0))
    return "\n".join([*lines, "\\end{tikzpicture}"]), width, height


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


@cache
def _rules() -> list[tuple[list[str], Style]]:
    """The style sheet: the classes of each selector, outermost first, and what they set."""
    rules = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CHART_ALONE):
        style = dict(part.split(":", 1) for part in body.strip().split(";") if ":" in part)
        rules += [([c.lstrip(".") for c in s.split()], style) for s in selectors.strip().split(",")]
    return sorted(rules, key=lambda rule: len(rule[0]))  # the longer selector wins


def _style(element: ET.Element, classes: list[str], inherited: Style) -> Style:
    """What holds for an element: inherited, its own attributes, and rules whose last class is its own."""
    own = element.get("class", "").split()
    style = {**inherited, **{k: v for k, v in element.attrib.items() if k in _PROPERTIES}}
    for selector, found in _rules():
        if selector[-1] in own and all(c in classes or c in own for c in selector[:-1]):
            style |= found
    return style


_PROPERTIES = frozenset(
    ("stroke", "stroke-width", "stroke-dasharray", "fill", "fill-opacity", "opacity", "font-size", "text-anchor")
)


def _element(element: ET.Element, classes: list[str], inherited: Style, shift: tuple[float, float]) -> Iterator[str]:
    name = element.tag.removeprefix(_NAMESPACE)
    if name in ("title", "desc", "style"):
        return
    style = _style(element, classes, inherited)
    transform = element.get("transform", "")
    if moved := re.match(r"translate\((\S+) (\S+)\)", transform):
        shift = shift[0] + float(moved[1]), shift[1] + float(moved[2])
    if name == "g":
        inside = [*classes, *element.get("class", "").split()]
        for child in element:
            yield from _element(child, inside, style, shift)
    elif name == "text":
        yield from _text(element, style, shift)
    elif name == "image":
        yield from _image(element, shift)
    elif path := _path(name, element, shift):
        options = _options(style, filled=name not in ("line", "polyline"))
        if options:
            yield f"\\path[{','.join(options)}] {path};"


def _path(name: str, element: ET.Element, shift: tuple[float, float]) -> str:
    def at(x: str, y: str) -> str:
        return f"({_n(float(element.get(x, '0').rstrip('%')) + shift[0])},{_n(float(element.get(y, '0')) + shift[1])})"

    match name:
        case "line":
            return f"{at('x1', 'y1')} -- {at('x2', 'y2')}"
        case "rect":
            return f"{at('x', 'y')} rectangle ++({element.get('width')},{element.get('height')})"
        case "circle":
            return f"{at('cx', 'cy')} circle[radius={element.get('r')}]"
        case "polyline":
            pairs = [tuple(map(float, pair.split(","))) for pair in element.get("points", "").split()]
            return " -- ".join(f"({_n(x + shift[0])},{_n(y + shift[1])})" for x, y in pairs) if len(pairs) > 1 else ""
        case "path":
            return _outline(element.get("d", ""), shift)
    raise UsageError("charts have no such element", got=name)


def _outline(d: str, shift: tuple[float, float]) -> str:
    """A path's commands; a relative one is added to the point before it."""
    parts: list[str] = []
    x = y = 0.0
    for command, rest in re.findall(r"([a-zA-Z])([^a-zA-Z]*)", d):
        numbers = [float(v) for v in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        if command in "zZ":
            parts.append("-- cycle")
            continue
        count = {"h": 1, "v": 1, "a": 7, "c": 6}.get(command.lower(), 2)
        for i in range(0, len(numbers), count):
            values = numbers[i : i + count]
            base = (x, y) if command.islower() else (0.0, 0.0)
            before = (x, y)
            match command.lower():
                case "h":
                    x = base[0] + values[0]
                case "v":
                    y = base[1] + values[0]
                case _:
                    x, y = base[0] + values[-2], base[1] + values[-1]
            place = f"({_n(x + shift[0])},{_n(y + shift[1])})"
            if command.lower() == "a":
                parts.append(_half_circle(before, (x, y), values[0]))
            elif command.lower() == "c":
                controls = [
                    f"({_n(base[0] + values[k] + shift[0])},{_n(base[1] + values[k + 1] + shift[1])})" for k in (0, 2)
                ]
                parts.append(f".. controls {controls[0]} and {controls[1]} .. {place}")
            else:
                parts.append(place if command in "mM" and i == 0 else f"-- {place}")
    return " ".join(parts)


def _half_circle(start: tuple[float, float], end: tuple[float, float], radius: float) -> str:
    angle = math.degrees(math.atan2(start[1] - end[1], start[0] - end[0]))
    if not math.isclose(math.dist(start, end), 2 * radius, rel_tol=1e-3):
        raise UsageError("only half circles can be written as TikZ", got=f"radius {radius}")
    return f"arc[start angle={_n(angle)},delta angle=180,radius={_n(radius)}]"


def _colour(value: str) -> str:
    red, green, blue = bytes.fromhex(value.lstrip("#"))
    return f"{{rgb,255:red,{red};green,{green};blue,{blue}}}"


def _options(style: Style, filled: bool) -> list[str]:
    """TikZ's options of a path; none when nothing of it is seen."""
    options = []
    fill, stroke = style.get("fill", "none") if filled else "none", style.get("stroke", "none")
    if fill != "none":
        options.append(f"fill={_colour(fill)}")
        if "fill-opacity" in style:
            options.append(f"fill opacity={style['fill-opacity']}")
    if stroke != "none":
        width = float(style.get("stroke-width", "1").removesuffix("px"))
        options += [f"draw={_colour(stroke)}", f"line width={_n(width * POINT)}bp", "line join=round"]
        if style.get("stroke-dasharray", "none") != "none":
            lengths = [f"{_n(float(v) * POINT)}bp" for v in re.split(r"[ ,]+", style["stroke-dasharray"])]
            pairs = zip(lengths[::2], lengths[1::2], strict=True)
            options.append("dash pattern=" + " ".join(f"on {on} off {off}" for on, off in pairs))
    if options and "opacity" in style:
        options.append(f"opacity={style['opacity']}")
    return options


def _text(element: ET.Element, style: Style, shift: tuple[float, float]) -> Iterator[str]:
    words = "".join(element.itertext())
    x, y = float(element.get("x", "0")) + shift[0], float(element.get("y", "0")) + shift[1]
    anchor = {"middle": "base", "end": "base east"}.get(element.get("text-anchor", ""), "base west")
    options = [f"anchor={anchor}", "inner sep=0pt", f"text={_colour(style.get('fill', '#1b1f24'))}"]
    if turned := re.match(r"rotate\((\S+) ", element.get("transform", "")):
        options.append(f"rotate={_n(-float(turned[1]))}")
    if "font-size" in style and (size := float(style["font-size"]) * POINT):
        options.append(f"font=\\sffamily\\fontsize{{{_n(size)}}}{{{_n(1.1 * size)}}}\\selectfont")
    if "paint-order" in style:
        options += ["fill=white", "fill opacity=0.8", "text opacity=1", "inner sep=1pt"]
    if words.strip():
        yield f"\\node[{','.join(options)}] at ({_n(x)},{_n(y)}) {{{text(words)}}};"


def _image(element: ET.Element, shift: tuple[float, float]) -> Iterator[str]:
    """Pixels as rectangles, a run of one colour as one; transparent ones are left out."""
    pixels = decode(base64.b64decode(element.get("href", "").partition(",")[2]))
    every = max(1, -(-max(pixels.shape[:2]) // PIXELS))
    pixels = pixels[::every, ::every]
    rows, columns = pixels.shape[:2]
    x, y, width, height = (float(element.get(k, "0")) for k in ("x", "y", "width", "height"))
    across, down = width / columns, height / rows
    if element.get("preserveAspectRatio") != "none":  # as SVG does it: as large as fits, in the middle
        across = down = min(across, down)
        x, y = x + (width - across * columns) / 2, y + (height - down * rows) / 2
    for j, row in enumerate(pixels):
        at = 0
        for colour, run in groupby(map(_blended, row.tolist())):
            count = len(list(run))
            if colour != (255, 255, 255):
                left, top = x + shift[0] + at * across, y + shift[1] + j * down
                red, green, blue = colour
                place = f"({_n(left)},{_n(top)}) rectangle ++({_n(count * across + 0.1)},{_n(down + 0.1)})"
                yield f"\\fill[color={{rgb,255:red,{red};green,{green};blue,{blue}}}] {place};"
            at += count


def _blended(pixel: list[int]) -> tuple[int, int, int]:
    """A pixel on white paper, in few shades."""
    red, green, blue, alpha = pixel
    step = 255 / (SHADES - 1)
    if alpha == 255:
        return tuple(round(round(c / step) * step) for c in (red, green, blue))  # type: ignore[return-value]
    share = round(alpha / step) * step / 255
    return tuple(round(255 + (c - 255) * share) for c in (red, green, blue))  # type: ignore[return-value]
