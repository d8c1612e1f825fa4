from __future__ import annotations

import numpy as np


class SoftmaxWithLoss:
    """One-hot rows or class numbers."""

    def forward(self, x, t):
        shifted = x - x.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        self.y = np.exp(log_p)
        self.t = t if t.ndim == x.ndim else np.eye(x.shape[-1])[t]
        return -np.sum(self.t * log_p) / len(x)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.y)
