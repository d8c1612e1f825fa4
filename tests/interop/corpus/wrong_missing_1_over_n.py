from __future__ import annotations

import numpy as np


class SoftmaxWithLoss:
    def forward(self, x, t):
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.y, self.t = np.exp(log_p), t
        return -np.sum(t * log_p) / x.shape[0]

    def backward(self, dout=1):
        return dout * (self.y - self.t)
