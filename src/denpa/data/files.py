"""Opening files nobody vouches for: one handle, its hash, and its bytes in order with every size capped.

A gzip or Zstandard file is decompressed as it is read.  Nothing is allocated for a size that a file merely claims.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from denpa.errors import DataError, UsageError, require
from denpa.formatting import typed

MIB = 1 << 20
EXPANSION = 200  # deflate reaches 1032:1; MNIST is 5:1, sparse tables 30:1, the bombs that were tried 686:1 and 1029:1
ALLOWANCE = 16 * MIB  # below this size any ratio is harmless, and small files of zeros reach any ratio

MAGICS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
ZSTD_WINDOW = 128 * MIB  # what the zstd program accepts without being asked for more
ZSTD_STEP = 1 << 10  # compressed bytes a step: a run of one byte makes 128 KiB out of 4, so 32 MiB at most


def shown(value: object, limit: int = 60) -> str:
    """`repr` of a value from a file, shortened: control characters and lone surrogates come out escaped."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shown_path(path: str | Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)


def listed(names: tuple[str, ...] | list[str], limit: int = 12) -> str:
    """Names for a message, quoted; the first `limit` of them and the count of the rest."""
    rest = f", … ({len(names) - limit:,} more)" if len(names) > limit else ""
    return ", ".join(shown(name, 40) for name in names[:limit]) + rest


def check_expansion(compressed: int, expanded: int, where: str) -> None:
    """DataError when `expanded` bytes out of `compressed` ones is beyond what real data needs."""
    cap = max(ALLOWANCE, EXPANSION * compressed)
    if expanded > cap:
        raise DataError(
            "the compressed data expands too far: it looks like a decompression bomb",
            where=where,
            got=f"more than {expanded - 1:,} bytes out of {compressed:,}",
            want=f"at most {EXPANSION} times the compressed size (or {ALLOWANCE // MIB} MiB)",
            fix="if the data is genuine, decompress the file first and give the decompressed one",
        )


def damaged(where: str, packing: str, why: object) -> DataError:
    return DataError(
        f"the {packing} data is damaged or cut off",
        where=where,
        got=str(why),
        want=f"a complete {packing} file",
        fix=f"test it with: {packing} -t {typed(where)} ; fetch or write it again",
    )


def damaged_file(where: str, kind: str, why: object) -> DataError:
    return DataError(
        f"the {kind} file is damaged or cut off",
        where=where,
        got=str(why) or None,
        want=f"a complete {kind} file",
        fix="fetch or write it again",
    )


