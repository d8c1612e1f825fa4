"""Cells by arithmetic: what `csv.reader` and `float` give, bit by bit, for every text; all else is left to them."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from denpa.data.cells import LEADING_ZERO, Plain, numbers
from denpa.data.plain import cut

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False, places=4).map("{:f}".format),
    st.from_regex(r"-?[0-9]{0,18}\.?[0-9]{0,24}", fullmatch=True),
)
CELLS = st.one_of(
    NUMBERS,
    st.sampled_from(["", "-", ".", "-.", "1-2", "--1", "1.2.3", "0", "-0", "00", "-01", "1_0", "+1", "nan", "é"]),
)


def reference(raw: bytes, delimiter: str) -> list[list[str]]:
    lines = io.StringIO(raw.decode(), newline="\n")
    return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))


@settings(max_examples=400)
@given(st.lists(st.tuples(CELLS, NUMBERS, st.text("ab é.1,", max_size=4)), min_size=1, max_size=6), st.booleans())
@example([("9007199254740993", "0.1", "")], False)
@example([("-0.0", "9007199254740992.5", "x")], True)
def test_what_the_reader_and_float_give(rows: list[tuple[str, str, str]], crlf: bool) -> None:
    raw = "".join(";".join(row) + ("\r\n" if crlf else "\n") for row in rows).encode()
    block = cut(raw, "utf-8", ";", 3)
    told = reference(raw, ";")
    if block is None:
        assert any(cell.startswith(" ") for row in rows for cell in row)
        return
    assert block.rows == len(told)
    for i in range(3):
        cells, expected = block.column(i), [row[i] for row in told]
        assert list(cells) == expected  # type: ignore[arg-type]
        values = numbers(expected)
        if isinstance(cells, Plain):
            assert values is not None
            assert not LEADING_ZERO.search("\n".join(expected))
            assert [v.hex() for v in cells.values.tolist()] == [v.hex() for v in values.tolist()]
            assert [cells[k] for k in range(len(cells))] == expected


@pytest.mark.parametrize("digits", [1, 7, 8, 9, 15, 16, 17, 24])
def test_numbers_of_every_length(digits: int) -> None:
    rng = np.random.default_rng(digits)
    texts = []
    for _ in range(3000):
        text = "".join(map(str, rng.integers(0, 10, digits))).lstrip("0") or "0"
        at = int(rng.integers(0, len(text) + 1))
        text = f"{text[:at]}.{text[at:]}"
        texts.append("-" * int(rng.integers(2)) + (f"0{text}" if text.startswith(".") else text))
    block = cut("".join(f"{a},{b}\n" for a, b in zip(texts, reversed(texts), strict=True)).encode(), "utf-8", ",", 2)
    assert block is not None
    for i, expected in enumerate((texts, texts[::-1])):
        cells = block.column(i)
        assert isinstance(cells, Plain)
        assert cells.values.tolist() == list(map(float, expected))
        assert [math.copysign(1, v) for v in cells.values] == [math.copysign(1, float(text)) for text in expected]


@pytest.mark.parametrize("raw", [
    b'1,"2"\n', b"1, 2\n", b" 1,2\n", b"1,2\n\n", b"1,2\n3\n", b"1,2,3\n4\n", b"1\r2,3\n", b"1,2\r", b"\0,1\n",
    b"\xff,1\n", b"\xef\xbb\xbf1,2\n", b"1," + b"2" * 140_000 + b"\n",
])  # fmt: skip
def test_what_is_left_to_the_reader(raw: bytes) -> None:
    assert cut(raw, "utf-8", ",", 2) is None


@pytest.mark.parametrize(("encoding", "delimiter", "width"), [
    ("cp932", ",", 2), ("utf-8", ".", 2), ("utf-8", "1", 2), ("utf-8", "-", 2), ("utf-8", "é", 2), ("utf-8", ",", 1),
])  # fmt: skip
def test_encodings_and_delimiters_that_are_left_to_it(encoding: str, delimiter: str, width: int) -> None:
    assert cut("é,1\n".encode(), encoding, delimiter, width) is None


def test_a_last_line_without_its_end() -> None:
    block = cut(b"1,a\n2,b", "utf-8", ",", 2)
    assert block is not None
    assert list(block.column(1)) == ["a", "b"]  # type: ignore[arg-type]
