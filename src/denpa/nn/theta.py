"""A model's parameters as one vector θ, and back.

θ lists the weight matrices W⁽¹⁾ … W⁽ᴷ⁾ one after the other, row by row, each with its bias as last column:
W₁₁ … W₁ₙ b₁ W₂₁ …  Source: seed 001 (8), (13), and (6) for the column.  A parameter that is no such pair stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from denpa.arrays import Shape
from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Tensor
from denpa.ops.shaping import concat, expand_dims, reshape


def theta(model: Any) -> Any:
    """θ of a model, an array (P,); of a mapping by parameter name (gradients, say), an array or a Tensor (P,)."""
    if not isinstance(model, Mapping):
        model = {name: t.value for name, t in model.parameters().items()}
    rows = []
    for names in _groups({n: tuple(v.shape) for n, v in model.items()}):
        parts = [model[n] for n in names]
        if len(parts) == 2:
            parts = [concat([parts[0], expand_dims(parts[1], axis=1)], axis=1)]
        rows += [reshape(part, (-1,)) for part in parts]
    return concat(rows, axis=0) if rows else np.zeros(0)


def from_theta(model: Any, vector: Any) -> Any:
    """A copy of the model with the parameters of θ (P,), an array or a Tensor.  ShapeError for another length."""
    return model.with_parameters(unflatten(model.shapes(), vector))


def unflatten(shapes: Mapping[str, Shape], vector: Any) -> dict[str, Any]:
    """Arrays or Tensors by parameter name out of θ (P,)."""
    if not isinstance(vector, Tensor):
        vector = np.asarray(vector)
    size = sum(int(np.prod(s, dtype=np.int64)) for s in shapes.values())
    if tuple(vector.shape) != (size,):
        raise ShapeError("θ does not fit the model", where=user_line(), got=f"{tuple(vector.shape)}", want=f"({size},)")
    found: dict[str, Any] = {}
    start = 0
    for names in _groups(shapes):
        if len(names) == 2:
            n_out, n_in = shapes[names[0]]
            stop = start + n_out * (n_in + 1)
            W = vector[start:stop].reshape((n_out, n_in + 1))
            found[names[0]], found[names[1]] = W[:, :-1], W[:, -1]
        else:
            stop = start + int(np.prod(shapes[names[0]], dtype=np.int64))
            found[names[0]] = vector[start:stop].reshape(shapes[names[0]])
        start = stop
    return {name: found[name] for name in shapes}


def _groups(shapes: Mapping[str, Shape]) -> list[tuple[str, ...]]:
    """Names in the order of θ: a weight with its bias, everything else alone."""
    groups: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for name, shape in shapes.items():
        bias = f"{name[: -len('weight')]}bias" if name.endswith("weight") else None
        if name in taken:
            continue
        if bias in shapes and len(shape) == 2 and tuple(shapes[bias]) == tuple(shape[:1]):  # type: ignore[index]
            if bias in taken:
                raise UsageError("a bias stands before its weight", got=bias)
            groups.append((name, bias))  # type: ignore[arg-type]
            taken |= {name, bias}  # type: ignore[arg-type]
        else:
            groups.append((name,))
    return groups
