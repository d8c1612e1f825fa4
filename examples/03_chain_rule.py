"""z = (x + y)²: the chain rule by hand beside the one that backward applies, and the derivative of the derivative."""

import denpa as dp

x, y = dp.inputs(x=3.0, y=4.0)
t = x + y
z = t**2
gradients = dp.backward(z)

by_hand = 2 * t.value * 1.0  # ∂z/∂x = ∂z/∂t · ∂t/∂x = 2t · 1
print(f"∂z/∂x = {gradients[x]:g}, by hand {by_hand:g}; ∂z/∂t = {gradients[t]:g}")

square = lambda x, y: (x + y) ** 2
print(f"∂²z/∂x² = {dp.grad(dp.grad(square))(3.0, 4.0):g}")
