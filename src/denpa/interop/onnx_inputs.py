"""The encoding of raw columns as ONNX nodes, and raw rows as what an exported file is fed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data.coding import OTHER, InputColumn
from denpa.data.encoding import InputEncoding
from denpa.errors import UsageError
from denpa.interop.onnx_builder import ML, Builder

WIDE = np.float64  # of scaling: in float32 a column of values around 1e9 loses the digits that matter


def names(inputs: InputEncoding) -> tuple[str, ...]:
    """The names of the file's inputs."""
    return inputs.columns or ("x",)


def encoded(b: Builder, inputs: InputEncoding) -> tuple[list[Any], str]:
    """The graph's inputs, and the network's input as (N, features) of its dtype."""
    if not all(names(inputs)):
        raise UsageError("a column without a name cannot be an input of an ONNX file", got=repr(names(inputs))[:80])
    if inputs.kind == "image":
        declared = [b.info("x", b.element(b.dtype), *inputs.shape)]
        flat = b.node("Flatten", "x", axis=1)
        return declared, b.node("Div", flat, b.constant("maximum", inputs.maximum))
    if inputs.kind == "columns":
        declared, rows = _columns(b, inputs)
    else:
        width = 1 if inputs.columns else inputs.features
        declared = [b.info(name, b.element(WIDE), width) for name in names(inputs)]
        rows = b.node("Concat", *names(inputs), axis=1) if len(declared) > 1 else names(inputs)[0]
    shifted = b.node("Sub", rows, b.constant("mean", inputs.mean, WIDE))
    scaled = b.node("Div", shifted, b.constant("std", inputs.std, WIDE))
    return declared, b.cast(scaled, b.dtype) if b.dtype != WIDE else scaled


def _columns(b: Builder, inputs: InputEncoding) -> tuple[list[Any], str]:
    """(N, features) in the columns' own units: as `data.columns.expand`."""
    parts: list[str] = []
    declared, place = [], 0
    for column in inputs.cells:
        if column.kind == "category":
            declared.append(b.info(column.name, b.onnx.TensorProto.STRING, 1))
            parts.append(_category(b, column, inputs.na))
        else:
            declared.append(b.info(column.name, b.element(WIDE), 1))
            gone = b.node("IsNaN", column.name)
            parts.append(b.node("Where", gone, b.constant("instead", inputs.mean[place], WIDE), column.name))
            parts += [b.cast(gone, WIDE)] if column.missing else []
        place += len(column.slots)
    rows = b.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    if inputs.silent:
        heard = np.ones(inputs.features)
        heard[list(inputs.silent)] = 0
        rows = b.node("Mul", rows, b.constant("heard", heard, WIDE))
    return declared, rows


def _category(b: Builder, column: InputColumn, na: tuple[str, ...]) -> str:
    """(N, slots) of 0 and 1: the value, else `<other>`, else missing where the training table had missing cells."""
    other = len(column.values)
    texts = {
        **{value: code for code, value in enumerate(column.values)},
        **dict.fromkeys(("", *na), other + column.missing),
    }
    code = b.node(
        "LabelEncoder",
        column.name,
        domain=ML,
        keys_strings=list(texts),
        values_int64s=list(texts.values()),
        default_int64=other,
    )
    slots = b.constant("slots", np.arange(len(column.slots))[None], np.int64)
    return b.cast(b.node("Equal", code, slots), WIDE)


def feed(inputs: InputEncoding, raw: Array, dtype: str) -> Mapping[str, Array]:
    """Rows before encoding, (n, columns) or (n, *image shape), as a Dataset has them, by the names of the inputs."""
    if inputs.kind == "image":
        return {"x": np.asarray(raw, dtype).reshape(len(raw), *inputs.shape)}
    wide = np.asarray(raw, WIDE).reshape(len(raw), -1)
    if inputs.columns is None:
        return {"x": wide}
    kinds = [column.kind for column in inputs.cells] or ["number"] * len(inputs.columns)
    fed = {}
    for i, (name, kind) in enumerate(zip(inputs.columns, kinds, strict=True)):
        values = wide[:, i : i + 1]
        fed[name] = _texts(inputs.cells[i], values) if kind == "category" else values
    return fed


def _texts(column: InputColumn, codes: Array) -> Array:
    """(n, 1) text for codes: NaN is the empty cell, the code after the last value one that no column has."""
    unknown = OTHER
    while unknown in column.values:
        unknown += ">"
    texts = np.array([*column.values, unknown, ""], object)
    chosen: Array = texts[np.where(np.isnan(codes), len(column.values) + 1, np.nan_to_num(codes)).astype(np.int64)]
    return chosen
