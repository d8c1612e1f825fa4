"""Cells of a table as numbers, column by column: numbers, category codes, days, class indices, hashes of groups.

What a network sees of them is `encoding`'s; here nothing is fitted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from denpa.data.cells import Faults, Floats, fault, numbers
from denpa.data.dates import date_of, day_of, days_of
from denpa.data.files import listed, shown
from denpa.data.scan import CONVENTIONAL
from denpa.data.source import Cells, Typed
from denpa.data.targets import label_of
from denpa.errors import DataError

OTHER = "<other>"


@dataclass(frozen=True)
class InputColumn:
    """A column of inputs.  kind: "number", "date" or "category"; values: the categories, in the order of their codes.

    missing: whether cells of it were missing in the training table: then an input of the network says which are.
    """

    name: str
    kind: str = "number"
    values: tuple[str, ...] = ()
    missing: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the network's inputs that this column becomes."""
        ends = [f"={value}" for value in (*self.values, OTHER)] if self.kind == "category" else [""]
        return tuple(self.name + end for end in (*ends, *([" missing"] if self.missing else [])))


class InputCoder:
    """Codes pieces of the same columns, and counts what the columns were not expected to hold."""

    def __init__(self, columns: Sequence[InputColumn], na: Sequence[str], where: str, unit: str) -> None:
        self._columns, self._where, self._unit = columns, where, unit
        self._texts = frozenset(("", *na))  # missing in a column of categories
        self._words = self._texts | CONVENTIONAL
        self._faults = Faults(where, [column.name for column in columns], unit)
        self._codes = [{value: i for i, value in enumerate(column.values)} for column in columns]
        self._unknown: list[Counter[str]] = [Counter() for _ in columns]
        self._first: list[int] = [0] * len(columns)  # places
        self._missing = [0] * len(columns)
        self._rows = 0

    def code(self, pieces: Sequence[Cells], places: Sequence[int]) -> list[Floats]:
        """One (rows,) float64 a column: NaN where missing, the code of a category, len(values) for another one."""
        self._rows += len(places)
        coded = []
        for i, (column, cells) in enumerate(zip(self._columns, pieces, strict=True)):
            how = {"number": self._number, "date": self._date, "category": self._category}[column.kind]
            values = how(i, cells, places)
            self._missing[i] += int(np.isnan(values).sum())
            coded.append(values)
        return coded

    def refuse_missing(self) -> None:
        """DataError for the first column with missing cells: for encodings that know of none."""
        for column, missing in zip(self._columns, self._missing, strict=True):
            if missing:
                raise missing_cells(column.name, missing, self._rows, self._where)

    def finish(self, fix: str = "correct these cells: the model was trained on such values") -> tuple[str, ...]:
        """Sentences about what was not expected.  DataError, with this fix, for cells that are no numbers or dates."""
        if self._faults:
            raise self._faults.error(self._rows, fix)
        said = []
        for column, unknown, missing, first in zip(
            self._columns, self._unknown, self._missing, self._first, strict=True
        ):
            name = shown(column.name)
            if unknown:
                values = listed([value for value, _ in unknown.most_common(6)], 5)
                said.append(
                    f"column {name}: {unknown.total():,} of {self._rows:,} rows hold values that are none of the "
                    f"{len(column.values)} known ones (first at {self._unit} {first:,}), taken as {OTHER}: {values}"
                )
            if missing and not column.missing:
                instead = f"as {OTHER}" if column.kind == "category" else "as the mean of the training rows"
                said.append(
                    f"column {name}: {missing:,} of {self._rows:,} cells are missing, none was in training: "
                    f"taken {instead}"
                )
        return tuple(said)

    def _number(self, i: int, cells: Cells, places: Sequence[int]) -> Floats:
        if isinstance(cells, Typed):
            return self._typed_number(i, cells, places)
        values = numbers(cells)
        if values is not None:
            return values
        values = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            if cell.strip() in self._words:
                continue
            if (kind := fault(cell)) is not None:
                self._faults.note(i, kind, 1, places[row], cell)
            else:
                values[row] = float(cell)
        return values

    def _typed_number(self, i: int, cells: Typed, places: Sequence[int]) -> Floats:
        if cells.values.dtype.kind == "M":
            self._faults.note(i, "text", len(cells), places[0], str(cells.values[0]))
            return np.full(len(cells), np.nan)
        values = cells.values.astype(np.float64)
        if cells.missing is not None:
            values[cells.missing] = np.nan
        infinite = np.isinf(values)
        if infinite.any():
            first = int(np.argmax(infinite))
            self._faults.note(i, "not finite", int(infinite.sum()), places[first], str(values[first]))
        return values

    def _date(self, i: int, cells: Cells, places: Sequence[int]) -> Floats:
        if isinstance(cells, Typed):
            if cells.values.dtype.kind != "M":
                self._faults.note(i, "no date", len(cells), places[0], str(cells.values[0]))
                return np.full(len(cells), np.nan)
            days = days_of(cells.values)
            if cells.missing is not None:
                days[cells.missing] = np.nan
            return days
        values = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            if cell.strip() in self._words:
                continue
            day = day_of(cell)
            if day is None:
                self._faults.note(i, "no date", 1, places[row], cell)
            else:
                values[row] = day
        return values

    def _category(self, i: int, cells: Cells, places: Sequence[int]) -> Floats:
        codes, other = self._codes[i], float(len(self._columns[i].values))
        texts = text_cells(cells)
        known: dict[str, float] = {}  # of the cells as they stand
        for cell, count in Counter(texts).items():
            bare = cell.strip()
            known[cell] = np.nan if bare in self._texts else codes.get(bare, other)
            if known[cell] == other:
                if not self._unknown[i]:
                    self._first[i] = places[texts.index(cell)]
                self._unknown[i][bare] += count
        return np.fromiter(map(known.__getitem__, texts), np.float64, count=len(texts))


