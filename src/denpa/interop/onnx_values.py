"""What the tensors of an ONNX graph are while its nodes are followed: constants (arrays), rows, labels.

Rows are the model's inputs after a chain of stages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import ModelFileError
from denpa.interop.onnx_file import Attributes


@dataclass(frozen=True, eq=False)
class Stage:
    """kind "add", "multiply", "divide": by `value`, a number or (features,); "linear": value W (n_out, n_in), bias;
    "act": the activation `name` as nn.activation takes it, or "log_softmax", "binary", or a part of one."""

    kind: str
    name: str = ""
    value: Any = None
    bias: Any = None


@dataclass(frozen=True)
class Column:
    """A column of an input.  values: those that are told apart, one number each, of which `kept` go on; none for a
    number.  fill: what stands for NaN.  strict: the file refuses other values."""

    input: str
    place: int
    values: tuple[str, ...] = ()
    kept: tuple[int, ...] = (0,)
    fill: float | None = None
    strict: bool = False

    @property
    def source(self) -> tuple[str, int]:
        return self.input, self.place


@dataclass(frozen=True, eq=False)
class Rows:
    """The inputs named, after `stage` on the `parent`.  shape: of one row, as the file declares or computes it.

    widths: of the inputs.  columns: where the rows are not simply the inputs side by side.  element: "text", "whole" or
    "float".
    """

    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    parent: Rows | None = None
    stage: Stage | None = None
    widths: tuple[int, ...] = ()
    columns: tuple[Column, ...] | None = None
    element: str = "float"

    @property
    def features(self) -> int:
        return math.prod(self.shape)

    def then(self, stage: Stage, features: int | None = None) -> Rows:
        return Rows(self.inputs, self.shape if features is None else (features,), self, stage)

    def back(self) -> Iterator[Rows]:
        """Itself, its parent, … to the inputs."""
        rows: Rows | None = self
        while rows is not None:
            yield rows
            rows = rows.parent

    def stages(self) -> list[Stage]:
        """First to last."""
        return [rows.stage for rows in self.back() if rows.stage is not None][::-1]


@dataclass(frozen=True, eq=False)
class Above:
    """Where rows exceed a threshold: PyTorch's softplus goes over to x there."""

    of: Rows


@dataclass(frozen=True, eq=False)
class Label:
    """What a classifier answers, from rows of probabilities.  classes: None before they are looked up; table: the
    probabilities by class, of which several may be large, rather than the class."""

    of: Rows
    classes: tuple[str, ...] | None = None
    table: bool = False


@dataclass(frozen=True, eq=False)
class Failed:
    """A value that could not be followed; `error` is raised when it turns out to be needed."""

    error: ModelFileError


@dataclass(frozen=True, eq=False)
class Call:
    """One node with its inputs' values; None for one that was left out."""

    op: str
    inputs: tuple[Any, ...]
    attributes: Attributes
    opset: int
    where: str
    names: tuple[str, ...] = ()  # of the inputs

    def wrong(self, what: str, got: Any = None, want: str | None = None, fix: str | None = None) -> ModelFileError:
        return ModelFileError(f"{self.op}: {what}", where=self.where, got=got, want=want, fix=fix)

    def rows(self, index: int = 0) -> Rows:
        rows = self.cells(index)
        if rows.element == "text":
            raise self.wrong(f"input {index + 1} is text", ", ".join(rows.inputs)[:80], "numbers")
        return rows

    def cells(self, index: int = 0) -> Rows:
        """Rows, of text, too."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Rows):
            raise self.wrong(f"input {index + 1} does not come from the model's inputs", _kind(value))
        return value

    def flat(self, index: int = 0) -> Rows:
        """Rows of one axis."""
        rows = self.rows(index)
        if len(rows.shape) != 1:
            raise self.wrong("the rows are not flat", f"(N, {', '.join(map(str, rows.shape))})", "(N, features)")
        return rows

    def constant(self, index: int) -> Array:
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, np.ndarray):
            raise self.wrong(f"input {index + 1} is not a constant", _kind(value), "a constant inside of the file")
        return value

    def numbers(self, index: int) -> Array:
        value = self.constant(index)
        if value.dtype.kind not in "fi":
            raise self.wrong(f"input {index + 1} holds no numbers", str(value.dtype))
        return value

    def whole(self, index: int) -> list[int]:
        value = self.constant(index)
        if value.dtype.kind != "i":
            raise self.wrong(f"input {index + 1} holds no whole numbers", str(value.dtype))
        return [int(n) for n in value.ravel()]

    def only(self, most: int) -> None:
        if len(self.inputs) > most:
            raise self.wrong("it has too many inputs", len(self.inputs), f"at most {most}")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a constant"
    return {Rows: "rows", Above: "a comparison", Label: "a label"}.get(type(value), "nothing")
