"""An exported file judged by onnxruntime: the same raw rows through it and through the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data import Inputs, read_inputs
from denpa.data.encoding import InputEncoding
from denpa.errors import require
from denpa.train.model_file import Predictor

TOLERANCE = 1e-6  # of the largest output, at least 1: float32 sums in another order differ by some 1e-7


@dataclass(frozen=True)
class Agreement:
    """difference: the largest between the two, of the outputs as the network gives them, in units of the largest (at
    least 1).  labels: classes that differ where the two largest probabilities do not."""

    rows: int
    difference: float
    labels: int

    def __bool__(self) -> bool:
        return self.difference <= TOLERANCE and not self.labels


def check_onnx(model: Predictor, path: str | Path, rows: Any) -> Agreement:
    """Run the file that `export_onnx(model, path)` wrote on rows: an array before scaling, or the path of a source."""
    runtime = require("onnxruntime", for_="running an ONNX file", extra="onnx")
    if isinstance(rows, (str, Path)):
        rows = read_inputs(rows, model.inputs)
    raw = rows.inputs if isinstance(rows, Inputs) else np.asarray(rows)
    session = runtime.InferenceSession(Path(path).read_bytes(), providers=["CPUExecutionProvider"])
    given = session.run(None, feed(model.inputs, raw, model.network.dtype))
    predicted, outputs = model.predict_with_outputs(raw)
    if model.targets.kind == "classes":
        label, theirs = given
        top = np.sort(outputs, axis=1)[:, -2:]
        clear = top[:, 1] - top[:, 0] > 2 * TOLERANCE
        wrong = int((np.asarray(label, np.str_)[clear] != predicted[clear]).sum())
    else:
        theirs, wrong = (given[0] - np.array(model.targets.mean)) / np.array(model.targets.std), 0
    size = max(1.0, float(np.abs(outputs).max(initial=0)))
    return Agreement(len(raw), float(np.abs(theirs - outputs).max(initial=0)) / size, wrong)


def feed(inputs: InputEncoding, raw: Array, dtype: str) -> dict[str, Array]:
    """Raw rows (n, features) or (n, *image shape) as the inputs of an exported file."""
    if inputs.kind == "image":
        return {"x": np.asarray(raw, dtype).reshape(len(raw), *inputs.shape)}
    wide = np.asarray(raw, np.float64).reshape(len(raw), inputs.features)
    if inputs.columns is None:
        return {"x": wide}
    return {name: wide[:, i : i + 1] for i, name in enumerate(inputs.columns)}
