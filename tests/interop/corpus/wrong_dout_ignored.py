from __future__ import annotations

import numpy as np


class SigmoidWithLoss:
    def forward(self, x, t):
        self.y, self.t = 1 / (1 + np.exp(-x)), t
        return np.sum(np.logaddexp(0, x) - t * x) / len(x)

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t)
