"""What a network is worth on some rows: loss, accuracy, confusion, errors in the target's own unit, beside a baseline.

Source: seed 004 (losses and outputs of classification and regression).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.arrays import Array
from denpa.data.encoding import TargetEncoding
from denpa.data.shuffle import Part
from denpa.engine import Engine, Program
from denpa.nn import Network
from denpa.train.step import evaluating_step

PIECE = 100_000  # rows taken from where they are at a time, a multiple of ROWS: of a store, 8 MB with 20 inputs
ROWS = 1000  # rows of one evaluation batch: 784 inputs and 50 units then need 3.4 MB


class Evaluator:
    """Runs a network forward over any number of rows, in batches, through an engine."""

    def __init__(self, network: Network, engine: Engine, *, classify: bool) -> None:
        self._network, self._engine, self._classify = network, engine, classify
        self._programs: dict[int, Program] = {}

    def __call__(self, parameters: Mapping[str, Array], x: Array, t: Array, *, outputs: bool = False) -> Forward:
        """x (n, n_in), t as the loss takes it → the mean loss over rows and, when asked for, the outputs (n, n_out)."""
        total, correct = 0.0, 0
        parts: dict[str, list[Array]] = {"outputs": [], "predicted": []}
        n = len(x)
        for data, rows in _batches(x, t):
            metrics = self._program(data["x"], data["t"], rows).run(dict(parameters), data, rows[None], {})
            total += float(metrics["loss"][0]) * self.weight(len(rows))
            correct += int(metrics["correct"][0]) if self._classify else 0
            for name, pieces in parts.items():
                if outputs and name in metrics:
                    pieces.append(metrics[name][0])
        empty = {"outputs": np.empty((0, self._network.units[-1]), self._network.dtype), "predicted": np.empty(0, int)}
        joined = {name: np.concatenate(pieces) if pieces else empty[name] for name, pieces in parts.items()}
        return Forward(total / n if n else math.nan, correct if self._classify else None, **joined)

    def weight(self, rows: int) -> int:
        """What a batch's loss counts for in a sum over rows: a mean is one row's, a sum is already all of them."""
        return rows if self._network.reduction == "mean" else 1

    def _program(self, x: Array, t: Array, rows: npt.NDArray[np.int64]) -> Program:
        size = len(rows)
        if size not in self._programs:
            step = evaluating_step(self._network, x[rows], t[rows], classify=self._classify)
            self._programs[size] = self._engine.compile(step)
        return self._programs[size]


def _batches(x: Array, t: Array) -> Iterator[tuple[dict[str, Array], npt.NDArray[np.int64]]]:
    """Arrays and, batch after batch, row numbers in them."""
    for first in range(0, len(x), PIECE):
        data = {"x": x[first : first + PIECE], "t": t[first : first + PIECE]}
        for start in range(0, len(data["x"]), ROWS):
            yield data, np.arange(start, min(start + ROWS, len(data["x"])), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Forward:
    """loss: mean over the rows, NaN without rows; correct: rows right, None for numbers.

    outputs (n, n_out) and predicted (n,), class numbers: empty when not asked for.
    """

    loss: float
    correct: int | None
    outputs: Array
    predicted: Array


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network on some rows.  values: "loss", and "accuracy" or "mean_absolute_error", "root_mean_squared_error", "r2"
    (in the target's own unit).  baseline: the same figures of always guessing `baseline_name`, as far as it has them.
    confusion [true][predicted].  targets and predictions: class numbers (n,), or numbers in their unit."""

    rows: int
    values: dict[str, float]
    baseline: dict[str, float]
    baseline_name: str
    targets: Array
    predictions: Array
    outputs: Array
    confusion: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default=())


def targets_for(network: Network, encoded: Array) -> Array:
    """Encoded targets as the network's loss takes them: one-hot rows unless it is softmax cross-entropy or numbers."""
    if encoded.ndim == 2 or network.loss_function.name == "softmax_cross_entropy":
        return encoded
    rows: Array = np.eye(network.units[-1], dtype=network.dtype)[encoded]
    return rows


