"""Diagrams: what a picture shows, before anything has a place.  `compose` measures, lays out and gives the Scene."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from denpa.draw.layout import EFFORT, Edge, Layout, Size, straightened
from denpa.draw.layout_groups import Rectangle, arrange_grouped
from denpa.draw.legend import legend
from denpa.draw.markup import width as text_width
from denpa.draw.scene import BOLD, FONT, NEUTRAL, SMALL, Bead, Box, BoxKind, Frame, Pill, Row, Scene, Wire
from denpa.explain.words import Language

PORT = 38.0  # px, least distance of two ports: a pill of two rows fits between them
PAD = 5.0  # px around the text of a pill
ARROW = 11.0  # px between a pill and the box it belongs to
RADIUS = 8.5  # px of a Σ bead
MARGIN = 16.0
VANISHED = 1e-6  # of the largest gradient: a line cannot show less
THIN, THICK = 1.1, 5.0  # px


@dataclass(frozen=True, slots=True)
class Item:
    """A box to be placed.  `bead` is what stands where several branches leave it: the value, the sum of gradients."""

    key: str
    kind: BoxKind
    title: str
    lines: tuple[Row, ...] = ()
    caption: str = ""
    forward: int = 0
    backward: int | None = None
    bead: tuple[Row, Row] | None = None
    outs: int = 1
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """An edge to be routed: from out port `out` of item `source` to in port `port` of item `target`."""

    key: str
    source: int
    target: int
    port: int
    rows: tuple[Row, ...]
    gradient: float | None = None
    forward: int = 0
    backward: int | None = None
    out: int = 0
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    items: tuple[Item, ...]
    links: tuple[Link, ...]
    title: str = ""
    description: str = ""
    captions: tuple[str, ...] = ()
    steps: int = 0
    language: Language = "en"
    frames: dict[str, tuple[str, frozenset[int]]] = field(default_factory=dict)  # key: (title, items inside)


@dataclass(frozen=True, slots=True)
class Measured:
    """An item with its box's size, its pills and their ports."""

    width: float
    height: float
    size: Size
    pills: tuple[tuple[float, float], ...]  # width and height, port by port


def compose(diagram: Diagram, effort: int = EFFORT) -> Scene:
    """The Scene of a diagram."""
    incoming: list[list[Link]] = [[] for _ in diagram.items]
    for link in diagram.links:
        incoming[link.target].append(link)
    for links in incoming:
        links.sort(key=lambda link: link.port)
    measured = [measure(item, links) for item, links in zip(diagram.items, incoming, strict=True)]
    edges = [Edge(k.source, k.target, k.port, k.out) for k in diagram.links]
    groups = {key: members for key, (_, members) in diagram.frames.items()}
    layout, frames = arrange_grouped([m.size for m in measured], edges, groups, effort)
    return _scene(diagram, measured, layout, frames)


def measure(item: Item, links: Sequence[Link]) -> Measured:
    """How large an item is, with its pills to the left of it and its bead to the right."""
    pills = tuple(_pill_size(link.rows) for link in links)
    ins = ports([height for _, height in pills])
    above, under = (pills[0][1] / 2 - ins[0], pills[-1][1] / 2 + ins[-1]) if ins else (0.0, 0.0)
    width, height = _box_size(item, ins)
    below = 16.0 if item.caption else 0.0
    edge = 5.0 if item.kind in ("parameter", "group") else 0.0  # the diamond, the tab
    half, beside = width / 2, width / 2
    if item.caption:
        across = text_width(item.caption, SMALL)
        half, beside = (half, across - half) if wide_caption(across, width) else (max(half, across / 2),) * 2
    left = width / 2 + (ARROW + max(w for w, _ in pills) if pills else 0.0)
    right = width / 2 + (2 * bead_half(item) + 12.0 if item.bead else 0.0)
    bead = RADIUS + 15.0 if item.bead else 0.0
    outs = ports([22.0] * item.outs, 24.0) if item.outs > 1 else (0.0,)
    return Measured(
        width,
        height,
        Size(
            max(left, half),
            max(right, beside),
            max(height / 2 + edge, above, bead),
            max(height / 2 + below, under, bead),
            ins,
            outs,
        ),
        pills,
    )


def wide_caption(across: float, box: float) -> bool:
    """Whether a caption, centred below its box, would reach the pills at the left; it then starts at the box's side."""
    return across > box + 2 * ARROW - 4.0


def ports(heights: Sequence[float], least: float = PORT) -> tuple[float, ...]:
    """Offsets of ports whose pills have these heights, centred on 0."""
    places = [0.0]
    for upper, lower in pairwise(heights):
        places.append(places[-1] + max(least, (upper + lower) / 2 + 6.0))
    middle = (places[0] + places[-1]) / 2
    return tuple(p - middle for p in places[: len(heights)])


def _pill_size(rows: Sequence[Row]) -> tuple[float, float]:
    if not rows:
        return 0.0, 0.0
    width = max(max(row_width(row), row.strip.size[0] if row.strip else 0.0) for row in rows)
    return max(width + 2 * PAD, 34.0), sum(row.height for row in rows) + 2.0


