"""Cells of a table as numbers, strictly: what is no plain, finite decimal number is counted and reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.data.files import shown
from denpa.errors import DataError

Floats = npt.NDArray[np.float64]

DECIMALS = "a plain finite decimal number (ASCII digits, a point, no thousands separators) in every cell"
DATES = "2024-03-31, 2024/3/31, 2024年3月31日 or 31.3.2024 in every cell"
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
LEADING_ZERO = re.compile(r"^[ \t]*[+-]?0\d", re.MULTILINE)


class Plain(Sequence[str]):
    """Cells that are all plain finite numbers without leading zeros, (rows,), read already; texts when asked for."""

    def __init__(self, texts: Sequence[str], values: Floats) -> None:
        self._texts, self.values = texts, values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: Any) -> Any:
        return self._texts[at]

    def __iter__(self) -> Iterator[str]:
        self._texts = list(self._texts)
        return iter(self._texts)


def numbers(cells: Sequence[str]) -> Floats | None:
    """The cells as float64, or None when one of them is not a plain finite number (`fault` tells what it is)."""
    if isinstance(cells, Plain):
        return cells.values
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

    def __init__(self, where: str, names: Sequence[str], unit: str = "line") -> None:
        self.where, self.names, self.unit = where, tuple(names), unit
        self.found: dict[tuple[int, str], Fault] = {}

    def __bool__(self) -> bool:
        return bool(self.found)

    def note(self, column: int, kind: str, count: int, line: int, cell: str) -> None:
        if earlier := self.found.get((column, kind)):
            earlier.count += count
        else:
            self.found[column, kind] = Fault(count, line, cell)

    def error(self, rows: int, fix: str) -> DataError:
        """The message for the first faulty column; `fix`: what to do about text."""
        column, kind = min(self.found, key=lambda key: (key[0], self.found[key].line))
        first = self.found[column, kind]
        name = shown(self.names[column])
        others = sorted({other for other, _ in self.found} - {column})
        more = f"; {len(others)} more columns have such cells" if others else ""
        if kind == "not finite":
            what, fix = "NaN or infinite", "replace these cells by numbers, or take them as missing with --na"
        else:
            what = "not numbers" if kind == "text" else "no dates"
        if DECIMAL_COMMA.fullmatch(first.value):
            fix = "write decimals with a point (1.5 for 1,5)"
        return DataError(
            f"column {name}: {first.count:,} of {rows:,} cells are {what}{more}",
            where=f"{self.where}, first at {self.unit} {first.line:,}",
            got=shown(first.value),
            want=DATES if kind == "no date" else DECIMALS,
            fix=fix,
        )
