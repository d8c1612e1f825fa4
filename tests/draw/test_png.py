from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from denpa.draw.png import encode, to_bytes
from denpa.errors import ShapeError


def decode(data: bytes) -> np.ndarray:
    """An independent reader of 8-bit PNG files without interlace; understands filter 0 only, checks every checksum."""
    assert data[:8] == bytes.fromhex("89504e470d0a1a0a")
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        assert crc == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape((height, width) if channels == 1 else (height, width, channels))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 3), (28, 28, 3), (2, 7, 4)])
def test_pixels_survive(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(decode(encode(pixels)), pixels)
    assert np.array_equal(decode(encode(pixels[::-1])), pixels[::-1])  # not contiguous


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3)), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3), np.uint8), np.zeros(4)]
)
def test_what_is_not_an_image(bad: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="not an image"):
        encode(bad)


def test_values_are_stretched_and_odd_ones_seen() -> None:
    assert to_bytes(np.array([[0.0, 8.0], [16.0, 99.0]]), 0, 16).tolist() == [[0, 128], [255, 255]]
    assert to_bytes(np.array([[7]], np.uint8)).tolist() == [[7]]
    odd = to_bytes(np.array([[0.5, np.nan]]))
    assert odd.tolist() == [[[128, 128, 128], [255, 0, 255]]]
    assert to_bytes(np.array([[1e308, -1e308]]), -1e308, 1e308).shape == (1, 2)
