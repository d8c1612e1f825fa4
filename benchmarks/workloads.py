"""The networks that training is measured on, from seed 002's 12-3-2 to the limit of the machine's matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from denpa.nn import Network, optim


@dataclass(frozen=True)
class Workload:
    """units: n_in, hidden …, n_out.  loss: "softmax" cross-entropy (mean) or "squared", Σ ½ (y − t)² over the batch.

    steps: how many one timed call does.  source: what it stands for.
    """

    name: str
    units: tuple[int, ...]
    hidden: str
    batch: int
    rows: int
    steps: int
    learning_rate: float
    source: str
    loss: str = "softmax"
    optimizer: str = "sgd"

    @property
    def flops(self) -> float:
        """Of one step: 2·m·n·k for each product forward, for each weight gradient, and for each delta but the first."""
        products = [2.0 * self.batch * m * n for m, n in pairwise(self.units)]
        return 3 * sum(products) - products[0]

    def network(self, dtype: str = "float32") -> Network:
        squared = self.loss == "squared"
        return Network(
            list(self.units),
            hidden=self.hidden,
            output="sigmoid" if squared else "softmax",
            loss="squared_error" if squared else "softmax_cross_entropy",
            reduction="sum" if squared else "mean",
            seed=0,
            dtype=dtype,
        )

    def make_optimizer(self) -> optim.Optimizer:
        return optim.by_name(self.optimizer)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x (rows, n_in) float32 in 0…1 with a class-dependent pattern, and t: class numbers, or rows of 0 and 1."""
        rng = np.random.default_rng(1)
        classes = rng.integers(0, self.units[-1], self.rows)
        pattern = rng.random((self.units[-1], self.units[0]), dtype=np.float32)
        x = 0.7 * pattern[classes] + 0.3 * rng.random((self.rows, self.units[0]), dtype=np.float32)
        t = np.eye(self.units[-1], dtype=np.float32)[classes] if self.loss == "squared" else classes
        return x, t

    def order(self, calls: int) -> np.ndarray:
        """Row numbers (calls, steps, batch): epochs over seeded permutations, the last short batch left out."""
        rng = np.random.default_rng(2)
        need = calls * self.steps * self.batch
        usable = self.rows // self.batch * self.batch
        epochs = -(-need // usable)
        flat = np.concatenate([rng.permutation(self.rows)[:usable] for _ in range(epochs)])
        return flat[:need].reshape(calls, self.steps, self.batch)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("unit", (12, 3, 2), "sigmoid", 64, 64, 4000, 0.2, "seed 002", loss="squared"),
        Workload("book", (784, 50, 10), "relu", 100, 6000, 300, 0.1, "seeds 000, 004"),
        Workload("online", (784, 100, 10), "relu", 1, 6000, 1500, 0.01, "seed 001, online"),
        Workload("deep", (*(64,) * 20, 10), "sigmoid", 32, 3200, 200, 0.1, "seed 001, vanishing"),
        Workload("mid", (784, 512, 512, 10), "relu", 128, 6400, 30, 0.1, "practice"),
        Workload("mid-momentum", (784, 512, 512, 10), "relu", 128, 6400, 30, 0.05, "practice", optimizer="momentum"),
        Workload("mid-adam", (784, 512, 512, 10), "relu", 128, 6400, 30, 0.001, "practice", optimizer="adam"),
        Workload("wide", (1024, 2048, 2048, 2048, 1000), "relu", 512, 1024, 2, 0.05, "limit"),
    )
}
