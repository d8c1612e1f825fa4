"""Rows in memory as datasets: data frames of pandas and Polars, pyarrow tables, NumPy arrays.

A frame is a table: the same schema, the same decisions, the same encoding as of a file with these cells.
"""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from denpa.data.arrow import check_names
from denpa.data.dataset import Array, Dataset, Inputs, as_inputs, largest_pixel
from denpa.data.encoding import InputEncoding, TargetEncoding
from denpa.data.files import shown
from denpa.data.kinds import MOST_CATEGORIES
from denpa.data.schema import Options, rows_with_target
from denpa.data.source import Cells, Piece, Typed
from denpa.data.table import Layout, read_table, read_table_inputs, read_table_like
from denpa.data.targets import decide
from denpa.errors import DataError, UsageError, require

CELLS = 1 << 18  # of a piece
LATEST = (1 << 63) // 1_000_000  # seconds from 1970 on that microseconds in 64 bits can tell


def is_frame(value: Any) -> bool:
    """Whether it is a table with named columns of another library."""
    return not isinstance(value, np.ndarray) and hasattr(value, "columns") and hasattr(value, "shape")


def from_frame(
    frame: Any, target: str | None = None, *, task: str = "auto", options: Options | None = None, y: Any = None
) -> Dataset:
    """The rows of a pandas or Polars data frame, a pyarrow table, or another one that narwhals knows.

    target, task, options: as for `data.read`.  y: the target's values, (rows,), where they are no column of the frame;
    target is then their name.  Columns of categories with at most 100 different values are categories, also where
    these are numbers.  UsageError for what is no frame, DataError for what cannot be trained on.
    """
    chosen = options or Options()
    if y is not None:
        target = target or str(getattr(y, "name", None) or "target")
    chosen = replace(chosen, target=target or chosen.target, task=chosen.task if task == "auto" else task)
    kinds = chosen.kinds
    source = FrameSource(frame, _dropped(kinds), None if y is None else (str(target), y))
    found = {name: "category" for name in source.categories() if name not in kinds and name != chosen.target}
    chosen = replace(chosen, kinds={**found, **kinds})
    return read_table(rows_with_target(source, chosen), chosen)


def from_arrays(x: Any, y: Any, *, task: str = "auto", target: str = "y") -> Dataset:
    """Arrays as a dataset.  x: (n, features), (n, height, width) or (n, height, width, channels), or a frame.

    y: (n,) or (n, k): numbers, texts, true and false.  target: its name.  As in an NPZ file, integers with images are
    classes.  DataError for NaN, infinity, and what else cannot be trained on.
    """
    if is_frame(x):
        return from_frame(x, None if target == "y" else target, task=task, y=y)
    inputs, raw = np.asarray(x), _answers(y)
    labels = inputs.ndim > 2 and raw.ndim == 1 and raw.dtype.kind in "iu"
    found = decide(raw, target, task, "the targets", "images with integer labels" if labels else None)
    values = as_inputs(inputs, "the inputs")
    values = values.copy() if np.shares_memory(values, inputs) else values  # a dataset's arrays never change
    return Dataset(
        inputs=values,
        targets=found.values.copy(),
        target_name=target,
        classes=found.classes,
        task_reason=found.reason,
        source="arrays in memory",
        sha256=_digest([("x", inputs), ("y", raw)]),
        maximum=largest_pixel(values),
    )


def frame_inputs(frame: Any, inputs: InputEncoding) -> Inputs:
    """The rows of a frame, to predict: its columns by name, in any order.  DataError as `data.read_inputs`."""
    _check_named(inputs)
    return read_table_inputs(FrameSource(frame), Layout(inputs.table, inputs.na))


def frame_like(frame: Any, inputs: InputEncoding, targets: TargetEncoding) -> Dataset:
    """The rows of a frame with their targets, to evaluate a trained network on.  DataError as `data.read_like`."""
    _check_named(inputs)
    layout = Layout(inputs.table, inputs.na, targets.columns, targets.classes or None, labels=bool(targets.labels))
    return read_table_like(FrameSource(frame), layout)


def _check_named(inputs: InputEncoding) -> None:
    if inputs.positional:
        raise UsageError(
            "the model knows its inputs by place, not by name",
            got="a frame with names",
            want=f"an array of shape (n, {', '.join(map(str, inputs.shape))})",
            fix="give the frame's columns as an array: frame.to_numpy()",
        )


