"""The schema of a table: what each column is, decided from all of its cells, with the reason.

`profile` reads the table once in bounded memory and decides; what the user has said goes first.  Nothing is guessed
from a sample, and what cannot be decided is an error that names the option which decides it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from denpa.data.files import listed, shown
from denpa.data.kinds import Column, Role, decide_column, decide_target, decide_targets
from denpa.data.rows import WithTarget
from denpa.data.scan import ColumnScan, Distinct
from denpa.data.source import Dialect, TableSource
from denpa.errors import DataError, UsageError

KINDS = ("number", "category", "date", "id", "drop", "weight", "group", "time", "target")
INPUTS = ("number", "category", "date")
TARGET_NAMES = ("target", "label", "class", "y")
VALUES = 10_000  # counted one by one in a column: more classes than that cannot be learned …
ALL_VALUES = 2_000_000  # … and in all columns together, or a wide table would fill memory
KEYS = 1 << 23  # 64 MiB: what is remembered, in all columns, to know that no value comes twice


@dataclass(frozen=True)
class Options:
    """What the user has said about a table.

    target: a column, or several with commas between; None: the one called target, label, class or y.  kinds: of some
    columns.  values: the categories of some columns, in order; others are `<other>`.  na: cells that are missing,
    besides empty ones.  drop_missing_target: leave out the rows whose target is missing.
    """

    target: str | None = None
    task: str = "auto"
    kinds: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    na: tuple[str, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)
    drop_missing_target: bool = False

    def __post_init__(self) -> None:
        for name, kind in self.kinds.items():
            if kind not in KINDS:
                near = difflib.get_close_matches(kind, KINDS, n=1)
                raise UsageError(
                    f"column {shown(name)}: no such kind of column",
                    got=shown(kind),
                    want=f"one of {', '.join(KINDS)}",
                    fix=f"did you mean {near[0]}?" if near else None,
                )


@dataclass(frozen=True)
class Schema:
    """columns: in the order of the table.  task: "classification", "regression", "multilabel", or "" without a target.

    notices: sentences that a user should see.
    """

    columns: tuple[Column, ...]
    rows: int
    source: str
    sha256: str
    task: str = ""
    task_reason: str = ""
    na: tuple[str, ...] = ()
    dialect: Dialect | None = None
    notices: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind in INPUTS)

    def of_kind(self, kind: str) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == kind)

    def options(self) -> Options:
        """The decisions, to be applied to a table again: to its next version, or after they were edited."""
        return Options(
            None,
            self.task or "auto",
            {column.name: column.kind for column in self.columns},
            {column.name: column.values for column in self.columns if column.kind == "category" and column.values},
            self.na,
            self.dialect or Dialect(),
        )


def rows_with_target(source: TableSource, options: Options) -> TableSource:
    """The source itself, or without the rows whose target is missing if that is asked for."""
    if not options.drop_missing_target:
        return source
    said = [name for name, kind in options.kinds.items() if kind == "target"]
    targets = said if options.target is None and said else target_names(source.names, options.target, source.where)
    return WithTarget(source, targets, options.na)


def profile(source: TableSource, options: Options, *, target: bool = True) -> Schema:
    """Read all of a table and decide what its columns are.  target False: it needs none, as long as none is named.

    DataError for a table without rows, columns that are named and not there, and what cannot be decided.
    """
    kinds = _kinds(source, options, target)
    scans = _scan(source, options, kinds)
    rows = scans[0].rows
    if rows == 0:
        raise no_rows(source)
    columns = []
    for name, scan in zip(source.names, scans, strict=True):
        role = Role(name, source.where, source.unit, kinds.get(name), options.values.get(name, ()))
        if role.wish == "target":
            columns.append(Column(name, "target", ""))
        else:
            columns.append(decide_column(scan, role))
    targets = [i for i, column in enumerate(columns) if column.kind == "target"]
    task, reason = "", ""
    roles = [Role(source.names[i], source.where, source.unit, "target") for i in targets]
    if len(targets) == 1:
        columns[targets[0]], task, reason = decide_target(scans[targets[0]], roles[0], options.task)
    elif targets:
        found, task, reason = decide_targets([scans[i] for i in targets], roles, options.task)
        for i, column in zip(targets, found, strict=True):
            columns[i] = column
    columns = _some_input(columns, scans, source, bool(targets))
    notices = tuple(notice for column in columns for notice in column.notices)
    if isinstance(source, WithTarget) and source.left_out:
        notices = (f"{source.left_out:,} rows without a target are left out", *notices)
    return Schema(tuple(columns), rows, source.where, source.sha256, task, reason, options.na, source.dialect, notices)


def _scan(source: TableSource, options: Options, kinds: Mapping[str, str]) -> list[ColumnScan]:
    width = len(source.names)
    limit, keys, words = min(VALUES, max(128, ALL_VALUES // width)), max(1024, KEYS // width), frozenset(options.na)
    counted = [VALUES if kinds.get(name) in ("target", "category") else limit for name in source.names]
    scans = [ColumnScan(words, most, Distinct(keys)) for most in counted]
    for piece in source.chunks():
        for scan, cells in zip(scans, piece.columns, strict=True):
            scan.add(cells, piece.places)
    return scans


def _kinds(source: TableSource, options: Options, needs_target: bool) -> dict[str, str]:
    """What the user has said of each column, the target among it."""
    for name in (*options.kinds, *options.values):
        if name not in source.names:
            raise no_column(name, source.names, source.where)
    kinds = dict(options.kinds)
    said = [name for name, kind in kinds.items() if kind == "target"]
    if options.target is not None or (needs_target and not said):
        for name in target_names(source.names, options.target, source.where):
            if kinds.setdefault(name, "target") != "target":
                raise UsageError(
                    f"column {shown(name)} is the target, and also {kinds[name]}",
                    where=source.where,
                    fix="say one of the two",
                )
    for kind in ("weight", "group", "time"):
        several = [name for name, is_kind in kinds.items() if is_kind == kind]
        if len(several) > 1:
            raise UsageError(f"there is more than one {kind} column", where=source.where, got=listed(several))
    return kinds


def _some_input(columns: list[Column], scans: Sequence[ColumnScan], source: TableSource, trained: bool) -> list[Column]:
    """When nothing is left to learn from, columns that only look like ids are inputs after all."""
    if any(column.kind in INPUTS for column in columns):
        return columns
    kept = [
        replace(column, kind=column.otherwise, reason="no other input is left", notices=())
        if column.otherwise
        else column
        for column in columns
    ]
    if trained and not any(column.kind in INPUTS for column in kept):
        raise DataError(
            "the table has no column to learn from",
            where=source.where,
            got="; ".join(f"{shown(column.name)}: {column.kind}, {column.reason}" for column in columns[:6]),
            want="at least one column of numbers, categories or dates besides the target",
            fix="say what a column is with --type COLUMN=number, category or date",
        )
    return kept


def target_names(names: Sequence[str], target: str | None, where: str) -> tuple[str, ...]:
    """The target's columns.  DataError with the columns, and the nearest name, when they cannot be told."""
    if target is None:
        usual = [name for name in names if name.lower() in TARGET_NAMES]
        if len(usual) == 1:
            return (usual[0],)
        raise DataError(
            f"which column is the target? {len(usual) or 'none'} of them called {', '.join(TARGET_NAMES)}",
            where=where,
            got=f"{len(names)} columns: {listed(list(names))}",
            want="the name of one of them as the target",
            fix="name the column with --target",
        )
    if target in names:
        return (target,)
    several = [part.strip() for part in target.split(",")]
    for name in several:
        if name not in names:
            raise no_column(name, names, where, "name the column with --target")
    return tuple(dict.fromkeys(several))


def no_rows(source: TableSource) -> DataError:
    what = "the table has no rows" if source.dialect is None else "the file has a header line and no rows"
    return DataError(
        what,
        where=source.where,
        got="0 rows",
        want="one row at least" if source.dialect is None else "one line for each row",
    )


def nearest(name: str, names: Sequence[str]) -> str:
    """ "; did you mean 'x'?", or nothing."""
    near = difflib.get_close_matches(name, names[:1000], n=1)  # cost grows with the number of names
    return f"; did you mean {shown(near[0])}?" if near else ""


def no_column(name: str, names: Sequence[str], where: str, fix: str | None = None) -> DataError:
    return DataError(
        f"no column {shown(name)}{nearest(name, list(names))}",
        where=where,
        got=f"{len(names)} columns: {listed(list(names))}",
        want="the name of one of them",
        fix=fix,
    )
