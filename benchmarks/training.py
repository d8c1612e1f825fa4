"""Training throughput: denpa's engines beside NumPy by hand, PyTorch and JAX, in one run, turn by turn.

Run: python benchmarks/training.py [--only unit,book] [--rounds 9] [--threads 2] [--json FILE] [--markdown FILE]
Each workload first shows that all candidates reach the same loss from the same start; then they are timed in turn.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="workloads, comma separated; all when left out")
    parser.add_argument("--candidates", default="", help="candidates, comma separated; all when left out")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


OPTIONS = options() if __name__ == "__main__" else argparse.Namespace(threads=2)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(OPTIONS.threads)
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)  # a forced kernel type would measure another processor's kernels, for denpa and NumPy
os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if OPTIONS.threads > 1 else 'false'}")

import numpy as np
from rivals import RIVALS, Train
from timing import Timing, interleave, machine, report, table
from workloads import WORKLOADS, Workload

CHECKED = 20  # updates after which losses are compared; float32 runs drift apart later
TOLERANCE = 2e-3


def gemm_rate() -> float:
    """GFLOP/s of a square float32 product of 2048, the machine's own limit with these threads."""
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    (timing,) = interleave({"gemm": lambda: a @ a}, rounds=7)
    return 2 * 2048**3 / timing.fastest / 1e9


def candidates(w: Workload) -> dict[str, Train]:
    """Every candidate that is installed and reaches the loss of the first; another loss ends the benchmark."""
    chosen = {n.strip() for n in OPTIONS.candidates.split(",") if n.strip()} or set(RIVALS)
    rows = w.order(1)[0][:CHECKED]
    found: dict[str, Train] = {}
    reference: float | None = None
    for name, (package, make) in RIVALS.items():
        if name not in chosen or (package is not None and find_spec(package) is None):
            continue
        loss = make(w)(rows)
        reference = loss if reference is None else reference
        if not abs(loss - reference) <= TOLERANCE * max(abs(reference), 1e-2):
            sys.exit(
                f"{w.name}: {name} reaches the loss {loss}, {next(iter(found))} {reference}: they do not do the same"
            )
        found[name] = make(w)
    return found


def measure(w: Workload) -> list[Timing]:
    rounds = OPTIONS.rounds
    runs = candidates(w)
    order = w.order(rounds + 2)
    turns = {name: iter(order) for name in runs}

    def turn(name: str) -> None:
        runs[name](next(turns[name]))

    return interleave({name: (lambda name=name: turn(name)) for name in runs}, rounds=rounds, warmup=2)


def main() -> None:
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(OPTIONS.threads)
    names = [n for n in OPTIONS.only.split(",") if n] or list(WORKLOADS)
    limit = gemm_rate()
    text = [f"machine: {machine()}\n\nsquare float32 product: {limit:.0f} GFLOP/s\n"]
    results: dict[str, list[Timing]] = {}
    for name in names:
        w = WORKLOADS[name]
        timings = measure(w)
        results[name] = timings
        rate = w.flops * w.steps / timings[0].seconds / 1e9
        sizes = "-".join(map(str, w.units))
        title = f"{name}: {sizes} {w.hidden}, batch {w.batch}, {w.optimizer} ({w.source})"
        text.append(table(title, timings, "µs", per=w.steps))
        text.append(f"{timings[0].name}: {rate:.1f} GFLOP/s, {rate / limit:.0%} of the square product\n")
        print(text[-2], text[-1], sep="\n", flush=True)
    if OPTIONS.json:
        OPTIONS.json.write_text(report(results), encoding="utf-8")
    if OPTIONS.markdown:
        OPTIONS.markdown.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
