"""Dates: the forms that can be read in one way only, against the standard library's calendar."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, strategies as st

from denpa.data.dates import date_of, day_of, days_of, looks_ambiguous

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - independent of the module under test


@given(when=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_every_form_of_a_day_is_that_day(when: datetime) -> None:
    day = (when.replace(hour=0, minute=0, second=0, microsecond=0) - datetime(1970, 1, 1)).days
    y, m, d = when.year, when.month, when.day
    for text in (
        f"{y:04}-{m:02}-{d:02}",
        f"{y:04}/{m}/{d}",
        f"{y:04}年{m}月{d}日",
        f"{d}.{m}.{y:04}",
        f" {y:04}-{m}-{d} ",
    ):
        assert day_of(text) == day
    assert date_of(float(day)) == f"{y:04}-{m:02}-{d:02}"


@given(
    when=st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),
    hours=st.integers(-14, 14),
    separator=st.sampled_from("T "),
)
def test_times_and_offsets(when: datetime, hours: int, separator: str) -> None:
    moment = when.replace(tzinfo=timezone(timedelta(hours=hours)))
    days = day_of(moment.isoformat(sep=separator))
    assert days is not None
    assert abs(days - (moment - EPOCH) / timedelta(days=1)) < 1e-9


NO_DATES = """
2024|2024-03|20240331|2024-13-01|2024-02-30|31/3/2024|3.4.24|2024-03-31x|today|NaT|2024-03-31T25:00
2024-03-31T10:61|2024-03-31T10:00:60|２０２４-03-31|0000-01-01|-2024-03-31
"""


@pytest.mark.parametrize("text", ["", *NO_DATES.strip().replace("\n", "|").split("|")])
def test_what_is_no_date(text: str) -> None:
    assert day_of(text) is None


def test_the_ends_of_the_calendar_can_be_shown() -> None:
    days = [day_of("0001-01-01T00:00+14:00"), day_of("9999-12-31T23:00-14:00")]
    assert [date_of(day) for day in days if day is not None] == ["0001-01-01", "9999-12-31"]


def test_ambiguous_dates_are_recognised() -> None:
    assert looks_ambiguous("3/4/2024")
    assert not looks_ambiguous("2024/3/4")


def test_datetime_arrays() -> None:
    values = np.array(["1970-01-02", "1969-12-31T12:00", "NaT"], "datetime64[s]")
    np.testing.assert_array_equal(days_of(values), [1.0, -0.5, np.nan])
