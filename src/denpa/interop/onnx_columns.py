"""Columns of an ONNX file's inputs on their way to the first layer: chosen, put side by side, one-hot, imputed, scaled.

That is what skl2onnx writes for a ColumnTransformer.  Each column becomes one of an InputEncoding with the very same
outputs: a constant that the encoding has no place for goes into the first layer's weights.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.data import InputEncoding
from denpa.data.coding import InputColumn
from denpa.data.files import listed, shown
from denpa.errors import ModelFileError, UsageError
from denpa.interop.onnx_layers import SQUARE, Chain, affine, standardising
from denpa.interop.onnx_ops import labelled, operator, scaled
from denpa.interop.onnx_values import Call, Column, Rows, Stage

MOST_SPLIT = 1 << 14  # columns that are looked at one by one
ELEMENTWISE = ("add", "multiply", "divide")
MISSING = ("", "nan")  # categories that an empty cell is: scikit-learn calls its own NaN so


# -- the operators -----------------------------------------------------------------------------------------------------
def split(call: Call, rows: Rows) -> tuple[Column, ...]:
    """The columns of rows that no stage has changed yet."""
    if rows.stage is not None:
        raise call.wrong("it stands behind a computation, not at the model's inputs")
    if rows.columns is not None:
        return rows.columns
    if rows.features > MOST_SPLIT:
        raise call.wrong("too many columns to look at one by one", f"{rows.features:,}", f"at most {MOST_SPLIT:,}")
    pairs = zip(rows.inputs, rows.widths, strict=True)
    return tuple(Column(name, place) for name, width in pairs for place in range(width))


@operator("ai.onnx.ml:OneHotEncoder")
def _one_hot(call: Call) -> Any:
    call.only(1)
    texts, wholes = call.attributes.texts("cats_strings"), call.attributes.wholes("cats_int64s")
    strict, rows = not call.attributes.whole("zeros", 1), call.cells()
    values = tuple(texts) or tuple(map(str, wholes or ()))
    columns = split(call, rows)
    if any(column.values for column in columns) or rows.element != ("text" if texts else "whole"):
        raise call.wrong("the categories are not of the column's type", rows.element, "text or whole numbers")
    if len({"" if value in MISSING else value for value in values}) < len(values) or not set(values) - set(MISSING):
        raise call.wrong("the categories are no list of different values", listed(values))
    spaced = [value for value in values if value != value.strip()]
    if spaced:
        raise call.wrong("a category has spaces around it, which are no part of a value here", shown(spaced[0]))
    every = tuple(range(len(values)))
    columns = tuple(replace(column, values=values, kept=every, strict=strict) for column in columns)
    return Rows(rows.inputs, (*rows.shape, len(values)), widths=rows.widths, columns=columns)


@operator("ai.onnx.ml:Imputer")
def _imputer(call: Call) -> Any:
    """A number for NaN; other marks of what is missing are not read."""
    call.only(1)
    rows, values = call.flat(), call.attributes.numbers("imputed_value_floats")
    replaced = call.attributes.number("replaced_value_float", 0.0, nan=True)
    columns = split(call, rows)
    if not math.isnan(replaced) or values.size not in (1, rows.features):
        raise call.wrong("it does not put a number of each column for NaN", f"{values.size} for {replaced:g}")
    if any(column.values or column.fill is not None for column in columns):
        raise call.wrong("it stands behind another one, or behind categories")
    fills = np.broadcast_to(values, rows.features).tolist()
    columns = tuple(replace(column, fill=fill) for column, fill in zip(columns, fills, strict=True))
    return replace(rows, columns=columns)


@operator("Gather", "ai.onnx.ml:ArrayFeatureExtractor")
def _gather(call: Call) -> Any:
    """Names of classes by their places, or some of the columns."""
    call.only(2)
    axis = call.attributes.whole("axis", 0 if call.op == "Gather" else -1)
    if not isinstance(call.inputs[0] if call.inputs else None, Rows):
        return labelled(call, 1, call.constant(0))
    rows, places = call.cells(), call.whole(1)
    if axis not in (-1, len(rows.shape)) or (call.op == "Gather" and call.constant(1).ndim != 1):
        raise call.wrong("it does not choose columns", f"axis = {axis}", f"axis = {len(rows.shape)}")
    if math.prod(rows.shape[:-1]) != 1 or not places or not all(0 <= n < rows.features for n in places):
        raise call.wrong("it chooses columns that are not there", listed(list(map(str, places))))
    columns = split(call, rows)
    slots = [(column, place) for column in columns for place in column.kept]
    chosen: list[Column] = []
    for column, place in (slots[n] for n in places):
        if chosen and column.values and (last := chosen[-1]).values and last.source == column.source:
            chosen[-1] = replace(last, kept=(*last.kept, place))
        else:
            chosen.append(replace(column, kept=(place,)))
    return replace(rows, shape=(*rows.shape[:-1], len(places)), columns=tuple(chosen))


@operator("Concat")
def _concat(call: Call) -> Any:
    """The inputs side by side, scaled or not; or 1 − p beside p, a classifier's two classes."""
    axis = call.attributes.whole("axis", 1)
    parts = [call.cells(i) for i in range(len(call.inputs))]
    if not parts or axis not in (-1, len(parts[0].shape)):
        raise call.wrong("it does not put columns side by side", f"axis = {axis}", "axis = 1")
    if any(len(part.shape) != len(parts[0].shape) or math.prod(part.shape[:-1]) != 1 for part in parts):
        raise call.wrong("the rows are not flat", listed([str(part.shape) for part in parts]), "(N, features)")
    if len({part.element == "text" for part in parts}) > 1:
        raise call.wrong("it joins text and numbers")
    if len(parts) == 2 and parts[1].features == 1 and parts[1].stage is not None and parts[1].parent is not None:
        p, a, b = scaled(parts[0])
        if p is parts[1] and (a, b) == (-1.0, 1.0) and parts[1].stage.name == "sigmoid":
            return parts[1].parent.then(Stage("act", "binary"), 2)
    if any(stage.kind not in ELEMENTWISE for part in parts for stage in part.stages()):
        raise call.wrong("it joins branches that depend on the inputs", want="one layer after the other")
    return _side_by_side(call, parts)


