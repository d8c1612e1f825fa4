"""Parquet and Arrow files: the same schema and the same rows as from text, in pieces; what is no table is refused."""

from __future__ import annotations

import datetime
import gzip
import io
import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import refused, write

from denpa.data import InputEncoding, Options, read, read_inputs, read_like, read_schema
from denpa.data.arrow import ArrowSource, ParquetSource, cells_of
from denpa.data.encoding import TargetEncoding
from denpa.data.files import opened
from denpa.data.source import Typed
from denpa.errors import DataError, UsageError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")

N = 300
RNG = random.Random(0)
ROWS: dict[str, list[Any]] = {
    "age": [None if i % 17 == 3 else RNG.randint(18, 70) for i in range(N)],
    "income": [RNG.choice([12.5, 20.25, 31.125, 99.5]) for _ in range(N)],
    "job": [None if i % 29 == 5 else RNG.choice(["cook", "nurse", "pilot"]) for i in range(N)],
    "code": [RNG.choice(["01234", "98765"]) for _ in range(N)],
    "since": [datetime.date(2020, 1, 1) + datetime.timedelta(RNG.randint(0, 99)) for _ in range(N)],
    "at": [datetime.datetime(2021, 5, 6, 7, 8, 9) + datetime.timedelta(hours=RNG.randint(0, 99)) for _ in range(N)],
    "price": [Decimal(RNG.randint(100, 999)) / 100 for _ in range(N)],
    "y": [RNG.choice(["no", "yes"]) for _ in range(N)],
}


def a_table() -> Any:
    return pa.table(ROWS)


def as_csv(rows: dict[str, list[Any]]) -> str:
    lines = [",".join(rows)]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in zip(*rows.values(), strict=True)]
    return "\n".join(lines) + "\n"


def parquet(table: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **how)
    return stream.getvalue()


def arrow_file(table: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    feather.write_feather(table, stream, **how)
    return stream.getvalue()


def arrow_stream(table: Any, size: int = 70) -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return stream.getvalue()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "parquet": parquet,
    "parquet in row groups": lambda table: parquet(table, row_group_size=41, data_page_size=64),
    "parquet, zstd": lambda table: parquet(table, compression="zstd"),
    "feather": arrow_file,
    "feather, plain": lambda table: arrow_file(table, compression="uncompressed", chunksize=33),
    "stream": arrow_stream,
    "stream, gzip": lambda table: gzip.compress(arrow_stream(table)),
}


@pytest.fixture(params=FORMATS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "data", FORMATS[request.param](a_table()))


def test_the_rows_are_those_of_the_same_table_in_text(file: Path, tmp_path: Path) -> None:
    text = read(write(tmp_path / "data.csv", as_csv(ROWS)))
    data = read(file)
    assert data.columns == text.columns
    assert data.cells == text.cells
    assert data.classes == text.classes
    np.testing.assert_array_equal(data.inputs, text.inputs)
    np.testing.assert_array_equal(data.targets, text.targets)
    assert InputEncoding.fit(data).to_json() == InputEncoding.fit(text).to_json()


def test_the_schema_is_that_of_the_same_table_in_text(file: Path, tmp_path: Path) -> None:
    told = read_schema(file, Options(target="y"))
    text = read_schema(write(tmp_path / "data.csv", as_csv(ROWS)), Options(target="y"))
    for ours, theirs in zip(told.columns, text.columns, strict=True):
        assert (ours.name, ours.kind, ours.missing, ours.values) == (
            theirs.name,
            theirs.kind,
            theirs.missing,
            theirs.values,
        )
        assert (ours.mean, ours.std) == pytest.approx((theirs.mean, theirs.std))
    assert told.dialect is None


