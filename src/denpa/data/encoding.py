"""What a network sees of the data: inputs scaled, targets as class indices or standardised numbers, and back.

An encoding is fitted on the training part alone, is plain data, travels inside the model file as JSON, and is applied
by predict and evaluate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.data.dataset import Array, Dataset, Samples, feature_names
from denpa.data.files import listed, shown
from denpa.data.strict import Fields
from denpa.data.targets import Labels
from denpa.errors import DataError

Floats = npt.NDArray[np.float64]

_ROWS = 8192  # standardising works in pieces of so many rows: its float64 copies then stay small


@dataclass(frozen=True)
class InputEncoding:
    """Rows of inputs as rows of network inputs.

    kind "image": values / maximum; `whole` says that pixels are whole numbers from 0 to maximum, and others are
    refused.  kind "table": (value − mean) / std by column; a column that is constant in the training part has std 1.
    """

    kind: str
    columns: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    maximum: float = 1.0
    whole: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    constant: tuple[int, ...] = ()

    @classmethod
    def fit(cls, data: Samples, rows: Array | None = None) -> InputEncoding:
        """Fit on these rows, (m,) indices, the training part; None: on all.

        Images without a `maximum` are divided by the largest magnitude among the rows.  DataError when a column's mean
        or deviation overflows.
        """
        if data.image_shape is not None:
            largest = data.maximum or max(_extremes(data.inputs, rows)) or 1.0
            return cls("image", image_shape=data.image_shape, maximum=largest, whole=data.maximum is not None)
        mean, std, constant = _moments(data.inputs, rows, lambda i: data.input_names[i])
        where = tuple(np.flatnonzero(constant).tolist())
        return cls("table", data.columns, mean=_floats(mean), std=_floats(std), constant=where)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: (features,) or an image's."""
        return self.image_shape or (len(self.mean),)

    @property
    def features(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name for each feature: of the column, or of its place when the training data had no names."""
        return self.columns or feature_names(self.shape)

    @property
    def positional(self) -> bool:
        """Whether features are known by place alone (pixels, arrays): inputs without names can then be matched."""
        return self.columns is None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a report should show."""
        if not self.constant:
            return ()
        columns = listed([self.names[i] for i in self.constant])
        return (f"constant in the training part, so without effect on it: {columns} (only shifted, not scaled)",)

    def encode(self, inputs: Array, dtype: npt.DTypeLike = np.float32) -> Array:
        """(n, features) of `dtype`, from (n, features) or (n, *image_shape).

        DataError on another number of features, NaN, infinity (also by overflow of dtype), and pixels out of range.
        """
        rows = self._flattened(inputs)
        self._check_pixels(rows)
        encoded: Array = np.empty(rows.shape, dtype)
        mean, std = np.array(self.mean), np.array(self.std)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            for start in range(0, len(rows), _ROWS):
                piece = slice(start, start + _ROWS)
                if self.kind == "image":
                    encoded[piece] = rows[piece]
                    encoded[piece] /= encoded.dtype.type(self.maximum)
                else:
                    encoded[piece] = (rows[piece] - mean) / std
        if not np.isfinite(encoded).all():
            row, column = np.argwhere(~np.isfinite(encoded))[0]
            raise DataError(
                f"an input is not finite in {np.dtype(dtype).name}",
                where=f"row {row + 1:,}, column {shown(self.names[column])}",
                got=f"{rows[row, column]}, encoded {encoded[row, column]}",
                want="finite numbers of the size of the training data",
            )
        return encoded

    def decode(self, encoded: Array) -> Floats:
        """The inputs, (n, features) float64, that `encode` would turn into `encoded`."""
        rows = np.asarray(encoded, np.float64)
        return rows * self.maximum if self.kind == "image" else rows * np.array(self.std) + np.array(self.mean)

    def _flattened(self, inputs: Array) -> Array:
        rows = inputs.reshape(len(inputs), -1) if inputs.ndim > 1 and len(inputs) else inputs
        if rows.ndim == 2 and rows.shape[1] == self.features:
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
        if fields.choice("kind", ("image", "table")) == "image":
            fields.only("kind", "shape", "maximum", "whole")
            shape = fields.integers("shape", 2, 3, low=1)
            maximum = fields.numbers("maximum", [fields["maximum"]], positive=True)[0]
            return cls("image", image_shape=shape, maximum=maximum, whole=fields.boolean("whole"))
        fields.only("kind", "names", "mean", "std", "constant")
        columns = None if fields["names"] is None else fields.names("names", 1)
        mean = fields.numbers("mean", fields.list_of("mean", None if columns is None else len(columns)))
        std = fields.numbers("std", fields.list_of("std", len(mean)), positive=True)
        constant = fields.integers("constant", 0, len(mean), low=0, high=len(mean) - 1)
        return cls("table", columns, mean=mean, std=std, constant=constant)


@dataclass(frozen=True)
class TargetEncoding:
    """Targets as the network's loss wants them.

    kind "classes": indices into `classes`, kept as integers.  kind "numbers": (value − mean) / std by output.
    """

    kind: str
    name: str
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def fit(cls, data: Dataset, rows: Array | None = None) -> TargetEncoding:
        """Fit on these rows, (m,) indices, the training part; None: on all."""
        name, targets = data.target_name, data.targets
        if data.classes is not None:
            return cls("classes", name, data.classes)
        mean, std, _ = _moments(targets.reshape(len(targets), -1), rows, lambda i: name)
        return cls("numbers", name, mean=_floats(mean), std=_floats(std))

    @property
    def outputs(self) -> int:
        """How many output units the network has: one for each class or number."""
        return len(self.classes) if self.kind == "classes" else len(self.mean)

    def encode(self, targets: Array, dtype: npt.DTypeLike = np.float32) -> Array:
        """(n,) int64 class indices, from indices or from names (str); or (n, outputs) of `dtype`, from numbers.

        DataError for labels that are no classes, another number of outputs, and numbers that are not finite.
        """
        return self._encode_classes(targets) if self.kind == "classes" else self._encode_numbers(targets, dtype)

    def decode(self, values: Array) -> Array:
        """(n,) class names from indices (n,); or numbers in their own unit, (n,) for one output, else (n, outputs)."""
        if self.kind == "classes":
            names: Array = np.array(self.classes)[self._encode_classes(np.asarray(values))]
            return names
        rows = np.asarray(values, np.float64).reshape(len(values), -1)
        numbers: Floats = rows * np.array(self.std) + np.array(self.mean)
        return numbers[:, 0] if self.outputs == 1 else numbers

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
        return {"kind": "numbers", "name": self.name, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: object) -> TargetEncoding:
        """ModelFileError on unknown or missing keys, wrong types or sizes, and numbers that cannot be."""
        fields = Fields(value, "the target encoding")
        if fields.choice("kind", ("classes", "numbers")) == "classes":
            fields.only("kind", "name", "classes")
            return cls("classes", fields.text("name"), fields.names("classes", 2))
        fields.only("kind", "name", "mean", "std")
        mean = fields.numbers("mean", fields.list_of("mean"))
        std = fields.numbers("std", fields.list_of("std", len(mean)), positive=True)
        return cls("numbers", fields.text("name"), mean=mean, std=std)


def _within(indices: Array, count: int) -> bool:
    return indices.size == 0 or (int(indices.min()) >= 0 and int(indices.max()) < count)


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())


