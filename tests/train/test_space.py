"""Lines of a search: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from denpa.errors import UsageError
from denpa.train.config import Config
from denpa.train.space import DEFAULT, DEFAULT_ADAPTIVE, Choice, Range, parse, settings


def test_ranges_and_choices() -> None:
    space = parse(["lr=1e-4..1:log", "units=8..64", "optimizer=sgd|adam", "hidden=50|64,32|none"][:3])
    assert space == {
        "learning_rate": Range(1e-4, 1.0, log=True),
        "units": Range(8, 64, whole=True),
        "optimizer": Choice(("sgd", "adam")),
    }
    assert parse([f"{name}={part}" for name, part in space.items()]) == space  # what is printed can be given again


def test_what_is_chosen_becomes_settings() -> None:
    config = Config(hidden=(10, 10))
    assert settings(config, {"units": 7, "layers": 3}).hidden == (7, 7, 7)
    assert settings(config, {"units": 7}).hidden == (7, 7)
    assert settings(config, {"layers": 1}).hidden == (10,)
    assert settings(config, {"layers": 0}).hidden == ()
    assert settings(config, {"hidden": "64,32"}).hidden == (64, 32)
    assert settings(config, {"hidden": "none"}).hidden == ()
    assert settings(config, {"batch_size": "16", "dropout": "0.5"}) == Config(
        hidden=(10, 10), batch_size=16, dropout=0.5
    )


@pytest.mark.parametrize("lines", [DEFAULT, DEFAULT_ADAPTIVE])
def test_the_usual_searches_are_valid(lines: tuple[str, ...]) -> None:
    assert len(parse(lines)) == len(lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lr", "SETTING="),
        ("lr=", "SETTING="),
        ("learning_rat=0..1", "did you mean learning_rate"),
        ("epochs=1..5", "cannot be searched"),
        ("source=a|b", "cannot be searched"),
        ("lr=1..0.1", "low < high"),
        ("lr=0..1:log", "above 0"),
        ("lr=a..b", "low < high"),
        ("lr=0..inf", "low < high"),
        ("lr=0..nan", "low < high"),
        ("lr=0.1..1:linear", "low < high"),
        ("dropout=0..1", "dropout"),
        ("batch_size=1.5..4", "whole number"),
        ("optimizer=1..2", "no number"),
        ("optimizer=sgd|sgb", "sgb"),
        ("batch_size=16|many", "many"),
        ("batch_size=16|16", "different values"),
        ("batch_size=16||32", "different values"),
    ],
)
def test_what_is_refused(line: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        parse([line])
    assert words in str(error.value)


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="searched twice"):
        parse(["lr=0..1", "learning_rate=0..2"])
    with pytest.raises(UsageError, match="hidden is units and layers"):
        parse(["hidden=5|6", "units=1..4"])
    with pytest.raises(UsageError, match="nothing to search"):
        parse([])
