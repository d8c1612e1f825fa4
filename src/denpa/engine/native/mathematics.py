"""The functions that scalar texts may call, for one dtype."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from denpa.engine.native.intrinsics import CODES, float_from_bits, int32, int64, numba, select

NAMES = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf", "erfc")


@cache
def functions(dtype: str) -> dict[str, Any]:
    """By the name used in scalar texts; each takes and returns that dtype."""
    return {**{name: _library(name) for name in NAMES}, "exp": _exp(dtype)}


def _library(name: str) -> Any:
    """The C library's function: right to half an ulp or so, one element at a time."""
    f = getattr(math, name)

    @numba.njit(error_model="numpy", forceinline=True)
    def call(x: Any) -> Any:
        return f(x)

    return call


def _exp(dtype: str) -> Any:
    """eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2 and eʳ by its series; 2ⁿ in two factors, so that denormals and overflow come out right."""
    real = CODES[dtype]
    single = dtype == "float32"
    whole, shift, bias = (int32, 23, 127) if single else (int64, 52, 1023)
    low, high = (real(-104.5), real(89.0)) if single else (real(-746.0), real(710.0))
    per_ln2 = real(1 / math.log(2))
    head = real(0.693359375) if single else real(6.93145751953125e-1)
    tail = real(-2.12194440e-4) if single else real(1.42860682030941723212e-6)
    series = [np.dtype(dtype).type(1 / math.factorial(i)) for i in range(7 if single else 13, -1, -1)]
    coefficients = tuple(series)

    @numba.njit(error_model="numpy", forceinline=True, fastmath={"contract"})
    def exp(x: Any) -> Any:
        y = select(x > high, high, select(x < low, low, x))
        n = np.rint(y * per_ln2)
        n = select(x == x, n, real(0.0))
        r = (y - n * head) - n * tail
        p = coefficients[0]
        for c in numba.literal_unroll(coefficients[1:]):
            p = p * r + c
        k = whole(n)
        first = k >> whole(1)
        a = float_from_bits((first + whole(bias)) << whole(shift), real)
        b = float_from_bits((k - first + whole(bias)) << whole(shift), real)
        return p * a * b

    return exp
