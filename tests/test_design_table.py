"""The table of floors in docs/design.md is the one that tests/test_floors.py holds the code to.

`python -m tests.test_design_table` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_floors import FLOORS, PACKAGE

PAGE = Path(__file__).resolve().parent.parent / "docs" / "design.md"


def table() -> list[str]:
    """One line a floor, with the units that are there: the test also places some that are still to come."""
    there = {path.name.removesuffix(".py"): path.is_dir() for path in PACKAGE.iterdir() if _is_code(path)}
    shown = {unit: f"`{unit}/`" if there[unit] else f"`{unit}`" for unit in there}
    return [
        f"| {floor} | {', '.join(shown[unit] for unit in sorted(units & there.keys()))} |"
        for floor, units in sorted(FLOORS.items())
    ]


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" or any(path.glob("*.py"))


def test_the_page_shows_the_floors_that_are_tested() -> None:
    written = re.findall(r"^\| \d \| .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert written == table(), "run: python -m tests.test_design_table"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(r"(^\| \d \| .*\n)+", "\n".join(table()) + "\n", text, flags=re.MULTILINE), encoding="utf-8")
