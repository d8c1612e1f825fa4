"""Datasets whose rows stay on the disk: when that is chosen, how a table becomes one, and what is kept beside its rows.

A table is read twice, for its schema and for its rows, and then not again: the store is named after the table's bytes
and all that was said of it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data import cache
from denpa.data.coding import InputColumn
from denpa.data.dataset import Array, Dataset, check_finite
from denpa.data.files import DataFile
from denpa.data.kinds import Column
from denpa.data.leaks import Leaks
from denpa.data.schema import Options, Schema, profile
from denpa.data.source import Dialect, TableSource
from denpa.data.store import Field, Store, store_of, write_store
from denpa.data.table import Coder, Layout
from denpa.errors import DataError, ModelFileError, UsageError

SHARE = 0.25  # of the free memory: a table whose file is larger is streamed; in memory it takes about twice its size
PACKED = 4  # a packed table's file counts this many times
PIECE = 1 << 22  # bytes of an array that is written to a store at a time
MODES = ("auto", "yes", "no")

Say = Callable[[str], None]


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, or less where its control group allows less."""
    found = math.inf
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit.isdigit():
            found = min(found, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, StopIteration, ValueError):  # another system, or no control group
        pass
    if math.isinf(found):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return max(0, int(found))


def chosen(mode: str, file: DataFile, packed: bool, say: Say) -> bool:
    """Whether a table's rows stay on the disk; when "auto" decides that they do, it is said."""
    if mode != "auto":
        return mode == "yes"
    size, free = file.size * (PACKED if packed else 1), free_memory()
    if size <= SHARE * free:
        return False
    say(
        f"the rows are streamed from the disk: the table takes about {2 * size / 1e9:,.1f} GB in memory, and "
        f"{free / 1e9:,.1f} GB are free (--stream no keeps them in memory)"
    )
    return True


def stored_table(source: TableSource, options: Options, say: Say = lambda _: None) -> Dataset:
    """What `table.read_table` gives, with its rows on the disk.  Memory: a few pieces of the table at a time.

    Groups and times are held in memory: they decide about rows far from each other.
    """
    parts = {"table": source.sha256, "options": _plain(asdict(options))}
    store = cache.stored(parts, lambda path, key: _write_table(path, key, source, options, say), say)
    return replace(dataset(store), source=source.where)


def _write_table(path: Path, key: str, source: TableSource, options: Options, say: Say) -> None:
    say("reading the table: its schema first, then its rows (once; a later training finds them in the cache)")
    schema = profile(source, options)
    layout = Layout.of(schema)
    coder, leaks = Coder(source, layout), Leaks(layout.inputs, layout.classes)
    fields = [Field("inputs", "<f8", (len(layout.inputs),))]
    shape = (len(layout.targets),) if len(layout.targets) > 1 else ()
    fields.append(Field("targets", "<f8" if layout.classes is None else "<i8", shape))
    roles = {"weights": layout.weight, "groups": layout.group, "times": layout.time}
    fields += [Field(name, "<i8" if name == "groups" else "<f8", ()) for name, column in roles.items() if column]
    weighed = 0.0

    def pieces() -> Iterator[dict[str, Array]]:
        nonlocal weighed
        for piece in coder.pieces():
            leaks.add(piece.inputs, piece.targets)
            rows = {"inputs": np.column_stack(piece.inputs)}
            rows["targets"] = np.column_stack(piece.targets) if shape else piece.targets[0]
            rows |= {name: getattr(piece, name) for name, column in roles.items() if column}
            if piece.weights is not None:
                weighed += float(piece.weights.sum())
            yield rows

    def about() -> dict[str, Any]:
        if layout.weight is not None and not weighed:
            raise DataError(f"all sample weights in column {layout.weight!r} are 0", where=source.where)
        targets = layout.targets
        told: dict[str, Any] = {
            "columns": [column.name for column in layout.inputs],
            "target_name": ", ".join(targets),
            "classes": layout.classes,
            "labels": targets if schema.task == "multilabel" else None,
            "target_names": targets if len(targets) > 1 else (),
            "task_reason": schema.task_reason,
            "source": source.where,
            "sha256": source.sha256,
            "ignored": [column.name for column in schema.columns if column.kind in ("id", "drop")],
            "cells": [asdict(column) for column in layout.inputs],
            "na": layout.na,
            "schema": asdict(schema),
            "notices": (*schema.notices, *coder.notices, *leaks.notices(targets)),
        }
        return {name: _plain(value) for name, value in told.items()}

    write_store(path, key, tuple(fields), pieces(), about, schema.rows)


