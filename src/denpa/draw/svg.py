"""Scenes as SVG: plain SVG 1.1 features only, scaled to its place and never clipped, light, dark or as the page is.

Every part has a class and `data-key`; `data-at` is the step at which it becomes known, which is all the player needs.
Style rules are scoped to the picture, so that a page may hold several.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Literal, TypeAlias

from denpa.draw.markup import Markup, attribute, element, escape, join, runs
from denpa.draw.scene import (
    CELL,
    FONT,
    NEUTRAL,
    ROW,
    SMALL,
    Bead,
    Box,
    Frame,
    Pill,
    Row,
    Sample,
    Scene,
    Strip,
    Wire,
    state,
)
from denpa.draw.style import DARK, FONTS, LIGHT

Theme: TypeAlias = Literal["light", "dark", "auto"]
THEMES: tuple[Theme, ...] = ("light", "dark", "auto")

PALETTE = LIGHT | {
    "line": "#565869", "capsule": "#ffffff", "input": "#eaf2f9", "parameter": "#f3efe3", "mark": "#f3c55d",
    "border": "#1b1f24", "pill": "#ffffff",
}  # fmt: skip
PALETTE_DARK = DARK | {
    "line": "#9aa4b0", "capsule": "#22272e", "input": "#1d2c3a", "parameter": "#332d1e", "mark": "#7a5d12",
    "border": "#c3cad3", "pill": "#1b2026",
}  # fmt: skip

_RULES = """\
text{font-family:FONTS;fill:$ink}
.paper{fill:$paper}
.box{fill:$capsule;stroke:$border;stroke-width:1.4}
.input .box{fill:$input}
.parameter .box,.diamond{fill:$parameter}
.diamond{stroke:$border;stroke-width:1.2}
.constant .box{fill:$paper;stroke:$muted;stroke-dasharray:4 3}
.group .box{fill:$panel}
.tab{fill:$panel;stroke:$border;stroke-width:1.4}
.more .box{fill:$paper;stroke:$muted;stroke-dasharray:2 3}
.loss .ring{fill:none;stroke:$border;stroke-width:1.4}
.output .box{stroke:$muted}
.wire path{fill:none;stroke:$line;stroke-linecap:butt}
.wire .head{fill:$line;stroke:none}
.wire .mark{stroke:$mark;stroke-linecap:round}
.faint path{stroke-dasharray:1.5 3}
.pill .back{fill:$pill;stroke:$rule;stroke-width:1}
.pill line{stroke:$grid;stroke-width:1}
.value,.summary{fill:$value}
.gradient{fill:$gradient;font-weight:700}
.local,.note{fill:$muted}
.local{font-style:italic}
.caption{fill:$muted}
.bead circle{fill:$paper;stroke:$gradient;stroke-width:1.6}
.bead .sum{fill:$gradient;font-weight:700}
.frame rect{fill:none;stroke:$muted;stroke-dasharray:6 4}
.plus{fill:$value}
.minus{fill:$v4}
.odd{fill:$muted}
.cells{fill:none;stroke:$rule;stroke-width:.5}
.later{opacity:.28}
.wire.later path{stroke-dasharray:2 4}
.later .gone,.gone.later{visibility:hidden}
.now .box,.now .ring{stroke:$v4;stroke-width:3}
.legend text.note{fill:$muted}
.legend path{fill:none;stroke:$line}
""".replace("FONTS", FONTS.replace('"', "'"))


def style(theme: Theme) -> str:
    """The rules of one theme; "auto" follows the reader's setting where that can be asked, and is light elsewhere."""
    if theme == "auto":
        dark = _scoped(PALETTE_DARK, "denpa-auto")
        return f"{_scoped(PALETTE, 'denpa-auto')}@media (prefers-color-scheme:dark){{{dark}}}"
    return _scoped(PALETTE_DARK if theme == "dark" else PALETTE, f"denpa-{theme}")


def _scoped(colours: dict[str, str], scope: str) -> str:
    lines = [f".{scope}{{max-width:100%;height:auto}}"]
    for line in _RULES.splitlines():
        selectors, _, body = line.partition("{")
        scoped = ",".join(f".{scope} {s}" for s in selectors.split(","))
        lines.append(scoped + "{" + re.sub(r"\$(\w+)", lambda found: colours[found[1]], body))
    return "\n".join(lines) + "\n"


