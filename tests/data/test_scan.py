"""One column's figures, in pieces, against NumPy on the whole."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from denpa.data.scan import ColumnScan, Distinct, Moments
from denpa.data.source import Typed

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def scanned(pieces: list[list[str]], words: tuple[str, ...] = (), limit: int = 50) -> ColumnScan:
    scan = ColumnScan(frozenset(words), limit, Distinct(1000))
    line = 2
    for piece in pieces:
        scan.add(piece, range(line, line + len(piece)))
        line += len(piece)
    return scan


@given(values=NUMBERS, cut=st.integers(1, 7))
def test_moments_do_not_depend_on_the_pieces(values: list[float], cut: int) -> None:
    found = Moments()
    for start in range(0, len(values), cut):
        found.add(np.array(values[start : start + cut]))
    assert (found.count, found.low, found.high) == (len(values), min(values), max(values))
    assert math.isclose(found.mean, np.mean(values), rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(found.std, np.std(values), rel_tol=1e-6, abs_tol=1e-5)
    assert found.whole == all(v == math.floor(v) for v in values)
    assert found.rising == all(a < b for a, b in pairwise(values))


def test_moments_keep_small_deviations_of_large_numbers() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=10_000)
    found = Moments()
    for piece in np.split(values, 10):
        found.add(piece)
    assert math.isclose(found.std, np.std(values), rel_tol=1e-9)


@given(keys=st.lists(st.integers(0, 60), max_size=60), cut=st.integers(1, 9))
def test_distinct_is_exact(keys: list[int], cut: int) -> None:
    found = Distinct(1000)
    for start in range(0, len(keys), cut):
        found.add(np.array(keys[start : start + cut], np.int64))
    assert found.finish() is (len(set(keys)) == len(keys))


def test_distinct_forgets_beyond_its_limit() -> None:
    found = Distinct(100)
    for start in range(0, 1000, 50):
        found.add(np.arange(start, start + 50))
    assert found.finish() is None
    assert not found._known


def test_every_sort_of_cell_is_counted_with_its_first_place() -> None:
    scan = scanned([["1", " 2 ", "", "?"], ["x", "inf", "-9", "  ", "01"], ["y", "1e400", "NA"]], words=("-9",))
    assert (scan.rows, scan.empty.count, scan.empty.place) == (12, 2, 4)
    assert (scan.text.count, scan.text.place, scan.text.cell) == (2, 6, "x")
    assert (scan.infinite.count, scan.infinite.place) == (2, 7)
    assert dict(scan.marked) == {"-9": 1}
    assert dict(scan.conventional) == {"?": 1, "NA": 1}
    assert (scan.zeros.count, scan.zeros.place, scan.zeros.cell) == (1, 10, "01")
    assert (scan.number.count, scan.number.low, scan.number.high) == (3, 1, 2)
    assert scan.present == 9


@pytest.mark.parametrize(
    ("cells", "zeros"), [(["0", "0.5", "00.5", "10"], 0), (["1", "007"], 1), (["-01", "+02", "3"], 2), (["0", "0"], 0)]
)
def test_leading_zeros(cells: list[str], zeros: int) -> None:
    assert scanned([cells]).zeros.count == zeros


def test_the_vocabulary_is_dropped_when_it_grows_too_long() -> None:
    scan = scanned([[f"v{i}" for i in range(start, start + 20)] for start in range(0, 100, 20)], limit=50)
    assert scan.vocabulary is None
    assert scan.text.count == 100


def test_typed_columns_are_counted_as_text_is() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, 7.0])
    scan = ColumnScan(frozenset(), 50, Distinct(100))
    scan.add(Typed(values, np.array([False, False, False, False, True])), range(1, 6))
    assert (scan.number.count, scan.empty.count, scan.infinite.count) == (2, 1, 1)
    assert dict(scan.conventional) == {"NaN": 1}
    assert (scan.infinite.place, scan.word.place, scan.empty.place) == (4, 2, 5)
    dates = ColumnScan(frozenset(), 50, Distinct(100))
    dates.add(Typed(np.array(["1970-01-03", "NaT"], "datetime64[D]")), range(1, 3))
    assert (dates.declared, dates.date.count, dates.date.low, dates.empty.count) == ("date", 1, 2.0, 1)


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(pieces: int) -> int:
        scan = ColumnScan(frozenset(), 100, Distinct(1 << 12))
        tracemalloc.start()
        for i in range(pieces):
            scan.add([f"{i}-{j}" for j in range(500)], range(500))
            scan.add([str(i * 500 + j) for j in range(500)], range(500))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # what is made once
    assert peak(80) < 1.5 * peak(20)
