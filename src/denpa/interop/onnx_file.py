"""An ONNX file read strictly: the graph, its constants and attributes, and nothing outside of the file.

Every size is compared with the bytes that are there before memory is taken for it; a file that names other files
(external data) is refused, the name is not looked at.  ModelFileError for whatever cannot be meant.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa import tensorfile
from denpa.arrays import Array
from denpa.data.files import shown, shown_path
from denpa.errors import ModelFileError, require
from denpa.interop.onnx_wire import check_wire, lifted

LARGEST = (1 << 31) - 1  # bytes: a protobuf message ends there
MOST_NODES = 100_000
OPSETS = range(7, 29)  # the operators that are read mean the same in all of these, as they are read
ML_OPSETS = range(1, 6)  # of ai.onnx.ml
DTYPES = {1: "<f4", 11: "<f8", 6: "<i4", 7: "<i8", 9: "|b1"}  # TensorProto.DataType, fixed by the format
STRING = 8
_FIELDS = {1: "float_data", 11: "double_data", 6: "int32_data", 7: "int64_data", 9: "int32_data"}
_ML = "ai.onnx.ml"


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """graph: the message; constants: its initializers, read-only arrays (text as objects); opset: of the operators;
    told: the metadata, of files by denpa."""

    where: str
    graph: Any
    constants: dict[str, Array]
    opset: int
    sha256: str
    producer: str
    told: dict[str, str]


def read_onnx(path: str | Path) -> OnnxFile:
    """The file, checked as far as that goes without looking at single nodes."""
    onnx = require("onnx", for_="reading an ONNX file", extra="onnx")
    where = shown_path(path)
    _check_size(path, where)
    data = tensorfile.read_bytes(path, "ONNX file")
    check_wire(data, where)
    message, numbers = lifted(data, where)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(message)
    except Exception as error:  # protobuf's DecodeError has another home in each of its implementations
        raise ModelFileError(
            "this is no ONNX file, or a damaged one", where=where, got=f"{type(error).__name__}: {str(error)[:80]}"
        ) from error
    size, digest = len(data), hashlib.sha256(data).hexdigest()
    if not model.HasField("graph") or not model.graph.node:
        raise ModelFileError("the ONNX file holds no graph", where=where, got=f"{size:,} bytes")
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise ModelFileError("the graph is too large", where=where, got=f"{len(graph.node):,} nodes",
                             want=f"at most {MOST_NODES:,}")  # fmt: skip
    _check_texts(model, where)
    constants: dict[str, Array] = {}
    for tensor, raw in zip(graph.initializer, numbers, strict=True):
        if not tensor.name or tensor.name in constants:
            raise ModelFileError(
                "a constant has no name, or one that occurs twice", where=where, got=shown(tensor.name)
            )
        constants[tensor.name] = array_of(tensor, where, raw)
    producer = f"{model.producer_name} {model.producer_version}".strip()[:80]
    told = {entry.key: entry.value for entry in model.metadata_props} if model.producer_name == "denpa" else {}
    return OnnxFile(where, graph, constants, _opset(model, where), digest, producer, told)


def _check_texts(model: Any, where: str) -> None:
    """Names are text: protobuf hands out bytes for those that are not UTF-8."""
    graph = model.graph
    named = (*graph.initializer, *graph.input, *graph.output, *model.opset_import, *model.metadata_props)
    fields = ("name", "domain", "key", "value")
    texts = [getattr(part, field) for part in named for field in fields if hasattr(part, field)]
    texts += [model.producer_name, model.producer_version]
    for node in graph.node:
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute)]
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise ModelFileError("a name in the ONNX file is no text", where=where, got=shown(wrong), want="UTF-8")


def _check_size(path: str | Path, where: str) -> None:
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelFileError("the ONNX file cannot be read", where=where, got=reason) from error
    if size > LARGEST:
        raise ModelFileError("the ONNX file is too large", where=where, got=f"{size:,} bytes", want=f"≤ {LARGEST:,}")


def _opset(model: Any, where: str) -> int:
    """The version of the default domain.  Versions that are not known are refused: an operator may mean another."""
    found = {entry.domain: entry.version for entry in model.opset_import}
    version = found.get("", found.get("ai.onnx", 1))
    if version not in OPSETS or found.get(_ML, 1) not in ML_OPSETS:
        raise ModelFileError(
            "the ONNX file uses a version of the operators that cannot be read",
            where=where,
            got=f"opset {version}, {_ML} {found.get(_ML, 'none')}",
            want=f"opset {OPSETS.start} … {OPSETS.stop - 1}, {_ML} {ML_OPSETS.start} … {ML_OPSETS.stop - 1}",
            fix="export the model with opset 18",
        )
    return int(version)


def array_of(tensor: Any, where: str, raw: memoryview | None = None) -> Array:
    """The values of a TensorProto, read-only.  Text becomes an array of str objects.

    raw: its raw numbers, where they were taken out of the message; the array is then a view of them, aligned or not.
    """
    place = f"{where}, constant {shown(tensor.name)}"
    if tensor.external_data or tensor.data_location:
        raise ModelFileError(
            "the ONNX file keeps numbers in another file, which is not opened",
            where=place,
            want="one file that holds all of its numbers",
            fix='onnx.save(onnx.load("model.onnx"), "whole.onnx", save_as_external_data=False)',
        )
    if tensor.HasField("segment"):
        raise ModelFileError("a constant in segments cannot be read", where=place)
    shape = tuple(tensor.dims)
    if len(shape) > 8 or any(n < 0 for n in shape):
        raise ModelFileError("a constant has an impossible shape", where=place, got=str(shape)[:60])
    kind = tensor.data_type
    if kind == STRING:
        return _text(tensor, shape, place)
    if kind not in DTYPES:
        raise ModelFileError(
            "a constant has a type that cannot be read", where=place, got=f"element type {kind}",
            want="float32, float64, int32, int64, bool or text", fix="export the model in float32",
        )  # fmt: skip
    dtype, size = np.dtype(DTYPES[kind]), math.prod(shape)
    listed = getattr(tensor, _FIELDS[kind])
    raw = memoryview(tensor.raw_data) if raw is None else raw
    given = len(raw) // dtype.itemsize if tensor.HasField("raw_data") else len(listed)
    if given != size or len(raw) % dtype.itemsize:
        raise ModelFileError(
            "a constant does not hold the numbers of its shape", where=place, got=f"{given:,} numbers", want=str(shape)
        )
    values = np.frombuffer(raw, dtype) if tensor.HasField("raw_data") else np.array(listed, dtype)
    values = values.reshape(shape)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise ModelFileError("a constant holds NaN or infinity", where=place, want="finite numbers")
    values.flags.writeable = False
    return values


def _text(tensor: Any, shape: tuple[int, ...], place: str) -> Array:
    texts = [text.decode("utf-8") for text in tensor.string_data]
    if len(texts) != math.prod(shape):
        raise ModelFileError("a constant does not hold the texts of its shape", where=place, got=f"{len(texts):,}")
    values = np.array(texts, object).reshape(shape)
    values.flags.writeable = False
    return values


class Attributes:
    """The attributes of one node, each read once with its type."""

    def __init__(self, node: Any, where: str) -> None:
        self.where = where
        self._found = {a.name: a for a in node.attribute}
        if len(self._found) != len(node.attribute) or any(a.ref_attr_name for a in node.attribute):
            raise ModelFileError("an attribute occurs twice, or refers to another one", where=where)

    def _take(self, name: str, kind: int) -> Any:
        found = self._found.pop(name, None)
        if found is not None and found.type != kind:
            raise ModelFileError(f"the attribute {name} has another type", where=self.where, got=f"type {found.type}")
        return found

    def number(self, name: str, default: float, *, nan: bool = False) -> float:
        """nan: it may be NaN."""
        found = self._take(name, 1)
        value = default if found is None else float(found.f)
        if not math.isfinite(value) and not (nan and math.isnan(value)):
            raise ModelFileError(f"the attribute {name} is not finite", where=self.where, got=str(value))
        return value

    def whole(self, name: str, default: int) -> int:
        found = self._take(name, 2)
        return default if found is None else int(found.i)

    def text(self, name: str, default: str) -> str:
        found = self._take(name, 3)
        return default if found is None else found.s.decode("utf-8")

    def numbers(self, name: str) -> Array:
        """float64 (n,), empty when it is not there."""
        found = self._take(name, 6)
        values = np.array([] if found is None else found.floats, np.float64)
        if not np.isfinite(values).all():
            raise ModelFileError(f"the attribute {name} is not finite", where=self.where)
        return values

    def wholes(self, name: str) -> list[int] | None:
        found = self._take(name, 7)
        return None if found is None else list(found.ints)

    def texts(self, name: str) -> list[str]:
        found = self._take(name, 8)
        return [] if found is None else [s.decode("utf-8") for s in found.strings]

    def array(self, name: str) -> Array | None:
        found = self._take(name, 4)
        return None if found is None else array_of(found.t, self.where)

    def has(self, name: str) -> bool:
        return name in self._found

    def ignore(self, *names: str) -> None:
        """These change nothing that is looked at here."""
        for name in names:
            self._found.pop(name, None)

    def done(self) -> None:
        """ModelFileError for an attribute that was not read: it would change what the node does."""
        if self._found:
            rest = ", ".join(map(shown, list(self._found)[:4]))
            raise ModelFileError("an attribute of a node is not known", where=self.where, got=rest)
