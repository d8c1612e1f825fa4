"""Where the matrix product is: the C interface of the BLAS that NumPy has loaded."""

from __future__ import annotations

from functools import cache

LETTERS = {"float32": "s", "float64": "d"}
# OpenBLAS in NumPy's and SciPy's wheels, and builds with 64-bit integers elsewhere.
NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "cblas_{}gemm_64")


@cache
def gemm_address(dtype: str) -> int:
    """The address of cblas_?gemm with 64-bit integers; 0 when there is none (plain loops take over, and say so)."""
    import ctypes

    import threadpoolctl

    for library in threadpoolctl.threadpool_info():
        if library["user_api"] != "blas":
            continue
        loaded = ctypes.CDLL(library["filepath"])
        for name in NAMES:
            function = getattr(loaded, name.format(LETTERS[dtype]), None)
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0
