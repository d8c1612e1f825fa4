"""The functions that scalar texts may call, for one dtype."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from denpa.engine.native.intrinsics import numba

NAMES = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf", "erfc")


@cache
def functions(dtype: str) -> dict[str, Any]:
    """By the name used in scalar texts; each takes and returns that dtype."""
    return {name: _library(name) for name in NAMES}


def _library(name: str) -> Any:
    """The C library's function: right to half an ulp or so, one element at a time."""
    f = getattr(math, name)

    @numba.njit(error_model="numpy", forceinline=True)
    def call(x: Any) -> Any:
        return f(x)

    return call
