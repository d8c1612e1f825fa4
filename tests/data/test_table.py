"""CSV: parsed exactly as documented, or one error that names line, column, value and count."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.data.formats import gz, refused, table as csv_table, write

from denpa.data import csvtext, read, schema
from denpa.data.cells import fault, numbers
from denpa.errors import DataError

NUMERIC, DELIMITING = set("0123456789naif"), set(',;\t|\n\r"')  # what an odd name may be refused for
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).map(str.strip).filter(bool),
    min_size=2,
    max_size=5,
    unique=True,
)


def as_file(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    return write(folder / name, text)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[float]], bytes]:
    """Rows of numbers, and a file of them in some dialect."""
    width = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(FINITE, min_size=width, max_size=width), min_size=2, max_size=12))
    names = [f"c{i}" for i in range(width - 1)] + ["y"]
    dialect = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\r\n"]))
    content = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + csv_table([names, *rows], *dialect)
    return rows, gz(content) if draw(st.booleans()) else content


@given(case=tables())
def test_numbers_come_back_exactly(
    case: tuple[list[list[float]], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows, content = case
    path = write(tmp_path_factory.getbasetemp() / "numbers.csv", content)
    expected = np.array(rows)
    if len(set(expected[:, -1].tolist())) == 1:
        with refused("one value only"):
            read(path, task="regression")
        return
    data = read(path, task="regression")
    np.testing.assert_array_equal(data.inputs, expected[:, :-1])
    np.testing.assert_array_equal(data.targets, expected[:, -1])
    assert data.input_names == tuple(f"c{i}" for i in range(len(rows[0]) - 1))


@given(labels=st.lists(st.sampled_from(["a", "b, c", 'd "e"', "f\ng", "日本", " h"]), min_size=2, max_size=20))
def test_text_targets_come_back(labels: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    write(path, csv_table([["x", "class"], *([i, label] for i, label in enumerate(labels))]))
    distinct = sorted({label.strip() for label in labels})
    if len(distinct) < 2 or len(distinct) == len(labels) > 2:
        with refused("the target 'class' has"):
            read(path)
        return
    data = read(path)
    assert data.classes == tuple(distinct)
    assert [data.classes[code] for code in data.targets] == [label.strip() for label in labels]


@given(names=NAMES)
def test_any_names_or_an_error(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    write(path, csv_table([names, [0.5] * len(names), [1.5] * len(names)]))
    try:
        data = read(path, target=names[-1])
    except DataError:
        assert NUMERIC.intersection("".join(names).lower()) or DELIMITING.intersection("".join(names))
    else:
        assert (*data.input_names, data.target_name) == tuple(names)


def test_more_rows_than_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtext, "CHUNK", 30)
    rows = [[i % 997, i / 7, i % 2] for i in range(1000)]
    data = read(as_file(tmp_path, csv_table([["a", "b", "y"], *rows])))
    np.testing.assert_array_equal(data.inputs, np.array(rows)[:, :2])
    rows[777][0] = "x"  # type: ignore[assignment]
    rows[901][0] = "z"  # type: ignore[assignment]
    with refused("column 'a': 2 of 1,000 cells are not numbers", "first at line 779", "'x'"):
        read(as_file(tmp_path, csv_table([["a", "b", "y"], *rows])))


GOOD = "a,b,y\n1,2,3\n4,5,6\n7,8,9.5\n"

BAD = {
    "empty file": (b"", ["the file is empty"]),
    "only line ends": ("\n\n\n", ["only empty lines"]),
    "header only": ("a,b,y\n", ["a header line and no rows"]),
    "row too short": (GOOD + "1,2\n", ["line 5", "got:   2 cells", "want:  3 cells"]),
    "row too long": (GOOD + "1,2,3,yes\n", ["line 5", "4 cells; the first one too many is 'yes'"]),
    "empty line inside": ("a,b,y\n1,2,3\n\n4,5,6\n", ["an empty line inside the table", "line 3"]),
    "unclosed quote": ('a,b,y\n1,2,3\n4,"5,6\n7,8,9\n', ["a quote is opened and not closed", "begins on line 3"]),
    "unclosed quote, long": ('a,b,y\n4,"5,6\n' + "7,8,9\n" * 30_000, ["opened and not closed", "begins on line 2"]),
    "endless cell": ("a,b,y\n" + "x" * 140_000 + ",2,3\n", ["longer than 131,072 characters", "begins on line 2"]),
    "stray quote": ('a,b,y\n1,"2"3,4\n', ["a quote inside a cell is not doubled", "begins on line 2"]),
    "NUL": ("a,b,y\n1,\0,3\n", ["a NUL character", "line 2, byte 9"]),
    "CR only": ("a,b,y\r1,2,3\r4,5,6\r", ["a carriage return inside a line"]),
    "no header": ("5.1,3.5,1.4,Iris\n4.9,3.0,1.4,Iris\n", ["there is no header line", "'5.1', '3.5'"]),
    "no header, integers": ("5,3,1\n4,3,1\n", ["there is no header line"]),
    "duplicate names": ("a,b,a,y\n1,2,3,4\n", ["the same name 'a'", "columns 1 and 3"]),
    "empty name": ("a,,y\n1,2,3\n", ["column 2 has no name"]),
    "one column": ("a b y\n1 2 3\n", ["one column only", "'a b y'"]),
    "text in a number column": (
        "a,b,y\n1,2,3\nn/a,5,6\n7,8,9\nx,1,2\n1,2,4\n",
        ["column 'a': 1 of 5 cells are not numbers", "line 5", "'x'", "--na x", "--type a=category"],
    ),
    "nothing but ids": (
        "name,y\n" + "".join(f"n{i},{i}.5\n" for i in range(150)),
        ["no column to learn from", "'name': id", "--type"],
    ),
    "infinity": ("a,b,y\n1,-Infinity,3\n2,1,4\n", ["NaN or infinite", "'-Infinity'"]),
    "overflow": ("a,b,y\n1,1e400,3\n2,1,4\n", ["NaN or infinite", "'1e400'"]),
    "underscore": ("a,b,y\n1,1_000,3\n2,1,4\n3,1,5\n", ["cells are not numbers", "'1_000'"]),
    "full-width digits": ("a,b,y\n1,\uff11\uff12,3\n2,1,4\n3,1,5\n", ["cells are not numbers", "'\uff11\uff12'"]),
    "Arabic digits": ("a,b,y\n1,\u0661\u0662,3\n2,1,4\n3,1,5\n", ["cells are not numbers"]),
    "thousands": ('a,b,y\n1,"1,234.5",3\n2,1,4\n3,1,5\n', ["cells are not numbers", "'1,234.5'"]),
    "decimal comma": ("a;b;y\n1,5;2;3\n2;1;4\n3;1;5\n", ["'1,5'", "write decimals with a point"]),
    "hexadecimal": ("a,b,y\n1,0x10,3\n2,1,4\n3,1,5\n", ["cells are not numbers", "'0x10'"]),
    "empty target": ("a,y\n1,p\n2,\n3,q\n4,p\n", ["column 'y': 1 of 4 cells are empty", "line 3"]),
    "NaN target": ("a,y\n1,0.5\n2,nan\n3,2\n", ["column 'y': 1 of 3 cells are missing", "line 3", "'nan'"]),
    "missing target": ("a,y\n1,0.5\n2,n/a\n3,2\n", ["column 'y': 1 of 3 cells are missing", "line 3", "--task"]),
    "mixed target": ("a,y\n1,0.5\n2,x\n3,2\n", ["column 'y': 1 of 3 cells are not numbers", "--task"]),
    "one class": ("a,y\n1,p\n2,p\n", ["1 class", "'p' in all 2 rows"]),
    "one value": ("a,y\n1,2\n2,2.0\n", ["one value only"]),
    "identifiers": ("a,y\n1,p\n2,q\n3,r\n", ["an identifier or free text", "3 different labels in 3 rows"]),
    "two delimiters": ("a,b;y\n1,2;3\n", ["the delimiter cannot be told", "a comma and a semicolon"]),
    "UTF-16, cut off": ("a,b,y\n1,2,3\n".encode("utf-16")[:-1], ["not UTF-16", "truncated data", "--encoding"]),
    "cp932": ("年齢,身長,y\n1,2,3\n".encode("cp932"), ["not UTF-8", "line 1, byte 1", "cp932", "--encoding cp932"]),
    "Latin-1": ("a,Genève,y\n1,2,3\n".encode("latin-1"), ["not UTF-8", "line 1, byte 6", "bytes that are no UTF-8"]),
    "late bytes": (GOOD.encode() + b"1,2,\xff\n", ["not UTF-8", "line 5, byte 31"]),
    "binary": (bytes(range(256)), ["NUL"]),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_refused(name: str, zipped: bool, tmp_path: Path) -> None:
    content, fragments = BAD[name]
    content = content if isinstance(content, bytes) else content.encode()
    path = as_file(tmp_path, gz(content) if zipped else content)
    if zipped and not content:
        fragments = ["only empty lines"]
    if name == "binary":
        content, fragments = content[1:], ["not UTF-8"]
        path = as_file(tmp_path, gz(content) if zipped else content)
    with refused(*fragments, str(path)):
        read(path, target=None if name not in {"two delimiters"} else "y")


def test_what_is_no_fault(tmp_path: Path) -> None:
    path = as_file(tmp_path, ' a , "b c",y\r\n 1, 2.5e-3 , "3"\r\n+4,-.5,6\r\n\r\n\n')
    data = read(path)
    assert data.input_names == ("a", "b c")
    assert data.inputs.tolist() == [[1, 0.0025], [4, -0.5]]
    assert (data.classes, data.targets.tolist()) == (("3", "6"), [0, 1])


def test_numbers_as_column_names_after_a_text(tmp_path: Path) -> None:
    data = read(as_file(tmp_path, "label,0,1\na,5,6\nb,7,8\n"))
    assert data.input_names == ("0", "1")


def test_the_target_column(tmp_path: Path) -> None:
    path = as_file(tmp_path, "id,area,price\n1,2,3.5\n2,3,4.5\n3,4,6\n")
    with refused("no column 'prize'; did you mean 'price'?", "3 columns: 'id', 'area', 'price'", "--target"):
        read(path, target="prize")
    with refused("which column is the target? none of them called target, label, class, y"):
        read(path)
    assert read(path, target="area").input_names == ("id", "price")
    both = as_file(tmp_path, "y,Class\n1,2\n2,3\n")
    with refused("which column is the target? 2 of them"):
        read(both)
    assert read(as_file(tmp_path, "Target,x\n1,2\n2,3\n")).target_name == "Target"


def test_the_reason_is_told(tmp_path: Path) -> None:
    text = csv_table([["x", "y"], *([i, "pq"[i % 2]] for i in range(4))])
    assert read(as_file(tmp_path, text)).task_reason == "'y' holds text: one class for each distinct text"
    text = csv_table([["x", "y"], *([i, i % 3] for i in range(90))])
    assert "3 distinct integers in 90 rows: read as 3 classes" in read(as_file(tmp_path, text)).task_reason
    forced = read(as_file(tmp_path, text), task="regression")
    assert (forced.classes, "asked for" in forced.task_reason) == (None, True)
    text = csv_table([["x", "y"], *([i, i % 3] for i in range(60))])
    assert "3 distinct numbers in 60 rows: regression" in read(as_file(tmp_path, text)).task_reason
    assert read(as_file(tmp_path, text), task="classification").classes == ("0", "1", "2")


def test_mixed_labels_are_classes_when_that_is_said(tmp_path: Path) -> None:
    path = as_file(tmp_path, "a,y\n1,9\n2,A\n3,9\n4,A\n")
    assert read(path, task="classification").classes == ("9", "A")


def test_many_texts_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VALUES", 50)
    monkeypatch.setattr(csvtext, "CHUNK", 20)
    rows = [[i, f"name {i}"] for i in range(200)]
    with refused("too many classes"):
        read(as_file(tmp_path, csv_table([["x", "y"], *rows])))
    numbers_only = [[i, i * 1.5] for i in range(200)]
    np.testing.assert_array_equal(
        read(as_file(tmp_path, csv_table([["x", "y"], *numbers_only]))).targets, np.arange(200) * 1.5
    )


@given(cell=st.text(max_size=12) | FINITE.map(repr) | st.integers().map(str) | st.sampled_from(["nan", "1e999", ""]))
def test_the_fast_path_and_the_slow_path_agree(cell: str) -> None:
    """`numbers` accepts exactly the cells in which `fault` finds nothing, and both accept only ASCII decimals."""
    parsed = numbers([cell])
    assert (parsed is None) == (fault(cell) is not None)
    if parsed is not None:
        assert math.isfinite(parsed[0])
        assert set(cell.strip()) <= set("0123456789+-.eE")


def test_a_wide_table(tmp_path: Path) -> None:
    rows = np.arange(3 * 20_001).reshape(3, -1)
    names = [f"c{i}" for i in range(20_000)] + ["y"]
    data = read(as_file(tmp_path, csv_table([names, *rows.tolist()])), task="regression")
    np.testing.assert_array_equal(data.inputs, rows[:, :-1])
