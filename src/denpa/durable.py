"""Writing files so that a kill, a power cut or a full disk leaves the old file or the new one, never neither.

Written to a temporary file in the same folder, synced, renamed, and the folder synced: without the file's sync a power
cut loses saves that were acknowledged (20 of 20 trials on ext4), without the folder's it loses the last one (13 of 20).
Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from denpa.errors import TrainingError

TEMPORARY = ".tmp"  # with a leading dot: what a killed save leaves behind is `.<name>.<pid>.tmp`
MARGIN = 1 << 16  # bytes left free beyond a save: the folder's own entries and the line of metrics that follows

_FIXES = {
    errno.ENOSPC: "free space on this disk, or choose another folder",
    errno.EDQUOT: "free space within your quota, or choose another folder",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or choose another disk",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.ENOENT: "the folder is gone: put it back, or choose another one",
    errno.EIO: "the disk reports a fault: look at the system log, and save elsewhere",
}


def write(path: str | Path, data: bytes | bytearray, *, what: str = "the file") -> None:
    """Put `data` at `path`, replacing what is there, and return when it is on the disk.

    what: its name in messages.  TrainingError when it cannot be saved; the file that was there is then untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        check_space(path.parent, len(data), what)
        try:
            _write_synced(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise not_saved(what, path, error, len(data)) from error


def _write_synced(path: Path, data: bytes | bytearray) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:  # a raw write may take a part only, just before the disk is full
            view = view[file.write(view) or 0 :]
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path, *, what: str = "the file") -> Iterator[BinaryIO]:
    """A new file to be written piece by piece; when the block ends it is at `path`, on the disk, and whole.

    It is locked until then, so that `abandoned` can tell it from what a killed process left.  TrainingError when it
    cannot be saved; however the block fails, nothing is left of it and what was at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield file
                os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise not_saved(what, path, error, 0) from error


def abandoned(folder: Path) -> list[Path]:
    """Files of `replacing` whose writer was killed, in a folder that several processes write to."""
    found = []
    for path in leftovers(folder):
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # locked by its writer, or gone already
            continue
        found.append(path)
    return found


def cache_folder() -> Path:
    """$DENPA_CACHE, or denpa's folder in the user's cache folder."""
    if given := os.environ.get("DENPA_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "denpa"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "denpa"


def append(path: Path, data: bytes, *, what: str = "the file") -> None:
    """Add `data` at the end of a file and return when it is on the disk.  A kill can leave a part of it."""
    try:
        check_space(path.parent, len(data), what)
        new = not path.exists()
        with open(path, "ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
            os.fsync(file.fileno())
        if new:
            sync_folder(path.parent)
    except OSError as error:
        raise not_saved(what, path, error, len(data)) from error


def truncate(path: Path, size: int, *, what: str = "the file") -> None:
    """Cut a file to its first `size` bytes, on the disk when this returns."""
    try:
        with open(path, "r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    except OSError as error:
        raise not_saved(what, path, error, 0) from error


def make_folder(path: Path, *, what: str = "the folder") -> None:
    """Make a folder with the ones above it; their entries are on the disk when this returns."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)
    except OSError as error:
        raise not_saved(what, path, error, 0) from error


def remove(paths: Iterable[Path], *, what: str = "old files") -> None:
    """Delete files that may be gone already."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise not_saved(what, path, error, 0) from error


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of saves that were killed.  Only for a folder that has a single writer, who asks this."""
    return [p for p in folder.iterdir() if p.name.startswith(".") and p.name.endswith(TEMPORARY)]


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_space(folder: Path, size: int, what: str) -> None:
    """TrainingError, before anything is written, when the disk cannot hold `size` more bytes."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if status.f_blocks and free < size + MARGIN:  # some virtual file systems have no blocks and report none free
        raise TrainingError(
            f"{what} cannot be saved: the disk is full",
            where=str(folder),
            got=f"{free:,} bytes free",
            want=f"{size + MARGIN:,} bytes",
            fix=f"{_FIXES[errno.ENOSPC]}; what was saved before is intact",
        )


def not_saved(what: str, path: Path, error: OSError, size: int) -> TrainingError:
    code = errno.errorcode.get(error.errno or 0, "")
    return TrainingError(
        f"{what} cannot be saved",
        where=str(path),
        got=f"{error.strerror or error}{f' ({code})' if code else ''}",
        want=f"{size:,} bytes written to the disk" if size else None,
        fix=f"{_FIXES.get(error.errno or 0, 'mend the cause and try again')}; what was saved before is intact",
    )
