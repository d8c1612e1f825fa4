"""Rows that arrive through a pipe: whole lines as soon as they are there, the columns by name, faults by line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from denpa.data import arriving
from denpa.data.arriving import Arriving, Block, coded
from denpa.data.reading import read_schema
from denpa.data.schema import Options, Schema
from denpa.data.source import Dialect
from denpa.errors import DataError, UsageError

SAMPLE = "a,job,y\n" + "".join(f"{i}.5,{('cook', 'clerk')[i % 2]},{('no', 'yes')[i % 3 == 0]}\n" for i in range(40))


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    path = tmp_path / "sample.csv"
    path.write_text(SAMPLE)
    return read_schema(path, Options(target="y"))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def rest(rows: Arriving) -> list[list[str]]:
    found: list[list[str]] = []
    while not rows.ended:
        block = rows.next(5)
        found += block.rows if block is not None else []
    return found


def test_lines_in_any_pieces(schema: Schema, pipe: tuple[int, int]) -> None:
    rows = Arriving(pipe[0], schema, "pipe")
    assert rows.next(0) is None
    os.write(pipe[1], b"\xef\xbb\xbfjob,y,a\r\ncook,n")
    assert rows.next(1) is None  # the header, and no whole row
    os.write(pipe[1], 'o,1\n\n"cl""erk",yes,2\ncö'.encode()[:-1])
    block = rows.next(1)
    assert block is not None
    assert block.rows == [["cook", "no", "1"], ['cl"erk', "yes", "2"]]
    assert block.lines == [2, 4]
    os.write(pipe[1], "ö".encode()[1:] + b"k,yes,3")
    os.close(pipe[1])
    assert rest(rows) == [["cök", "yes", "3"]]
    assert rows.ended
    assert rows.next(0) is None


def test_rows_are_coded_by_the_schema(schema: Schema) -> None:
    block = Block("pipe", ("y", "a", "job"), [["yes", "1.5", "cook"], ["no", "2", "pilot"]], [2, 3])
    rows, notices = coded(block, Arriving(0, schema, "pipe").layout)
    assert [values.tolist() for values in rows.inputs] == [[1.5, 2.0], [1.0, 2.0]]
    assert rows.targets[0].tolist() == [1, 0]
    assert "'pilot'" in notices[0]


@pytest.mark.parametrize(
    ("lines", "what", "place"),
    [
        (b"a,job,y\n1,cook,no\n1,cook\n2,cook,no\n", "number of cells", "line 3"),
        (b'a,job,y\n1,cook,no\n1,"cook\nno,yes\n', "no record of its own", "line 3"),
        (b"a,job,y\n1,cook,no\n1,\xff,no\n", "not UTF-8", "line 3"),
    ],
)
def test_a_line_that_is_no_record(lines: bytes, what: str, place: str, schema: Schema, pipe: tuple[int, int]) -> None:
    """The rows before it come first."""
    os.write(pipe[1], lines)
    rows = Arriving(pipe[0], schema, "pipe")
    block = rows.next(1)
    assert block is not None
    assert block.rows == [["1", "cook", "no"]]
    with pytest.raises(DataError, match=what) as caught:
        rows.next(1)
    assert place in str(caught.value.where)


def test_a_missing_column(schema: Schema, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"a,y\n")
    with pytest.raises(DataError, match="missing columns: 'job'"):
        Arriving(pipe[0], schema, "pipe").next(1)


def test_without_a_header_and_with_another_delimiter(schema: Schema, pipe: tuple[int, int]) -> None:
    from dataclasses import replace

    os.write(pipe[1], b"1;cook;no\n")
    plain = replace(schema, dialect=Dialect(";", "utf-8", False))
    block = Arriving(pipe[0], plain, "pipe").next(1)
    assert block is not None
    assert block.names == ("a", "job", "y")
    with pytest.raises(UsageError, match="UTF-16"):
        Arriving(pipe[0], replace(schema, dialect=Dialect(",", "utf-16", True)), "pipe")


def test_rows_passed_over(schema: Schema, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "sample.csv", os.O_RDONLY)
    try:
        rows = rest(Arriving(descriptor, schema, "file", skip=38))
    finally:
        os.close(descriptor)
    assert [row[0] for row in rows] == ["38.5", "39.5"]


def test_a_line_without_an_end(schema: Schema, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "LONGEST_LINE", 100)
    os.write(pipe[1], b"x" * 101)
    with pytest.raises(DataError, match="too long"):
        Arriving(pipe[0], schema, "pipe").next(1)
