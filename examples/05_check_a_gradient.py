"""A wrong derivative is found, and the node that is wrong is named."""

import numpy as np

import denpa as dp


@dp.primitive(shape=dp.same, register=False)
def my_sigmoid(xp, x):
    return 1 / (1 + xp.exp(-x))


@my_sigmoid.vjp
def _(g, out, x):
    return (g * out * (1 + out),)  # should be out · (1 − out)


weights = np.random.default_rng(0).normal(size=(3, 4))
network = lambda x: (my_sigmoid(np.tanh(x) @ weights) ** 2).sum()

try:
    dp.check(network, np.array([0.1, -0.4, 0.7]))
except dp.GradientMismatch as error:
    print(error)
