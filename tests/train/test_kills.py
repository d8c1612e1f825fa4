"""Killed at any moment and resumed: the bits of the run that was never killed, in every mode of training."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.train import worker

from denpa import durable
from denpa.train import checkpoint
from denpa.train.run import Run

WORKER = Path(worker.__file__)
LONG, SHORT = 40, 2  # epochs of a run that is killed at random moments, and of one that is killed at every call
FAULTS = ("EIO", "ENOSPC", "EROFS")


class Runs:
    """Processes that train in one mode, each in a folder of its own, and the bits that all of them must have."""

    def __init__(self, folder: Path, mode: str, epochs: int) -> None:
        self.folder = folder
        source = worker.table(folder / "table.csv")
        path = filter(None, [os.environ.get("PYTHONPATH")])
        words = [mode, folder / "reference" / "run", epochs, source]
        self._server = subprocess.Popen(
            [sys.executable, WORKER, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join([str(WORKER.parents[2]), *path]),
            },
        )
        assert self._line() == "0", "the reference run"
        self.bits = worker.bits(folder / "reference" / "run")
        self._calls: dict[str, int] = {}

    def _line(self) -> str:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that the runs are forked from has ended"
        return line.rstrip("\n")

    def close(self) -> None:
        self._server.communicate(timeout=60)

    def run(self, run: Path, *order: str, kill_after: float | None = None) -> tuple[int, str]:
        """Start a run, or go on with it; its exit code and what it said.  One killed before run.json was on the disk is
        started again."""
        assert self._server.stdin is not None
        verb = "resume" if (run / "run.json").exists() else "start"
        self._server.stdin.write(json.dumps([verb, str(run), *order]) + "\n")
        self._server.stdin.flush()
        child, said = int(self._line()), []
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        while not (line := self._line()).startswith("ended "):
            said.append(line)
        return int(line.removeprefix("ended ")), "\n".join(said)

    def count(self, call: str) -> int:
        """How often a run that nothing happens to makes this call."""
        if call not in self._calls:
            code, said = self.run(self.folder / f"count-{call}" / "run", f"{call}:{1 << 40}")
            assert code == 0, said
            self._calls[call] = int(said.split()[-1])
        return self._calls[call]

    def go_on(self, run: Path) -> None:
        """To the end, in a process that nothing happens to."""
        if not finished(run):
            code, said = self.run(run)
            assert code == 0, said

    def check(self, run: Path) -> None:
        assert worker.bits(run) == self.bits
        assert len(checkpoint.saved(run)) <= checkpoint.KEEP
        assert durable.leftovers(run) == durable.leftovers(run / checkpoint.FOLDER) == []
        shutil.rmtree(run.parent)


def finished(run: Path) -> bool:
    """Also when it was killed between the last write and the end of the process."""
    return (run / "run.json").exists() and Run(run).status == "finished"


Make = Callable[[str, int], Runs]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    made: dict[tuple[str, int], Runs] = {}

    def runs(mode: str, epochs: int) -> Runs:
        if (mode, epochs) not in made:
            made[mode, epochs] = Runs(tmp_path_factory.mktemp(f"{mode}-{epochs}"), mode, epochs)
        return made[mode, epochs]

    yield runs
    for one in made.values():
        one.close()


def kill_until_done(runs: Runs, run: Path, longest: float, rng: random.Random, budget: int) -> int:
    """Start or resume again and again, killing after a random delay, until one gets through; the number of kills."""
    kills = 0
    while kills < budget and not finished(run):
        code, said = runs.run(run, kill_after=rng.uniform(0, longest))
        assert code in (0, -signal.SIGKILL), said
        kills += code != 0
    runs.go_on(run)
    return kills


def campaign(runs: Runs, kills: int, longest: float) -> None:
    rng = random.Random(random.getrandbits(64))
    done = 0
    for number in range(10 * kills):
        run = runs.folder / f"{longest}-{number}" / "run"
        done += kill_until_done(runs, run, longest, rng, budget=kills - done)
        runs.check(run)
        if done >= kills:
            return
    pytest.fail(f"only {done} of {kills} kills met a run that was still alive")


@pytest.mark.parametrize("mode", worker.MODES)
def test_a_few_kills(mode: str, make: Make) -> None:
    campaign(make(mode, LONG), kills=3, longest=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", worker.MODES)
def test_hundreds_of_kills_at_random_moments(mode: str, make: Make) -> None:
    campaign(make(mode, LONG), kills=150, longest=0.4)


def sweep(runs: Runs, orders: list[str]) -> None:
    """Runs that are ended or made to fail at a certain system call, then resumed."""
    for order in orders:
        run = runs.folder / order.replace(":", "-") / "run"
        code, said = runs.run(run, order)
        how = order.split(":")[2:]
        if how:
            assert code == 1, f"{order}: a failed save must be loud\n{said}"
            assert how[0] in said
            assert "Traceback" not in said
        else:
            assert code == -signal.SIGKILL, f"{order}: {said}"
        runs.go_on(run)
        runs.check(run)


@pytest.mark.parametrize("mode", worker.MODES)
def test_some_calls_of_a_save(mode: str, make: Make) -> None:
    sweep(make(mode, SHORT), ["write:12", "fsync:9", "replace:4"])


@pytest.mark.parametrize("order", ["fsync:12:ENOSPC", "replace:6:EIO", "write:9:ENOSPC"])
def test_some_saves_that_fail(order: str, make: Make) -> None:
    sweep(make("memory", SHORT), [order])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("mode", worker.MODES)
def test_a_kill_at_every_call_of_a_run(mode: str, call: str, make: Make) -> None:
    """From the first file of the run folder to the last line of its status; a write stops half way."""
    runs = make(mode, SHORT)
    sweep(runs, [f"{call}:{n}" for n in range(1, runs.count(call) + 1)])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("mode", worker.MODES)
def test_every_call_of_the_first_saves_fails(mode: str, call: str, make: Make) -> None:
    sweep(make(mode, SHORT), [f"{call}:{n}:{FAULTS[n % len(FAULTS)]}" for n in range(1, 16)])
