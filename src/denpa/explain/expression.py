"""A node as LaTeX, from the template in its primitive's stanza; parentheses where the parts bind more loosely.

What binds how is read off the template itself, so that a primitive needs no second entry anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from denpa.explain import tex
from denpa.explain.equations import matrix
from denpa.graph import Node

RELATION, NEGATIVE, SUM, PRODUCT, POWER, ATOM = range(6)  # how tightly a text binds
NUMBERS = 9  # elements of an array up to which its numbers are written

Namer = Callable[[Node], str | None]


def expression(node: Node, name: Namer | Mapping[Node, str], *, depth: int = 8) -> str:
    """LaTeX of what a node computes.  name: how inner nodes are called; one without a name is written out in turn.

    depth: levels that are written out; below them a node without a name is shown by its operator's symbol.
    """
    named = name.get if isinstance(name, Mapping) else name
    return _operation(node, named, depth)[0]


def symbol(node: Node) -> str:
    """What a node is called when nobody has named it for the occasion: its name, a constant's number, its operator."""
    if node.name is not None:
        return tex.words(node.name)
    if node.op is None:
        return value(node.value) or rf"\text{{{node.kind}}}"
    return tex.words(node.op.label)


def value(array: object) -> str | None:
    """A number, a vector or a matrix with its numbers; None for what is too large to write."""
    a = np.asarray(array)
    if a.dtype.kind not in "biuf" or a.size > NUMBERS or a.ndim > 2 or a.size == 0:
        return None
    if a.ndim == 0:
        return tex.numeral(int(a) if a.dtype.kind in "iu" else float(a))
    return matrix(a.astype(np.float64))


def _part(node: Node, named: Namer, depth: int) -> tuple[str, int]:
    """A node inside an expression: its text and how it binds."""
    given = named(node)
    if given is not None:
        return given, level_of_text(given)
    if node.op is None or depth <= 0:
        text = symbol(node)
        return text, level_of_text(text)
    return _operation(node, named, depth - 1)


def level_of_text(text: str) -> int:
    """Of a name or a number: a leading minus, a power of ten behind a factor, or one thing."""
    if text.startswith("-"):
        return NEGATIVE
    return PRODUCT if r" \times " in text and not text.startswith(r"\begin") else ATOM


def _operation(node: Node, named: Namer, depth: int) -> tuple[str, int]:
    if node.op is None:
        return _part(node, named, depth)
    if node.op.name == "multiply":  # 1 · x is x: the derivative of the result with respect to itself
        for one, other in (node.inputs, node.inputs[::-1]):
            if one.op is None and one.kind == "constant" and one.value.ndim == 0 and one.value == 1:
                return _part(other, named, depth)
    return fill(node.op.latex, [_part(n, named, depth) for n in node.inputs])


def fill(template: str, parts: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """A stanza's template around its parts, each a text and how it binds; the whole and how that binds."""
    if template == "{0}":
        return parts[0]
    needs = _needs(template, len(parts))
    texts = [_bound(text, level, need) for (text, level), need in zip(parts, needs, strict=True)]
    return template.format(*texts, args=", ".join(text for text, _ in parts)), _level(template, len(parts))


def _bound(text: str, level: int, need: int) -> str:
    return text if level >= need else rf"\left({text}\right)"


def _marked(template: str, count: int) -> str:
    marks = [chr(0xE000 + i) for i in range(count)]  # private-use characters: no template has them
    return template.format(*marks, args="")


@lru_cache(maxsize=512)
def _needs(template: str, count: int) -> tuple[int, ...]:
    """For each argument how tightly it must bind to stand where the template puts it."""
    text = _marked(template, count)
    return tuple(
        max((_need(text, m.start()) for m in re.finditer(chr(0xE000 + i), text)), default=0) for i in range(count)
    )


def _need(text: str, at: int) -> int:  # noqa: PLR0911  one return a neighbour
    before, after = text[:at].rstrip(), text[at + 1 :].lstrip()
    if before.endswith("{") and after.startswith("}"):  # alone in braces: only the base of a power needs one thing
        return ATOM if after[1:].lstrip().startswith("^") else RELATION
    if after.startswith(("^", r"\left[")):
        return ATOM
    if before.endswith("-"):
        return PRODUCT
    if before.endswith((r"\times", r"\,", r"\cdot")) or after.startswith((r"\times", r"\,", r"\cdot")):
        return PRODUCT
    if re.search(r"\\(sum|prod|max|min|log|exists|forall|lnot)$|\\(sum|prod)_\{[^{}]*\}$", before):
        return POWER
    if re.match(r"\\(log|sum)", after):
        return POWER
    if before.endswith("+"):
        return SUM
    return NEGATIVE if after.startswith(("+", "-")) else RELATION


@lru_cache(maxsize=512)
def _level(template: str, count: int) -> int:
    """How tightly the whole binds: read off what stands outside all braces and fences."""
    text = _marked(template, count)
    while (shorter := re.sub(r"\\left\S((?!\\left|\\right).)*\\right\S", "F", text)) != text:
        text = shorter
    while (shorter := re.sub(r"\{[^{}]*\}|\([^()]*\)", "", text)) != text:
        text = shorter
    if re.search(r"<|>|=|\\le\b|\\ge\b|\\ne\b|\\land|\\lor", text):
        return RELATION
    if "+" in text or "-" in text[1:]:
        return SUM
    if text.startswith("-"):
        return NEGATIVE
    if re.search(r"\\times|\\,|\\(sum|prod|max|min|log|exists|forall|lnot)\b", text):
        return PRODUCT
    return POWER
