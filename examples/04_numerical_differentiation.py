"""Numerical differentiation: close, slow, and how far it can be trusted (seeds 000 and 003)."""

import numpy as np

import denpa as dp


def line(x):
    return 3 * x + 2


moved = 3 + 0.0000001
forward_difference = (line(moved) - line(3)) / (moved - 3)
print(f"slope of 3x + 2 by a forward difference: {forward_difference}  (exactly 3)")

f = lambda x: np.tanh(x) * np.exp(x)
exact = dp.grad(f)(0.5)
for step in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11, 1e-13):
    estimate = (f(0.5 + step) - f(0.5 - step)) / (2 * step)
    print(f"h = {step:.0e}: error {abs(estimate - exact):.1e}")  # first the truncation falls, then rounding takes over
