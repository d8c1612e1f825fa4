r"""Documents as LaTeX that compiles: one file, standard packages, English with any engine, Japanese with LuaLaTeX.

The preamble asks for amsmath, amssymb, tikz, longtable, booktabs, graphicx, geometry and fontenc; with Japanese (or any
character that has no LaTeX command) also luatexja, so the first line of the file says which program to run.  A formula
wider than the page is scaled to it, and so is a chart.  Everything a user named is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator

from denpa.draw import chart_tikz, plots, tikz
from denpa.draw.latex_text import text
from denpa.draw.markup import columns, number_text
from denpa.draw.thinning import thin_rows
from denpa.draw.units import network_scene
from denpa.explain.charts import Chart, NetworkUnits
from denpa.explain.document import (
    Block,
    Cell,
    Document,
    Formula,
    Highlight,
    Highlights,
    Language,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    Words,
    in_language,
)
from denpa.explain.expression import expression
from denpa.explain.tex import parse
from denpa.formatting import number

__all__ = ["expression", "formula", "page", "text"]  # expression: one node, by its stanza's template

ROWS = 60  # of a folded table
PAGE = 96  # characters of small text on a line; the columns beyond it go into a further table below
LONGEST = 40  # characters of a cell that are not broken
_HEADINGS = ("section", "subsection", "subsubsection", "paragraph")
_MORE = T(en="{0} of {1} rows shown", ja="全{1}行のうち{0}行を表示")

_PREAMBLE = r"""\documentclass[a4paper,10pt]{article}
\usepackage{iftex}
\ifpdftex\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}\fi
%JAPANESE%
\usepackage{amsmath,amssymb,tikz,longtable,booktabs,graphicx}
\usepackage[margin=22mm]{geometry}
\setlength{\parindent}{0pt}\setlength{\parskip}{5pt}
\newsavebox{\denpabox}
% a displayed formula, scaled down to the line when it is wider
\newcommand{\denpaformula}[1]{\sbox{\denpabox}{$\displaystyle #1$}%
\par\smallskip\noindent\makebox[\linewidth]{\ifdim\wd\denpabox>\linewidth
\resizebox{\linewidth}{!}{\usebox{\denpabox}}\else\usebox{\denpabox}\fi}\par\smallskip}
"""
_JAPANESE = r"\usepackage{luatexja}"


def page(document: Document, language: Language = "en") -> str:
    """The whole LaTeX file of a document in one language."""
    body = "\n\n".join(_body(document, language))
    foreign = sorted({c for c in body if ord(c) > 0xFF and not _known_to_pdftex(c)})
    program = "lualatex" if foreign else "pdflatex or lualatex"
    preamble = _PREAMBLE.replace("%JAPANESE%\n", _JAPANESE + "\n" if foreign else "")
    title = text(in_language(document.title, language))
    return (
        f"% compile with: {program}\n{preamble}\\title{{{title}}}\\author{{}}\\date{{}}\n"
        f"\\begin{{document}}\n\\maketitle\n\n{body}\n\n\\end{{document}}\n"
    )


def _known_to_pdftex(character: str) -> bool:
    return character in "‘’“”–—…"


def formula(block: Formula) -> str:
    r"""A displayed formula.  UsageError for LaTeX that `explain.tex` does not know: nothing else gets into the file."""
    parse(block.latex)
    return rf"\denpaformula{{{block.latex}}}"


def _body(document: Document, language: Language) -> Iterator[str]:
    for block in (*document.lead, *document.sections):
        yield from _block(block, language, 0)


def _block(block: Block, language: Language, depth: int) -> Iterator[str]:
    match block:
        case Text():
            yield _text(block, language)
        case Formula():
            yield formula(block)
        case Table():
            yield from _table(block, language)
        case Highlights():
            lines = [_item(item, language) for item in block.items]
            yield "\\begin{description}\n" + "\n".join(lines) + "\n\\end{description}"
        case Picture():
            caption = rf"\emph{{{_words(block.description, language)}}} {_words(block.caption, language)}".rstrip()
            yield f"{_drawing(block.chart, language)}\\nopagebreak\n\n{caption}"
        case Section():
            yield rf"\{_HEADINGS[min(depth, 3)]}{{{_words(block.title, language)}}}"
            for inner in block.blocks:
                yield from _block(inner, language, depth + 1)


def _drawing(chart: Chart, language: Language) -> str:
    """A chart as TikZ, as wide as the text, or lower than the page where it is tall."""
    if isinstance(chart, NetworkUnits):
        scene = network_scene(chart, language)
        drawn, width, height = tikz.picture(scene), scene.width, scene.height
    else:
        drawn, width, height = chart_tikz.picture(plots.svg(chart, language=language))
    size = r"{\linewidth}{!}" if height < 1.25 * width else r"{!}{0.85\textheight}"
    return f"\\par\\noindent\\resizebox{size}{{%\n{drawn}}}\\par"


def _item(item: Highlight, language: Language) -> str:
    value, remark = _cell(item.value, language), _words(item.remark, language)
    return rf"\item[{{{_words(item.name, language)}}}] {value} {remark}".rstrip()


def _text(block: Text, language: Language) -> str:
    words = in_language(block.words, language)
    if block.kind == "code":
        return (
            "\\begin{quote}\\ttfamily\n"
            + "\\\\\n".join(text(line) or "~" for line in words.split("\n"))
            + "\n\\end{quote}"
        )
    shown = text(words)
    return {"note": rf"{{\small {shown}}}", "warning": rf"\textbf{{!}} \textbf{{{shown}}}"}.get(block.kind, shown)


def _words(words: Words, language: Language) -> str:
    return text(in_language(words, language))


def _cell(cell: Cell, language: Language) -> str:
    return text(_shown(cell, language))


def _shown(cell: Cell, language: Language) -> str:
    """A cell as characters."""
    if cell is None:
        return "–"
    if isinstance(cell, (int, float)):
        return number(cell)
    if isinstance(cell, Number):
        return f"{number_text(cell)} {in_language(cell.unit, language)}".rstrip()
    return in_language(cell, language)


def _table(table: Table, language: Language) -> Iterator[str]:
    """One longtable, or several that repeat the first column when there are too many for the page."""
    kept = thin_rows(len(table.rows), ROWS, set(table.keep)) if table.folded else list(range(len(table.rows)))
    caption = _words(table.caption, language)
    if len(kept) < len(table.rows):
        caption += " " + _words(T(*(m.format(len(kept), len(table.rows)) for m in (_MORE.en, _MORE.ja))), language)
    for i, chosen in enumerate(_pieces(table, language)):
        yield _longtable(table, chosen, list(kept), language, "" if i else caption)


def _pieces(table: Table, language: Language) -> Iterator[list[int]]:
    """The columns of each table on the page: as many as fit, the first one in all of them."""
    widths = [_width(table, i, language) for i in range(len(table.headings))]
    piece = [0]
    for i in range(1, len(widths)):
        if len(piece) > 1 and widths[0] + sum(widths[j] for j in piece[1:]) + widths[i] > PAGE:
            yield piece
            piece = [0]
        piece.append(i)
    yield piece


def _width(table: Table, i: int, language: Language) -> int:
    """Characters of a column with its gap."""
    cells = [in_language(table.headings[i], language), *(_shown(row[i], language) for row in table.rows)]
    return min(max(map(columns, cells)), LONGEST) + 3


def _longtable(table: Table, chosen: list[int], kept: list[int], language: Language, caption: str) -> str:
    heads = " & ".join(rf"\textbf{{{_words(table.headings[i], language)}}}" for i in chosen)
    rows = " \\\\\n".join(" & ".join(_cell(table.rows[k][i], language) for i in chosen) for k in kept)
    form = "".join(_column(table, i, language, len(chosen)) for i in chosen)
    top = f"\\textit{{{caption}}}\\nopagebreak\n\n" if caption.strip() else ""
    body = f"{rows} \\\\\n" if kept else ""
    return (
        f"{top}{{\\small\n\\begin{{longtable}}[l]{{@{{}}{form}@{{}}}}\n\\toprule\n{heads} \\\\\n\\midrule\n\\endhead\n"
        f"{body}\\bottomrule\n\\end{{longtable}}}}"
    )


def _column(table: Table, i: int, language: Language, count: int) -> str:
    """Numbers to the right; long words in a paragraph of their own width."""
    cells = [row[i] for row in table.rows]
    if cells and all(isinstance(c, (int, float, Number, type(None))) for c in cells):
        return "r"
    widest = max((columns(in_language(c, language)) for c in cells if isinstance(c, (str, T))), default=0)
    return rf"p{{{min(0.5, 1.2 / max(count, 1)):.2f}\linewidth}}" if widest > LONGEST else "l"
