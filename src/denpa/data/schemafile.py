"""schema.toml: a schema to read, to edit and to train by."""

from __future__ import annotations

import difflib
import math
import re
from pathlib import Path
from typing import Any

from denpa import toml
from denpa.data.files import shown
from denpa.data.kinds import Column
from denpa.data.schema import KINDS, Schema
from denpa.data.source import ENCODINGS, Dialect
from denpa.data.targets import TASKS
from denpa.errors import DataError, UsageError

FORMAT = 1
LIMIT = 64 << 20  # bytes
NAME = "schema.toml"

_HEAD = f"""What the columns of a table are, decided from all of its cells.  To change it, edit and train by it:
denpa train FILE --schema {NAME}
kind:   {", ".join(KINDS)}
values: of a category, in order; a value that is not listed counts as <other>
na:     cells that are missing in every column, besides empty ones
The rest (reason, missing, distinct, low, high, mean, std, counts) was measured and is measured again."""
_TOP = {
    "format": "int",
    "source": "str",
    "sha256": "str",
    "rows": "int",
    "task": "str",
    "task_reason": "str",
    "na": "texts",
    "delimiter": "str",
    "encoding": "str",
    "header": "bool",
    "notices": "texts",
    "column": "tables",
}
_COLUMN = {
    "name": "str",
    "kind": "str",
    "reason": "str",
    "missing": "int",
    "distinct": "int",
    "low": "number",
    "high": "number",
    "mean": "number",
    "std": "number",
    "values": "texts",
    "counts": "ints",
    "dates": "bool",
}
_WANTED = {
    "int": "a whole number, 0 or more",
    "str": 'a text in quotes: "…"',
    "bool": "true or false",
    "number": "a number",
    "texts": 'a list of texts: ["a", "b"]',
    "ints": "a list of whole numbers: [1, 2]",
    "tables": "[[column]] tables, at least one",
}


def dumps(schema: Schema) -> str:
    """The text of schema.toml; `loads` gives an equal schema back."""
    dialect = schema.dialect or Dialect()
    top: dict[str, Any] = {
        "format": FORMAT,
        "source": schema.source,
        "sha256": schema.sha256,
        "rows": schema.rows,
        "task": schema.task or None,
        "task_reason": schema.task_reason or None,
        "na": schema.na,
        "delimiter": dialect.delimiter,
        "encoding": dialect.encoding,
        "header": dialect.header,
        "notices": schema.notices or None,
    }
    text = toml.dumps(top, _HEAD)
    for column in schema.columns:
        facts = {key: _kept(getattr(column, key)) for key in _COLUMN}
        text += "\n[[column]]\n" + toml.dumps(facts)
    return text


def _kept(value: Any) -> Any:
    """What is worth a line: an overflown mean is no TOML, nor is it of use."""
    useless = value is False or value == () or (isinstance(value, float) and not math.isfinite(value))
    return None if useless else value


