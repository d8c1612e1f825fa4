"""What an ONNX file will take in memory, counted on its bytes before a parser makes objects of them.

A message of protobuf can be two bytes in the file and 190 in memory: seven megabytes of empty attributes took 770.
Source: https://protobuf.dev/programming-guides/encoding/ and onnx.proto for the numbers of the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from denpa.errors import ModelFileError

MOST_PARTS = 400_000  # fields in all; a network of 10,000 layers has half of that
MOST_VARINTS = 1 << 20  # bytes of packed whole numbers: a byte in the file is eight in memory, while it grows sixteen

# message → field → message inside of it; every other field is a number, text or bytes
_INSIDE = {
    "model": {7: "graph", 8: "entry", 14: "entry"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 16: "entry"},
    "node": {5: "attribute", 9: "entry"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 14: "type", 15: "type"},
    "tensor": {3: "entry", 13: "entry", 16: "entry"},
    "value": {2: "type", 4: "entry"},
    "type": {1: "array", 4: "sequence", 5: "map", 8: "array", 9: "sequence"},
    "array": {2: "shape"},
    "shape": {1: "entry"},
    "sequence": {1: "type"},
    "map": {2: "type"},
    "entry": {},
}
_VARINTS = {"tensor": {1, 5, 7, 11}, "attribute": {8}}
_REFUSED = {
    ("model", 20): "training information",
    ("model", 25): "functions",
    ("model", 26): "a configuration of devices",
    ("graph", 14): "quantised numbers",
    ("graph", 15): "sparse constants",
    ("node", 10): "a configuration of devices",
    ("attribute", 22): "sparse constants",
    ("attribute", 23): "sparse constants",
}


def check_wire(data: bytes, where: str) -> None:
    """ModelFileError when the bytes are no protobuf message, or hold what is not read or would take much memory."""
    stack = [("model", 0, len(data))]
    parts = varints = 0
    while stack:
        message, at, end = stack.pop()
        while at < end:
            key, at = _varint(data, at, end, where)
            field, wire = key >> 3, key & 7
            parts += 1
            if (message, field) in _REFUSED:
                raise ModelFileError(
                    f"the ONNX file holds {_REFUSED[message, field]}, which cannot be read", where=where
                )
            if wire == 0:
                _, at = _varint(data, at, end, where)
                continue
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, at = _varint(data, at, end, where)
                varints += size if field in _VARINTS.get(message, ()) else 0
            if size is None or not field or size > end - at:
                raise _damaged(where, at)
            if wire == 2 and field in _INSIDE[message]:
                stack.append((_INSIDE[message][field], at, at + size))
            at += size
            if parts > MOST_PARTS or varints > MOST_VARINTS:
                raise ModelFileError(
                    "the ONNX file has more parts than a network needs",
                    where=where,
                    got=f"more than {parts - 1:,} fields"
                    if parts > MOST_PARTS
                    else f"{varints:,} bytes of whole numbers",
                    want=f"at most {MOST_PARTS:,} fields, and {MOST_VARINTS:,} bytes of whole numbers",
                )


def lifted(data: bytes, where: str) -> tuple[bytes, list[memoryview]]:
    """A message that `check_wire` let pass, without the raw numbers of its constants; and those, one a constant.

    A parser copies them and keeps the copy as long as any part of the message: the numbers are read where they are.
    """
    numbers: list[memoryview] = []
    view = memoryview(data)

    def raw(at: int, end: int) -> bytes:
        numbers[-1] = view[at:end]
        return b""

    def tensor(at: int, end: int) -> bytes:
        numbers.append(view[:0])
        return _rewritten(data, at, end, 9, raw, where)

    def graph(at: int, end: int) -> bytes:
        return _rewritten(data, at, end, 5, tensor, where)

    return _rewritten(data, 0, len(data), 7, graph, where), numbers


def _rewritten(data: bytes, at: int, end: int, field: int, change: Callable[[int, int], bytes], where: str) -> bytes:
    """The message between two places, the inside of every such field changed."""
    parts: list[bytes] = []
    for key, start, body, stop in _fields(data, at, end, where):
        if key == field << 3 | 2:
            inside = change(body, stop)
            parts += (_number(key), _number(len(inside)), inside)
        else:
            parts.append(data[start:stop])
    return b"".join(parts)


def _fields(data: bytes, at: int, end: int, where: str) -> Iterator[tuple[int, int, int, int]]:
    """Key, place of the key, place of what it holds, and end of each field of a message that was checked."""
    while at < end:
        start = at
        key, at = _varint(data, at, end, where)
        body, size = at, {1: 8, 5: 4}.get(key & 7, 0)
        if key & 7 == 0:
            _, at = _varint(data, at, end, where)
        elif key & 7 == 2:
            size, body = _varint(data, at, end, where)
            at = body
        at += size
        yield key, start, body, at


def _number(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _varint(data: bytes, at: int, end: int, where: str) -> tuple[int, int]:
    """The whole number at a place, and the place after it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise _damaged(where, at)


def _damaged(where: str, at: int) -> ModelFileError:
    return ModelFileError("this is no ONNX file, or a damaged one", where=f"{where}, byte {at:,}")
