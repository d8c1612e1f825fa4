"""Random trained-looking models for the tests of ONNX, and raw rows for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.data import InputEncoding, TargetEncoding
from denpa.nn import ACTIVATIONS, Network
from denpa.train.model_file import Predictor

Array = Any
NAMES = ("relu", "leaky_relu:0.3", "elu:1.5", *ACTIVATIONS)


def predictor(rng: np.random.Generator, dtype: str = "float32") -> Predictor:
    """Any depth, widths, activations, outputs; a table with or without names, or images; classes or numbers."""
    inputs = _inputs(rng)
    classify = bool(rng.integers(2))
    k = int(rng.integers(2, 7)) if classify else int(rng.integers(1, 4))
    depth = int(rng.integers(0, 6))
    units = [inputs.features, *(int(n) for n in rng.integers(1, 65, depth)), k]
    hidden = [str(rng.choice(NAMES)) for _ in range(depth)]
    output = str(rng.choice(["softmax", "sigmoid"] if classify else ["identity", "tanh", "softplus", "elu:0.5"]))
    network = Network(
        units,
        hidden,
        output,
        bias=bool(rng.integers(4)),
        seed=int(rng.integers(1 << 30)),
        dtype=dtype,
        dropout=float(rng.choice([0.0, 0.3])),
    )
    moved = {n: p.value + 0.1 * rng.standard_normal(p.shape).astype(dtype) for n, p in network.parameters().items()}
    return Predictor(network.with_parameters(moved), inputs, _targets(rng, classify, k), np.int64(0), {})


def _inputs(rng: np.random.Generator) -> InputEncoding:
    kind = int(rng.integers(3))
    if kind == 0:
        shape = tuple(int(n) for n in rng.integers(2, 9, int(rng.integers(2, 4))))
        return InputEncoding("image", image_shape=shape, maximum=255.0, whole=True)
    f = int(rng.integers(1, 20))
    mean, std = 10.0 ** rng.uniform(-3, 9, f), 10.0 ** rng.uniform(-3, 3, f)
    columns = tuple(f"column {i}: 長さ" for i in range(f)) if kind == 1 else None
    return InputEncoding("table", columns, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def _targets(rng: np.random.Generator, classify: bool, k: int) -> TargetEncoding:
    if classify:
        return TargetEncoding("classes", "kind", tuple(f"class {i} é" for i in range(k)))
    mean, std = rng.uniform(-5, 5, k), 10.0 ** rng.uniform(-2, 2, k)
    return TargetEncoding("numbers", "price", mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def rows(model: Predictor, n: int, rng: np.random.Generator) -> Array:
    """(n, …) raw rows as a file would have them."""
    inputs = model.inputs
    if inputs.kind == "image":
        return rng.integers(0, 256, (n, *inputs.shape)).astype(np.uint8)
    return rng.standard_normal((n, inputs.features)) * np.array(inputs.std) + np.array(inputs.mean)


def feed(model: Predictor, raw: Array) -> dict[str, Array]:
    """The same rows as the inputs of the exported file."""
    inputs = model.inputs
    if inputs.kind == "image":
        return {"x": raw.astype(model.network.dtype)}
    if inputs.columns is None:
        return {"x": raw}
    return {name: raw[:, i : i + 1] for i, name in enumerate(inputs.columns)}
