"""Random graphs of primitives with their gradients: chains, broadcasts, reductions, products, views, fan-out."""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.autodiff import backward
from denpa.graph import FUNCTIONS, Graph, Tensor, tensor

UNARY = (
    "exp",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "relu",
    "softplus",
    "square",
    "abs",
    "negative",
    "arctan",
    "erf",
    "expm1",
)
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
SHAPES = ((), (1,), (5,), (3, 5), (3, 1), (2, 3, 5), (4, 3), (7,), (16, 9))


def random_graph(rng: np.random.Generator, dtype: str, length: int) -> tuple[Graph, dict[str, Any]]:
    """About `length` operations, with outputs in the middle and gradients of a scalar, and the inputs' values."""
    inputs: dict[str, Tensor] = {}
    for i in range(int(rng.integers(1, 5))):
        shape = SHAPES[rng.integers(0, len(SHAPES))]
        inputs[f"x{i}"] = tensor(rng.uniform(-1.5, 1.5, shape).astype(dtype), name=f"x{i}")
    pool = list(inputs.values())
    with np.errstate(all="ignore"):
        while len(pool) < len(inputs) + length:
            pool.append(_next(rng, pool))
        total: Any = None
        for t in pool[-4:]:
            part = FUNCTIONS["sum"](_squashed(t))
            total = part if total is None else total + part
        gradients = backward(total, record=True)
    outputs = {"total": total, "middle": pool[len(pool) // 2], "last": pool[-1]}
    outputs |= {f"g.{n}": g for n, t in inputs.items() if (g := gradients.get(t)) is not None}
    return Graph(outputs, inputs), {n: t.value for n, t in inputs.items()}


def _squashed(x: Tensor) -> Any:
    """Into (−0.8, 0.8) without saturation: 1 − tanh² near 1 cancels, and would make one ulp a large relative error."""
    largest = float(np.abs(x.value).max(initial=0))
    return FUNCTIONS["tanh"](x * (1.0 / largest) if np.isfinite(largest) and largest > 1 else x)


def _pick(rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
    """Mostly something recent: deep graphs; sometimes anything: fan-out over long distances."""
    i = (
        len(pool) - 1 - int(rng.integers(0, min(4, len(pool))))
        if rng.random() < 0.7
        else int(rng.integers(0, len(pool)))
    )
    return pool[i]


def _next(rng: np.random.Generator, pool: list[Tensor]) -> Tensor:
    x = _pick(rng, pool)
    kind = rng.random()
    result: Any
    if kind < 0.4:
        y = x if rng.random() < 0.2 and np.abs(x.value).max(initial=0) < 3 else _squashed(x)
        result = FUNCTIONS[UNARY[rng.integers(0, len(UNARY))]](y)
    elif kind < 0.65:
        result = _binary(rng, x, pool)
    elif kind < 0.75 and x.ndim:
        axis = int(rng.integers(0, x.ndim))
        name = ("sum", "mean", "max", "logsumexp", "softmax")[rng.integers(0, 5)]
        keep = {} if name == "softmax" else {"keepdims": bool(rng.random() < 0.5)}
        result = FUNCTIONS[name](x, axis=axis, **keep)
    elif kind < 0.85 and x.ndim:
        result = _moved(rng, x)
    elif kind < 0.95 and x.ndim == 2:
        right = rng.uniform(-1, 1, (x.shape[1], int(rng.integers(1, 20)))).astype(x.dtype)
        result = x @ (FUNCTIONS["matrix_transpose"](x) if rng.random() < 0.4 else right)
    else:
        result = FUNCTIONS["where"](x > 0.1, x, 0.3 * x)
    return result if isinstance(result, Tensor) else x


def _binary(rng: np.random.Generator, x: Tensor, pool: list[Tensor]) -> Any:
    y = _pick(rng, pool)
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return x * 0.7 + 0.1
    if np.prod(shape) > 2000:
        return x - 0.5
    if rng.random() < 0.2:
        return x / (1.0 + y * y)
    return FUNCTIONS[BINARY[rng.integers(0, len(BINARY))]](x, y)


def _moved(rng: np.random.Generator, x: Tensor) -> Any:
    kind = rng.integers(0, 5)
    if kind == 0:
        return x.reshape((-1,))
    if kind == 1:
        return FUNCTIONS["permute_dims"](x, axes=tuple(int(i) for i in rng.permutation(x.ndim)))
    if kind == 2:
        return x[..., ::-1] if rng.random() < 0.5 else x[..., 1:] if x.shape[-1] > 1 else x[..., 0]
    if kind == 3:
        return FUNCTIONS["concat"]([x, x], axis=0)
    return FUNCTIONS["broadcast_to"](x, shape=(2, *x.shape)) if x.size < 200 else x + 1.0
