"""Nasty tables: each is read as documented, or is one error that says what and where, soon and in little memory."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.data.formats import peak_memory, write
from tests.data.nasty import TABLES

from denpa.data import read
from denpa.data.files import MIB
from denpa.errors import DataError, DenpaError

OUTCOMES: dict[str, str] = json.loads(Path(__file__).with_name("nasty.json").read_text(encoding="utf-8"))
WIDE = "100,000 columns"  # 60 µs and 2.5 kB a column: beyond both bounds
AT_ONCE = 24 * MIB  # of texts and numbers that are held however small the file is


def outcome(path: Path) -> str:
    """The last row with the names and classes, or what is wrong and where."""
    try:
        data = read(path, "y")
    except DenpaError as error:
        lines = str(error).replace(str(path), "FILE").splitlines()
        assert all(line.isprintable() for line in lines), "a message is text, whatever the file holds"
        assert max(map(len, lines)) < 400
        return f"{type(error).__name__}: {lines[0]}; {error.where}".replace(str(path), "FILE")
    kinds = [column.kind for column in data.cells or ()]
    told = [data.columns, kinds, data.inputs[-1].tolist(), data.classes, data.ignored]
    text = f"{len(data)} rows: {told}"
    return text if len(text) < 400 else text[:400] + "…"


@pytest.mark.parametrize("name", TABLES)
def test_it_is_read_or_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TABLES[name])
    found: list[str] = []

    def attempt() -> None:
        began = time.process_time()
        found.append(outcome(path))
        found.append(f"{time.process_time() - began:.3f}")

    attempt()
    assert found[0] == OUTCOMES[name]
    assert float(found[1]) < (60 if name == WIDE else 2), "seconds of the processor"
    if name != WIDE:  # to trace each of its allocations takes a minute
        assert peak_memory(attempt) < 4 * len(TABLES[name]) + AT_ONCE


def test_there_are_enough_and_they_differ() -> None:
    assert OUTCOMES.keys() == TABLES.keys()
    assert len(set(TABLES.values())) == len(TABLES) >= 120
    refused = [name for name, text in OUTCOMES.items() if text.partition(":")[0].endswith("Error")]
    assert len(refused) > 60
    assert len(TABLES) - len(refused) > 40


def test_the_check_can_fail(tmp_path: Path) -> None:
    """The broken twin: the same row with the cell right."""
    with pytest.raises(DataError):
        read(write(tmp_path / "t.csv", TABLES["number: full-width"]), "y")
    assert outcome(write(tmp_path / "t.csv", TABLES["number: plus"])) != OUTCOMES["number: full-width"]
