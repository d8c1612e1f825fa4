"""The readers behind one door: which one reads a source is told by its contents, never by its name or by trying."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from denpa.data import streaming
from denpa.data.arrow import ARROW, FEATHER_1, PARQUET, STREAM, ArrowSource, ParquetSource
from denpa.data.csvtext import CsvSource
from denpa.data.dataset import Dataset, Inputs
from denpa.data.digits import NAME as DIGITS, read_digits
from denpa.data.encoding import InputEncoding, TargetEncoding
from denpa.data.files import DataFile, folder_names, listed, opened, shown_path
from denpa.data.idx import is_idx, not_idx
from denpa.data.idxset import has_idx_names, read_file, read_file_like, read_folder, read_images
from denpa.data.jsonl import ARRAY, BEGINNING, JsonSource, not_lines
from denpa.data.npyset import (
    is_array_file,
    read_array_file,
    read_array_file_like,
    read_array_folder,
    read_array_inputs,
)
from denpa.data.npz import read_npz, read_npz_inputs, read_npz_like
from denpa.data.pictures import MAGICS as PICTURES, holds_pictures, read_picture_inputs, read_pictures
from denpa.data.pieces import HeldPieces, Pieces, TablePieces
from denpa.data.schema import Options, Schema, rows_with_target
from denpa.data.source import Dialect, TableSource
from denpa.data.table import Layout, read_table, read_table_inputs, read_table_like, table_schema
from denpa.data.targets import Labels, follow
from denpa.errors import DataError, UsageError

# Files that people hand over and that would otherwise be reported as broken text.
_FOREIGN = {
    FEATHER_1: ("a Feather file of version 1", "write it again with a recent version of its program"),
    b"\x89HDF\r\n": ("an HDF5 file", "save its arrays with numpy.savez"),
    b"SQLite format 3\0": ("an SQLite database", "export the table as CSV"),
    b"\x80\x02": ("a pickle, which is never read: it can run any code", "save its arrays with numpy.savez"),
    b"\x80\x03": ("a pickle, which is never read: it can run any code", "save its arrays with numpy.savez"),
    b"\x80\x04": ("a pickle, which is never read: it can run any code", "save its arrays with numpy.savez"),
    b"\x80\x05": ("a pickle, which is never read: it can run any code", "save its arrays with numpy.savez"),
    b"BZh9": ("a bzip2 file", "decompress it first: bunzip2"),
    b"\xfd7zXZ": ("an xz file", "decompress it first: unxz"),
}

# How tables are read, by kind; CSV, which alone has a dialect, apart.
TABLES: dict[str, Callable[[DataFile, frozenset[str]], TableSource]] = {
    "csv": lambda file, _: CsvSource(file),
    "jsonl": JsonSource,
    "parquet": ParquetSource,
    "arrow": ArrowSource,
}

MEMORY = "memory"  # the source of a run that was trained on rows nobody can read again

_KINDS = (
    "a table (CSV, JSON lines, Parquet, Arrow), an NPZ or NPY file, an IDX file, or a folder of these or of pictures"
)


def read(
    source: str | Path,
    target: str | None = None,
    task: str = "auto",
    options: Options | None = None,
    *,
    stream: str = "no",
    say: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """The rows and targets of a source, to train on.

    source: "digits", an IDX or NPY file (its labels beside it), a folder of such, a folder with a folder of pictures
    for each class, an NPZ file or a table (CSV, JSON lines, Parquet, Arrow), packed or not where it is read in order.
    target: the target's column, for tables; the file of the labels, for an NPY file.  task: "auto", "classification"
    or "regression".  options: more to say about a table; target and task go before those in it.
    stream: "yes" keeps the rows on the disk, "auto" those of a large table, and says so.
    UsageError for a source or option that cannot be meant, DataError for data that cannot be trained on.
    """
    if options is not None:
        target, task = target or options.target, options.task if task == "auto" else task
    if source == MEMORY:
        raise UsageError(
            "the rows were in memory: they cannot be read again",
            where=MEMORY,
            want="the path of a file, or from Python the rows themselves",
            fix="dp.resume(run, rows); for a file of that name: ./memory",
        )
    if source == DIGITS:
        return _kept(_without_target(read_digits(), target, task), stream, say)
    if os.path.isdir(source):
        return _kept(_without_target(_read_folder(Path(source), task), target, task), stream, say)
    with opened(source) as file:
        kind = _kind(file)
        if kind in TABLES:
            chosen = replace(options or Options(), target=target, task=task)
            table = rows_with_target(_table(file, kind, chosen.dialect, chosen), chosen)
            packed = bool(file.packing) or kind == "parquet"
            if streaming.chosen(stream, file, packed, say):
                return streaming.stored_table(table, chosen, say)
            return read_table(table, chosen)
        if kind == "npy":
            return _kept(read_array_file(file, target, task), stream, say)
        data = read_npz(file, task) if kind == "npz" else read_file(_no_picture(file, kind), task)
        return _kept(_without_target(data, target, task), stream, say)


def _kept(data: Dataset, stream: str, say: Callable[[str], None]) -> Dataset:
    """What was read as a whole stays in memory unless the disk is asked for."""
    return streaming.on_disk(data, say) if stream == "yes" else data


def read_schema(source: str | Path, options: Options) -> Schema:
    """What the columns of a table are; a target need not be named.

    DataError when the source is no table, and for what cannot be decided.
    """
    if source == DIGITS or os.path.isdir(source):
        raise DataError("only a table has a schema", where=str(source), want="a table: CSV, JSON lines, Parquet, Arrow")
    with opened(source) as file:
        if (kind := _kind(file)) not in TABLES:
            raise DataError("only a table has a schema", where=file.where, got=f"an {kind.upper()} file")
        return table_schema(rows_with_target(_table(file, kind, options.dialect, options), options), options)


def read_like(
    source: str | Path, inputs: InputEncoding, targets: TargetEncoding, dialect: Dialect | None = None
) -> Dataset:
    """The rows and targets of a source, to evaluate a trained network on: columns by name, in its classes' order.

    A source with a test part of its own gives that part.
    """
    classes = targets.classes or None
    if source != DIGITS and not os.path.isdir(source):
        with opened(source) as file:
            kind = _kind(file)
            if kind in TABLES:
                return read_table_like(_table(file, kind, dialect), Layout.like(inputs, targets))
            _check_unnamed(inputs, file.where)
            if kind == "npy":
                return read_array_file_like(file, classes, targets.name)
            return read_npz_like(file, classes) if kind == "npz" else read_file_like(_no_picture(file, kind), classes)
    task = "regression" if classes is None else "classification"
    data = read(source, task=task) if source == DIGITS else _read_folder(Path(source), task, inputs.image_shape)
    return _in_terms_of(data.test or data, inputs, classes)


def read_inputs(source: str | Path, inputs: InputEncoding, dialect: Dialect | None = None) -> Inputs:
    """The rows of a source, to predict: its columns by name in any order; targets are not needed.

    DataError naming the columns that are missing.
    """
    if os.path.isdir(source) and _folder_kind(Path(source)) == "pictures":
        _check_unnamed(inputs, str(source))
        return read_picture_inputs(Path(source), inputs.image_shape)
    if source == DIGITS or os.path.isdir(source):
        data = read(source)
        part = data.test or data
        _check_unnamed(inputs, part.source)
        return Inputs(part.inputs, part.source, part.sha256, maximum=part.maximum)
    with opened(source) as file:
        kind = _kind(file)
        if kind in TABLES:
            return read_table_inputs(_table(file, kind, dialect), Layout.like(inputs))
        _check_unnamed(inputs, file.where)
        if kind == "picture":
            return read_picture_inputs(Path(source), inputs.image_shape)
        ways = {"npz": read_npz_inputs, "npy": read_array_inputs}
        return ways.get(kind, read_images)(file)


@contextmanager
def input_pieces(
    source: str | Path, inputs: InputEncoding, dialect: Dialect | None = None, keep: Sequence[str] = ()
) -> Iterator[Pieces]:
    """The rows that `read_inputs` gives, a piece at a time: those of a table are never all in memory.

    keep: columns of a table to hand on beside them.  Errors as `read_inputs`, also after some pieces.
    """
    if source != DIGITS and not os.path.isdir(source):
        with opened(source) as file:
            kind = _kind(file)
            if kind in TABLES:
                yield TablePieces(_table(file, kind, dialect), Layout(inputs.table, inputs.na), keep)
                return
    yield HeldPieces(read_inputs(source, inputs, dialect), keep)


def _folder_kind(folder: Path) -> str:
    names = folder_names(folder, shown_path(folder))
    if has_idx_names(names):
        return "idx"
    if any(map(is_array_file, names)):
        return "npy"
    return "pictures" if holds_pictures(folder) else "idx"


def _read_folder(folder: Path, task: str, shape: tuple[int, ...] | None = None) -> Dataset:
    """shape: of the images that a network knows."""
    kind = _folder_kind(folder)
    if kind == "pictures":
        return read_pictures(folder, task, shape)
    return read_array_folder(folder, task) if kind == "npy" else read_folder(folder, task)


def _no_picture(file: DataFile, kind: str) -> DataFile:
    if kind == "picture":
        raise DataError(
            "this is one picture: it has no target",
            where=file.where,
            want="a folder of pictures for each class",
            fix="give the folder above these; denpa predict takes a single picture",
        )
    return file


def _table(file: DataFile, kind: str, dialect: Dialect | None, options: Options | None = None) -> TableSource:
    """options: the columns that they drop may hold what is no cell."""
    if kind == "csv":
        return CsvSource(file, dialect)
    if dialect not in (None, Dialect()):
        raise UsageError(
            "only a file of text has a delimiter, an encoding and a header",
            where=file.where,
            got=f"a file of kind {kind}",
            fix="leave these options out",
        )
    kinds = {} if options is None else options.kinds
    dropped = frozenset(name for name, wish in kinds.items() if wish == "drop")
    return TABLES[kind](file, dropped)


def _kind(file: DataFile) -> str:
    head = file.head(16)
    if is_idx(head):
        return "idx"
    if head.startswith(b"\0\0"):
        raise not_idx(head, file.where)
    if head.startswith((b"PK\3\4", b"PK\5\6")):  # an archive, an empty archive
        if file.packing:
            raise DataError(
                f"this is an archive inside {file.packing}", where=file.where, want=_KINDS, fix="decompress it first"
            )
        return "npz"
    for magic, kind in {PARQUET: "parquet", ARROW: "arrow", STREAM: "arrow"}.items():
        if head.startswith(magic):
            if file.packing and magic != STREAM:
                what = f"this is a {kind.capitalize()} file inside {file.packing}: it cannot be read in order"
                raise DataError(what, where=file.where, fix="decompress it first; it is packed inside already")
            return kind
    for magic, (what, fix) in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"this is {what}", where=file.where, want=_KINDS, fix=fix)
    if head.startswith((b"\x93NUMPY", *PICTURES)):
        return "npy" if head.startswith(b"\x93NUMPY") else "picture"
    head = file.head(256)
    if ARRAY.match(head):
        raise not_lines(file.where)
    return "jsonl" if BEGINNING.match(head) else "csv"


def _without_target(data: Dataset, target: str | None, task: str) -> Dataset:
    if target is not None and target != data.target_name:
        raise UsageError(
            "only a table has a target to choose",
            where=data.source,
            got=f"target {target!r}",
            want=f"no target, or {data.target_name!r}, the one of this source",
            fix="leave --target out",
        )
    if task == "regression" and data.classes is not None:
        raise UsageError("these classes are no numbers to regress on", where=data.source, fix="leave the task out")
    return data


def _check_unnamed(inputs: InputEncoding, where: str) -> None:
    if not inputs.positional:
        raise DataError(
            "the model knows its inputs by name, and this source has no names",
            where=where,
            want=f"a table with the columns {listed(inputs.columns or ())}",
        )


def _in_terms_of(data: Dataset, inputs: InputEncoding, classes: tuple[str, ...] | None) -> Dataset:
    _check_unnamed(inputs, data.source)
    raw = data.targets if data.classes is None else Labels(data.targets, data.classes)
    target = follow(raw, classes, data.target_name, data.source)
    return replace(data, targets=target.values, classes=target.classes, task_reason=target.reason)