def on_disk(data: Dataset, say: Say = lambda _: None) -> Dataset:
    """A dataset in memory, by way of the cache, as one whose rows are read from the disk.

    UsageError when it has a test part of its own.
    """
    if store_of(data.inputs) is not None:
        return data
    if data.test is not None:
        raise UsageError(
            "a source with a test part of its own cannot be streamed from the disk",
            where=data.source,
            fix="train with --stream no",
        )
    named = {"inputs": data.inputs, "targets": data.targets, "weights": data.weights}
    named |= {"groups": data.groups, "times": data.times}
    arrays = {name: values for name, values in named.items() if values is not None}
    if data.cells is None and data.inputs.dtype.kind == "f":
        check_finite(data.inputs, data.source)
    fields = tuple(Field(name, values.dtype.newbyteorder("<").str, values.shape[1:]) for name, values in arrays.items())
    step = max(1, PIECE // max(1, sum(values[:1].nbytes for values in arrays.values())))
    pieces = (
        {name: values[start : start + step] for name, values in arrays.items()} for start in range(0, len(data), step)
    )
    about = _plain({name: getattr(data, name) for name in _TOLD})
    about["cells"] = None if data.cells is None else [asdict(column) for column in data.cells]
    about["schema"] = None if data.schema is None else _plain(asdict(data.schema))
    parts = {"dataset": about, "fields": [[f.name, f.dtype, list(f.shape)] for f in fields]}
    return dataset(
        cache.stored(parts, lambda path, key: write_store(path, key, fields, pieces, lambda: about, len(data)), say)
    )


# -- what is kept beside the rows --------------------------------------------------------------------------------------
_TOLD = (
    *("source", "sha256", "columns", "maximum", "ignored", "na", "notices"),
    *("target_name", "classes", "task_reason", "labels", "target_names"),
)
_TUPLES = ("columns", "ignored", "na", "notices", "classes", "labels", "target_names")
_READ = ("inputs", "targets", "weights")  # in pieces


def dataset(store: Store) -> Dataset:
    """The dataset that a store holds; its inputs, targets and weights are read in pieces as they are indexed.

    ModelFileError when its description is not one of a dataset.
    """
    try:
        return _dataset(store)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # the checksum is right: it was forged
        raise ModelFileError(
            "the cache of rows describes no dataset",
            where=str(store.path),
            got=f"{type(error).__name__}: {error}"[:100],
            fix="delete the file; it is written again from the table",
        ) from error


def _dataset(store: Store) -> Dataset:
    about = dict(store.about)
    for name in _TUPLES:
        if about.get(name) is not None:
            about[name] = tuple(about[name])
    if about.get("cells") is not None:
        about["cells"] = tuple(InputColumn(**_tupled(column)) for column in about["cells"])
    if about.get("schema") is not None:
        about["schema"] = _schema(about["schema"])
    arrays: dict[str, Any] = {}
    for field in store.fields:
        values = store.array(field.name)
        arrays[field.name] = values if field.name in _READ else values[:]
    return Dataset(**arrays, **about)


def _schema(told: dict[str, Any]) -> Schema:
    columns = tuple(Column(**_tupled(column)) for column in told["columns"])
    dialect = None if told["dialect"] is None else Dialect(**told["dialect"])
    return Schema(**{**_tupled(told), "columns": columns, "dialect": dialect})


def _tupled(told: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
