"""Sample inputs that primitives declare for their checks: shapes of every kind, values away from kinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.primitive import Sampler

SHAPES: tuple[Shape, ...] = ((), (3,), (0, 2), (2, 3), (2, 1, 3))
PAIRS: tuple[tuple[Shape, Shape], ...] = (
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 2)),
    ((0, 2), (2,)),
    ((2, 1, 3), (4, 1)),
)

Args = tuple[tuple[Any, ...], dict[str, Any]]


def uniform(rng: np.random.Generator, shape: Shape, low: float = -2.0, high: float = 2.0, gap: float = 0.0) -> Array:
    """Uniform in [low, high]; with a gap > 0, numbers nearer to 0 than the gap are moved out to twice the gap."""
    x = rng.uniform(low, high, shape)
    x = np.where(np.abs(x) < gap, np.copysign(2 * gap, x), x)
    return x[()] if x.ndim == 0 else x


def apart(rng: np.random.Generator, shape: Shape) -> Array:
    """Distinct values, at least 0.05 apart, in random order: no ties for max, min, argmax and sort."""
    size = int(np.prod(shape))
    x = (rng.permutation(size) - size / 2 + rng.uniform(0.1, 0.4)) * 0.1 + rng.uniform(0, 0.05, size)
    return x.reshape(shape)[()]


def unary(low: float = -2.0, high: float = 2.0, *, gap: float = 0.0, shapes: Sequence[Shape] = SHAPES) -> Sampler:
    """One array of each shape."""

    def samples(rng: np.random.Generator) -> Iterator[Args]:
        for shape in shapes:
            yield (uniform(rng, shape, low, high, gap),), {}

    return samples


def binary(
    low: float = -2.0, high: float = 2.0, *, gap: float = 0.0, second: tuple[float, float, float] | None = None
) -> Sampler:
    """Two arrays of each broadcasting pair of shapes; `second` = (low, high, gap) of the second one when it differs."""

    def samples(rng: np.random.Generator) -> Iterator[Args]:
        for a, b in PAIRS:
            yield (uniform(rng, a, low, high, gap), uniform(rng, b, *(second or (low, high, gap)))), {}

    return samples


def with_params(*cases: tuple[Shape, dict[str, Any]], distinct: bool = False) -> Sampler:
    """One array with parameters for each (shape, parameters); `distinct` draws them without ties."""

    def samples(rng: np.random.Generator) -> Iterator[Args]:
        for shape, params in cases:
            yield (apart(rng, shape) if distinct else uniform(rng, shape),), dict(params)

    return samples


AXES: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((), {}),
    ((4,), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "keepdims": True}),
    ((2, 3, 2), {"axis": (0, 2)}),
    ((2, 3, 2), {"axis": None, "keepdims": True}),
)
EMPTY_AXES: tuple[tuple[Shape, dict[str, Any]], ...] = (((0, 3), {"axis": 0}), ((3, 0), {}))
