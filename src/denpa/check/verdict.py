"""The three verdicts on a gradient, the tolerances, and the comparison that gives the verdict.

Wrong only when the difference exceeds the error of the numerical value plus the tolerance; right only when the
numerical value can itself be trusted to the tolerance; otherwise the answer is that nobody can tell at this precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from denpa.arrays import Array


class Verdict(StrEnum):
    """What a check says; its text is what a report prints."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSURE = "cannot tell at this precision"


# Relative.  float64 first order: a scale error of 1e-6 must show, differences of well-behaved functions reach 1e-11.
_TOLERANCE = {8: (1e-8, 1e-7), 4: (1e-3, 1e-2), 2: (5e-2, 1e-1)}
_COMPLEX_TOLERANCE = {8: 1e-12, 4: 1e-5, 2: 1e-2}


def tolerance(dtype: Any = np.float64, order: int = 1, method: str = "central") -> float:
    """The relative tolerance of a derivative of this order computed in this dtype; the only home of these numbers.

    method="complex": what the complex step of an analytic primitive must reach.
    """
    size = np.dtype(dtype).itemsize // (2 if np.dtype(dtype).kind == "c" else 1)
    size = min(size, 8)  # long double is judged as float64
    return _COMPLEX_TOLERANCE[size] if method == "complex" else _TOLERANCE[size][min(order, 2) - 1]


@dataclass(frozen=True)
class Comparison:
    """Analytic against numerical values, element by element: the verdict, and the element that decides it.

    `blurred` counts elements so small beside the largest that the noise of the numerical value covers them.
    """

    verdict: Verdict
    element: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    blurred: int


def compare(analytic: Array, low: Array, high: Array, error: Array, *, rtol: float, scale: float = 0.0) -> Comparison:
    """The verdict on values that should lie in [low, high] ± error (low = high except at a kink).

    An element is trusted when its error is within rtol of itself, of the largest element, or of `scale` (the size of
    the whole gradient the values are a part of).  A NaN or infinity against a trusted finite number is wrong.
    """
    a, low, high, error = (np.atleast_1d(np.asarray(v, np.float64)) for v in (analytic, low, high, error))
    with np.errstate(all="ignore"):
        inside = np.clip(a, low, high)
        size = np.maximum(np.abs(a), np.abs(inside))
        allowed = error + rtol * size
        far = np.abs(a - inside) > allowed
        finite = np.isfinite(low) & np.isfinite(high) & np.isfinite(error)
        wrong = np.where(np.isfinite(a), far & finite, finite)
        still = (a == 0) & (np.abs(inside) <= error) & (error <= 1e-50)
        still |= (a == 0) & (low == 0) & (high == 0)  # not one bit moved, and the rule says 0
        alone = (error <= rtol * size) | still
        largest = max(float(np.max(np.where(finite, np.abs(inside), 0.0), initial=0.0)), scale)
        trusted = finite & (alone | (error <= rtol * largest))
        excess = np.where(wrong, np.nan_to_num(np.abs(a - inside) / allowed, nan=np.inf), 0.0)
    if a.size == 0:
        return Comparison(Verdict.RIGHT, (), 0.0, 0.0, 0.0, 0)
    if wrong.any():
        verdict, at = Verdict.WRONG, int(np.argmax(excess))
    elif not trusted.all():
        verdict, at = Verdict.UNSURE, int(np.argmin(trusted))
    else:
        verdict, at = Verdict.RIGHT, int(np.argmax(np.nan_to_num(np.abs(a - inside))))
    where = tuple(int(i) for i in np.unravel_index(at, a.shape)) if np.ndim(analytic) else ()
    nearest = float(np.where(np.isfinite(inside.flat[at]), inside.flat[at], low.flat[at]))
    return Comparison(verdict, where, float(a.flat[at]), nearest, float(error.flat[at]), int(np.sum(trusted & ~alone)))


def factor(analytic: Array, low: Array, high: Array, error: Array) -> float | None:
    """The constant c with analytic = c · numerical in every element, within noise where that covers it; else None."""
    a, n, e = (np.ravel(np.asarray(v, np.float64)) for v in (analytic, (np.asarray(low) + high) / 2, error))
    with np.errstate(all="ignore"):
        smooth = np.isfinite(a) & np.isfinite(n) & (np.asarray(low == high).ravel())
        clear = smooth & (np.abs(n) > 1e3 * e)
        ratios = a[clear] / n[clear]
    if ratios.size == 0:
        return None
    middle = float(np.median(ratios))
    spread = float(np.max(np.abs(ratios - middle)))
    # where the derivative is 0 there is no ratio, but a mask turned round shows: 0 in the clear elements, not in these
    strays = np.abs(a - middle * n) > 1e-6 * np.abs(a) + (1 + abs(middle)) * e
    return middle if spread <= 1e-6 * max(abs(middle), 1e-3) and not np.any(strays & smooth & ~clear) else None
