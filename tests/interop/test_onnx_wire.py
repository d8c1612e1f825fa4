"""Small files that would be large in memory, and bytes that are no message, are refused before anything is parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.interop import networks

from denpa.errors import ModelFileError
from denpa.interop.onnx_export import onnx_bytes
from denpa.interop.onnx_import import import_onnx
from denpa.interop.onnx_wire import MOST_PARTS, MOST_VARINTS, check_wire, lifted

onnx = pytest.importorskip("onnx")


def number(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def part(field: int, inside: bytes = b"") -> bytes:
    return number(field << 3 | 2) + number(len(inside)) + inside


BOMBS: dict[str, Callable[[], bytes]] = {
    "nodes": lambda: part(1) * MOST_PARTS,
    "attributes": lambda: part(1, part(5) * MOST_PARTS),
    "constants": lambda: part(5) * MOST_PARTS,
    "texts": lambda: part(5, part(6) * MOST_PARTS),
    "inputs": lambda: part(11) * MOST_PARTS,
    "dimensions": lambda: part(5, part(1, b"\0" * (MOST_VARINTS + 1))),
    "whole numbers": lambda: part(5, part(7, b"\0" * (MOST_VARINTS + 1))),
    "graphs in graphs": lambda: part(1, part(5, part(6, part(1) * MOST_PARTS))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_many_small_parts(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(part(7, BOMBS[name]()))
    with pytest.raises(ModelFileError, match="more parts than a network needs"):
        import_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (part(25, b""), "functions"),
        (part(20), "training information"),
        (part(7, part(15)), "sparse"),
        (part(7, part(14)), "quantised"),
        (part(7)[:-1], "damaged"),
        (b"\x3a\xff\xff\xff\x7f", "damaged"),
        (b"\x3b", "damaged"),  # a group
        (b"\x80" * 12, "damaged"),
        (b"\x02\x00", "damaged"),  # field 0
        (b"\x09\x00", "damaged"),  # eight bytes of which one is there
    ],
)
def test_what_is_not_read(data: bytes, told: str) -> None:
    with pytest.raises(ModelFileError, match=told):
        check_wire(data, "m.onnx")


@pytest.mark.parametrize("seed", range(12))
def test_every_export_passes(seed: int) -> None:
    check_wire(onnx_bytes(networks.predictor(np.random.default_rng(seed))), "m.onnx")


@pytest.mark.parametrize("seed", range(12))
def test_numbers_lifted_out_of_a_message(seed: int) -> None:
    """What a parser makes of the rest is the model without its raw numbers, and those are in order."""
    data = onnx_bytes(networks.predictor(np.random.default_rng(seed)))
    want, (rest, numbers) = onnx.ModelProto.FromString(data), lifted(data, "m.onnx")
    assert [bytes(raw) for raw in numbers] == [tensor.raw_data for tensor in want.graph.initializer]
    for tensor in want.graph.initializer:
        if tensor.HasField("raw_data"):
            tensor.raw_data = b""
    assert onnx.ModelProto.FromString(rest) == want


def test_numbers_that_come_twice_or_in_two_graphs() -> None:
    """As protobuf reads them: the last of one constant, and constants of both graphs."""
    first, second = part(5, part(9, b"abcd") + part(8, b"W") + part(9, b"efgh")), part(5, part(8, b"V"))
    data = part(7, first) + part(7, second + part(5, part(9, b"i" * 200)))
    rest, numbers = lifted(data, "m.onnx")
    assert [bytes(raw) for raw in numbers] == [b"efgh", b"", b"i" * 200]
    graph = onnx.ModelProto.FromString(rest).graph
    assert [(t.name, t.raw_data) for t in graph.initializer] == [("W", b""), ("V", b""), ("", b"")]