def row_width(row: Row) -> float:
    return text_width(row.text, SMALL) * (BOLD if row.kind == "gradient" else 1.0)


def bead_half(item: Item) -> float:
    """Half the width of a bead with its two texts."""
    assert item.bead is not None
    return max(RADIUS, *(row_width(row) / 2 for row in item.bead)) + 2.0


def _box_size(item: Item, ins: Sequence[float]) -> tuple[float, float]:
    title = text_width(item.title, FONT)
    if item.kind == "operator":
        return max(36.0, title + 18.0), max(36.0, (ins[-1] - ins[0] + 38.0) if ins else 0.0)
    wide = max([title, *(max(row_width(r), r.strip.size[0] if r.strip else 0.0) for r in item.lines)])
    tall = 10.0 + (18.0 if item.title else 0.0) + sum(row.height for row in item.lines)
    ring = 6.0 if item.kind == "loss" else 0.0
    return max(44.0, wide + 20.0) + ring, max(30.0, tall, ins[-1] - ins[0] + 24.0 if ins else 0.0) + ring


@dataclass(frozen=True, slots=True)
class Scale:
    """Widths of wires by the size of their gradient, on a log scale over two to six decades below the largest."""

    largest: float
    decades: float

    def width(self, size: float | None) -> tuple[float, bool]:
        """The width (px), and whether the wire is faint: zero, or too small for a line to show."""
        if size is None or self.largest == 0:
            return NEUTRAL, size is not None
        if not math.isfinite(size):
            return THICK, False
        if size <= self.largest * VANISHED:
            return 1.0, True
        share = 1 + math.log10(size / self.largest) / self.decades
        return THIN + (THICK - THIN) * min(max(share, 0.0), 1.0), False


def scale(links: Sequence[Link]) -> Scale:
    sizes = [k.gradient for k in links if k.gradient and math.isfinite(k.gradient)]
    largest = max(sizes, default=0.0)
    seen = [s for s in sizes if s > largest * VANISHED]
    return Scale(largest, max(2.0, math.log10(largest / min(seen)) if seen else 0.0))


def _box(i: Item, m: Measured, x: float, y: float) -> Box:
    wide = wide_caption(text_width(i.caption, SMALL), m.width)
    start = x - m.width / 2 if wide else None
    return Box(
        i.key, i.kind, x, y, m.width, m.height, i.title, i.lines, i.caption, i.forward, i.backward, i.exact, start
    )


def _scene(diagram: Diagram, measured: list[Measured], layout: Layout, frames: Mapping[str, Rectangle]) -> Scene:
    widths = scale(diagram.links)
    dx = dy = MARGIN
    at = [(x + dx, y + dy) for x, y in zip(layout.x, layout.y, strict=True)]
    boxes = tuple(_box(i, m, x, y) for i, m, (x, y) in zip(diagram.items, measured, at, strict=True))
    pills = []
    for link in diagram.links:
        if link.rows:
            m, (x, y) = measured[link.target], at[link.target]
            w, h = m.pills[link.port]
            left = x - m.width / 2 - ARROW - w
            pills.append(Pill(link.key, left, y + m.size.ins[link.port] - h / 2, w, h, link.rows))
    wires = tuple(
        _wire(diagram, link, route, measured, at, widths)
        for link, route in zip(diagram.links, layout.routes, strict=True)
    )
    beads = tuple(
        Bead(i.key, x + m.width / 2 + 6.0 + bead_half(i), y, RADIUS, *i.bead)
        for i, m, (x, y) in zip(diagram.items, measured, at, strict=True)
        if i.bead
    )
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    has = {b.kind for b in boxes}
    samples, wide, tall = legend(diagram, widths, has, bool(beads), MARGIN, (width, height))
    return Scene(
        diagram.title,
        diagram.description,
        max(width, wide),
        height + tall,
        boxes,
        tuple(pills),
        wires,
        beads,
        tuple(Frame(key, diagram.frames[key][0], x + MARGIN, y + MARGIN, w, h) for key, (x, y, w, h) in frames.items()),
        samples,
        diagram.captions,
        diagram.steps,
        None,
        diagram.language,
        layout.crossings,
    )


def _wire(
    diagram: Diagram,
    link: Link,
    route: Sequence[tuple[float, float]],
    measured: Sequence[Measured],
    at: Sequence[tuple[float, float]],
    widths: Scale,
) -> Wire:
    """The route of a link, from the edge of one box to the edge of the other."""
    knots = [(x + MARGIN, y + MARGIN) for x, y in route]
    start = (at[link.source][0] + measured[link.source].width / 2, knots[0][1])
    end = (at[link.target][0] - measured[link.target].width / 2, knots[-1][1])
    width, faint = widths.width(link.gradient)
    path = straightened([start, *knots, end])
    source, target = diagram.items[link.source].key, diagram.items[link.target].key
    return Wire(
        link.key,
        source,
        target,
        tuple(path),
        width,
        link.gradient,
        faint,
        link.forward,
        link.backward,
        link.marked,
    )