def render(scene: Scene, theme: Theme = "light", *, prefix: str = "") -> Markup:
    """The picture as one SVG element.

    prefix: of the ids of its title and description, as a page may have several; by itself a sum of what is drawn.
    """
    body = [
        *(_frame(frame) for frame in scene.frames),
        *(_wire(wire, scene) for wire in scene.wires),
        *(_bead(bead, scene) for bead in scene.beads),
        *(_box(box, scene) for box in scene.boxes),
        *(_pill(pill, scene) for pill in scene.pills),
        element("g", *(_sample(sample) for sample in scene.legend), class_="legend"),
    ]
    width, height = math.ceil(scene.width), math.ceil(scene.height)
    prefix = prefix or f"p{zlib.crc32(join(*body).encode()):08x}-"
    return element(
        "svg",
        element("title", scene.title, id=f"{prefix}title"),
        element("desc", scene.description, id=f"{prefix}desc"),
        element("style", Markup(style(theme))),  # this package's own text
        element("rect", class_="paper", width="100%", height="100%"),
        *body,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"denpa-graph denpa-{theme}",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{prefix}title {prefix}desc",
        preserveAspectRatio="xMidYMid meet",
    )


def _text(x: float, y: float, text: str, size: float, anchor: str = "middle", **more: object) -> Markup:
    """Text with its middle at y: a third of the size under the line suits digits and Japanese alike."""
    return element("text", *_scripts(text, size), x=x, y=y + 0.35 * size, font_size=size, text_anchor=anchor, **more)


def _scripts(text: str, size: float) -> list[Markup]:
    """Raised and lowered characters (⁽¹⁾, ₂) as small ordinary ones, and ŷ, J̃ as a letter with a sign above it: many
    fonts lack some of them, and then a whole word changes its face."""
    parts: list[Markup] = []
    shift = slide = 0.0
    for lift, run in runs(text):
        dy = {"": 0.0, "super": -0.34, "sub": 0.2, "hat": -0.3, "capital hat": -0.56}[lift] * size
        dx = slide
        slide = 0.0
        if lift.endswith("hat"):  # back over the letter, and then to where the letter ended
            dx, slide = -0.45 * size, 0.06 * size
        move, across = round(dy - shift, 2) or None, round(dx, 2) or None
        small = round((0.65 if lift.endswith("hat") else 0.72) * size, 2) if lift else None
        parts.append(
            element("tspan", run, dx=across, dy=move, font_size=small) if lift or move or across else escape(run)
        )
        shift = dy
    return parts


def _class(scene: Scene, name: str, at: int | None) -> str:
    known = state(scene, at)
    return name if known == "done" else f"{name} {known}"


def _tip(text: str) -> Markup:
    return element("title", text) if text else Markup("")


def _box(box: Box, scene: Scene) -> Markup:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    radius = min(box.width, box.height, 38.0) / 2 if box.kind == "operator" else 6.0
    parts = [element("rect", class_="box", x=left, y=top, width=box.width, height=box.height, rx=radius)]
    if box.kind == "loss":
        parts.append(
            element("rect", class_="ring", x=left + 3.5, y=top + 3.5, width=box.width - 7, height=box.height - 7, rx=4)
        )
    if box.kind == "parameter":
        x, y = left + 1.0, top + 1.0
        parts.append(element("path", class_="diamond", d=f"M{attribute(x - 5)} {attribute(y)}l5 -5 5 5 -5 5z"))
    if box.kind == "group":
        parts.append(element("path", class_="tab", d=f"M{attribute(left + 8)} {attribute(top)}v-5h34v5"))
    parts += _box_text(box, scene)
    if box.caption:
        x, anchor = (box.x, "middle") if box.caption_left is None else (box.caption_left, "start")
        parts.append(_text(x, box.y + box.height / 2 + 9.0, box.caption, SMALL, anchor, class_="caption"))
    now = bool(scene.step) and scene.step in (box.forward, box.backward)
    class_ = f"{box.kind} now" if now else _class(scene, box.kind, box.forward)
    return element(
        "g",
        _tip(box.exact),
        *parts,
        class_=f"node {class_}",
        data_key=box.key,
        data_at=box.forward,
        data_back=box.backward,
    )


def _box_text(box: Box, scene: Scene) -> list[Markup]:
    if box.kind == "operator":
        return [_text(box.x, box.y, box.title, FONT + (3 if len(box.title) == 1 else 0))]
    tall = (18.0 if box.title else 0.0) + sum(row.height for row in box.lines)
    y = box.y - tall / 2
    parts = []
    if box.title:
        parts.append(_text(box.x, y + 9.0, box.title, FONT))
        y += 18.0
    return parts + _rows(box.lines, box.x, y, scene)


def _rows(rows: tuple[Row, ...], x: float, y: float, scene: Scene) -> list[Markup]:
    """Rows of text one under another, centred on x, from y down."""
    parts = []
    for row in rows:
        inside = [_tip(row.exact), _text(x, y + ROW / 2 + 0.5, row.text, SMALL, class_=row.kind)]
        if row.strip:
            inside.append(_strip(row.strip, x, y + ROW))
        parts.append(element("g", *inside, class_=_class(scene, "row gone", row.at), data_at=row.at))
        y += row.height
    return parts


