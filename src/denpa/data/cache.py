"""Stores of rows kept from one run to the next: named after what they hold, so an old one is never taken for a new one.

They lie in the folder `rows` of denpa's cache ($DENPA_CACHE, else the user's cache folder). When a new one has been
written, those not used for longest are deleted until all together are within the limit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.data.dataset import Array, Dataset
from denpa.data.store import Field, Store, store_of, write_store
from denpa.errors import ModelFileError, UsageError

FORMAT = 1  # of what is written; in every key
SUFFIX = ".rows"
GB = 10**9
LIMIT = 100  # GB; $DENPA_CACHE_GB sets another
PIECE = 1 << 22  # bytes of an array that is written to a store at a time


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


# -- datasets ----------------------------------------------------------------------------------------------------------
_TOLD = ("source", "sha256", "columns", "maximum", "ignored", "target_name", "classes", "task_reason")
_ARRAYS = ("inputs", "targets", "weights")
_ALSO = ("labels", "target_names")
_TUPLES = ("columns", "ignored", "classes", "labels", "target_names")


def described(data: Dataset) -> dict[str, Any]:
    """What a dataset is besides its arrays, as JSON."""
    return {name: getattr(data, name) for name in (*_TOLD, *_ALSO)}


def dataset(store: Store) -> Dataset:
    """The dataset that a store holds; its arrays are `Stored`, read in pieces as they are indexed."""
    about = dict(store.about)
    for name in _TUPLES:
        about[name] = None if about[name] is None else tuple(about[name])
    names = {field.name for field in store.fields}
    arrays: dict[str, Any] = {name: store.array(name) for name in _ARRAYS if name in names}
    return Dataset(**arrays, **about)


def fields_of(data: Dataset) -> tuple[Field, ...]:
    kinds = {"inputs": data.inputs, "targets": data.targets}
    if data.weights is not None:
        kinds["weights"] = data.weights
    return tuple(
        Field(name, np.dtype(values.dtype).newbyteorder("<").str, tuple(values.shape[1:]))
        for name, values in kinds.items()
    )


def on_disk(data: Dataset, say: Callable[[str], None] = lambda _: None) -> Dataset:
    """A dataset in memory, by way of the cache, as one whose rows are read from the disk."""
    if store_of(data.inputs) is not None:
        return data
    _check_plain(data)
    fields = fields_of(data)

    def pieces() -> Iterator[dict[str, Array]]:
        step = max(1, PIECE // max(1, sum(getattr(data, f.name)[:1].nbytes for f in fields)))
        for start in range(0, len(data), step):
            yield {field.name: getattr(data, field.name)[start : start + step] for field in fields}

    parts = {"dataset": described(data), "fields": [[f.name, f.dtype, list(f.shape)] for f in fields]}
    return dataset(
        stored(parts, lambda path, key: write_store(path, key, fields, pieces(), described(data), len(data)), say)
    )


def _check_plain(data: Dataset) -> None:
    if data.test is not None or data.groups is not None or data.times is not None:
        raise UsageError(
            "this source cannot be streamed from the disk",
            where=data.source,
            got="a test part of its own" if data.test is not None else "groups or times that divide its rows",
            fix="train with --stream no",
        )
