"""An exported file judged by onnxruntime: the same raw rows through it and through the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data import Inputs, read_inputs
from denpa.errors import UsageError, require
from denpa.graph import no_grad
from denpa.interop.onnx_inputs import feed
from denpa.train.model_file import Predictor

TOLERANCE = 1e-6  # of the largest logit: sums of float32 in another order differ by some 1e-7 of their size
ROWS = 1000  # of one pass


@dataclass(frozen=True)
class Agreement:
    """difference: the largest between the two, of the outputs as the network gives them, in units of the largest number
    that reaches the output function (at least 1).  labels: answers that differ though the probabilities are apart."""

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
    if not len(raw):
        raise UsageError("there are no rows to compare on", got=f"shape {raw.shape}")
    session = runtime.InferenceSession(Path(path).read_bytes(), providers=["CPUExecutionProvider"])
    given = session.run(None, feed(model.inputs, raw, model.network.dtype))
    predicted, outputs = model.predict_with_outputs(raw)
    size = max(1.0, *(_largest(model, raw[at : at + ROWS]) for at in range(0, len(raw), ROWS)))
    wrong, near = 0, 2 * TOLERANCE * size
    if model.targets.kind == "classes":
        label, theirs = given
        top = np.sort(outputs, axis=1)[:, -2:]
        wrong = int(((np.asarray(label, np.str_) != predicted) & (top[:, 1] - top[:, 0] > near)).sum())
    elif model.targets.kind == "labels":
        labels, theirs = given
        wrong = int(((labels != predicted) & (np.abs(outputs - 0.5) > near)).sum())
    else:
        theirs = (given[0] - np.array(model.targets.mean)) / np.array(model.targets.std)
    return Agreement(len(raw), float(np.abs(theirs - outputs).max(initial=0)) / size, wrong)


def _largest(model: Predictor, raw: Any) -> float:
    with no_grad():
        logits = model.network.logits(model.inputs.encode(raw, model.network.dtype))
    return float(np.abs(logits.value).max())
