"""The order within the columns: few crossings.  Barycentres sweep to and fro, neighbours change places where it helps.

Long edges are cut at every column they pass, so all edges here join neighbouring columns.  An edge's end is a float:
the place of its vertex in its column plus the place of its port on the vertex (within ±½), so ports count as they are
drawn.  Deterministic: the shuffles are seeded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

STALE = 40  # shakes without a gain, after which the search gives up


@dataclass(slots=True)
class Vertices:
    """Items and the bends of long edges, by column.  `left[v]` are (vertex, its port, my port), `right[v]` likewise;
    ports are offsets within ±½."""

    columns: list[list[int]]
    left: list[list[tuple[int, float, float]]]
    right: list[list[tuple[int, float, float]]]
    chains: list[list[int]] = field(default_factory=list)  # for each edge: source, bends …, target

    @property
    def count(self) -> int:
        return len(self.left)


def offsets(count: int) -> list[float]:
    """Places of `count` ports on one side of a vertex, within ±½."""
    return [(i + 1) / (count + 1) - 0.5 for i in range(count)]


def vertices(
    rank: Sequence[int], edges: Sequence[tuple[int, int, int, int]], ins: Sequence[int], outs: Sequence[int]
) -> Vertices:
    """Cut the edges (source, its out port, target, its in port) into steps of one column."""
    columns: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for item, r in enumerate(rank):
        columns[r].append(item)
    made = Vertices(columns, [[] for _ in rank], [[] for _ in rank])
    for source, out, target, port in edges:
        chain, at, at_port = [source], source, offsets(outs[source])[out]
        for r in range(rank[source] + 1, rank[target]):
            bend = made.count
            columns[r].append(bend)
            made.left.append([(at, at_port, 0.0)])
            made.right.append([])
            made.right[at].append((bend, 0.0, at_port))
            chain.append(bend)
            at, at_port = bend, 0.0
        end = offsets(ins[target])[port]
        made.left[target].append((at, at_port, end))
        made.right[at].append((target, end, at_port))
        made.chains.append([*chain, target])
    return made


def crossings(v: Vertices, columns: Sequence[Sequence[int]]) -> int:
    """Pairs of edges that cross, over all gaps between columns."""
    place = [0] * v.count
    for column in columns:
        for i, vertex in enumerate(column):
            place[vertex] = i
    total = 0
    for column in columns[:-1]:
        ends = [(i + mine, place[w] + port) for i, u in enumerate(column) for w, port, mine in v.right[u]]
        ends.sort()
        seen: list[float] = []
        for _, end in ends:
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


def order(v: Vertices, effort: int = 60_000) -> list[list[int]]:
    """The columns in an order with few crossings.  `effort` bounds the work, in comparisons of two neighbours.

    First depth first from the results, following ports (a tree comes out flat), from the inputs, and from a shuffle;
    then the best of them is shaken a little and improved again, as long as that helps (iterated local search).
    """
    random = Random(1)
    search = _Search(v, effort)
    starts = [_depth_first(v, v.left, v.columns[::-1]), _depth_first(v, v.right, v.columns)]
    starts.append([random.sample(column, len(column)) for column in v.columns])
    best: list[list[int]] = []
    least = -1
    for start in starts:
        columns = search.improve(start, patience=6)
        found = crossings(v, columns)
        if least < 0 or found < least:
            best, least = columns, found
    stale = 0
    while least > 0 and stale < STALE and search.spent < effort:
        columns = search.improve(_shaken(best, random), patience=1)
        found = crossings(v, columns)
        stale = 0 if found < least else stale + 1
        if found <= least:
            best, least = columns, found
    return best


def _shaken(columns: list[list[int]], random: Random) -> list[list[int]]:
    """A copy in which a few neighbours of up to three columns have changed places."""
    made = [list(column) for column in columns]
    wide = [column for column in made if len(column) > 1]
    for column in random.sample(wide, min(len(wide), random.randint(1, 3))):
        last = min(len(column), random.randrange(len(column)) + random.randint(2, 5))
        first = max(0, last - 5)
        window = column[first:last]
        random.shuffle(window)
        column[first:last] = window
    return made


def _depth_first(
    v: Vertices, near: list[list[tuple[int, float, float]]], roots: Sequence[Sequence[int]]
) -> list[list[int]]:
    rank = {vertex: r for r, column in enumerate(v.columns) for vertex in column}
    columns: list[list[int]] = [[] for _ in v.columns]
    seen = [False] * v.count
    for root in (vertex for column in roots for vertex in column):
        stack = [root]
        while stack:
            vertex = stack.pop()
            if seen[vertex]:
                continue
            seen[vertex] = True
            columns[rank[vertex]].append(vertex)
            stack.extend(w for w, _, _ in sorted(near[vertex], key=lambda e: -e[2]) if not seen[w])
    return columns


class _Search:
    def __init__(self, v: Vertices, effort: int) -> None:
        self.v, self.effort, self.spent = v, effort, 0
        self.place = [0.0] * v.count

    def improve(self, start: list[list[int]], patience: int, rounds: int = 24) -> list[list[int]]:
        """Sweep to and fro until more than `patience` rounds bring nothing."""
        columns = [list(column) for column in start]
        for column in columns:
            self._number(column)
        best, least, waited = [list(c) for c in columns], crossings(self.v, columns), 0
        for turn in range(rounds):
            if least == 0 or waited > patience or self.spent >= self.effort:
                break
            ties = turn % 4 > 1  # equals change places now and then, or they never would
            self._sweep(columns, forward=turn % 2 == 0, ties=ties)
            self._exchange(columns, ties)
            found = crossings(self.v, columns)
            if found < least:
                best, least, waited = [list(c) for c in columns], found, 0
            else:
                waited += 1
        return best

    def _number(self, column: list[int]) -> None:
        for i, vertex in enumerate(column):
            self.place[vertex] = i

    def _sweep(self, columns: list[list[int]], forward: bool, ties: bool) -> None:
        """Each column by the mean place of its neighbours on one side; vertices without any stay where they are."""
        place, near = self.place, self.v.left if forward else self.v.right
        for column in columns if forward else reversed(columns):
            if ties:
                column.reverse()
            free = [i for i, vertex in enumerate(column) if near[vertex]]
            moved = [column[i] for i in free]
            mean = {u: sum([place[w] + port for w, port, _ in near[u]]) / len(near[u]) for u in moved}
            moved.sort(key=mean.__getitem__)
            for i, vertex in zip(free, moved, strict=True):
                column[i] = vertex
            self._number(column)
            self.spent += len(column)

    def _exchange(self, columns: list[list[int]], ties: bool) -> None:
        """Change neighbours while that removes crossings; with `ties`, once also where it leaves them as many."""
        active = set(range(len(columns)))
        while active and self.spent < self.effort:
            nearby: set[int] = set()
            for r in sorted(active):
                if self._exchange_in(columns[r], ties):
                    nearby |= {q for q in (r - 1, r, r + 1) if 0 <= q < len(columns)}
            active, ties = nearby, False

    def _exchange_in(self, column: list[int], ties: bool) -> bool:
        place, left, right = self.place, self.v.left, self.v.right
        ends = [
            (
                sorted([place[w] + port for w, port, _ in left[u]]),
                sorted([place[w] + port for w, port, _ in right[u]]),
            )
            for u in column
        ]
        better = moved = False
        self.spent += len(column)
        for i in range(len(column) - 1):
            (al, ar), (bl, br) = ends[i], ends[i + 1]
            gain = _inversions(al, bl) + _inversions(ar, br) - _inversions(bl, al) - _inversions(br, ar)
            if gain > 0 or (ties and gain == 0):
                column[i], column[i + 1] = column[i + 1], column[i]
                ends[i], ends[i + 1] = ends[i + 1], ends[i]
                better, moved = better or gain > 0, True
        if moved:
            self._number(column)
        return better


def _inversions(upper: list[float], lower: list[float]) -> int:
    """Crossings between the edges of two neighbours, given the sorted far ends of both."""
    if not upper or not lower or upper[-1] <= lower[0]:
        return 0
    if len(lower) == 1:
        return len(upper) - bisect_right(upper, lower[0])
    return sum([bisect_left(lower, end) for end in upper])