def read_schema_file(path: str | Path) -> Schema:
    """UsageError when there is no such file; errors as `loads`."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
        if len(data) > LIMIT:
            raise DataError("the schema is too large", where=str(path), want=f"at most {LIMIT >> 20} MiB")
        text = data.decode("utf-8")
    except FileNotFoundError as error:
        fix = f"write one with: denpa data FILE -o {NAME}"
        raise UsageError("there is no such schema", where=str(path), fix=fix) from error
    except OSError as error:
        raise DataError("the schema cannot be read", where=str(path), got=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise DataError("the schema is not UTF-8", where=str(path), got=str(error)) from error
    return loads(text, str(path))


def loads(text: str, where: str = NAME) -> Schema:
    """The schema in the text of a schema.toml.

    UsageError naming key and line for a key that is unknown or missing and for a value that cannot be meant.
    """
    reader = _Reader(text, where)
    top = reader.table(toml.loads(text, where), _TOP, {"format", "source", "sha256", "rows", "column"}, None)
    if top["format"] != FORMAT:
        raise reader.wrong("format", None, top["format"], f"{FORMAT}: this version reads no other")
    reader.choice(top, "task", TASKS[1:], None)
    reader.choice(top, "encoding", ENCODINGS, None)
    delimiter = top.get("delimiter")
    if delimiter is not None:
        check_delimiter(delimiter, reader.place("delimiter", None))
    columns: list[Column] = []
    for i, table in enumerate(top["column"]):
        facts = reader.table(table, _COLUMN, {"name", "kind"}, i)
        reader.choice(facts, "kind", KINDS, i)
        if any(facts["name"] == column.name for column in columns):
            raise reader.wrong("name", i, facts["name"], "a name that no other column has")
        values = facts.get("values", ())
        if len(set(values)) < len(values):
            raise reader.wrong("values", i, values, "different texts")
        facts = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
        columns.append(Column(**{"reason": "", **facts}))
    dialect = Dialect(delimiter, top.get("encoding"), top.get("header"))
    return Schema(
        tuple(columns),
        top["rows"],
        top["source"],
        top["sha256"],
        top.get("task", ""),
        top.get("task_reason", ""),
        tuple(top.get("na", ())),
        None if dialect == Dialect() else dialect,
        tuple(top.get("notices", ())),
    )


def check_delimiter(text: str, where: str | None = None) -> str:
    """A delimiter as it is given: one character, or the word tab.  UsageError for what cannot be one."""
    delimiter = "\t" if text in ("tab", "\\t") else text
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or not delimiter.isascii():
        raise UsageError(
            "this is no delimiter", where=where, got=shown(text), want="one character such as , ; | or the word tab"
        )
    return delimiter


class _Reader:
    """Checks tables against their keys, and finds the line of a key for messages."""

    def __init__(self, text: str, where: str) -> None:
        self._lines, self._where = text.splitlines(), where

    def place(self, key: str, column: int | None) -> str:
        """`schema.toml line 12`, as far as it can be found."""
        section = -1
        for number, line in enumerate(self._lines, start=1):
            if re.match(r"\s*\[\[\s*column\s*\]\]", line):
                section += 1
            elif section == (-1 if column is None else column) and re.match(rf"""\s*["']?{re.escape(key)}\b""", line):
                return f"{self._where} line {number:,}"
        return self._where if column is None else f"{self._where}, column {column + 1}"

    def wrong(self, key: str, column: int | None, got: Any, want: str) -> UsageError:
        return UsageError(
            f"the schema's {key!r} is not as it should be", where=self.place(key, column), got=shown(got), want=want
        )

    def table(self, found: Any, keys: dict[str, str], needed: set[str], column: int | None) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise self.wrong("column", column, found, _WANTED["tables"])
        for key, value in found.items():
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                raise UsageError(
                    f"unknown key {key!r} in the schema",
                    where=self.place(key, column),
                    want=f"one of {', '.join(keys)}",
                    fix=f"did you mean {near[0]}?" if near else None,
                )
            if not _is(value, keys[key]):
                raise self.wrong(key, column, value, _WANTED[keys[key]])
        for key in sorted(needed - found.keys()):
            what = "the schema" if column is None else f"column {shown(found.get('name', column + 1))} of the schema"
            raise UsageError(f"{what} has no {key!r}", where=self.place("name", column))
        return dict(found)

    def choice(self, table: dict[str, Any], key: str, choices: tuple[str, ...], column: int | None) -> None:
        if key in table and table[key] not in choices:
            raise self.wrong(key, column, table[key], f"one of {', '.join(choices)}")


def _is(value: Any, kind: str) -> bool:
    if kind in ("texts", "ints", "tables"):
        inner: dict[str, type] = {"texts": str, "ints": int, "tables": dict}
        return (
            isinstance(value, list) and all(type(v) is inner[kind] for v in value) and (kind != "tables" or value != [])
        )
    if kind == "int":
        return type(value) is int and value >= 0
    if kind == "number":
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is {"str": str, "bool": bool}[kind]
