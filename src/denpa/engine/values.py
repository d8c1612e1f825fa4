"""What a plan is made of: values in memory, views of them, and tasks that read and write views.

A Value is an array that owns memory.  A View is how a task looks at it: shape, strides and offset in elements, so that
transposing, reshaping, slicing and broadcasting cost nothing.  A Task becomes one instruction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.graph import Node


@cache
def name_of(dtype: np.dtype[Any]) -> str:
    """dtype.name, which NumPy makes anew each time: 3 µs, a third of the planning of a large graph."""
    return str(dtype.name)


class Value:
    """Memory for one array.  kind: "input", "constant" or "temporary"; order: axes from slowest to fastest."""

    __slots__ = ("data", "dtype", "kind", "name", "node", "offset", "order", "shape")

    def __init__(
        self,
        shape: Shape,
        dtype: Any,
        kind: str = "temporary",
        *,
        name: str | None = None,
        data: Array | None = None,
        order: Sequence[int] | None = None,
        node: Node | None = None,
    ) -> None:
        self.shape, self.kind, self.name, self.data = tuple(shape), kind, name, data
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.order = tuple(range(len(self.shape))) if order is None else tuple(order)
        self.node = node
        self.offset = -1

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return int(self.size * self.dtype.itemsize)

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        strides, step = [0] * len(self.shape), 1
        for axis in reversed(self.order):
            strides[axis] = step
            step *= max(self.shape[axis], 1)
        return tuple(strides)

    def __repr__(self) -> str:
        return f"<Value {self.name or self.kind} {self.dtype}{list(self.shape)}>"


@dataclass(frozen=True)
class View:
    """Elements of a value: element (i, j, …) is at offset + i·strides[0] + j·strides[1] + …"""

    value: Value
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def whole(self) -> bool:
        """Is this the value itself, element by element?"""
        return self.offset == 0 and self.shape == self.value.shape and self.strides == self.value.strides

    def broadcast(self, shape: Shape) -> View:
        """Repeated to a shape by NumPy's rules: stride 0 along repeated axes."""
        added = len(shape) - len(self.shape)
        strides = [0] * added + [
            s if n == m else 0 for n, m, s in zip(self.shape, shape[added:], self.strides, strict=True)
        ]
        return View(self.value, tuple(shape), tuple(strides), self.offset)

    def contiguous(self, order: Sequence[int] | None = None) -> bool:
        """Do the elements follow each other in memory, in C order or the order given?"""
        step = 1
        for axis in reversed(range(len(self.shape)) if order is None else list(order)):
            if self.shape[axis] != 1 and self.strides[axis] != step:
                return False
            step *= self.shape[axis]
        return True

    @property
    def extent(self) -> tuple[int, int]:
        """The first element's and one behind the last element's place in the value; (0, 0) when empty."""
        if self.size == 0:
            return 0, 0
        spans = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        return self.offset + sum(min(s, 0) for s in spans), self.offset + sum(max(s, 0) for s in spans) + 1


def full(value: Value) -> View:
    return View(value, value.shape, value.strides)


def reshaped(view: View, shape: Shape) -> View | None:
    """The same elements in C order in another shape; None when that needs a copy."""
    if view.size == 0 or view.size != prod(shape):
        return View(view.value, shape, (0,) * len(shape), view.offset) if view.size == prod(shape) else None
    old = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    strides: list[int] = []
    groups = iter(_merged(old))
    room, step = next(groups, (1, 1))
    for n in reversed(shape):
        if n == 1:
            strides.append(0)
            continue
        if room == 1:
            room, step = next(groups)
        if room % n:
            return None
        strides.append(step)
        step *= n
        room //= n
    return View(view.value, tuple(shape), tuple(reversed(strides)), view.offset)


def _merged(axes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Axes (length, stride), last first, with those that follow each other in memory taken together."""
    merged: list[tuple[int, int]] = []
    for n, s in reversed(axes):
        if merged and s == merged[-1][1] * merged[-1][0]:
            merged[-1] = (merged[-1][0] * n, merged[-1][1])
        else:
            merged.append((n, s))
    return iter(merged)


@dataclass(frozen=True)
class Statement:
    """One elementwise operation inside a loop.

    text: the scalar text, over x, y, z, … = args and the params; args count the loop's reads first, then statements.
    compute: the dtype it is computed in; dtype: that of its result.
    """

    name: str
    text: str
    args: tuple[int, ...]
    params: tuple[tuple[str, Any], ...]
    compute: str
    dtype: str


@dataclass(frozen=True)
class Store:
    """Where a loop writes a statement's result.  reduce: None, or "sum", "max", "min", "prod" over axes of stride 0."""

    source: int
    reduce: str | None = None


@dataclass(eq=False)
class Task:
    """One instruction to be.  kind says which kernel; `info` is what that kernel needs beyond its views."""

    kind: str
    reads: list[View]
    writes: list[View]
    node: Node | None = None
    flops: int = 0
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The shape a loop runs over."""
        shape: Shape = self.info["shape"]
        return shape

    def __repr__(self) -> str:
        return f"<Task {self.kind} {self.info.get('title', '')}>"
