from __future__ import annotations

import numpy as np


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return dout * self.x