def _strip(strip: Strip, x: float, y: float) -> Markup:
    """Cells: positive ones filled, negative ones small, zero empty, strength as opacity; a cross for not finite."""
    width, height = strip.size
    left = x - width / 2
    parts = [element("rect", class_="cells", x=left, y=y, width=width, height=height)]
    for j, cells in enumerate(strip.cells):
        for i, cell in enumerate(cells):
            cx, cy = left + i * CELL[0], y + j * CELL[1]
            if math.isnan(cell):
                parts.append(element("rect", class_="odd", x=cx, y=cy + 1.5, width=CELL[0], height=2))
            elif abs(cell) >= 0.005:
                inset = 1.2 if cell < 0 else 0.0
                parts.append(
                    element(
                        "rect",
                        class_="minus" if cell < 0 else "plus",
                        x=cx + inset,
                        y=cy + inset,
                        width=CELL[0] - 2 * inset,
                        height=CELL[1] - 2 * inset,
                        opacity=round(0.15 + 0.85 * abs(cell), 2),
                    )
                )
    return element("g", *parts, class_="strip")


def _pill(pill: Pill, scene: Scene) -> Markup:
    parts = [element("rect", class_="back", x=pill.x, y=pill.y, width=pill.width, height=pill.height, rx=4)]
    y = pill.y + 1.0
    for row in pill.rows[:-1]:
        y += row.height
        parts.append(element("line", x1=pill.x + 1, x2=pill.x + pill.width - 1, y1=y, y2=y))
    parts += _rows(pill.rows, pill.x + pill.width / 2, pill.y + 1.0, scene)
    first = min((row.at for row in pill.rows), default=0)
    return element("g", *parts, class_=_class(scene, "pill", first), data_key=pill.key, data_at=first)


def path(knots: tuple[tuple[float, float], ...]) -> str:
    """SVG path through the knots, horizontal at each of them."""
    (x, y), *rest = knots
    text = [f"M{attribute(x)} {attribute(y)}"]
    for nx, ny in rest:
        if abs(ny - y) < 0.01:
            text.append(f"H{attribute(nx)}")
        else:
            middle = attribute((x + nx) / 2)
            text.append(f"C{middle} {attribute(y)} {middle} {attribute(ny)} {attribute(nx)} {attribute(ny)}")
        x, y = nx, ny
    return "".join(text)


def _wire(wire: Wire, scene: Scene) -> Markup:
    d = path((*wire.knots[:-1], (wire.knots[-1][0] - 5.0, wire.knots[-1][1])))
    x, y = wire.knots[-1]
    width = NEUTRAL if state(scene, wire.backward) == "later" else wire.width
    half = max(3.2, wire.width / 2 + 2.0)
    head = element(
        "path", class_="head", d=f"M{attribute(x)} {attribute(y)}l-8 {attribute(-half)}v{attribute(2 * half)}z"
    )
    mark = element("path", class_="mark", d=d, stroke_width=wire.width + 7.0) if wire.marked else Markup("")
    names = ["wire", "faint"] if wire.faint else ["wire"]
    return element(
        "g",
        mark,
        element("path", d=d, stroke_width=round(width, 2), data_width=round(wire.width, 2), data_back=wire.backward),
        head,
        class_=_class(scene, " ".join(names), wire.forward),
        data_key=wire.key,
        data_at=wire.forward,
        data_source=wire.source,
        data_target=wire.target,
    )


def _bead(bead: Bead, scene: Scene) -> Markup:
    parts = [
        element("circle", cx=bead.x, cy=bead.y, r=bead.radius),
        _text(bead.x, bead.y, "Σ", SMALL, class_="sum"),
        *_rows((bead.value,), bead.x, bead.y - bead.radius - ROW + 1.0, scene),
        *_rows((bead.gradient,), bead.x, bead.y + bead.radius - 0.5, scene),
    ]
    return element("g", *parts, class_=_class(scene, "bead", bead.value.at), data_key=bead.key, data_at=bead.value.at)


def _frame(frame: Frame) -> Markup:
    box = element("rect", x=frame.x, y=frame.y, width=frame.width, height=frame.height, rx=8)
    label = _text(frame.x + 8, frame.y + 10, frame.title, SMALL, "start", class_="caption")
    return element("g", box, label, class_="frame", data_key=frame.key)


def _sample(sample: Sample) -> Markup:
    if sample.kind in ("wire", "faint"):
        dash = "1.5 3" if sample.kind == "faint" else None
        line = element(
            "path",
            d=f"M{attribute(sample.x)} {attribute(sample.y)}h30",
            stroke_width=round(sample.width, 2),
            stroke_dasharray=dash,
        )
        return join(line, _text(sample.x + 36.0, sample.y, sample.text, SMALL, "start"))
    kind = sample.kind if sample.kind in ("value", "gradient", "local") else "note"
    return _text(sample.x, sample.y, sample.text, SMALL, "start", class_=kind)
