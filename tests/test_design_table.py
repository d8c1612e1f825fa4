"""The table of floors in docs/design.md is the one that tests/test_floors.py holds the code to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.test_floors import FLOORS, PACKAGE

PAGE = Path(__file__).resolve().parent.parent / "docs" / "design.md"


def problems(text: str) -> list[str]:
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text, flags=re.MULTILINE)
    shown = {int(floor): set(re.findall(r"`(\w+)/?`", cell)) for floor, cell in rows}
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    found = []
    for floor, units in FLOORS.items():
        row = shown.get(floor, set())
        found += [f"{unit} is not on floor {floor}" for unit in sorted(units & there - row)]
        found += [f"{unit} does not belong on floor {floor}" for unit in sorted(row - units)]
    return found


def test_the_page_shows_the_floors_that_are_tested() -> None:
    assert problems(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("`graph`, ", "", "graph is not on floor 1"),
        ("| `graph`, ", "| `graph`, `ops/`, ", "ops does not belong on floor 1"),
    ],
)
def test_a_wrong_table_would_be_noticed(right: str, wrong: str, expected: str) -> None:
    assert expected in problems(PAGE.read_text(encoding="utf-8").replace(right, wrong, 1))
