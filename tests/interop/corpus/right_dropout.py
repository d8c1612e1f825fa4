from __future__ import annotations

import numpy as np


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x * (1 - self.ratio)
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
