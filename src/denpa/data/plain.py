"""Blocks of CSV text that are cut into cells, and whose numbers are read, by arithmetic over all cells at once.

What is given is what `csv.reader` and `float` give: a number of up to 2⁵³ without its point, divided by a power of ten
of up to 10²², is the quotient of two exact numbers, which a division rounds correctly (W. Clinger, "How to read
floating point numbers accurately", PLDI 1990).  Other cells are read by `float`, other blocks are refused.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.data.cells import LEADING_ZERO, Plain, fault, numbers
from denpa.data.source import Cells

Longs = npt.NDArray[np.int64]

DIGITS = b"0123456789"
PAD = b"0" * 24  # before the first cell: its digits are loaded 24 at a time
POWERS = np.array([10.0**i for i in range(23)])
EXACT = 1 << 53
_TAKEN = frozenset('0123456789.-"\r\n')  # no delimiter that numbers can be told from


class Block:
    """Records of one line each, as many cells in each as there are columns."""

    def __init__(self, raw: bytes, encoding: str, starts: Longs, ends: Longs, values: Any, plain: Any) -> None:
        """starts, ends: (rows, columns) places in raw.  values, plain: (columns, rows); values hold where plain."""
        self._raw, self._encoding, self._starts, self._ends = raw, encoding, starts, ends
        self._values, self._plain = values, plain
        self._text = raw.decode("ascii") if raw.isascii() else None
        self.rows = len(starts)

    def column(self, i: int) -> Cells:
        """Its cells, read as numbers where all are plain, finite ones."""
        values: npt.NDArray[np.float64] = self._values[i]
        texts = _Texts(self._raw, self._text, self._encoding, self._starts[:, i], self._ends[:, i])
        if not self._plain[i].all():
            rest = np.flatnonzero(~self._plain[i])
            if fault(texts[int(rest[0])]) is not None:
                return list(texts)
            cells = [texts[row] for row in rest.tolist()]
            found = numbers(cells)
            if found is None or LEADING_ZERO.search("\n".join(cells)):
                return list(texts)
            values[rest] = found
        return Plain(texts, values)


class _Texts(Sequence[str]):
    """Cells of one column, cut out where they are asked for."""

    def __init__(self, raw: bytes, text: str | None, encoding: str, starts: Longs, ends: Longs) -> None:
        self._raw, self._text, self._encoding, self._starts, self._ends = raw, text, encoding, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return list(self)[at]
        return self._raw[self._starts[at] : self._ends[at]].decode(self._encoding)

    def __iter__(self) -> Iterator[str]:
        places = zip(self._starts.tolist(), self._ends.tolist(), strict=True)
        if self._text is not None:
            return iter([self._text[start:end] for start, end in places])
        return iter([self._raw[start:end].decode(self._encoding) for start, end in places])


def cut(raw: bytes, encoding: str, delimiter: str, width: int) -> Block | None:
    """Whole lines as cells, or None where `csv.reader` has to say what it is: quotes, blanks, ragged lines."""
    if width < 2 or delimiter in _TAKEN or not delimiter.isascii() or not _clear(raw, encoding):
        return None
    sep = delimiter.encode()
    if sep != b" " and (sep + b" " in raw or b"\n " in raw or raw.startswith(b" ")):
        return None
    if b"\r" in raw:
        if raw.count(b"\r") != raw.count(b"\r\n"):
            return None
        raw = raw.replace(b"\r\n", b"\n")
    if not raw.endswith(b"\n"):
        raw += b"\n"
    text = np.frombuffer(raw, np.uint8)
    line_ends = text == 10
    marks = np.flatnonzero(line_ends | (text == sep[0]) | (text == 46))
    at = np.flatnonzero(text[marks] != 46)  # which of the marks end cells; the others are points
    ends = marks[at]
    rows = len(ends) // width
    last = ends[width - 1 :: width]
    if len(ends) != rows * width or np.count_nonzero(line_ends) != rows or not (text[last] == 10).all():
        return None
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    if int((ends - starts).max()) > csv.field_size_limit():
        return None
    points = np.diff(at, prepend=-1) - 1
    decimals = np.where(points == 1, ends - marks[at - 1] - 1, 0)
    values, plain = _read(raw, text, sep, starts, ends, points, decimals)
    shape = rows, width
    return Block(
        raw,
        encoding,
        starts.reshape(shape),
        ends.reshape(shape),
        np.ascontiguousarray(values.reshape(shape).T),
        np.ascontiguousarray(plain.reshape(shape).T),
    )


def _clear(raw: bytes, encoding: str) -> bool:
    """Whether the bytes of delimiters and line ends are these, and cells can be decoded one by one."""
    if b'"' in raw or b"\0" in raw:
        return False
    if raw.isascii():
        return True
    if encoding != "utf-8" or raw.startswith(codecs.BOM_UTF8):
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(
    raw: bytes, text: npt.NDArray[np.uint8], sep: bytes, starts: Longs, ends: Longs, points: Longs, decimals: Longs
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The cells as numbers, and which of them hold: digits with at most one point, a minus, and no leading zero."""
    digits = PAD + raw.translate(None, _others(sep))  # a cell's digits side by side
    marks = np.frombuffer(digits, np.uint8)
    last = np.flatnonzero((marks == 10) | (marks == sep[0]))
    count = np.diff(last, prepend=len(PAD) - 1) - 1
    words: npt.NDArray[np.uint64] = np.ndarray((len(digits) - 7,), "<u8", digits, 0, (1,))
    negative = text[starts] == 45
    plain = (ends - starts == count + points + negative) & (points < 2) & (count > 0)
    plain &= (text[starts + negative] != 48) | (count - decimals < 2)
    found = _eight(words[last - 8], count)
    most = int(count.max())
    if most > 8:
        found += _eight(words[last - 16], count - 8) * np.uint64(10**8)
    if most > 16:
        high = _eight(words[last - 24], count - 16)
        found += high * np.uint64(10**16)
        plain &= (high < 1000) & (count <= 24)
        decimals = np.where(plain, decimals, 0)
    plain &= (found <= EXACT) & (decimals < len(POWERS))
    values = found.view(np.int64).astype(np.float64)
    values /= POWERS.take(decimals, mode="clip")
    np.negative(values, out=values, where=negative)
    return values, plain


def _eight(words: npt.NDArray[np.uint64], count: Longs) -> npt.NDArray[np.uint64]:
    """The last `count` of eight digits each, as a number; the first digit in the lowest byte.

    Digits are added up in pairs, fours and eights, all pairs of a word at once.
    """
    words &= _KEPT.take(count, mode="clip")
    words *= np.uint64(2561)
    words >>= np.uint64(8)
    words &= np.uint64(0x00FF00FF00FF00FF)
    words *= np.uint64(6553601)
    words >>= np.uint64(16)
    words &= np.uint64(0x0000FFFF0000FFFF)
    words *= np.uint64(42949672960001)
    words >>= np.uint64(32)
    return words


# of a digit's code the number it is, in the last i of eight bytes
_KEPT = np.array([0x0F0F0F0F0F0F0F0F >> 8 * (8 - i) << 8 * (8 - i) for i in range(9)], np.uint64)


def _others(sep: bytes) -> bytes:
    return bytes(i for i in range(256) if i not in DIGITS and i not in sep and i != 10)
