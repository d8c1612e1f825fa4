"""One safetensors file of arrays and a JSON description: written deterministically, read strictly.

The description is the metadata entry "denpa"; its first key, sha256, is the hash of the whole file with those 64 digits
set to 0, so that every flipped bit is found, in the arrays as in the header.  Nothing in a file becomes code, a path or
an import, and every size is checked against the bytes that are there before memory is taken for it.
Source: the safetensors format, https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa.errors import ModelFileError

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "I64": "<i8",
    "I32": "<i4",
    "U64": "<u8",
    "U32": "<u4",
    "U8": "|u1",
    "BOOL": "|b1",
}
HEADER_LIMIT = 16 << 20  # bytes; 100,000 column names of 100 characters fit
KEY = "denpa"
_ZEROS = b"0" * 64
_MARK = rb"\"sha256\":\""  # inside the header the description is a string, its quotes are escaped


@dataclass(frozen=True, eq=False)
class TensorFile:
    """arrays: by name, read-only; about: denpa's description, {} in a file of another program."""

    arrays: dict[str, np.ndarray[Any, Any]]
    about: dict[str, Any]
    metadata: dict[str, str]


def encode(arrays: Mapping[str, np.ndarray[Any, Any]], about: Mapping[str, Any]) -> bytes:
    """The file's bytes: the same for the same arrays and description, whatever the process or the time."""
    from safetensors.numpy import save

    text = json.dumps({"sha256": "0" * 64, **about}, separators=(",", ":"), allow_nan=False)
    plain = {name: np.array(value, order="C", copy=None) for name, value in arrays.items()}
    data = bytearray(save(plain, metadata={KEY: text}))
    at = _digits(data)
    data[at : at + 64] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def _digits(data: bytes | bytearray) -> int:
    """Where the 64 digits of the hash stand; -1 when they do not."""
    header = 8 + int.from_bytes(data[:8], "little")
    at = data.find(_MARK, 0, header)
    return -1 if at < 0 else at + len(_MARK)


def read(path: str | Path, what: str = "model file", *, foreign: bool = False) -> TensorFile:
    """The whole file, checked.  Never memory-mapped: a mapped file that another process cuts short kills the reader.

    foreign: another program's safetensors file will do, without a description and a hash.
    ModelFileError when it is missing, no regular file, damaged, or not a safetensors file.
    """
    return decode(read_bytes(path, what), str(path), what, foreign=foreign)


def read_bytes(path: str | Path, what: str) -> bytes:
    try:
        with open(
            path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)
        ) as file:  # a pipe must not hang
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(f"the {what} is not a regular file", where=str(path))
            data = file.read(status.st_size + 1)
    except OSError as error:
        raise ModelFileError(f"the {what} cannot be read", where=str(path), got=error.strerror or str(error)) from error
    if len(data) != status.st_size:
        raise ModelFileError(f"the {what} changed while it was read", where=str(path), fix="try again")
    return data


def decode(data: bytes, where: str, what: str = "model file", *, foreign: bool = False) -> TensorFile:
    """The file in `data`.  ModelFileError unless every rule of the format holds and the hash fits."""

    def broken(fact: str, got: Any = None, want: str | None = None) -> ModelFileError:
        return ModelFileError(f"the {what} is damaged or of another kind: {fact}", where=where, got=got, want=want)

    header, start = _header(data, broken)
    metadata = _metadata(header.pop("__metadata__", {}), broken)
    if KEY in metadata:
        about = strict_json(metadata[KEY].encode("utf-8", "surrogatepass"), broken)
        _check_hash(data, about, broken)
    elif foreign:
        about = {}
    else:
        raise broken("it holds arrays, but no description by denpa")
    arrays = _arrays(header, data, start, broken)
    return TensorFile(arrays, about, metadata)


def _header(data: bytes, broken: Any) -> tuple[dict[str, Any], int]:
    if len(data) < 10:
        raise broken("it is too short", f"{len(data)} bytes", "at least 10")
    size = int.from_bytes(data[:8], "little")
    if size > HEADER_LIMIT or size > len(data) - 8:
        raise broken("its header's size is impossible", f"{size:,} bytes in a file of {len(data):,}")
    if data[8:9] != b"{":
        raise broken("its header does not begin with {", repr(data[8:24]))
    return strict_json(data[8 : 8 + size], broken), 8 + size


def strict_json(data: bytes, broken: Any) -> dict[str, Any]:
    """A JSON object without duplicate keys, NaN, numbers beyond a float, or nesting beyond the parser's stack."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key occurs twice")
        return found

    def constant(text: str) -> Any:
        raise ValueError(f"{text} is no JSON number")

    def number(text: str) -> float:
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"the number {text} is out of range")
        return value

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except (ValueError, RecursionError) as error:
        raise broken(f"its JSON cannot be read ({error})") from error
    if not isinstance(value, dict):
        raise broken("its JSON is not an object")
    return value


def _metadata(value: Any, broken: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise broken("its metadata is not text by name")
    return value


def _check_hash(data: bytes, about: dict[str, Any], broken: Any) -> None:
    at = _digits(data)
    told = about.get("sha256")
    if at < 0 or not isinstance(told, str) or data[at : at + 64] != told.encode():
        raise broken("it carries no hash of itself")
    found = hashlib.sha256(data[:at])
    for piece in (_ZEROS, memoryview(data)[at + 64 :]):
        found.update(piece)
    if found.hexdigest() != told:
        raise broken("its bytes are not those that were saved", f"sha256 {found.hexdigest()}", f"sha256 {told}")


def _arrays(header: dict[str, Any], data: bytes, start: int, broken: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Each array has the bytes its shape and dtype need, and together they cover the file without gap or overlap."""
    entries = sorted(((name, *_entry(name, entry, broken)) for name, entry in header.items()), key=lambda e: e[3:])
    arrays = {}
    end = 0
    for name, dtype, shape, first, last in entries:
        if first != end or start + last > len(data):
            raise broken(f"the bytes of {name!r} overlap others, leave a gap or are missing", f"{first}…{last}")
        end = last
        values = np.frombuffer(data, dtype, math.prod(shape), start + first).reshape(shape)
        arrays[name] = values if values.flags.aligned else _aligned(values)
    if start + end != len(data):
        raise broken("there are bytes that belong to no array", f"{len(data) - start - end:,} bytes")
    return {name: arrays[name] for name in header}


def _aligned(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values = values.copy()
    values.flags.writeable = False
    return values


def _entry(name: str, entry: Any, broken: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise broken(f"the entry of {name!r} does not have dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise broken(f"the dtype of {name!r} is not known", repr(entry["dtype"])[:40], ", ".join(DTYPES))
    for key, length in (("shape", None), ("data_offsets", 2)):
        numbers = entry[key]
        natural = isinstance(numbers, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in numbers)
        if not natural or (length is not None and len(numbers) != length) or len(numbers) > 64:  # NumPy's limit
            raise broken(f"the {key} of {name!r} are not natural numbers", repr(numbers)[:60])
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
    first, last = entry["data_offsets"]
    if last - first != math.prod(shape) * dtype.itemsize:
        raise broken(f"the bytes of {name!r} do not fit its shape", f"{last - first}", f"{shape} of {entry['dtype']}")
    return dtype, shape, first, last
