"""Settings files: `key = value` lines and tables, written so that the standard library's tomllib reads them back."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from typing import Any

from denpa.errors import UsageError

Value = str | bool | int | float | list[Any] | tuple[Any, ...] | dict[str, Any]


def dumps(values: Mapping[str, Value | None], comment: str = "") -> str:
    """Lines of TOML in the order given; None is left out (TOML has no null).  UsageError for what UTF-8 cannot hold."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"{key} = {value_of(value)}" for key, value in values.items() if value is not None]
    return checked("\n".join(lines) + "\n")


def checked(text: str) -> str:
    """The text itself.  UsageError for what UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "a setting holds bytes that are no text", got=ascii(error.object[error.start - 20 :][:40])
        ) from error
    return text


def value_of(value: Value) -> str:
    """JSON's form, which is also TOML's for these types, but for DEL and for whole floats (1e+16 and 2.0 are both)."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(value_of(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{value_of(key)} = {value_of(v)}" for key, v in value.items()) + "}"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError("a setting is not a finite number", got=repr(value))
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def loads(text: str, where: str) -> dict[str, Any]:
    """UsageError with the line when it is no TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            "the settings cannot be read", where=where, got=str(error), want="TOML: key = value"
        ) from error
