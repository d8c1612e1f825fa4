"""Orders and parts of very many rows that are computed where they are needed and never held.

A permutation of 50 million rows takes 400 MB as an array of int64. Here it is a function: a Feistel network over
a · b ≥ n numbers, keyed by the seed and the epoch, and walked until it falls below n (Black and Rogaway, "Ciphers with
Arbitrary Finite Domains", CT-RSA 2002). A part is one bit a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from denpa.data.batches import Rows, order
from denpa.data.streams import stream

LARGE = 1 << 20  # rows from which on orders and parts are computed: an order of fewer takes 8 MB at most
PIECE = 1 << 13  # numbers permuted at a time: their temporaries stay in the cache of a core
BLOCK = 1 << 12  # rows whose members are counted together
_ROUNDS = 6


class Permutation:
    """A permutation of 0 … n − 1, n < 2⁶², drawn by a generator; computed for any numbers at any time."""

    def __init__(self, n: int, draw: np.random.Generator) -> None:
        side = math.isqrt(max(n - 1, 0)) + 1
        word: Any = np.uint32 if n < 1 << 32 else np.uint64  # a core multiplies twice as many of 32 bits at a time
        self.n = word(n)
        self._sides = word(side), word(-(-n // side) or 1)
        keys = draw.integers(0, 1 << 64, (_ROUNDS, 2), dtype=np.uint64).astype(word)
        self._rounds = [(key, factor | word(1)) for key, factor in keys]
        self._mix = word(0x9E3779B97F4A7C15 & (0xFFFFFFFF if word is np.uint32 else -1))
        self._half: Any = word(16 if word is np.uint32 else 32)
        self._fold: Any = word(15 if word is np.uint32 else 29)

    def __call__(self, numbers: npt.NDArray[Any]) -> Rows:
        """(m,) integers from 0 to n − 1 → (m,) where they go."""
        found = np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), PIECE):
            piece = slice(start, start + PIECE)
            x = self._once(numbers[piece].astype(self.n.dtype))
            while len(beyond := np.flatnonzero(x >= self.n)):  # at most √n of all numbers are
                x[beyond] = self._once(x[beyond])
            found[piece] = x
        return found

    def _once(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One pass over the a · b numbers: each half in turn is shifted by a hash of the other."""
        a, b = self._sides
        left = x // b
        right = x - left * b
        for i, (key, factor) in enumerate(self._rounds):
            if i % 2:
                right = self._shifted(right, left, b, key, factor)
            else:
                left = self._shifted(left, right, a, key, factor)
        moved: npt.NDArray[Any] = left * b + right
        return moved

    def _shifted(self, half: npt.NDArray[Any], other: npt.NDArray[Any], side: Any, key: Any, factor: Any) -> Any:
        """(half + hash(other)) mod side; the upper half of the hash's bits, scaled to 0 … side − 1."""
        h = other + key
        h *= self._mix
        h ^= h >> self._fold
        h *= factor
        h >>= self._half
        h *= side
        h >>= self._half
        h += half
        h -= side * (h >= side)
        return h


