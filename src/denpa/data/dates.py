"""Dates in text, in the forms that can be read in one way only, as days since 1970-01-01.

2024-03-31 (also with a time and an offset, ISO 8601), 2024/3/31, 2024年3月31日, 31.3.2024.  31/3/2024 is none of them:
day and month of 3/4/2024 cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

_TIME = r"(?:[T ](?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
_FORMS = tuple(
    re.compile(form + _TIME, re.ASCII)
    for form in (
        r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})",
        r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})",
        r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日",
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})",
    )
)
_AMBIGUOUS = re.compile(r"\d{1,2}/\d{1,2}/\d{4}", re.ASCII)
_EPOCH = datetime(1970, 1, 1).toordinal()
_DAY = 86_400.0


def day_of(cell: str) -> float | None:
    """Days since 1970-01-01, a time of day as their fraction, an offset taken into account; None when it is no date."""
    text = cell.strip()
    if not text[:1].isdigit():
        return None
    for form in _FORMS:
        if found := form.fullmatch(text):
            break
    else:
        return None
    year, month, day = (int(found[key]) for key in "ymd")
    clock, zone = found["time"] or "00:00", found["zone"] or "Z"
    hour, minute, *second = clock.split(":")
    try:
        when = datetime(year, month, day, int(hour), int(minute), tzinfo=UTC)
        seconds = 3600.0 * when.hour + 60.0 * when.minute + _second(second)
    except ValueError:  # a 13th month, a 25th hour
        return None
    if zone != "Z":
        sign = -1 if zone[0] == "+" else 1
        seconds += sign * (3600.0 * int(zone[1:3]) + 60.0 * int(zone[-2:]))
    return when.toordinal() - _EPOCH + seconds / _DAY


def _second(text: Sequence[str]) -> float:
    second = float(text[0]) if text else 0.0
    if second >= 60:
        raise ValueError("no such second")
    return second


def looks_ambiguous(cell: str) -> bool:
    """Whether it is a date whose day and month cannot be told apart."""
    return _AMBIGUOUS.fullmatch(cell.strip()) is not None


def days_of(values: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Days since 1970-01-01 of datetime64 values, NaN for NaT."""
    days = values.astype("datetime64[us]").astype(np.int64) / (_DAY * 1e6)
    days[np.isnat(values)] = np.nan
    return days


def date_of(day: float) -> str:
    """Day 0 as 1970-01-01; a fraction is left out."""
    ordinal = min(max(int(day // 1) + _EPOCH, 1), datetime.max.toordinal())  # an offset may lead a day further
    return datetime.fromordinal(ordinal).date().isoformat()
