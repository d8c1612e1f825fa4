"""A network's loss over the two directions in which its parameters moved most, with the path of the training (002)."""

import numpy as np

import denpa as dp
from denpa.draw import html

data = dp.data.read("digits")
x, t = data.inputs.reshape(len(data.inputs), -1) / 16, data.targets
network = dp.nn.Network([64, 20, 10], hidden="relu", seed=0)

times = [{name: p.value for name, p in network.parameters().items()}]
for _ in range(40):
    gradients = dp.backward(network.loss(x, t))
    network = network.with_parameters({name: p.value - gradients[p] for name, p in network.parameters().items()})
    times.append({name: p.value for name, p in network.parameters().items()})

cut = dp.explain.loss_slice(network, x, t, times, points=21)
print(f"the slice holds {cut.kept:.1%} of the path's variance")
for step in (0, 10, 20, 40):
    a, b = cut.path[step]
    near = cut.heights[np.abs(cut.b - b).argmin(), np.abs(cut.a - a).argmin()]
    print(f"step {step:2}: at ({a:+.2f}, {b:+.2f}) the loss in the slice is about {near:.3f}")
with open("slice.html", "w", encoding="utf-8") as file:
    file.write(html.page(cut.document()))
