"""Tables by their schema: from a source, pieces of coded rows; from these, a Dataset in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from denpa.data.cells import Floats
from denpa.data.coding import ClassCoder, InputCoder, InputColumn, NumberCoder, group_codes, missing_cells
from denpa.data.dataset import Array, Dataset, Inputs
from denpa.data.encoding import InputEncoding, TargetEncoding
from denpa.data.files import listed, shown
from denpa.data.kinds import Column
from denpa.data.leaks import Leaks
from denpa.data.schema import Options, Schema, nearest, no_rows, profile
from denpa.data.source import Cells, TableSource
from denpa.errors import DataError

_SEP = "; if they are divided by something else, say it with --sep"
GROWTH = 1.25  # of a matrix whose number of rows is not known: a quarter too much at most while reading


class Growing:
    """A matrix that rows are appended to, in one piece of memory."""

    def __init__(self, columns: int, dtype: str = "f8") -> None:
        self._array, self._used = np.empty((0, columns), dtype), 0

    def append(self, columns: Sequence[Array]) -> None:
        """Append rows given as columns, each (rows,)."""
        end = self._used + len(columns[0])
        if end > len(self._array):
            self._array.resize((max(end, int(GROWTH * end)), self._array.shape[1]), refcheck=False)
        for i, column in enumerate(columns):
            self._array[self._used : end, i] = column
        self._used = end

    def finish(self) -> Array:
        self._array.resize((self._used, self._array.shape[1]), refcheck=False)
        return self._array


@dataclass(frozen=True, eq=False)
class Coded:
    """Consecutive rows.  inputs: one (rows,) float64 a column, NaN where missing, categories by their codes.

    targets: one (rows,) a target, int64 indices into classes or float64.  weights, groups, times: as in a Dataset.
    """

    inputs: list[Floats]
    targets: list[Array]
    weights: Floats | None = None
    groups: Array | None = None
    times: Floats | None = None


@dataclass(frozen=True)
class Layout:
    """What is read of a table, by name: the inputs, what is missing, the targets with their classes if they have some,
    and the columns of weights, groups and times."""

    inputs: tuple[InputColumn, ...]
    na: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    dates: bool = False  # times are dates
    labels: bool = False  # the targets are 0 and 1, several at once
    gaps: bool = True  # whether inputs may be missing

    @classmethod
    def of(cls, schema: Schema) -> Layout:
        targets = schema.of_kind("target")
        weight, group, time = (next(iter(schema.of_kind(kind)), None) for kind in ("weight", "group", "time"))
        return cls(
            tuple(input_column(column) for column in schema.inputs),
            schema.na,
            tuple(column.name for column in targets),
            targets[0].values if schema.task == "classification" else None,
            weight.name if weight else None,
            group.name if group else None,
            time.name if time else None,
            dates=time is not None and time.dates,
            labels=schema.task == "multilabel",
        )

    @classmethod
    def like(cls, inputs: InputEncoding, targets: TargetEncoding | None = None) -> Layout:
        """What a trained network wants to see of another table, with its targets or without."""
        gaps = bool(inputs.cells)  # encodings of before columns were described know no missing cells
        if targets is None:
            return cls(inputs.table, inputs.na, gaps=gaps)
        labels = bool(targets.labels)
        return cls(inputs.table, inputs.na, targets.columns, targets.classes or None, labels=labels, gaps=gaps)

    @property
    def names(self) -> tuple[str, ...]:
        roles = (self.weight, self.group, self.time)
        return (*(column.name for column in self.inputs), *self.targets, *(name for name in roles if name is not None))


def input_column(column: Column) -> InputColumn:
    return InputColumn(column.name, column.kind, column.values, column.missing > 0)


class Coder:
    """One pass over a table: `pieces()`, then `notices`."""

    def __init__(self, source: TableSource, layout: Layout) -> None:
        self._source, self._layout = source, layout
        self.rows = 0
        self.notices: tuple[str, ...] = ()
        at = (source.where, source.unit)
        na = layout.na
        self._inputs = InputCoder(layout.inputs, na, *at)
        self._classes = None
        self._numbers = None
        if layout.classes is not None:
            self._classes = ClassCoder(layout.targets[0], layout.classes, na, *at)
        elif layout.targets:
            self._numbers = NumberCoder(layout.targets, na, *at)
        self._weights = None if layout.weight is None else NumberCoder([layout.weight], na, *at)
        self._times = None if layout.time is None else NumberCoder([layout.time], na, *at, dates=layout.dates)
        self._groups: dict[str, int] = {}
        self._absent, self._absent_at = 0, 0  # groups

    def pieces(self) -> Iterator[Coded]:
        """All rows.  DataError, at the latest after the last piece, for cells that cannot be what they should."""
        for piece in self._source.chunks(self._layout.names):
            self.rows += len(piece)
            yield self._code(list(piece.columns), piece.places)
        for coder in (self._classes, self._numbers, self._weights, self._times):
            if coder is not None:
                coder.finish()
        if self._absent:
            place = f"{self._source.where}, first at {self._source.unit} {self._absent_at:,}"
            raise missing_cells(str(self._layout.group), self._absent, self.rows, place)
        self.notices = self._inputs.finish()
        if not self._layout.gaps:
            self._inputs.refuse_missing()

    def _code(self, cells: list[Cells], places: Sequence[int]) -> Coded:
        layout, rest = self._layout, len(self._layout.inputs)
        inputs = self._inputs.code(cells[:rest], places)
        rest += len(layout.targets)
        answers = cells[len(layout.inputs) : rest]
        targets: list[Array] = []
        if self._classes is not None:
            targets = [self._classes.code(answers[0], places)]
        elif self._numbers is not None:
            targets = list(self._numbers.code(answers, places).T)
        roles = iter(cells[rest:])
        weights = None if self._weights is None else self._weigh(next(roles), places)
        groups = None if layout.group is None else self._group(next(roles), places)
        times = None if self._times is None else self._times.code([next(roles)], places)[:, 0]
        return Coded(inputs, targets, weights, groups, times)

    def _weigh(self, cells: Cells, places: Sequence[int]) -> Floats:
        assert self._weights is not None
        weights: Floats = self._weights.code([cells], places)[:, 0]
        if (wrong := weights < 0).any():
            first = int(np.argmax(wrong))
            raise DataError(
                f"sample weights in column {shown(self._layout.weight)} are negative",
                where=f"{self._source.where}, first at {self._source.unit} {places[first]:,}",
                got=f"{weights[first]:g}",
                want="numbers from 0 on, not all of them 0",
            )
        return weights

    def _group(self, cells: Cells, places: Sequence[int]) -> Array:
        codes = group_codes(cells, self._groups)
        empty = [code for cell, code in self._groups.items() if not cell.strip() or cell.strip() in self._layout.na]
        if empty and (absent := np.isin(codes, empty)).any():
            self._absent_at = self._absent_at or places[int(np.argmax(absent))]
            self._absent += int(absent.sum())
        return codes


def table_schema(source: TableSource, options: Options) -> Schema:
    """The schema of a table, in two passes of bounded memory: the second finds columns that tell the target alone."""
    schema = profile(source, options, target=False)
    if not schema.task or not schema.inputs:
        return schema
    layout = Layout.of(schema)
    leaks = Leaks(layout.inputs, layout.classes)
    for piece in Coder(source, layout).pieces():
        leaks.add(piece.inputs, piece.targets)
    return replace(schema, notices=(*schema.notices, *leaks.notices(layout.targets)))


def read_table(source: TableSource, options: Options, schema: Schema | None = None) -> Dataset:
    """The rows of a table with their targets: what `schema` says, or else what `profile` decides.

    DataError for what is no strict table, for a target that cannot be learned, and when no column is left.
    """
    if len(source.names) == 1:
        raise DataError(
            "the table has one column only",
            where=source.where,
            got=f"the header {shown(source.names[0])}" if source.dialect else shown(source.names[0]),
            want="at least two columns" + (_SEP if source.dialect else ""),
        )
    schema = profile(source, options) if schema is None else schema
    layout = Layout.of(schema)
    leaks = Leaks(layout.inputs, layout.classes)
    kept, notices = _collect(source, layout, leaks)
    targets = schema.of_kind("target")
    schema = replace(schema, notices=(*schema.notices, *leaks.notices(layout.targets)))
    return Dataset(
        inputs=kept.inputs,
        targets=kept.targets,
        columns=tuple(column.name for column in layout.inputs),
        target_name=", ".join(layout.targets),
        classes=layout.classes,
        labels=layout.targets if layout.labels else None,
        target_names=layout.targets if len(targets) > 1 else (),
        task_reason=schema.task_reason,
        source=source.where,
        sha256=source.sha256,
        ignored=tuple(c.name for c in schema.columns if c.kind in ("id", "drop")),
        weights=kept.weights,
        groups=kept.groups,
        times=kept.times,
        cells=layout.inputs,
        na=layout.na,
        schema=schema,
        notices=(*schema.notices, *notices),
    )


def read_table_like(source: TableSource, layout: Layout) -> Dataset:
    """The columns of `layout`, wherever they stand, and the target in the terms of its classes."""
    check_present(layout.names, source)
    kept, notices = _collect(source, layout, None)
    names = ", ".join(layout.targets)
    return Dataset(
        inputs=kept.inputs,
        targets=kept.targets,
        columns=tuple(column.name for column in layout.inputs),
        target_name=names,
        classes=layout.classes,
        labels=layout.targets if layout.labels else None,
        target_names=layout.targets if len(layout.targets) > 1 else (),
        task_reason=("classes" if layout.classes is not None else "numbers") + ", as in the training data",
        source=source.where,
        sha256=source.sha256,
        ignored=_ignored(source, layout),
        weights=kept.weights,
        cells=layout.inputs,
        na=layout.na,
        notices=notices,
    )


def read_table_inputs(source: TableSource, layout: Layout) -> Inputs:
    """The inputs of `layout`, wherever they stand; other columns are ignored and listed."""
    check_present(layout.names, source)
    kept, notices = _collect(source, layout, None)
    columns = tuple(column.name for column in layout.inputs)
    ignored = _ignored(source, layout)
    return Inputs(kept.inputs, source.where, source.sha256, columns, None, ignored, layout.inputs, layout.na, notices)


def _ignored(source: TableSource, layout: Layout) -> tuple[str, ...]:
    used = set(layout.names)
    return tuple(name for name in source.names if name not in used)


@dataclass(frozen=True, eq=False)
class _Kept:
    inputs: Floats
    targets: Array
    weights: Floats | None
    groups: Array | None
    times: Floats | None


def _collect(source: TableSource, layout: Layout, leaks: Leaks | None) -> tuple[_Kept, tuple[str, ...]]:
    coder = Coder(source, layout)
    inputs = Growing(len(layout.inputs))
    targets = Growing(len(layout.targets), "f8" if layout.classes is None else "i8")
    roles = {"weights": Growing(1), "groups": Growing(1, "i8"), "times": Growing(1)}
    for piece in coder.pieces():
        inputs.append(piece.inputs)
        if piece.targets:
            targets.append(piece.targets)
        if leaks is not None:
            leaks.add(piece.inputs, piece.targets)
        for name, kept in roles.items():
            values = getattr(piece, name)
            if values is not None:
                kept.append([values])
    if coder.rows == 0:
        raise no_rows(source)
    found = {
        name: kept.finish()[:, 0] if getattr(layout, name[:-1]) is not None else None for name, kept in roles.items()
    }
    if (weights := found["weights"]) is not None and not weights.any():
        raise DataError(f"all sample weights in column {shown(layout.weight)} are 0", where=source.where)
    answers = targets.finish()
    return _Kept(inputs.finish(), answers[:, 0] if len(layout.targets) == 1 else answers, **found), coder.notices


def check_present(names: Sequence[str], source: TableSource) -> None:
    """DataError naming the columns that are missing."""
    present = set(source.names)
    missing = [name for name in names if name not in present]
    if missing:
        raise DataError(
            f"missing columns: {listed(missing)}{nearest(missing[0], source.names)}",
            where=source.where,
            got=f"{len(source.names)} columns: {listed(source.names)}",
            want=f"all {len(names)} columns that the model was trained on, in any order",
            fix="add the missing columns or correct their names",
        )
