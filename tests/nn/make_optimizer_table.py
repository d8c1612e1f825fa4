"""Writes optimizer_table.json: what each optimiser must give, in float64, from formulas in scalar mpmath.

`python tests/nn/make_optimizer_table.py` writes it anew.  Nothing of denpa is used: one weight at a time, 60 digits,
formulas from the papers (see denpa.nn.optim) in the form torch.optim gives them, rounded to float64 at the very end.
Gradients and learning rates are sums of powers of two, exact in every dtype.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STEPS = 12
START = [0.75, -1.5, 0.0, 2.0, -0.25]


def gradient(step: int, i: int) -> float:
    """Exact in float32, both signs, zero now and then, small and large."""
    return ((7 * step + 3 * i) % 11 - 5) / 4 * (1.0, 0.125, 8.0, 1.0, 0.0625)[i]


def learning_rate(step: int) -> float:
    return (0.125, 0.0625, 0.25)[step % 3]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.5, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adagrad", {}),
    ("adagrad", {"eps": 1e-3, "weight_decay": 0.1, "initial_accumulator": 0.5}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1, "momentum": 0.9}),
    ("adam", {}),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1}),
    ("adamw", {}),
    ("adamw", {"beta1": 0.8, "beta2": 0.99, "weight_decay": 0.25}),
]


def trajectory(name: str, h: dict[str, Any], i: int) -> list[float]:
    """The weight with index i after each step."""
    from mpmath import mp, mpf, sqrt

    mp.dps = 60
    w = mpf(START[i])
    decay = mpf(h.get("weight_decay", 0.01 if name == "adamw" else 0))
    m = v = mpf(0)
    if name == "adagrad":
        v = mpf(h.get("initial_accumulator", 0))
    out = []
    for step in range(STEPS):
        eta, g = mpf(learning_rate(step)), mpf(gradient(step, i))
        if name == "adamw":
            w -= eta * decay * w
        else:
            g += decay * w
        if name == "sgd":
            mu = mpf(h.get("momentum", 0))
            m = mu * m + g
            w -= eta * (g + mu * m if h.get("nesterov") else m)
        elif name == "adagrad":
            v += g**2
            w -= eta * g / (sqrt(v) + mpf(h.get("eps", 1e-10)))
        elif name == "rmsprop":
            alpha = mpf(h.get("alpha", 0.99))
            v = alpha * v + (1 - alpha) * g**2
            m = mpf(h.get("momentum", 0)) * m + g / (sqrt(v) + mpf(h.get("eps", 1e-8)))
            w -= eta * m
        else:
            beta1, beta2 = mpf(h.get("beta1", 0.9)), mpf(h.get("beta2", 0.999))
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = m / (1 - beta1 ** (step + 1)), v / (1 - beta2 ** (step + 1))
            w -= eta * m_hat / (sqrt(v_hat) + mpf(h.get("eps", 1e-8)))
        out.append(float(w))
    return out


def table() -> list[dict[str, Any]]:
    """Per case, the weights after each step: STEPS rows of len(START)."""
    rows = []
    for name, h in CASES:
        columns = [trajectory(name, h, i) for i in range(len(START))]
        rows.append({"name": name, "hyperparameters": h, "weights": [list(w) for w in zip(*columns, strict=True)]})
    return rows


if __name__ == "__main__":
    Path(__file__).with_name("optimizer_table.json").write_text(
        "[\n" + ",\n".join(json.dumps(row) for row in table()) + "\n]\n", encoding="utf-8"
    )
