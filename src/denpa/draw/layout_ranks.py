"""Layers of a layered layout: which column each item stands in.  Pure: indices in, integers out.

Source: Sugiyama, Tagawa and Toda 1981; Gansner, Koutsofios, North and Vo 1993 (short edges), here by local moves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from denpa.errors import UsageError


def topological(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Items so that each edge goes forward, the smallest index first among those that may stand next.

    UsageError when there is a cycle: a picture of a computation has none.
    """
    from heapq import heapify, heappop, heappush

    waiting = [0] * count
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        waiting[target] += 1
        after[source].append(target)
    ready = [i for i in range(count) if not waiting[i]]
    heapify(ready)
    order: list[int] = []
    while ready:
        item = heappop(ready)
        order.append(item)
        for target in after[item]:
            waiting[target] -= 1
            if not waiting[target]:
                heappush(ready, target)
    if len(order) < count:
        raise UsageError(
            "the items of this picture depend on each other in a circle", got=f"{count - len(order)} items"
        )
    return order


def ranks(
    count: int, edges: Sequence[tuple[int, int]], first: Collection[int] = (), last: Collection[int] = ()
) -> list[int]:
    """A column for each item, 0 is leftmost; every edge goes at least one column to the right.

    first, last: items without edges into them, or out of them, that must stand in the outermost columns.

    Longest paths from the left, then each item moves to where its edges are shortest: inputs stand just before the
    first operation that uses them.
    """
    order = topological(count, edges)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    rank = [0] * count
    for item in order:
        rank[item] = max((rank[i] + 1 for i in before[item]), default=0)
    alone = [not before[i] and len(after[i]) == 1 for i in range(count)]  # an input of one operation moves with it
    held = [sum(not alone[i] for i in before[item]) for item in range(count)]
    for _ in range(8):  # a move makes room for the next one
        moved = False
        for item in reversed(order):
            low = max((rank[i] + 1 for i in before[item] if not alone[i]), default=0)
            high = min((rank[i] - 1 for i in after[item]), default=rank[item])
            best = high if len(after[item]) >= held[item] else max(low, 0)
            moved |= best != rank[item]
            rank[item] = best
        if not moved:
            break
    for item in order:
        if alone[item]:
            rank[item] = rank[after[item][0]] - 1
    lowest = min([rank[i] for i in range(count) if i not in first], default=0) - bool(first)
    highest = max([rank[i] for i in range(count) if i not in last], default=0) + bool(last)
    return [0 if i in first else (highest if i in last else r) - lowest for i, r in enumerate(rank)]
