"""The model file: one safetensors file that predicts.

Parameters under PyTorch's names, and in the description the network, the encodings of inputs and targets, and what it
was trained on.  It holds no code; every name in it is looked up in a closed list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable, tensorfile
from denpa.arrays import Array
from denpa.data import InputEncoding, Inputs, TargetEncoding, read_inputs, read_like
from denpa.data.frames import frame_inputs, frame_like, is_frame
from denpa.engine import Engine, engine
from denpa.errors import DataError, ModelFileError, ShapeError, UsageError
from denpa.nn import Network
from denpa.train.checkpoint import check_kind
from denpa.train.metrics import Evaluation, Evaluator, Forward, evaluate, targets_for
from denpa.train.parts import encode
from denpa.train.run import MODEL
from denpa.train.weights import check_weights

FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """A trained network with its encodings.  guess: what the baseline says, None when the training data is not known;
    about: what it was trained on."""

    network: Network
    inputs: InputEncoding
    targets: TargetEncoding
    guess: Array | None
    about: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Predictor of {self.targets.name or 'the target'}: {self.network!r}>"

    def outputs(self, rows: Any) -> Array:
        """The network's outputs, (n, n_out): one probability a class, or standardised numbers."""
        return self.predict_with_outputs(rows)[1]

    def predict(self, rows: Any) -> Array:
        """(n,) class names, or numbers in the target's unit, (n,) or (n, k).

        rows: an array (n, features) or (n, *image shape) before scaling, a data frame whose columns are found by name,
        `data.Inputs`, or the path of a file.
        DataError when the rows do not have the features of the training data.
        """
        return self.predict_with_outputs(rows)[0]

    def predict_with_outputs(self, rows: Any) -> tuple[Array, Array]:
        """Both `predict(rows)` and `outputs(rows)` of one pass over the rows."""
        result = self._forward(self._encode(rows), None)
        decoded = self.targets.decode(result.predicted if self.targets.kind == "classes" else result.outputs)
        return decoded, result.outputs

    def evaluate(self, data: Any, *, between: Callable[[], None] = lambda: None) -> Evaluation:
        """The figures on a Dataset whose classes are this model's, a data frame, or the file or folder at a path.

        Rows count for what they weigh in the data.  between is called before each batch; what it raises ends the work.
        """
        if isinstance(data, (str, Path)):
            data = read_like(data, self.inputs, self.targets)
        elif is_frame(data):
            data = frame_like(data, self.inputs, self.targets)
        if self.targets.kind == "classes" and data.classes != self.targets.classes:
            raise DataError(
                "the classes are not those of the model",
                where=data.source,
                got=repr(data.classes)[:80],
                want=repr(self.targets.classes)[:80],
                fix="read the data with denpa.data.read_like",
            )
        x, t = encode(self.network, data, self.inputs, self.targets)
        if data.weights is not None:
            check_weights(data)
        result = self._forward(x, t, data.weights, between)
        if result.weighted_loss is not None:
            result = replace(result, loss=result.weighted_loss)
        return evaluate(result, data.targets, self.targets, self.guess, data.weights)

    def _encode(self, rows: Any) -> Array:
        if isinstance(rows, (str, Path)):
            rows = read_inputs(rows, self.inputs)
        elif is_frame(rows):
            rows = frame_inputs(rows, self.inputs)
        values = rows.inputs if isinstance(rows, Inputs) else np.asarray(rows)
        if values.dtype.kind not in "biuf":
            raise UsageError("the rows are not numbers", got=f"dtype {values.dtype}", want="an array of numbers")
        return self.inputs.encode(values, self.network.dtype)

    def _forward(
        self, x: Array, t: Array | None, w: Array | None = None, between: Callable[[], None] = lambda: None
    ) -> Forward:
        if t is None:  # any target will do: the loss is not looked at
            zeros = np.zeros(len(x), np.int64)
            wide = np.zeros((len(x), self.network.units[-1]), self.network.dtype)
            t = targets_for(self.network, zeros if self.targets.kind == "classes" else wide)
        run = Evaluator(self.network, _engine(), classify=self.targets.kind == "classes", between=between)
        return run({name: p.value for name, p in self.network.parameters().items()}, x, t, w, outputs=True)


def _engine() -> Engine:
    return engine("eager")  # one pass over the rows: nothing to win by compiling


