"""Markup: the one home of escaping, and of building HTML and SVG elements as text.

`element` escapes every child that is not already `Markup` and every attribute, so a class named `<script>` stays words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from html import escape as _html_escape

from denpa.explain.words import LANGUAGES, Language, Number, Words, in_language
from denpa.formatting import duration, number, percent

# Written <br/>: legal in HTML for its void elements and for SVG's own, and well-formed XML.
_EMPTY = frozenset({"meta", "br", "img", "input", "hr", "rect", "line", "path", "circle", "polyline", "image"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def _visible(character: str) -> str:
    """Characters that XML forbids, or that reorder the text around them, as a visible sign."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # ␀ … ␟, Unicode's control pictures
    return "\ufffd"


def _unsafe(character: str) -> bool:
    code = ord(character)
    return (
        (code < 0x20 and character not in "\t\n")
        or 0x7F <= code <= 0x9F  # C1 controls
        or 0xD800 <= code <= 0xDFFF  # lone surrogates: bytes of a file that are not UTF-8
        or 0x202A <= code <= 0x202E  # bidirectional embeddings and overrides,
        or 0x2066 <= code <= 0x2069  # and isolates: they can make a name read as another
        or (code & 0xFFFE) == 0xFFFE  # noncharacters
    )


def plain(text: str) -> str:
    """`text` without characters that damage a page or a terminal: each becomes a visible sign."""
    return "".join(_visible(c) if _unsafe(c) else c for c in text)


def escape(text: str) -> Markup:
    return Markup(_html_escape(plain(text), quote=True))


def attribute(value: object) -> str:
    """An attribute's value: floats with at most two decimals (a hundredth of a pixel).  ValueError for NaN and inf."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a coordinate is {value}")
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return escape(str(value))


def element(name: str, /, *children: str, **attributes: object) -> Markup:
    """`<name attributes>children</name>`.  `class_` is class, `_` inside an attribute's name is `-`; None: left out."""
    inside = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not children:
        return Markup(f"<{name}{inside}/>")
    return Markup(f"<{name}{inside}>{join(*children)}</{name}>")


def join(*parts: str) -> Markup:
    """The parts one after another, escaped where they are not markup."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def both(words: Words, tag: str = "span", language: Language | None = None) -> Markup:
    """Words as markup: in `language`, or in every language for the page's switch to choose from (None).

    Verbatim words (`str`) are written once.
    """
    if isinstance(words, str):
        return escape(words)
    if language is not None:
        return escape(in_language(words, language))
    return join(*(element(tag, in_language(words, code), class_=code, lang=code) for code in LANGUAGES))


def number_text(value: Number) -> str:
    """The number in its style, without its unit."""
    match value.style:
        case "percent":
            return percent(float(value.value))
        case "duration":
            return duration(float(value.value))
        case _:
            return number(value.value, value.digits)


def columns(text: str) -> int:
    """Width in half-width columns: 2 for Chinese, Japanese and Korean characters, 0 for combining marks."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain(text)
    )


def width(words: Words, font_size: float) -> float:
    """Estimated width in pixels in a system sans-serif, the widest of the languages: between Noto Sans and the wider
    DejaVu Sans, which a picture may be shown with."""
    texts = [words] if isinstance(words, str) else [in_language(words, code) for code in LANGUAGES]
    return max(sum(_SHARE.get(lift, 0.0) * _em(run) for lift, run in runs(text)) for text in texts) * font_size


_SHARE = {"": 1.0, "super": 0.72, "sub": 0.72}  # of the font size; a hat takes no room
_NARROW, _WIDE = frozenset(" .,:;'|!()[]iljtfrI·"), frozenset("mwMW%@…—")


def _em(text: str) -> float:
    total = 0.0
    for c in text:
        if (across := columns(c)) != 1:
            total += across / 2
        else:
            total += 0.38 if c in _NARROW else 0.9 if c in _WIDE else 0.66 if c.isupper() else 0.58
    return total


_ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "-"}
LOWERED = re.compile(
    r"(?<![\w])([A-Za-z])_([A-Zμν][a-zν]?)(?![A-Za-z0-9_])"
)  # C_T, W_μn: Unicode has no such subscripts


def runs(text: str) -> list[tuple[str, str]]:
    """The text cut where it rises or falls: ("", "W"), ("sub", "12"), ("super", "(1)"); ŷ is ("", "y"), ("hat", "^").

    Accents of Latin-1 (ñ, é) stay letters: every font has them.
    """
    found: list[tuple[str, str]] = []
    at = 0
    for lowered in LOWERED.finditer(text):
        found += [*_characters(text[at : lowered.end(1)]), ("sub", lowered[2])]
        at = lowered.end()
    joined: list[tuple[str, str]] = []
    for lift, piece in [*found, *_characters(text[at:])]:
        if joined and joined[-1][0] == lift and not lift.endswith("hat"):
            joined[-1] = (lift, joined[-1][1] + piece)
        else:
            joined.append((lift, piece))
    return joined


def _characters(text: str) -> Iterator[tuple[str, str]]:
    before = ""
    for character in text:
        kind, _, base = unicodedata.decomposition(character).partition(" ")
        if kind in ("<super>", "<sub>"):
            yield kind.strip("<>"), "".join(chr(int(code, 16)) for code in base.split())
        elif character in _ACCENTS and before.isascii() and before.isalpha():
            yield _above(before), _ACCENTS[character]
        elif ord(character) > 0xFF and (apart := unicodedata.normalize("NFD", character))[1:] in _ACCENTS:
            yield "", apart[0]
            yield _above(apart[0]), _ACCENTS[apart[1]]
        else:
            yield "", character
        before = character


def _above(letter: str) -> str:
    return "capital hat" if letter.isupper() or letter in "bdfhklt" else "hat"


def shorten(text: str, limit: int) -> str:
    """`text` cut in its middle to at most `limit` columns, so that both ends still tell names apart."""
    if columns(text) <= limit:
        return text
    head, tail = text, text
    while columns(head) > limit // 2:
        head = head[:-1]
    while columns(tail) > limit - 1 - columns(head):
        tail = tail[1:]
    return f"{head}…{tail}"
