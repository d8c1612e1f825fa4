from __future__ import annotations

import numpy as np


class Dense:
    """Draws its own weights, as (outputs, inputs)."""

    def __init__(self, input_size, output_size):
        self.W = 0.1 * np.random.randn(output_size, input_size)
        self.b = np.zeros(output_size)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout.sum(axis=0)
        return dout @ self.W
