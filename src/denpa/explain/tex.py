"""The LaTeX formulas are written in: parsed into a tree, checked, and turned into plain characters.

A formula has one source, its LaTeX; `plain` here and MathML in `draw.mathml` are read off the same tree, so the three
cannot say different things.  The parser is strict: an unknown command, an unbalanced brace or fence is a UsageError.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, TypeAlias

from denpa.errors import UsageError
from denpa.explain.document import Formula
from denpa.formatting import number

_GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
        ],
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        strict=True,
    )
)
LETTERS = {**_GREEK, "partial": "∂", "nabla": "∇", "infty": "∞", "ell": "ℓ", "top": "⊤", "prime": "′", "ldots": "…"}
LETTERS |= {"cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "hbar": "ℏ"}
BINARY = {"times": "×", "cdot": "·", "odot": "⊙", "pm": "±", "land": "∧", "lor": "∨", "div": "÷"}
RELATIONS = {"le": "≤", "ge": "≥", "ne": "≠", "approx": "≈", "leftarrow": "←", "to": "→", "in": "∈", "mid": "|"}
RELATIONS |= {"Rightarrow": "⇒", "equiv": "≡"}
PREFIXES = {"sum": "Σ", "prod": "Π", "lnot": "¬", "exists": "∃", "forall": "∀"}
FUNCTIONS = {f: f for f in ["log", "exp", "max", "min", "arg", "tanh", "sin", "cos", "tan", "sinh", "cosh", "arctan"]}
SPACES = {",": " ", ";": " ", ":": " ", "!": "", "quad": "   ", "qquad": "      ", " ": " "}
FENCES = {"(": "(", ")": ")", "[": "[", "]": "]", "|": "|", ".": "", "lVert": "‖", "rVert": "‖", "{": "{", "}": "}"}
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304"}
FONTS = {"mathrm", "mathbf", "boldsymbol", "mathit"}
WORDS = {"text", "texttt", "operatorname", "textbf"}
ENVIRONMENTS = {"pmatrix": "()", "bmatrix": "[]", "cases": "{ ", "aligned": "  ", "matrix": "  "}

Kind: TypeAlias = Literal[
    "letter", "number", "binary", "relation", "prefix", "function", "mark", "space", "word", "code"
]


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign or word, as the characters a reader sees.  font: "", "mathrm", "mathbf" or "boldsymbol"."""

    kind: Kind
    text: str
    font: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    top: Tree
    bottom: Tree


@dataclass(frozen=True, slots=True)
class Root:
    inside: Tree


@dataclass(frozen=True, slots=True)
class Accent:
    sign: str
    inside: Tree


@dataclass(frozen=True, slots=True)
class Script:
    base: Tree
    below: Tree | None
    above: Tree | None


