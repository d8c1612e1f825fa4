"""The documentation names every command and every option; docs/training.md those of `train` with their defaults."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from denpa.cli import VERBS, denpa

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "training.md").read_text(encoding="utf-8")
EVERYWHERE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))


def command(name: str) -> click.Command:
    found = denpa.get_command(click.Context(denpa), name)
    assert found is not None
    return found


def options(name: str) -> list[click.Option]:
    return [p for p in command(name).params if isinstance(p, click.Option)]


def documented(text: str) -> dict[str, str]:
    """Option → the cell of its default, from the table of `denpa train`."""
    rows = re.findall(r"^\| (`--[^|]+) \| ([^|]*)\|", text, flags=re.MULTILINE)
    return {name: default.strip() for cell, default in rows for name in re.findall(r"--[a-z-]+", cell)}


@pytest.mark.parametrize("name", VERBS)
def test_every_command_and_option_is_named(name: str) -> None:
    assert f"`denpa {name}" in EVERYWHERE
    missing = [max(o.opts, key=len) for o in options(name) if f"`{max(o.opts, key=len)}" not in EVERYWHERE]
    assert missing == []


def test_the_table_has_the_options_of_train_and_their_defaults() -> None:
    table = documented(TEXT)
    assert sorted(table) == sorted(max(o.opts, key=len) for o in options("train"))
    for option in options("train"):
        if isinstance(option.default, str | int | float) and not option.is_flag:
            told = table[max(option.opts, key=len)].strip("`")
            assert told == (option.default if isinstance(option.default, str) else f"{option.default:g}"), option.name


def test_a_missing_option_would_be_noticed() -> None:
    assert "--clip" in documented(TEXT)
    assert "--clip" not in documented(TEXT.replace("| `--clip` |", "| `--other` |"))
