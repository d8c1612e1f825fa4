"""CSV with a header line, read once and strictly into numbers; the target may be text."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from denpa.data.cells import Faults, Floats, numbers
from denpa.data.csvtext import CsvSource
from denpa.data.dataset import Array, Dataset, Inputs
from denpa.data.files import DataFile, listed, shown
from denpa.data.targets import MAXIMUM_CLASSES, Labels, RawTargets, Target, decide, follow, too_many_classes
from denpa.errors import DataError

TARGET_NAMES = ("target", "label", "class", "y")
GROWTH = 1.25  # of a matrix whose number of rows is not known: a quarter too much at most while reading

_TEXT_INPUT = "encode it as numbers, for example one 0/1 column for each of its values, or remove the column"
_TEXT_TARGET = "correct these cells or remove their rows; if the column holds classes, say --task classification"


class Growing:
    """A float64 matrix that rows are appended to, in one piece of memory."""

    def __init__(self, columns: int) -> None:
        self._array, self._used = np.empty((0, columns)), 0

    def append(self, columns: Sequence[Floats]) -> None:
        """Append rows given as columns, each (rows,)."""
        end = self._used + len(columns[0])
        if end > len(self._array):
            self._array.resize((max(end, int(GROWTH * end)), self._array.shape[1]), refcheck=False)
        for i, column in enumerate(columns):
            self._array[self._used : end, i] = column
        self._used = end

    def finish(self) -> Floats:
        self._array.resize((self._used, self._array.shape[1]), refcheck=False)
        return self._array


class TargetColumn:
    """Collects the target's cells as numbers while they all are numbers, and as labels while those are few enough."""

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where
        self._values = Growing(1)
        self._faults = Faults(where, [name])
        self._labels: dict[str, int] = {}
        self._codes: list[Array] = []
        self._rows = 0

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        self._rows += len(cells)
        values = numbers(cells)
        if values is None:
            self._faults.add(0, cells, lines)
        elif not self._faults:
            self._values.append([values])
        if len(self._labels) <= MAXIMUM_CLASSES:
            labels = self._labels
            codes = [labels.setdefault(cell.strip(), len(labels)) for cell in cells]
            self._codes.append(np.array(codes, np.int64))
        else:
            self._codes = []  # numbers, or text that is too varied: do not keep it

    def finish(self, as_classes: bool) -> RawTargets:
        """DataError for empty cells, for NaN, and for numbers mixed with text unless they are meant as classes."""
        if not self._faults:
            return self._values.finish()[:, 0]
        faulty = sum(one.count for one in self._faults.found.values())
        if as_classes or faulty == self._rows:
            self._faults.found.pop((0, "text"), None)
        if self._faults:
            raise self._faults.error(self._rows, _TEXT_TARGET)
        if len(self._labels) > MAXIMUM_CLASSES:
            raise too_many_classes(self.name, self.where, len(self._labels), self._rows)
        return Labels(np.concatenate(self._codes), tuple(self._labels))


@dataclass(frozen=True, eq=False)
class Table:
    """What was asked of a CSV file: inputs (n, len(names)) float64, the target's values, the columns left out."""

    values: Floats
    names: tuple[str, ...]
    target: RawTargets | None
    ignored: tuple[str, ...]


def read_table(file: DataFile, target: str | None, task: str) -> Dataset:
    """Every column but the target as an input.

    target None: the one column that is called target, label, class or y.  DataError for a file that is no strict table
    of finite numbers (but for the target, which may be text) and for a target that cannot be learned.
    """
    records = CsvSource(file)
    header = _header(records, lone=False)
    name = target_name(header, target, file.where)
    table = _collect(records, header, [other for other in header if other != name], name, task == "classification")
    assert table.target is not None
    return _dataset(file, table, name, decide(table.target, name, task, file.where))


def read_table_like(file: DataFile, names: Sequence[str], target: str, classes: tuple[str, ...] | None) -> Dataset:
    """The columns `names` in this order, wherever they stand, and the target in the terms of `classes`."""
    records = CsvSource(file)
    header = _header(records, lone=False)
    table = _collect(records, header, names, target_name(header, target, file.where), classes is not None)
    assert table.target is not None
    return _dataset(file, table, target, follow(table.target, classes, target, file.where))


