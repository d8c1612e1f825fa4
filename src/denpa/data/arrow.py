"""Parquet files, Arrow files (Feather) and Arrow streams as tables, read by pyarrow batch after batch.

Memory holds one batch: of a Parquet file at most `BYTES` or so, however large its row groups are; of an Arrow file what
its writer put into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from denpa.data.files import ALLOWANCE, MIB, DataFile, damaged_file, listed, shown
from denpa.data.source import Cells, Piece, Typed
from denpa.errors import DataError, require
from denpa.formatting import typed

PARQUET, ARROW, STREAM, FEATHER_1 = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"FEA1"  # what the files begin with

CELLS = 1 << 18  # of a piece
ROWS = 1 << 16
BYTES = 16 * MIB  # of a piece, as the file's own figures have it
BUFFERS = 32 * MIB  # for reading all columns of a Parquet file side by side
EXPANSION = 2000  # Zstandard packs a column of one value 30,000:1, but then it takes few bytes; see `_check_groups`
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream that was closed

Batches = Iterator[Any]


def _pyarrow() -> Any:
    return require("pyarrow", for_="reading Parquet and Arrow files", extra="data")


class ArrowTable:
    """What the formats of Arrow have in common, as a `source.TableSource`.

    dropped: columns that may hold anything, because they are left out.
    """

    unit, dialect = "row", None

    def __init__(self, where: str, sha256: str, schema: Any, dropped: frozenset[str] = frozenset()) -> None:
        self.where, self.sha256, self._dropped = where, sha256, dropped
        self.names = tuple(schema.names)
        check_names(self.names, where)
        self._kinds = {field.name: field.type for field in schema}

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """DataError for columns of lists, records or bytes, and for what is damaged."""
        pa = _pyarrow()
        names = tuple(self.names if columns is None else columns)
        for name in names:
            if name not in self._dropped and _plain(pa, self._kinds[name]) is None:
                raise _refused(name, self._kinds[name], self.where)
        first, batches = 1, self._batches([name for name in dict.fromkeys(names) if name not in self._dropped])
        while True:
            with faults(self.where):
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)  # what a damaged file says of its own texts would be read as addresses
            places = range(first, first + len(batch))
            yield Piece(tuple(self._cells(batch, name) for name in names), places)
            first = places.stop

    def _cells(self, batch: Any, name: str) -> Cells:
        if name in self._dropped:
            return [f"({self._kinds[name]})"] * len(batch)
        with faults(self.where, name):
            return cells_of(batch.column(batch.schema.get_field_index(name)), name, self.where)

    def _batches(self, columns: Sequence[str]) -> Batches:
        raise NotImplementedError


class ParquetSource(ArrowTable):
    """A Parquet file.  DataError when it is cut off or its description is damaged."""

    def __init__(self, file: DataFile, dropped: frozenset[str] = frozenset()) -> None:
        self._file = file
        with faults(file.where):
            found = self._opened(1)
            self._metadata = found.metadata
            schema = found.schema_arrow
        super().__init__(file.where, file.sha256, schema, dropped)
        self._check_groups()

    def _opened(self, columns: int) -> Any:
        pa = _pyarrow()
        parquet = require("pyarrow.parquet", for_="reading Parquet files", extra="data")
        self._file.handle.seek(0)
        size = max(1 << 14, min(MIB, BUFFERS // max(1, columns)))
        return parquet.ParquetFile(pa.PythonFile(self._file.handle, "r"), pre_buffer=False, buffer_size=size)

    def _batches(self, columns: Sequence[str]) -> Batches:
        """Row group by row group, each a few pages of every column at a time."""
        if not columns:  # all are dropped: the number of rows is known
            for group in range(self._metadata.num_row_groups):
                yield from _empty(self._metadata.row_group(group).num_rows)
            return
        found = self._opened(len(columns))
        for group in range(self._metadata.num_row_groups):
            told = self._metadata.row_group(group)
            yield from found.iter_batches(
                _rows(len(columns), told.total_byte_size, told.num_rows), [group], list(columns), use_threads=False
            )

    def _check_groups(self) -> None:
        """DataError for what no writer puts into a file of this size: it would only fill the memory."""
        for group in range(self._metadata.num_row_groups):
            told = self._metadata.row_group(group)
            for i in range(told.num_columns):
                column = told.column(i)
                stored, full = column.total_compressed_size, column.total_uncompressed_size
                if stored < 0 or stored > self._file.size or full > max(ALLOWANCE, EXPANSION * stored):
                    raise DataError(
                        "a column of the Parquet file claims a size that cannot be",
                        where=f"{self.where}, row group {group + 1:,}, column {shown(column.path_in_schema)}",
                        got=f"{full:,} bytes out of {stored:,}, in a file of {self._file.size:,}",
                        want=f"at most {EXPANSION:,} times the compressed size",
                        fix="fetch or write the file again",
                    )


class ArrowSource(ArrowTable):
    """An Arrow file (Feather version 2), or an Arrow stream, packed or not.

    DataError when it is cut off: an Arrow stream must have the mark that ends one.
    """

    def __init__(self, file: DataFile, dropped: frozenset[str] = frozenset()) -> None:
        self._file, self._is_stream = file, file.head(4) == STREAM
        if self._is_stream:
            self._check_end()
        with faults(file.where):
            schema = self._opened().schema
        super().__init__(file.where, file.sha256, schema, dropped)

    def _opened(self) -> Any:
        pa = _pyarrow()
        ipc = require("pyarrow.ipc", for_="reading Arrow files", extra="data")
        if self._file.packing:
            return ipc.open_stream(pa.PythonFile(_Readable(self._file.stream()), "r"))
        source = pa.memory_map(f"/dev/fd/{self._file.handle.fileno()}")  # batches that are not packed stay on the disk
        return ipc.open_stream(source) if self._is_stream else ipc.open_file(source)

    def _batches(self, columns: Sequence[str]) -> Batches:
        found = self._opened()
        batches = iter(found) if self._is_stream else map(found.get_batch, range(found.num_record_batches))
        for batch in batches:
            if not columns:
                yield from _empty(len(batch))
                continue
            chosen = batch.select(list(columns))
            step = _rows(len(columns), chosen.nbytes, len(batch))
            for start in range(0, len(batch), step):
                yield chosen.slice(start, step)

    def _check_end(self) -> None:
        last = b""
        if self._file.packing:
            stream = self._file.stream()
            while piece := stream.read(MIB):
                last = (last + piece)[-len(_END) :]
        else:
            self._file.handle.seek(-min(len(_END), self._file.size), 2)
            last = self._file.handle.read(len(_END))
        if last != _END:
            raise damaged_file(self._file.where, "Arrow", "no mark of its end")


class _Readable:
    """A `files.Stream` as pyarrow wants a file."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return bytes(self._stream.read_exactly(size if size >= 0 else 1 << 62))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        """The file is closed by whoever opened it."""


def _rows(columns: int, size: int, rows: int) -> int:
    """How many rows make a piece, of `rows` that take `size` bytes."""
    return max(1, min(ROWS, CELLS // columns, BYTES * max(rows, 1) // max(size, 1)))


def _empty(rows: int) -> Batches:
    """Batches of so many rows without columns."""
    pa = _pyarrow()
    for start in range(0, rows, ROWS):
        yield pa.RecordBatch.from_arrays([pa.nulls(min(ROWS, rows - start))], ["-"])


@contextmanager
def faults(where: str, column: str | None = None) -> Iterator[None]:
    """What pyarrow says about a damaged file, as a DataError."""
    pa = _pyarrow()
    try:
        yield
    except DataError:
        raise
    except (pa.ArrowException, OSError, MemoryError, ValueError, TypeError, IndexError, KeyError) as error:
        place = where if column is None else f"{where}, column {shown(column)}"
        raise damaged_file(place, "Parquet or Arrow", " ".join(str(error).split())[:200]) from error


def check_names(names: Sequence[str], where: str) -> None:
    """DataError unless all columns have names, and different ones."""
    for name in names:
        if not name or not name.strip():
            raise DataError("a column has no name", where=where, got=listed(list(names)), fix="name it")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise DataError(f"two columns have the same name {shown(twice)}", where=where, fix="rename one of them")
    if not names:
        raise DataError("the table has no columns", where=where)


def _refused(name: str, kind: Any, where: str) -> DataError:
    return DataError(
        f"column {shown(name)} holds what is no cell of a table",
        where=where,
        got=shown(str(kind)),
        want="numbers, true and false, texts, dates or times of a date in each cell",
        fix=f"leave it out with --drop {typed(name)}, or divide it into columns",
    )


# -- the types ---------------------------------------------------------------------------------------------------------
def _plain(pa: Any, kind: Any) -> str | None:
    """What a column of this type is read as; None when it is nothing for a table."""
    is_a = pa.types
    if is_a.is_dictionary(kind) or is_a.is_run_end_encoded(kind):
        return _plain(pa, kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(pa, kind.storage_type)
    tests: dict[str, tuple[Callable[[Any], bool], ...]] = {
        "nothing": (is_a.is_null,),
        "truth": (is_a.is_boolean,),
        "integer": (is_a.is_integer,),
        "number": (is_a.is_floating, is_a.is_decimal),
        "time": (is_a.is_date, is_a.is_timestamp),
        "text": (is_a.is_string, is_a.is_large_string, is_a.is_string_view),
    }
    return next((name for name, ways in tests.items() if any(way(kind) for way in ways)), None)


def cells_of(array: Any, name: str, where: str) -> Cells:
    """A pyarrow array as cells of a table; nulls are missing.  DataError for types that are no cells."""
    pa = _pyarrow()
    kind = array.type
    sort = _plain(pa, kind)
    if sort is None:
        raise _refused(name, kind, where)
    compute = require("pyarrow.compute", for_="reading Parquet and Arrow files", extra="data")
    inner = None
    if isinstance(kind, pa.BaseExtensionType):
        inner = array.storage
    elif pa.types.is_run_end_encoded(kind):
        inner = compute.run_end_decode(array)
    elif pa.types.is_dictionary(kind) and sort != "text":
        inner = array.dictionary_decode()
    if inner is not None:
        return cells_of(inner, name, where)
    if pa.types.is_dictionary(kind):
        words = [word or "" for word in array.dictionary.to_pylist()]
        return ["" if code is None else words[code] for code in array.indices.to_pylist()]
    if sort == "nothing":
        return [""] * len(array)
    if sort == "text":
        return [text or "" for text in array.to_pylist()]
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return Typed(_values(pa, compute, array, sort), missing)


def _values(pa: Any, compute: Any, array: Any, sort: str) -> Any:
    """(rows,) bool, int64, float64 or datetime64[us]; what stands in place of a null has no meaning."""
    if sort == "truth":
        return array.fill_null(False).to_numpy(zero_copy_only=False)
    if sort == "time":
        # Microseconds, as dates in text have them.  Not in NumPy: there a time that does not fit wraps around.
        how = compute.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
        zoned = pa.types.is_timestamp(array.type) and array.type.tz is not None
        plain = array.cast(pa.timestamp(array.type.unit)) if zoned else array  # in UTC
        return plain.cast(options=how).to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.string()).cast(pa.float64())  # the direct way makes 7.2700000000000005 of 7.27
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    large = values.dtype == np.uint64 and bool((values > np.iinfo(np.int64).max).any())
    return values.astype(np.int64 if sort == "integer" and not large else np.float64)
