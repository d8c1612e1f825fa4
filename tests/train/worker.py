"""A small training run in a process of its own, to be killed: `python worker.py start|resume FOLDER [call:n[:how]]`.

The third argument ends the process at the n-th call of os.fsync or os.replace ("kill", the default), or makes that call
and all later ones fail ("EIO", "ENOSPC", "EROFS").
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data import Dataset
from denpa.errors import DenpaError
from denpa.train import checkpoint, loop
from denpa.train.config import Config
from denpa.train.training import resume, train

ROWS, FEATURES, CLASSES = 403, 12, 3  # 322 training rows: ten batches of 32 and one of 2


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


def bits(folder: Path) -> dict[str, str]:
    """What must not differ: parameters, optimiser state, sums, place, metrics, model."""
    found = checkpoint.latest(folder, lambda _: None)
    assert found is not None
    found.machine = {}
    parts = {"checkpoint": checkpoint.encode(found)}
    parts |= {name: (folder / name).read_bytes() for name in ("metrics.jsonl", "model.safetensors", "config.toml")}
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def sabotage(order: str) -> None:
    """Let the n-th call of one system function be the last, or fail with all later ones."""
    name, count, how = (*order.split(":"), "kill")[:3]
    left = int(count)
    real = getattr(os, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left <= 0 and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left <= 0:
            number = getattr(errno, how)
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    setattr(os, name, call)


def main() -> int:
    what, folder, *order = sys.argv[1:]
    loop.CALL_SECONDS = 0.001  # a few steps a call: checkpoints then lie everywhere inside the epochs
    data = dataset()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if order:
        sabotage(order[0])
    try:
        if what == "start":
            train(settings(), data, folder)
        else:
            resume(folder, data)
    except DenpaError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
