"""Cost of a gradient with the eager engine: per scalar operation beside PyTorch, autograd and MyGrad; and the ratio of
forward + backward to the forward pass alone for the book's network (784-50-10, batch 100), beside 2P forward passes.

Run: python benchmarks/eager.py [--json FILE]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # scalar operations have nothing to share between threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import Timing, interleave, machine, report, table

import denpa as dp

STEPS = 500  # each step is 4 operations: multiply, add, a function, multiply


def chain(x, tanh):
    """2,000 scalar operations in a chain with a fan-out at every step; the value stays bounded."""
    y = x
    for _ in range(STEPS):
        y = tanh(y * x + x) * x
    return y


def scalar_candidates() -> dict[str, Callable[[], object]]:
    def denpa() -> object:
        x = dp.tensor(0.5)
        chain(x, dp.tanh).backward()
        return x.grad

    candidates: dict[str, Callable[[], object]] = {"denpa": denpa}
    try:
        import torch

        def pytorch() -> object:
            x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
            chain(x, torch.tanh).backward()
            return x.grad.item()

        candidates["PyTorch"] = pytorch
    except ModuleNotFoundError:
        pass
    try:
        import autograd
        import autograd.numpy as anp

        candidates["autograd"] = lambda: autograd.grad(lambda x: chain(x, anp.tanh))(0.5)
    except ModuleNotFoundError:
        pass
    try:
        import mygrad

        def my_grad() -> object:
            x = mygrad.tensor(0.5)
            chain(x, mygrad.tanh).backward()
            return float(x.grad)

        candidates["MyGrad"] = my_grad
    except ModuleNotFoundError:
        pass
    reference = float(denpa())
    for name, run in candidates.items():
        assert np.isclose(float(run()), reference, rtol=1e-9), f"{name} computes something else"
    return candidates


def book_network() -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    f32 = np.float32
    x = rng.random((100, 784), dtype=f32)
    t = rng.integers(0, 10, 100)
    W1, b1 = dp.parameter(rng.normal(0, 0.01, (50, 784)).astype(f32)), dp.parameter(np.zeros(50, f32))
    W2, b2 = dp.parameter(rng.normal(0, 0.01, (10, 50)).astype(f32)), dp.parameter(np.zeros(10, f32))

    def forward() -> dp.Tensor:
        z = dp.relu(dp.constant(x) @ W1.T + b1)
        return dp.softmax_cross_entropy(z @ W2.T + b2, t)

    def forward_backward() -> None:
        forward().backward()

    return {"forward": forward, "forward + backward": forward_backward}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    results: dict[str, list[Timing]] = {
        "one scalar operation, forward and backward together": interleave(scalar_candidates()),
        "784-50-10, batch 100, float32, eager": interleave(book_network(), rounds=301, warmup=20),
    }
    scalar, book = results.values()
    print(table("one scalar operation, forward and backward together", scalar, "µs", per=4 * STEPS))
    print(table("784-50-10, batch 100, float32, eager", book, "ms"))
    parameters = 784 * 50 + 50 + 50 * 10 + 10
    print(f"forward + backward = {book[1].ratio:.2f} forward passes; ", end="")
    print(f"numerical differentiation needs 2P = {2 * parameters:,} of them")
    print(f"\nmeasured on: {machine()}")
    if options.json:
        options.json.write_text(report(results), encoding="utf-8")


if __name__ == "__main__":
    main()
