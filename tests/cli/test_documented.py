"""docs/training.md and docs/commands.md name every command and every option, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from denpa.cli import VERBS, denpa

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "training.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
TRAINING = ("train", "resume", "predict", "evaluate")
LOOKING = tuple(verb for verb in VERBS if verb not in TRAINING)


def command(name: str) -> click.Command:
    found = denpa.get_command(click.Context(denpa), name)
    assert found is not None
    return found


def options(name: str) -> list[click.Option]:
    """Its own: what a command shares with train is documented there."""
    shared = [] if name == "train" else command("train").params
    return [p for p in command(name).params if isinstance(p, click.Option) and not any(p is other for other in shared)]


def spellings(option: click.Option) -> list[str]:
    """The long names, with that of a switch's other side."""
    return [name for name in (*option.opts, *option.secondary_opts) if name.startswith("--")]


def documented(text: str) -> dict[str, str]:
    """Option → the cell of its default, from the tables in the text."""
    rows = re.findall(r"^\| (`-[^|]+) \| ([^|]*)\|", text, flags=re.MULTILINE)
    return {name: default.strip() for cell, default in rows for name in re.findall(r"--[a-z-]+", cell)}


def section(text: str, name: str) -> str:
    """What stands under `## denpa name`."""
    return text.partition(f"\n## denpa {name}\n")[2].partition("\n## ")[0]


def wrong_defaults(table: dict[str, str], name: str) -> list[str]:
    """Options of the command whose default is a plain value, and another one than the table tells."""
    found = []
    for option in options(name):
        if isinstance(option.default, str | int | float) and not option.is_flag:
            told = table[max(option.opts, key=len)].strip("`")
            if told != (option.default if isinstance(option.default, str) else f"{option.default:g}"):
                found.append(str(option.name))
    return found


@pytest.mark.parametrize("name", TRAINING)
def test_every_command_and_option_of_training_is_named(name: str) -> None:
    assert f"`denpa {name}" in TEXT
    missing = [max(o.opts, key=len) for o in options(name) if f"`{max(o.opts, key=len)}" not in TEXT]
    assert missing == []


def test_the_table_has_the_options_of_train_and_their_defaults() -> None:
    table = documented(TEXT)
    assert sorted(table) == sorted(spelling for o in options("train") for spelling in spellings(o))
    assert wrong_defaults(table, "train") == []


@pytest.mark.parametrize("name", LOOKING)
def test_every_other_command_has_a_table_of_its_options_and_their_defaults(name: str) -> None:
    table = documented(section(COMMANDS, name))
    assert sorted(table) == sorted(spelling for o in options(name) for spelling in spellings(o))
    assert wrong_defaults(table, name) == []


def test_a_missing_option_would_be_noticed() -> None:
    assert "--clip" in documented(TEXT)
    assert "--clip" not in documented(TEXT.replace("| `--clip` |", "| `--other` |"))
    assert "--zoom" in documented(section(COMMANDS, "draw"))
    assert "--zoom" not in documented(section(COMMANDS, "trace"))


def test_a_wrong_default_would_be_noticed() -> None:
    table = documented(section(COMMANDS, "explain"))
    assert wrong_defaults({**table, "--top": "`11`"}, "explain") == ["top"]
