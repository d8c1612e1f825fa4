"""`denpa train` in a real terminal: Ctrl-C there is a key, of which the system makes SIGINT for who is in front."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from denpa.errors import installed
from denpa.train import checkpoint, load_model
from denpa.train.run import Run

pty = pytest.importorskip("pty", reason="pseudo-terminals are of Unix")

CTRL_C = b"\x03"
ENGINES = ["eager", *(["native"] if installed("numba") and installed("llvmlite") else [])]


class Terminal:
    """A pseudo-terminal with `denpa ARGS…` in front of it."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.screen = ""
        self.pid, self.keyboard = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            denpa = str(Path(sys.executable).with_name("denpa"))
            os.execve(denpa, [denpa, *args], {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"})

    def read(self, until: str | None, seconds: float = 120) -> str:
        """What is on the screen once it shows this pattern; None: at the end."""
        deadline = time.monotonic() + seconds
        while until is None or not re.search(until, self.screen):
            assert time.monotonic() < deadline, self.screen[-2000:]
            if not select.select([self.keyboard], [], [], 1)[0]:
                continue
            try:
                found = os.read(self.keyboard, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                found = b""
            if not found:
                assert until is None, self.screen[-2000:]
                break
            self.screen += found.decode("utf-8", "replace")
        return self.screen

    def press(self, key: bytes) -> None:
        os.write(self.keyboard, key)

    def end(self) -> int:
        """The exit code, minus the signal's number where one ended it."""
        self.read(None)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal(tmp_path, *args))
        return opened[-1]

    yield start
    for each in opened:
        os.close(each.keyboard)


OPTIONS = ["--hidden", "24", "--batch-size", "1", "--seed", "3", "--dropout", "0.1", "--no-doctor"]


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_saves_and_a_resume_in_the_terminal_ends_with_the_same_bits(
    terminal: Callable[..., Terminal], tmp_path: Path, engine: str
) -> None:
    options = [*OPTIONS, "--epochs", "1500" if engine == "native" else "4", "--engine", engine]
    stopped = terminal("train", "digits", "--out", "stopped", *options)
    stopped.read(r"epoch\s+\d")
    stopped.press(CTRL_C)
    assert stopped.end() == 130, stopped.screen
    assert "denpa resume stopped" in stopped.screen
    assert "Traceback" not in stopped.screen
    assert Run(tmp_path / "stopped").status == "stopped"
    assert terminal("resume", "stopped").end() == 0
    assert terminal("train", "digits", "--out", "whole", *options).end() == 0
    for folder in ("stopped", "whole"):
        assert Run(tmp_path / folder).status == "finished"
    assert (tmp_path / "stopped/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()
    found, wanted = (load_model(tmp_path / f).network.parameters() for f in ("stopped", "whole"))
    for name, p in wanted.items():
        np.testing.assert_array_equal(found[name].value, p.value)


def test_ctrl_c_twice_ends_at_once(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """In the middle of a step of seconds; the last checkpoint is whole.  What the first one alone does is above."""
    slow = ["--hidden", "3072,3072", "--batch-size", "1400", "--epochs", "1000", "--seed", "3", "--no-doctor"]
    running = terminal("train", "digits", "--out", "run", *slow, "--engine", "eager")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run" / "checkpoints").glob("*.safetensors")):
        assert time.monotonic() < deadline, running.screen
        time.sleep(0.02)
    for _ in range(2):
        running.press(CTRL_C)
        time.sleep(0.2)  # two at the same moment are one signal
    assert running.end() == 130, running.screen
    assert "Traceback" not in running.screen
    assert checkpoint.latest(tmp_path / "run", lambda _: None) is not None
