"""Rows without a target, left out before anything is made of the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.formats import refused, table, write

from denpa.data import Options, csvtext, read
from denpa.data.reading import read_schema
from denpa.data.rows import WithTarget
from denpa.data.source import Piece, Typed

ROWS = [[i / 2, "ab"[i % 2], ["p", "q", "", "?"][i % 4]] for i in range(80)]


def test_they_are_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtext, "CHUNK", 12)
    path = write(tmp_path / "t.csv", table([["x", "c", "y"], *ROWS]))
    with refused("column 'y': 20 of 80 cells are empty", "line 4", "--drop-missing-target"):
        read(path)
    for options, left in ((Options(drop_missing_target=True), 60), (Options(na=("?",), drop_missing_target=True), 40)):
        data = read(path, options=options)
        kept = [row for row in ROWS if row[2] in ("p", "q") or (left == 60 and row[2] == "?")]
        assert len(data) == len(kept) == left
        np.testing.assert_array_equal(data.inputs[:, 0], [row[0] for row in kept])
        assert data.classes is not None
        assert [data.classes[code] for code in data.targets] == [row[2] for row in kept]
        assert f"{80 - left} rows without a target are left out" in data.notices
        assert read_schema(path, replace(options, target="y")).rows == left
        streamed = read(path, options=options, stream="yes")
        assert len(streamed) == left
        np.testing.assert_array_equal(streamed.targets[:], data.targets)


def test_the_option_is_named_with_the_word_that_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", table([["x", "y"], *([i, "NA" if i % 9 == 0 else i / 3] for i in range(40))]))
    with refused("column 'y': 5 of 40 cells are missing", "--na NA --drop-missing-target"):
        read(path)
    assert len(read(path, options=Options(na=("NA",), drop_missing_target=True))) == 35


class Arrow:
    """A source of typed columns."""

    where, names, unit, dialect, sha256 = "memory", ("x", "y"), "row", None, "0"

    def chunks(self, columns: object = None) -> object:
        x, y = np.arange(4), np.array([1.0, np.nan, 3.0, 4.0])
        yield Piece((Typed(x), Typed(y), Typed(y, np.array([False, False, True, False]))), range(1, 5))


def test_typed_columns() -> None:
    (piece,) = WithTarget(Arrow(), ["y"], ()).chunks()  # type: ignore[arg-type]
    assert piece.places == [1, 4]
    assert isinstance(piece.columns[0], Typed)
    assert piece.columns[0].values.tolist() == [0, 3]
