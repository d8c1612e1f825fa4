"""Documents as data: what an explanation or a report says, before anyone decides how it looks.

Everything here is frozen and plain: `draw.html` makes a page of it, `draw.text` lines for a terminal.  Words meant for
a reader are `T(en=..., ja=...)`; a bare `str` is data that is the same in every language (a column's name, a command).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeAlias

from denpa.errors import UsageError
from denpa.explain.charts import Chart
from denpa.explain.words import LANGUAGES, Cell, Language, Number, T, Words, in_language
from denpa.graph import FUNCTIONS

__all__ = [
    "LANGUAGES",
    "Block",
    "Cell",
    "Document",
    "Formula",
    "Highlight",
    "Highlights",
    "Language",
    "Number",
    "Picture",
    "Section",
    "T",
    "Table",
    "Text",
    "Words",
    "in_language",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph.  "note" is an aside, "warning" must be seen, "code" is verbatim and can be copied."""

    words: Words
    kind: Literal["plain", "note", "warning", "code"] = "plain"


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as LaTeX and as plain characters, for where no LaTeX is drawn."""

    latex: str
    plain: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headings.  UsageError when a row has another number of cells than there are headings.

    `row_heads`: the first cell names its row.  `folded`: long reference material, closed until the reader opens it; a
    drawing may leave rows out and say so, but never the first, the last, or those whose indices are in `keep`.
    """

    headings: tuple[Words, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: Words = ""
    folded: bool = False
    row_heads: bool = True
    keep: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.headings):
                raise UsageError(
                    "a row of a table does not fit its headings",
                    where=f"row {number}",
                    got=f"{len(row)} cells",
                    want=f"{len(self.headings)}",
                )


@dataclass(frozen=True, slots=True)
class Highlight:
    """One of the few numbers a reader came for: its name, its value, and one line that puts it in proportion."""

    name: Words
    value: Number | Words
    remark: Words = ""


@dataclass(frozen=True, slots=True)
class Highlights:
    """Numbers shown large, side by side."""

    items: tuple[Highlight, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with the sentence that says what it shows (its text alternative) and what to read from it (caption)."""

    chart: Chart
    description: Words
    caption: Words = ""


Block: TypeAlias = "Text | Formula | Table | Highlights | Picture | Section"


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title.  Sections nest; `key` is the section's stable id in links (letters, digits, hyphens)."""

    title: Words
    blocks: tuple[Block, ...]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole page.  `lead` stands under the title, before the first section."""

    title: Words
    sections: tuple[Section, ...]
    lead: tuple[Text | Formula | Table | Highlights | Picture, ...] = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """In a notebook: the lines of text, and the page in a frame of its own."""
        bundle: dict[str, str] = FUNCTIONS["mimebundle"](self)  # drawing stands on a higher floor
        return bundle


def walk(part: Any) -> Iterator[Any]:
    """`part` and everything inside it (blocks, cells, texts, charts), in reading order.  A `T` is not taken apart."""
    yield part
    if is_dataclass(part) and not isinstance(part, T):
        for field in fields(part):
            yield from walk(getattr(part, field.name))
    elif isinstance(part, tuple):
        for item in part:
            yield from walk(item)
