"""Where the matrix product is: the C interface of the BLAS that NumPy has loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

LETTERS = {"float32": "s", "float64": "d"}
# OpenBLAS in NumPy's and SciPy's wheels, and builds with 64-bit integers elsewhere.
NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "cblas_{}gemm_64")
COUNT = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_")


@cache
def _library() -> Any:
    """The loaded library that has the product, and how its functions are called; None when there is none."""
    import ctypes

    import threadpoolctl

    for found in threadpoolctl.threadpool_info():
        if found["user_api"] == "blas":
            library = ctypes.CDLL(found["filepath"])
            for name in NAMES:
                if hasattr(library, name.format("s")):
                    return library, name
    return None


@cache
def gemm_address(dtype: str) -> int:
    """The address of cblas_?gemm with 64-bit integers; 0 when there is none (plain loops take over, and say so)."""
    import ctypes

    found = _library()
    if found is None:
        return 0
    library, name = found
    return ctypes.cast(getattr(library, name.format(LETTERS[dtype])), ctypes.c_void_p).value or 0


@cache
def _counters() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What gets and what sets the number of threads of the BLAS."""
    found = _library()
    for name in COUNT if found is not None else ():
        if hasattr(found[0], name.format("get")):
            return getattr(found[0], name.format("get")), getattr(found[0], name.format("set"))
    return None


def threads() -> int:
    """How many threads the engine may use: as many as the BLAS, which `threadpoolctl` and OMP_NUM_THREADS limit."""
    import os

    counters = _counters()
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(int(counters[0]()), available) if counters is not None else 1


@contextmanager
def single_threaded_blas(wanted: bool) -> Iterator[None]:
    """Within this block the BLAS works in the thread that calls it: the engine's own threads share the parts."""
    counters = _counters() if wanted else None
    if counters is None:
        yield
        return
    get, set_ = counters
    before = int(get())
    set_(1)
    try:
        yield
    finally:
        set_(before)
