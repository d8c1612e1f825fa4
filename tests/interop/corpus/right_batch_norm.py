from __future__ import annotations

import numpy as np


class BatchNorm:
    def __init__(self, gamma, beta, momentum=0.9):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean = np.zeros(x.shape[1])
        mean = x.mean(axis=0)
        self.centred = x - mean
        self.std = np.sqrt(self.centred.var(axis=0) + 1e-5)
        self.xn = self.centred / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.xn).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        d = self.gamma * dout
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std
