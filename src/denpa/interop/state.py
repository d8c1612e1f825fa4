"""Weights alone, in files that other programs read: safetensors under PyTorch's names, and NumPy's .npz.

`torch.nn.Sequential(...).load_state_dict(safetensors.torch.load_file(path))` takes what `save_state` writes, and
`load_state` takes what `safetensors.torch.save_file(model.state_dict(), path)` writes: "0.weight" (n_out, n_in),
"0.bias" (n_out,), layers without parameters count.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from denpa import durable, tensorfile
from denpa.arrays import Array
from denpa.errors import ModelFileError, UsageError, user_line
from denpa.nn import Network
from denpa.nn.choices import both
from denpa.nn.layers import Sequential

Model = TypeVar("Model", Network, Sequential)


def state(model: Any) -> dict[str, Array]:
    """The values of the parameters by name, in order.  model: anything with `parameters()`, a `Predictor` too."""
    model = getattr(model, "network", model)
    if not callable(getattr(model, "parameters", None)):
        raise UsageError("only a model has parameters", where=user_line(), got=type(model).__name__)
    return {name: np.asarray(p.value) for name, p in model.parameters().items()}


def save_state(model: Any, path: str | Path) -> None:
    """Write the weights alone, durably: the same bytes for the same weights.  TrainingError when it cannot be saved."""
    arrays = state(model)
    durable.write(path, tensorfile.encode(arrays, {"kind": "state", "format": 1}), what="the weights")


def save_npz(model: Any, path: str | Path) -> None:
    """Write the weights alone as NumPy's .npz, one array a name, durably.  `numpy.load(path)["0.weight"]` reads it."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state(model))
    durable.write(path, file.getvalue(), what="the weights")


def load_state(model: Model, path: str | Path, *, convert: bool = False) -> Model:
    """A copy of the model with the weights of a safetensors file, PyTorch's or denpa's.

    ModelFileError naming every missing and unknown name and the first other shape, for a damaged file, NaN and
    infinity, and for another dtype than the model's unless `convert` allows the rounding.
    """
    where, shapes = str(path), model.shapes()
    arrays = dict(tensorfile.read(path, "weights file", foreign=True).arrays)
    _check_names(shapes, arrays, where)
    for name, shape in shapes.items():
        if arrays[name].shape != tuple(shape):
            raise ModelFileError(
                f"the shape of {name} is not the model's", where=where, got=str(arrays[name].shape), want=str(shape)
            )
    wanted = {name: p.value.dtype for name, p in model.parameters().items()}
    for name, dtype in wanted.items():
        arrays[name] = _cast(name, arrays[name], dtype, convert, where)
    return model.with_parameters(arrays)


def _check_names(shapes: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> None:
    missing = [name for name in shapes if name not in arrays]
    unknown = [repr(name)[:60] for name in arrays if name not in shapes]
    if missing or unknown:
        raise ModelFileError(
            "the weights are not those of this model",
            where=where,
            got=both("missing", missing, "unknown", unknown),
            want=", ".join(list(shapes)[:12]),
            fix="build the model with the same layers in the same order; layers without weights count, too",
        )


def _cast(name: str, value: Array, dtype: np.dtype[Any], convert: bool, where: str) -> Array:
    if value.dtype.kind != "f" or (value.dtype != dtype and not convert):
        raise ModelFileError(
            f"{name} has another dtype than the model",
            where=where,
            got=str(value.dtype),
            want=str(dtype),
            fix=f"build the model with dtype={value.dtype.name!r}, or pass convert=True to have the numbers rounded"
            if value.dtype.kind == "f"
            else None,
        )
    with np.errstate(over="ignore"):  # checked next
        result = value.astype(dtype, copy=False)
    if not np.isfinite(result).all():
        raise ModelFileError(f"{name} holds NaN or infinity", where=where, want=f"finite numbers in {dtype}")
    return result