@dataclass(frozen=True, slots=True)
class Fenced:
    left: str
    inside: Tree
    right: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix, cases or aligned lines."""

    environment: str
    rows: tuple[tuple[Tree, ...], ...]


Tree: TypeAlias = "Sign | Row | Fraction | Root | Accent | Script | Fenced | Grid"

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\s+|\d+(?:\.\d+)?|.", re.DOTALL)


class _Reader:
    """Recursive descent over the tokens; the depth is that of the braces written in our own templates."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = _TOKEN.findall(latex)
        self.at = 0

    def wrong(self, what: str) -> UsageError:
        near = "".join(self.tokens[max(self.at - 6, 0) : self.at + 4])
        return UsageError(f"this formula cannot be read: {what}", where=f"near {near!r}", got=self.latex[:200])

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise self.wrong("it ends too early")
        self.at += 1
        return token

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def row(self, *stops: str) -> Tree:
        """Items up to one of the stops, which stays; the end of the text is a stop only when none is given."""
        items: list[Tree] = []
        while True:
            self.skip_space()
            token = self.peek()
            if token in stops or (not token and not stops):
                return items[0] if len(items) == 1 else Row(tuple(items))
            if token in ("^", "_"):
                base = items.pop() if items else Row(())
                items.append(self.scripts(base))
            else:
                items.append(self.item())

    def scripts(self, base: Tree) -> Script:
        found: dict[str, Tree] = {}
        while self.peek() in ("^", "_"):
            sign = self.take()
            if sign in found:
                raise self.wrong(f"two {sign} in a row")
            found[sign] = self.argument()
        return Script(base, found.get("_"), found.get("^"))

    def argument(self) -> Tree:
        self.skip_space()
        if self.peek() == "{":
            self.take()
            inside = self.row("}")
            self.take()
            return inside
        return self.item()

    def item(self) -> Tree:
        if self.peek() == "{":
            return self.argument()
        token = self.take()
        if token.startswith("\\"):
            return self.command(token[1:])
        if token in "}&^_":
            raise self.wrong(f"a {token} without its partner")
        return _character(token)

    def command(self, name: str) -> Tree:  # noqa: PLR0911  one return a kind of command
        for kind, table in (("letter", LETTERS), ("binary", BINARY), ("relation", RELATIONS), ("prefix", PREFIXES)):
            if name in table:
                return Sign(kind, table[name])  # type: ignore[arg-type]
        if name in FUNCTIONS:
            return Sign("function", name)
        if name in SPACES:
            return Sign("space", SPACES[name])
        if name in FENCES or name in "_%#&$":
            return Sign("mark", FENCES.get(name, name))
        if name in ("frac", "dfrac"):
            top = self.argument()
            return Fraction(top, self.argument())
        if name == "sqrt":
            return Root(self.argument())
        if name in ACCENTS:
            return Accent(ACCENTS[name], self.argument())
        return self.with_words(name)

    def with_words(self, name: str) -> Tree:
        if name in FONTS:
            return _in_font(self.argument(), name)
        if name in WORDS:
            kind: Kind = {"texttt": "code", "operatorname": "function"}.get(name, "word")  # type: ignore[assignment]
            return Sign(kind, self.words())
        if name == "left":
            return self.fence()
        if name == "begin":
            return self.grid()
        raise self.wrong(f"unknown command \\{name}")

    def words(self) -> str:
        """The text inside \\text{...}: spaces count, escapes are taken off."""
        self.skip_space()
        if self.take() != "{":
            raise self.wrong("text needs braces")
        found = ""
        while (token := self.take()) != "}":
            if token in tuple("{_^&#$%"):
                raise self.wrong(f"a bare {token} inside text")
            found += token[1:] if token.startswith("\\") and len(token) == 2 else token
            if token.startswith("\\") and len(token) > 2:
                raise self.wrong(f"command {token} inside text")
        return found

    def fence(self) -> Fenced:
        left = self.delimiter()
        inside = self.row("\\right")
        self.take()
        return Fenced(left, inside, self.delimiter())

    def delimiter(self) -> str:
        token = self.take().removeprefix("\\")
        if token not in FENCES:
            raise self.wrong(f"{token!r} is no fence")
        return FENCES[token]

    def name(self) -> str:
        if self.take() != "{":
            raise self.wrong("an environment needs a name in braces")
        name = ""
        while (token := self.take()) != "}":
            name += token
        return name

    def grid(self) -> Grid:
        name = self.name()
        if name not in ENVIRONMENTS:
            raise self.wrong(f"unknown environment {name!r}")
        rows: list[tuple[Tree, ...]] = []
        cells: list[Tree] = []
        while True:
            cells.append(self.row("&", "\\\\", "\\end"))
            stop = self.take()
            if stop != "&":
                rows.append(tuple(cells))
                cells = []
            if stop == "\\end":
                break
        if self.name() != name:
            raise self.wrong(f"{name!r} ends under another name")
        return Grid(name, tuple(rows))


