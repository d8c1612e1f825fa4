"""Cells of a table as numbers, strictly: what is no plain, finite decimal number is counted and reported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from denpa.data.files import shown
from denpa.errors import DataError

Floats = npt.NDArray[np.float64]

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def numbers(cells: Sequence[str]) -> Floats | None:
    """The cells as float64, or None when one of them is not a plain finite number (`fault` tells what it is)."""
    try:
        values = np.fromiter(map(float, cells), np.float64, count=len(cells))
    except ValueError:
        return None
    joined = "".join(cells)  # float() also takes 1_000 and full-width or Arabic digits
    return values if joined.isascii() and "_" not in joined and np.isfinite(values).all() else None


def fault(cell: str) -> str | None:
    """What a cell is instead of a number: "empty", "not finite" or "text"; None when it is a number."""
    if not cell.strip():
        return "empty"
    try:
        value = float(cell)
    except ValueError:
        return "text"
    if "_" in cell or not cell.isascii():
        return "text"
    return None if np.isfinite(value) else "not finite"


@dataclass
class Fault:
    """Cells of one column with the same fault: how many, and the first of them."""

    count: int
    line: int
    value: str


class Faults:
    """All faulty cells of a table, so that one message tells how many there are."""

    def __init__(self, where: str, names: Sequence[str]) -> None:
        self.where, self.names = where, tuple(names)
        self.found: dict[tuple[int, str], Fault] = {}

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, column: int, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Note the faulty ones among these cells of `column` (an index into names)."""
        for cell, line in zip(cells, lines, strict=True):
            if (kind := fault(cell)) is not None:
                self.note(column, kind, 1, line, cell)

    def note(self, column: int, kind: str, count: int, line: int, cell: str) -> None:
        if earlier := self.found.get((column, kind)):
            earlier.count += count
        else:
            self.found[column, kind] = Fault(count, line, cell)

    def error(self, rows: int, texts: str) -> DataError:
        """The message for the first faulty column; `texts`: what to do about a column of text."""
        column, kind = min(self.found, key=lambda key: (key[0], self.found[key].line))
        first = self.found[column, kind]
        name = shown(self.names[column])
        others = sorted({other for other, _ in self.found} - {column})
        more = f"; {len(others)} more columns have such cells" if others else ""
        what = {
            "empty": f"{first.count:,} of {rows:,} cells are empty",
            "not finite": f"{first.count:,} of {rows:,} cells are NaN or infinite",
            "text": f"{first.count:,} of {rows:,} cells are not numbers",
        }[kind]
        is_text = kind == "text" and first.count * 2 > rows
        return DataError(
            f"column {name} holds text: {what}{more}" if is_text else f"column {name}: {what}{more}",
            where=f"{self.where}, first at line {first.line:,}",
            got=shown(first.value),
            want="a plain finite decimal number (ASCII digits, a point, no thousands separators) in every cell",
            fix=_fix(kind, first.value, is_text, texts),
        )


def _fix(kind: str, value: str, is_text: bool, texts: str) -> str:
    if kind == "empty":
        return "fill these cells or remove their rows or the column"
    if kind == "not finite":
        return "replace these cells by numbers or remove their rows"
    if DECIMAL_COMMA.fullmatch(value):
        return "write decimals with a point (1.5 for 1,5)"
    return texts if is_text or "classes" in texts else "correct these cells or remove their rows"
