"""A node whose inside nobody sees: the graph around it only needs its value and its local derivative (seed 000)."""

import numpy as np

import denpa as dp

discount = dp.black_box(
    forward=lambda price: np.minimum(price, 0.9 * price + 20),
    backward=lambda g, out, price: g * np.where(price < 200, 1.0, 0.9),
    name="discount",
)

price, tax = dp.inputs(price=500.0, tax=1.1)
total = discount(price) * tax
gradients = dp.backward(total)
print(f"total {total.value:g}, ∂total/∂price {gradients[price]:g}, ∂total/∂tax {gradients[tax]:g}")