def _character(token: str) -> Sign:
    if token[0].isdigit():
        return Sign("number", token)
    if token in "+-−*/⊙×·":
        return Sign("binary", {"-": "−", "*": "∗"}.get(token, token))
    if token in "=<>≈←→":
        return Sign("relation", token)
    return Sign("letter" if token.isalpha() else "mark", "′" if token == "'" else token)


def _in_font(tree: Tree, font: str) -> Tree:
    """Letters in this font.  Upright letters side by side are one word (softmax), not a product."""
    if isinstance(tree, Sign):
        return Sign(tree.kind, tree.text, font)
    if isinstance(tree, Row):
        signs = [item for item in tree.items if isinstance(item, Sign)]
        if len(signs) == len(tree.items) and font == "mathrm":
            return Sign("function" if len(signs) > 1 else "letter", "".join(s.text for s in signs), font)
        return Row(tuple(_in_font(item, font) for item in tree.items))
    if isinstance(tree, Script):
        return Script(_in_font(tree.base, font), tree.below, tree.above)
    return tree


def parse(latex: str) -> Tree:
    """The tree of a formula.  UsageError for what is not balanced or not known here."""
    return _Reader(latex).row()


_UP = str.maketrans(
    "0123456789+−-=()abcdefghijklmnoprstuvwxyzTKLGNθβγδφ⊤′,*∗",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀᴷᴸᴳᴺᶿᵝᵞᵟᵠᵀ′,**",
)
_DOWN = str.maketrans("0123456789+−-=()aehijklmnoprstuvxβγρφχ,", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ,")


def _script(text: str, table: dict[int, int], mark: str) -> str:
    """Raised or lowered characters where Unicode has all of them, else ^(…) or _(…)."""
    text = text.replace(" ", "")
    if all(ord(c) in table for c in text):
        return text.translate(table)
    return mark + (text if len(text) == 1 or text.isalnum() else f"({text})")


def _alone(text: str) -> str:
    """`text` in parentheses unless it reads as one factor."""
    outside = re.sub(r"[\[(][^\[\]()]*[\])]", "", text)
    return f"({text})" if re.search(r"[ +/]|(?<!^)−", outside) and not _closed(text) else text


def _closed(text: str) -> bool:
    """Whether one pair of parentheses holds the whole text."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and i < len(text) - 1:
            return False
    return text[:1] in "([" and depth == 0


def _join(items: tuple[Tree, ...]) -> str:
    """Signs in a row: spaces around relations and binary operators, none after a leading minus."""
    out = ""
    operand = False  # whether something stands to the left that a binary operator could belong to
    for item in items:
        kind = item.kind if isinstance(item, Sign) else "letter"
        text = plain_of(item)
        if kind == "relation" or (kind == "binary" and operand):
            out = f"{out.rstrip()} {text} "
        elif kind in ("function", "word") and out and not out.endswith((" ", "(", "[")):
            out += f" {text}" if kind == "function" else text
        elif kind == "prefix" or _has_base(item, "prefix"):
            out = f"{out.rstrip()} {text} " if out and out[-1] not in "([−" else f"{out}{text} "
        elif out and _names(out) and (text[:1].isalnum() and kind == "letter"):
            out += f" {text}"
        else:
            out += f"{text} " if text == "," else text
        operand = kind not in ("relation", "binary", "space", "prefix") and text not in ("(", "[", "{", ",", "|")
        if kind == "function" or _has_base(item, "function"):
            out += "\0"  # a space, unless a parenthesis follows
    return re.sub("\0 *", " ", re.sub(r"\0(?=[\(\[⁻⁰-⁹]|$)", "", out))


def _has_base(item: Tree, kind: Kind) -> bool:
    return isinstance(item, Script) and isinstance(item.base, Sign) and item.base.kind == kind


def _names(out: str) -> bool:
    return re.search(r"[A-Za-z0-9]{2,}$", out) is not None and not out[-1].isdigit()


def plain_of(tree: Tree) -> str:  # noqa: PLR0911  one return a kind of tree
    """A tree as plain characters."""
    match tree:
        case Sign():
            return tree.text
        case Row():
            return _join(tree.items)
        case Fraction():
            return f"{_alone(plain_of(tree.top))}/{_alone(plain_of(tree.bottom))}"
        case Root():
            return (
                f"√{_alone(plain_of(tree.inside))}" if len(plain_of(tree.inside)) > 1 else f"√{plain_of(tree.inside)}"
            )
        case Accent():
            return f"{plain_of(tree.inside)}{tree.sign}"
        case Fenced():
            return f"{tree.left}{plain_of(tree.inside)}{tree.right}"
        case Grid():
            return _grid(tree)
        case Script():
            base = plain_of(tree.base)
            if not isinstance(tree.base, (Sign, Accent, Fenced, Script)):
                base = _alone(base)
            low = "" if tree.below is None else _script(plain_of(tree.below), _DOWN, "_")
            return base + low + ("" if tree.above is None else _script(plain_of(tree.above), _UP, "^"))


def _grid(grid: Grid) -> str:
    rows = [[plain_of(cell) for cell in row] for row in grid.rows]
    if grid.environment == "cases":
        return "{ " + "; ".join(" if ".join(row).replace(" if otherwise", " otherwise") for row in rows) + " }"
    if grid.environment == "aligned":
        return "; ".join("".join(row) for row in rows)
    if all(len(row) == 1 for row in rows) and len(rows) > 1:
        return "[" + "; ".join(row[0] for row in rows) + "]"
    return "[" + "; ".join(", ".join(row) for row in rows) + "]"


def plain(latex: str) -> str:
    """A formula as plain characters: W⁽¹⁾, ∂L/∂w₁₁², [1, 2; 3, 4] for a matrix of two rows."""
    return unicodedata.normalize("NFC", re.sub(" {2,}", " ", plain_of(parse(latex))).strip())


def formula(latex: str) -> Formula:
    """A Formula whose plain form is read off its LaTeX."""
    return Formula(latex, plain(latex))


def numeral(value: float | int, digits: int = 4) -> str:
    """A number in LaTeX: 0.25, 12{,}345, -1.5 \\times 10^{-7}."""
    text = number(value, digits)
    if text in ("NaN", "∞", "-∞"):
        return {"NaN": r"\mathrm{NaN}", "∞": r"\infty", "-∞": r"-\infty"}[text]
    mantissa, e, power = text.partition("e")
    mantissa = mantissa.replace(",", "{,}")
    if not e:
        return mantissa
    return rf"{mantissa} \times 10^{{{power}}}" if mantissa not in ("1", "-1") else f"{mantissa[:-1]}10^{{{power}}}"


def code(text: str) -> str:
    """A name of a program in typewriter letters."""
    safe = re.sub(r"[\\^~\x00-\x1f]", "·", text)
    return r"\texttt{" + re.sub(r"([_%#&${}])", r"\\\1", safe) + "}"


def words(text: str) -> str:
    """A user's own name for a value: one letter as a variable, Greek names as letters, anything else upright."""
    head, _, tail = text.partition("_")
    if text in _GREEK:
        return f"\\{text}"
    if re.fullmatch(r"[A-Za-z]", text):
        return text
    if re.fullmatch(r"[A-Za-z]", head) and re.fullmatch(r"[A-Za-z0-9]{1,3}", tail):
        return f"{head}_{{{tail}}}"
    if found := re.fullmatch(r"([A-Za-z])(\d{1,3})", text):
        return f"{found[1]}_{{{found[2]}}}"
    safe = re.sub(r"[\\^~\x00-\x1f]", "·", text) or "·"
    return r"\text{" + re.sub(r"([_%#&${}])", r"\\\1", safe) + "}"
