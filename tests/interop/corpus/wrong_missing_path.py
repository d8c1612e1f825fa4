from __future__ import annotations

import numpy as np


class Residual:
    """y = x + tanh(x): two paths lead from x."""

    def forward(self, x):
        self.h = np.tanh(x)
        return x + self.h

    def backward(self, dout):
        return dout * (1 - self.h**2)
