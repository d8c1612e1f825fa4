from __future__ import annotations

import numpy as np


class Tanh:
    cache = {}  # noqa: RUF012  the slip itself

    def forward(self, x):
        self.cache["y"] = np.tanh(x)
        return self.cache["y"]

    def backward(self, dout):
        return dout * (1 - self.cache["y"] ** 2)
