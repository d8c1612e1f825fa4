"""Layers whose W is a vector, right and wrong: the file that test_vectors.py has judged."""

from __future__ import annotations

import numpy as np


class Neuron:
    """One number for each row."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum()
        return np.outer(dout, self.W)


class NeuronMean(Neuron):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / len(dout)
        return dx


class NeuronSign(Neuron):
    def backward(self, dout):
        return -super().backward(dout)


class NeuronOneBias(Neuron):
    """b has the shape (1,)."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.sum(dout, keepdims=True)
        return dx


class SigmoidNeuron(Neuron):
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-super().forward(x)))
        return self.y

    def backward(self, dout):
        return super().backward(dout * self.y * (1 - self.y))


class SigmoidNeuronAtInput(SigmoidNeuron):
    def backward(self, dout):
        return Neuron.backward(self, dout * (1 - self.y))


class Signals:
    """The convolution of each row with a kernel."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def windows(self, x):
        k = len(self.W)
        return [x[:, j : j + x.shape[1] - k + 1] for j in range(k)]

    def forward(self, x):
        self.x = x
        return sum(w * part for w, part in zip(self.W, self.windows(x), strict=True)) + self.b

    def backward(self, dout):
        self.dW = np.array([np.sum(dout * part) for part in self.windows(self.x)])
        self.db = dout.sum()
        return np.array([np.convolve(d, self.W) for d in dout])


class SignalsTurned(Signals):
    def backward(self, dout):
        super().backward(dout)
        return np.array([np.convolve(d, self.W[::-1]) for d in dout])


class SignalsMeanBias(Signals):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean()
        return dx


class OneSignal:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.convolve(x, self.W, mode="valid") + self.b

    def backward(self, dout):
        self.dW = np.convolve(self.x[::-1], dout, mode="valid")
        self.db = dout.sum()
        return np.correlate(dout, self.W, mode="full")


class OneSignalTurned(OneSignal):
    def backward(self, dout):
        super().backward(dout)
        return np.convolve(dout, self.W, mode="full")


class AffineSummedBias:
    """A matrix layer: with a vector, db would be right."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum()
        return dout @ self.W.T


class AffineRaising(AffineSummedBias):
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W


def neuron(x, w, b):
    return x @ w + b


def neuron_grad(dout, x, w, b):
    return np.outer(dout, w), x.T @ dout, dout.sum()
