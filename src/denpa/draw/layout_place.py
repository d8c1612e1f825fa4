"""Coordinates: straight edges, no overlaps.  Each column is solved exactly, columns take turns.

Within one column the order is given, so "as near as possible to the neighbours, but at least so far apart" is an
isotonic regression, which pooling adjacent violators solves in linear time (Barlow et al. 1972).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

Near = Sequence[Sequence[tuple[int, float, float]]]  # for each vertex: (neighbour, weight, wanted y − neighbour's y)


def nearest(wanted: Sequence[float], weight: Sequence[float], apart: Sequence[float]) -> list[float]:
    """Places that minimise Σ weight·(place − wanted)² with place[i+1] − place[i] ≥ apart[i]."""
    blocks: list[list[float]] = []  # [weighted mean, weight, how many]
    shift, total = [0.0], 0.0
    for gap in apart:
        total += gap
        shift.append(total)
    for i, want in enumerate(wanted):
        mean, mass, many = want - shift[i], weight[i], 1.0
        while blocks and blocks[-1][0] >= mean:
            other, its_mass, its_many = blocks.pop()
            mean = (other * its_mass + mean * mass) / (mass + its_mass)
            mass, many = mass + its_mass, many + its_many
        blocks.append([mean, mass, many])
    places: list[float] = []
    for mean, _, many in blocks:
        first = len(places)
        places += [mean + shift[first + k] for k in range(int(many))]
    return places


def place(
    columns: Sequence[Sequence[int]], near: tuple[Near, Near], apart: Callable[[int, int], float], rounds: int = 10
) -> list[float]:
    """y of every vertex.  near: the neighbours to the left and to the right; apart(upper, lower): the least distance.

    First each side alone, to find the shape; then both sides together, where weights decide.
    """
    y = [0.0] * sum(map(len, columns))
    gaps = [[apart(a, b) for a, b in pairwise(column)] for column in columns]
    for column, gap in zip(columns, gaps, strict=True):
        at = 0.0
        for vertex, more in zip(column, [*gap, 0.0], strict=True):
            y[vertex], at = at, at + more
    left, right = near
    both = [[*a, *b] for a, b in zip(left, right, strict=True)]
    schedule = [(right, False), (left, True), (right, False)]
    schedule += [(both, turn % 2 == 0) for turn in range(rounds)]
    for side, forward in schedule:
        for r in range(len(columns)) if forward else range(len(columns) - 1, -1, -1):
            _settle(columns[r], gaps[r], side, y)
    return y


def _settle(column: Sequence[int], gaps: Sequence[float], side: Near, y: list[float]) -> None:
    wanted, weights = [], []
    for vertex in column:
        mass = sum([w for _, w, _ in side[vertex]])
        if mass:
            wanted.append(sum([w * (y[n] + shift) for n, w, shift in side[vertex]]) / mass)
            weights.append(mass)
        else:
            wanted.append(y[vertex])
            weights.append(0.01)  # goes where the others push it
    for vertex, at in zip(column, nearest(wanted, weights, gaps), strict=True):
        y[vertex] = at
