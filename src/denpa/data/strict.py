"""Strict reading of a JSON object from a model file: exact keys, exact types, sizes and finite numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from denpa.data.files import listed, shown
from denpa.errors import ModelFileError


class Fields:
    """The fields of one JSON object; `what` names it in messages.  ModelFileError when it is none."""

    def __init__(self, value: object, what: str) -> None:
        self.what = what
        if not isinstance(value, dict):
            raise self.wrong("an object", value)
        self._value: dict[str, Any] = value

    def wrong(self, want: str, got: object, key: str | None = None) -> ModelFileError:
        where = self.what if key is None else f"{self.what}, {key}"
        return ModelFileError("the model file is damaged or of another version", where=where, got=shown(got), want=want)

    def __getitem__(self, key: str) -> Any:
        if key not in self._value:
            raise self.wrong(f"a field {key!r}", list(self._value))
        return self._value[key]

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def only(self, *keys: str) -> None:
        """Exactly these fields."""
        if set(self._value) != set(keys):
            raise self.wrong(f"exactly the fields {listed(list(keys))}", list(self._value))

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self[key]
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(f"one of {', '.join(choices)}", value, key)
        return value

    def text(self, key: str) -> str:
        if not isinstance(value := self[key], str):
            raise self.wrong("a text", value, key)
        return value

    def boolean(self, key: str) -> bool:
        if not isinstance(value := self[key], bool):
            raise self.wrong("true or false", value, key)
        return value

    def list_of(self, key: str, length: int | None = None) -> list[Any]:
        value = self[key]
        if not isinstance(value, list) or not (len(value) == length or (length is None and value)):
            raise self.wrong("a list" + (f" of {length}" if length is not None else ", not empty"), value, key)
        return value

    def integers(self, key: str, least: int, most: int, *, low: int, high: int = 1 << 40) -> tuple[int, ...]:
        """Between `least` and `most` of them, each from `low` to `high`."""
        value = self[key]
        good = isinstance(value, list) and least <= len(value) <= most
        if not good or not all(type(v) is int and low <= v <= high for v in value):
            raise self.wrong(f"{least} to {most} integers from {low} to {high}", value, key)
        return tuple(value)

    def names(self, key: str, least: int) -> tuple[str, ...]:
        """At least `least` distinct texts, none empty."""
        value = self.list_of(key)
        if not all(isinstance(name, str) and name for name in value) or not least <= len(set(value)) == len(value):
            raise self.wrong(f"at least {least} distinct names", value, key)
        return tuple(value)

    def numbers(self, key: str, values: list[Any], positive: bool = False) -> tuple[float, ...]:
        """`values` of the field as floats, all finite; positive: each above 0."""
        for value in values:
            good = type(value) in (int, float) and abs(value) <= sys.float_info.max
            if not good or (positive and value <= 0):
                raise self.wrong("a finite number" + (" above 0" if positive else ""), value, key)
        return tuple(float(value) for value in values)
