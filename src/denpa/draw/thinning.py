"""Fewer points, honestly: what is left out never hides an extreme, a gap or an end."""

from __future__ import annotations

import numpy as np

from denpa.arrays import Array

BUCKETS = 160  # of a plot about 560 px wide: under 4 px each, so the kept extremes draw the same line


def thin_line(y: Array, buckets: int = BUCKETS) -> Array:
    """Indices to draw of a line with values `y` (n,), ascending; all of them when there are at most 4 a bucket.

    Of each bucket of neighbours the first, last, smallest and largest finite value stay (the M4 aggregation of Jugel
    et al., VLDB 2014, which draws pixel for pixel the same line), and the first and last value of each kind that is
    not finite.
    """
    values = np.asarray(y, dtype=np.float64)
    if len(values) <= 4 * buckets:
        return np.arange(len(values))
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(values)), buckets):
        finite = part[np.isfinite(values[part])]
        if len(finite):
            kept.update((finite[0], finite[-1], finite[np.argmin(values[finite])], finite[np.argmax(values[finite])]))
        for kind in (np.isnan, np.isposinf, np.isneginf):
            found = part[kind(values[part])]
            kept.update(found[:1], found[-1:])
    return np.array(sorted(kept), dtype=np.intp)


def thin_points(x: Array, y: Array, limit: int = 2000) -> Array:
    """Indices of at most about `limit` points: both axes' extremes, the 5 % farthest from y = x, an even selection."""
    count = len(x)
    if count <= limit:
        return np.arange(count)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.nan_to_num(np.abs(np.asarray(y, np.float64) - np.asarray(x, np.float64)), nan=np.inf)
    kept = set(np.argsort(-distance, kind="stable")[: limit // 20].tolist())
    for values in (np.asarray(x, np.float64), np.asarray(y, np.float64)):
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite):
            kept.update((int(finite[np.argmin(values[finite])]), int(finite[np.argmax(values[finite])])))
    kept.update(np.linspace(0, count - 1, limit - limit // 20 - 4).astype(int).tolist())
    return np.array(sorted(kept), dtype=np.intp)


def thin_rows(count: int, limit: int, keep: set[int]) -> list[int]:
    """Indices of about `limit` table rows out of `count`: the first, the last, those in `keep`, the rest even."""
    if count <= limit:
        return list(range(count))
    chosen = {0, count - 1, *keep}
    spread = max(limit - len(chosen), 2)
    chosen.update(int(i) for i in np.linspace(0, count - 1, spread))
    return sorted(chosen)