def _pieces(inputs: Array, rows: Array | None) -> Iterator[Array]:
    """The chosen rows a few thousand at a time: float64 copies of them then stay small."""
    count = len(inputs) if rows is None else len(rows)
    for start in range(0, count, _ROWS):
        piece = slice(start, start + _ROWS)
        yield inputs[piece] if rows is None else inputs[rows[piece]]


def _extremes(inputs: Array, rows: Array | None) -> tuple[float, float]:
    pieces = list(_pieces(inputs, rows))
    return max(float(piece.max()) for piece in pieces), -min(float(piece.min()) for piece in pieces)


def _moments(
    inputs: Array, rows: Array | None, name: Callable[[int], str]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Mean and standard deviation (divided by n) by column, and which columns are constant; their std is 1.

    Two passes in float64: a sum of squares would lose all digits of a column such as 1e9 + noise.
    """
    count, width = len(inputs) if rows is None else len(rows), inputs.shape[1]
    low, high, total, squares = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width), np.zeros(width)
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        for piece in _pieces(inputs, rows):
            low, high = np.minimum(low, piece.min(axis=0)), np.maximum(high, piece.max(axis=0))
            total += piece.sum(axis=0, dtype=np.float64)
        constant = low == high
        mean = np.where(constant, low, total / count)  # exactly, so that a constant column becomes 0
        largest = np.where(constant, 1.0, np.maximum(high - mean, mean - low))
        for piece in _pieces(inputs, rows):
            squares += (((piece - mean) / largest) ** 2).sum(axis=0)  # of at most 1: 1e-200 must not vanish as 1e-400
        std = np.where(constant, 1.0, largest * np.sqrt(squares / count))
    bad = ~np.isfinite(mean) | ~np.isfinite(std) | (std == 0)
    if bad.any():
        column = int(np.argmax(bad))
        raise DataError(
            f"column {shown(name(column))} has a range that cannot be standardised",
            got=f"values from {low[column]:g} to {high[column]:g}",
            want="magnitudes between about 1e-300 and 1e300",
            fix="multiply the column by a constant first",
        )
    return mean, std, constant
