"""Event files against TensorBoard's own reader, and the checksum against the published one."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from denpa.errors import DataError
from denpa.train.config import Config
from denpa.train.run import Run, create
from denpa.train.tensorboard import _masked_crc, export, header, record, scalars


def make(path: Path, epochs: int) -> Run:
    path.mkdir()
    run = create(path, Config().resolved())
    rows = [
        {
            "epoch": i,
            "step": 300 * i,
            "train_loss": 1 / i,
            "valid_loss": 2 / i,
            "valid_accuracy": 0.5,
            "learning_rate": 0.1,
            "gradient_norms": {"0.weight": 0.25},
        }
        for i in range(1, epochs + 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_the_checksum_is_crc32c() -> None:
    """RFC 3720 B.4: 32 bytes of zeros have 0x8A9136AA; TensorFlow stores it rotated and shifted."""
    (masked,) = struct.unpack("<I", _masked_crc(bytes(32)))
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert ((turned >> 17) | (turned << 15)) & 0xFFFFFFFF == 0x8A9136AA


def test_records_can_be_taken_apart(tmp_path: Path) -> None:
    data = header(1.0) + record(1, 2.0, {"a": 3.0})
    count = 0
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == _masked_crc(data[:8])
        assert data[12 + length : 16 + length] == _masked_crc(data[12 : 12 + length])
        data = data[16 + length :]
        count += 1
    assert count == 2


def test_tags() -> None:
    assert scalars({"epoch": 1, "step": 5, "train_loss": 2, "learning_rate": 0.1, "gradient_norms": {"b": 3.0}}) == {
        "loss/train": 2.0,
        "learning_rate": 0.1,
        "gradient_norm/b": 3.0,
    }


def test_a_run_without_epochs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished epoch"):
        export(make(tmp_path / "run", 0), tmp_path / "events")


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own imports warn
def test_tensorboard_reads_it(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError)
    export(make(tmp_path / "run", 400), tmp_path / "events")
    found = reader.EventAccumulator(str(tmp_path / "events"), size_guidance={"scalars": 0}).Reload()
    assert set(found.Tags()["scalars"]) == {
        "loss/train",
        "loss/valid",
        "accuracy/valid",
        "learning_rate",
        "gradient_norm/0.weight",
    }
    losses = found.Scalars("loss/valid")
    assert [event.step for event in losses] == [300 * i for i in range(1, 401)]
    assert [event.value for event in losses] == pytest.approx([2 / i for i in range(1, 401)], rel=1e-6)