def _side_by_side(call: Call, parts: list[Rows]) -> Rows:
    bases = [list(part.back())[-1] for part in parts]
    shape = (*parts[0].shape[:-1], sum(part.features for part in parts))
    inputs = {name: width for base in bases for name, width in zip(base.inputs, base.widths, strict=True)}
    elements = {base.element for base in bases}
    element = elements.pop() if len(elements) == 1 else "float"
    plain = all(part.stage is None and part.columns is None for part in parts)
    columns = None if plain else tuple(column for base in bases for column in split(call, base))
    used = [(name, 0) for base in bases for name in base.inputs] if columns is None else [c.source for c in columns]
    if len(set(used)) < len(used):
        twice = next(name for (name, place), n in Counter(used).items() if n > 1)
        raise call.wrong("a column of the inputs stands in it twice", shown(twice), "each column once")
    rows = Rows(tuple(inputs), shape, widths=tuple(inputs.values()), columns=columns, element=element)
    if all(part.stage is None for part in parts):
        return rows
    with np.errstate(all="ignore"):
        scales = [standardising(part.stages(), part.features) for part in parts]
        mean, std = (np.concatenate(pieces) for pieces in zip(*scales, strict=True))
        if ((std > 0) & np.isfinite(std) & np.isfinite(mean)).all():
            return rows.then(Stage("add", value=-mean)).then(Stage("divide", value=std))
        scales = [affine(part.stages(), part.features) for part in parts]
    factor, shift = (np.concatenate(pieces) for pieces in zip(*scales, strict=True))
    return rows.then(Stage("multiply", value=factor)).then(Stage("add", value=shift))


