"""The power is cut: on a real ext4, what was acknowledged as saved is there when the disk is mounted again.

The file system lives in an image. While a training writes to it, the image is copied: the copy has what had been sent
to the disk, and nothing of what the system only held in memory. It is mounted as after a power cut: its journal is
replayed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.train import worker

from denpa.train import checkpoint, history
from denpa.train.run import METRICS, Run
from denpa.train.training import resume

# A training that never ends; after each save that has returned, its step is written outside of the image.
TRAINING = """
import os, sys
from pathlib import Path
from tests.train import worker
from denpa.train import checkpoint
from denpa.train.training import train

worker.small_pieces(0.0)
folder, said, synced = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
acknowledged = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
if synced == "no":
    os.fsync = lambda descriptor: None
save = checkpoint.save

def and_say(run, at):
    path = save(run, at)
    os.write(acknowledged, b"%d\\n" % at.step)
    return path

checkpoint.save = and_say
train(worker.settings(epochs=100_000, engine="eager"), worker.dataset(), folder)
"""


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(["mount", "-o", "loop,commit=30", image, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount an image: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "mount"))):
        pytest.skip("needs root, mkfs.ext4 and mount")
    path = tmp_path / "disk"
    with open(path, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    return path


def lost(disk: Path, last: int, tmp_path: Path) -> bool:
    """Whether the run on a disk after a power cut lacks the save of step `last`; what is there must be whole."""
    run = disk / "run"
    if not (run / "run.json").exists() or not checkpoint.saved(run):
        return True
    found = checkpoint.latest(run, pytest.fail)  # a damaged one would be passed over aloud
    assert found is not None
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    shutil.copytree(run, tmp_path / "copy")
    resumed = resume(tmp_path / "copy", worker.dataset(), should_stop=lambda: True)
    assert resumed.run.status == "stopped"
    assert len(history.read(tmp_path / "copy" / METRICS)) == found.epoch - 1
    assert Run(run).status == "running"
    return found.step < last


def cuts(image: Path, tmp_path: Path, count: int, synced: str = "yes") -> list[bool]:
    """Whether each of `count` power cuts lost a save that had been acknowledged."""
    said, draw = tmp_path / "acknowledged", random.Random(random.getrandbits(64))
    found = []
    with mounted(image, tmp_path / "at") as disk:
        words = [sys.executable, "-c", TRAINING, str(disk / "run"), str(said), synced]
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(words, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path})
        try:
            while not (said.exists() and said.stat().st_size):
                assert process.poll() is None
                time.sleep(0.05)
            for _ in range(count):
                time.sleep(draw.uniform(0.02, 0.3))
                process.send_signal(signal.SIGSTOP)
                last = int(said.read_text().split()[-1])
                shutil.copyfile(image, tmp_path / "cut")
                process.send_signal(signal.SIGCONT)
                with mounted(tmp_path / "cut", tmp_path / "again") as again:
                    found.append(lost(again, last, tmp_path))
        finally:
            process.kill()
            process.wait()
    return found


def test_a_few_power_cuts(image: Path, tmp_path: Path) -> None:
    assert cuts(image, tmp_path, 4) == [False] * 4


@pytest.mark.slow
def test_a_hundred_power_cuts(image: Path, tmp_path: Path) -> None:
    assert sum(cuts(image, tmp_path, 100)) == 0


def test_the_campaign_notices_saves_that_are_not_synced(image: Path, tmp_path: Path) -> None:
    """The broken twin: files written and renamed, and never synced."""
    assert any(cuts(image, tmp_path, 4, synced="no"))