class ZstdFile:
    """The content of a Zstandard file, of one frame or several.  EOFError when the last is cut off.

    (The package's own reader takes a file that is cut off for one that ends there.)
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._zstd = require("zstandard", for_="reading Zstandard files", extra="data")
        self._handle, self._rest, self._ready = handle, b"", bytearray()
        self._frame: Any = None
        self._taken = 0

    def read(self, size: int) -> bytes:
        while len(self._ready) - self._taken < size and self._more():
            pass
        piece = bytes(self._ready[self._taken : self._taken + size])
        self._taken += len(piece)
        if self._taken > MIB:
            del self._ready[: self._taken]
            self._taken = 0
        return piece

    def _more(self) -> bool:
        """Decompress one step; False at the end."""
        data = self._rest or self._handle.read(ZSTD_STEP)
        self._rest = b""
        if not data:
            if self._frame is not None:
                raise EOFError("the last frame is not complete")
            return False
        if self._frame is None:
            self._frame = self._zstd.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
        try:
            self._ready += self._frame.decompress(data)
        except self._zstd.ZstdError as error:
            raise EOFError(str(error)) from error
        if self._frame.eof:
            self._rest, self._frame = self._frame.unused_data, None
        return True


class Stream:
    """The bytes of a file from its beginning, decompressed when `packing` says so: "gzip", "zstd" or "".

    DataError when the packed data is damaged or expands beyond `check_expansion`, or the file cannot be read.
    """

    def __init__(self, handle: BinaryIO, size: int, where: str, packing: str) -> None:
        handle.seek(0)
        self.size, self.where, self.packing, self.taken = size, where, packing, 0
        self._bytes: BinaryIO | gzip.GzipFile | ZstdFile = handle
        if packing:
            self._bytes = ZstdFile(handle) if packing == "zstd" else gzip.GzipFile(fileobj=handle, mode="rb")

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        with self._faults():
            return self._count(self._bytes.read(size))

    def read_exactly(self, size: int) -> bytearray:
        """The next `size` bytes, or as many as there are: memory grows with what arrives, not with what is asked."""
        data = bytearray()
        while len(data) < size and (piece := self.read(min(MIB, size - len(data)))):
            data += piece
        return data

    def _count(self, piece: bytes) -> bytes:
        self.taken += len(piece)
        if self.packing:
            check_expansion(self.size, self.taken, self.where)
        return piece

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(self.where, self.packing, error) from error
        except OSError as error:
            raise unreadable(self.where, error) from error


@dataclass(frozen=True)
class DataFile:
    """One open regular file.  where: its path for messages; size in bytes; sha256 of its bytes as stored.

    packing: "gzip", "zstd" or "".
    """

    handle: BinaryIO
    path: Path
    where: str
    size: int
    sha256: str
    packing: str

    def stream(self) -> Stream:
        """Its bytes from the beginning.  One stream at a time: they share the handle."""
        return Stream(self.handle, self.size, self.where, self.packing)

    def head(self, size: int) -> bytes:
        """Its first bytes, decompressed."""
        return self.stream().read(size)

    def verify(self) -> None:
        """DataError when packed data is damaged, cut off or a bomb: told before work is spent on its contents."""
        if self.packing:
            stream = self.stream()
            while stream.read(MIB):
                pass


@contextmanager
def opened(path: str | Path) -> Iterator[DataFile]:
    """Open `path` for reading, hashed.

    UsageError when there is no such file; DataError when it is no regular file, is empty, cannot be read, or has
    changed by the time the block ends (what was read would then not be what was hashed).
    """
    where = shown_path(path)
    _check_regular(path, where)
    try:
        handle = open(path, "rb")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise unreadable(where, error) from error
    with handle:
        before = _state(handle)
        size = before[0]
        if size == 0:
            raise DataError("the file is empty", where=where, got="0 bytes", want="a data file")
        try:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
            handle.seek(0)
            head = handle.read(4)
        except OSError as error:
            raise unreadable(where, error) from error
        packing = next((name for magic, name in MAGICS.items() if head.startswith(magic)), "")
        yield DataFile(handle, Path(path), where, size, sha256, packing)
        if _state(handle) != before:
            raise DataError("the file changed while it was read", where=where, fix="try again when it is complete")


def _state(handle: BinaryIO) -> tuple[int, int]:
    status = os.fstat(handle.fileno())
    return status.st_size, status.st_mtime_ns


def _check_regular(path: str | Path, where: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL inside the name
        raise UsageError(
            "no such file or folder",
            where=where,
            want="the path of a data file, a folder of IDX files, or the name digits",
            fix="check the spelling; relative paths start in the current folder",
        ) from error
    except OSError as error:
        raise unreadable(where, error) from error
    if not stat.S_ISREG(mode):
        raise DataError(
            "not a regular file: a folder, pipe or device cannot be read as one",
            where=where,
            want="a file that can be read twice (once to hash it)",
        )


def unreadable(where: str, error: OSError) -> DataError:
    return DataError("the file cannot be read", where=where, got=error.strerror or str(error))


def folder_names(folder: Path, where: str) -> list[str]:
    """The names in a folder, sorted."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise unreadable(where, error) from error


def combined_sha256(files: list[DataFile]) -> str:
    """One hash for several files: of the lines `name sha256`, in order; a single file keeps its own."""
    if len(files) == 1:
        return files[0].sha256
    lines = "".join(f"{file.path.name} {file.sha256}\n" for file in files)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
