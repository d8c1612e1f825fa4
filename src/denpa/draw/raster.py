"""Scenes as PNG, through resvg.  A character that no font of the machine has is said, never drawn as an empty box."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.draw.png import decode
from denpa.draw.scene import Scene
from denpa.draw.svg import Theme, render
from denpa.errors import UsageError, require

PIXELS = 100_000_000  # 400 MB as RGBA, the most that a picture may take
_ABSENT = "\U0010fffd"  # private use, the last but two code point: no font has it
LONGEST = 200  # characters of a text that are looked at
LINE, PAGE = 22, 256  # px, for a text of 12 px; texts in one picture


def _resvg() -> Any:
    return require("resvg_py", for_="PNG pictures", extra="draw")


def png(scene: Scene, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """The picture at `scale` pixels a unit.  MissingPackage without resvg_py; UsageError for characters without a glyph
    and for more than 100 megapixels."""
    resvg = _resvg()
    if not 0 < scale <= 16 or scene.width * scene.height * scale**2 > PIXELS:
        raise UsageError(
            "the picture is too large for a PNG",
            got=f"{scene.width * scale:,.0f} × {scene.height * scale:,.0f} pixels",
            want=f"at most {PIXELS:,} in all",
            fix="a smaller scale, a collapsed graph, or SVG",
        )
    picture = str(render(scene, "light" if theme == "auto" else theme))
    if absent := missing(picture):
        raise UsageError(
            f"the fonts of this machine cannot draw {len(absent)} of the characters in this picture",
            got=" ".join(absent[:20]) + (" …" if len(absent) > 20 else ""),
            fix="install a font that has them (Debian: fonts-noto-cjk for Japanese, fonts-dejavu for symbols), "
            "or save as SVG",
        )
    return bytes(resvg.svg_to_bytes(svg_string=picture, zoom=scale))


def missing(picture: str) -> list[str]:
    """The characters of an SVG's texts that the renderer draws as an empty box.

    A character drawn alone may have a font, and none beside others: the renderer looks for one font for a whole text.
    So each text is drawn as it is, and with a character that no font has in the place of each: alike means missing.
    """
    texts: dict[str, str] = {}  # one of each pattern of digits
    for found in re.findall(r"<text[^>]*>(.*?)</text>", picture, re.DOTALL):
        text = unescape(re.sub(r"<[^>]*>", "", found))
        if not text.isascii():
            texts.setdefault(re.sub(r"[0-9.]+", "0", text), text[:LONGEST])
    asked = [(text, c) for text in texts.values() for c in dict.fromkeys(text) if not (c.isascii() or c.isspace())]
    images = _drawn([line for text, c in asked for line in (text, text.replace(c, _ABSENT))])
    alike = [np.array_equal(a, b) for a, b in zip(images[::2], images[1::2], strict=True)]
    return sorted({c for (_, c), same in zip(asked, alike, strict=True) if same})


def _drawn(texts: list[str]) -> list[Array]:
    """Each text as the renderer draws it, (height, width) opacities; many in one picture, as fonts are loaded once."""
    from denpa.draw.markup import element
    from denpa.draw.style import FONTS

    images: list[Array] = []
    for first in range(0, len(texts), PAGE):
        lines = texts[first : first + PAGE]
        rows = [element("text", t, x=4, y=LINE * i + 15, font_size=12, font_family=FONTS) for i, t in enumerate(lines)]
        size = {"width": 16 * max(map(len, lines)), "height": LINE * len(lines)}
        sheet = element("svg", *rows, xmlns="http://www.w3.org/2000/svg", **size)
        alpha = decode(bytes(_resvg().svg_to_bytes(svg_string=str(sheet))))[..., 3]
        images += [alpha[LINE * i : LINE * (i + 1)] for i in range(len(lines))]
    return images
