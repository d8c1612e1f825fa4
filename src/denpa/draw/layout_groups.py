"""Groups: items that stand together in a frame.  Each group is laid out alone, then takes part as one large item.

Edges into and out of a group pass its frame at ports whose places the inner layout has chosen, so nothing that is not
in the group ever enters its frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from denpa.draw.layout import EFFORT, Edge, Layout, Size, arrange, straightened
from denpa.draw.layout_ranks import topological
from denpa.errors import UsageError

PADDING, TITLE = 10.0, 18.0  # px inside a frame, and for its title
Rectangle: TypeAlias = tuple[float, float, float, float]  # x, y, width, height
Point: TypeAlias = tuple[float, float]
End: TypeAlias = tuple[int, int]  # an item and its out port


@dataclass(frozen=True, slots=True)
class _Inside:
    """A group laid out alone.  Ports in order of height: `enter` and `leave` are the ends that pass the frame there."""

    members: list[int]
    layout: Layout
    enter: list[End]
    leave: list[End]
    routes: dict[int, tuple[Point, ...]]  # edges inside, and the inner part of those that enter or leave
    size: Size


def arrange_grouped(
    sizes: Sequence[Size], edges: Sequence[Edge], groups: Mapping[str, frozenset[int]], effort: int = EFFORT
) -> tuple[Layout, dict[str, Rectangle]]:
    """`arrange`, with the members of each group in a rectangle of their own.

    Groups are disjoint.  Those that depend on one another in a circle cannot be framed and get no rectangle.
    """
    groups = {key: members for key, members in groups.items() if len(members) > 1}
    group_of = {i: key for key, members in groups.items() for i in members}
    if not groups or not _acyclic(len(sizes), edges, group_of):
        return arrange(sizes, edges, effort), {}
    inside = {key: _inner(sizes, edges, members, effort) for key, members in groups.items()}
    return _outer(sizes, edges, group_of, inside, effort)


def _acyclic(count: int, edges: Sequence[Edge], group_of: Mapping[int, str]) -> bool:
    names = list(dict.fromkeys(group_of.values()))
    place = [count + names.index(group_of[i]) if i in group_of else i for i in range(count)]
    pairs = [(place[e.source], place[e.target]) for e in edges if place[e.source] != place[e.target]]
    try:
        topological(count + len(names), pairs)
    except UsageError:
        return False
    return True


def _inner(sizes: Sequence[Size], edges: Sequence[Edge], members: frozenset[int], effort: int) -> _Inside:
    """Lay out the members with a stub in the first column for each end that enters, in the last for one that leaves."""
    items = sorted(members)
    place = {item: i for i, item in enumerate(items)}
    enter = list(dict.fromkeys((e.source, e.out) for e in edges if e.target in members and e.source not in members))
    leave = list(dict.fromkeys((e.source, e.out) for e in edges if e.source in members and e.target not in members))
    first = {end: len(items) + i for i, end in enumerate(enter)}
    last = {end: len(items) + len(enter) + i for i, end in enumerate(leave)}
    inner: list[Edge] = []
    which: list[int | End] = []
    for k, e in enumerate(edges):
        if e.target in members:
            outside = e.source not in members
            source, out = (first[e.source, e.out], 0) if outside else (place[e.source], e.out)
            inner.append(Edge(source, place[e.target], e.port, out))
            which.append(k)
    for end in leave:
        inner.append(Edge(place[end[0]], last[end], 0, end[1]))
        which.append(end)
    stub = [Size(0.0, 0.0, 3.0, 3.0)] * len(enter) + [Size(0.0, 0.0, 3.0, 3.0, (0.0,), ())] * len(leave)
    layout = arrange([sizes[i] for i in items] + stub, inner, effort, set(first.values()), set(last.values()))
    routes: dict[int, tuple[Point, ...]] = {}
    ending: dict[End, tuple[Point, ...]] = {}
    for what, route in zip(which, layout.routes, strict=True):
        if isinstance(what, int):
            routes[what] = route
        else:
            ending[what] = route
    for k, e in enumerate(edges):
        if e.source in members and e.target not in members:
            routes[k] = ending[e.source, e.out]
    enter.sort(key=lambda end: layout.y[first[end]])
    leave.sort(key=lambda end: layout.y[last[end]])
    half_width, half_height = layout.width / 2 + PADDING, (layout.height + TITLE) / 2 + PADDING
    lift = PADDING + TITLE - half_height
    size = Size(
        half_width,
        half_width,
        half_height,
        half_height,
        tuple(layout.y[first[end]] + lift for end in enter),
        tuple(layout.y[last[end]] + lift for end in leave),
    )
    return _Inside(items, layout, enter, leave, routes, size)


def _outer(
    sizes: Sequence[Size],
    edges: Sequence[Edge],
    group_of: Mapping[int, str],
    inside: Mapping[str, _Inside],
    effort: int,
) -> tuple[Layout, dict[str, Rectangle]]:
    """Lay out the groups among the items that are in none, and put the parts together."""
    alone = [i for i in range(len(sizes)) if i not in group_of]
    place = {i: k for k, i in enumerate(alone)}
    box = {key: len(alone) + k for k, key in enumerate(inside)}
    outer: dict[Edge, int] = {}
    which: dict[int, int] = {}
    for k, e in enumerate(edges):
        a, b = group_of.get(e.source), group_of.get(e.target)
        if a is not None and a == b:
            continue
        source, out = (place[e.source], e.out) if a is None else (box[a], inside[a].leave.index((e.source, e.out)))
        target, port = (place[e.target], e.port) if b is None else (box[b], inside[b].enter.index((e.source, e.out)))
        which[k] = outer.setdefault(Edge(source, target, port, out), len(outer))
    whole = arrange([sizes[i] for i in alone] + [g.size for g in inside.values()], list(outer), effort)
    corner = {
        key: (
            whole.x[box[key]] - g.size.left + PADDING,
            whole.y[box[key]] - g.size.up + PADDING + TITLE,
        )
        for key, g in inside.items()
    }
    x, y, rank = [0.0] * len(sizes), [0.0] * len(sizes), [0] * len(sizes)
    for i, k in place.items():
        x[i], y[i], rank[i] = whole.x[k], whole.y[k], whole.rank[k]
    for key, g in inside.items():
        for k, i in enumerate(g.members):
            x[i], y[i] = g.layout.x[k] + corner[key][0], g.layout.y[k] + corner[key][1]
            rank[i] = g.layout.rank[k]
    routes = [_joined(k, e, group_of, inside, corner, which, whole) for k, e in enumerate(edges)]
    total = whole.crossings + sum(g.layout.crossings for g in inside.values())
    frames = {
        key: (
            whole.x[box[key]] - g.size.left,
            whole.y[box[key]] - g.size.up,
            g.size.left + g.size.right,
            g.size.up + g.size.down,
        )
        for key, g in inside.items()
    }
    return Layout(tuple(x), tuple(y), tuple(rank), tuple(routes), whole.width, whole.height, total), frames


def _joined(
    k: int,
    edge: Edge,
    group_of: Mapping[int, str],
    inside: Mapping[str, _Inside],
    corner: Mapping[str, Point],
    which: Mapping[int, int],
    whole: Layout,
) -> tuple[Point, ...]:
    """The route of an edge: inside the group it leaves, between the groups, inside the group it enters."""

    def moved(key: str) -> list[Point]:
        dx, dy = corner[key]
        return [(px + dx, py + dy) for px, py in inside[key].routes[k]]

    a, b = group_of.get(edge.source), group_of.get(edge.target)
    knots: list[Point] = moved(a) if a is not None else []
    if k in which:
        knots += whole.routes[which[k]]
        knots += moved(b) if b is not None else []
    return tuple(straightened(knots))
