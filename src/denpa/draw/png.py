"""PNG files from arrays, by zlib alone (PNG specification, third edition, sections 5 and 11)."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from denpa.arrays import Array
from denpa.errors import ShapeError

_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}  # channels: grey, RGB, RGBA


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode(pixels: Array) -> bytes:
    """The PNG of unsigned bytes (height, width), (height, width, 3) RGB or (height, width, 4) RGBA.

    ShapeError for any other shape or dtype, and for an image without pixels (PNG has none).
    """
    array = np.asarray(pixels)
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or channels not in _COLOUR_TYPE or not array.size:
        raise ShapeError(
            "not an image", got=f"{array.shape} {array.dtype}", want="uint8 (height, width), with 3 or 4 channels last"
        )
    height, width = array.shape[:2]
    rows = array.reshape(height, width * channels)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter type 0 before each row
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9)), _chunk(b"IEND", b""))
    )


def data_uri(pixels: Array) -> str:
    """The PNG of `pixels` as a `data:` address, for a page that loads nothing."""
    return "data:image/png;base64," + base64.b64encode(encode(pixels)).decode("ascii")


def to_bytes(pixels: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """An image of any real dtype as unsigned bytes: uint8 as it is, others stretched from `low`…`high` and clipped.

    Returns (height, width, 3) when a value is not finite: those pixels are magenta, a colour that no grey image has.
    """
    array = np.asarray(pixels)
    if array.dtype == np.uint8:
        return array
    values = np.clip(array.astype(np.float64), low, high) / 2  # halves: the span of any two floats is finite
    finite = np.isfinite(array)
    grey = np.where(finite, (values - low / 2) / ((high / 2 - low / 2) or 1.0) * 255, 0)
    result = np.round(grey).astype(np.uint8)
    if finite.all():
        return result
    if result.ndim == 2:
        result, finite = np.repeat(result[..., None], 3, axis=2), finite[..., None]
    return np.where(finite.all(axis=2, keepdims=True), result, np.array([255, 0, 255], np.uint8))


def decode(data: bytes) -> Array:
    """RGBA bytes (height, width, 4) of a PNG made here or by resvg: 8 bits, no interlace, any filter (PNG §9)."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    channels = {kind: count for count, kind in _COLOUR_TYPE.items()}[colour]
    assert depth == 8, depth
    body, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            body += data[at + 8 : at + 8 + length]
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + channels * width)
    pixels = np.full((height, width, 4), 255, np.uint8)
    above = np.zeros((width, channels), np.uint8)
    for y, row in enumerate(rows):
        above = _unfilter(int(row[0]), row[1:].reshape(width, channels), above)
        pixels[y, :, : max(channels, 3)] = above
    return pixels


def _unfilter(kind: int, line: Array, above: Array) -> Array:
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + above
    out = np.zeros_like(line)
    left = corner = np.zeros(line.shape[1], np.int16)
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
