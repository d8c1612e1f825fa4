from __future__ import annotations

import numpy as np


class Tanh:
    out = None

    def forward(self, x):
        y = np.tanh(x)
        if self.out is None:
            self.out = y
        return y

    def backward(self, dout):
        return dout * (1 - self.out**2)
