"""JSON lines (also called NDJSON): one flat object a line, as a table.

Numbers are kept as the text that they are, so that they count for what the same cells of a CSV file count for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from denpa.data.csvtext import CHUNK, decoded_lines
from denpa.data.files import DataFile, shown
from denpa.data.source import Cells, Piece, Typed
from denpa.errors import DataError
from denpa.formatting import typed

BEGINNING = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*["}]')  # of a file of objects
ARRAY = re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*[\[{]")  # of one JSON array of them
LONGEST_NAME = 1000
MOST_KEYS = 100_000


# One object as the tuple of its pairs (an array stays a list); numbers, NaN and Infinity as the texts they are.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str)


class JsonSource:
    """A file of JSON lines as a `source.TableSource`; a key that a row does not have is missing there, as null is.

    It is read once for its keys: they are columns in the order in which they come first.  DataError for nested values,
    for a key that comes twice in a row, for true and false mixed with others, and for what is no JSON.
    """

    unit, dialect = "line", None

    def __init__(self, file: DataFile, dropped: frozenset[str] = frozenset()) -> None:
        self._file, self._dropped = file, dropped
        self.where, self.sha256 = file.where, file.sha256
        truths: dict[str, int] = {}  # key: the first line with true or false …
        others: dict[str, int] = {}  # … and with another value
        keys: dict[str, None] = {}
        for line, row in self._rows():
            for name, value in row.items():
                if name not in keys:
                    self._check_key(name, line, len(keys))
                    keys[name] = None
                if value is not None and name not in dropped:
                    (truths if isinstance(value, bool) else others).setdefault(name, line)
        if not keys:
            raise DataError("there are no keys, so no columns", where=self.where, want='{"key": value, …} on each line')
        for name in truths.keys() & others.keys():
            raise DataError(
                f"key {shown(name)} holds true or false, and also something else",
                where=f"{self.where} lines {truths[name]:,} and {others[name]:,}",
                want="values of one type",
                fix=f"write 0 and 1, or texts, in all rows; or leave it out: --drop {typed(name)}",
            )
        self.names, self._truths = tuple(keys), frozenset(truths)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """Errors as when it was opened; that has read every line already."""
        names = self.names if columns is None else columns
        rows = self._rows()
        while piece := list(islice(rows, max(1, CHUNK // len(self.names)))):
            lines = [line for line, _ in piece]
            yield Piece(tuple(self._cells(name, [row for _, row in piece]) for name in names), lines)

    def _cells(self, name: str, rows: list[dict[str, Any]]) -> Cells:
        values = [row.get(name) for row in rows]
        if name in self._dropped:
            return ["" if value is None else "(dropped)" for value in values]
        if name not in self._truths:
            return ["" if value is None else value for value in values]
        missing = np.array([value is None for value in values])
        return Typed(np.array([value is True for value in values]), missing if missing.any() else None)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line, its object); empty lines may only stand at the end."""
        empty = 0
        for number, line in enumerate(decoded_lines(self._file.stream(), self.where), start=1):
            if line.isspace():
                empty = empty or number
                continue
            if empty:
                raise DataError("an empty line inside the table", where=f"{self.where} line {empty:,}", fix="remove it")
            yield number, self._row(line, number)

    def _row(self, line: str, number: int) -> dict[str, Any]:
        where = f"{self.where} line {number:,}"
        want = 'one object on each line: {"key": value, …}'
        try:
            pairs = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            raise DataError(
                "the line is nested too deeply" if deep else "the line is no JSON",
                where=where,
                got=None if deep else str(error).replace("line 1 column", "column"),
                want=want,
            ) from None
        if not isinstance(pairs, tuple):
            raise DataError("the line is no JSON object", where=where, got=shown(line.strip()), want=want)
        row = dict(pairs)
        if len(row) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise DataError(f"key {shown(twice)} comes twice in one row", where=where, fix="remove one of them")
        for name, value in pairs:
            if isinstance(value, (tuple, list)) and name not in self._dropped:
                raise DataError(
                    f"key {shown(name)} holds {'an array' if isinstance(value, list) else 'an object'}",
                    where=where,
                    want="a number, a text, true, false or null",
                    fix=f"leave it out: --drop {typed(name)} ; or write its parts under keys of their own",
                )
            if isinstance(value, str) and not value.isascii():
                _check_text(value, name, where)
        return row

    def _check_key(self, name: str, line: int, count: int) -> None:
        where = f"{self.where} line {line:,}"
        _check_text(name, name, where)
        if not name.strip() or len(name) > LONGEST_NAME:
            raise DataError("a key is no name of a column", where=where, got=shown(name), want="a short text")
        if count >= MOST_KEYS:
            raise DataError(
                "every row has keys of its own: this is no table",
                where=where,
                got=f"more than {MOST_KEYS:,} different keys",
                want="the same keys in all rows",
            )


def _check_text(text: str, name: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"key {shown(name)} has half a character (a lone surrogate)", where=where) from error


def not_lines(where: str) -> DataError:
    return DataError(
        "this is one JSON array, not a line for each row",
        where=where,
        want='{"key": value, …} on each line',
        fix='write it as JSON lines: jq -c ".[]" FILE > rows.jsonl',
    )
