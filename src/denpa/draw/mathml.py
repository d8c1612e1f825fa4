"""Formulas as MathML Core, which browsers draw by themselves: no script, no font, no request."""

from __future__ import annotations

from denpa.draw.markup import Markup, element, join
from denpa.explain.document import Formula
from denpa.explain.tex import Accent, Fenced, Fraction, Grid, Root, Row, Script, Sign, Tree, parse

_ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "¯"}
_UNDER = {"Σ": "∑", "Π": "∏"}  # MathML's own operator characters, which grow


def math(formula: Formula) -> Markup:
    """`<math>` with the plain form as its label.  UsageError for LaTeX that `explain.tex` does not know."""
    return element("math", _node(parse(formula.latex)), display="block", aria_label=formula.plain)


def _node(tree: Tree) -> Markup:  # noqa: PLR0911  one return a kind of tree
    match tree:
        case Sign():
            return _sign(tree)
        case Row():
            return _row(*(part for i in range(len(tree.items)) for part in _item(tree.items, i)))
        case Fraction():
            return element("mfrac", _node(tree.top), _node(tree.bottom))
        case Root():
            return element("msqrt", _node(tree.inside))
        case Accent():
            sign = element("mo", _ACCENTS.get(tree.sign, tree.sign), stretchy="false")
            return element("mover", _node(tree.inside), sign, accent="true")
        case Fenced():
            fences = [element("mo", sign) if sign else Markup("") for sign in (tree.left, tree.right)]
            return _row(fences[0], _node(tree.inside), fences[1])
        case Grid():
            return _grid(tree)
        case Script():
            return _script(tree)


def _row(*parts: Markup) -> Markup:
    return element("mrow", *parts)


def _item(items: tuple[Tree, ...], i: int) -> tuple[Markup, ...]:
    """One item of a row; after a function a thin space, unless its argument stands in parentheses."""
    item = items[i]
    function = isinstance(item, Sign) and item.kind == "function"
    spaced = function and i + 1 < len(items) and not isinstance(items[i + 1], Fenced)
    return (_node(item), _THIN) if spaced else (_node(item),)


def _script(tree: Script) -> Markup:
    big = isinstance(tree.base, Sign) and tree.base.text in _UNDER
    base = _node(tree.base)
    if tree.below is not None and tree.above is not None:
        return element("munderover" if big else "msubsup", base, _node(tree.below), _node(tree.above))
    if tree.below is not None:
        return element("munder" if big else "msub", base, _node(tree.below))
    assert tree.above is not None
    return element("mover" if big else "msup", base, _node(tree.above))


def _sign(sign: Sign) -> Markup:  # noqa: PLR0911  one return a kind of sign
    """Letters in bold are Unicode's own bold letters: MathML Core has no other way."""
    match sign.kind:
        case "number":
            return element("mn", sign.text)
        case "binary" | "relation":
            return element("mo", sign.text)
        case "prefix":
            return element("mo", _UNDER.get(sign.text, sign.text))
        case "mark":
            return element("mo", sign.text, stretchy="false")
        case "space":
            return element("mspace", width=f"{0.17 * max(len(sign.text), 1):.2f}em")
        case "function":
            return join(
                _THIN, element("mi", sign.text, mathvariant="normal" if len(sign.text) == 1 else None), Markup(_APPLY)
            )
        case "word":
            return element("mtext", sign.text)
        case "code":
            return element("mtext", sign.text, class_="code")
        case "letter":
            text = "".join(map(_bold, sign.text)) if sign.font in ("mathbf", "boldsymbol") else sign.text
            upright = sign.font in ("mathrm", "mathbf") and len(text) == 1
            return element("mi", text, mathvariant="normal" if upright else None)


_THIN = element("mspace", width="0.17em")
_APPLY = "<mo>\u2061</mo>"  # function application, invisible


def _bold(character: str) -> str:
    if "A" <= character <= "Z":
        return chr(0x1D400 + ord(character) - ord("A"))
    if "a" <= character <= "z":
        return chr(0x1D41A + ord(character) - ord("a"))
    if "α" <= character <= "ω":
        return chr(0x1D6C2 + ord(character) - ord("α"))
    return character


def _grid(grid: Grid) -> Markup:
    rows = [element("mtr", *(element("mtd", _node(cell)) for cell in row)) for row in grid.rows]
    table = element("mtable", *rows, columnalign="left" if grid.environment in ("cases", "aligned") else None)
    fences = {"pmatrix": "()", "bmatrix": "[]", "cases": "{"}.get(grid.environment, "")
    left, right = (fences[:1], fences[1:])
    return _row(element("mo", left) if left else Markup(""), table, element("mo", right) if right else Markup(""))