# -- the encoding ------------------------------------------------------------------------------------------------------
def encode_columns(
    built: Chain, base: Rows, names: tuple[str, ...], fail: Callable[[str], ModelFileError]
) -> InputEncoding | None:
    """The encoding of the columns, `built` changed so that it follows; None for a table of plain numbers.

    names: of all columns of the inputs in order, () for those in the file.
    """
    columns = base.columns
    if columns is None:
        return None
    if not any(column.values or column.fill is not None for column in columns):
        _scatter(built, base, columns, fail)
        return None
    named = _names(base, columns, names, built.notes)
    W, b, output = built.layers[0]
    if len(set(named)) < len(named):
        raise fail(f"two of its columns get the same name: {listed(named)}")
    cells = [_cell(column, name) for column, name in zip(columns, named, strict=True)]
    width = sum(len(cell.slots) for cell in cells)
    if W.shape[0] * width > W.size + SQUARE:
        raise fail("its columns have too many values")
    wide, mean, std = np.zeros((W.shape[0], width)), np.zeros(width), np.ones(width)
    silent, at, first = [], 0, 0
    with np.errstate(all="ignore"):  # checked below
        for column, cell in zip(columns, cells, strict=True):
            part = slice(first, first + len(column.kept))
            weights, low, scale = W[:, part] / 1.0, built.mean[part], built.std[part]
            if column.values:
                places = [at + slot for slot in _slots(column, cell)]
                wide[:, places] = weights / scale
                b = b - weights @ (low / scale)
                silent.append(at + len(cell.values))
            else:
                mean[at], std[at] = low[0] if column.fill is None else column.fill, scale[0]
                wide[:, at] = weights[:, 0]
                b = b + weights[:, 0] * ((mean[at] - low[0]) / scale[0])
            at, first = at + len(cell.slots), part.stop
    if not (np.isfinite(wide).all() and np.isfinite(b).all()):
        raise fail("its constants overflow")
    built.layers[0] = (wide.astype(W.dtype), b, output)
    built.bias |= bool(b.any())
    built.features = width
    built.notes += _said(columns, cells)
    na = ("nan",) if any("nan" in column.values for column in columns) else ()
    return InputEncoding("columns", named, mean=tuple(mean.tolist()), std=tuple(std.tolist()), cells=tuple(cells),
                         na=na, silent=tuple(silent))  # fmt: skip


def _scatter(built: Chain, base: Rows, columns: Sequence[Column], fail: Callable[[str], ModelFileError]) -> None:
    """Weights in the order of the inputs' columns, of 0 for those that are not used."""
    starts = dict(zip(base.inputs, np.cumsum([0, *base.widths]).tolist(), strict=False))
    places = [starts[column.input] + column.place for column in columns]
    total = sum(base.widths)
    if places == list(range(total)):
        return
    W, b, output = built.layers[0]
    if W.shape[0] * total > W.size + SQUARE:
        raise fail("its inputs have too many columns that are not used")
    wide, mean, std = np.zeros((W.shape[0], total), W.dtype), np.zeros(total), np.ones(total)
    wide[:, places], mean[places], std[places] = W, built.mean, built.std
    built.layers[0], built.mean, built.std, built.features = (wide, b, output), mean, std, total
    unused = [str(place + 1) for place in range(total) if place not in set(places)]
    if unused:
        told = ", ".join(unused[:6]) + (" …" if len(unused) > 6 else "")
        built.notes.append(f"columns that the network does not use, counted from 1: {told}")


def _names(base: Rows, columns: Sequence[Column], names: tuple[str, ...], notes: list[str]) -> tuple[str, ...]:
    every = [(name, i) for name, width in zip(base.inputs, base.widths, strict=True) for i in range(width)]
    if names and (len(names) != len(every) or len(set(names)) != len(names) or not all(names)):
        raise UsageError("the columns do not fit the inputs", got=listed(names), want=f"{len(every)} different names")
    single = {name for name, width in zip(base.inputs, base.widths, strict=True) if width == 1}
    if not names and len(single) < len(base.inputs):
        notes.append("the columns have no names in the file: they are numbered from 1")
    given = dict(zip(every, names, strict=False))
    own = [c.input if c.input in single else f"{c.input}{c.place + 1}" for c in columns]
    return tuple(given.get(c.source, name) for c, name in zip(columns, own, strict=True))


def _cell(column: Column, name: str) -> InputColumn:
    if not column.values:
        return InputColumn(name)
    values = tuple(value for value in column.values if value not in MISSING)
    return InputColumn(name, "category", values, missing=len(values) < len(column.values))


def _slots(column: Column, cell: InputColumn) -> list[int]:
    """Where the kept values stand in the cell's slots: values, `<other>`, missing."""
    place = {value: i for i, value in enumerate(cell.values)} | dict.fromkeys(MISSING, len(cell.values) + 1)
    return [place[column.values[i]] for i in column.kept]


def _said(columns: Sequence[Column], cells: Sequence[InputColumn]) -> list[str]:
    """What the file does otherwise."""
    said = []
    for column, cell in zip(columns, cells, strict=True):
        if column.strict:
            said.append(f"column {shown(cell.name)}: the file refuses other values; here they count as none of its own")
        if "nan" in column.values:
            said.append(f"column {shown(cell.name)}: an empty cell is the category 'nan'")
    return said
