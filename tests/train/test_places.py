"""Where a run lives: disks that are full at any point, folders that cannot be written or vanish, odd names, odd clocks.

A save that fails is one loud error, exit code 1, and what was saved before goes on to the bits of an unharmed run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.train import worker

from denpa import durable
from denpa.errors import DenpaError, TrainingError, UsageError
from denpa.train import checkpoint, loop, run as run_module
from denpa.train.run import Run, locked
from denpa.train.training import resume, train

SIZE, PAGES = 400, 4096  # KiB of the disk; its blocks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def settings(**changes: Any) -> Any:
    return worker.settings(**{"epochs": 3, "engine": "eager", **changes})


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes of the disk."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    status = os.statvfs(disk)
    filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - left)))


def levels(disk: Path, tmp_path: Path, lefts: list[int], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How many trainings ended well and how many failed, one for each number of bytes that were left for it."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    reference = tmp_path / f"reference-{len(lefts)}-{lefts[-1]}" / "run"
    train(settings(), worker.dataset(), reference)
    want = worker.bits(reference)
    saved, errors = 0, []
    for left in lefts:
        fill(disk, left)
        run = disk / "run"
        try:
            train(settings(), worker.dataset(), run)
            saved += 1
        except TrainingError as error:
            errors.append(str(error))
        assert not run.exists() or durable.leftovers(run) == []
        (disk / "filler").unlink()
        if (run / "run.json").exists():
            if Run(run).status != "finished":
                resume(run, worker.dataset())
        else:
            train(settings(), worker.dataset(), run)
        assert worker.bits(run) == want, f"{left} bytes were left"
        shutil.rmtree(run)
    assert all("disk is full" in text or "ENOSPC" in text for text in errors)
    assert all(str(disk) in text for text in errors)
    return saved, len(errors)


def test_some_levels_of_a_full_disk(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, failed = levels(disk, tmp_path, [0, 70_000, 80_000, 390_000], monkeypatch)
    assert failed >= 2
    assert saved >= 1


@pytest.mark.slow
def test_sixty_levels_of_a_full_disk(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without the look at the free space before a save: the system's own error is met in the middle of it."""
    saved, failed = levels(disk, tmp_path, [PAGES * n for n in range(0, 60, 2)], monkeypatch)
    assert saved + failed == 30
    monkeypatch.setattr(durable, "check_space", lambda *_: None)
    saved, failed = levels(disk, tmp_path, [PAGES * n for n in range(30)], monkeypatch)
    assert saved + failed == 30
    assert failed > 3


@pytest.mark.parametrize(
    "name", ["with blanks", "日本語", "a\nline", 'it\'s "quoted" $HOME', "-rf", "é" * 100, "\x1b[31m"]
)
def test_folders_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    train(settings(epochs=1), worker.dataset(), folder)
    assert resume(folder, worker.dataset(), epochs=2).finished
    with pytest.raises(UsageError) as caught:
        train(settings(), worker.dataset(), folder)
    assert str(caught.value.fix).isprintable()


def test_a_folder_that_is_read_only(tmp_path: Path, run_denpa: Any) -> None:
    """As an ordinary user: root may write anywhere."""
    place = tmp_path / "place"
    place.mkdir()
    if os.geteuid() == 0:
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("needs the right to mount a tmpfs")
    else:
        place.chmod(0o555)
    try:
        done = run_denpa("train", "digits", "--epochs", "1", "--engine", "eager", "--out", place / "run", "-q")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(place)], check=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(place) in done.stderr
    assert "EROFS" in done.stderr or "EACCES" in done.stderr


def test_a_lock_that_is_left_over_is_no_lock(tmp_path: Path) -> None:
    """The file stays when its holder is killed; the kernel's lock does not."""
    done = train(settings(), worker.dataset(), tmp_path / "run", should_stop=lambda: True)
    assert done.run.status == "stopped"
    (tmp_path / "run" / "lock").write_text("process 1 on another-machine since 1999-01-01\n")
    assert not Run(tmp_path / "run").held
    assert resume(tmp_path / "run", worker.dataset()).finished
    with locked(tmp_path / "run"), pytest.raises(DenpaError, match="another process"), locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize("moved", [-86_400.0, 10 * 365 * 86_400.0, 2**31 - time.time()])
def test_the_clock_is_moved(moved: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back a day, ahead ten years, to 2038: nothing but the dates in run.json follows."""
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    train(settings(), worker.dataset(), tmp_path / "reference" / "run")
    asked = iter(range(1000))
    train(settings(), worker.dataset(), tmp_path / "run", should_stop=lambda: next(asked) > 9)
    real, honest = time.time, run_module.now
    monkeypatch.setattr(time, "time", lambda: real() + moved)
    monkeypatch.setattr("denpa.train.training.now", lambda *args: "1970-01-01T00:00:00+00:00")
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (real() + moved, real() + moved))
    assert resume(tmp_path / "run", worker.dataset()).finished
    assert worker.bits(tmp_path / "run") == worker.bits(tmp_path / "reference" / "run")
    found = checkpoint.saved(tmp_path / "run")
    assert found == sorted(found, reverse=True)
    assert Run(tmp_path / "run").info["seconds"] >= 0
    assert honest()
