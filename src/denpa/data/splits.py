"""Which rows are kept out: by their content, their group or their time, so that rows added later move no other.

A row is kept out when a hash of what it says, keyed by the seed, falls below the fraction. The order of the file does
not matter, equal rows land on the same side, and a row stays where it is when others come or go; the share that is kept
out is the fraction about, not exactly. The hash sums a mixed word for each part of the row, keyed by its place
(Lemire and Kaser, "Strongly universal string hashing is fast", 2014; the mixing is Steele's SplitMix64).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from denpa.data.batches import MINIMUM, Rows, split
from denpa.data.dataset import Array, Dataset
from denpa.data.shuffle import LARGE
from denpa.data.streams import stream
from denpa.errors import DataError, UsageError

WAYS = ("auto", "row", "group", "time", "random")
PIECE = 1 << 14  # rows hashed together
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Hashes = npt.NDArray[np.uint64]


def way(asked: str, data: Dataset) -> str:
    """What "auto" stands for: time and group where the data has them, else row, and random for a million rows and more.

    UsageError for "group" and "time" without them.
    """
    if asked == "auto":
        if data.times is not None:
            return "time"
        if data.groups is not None:
            return "group"
        return "random" if len(data) >= LARGE else "row"
    if (asked == "group" and data.groups is None) or (asked == "time" and data.times is None):
        raise UsageError(
            f"these rows have no {asked}s to be divided by",
            where=data.source,
            got=f"split {asked!r}",
            fix=f"name the column: --{asked} COLUMN",
        )
    return asked


def keep_out(data: Dataset, rows: Rows, fraction: float, seed: int, how: str) -> tuple[Rows, Rows]:
    """Of these rows, (m,) ascending, those that stay and those that are kept out, each ascending.

    how: "row", "group" (no group on both sides), "time" (the latest are kept out; equal times are not divided) or
    "random" (exactly the fraction, as `split`).  Every class with two different rows or more is on both sides, unless
    groups or times decide.  UsageError unless 0 ≤ fraction < 1, DataError when a side would have fewer than 2 rows.
    """
    labels = None if data.classes is None else np.asarray(data.targets[rows])
    if how == "random" or fraction == 0:
        stay, out = split(len(rows), fraction, seed, labels)
        return rows[stay], rows[out]
    split(len(rows), fraction, seed)  # its errors: a fraction out of range, too few rows
    if how == "time":
        assert data.times is not None
        chosen = _latest(data.times[rows], None if data.groups is None else data.groups[rows], fraction)
    else:
        groups = data.groups[rows] if how == "group" and data.groups is not None else None
        keys = row_hashes(data, rows, seed) if groups is None else _mixed(groups.astype(np.uint64)[:, None], seed)
        chosen = keys < np.uint64(min(int(fraction * 2.0**64), (1 << 64) - 1))
        if groups is None and labels is not None:
            sizes, outside = np.bincount(labels), np.bincount(labels, chosen)
            for label in np.flatnonzero((sizes > 0) & ((outside == 0) | (outside == sizes))):
                _both_sides(chosen, keys, np.flatnonzero(labels == label), 1)
        _both_sides(chosen, keys, np.arange(len(rows)), MINIMUM)
    if min(np.count_nonzero(chosen), np.count_nonzero(~chosen)) < MINIMUM:
        what = {"time": "times", "group": "groups", "row": "different rows"}[how]
        raise DataError(
            f"too few {what} to divide the rows",
            where=data.source,
            got=f"{np.count_nonzero(~chosen):,} training rows and {np.count_nonzero(chosen):,} kept out",
            want=f"at least {MINIMUM} rows on each side",
            fix="divide them otherwise (--split random), or keep none out (--valid 0)",
        )
    return rows[~chosen], rows[chosen]


def row_hashes(data: Dataset, rows: Rows, seed: int) -> Hashes:
    """(m,): of what these rows say, inputs and target. Categories and classes count by their names."""
    columns = () if data.cells is None else data.cells
    names = {i: _hashes_of((*column.values, "")) for i, column in enumerate(columns) if column.kind == "category"}
    classes = None if data.classes is None else _hashes_of(data.classes)
    found = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        words = _words(data.inputs[piece])
        for i, hashes in names.items():
            codes = np.asarray(data.inputs[piece][:, i])
            there = np.isfinite(codes)
            words[there, i] = hashes[codes[there].astype(np.int64)]
        targets = np.asarray(data.targets[piece])
        last = _words(targets) if classes is None else classes[targets][:, None]
        found[start : start + len(piece)] = _mixed(np.concatenate([words, last], axis=1), seed)
    return found


def _hashes_of(names: Sequence[str]) -> Hashes:
    digests = [hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names]
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


def _words(values: Array) -> Hashes:
    """(m, …) as (m, words); −0 as 0, and every NaN the same."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    if flat.dtype.kind == "f":
        whole = flat.astype(np.float64) + 0.0
        whole[np.isnan(whole)] = np.nan
        return whole.view(np.uint64)
    if flat.dtype.itemsize == 8:
        return flat.view(np.uint64).copy()
    data = np.zeros((len(flat), -(-flat.shape[1] * flat.dtype.itemsize // 8) * 8), np.uint8)
    data[:, : flat.shape[1] * flat.dtype.itemsize] = flat.view(np.uint8).reshape(len(flat), -1)
    return data.view(np.uint64)


def _mixed(words: Hashes, seed: int) -> Hashes:
    keys = stream(seed, "split", 1).integers(0, 1 << 64, words.shape[1], dtype=np.uint64)
    return _scrambled(_scrambled(words + keys).sum(axis=1, dtype=np.uint64))


def _scrambled(z: Hashes) -> Hashes:
    for shift, factor in zip((30, 27), _MIX, strict=True):
        z = (z ^ (z >> np.uint64(shift))) * factor
    return z ^ (z >> np.uint64(31))


def _both_sides(chosen: npt.NDArray[np.bool_], keys: Hashes, rows: Rows, least: int) -> None:
    """Move what is nearest to the limit until both sides have `least` of these rows, as far as they differ.

    Rows with equal keys move together; one kind of row alone stays in the training.
    """
    kinds = np.unique(keys[rows])
    if len(kinds) < 2:
        chosen[rows] = False
        return
    for side, order in ((True, kinds), (False, kinds[::-1])):
        for key in order[:-1]:
            if np.count_nonzero(chosen[rows] == side) >= least:
                break
            chosen[rows[keys[rows] == key]] = side


def _latest(times: Array, groups: Array | None, fraction: float) -> npt.NDArray[np.bool_]:
    """The latest rows, as near to the fraction as equal times allow; with groups, the groups that end latest."""
    when = np.asarray(times, np.float64)
    if groups is not None:
        _, place = np.unique(groups, return_inverse=True)
        ends = np.full(int(place.max()) + 1, -math.inf)
        np.maximum.at(ends, place, when)
        when = ends[place]
    distinct, counts = np.unique(when, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1]  # rows at this time or later
    best = int(np.argmin(np.abs(later[1:] - fraction * len(when)))) + 1 if len(distinct) > 1 else 0
    return when >= distinct[best] if best else np.zeros(len(when), bool)


# -- cross-validation --------------------------------------------------------------------------------------------------
def folds(data: Dataset, count: int, seed: int, how: str) -> Iterator[tuple[Rows, Rows]]:
    """Training and held-out rows, `count` times: every row is held out once.

    Classes keep their shares; "group": no group on both sides, the folds as equal in rows as they allow; "time": each
    fold follows all that it is tested after, so the first stretch only trains.  UsageError for fewer than 2 folds,
    DataError for fewer rows or groups than folds.
    """
    n = len(data)
    kinds = {"time": data.times, "group": data.groups}.get(how)
    parts = n if kinds is None else len(np.unique(kinds))
    need = count + 1 if how == "time" else count
    if count < 2 or parts < need:
        error = UsageError if count < 2 else DataError
        raise error(
            "these rows cannot be divided into so many folds",
            where=data.source,
            got=f"{count} folds of {parts:,} {how + 's' if kinds is not None else 'rows'}",
            want=f"2 folds or more, and at least {need}",
        )
    if how == "time":
        assert data.times is not None
        _, place = np.unique(data.times, return_inverse=True)
        stretch = ((np.cumsum(np.bincount(place)) - 1) * (count + 1) // n)[place]
        if len(np.unique(stretch)) < need:
            raise DataError(
                "too many rows have the same time to be divided into so many folds",
                where=data.source,
                got=f"{count} folds",
                fix="use fewer folds",
            )
        for fold in range(1, count + 1):
            yield np.flatnonzero(stretch < fold), np.flatnonzero(stretch == fold)
        return
    fold_of = _grouped(np.asarray(data.groups), count, seed) if how == "group" else _dealt(data, count, seed)
    for fold in range(count):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _dealt(data: Dataset, count: int, seed: int) -> Rows:
    """Shuffled, sorted by class, and dealt out like cards: no two folds differ by more than one row of a class."""
    draw = stream(seed, "split", 2)
    order = draw.permutation(len(data))
    if data.classes is not None:
        order = order[np.argsort(np.asarray(data.targets[:])[order], kind="stable")]
    found = np.empty(len(data), np.int64)
    found[order] = np.arange(len(data)) % count
    return found


def _grouped(groups: Array, count: int, seed: int) -> Rows:
    """The largest groups first, each to the fold with the fewest rows."""
    distinct, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = stream(seed, "split", 2).permutation(len(distinct))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold_of = np.zeros(count, np.int64), np.empty(len(distinct), np.int64)
    for group in order.tolist():
        fold_of[group] = int(np.argmin(filled))
        filled[fold_of[group]] += sizes[group]
    return fold_of[place]
