"""Files in their real formats, written by other means than denpa's: struct, zipfile, NumPy, csv."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa.errors import DataError

MUTATIONS = 2_000  # of each sample, in a test: about 1 s
LONG = int(os.environ.get("DENPA_MUTATIONS", "700000"))  # of all samples together, in a campaign: about 10 minutes
SLOW = 2.0  # seconds of the processor that no file of a few kB may take

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: Any, code: int | None = None, shape: Sequence[int] | None = None) -> bytes:
    """`array` as IDX; code and shape: what the header says instead of the truth."""
    array = np.asarray(array)
    kind = array.dtype.str[1:]
    shape = array.shape if shape is None else shape
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, IDX_CODES[kind] if code is None else code, len(shape), *shape)
    return head + array.astype(">" + kind).tobytes()


def npy(array: Any, header: str | None = None, version: bytes = b"\1\0") -> bytes:
    """`array` as .npy; header: what it says instead of the truth."""
    if header is None:
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + np.asarray(array).tobytes()


def archive(members: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Duplicate name", where that is what is wanted
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def table(rows: Iterable[Sequence[Any]], delimiter: str = ",", newline: str = "\n") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return stream.getvalue().encode()


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """One to four small wounds: a flipped bit, an extreme byte, bytes cut out, doubled or put in, the end cut off."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data)) if data else 0
        wound = draw.randrange(6)
        if wound == 0 and data:
            data[at] ^= 1 << draw.randrange(8)
        elif wound == 1 and data:
            data[at] = draw.choice(b"\x00\x01\x7f\x80\xff\n\r\",;'(")
        elif wound == 2:
            del data[at : at + draw.randint(1, 8)]
        elif wound == 3:
            data[at:at] = data[at : at + draw.randint(1, 40)]
        elif wound == 4:
            data[at:at] = draw.randbytes(draw.randint(1, 8))
        else:
            del data[draw.randrange(len(data) + 1) :]
    return bytes(data)


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def mnist(folder: Path, images: Any, labels: Any, part: str = "train", suffix: str = "") -> Path:
    """An images file and its labels file under MNIST's names; the path of the images."""
    pack = gz if suffix else bytes
    write(folder / f"{part}-labels-idx1-ubyte{suffix}", pack(idx(labels)))
    return write(folder / f"{part}-images-idx3-ubyte{suffix}", pack(idx(images)))


@contextmanager
def refused(*fragments: str) -> Iterator[None]:
    """The block raises exactly DataError, and its message holds every fragment."""
    with pytest.raises(DataError) as caught:
        yield
    assert type(caught.value) is DataError
    for fragment in fragments:
        assert fragment in str(caught.value)


def peak_memory(action: Callable[[], object]) -> int:
    """Bytes that Python and NumPy held at most during the action, above what they held before it."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
