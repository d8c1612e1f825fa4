"""Independent geometry for the tests of layouts: rectangles that overlap, curves that cross."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from denpa.draw.markup import width
from denpa.draw.scene import Scene

Rectangle = tuple[str, float, float, float, float]  # name, left, top, right, bottom


def rectangles(scene: Scene) -> list[Rectangle]:
    """Everything that must be read: boxes, pills, beads with their two numbers, captions."""
    found: list[Rectangle] = []
    for box in scene.boxes:
        found.append((f"box {box.key}", *_around(box.x, box.y, box.width, box.height)))
        if box.caption:
            across, under = width(box.caption, 11.5), box.y + box.height / 2
            left = box.x - across / 2 if box.caption_left is None else box.caption_left
            found.append((f"caption {box.key}", left, under + 4, left + across, under + 14))
    found += [(f"pill {p.key}", p.x, p.y, p.x + p.width, p.y + p.height) for p in scene.pills]
    for b in scene.beads:
        across = max(2 * b.radius, *(width(row.text, 11.5) for row in (b.value, b.gradient)))
        found.append((f"bead {b.key}", *_around(b.x, b.y, across, 2 * b.radius + 24)))
    return found


def _around(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def overlaps(found: Sequence[Rectangle], tolerance: float = 0.01) -> list[tuple[str, str]]:
    pairs = []
    for a, b in combinations(found, 2):
        inside = min(a[3], b[3]) - max(a[1], b[1]) > tolerance and min(a[4], b[4]) - max(a[2], b[2]) > tolerance
        if inside:
            pairs.append((a[0], b[0]))
    return pairs


def sampled(knots: Sequence[tuple[float, float]], steps: int = 12) -> np.ndarray:
    """The drawn curve as a polyline: between two knots a cubic with horizontal tangents, controlled from the middle."""
    points = [np.array(knots[0])]
    for (x0, y0), (x1, y1) in pairwise(knots):
        middle = (x0 + x1) / 2
        p = np.array([(x0, y0), (middle, y0), (middle, y1), (x1, y1)])
        for t in np.linspace(0, 1, steps + 1)[1:]:
            points.append((1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t * t * (1 - t) * p[2] + t**3 * p[3])
    return np.array(points)


def crossings(curves: Sequence[np.ndarray]) -> int:
    """Proper intersections of polylines, pair by pair."""
    return sum(_crossings(a, b) for a, b in combinations(curves, 2))


def _crossings(a: np.ndarray, b: np.ndarray) -> int:
    if (a.max(0) < b.min(0)).any() or (b.max(0) < a.min(0)).any():
        return 0
    a0, a1, b0, b1 = a[:-1, None], a[1:, None], b[None, :-1], b[None, 1:]
    apart = _side(a0, a1, b0) * _side(a0, a1, b1) < -1e-9
    return int((apart & (_side(b0, b1, a0) * _side(b0, b1, a1) < -1e-9)).sum())


def _side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
