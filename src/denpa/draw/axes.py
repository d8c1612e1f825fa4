"""Axes: the range an axis covers, where its ticks stand, and where a value falls.  Pure numbers, no markup."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from denpa.formatting import number, power_of_ten

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """`low` < `high` in data; `start` and `end` in pixels (start > end for a y axis); `ticks` are (value, label)."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """The pixel of a finite value (positive on a log axis), never outside the axis."""
        if self.log:
            share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        else:
            scale = max(abs(self.low), abs(self.high))  # 1e308 − (−1e308) overflows; fractions of the scale do not
            share = (value / scale - self.low / scale) / (self.high / scale - self.low / scale)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def nice_step(span: float, count: int) -> float:
    """The step of 1, 2, 2.5 or 5 times a power of ten that cuts `span` into at most `count` parts."""
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(step * power for step in _STEPS if step * power * count >= span * (1 - 1e-9))


def linear_ticks(low: float, high: float, count: int = 6, whole: bool = False) -> tuple[tuple[float, str], ...]:
    """Multiples of a nice step within low…high; `whole` keeps them at whole numbers.  Labels tell neighbours apart."""
    span = high - low
    if not math.isfinite(span) or span < 1e-300:  # a step would overflow or vanish
        return ((low, number(low)), (high, number(high)))
    step = max(nice_step(span, count), 1.0) if whole else nice_step(span, count)
    if whole and step == 2.5:
        step = 5.0
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [k * step for k in range(first, last + 1)]
    largest = max((abs(v) for v in values), default=0.0)
    digits = max(1, math.ceil(math.log10(largest / step) + 1.4)) if largest else 1
    return tuple((v, number(round(v) if whole else v, min(digits, 16))) for v in values)


def log_ticks(low: float, high: float, count: int = 6) -> tuple[tuple[float, str], ...]:
    """Powers of ten, every n-th when there are many; over less than two decades 1-2-5 values, then linear ones."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        every = math.ceil((last - first + 1) / count)
        return tuple((10.0**k, power_of_ten(k)) for k in range(first, last + 1) if k % every == 0)
    fine = [float(f"{m}e{k}") for k in range(first - 1, last + 1) for m in (1, 2, 5)]  # exact decimals, no underflow
    fine = [v for v in fine if low <= v <= high]
    return tuple((v, number(v)) for v in fine) if len(fine) >= 3 else linear_ticks(low, high, count)


def _widen(low: float, high: float, log: bool) -> tuple[float, float]:
    """A little room on both sides; a range of one value becomes a range around it."""
    if log:
        ratio = (high / low) ** 0.05 if high > low and high / low < math.inf else 1.0
        ratio = ratio if ratio > 1.001 else 1.5
        return max(low / ratio, 5e-324), min(high * ratio, 1.7e308)
    room = 0.05 * (high - low) if high > low and math.isfinite(high - low) else 0.1 * abs(high) or 0.5
    return max(low - room, -1.7e308), min(high + room, 1.7e308)


def value_axis(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    log: bool = False,
    bounds: tuple[float | None, float | None] = (None, None),
) -> Axis:
    """An axis over the finite (positive, for log) `values`; 0…1 (1…10 for log) when there is none.

    `bounds` are not left by the room around the data, except by data that lie outside them.
    """
    usable = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not usable:
        usable = [1.0, 10.0] if log else [0.0, 1.0]
    least, most = min(usable), max(usable)
    low, high = _widen(least, most, log)
    if bounds[0] is not None and (bounds[0] > 0 or not log):
        low = max(low, min(bounds[0], least))
    if bounds[1] is not None:
        high = min(high, max(bounds[1], most))
    if not low < high:  # the bounds left one value only
        low, high = _widen(low, low, log)
    return Axis(low, high, start, end, log, log_ticks(low, high) if log else linear_ticks(low, high))


def position_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """The x axis of a line chart: exactly from the first to the last value; a single value stands in the middle."""
    xs = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(xs), max(xs)
    whole = all(float(v).is_integer() for v in xs)
    ticks = linear_ticks(low, high, 8, whole) if low < high else ((low, number(int(low) if whole else low)),)
    if low == high:
        low, high = low - 1, high + 1
    return Axis(low, high, start, end, False, ticks)
