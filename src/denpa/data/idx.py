"""IDX files, the format of MNIST: http://yann.lecun.com/exdb/mnist/ ("the IDX file format").

Big-endian: two zero bytes, the type code, the number of dimensions, each size as uint32, then the values row-major.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from denpa.data.dataset import Array
from denpa.data.files import DataFile, Stream, check_expansion
from denpa.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAXIMUM_DIMENSIONS = 4  # (n, height, width, channels)


def is_idx(head: bytes) -> bool:
    """Whether a file that begins with these four bytes is an IDX file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= MAXIMUM_DIMENSIONS


def read_array(file: DataFile) -> Array:
    """The array of one IDX file, big-endian as stored.  DataError unless it holds exactly what its header says."""
    stream = file.stream()
    dtype, shape = _header(stream, file.where)
    size = math.prod(shape) * dtype.itemsize
    _check_size(file, size, 4 + 4 * len(shape), shape)
    data = stream.read_exactly(size)
    if len(data) < size or stream.read(1):  # reading on to the end also makes gzip compare its checksum
        raise _wrong_size(file, f"{len(data):,}" if len(data) < size else f"more than {size:,}", size, shape)
    return np.frombuffer(data, dtype).reshape(shape)


def _header(stream: Stream, where: str) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if not is_idx(magic):
        raise not_idx(magic, where)
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError("the IDX header is cut off", where=where, got=f"{4 + len(sizes)} bytes of header")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    if 0 in shape:
        raise DataError("the IDX file holds nothing", where=where, got=f"shape {shape}", want="sizes of at least 1")
    return np.dtype(TYPES[magic[2]]), shape


def not_idx(head: bytes, where: str) -> DataError:
    codes = ", ".join(f"{code:02x}" for code in TYPES)
    return DataError(
        "not an IDX file",
        where=where,
        got=f"it begins with the bytes {head[:4].hex(' ') or 'none'}",
        want=f"00 00, a type code ({codes}), then 01 to {MAXIMUM_DIMENSIONS:02x}",
    )


def _check_size(file: DataFile, size: int, header: int, shape: tuple[int, ...]) -> None:
    """Before memory is taken: the declared size against what the file can hold."""
    if file.packing:
        check_expansion(file.size, size + header, file.where)
    elif file.size != size + header:
        raise _wrong_size(file, f"{file.size - header:,}", size, shape)


def _wrong_size(file: DataFile, got: str, size: int, shape: tuple[int, ...]) -> DataError:
    return DataError(
        "the IDX file does not have the size its header declares",
        where=file.where,
        got=f"{got} bytes of values",
        want=f"{size:,} bytes for shape {shape}",
        fix="the file is cut off or damaged: fetch it again",
    )
