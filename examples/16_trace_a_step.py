"""One training step of a 12-3-2 network by its textbook names, as seeds 001, 002, 000 and 003 write it."""

import numpy as np

import denpa as dp

rng = np.random.default_rng(0)
network = dp.nn.Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", seed=0, dtype="float64")
x, t = rng.integers(0, 2, 12).astype(float), np.array([1.0, 0.0])

trace = dp.trace_step(network, x, t, notation="001", learning_rate=0.5)
print(trace)
print("seed 001:", ", ".join(trace.values))
print("δ⁽¹⁾ =", np.round(trace["δ(1)"], 5))  # names can be typed without superscripts
print("Jacobian chain and delta rule agree:", trace.agrees)
update = trace.update
print(f"the gradient foretells a change of the loss by {update.predicted:.5f}; it changes by {update.measured:.5f}")

for key in ("002", "000", "003", "pytorch"):
    print(f"{key}: {', '.join(trace.in_notation(key).values)}")  # nothing is computed again

same = trace.in_notation("000")
assert np.array_equal(trace["∂L/∂W(2)"][:, :-1].T, same["∂L/∂W2"])  # 001 appends the bias as the last column of W
