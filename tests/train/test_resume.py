"""Stopped in this process at random batches, or refused: what a resume promises."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa import durable
from denpa.errors import DataError, ModelFileError, TrainingError, UsageError
from denpa.train import checkpoint, history, loop, machine
from denpa.train.run import Run, locked
from denpa.train.training import resume, train


@pytest.fixture(autouse=True)
def short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps a call, so that a stop can come anywhere inside an epoch."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0005)


def settings(**changes: Any) -> Any:
    return worker.settings(**{"epochs": 6, **changes})


def stop_after(calls: int) -> Any:
    left = calls

    def should_stop() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return should_stop


VARIANTS: dict[str, dict[str, Any]] = {
    "adam, dropout, clip": {},
    "plain": {"optimizer": "sgd", "dropout": 0.0, "clip": 0.0, "schedule": "constant"},
    "momentum, float64": {"optimizer": "momentum", "dtype": "float64"},
    "one-hot": {"output": "sigmoid", "loss": "squared_error", "optimizer": "rmsprop"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_stopped_anywhere_the_bits_are_those_of_a_run_never_stopped(name: str, tmp_path: Path) -> None:
    config = settings(epochs=4, checkpoint_seconds=1e9, **VARIANTS[name])
    data = worker.dataset()
    train(config, data, tmp_path / "whole" / "run")
    want = worker.bits(tmp_path / "whole" / "run")
    rng, middle = random.Random(random.getrandbits(64)), 0
    for trial in range(6):
        folder = tmp_path / str(trial) / "run"
        done = train(config, data, folder, should_stop=stop_after(rng.randint(0, 15)))
        while not done.finished:
            assert done.run.status == "stopped"
            found = checkpoint.latest(folder, lambda _: None)
            assert found is not None
            middle += found.batch > 0
            done = resume(folder, data, should_stop=stop_after(rng.randint(1, 15)))
        assert worker.bits(folder) == want
    assert middle > 0, "no stop came in the middle of an epoch"


def test_the_timings_are_apart_from_the_metrics(tmp_path: Path) -> None:
    done = train(settings(epochs=3), worker.dataset(), tmp_path / "run")
    rows = history.read(tmp_path / "run" / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert not any("seconds" in row for row in rows)
    assert all(row["seconds"] > 0 and row["rows_per_second"] > 0 for row in done.run.history)


def test_more_epochs_for_a_finished_run(tmp_path: Path) -> None:
    config, data = settings(epochs=2, schedule="constant"), worker.dataset()
    train(config, data, tmp_path / "run")
    with pytest.raises(UsageError, match="finished"):
        resume(tmp_path / "run", data)
    assert resume(tmp_path / "run", data, epochs=5).finished
    train(replace(config, epochs=5), data, tmp_path / "whole" / "run")
    assert worker.bits(tmp_path / "run") == worker.bits(tmp_path / "whole" / "run")


def stopped(folder: Path, calls: int = 8, **changes: Any) -> Any:
    data = worker.dataset()
    done = train(settings(**changes), data, folder, should_stop=stop_after(calls))
    assert not done.finished
    return data


def test_changed_data_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    other = replace(worker.dataset(), sha256="0" * 64)
    with pytest.raises(DataError, match="the data changed"):
        resume(tmp_path / "run", other)


def test_another_library_is_named_and_refused_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stopped(tmp_path / "run")
    honest = machine.facts()
    monkeypatch.setattr(machine, "facts", lambda engine: {**honest, "numpy": "99.0"})
    with pytest.raises(UsageError, match=r"numpy: .* then, 99.0 now"):
        resume(tmp_path / "run", data)
    said: list[str] = []
    assert resume(tmp_path / "run", data, anyway=True, warn=said.append).finished
    assert any("numpy" in line for line in said)


def test_the_thread_count_is_put_back(tmp_path: Path) -> None:
    data = stopped(tmp_path / "run", threads=2)
    seen: list[int] = []
    with machine.threads(1):
        resume(tmp_path / "run", data, on_progress=lambda _: seen.append(machine.blas_threads()))
        assert machine.blas_threads() == 1
    assert set(seen) == {2}


def test_changed_settings_are_refused(tmp_path: Path) -> None:
    data = stopped(tmp_path / "run")
    path = tmp_path / "run" / "config.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("hidden = [16, 8]", "hidden = [16, 9]"), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"does not fit the run's settings"):
        resume(tmp_path / "run", data)


def test_changed_metrics_are_refused(tmp_path: Path) -> None:
    data = stopped(tmp_path / "run", calls=40)
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    with pytest.raises(ModelFileError, match="metrics of this run were changed"):
        resume(tmp_path / "run", data)


# -- damaged checkpoints ----------------------------------------------------------------------------------------------


def two_checkpoints(folder: Path) -> tuple[Any, list[Path]]:
    data = stopped(folder, calls=14, checkpoint_seconds=0.0)
    found = checkpoint.saved(folder)
    assert len(found) == 2
    return data, found


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_checkpoint_is_passed_over_aloud(damage: str, tmp_path: Path) -> None:
    data, (newest, older) = two_checkpoints(tmp_path / "run")
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes(
        {
            "cut": content[:middle],
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
            "foreign": older.read_bytes()[:0] + b"PK\3\4" * 100,
        }[damage]
    )
    said: list[str] = []
    done = resume(tmp_path / "run", data, warn=said.append)
    assert any(newest.name in line for line in said)
    assert any(newest.name in line for line in done.run.info["warnings"])
    train(settings(checkpoint_seconds=0.0), data, tmp_path / "whole" / "run")
    assert worker.bits(tmp_path / "run") == worker.bits(tmp_path / "whole" / "run")


def test_no_checkpoint_left_is_an_error(tmp_path: Path) -> None:
    data, found = two_checkpoints(tmp_path / "run")
    for path in found:
        path.write_bytes(path.read_bytes()[:-1])
    before = [path.read_bytes() for path in found]
    with pytest.raises(ModelFileError, match="no checkpoint of this run can be read"):
        resume(tmp_path / "run", data)
    assert [path.read_bytes() for path in found] == before, "the evidence was deleted"


def test_every_kind_of_damage_to_a_checkpoint_is_found(tmp_path: Path, rng: np.random.Generator) -> None:
    _, (newest, _) = two_checkpoints(tmp_path / "run")
    content = newest.read_bytes()
    sizes = {*range(0, len(content), 512), 1, 7, 8, 9, len(content) - 1}
    damaged = [content[:size] for size in sorted(sizes)] + [content + b"\0"]
    header = 8 + int.from_bytes(content[:8], "little")
    bits = [*range(8 * header), *rng.integers(8 * header, 8 * len(content), 500).tolist()]
    for bit in bits[:: 1 + len(bits) // 3000]:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for data in damaged:
        with pytest.raises(ModelFileError):
            checkpoint.decode(data, "x")


# -- two writers, full disks, vanished folders ------------------------------------------------------------------------


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    data = stopped(tmp_path / "run")
    with locked(tmp_path / "run"):
        assert Run(tmp_path / "run").held
        code = "import sys; from denpa.train.training import resume; from denpa.errors import DenpaError\n"
        code += "try: resume(sys.argv[1])\nexcept DenpaError as error: print(error); sys.exit(error.exit_code)"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert f"process {os.getpid()} on" in done.stdout
    assert not Run(tmp_path / "run").held
    assert resume(tmp_path / "run", data).finished


def test_a_run_folder_that_is_taken(tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    with pytest.raises(UsageError, match="denpa resume"):
        train(settings(), worker.dataset(), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        train(settings(), worker.dataset(), tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The save that fails ends the run aloud; what was saved before resumes to the bits of an unharmed run."""
    saves = 0
    real = durable.check_space

    def filling(folder: Path, size: int, what: str) -> None:
        nonlocal saves
        saves += 1
        if saves > 12:
            raise TrainingError(f"{what} cannot be saved: the disk is full", where=str(folder))
        real(folder, size, what)

    monkeypatch.setattr(durable, "check_space", filling)
    with pytest.raises(TrainingError, match="disk is full"):
        train(settings(), worker.dataset(), tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0005)
    assert resume(tmp_path / "run", worker.dataset()).finished
    train(settings(), worker.dataset(), tmp_path / "whole" / "run")
    assert worker.bits(tmp_path / "run") == worker.bits(tmp_path / "whole" / "run")


def test_a_small_file_system(tmp_path: Path) -> None:
    """A real full disk: a tmpfs of 400 kB, of which a file takes more and more."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        for taken in range(0, 400, 40):
            (place / "filler").write_bytes(b"\0" * 1024 * min(taken, 320))
            try:
                done = train(settings(epochs=2), worker.dataset(), place / "run")
            except TrainingError as error:
                assert "disk is full" in str(error) or "ENOSPC" in str(error)  # noqa: PT017 either is right
                if (place / "run" / "run.json").exists() and checkpoint.saved(place / "run"):
                    assert checkpoint.latest(place / "run", pytest.fail) is not None
            else:
                assert done.finished
            shutil.rmtree(place / "run", ignore_errors=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_folder_deleted_while_it_trains(tmp_path: Path) -> None:
    def delete(at: Any) -> None:
        if at.step > 20:
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(TrainingError, match="the folder is gone") as caught:
        train(settings(), worker.dataset(), tmp_path / "run", on_progress=delete)
    assert str(tmp_path / "run") in str(caught.value)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no run folder"):
        resume(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format":1}', '{"format":2,"id":"x","status":"running"}'])
def test_a_damaged_status(text: str, tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(ModelFileError):
        resume(tmp_path / "run", worker.dataset())
