"""What the seeds' tests compare denpa with, written by hand in the seeds' own letters.  Nothing here imports denpa.

001: column vectors, W⁽ˡ⁾ with the bias as last column, a activation input, z output with 1 as last component.
003: plain floats, lists and for-loops.  The complex step is right to rounding and shares nothing with a chain rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

STEP = 1e-30  # of the complex step: no subtraction takes place, so no size is too small


def complex_gradient(f: Callable[[Any], Any], x: Any) -> Any:
    """∂f/∂x by Im f(x + ih)/h, element by element, for an f that is analytic on complex arrays."""
    x = np.asarray(x, dtype=complex)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += 1j * STEP
        gradient[index] = np.imag(f(moved)) / STEP
    return gradient


def central_gradient(f: Callable[[Any], float], x: Any, h: float = 1e-4) -> Any:
    """∂f/∂x by (f(x + h) − f(x − h)) / 2h, element by element: the book's numerical_gradient."""
    x = np.array(x, dtype=float)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = f(x)
        x[index] = kept - h
        below = f(x)
        x[index] = kept
        gradient[index] = (above - below) / (2 * h)
    return gradient


# -- seed 001: K layers, one sample at a time -------------------------------------------------------------------------
def sigma(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def sigma_prime(a: Any) -> Any:
    return sigma(a) * (1 - sigma(a))


def ramp(a: Any) -> Any:
    """(55), also on complex numbers."""
    return np.where(np.real(a) >= 0, a, 0)


def ramp_prime(a: Any) -> Any:
    """(56) as it should read."""
    return np.where(np.real(a) > 0, 1.0, 0.0)


def softmax(a: Any) -> Any:
    """(21)."""
    return np.exp(a) / np.sum(np.exp(a))


PSI: dict[str, tuple[Any, Any]] = {
    "sigmoid": (sigma, sigma_prime),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "relu": (ramp, ramp_prime),
}


def with_one(z: Any) -> Any:
    """(6): the last component is 1 and carries the bias column."""
    return np.append(z, 1)


def forward(W: list[Any], x: Any, psi: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """(7): a[l] and z[l] for l = 0 … K (a[0] is None); W[0] is None, so that W[l] is W⁽ˡ⁾.  z[l] ends with 1."""
    a, z = [None], [with_one(x)]
    for W_l in W[1:]:
        a.append(W_l @ z[-1])
        z.append(with_one(psi(a[-1])))
    return a, z


def loss_L(output: str, a_K: Any, y: Any) -> Any:
    """(19) under softmax; −y log σ(a) − (1 − y) log(1 − σ(a)) = −ya + log(1 + exp a), summed, under sigmoid."""
    if output == "softmax":
        return -np.sum(y * a_K) + np.log(np.sum(np.exp(a_K)))
    return np.sum(-y * a_K + np.log(1 + np.exp(a_K)))


def delta_K(output: str, a_K: Any, y: Any) -> Any:
    """(50), a row: g(a⁽ᴷ⁾) − y under both outputs with their cross-entropy."""
    return (softmax(a_K) if output == "softmax" else sigma(a_K)) - y


def f_prime(psi_prime: Callable[[Any], Any], a: Any) -> Any:
    """(37), (38): the Jacobian of f, n × (n − 1); its last row belongs to the constant 1 and is 0."""
    J = np.zeros((len(a) + 1, len(a)))
    for xi in range(len(a)):
        J[xi, xi] = psi_prime(a[xi])
    return J


def deltas(W: list[Any], a: list[Any], last: Any, psi_prime: Callable[[Any], Any]) -> list[Any]:
    """(52): δ[l] for l = 1 … K, rows; δ[0] is None."""
    K = len(W) - 1
    delta: list[Any] = [None] * (K + 1)
    delta[K] = last
    for l in range(K, 1, -1):
        delta[l - 1] = delta[l] @ W[l] @ f_prime(psi_prime, a[l - 1])
    return delta


def gradients(delta: list[Any], z: list[Any]) -> list[Any]:
    """(54): ∂L/∂W⁽ˡ⁾ for l = 1 … K, each of W⁽ˡ⁾'s shape, bias column included."""
    return [None, *(np.outer(delta[l], z[l - 1]) for l in range(1, len(delta)))]


def random_W(rng: np.random.Generator, units: list[int], scale: float = 1.0) -> list[Any]:
    """W⁽ˡ⁾ (m, n) with n − 1 units before and m after; entries of a size that keeps every layer's activity near 1."""
    return [None, *(scale * rng.normal(size=(m, n + 1)) / math.sqrt(n + 1) for n, m in pairwise(units))]


# -- seeds 000 and 004: the book's layers, row vectors, X·W + B -------------------------------------------------------
class MulLayer:
    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * self.y, dout * self.x


class AddLayer:
    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * 1, dout * 1


class ReluLayer:
    def forward(self, x: Any) -> Any:
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout: Any) -> Any:
        return np.where(self.mask, 0, dout)


class SigmoidLayer:
    def forward(self, x: Any) -> Any:
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout: Any) -> Any:
        return dout * (1.0 - self.out) * self.out


class AffineLayer:
    """out = X·W + B with W (n_in, n_out)."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b

    def forward(self, x: Any) -> Any:
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class SoftmaxWithLossLayer:
    """Mean cross-entropy of the rows; t one-hot."""

    def forward(self, x: Any, t: Any) -> float:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return float(-np.sum(t * np.log(self.y)) / len(t))

    def backward(self, dout: float = 1.0) -> Any:
        return dout * (self.y - self.t) / len(self.t)


# -- seed 003: plain floats and for-loops -----------------------------------------------------------------------------
def sigmoid_scalar(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def m_to_n(weights: list[float], biases: list[float], inputs: list[float]) -> list[float]:
    """outputs[j] = Σ_i w_j_i inputs[i] + b_j, the weights n × m stored column by column."""
    n = len(biases)
    outputs = []
    for j in range(n):
        total = biases[j]
        for i in range(len(inputs)):
            total += weights[i * n + j] * inputs[i]
        outputs.append(total)
    return outputs


def last_bias_gradients(cost_grads: list[float], activate_grads: list[float]) -> list[float]:
    """1 · activate′(output) · cost′(activated output), one by one."""
    grads = []
    for j in range(len(cost_grads)):
        grads.append(1 * activate_grads[j] * cost_grads[j])
    return grads


def weight_gradients(bias_grads: list[float], inputs: list[float]) -> list[float]:
    """bias gradient · input, column by column."""
    grads = []
    for i in range(len(inputs)):
        for j in range(len(bias_grads)):
            grads.append(bias_grads[j] * inputs[i])
    return grads


def earlier_bias_gradients(
    forward_bias_grads: list[float], forward_weights: list[float], activate_grads: list[float]
) -> list[float]:
    """Σ_k (gradient of forward bias k · forward weight k_j · activate′(output_j)), the weights column by column."""
    n = len(forward_bias_grads)
    grads = []
    for j in range(len(activate_grads)):
        total = 0.0
        for k in range(n):
            total += forward_bias_grads[k] * forward_weights[j * n + k] * activate_grads[j] * 1
        grads.append(total)
    return grads