def evaluate(result: Forward, targets: Array, encoding: TargetEncoding, guess: Array | None) -> Evaluation:
    """The figures of `result` for `targets`: class numbers (n,), or numbers (n,) or (n, k) in their own unit.

    guess: what the baseline always says: a class number, or the training targets' mean (k,); None: no baseline.
    """
    if guess is None:
        stand_in = np.zeros(1 if encoding.kind == "classes" else encoding.outputs, np.int64)
        return replace(evaluate(result, targets, encoding, stand_in.squeeze()), baseline={}, baseline_name="")
    if encoding.kind == "classes":
        return _classes(result, targets, encoding, int(guess))
    return _numbers(result, targets, encoding, guess)


def _classes(result: Forward, targets: Array, encoding: TargetEncoding, guess: int) -> Evaluation:
    n, k = len(targets), encoding.outputs
    predictions = result.predicted
    confusion = np.zeros((k, k), np.int64)
    np.add.at(confusion, (targets, predictions), 1)
    values = {"loss": result.loss, "accuracy": float(np.trace(confusion)) / n if n else math.nan}
    baseline = {"accuracy": float((targets == guess).sum()) / n if n else math.nan}
    name = f"the most frequent class, {encoding.classes[guess]}"
    return Evaluation(n, values, baseline, name, targets, predictions, result.outputs, confusion)


def _numbers(result: Forward, targets: Array, encoding: TargetEncoding, guess: Array) -> Evaluation:
    predictions = encoding.decode(result.outputs)
    mean = np.broadcast_to(np.asarray(guess, np.float64).reshape(-1), (len(targets), encoding.outputs))
    values = {"loss": result.loss, **errors(targets, predictions)}
    baseline = errors(targets, mean.reshape(targets.shape))
    name = "the mean of the training targets"
    return Evaluation(len(targets), values, baseline, name, targets, predictions, result.outputs)


def errors(targets: Array, predictions: Array) -> dict[str, float]:
    """Mean absolute error, root mean squared error and R², over all rows and outputs; NaN without rows.

    R² = 1 − Σ(t − y)² / Σ(t − t̄)², for several outputs the mean of theirs; NaN where the targets do not vary.
    """
    if not len(targets):
        return dict.fromkeys(("mean_absolute_error", "root_mean_squared_error", "r2"), math.nan)
    t = np.asarray(targets, np.float64).reshape(len(targets), -1)
    y = np.asarray(predictions, np.float64).reshape(t.shape)
    spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    residual = ((t - y) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(spread > 0, 1 - residual / spread, math.nan)
    return {
        "mean_absolute_error": float(np.abs(t - y).mean()),
        "root_mean_squared_error": float(math.sqrt(((t - y) ** 2).mean())),
        "r2": float(r2.mean()),
    }


def baseline_of(targets: Array, encoding: TargetEncoding, rows: Part | None = None) -> Any:
    """What the trivial predictor says, from the training targets: the most frequent class, or each output's mean."""
    if encoding.kind == "classes":
        return np.int64(counts_of(targets, rows, encoding.outputs).argmax())
    total, count = np.zeros(encoding.outputs), 0
    for piece in _pieces(targets, rows):
        total += np.asarray(piece, np.float64).reshape(len(piece), -1).sum(axis=0)
        count += len(piece)
    return total / count


def counts_of(targets: Array, rows: Part | None, classes: int) -> npt.NDArray[np.int64]:
    """How many of these rows, or of all, are of each class, (classes,)."""
    counts = np.zeros(classes, np.int64)
    for piece in _pieces(targets, rows):
        counts += np.bincount(piece, minlength=classes)
    return counts


def _pieces(targets: Array, rows: Part | None) -> Iterator[Array]:
    for start in range(0, len(targets) if rows is None else len(rows), PIECE):
        piece = slice(start, start + PIECE)
        yield targets[piece] if rows is None else targets[rows[piece]]
