"""CSV as a table source: read again and again, in any dialect that is found out or said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st
from tests.data.formats import gz, refused, table, write

from denpa.data import csvtext
from denpa.data.csvtext import CsvSource
from denpa.data.files import opened
from denpa.data.source import ENCODINGS, Dialect, TableSource
from denpa.errors import DataError

TEXT = "名前,年齢\r\n佐藤,30\r\n鈴木,40\r\n"


@contextmanager
def source(folder: Path, content: str | bytes, dialect: Dialect | None = None) -> Iterator[TableSource]:
    with opened(write(folder / "t.csv", content)) as file:
        yield CsvSource(file, dialect)


def rows(found: TableSource, columns: list[str] | None = None) -> list[tuple[object, ...]]:
    return [row for piece in found.chunks(columns) for row in zip(*piece.columns, strict=True)]


def test_a_source_can_be_read_again_and_by_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtext, "CHUNK", 12)
    content = table([["a", "b", "c"], *([i, f"x{i}", -i] for i in range(50))])
    for packed in (content, gz(content)):
        with source(tmp_path, packed) as found:
            assert (found.names, found.unit) == (("a", "b", "c"), "line")
            expected = [(str(i), f"x{i}", str(-i)) for i in range(50)]
            assert rows(found) == rows(found) == expected
            assert rows(found, ["c", "a"]) == [(c, a) for a, _, c in expected]
            assert [place for piece in found.chunks() for place in piece.places] == list(range(2, 52))
            assert max(len(piece) for piece in found.chunks()) == 4
            assert found.dialect == Dialect(",", "utf-8", True)


def test_places_are_lines_also_after_cells_with_line_ends(tmp_path: Path) -> None:
    with source(tmp_path, 'a,b\n"x\ny",1\n"p\nq\nr",2\nz,3\n') as found:
        assert [place for piece in found.chunks() for place in piece.places] == [2, 4, 7]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = TEXT if encoding not in ("latin-1", "cp1252") else "größe,alter\r\nmüller,30\r\n"
    text = {"euc-kr": "이름,나이\r\n김,30\r\n", "big5": "姓名,年紀\r\n王,30\r\n"}.get(encoding, text)
    content = text.encode(encoding)
    said = None if encoding in ("utf-8", "utf-16") else Dialect(encoding=encoding)
    with source(tmp_path, content, said) as found:
        header, first = text.splitlines()[:2]
        assert found.names == tuple(header.split(","))
        assert rows(found)[0] == tuple(first.split(","))
        assert found.dialect == Dialect(",", encoding, True)


@pytest.mark.parametrize("content", [b"\xff\xfe" + "a,b\n1,2\n".encode("utf-16-le"), b"\xef\xbb\xbfa,b\n1,2\n"])
def test_byte_order_marks(content: bytes, tmp_path: Path) -> None:
    with source(tmp_path, content) as found:
        assert (found.names, rows(found)) == (("a", "b"), [("1", "2")])


def test_a_wrong_encoding_names_its_place(tmp_path: Path) -> None:
    content = "a,b\n1,é\n2,x\n".encode("latin-1")
    for block in (1 << 20, 4):  # the place does not depend on where a block ends
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csvtext, "BLOCK", block)
            with refused("not UTF-8", "line 2, byte 7", "--encoding"), source(tmp_path, content) as found:
                rows(found)
    with refused("not CP932", "--encoding"), source(tmp_path, b"a,b\n1,\x81\n", Dialect(encoding="cp932")) as found:
        rows(found)


def test_headers(tmp_path: Path) -> None:
    with source(tmp_path, "5.1,3,x\n4,2,y\n", Dialect(header=False)) as found:
        assert (found.names, rows(found)) == (("c1", "c2", "c3"), [("5.1", "3", "x"), ("4", "2", "y")])
        assert [list(piece.places) for piece in found.chunks()] == [[1, 2]]
    with source(tmp_path, "2019,2020\n1,2\n", Dialect(header=True)) as found:
        assert found.names == ("2019", "2020")
    with (
        refused("there is no header line", "--no-header calls the columns c1 to c2", "--header"),
        source(tmp_path, "2019,2020\n1,2\n"),
    ):
        pass
    for sure in (None, True):
        with refused("two columns have the same name 'a'"), source(tmp_path, "a,b,a\n1,2,3\n", Dialect(header=sure)):
            pass


@pytest.mark.parametrize("delimiter", [" ", "~", ":", "\t"])
def test_any_delimiter_can_be_said(delimiter: str, tmp_path: Path) -> None:
    with source(tmp_path, f"a{delimiter}b\n1{delimiter}2\n", Dialect(delimiter)) as found:
        assert (found.names, rows(found)) == (("a", "b"), [("1", "2")])


def test_an_ambiguous_delimiter_is_asked_for(tmp_path: Path) -> None:
    content = "a,b;c\n1,2;3\n"
    with refused("the delimiter cannot be told", "--sep"), source(tmp_path, content):
        pass
    with source(tmp_path, content, Dialect(";")) as found:
        assert found.names == ("a,b", "c")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=6)


@given(cells=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), block=st.integers(1, 40))
def test_what_the_csv_module_writes_comes_back(
    cells: list[list[str]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvtext, "BLOCK", block)
        patch.setattr(csvtext, "CHUNK", 6)
        patch.setattr(csvtext, "LONGEST_LINE", 1 << 20)
        with source(folder, table([["a", "b", "c"], *cells]), Dialect(",", "utf-8", True)) as found:
            assert [tuple(str(cell).strip() for cell in row) for row in rows(found)] == [
                tuple(map(str.strip, row)) for row in cells
            ]


LINES = st.sampled_from(
    ["1,2.5", "-3,.5", "a,b", '"x, y",3', '"p\nq\n\nr",4', " 5,6", "7, 8", "é,9", "1,2\r", "0,-0", "10,1e5", ","]
)


@given(
    st.lists(LINES, max_size=25),
    st.integers(1, 40),
    st.sampled_from(["", "\n", "\n\n\n", "\n\n1,2\n", '\n"1,2\n', "\n1\n"]),
)
def test_blocks_change_nothing(lines: list[str], block: int, end: str) -> None:
    """Cells, places and messages are those of a table that one reader reads from its beginning to its end."""

    def told(size: int) -> list[object]:
        found: list[object] = []
        with pytest.MonkeyPatch.context() as patch, opened(path) as file:
            patch.setattr(csvtext, "BLOCK", size)
            patch.setattr(csvtext, "SAMPLE", 1)
            try:
                for piece in CsvSource(file, Dialect(",")).chunks(["b", "a"]):
                    found += zip(piece.places, *piece.columns, strict=True)
            except DataError as error:
                found.append(str(error))
        return found

    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "t.csv", "\n".join(["a,b", *lines]) + end)
        whole, cut = told(1 << 20), told(block)
    errors = [one for one in (whole, cut) if one and isinstance(one[-1], str)]
    assert len(errors) in (0, 2)
    assert cut[-1:] == whole[-1:]
    if not errors:  # before an error a reader may have given more or fewer of the rows
        assert cut == whole
