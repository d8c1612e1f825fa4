"""Killed at any moment and resumed: the bits of the run that was never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.train import worker

from denpa import durable
from denpa.train import checkpoint
from denpa.train.run import Run
from denpa.train.training import resume, train

WORKER = Path(worker.__file__)


def start(*args: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, WORKER, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": str(WORKER.parents[2])},
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The run never killed."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    train(worker.settings(), worker.dataset(), folder)
    return worker.bits(folder)


def verb(folder: Path) -> str:
    """A run that was killed before run.json was on the disk has nothing to resume: it is started again."""
    return "resume" if (folder / "run.json").exists() else "start"


def kill_until_done(folder: Path, longest: float, rng: random.Random, budget: int) -> int:
    """Start or resume again and again, killing after a random delay, until one gets through; the number of kills."""
    kills = 0
    while True:
        process = start(verb(folder), folder)
        assert process.stdout is not None
        process.stdout.readline()  # "ready": the training begins
        if kills < budget:
            time.sleep(rng.uniform(0, longest))
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=120)
        if process.returncode == -signal.SIGKILL:
            kills += 1
            if (folder / "run.json").exists() and Run(folder).status == "finished":
                return kills  # killed between the last write and the end of the process
            continue
        assert process.returncode == 0, out + err
        return kills


def campaign(folder: Path, reference: dict[str, str], kills: int, longest: float) -> None:
    rng = random.Random(random.getrandbits(64))
    done = 0
    for number in range(10 * kills):
        run = folder / str(number) / "run"
        done += kill_until_done(run, longest, rng, budget=kills - done)
        assert worker.bits(run) == reference
        assert len(checkpoint.saved(run)) <= checkpoint.KEEP
        assert durable.leftovers(run) == durable.leftovers(run / checkpoint.FOLDER) == []
        if done >= kills:
            return
    pytest.fail(f"only {done} of {kills} kills met a run that was still alive")


def test_a_few_kills(tmp_path: Path, reference: dict[str, str]) -> None:
    campaign(tmp_path, reference, kills=4, longest=0.4)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path, reference: dict[str, str]) -> None:
    campaign(tmp_path, reference, kills=200, longest=0.6)


def sweep(folder: Path, reference: dict[str, str], orders: list[str]) -> None:
    """A run ended or made to fail at a certain system call, then resumed."""
    for order in orders:
        run = folder / order.replace(":", "-") / "run"
        process = start("start", run, order)
        out, err = process.communicate(timeout=120)
        how = order.split(":")[2:]
        if how:
            assert process.returncode == 1, f"{order}: a failed save must be loud\n{out}{err}"
            assert how[0] in out
            assert "Traceback" not in err
        else:
            assert process.returncode == -signal.SIGKILL, f"{order}: {out}{err}"
        if verb(run) == "start":
            train(worker.settings(), worker.dataset(), run)
        else:
            resume(run, worker.dataset())
        assert worker.bits(run) == reference, order


def test_some_calls_of_a_save(tmp_path: Path, reference: dict[str, str]) -> None:
    sweep(tmp_path, reference, ["fsync:9", "replace:4", "fsync:12:ENOSPC", "replace:6:EIO"])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("how", ["", ":EIO", ":ENOSPC", ":EROFS"])
def test_every_call_of_the_first_saves(call: str, how: str, tmp_path: Path, reference: dict[str, str]) -> None:
    sweep(tmp_path, reference, [f"{call}:{n}{how}" for n in range(1, 16)])
