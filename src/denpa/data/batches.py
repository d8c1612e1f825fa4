"""Which rows train, in which order, and in which batches: pure functions of the seed and the epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.data.streams import stream
from denpa.errors import DataError, UsageError

Rows = npt.NDArray[np.int64]

MINIMUM = 2  # rows in each part of a split: one row has no spread, and its loss says nothing


def split(n: int, fraction: float, seed: int, labels: npt.NDArray[Any] | None = None) -> tuple[Rows, Rows]:
    """Training and validation rows of n, each ascending; round(n · fraction) of them are validation rows.

    labels (n,): keep each class's share; every class with two rows or more then has at least one in both parts, as
    long as the validation part has that many rows.  fraction 0 leaves the validation part empty.
    UsageError unless 0 ≤ fraction < 1.  DataError when either part would have fewer than 2 rows.
    """
    if not (math.isfinite(fraction) and 0 <= fraction < 1):
        raise UsageError("the validation fraction is out of range", got=repr(fraction), want="0 ≤ fraction < 1")
    if fraction == 0:
        return np.arange(n, dtype=np.int64), np.empty(0, np.int64)
    size = round(n * fraction)
    if min(size, n - size) < MINIMUM:
        raise DataError(
            f"too few rows to split: {n} rows at a validation fraction of {fraction:g}",
            got=f"{n - size} training and {size} validation rows",
            want=f"at least {MINIMUM} rows in each part",
            fix="train without a validation part (--valid 0), change the fraction, or bring more rows",
        )
    groups = [np.arange(n, dtype=np.int64)] if labels is None else _rows_by_class(labels, n)
    shares = np.array([size]) if labels is None else _shares(np.array([len(rows) for rows in groups]), size)
    draw = stream(seed, "split")
    chosen = [draw.permutation(rows)[:share] for rows, share in zip(groups, shares.tolist(), strict=True)]
    valid = np.zeros(n, bool)
    valid[np.concatenate(chosen)] = True
    return np.flatnonzero(~valid).astype(np.int64), np.flatnonzero(valid).astype(np.int64)


def _rows_by_class(labels: npt.NDArray[Any], n: int) -> list[Rows]:
    if labels.shape != (n,):
        raise UsageError("one label for each row is needed to split by class", got=f"{labels.shape}", want=f"({n},)")
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable").astype(np.int64)
    return list(np.split(by_class, np.cumsum(counts)[:-1]))


def _shares(counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Rows each class gives, `size` in all: its proportional quota, rounded by largest remainder, between bounds.

    No class gives its last row; each class that can gives one, if `size` allows that.
    """
    quota = counts * (size / counts.sum())
    most = np.maximum(counts - 1, 0)
    if most.sum() < size:  # nearly every class has a single row: classes cannot be kept in both parts
        most = counts
    least = np.minimum(most, 1) if size >= np.minimum(most, 1).sum() else np.zeros_like(counts)
    shares: npt.NDArray[np.int64] = np.clip(np.floor(quota).astype(np.int64), least, most)
    while (missing := size - int(shares.sum())) != 0:
        step = 1 if missing > 0 else -1
        free = shares < most if step > 0 else shares > least
        distance = np.where(free, (quota - shares) * step, -np.inf)
        shares[int(np.argmax(distance))] += step
    return shares


def order(n: int, seed: int, epoch: int) -> Rows:
    """A permutation of 0 … n − 1, (n,): the order in which the rows of one epoch are used."""
    rows: Rows = stream(seed, "order", epoch).permutation(n).astype(np.int64, copy=False)
    return rows


def batches(rows: Rows, batch_size: int) -> Iterator[Rows]:
    """Consecutive pieces of `rows`, views of batch_size each; the last one is shorter when it does not divide."""
    for start in range(0, len(rows), _checked(batch_size)):
        yield rows[start : start + batch_size]


def batch_count(n: int, batch_size: int) -> int:
    """How many batches `batches` makes of n rows."""
    return -(-n // _checked(batch_size))


def _checked(batch_size: int) -> int:
    if batch_size < 1:
        raise UsageError("the batch size must be at least 1", got=repr(batch_size), fix="use --batch-size 1 or more")
    return batch_size
