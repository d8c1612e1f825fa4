"""Frames and arrays in memory: the encoding of the same table in a file, whatever library holds it."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import npz, refused, write

from denpa.data import InputEncoding, Options, TargetEncoding, from_arrays, from_frame, read
from denpa.data.frames import FrameSource, frame_inputs, frame_like, is_frame
from denpa.errors import DataError, UsageError

pytest.importorskip("narwhals")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

N = 300
RNG = random.Random(0)
ROWS: dict[str, list[Any]] = {
    "age": [None if i % 17 == 3 else RNG.randint(18, 70) for i in range(N)],
    "income": [RNG.choice([12.5, 20.25, 31.125, 99.5]) for _ in range(N)],
    "job": [None if i % 29 == 5 else RNG.choice(["cook", "nurse", "pilot"]) for i in range(N)],
    "code": [RNG.choice(["01234", "98765"]) for _ in range(N)],
    "since": [datetime.date(2020, 1, 1) + datetime.timedelta(RNG.randint(0, 99)) for _ in range(N)],
    "at": [datetime.datetime(2021, 5, 6, 7, 8, 9) + datetime.timedelta(hours=RNG.randint(0, 99)) for _ in range(N)],
    "y": [RNG.choice(["no", "yes"]) for _ in range(N)],
}


def pandas_frame(rows: dict[str, list[Any]]) -> Any:
    frame = pd.DataFrame(rows)
    for name in ("since", "at"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name])
    return frame


FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pandas_frame,
    "pandas objects": lambda rows: pd.DataFrame(rows, dtype=object),
    "pandas, nullable": lambda rows: pandas_frame(rows).convert_dtypes(),
    "pandas, pyarrow": lambda rows: pa.table(rows).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, another index": lambda rows: pandas_frame(rows).set_index(pd.Index(range(N, 0, -1))),
    "polars": pl.DataFrame,
    "polars, categorical": lambda rows: pl.DataFrame(rows).with_columns(pl.col("job", "code").cast(pl.Categorical)),
    "pyarrow": pa.table,
}


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param](ROWS)


def test_a_frame_and_its_csv_give_equal_encodings(frame: Any, tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_csv(tmp_path / "t.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    text, data = read(tmp_path / "t.csv"), from_frame(frame, "y")
    assert data.columns == text.columns
    assert data.cells == text.cells
    assert data.classes == text.classes
    np.testing.assert_array_equal(data.inputs, text.inputs)
    np.testing.assert_array_equal(data.targets, text.targets)
    assert InputEncoding.fit(data).to_json() == InputEncoding.fit(text).to_json()
    assert TargetEncoding.fit(data).to_json() == TargetEncoding.fit(text).to_json()


def test_predicting_and_evaluating_find_columns_by_name(frame: Any) -> None:
    data = from_frame(pl.DataFrame(ROWS), "y")
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    np.testing.assert_array_equal(frame_inputs(frame, inputs).inputs, data.inputs)
    turned = pl.DataFrame(ROWS).select(reversed(ROWS)).with_columns(more=1)
    again = frame_like(turned, inputs, targets)
    np.testing.assert_array_equal(again.inputs, data.inputs)
    np.testing.assert_array_equal(again.targets, data.targets)
    assert again.ignored == ("more",)
    with refused("missing columns: 'job'"):
        frame_inputs(turned.drop("job"), inputs)


def test_the_target_may_stand_apart(frame: Any) -> None:
    data = from_frame(frame, "y")
    rest = pl.DataFrame(ROWS).drop("y")
    for answers in (ROWS["y"], np.array(ROWS["y"]), pl.Series("y", ROWS["y"]), pd.Series(ROWS["y"], name="y")):
        apart = from_arrays(rest, answers)
        np.testing.assert_array_equal(apart.targets, data.targets)
        np.testing.assert_array_equal(apart.inputs, data.inputs)
    assert from_arrays(rest, pl.Series("bought", ROWS["y"])).target_name == "bought"
    assert from_arrays(rest, ROWS["y"], target="bought").target_name == "bought"
    with refused("inputs and targets differ in number", "300 rows"):
        from_arrays(rest, ROWS["y"][:-1])
    with pytest.raises(UsageError, match="given twice"):
        from_frame(pl.DataFrame(ROWS), "y", y=ROWS["y"])


def test_the_hash_is_of_the_values() -> None:
    first = FrameSource(pl.DataFrame(ROWS)).sha256
    assert FrameSource(pl.DataFrame(ROWS)).sha256 == first
    for name, values in ROWS.items():
        other = next(value for value in values if value != values[-1])
        changed = {**ROWS, name: [*values[:-1], other]}
        assert FrameSource(pl.DataFrame(changed)).sha256 != first, name
    assert FrameSource(pl.DataFrame({**ROWS, "age": [*ROWS["age"][:-1], None]})).sha256 != first


def test_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = from_frame(pl.DataFrame(ROWS), "y")
    monkeypatch.setattr("denpa.data.frames.CELLS", 70)
    parts = from_frame(pl.DataFrame(ROWS), "y")
    np.testing.assert_array_equal(whole.inputs, parts.inputs)
    assert [len(piece) for piece in FrameSource(pl.DataFrame(ROWS)).chunks()] == [10] * 30


@pytest.mark.parametrize(
    ("values", "want"),
    [
        (pd.array([1, None, 3] * 4, "Int8"), [1, np.nan, 3]),
        (pd.array([True, None, False] * 4, "boolean"), [1, np.nan, 0]),
        ([1.5, np.nan, 2.5] * 4, [1.5, np.nan, 2.5]),
        (np.array([2**63 + 2048, 1, 2] * 4, "u8"), [2.0**63 + 2048, 1, 2]),
        (np.array([0.5, 1, 2] * 4, "f2"), [0.5, 1, 2]),
        ([Decimal("7.27"), None, Decimal(2)] * 4, [7.27, np.nan, 2]),
        ([1, "?", 3.5] * 4, [1, np.nan, 3.5]),
        (pd.to_datetime(["1970-01-02", None, "1970-01-03T12"] * 4, format="ISO8601"), [1, np.nan, 2.5]),
        (pd.to_datetime(["1970-01-02T09", None, "1970-01-03T21"] * 4).tz_localize("Asia/Tokyo"), [1, np.nan, 2.5]),
    ],
    ids=str,
)
def test_columns_of_pandas(values: Any, want: list[float]) -> None:
    data = from_frame(pd.DataFrame({"a": values, "y": ["p", "q"] * 6}))
    np.testing.assert_array_equal(data.inputs[:3, 0], want)


def test_decimals_are_read_exactly() -> None:
    frame = pl.DataFrame({"a": [Decimal("7.27"), None, Decimal("1.00")] * 4, "y": ["p", "q"] * 6})
    np.testing.assert_array_equal(from_frame(frame).inputs[:3, 0], [7.27, np.nan, 1])


def test_columns_of_categories_stay_categories() -> None:
    numbers = pd.DataFrame({"zip": pd.Categorical([10, 20, 30] * 4), "y": ["p", "q"] * 6})
    data = from_frame(numbers)
    assert data.cells is not None
    assert data.cells[0].values == ("10", "20", "30")
    plain = frame_inputs(pd.DataFrame({"zip": [30, 10, 40]}), InputEncoding.fit(data))
    np.testing.assert_array_equal(plain.inputs[:, 0], [2, 0, 3])
    said = from_frame(numbers, options=Options(kinds={"zip": "number"}))
    np.testing.assert_array_equal(said.inputs[:3, 0], [10, 20, 30])


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1], [2]] * 6),
        pl.Series([{"a": 1}] * 12),
        pl.Series([b"x"] * 12),
        pl.Series([datetime.timedelta(1)] * 12),
        pl.Series([datetime.time(1)] * 12),
        pd.Series([{1}] * 12),
        pd.Series([1j] * 12),
    ],
    ids=lambda series: str(series.dtype),
)
def test_what_is_no_cell_is_refused_by_name_unless_it_is_left_out(column: Any) -> None:
    rest = {"a": [1, 2, 2] * 4, "odd": column, "y": ["p", "q"] * 6}
    frame = pd.DataFrame(rest) if isinstance(column, pd.Series) else pl.DataFrame(rest)
    with refused("column 'odd' holds what is no cell"):
        from_frame(frame)
    assert from_frame(frame, options=Options(kinds={"odd": "drop"})).columns == ("a",)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(UsageError, match=r"frame\.collect\(\)"):
        from_frame(pl.LazyFrame({"a": [1], "y": [2]}))
    with pytest.raises(UsageError, match="cannot be read as a table"):
        from_frame([[1, 2]])
    with pytest.raises(UsageError, match="cannot be read as a table"):
        from_frame(pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"]))
    with refused("two columns have the same name"):
        from_frame(pd.DataFrame([[1, 2, 3]], columns=["1", 1, "y"]))
    with refused("no rows"):
        from_frame(pl.DataFrame({"a": [], "y": []}))
    with refused("too far away"):
        from_frame(pd.DataFrame({"a": np.array([2**60, 1], "M8[s]"), "y": ["p", "q"]}))
    with refused("NaN or infinite", "first at row 2"):
        from_frame(pl.DataFrame({"a": [1.0, float("inf")], "y": ["p", "q"]}))


def test_columns_with_numbers_for_names() -> None:
    frame = pd.DataFrame(np.arange(30.0).reshape(10, 3) ** 0.5)
    data = from_frame(frame.assign(y=["p", "q"] * 5))
    assert data.columns == ("0", "1", "2")
    assert frame_inputs(frame, InputEncoding.fit(data)).inputs.shape == (10, 3)


def test_arrays_are_what_an_npz_file_of_them_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (rng.normal(size=(60, 3)), rng.normal(size=60)),
        (rng.normal(size=(60, 3)).astype("f4"), rng.choice(["a", "b"], 60)),
        (rng.integers(0, 256, (60, 4, 4)).astype("u1"), rng.integers(0, 3, 60)),
        (rng.normal(size=(60, 3)), rng.normal(size=(60, 2))),
    ]
    for x, y in pairs:
        data, file = from_arrays(x, y), read(write(tmp_path / "d.npz", npz(x=x, y=y)))
        np.testing.assert_array_equal(data.inputs, file.inputs)
        np.testing.assert_array_equal(data.targets, file.targets)
        assert (data.classes, data.task_reason, data.maximum) == (file.classes, file.task_reason, file.maximum)
        assert data.inputs.dtype == file.inputs.dtype


def test_arrays_are_copied_and_stay_writable() -> None:
    x, y = np.ones((4, 2)), np.array([0.0, 1.0, 2.5, 3.0])
    x[0] = 2
    data = from_arrays(x, y)
    x[:], y[:] = 7, 7
    assert data.inputs[0, 0] == 2
    assert data.targets[3] == 3


@pytest.mark.parametrize(
    ("x", "y", "error"),
    [
        (np.ones((3, 2)), [1.0, 2.0], DataError),
        (np.ones((2, 2)), [1.0, np.nan], DataError),
        ([[1.0, np.inf]] * 2, [1.0, 2.0], DataError),
        (np.array([["a"], ["b"]]), [1.0, 2.0], DataError),
        (np.ones((2, 2)), [None, 1], UsageError),
        (np.ones((2, 2)), ["a", 1], None),
        (np.ones((0, 2)), [], DataError),
    ],
)
def test_arrays_that_cannot_be_trained_on(x: Any, y: Any, error: type[Exception] | None) -> None:
    if error is None:
        assert from_arrays(x, y).classes == ("1", "a")  # as NumPy reads the list: two texts
        return
    with pytest.raises(error):
        from_arrays(x, y)


def test_frames_are_told_from_other_values() -> None:
    assert all(is_frame(make(ROWS)) for make in FRAMES.values())
    assert not any(is_frame(value) for value in (np.ones(3), [1], "a", pd.Series([1]), pl.Series([1])))
