from __future__ import annotations

import numpy as np


class Sine:
    def forward(self, x):
        self.out = np.sin(x)
        return self.out

    def backward(self, dout):
        return dout * np.cos(self.out)
