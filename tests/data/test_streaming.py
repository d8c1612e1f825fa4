"""Tables whose rows stay on the disk: the same dataset as in memory, read once, chosen by size, in flat memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa.data import cache, read, streaming
from denpa.data.schema import Options
from denpa.data.store import store_of
from denpa.errors import DataError, UsageError

HEADER = "age,job,income,day,w,label\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def lines(rows: int = 600) -> str:
    rng = np.random.default_rng(3)
    text = HEADER
    for i in range(rows):
        age = "" if i % 9 == 4 else int(rng.integers(18, 80))
        job = ("cook", "driver", "clerk", "")[int(rng.integers(4))]
        day = f"2024-0{rng.integers(1, 10)}-1{rng.integers(0, 10)}"
        text += (
            f"{age},{job},{rng.normal(30, 9):.3f},{day},{rng.integers(1, 4)},{'yes' if rng.random() < 0.4 else 'no'}\n"
        )
    return text


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(lines())
    return path


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        ("label", {}),
        ("income", {}),
        ("income,age", {"age": "target"}),
        ("label", {"w": "weight"}),
        ("label", {"w": "group", "day": "time"}),
    ],
)
def test_the_same_dataset_as_in_memory(target: str, kinds: dict[str, str], csv: Path) -> None:
    if target == "income,age":
        csv.write_text(csv.read_text().replace("\n,", "\n44,"))
    options = Options(target=target, kinds=kinds)
    held, stored = read(csv, options=options), read(csv, options=options, stream="yes")
    assert store_of(stored.inputs) is not None
    for field in fields(held):
        mine, theirs = getattr(stored, field.name), getattr(held, field.name)
        if hasattr(theirs, "dtype"):
            assert np.array_equal(mine[:], theirs, equal_nan=mine.dtype.kind == "f"), field.name
            assert mine.dtype == theirs.dtype
        else:
            assert mine == theirs, field.name
    rows = np.array([5, 599, 5, 0])
    assert np.array_equal(stored.take(rows).inputs, held.take(rows).inputs, equal_nan=True)


def test_found_again_by_its_bytes_and_what_was_said(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []
    honest = streaming.profile
    monkeypatch.setattr(streaming, "profile", lambda *args: passes.append("pass") or honest(*args))
    for _ in range(2):
        read(csv, "label", stream="yes")
    moved = csv.rename(csv.with_name("moved.csv"))
    assert read(moved, "label", stream="yes").source == str(moved)
    assert len(passes) == 1
    read(moved, "income", stream="yes")
    moved.write_text(lines().replace("yes", "aye"))
    assert read(moved, "label", stream="yes").classes == ("aye", "no")
    assert len(passes) == 3


def test_a_broken_table_leaves_no_store(csv: Path, folder: Path) -> None:
    csv.write_text(csv.read_text() + "1,2\n")
    with pytest.raises(DataError, match="number of cells"):
        read(csv, "label", stream="yes")
    assert not folder.exists() or list(folder.iterdir()) == []


def test_auto_goes_by_size_and_says_so(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert store_of(read(csv, "label", stream="auto", say=said.append).inputs) is None
    assert said == []
    monkeypatch.setattr(streaming, "free_memory", lambda: 3 * csv.stat().st_size)
    assert store_of(read(csv, "label", stream="auto", say=said.append).inputs) is not None
    assert "streamed from the disk" in said[0]
    assert "--stream no" in said[0]
    assert store_of(read(csv, "label", stream="no").inputs) is None


def test_free_memory_is_that_of_the_machine() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 <= streaming.free_memory() <= total


def test_arrays_go_by_way_of_the_cache_too(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    rng = np.random.default_rng(0)
    np.savez(path, x=rng.integers(0, 255, (300, 4, 5), dtype=np.uint8), y=rng.integers(0, 3, 300))
    held, stored = read(path), read(path, stream="yes")
    assert stored.image_shape == (4, 5)
    assert stored.maximum == held.maximum
    assert np.array_equal(stored.inputs[:], held.inputs)


def test_a_source_with_a_test_part_of_its_own(tmp_path: Path) -> None:
    from denpa.data import Dataset

    def part(**more: Any) -> Dataset:
        return Dataset(
            inputs=np.zeros((4, 2)), targets=np.arange(4.0), source="s", sha256="0", target_name="y", classes=None,
            task_reason="", **more,
        )  # fmt: skip

    with pytest.raises(UsageError, match="test part of its own"):
        streaming.on_disk(part(test=part()))


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    """A table of 90 MB in a child process: the pieces of one pass at most, not the table."""
    path = tmp_path / "large.csv"
    row = ",".join(f"{i * 0.37:.5f}" for i in range(18))
    with open(path, "w") as file:
        file.write(",".join(f"c{i}" for i in range(18)) + ",day,y\n")
        for i in range(600_000):
            file.write(f"{row},{i % 977},{i % 13}.5\n")
    code = (
        "import resource, sys\n"
        "from denpa.data import read, table\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "data = read(sys.argv[1], 'y', stream='yes')\n"
        "print(len(data), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    environment = {**os.environ, "DENPA_CACHE": str(tmp_path / "other")}
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, env=environment, check=True
    )
    rows, kib = map(int, done.stdout.split())
    assert rows == 600_000
    assert kib < 150 * 1024  # as one array of float64 the rows alone take 91 MiB, and more while they are read
