"""A table of text that arrives line by line and may never end: a pipe, or a file read like one.

Every line is a record; a line break inside quotes is refused, because nobody can tell whether more is to come.
"""

from __future__ import annotations

import csv
import os
import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from denpa.data.csvtext import LONGEST_LINE
from denpa.data.files import shown
from denpa.data.schema import Schema
from denpa.data.source import Dialect, Piece
from denpa.data.table import Coded, Coder, Layout, check_present
from denpa.errors import DataError, UsageError

READ = 1 << 16  # bytes asked for at a time


@dataclass(frozen=True)
class Block:
    """Lines that have arrived, as a `source.TableSource`."""

    where: str
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"
    dialect: Dialect | None = None
    sha256: str = ""

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        cells = dict(zip(self.names, zip(*self.rows, strict=True), strict=True))
        yield Piece(tuple(cells[name] for name in (self.names if columns is None else columns)), self.lines)


class Arriving:
    """Rows by a schema, as they come."""

    def __init__(self, descriptor: int, schema: Schema, where: str, skip: int = 0) -> None:
        """descriptor: open for reading, not closed here.  skip: rows that are passed over.

        UsageError for an encoding whose lines cannot be told apart byte by byte.
        """
        dialect = schema.dialect or Dialect()
        self.layout, self.where = Layout.of(schema), where
        self._descriptor, self._schema, self._skip = descriptor, schema, skip
        self._encoding, self._delimiter = dialect.encoding or "utf-8", dialect.delimiter or ","
        if self._encoding == "utf-16":
            raise UsageError("rows cannot arrive in UTF-16", where=where, fix="send UTF-8: iconv -f UTF-16 -t UTF-8")
        self._names: tuple[str, ...] = ()
        if dialect.header is False:
            self._names = tuple(column.name for column in schema.columns)
        self._rest, self._line, self.ended = b"", 0, False
        self._fault: DataError | None = None

    def next(self, seconds: float) -> Block | None:
        """The rows that have arrived; waits at most `seconds` for the first.  None when there are none, or no more.

        After the last row `ended` is true.  DataError naming the line of what is no record, when the rows before it
        have been given.
        """
        if self._fault is not None:
            raise self._fault
        if self.ended or not select.select([self._descriptor], [], [], seconds)[0]:
            return None
        data = os.read(self._descriptor, READ)
        self.ended = not data
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self.ended and self._rest:
            lines.append(self._rest)
        if len(self._rest) > LONGEST_LINE:
            raise DataError(
                "a line is too long: this is no table of text",
                where=f"{self.where} line {self._line + 1:,}",
                got=f"more than {LONGEST_LINE >> 20} MiB without a line feed",
            )
        return self._block(lines)

    def _block(self, lines: list[bytes]) -> Block | None:
        rows: list[list[str]] = []
        numbers: list[int] = []
        for line in lines:
            self._line += 1
            try:
                cells = self._cells(line)
            except DataError as fault:
                if not rows:
                    raise
                self._fault = fault
                break
            if not cells:
                continue
            if not self._names:
                self._header(cells)
            elif self._skip:
                self._skip -= 1
            else:
                rows.append(cells)
                numbers.append(self._line)
        return Block(self.where, self._names, rows, numbers) if rows else None

    def _header(self, cells: list[str]) -> None:
        self._names = tuple(name.strip() for name in cells)
        check_present(self.layout.names, Block(self.where, self._names, [], []))

    def _cells(self, line: bytes) -> list[str]:
        place = f"{self.where} line {self._line:,}"
        try:
            text = line.removeprefix(b"\xef\xbb\xbf").decode(self._encoding).rstrip("\r")
        except UnicodeDecodeError as error:
            raise DataError(
                f"the text is not {self._encoding.upper()}", where=place, got=shown(line[error.start : error.start + 8])
            ) from error
        try:
            records = list(csv.reader([text], delimiter=self._delimiter, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise DataError(
                "a line is no record of its own",
                where=place,
                got=str(error),
                want="one record on each line, quotes closed on the line they are opened on",
            ) from error
        cells = records[0] if records else []
        if cells and self._names and len(cells) != len(self._names):
            raise DataError(
                "a line has another number of cells than the columns",
                where=place,
                got=f"{len(cells):,} cells",
                want=f"{len(self._names):,} cells, divided by {shown(self._delimiter)}",
                fix="complete or correct the line; quote cells that contain the delimiter",
            )
        return cells


def coded(block: Block, layout: Layout) -> tuple[Coded, tuple[str, ...]]:
    """Its rows as numbers, and sentences about what was not expected.  DataError for a cell that cannot be one."""
    coder = Coder(block, layout)
    (rows,) = coder.pieces()
    return rows, coder.notices
