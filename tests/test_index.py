"""docs/index.md leads to every page and every example, so that nothing written is lost."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def linked(text: str) -> set[str]:
    return {Path(target.partition("#")[0]).name for target in re.findall(r"\]\(([^)\s]+)\)", text)}


def unlinked(text: str) -> list[str]:
    there = [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py"), *ROOT.glob("README*.md")]
    return sorted({path.name for path in there} - linked(text) - {"index.md"})


def test_the_map_leads_everywhere() -> None:
    assert unlinked((ROOT / "docs" / "index.md").read_text(encoding="utf-8")) == []


def test_a_lost_page_would_be_noticed() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert unlinked(text.replace("(kinks.md)", "(other.md)")) == ["kinks.md"]
