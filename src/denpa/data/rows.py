"""A table without the rows whose target is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from denpa.data.coding import text_cells
from denpa.data.source import Cells, Dialect, Piece, TableSource, Typed


class WithTarget:
    """The rows of a source in which no cell of `targets` is empty or one of the words `na`: a source like it."""

    def __init__(self, source: TableSource, targets: Sequence[str], na: Sequence[str]) -> None:
        self._source, self._targets, self._missing = source, tuple(targets), frozenset(("", *na))
        self.where, self.names, self.unit = source.where, source.names, source.unit
        self.dialect: Dialect | None = source.dialect
        self.sha256 = source.sha256
        self.left_out = 0  # rows, in the last pass

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        wanted = self.names if columns is None else columns
        self.left_out = 0
        for piece in self._source.chunks((*wanted, *self._targets)):
            keep = np.ones(len(piece), bool)
            for cells in piece.columns[len(wanted) :]:
                keep &= np.array([cell.strip() not in self._missing for cell in text_cells(cells)])
            self.left_out += int((~keep).sum())
            if keep.all():
                yield Piece(piece.columns[: len(wanted)], piece.places)
            elif keep.any():
                rows = np.flatnonzero(keep).tolist()
                kept = tuple(_taken(cells, rows) for cells in piece.columns[: len(wanted)])
                yield Piece(kept, [piece.places[row] for row in rows])


def _taken(cells: Cells, rows: list[int]) -> Cells:
    if isinstance(cells, Typed):
        return Typed(cells.values[rows], None if cells.missing is None else cells.missing[rows])
    return [cells[row] for row in rows]