class Members:
    """Some of n rows, as a bit each; indexed like the ascending array of their numbers, which is never made.

    members[i:j] and members[array of places] give row numbers, int64; np.asarray(members) makes all of them.
    """

    def __init__(self, bits: npt.NDArray[np.uint8], n: int) -> None:
        """bits: ⌈n / 8⌉ bytes as `np.packbits` writes them, zero behind the end."""
        self.bits, self.n = bits, n
        sizes = [
            int(np.bitwise_count(bits[at : at + BLOCK // 8]).sum(dtype=np.int64))
            for at in range(0, len(bits), BLOCK // 8)
        ]
        self._ends = np.cumsum([0, *sizes], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            start, stop, step = places.indices(len(self))
            return self._between(start, max(start, stop))[::step] if step > 0 else self[np.arange(start, stop, step)]
        chosen = np.asarray(places, np.int64)
        if chosen.ndim == 0:
            return self._chosen(chosen.reshape(1))[0]
        return self._chosen(chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Rows:
        rows: Rows = self._between(0, len(self))
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self), PIECE):
            yield from self[start : start + PIECE].tolist()

    def contain(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """(m,) row numbers → (m,) whether they are members."""
        found: npt.NDArray[np.bool_] = (self.bits[rows >> 3] >> (7 - (rows & 7)).astype(np.uint8) & 1).astype(np.bool_)
        return found

    def _between(self, start: int, stop: int) -> Rows:
        first = int(np.searchsorted(self._ends, start, "right")) - 1
        last = int(np.searchsorted(self._ends, stop, "left"))
        found = np.flatnonzero(np.unpackbits(self.bits[first * BLOCK // 8 : last * BLOCK // 8])) + first * BLOCK
        skipped = start - int(self._ends[min(first, len(self._ends) - 1)])
        return found[skipped : skipped + stop - start].astype(np.int64, copy=False)

    def _chosen(self, places: Rows) -> Rows:
        if len(places) and not (places.min() >= 0 and places.max() < len(self)):
            raise IndexError("a place outside of these rows")
        found = np.empty(len(places), np.int64)
        for block in np.unique(np.searchsorted(self._ends, places, "right") - 1).tolist():
            start, stop = int(self._ends[block]), int(self._ends[block + 1])
            here = np.flatnonzero((start <= places) & (places < stop))
            found[here] = self._between(start, stop)[places[here] - start]
        return found


Part = Rows  # or Members in an array's place


def members(rows: Any) -> Members | None:
    """The rows as Members, where that is what they are."""
    return rows if isinstance(rows, Members) else None


class Order:
    """The training rows in the order of one epoch: order[i:j] gives row numbers.  epoch: None: in their own order."""

    def __init__(self, train: Part, seed: int, epoch: int | None) -> None:
        self._train, self._members = train, members(train) if epoch is not None else None
        if epoch is None:
            self._rows = train
        elif self._members is not None:
            self._moved = Permutation(self._members.n, stream(seed, "order", epoch))
        else:
            self._rows = train[order(len(train), seed, epoch)]

    def __len__(self) -> int:
        return len(self._train)

    def __getitem__(self, places: slice) -> Rows:
        """Places of step 1."""
        if self._members is None:
            return self._rows[places]
        # The permutation of all rows, walked from each member to the next member, permutes the members.
        rows = self._moved(self._members[places])
        outside = np.flatnonzero(~self._members.contain(rows))
        while len(outside):
            rows[outside] = moved = self._moved(rows[outside])
            outside = outside[~self._members.contain(moved)]
        return rows


def sample(train: Part, seed: int, most: int) -> Rows:
    """Up to `most` of these rows, drawn by the seed, ascending."""
    draw = stream(seed, "sample")
    if members(train) is not None:
        places = np.unique(Permutation(len(train), draw)(np.arange(min(most, len(train)))))
    else:
        places = np.sort(draw.permutation(len(train))[:most])
    rows: Rows = train[places]
    return rows


def divide(n: int, valid: float, test: float, seeds: tuple[int, int]) -> tuple[Part, Part, Part]:
    """Training, validation and test rows of very many: `split` without its arrays, and without regard to classes.

    valid: a share of what the test part leaves.  seeds: of the validation and the test part.
    """
    sizes = [round(n * test)]
    sizes.append(round((n - sizes[0]) * valid))
    tests = Permutation(n, stream(seeds[1], "split"))
    valids = Permutation(n - sizes[0], stream(seeds[0], "split"))
    bits: list[list[npt.NDArray[np.uint8]]] = [[], [], []]
    rest = 0
    for start in range(0, n, PIECE):
        rows = np.arange(start, min(start + PIECE, n))
        is_test = tests(rows) < sizes[0] if sizes[0] else np.zeros(len(rows), bool)
        left = int(np.count_nonzero(~is_test))
        is_valid = np.zeros(len(rows), bool)
        is_valid[~is_test] = valids(np.arange(rest, rest + left)) < sizes[1]
        rest += left
        for kept, mask in zip(bits, (~is_test & ~is_valid, is_valid, is_test), strict=True):
            kept.append(np.packbits(mask))
    train, validation, tested = (cast(Part, Members(np.concatenate(kept), n)) for kept in bits)
    return train, validation, tested
