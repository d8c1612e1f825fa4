"""erf and erfc in pure NumPy: relative error below 1e-15, erfc also in its tail down to the smallest normal number.

|x| < ½: erf(x) = x·P(x²).  Above: erfc(x) = e^(−x²)·u·Q(t) with u = 1/(x + 4) and t the linear image of u on [−1, 1]
for x in [½, 28], the variable of Schonfelder (Math. Comp. 32, 1978) in place of his (x − c)/(x + c).  P and Q are
truncated Chebyshev expansions, computed with mpmath at 60 digits (tests/ops/fit_erf.py; the remainders are 4e-18 and
2e-19).  float32 is computed in float64 and rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.ops.elementwise import exp
from denpa.ops.samples import unary
from denpa.primitive import primitive, same

SMALL = 0.5  # where the two expansions meet
P = (
    1.1283791670955126,
    -0.37612638903183476,
    0.11283791670925457,
    -0.026866170632921085,
    0.005223977373542183,
    -0.0008548297798086192,
    0.00012053337222877719,
    -1.4845900896375835e-05,
    1.4726381680017032e-06,
)
Q = (
    1.1097094521551207,
    0.7626233701824806,
    0.46456385778695136,
    0.2494297878257638,
    0.11684668469210246,
    0.04694498486121071,
    0.0156923928799364,
    0.004105766497751903,
    0.0007122500145097179,
    1.911979582762224e-05,
    -3.261646282192267e-05,
    -9.154299492653256e-06,
    -5.858955201194578e-09,
    5.95409275989299e-07,
    1.0081042299173778e-07,
    -2.832663516008275e-08,
    -1.1027289530619806e-08,
    1.0892224031654788e-09,
    9.261309023714457e-10,
    -2.8902359458157883e-11,
    -5.4596288089464844e-11,
    1.5190922793075896e-13,
)
SHIFT = 4.0
MIDDLE = (1 / (28 + SHIFT) + 1 / (SMALL + SHIFT)) / 2
SCALE = 2 / (1 / (SMALL + SHIFT) - 1 / (28 + SHIFT))
BLOCK = 1 << 13  # 64 KiB a buffer: the thirty passes of a polynomial stay in the second-level cache
SLOPE = 2 / math.sqrt(math.pi)


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    value = t * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        value += c
        value *= t
    value += coefficients[0]
    return value


def _erf_small(x: Array) -> Array:
    """erf(x) for |x| < ½."""
    return x * _polynomial(P, x * x)


def _erfc_tail(xp: Any, x: Array) -> Array:
    """erfc(x) for x ≥ ½."""
    x = xp.minimum(x, 30.0)  # e^−900 is 0; keeps inf − inf out of the splitting below
    u = 1.0 / (x + SHIFT)
    big = x * 134217729.0  # 2²⁷ + 1, Veltkamp: head has 26 bits, so that head² is exact
    head = big - (big - x)
    rest = (head - x) * (head + x)  # head² − x², at most 2e-5: three terms of its exponential are enough
    gauss = xp.exp(-head * head)
    gauss = gauss + gauss * (rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0))))
    return gauss * u * _polynomial(Q, (u - MIDDLE) * SCALE)


def _both(xp: Any, x: Array, complement: bool) -> Array:
    """erf(x), or erfc(x) when `complement`, of a float64 array with at least one axis."""
    a = xp.abs(x)
    if xp is not np:
        small = _erf_small(xp.minimum(a, SMALL) * xp.sign(x))
        tail = _erfc_tail(xp, xp.maximum(a, SMALL))
        outer = xp.where(x < 0, 2.0 - tail, tail) if complement else xp.sign(x) * (1.0 - tail)
        return xp.where(a < SMALL, 1.0 - small if complement else small, outer)
    out = np.empty_like(x)
    inside = a < SMALL
    small = _erf_small(x[inside])
    out[inside] = 1.0 - small if complement else small
    outside = ~inside  # NaN is here, and stays NaN
    x = x[outside]
    tail = _erfc_tail(np, a[outside])
    out[outside] = np.where(x < 0, 2.0 - tail, tail) if complement else np.copysign(1.0 - tail, x)
    return out


def _evaluate(xp: Any, x: Array, complement: bool) -> Array:
    dtype = x.dtype if x.dtype.kind not in "biu" else np.dtype(np.float64)
    if xp is not np:
        return _both(xp, x.astype(dtype), complement)
    if x.ndim == 0:
        return dtype.type((math.erfc if complement else math.erf)(float(x)))
    flat = np.asarray(x, dtype=np.float64, order="C").reshape(-1)
    out = np.empty(x.shape, dtype)
    view = out.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        view[start : start + BLOCK] = _both(np, flat[start : start + BLOCK], complement)
    return out


@primitive(
    shape=same, scalar="erf(x)", latex=r"\operatorname{{erf}}\left({0}\right)", label="erf", samples=unary(-3.0, 3.0)
)
def erf(xp: Any, x: Array) -> Array:
    """The error function 2/√π ∫₀ˣ e^(−t²) dt."""
    return _evaluate(xp, x, complement=False)


@erf.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (SLOPE * exp(-x * x)),)


@primitive(
    shape=same, scalar="erfc(x)", latex=r"\operatorname{{erfc}}\left({0}\right)", label="erfc", samples=unary(-3.0, 3.0)
)
def erfc(xp: Any, x: Array) -> Array:
    """1 − erf(x), with full relative precision for large x."""
    return _evaluate(xp, x, complement=True)


@erfc.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (-SLOPE * exp(-x * x)),)
