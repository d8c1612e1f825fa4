"""Cells as numbers: text and typed pieces give the same codes, and what was not expected is counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.data.formats import refused

from denpa.data.coding import (
    ClassCoder,
    InputCoder,
    InputColumn,
    NumberCoder,
    group_codes,
    readable,
    text_cells,
)
from denpa.data.source import Cells, Typed


def coded(column: InputColumn, *pieces: Cells, na: tuple[str, ...] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    coder, place, found = InputCoder([column], na, "t", "row"), 1, []
    for cells in pieces:
        found.append(coder.code([cells], range(place, place + len(cells)))[0])
        place += len(cells)
    return np.concatenate(found), coder.finish()


NUMBER, DATE = InputColumn("x", missing=True), InputColumn("x", "date", missing=True)
CATEGORY = InputColumn("x", "category", ("1", "2.5", "true"), missing=True)


def test_text_and_typed_numbers() -> None:
    text, _ = coded(NUMBER, ["1", "", "NA", " 2.5 ", "-9"], ["3"], na=("-9",))
    np.testing.assert_array_equal(text, [1, np.nan, np.nan, 2.5, np.nan, 3])
    masked = Typed(np.array([1.0, 7.0, np.nan, 2.5]), np.array([False, True, False, False]))
    np.testing.assert_array_equal(coded(NUMBER, masked)[0], [1, np.nan, np.nan, 2.5])
    np.testing.assert_array_equal(coded(NUMBER, Typed(np.array([True, False])))[0], [1, 0])
    np.testing.assert_array_equal(coded(NUMBER, Typed(np.array([2**40, 3])))[0], [2**40, 3])


def test_text_and_typed_dates() -> None:
    days = Typed(np.array(["1970-01-02", "NaT", "1970-01-03T12:00"], "datetime64[s]"), np.array([False, False, False]))
    np.testing.assert_array_equal(coded(DATE, days)[0], [1, np.nan, 2.5])
    np.testing.assert_array_equal(coded(DATE, ["1970-01-02", "", "1970-01-03 12:00"])[0], [1, np.nan, 2.5])


def test_text_and_typed_categories() -> None:
    text, said = coded(CATEGORY, [" 1", "x", ""], ["x", "y"])
    np.testing.assert_array_equal(text, [0, 3, np.nan, 3, 3])
    unknown = "3 of 5 rows hold values that are none of the 3 known ones (first at row 2), taken as <other>: 'x', 'y'"
    assert said == (f"column 'x': {unknown}",)
    np.testing.assert_array_equal(coded(CATEGORY, Typed(np.array([1.0, 2.5, np.nan])))[0], [0, 1, np.nan])
    assert list(text_cells(Typed(np.array([True, False]), np.array([False, True])))) == ["1", ""]


@pytest.mark.parametrize(
    ("column", "cells", "parts"),
    [
        (NUMBER, ["1", "x", "1_0"], ["2 of 3 cells are not numbers", "row 2", "'x'"]),
        (NUMBER, ["1", "1e999"], ["1 of 2 cells are NaN or infinite", "row 2"]),
        (NUMBER, Typed(np.array([1.0, np.inf])), ["1 of 2 cells are NaN or infinite", "row 2"]),
        (NUMBER, Typed(np.array(["1970-01-02"], "datetime64[D]")), ["1 of 1 cells are not numbers"]),
        (DATE, ["2024-01-01", "12"], ["1 of 2 cells are no dates", "row 2", "'12'", "2024-03-31"]),
        (DATE, Typed(np.array([12.0])), ["1 of 1 cells are no dates"]),
    ],
)
def test_cells_of_another_sort(column: InputColumn, cells: Cells, parts: list[str]) -> None:
    with refused("column 'x'", *parts):
        coded(column, cells)


def test_classes() -> None:
    coder = ClassCoder("y", ("2", "10"), (), "t", "line")
    assert coder.code(["2.0", "10", "02"], [2, 3, 4]).tolist() == [0, 1, 0]
    coder.finish()
    assert ClassCoder("y", ("02", "x"), (), "t", "line").code(["02", "2"], [2, 3]).tolist() == [0, -1]
    coder.code(["5", "2"], [5, 6])
    with refused("labels that the training data did not have: '5'", "line 5", "1 rows", "'2', '10'"):
        coder.finish()
    coder = ClassCoder("y", ("2", "10"), ("none",), "t", "line")
    coder.code(["2", "none", "NA", ""], range(2, 6))
    with refused("column 'y': 3 of 4 cells are empty", "line 3"):
        coder.finish()
    assert ClassCoder("y", ("EU", "NA"), (), "t", "line").code(["NA"], [2]).tolist() == [1]


def test_numbers_in_every_row() -> None:
    coder = NumberCoder(["a", "b"], (), "t", "line")
    np.testing.assert_array_equal(coder.code([["1", "2"], ["3", "4"]], [2, 3]), [[1, 3], [2, 4]])
    coder.finish()
    coder.code([["1", "2"], ["3", "?"]], [4, 5])
    with refused("column 'b': 1 of 4 cells are empty", "line 5"):
        coder.finish()


def test_groups_depend_on_their_text_alone() -> None:
    first, second = group_codes(["a", " b", "a"], {}), group_codes(["b", "a"], {})
    assert first.tolist() == [second[1], second[0], second[1]]
    assert (first >= 0).all()


def test_readable() -> None:
    assert readable(CATEGORY, 1.0) == "2.5"
    assert readable(CATEGORY, 3.0) == "<other>"
    assert readable(DATE, 19813.25) == "2024-03-31"
    assert readable(NUMBER, 0.5) == 0.5
    assert readable(NUMBER, math.nan) == ""