class ClassCoder:
    """A target's cells as indices into classes: the text itself, or else the number it is (3 for 3.0 and 03)."""

    def __init__(self, name: str, classes: Sequence[str], na: Sequence[str], where: str, unit: str) -> None:
        self._name, self._classes, self._where, self._unit = name, tuple(classes), where, unit
        self._codes: dict[str, int] = {value: i for i, value in enumerate(classes)}
        self._numeric = all(fault(value) is None for value in classes)
        self._missing = frozenset(("", *na)) | (CONVENTIONAL if self._numeric else frozenset())
        self._place = 0
        self._names: Counter[str] = Counter()
        self._rows = 0

    def code(self, cells: Cells, places: Sequence[int]) -> npt.NDArray[np.int64]:
        """(rows,) int64; −1 for what `finish` refuses."""
        self._rows += len(places)
        texts = text_cells(cells)
        known: dict[str, int] = {}
        for cell, count in Counter(texts).items():
            known[cell] = code = self._code(cell.strip())
            if code < 0:
                place = places[texts.index(cell)]
                self._place = min(self._place or place, place)
                self._names[cell.strip()] += count
        return np.fromiter(map(known.__getitem__, texts), np.int64, count=len(texts))

    def _code(self, cell: str) -> int:
        if cell in self._missing:
            return -1
        if cell not in self._codes and self._numeric and fault(cell) is None:
            return self._codes.get(label_of(float(cell)), -1)
        return self._codes.get(cell, -1)

    def finish(self) -> None:
        """DataError naming the labels that are no classes, or the missing ones."""
        if not self._names:
            return
        missing = sum(count for name, count in self._names.items() if name in self._missing)
        place = f"{self._where}, first at {self._unit} {self._place:,}"
        if missing:
            raise missing_cells(self._name, missing, self._rows, place)
        raise DataError(
            f"labels that the training data did not have: {listed(list(self._names))}",
            where=place,
            got=f"{self._names.total():,} rows with such labels",
            want=f"one of {listed(self._classes)}",
            fix="correct or remove these rows, or train again with them",
        )


class NumberCoder:
    """Columns in which every row needs a number: targets, weights, times (dates, too)."""

    def __init__(self, names: Sequence[str], na: Sequence[str], where: str, unit: str, *, dates: bool = False) -> None:
        kind = "date" if dates else "number"
        self._names, self._where, self._unit = names, where, unit
        self._coder = InputCoder([InputColumn(name, kind, missing=True) for name in names], na, where, unit)
        self._missing, self._first, self._column, self._rows = 0, 0, "", 0

    def code(self, pieces: Sequence[Cells], places: Sequence[int]) -> Floats:
        """(rows, columns) float64."""
        self._rows += len(places)
        columns = self._coder.code(pieces, places)
        for name, values in zip(self._names, columns, strict=True):
            if (gone := np.isnan(values)).any():
                if not self._missing:
                    self._first, self._column = places[int(np.argmax(gone))], name
                self._missing += int(gone.sum())
        return np.column_stack(columns)

    def finish(self) -> None:
        """DataError for missing cells, and for cells that are no numbers."""
        self._coder.finish("correct these cells or remove their rows")
        if self._missing:
            place = f"{self._where}, first at {self._unit} {self._first:,}"
            raise missing_cells(self._column, self._missing, self._rows, place)


def missing_cells(name: str, count: int, rows: int, place: str) -> DataError:
    return DataError(
        f"column {shown(name)}: {count:,} of {rows:,} cells are empty",
        where=place,
        want="a value in every row",
        fix="fill these cells or remove their rows",
    )


def text_cells(cells: Cells) -> Sequence[str]:
    """Cells as text; those of a typed column as `label_of` names them, missing ones empty."""
    if not isinstance(cells, Typed):
        return cells
    texts = [label_of(value) for value in cells.values.tolist()]
    if cells.missing is not None:
        texts = ["" if gone else text for text, gone in zip(texts, cells.missing.tolist(), strict=True)]
    return ["" if text == "nan" else text for text in texts]


def group_codes(cells: Cells, known: dict[str, int]) -> npt.NDArray[np.int64]:
    """A number for each group that depends on its text alone, so that it stays when rows are added.  known: a memo."""
    texts = text_cells(cells)
    for cell in set(texts) - known.keys():
        known[cell] = int.from_bytes(hashlib.blake2b(cell.strip().encode(), digest_size=8).digest(), "little") >> 1
    return np.fromiter(map(known.__getitem__, texts), np.int64, count=len(texts))


def readable(column: InputColumn, value: float) -> float | str:
    """What a cell said: the number, the category, the date; nothing where it was missing."""
    if np.isnan(value):
        return ""
    if column.kind == "category":
        return column.values[int(value)] if value < len(column.values) else OTHER
    return date_of(value) if column.kind == "date" else value
