"""Rows in a file that may be larger than memory: written once in pieces, then read by row number.

A store is a header page and fixed-size records; a record has a row's inputs, targets and weight side by side, so that a
row costs one look-up. Rows by number are taken through a memory map in windows: the map is given back window by
window, so that the process holds a few MiB of the file while the system's own cache keeps all of it warm.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import mmap
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from denpa import durable
from denpa.data.dataset import Array
from denpa.errors import DataError, ModelFileError, UsageError

MAGIC = b"denpa rows 1\n"
PAGE = 1 << 21  # of the header, most of it a hole that takes no disk: the names of 10,000 classes fit
WRITTEN = 1 << 23  # bytes written at a time, from multiples of PAGE on: Linux then may cache the file in pages of 2 MiB
DROPPED = 1 << 30  # bytes of a file from which on the system drops what it cached while writing, much of it pages of
# 4 KiB when memory is nearly full: mapped again they are of 2 MiB, and a row of 10 GB takes 0.2 µs instead of 2
WINDOW = 1 << 24  # bytes of the file that are mapped at a time
CACHED = 1 << 12  # records looked at together: with 20 inputs they and their encoded form stay in a core's cache
AHEAD = 1 << 28  # bytes between two looks at the free space
SEQUENCE = 1 << 22  # bytes read at a time where rows follow each other
_KINDS = {"<f4", "<f8", "|u1", "<i8"}


@dataclass(frozen=True)
class Field:
    """One array of a store: its name, dtype and the shape of one row's part, () for a number."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Store:
    """An open store.  ModelFileError unless it is whole, ours, and about `key`."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from error
        try:
            header = _header(self._descriptor, path)
            self.rows, self.fields, self.about = _described(header, key, path)
            self.dtype = _record(self.fields)
            size, want = os.fstat(self._descriptor).st_size, PAGE + self.rows * self.dtype.itemsize
            if size != want:
                raise _damaged(path, f"{size:,} bytes instead of {want:,}")
            self._map = mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ)
            _advise(self._map)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __len__(self) -> int:
        return self.rows

    def __del__(self) -> None:
        if hasattr(self, "_map"):
            os.close(self._descriptor)

    def array(self, name: str) -> Stored:
        """One field as an array that is read when it is indexed."""
        return Stored(self, next(field for field in self.fields if field.name == name))

    def between(self, start: int, stop: int) -> Array:
        """Records start … stop − 1, read as they follow each other."""
        found = np.empty(max(0, stop - start), self.dtype)
        view, at = found.view(np.uint8).data, PAGE + start * self.dtype.itemsize
        while view:
            count = os.preadv(self._descriptor, [view[:SEQUENCE]], at)
            if not count:
                raise _damaged(self.path, f"it ends at byte {at:,}")
            view, at = view[count:], at + count
        return found

    def visit(self, rows: npt.NDArray[np.int64], look: Callable[[Array, Array], None]) -> None:
        """Call look(places, records), records being those of rows[places], until each of `rows`, (m,), was there.

        One window of the file is in memory at a time, so it is gone through once, upward.  The array of records is used
        again after each call.
        """
        if not len(rows):
            return
        ascending = np.argsort(rows)
        chosen = rows[ascending]
        if chosen[0] < 0 or chosen[-1] >= self.rows:
            raise IndexError("a row outside of the store")
        item = self.dtype.itemsize
        per = max(1, WINDOW // item)
        # The array lives in this call only: a map cannot be closed while an array is made of it.
        records = np.frombuffer(self._map, self.dtype, offset=PAGE)
        numbers = np.arange(chosen[0] // per, chosen[-1] // per + 2) * per
        cuts = np.searchsorted(chosen, numbers).tolist()
        found, filled = np.empty(min(CACHED, len(rows)), self.dtype), 0
        for number, at, last in zip(numbers.tolist(), cuts, cuts[1:], strict=False):
            if at == last:
                continue
            while at < last:
                end = min(last, at + len(found) - filled)
                records.take(chosen[at:end], out=found[filled : filled + end - at], mode="clip")
                filled, at = filled + end - at, end
                if filled == len(found):
                    look(ascending[at - filled : at], found)
                    filled = 0
            start = (PAGE + number * item) // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, start, min(PAGE + (number + per) * item, len(self._map)) - start)
        if filled:
            look(ascending[len(rows) - filled :], found[:filled])

    def take(self, rows: npt.NDArray[np.int64]) -> Array:
        """The records of these rows, (m,), in their order."""
        found = np.empty(len(rows), self.dtype)

        def place(places: Array, records: Array) -> None:
            found[places] = records

        self.visit(rows, place)
        return found


class Stored:
    """A field of a store in an array's place: indexing by slices and row numbers reads, everything else is refused.

    To ask for all of it at once is a UsageError: it may be larger than memory.
    """

    def __init__(self, store: Store, field: Field, inner: tuple[int, ...] | None = None) -> None:
        """inner: the shape of a row's part, where it is not the field's."""
        self.store, self.field = store, field
        self.dtype = np.dtype(field.dtype)
        self.shape = (len(store), *(field.shape if inner is None else inner))
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._of(self.store.between(start, max(start, stop)))
            rows = np.arange(start, stop, step)
        chosen = np.asarray(rows)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        if chosen.ndim == 0:
            return self._of(self.store.between(int(chosen), int(chosen) + 1))[0]
        return self._of(self.store.take(chosen.astype(np.int64, copy=False)))

    def _of(self, records: Array) -> Array:
        return np.ascontiguousarray(records[self.field.name]).reshape(len(records), *self.shape[1:])

    def reshape(self, rows: int, columns: int) -> Stored:
        """With one axis for what belongs to a row: reshape(n, −1)."""
        if rows != len(self) or columns not in (-1, math.prod(self.shape[1:])):
            raise UsageError("stored rows stay rows", got=f"reshape({rows}, {columns})", want=f"({len(self)}, -1)")
        return Stored(self.store, self.field, (math.prod(self.shape[1:]),))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise UsageError(
            "these rows are kept on the disk because they may be larger than memory: they are taken in pieces",
            where=str(self.store.path),
            got=f"a use of all {len(self):,} rows at once",
            fix='index it: rows[0:1000]; or train with stream = "no" if they fit',
        )

    def setflags(self, write: bool = False) -> None:
        """A store cannot be written to."""


def store_of(values: Any) -> Store | None:
    """The store that stands in the place of an array; None for an array."""
    return values.store if isinstance(values, Stored) else None


def write_store(
    path: Path,
    key: str,
    fields: tuple[Field, ...],
    pieces: Iterable[Mapping[str, Array]],
    about: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    rows: int | None = None,
) -> None:
    """Write a store in one pass over `pieces`, arrays (m, …) by the names of the fields; about: JSON, kept with it.

    about may be asked for when the last piece has been seen.  rows: how many there will be, if known, so that the space
    is looked for first.  TrainingError when the disk is full or fails: nothing is left then.
    """
    record = _record(fields)
    durable.make_folder(path.parent, what="the cache of rows")
    if rows is not None:
        durable.check_space(path.parent, PAGE + rows * record.itemsize, "the cache of rows")
    with durable.replacing(path, what="the cache of rows") as file:
        file.seek(PAGE)
        count, unlooked, pending = 0, AHEAD, bytearray()
        for piece in pieces:
            records = np.empty(len(piece[fields[0].name]), record)
            for field in fields:
                records[field.name] = piece[field.name]
            if unlooked >= AHEAD:
                durable.check_space(path.parent, AHEAD if rows is None else 0, "the cache of rows")
                unlooked = 0
            unlooked += records.nbytes
            pending += records.view(np.uint8).data
            while len(pending) >= WRITTEN:
                _write(file, memoryview(pending)[:WRITTEN])
                del pending[:WRITTEN]
            count += len(records)
        if count == 0:
            raise DataError("there are no rows", where=str(path), got="0 rows", want="at least one")
        _write(file, memoryview(pending))
        told = about() if callable(about) else about
        file.seek(0)
        _write(file, memoryview(_encoded(key, count, fields, told, path)))
    if count * record.itemsize >= DROPPED and hasattr(os, "posix_fadvise"):
        with open(path, "rb") as written:
            os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _advise(rows: mmap.mmap) -> None:
    """Ask for pages of 2 MiB: to map pages of 4 KiB and to give them back takes 0.2 µs for each row of a large file."""
    with contextlib.suppress(AttributeError, OSError):  # a system without them: as right, and slower
        rows.madvise(mmap.MADV_HUGEPAGE)
    rows.madvise(mmap.MADV_RANDOM)  # what is read ahead of a random row is not needed


def _write(file: BinaryIO, view: memoryview) -> None:
    while view:  # a raw write may take a part only, just before the disk is full
        view = view[file.write(view) or 0 :]


def _record(fields: tuple[Field, ...]) -> np.dtype[np.void]:
    return np.dtype([(field.name, field.dtype, field.shape) for field in fields])


def _encoded(key: str, rows: int, fields: tuple[Field, ...], about: Mapping[str, Any], path: Path) -> bytes:
    told = {"key": key, "rows": rows, "fields": [[f.name, f.dtype, list(f.shape)] for f in fields], "about": about}
    text = json.dumps(told).encode()  # a column of missing cells has a mean of NaN
    head = MAGIC + hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"
    if len(head) > PAGE:
        raise DataError(
            "the description of the rows is too long to be kept", where=str(path), got=f"{len(head):,} bytes"
        )
    return head.ljust(PAGE, b"\0")


def _header(descriptor: int, path: Path) -> dict[str, Any]:
    head = os.pread(descriptor, PAGE, 0)
    magic, digest, text = head[: len(MAGIC)], head[len(MAGIC) : len(MAGIC) + 64], head[len(MAGIC) + 65 :]
    text = text.rstrip(b"\0").removesuffix(b"\n")
    if magic != MAGIC or len(head) < PAGE:
        raise _damaged(path, f"it begins with {head[:16]!r}")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise _damaged(path, "the checksum of its header is wrong")
    header: dict[str, Any] = json.loads(text)
    return header


def _described(header: Mapping[str, Any], key: str, path: Path) -> tuple[int, tuple[Field, ...], dict[str, Any]]:
    """Rows, fields and description of a header whose checksum is right; it is still a file nobody vouches for."""
    if header.get("key") != key:
        raise _damaged(path, "it belongs to other data")
    rows, told, about = header.get("rows"), header.get("fields"), header.get("about")
    if type(rows) is not int or rows < 1 or not isinstance(told, list) or not isinstance(about, dict):
        raise _damaged(path, "its header is not complete")
    fields = []
    for one in told:
        name, dtype, shape = one if isinstance(one, list) and len(one) == 3 else ("", "", None)
        good = isinstance(name, str) and dtype in _KINDS and isinstance(shape, list) and len(shape) <= 3
        if shape is None or not good or not all(type(n) is int and 0 < n < 1 << 32 for n in shape):
            raise _damaged(path, "its header describes no fields")
        fields.append(Field(name, dtype, tuple(shape)))
    return rows, tuple(fields), about


def _damaged(path: Path, got: str) -> ModelFileError:
    return ModelFileError("the cache of rows is damaged or of another version", where=str(path), got=got)
