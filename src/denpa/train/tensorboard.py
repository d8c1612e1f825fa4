"""A run's figures as a TensorBoard event file: scalars by epoch, written by hand.

An event file is a row of records: length (8 bytes), its checksum, an `Event` message, the checksum of that;
the checksums are CRC-32C, masked.  Source: TensorFlow's record_writer.h, event.proto and summary.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from denpa import durable
from denpa.errors import DataError
from denpa.train.run import Run

VERSION = "brain.Event:2"
_PARTS = ("train", "valid", "test")
_POLYNOMIAL = 0x82F63B78  # of CRC-32C, bits reversed


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _crc_table()


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    """A protocol-buffer integer: seven bits a byte, the lowest first."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(0x80 | value & 0x7F)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _event(seconds: float, rest: bytes, step: int | None = None) -> bytes:
    message = b"\x09" + struct.pack("<d", seconds)  # wall_time = 1
    if step is not None:
        message += b"\x10" + _varint(step)  # step = 2
    message += rest
    length = struct.pack("<Q", len(message))
    return length + _masked_crc(length) + message + _masked_crc(message)


def header(begun: float) -> bytes:
    """The first record of an event file.  begun: wall-clock seconds since 1970."""
    return _event(begun, _bytes(3, VERSION.encode()))  # file_version = 3


def record(step: int, seconds: float, scalars: Mapping[str, float]) -> bytes:
    """Scalars by tag, at a step and wall-clock seconds since 1970."""
    values = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value)) for tag, value in scalars.items()
    )  # Summary.value = 1: tag = 1, simple_value = 2
    return _event(seconds, _bytes(5, values), step)  # summary = 5


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """One line of the metrics as tags: loss/train, accuracy/valid, gradient_norm/0.weight, learning_rate."""
    found = {}
    for key, value in row.items():
        part, _, measure = key.partition("_")
        if key == "gradient_norms" and isinstance(value, Mapping):
            found.update({f"gradient_norm/{name}": float(norm) for name, norm in value.items()})
        elif isinstance(value, int | float) and not isinstance(value, bool) and key not in ("epoch", "step"):
            found[f"{measure}/{part}" if part in _PARTS else key] = float(value)
    return found


def export(run: Run, folder: str | Path) -> Path:
    """Write a run's epochs into `folder` as events.out.tfevents.…; its path.

    `tensorboard --logdir folder` shows it; give each run a folder of its own below that.  DataError without an epoch.
    """
    history = run.history
    if not history:
        raise DataError("the run has no finished epoch", where=str(run.path), fix="train it on: denpa resume RUN")
    begun = datetime.fromisoformat(str(run.info["created"])).timestamp()
    now, rows = begun, []
    for row in history:
        now += float(row.get("seconds") or 0.0)
        rows.append(record(int(row["step"]), now, scalars(row)))
    path = Path(folder) / f"events.out.tfevents.{int(begun)}.denpa"
    durable.make_folder(path.parent, what="the folder of events")
    durable.write(path, header(begun) + b"".join(rows), what="the events")
    return path
