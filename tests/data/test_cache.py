"""The cache of stores: found again by what they hold, limited in size, mended aloud."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from denpa import durable
from denpa.data import cache
from denpa.data.store import Field, Store, write_store
from denpa.errors import UsageError

FIELDS = (Field("x", "<f8", ()),)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "rows")
    return tmp_path / "rows"


def build(name: str, said: list[str] | None = None, rows: int = 10) -> tuple[Store, bool]:
    """The store, and whether it was written now."""
    written = []

    def write(path: Path, key: str) -> None:
        written.append(path)
        write_store(path, key, FIELDS, [{"x": np.arange(float(rows))}], dict)

    store = cache.stored({"name": name}, write, (said if said is not None else []).append)
    return store, bool(written)


def test_written_once_and_found_again(folder: Path) -> None:
    assert build("a")[1]
    assert not build("a")[1]
    assert build("b")[1]
    assert len(cache.entries()) == 2


def test_a_damaged_one_is_named_and_written_again(folder: Path) -> None:
    path = build("a")[0].path
    os.truncate(path, 100)
    said: list[str] = []
    store, written = build("a", said)
    assert written
    assert len(store) == 10
    assert len(said) == 1
    assert "damaged" in said[0]
    assert str(path) in said[0]


def test_those_not_used_for_longest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [build(name, rows=20_000)[0].path for name in "abc"]
    for age, path in zip((30, 10, 20), paths, strict=True):
        os.utime(path, (1e9 - age, 1e9 - age))
    size = cache.entries()[0].size
    monkeypatch.setenv("DENPA_CACHE_GB", str(2.5 * size / 1e9))
    newest = build("d", rows=20_000)[0].path
    assert {entry.path for entry in cache.entries()} == {newest, paths[1]}


def test_the_one_just_written_stays_however_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_CACHE_GB", "0")
    store, _ = build("a")
    assert store.path.exists()
    assert store.array("x")[3] == 3.0


def test_a_deleted_one_can_still_be_read(folder: Path) -> None:
    store, _ = build("a")
    assert cache.shrink(0) == [store.path]
    assert store.array("x")[np.array([9, 0])].tolist() == [9.0, 0.0]


@pytest.mark.parametrize("text", ["much", "-1", "nan", "1e99"])
def test_a_limit_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_CACHE_GB", text)
    with pytest.raises(UsageError, match="DENPA_CACHE_GB"):
        cache.limit()


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(folder: Path) -> None:
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from denpa import durable\n"
        "with durable.replacing(Path(sys.argv[1])) as file:\n"
        "    file.write(b'x'); print('ready', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "a.rows")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    assert durable.abandoned(folder) == []
    assert cache.shrink(0) == []
    writer.kill()
    writer.communicate()
    (left,) = durable.leftovers(folder)
    assert cache.shrink(0) == [left]
    assert not left.exists()
