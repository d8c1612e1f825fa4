"""The legend of a picture of a graph: what position, colour and width mean, with real widths."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from denpa.draw.markup import width as text_width
from denpa.draw.scene import BOLD, SMALL, Sample
from denpa.explain.words import T, in_language
from denpa.formatting import number

if TYPE_CHECKING:
    from denpa.draw.diagram import Diagram, Scale

LINE = 30.0  # px, length of a sample line
LINES = ("wire", "faint")
_VALUE = T(en="top: value, forward", ja="上：順伝播の値")
_GRADIENT = T(en="bottom ←: gradient, backward", ja="下 ←：逆伝播の勾配")
_LOCAL = T(en="× local derivative", ja="× 局所的な微分")
_WIDTH = T(en="width: |gradient|", ja="線の太さ：勾配の大きさ")
_NORM = T(en="←| |: norm of an array's gradient", ja="←| |：配列の勾配のノルム")
_SUMMARY = T(en="min / mean / max", ja="最小 / 平均 / 最大")
_FAINT = T(en="gradient ≈ 0", ja="勾配 ≈ 0")
_PARAMETER = T(en="◆ parameter", ja="◆ パラメータ")
_BEAD = T(en="Σ: gradients of the branches add up", ja="Σ：分岐の勾配の和")
_STRIP = T(en="cells: + filled, − small, zero empty", ja="升目：正は塗り、負は小さく、0は空")


def legend(
    diagram: Diagram, widths: Scale, kinds: Collection[str], beads: bool, left: float, room: tuple[float, float]
) -> tuple[tuple[Sample, ...], float, float]:
    """The entries, and the width and height they need.  room: width and height of the picture they stand under."""
    language = diagram.language
    rows = [row for link in diagram.links for row in link.rows]
    shown = {row.kind for row in rows}
    entries: list[tuple[str, str, float]] = []
    for kind, words, there in (
        ("value", _VALUE, "value" in shown),
        ("gradient", _GRADIENT, "gradient" in shown),
        ("local", _LOCAL, "local" in shown),
        ("parameter", _PARAMETER, "parameter" in kinds),
        ("bead", _BEAD, beads),
        ("gradient", _NORM, any(row.kind == "gradient" and "|" in row.text for row in rows)),
        ("summary", _SUMMARY, "summary" in shown),
        ("strip", _STRIP, any(row.strip for row in rows)),
    ):
        if there:
            entries.append((kind, in_language(words, language), 0.0))
    sizes = sorted({k.gradient for k in diagram.links if k.gradient and not widths.width(k.gradient)[1]})
    if len(sizes) > 1:
        picked = dict.fromkeys((sizes[0], sizes[len(sizes) // 2], sizes[-1]))
        for i, size in enumerate(picked):
            lead = in_language(_WIDTH, language) + " " if i == 0 else ""
            entries.append(("wire", lead + number(size, 2), widths.width(size)[0]))
    if any(widths.width(k.gradient)[1] for k in diagram.links):
        entries.append(("faint", in_language(_FAINT, language), 1.0))
    return _lines(entries, left, *room)


def _lines(
    entries: list[tuple[str, str, float]], left: float, across: float, top: float
) -> tuple[tuple[Sample, ...], float, float]:
    """Entries in lines as wide as the picture, or 640 px under a small one."""
    samples: list[Sample] = []
    x, y, wide = left, top + 8.0, 0.0
    needs = [
        text_width(text, SMALL) * (BOLD if kind == "gradient" else 1.0) + (LINE + 6.0 if kind in LINES else 0.0) + 16.0
        for kind, text, _ in entries
    ]
    whole = sum(need for need, (kind, _, _) in zip(needs, entries, strict=True) if kind == "wire")
    for i, ((kind, text, width), need) in enumerate(zip(entries, needs, strict=True)):
        together = whole if kind == "wire" and entries[i - 1][0] != "wire" else need  # the widths stay in one line
        if x > left and x + together > max(640.0, across):
            x, y = left, y + 18.0
        samples.append(Sample(kind, x, y, text, width))  # type: ignore[arg-type]
        x += need
        wide = max(wide, x)
    return tuple(samples), wide, (y - top + 18.0 if samples else 0.0)
