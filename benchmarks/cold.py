"""A whole training process, cold: start Python, import, build the book's network, train ten epochs, end.

Run: python benchmarks/cold.py [--rounds 5] [--threads 2] [--json FILE]
Each candidate runs in a process of its own, in turn with the others; its wall clock and peak resident memory are the
system's.  denpa's kernels are in their cache by then, which one run before the timed ones sees to.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

ROWS, BATCH, EPOCHS = 6000, 100, 10

# The same 600 updates of 784-50-10 by everybody; a child of this file runs one of them, written as its user would.
_DATA = f"""
import numpy as np
rng = np.random.default_rng(1)
t = rng.integers(0, 10, {ROWS})
pattern = rng.random((10, 784), dtype=np.float32)
x = 0.7 * pattern[t] + 0.3 * rng.random(({ROWS}, 784), dtype=np.float32)
"""

PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {  # name → (packages it needs, the program)
    "denpa native": (
        ("numba",),
        f"""
import denpa as dp
from denpa.data import order
from denpa.engine import engine
from denpa.train.step import training_step
network, optimizer = dp.nn.Network([784, 50, 10], seed=0), dp.nn.optim.SGD()
step = training_step(network, optimizer, x[:{BATCH}], t[:{BATCH}], classify=False)
program = engine("native").compile(step)
state = {{name: np.array(p.value) for name, p in network.parameters().items()}}
for epoch in range({EPOCHS}):
    rows = order({ROWS}, 0, epoch).reshape(-1, {BATCH})
    loss = program.run(state, {{"x": x, "t": t}}, rows, {{"learning_rate": np.full(len(rows), 0.1)}})["loss"][-1]
print(float(loss))
""",
    ),
    "PyTorch": (
        ("torch",),
        f"""
import torch
from torch import nn
torch.set_num_threads(int(__import__("os").environ["OMP_NUM_THREADS"]))
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
x, t = torch.from_numpy(x), torch.from_numpy(t)
for epoch in range({EPOCHS}):
    for rows in torch.randperm({ROWS}).split({BATCH}):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), t[rows])
        loss.backward()
        optimizer.step()
print(float(loss.detach()))
""",
    ),
    "JAX": (
        ("jax",),
        f"""
import jax
import jax.numpy as jnp
def loss_of(layers, x, t):
    (W, b), (V, c) = layers
    a = jax.nn.relu(x @ W + b) @ V + c
    return jnp.mean(jax.nn.logsumexp(a, axis=1) - jnp.take_along_axis(a, t[:, None], axis=1)[:, 0])
@jax.jit
def epoch(layers, x, t, rows):
    def step(layers, batch):
        loss, g = jax.value_and_grad(loss_of)(layers, x[batch], t[batch])
        return jax.tree.map(lambda p, g: p - 0.1 * g, layers, g), loss
    return jax.lax.scan(step, layers, rows)
keys = jax.random.split(jax.random.key(0), 2)
layers = [(jax.random.normal(k, (m, n)) * (2 / m) ** 0.5, jnp.zeros(n)) for k, m, n in zip(keys, (784, 50), (50, 10))]
for i in range({EPOCHS}):
    rows = jax.random.permutation(jax.random.key(i), {ROWS}).reshape(-1, {BATCH})
    layers, losses = epoch(layers, jnp.asarray(x), jnp.asarray(t), rows)
print(float(losses[-1]))
""",
    ),
    "scikit-learn": (
        ("sklearn",),
        f"""
import warnings
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
warnings.simplefilter("ignore", ConvergenceWarning)
model = MLPClassifier((50,), solver="sgd", alpha=0, batch_size={BATCH}, learning_rate_init=0.1, momentum=0,
                      max_iter={EPOCHS}, n_iter_no_change=1000, random_state=0)
model.fit(x, t)
print(model.loss_)
""",
    ),
}


@dataclass(frozen=True)
class Cold:
    """Medians over rounds: seconds of the process and its peak resident memory; ratios are to the first candidate."""

    name: str
    seconds: float
    ratio: float
    peak_bytes: int
    memory_ratio: float


def _run(program: str, threads: int) -> tuple[float, int]:
    """(seconds, peak resident bytes) of one process.  RuntimeError when it does not end with a small loss."""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", _DATA + program], stdout=subprocess.PIPE, env=environment)
    assert child.stdout is not None
    said = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or not float(said) < 0.1:
        raise RuntimeError(f"the training ended with exit code {child.returncode} and the loss {said!r}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(rounds: int = 5, threads: int = 2) -> list[Cold]:
    chosen = {name: text for name, (needs, text) in PROGRAMS.items() if all(find_spec(package) for package in needs)}
    samples: dict[str, list[tuple[float, int]]] = {name: [] for name in chosen}
    for turn in range(-1, rounds):
        for name, text in chosen.items():
            sample = _run(text, threads)
            if turn >= 0:
                samples[name].append(sample)
    own = next(iter(samples.values()))
    return [
        Cold(
            name,
            median(seconds for seconds, _ in found),
            median(other / mine for (mine, _), (other, _) in zip(own, found, strict=True)),
            int(median(peak for _, peak in found)),
            median(other / mine for (_, mine), (_, other) in zip(own, found, strict=True)),
        )
        for name, found in samples.items()
    ]


def measure_apart(rounds: int = 5, threads: int = 2) -> list[Cold]:
    """`measure` from a small process: a child's peak begins with what its parent held when it started."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cold.json"
        command = [sys.executable, __file__, f"--rounds={rounds}", f"--threads={threads}", f"--json={file}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [Cold(**found) for found in json.loads(file.read_text(encoding="utf-8"))]


def table(results: list[Cold]) -> str:
    lines = ["| | seconds | time / first | peak memory, MiB | memory / first |", "|---|---|---|---|---|"]
    lines += [
        f"| {r.name} | {r.seconds:.2f} | {r.ratio:.2f}× | {r.peak_bytes / 2**20:.0f} | {r.memory_ratio:.2f}× |"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = measure(given.rounds, given.threads)
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps([asdict(r) for r in results], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
