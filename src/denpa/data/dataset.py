"""The Dataset: arrays with names, and where they came from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from denpa.errors import DataError

if TYPE_CHECKING:  # these modules import this one
    from denpa.data.coding import InputColumn
    from denpa.data.schema import Schema

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Rows of inputs from a source.

    inputs: (n, features), (n, height, width) or (n, height, width, channels); uint8 where the source has bytes, else
    float32 or float64, all finite, read-only.  columns: the names of a table's columns, None for arrays and images.
    maximum: the largest value a pixel can have, where the format says so (255 for bytes).  ignored: columns of the
    source that were not asked for.  sha256: of the file as stored, or of the lines `name sha256` of several.

    cells: what the columns of a table hold.  Its inputs are then float64 with NaN where a cell is missing, codes in
    place of categories (the number of categories for another one) and days in place of dates; na: the cells that were
    missing besides empty ones.  notices: sentences that a user should see.
    """

    inputs: Array
    source: str
    sha256: str
    columns: tuple[str, ...] | None = None
    maximum: float | None = None
    ignored: tuple[str, ...] = ()
    cells: tuple[InputColumn, ...] | None = None
    na: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.inputs.shape[1:]))
        return f"<{type(self).__name__} {self.source}: {len(self):,} rows of {shape}>"

    def __post_init__(self) -> None:
        if len(self.inputs) == 0:
            raise DataError("there are no rows", where=self.source, got="0 rows", want="at least one")
        self.inputs.setflags(write=False)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(height, width) or (height, width, channels) when the inputs are images."""
        return None if self.inputs.ndim == 2 else tuple(self.inputs.shape[1:])

    @property
    def features(self) -> int:
        """Features of one flattened row."""
        return math.prod(self.inputs.shape[1:])

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """One name for each feature of a flattened row: of the column, or x1, x2, …, or pixel_0_0, pixel_0_1, …"""
        return self.columns or feature_names(tuple(self.inputs.shape[1:]))


@dataclass(frozen=True, eq=False, repr=False)
class Inputs(Samples):
    """Rows to predict, in the order of the source.  ids: what the rows are called, one each, where they have names."""

    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Dataset(Samples):
    """Rows with their targets.

    targets: with classes, (n,) int64 indices into them; with labels, (n, k) float64 of 0 and 1, one column for each of
    the k labels that a row may have at once; else numbers, (n,) or (n, k) float64.  target_names: of the k columns,
    where there are several.  task_reason: why this is classification or regression, as a sentence.  test: the source's
    own test part, if it has one.  schema: of a table, with its decisions and their reasons.

    weights: (n,) float64, finite, ≥ 0, not all 0: what each row counts for.  groups: (n,) int64, equal for rows that
    must not be divided between training and validation.  times: (n,) float64, by which the rows are ordered.
    """

    targets: Array
    target_name: str
    classes: tuple[str, ...] | None
    task_reason: str
    test: Dataset | None = None
    labels: tuple[str, ...] | None = None
    target_names: tuple[str, ...] = ()
    weights: Array | None = None
    groups: Array | None = None
    times: Array | None = None
    schema: Schema | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.inputs) != len(self.targets):
            raise DataError(
                "inputs and targets differ in number",
                where=self.source,
                got=f"{len(self.inputs):,} rows of inputs, {len(self.targets):,} of targets",
                want="one target for each row of inputs",
                fix="check that the two parts belong together and neither is cut off",
            )
        self.targets.setflags(write=False)
        for name in ("weights", "groups", "times"):
            values = getattr(self, name)
            if values is not None:
                if values.shape != (len(self),):
                    raise DataError(
                        f"the {name} do not belong to these rows",
                        where=self.source,
                        got=f"shape {values.shape}",
                        want=f"({len(self)},)",
                    )
                values.setflags(write=False)

    @property
    def task(self) -> str:
        """ "classification", "multilabel" or "regression"."""
        if self.classes is not None:
            return "classification"
        return "regression" if self.labels is None else "multilabel"

    def take(self, rows: Array) -> Dataset:
        """These rows, (m,) indices, with all that belongs to them; without the test part."""

        def chosen(values: Array | None) -> Array | None:
            return None if values is None else values[rows]

        return replace(
            self,
            inputs=self.inputs[rows],
            targets=self.targets[rows],
            test=None,
            weights=chosen(self.weights),
            groups=chosen(self.groups),
            times=chosen(self.times),
        )


def feature_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names for the features of a row without names: x1 … xn for (n,), pixel_0_0 … in row-major order for an image."""
    if len(shape) == 1:
        return tuple(f"x{i}" for i in range(1, shape[0] + 1))
    return tuple("pixel_" + "_".join(map(str, index)) for index in np.ndindex(*shape))


def as_inputs(values: Array, where: str) -> Array:
    """An array from a file as rows of inputs: (n,) becomes (n, 1); bytes stay, other numbers become floats that hold
    them (float32 up to 16 bits, else float64).  DataError on other shapes, no features, NaN and infinity."""
    if values.dtype.kind not in "biuf":
        raise DataError(
            "the inputs are not numbers", where=where, got=f"dtype {values.dtype}", want="integers, floats or booleans"
        )
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim > 4 or values.ndim == 0 or 0 in values.shape[1:]:
        raise DataError(
            "inputs of this shape cannot be read",
            where=where,
            got=f"shape {values.shape}",
            want="(n,), (n, features), (n, height, width) or (n, height, width, channels), nothing of size 0",
        )
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    small = values.dtype.itemsize <= 2 or values.dtype == np.float32
    floats = np.ascontiguousarray(values, dtype=np.float32 if small else np.float64)
    check_finite(floats, where)
    return floats


def check_finite(values: Array, where: str, what: str = "inputs") -> None:
    """DataError naming the count and the first row (from 1) of NaN or infinity in `values`, (n, …)."""
    count, first = 0, -1
    step = max(1, (1 << 20) // max(1, values[:1].size))  # in pieces: the mask then stays below 1 MiB
    for start in range(0, len(values), step):
        bad = ~np.isfinite(values[start : start + step])
        if bad.any():
            first = start + int(np.argwhere(bad)[0][0]) if first < 0 else first
            count += int(bad.sum())
    if count:
        value = values[first][~np.isfinite(values[first])].flat[0]
        raise DataError(
            f"the {what} hold {count:,} values that are NaN or infinite",
            where=f"{where}, first in row {first + 1:,}",
            got=str(value),
            want="finite numbers",
            fix="replace or remove these rows before saving the file",
        )


def largest_pixel(values: Array) -> float | None:
    """What the format of these inputs allows at most: 255 for images of bytes, else unknown."""
    return 255.0 if values.dtype == np.uint8 and values.ndim > 2 else None
