"""Why one derivative is the number it is: its paths, three ways to compute it, and what the update will do."""

import numpy as np

import denpa as dp
from denpa.draw import text
from denpa.explain.number import explanation

rng = np.random.default_rng(1)
network = dp.nn.Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", seed=0, dtype="float64")
x, t = rng.uniform(0, 1, (1, 12)), np.array([[1.0, 0.0]])

# In words, symbols and numbers: w of layer 2 from unit 7 to unit 2, as seed 002 counts.
document = dp.explain(network, "w[2][2,7]", x=x, t=t, notation="002")
print("\n".join(text.lines(document)))

# The same as values.
found = explanation(network, "w[2][2,7]", x=x, t=t, notation="002")
print(f"backpropagation {found.backprop:.12f}, numerical {found.numerical.value:.12f}")
assert found.paths_agree
assert found.numerical_agrees

# The derivation of any graph's derivative, one application of the chain rule after the other.
a, b = dp.inputs(a=2.0, b=3.0)
derivation = dp.explain.chain(dp.Graph((a + b) ** 2 * a), "a")
print("\n".join(text.lines(derivation)))
