"""Settings: their file says the same, and a wrong one is named."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, strategies as st

from denpa import toml
from denpa.errors import UsageError
from denpa.train.config import Config

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**64 - 1), numbers, st.lists(st.integers(), max_size=3))


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), values, max_size=6))
def test_what_is_written_is_read(settings: dict[str, Any]) -> None:
    assert toml.loads(toml.dumps(settings, "two\nlines"), "x") == settings


def test_a_config_comes_back() -> None:
    config = Config(
        source='/tmp/日本語 "x"\n.csv',
        target="y\x7f",
        hidden=(64, 32),
        learning_rate=1e-16,
        momentum=0.5,
        seed=2**64 - 1,
    )
    assert Config.from_toml(config.to_toml()) == config
    assert Config.from_toml("") == Config()


def test_none_is_left_out() -> None:
    assert "target" not in {line.partition(" = ")[0] for line in Config().to_toml().splitlines()}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_toml_should_not_hold(bad: float) -> None:
    with pytest.raises(UsageError):
        toml.dumps({"x": bad})


def test_a_path_that_is_no_text() -> None:
    with pytest.raises(UsageError, match="no text"):
        Config(source="/data/\udcff.csv").to_toml()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("epocs = 3", "did you mean epochs"),
        ("epochs = 'three'", "'epochs' has the wrong type"),
        ("epochs = true", "'epochs' has the wrong type"),
        ("epochs = 3.0", "'epochs' has the wrong type"),
        ("hidden = 5", "'hidden' has the wrong type"),
        ("hidden = ['a']", "hidden"),
        ("learning_rate = -1", "learning_rate"),
        ("epochs = \nseed = 1", "line 1"),
        ("epochs = 1\nepochs = 2\n", "line 2"),
        ("momentum = 1.5", "momentum"),
        ("optimizer = 'adam'\nmomentum = 0.9", "momentum"),
        ("seed = 18446744073709551616", "seed"),
    ],
)
def test_a_wrong_setting_is_named(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Config.from_toml(text, "my.toml")


def test_resolving_fills_in_what_was_left_open() -> None:
    config = Config(source="data.csv", optimizer="adam").resolved(engine="eager", threads=2)
    assert config.learning_rate == 0.001
    assert config.source.startswith("/")
    assert config.source.endswith("/data.csv")
    assert Config().resolved().source == "digits"


def test_every_setting_survives_the_file() -> None:
    """A setting that the file forgets would make a resume silently different."""
    config = Config(
        target="t",
        schema="schema.toml",
        weight="w",
        group="g",
        time="s",
        sep=";",
        encoding="cp932",
        learning_rate=0.5,
        momentum=0.25,
        weight_decay=0.125,
    )
    lines = {line.partition(" = ")[0] for line in config.to_toml().splitlines()}
    assert {f.name for f in fields(Config)} <= lines
