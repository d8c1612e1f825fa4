"""Scenes as PNG, through resvg.  A character that no font of the machine has is said, never drawn as an empty box."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.draw.scene import Scene
from denpa.draw.svg import Theme, render
from denpa.errors import UsageError, require

PIXELS = 100_000_000  # 400 MB as RGBA, the most that a picture may take
_ABSENT = "\U0010fffd"  # private use, the last but two code point: no font has it
_CELL = 32  # px, for a character of 20 px


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
            f"no font on this machine has {len(absent)} of the characters in this picture",
            got=" ".join(absent[:20]) + (" …" if len(absent) > 20 else ""),
            fix="install a font that has them (Debian: fonts-noto-cjk for Japanese, fonts-dejavu for symbols), "
            "or save as SVG",
        )
    return bytes(resvg.svg_to_bytes(svg_string=picture, zoom=scale))


def missing(text: str) -> list[str]:
    """The characters of `text` that the renderer has no glyph for: they look like one that no font can have."""
    characters = sorted({c for c in text if not c.isspace()})
    images = _glyphs([_ABSENT, *characters])
    return [c for c, image in zip(characters, images[1:], strict=True) if np.array_equal(image, images[0])]


def _glyphs(characters: list[str]) -> list[Array]:
    """Each character as the renderer draws it, all in one picture: fonts are loaded once."""
    from denpa.draw.markup import element
    from denpa.draw.style import FONTS

    across = 64
    down = -(-len(characters) // across)
    cells = [
        element("text", c, x=_CELL * (i % across) + 4, y=_CELL * (i // across) + 23, font_size=20, font_family=FONTS)
        for i, c in enumerate(characters)
    ]
    size = {"width": across * _CELL, "height": down * _CELL}
    sheet = element("svg", *cells, xmlns="http://www.w3.org/2000/svg", **size)
    alpha = decode(bytes(_resvg().svg_to_bytes(svg_string=str(sheet))))[..., 3]
    places = [(_CELL * (i // across), _CELL * (i % across)) for i in range(len(characters))]
    return [alpha[y : y + _CELL, x : x + _CELL] for y, x in places]


def decode(data: bytes) -> Array:
    """RGBA bytes (height, width, 4) of the PNG that resvg writes: 8 bits, no interlace, any filter (PNG §9)."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    assert (depth, colour) == (8, 6), (depth, colour)
    body, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            body += data[at + 8 : at + 8 + length]
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 4 * width)
    pixels = np.zeros((height, width, 4), np.uint8)
    above = np.zeros((width, 4), np.uint8)
    for y, row in enumerate(rows):
        above = pixels[y] = _unfilter(int(row[0]), row[1:].reshape(width, 4), above)
    return pixels


def _unfilter(kind: int, line: Array, above: Array) -> Array:
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + above
    out = np.zeros_like(line)
    left = corner = np.zeros(4, np.int16)
    for x, raw in enumerate(line.astype(np.int16)):
        up = above[x].astype(np.int16)
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
        left, corner = (raw + guess) % 256, up
        out[x] = left
    return out


def _paeth(a: Array, b: Array, c: Array) -> Array:
    p = a + b - c
    pa, pb, pc = np.abs(p - a), np.abs(p - b), np.abs(p - c)
    return np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
