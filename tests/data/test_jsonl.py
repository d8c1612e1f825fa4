"""JSON lines: the same schema and rows as from CSV; what is no flat table is refused with its line and key."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import gz, refused, table, write

from denpa.data import InputEncoding, Options, TargetEncoding, read, read_inputs, read_like, read_schema

RNG = random.Random(0)
ROWS: list[dict[str, Any]] = [
    {
        "age": None if i % 17 == 3 else RNG.randint(18, 70),
        "income": RNG.choice([1.5, 20.25, 3e4, -7]),
        "job": RNG.choice(["cook", "看護師", "a,b", 'say "x"']),
        "code": RNG.choice(["01234", "98765"]),
        "since": f"2020-01-{RNG.randint(1, 28):02}",
        "y": RNG.choice(["no", "yes"]),
    }
    for i in range(200)
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    return table([list(rows[0]), *(["" if v is None else v for v in row.values()] for row in rows)])


def zstd(content: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").compress(content))


@pytest.mark.parametrize("pack", [bytes, gz, zstd])
def test_the_rows_are_those_of_the_same_table_in_csv(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = read(write(tmp_path / "rows", pack(lines(ROWS).encode())))
    text = read(write(tmp_path / "rows.csv", as_csv(ROWS)))
    assert data.cells == text.cells
    assert data.classes == text.classes
    np.testing.assert_array_equal(data.inputs, text.inputs)
    np.testing.assert_array_equal(data.targets, text.targets)
    assert InputEncoding.fit(data) == InputEncoding.fit(text)


def test_keys_come_in_any_order_and_may_be_missing(tmp_path: Path) -> None:
    shuffled = []
    for row in ROWS:
        items = [(key, value) for key, value in row.items() if value is not None]
        shuffled.append(dict(RNG.sample(items, len(items))))
    shuffled[0] = ROWS[0]  # its keys are the columns' order
    data, again = read(write(tmp_path / "a", lines(ROWS))), read(write(tmp_path / "b", lines(shuffled)))
    np.testing.assert_array_equal(data.inputs, again.inputs)
    assert data.columns == again.columns
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    np.testing.assert_array_equal(read_like(tmp_path / "b", inputs, targets).inputs, data.inputs)
    rows = [{key: row[key] for key in reversed(row) if key != "y"} for row in ROWS]
    np.testing.assert_array_equal(read_inputs(write(tmp_path / "c", lines(rows)), inputs).inputs, data.inputs)
    with refused("missing columns: 'age'"):
        read_inputs(write(tmp_path / "d", lines([{"job": "cook", "y": "no"}] * 3)), inputs)


def test_true_and_false_are_typed(tmp_path: Path) -> None:
    rows = [{"a": [True, False, None][i % 3], "b": i % 7, "y": i % 2 == 0} for i in range(60)]
    schema = read_schema(write(tmp_path / "t", lines(rows)), Options(target="y"))
    assert [(c.kind, c.missing) for c in schema.columns] == [("number", 20), ("number", 0), ("target", 0)]
    assert schema.task_reason == "'y': classes, because it is true or false"
    data = read(tmp_path / "t")
    np.testing.assert_array_equal(data.inputs[:3, 0], [1, 0, np.nan])


def test_numbers_are_the_texts_that_they_are(tmp_path: Path) -> None:
    rows = [
        '{"a": 1e3, "b": NaN, "y": 1}',
        '{"a": -0.5, "b": 2, "y": 2}',
        '{"a": 12345678901234567890, "b": 3, "y": 4}',
    ]
    data = read(write(tmp_path / "t", "\n".join(rows)))
    np.testing.assert_array_equal(data.inputs, [[1000, np.nan], [-0.5, 2], [12345678901234567890.0, 3]])


@pytest.mark.parametrize(
    ("line", "fragments"),
    [
        ('{"a": [1], "y": 1}', ("key 'a' holds an array", "line 3", "--drop a")),
        ('{"a": {"b": 1}, "y": 1}', ("key 'a' holds an object", "line 3")),
        ('{"a": {}, "y": 1}', ("key 'a' holds an object", "line 3")),
        ('{"a": 1, "a": 2, "y": 1}', ("key 'a' comes twice", "line 3")),
        ('{"a": 1, "y": 1', ("the line is no JSON", "line 3")),
        ('{"a": 1, "y": 1} {"a": 1, "y": 1}', ("the line is no JSON", "line 3", "Extra data")),
        ("{'a': 1}", ("the line is no JSON", "line 3")),
        ("[1, 2]", ("no JSON object", "line 3")),
        ("7", ("no JSON object", "line 3")),
        ('"text"', ("no JSON object", "line 3")),
        ('{"": 1}', ("a key is no name", "line 3")),
        ('{"a": true, "y": 1}', ("key 'a' holds true or false, and also", "lines 3 and 1")),
        ('{"a": "\\ud800", "y": 1}', ("half a character", "line 3", "'a'")),
        ('{"\\ud800": 1, "y": 1}', ("half a character", "line 3")),
        ('{"a": Infinity, "y": 1}', ("NaN or infinite", "first at line 3")),
        ('{"a": "many", "y": 1}', ("cells are not numbers", "first at line 3", "'many'")),
        ('{"a": 1e999, "y": 1}', ("NaN or infinite", "first at line 3")),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", ("nested too deeply", "line 3")),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, ("nested too deeply", "line 3")),
        ("\n" + '{"a": 1, "y": 1}', ("an empty line inside", "line 3")),
        (b'{"a": "\xff"}', ("the text is not UTF-8", "line 3")),
        (b'{"a": "\0"}', ("a NUL character", "line 3")),
    ],
)
def test_what_is_no_flat_table_is_refused(line: str | bytes, fragments: tuple[str, ...], tmp_path: Path) -> None:
    odd = line if isinstance(line, bytes) else line.encode()
    good = b'{"a": 1, "y": 0}\n{"a": 2.5, "y": 1}\n'
    with refused(*fragments):
        read(write(tmp_path / "rows", good + odd + b"\n" + b'{"a": 4, "y": 1}\n'), "y")


def test_nested_values_may_stand_in_keys_that_are_left_out(tmp_path: Path) -> None:
    rows = [{"a": i % 5, "tags": ["x"] if i % 2 else {"k": 1}, "y": i % 2} for i in range(40)]
    data = read(write(tmp_path / "t", lines(rows)), options=Options(kinds={"tags": "drop"}))
    assert data.columns == ("a",)


def test_an_array_of_objects_is_named(tmp_path: Path) -> None:
    for content in (json.dumps(ROWS), json.dumps(ROWS, indent=2), "\ufeff[[1, 2]]"):
        with refused("one JSON array", "jq"):
            read(write(tmp_path / "t.json", content))


def test_a_byte_order_mark_and_empty_lines_at_the_end(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "t", "\ufeff" + lines(ROWS) + "\n\n  \n"))) == len(ROWS)


def test_keys_of_their_own_in_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("denpa.data.jsonl.MOST_KEYS", 50)
    with refused("every row has keys of its own", "line 51"):
        read(write(tmp_path / "t", lines([{f"k{i}": 1} for i in range(60)])))


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with refused("a line is too long"):
        read(write(tmp_path / "t", '{"a": "' + "x" * (17 << 20)))


def test_pieces_agree_on_what_is_true_or_false(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that has no value in a whole piece is of one type all the same."""
    monkeypatch.setattr("denpa.data.jsonl.CHUNK", 20)
    rows = [{"a": True if i == 50 else None, "b": i % 5, "y": i % 2} for i in range(100)]
    data = read(write(tmp_path / "t", lines(rows)))
    assert np.flatnonzero(~np.isnan(data.inputs[:, 0])).tolist() == [50]


def test_streamed_rows_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "t", lines(ROWS))
    np.testing.assert_array_equal(read(path, stream="yes").inputs[:], read(path).inputs)
    assert sys.getrecursionlimit() < 100_000
