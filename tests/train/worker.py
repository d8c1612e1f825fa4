"""Small training runs in processes of their own, to be killed: `python worker.py MODE FOLDER EPOCHS TABLE`.

MODE: "memory", "patience" (it stops early), "stream" (a table whose rows stay on the disk) or "online" (row by row).
The reference run is made in FOLDER; then each line of the standard input, `start|resume FOLDER [call:n[:how]]`, is a
process forked from this one, which has all modules loaded: its number is written, what it says, and how it ended.
The last word ends the process at the n-th call of os.fsync or os.replace, or in the middle of the n-th write ("kill",
the default), or makes that call and all later ones fail ("EIO", "ENOSPC", "EROFS").  A run that ends says how many such
calls it made.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.data import Dataset, arriving, read
from denpa.errors import DenpaError
from denpa.train import checkpoint, feeding, loop, online
from denpa.train.config import Config
from denpa.train.online_run import resume_online, train_online
from denpa.train.training import resume, train

ROWS, FEATURES, CLASSES = 403, 12, 3  # 322 training rows: ten batches of 32 and one of 2
MODES = ("memory", "patience", "stream", "online")


def dataset(rows: int = ROWS) -> Dataset:
    """Three noisy clusters; the same on every call."""
    rng = np.random.default_rng(11)
    targets = rng.integers(0, CLASSES, rows)
    inputs = rng.standard_normal((CLASSES, FEATURES))[targets] + rng.standard_normal((rows, FEATURES))
    return Dataset(
        inputs=inputs,
        source="generated",
        sha256=hashlib.sha256(inputs.tobytes()).hexdigest(),
        targets=targets.astype(np.int64),
        target_name="cluster",
        classes=("a", "b", "c"),
        task_reason="made so",
    )


def settings(**changes: Any) -> Config:
    """Momentum, dropout, clipping and a schedule, so that all state takes part; a checkpoint after every call."""
    options: dict[str, Any] = {
        "source": "generated",
        "hidden": (16, 8),
        "optimizer": "adam",
        "learning_rate": 0.01,
        "dropout": 0.2,
        "clip": 1.0,
        "schedule": "warmup:1+cosine",
        "batch_size": 32,
        "epochs": 40,
        "split": "random",
        "seed": 5,
        "threads": 1,
        "checkpoint_seconds": 0.0,
    }
    return Config(**{**options, **changes})


def table(path: Path, rows: int = ROWS) -> Path:
    """The same rows as a CSV file."""
    data = dataset(rows)
    names = ",".join([*(f"x{i}" for i in range(FEATURES)), "cluster"])
    cells = zip(data.inputs, np.asarray(data.targets), strict=True)
    lines = [",".join([*(f"{v:.4f}" for v in x), "abc"[t]]) for x, t in cells]
    path.write_text("\n".join([names, *lines]) + "\n")
    return path


def config_of(mode: str, source: str, epochs: int) -> Config:
    changes: dict[str, Any] = {"epochs": epochs, "engine": "auto" if mode == "memory" else "eager"}
    if mode == "patience":
        changes |= {"patience": 2, "epochs": 10 * epochs, "learning_rate": 0.1}
    elif mode == "stream":
        changes |= {"source": source, "target": "cluster", "stream": "yes"}
    elif mode == "online":
        changes |= {"source": source, "target": "cluster", "online": True, "schedule": "constant"}
    return settings(**changes)


def go(mode: str, verb: str, folder: Path, source: str, epochs: int) -> None:
    """Start or resume a run of one of the modes.  source: the table of "stream" and "online"."""
    config = config_of(mode, source, epochs)
    if mode == "online":
        if verb == "start":
            train_online(config, folder)
        else:
            resume_online(folder)
    elif verb == "resume":
        resume(folder, None if mode == "stream" else dataset())
    else:
        data = read(source, "cluster", options=config.options(), stream="yes") if mode == "stream" else dataset()
        train(config, data, folder)


def bits(folder: Path) -> dict[str, str]:
    """What must not differ: parameters, optimiser state, sums, place, metrics, model."""
    found = checkpoint.latest(folder, lambda _: None)
    assert found is not None
    found.machine = {}
    parts = {"checkpoint": checkpoint.encode(found)}
    parts |= {name: (folder / name).read_bytes() for name in ("metrics.jsonl", "model.safetensors", "config.toml")}
    parts["config.toml"] = parts["config.toml"].replace(str(folder.absolute()).encode(), b"RUN")
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


class _Torn:
    """A file whose writes are counted; the last one stops half way."""

    def __init__(self, file: Any, count: Any) -> None:
        self._file, self._count = file, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Torn:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def write(self, data: Any) -> int:
        self._count(lambda: self._file.write(memoryview(data)[: len(data) // 2]))
        return int(self._file.write(data))


def sabotage(order: str) -> Callable[[], int]:
    """Let the n-th call of one system function be the last, or fail with all later ones.  Gives how many were made."""
    name, number, how = (*order.split(":"), "kill")[:3]
    left = int(number)

    def count(before: Any = lambda: None) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            return
        if how == "kill":
            before()
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, how)
        raise OSError(code, os.strerror(code))

    real = getattr(os, "fdopen" if name == "write" else name)
    if name == "write":
        os.fdopen = lambda *args, **kwargs: _Torn(real(*args, **kwargs), count)
        builtin = open
        durable.open = lambda *args, **kwargs: _Torn(builtin(*args, **kwargs), count)  # type: ignore[attr-defined]
    else:

        def call(*args: Any, **kwargs: Any) -> Any:
            count()
            return real(*args, **kwargs)

        setattr(os, name, call)
    return lambda: int(number) - left


def small_pieces(seconds: float) -> None:
    """A few steps a call, so that checkpoints lie everywhere inside the epochs; small blocks of rows for the same."""
    loop.CALL_SECONDS = seconds
    feeding.BLOCK = 32 * 60 * 3
    online.WINDOW = 50
    arriving.READ = 1 << 11


def one(mode: str, source: str, epochs: int, verb: str, folder: str, *order: str) -> int:
    """A run in this process; its exit code."""
    small_pieces(0.0 if order else 0.001)
    os.environ["DENPA_CACHE"] = str(Path(folder).parent / "cache")  # of its own: the writing of it is killed, too
    made = sabotage(order[0]) if order else lambda: 0
    try:
        go(mode, verb, Path(folder), source, epochs)
    except DenpaError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{made()}\n")
    return 0


def main() -> None:
    mode, reference, epochs, source = sys.argv[1:]
    assert one(mode, source, int(epochs), "start", reference) == 0  # and says "0"
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 70
            try:
                code = one(mode, source, int(epochs), *json.loads(line))
            except BaseException:
                traceback.print_exc(file=sys.stdout)
            finally:
                sys.stdout.flush()
                os._exit(code)
        say(str(child))
        say(f"\nended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
