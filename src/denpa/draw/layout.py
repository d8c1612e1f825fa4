"""Layered layout, left to right: sizes and edges in, coordinates and routes out.  Pure Python, deterministic.

Promises, which the tests hold it to: every edge goes rightwards from column to column; the boxes of items (with all
that is drawn around them) do not overlap; no route enters the box of an item it does not belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from denpa.draw.layout_order import Vertices, crossings, order, vertices
from denpa.draw.layout_place import place
from denpa.draw.layout_ranks import ranks

BETWEEN = 12.0  # px between two boxes of one column
LANE = 9.0  # px an edge keeps from boxes and from other edges where it passes a column
EFFORT = 20_000  # comparisons, and 60 more for each edge: 30 ms at 60 items, 80 ms at 400
GAP = 26.0  # px between two columns, plus what steep edges need


@dataclass(frozen=True, slots=True)
class Size:
    """What an item needs around its anchor (px), and where its ports are: y offsets from the anchor, downwards."""

    left: float
    right: float
    up: float
    down: float
    ins: tuple[float, ...] = ()
    outs: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True)
class Edge:
    source: int
    target: int
    port: int = 0
    out: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """x, y: the anchors.  routes: for each edge the knots it passes with a horizontal tangent, left to right."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    rank: tuple[int, ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float
    crossings: int


def arrange(
    sizes: Sequence[Size],
    edges: Sequence[Edge],
    effort: int = EFFORT,
    first: Collection[int] = (),
    last: Collection[int] = (),
) -> Layout:
    """Lay out items with these sizes.  effort: how much work the search for few crossings may take.

    first, last: items that must stand in the outermost columns.
    """
    rank = ranks(len(sizes), [(e.source, e.target) for e in edges], first, last)
    v = vertices(
        rank,
        [(e.source, e.out, e.target, e.port) for e in edges],
        [len(s.ins) for s in sizes],
        [len(s.outs) for s in sizes],
    )
    columns = order(v, effort + 60 * len(edges))
    y = _heights(sizes, edges, v, columns)
    x, sides = _columns(sizes, edges, v, columns, y)
    routes = [_route(sizes, e, v.chains[k], x, y, rank, sides) for k, e in enumerate(edges)]
    top = min((y[i] - s.up for i, s in enumerate(sizes)), default=0.0)
    top = min([top, *(py for route in routes for _, py in route)])
    bottom = max((y[i] + s.down for i, s in enumerate(sizes)), default=0.0)
    bottom = max([bottom, *(py for route in routes for _, py in route)])
    return Layout(
        tuple(x),
        tuple(y[i] - top for i in range(len(sizes))),
        tuple(rank),
        tuple(tuple((px, py - top) for px, py in route) for route in routes),
        sides[-1][1] if sides else 0.0,
        bottom - top,
        crossings(v, columns),
    )


def _heights(sizes: Sequence[Size], edges: Sequence[Edge], v: Vertices, columns: list[list[int]]) -> list[float]:
    count = len(sizes)
    left: list[list[tuple[int, float, float]]] = [[] for _ in range(v.count)]
    right: list[list[tuple[int, float, float]]] = [[] for _ in range(v.count)]
    for edge, chain in zip(edges, v.chains, strict=True):
        for a, b in pairwise(chain):
            drop = (sizes[a].outs[edge.out] if a < count else 0.0) - (sizes[b].ins[edge.port] if b < count else 0.0)
            bends = (a >= count) + (b >= count)
            weight = (1.0, 3.0, 8.0)[bends]  # long edges straight first (Gansner et al. 1993: 1, 2, 8)
            left[b].append((a, weight, drop))
            right[a].append((b, weight, -drop))

    def apart(upper: int, lower: int) -> float:
        if upper >= count and lower >= count:
            return LANE
        return (
            (sizes[upper].down if upper < count else 0.0)
            + (sizes[lower].up if lower < count else 0.0)
            + (BETWEEN if upper < count and lower < count else LANE)
        )

    return place(columns, (left, right), apart)


def _columns(
    sizes: Sequence[Size], edges: Sequence[Edge], v: Vertices, columns: list[list[int]], y: list[float]
) -> tuple[list[float], list[tuple[float, float]]]:
    """x of each item, and the left and right side of each column.  Steep edges get a wider gap to turn in."""
    count = len(sizes)
    steep = [0.0] * len(columns)
    where = {vertex: r for r, column in enumerate(columns) for vertex in column}
    for edge, chain in zip(edges, v.chains, strict=True):
        for a, b in pairwise(chain):
            start = y[a] + (sizes[a].outs[edge.out] if a < count else 0.0)
            end = y[b] + (sizes[b].ins[edge.port] if b < count else 0.0)
            steep[where[b]] = max(steep[where[b]], abs(end - start))
    x = [0.0] * count
    sides: list[tuple[float, float]] = []
    at = 0.0
    for r, column in enumerate(columns):
        items = [i for i in column if i < count]
        at += (GAP + min(0.14 * steep[r], 110.0)) if r else 0.0
        reach_left = max((sizes[i].left for i in items), default=0.0)
        reach_right = max((sizes[i].right for i in items), default=0.0)
        for i in items:
            x[i] = at + reach_left
        sides.append((at, at + reach_left + reach_right))
        at += reach_left + reach_right
    return x, sides


def _route(
    sizes: Sequence[Size],
    edge: Edge,
    chain: list[int],
    x: list[float],
    y: list[float],
    rank: Sequence[int],
    sides: list[tuple[float, float]],
) -> list[tuple[float, float]]:
    """Knots: leave the item, cross each column level, enter the port."""
    a, b = edge.source, edge.target
    height = y[a] + sizes[a].outs[edge.out]
    knots = [(x[a] + sizes[a].right, height), (sides[rank[a]][1], height)]
    for step, bend in enumerate(chain[1:-1], rank[a] + 1):
        knots += [(sides[step][0], y[bend]), (sides[step][1], y[bend])]
    height = y[b] + sizes[b].ins[edge.port]
    knots += [(sides[rank[b]][0], height), (x[b] - sizes[b].left, height)]
    return straightened(knots)


def straightened(knots: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The knots without those that stand on the one before (within rounding)."""
    kept = [knots[0]]
    for x, y in knots[1:-1]:
        if x > kept[-1][0] + 0.01:
            kept.append((x, y))
    if knots[-1][0] <= kept[-1][0] + 0.01 and len(kept) > 1:
        kept.pop()
    return [*kept, knots[-1]]
