"""Fair timing: candidates take turns in one process, a figure is a median over rounds, and ratios are what is quoted.

Machines drift and share their cores, so a candidate is never timed alone: within a round all run back to back, and the
ratio to the reference is taken round by round before the median.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

PACKAGES = ("denpa", "numpy", "scipy", "numba", "torch", "jax", "autograd", "mygrad", "scikit-learn")


@dataclass
class Timing:
    """Seconds of one call (median, fastest, slowest round) and the median of its round-by-round ratio to the first."""

    name: str
    seconds: float
    fastest: float
    slowest: float
    ratio: float


def interleave(candidates: dict[str, Callable[[], object]], *, rounds: int = 15, warmup: int = 2) -> list[Timing]:
    """Time each candidate once a round, in turn; ratios are a candidate's seconds / the first one's."""
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(-warmup, rounds):
        for name, run in candidates.items():
            gc.collect()
            start = time.perf_counter()
            run()
            elapsed = time.perf_counter() - start
            if turn >= 0:
                samples[name].append(elapsed)
    reference = next(iter(samples.values()))
    return [
        Timing(name, median(s), min(s), max(s), median(other / own for own, other in zip(reference, s, strict=True)))
        for name, s in samples.items()
    ]


def installed(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    """What a figure has to be read with: processor, cores, threads allowed, Python and package versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((l.split(":")[1].strip() for l in info.read_text().splitlines() if "model name" in l), model)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "linear algebra": linear_algebra(),
        "packages": installed(),
    }


def linear_algebra() -> str:
    """The BLAS libraries that this process has loaded, with the kernels they chose for the processor."""
    from threadpoolctl import threadpool_info

    found = {
        " ".join(filter(None, (info["internal_api"], info["version"], info.get("architecture"))))
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    return ", ".join(sorted(found))


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def table(title: str, timings: list[Timing], unit: str = "ms", per: int = 1) -> str:
    """A Markdown table: median, fastest and slowest in `unit` (s, ms or µs) per `per` repetitions, and the ratio."""
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6}[unit] / per
    lines = [f"### {title}", "", f"| | median {unit} | fastest | slowest | time / first |", "|---|---|---|---|---|"]
    lines += [
        f"| {t.name} | {t.seconds * scale:.3g} | {t.fastest * scale:.3g} | {t.slowest * scale:.3g} | {t.ratio:.2f}× |"
        for t in timings
    ]
    return "\n".join(lines) + "\n"


def report(results: dict[str, list[Timing]]) -> str:
    """All results with the machine they were measured on, as JSON."""
    return json.dumps(
        {"machine": machine(), "results": {k: [asdict(t) for t in v] for k, v in results.items()}},
        indent=1,
        ensure_ascii=False,
    )
