from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from denpa.draw.thinning import BUCKETS, thin_line, thin_points, thin_rows


def faults(thin: Callable[[np.ndarray], np.ndarray], y: np.ndarray) -> list[str]:
    """What a thinned line hides."""
    kept = np.asarray(thin(y))
    found = []
    if kept[0] != 0 or kept[-1] != len(y) - 1:
        found.append("ends")
    if np.nanmax(y[kept]) != np.nanmax(y) or np.nanmin(y[kept]) != np.nanmin(y):
        found.append("extremes")
    if np.isnan(y).any() and not np.isnan(y[kept]).any():
        found.append("gap")
    for part in np.array_split(np.arange(len(y)), BUCKETS):
        chosen = y[np.intersect1d(part, kept)]
        if np.isfinite(y[part]).any() and (not len(chosen) or np.nanmax(chosen) != np.nanmax(y[part])):
            found.append("a bucket's extreme")
            break
    return found


@pytest.fixture
def spiky(rng: np.random.Generator) -> np.ndarray:
    y = rng.normal(size=10_000)
    y[4321], y[777], y[5001] = 1e6, -1e6, np.nan
    return y


def test_thinning_hides_nothing(spiky: np.ndarray) -> None:
    assert faults(thin_line, spiky) == []
    kept = thin_line(spiky)
    assert len(kept) <= 10 * BUCKETS
    assert (np.diff(kept) > 0).all()
    assert {4321, 777, 5001} <= set(kept.tolist())


def test_every_nth_point_is_caught(spiky: np.ndarray) -> None:
    assert faults(lambda y: np.arange(0, len(y), 16), spiky) == ["ends", "extremes", "gap", "a bucket's extreme"]


def test_few_points_stay_as_they_are() -> None:
    assert thin_line(np.full(4 * BUCKETS, np.nan)).tolist() == list(range(4 * BUCKETS))
    assert thin_line(np.array([])).tolist() == []


def test_alternating_gaps_stay_bounded() -> None:
    y = np.where(np.arange(100_000) % 2, np.nan, 1.0)
    kept = thin_line(y)
    assert len(kept) <= 10 * BUCKETS
    assert np.isnan(y[kept]).any()


def test_points_keep_extremes_and_errors(rng: np.random.Generator) -> None:
    x = rng.normal(size=20_000)
    y = x + 0.01 * rng.normal(size=20_000)
    y[123] += 5
    kept = thin_points(x, y, 1000)
    assert len(kept) <= 1000
    assert {123, int(x.argmin()), int(x.argmax()), int(y.argmax())} <= set(kept.tolist())


def test_rows_keep_what_is_named() -> None:
    kept = thin_rows(10_000, 100, {7, 4999})
    assert {0, 7, 4999, 9999} <= set(kept)
    assert len(kept) <= 100
    assert kept == sorted(kept)
    assert thin_rows(5, 100, set()) == [0, 1, 2, 3, 4]
