r"""Documents as LaTeX that compiles: one file, standard packages, English with any engine, Japanese with LuaLaTeX.

The preamble asks for amsmath, longtable, booktabs, graphicx, geometry and fontenc; with Japanese (or any character that
has no LaTeX command) also luatexja, so the first line of the file says which program to run.  A formula wider than the
page is scaled to it.  Everything a user named is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from denpa.draw.markup import columns, number_text, plain
from denpa.draw.thinning import thin_rows
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
from denpa.explain.tex import BINARY, LETTERS, PREFIXES, RELATIONS, parse
from denpa.formatting import number

__all__ = ["expression", "formula", "page", "text"]  # expression: one node, by its stanza's template

ROWS = 60  # of a folded table
PAGE = 96  # characters of small text on a line; the columns beyond it go into a further table below
LONGEST = 40  # characters of a cell that are not broken
_HEADINGS = ("section", "subsection", "subsubsection", "paragraph")
_MORE = T(en="{0} of {1} rows shown", ja="全{1}行のうち{0}行を表示")

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\t": " ",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "¯": r"\={}",
    "\u00a0": "~",
}
_SIGNS = {
    **{sign: name for table in (LETTERS, BINARY, RELATIONS) for name, sign in table.items()},
    **{sign: name for name, sign in PREFIXES.items() if len(sign) == 1},
}
_MATHS = {sign: rf"\ensuremath{{\{name}}}" for sign, name in _SIGNS.items() if len(sign) == 1 and ord(sign) > 127}
_MATHS |= {"−": r"\ensuremath{-}", "√": r"\ensuremath{\surd}", "²": r"\textsuperscript{2}", "‖": r"\ensuremath{\Vert}"}
_MATHS |= {
    "≤": r"\ensuremath{\le}",
    "⊤": r"\ensuremath{\top}",
    "′": r"\ensuremath{'}",
    "⚠": "!",
    "·": r"\ensuremath{\cdot}",
}
_MATHS |= {"∗": r"\ensuremath{*}", "ŷ": r"\ensuremath{\hat{y}}", "⁡": ""}
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱʲᵏˡᵀᴷᴸᵃᵇᶜᵈᵉˢᵗ", "0123456789+-=()nijklTKLabcdest", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True))

_PREAMBLE = r"""\documentclass[a4paper,10pt]{article}
\usepackage{iftex}
\ifpdftex\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp}\fi
%JAPANESE%
\usepackage{amsmath,longtable,booktabs,graphicx}
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


def text(words: str) -> str:
    """A text of a user as LaTeX: nothing in it is a command; signs that have one are written with it."""
    out: list[str] = []
    for c in plain(words).replace("\n", " "):
        if c in _ACCENTS and out:
            out[-1] = rf"\ensuremath{{\{_ACCENTS[c]}{{{out[-1]}}}}}"
        elif c in _ESCAPES:
            out.append(_ESCAPES[c])
        elif c in _RAISED:
            out.append(rf"\textsuperscript{{{_RAISED[c]}}}")
        elif c in _LOWERED:
            out.append(rf"\textsubscript{{{_LOWERED[c]}}}")
        else:
            out.append(_MATHS.get(c, c))
    return _joined("".join(out))


def _joined(latex: str) -> str:
    """Neighbouring raised (or lowered) characters, and commas between them, in one command."""
    for command in ("textsuperscript", "textsubscript"):
        one = rf"\\{command}\{{([^{{}}]*)\}}"
        while (shorter := re.sub(rf"{one}(,?){one}", rf"\\{command}{{\1\2\3}}", latex)) != latex:
            latex = shorter
    return latex


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
            yield rf"\emph{{{_words(block.description, language)}}} {_words(block.caption, language)}"
        case Section():
            yield rf"\{_HEADINGS[min(depth, 3)]}{{{_words(block.title, language)}}}"
            for inner in block.blocks:
                yield from _block(inner, language, depth + 1)


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
