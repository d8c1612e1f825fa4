"""What a network sees of the data: inputs scaled, targets as class indices or standardised numbers, and back.

An encoding is fitted on the training part alone, is plain data, travels inside the model file as JSON, and is applied
by predict and evaluate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.data import columns
from denpa.data.coding import OTHER, InputColumn, readable
from denpa.data.columns import ROWS, Floats, moments, pieces_of
from denpa.data.dataset import Array, Dataset, Samples, feature_names
from denpa.data.files import listed, shown
from denpa.data.strict import Fields
from denpa.data.targets import Labels
from denpa.errors import DataError


@dataclass(frozen=True)
class InputEncoding:
    """Rows of inputs as rows of network inputs.

    kind "image": values / maximum; `whole` says that pixels are whole numbers from 0 to maximum, and others are
    refused.  kind "table": (value − mean) / std by column; a column that is constant in the training part has std 1.
    kind "columns": a table whose columns `cells` describes.  A number or date is standardised and, where it is missing,
    the mean; a category is one input for each value and one for all others; where cells of the column were missing in
    the training table, one more input says so.  silent: inputs that no training row has (a value of the validation
    part alone, usually `<other>`): they stay 0, for no training has given their weights a meaning.
    """

    kind: str
    columns: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    maximum: float = 1.0
    whole: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    constant: tuple[int, ...] = ()
    cells: tuple[InputColumn, ...] = ()
    na: tuple[str, ...] = ()
    silent: tuple[int, ...] = ()

    @classmethod
    def fit(cls, data: Samples, rows: Array | None = None) -> InputEncoding:
        """Fit on these rows, (m,) indices, the training part; None: on all.  A row counts as much as it weighs.

        Images without a `maximum` are divided by the largest magnitude among the rows.  DataError when a column's mean
        or deviation overflows.
        """
        weights = data.weights if isinstance(data, Dataset) else None
        if data.image_shape is not None:
            largest = data.maximum or max(_extremes(data.inputs, rows)) or 1.0
            return cls("image", image_shape=data.image_shape, maximum=largest, whole=data.maximum is not None)
        if data.cells is not None:
            mean, std, fixed, silent = columns.fit(data.inputs, rows, data.cells, weights)
            return cls(
                "columns",
                data.columns,
                mean=_floats(mean),
                std=_floats(std),
                constant=tuple(fixed),
                cells=data.cells,
                na=data.na,
                silent=tuple(silent),
            )
        mean, std, constant = moments(data.inputs, rows, lambda i: data.input_names[i], None, weights)
        where = tuple(np.flatnonzero(constant).tolist())
        return cls("table", data.columns, mean=_floats(mean), std=_floats(std), constant=where)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row before encoding: (columns,) or an image's."""
        return self.image_shape or (len(self.cells or self.mean),)

    @property
    def features(self) -> int:
        """Of an encoded row: the network's inputs."""
        return math.prod(self.image_shape) if self.image_shape else len(self.mean)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name for each feature: of the column (age, age missing, job=cook), or of its place without names."""
        if self.cells:
            return tuple(name for column in self.cells for name in column.slots)
        return self.columns or feature_names(self.shape)

    @property
    def table(self) -> tuple[InputColumn, ...]:
        """The columns to look for in a table."""
        return self.cells or tuple(InputColumn(name) for name in self.names)

    @property
    def positional(self) -> bool:
        """Whether features are known by place alone (pixels, arrays): inputs without names can then be matched."""
        return self.columns is None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a report should show."""
        said = []
        if self.constant:
            names = listed([self.names[i] for i in self.constant])
            said.append(f"constant in the training part, so without effect on it: {names} (only shifted, not scaled)")
        if absent := [self.names[i] for i in self.silent if not self.names[i].endswith(f"={OTHER}")]:
            said.append(f"no training row has these, so they have no effect: {listed(absent)}")
        return tuple(said)

    def encode(self, inputs: Array, dtype: npt.DTypeLike = np.float32) -> Array:
        """(n, features) of `dtype`, from (n, features) or (n, *image_shape).

        DataError on another number of features, NaN, infinity (also by overflow of dtype), and pixels out of range.
        """
        rows = self._flattened(inputs)
        self._check_pixels(rows)
        encoded: Array = np.empty((len(rows), self.features), dtype)
        mean, std = np.array(self.mean), np.array(self.std)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            for start in range(0, len(rows), ROWS):
                piece = slice(start, start + ROWS)
                if self.kind == "image":
                    encoded[piece] = rows[piece]
                    encoded[piece] /= encoded.dtype.type(self.maximum)
                else:
                    values = columns.expand(rows[piece], self.cells, mean, self.silent) if self.cells else rows[piece]
                    columns.standardise(values, mean, std, encoded[piece])
        if not np.isfinite(encoded).all():
            row, column = np.argwhere(~np.isfinite(encoded))[0]
            value = f"{rows[row, column]}, encoded " if not self.cells else ""
            raise DataError(
                f"an input is not finite in {np.dtype(dtype).name}",
                where=f"row {row + 1:,}, column {shown(self.names[column])}",
                got=f"{value}{encoded[row, column]}",
                want="finite numbers of the size of the training data",
            )
        return encoded

    def decode(self, encoded: Array) -> Floats:
        """(n, features) float64, in their own units: the inputs that `encode` would turn into `encoded`.

        Of kind "columns": 0 and 1 for categories and missing cells, the mean where a number is missing.
        """
        rows = np.asarray(encoded, np.float64)
        return rows * self.maximum if self.kind == "image" else rows * np.array(self.std) + np.array(self.mean)

    def readable(self, row: Array) -> Array:
        """One row before encoding, as a person reads it: of a table (columns,) of objects, else the row itself."""
        if not self.cells:
            return row
        return np.array([readable(column, float(value)) for column, value in zip(self.cells, row, strict=True)], object)

    def _flattened(self, inputs: Array) -> Array:
        rows = inputs.reshape(len(inputs), -1) if inputs.ndim > 1 and len(inputs) else inputs
        if rows.ndim == 2 and rows.shape[1] == math.prod(self.shape):
            return rows
        raise DataError(
            "the inputs have another shape than the training data",
            got=f"{inputs.shape}",
            want=f"(n, {', '.join(map(str, self.shape))})",
            fix="give rows with the same features, or train again on this data",
        )

    def _check_pixels(self, rows: Array) -> None:
        if not self.whole or (rows.dtype == np.uint8 and self.maximum >= 255):
            return
        wrong = ~((rows >= 0) & (rows <= self.maximum) & (rows == np.floor(rows)))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise DataError(
                f"{int(wrong.sum()):,} pixels are not as in the training data",
                where=f"first in row {row + 1:,}, {self.names[column]}",
                got=str(rows[row, column]),
                want=f"whole numbers from 0 to {self.maximum:g}",
                fix="save the images with the scale of the training data",
            )

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types; `from_json` gives an equal encoding back."""
        if self.kind == "image":
            shape = list(self.image_shape or ())
            return {"kind": "image", "shape": shape, "maximum": self.maximum, "whole": self.whole}
        if self.kind == "columns":
            return {
                "kind": "columns",
                "columns": [
                    {"name": c.name, "kind": c.kind, "values": list(c.values), "missing": c.missing} for c in self.cells
                ],
                "na": list(self.na),
                "mean": list(self.mean),
                "std": list(self.std),
                "constant": list(self.constant),
                "silent": list(self.silent),
            }
        return {
            "kind": "table",
            "names": None if self.columns is None else list(self.columns),
            "mean": list(self.mean),
            "std": list(self.std),
            "constant": list(self.constant),
        }

    @classmethod
    def from_json(cls, value: object) -> InputEncoding:
        """ModelFileError on unknown or missing keys, wrong types or sizes, and numbers that cannot be."""
        fields = Fields(value, "the input encoding")
        kind = fields.choice("kind", ("image", "table", "columns"))
        if kind == "columns":
            return cls._columns_from_json(fields)
        if kind == "image":
            fields.only("kind", "shape", "maximum", "whole")
            shape = fields.integers("shape", 2, 3, low=1)
            maximum = fields.numbers("maximum", [fields["maximum"]], positive=True)[0]
            return cls("image", image_shape=shape, maximum=maximum, whole=fields.boolean("whole"))
        fields.only("kind", "names", "mean", "std", "constant")
        names = None if fields["names"] is None else fields.names("names", 1)
        mean = fields.numbers("mean", fields.list_of("mean", None if names is None else len(names)))
        std = fields.numbers("std", fields.list_of("std", len(mean)), positive=True)
        constant = fields.integers("constant", 0, len(mean), low=0, high=len(mean) - 1)
        return cls("table", names, mean=mean, std=std, constant=constant)

    @classmethod
    def _columns_from_json(cls, fields: Fields) -> InputEncoding:
        fields.only("kind", "columns", "na", "mean", "std", "constant", "silent")
        cells = tuple(_cells_from_json(value) for value in fields.list_of("columns"))
        names = tuple(column.name for column in cells)
        if len(set(names)) < len(names):
            raise fields.wrong("distinct names", names, "columns")
        width = sum(len(column.slots) for column in cells)
        mean = fields.numbers("mean", fields.list_of("mean", width))
        std = fields.numbers("std", fields.list_of("std", width), positive=True)
        constant, silent = (fields.integers(key, 0, width, low=0, high=width - 1) for key in ("constant", "silent"))
        na = fields.names("na", 0) if fields["na"] != [] else ()
        return cls("columns", names, mean=mean, std=std, constant=constant, cells=cells, na=na, silent=silent)


@dataclass(frozen=True)
class TargetEncoding:
    """Targets as the network's loss wants them.

    kind "classes": indices into `classes`, kept as integers.  kind "labels": 0 and 1, a column for each of `labels`.
    kind "numbers": (value − mean) / std by output.  names: of the outputs, where there are several with names.
    """

    kind: str
    name: str
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def fit(cls, data: Dataset, rows: Array | None = None) -> TargetEncoding:
        """Fit on these rows, (m,) indices, the training part; None: on all.  A row counts as much as it weighs."""
        name, targets = data.target_name, data.targets
        if data.classes is not None:
            return cls("classes", name, data.classes)
        if data.labels is not None:
            return cls("labels", name, labels=data.labels)
        mean, std, _ = moments(targets.reshape(len(targets), -1), rows, lambda i: name, None, data.weights)
        return cls("numbers", name, mean=_floats(mean), std=_floats(std), names=data.target_names)

    @property
    def outputs(self) -> int:
        """How many output units the network has: one for each class, label or number."""
        return len(self.classes or self.labels or self.mean)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to look for in a table."""
        return self.labels or self.names or (self.name,)

    def encode(self, targets: Array, dtype: npt.DTypeLike = np.float32) -> Array:
        """(n,) int64 class indices, from indices or from names (str); or (n, outputs) of `dtype`, from numbers or 0/1.

        DataError for labels that are no classes, another number of outputs, and numbers that are not finite.
        """
        if self.kind == "labels":
            return self._encode_labels(targets).astype(dtype)
        return self._encode_classes(targets) if self.kind == "classes" else self._encode_numbers(targets, dtype)

    def decode(self, values: Array) -> Array:
        """(n,) class names from indices (n,); or numbers in their own unit, (n,) for one output, else (n, outputs).

        Of kind "labels": 1 where the probability (n, outputs) is 1/2 or more, else 0, int64.
        """
        if self.kind == "labels":
            return (np.asarray(values) >= 0.5).astype(np.int64)
        if self.kind == "classes":
            names: Array = np.array(self.classes)[self._encode_classes(np.asarray(values))]
            return names
        rows = np.asarray(values, np.float64).reshape(len(values), -1)
        numbers: Floats = rows * np.array(self.std) + np.array(self.mean)
        return numbers[:, 0] if self.outputs == 1 else numbers

    def _encode_labels(self, targets: Array) -> Array:
        good = targets.ndim == 2 and targets.shape[1] == self.outputs and targets.dtype.kind in "biuf"
        if good and bool(((targets == 0) | (targets == 1)).all()):
            return targets
        raise DataError(
            f"the target {shown(self.name)} holds no labels",
            got=f"{targets.dtype} of shape {targets.shape}",
            want=f"(n, {self.outputs}) of 0 and 1, for {listed(self.labels)}",
        )

    def _encode_classes(self, targets: Array) -> Array:
        if targets.dtype.kind in "UO":
            return Labels.of(targets.astype(np.str_)).matched(self.classes, f"target {shown(self.name)}")
        if targets.ndim != 1 or targets.dtype.kind not in "iu" or not _within(targets, len(self.classes)):
            raise DataError(
                f"the target {shown(self.name)} holds no class indices",
                got=f"{targets.dtype} of shape {targets.shape}" + (f" up to {targets.max()}" if targets.size else ""),
                want=f"(n,) integers from 0 to {len(self.classes) - 1}, or the classes' names",
            )
        return targets.astype(np.int64, copy=False)

    def _encode_numbers(self, targets: Array, dtype: npt.DTypeLike) -> Array:
        columns = np.asarray(targets, np.float64).reshape(len(targets), -1) if len(targets) else targets
        if columns.ndim != 2 or columns.shape[1] != self.outputs:
            raise DataError(
                f"the target {shown(self.name)} has another number of outputs than in training",
                got=f"shape {targets.shape}",
                want=f"(n, {self.outputs})" if self.outputs > 1 else "(n,)",
            )
        with np.errstate(over="ignore", invalid="ignore"):  # checked next
            encoded: Array = ((columns - np.array(self.mean)) / np.array(self.std)).astype(dtype)
        if not np.isfinite(encoded).all():
            row = int(np.argwhere(~np.isfinite(encoded))[0][0])
            raise DataError(
                f"the target {shown(self.name)} is not finite in {np.dtype(dtype).name}",
                where=f"row {row + 1:,}",
                got=str(columns[row]),
                want="finite numbers of the size of the training data",
            )
        return encoded

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types; `from_json` gives an equal encoding back."""
        if self.kind == "classes":
            return {"kind": "classes", "name": self.name, "classes": list(self.classes)}
        if self.kind == "labels":
            return {"kind": "labels", "name": self.name, "labels": list(self.labels)}
        names = {"names": list(self.names)} if self.names else {}
        return {"kind": "numbers", "name": self.name, "mean": list(self.mean), "std": list(self.std), **names}

    @classmethod
    def from_json(cls, value: object) -> TargetEncoding:
        """ModelFileError on unknown or missing keys, wrong types or sizes, and numbers that cannot be."""
        fields = Fields(value, "the target encoding")
        kind = fields.choice("kind", ("classes", "labels", "numbers"))
        if kind == "classes":
            fields.only("kind", "name", "classes")
            return cls("classes", fields.text("name"), fields.names("classes", 2))
        if kind == "labels":
            fields.only("kind", "name", "labels")
            return cls("labels", fields.text("name"), labels=fields.names("labels", 2))
        named = "names" in fields
        fields.only("kind", "name", "mean", "std", *(["names"] if named else []))
        mean = fields.numbers("mean", fields.list_of("mean"))
        std = fields.numbers("std", fields.list_of("std", len(mean)), positive=True)
        names = fields.names("names", len(mean)) if named else ()
        if named and len(names) != len(mean):
            raise fields.wrong(f"{len(mean)} names", list(names), "names")
        return cls("numbers", fields.text("name"), mean=mean, std=std, names=names)


def _cells_from_json(value: object) -> InputColumn:
    fields = Fields(value, "a column of the input encoding")
    fields.only("name", "kind", "values", "missing")
    kind = fields.choice("kind", ("number", "date", "category"))
    values = fields.names("values", 1) if kind == "category" else ()
    if kind != "category" and fields["values"] != []:
        raise fields.wrong("no values", fields["values"], "values")
    return InputColumn(fields.text("name"), kind, values, fields.boolean("missing"))


def _within(indices: Array, count: int) -> bool:
    return indices.size == 0 or (int(indices.min()) >= 0 and int(indices.max()) < count)


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())


def _extremes(inputs: Array, rows: Array | None) -> tuple[float, float]:
    pieces = list(pieces_of(inputs, rows))
    return max(float(piece.max()) for piece in pieces), -min(float(piece.min()) for piece in pieces)