def test_evaluating_and_predicting_find_columns_by_name(file: Path, tmp_path: Path) -> None:
    data = read(file)
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    turned = a_table().select(list(reversed(ROWS))).append_column("more", pa.array([[1]] * N))
    again = read_like(write(tmp_path / "turned", parquet(turned)), inputs, targets)
    np.testing.assert_array_equal(again.inputs, data.inputs)
    np.testing.assert_array_equal(again.targets, data.targets)
    rows = read_inputs(write(tmp_path / "rows", arrow_stream(turned.drop_columns(["y"]))), inputs)
    np.testing.assert_array_equal(rows.inputs, data.inputs)
    assert rows.ignored == ("more",)
    with refused("missing columns: 'job'"):
        read_inputs(write(tmp_path / "less", parquet(turned.drop_columns(["job"]))), inputs)


def test_streamed_rows_are_the_same(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_CACHE", str(tmp_path / "cache"))
    streamed = read(file, stream="yes")
    np.testing.assert_array_equal(streamed.inputs[:], read(file).inputs)


TYPES = [
    (pa.array([1, None, -3], pa.int8()), [1, None, -3], "i"),
    (pa.array([2**63 + 2048, None, 0], pa.uint64()), [2.0**63 + 2048, None, 0], "f"),
    (pa.array([1.5, None, float("nan")], pa.float32()), [1.5, None, float("nan")], "f"),
    (pa.array([np.float16(0.5), None], pa.float16()), [0.5, None], "f"),
    (pa.array([True, None, False]), [True, None, False], "b"),
    (pa.array([Decimal("1.25"), None]), [1.25, None], "f"),
    (pa.array([3, None, 3, 4]).dictionary_encode(), [3, None, 3, 4], "i"),
    (pa.array([3, 3, None]).cast(pa.int32()), [3, 3, None], "i"),
]


@pytest.mark.parametrize(("array", "want", "kind"), TYPES, ids=[str(array.type) for array, _, _ in TYPES])
def test_numbers(array: Any, want: list[Any], kind: str) -> None:
    cells = cells_of(array, "a", "t")
    assert isinstance(cells, Typed)
    assert cells.values.dtype.kind == kind
    missing = [value is None for value in want]
    assert (cells.missing.tolist() if cells.missing is not None else [False] * len(want)) == missing
    got = [None if gone else value for value, gone in zip(cells.values.tolist(), missing, strict=True)]
    np.testing.assert_equal(got, want)


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", None, ""]),
        pa.array(["a", None, ""], pa.large_string()),
        pa.array(["a", None, ""], pa.string_view()),
        pa.array(["a", None, ""]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0, 0], pa.int8()), pa.array([None, "a"])),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_texts(array: Any) -> None:
    assert cells_of(array, "a", "t") == ["a", "", ""]


def test_times_are_in_microseconds_and_utc() -> None:
    noon = datetime.datetime(2024, 5, 6, 12)
    tokyo = pa.array([noon, None], pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns", "Asia/Tokyo"))
    for array in (tokyo, pa.array([noon, None], pa.timestamp("s")), pa.array([noon, None], pa.date64())):
        cells = cells_of(array, "a", "t")
        assert isinstance(cells, Typed)
        assert cells.values.dtype == np.dtype("datetime64[us]")
        assert cells.missing is not None
        day = noon if not pa.types.is_date(array.type) else datetime.datetime(2024, 5, 6)
        assert cells.values[0] == np.datetime64(day)
        assert cells.missing.tolist() == [False, True]


def test_a_time_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([0, 2**62], pa.timestamp("s")), "y": ["a", "b"]})
    with refused("damaged", "column 't'"):
        read(write(tmp_path / "t", arrow_stream(table)))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1], [2]] * 10),
        pa.array([{"a": 1}] * 20),
        pa.array([b"ab"] * 20),
        pa.array([datetime.timedelta(1)] * 20),
        pa.array([datetime.time(1)] * 20),
        pa.array([[("a", 1)]] * 20, pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_what_is_no_cell_is_refused_by_name_unless_it_is_left_out(array: Any, tmp_path: Path) -> None:
    table = pa.table({"a": list(range(10)) * 2, "odd": array, "y": ["p", "q"] * 10})
    path = write(tmp_path / "t", arrow_stream(table))
    with refused("column 'odd' holds what is no cell", "--drop odd"):
        read(path)
    data = read(path, options=Options(kinds={"odd": "drop"}))
    assert data.columns == ("a",)


def test_pieces_are_small_however_large_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("denpa.data.arrow.CELLS", 64)
    for name, content in (("p", parquet(a_table())), ("f", arrow_file(a_table())), ("s", arrow_stream(a_table(), N))):
        with opened(write(tmp_path / name, content)) as file:
            source = ParquetSource(file) if name == "p" else ArrowSource(file)
            pieces = list(source.chunks(["job", "age"]))
            assert {len(piece) for piece in pieces} <= {32, N % 32}
            assert [place for piece in pieces for place in piece.places] == list(range(1, N + 1))
            again = [cell for piece in source.chunks(["job"]) for cell in piece.columns[0]]  # type: ignore[union-attr]
            assert again == [job or "" for job in ROWS["job"]]


def test_places_are_rows(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0] * 40 + [float("inf")], "y": [0, 1] * 20 + [0]})
    with refused("NaN or infinite", "first at row 41"):
        read(write(tmp_path / "t", parquet(table)))


