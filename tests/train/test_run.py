"""Run folders: made once, read while they are written, listed, and their history."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from denpa.errors import ModelFileError, UsageError
from denpa.train import history
from denpa.train.config import Config
from denpa.train.history import History
from denpa.train.run import Run, check_empty, create, delete, fresh_folder, locked


def test_a_run_is_made_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "実行"
    path.mkdir(parents=True)
    config = Config(epochs=3).resolved(threads=1)
    with locked(path):
        run = create(path, config, command="denpa train digits")
        assert run.held
    assert not run.held
    assert (run.id, run.status, run.config) == ("実行", "running", config)
    run.update(status="finished", evaluation={"accuracy": 0.5})
    assert Run(path).info["evaluation"] == {"accuracy": 0.5}
    assert Run(path).history == []


def test_a_beginning_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / "config.toml").write_text("half")
        (tmp_path / ".run.json.123.tmp").write_text("")
        (tmp_path / "checkpoints").mkdir()
        run = create(tmp_path, Config().resolved())
    assert run.config == Config().resolved()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "names", [["config.toml"], ["lock", "notes.txt"], ["lock", "checkpoints/step-000000000001.safetensors"]]
)
def test_other_peoples_files_are_left_alone(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("theirs")
    with pytest.raises(UsageError, match="not empty"):
        check_empty(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError):
        check_empty(tmp_path / "file")


def test_folder_names_say_when_and_what(tmp_path: Path) -> None:
    for source, stem in (
        ("/data/My Table.v2.csv.gz", "my-table"),
        ("digits", "digits"),
        ("表.csv", "data"),
        ("../..", "data"),
    ):
        name = fresh_folder(tmp_path, source).name
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d_\d{{4}}_{stem}_[0-9a-f]{{4}}", name), name


def test_deleting_leaves_what_is_not_the_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = tmp_path / name
        path.mkdir()
        create(path, Config().resolved())
        (path / "checkpoints" / "step-000000000001.safetensors").write_text("")
        (path / ".model.safetensors.77.tmp").write_text("")
    (tmp_path / "b" / "notes.txt").write_text("mine")
    assert delete(tmp_path / "a") == []
    assert not (tmp_path / "a").exists()
    assert delete(tmp_path / "b") == ["notes.txt"]
    assert (tmp_path / "b" / "notes.txt").read_text() == "mine"
    with pytest.raises(ModelFileError, match="no run folder"):
        delete(tmp_path / "b")


def test_a_run_in_training_is_not_deleted(tmp_path: Path) -> None:
    with locked(tmp_path):
        create(tmp_path, Config().resolved())
        with pytest.raises(UsageError, match="another process is training"):
            delete(tmp_path)
    assert Run(tmp_path).status == "running"


def test_the_history_is_cut_back_to_what_a_checkpoint_counted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = History(path)
    first.append({"epoch": 1, "loss": 0.1})
    assert not path.exists(), "a line is written with the next flush"
    first.flush()
    size, digest = first.size, first.sha256
    first.append({"epoch": 2, "loss": 1 / 3})
    first.flush()
    with open(path, "ab") as file:
        file.write(b'{"epoch":3,"lo')  # killed in the middle of a line
    assert [row["epoch"] for row in history.read(path)] == [1, 2]
    again = History(path, size, digest)
    again.append({"epoch": 2, "loss": 1 / 3})
    again.flush()
    assert (again.size, again.sha256) == (first.size, first.sha256)
    assert history.read(path)[1]["loss"] == 1 / 3


def test_a_line_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch":1}\n[1]\n')
    with pytest.raises(ModelFileError, match="line 2"):
        history.read(path)


def test_nan_never_gets_into_the_history(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        History(tmp_path / "m").append({"loss": float("nan")})


def test_a_model_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="--file SOURCE"):
        Run(tmp_path / "model.safetensors")
