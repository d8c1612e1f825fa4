"""Tables written piece after piece: CSV, JSON lines, Parquet, as the ending of the file's name says."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from denpa.data.files import shown_path
from denpa.errors import DataError, UsageError, require

ENDS = {".csv": "csv", ".txt": "csv", "": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

Columns = Sequence[Sequence[Any]]  # of text, int, float, bool, datetime or None


class Sink(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class Writer(Protocol):
    def add(self, columns: Columns) -> None:
        """Rows as columns, in the order of the names."""
        ...

    def close(self) -> None: ...


class Whole:
    """A raw file to write to: a raw write may take a part only, just before the disk is full."""

    closed = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._raw.write(view) or 0 :]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The file is closed by whoever opened it."""


def kind_of(path: Path | None) -> str:
    """ "csv", "jsonl" or "parquet".  UsageError for an ending that means something else."""
    end = "" if path is None else path.suffix.lower()
    if end not in ENDS:
        raise UsageError(
            "tables are not written with this ending",
            where=shown_path(str(path)),
            got=end,
            want=", ".join(name for name in ENDS if name),
        )
    return ENDS[end]


def writer(kind: str, sink: Sink, names: Sequence[str], digits: Sequence[int | None]) -> Writer:
    """digits: of the numbers of each column in CSV, None for all that they have.

    UsageError when two columns have the same name; MissingPackage for Parquet without pyarrow.
    """
    if len(set(names)) < len(names):
        raise UsageError("two columns of the result have the same name", got=", ".join(names))
    if kind == "csv":
        return _Csv(sink, names, digits)
    return _Json(sink, names) if kind == "jsonl" else _Parquet(sink, names)


class _Csv:
    def __init__(self, sink: Sink, names: Sequence[str], digits: Sequence[int | None]) -> None:
        self._sink, self._digits = sink, digits
        self._header = [[_harmless(name) for name in names]]  # written with the first rows: an error may come before

    def add(self, columns: Columns) -> None:
        if self._header:
            self._lines(self._header)
            self._header = []
        cells = ([_cell(value, n) for value in column] for column, n in zip(columns, self._digits, strict=True))
        self._lines(zip(*cells, strict=True))

    def _lines(self, rows: Any) -> None:
        lines = io.StringIO(newline="")
        csv.writer(lines, lineterminator="\n").writerows(rows)
        self._sink.write(lines.getvalue().encode())

    def close(self) -> None:
        """Every row is written already."""


class _Json:
    def __init__(self, sink: Sink, names: Sequence[str]) -> None:
        self._sink, self._names = sink, tuple(names)

    def add(self, columns: Columns) -> None:
        rows = zip(*([_plain(value) for value in column] for column in columns), strict=True)
        lines = (json.dumps(dict(zip(self._names, row, strict=True)), ensure_ascii=False) for row in rows)
        self._sink.write("".join(line + "\n" for line in lines).encode())

    def close(self) -> None:
        """Every row is written already."""


class _Parquet:
    """A row group for each piece, but no fewer than `_GROUP` rows."""

    _GROUP = 1 << 16

    def __init__(self, sink: Sink, names: Sequence[str]) -> None:
        self._sink, self._names = sink, tuple(names)
        self._pa = require("pyarrow", for_="writing Parquet files", extra="data")
        self._parquet = require("pyarrow.parquet", for_="writing Parquet files", extra="data")
        self._writer: Any = None
        self._kinds: dict[str, type] = {}
        self._waiting: list[list[Any]] = [[] for _ in names]

    def add(self, columns: Columns) -> None:
        for waiting, column in zip(self._waiting, columns, strict=True):
            waiting += column
        if len(self._waiting[0]) >= self._GROUP:
            self._flush()

    def _flush(self) -> None:
        pa = self._pa
        if self._writer is None:
            types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
            types |= {datetime.datetime: pa.timestamp("us")}
            firsts = [next((v for v in column if v is not None), "") for column in self._waiting]
            fields = [(name, types[type(first)]) for name, first in zip(self._names, firsts, strict=True)]
            self._schema = pa.schema(fields)
            self._writer = self._parquet.ParquetWriter(self._sink, self._schema)
        try:
            arrays = [pa.array(column, field.type) for column, field in zip(self._waiting, self._schema, strict=True)]
        except (pa.ArrowException, OverflowError) as error:
            raise DataError("a kept column changes its type", got=" ".join(str(error).split())[:120]) from error
        self._writer.write_table(pa.table(arrays, schema=self._schema))
        self._waiting = [[] for _ in self._names]

    def close(self) -> None:
        if self._waiting[0] or self._writer is None:
            self._flush()
        self._writer.close()


def _cell(value: Any, digits: int | None) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    return _harmless(value) if isinstance(value, str) else str(value)


def _harmless(cell: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay as they are."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat(sep=" ") if isinstance(value, datetime.datetime) else value
