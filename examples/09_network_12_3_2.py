"""The 12-3-2 network of seed 002: 64 images of 4×3, total cost C_T = Σ C_k, gradient descent."""

import numpy as np

import denpa as dp

ZERO, ONE = "111101101111", "010010010010"  # 4 rows of 3
rng = np.random.default_rng(0)
x = np.array([[int(c) for c in (ZERO, ONE)[k % 2]] for k in range(64)], dtype=float)
x = np.abs(x - (rng.random(x.shape) < 0.05))  # one pixel in twenty is wrong
t = np.array([[1.0, 0.0] if k % 2 == 0 else [0.0, 1.0] for k in range(64)])

network = dp.nn.Network(
    [12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", seed=0, dtype="float64"
)
for step in range(301):
    cost, gradients = dp.value_and_grad(lambda n: n.loss(x, t))(network)
    if step % 100 == 0:
        print(f"step {step:3d}: C_T = {cost:.4f}")
    network = network.with_parameters({k: p.value - 0.2 * gradients[k] for k, p in network.parameters().items()})

print(f"right: {np.mean(np.argmax(network(x).value, axis=1) == np.argmax(t, axis=1)):.0%} of 64 images")
