"""An exported file judged by onnxruntime: the same raw rows through it and through the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data import Inputs, read_inputs
from denpa.errors import require
from denpa.interop.onnx_inputs import feed
from denpa.train.model_file import Predictor

TOLERANCE = 1e-6  # of the largest output, at least 1: float32 sums in another order differ by some 1e-7


@dataclass(frozen=True)
class Agreement:
    """difference: the largest between the two, of the outputs as the network gives them, in units of the largest (at
    least 1).  labels: classes that differ where the two largest probabilities are apart."""

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
    elif model.targets.kind == "labels":
        labels, theirs = given
        wrong = int(((labels != predicted) & (np.abs(outputs - 0.5) > TOLERANCE)).sum())
    else:
        theirs, wrong = (given[0] - np.array(model.targets.mean)) / np.array(model.targets.std), 0
    size = max(1.0, float(np.abs(outputs).max(initial=0)))
    return Agreement(len(raw), float(np.abs(theirs - outputs).max(initial=0)) / size, wrong)
