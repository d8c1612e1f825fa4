"""What a run's bits depend on besides its settings: library versions, the BLAS and its threads."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from denpa.errors import UsageError

# Operations of one step below which a second BLAS thread wins nothing: 784-50-10 at batch 100 (24 million) takes
# 0.99 ms on one thread and 1.24 on two; on a busy machine, threads that wait for each other take 2 to 10 times longer.
SMALL_STEP = 1e8


def versions() -> dict[str, str]:
    return {
        "denpa": sys.modules["denpa"].__version__,  # the facade above this floor, loaded before any part of it
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
    }


def blas() -> list[dict[str, Any]]:
    """Each BLAS in this process: name, version, threads, and the processor family its kernels are for."""
    import threadpoolctl

    keys = ("internal_api", "version", "architecture", "num_threads")
    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas" and _is_numpy(pool)]
    return [{key: pool.get(key) for key in keys} for pool in found]


def _is_numpy(pool: Mapping[str, Any]) -> bool:
    """NumPy's own BLAS; SciPy carries a second one, whose threads do not touch our bits.  Unknown layouts count."""
    path = str(pool.get("filepath", ""))
    return "numpy" in path or "scipy" not in path


def facts(engine: str = "eager") -> dict[str, Any]:
    """What must be equal for equal bits, by name; but for the thread count, which is a setting of the run.

    engine: its name; for the native one, compiler and processor count too.
    """
    pools = blas()
    return {
        **(_compiled() if engine.startswith("native") else {}),
        **{key: value for key, value in versions().items() if key != "python"},
        "blas": ", ".join(f"{p['internal_api']} {p['version']} {p['architecture']}" for p in pools) or "unknown",
    }


def _compiled() -> dict[str, str]:
    from denpa.engine.native.about import about

    return about()


def blas_threads() -> int:
    """Threads NumPy's BLAS uses now; 1 where there is none that can be asked."""
    return max([int(pool["num_threads"] or 1) for pool in blas()], default=1)


def threads_for(flops: float) -> int:
    """How many threads a step of this size is worth: one below `SMALL_STEP`, else as many as the BLAS has now."""
    return 1 if flops < SMALL_STEP else blas_threads()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """NumPy's BLAS on exactly `count` threads: a sum divided among more or fewer of them has other last bits.

    UsageError when the machine cannot give as many.
    """
    import threadpoolctl

    with threadpoolctl.threadpool_limits(count, user_api="blas"):
        have = blas_threads()
        if have != count and blas():
            raise UsageError(
                "the linear algebra library does not take this number of threads",
                got=f"{have} threads on {os.cpu_count()} processors",
                want=f"{count} threads",
                fix=f"train with --threads {have}",
            )
        yield


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each fact that is not as it was."""
    keys = sorted(before.keys() | now.keys())
    return [f"{key}: {before.get(key)} then, {now.get(key)} now" for key in keys if before.get(key) != now.get(key)]


def check_same(before: Mapping[str, Any], engine: str, threads: int, anyway: bool, warn: Callable[[str], None]) -> None:
    """Equal bits need equal libraries, processor family and threads.

    UsageError where they changed; anyway: a warning for each.  before: facts of a checkpoint, {} for none.
    """
    changed = differences(before, {**facts(engine), "threads": threads}) if before else []
    if changed and not anyway:
        raise UsageError(
            "this is not the machine or the software that the run was trained on: its last bits may come out different",
            got="; ".join(changed),
            fix="go back to what it was, or accept that with --anyway",
        )
    for line in changed:
        warn(f"resumed on another machine or software, the bits may differ: {line}")
