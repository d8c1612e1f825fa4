"""The numerical gradient of a bench at a point, element by element, with its own error and with kinks as intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.check.verdict import Comparison, Verdict, compare, tolerance
from denpa.interop.judging.bench import Bench
from denpa.interop.judging.scenes import Point, Sizes
from denpa.numeric import line_slope, scales

LEVELS = 5


@dataclass(frozen=True)
class Reference:
    """Jᵀg for one input or parameter: between low and high (equal except at a kink), ± error; in its shape."""

    low: Array
    high: Array
    error: Array

    @property
    def value(self) -> Array:
        return (self.low + self.high) / 2

    @property
    def kinks(self) -> Array:
        return np.asarray(self.low != self.high)


def reference(bench: Bench, point: Point, name: str, g: Array, sizes: Sizes) -> Reference:
    """Differences of Σ g·forward along every element of one input or parameter, each from a fresh object."""
    x = np.asarray(point.get(name), np.float64)
    low, high, error = np.zeros(x.shape), np.zeros(x.shape), np.full(x.shape, np.inf)
    start = bench.value(point, sizes)
    eps = float(np.finfo(start.dtype if start.dtype.kind == "f" else np.float64).eps)
    rtol = tolerance(start.dtype if start.dtype.kind == "f" else np.float64)
    for j in np.ndindex(x.shape):
        for scale in scales(x[j]):
            size = float(scale)

            def phi(t: float, j: Any = j, size: float = size) -> Array:
                moved = x.copy()
                moved[j] = x[j] + t * size
                return np.asarray(np.sum(g * bench.value(point.put(name, moved[()]), sizes)))

            slope = line_slope(phi, eps=eps, levels=LEVELS, one_sided=True)
            if float(slope.error) / size < error[j]:
                ends = (
                    (float(slope.left) / size, float(slope.right) / size)
                    if slope.kink
                    else (float(slope.value) / size,)
                )
                low[j], high[j], error[j] = min(ends), max(ends), float(slope.error) / size
            if error[j] <= max(1e-10, 0.1 * rtol * max(abs(low[j]), abs(high[j]))):  # scenes are of size 1
                break
    return Reference(low, high, error + 64 * eps * np.abs(low))


def judge(analytic: Any, ref: Reference, dtype: Any = np.float64) -> Comparison:
    return compare(analytic, ref.low, ref.high, ref.error, rtol=tolerance(dtype))


__all__ = ["Comparison", "Reference", "Verdict", "judge", "reference"]
