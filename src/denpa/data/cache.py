"""Stores of rows kept from one run to the next: named after what they hold, so an old one is never taken for a new one.

They lie in the folder `rows` of denpa's cache ($DENPA_CACHE, else the user's cache folder). When a new one has been
written, those not used for longest are deleted until all together are within the limit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denpa import durable
from denpa.data.store import Store
from denpa.errors import ModelFileError, UsageError

FORMAT = 1  # of what is written; in every key
SUFFIX = ".rows"
GB = 10**9
LIMIT = 100  # GB; $DENPA_CACHE_GB sets another


@dataclass(frozen=True)
class Entry:
    """One store in the cache.  used: seconds since 1970, of the last time it was opened."""

    path: Path
    size: int
    used: float


def folder() -> Path:
    return durable.cache_folder() / "rows"


def entries() -> list[Entry]:
    """The stores of the cache, the one used last first."""
    found = []
    for path in folder().glob(f"*{SUFFIX}") if folder().is_dir() else ():
        try:
            status = path.stat()
        except FileNotFoundError:  # deleted by another process
            continue
        found.append(Entry(path, status.st_blocks * 512, status.st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def limit() -> int:
    """Bytes that all stores together may take."""
    told = os.environ.get("DENPA_CACHE_GB")
    try:
        size = float(LIMIT if told is None else told)
    except ValueError:
        size = -1.0
    if not 0 <= size < 1e9:
        raise UsageError("DENPA_CACHE_GB is no size", got=repr(told), want="a number of gigabytes, such as 50")
    return int(size * GB)


def shrink(most: int, keep: Path | None = None) -> list[Path]:
    """Delete the stores not used for longest until the others take `most` bytes, and what killed writers left.

    keep: a store that stays.  A process that has a deleted one open can go on reading it.
    """
    if not folder().is_dir():
        return []
    gone, total = durable.abandoned(folder()), 0
    for entry in entries():
        total += entry.size
        if total > most and entry.path != keep:
            gone.append(entry.path)
    durable.remove(gone, what="an old cache of rows")
    return gone


def key_of(parts: Mapping[str, Any]) -> str:
    """The name of what depends on these JSON values alone."""
    text = json.dumps({**parts, "format": FORMAT}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stored(
    parts: Mapping[str, Any], write: Callable[[Path, str], None], say: Callable[[str], None] = lambda _: None
) -> Store:
    """The store of these parts: the one in the cache, else what `write(path, key)` writes.

    A damaged one is named through `say` and written again.
    """
    key = key_of(parts)
    path = folder() / f"{key[:32]}{SUFFIX}"
    if path.exists():
        try:
            store = Store(path, key)
            os.utime(path)
            return store
        except ModelFileError as error:
            say(f"{error.what} ({error.got}), and is written again: {path}")
    write(path, key)
    shrink(limit(), keep=path)
    return Store(path, key)