@pytest.mark.parametrize(
    ("names", "fragment"),
    [(["a", "a", "y"], "two columns have the same name 'a'"), (["a", "", "y"], "a column has no name")],
)
def test_names(names: list[str], fragment: str, tmp_path: Path) -> None:
    table = pa.table([[1, 2], [3, 4], ["p", "q"]], names=names)
    with refused(fragment):
        read(write(tmp_path / "t", arrow_stream(table)))


def test_a_table_without_rows(tmp_path: Path) -> None:
    for content in (parquet(a_table().slice(0, 0)), arrow_stream(a_table().slice(0, 0))):
        with refused("no rows"):
            read(write(tmp_path / "t", content))


def test_packed_files_are_refused_and_options_of_text_too(tmp_path: Path) -> None:
    for content in (parquet(a_table()), arrow_file(a_table())):
        with refused("inside gzip", "decompress it first"):
            read(write(tmp_path / "t.gz", gzip.compress(content)))
    from denpa.data import Dialect

    with pytest.raises(UsageError, match="only a file of text has a delimiter"):
        read(write(tmp_path / "t", parquet(a_table())), options=Options(dialect=Dialect(";")))
    with refused("Feather file of version 1"):
        read(write(tmp_path / "t", b"FEA1" + bytes(40)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    content = FORMATS[name](a_table())
    for end in (9, 64, len(content) // 3, len(content) // 2, len(content) - 9, len(content) - 1):
        with pytest.raises(DataError):
            read(write(tmp_path / "t", content[:end]))


def test_a_stream_cut_between_two_batches_is_refused(tmp_path: Path) -> None:
    with refused("no mark of its end"):
        read(write(tmp_path / "t", arrow_stream(a_table())[:-8]))


@pytest.mark.parametrize("name", [name for name in FORMATS if "gzip" not in name])
def test_damaged_files_give_one_error_or_other_values(name: str, tmp_path: Path) -> None:
    content, rng = FORMATS[name](a_table()), random.Random(name)
    for i in range(60):
        broken = bytearray(content)
        for _ in range(rng.choice((1, 1, 1, 8))):
            broken[rng.randrange(len(broken))] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
        path = write(tmp_path / f"t{i}", bytes(broken))
        try:
            read(path, "y")
        except (DataError, UsageError):
            continue


def test_text_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    words = pa.array([b"caf\xe9", b"tea"]).cast(pa.string(), safe=False)
    with refused("damaged"):
        read(write(tmp_path / "t", arrow_stream(pa.table({"a": words, "y": ["p", "q"]}))))


def test_columns_are_dropped_down_to_none_of_arrow(tmp_path: Path) -> None:
    """All columns but none are asked for: the rows are still counted."""
    for content in (parquet(a_table()), arrow_stream(a_table())):
        with opened(write(tmp_path / "t", content)) as file:
            source = (ParquetSource if content.startswith(b"PAR1") else ArrowSource)(file, frozenset(("job",)))
            sizes = [len(piece) for piece in source.chunks(["job"])]
            assert sum(sizes) == N
            assert not list(itertools.filterfalse(bool, sizes))
