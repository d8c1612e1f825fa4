"""A whole step as a program of scalars, lists, if and for that imports nothing (seed 003), run with plain Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import denpa as dp

rng = np.random.default_rng(0)
network = dp.nn.Network([3, 4, 2], hidden="tanh", seed=0, dtype="float64")
x, t = rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])

program = dp.explain.loops(network, x, t, notation="003")
path = Path("step.py")
path.write_text(program, encoding="utf-8")
print(f"{path}: {len(program.splitlines())} lines, {program.count('import ')} imports")

printed = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, check=True).stdout
print(printed)

# The program prints the same gradients as the library computes.
gradients = dp.grad(lambda n: n.loss(x, t))(network)
bias = next(line for line in printed.splitlines() if line.startswith("grad 0.bias"))
numbers = [float(n) for n in bias.partition("= ")[2].strip("[]").split(",")]
print("largest difference:", np.abs(np.array(numbers) - gradients["0.bias"]).max())
assert np.allclose(numbers, gradients["0.bias"], rtol=1e-12, atol=1e-15)
