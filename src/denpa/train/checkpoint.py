"""Checkpoints: everything a run needs to go on with the same bits, in one file, replaced as a whole.

Random streams are keyed by seed and step, so there is no generator's state: parameters, optimiser state, the running
sums of the epoch, and the place in the run suffice.  The last two are kept; a damaged one is passed over aloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable, tensorfile
from denpa.arrays import Array
from denpa.errors import ModelFileError
from denpa.train.best import Best

FORMAT = 2  # 1 had no best epoch
KEEP = 2
FOLDER = "checkpoints"
_NAME = re.compile(r"step-(\d{12})\.safetensors")
_PLACES = ("step", "epoch", "batch", "history_bytes")


@dataclass
class Checkpoint:
    """A run between two steps.

    step: updates done; epoch: the one it is in, from 1; batch: batches of that epoch done.  parameters, optimizer:
    arrays by name; sums: running sums of the epoch's metrics, float64; best: what is kept so far.
    history_bytes, history_sha256: the metrics counted.  machine: `machine.facts()` when it was saved.
    """

    step: int
    epoch: int
    batch: int
    parameters: dict[str, Array]
    optimizer: dict[str, Array]
    sums: dict[str, float] = field(default_factory=dict)
    best: Best | None = None
    history_bytes: int = 0
    history_sha256: str = ""
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"step-{self.step:012d}.safetensors"


def encode(checkpoint: Checkpoint) -> bytes:
    groups = {
        "parameters": checkpoint.parameters,
        "optimizer": checkpoint.optimizer,
        "sums": {name: np.float64(value) for name, value in checkpoint.sums.items()},
        "best": {} if checkpoint.best is None else checkpoint.best.parameters,
    }
    arrays = {f"{group}/{name}": np.asarray(value) for group, named in groups.items() for name, value in named.items()}
    about = {
        "kind": "checkpoint",
        "format": FORMAT,
        **{key: getattr(checkpoint, key) for key in _PLACES},
        "best": None if checkpoint.best is None else checkpoint.best.to_json(),
        "history_sha256": checkpoint.history_sha256,
        "machine": checkpoint.machine,
    }
    return tensorfile.encode(arrays, about)


def decode(data: bytes, where: str) -> Checkpoint:
    """ModelFileError unless it is a whole checkpoint of this format."""
    file = tensorfile.decode(data, where, "checkpoint")
    about = file.about
    check_kind(about, "checkpoint", FORMAT, where)
    groups: dict[str, dict[str, Array]] = {"parameters": {}, "optimizer": {}, "sums": {}, "best": {}}
    for name, value in file.arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups or not rest:
            raise ModelFileError("the checkpoint holds an array it should not", where=where, got=repr(name)[:60])
        groups[group][rest] = value[()] if value.ndim == 0 else value
    numbers = {key: about.get(key) for key in _PLACES}
    if not all(type(n) is int and n >= 0 for n in numbers.values()):
        raise ModelFileError("the checkpoint does not say where in the run it is", where=where, got=repr(numbers)[:80])
    if not isinstance(about.get("history_sha256"), str) or not isinstance(about.get("machine"), dict):
        raise ModelFileError("the checkpoint's description is not complete", where=where)
    best = Best.from_json(about.get("best"), groups["best"])
    if (best is None) != (about.get("best") is None and not groups["best"]):
        raise ModelFileError(
            "the checkpoint's best epoch is not complete", where=where, got=repr(about.get("best"))[:80]
        )
    return Checkpoint(
        **numbers,  # type: ignore[arg-type]
        parameters=groups["parameters"],
        optimizer=groups["optimizer"],
        sums={name: float(value) for name, value in groups["sums"].items()},
        best=best,
        history_sha256=about["history_sha256"],
        machine=about["machine"],
    )


def check_kind(about: dict[str, Any], kind: str, newest: int, where: str) -> None:
    """ModelFileError unless the file is of that kind, in a format this version reads."""
    if about.get("kind") != kind:
        raise ModelFileError(f"this file is no {kind}", where=where, got=f"kind {about.get('kind')!r}"[:60])
    if type(about.get("format")) is not int or not 1 <= about["format"] <= newest:
        raise ModelFileError(
            f"the {kind} has a format that this version of denpa does not read",
            where=where,
            got=f"format {about.get('format')!r}"[:60],
            want=f"format 1 to {newest}",
            fix="use the version of denpa that wrote it, or a newer one",
        )


def save(run: Path, checkpoint: Checkpoint) -> Path:
    """Put it on the disk, then delete all but the last `KEEP`.  TrainingError when that fails; the older ones stay."""
    folder = run / FOLDER
    path = folder / checkpoint.name
    durable.write(path, encode(checkpoint), what="the checkpoint")
    durable.remove([p for p in saved(run)[KEEP:] if p != path], what="an old checkpoint")
    return path


def saved(run: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    folder = run / FOLDER
    return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), reverse=True) if folder.is_dir() else []


def latest(run: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; None when none was ever saved.

    A damaged one is named through `warn` and passed over.  ModelFileError when all are damaged.
    """
    paths = saved(run)
    for i, path in enumerate(paths):
        try:
            return decode(tensorfile.read_bytes(path, "checkpoint"), str(path))
        except ModelFileError as error:
            if i == len(paths) - 1:
                raise ModelFileError(
                    "no checkpoint of this run can be read",
                    where=str(run / FOLDER),
                    got=f"{len(paths)} damaged; the last: {error.what}",
                    fix="restore the folder from a backup, or train again with its config.toml",
                ) from error
            warn(f"{path.name} cannot be read, the checkpoint before it is used\n{error}")
    return None


def check_fits(checkpoint: Checkpoint, start: Checkpoint, where: str) -> None:
    """ModelFileError unless it has the arrays of `start`, a checkpoint of the same run: names, shapes and dtypes."""
    pairs = [(what, getattr(checkpoint, what), getattr(start, what)) for what in ("parameters", "optimizer")]
    if checkpoint.best is not None:
        pairs.append(("the best parameters", checkpoint.best.parameters, start.parameters))
    for what, *both in pairs:
        have, want = ({n: (np.shape(v), v.dtype.str) for n, v in arrays.items()} for arrays in both)
        if have != want:
            wrong = next(name for name in (*want, *have) if have.get(name) != want.get(name))
            raise ModelFileError(
                f"the checkpoint does not fit the run's settings: {what}",
                where=where,
                got=f"{wrong}: {have.get(wrong)}",
                want=f"{want.get(wrong)}",
                fix="put config.toml back as it was when the run began",
            )
