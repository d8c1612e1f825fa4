"""The index of runs says what the folders say, however it or they were changed, damaged or locked."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from denpa.errors import UsageError
from denpa.train.config import Config
from denpa.train.index import FILE, entries, find
from denpa.train.run import create, locked


def make(root: Path, name: str, *losses: float, created: str = "2026-01-01T00:00:00+00:00", sha256: str = "d") -> Path:
    path = root / name
    path.mkdir(parents=True)
    data = {"source": "some.csv", "sha256": sha256, "rows": 10}
    run = create(path, Config(target="y").resolved(), data=data, command="denpa train")
    run.update(created=created, status="finished", seconds=1.5, evaluation={"on": "test", "accuracy": 0.9})
    lines = [{"epoch": i, "train_loss": loss, "valid_loss": loss + 1} for i, loss in enumerate(losses, 1)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def names(root: Path) -> list[str]:
    return [entry.name for entry in entries(root)]


def test_an_entry_says_what_the_folder_says(tmp_path: Path) -> None:
    make(tmp_path, "a", 3.0, 1.0, 2.0)
    (entry,) = entries(tmp_path)
    assert (entry.name, entry.status, entry.source, entry.target, entry.rows) == ("a", "finished", "some.csv", "y", 10)
    assert (entry.epoch, entry.epochs, entry.train_loss, entry.seconds) == (3, 20, 2.0, 1.5)
    assert (entry.best_epoch, entry.best_valid_loss) == (2, 2.0)
    assert entry.figures == {"on": "test", "accuracy": 0.9}


def test_the_folders_are_the_truth(tmp_path: Path) -> None:
    a, b = make(tmp_path, "a", 1.0), make(tmp_path, "b", 1.0, created="2025-01-01T00:00:00+00:00")
    assert names(tmp_path) == ["b", "a"]  # oldest first
    with (a / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "train_loss": 0.5, "valid_loss": 0.25}\n')
    b.rename(tmp_path / "c")
    shutil.copytree(a, tmp_path / "copy")
    found = {entry.name: entry for entry in entries(tmp_path)}
    assert sorted(found) == ["a", "c", "copy"]
    assert found["a"].best_valid_loss == found["copy"].best_valid_loss == 0.25
    shutil.rmtree(a)
    assert sorted(names(tmp_path)) == ["c", "copy"]


def test_an_unchanged_run_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a", 1.0)
    make(tmp_path, "b", 1.0)
    before = entries(tmp_path)
    read: list[Path] = []
    from denpa.train import index

    real = index._entry
    monkeypatch.setattr(index, "_entry", lambda path: (read.append(path), real(path))[1])
    assert entries(tmp_path) == before
    assert read == []
    (tmp_path / "b" / "metrics.jsonl").write_text("")
    assert entries(tmp_path)[1].epoch == 0
    assert read == [tmp_path / "b"]


def test_a_run_that_nobody_holds_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    with locked(path):
        create(path, Config().resolved())
        assert entries(tmp_path)[0].status == "running"
    assert entries(tmp_path)[0].status == "killed"


def test_a_damaged_run_is_listed_with_its_fault_and_other_folders_are_not(tmp_path: Path) -> None:
    make(tmp_path, "good", 1.0)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{")
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    found = {entry.name: entry for entry in entries(tmp_path)}
    assert sorted(found) == ["bad", "good"]
    assert found["bad"].status == "damaged"
    assert "run.json" in found["bad"].fault
    assert entries(tmp_path / "nothing") == []


@pytest.mark.parametrize("damage", ["garbage", "truncated", "other table", "old version", "empty"])
def test_a_damaged_index_is_built_anew(tmp_path: Path, damage: str) -> None:
    make(tmp_path, "a", 1.0)
    expected = entries(tmp_path)
    index = tmp_path / FILE
    assert index.exists()
    if damage == "garbage":
        index.write_bytes(os.urandom(5000))
    elif damage == "truncated":
        index.write_bytes(index.read_bytes()[:1500])
    elif damage == "empty":
        index.write_bytes(b"")
    else:
        with sqlite3.connect(index) as database:
            database.execute("DROP TABLE runs")
            database.execute("CREATE TABLE runs (name TEXT, other TEXT)")
            if damage == "old version":
                database.execute("PRAGMA user_version=77")
        database.close()
    said: list[str] = []
    assert entries(tmp_path, said.append) == expected
    assert bool(said) == (damage in ("garbage", "truncated", "other table"))
    assert entries(tmp_path, said.append) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    make(tmp_path, "a", 1.0)
    tmp_path.chmod(0o555)
    try:
        assert names(tmp_path) == ["a"]
    finally:
        tmp_path.chmod(0o755)


def test_an_index_that_cannot_be_opened_is_done_without(tmp_path: Path) -> None:
    make(tmp_path, "a", 1.0)
    (tmp_path / FILE).mkdir()
    assert names(tmp_path) == ["a"]


def test_a_link_in_place_of_the_index_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    root = tmp_path / "runs"
    make(root, "a", 1.0)
    (root / FILE).symlink_to(victim)
    assert names(root) == ["a"]
    assert victim.read_bytes() == b"precious"


def _list_often(root: Path) -> None:
    for i in range(20):
        make(root, f"{os.getpid()}-{i}", 1.0)
        assert f"{os.getpid()}-{i}" in names(root)


def test_several_processes_share_an_index(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_list_often, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(names(tmp_path)) == 60


def test_references(tmp_path: Path) -> None:
    early, late = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    make(tmp_path, "2026-01-01_0000_iris_ab12", 1.0, 0.5, created=early)
    make(tmp_path, "2026-01-01_0000_iris_cd34", 2.0, created=late)
    make(tmp_path, "2026-01-01_0001_wine_ef56", 0.1, created=early, sha256="other data")
    iris = tmp_path / "2026-01-01_0000_iris_ab12"
    assert find("@last", tmp_path).name.endswith("cd34")
    assert find("@best", tmp_path) == iris  # wine's loss is lower, on other data
    assert find("ab12", tmp_path) == find(iris.name, tmp_path) == find(str(iris), tmp_path) == iris
    assert find("2026-01-01_0001", tmp_path).name.endswith("ef56")
    assert find("nothing", tmp_path) == Path("nothing")
    assert find(str(iris / "model.safetensors"), tmp_path) == iris / "model.safetensors"
    with pytest.raises(UsageError, match="2 runs begin with '2026-01-01_0000'"):
        find("2026-01-01_0000", tmp_path)
    with pytest.raises(UsageError, match="@last, @best"):
        find("@newest", tmp_path)
    with pytest.raises(UsageError, match="no run for @last"):
        find("@last", tmp_path / "nothing")


def test_no_best_without_a_validation_loss(tmp_path: Path) -> None:
    make(tmp_path, "a")
    with pytest.raises(UsageError, match="validation loss"):
        find("@best", tmp_path)


def test_names_are_data_not_sql_or_paths(tmp_path: Path) -> None:
    make(tmp_path, "a'); DROP TABLE runs; --", 1.0)
    make(tmp_path, "b", 1.0)
    assert len(names(tmp_path)) == len(names(tmp_path)) == 2
    assert find("../b", tmp_path) == Path("../b")
