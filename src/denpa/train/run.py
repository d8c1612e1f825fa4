"""The run folder: settings, status, metrics, checkpoints and model of one training, readable while it is written.

run.json            id, status, command, versions, data hash; replaced as a whole when the status changes
config.toml         every setting, resolved; `train` with it does the run again
metrics.jsonl       one line an epoch, the same bytes however often the run was interrupted
timings.jsonl       one line an epoch and process: seconds and rows
checkpoints/        the last two
model.safetensors   one file that predicts
lock                held by the process that trains
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from denpa import durable, tensorfile, toml
from denpa.data.schema import Schema
from denpa.data.schemafile import NAME as SCHEMA, dumps as schema_text
from denpa.errors import ModelFileError, UsageError
from denpa.formatting import typed
from denpa.train import history
from denpa.train.checkpoint import FOLDER
from denpa.train.config import Config

FORMAT = 1
RUNS = "denpa-runs"
STATUSES = ("running", "finished", "stopped", "failed")
INFO, CONFIG, METRICS, TIMINGS, MODEL, LOCK = (
    "run.json",
    "config.toml",
    "metrics.jsonl",
    "timings.jsonl",
    "model.safetensors",
    "lock",
)
EARLIER = {"split": "random", "monitor": "last"}  # what a run did whose settings do not say it
INFO_LIMIT = 1 << 20  # bytes
OWN = (
    CONFIG,
    METRICS,
    TIMINGS,
    MODEL,
    SCHEMA,
    "report.html",
)  # with run.json, lock and checkpoints: all of a run


class Run:
    """One run folder.  ModelFileError when it is none, or its run.json is damaged."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.info = _read_info(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status} {self.path}>"

    @property
    def id(self) -> str:
        return str(self.info["id"])

    @property
    def status(self) -> str:
        """running, finished, stopped (by a signal) or failed.  A run that was killed still says running."""
        return str(self.info["status"])

    @property
    def config(self) -> Config:
        path = self.path / CONFIG
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFileError("the run has no readable settings", where=str(path), got=str(error)) from error
        return Config.from_mapping({**EARLIER, **toml.loads(text, str(path))}, str(path))

    @property
    def history(self) -> list[dict[str, Any]]:
        """The finished epochs, first to last, with the wall-clock figures of each."""
        rows = history.read(self.path / METRICS)
        spent: dict[int, list[float]] = {}
        for timing in history.read(self.path / TIMINGS):
            total = spent.setdefault(timing.get("epoch", -1), [0.0, 0.0])
            total[0] += timing.get("seconds", 0.0)
            total[1] += timing.get("rows", 0)
        for row in rows:
            seconds, count = spent.get(row.get("epoch", -1), (0.0, 0.0))
            if seconds > 0:
                row.update(seconds=seconds, rows_per_second=count / seconds)
        return rows

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def held(self) -> bool:
        """Whether a process trains in this folder now."""
        try:
            with open(self.path / LOCK, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def update(self, **facts: Any) -> None:
        """Change entries of run.json, durably.  For the process that holds the lock."""
        self.info = {**self.info, **facts}
        _write_info(self.path, self.info)


def now(timespec: str = "seconds") -> str:
    return datetime.now().astimezone().isoformat(timespec=timespec)


def check_empty(path: Path) -> None:
    """UsageError when there is something at the place of a new run folder, other than a beginning that was killed."""
    if path.exists() and not (path.is_dir() and _unused(path)):
        is_run = (path / INFO).is_file()
        go_on = f"continue it with: denpa resume {typed(path)} ; or " if is_run else ""
        raise UsageError(
            "the run folder is not empty",
            where=str(path),
            got="a run is there already" if is_run else "other files",
            fix=f"{go_on}give another --out",
        )


def _unused(path: Path) -> bool:
    """Empty, or with our lock and nothing beyond what `create` makes before run.json."""
    names = {p.name for p in path.iterdir()} - {p.name for p in durable.leftovers(path)}
    if not names:
        return True
    checkpoints = path / FOLDER
    return LOCK in names <= {LOCK, CONFIG, SCHEMA, FOLDER} and not (checkpoints.exists() and any(checkpoints.iterdir()))


def create(path: Path, config: Config, schema: Schema | None = None, **facts: Any) -> Run:
    """Write the settings, and the schema of a table, into a run folder that this process holds.

    UsageError when something is there already.
    """
    check_empty(path)
    durable.remove(durable.leftovers(path), what="an unfinished file")
    durable.make_folder(path / FOLDER, what="the run folder")
    durable.write(path / CONFIG, config.to_toml().encode(), what="the run's settings")
    if schema is not None:
        durable.write(path / SCHEMA, schema_text(schema).encode(), what="the run's schema")
    info = {"format": FORMAT, "id": path.name, "status": "running", "created": now("milliseconds"), **facts}
    _write_info(path, info)
    return Run(path)


def _write_info(path: Path, info: Mapping[str, Any]) -> None:
    text = json.dumps(dict(info), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    durable.write(path / INFO, text.encode("utf-8", "backslashreplace"), what="the run's status")


def _read_info(path: Path) -> dict[str, Any]:
    file = path / INFO
    if path.is_file():
        raise ModelFileError(
            "this is a file, and what was asked for needs a run folder: its data and its history",
            where=str(path),
            fix="name the run's folder; trace and explain take rows of another source, too: --file SOURCE",
        )
    if not file.is_file():
        raise ModelFileError(
            "this is no run folder",
            where=str(path),
            got="no run.json in it" if path.is_dir() else "no such folder",
            fix="list the runs with: denpa runs",
        )
    data = tensorfile.read_bytes(file, "run's status")
    if len(data) > INFO_LIMIT:
        raise ModelFileError("the run's status is too large", where=str(file), got=f"{len(data):,} bytes")

    def broken(fact: str, got: Any = None, want: str | None = None) -> ModelFileError:
        return ModelFileError(f"the run's status is damaged: {fact}", where=str(file), got=got, want=want)

    info = tensorfile.strict_json(data, broken)
    if info.get("format") != FORMAT or info.get("status") not in STATUSES or not isinstance(info.get("id"), str):
        raise broken("format, id or status is not as it should be", repr(info)[:80])
    return info


def runs_folder() -> Path:
    """Where runs are when nobody says otherwise: $DENPA_RUNS, else denpa-runs under the current folder."""
    return Path(os.environ.get("DENPA_RUNS") or RUNS)


def fresh_folder(root: str | Path, source: str) -> Path:
    """A folder name that is free under `root`: date, time, the source's name and four random characters."""
    stem = re.sub(r"[^0-9A-Za-z]+", "-", Path(source).name.partition(".")[0]).strip("-").lower()[:24] or "data"
    while True:
        path = Path(root) / f"{datetime.now():%Y-%m-%d_%H%M}_{stem}_{secrets.token_hex(2)}"
        if not path.exists():
            return path


def delete(path: Path) -> list[str]:
    """Delete a run: every file that denpa writes into its folder, run.json last, and the folder when nothing is left.

    Returns the names of what is left: files that are not a run's.  UsageError while a process trains in it.
    """
    run = Run(path)
    with locked(path):
        own = [path / name for name in OWN] + sorted((path / FOLDER).glob("*.safetensors"))
        own += [*durable.leftovers(path), *durable.leftovers(path / FOLDER)]
        durable.remove(own, what=f"the run {run.id}")
        durable.sync_folder(path)
        durable.remove([path / INFO], what=f"the run {run.id}")  # last: a deletion that was cut off can be done again
        durable.remove([path / LOCK], what=f"the run {run.id}")
    for folder in (path / FOLDER, path):
        with suppress(OSError):  # not empty, or not there
            folder.rmdir()
    durable.sync_folder(path.parent)
    return sorted(left.name for left in path.iterdir()) if path.exists() else []


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the run folder for this process.  UsageError naming the holder when another one has it.

    The kernel frees the lock however the holder ends, kill -9 included.
    """
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise durable.not_saved("the run's lock", path / LOCK, error, 0) from error
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read(200).decode("utf-8", "replace").strip()
            raise UsageError(
                "another process is training in this run folder",
                where=str(path),
                got=holder or "a process that does not say its name",
                fix="wait for it, stop it, or give another folder",
            ) from error
        except OSError as error:
            raise durable.not_saved("the run's lock", path / LOCK, error, 0) from error
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}\n".encode())
        except OSError as error:
            raise durable.not_saved("the run's lock", path / LOCK, error, 0) from error
        yield
