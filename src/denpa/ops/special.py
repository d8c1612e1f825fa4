"""erf and erfc in pure NumPy, within 5 units in the last place; erfc also in its tail, down to 1e-307.

|x| < ½: erf(x) = x·P(x²).  erfc(x) = e^(−x²)·Q(t)/(x + 2) with t = (8/7)·(7/4 − x)/(x + 2), for x ≥ 0; the variable is
that of Schonfelder, Math. Comp. 32 (1978).  P and Q are truncated Chebyshev expansions computed with mpmath at 60
digits (tests/ops/fit_erf.py); Q_SINGLE, for float32, is the same cut off at 1e-10.
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
    1.0686458802653864,
    0.6765578562155536,
    0.24928470014323942,
    0.02474635608240171,
    -0.01779966854678829,
    -0.0036657615008640664,
    0.0022465447337281755,
    0.00029802367030702973,
    -0.0003781226916176674,
    2.8163806848970148e-05,
    5.7381645043726195e-05,
    -2.1593678482235165e-05,
    -3.757210976203055e-06,
    5.582637486169963e-06,
    -1.4224374156935614e-06,
    -5.696578674268337e-07,
    5.680869457820463e-07,
    -1.5145367655039133e-07,
    -6.251990316507145e-08,
    7.813462691409739e-08,
    -1.944323962200956e-08,
    -1.4841061222056877e-08,
    8.53220945260035e-09,
    1.1215129369796853e-09,
    -1.0933982251850041e-09,
)
Q_SINGLE = (
    1.0686458802709566,
    0.676557845986445,
    0.24928469983116402,
    0.024746648274198233,
    -0.017799668755079465,
    -0.0036681642924002223,
    0.0022465920158757833,
    0.0003066004286108436,
    -0.0003784686242324642,
    1.2921395603297324e-05,
    5.845141121228747e-05,
    -7.881957264971583e-06,
    -5.456705455687233e-06,
)

SMALL = 0.5  # below, 1 − erfc would lose digits of erf
BLOCK = 1 << 13  # 64 KiB a buffer: the fifty passes of a polynomial stay in the second-level cache
SLOPE = 2 / math.sqrt(math.pi)


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    value = t * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        value += c
        value *= t
    value += coefficients[0]
    return value


def _gauss(xp: Any, x: Array) -> Array:
    """e^(−x²) without the error of squaring, which the exponential would multiply by x²."""
    big = x * 134217729.0  # 2²⁷ + 1, Veltkamp: head has 26 bits, so that head² is exact
    head = big - (big - x)
    rest = (head - x) * (head + x)  # head² − x², at most 2e-5: three terms of its exponential are enough
    gauss = xp.exp(-head * head)
    return gauss + gauss * (rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0))))


def _erfc_positive(xp: Any, x: Array, single: bool) -> Array:
    """erfc(x) for x ≥ 0."""
    x = xp.minimum(x, 30.0)  # e^−900 is 0 already; keeps inf − inf out of the splitting
    below = x + 2.0
    t = (1.75 - x) / below * (8.0 / 7.0)
    return (xp.exp(-x * x) if single else _gauss(xp, x)) * _polynomial(Q_SINGLE if single else Q, t) / below


def _erfc(xp: Any, x: Array, single: bool) -> Array:
    tail = _erfc_positive(xp, xp.abs(x), single)
    return xp.where(x < 0, 2.0 - tail, tail)


def _erf(xp: Any, x: Array, single: bool) -> Array:
    a = xp.abs(x)
    outer = xp.copysign(1.0 - _erfc_positive(xp, a, single), x)
    small = xp.minimum(a, SMALL)
    return xp.where(a < SMALL, x * _polynomial(P, small * small), outer)


def _evaluate(xp: Any, x: Array, f: Any, scalar: Any) -> Array:
    dtype = np.dtype(np.float64) if x.dtype.kind in "biu" else x.dtype
    single = dtype.itemsize < 8
    if xp is not np:
        return f(xp, x.astype(dtype), single)
    if x.ndim == 0:
        return dtype.type(scalar(float(x)))
    flat = np.asarray(x, dtype=np.float64, order="C").reshape(-1)
    out = np.empty(x.shape, dtype)
    view = out.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        view[start : start + BLOCK] = f(np, flat[start : start + BLOCK], single)
    return out


@primitive(
    shape=same, scalar="erf(x)", latex=r"\operatorname{{erf}}\left({0}\right)", label="erf", samples=unary(-3.0, 3.0)
)
def erf(xp: Any, x: Array) -> Array:
    """The error function 2/√π ∫₀ˣ e^(−t²) dt."""
    return _evaluate(xp, x, _erf, math.erf)


@erf.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (SLOPE * exp(-x * x)),)


@primitive(
    shape=same, scalar="erfc(x)", latex=r"\operatorname{{erfc}}\left({0}\right)", label="erfc", samples=unary(-3.0, 3.0)
)
def erfc(xp: Any, x: Array) -> Array:
    """1 − erf(x), with full relative precision for large x."""
    return _evaluate(xp, x, _erfc, math.erfc)


@erfc.vjp
def _(g: Any, out: Any, x: Any) -> Any:
    return (g * (-SLOPE * exp(-x * x)),)
