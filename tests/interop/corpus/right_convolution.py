from __future__ import annotations

import numpy as np


class Convolution:
    def __init__(self, W, b, stride=1):
        self.W, self.b, self.stride = W, b, stride

    def forward(self, x):
        self.x = x
        _, _, kh, kw = self.W.shape
        h, w = x.shape[2] - kh + 1, x.shape[3] - kw + 1
        out = np.zeros((x.shape[0], self.W.shape[0], h, w), x.dtype)
        for i in range(kh):
            for j in range(kw):
                out += np.einsum("nchw,fc->nfhw", x[:, :, i : i + h, j : j + w], self.W[:, :, i, j])
        return out + self.b[:, None, None]

    def backward(self, dout):
        _, _, kh, kw = self.W.shape
        h, w = dout.shape[2:]
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for i in range(kh):
            for j in range(kw):
                window = self.x[:, :, i : i + h, j : j + w]
                self.dW[:, :, i, j] = np.einsum("nchw,nfhw->fc", window, dout)
                dx[:, :, i : i + h, j : j + w] += np.einsum("nfhw,fc->nchw", dout, self.W[:, :, i, j])
        self.db = dout.sum(axis=(0, 2, 3))
        return dx
