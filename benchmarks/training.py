"""Training throughput: denpa's engines beside NumPy by hand, PyTorch, JAX and scikit-learn, in one run, turn by turn.

Run: python benchmarks/training.py [--only unit,book] [--rounds 9] [--threads 2] [--json FILE] [--publish FOLDER]
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
    parser.add_argument("--only", default="", help="workloads, comma separated, and cold; all when left out")
    parser.add_argument("--candidates", default="", help="candidates, comma separated; all when left out")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--publish", type=Path, metavar="FOLDER", help="write benchmarks.md, .svg and .json there")
    return parser.parse_args()


OPTIONS = options() if __name__ == "__main__" else argparse.Namespace(threads=2)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(OPTIONS.threads)
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)  # set, they measure another processor's kernels, for denpa and NumPy
os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if OPTIONS.threads > 1 else 'false'}")

import cold
import numpy as np
from publish import Results
from rivals import CANNOT, RIVALS, Train
from timing import Timing, interleave
from workloads import WORKLOADS, Workload

CHECKED = 20  # updates after which losses are compared; float32 runs drift apart later
TOLERANCE = 2e-3  # of the loss, or of SMALL where it is below that
SMALL = 1e-2


def gemm_rate() -> float:
    """GFLOP/s of a square float32 product of 2048, the machine's own limit with these threads."""
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    (timing,) = interleave({"gemm": lambda: a @ a}, rounds=7)
    return 2 * 2048**3 / timing.fastest / 1e9


def candidates(w: Workload, left_out: list[str]) -> dict[str, Train]:
    """Every candidate that is installed and reaches the loss of the first; another loss ends the benchmark."""
    chosen = {n.strip() for n in OPTIONS.candidates.split(",") if n.strip()} or set(RIVALS)
    rows = w.order(1)[0][:CHECKED]
    found: dict[str, Train] = {}
    reference: float | None = None
    for name, (package, make) in RIVALS.items():
        if name not in chosen or (package is not None and find_spec(package) is None):
            continue
        reasons = [CANNOT[name, key] for key in (w.loss, w.optimizer) if (name, key) in CANNOT]
        if reasons:
            left_out.append(f"{name}, {reasons[0]}")
            continue
        loss = make(w)(rows)
        reference = loss if reference is None else reference
        if not abs(loss - reference) <= TOLERANCE * max(abs(reference), SMALL):
            sys.exit(
                f"{w.name}: {name} reaches the loss {loss}, {next(iter(found))} {reference}: they do not do the same"
            )
        found[name] = make(w)
    return found


def measure(w: Workload, left_out: list[str]) -> list[Timing]:
    rounds = OPTIONS.rounds
    runs = candidates(w, left_out)
    order = w.order(rounds + 2)
    turns = {name: iter(order) for name in runs}

    def turn(name: str) -> None:
        runs[name](next(turns[name]))

    return interleave({name: (lambda name=name: turn(name)) for name in runs}, rounds=rounds, warmup=2)


def main() -> None:
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(OPTIONS.threads)
    names = [n for n in OPTIONS.only.split(",") if n] or [*WORKLOADS, "cold"]
    results = Results(gemm_rate())
    print(results.about(), flush=True)
    for name in names:
        if name == "cold":
            results.cold = cold.measure_apart(OPTIONS.rounds, OPTIONS.threads)
            print(cold.table(results.cold), flush=True)
            continue
        results.left_out[name] = []
        results.steps[name] = measure(WORKLOADS[name], results.left_out[name])
        print(results.workload(name), flush=True)
    if OPTIONS.json:
        OPTIONS.json.write_text(results.json(), encoding="utf-8")
    if OPTIONS.publish:
        results.publish(OPTIONS.publish)


if __name__ == "__main__":
    main()
