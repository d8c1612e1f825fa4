"""Why deep sigmoid networks did not learn: the gradient of the first layers vanishes; with ReLU it does not (001)."""

import numpy as np

import denpa as dp

rng = np.random.default_rng(0)
x, t = rng.normal(size=(32, 16)), rng.normal(size=(32, 1))
for hidden in ("sigmoid", "relu"):
    network = dp.nn.Network([16] * 11 + [1], hidden=hidden, output="identity", loss="squared_error", dtype="float64")
    gradients = dp.grad(lambda n: n.loss(x, t))(network)
    norms = [np.linalg.norm(g) for name, g in gradients.items() if name.endswith("weight")]
    print(f"{hidden:>8}: |∂L/∂W| of layer 1 is {norms[0] / norms[-1]:.1e} times that of layer {len(norms)}")
