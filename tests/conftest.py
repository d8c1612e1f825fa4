"""What every test shares: seeded randomness, the optional data folder, and the command line as a process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# A job that a shell starts in the background ignores Ctrl-C, and so would every process the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent

# No deadline: a test never measures time.  print_blob: a failure prints the line that replays it.
hypothesis.settings.register_profile("denpa", deadline=None, print_blob=True)
hypothesis.settings.load_profile("denpa")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that follows pytest-randomly's seed: `pytest --randomly-seed=N` replays a failure."""
    return np.random.default_rng(random.getrandbits(64))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The optional folder of real data sets beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the optional folder ../shared/data")
    return folder


@pytest.fixture
def run_denpa(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `denpa ARGS...` as a user does, in an empty folder; gives the completed process, whatever its exit code."""

    def run(
        *args: str | Path, cwd: Path = tmp_path, timeout: float = 300, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("denpa"), *map(str, args)],
            cwd=cwd,
            env={**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "error", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run
