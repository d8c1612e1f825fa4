"""The index of a folder of runs: one SQLite file beside them, so that thousands are listed without opening each.

The folders are the truth.  Every look compares the index with them (names, sizes and times of two files a run) and
reads again what changed; a run that was copied, edited or deleted by hand is right at the next look, and a missing or
damaged index is built anew.  Where the folder cannot be written, the index lives in memory and costs only time.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from denpa.errors import DenpaError, UsageError
from denpa.train.run import INFO, METRICS, Run

FILE = "runs.db"
VERSION = 1  # of the table below; an index of another version is built anew
WAIT_SECONDS = 10.0  # for another process that writes


@dataclass(frozen=True)
class Entry:
    """What the index knows of one run.  fault: why the run cannot be read; the rest is then empty.

    best_epoch, best_valid_loss: of the epoch with the lowest validation loss; None without a validation part.
    epoch: epochs finished.  evaluation: the figures at the end, "on" and "rows" among them; {} before.
    """

    name: str
    status: str
    created: str = ""
    source: str = ""
    target: str = ""
    sha256: str = ""
    rows: int | None = None
    epoch: int = 0
    epochs: int = 0
    seconds: float | None = None
    train_loss: float | None = None
    best_epoch: int | None = None
    best_valid_loss: float | None = None
    evaluation: str = "{}"
    fault: str = ""

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.evaluation)
        return found


_COLUMNS = tuple(field.name for field in fields(Entry))
_SCHEMA = f"CREATE TABLE IF NOT EXISTS runs (stamp TEXT NOT NULL, {', '.join(_COLUMNS)}, PRIMARY KEY (name))"


def entries(root: str | Path, warn: Callable[[str], None] = lambda _: None) -> list[Entry]:
    """The runs directly under `root`, oldest first; a run that cannot be read is there with its fault.

    status "killed": run.json says running, but no process holds the folder.
    """
    root = Path(root)
    if not root.is_dir():
        return []
    found = [_live(root, entry) for entry in _indexed(root, warn)]
    return sorted(found, key=lambda entry: (entry.created, entry.name))


def _live(root: Path, entry: Entry) -> Entry:
    """Whether a run that says "running" is held is known at the moment only."""
    if entry.status != "running":
        return entry
    with suppress(DenpaError):
        if Run(root / entry.name).held:
            return entry
    return Entry(**{**asdict(entry), "status": "killed"})


def find(reference: str, root: str | Path) -> Path:
    """The run that a reference names: a path, a run's name, an unambiguous beginning or last part of one, @last, @best.

    @last: the newest run.  @best: among the runs on the newest run's data and target, the one with the lowest
    validation loss.  A reference that names nothing comes back as a path, for the reader to complain about.
    UsageError when several runs fit, or there is none for @last or @best.
    """
    root, path = Path(root), Path(reference)
    if reference.startswith("@"):
        return root / _special(reference, root)
    if path.exists() or path.name != reference:
        return path
    if (root / reference / INFO).exists():
        return root / reference
    there = names(root) if reference else []
    fits = [n for n in there if n.startswith(reference)] or [n for n in there if n.rpartition("_")[2] == reference]
    if len(fits) > 1:
        raise UsageError(
            f"{len(fits)} runs begin with {reference!r}",
            where=str(root),
            got=", ".join(sorted(fits)[:5]) + (", …" if len(fits) > 5 else ""),
            want="a beginning that only one run has",
        )
    return root / fits[0] if fits else path


def _special(reference: str, root: Path) -> str:
    if reference not in ("@last", "@best"):
        raise UsageError("no such run", got=reference, want="@last, @best, or the name of a run")
    found = [entry for entry in entries(root) if not entry.fault]
    if not found:
        raise UsageError(f"there is no run for {reference}", where=str(root), fix="train one: denpa train SOURCE")
    last = found[-1]
    if reference == "@last":
        return last.name
    alike = [e for e in found if (e.sha256, e.target) == (last.sha256, last.target) and e.best_valid_loss is not None]
    if not alike:
        raise UsageError(
            "there is no best run: none on the newest run's data has a validation loss",
            where=str(root / last.name),
            fix="train with a validation part (--valid 0.2), or name the run",
        )
    return min(alike, key=lambda entry: (entry.best_valid_loss, entry.created)).name


def names(root: Path) -> list[str]:
    """Folders that hold a run.json; symbolic links to folders are not runs."""
    if not root.is_dir():
        return []
    with os.scandir(root) as found:
        return [e.name for e in found if e.is_dir(follow_symlinks=False) and os.path.isfile(os.path.join(e, INFO))]


# -- the database --------------------------------------------------------------------------------------------------


def _indexed(root: Path, warn: Callable[[str], None]) -> list[Entry]:
    """From the index in `root`, brought up to date; from one in memory where that cannot be kept."""
    path = root / FILE
    if path.is_symlink():  # not ours: it could point anywhere
        return _query(":memory:", root)
    try:
        return _query(path, root)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a subclass: read-only, locked for too long, disk full
            return _query(":memory:", root)
        warn(f"the index of the runs was damaged and is built anew: {path} ({error})")
    with suppress(OSError, sqlite3.DatabaseError):
        for leftover in (path, *(path.with_name(FILE + end) for end in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)
        return _query(path, root)
    return _query(":memory:", root)


def _query(path: Path | str, root: Path) -> list[Entry]:
    with closing(_connect(path)) as database:
        _refresh(root, database)
        return [Entry(*row) for row in database.execute(f"SELECT {', '.join(_COLUMNS)} FROM runs")]


def _connect(path: Path | str) -> sqlite3.Connection:
    """sqlite3.DatabaseError when the file is no database, cannot be written, or stays locked."""
    database = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the one writer
        database.execute("PRAGMA synchronous=NORMAL")  # it can be built anew
        database.execute("PRAGMA trusted_schema=OFF")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            database.execute("BEGIN IMMEDIATE")
            database.execute("DROP TABLE IF EXISTS runs")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version={VERSION}")
            database.execute("COMMIT")
        columns = tuple(row[1] for row in database.execute("PRAGMA table_info(runs)"))
        if columns != ("stamp", *_COLUMNS):
            raise sqlite3.DatabaseError(f"the table has other columns: {', '.join(columns)[:200]}")
    except BaseException:
        database.close()
        raise
    return database


def _refresh(root: Path, database: sqlite3.Connection) -> None:
    """Read the runs that changed since the index was written; forget those that are gone."""
    known = dict(database.execute("SELECT name, stamp FROM runs"))
    present = {name: _stamp(root / name) for name in names(root)}
    changed = [name for name, stamp in present.items() if known.get(name) != stamp]
    gone = known.keys() - present.keys()
    if not changed and not gone:
        return
    read = [(present[name], *asdict(_entry(root / name)).values()) for name in changed]
    marks = ", ".join("?" * (len(_COLUMNS) + 1))
    database.execute("BEGIN IMMEDIATE")
    database.executemany("DELETE FROM runs WHERE name = ?", [(name,) for name in gone])
    database.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", read)
    database.execute("COMMIT")


def _stamp(path: Path) -> str:
    """Changes whenever run.json or the metrics do: both only ever grow or are replaced."""
    marks = []
    for name in (INFO, METRICS):
        try:
            found = (path / name).stat()
        except OSError:
            marks.append("-")
        else:
            marks.append(f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}")
    return " ".join(marks)


def _entry(path: Path) -> Entry:
    try:
        run = Run(path)
        config, history = run.config, run.history
    except DenpaError as error:
        return Entry(path.name, "damaged", fault=str(error))
    info = run.info
    data, evaluation = ({**found} if isinstance(found := info.get(key), dict) else {} for key in ("data", "evaluation"))
    rows, seconds = data.get("rows"), info.get("seconds")
    valid = [(row["valid_loss"], row["epoch"]) for row in history if _number(row.get("valid_loss"))]
    best = min(valid, default=(None, None))
    return Entry(
        name=path.name,
        status=run.status,
        created=str(info.get("created", "")),
        source=str(data.get("source", config.source)),
        target=config.target or "",
        sha256=str(data.get("sha256", "")),
        rows=rows if isinstance(rows, int) else None,
        epoch=len(history),
        epochs=config.epochs,
        seconds=seconds if _number(seconds) else None,
        train_loss=history[-1].get("train_loss") if history else None,
        best_epoch=best[1],
        best_valid_loss=best[0],
        evaluation=json.dumps(evaluation),
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
