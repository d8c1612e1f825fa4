"""Words and numbers as values: a text in every language, and a number that stays exact until it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from denpa.errors import UsageError

Language: TypeAlias = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")


@dataclass(frozen=True, slots=True)
class T:
    """One text in every language of the project.  UsageError when one of them is blank."""

    en: str
    ja: str

    def __post_init__(self) -> None:
        for language in LANGUAGES:
            if not getattr(self, language).strip():
                raise UsageError(f"a text has no words in language {language!r}", got=repr(self))


Words: TypeAlias = T | str  # str: data, the same in every language


def in_language(words: Words, language: Language) -> str:
    return words if isinstance(words, str) else str(getattr(words, language))


@dataclass(frozen=True, slots=True)
class Number:
    """A number that keeps its exact value; the drawing side rounds it to `digits` significant digits.

    Source: the formats of `denpa.formatting`.  `unit` stands after a space ("rows/s"); `style` "percent" shows 0.5 as
    50 %, "duration" shows seconds as h, min and s.
    """

    value: float | int
    unit: Words = ""
    digits: int = 4
    style: Literal["plain", "percent", "duration"] = "plain"


Cell: TypeAlias = Words | Number | int | float | None  # None: nothing to say, drawn as a dash
