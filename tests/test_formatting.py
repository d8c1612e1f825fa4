from __future__ import annotations

import math
import shutil
import subprocess

import pytest
from hypothesis import given, strategies as st

from denpa.formatting import duration, number, percent, power_of_ten, size, typed


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 17))
def test_a_number_reads_back_to_its_significant_digits(value: float, digits: int) -> None:
    back = float(number(value, digits).replace(",", ""))
    if abs(value) < 1e300:  # rounding up at the very end of the range is infinity
        assert math.isclose(back, value, rel_tol=0.51 * 10.0 ** (1 - digits), abs_tol=5e-324 * 10)


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_are_exact(value: int) -> None:
    assert int(number(value).replace(",", "")) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.97123, "0.9712"),
        (12345.678, "12,346"),
        (1.25e-5, "1.25e-5"),
        (-3.0e20, "-3e20"),
        (100.0, "100"),
        (0.0001, "0.0001"),
        (9999999.0, "1e7"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (60000, "60,000"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(1e-9, 1 - 1e-9))
def test_a_share_that_is_not_all_or_nothing_never_reads_so(share: float) -> None:
    assert 0 < float(percent(share).removesuffix(" %")) < 100


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (1.0, "100.00 %"), (0.97123, "97.12 %"), (0.99999, "99.999 %"), (math.nan, "NaN")],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "0.0123 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min"),
        (200.4, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (100000, "1 d 3 h"),
        (-90, "-1 min 30 s"),
        (math.inf, "∞ s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_powers() -> None:
    assert [size(n) for n in (512, 999, 1000, 1_234_567, 5 * 10**13)] == ["512 B", "999 B", "1 kB", "1.23 MB", "50 TB"]
    assert [power_of_ten(k) for k in (-12, 0, 1, 3)] == ["10⁻¹²", "1", "10", "10³"]


@pytest.mark.parametrize("word", ["a", "", "a b", "it's", "$HOME `id`", "日本 語", "# 3", "a\nb", "\x1b[31mred"])
def test_what_is_typed_arrives(word: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    text = typed(word)
    assert text.isprintable()
    done = subprocess.run([bash, "-c", f"printf %s {text}"], capture_output=True, check=True)
    assert done.stdout.decode() == word
