"""Rows in a file: what is read is what was written; a damaged file is never taken for a whole one."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa import durable
from denpa.data import store as module
from denpa.data.store import PAGE, Field, Store, write_store
from denpa.errors import DataError, ModelFileError, TrainingError, UsageError

FIELDS = (Field("inputs", "<f8", (3,)), Field("targets", "<i8", ()))
ROWS = 1001


def arrays(rows: int = ROWS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {"inputs": rng.standard_normal((rows, 3)), "targets": rng.integers(0, 9, rows)}


def pieces(rows: int = ROWS, size: int = 100) -> Iterator[dict[str, np.ndarray]]:
    data = arrays(rows)
    for start in range(0, rows, size):
        yield {name: values[start : start + size] for name, values in data.items()}


def write(path: Path, key: str = "k", rows: int = ROWS, known: int | None = None) -> Store:
    write_store(path, key, FIELDS, pieces(rows), lambda: {"name": "ü"}, known)
    return Store(path, key)


def test_slices_numbers_and_row_numbers_read_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 1 << 12)  # several windows, which no row fits evenly
    monkeypatch.setattr(module, "CACHED", 7)
    monkeypatch.setattr(module, "WRITTEN", 1 << 10)
    store, data = write(tmp_path / "s.rows"), arrays()
    assert len(store) == ROWS
    assert store.about == {"name": "ü"}
    rng = np.random.default_rng(2)
    for name, values in data.items():
        stored: Any = store.array(name)
        assert stored.shape == values.shape
        assert stored.dtype == values.dtype
        for index in (slice(None), slice(5, 50), slice(900, 5000), slice(7, 3), slice(None, None, 9), 0, -1 + ROWS):
            assert np.array_equal(stored[index], values[index]), index
        rows = rng.integers(0, ROWS, 5000)  # out of order, some twice
        assert np.array_equal(stored[rows], values[rows])
        assert np.array_equal(
            stored[values.reshape(ROWS, -1)[:, 0] > 0.5], values[values.reshape(ROWS, -1)[:, 0] > 0.5]
        )
        assert stored[np.empty(0, np.int64)].shape == (0, *values.shape[1:])
    flat: Any = store.array("targets").reshape(ROWS, -1)
    assert np.array_equal(flat[10:20], data["targets"][10:20, None])


def test_all_at_once_is_refused(tmp_path: Path) -> None:
    stored: Any = write(tmp_path / "s.rows").array("inputs")
    with pytest.raises(UsageError, match="larger than memory"):
        np.asarray(stored)
    with pytest.raises(IndexError):
        stored[np.array([ROWS])]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def longer(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"x")


def flipped(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.write_bytes(b"PK\3\4" + bytes(PAGE))


def link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize("damage", [cut, longer, flipped, emptied, foreign, link])
def test_a_damaged_store_is_not_opened(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "s.rows"
    write(path)
    damage(path)
    with pytest.raises(ModelFileError, match="damaged or of another version"):
        Store(path, "k")


def test_a_store_of_other_data_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path / "s.rows", key="one")
    with pytest.raises(ModelFileError) as caught:
        Store(tmp_path / "s.rows", "two")
    assert "other data" in str(caught.value.got)


@pytest.mark.parametrize(
    ("key", "value"),
    [("rows", -1), ("rows", "9"), ("fields", [["a", "|O", []]]), ("fields", [["a", "<f8", [-1]]]), ("about", 3)],
)
def test_a_header_that_is_whole_and_wrong(key: str, value: object, tmp_path: Path) -> None:
    """The checksum is no seal: what it covers is still checked."""
    path = tmp_path / "s.rows"
    write(path)
    told = {"key": "k", "rows": 1, "fields": [["a", "<f8", []]], "about": {}, key: value}
    text = json.dumps(told).encode()
    import hashlib

    head = module.MAGIC + hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"
    path.write_bytes(head.ljust(PAGE, b"\0") + bytes(8))
    with pytest.raises(ModelFileError):
        Store(path, "k")


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        write(tmp_path / "s.rows", rows=0)
    assert list(tmp_path.iterdir()) == []


def test_the_space_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def full(folder: Path, size: int, what: str) -> None:
        asked.append(size)
        raise TrainingError("the disk is full")

    monkeypatch.setattr(durable, "check_space", full)
    with pytest.raises(TrainingError):
        write(tmp_path / "s.rows", known=ROWS)
    assert asked == [PAGE + ROWS * 32]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_fills_up_leaves_nothing(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was at the place before is untouched, and no temporary file stays."""
    path = tmp_path / "s.rows"
    write(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(module, "_write", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(TrainingError, match="cache of rows cannot be saved"):
        write(path, key="new")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.rows"]


def test_an_error_in_the_pieces_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, np.ndarray]]:
        yield next(pieces())
        raise DataError("line 101 is broken")

    with pytest.raises(DataError, match="line 101"):
        write_store(tmp_path / "s.rows", "k", FIELDS, broken(), dict)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no advice about files")
def test_a_large_file_is_mapped_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, advice = np.array([9, 0, 9, 4]), []
    small = write(tmp_path / "s.rows").take(rows)
    honest = os.posix_fadvise
    monkeypatch.setattr(os, "posix_fadvise", lambda *said: advice.append(said[1:]) or honest(*said))
    write(tmp_path / "t.rows")
    assert advice == []
    monkeypatch.setattr(module, "DROPPED", 1)
    assert np.array_equal(write(tmp_path / "t.rows").take(rows), small)
    assert advice == [(0, 0, os.POSIX_FADV_DONTNEED)]


def test_a_system_without_large_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "s.rows")
    rows = np.array([9, 0, 9, 4])
    large = Store(tmp_path / "s.rows", "k").take(rows)
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert np.array_equal(Store(tmp_path / "s.rows", "k").take(rows), large)