def _dropped(kinds: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name, kind in kinds.items() if kind == "drop")


def _answers(y: Any) -> Array:
    values = np.asarray(y)
    if values.dtype.kind == "O" and values.ndim == 1 and all(isinstance(value, str) for value in values):
        values = values.astype(str)
    if values.dtype.kind not in "biufU":
        raise UsageError(
            "the targets are neither numbers nor texts",
            got=f"dtype {values.dtype}",
            want="(n,) or (n, k) of numbers, true and false, or texts",
        )
    return values


def _digest(arrays: Sequence[tuple[str, Array]]) -> str:
    found = hashlib.sha256()
    for name, values in arrays:
        found.update(f"{name} {values.dtype.str} {values.shape}\n".encode("utf-8", "surrogatepass"))
        found.update(np.ascontiguousarray(values).data if values.size else b"")
    return found.hexdigest()


class FrameSource:
    """A frame as a `source.TableSource`.  dropped: columns that may hold anything.  more: one more column."""

    unit, dialect = "row", None

    def __init__(self, frame: Any, dropped: frozenset[str] = frozenset(), more: tuple[str, Any] | None = None) -> None:
        self._nw = nw = require("narwhals", for_="reading data frames", extra="data")
        self.where = f"a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
        try:
            found = nw.from_native(frame, eager_only=True)
            names = list(found.columns)
        except (TypeError, ValueError, nw.exceptions.NarwhalsError) as error:
            lazy = "lazy" in type(frame).__name__.lower()
            raise UsageError(
                "this cannot be read as a table",
                got=f"{self.where}: {' '.join(str(error).split())[:200]}",
                want="a pandas or Polars data frame or a pyarrow table, its column names distinct",
                fix="collect it first: frame.collect()" if lazy else None,
            ) from error
        self._columns = {str(name): series for name, series in zip(names, found.iter_columns(), strict=True)}
        if len(self._columns) < len(names):
            raise DataError("two columns have the same name", where=self.where, fix="rename one of them")
        if more is not None:
            self._add(*more, len(found))
        self.names, self._rows, self._dropped = tuple(self._columns), len(found), dropped
        check_names(self.names, self.where)

    def _add(self, name: str, values: Any, rows: int) -> None:
        if name in self._columns:
            raise UsageError("the target is given twice", got=f"values, and column {shown(name)}", fix="give one")
        nw = self._nw
        if isinstance(values, (np.ndarray, list, tuple)):
            values = _answers(values)
            self._columns[name] = None
            self._answers = values
        else:
            try:
                self._columns[name] = nw.from_native(values, series_only=True)
            except TypeError as error:
                raise UsageError("the targets are no column", got=type(values).__name__) from error
        if len(values) != rows or getattr(values, "ndim", 1) != 1:
            raise DataError(
                "inputs and targets differ in number",
                where=self.where,
                got=f"{rows:,} rows, targets of shape {np.shape(values)}",
                want=f"({rows},)",
            )

    @cached_property
    def sha256(self) -> str:
        """Of names, types and values."""
        found = hashlib.sha256()
        for piece in self.chunks([name for name in self.names if name not in self._dropped]):
            for name, cells in zip(self.names, piece.columns, strict=False):
                found.update(name.encode() + b"\0")
                if isinstance(cells, Typed):
                    values = cells.values.copy()
                    if cells.missing is not None:
                        values[cells.missing] = np.zeros(1, values.dtype)[0]
                        found.update(cells.missing.tobytes())
                    found.update(values.dtype.str.encode() + values.tobytes())
                else:
                    found.update("\0".join(f"{len(cell)} {cell}" for cell in cells).encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def categories(self) -> list[str]:
        """Columns whose type says that they are categories, with few enough different values."""
        kinds = (self._nw.Categorical, self._nw.Enum)
        return [
            name
            for name, series in self._columns.items()
            if series is not None and isinstance(series.dtype, kinds) and series.n_unique() <= MOST_CATEGORIES
        ]

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """DataError for columns of lists, records, bytes and other objects."""
        names = self.names if columns is None else columns
        step = max(1, CELLS // max(1, len(names)))
        for start in range(0, self._rows, step):
            stop = min(start + step, self._rows)
            yield Piece(tuple(self._cells(name, start, stop) for name in names), range(start + 1, stop + 1))

    def _cells(self, name: str, start: int, stop: int) -> Cells:
        if name in self._dropped:
            return ["(dropped)"] * (stop - start)
        series = self._columns[name]
        if series is None:
            values = self._answers[start:stop]
            return [str(value) for value in values] if values.dtype.kind == "U" else _typed(values, None)
        try:
            return self._of(series[start:stop], name, start)
        except (self._nw.exceptions.NarwhalsError, TypeError, OverflowError) as error:
            raise self._refused(name, f"{series.dtype}: {' '.join(str(error).split())[:120]}") from error

    def _of(self, series: Any, name: str, start: int) -> Cells:
        nw, kind = self._nw, series.dtype
        gone = series.is_null().to_numpy().astype(bool)
        missing = gone if gone.any() else None
        if isinstance(kind, (nw.String, nw.Categorical, nw.Enum)) or (gone.all() and not kind.is_numeric()):
            return self._texts(series, gone)
        if isinstance(kind, (nw.Date, nw.Datetime)):
            return self._times(series, name, missing)
        if isinstance(kind, nw.Object):
            return [self._text(value, name, start + i) for i, value in enumerate(series.to_list())]
        if not (kind.is_numeric() or isinstance(kind, nw.Boolean)):
            raise self._refused(name, str(kind))
        filled = series if missing is None else series.fill_null(False if isinstance(kind, nw.Boolean) else 0)
        listed = isinstance(kind, (nw.Boolean, nw.Decimal))  # elsewhere NumPy gets objects, and rounds decimals twice
        number = bool if isinstance(kind, nw.Boolean) else float
        return _typed(np.array(list(map(number, filled.to_list()))) if listed else filled.to_numpy(), missing)

    def _texts(self, series: Any, gone: Array) -> list[str]:
        if gone.all():
            return [""] * len(gone)
        texts = (series if isinstance(series.dtype, self._nw.String) else series.cast(self._nw.String)).to_list()
        return ["" if absent else text for text, absent in zip(texts, gone.tolist(), strict=True)]

    def _times(self, series: Any, name: str, missing: Array | None) -> Typed:
        times = np.asarray(series.to_numpy())  # in UTC
        if times.dtype.kind != "M":  # dates of pandas with pyarrow's types
            times = np.array([np.datetime64("NaT") if value is None else value for value in series.to_list()], "M8[us]")
        seconds = times[~np.isnat(times)].astype("M8[s]").astype(np.int64)
        if len(seconds) and (int(seconds.max()) >= LATEST or int(seconds.min()) <= -LATEST):
            raise DataError(f"column {shown(name)} holds times that are too far away", where=self.where)
        return Typed(times.astype("M8[us]"), missing)

    def _text(self, value: Any, name: str, row: int) -> str:
        """A cell of a column of Python objects, as a CSV file would have it."""
        if isinstance(value, str):
            return value
        if value is None or type(value).__name__ in ("NAType", "NaTType") or (_is_float(value) and math.isnan(value)):
            return ""
        if isinstance(value, (bool, int, float, Decimal, np.number, np.bool_)):
            return str(value)
        if isinstance(value, (datetime.date, datetime.datetime)):
            return value.isoformat()
        raise self._refused(name, f"{type(value).__name__} in row {row + 1:,}")

    def _refused(self, name: str, got: str) -> DataError:
        return DataError(
            f"column {shown(name)} holds what is no cell of a table",
            where=self.where,
            got=got,
            want="numbers, true and false, texts, dates or times of a date in each cell",
            fix="leave it out, or divide it into columns",
        )


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating))


def _typed(values: Array, missing: Array | None) -> Typed:
    """Numbers as float64, int64 or bool; unsigned ones that int64 cannot hold as float64."""
    if values.dtype.kind == "b":
        return Typed(values, missing)
    if values.dtype.kind == "u" and bool((values > np.uint64(np.iinfo(np.int64).max)).any()):
        return Typed(values.astype(np.float64), missing)
    return Typed(values.astype(np.int64 if values.dtype.kind in "iu" else np.float64), missing)
