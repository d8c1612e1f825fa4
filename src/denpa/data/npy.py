"""The .npy format of one array, read by hand: header capped, dtype from a closed list, size exact before memory.

Format: NEP 1 and numpy.lib.format.  NumPy's own reader allocates what a header claims and can run pickled code.
"""

from __future__ import annotations

import math
import re
from typing import IO

import numpy as np

from denpa.data.dataset import Array
from denpa.data.files import MIB, shown
from denpa.errors import DataError

LONGEST_HEADER = 10_000  # bytes; NumPy's own limit
MAXIMUM_DIMENSIONS = 4

_LENGTH_BYTES = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}  # by version: how long the header's length is
_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_VALUE = r"'[^']*'|\[[^\[\]]*\]|True|False|\([0-9L,\s]*\)"
_ENTRY = rf"'(\w+)'\s*:\s*({_VALUE})"
_HEADER = re.compile(rf"\{{\s*{_ENTRY}\s*,\s*{_ENTRY}\s*,\s*{_ENTRY}\s*,?\s*\}}\s*", re.DOTALL)


def read_npy(member: IO[bytes], declared: int, where: str) -> Array:
    """The array of a .npy stream of `declared` bytes, in native byte order.

    DataError unless its header is well-formed, its dtype is in the list and its size is exactly what the header says.
    """
    dtype, shape, fortran, header = _read_header(member, declared, where)
    size = math.prod(shape) * dtype.itemsize
    if size != declared - header:
        raise DataError(
            "the array does not have the size its header declares",
            where=where,
            got=f"{declared - header:,} bytes of values",
            want=f"{size:,} bytes for shape {shape} of {dtype.str}",
            fix="the file is damaged: write it again",
        )
    data = bytearray()
    while piece := member.read(min(MIB, size + 1 - len(data))):  # to the end, so that the CRC is compared
        data += piece
    if len(data) != size:
        raise DataError(
            "the array is cut off",
            where=where,
            got=f"{len(data):,} bytes",
            want=f"{size:,} bytes",
            fix="write it again",
        )
    if dtype.kind == "U":
        _check_text(data, dtype, where)
    flat = np.frombuffer(data, dtype)
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return np.ascontiguousarray(array, dtype.newbyteorder("="))


def _read_header(
    member: IO[bytes], declared: int, where: str
) -> tuple[np.dtype[np.generic], tuple[int, ...], bool, int]:
    """dtype, shape, Fortran order, and the bytes the header takes."""
    start = member.read(8)
    wide = _LENGTH_BYTES.get(start[6:])
    if start[:6] != b"\x93NUMPY" or wide is None:
        raise _bad_header(where, f"it begins with {start.hex(' ') or 'nothing'}")
    length = int.from_bytes(member.read(wide), "little")
    if length > min(LONGEST_HEADER, declared):
        raise _bad_header(where, f"a header of {length:,} bytes")
    raw = member.read(length)
    match = _HEADER.fullmatch(raw.decode("latin-1"))
    fields = dict(zip(match.groups()[::2], match.groups()[1::2], strict=True)) if match else {}
    if len(raw) < length or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _bad_header(where, shown(raw))
    if fields["fortran_order"] not in ("True", "False") or not fields["shape"].startswith("("):
        raise _bad_header(where, shown(raw))
    return (
        _dtype(fields["descr"], where),
        _shape(fields["shape"], where),
        fields["fortran_order"] == "True",
        8 + wide + length,
    )


def _bad_header(where: str, got: str) -> DataError:
    return DataError(
        "not a NumPy array, or its header is damaged", where=where, got=got, want="an array as numpy.savez writes it"
    )


def _dtype(descr: str, where: str) -> np.dtype[np.generic]:
    """From a closed list: a dtype is never built from what the file says alone."""
    match = re.fullmatch(r"'([<>|=]?)([a-zA-Z])(\d{0,6})'", descr)
    if match:
        order, kind, size = match.groups()
        if kind + size in _NUMBERS or (kind == "U" and size and int(size) > 0):
            return np.dtype(order + kind + size)
        if kind == "O":
            raise DataError(
                "the array is pickled Python objects, which are never read: a pickle can run any code",
                where=where,
                got="dtype object",
                want="an array of numbers (for classes: of integers or text)",
                fix="convert it before saving, e.g. x.astype(float), y.astype(str)",
            )
    raise DataError(
        "the array has a dtype that cannot be trained on",
        where=where,
        got=shown(descr),
        want="boolean, integer, float16/32/64, or text for the targets",
        fix="convert it before saving, e.g. x.astype(float)",
    )


def _shape(text: str, where: str) -> tuple[int, ...]:
    sizes = [part.strip().removesuffix("L") for part in text.strip("()").split(",") if part.strip()]
    if len(sizes) > MAXIMUM_DIMENSIONS or not all(re.fullmatch(r"\d{1,18}", size) for size in sizes):
        raise _bad_header(where, f"shape {shown(text)}")
    shape = tuple(int(size) for size in sizes)
    if not shape or 0 in shape:
        raise DataError("the array holds no rows", where=where, got=f"shape {shape}", want="at least one row")
    return shape


def _check_text(data: bytearray, dtype: np.dtype[np.generic], where: str) -> None:
    """Texts are stored as UTF-32; what is no character would later fail far from here."""
    codes = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
    if bool(((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any()):
        raise DataError(
            "the texts hold what is no character",
            where=where,
            want="Unicode text",
            fix="the file is damaged: write it again",
        )
