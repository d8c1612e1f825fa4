from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from denpa.draw.axes import Axis, linear_ticks, log_ticks, position_axis, value_axis

anything = st.floats(allow_nan=True, allow_infinity=True)


def check(axis: Axis) -> None:
    assert axis.low < axis.high
    assert math.isfinite(axis.low)
    assert math.isfinite(axis.high)
    places = [axis.at(value) for value, _ in axis.ticks]
    assert all(math.isfinite(p) for p in places)
    labels = [label for _, label in axis.ticks]
    assert len(set(labels)) == len(labels), "two ticks read the same"
    assert 1 <= len(labels) <= 12


@given(st.lists(anything), st.booleans())
def test_any_values_get_an_axis(values: list[float], log: bool) -> None:
    axis = value_axis(values, 300.0, 20.0, log=log)
    check(axis)
    usable = sorted(v for v in values if math.isfinite(v) and (v > 0 or not log))
    places = [axis.at(v) for v in usable]
    assert places == sorted(places, reverse=True)  # a y axis: larger values stand higher
    assert all(20.0 <= p <= 300.0 for p in places)


@given(st.lists(st.integers(0, 10**7).map(float)))
def test_epochs_get_whole_ticks(values: list[float]) -> None:
    axis = position_axis(values, 40.0, 600.0)
    check(axis)
    assert all(float(value).is_integer() for value, _ in axis.ticks) or not values


def test_ticks() -> None:
    assert [label for _, label in linear_ticks(0, 1)] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [label for _, label in linear_ticks(1, 40, 8, whole=True)] == ["5", "10", "15", "20", "25", "30", "35", "40"]
    assert [label for _, label in linear_ticks(1, 3, 8, whole=True)] == ["1", "2", "3"]
    assert [label for _, label in log_ticks(0.03, 3)] == ["0.05", "0.1", "0.2", "0.5", "1", "2"]
    assert [label for _, label in log_ticks(1e-12, 1e3)] == ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1", "10³"]


def test_one_value_stands_in_the_middle() -> None:
    axis = value_axis([2.0], 300.0, 0.0)
    assert axis.at(2.0) == pytest.approx(150)
    assert position_axis([1.0], 0.0, 100.0).at(1.0) == 50


def test_bounds_hold_the_room_but_not_the_data() -> None:
    assert value_axis([0.5, 1.0], 300, 0, bounds=(0.0, 1.0)).high == 1.0
    assert value_axis([0.0, 3.0], 300, 0, bounds=(0.0, None)).low == 0.0
    assert value_axis([0.5, 1.5], 300, 0, bounds=(0.0, 1.0)).high == 1.5
    assert value_axis([1.0], 300, 0, bounds=(0.0, 1.0)).at(1.0) == 0
