"""Judge a file in a process of its own: time limit, memory limit, output captured, nothing on its standard input."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from denpa.errors import DataError, UsageError
from denpa.explain.words import T
from denpa.interop.judging.faults import FileReport, Judgement, from_json, words_from

RUNNER = Path(__file__).with_name("runner.py")
MEMORY = 4 << 30  # bytes of address space; NumPy and its BLAS take some 0.5 GiB of it before anything is computed
KEEP = 1 << 16  # bytes of output that are kept for the message; the rest is counted
RESULT = 1 << 24  # bytes of result that are read
STARTING = 30.0  # seconds for Python and NumPy to start, on a slow disk


class CannotRun(DataError):
    """A file that cannot be run to its end, or holds nothing to judge (exit code 3)."""


class _Drain(threading.Thread):
    """Reads a stream to its end, keeps the first bytes and counts the rest: a full pipe would stop the child."""

    def __init__(self, stream: IO[bytes], keep: int, seen: Callable[[], None] = lambda: None) -> None:
        super().__init__(daemon=True)
        self.stream, self.keep, self.seen = stream, keep, seen
        self.kept, self.count = bytearray(), 0
        self.start()

    def run(self) -> None:
        while chunk := os.read(self.stream.fileno(), 1 << 16):
            self.count += len(chunk)
            self.kept += chunk[: max(0, self.keep - len(self.kept))]
            self.seen()


def check_file(
    file: str | Path, *, only: str | None = None, seed: int = 0, timeout: float = 20.0, memory: int = MEMORY
) -> FileReport:
    """Run FILE in a process of its own and judge every layer, function and primitive defined in it.

    only: the name of one of them.  timeout: seconds for the file to run, and again for each thing judged; what does not
    end is a fault of its own.  CannotRun (exit code 3) with the line and the exception when the file cannot be run or
    holds nothing to judge; UsageError for an unknown name or a limit that cannot be meant.
    """
    path = Path(file).resolve()
    if not timeout > 0 or timeout > 86400:
        raise UsageError("the time limit is in seconds, above 0", got=f"{timeout:g}", want="for example 20")
    if not path.is_file():
        raise CannotRun(f"{file} is not there" if not path.exists() else f"{file} is not a file")
    messages, printed, ended = _run(path, only, seed, timeout=timeout, memory=memory)
    return _report(str(file), messages, printed, ended, seed=seed, only=only)


def _run(
    path: Path, only: str | None, seed: int, *, timeout: float, memory: int
) -> tuple[list[dict[str, Any]], _Drain, tuple[int, str]]:
    """(messages of the child, its output, its exit code and what it wrote to standard error)."""
    reading, writing = os.pipe()
    request = {
        "file": str(path),
        "path": [p for p in sys.path if p],
        "pipe": writing,
        "only": only,
        "seed": seed,
        "timeout": timeout,
        "memory": memory,
    }
    last = [time.monotonic()]
    # -I: no environment variables and no current folder decide what is imported; one BLAS thread: see MEMORY
    child = subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", str(RUNNER), json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(writing,),
        start_new_session=True,
        cwd=path.parent,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
    )
    os.close(writing)
    assert child.stdout is not None
    assert child.stderr is not None

    def alive() -> None:
        last[0] = time.monotonic()

    with os.fdopen(reading, "rb") as result:
        drains = _Drain(child.stdout, KEEP), _Drain(child.stderr, KEEP), _Drain(result, RESULT, alive)
        try:
            while True:
                try:
                    child.wait(timeout=0.05)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() - last[0] > timeout + STARTING:
                        break
        finally:
            _kill(child)
        for drain in drains:
            drain.join(5.0)
    child.stdout.close()
    child.stderr.close()
    errors = bytes(drains[1].kept).decode("utf-8", "replace")
    return _messages(bytes(drains[2].kept)), drains[0], (child.returncode, errors)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have ended
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _messages(text: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in text.split(b"\n")[:-1]:  # a last line without its end was cut off
        try:
            message = json.loads(line)
        except ValueError:
            continue  # whatever the file itself wrote there
        if isinstance(message, dict):
            found.append(message)
    return found


def _report(
    file: str, messages: list[dict[str, Any]], printed: _Drain, ended: tuple[int, str], *, seed: int, only: str | None
) -> FileReport:
    judgements: list[Judgement] = []
    skipped: list[tuple[str, T]] = []
    now = ""
    for message in messages:
        if "cannot" in message:
            raise _cannot(file, str(message["cannot"]), message.get("line"))
        if "unknown" in message:
            raise UsageError(
                f"{file} has no {only!r} to judge",
                want=", ".join(map(str, message.get("names", []))) or "nothing is there",
            )
        if "names" in message:
            skipped = [(str(n), words_from(w) or T("-", "-")) for n, w in message.get("skipped", [])]
        now = str(message.get("now", now))
        if "judgement" in message:
            judgements.append(from_json(message["judgement"]))
            now = ""
    if not messages or not messages[-1].get("done"):
        raise _cannot(file, *_died(ended, now, file))
    if not judgements:
        seen = "; ".join(f"{n}: {w.en}" for n, w in skipped) or "no class with forward and backward, no function pair"
        raise CannotRun(f"{file} holds nothing to judge", got=seen, want="see denpa check --help")
    return FileReport(file, tuple(judgements), tuple(skipped), printed.count, seed)


def _cannot(file: str, text: str, line: Any = None) -> CannotRun:
    at = f"line {line}: " if isinstance(line, int) else ""
    return CannotRun(f"{file} cannot be run: {at}{text}")


def _died(ended: tuple[int, str], now: str, file: str) -> tuple[str, int | None]:
    """(what happened, line) of a child that did not come to its end."""
    code, errors = ended
    while_judging = f" while {now} was judged" if now else ""
    own = re.search(rf'File "{re.escape(str(Path(file).resolve()))}", line (\d+)', errors)
    line = int(own.group(1)) if own else None
    if "Timeout (" in errors or code == -signal.SIGKILL:
        return f"it does not end{while_judging}", line
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}{while_judging}", line
    if "MemoryError" in errors:
        return f"MemoryError{while_judging}", line
    return f"the process ended itself with exit code {code}{while_judging}", line
