"""A ball on a slope: the steepest direction is the negative gradient, and following it finds the minimum (seed 002)."""

import numpy as np

import denpa as dp


def height(p):
    x, y = p[0], p[1]
    return (x - 1.0) ** 2 + 4.0 * (y + 0.5) ** 2


p, learning_rate = np.array([3.0, 2.0]), 0.1
slope = dp.grad(height)(p)
angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
steps = 1e-3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
steepest = steps[np.argmin([height(p + s) for s in steps])]
print("steepest of 360 equal steps:", np.round(steepest / 1e-3, 2))
print("the direction −∇f / |∇f|:   ", np.round(-slope / np.hypot(*slope), 2))

for t in range(51):
    if t % 10 == 0:
        print(f"t = {t:2d}  ({p[0]:.4f}, {p[1]:+.4f})  f = {height(p):.6f}")
    p = p - learning_rate * dp.grad(height)(p)
