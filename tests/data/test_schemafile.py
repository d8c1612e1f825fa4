"""schema.toml: what is written is read back, and what is edited wrongly is named with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.data.formats import table, write

from denpa.data import read
from denpa.data.kinds import Column
from denpa.data.reading import read_schema
from denpa.data.schema import INPUTS, KINDS, Options, Schema
from denpa.data.schemafile import check_delimiter, dumps, loads, read_schema_file
from denpa.data.source import Dialect
from denpa.errors import DataError, UsageError

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FINITE = st.none() | st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.builds(
    Column,
    name=TEXT,
    kind=st.sampled_from(KINDS),
    reason=TEXT,
    missing=st.integers(0, 10**12),
    distinct=st.none() | st.integers(0, 10**6),
    low=FINITE,
    high=FINITE,
    mean=FINITE,
    std=FINITE,
    values=st.lists(TEXT, unique=True, max_size=3).map(tuple),
    counts=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    dates=st.booleans(),
)
SCHEMAS = st.builds(
    Schema,
    columns=st.lists(COLUMNS, min_size=1, max_size=3, unique_by=lambda column: column.name).map(tuple),
    rows=st.integers(0, 10**12),
    source=TEXT,
    sha256=TEXT,
    task=st.sampled_from(["", "classification", "regression", "multilabel"]),
    task_reason=TEXT,
    na=st.lists(TEXT, max_size=2).map(tuple),
    dialect=st.none() | st.builds(Dialect, st.sampled_from([",", "\t"]), st.just("cp932"), st.booleans()),
    notices=st.lists(TEXT, max_size=2).map(tuple),
)


@given(schema=SCHEMAS)
def test_what_is_written_is_read_back(schema: Schema) -> None:
    assert loads(dumps(schema)) == schema


ROWS = table(
    [["id", "x", "job", "y"], *([1000 + 7 * i, "" if i % 9 == 0 else i / 3, "abc"[i % 3], i % 2] for i in range(150))]
)


def test_a_schema_decides_as_the_profile_did(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ROWS)
    schema = read_schema(path, Options(target="y"))
    write(tmp_path / "schema.toml", dumps(schema))
    kept = read_schema_file(tmp_path / "schema.toml")
    assert kept == schema
    first, again = read(path, "y"), read(path, options=kept.options())
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert (again.cells, again.classes, again.ignored) == (first.cells, first.classes, ("id",))


def test_an_edited_schema_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ROWS)
    text = dumps(read_schema(path, Options(target="y")))
    text = (
        text.replace('kind = "id"', 'kind = "number"')
        .replace('["a", "b", "c"]', '["c"]')
        .replace('"number"', '"number"')
    )
    data = read(path, options=loads(text).options())
    assert data.input_names == ("id", "x", "job")
    assert data.cells is not None
    assert data.cells[2].values == ("c",)
    assert "column 'job': 100 of 150 rows hold values that are none of the 1 known ones" in "".join(data.notices)
    assert {column.kind for column in data.cells} <= set(INPUTS)


GOOD = dumps(Schema((Column("a", "number", "r"), Column("b", "category", "r", values=("p", "q"))), 3, "s", "0"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('kind = "number"', 'kind = "numbr"', ["'kind' is not as it should be", "line 15", "one of number, category"]),
        ('kind = "number"', 'knd = "number"', ["unknown key 'knd'", "line 15", "did you mean kind?"]),
        ('kind = "number"\n', "", ["column 'a' of the schema has no 'kind'", "line 14"]),
        ('values = ["p", "q"]', 'values = ["p", "p"]', ["'values'", "line 24", "different texts"]),
        ('values = ["p", "q"]', "values = [1]", ["'values'", "line 24", "a list of texts"]),
        ('name = "b"', 'name = "a"', ["'name'", "line 20", "no other column has"]),
        ("missing = 0", "missing = -1", ["'missing'", "line 17", "a whole number, 0 or more"]),
        ("missing = 0", "missing = true", ["'missing'", "line 17"]),
        ("missing = 0", "missing = 0\nmean = inf", ["'mean'", "line 18", "a number"]),
        ("rows = 3", "", ["the schema has no 'rows'"]),
        ("format = 1", "format = 2", ["'format'", "line 7", "reads no other"]),
        ("rows = 3", 'rows = 3\nencoding = "klingon"', ["'encoding'", "line 11", "utf-8"]),
        ("rows = 3", 'rows = 3\ndelimiter = "ab"', ["this is no delimiter", "line 11"]),
        ("rows = 3", "rows = ", ["cannot be read", "line 10"]),
        ("[[column]]", "[[colum]]", ["unknown key 'colum'", "did you mean column?"]),
    ],
)
def test_a_wrong_edit_is_named_with_its_line(old: str, new: str, parts: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        loads(GOOD.replace(old, new, 1), "schema.toml")
    for part in [*parts, "schema.toml"]:
        assert part in str(caught.value)


def test_what_is_no_schema_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="denpa data FILE -o"):
        read_schema_file(tmp_path / "none.toml")
    with pytest.raises(DataError, match="not UTF-8"):
        read_schema_file(write(tmp_path / "b.toml", b"\xff"))
    with pytest.raises(DataError, match="cannot be read"):
        read_schema_file(tmp_path)


def test_delimiters() -> None:
    assert [check_delimiter(text) for text in (";", "tab", "\t", " ", "~")] == [";", "\t", "\t", " ", "~"]
    for text in ("", ";;", '"', "\n", "、"):
        with pytest.raises(UsageError, match="no delimiter"):
            check_delimiter(text)
