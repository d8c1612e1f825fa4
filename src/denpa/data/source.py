"""The one shape of a table, whatever it comes from: named columns, read in bounded pieces, as often as needed.

A source knows nothing of kinds, targets or missing markers: `schema` decides those from all the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from denpa.data.dataset import Array

ENCODINGS = ("utf-8", "utf-16", "cp932", "euc-jp", "latin-1", "cp1252", "gb18030", "big5", "euc-kr")


@dataclass(frozen=True)
class Dialect:
    """How a file of text is written; None, to be found out.

    delimiter: one character.  encoding: one of ENCODINGS.  header: whether the first line names the columns; without
    one they are c1, c2, ….
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True, eq=False)
class Typed:
    """A piece of a column whose type the source declares.

    values: (rows,) float64, int64, bool or datetime64.  missing: (rows,) bool, None when nothing is missing; what
    `values` holds there has no meaning.  NaT is missing, too; NaN is judged as the text "nan" is.
    """

    values: Array
    missing: Array | None = None

    def __len__(self) -> int:
        return len(self.values)


Cells = Sequence[str] | Typed  # text: as it stands in the file; what is missing there, the schema's markers say


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive rows.  columns: the cells of each column asked for.  places: of each row, counted as `unit` says."""

    columns: tuple[Cells, ...]
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)


class TableSource(Protocol):
    """A table that can be read again and again.

    where: its name in messages.  unit: what places count, "line" or "row", from 1.  dialect: of text, all found out;
    None for other formats.  sha256: of the bytes as stored, or of the values in memory.
    """

    @property
    def where(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def unit(self) -> str: ...

    @property
    def dialect(self) -> Dialect | None: ...

    @property
    def sha256(self) -> str: ...

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """All rows from the beginning, in pieces of bounded memory, with these columns in this order; None: all.

        DataError naming the place of what cannot be read, also after some pieces.
        """
        ...
