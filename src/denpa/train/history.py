"""The history of a run: one JSON line an epoch, in a file that only grows.

A line is on the disk before the checkpoint that counts it; the checkpoint remembers how many bytes it counted and their
hash.  A run that is killed and resumed cuts the file back to that, so its lines are those of a run never killed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denpa import durable
from denpa.errors import ModelFileError

LINE_LIMIT = 1 << 20  # bytes of one line; a thousand parameters' norms are 40,000


class History:
    """metrics.jsonl: the same however often the run was interrupted.  Wall-clock figures have a file of their own."""

    def __init__(self, path: Path, size: int = 0, sha256: str | None = None) -> None:
        """Continue after the first `size` bytes, whose hash is `sha256`; what follows them is cut off.

        ModelFileError when the file is shorter, or those bytes are not the ones that were counted.
        """
        self.path = path
        data = path.read_bytes() if path.exists() else b""
        self._hash = hashlib.sha256(data[:size])
        if len(data) < size or (sha256 is not None and self._hash.hexdigest() != sha256):
            raise ModelFileError(
                "the metrics of this run were changed since its checkpoint",
                where=str(path),
                got=f"{len(data):,} bytes",
                want=f"{size:,} bytes or more that begin as they were saved",
                fix="put the file back as it was; the run cannot be continued exactly without it",
            )
        if len(data) > size:
            durable.truncate(path, size, what="the metrics")
        self.size = size
        self._pending = b""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one line; it is on the disk after the next `flush`: a sync for each short epoch is slow."""
        data = line(row)
        self._pending += data
        self.size += len(data)
        self._hash.update(data)

    def flush(self) -> None:
        """Put the lines on the disk.  TrainingError when that fails."""
        if self._pending:
            durable.append(self.path, self._pending, what="the metrics")
            self._pending = b""


class Unsaved:
    """The history of a training without a folder: its rows, in memory."""

    size, sha256 = 0, ""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def append(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))

    def flush(self) -> None:
        pass


def line(row: Mapping[str, Any]) -> bytes:
    """Floats with all their digits, so that equal bits give equal lines and unequal ones do not."""
    return json.dumps(dict(row), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read(path: Path) -> list[dict[str, Any]]:
    """The complete lines; an unfinished last one (a run that is being written, or was killed) does not count.

    ModelFileError for a line that is no JSON object with an epoch and numbers.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelFileError("the metrics cannot be read", where=str(path), got=error.strerror) from error
    rows = []
    for number, text in enumerate(data.split(b"\n")[:-1], 1):
        try:
            row = json.loads(text) if len(text) <= LINE_LIMIT else None
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not _is_epoch(row):
            raise ModelFileError(
                "a line of the metrics cannot be read", where=f"{path}, line {number}", got=repr(text[:60])
            )
        rows.append(row)
    return rows


def _is_epoch(row: Mapping[str, Any]) -> bool:
    """Whether a line has its epoch, and numbers, those of the gradients by name: what its readers compute with."""
    norms = row.get("gradient_norms", {})
    values = [v for name, v in row.items() if name != "gradient_norms"]
    values += norms.values() if isinstance(norms, dict) else [norms]
    return type(row.get("epoch")) is int and all(
        type(v) in (int, float) and abs(v) <= sys.float_info.max for v in values
    )
