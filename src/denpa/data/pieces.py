"""Rows to predict piece after piece, so that a file larger than memory can be predicted; and their columns to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from denpa.data.coding import InputCoder
from denpa.data.dataset import Inputs
from denpa.data.schema import no_column
from denpa.data.source import Cells, TableSource, Typed
from denpa.data.table import Layout, check_present
from denpa.errors import DataError, UsageError

ROWS = 8192


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive rows.  kept: a list of values a column, None where missing: text, numbers, true and false, times."""

    rows: Inputs
    kept: tuple[list[Any], ...]


class Pieces(Protocol):
    """keep: names of the columns that are kept.  notices: sentences to be said, all of them after the last piece."""

    keep: tuple[str, ...]
    ignored: tuple[str, ...]
    notices: tuple[str, ...]

    def __iter__(self) -> Iterator[Piece]: ...


class TablePieces:
    """Of a table.  DataError when columns are missing; at the last piece for cells that are no numbers or dates."""

    def __init__(self, source: TableSource, layout: Layout, keep: Sequence[str]) -> None:
        check_present(layout.names, source)
        for name in keep:
            if name not in source.names:
                raise no_column(name, source.names, source.where)
        self._source, self._layout, self.keep = source, layout, tuple(dict.fromkeys(keep))
        used = {*layout.names, *self.keep}
        self.ignored = tuple(name for name in source.names if name not in used)
        self.notices: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Piece]:
        """Each piece is given when the next one has been read: a small table is judged as a whole before its first."""
        source, layout = self._source, self._layout
        coder = InputCoder(layout.inputs, layout.na, source.where, source.unit)
        names, waiting = tuple(column.name for column in layout.inputs), None
        for piece in source.chunks((*layout.names, *self.keep)):
            values = np.column_stack(coder.code(piece.columns[: len(names)], piece.places))
            rows = Inputs(values, source.where, source.sha256, names, None, self.ignored, layout.inputs, layout.na)
            if waiting is not None:
                yield waiting
            waiting = Piece(rows, tuple(_values(cells) for cells in piece.columns[len(layout.names) :]))
        if waiting is None:
            raise DataError("there are no rows", where=source.where, got="0 rows", want="at least one")
        self.notices = coder.finish()
        yield waiting


class HeldPieces:
    """Of rows in memory; where they have names, these are kept, as a column called file."""

    def __init__(self, rows: Inputs, keep: Sequence[str]) -> None:
        if keep:
            raise UsageError("only a table has columns to keep", where=rows.source, got=", ".join(keep))
        self._rows, self.ignored, self.notices = rows, rows.ignored, rows.notices
        self.keep: tuple[str, ...] = ("file",) if rows.ids is not None else ()

    def __iter__(self) -> Iterator[Piece]:
        for start in range(0, len(self._rows), ROWS):
            some = slice(start, start + ROWS)
            ids = self._rows.ids
            kept = () if ids is None else (list(ids[some]),)
            yield Piece(replace(self._rows, inputs=self._rows.inputs[some], ids=None), kept)


def _values(cells: Cells) -> list[Any]:
    if not isinstance(cells, Typed):
        return [cell or None for cell in cells]
    values = cells.values.astype("M8[us]") if cells.values.dtype.kind == "M" else cells.values
    found = values.tolist()
    if cells.missing is None:
        return list(found)
    return [None if gone else value for value, gone in zip(found, cells.missing.tolist(), strict=True)]