def read_table_inputs(file: DataFile, names: Sequence[str]) -> Inputs:
    """The columns `names` in this order, wherever they stand; others are ignored and listed."""
    records = CsvSource(file)
    table = _collect(records, _header(records, lone=True), names, None, False)
    return Inputs(table.values, file.where, file.sha256, columns=table.names, ignored=table.ignored)


def _dataset(file: DataFile, table: Table, name: str, target: Target) -> Dataset:
    return Dataset(
        inputs=table.values,
        targets=target.values,
        columns=table.names,
        target_name=name,
        classes=target.classes,
        task_reason=target.reason,
        source=file.where,
        sha256=file.sha256,
        ignored=table.ignored,
    )


def _header(records: CsvSource, lone: bool) -> list[str]:
    if len(records.names) == 1 and not lone:
        raise DataError(
            "the table has one column only",
            where=records.where,
            got=f"the header {shown(records.names[0])}",
            want="at least two columns; if they are divided by something else, say it with --sep",
        )
    return list(records.names)


def target_name(header: Sequence[str], target: str | None, where: str) -> str:
    """The target's column.  DataError with the columns, and the nearest name, when it cannot be told."""
    if target in header:
        return str(target)
    if target is None:
        usual = [name for name in header if name.lower() in TARGET_NAMES]
        if len(usual) == 1:
            return usual[0]
        what = f"which column is the target? {len(usual) or 'none'} of them called {', '.join(TARGET_NAMES)}"
    else:
        what = f"no column {shown(target)}{_nearest(target, header)}"
    raise DataError(
        what,
        where=where,
        got=f"{len(header)} columns: {listed(list(header))}",
        want="the name of one of them as the target",
        fix="name the column with --target",
    )


def _nearest(name: str, header: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, header[:1000], n=1)  # cost grows with the number of names
    return f"; did you mean {shown(near[0])}?" if near else ""


def _collect(
    records: CsvSource, header: list[str], names: Sequence[str], target: str | None, as_classes: bool
) -> Table:
    where, place = records.where, {name: i for i, name in enumerate(header)}
    _check_present(names, header, where)
    columns = [place[name] for name in names]
    matrix, faults = Growing(len(columns)), Faults(where, names)
    answers = None if target is None else TargetColumn(target, where)
    rows = 0
    for chunk in records.chunks():
        rows += len(chunk)
        cells: list[tuple[str, ...]] = list(chunk.columns)  # type: ignore[arg-type]
        parsed = [numbers(cells[column]) for column in columns]
        good = [values for values in parsed if values is not None]
        if len(good) < len(parsed):
            _note(faults, parsed, cells, columns, chunk.places)
        elif not faults:
            matrix.append(good)
        if answers is not None and target is not None:
            answers.add(cells[place[target]], chunk.places)
    if rows == 0:
        raise DataError(
            "the file has a header line and no rows", where=where, got="0 rows", want="one line for each row"
        )
    if faults:
        raise faults.error(rows, _TEXT_INPUT)
    used = {*names, target}
    ignored = tuple(name for name in header if name not in used)
    found = None if answers is None else answers.finish(as_classes)
    return Table(matrix.finish(), tuple(names), found, ignored)


def _note(
    faults: Faults, parsed: list[Floats | None], cells: list[tuple[str, ...]], columns: list[int], places: Sequence[int]
) -> None:
    for i, values in enumerate(parsed):
        if values is None:
            faults.add(i, cells[columns[i]], places)


def _check_present(names: Sequence[str], header: list[str], where: str) -> None:
    present = set(header)
    missing = [name for name in names if name not in present]
    if missing:
        raise DataError(
            f"missing columns: {listed(missing)}{_nearest(missing[0], header)}",
            where=where,
            got=f"{len(header)} columns: {listed(header)}",
            want=f"all {len(names)} columns that the model was trained on, in any order",
            fix="add the missing columns or correct their names",
        )