def save_model(path: Path, predictor: Predictor) -> None:
    """Write the model file durably."""
    arrays = {name: p.value for name, p in predictor.network.parameters().items()}
    durable.write(path, tensorfile.encode(arrays, description(predictor)), what="the model")


def description(predictor: Predictor) -> dict[str, Any]:
    """Everything but the parameters, as a dict of JSON types."""
    return {
        "kind": "model",
        "format": FORMAT,
        "network": predictor.network.spec(),
        "inputs": predictor.inputs.to_json(),
        "targets": predictor.targets.to_json(),
        "guess": None if predictor.guess is None else np.asarray(predictor.guess).tolist(),
        "about": predictor.about,
    }


def load_model(path: str | Path) -> Predictor:
    """The model at a path: the file, or the run folder that holds it.

    ModelFileError when it is damaged, foreign or of another version, or its parts do not fit together.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL
    if not path.exists():
        raise ModelFileError("there is no model file", where=str(path), fix="finish the run first: denpa resume RUN")
    file = tensorfile.read(path)
    return from_description(file.about, file.arrays, str(path))


def from_description(about: dict[str, Any], arrays: Mapping[str, Array], where: str) -> Predictor:
    """The model of a description and its parameters.  where: the file's name in messages.

    ModelFileError when it is of another version, or its parts are not as they should be or do not fit together.
    """
    check_kind(about, "model", FORMAT, where)
    missing = [key for key in ("network", "inputs", "targets", "guess", "about") if key not in about]
    if missing or not isinstance(about["about"], dict):
        raise ModelFileError("the model's description is not complete", where=where, got=f"no {', '.join(missing)}")
    network = _network(about["network"], arrays, where)
    inputs = InputEncoding.from_json(about["inputs"])
    targets = TargetEncoding.from_json(about["targets"])
    if (inputs.features, targets.outputs) != (network.units[0], network.units[-1]):
        raise ModelFileError(
            "the network does not fit the model's inputs and targets",
            where=where,
            got=f"{network.units[0]} inputs and {network.units[-1]} outputs",
            want=f"{inputs.features} and {targets.outputs}",
        )
    return Predictor(network, inputs, targets, _guess(about["guess"], targets, where), about["about"])


def _network(spec: Any, arrays: Mapping[str, Array], where: str) -> Network:
    """The network around the file's arrays; it draws initial parameters first, so the sizes are compared before."""
    units = spec.get("units") if isinstance(spec, Mapping) else None
    if not isinstance(units, list) or not all(type(n) is int and n > 0 for n in units):
        raise ModelFileError("the model's description names no network", where=where, got=repr(units)[:60])
    claimed = sum(n_in * n_out for n_in, n_out in pairwise(units))
    present = sum(math.prod(a.shape) for a in arrays.values())
    if claimed > present:
        raise ModelFileError(
            "the model file does not hold the parameters of its network",
            where=where,
            got=f"{present:,} numbers",
            want=f"at least {claimed:,}, for the units {units}",
        )
    try:
        network = Network.from_spec(spec)
        wrong = [name for name, a in arrays.items() if a.dtype != np.dtype(network.dtype)]
        if wrong:
            raise ModelFileError("a parameter has another dtype than the network", where=where, got=wrong[0][:60])
        _check_finite(arrays, where)
        return network.with_parameters(arrays)
    except (UsageError, ShapeError) as error:
        raise ModelFileError("the parameters do not fit the network", where=where, got=str(error)) from error


def _check_finite(arrays: Mapping[str, Array], where: str) -> None:
    for name, a in arrays.items():
        if not np.isfinite(a).all():
            raise ModelFileError("a parameter of the model is NaN or infinite", where=where, got=repr(name)[:60])


def _guess(value: Any, targets: TargetEncoding, where: str) -> Array | None:
    if value is None:
        return None
    classes = targets.kind == "classes"
    good = (
        (type(value) is int and 0 <= value < targets.outputs)
        if classes
        else (isinstance(value, list) and len(value) == targets.outputs and all(type(v) in (int, float) for v in value))
    )
    if not good:
        raise ModelFileError("the model's baseline is not as it should be", where=where, got=repr(value)[:60])
    return np.int64(value) if classes else np.array(value, np.float64)
