"""Layers given as objects bring weights of their own sizes, in either layout."""

from __future__ import annotations

import numpy as np
import pytest

import denpa as dp


class Affine:
    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.W, self.b = W, b

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Transposed(Affine):
    """The other layout: W (n_out, n_in)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.dW, self.db = dout.T @ self.x, dout.sum(axis=0)
        return dout @ self.W


class Doubled(Affine):
    def backward(self, dout: np.ndarray) -> np.ndarray:
        return 2 * super().backward(dout)


@pytest.mark.parametrize("shape", [(5, 4), (4, 3), (64, 30), (3, 3)])
def test_a_right_layer_is_right_whatever_its_size(shape, rng) -> None:
    W = rng.normal(size=shape)
    assert dp.check_layer(Affine(W, np.zeros(shape[1])))
    assert dp.check_layer(Transposed(W, np.zeros(shape[0])))
    assert not dp.check_layer(Doubled(W, np.zeros(shape[1])))
