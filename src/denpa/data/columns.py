"""The columns of a table as inputs of a network: means and deviations, categories one by one, missing cells marked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from denpa.data.coding import InputColumn
from denpa.data.dataset import Array
from denpa.data.files import shown
from denpa.errors import DataError

Floats = npt.NDArray[np.float64]

TILE = 1 << 16  # numbers standardised at a time: 512 KiB
ROWS = 8192  # standardising works in pieces of so many rows: its float64 copies then stay small


def standardise(values: Array, mean: Floats, std: Floats, into: Array) -> None:
    """into = (values − mean) / std, by column.

    Means and deviations are repeated, so that NumPy's loops run over whole pieces: over rows of 20 numbers they take
    ten times as long.
    """
    count = max(1, TILE // len(mean))
    means, stds = (np.tile(row, (min(count, len(values)), 1)) for row in (mean, std))
    for start in range(0, len(values), count):
        part = values[start : start + count]
        scaled = part - means[: len(part)]
        scaled /= stds[: len(part)]
        into[start : start + count] = scaled


def expand(rows: Array, cells: Sequence[InputColumn], mean: npt.NDArray[np.float64], silent: Sequence[int]) -> Floats:
    """(m, columns) as a Dataset has them → (m, features), in their own units: a missing number is its mean."""
    if not len(silent) and not any(column.kind == "category" or column.missing for column in cells):
        gone = np.isnan(rows)
        return np.where(gone, mean, rows) if gone.any() else rows
    out = np.zeros((len(rows), len(mean)))
    at, plain, place = 0, [], []
    here = np.arange(len(rows))
    for i, column in enumerate(cells):
        width = len(column.slots)
        if column.kind != "category":
            plain.append(i)
            place.append(at)
            if column.missing:
                out[:, at + 1] = np.isnan(rows[:, i])
        else:
            codes, other = rows[:, i], len(column.values)
            gone = np.isnan(codes)
            slots = np.where(gone, other + column.missing, np.where(gone, 0, codes))
            wrong = (slots < 0) | (slots > other + column.missing) | (slots != np.floor(slots))
            if wrong.any():
                raise DataError(
                    f"column {shown(column.name)} holds no codes of categories",
                    where=f"row {int(np.argmax(wrong)) + 1:,}",
                    got=str(rows[int(np.argmax(wrong)), i]),
                    want=f"whole numbers from 0 to {other}",
                )
            out[here, at + slots.astype(np.int64)] = 1.0
        at += width
    numbers = rows[:, plain]
    out[:, place] = np.where(np.isnan(numbers), mean[place], numbers)
    out[:, list(silent)] = 0.0
    return out


def fit(
    inputs: Array, rows: Array | None, cells: Sequence[InputColumn], weights: Array | None = None
) -> tuple[Floats, Floats, list[int], list[int]]:
    """Mean and deviation of each feature, (features,); which numbers are constant; which slots no row has.

    Slots are not scaled: mean 0, deviation 1.  weights: as of `moments`.
    """
    plain = [i for i, column in enumerate(cells) if column.kind != "category"]
    starts = np.cumsum([0, *(len(column.slots) for column in cells)])
    mean, std = np.zeros(int(starts[-1])), np.ones(int(starts[-1]))
    at = starts[plain] if plain else np.empty(0, np.int64)
    constant: list[int] = []
    if plain:
        mean[at], std[at], fixed = moments(inputs, rows, lambda i: cells[plain[i]].name, plain, weights)
        constant = at[fixed].tolist()
    used = np.zeros(len(mean), bool)
    for piece in pieces_of(inputs, rows, weights):
        used |= (expand(piece, cells, mean, ()) != 0).any(axis=0)
    used[at] = True
    return mean, std, constant, np.flatnonzero(~used).tolist()


def pieces_of(inputs: Array, rows: Array | None, weights: Array | None = None) -> Iterator[Array]:
    """The chosen rows a few thousand at a time: float64 copies of them then stay small.

    weights, (len(inputs),): rows that weigh 0 are left out.
    """
    count = len(inputs) if rows is None else len(rows)
    for start in range(0, count, ROWS):
        piece = slice(start, start + ROWS)
        chosen = piece if rows is None else rows[piece]
        if weights is None:
            yield inputs[chosen]
        elif (counting := weights[chosen] > 0).any():
            yield inputs[chosen][counting]


def moments(
    inputs: Array,
    rows: Array | None,
    name: Callable[[int], str],
    columns: Sequence[int] | None = None,
    weights: Array | None = None,
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Mean and standard deviation (divided by n) by column, and which columns are constant; their std is 1.

    columns: only these, with NaN for missing values, which do not count.  weights (len(inputs),): how much rows count.
    Two passes in float64: a sum of squares would lose all digits of a column such as 1e9 + noise.
    """
    width = inputs.shape[1] if columns is None else len(columns)
    low, high, total, squares = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width), np.zeros(width)
    count = np.zeros(width)

    def chosen() -> Iterator[tuple[Array, Array, Array | float]]:
        """Each piece, which of it counts, and how much."""
        heavy = itertools.repeat(None) if weights is None else pieces_of(weights, rows, weights)
        for piece, w in zip(pieces_of(inputs, rows, weights), heavy, strict=False):
            part = piece if columns is None else piece[:, columns]
            there = np.ones((1, 1), bool) if columns is None else ~np.isnan(part)
            yield part, there, 1.0 if w is None else w[:, None]

    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        for piece, there, w in chosen():
            low = np.minimum(low, np.where(there, piece, np.inf).min(axis=0))
            high = np.maximum(high, np.where(there, piece, -np.inf).max(axis=0))
            total += (np.where(there, piece, 0) * w).sum(axis=0, dtype=np.float64)
            count += (np.broadcast_to(there, piece.shape) * w).sum(axis=0)
        empty = count == 0
        low, high = np.where(empty, 0.0, low), np.where(empty, 0.0, high)
        constant = low == high
        count = np.where(empty, 1.0, count)
        mean = np.where(constant, low, total / count)  # exactly, so that a constant column becomes 0
        largest = np.where(constant, 1.0, np.maximum(high - mean, mean - low))
        for piece, there, w in chosen():  # of at most 1: 1e-200 must not vanish as 1e-400
            squares += (np.where(there, ((piece - mean) / largest) ** 2, 0) * w).sum(axis=0)
        std = np.where(constant, 1.0, largest * np.sqrt(squares / count))
    bad = ~np.isfinite(mean) | ~np.isfinite(std) | (std == 0)
    if bad.any():
        column = int(np.argmax(bad))
        raise DataError(
            f"column {shown(name(column))} has a range that cannot be standardised",
            got=f"values from {low[column]:g} to {high[column]:g}",
            want="magnitudes between about 1e-300 and 1e300",
            fix="multiply the column by a constant first",
        )
    return mean, std, constant
