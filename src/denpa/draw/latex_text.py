"""Any text as LaTeX that shows it: nothing in it is a command, and signs that have a command are written with it."""

from __future__ import annotations

import re

from denpa.draw.markup import LOWERED, plain
from denpa.explain.tex import BINARY, LETTERS, PREFIXES, RELATIONS

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
    "⟨": r"\ensuremath{\langle}",
    "⟩": r"\ensuremath{\rangle}",
    "◆": r"\ensuremath{\blacklozenge}",
    "′": r"\ensuremath{'}",
    "⚠": "!",
    "·": r"\ensuremath{\cdot}",
}
_MATHS |= {"∗": r"\ensuremath{*}", "ŷ": r"\ensuremath{\hat{y}}", "⁡": ""}
_OPEN, _CLOSE = "\ue000", "\ue001"  # around what `markup.LOWERED` lowers
_MARKS = {_OPEN: r"\textsubscript{", _CLOSE: "}"}
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar"}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱʲᵏˡᵀᴷᴸᵃᵇᶜᵈᵉˢᵗ", "0123456789+-=()nijklTKLabcdest", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True))


def text(words: str) -> str:
    """A text of a user as LaTeX: nothing in it is a command; signs that have one are written with it."""
    out: list[str] = []
    lowered = LOWERED.sub(lambda found: found[1] + _OPEN + found[2] + _CLOSE, plain(words).replace("\n", " "))
    for c in lowered:
        if c in _ACCENTS and out:
            out[-1] = rf"\ensuremath{{\{_ACCENTS[c]}{{{out[-1]}}}}}"
        elif c in _MARKS:
            out.append(_MARKS[c])
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
