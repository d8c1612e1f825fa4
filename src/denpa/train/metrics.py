"""What a network is worth on some rows: loss, accuracy, confusion, errors in the target's own unit, beside a baseline.

Source: seed 004 (losses and outputs of classification and regression).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.arrays import Array
from denpa.data.encoding import TargetEncoding
from denpa.data.shuffle import Part
from denpa.engine import Engine, Metrics, Program, Step
from denpa.formatting import number
from denpa.nn import Network
from denpa.train import scores
from denpa.train.step import evaluating_step

PIECE = 100_000  # rows taken from where they are at a time, a multiple of all ROWS: of a store, 8 MB with 20 inputs
Compiled = Callable[[tuple[Any, ...], Callable[[], Step]], Program]  # what the step is called, and how it is made
ROWS = (1000, 500, 200, 100, 50, 20, 10)  # of an evaluation batch: 1000 of 784 inputs and 50 units need 3.4 MB …
MOST = 6e9  # … but no more operations than this, 0.05 s on two cores at 120e9: between batches signals are answered


class Evaluator:
    """Runs a network forward over any number of rows, in batches, through an engine.  between: asked before each.

    compiled: gives the program of a step, perhaps one that it has kept; None: the engine compiles it.
    """

    def __init__(
        self,
        network: Network,
        engine: Engine,
        *,
        classify: bool,
        between: Callable[[], None] = lambda: None,
        compiled: Compiled | None = None,
    ) -> None:
        self._network, self._classify, self._between = network, classify, between
        self._compiled = compiled or (lambda _, make: engine.compile(make()))
        self._programs: dict[tuple[int, bool], Program] = {}

    def __call__(
        self, parameters: Mapping[str, Array], x: Array, t: Array, w: Array | None = None, *, outputs: bool = False
    ) -> Forward:
        """x (n, n_in), t as the loss takes it → the mean loss over rows and, when asked for, the outputs (n, n_out).

        w (n,): what the rows count for; the weighted figures are then there too.
        """
        total, correct, weighted = 0.0, 0, np.zeros(3)
        parts: dict[str, list[Array]] = {"outputs": [], "predicted": []}
        n = len(x)
        for start, data, rows in _batches(x, t, rows_together(self._network)):
            self._between()
            metrics = self._program(data["x"], data["t"], rows, w is not None).run(
                dict(parameters), data, rows[None], {}
            )
            total += float(metrics["loss"][0]) * self.weight(len(rows))
            correct += int(metrics["correct"][0]) if self._classify else 0
            if w is not None:
                weighted += self._weighted(metrics, data["t"][rows], np.asarray(w[start : start + len(rows)], float))
            for name, pieces in parts.items():
                if outputs and name in metrics:
                    pieces.append(metrics[name][0])
        empty = {"outputs": np.empty((0, self._network.units[-1]), self._network.dtype), "predicted": np.empty(0, int)}
        joined = {name: np.concatenate(pieces) if pieces else empty[name] for name, pieces in parts.items()}
        found = Forward(
            total / n if n else math.nan, correct if self._classify else None, joined["outputs"], joined["predicted"]
        )
        if w is None:
            return found
        loss, right, weight = weighted.tolist()
        share = right / weight if weight and self._classify else None
        return replace(found, weighted_loss=loss / weight if weight else math.nan, weighted_accuracy=share)

    def _weighted(self, metrics: Metrics, t: Array, w: Array) -> Array:
        """Σ wᵢ Lᵢ, Σ wᵢ of the rows that are right, Σ wᵢ."""
        right = 0.0
        if self._classify:
            right = float(w[metrics["predicted"][0] == (t if t.ndim == 1 else t.argmax(axis=1))].sum())
        return np.array([float((w * metrics["losses"][0]).sum()), right, float(w.sum())])

    @property
    def programs(self) -> tuple[Program, ...]:
        return tuple(self._programs.values())

    def weight(self, rows: int) -> int:
        """What a batch's loss counts for in a sum over rows: a mean is one row's, a sum is already all of them."""
        return rows if self._network.reduction == "mean" else 1

    def _program(self, x: Array, t: Array, rows: npt.NDArray[np.int64], each: bool) -> Program:
        key = len(rows), each
        if key not in self._programs:
            x, t = x[rows], t[rows]
            self._programs[key] = self._compiled(
                ("evaluate", *key, self._classify),
                lambda: evaluating_step(self._network, x, t, classify=self._classify, each=each),
            )
        return self._programs[key]


def rows_together(network: Network) -> int:
    """Rows of one evaluation batch; it depends on the network's size alone, and so do the bits."""
    weights = sum(n_in * n_out for n_in, n_out in pairwise(network.units))
    return next((rows for rows in ROWS if 2 * rows * weights <= MOST), ROWS[-1])


def _batches(x: Array, t: Array, size: int) -> Iterator[tuple[int, dict[str, Array], npt.NDArray[np.int64]]]:
    """The number of a batch's first row, arrays, and its rows' numbers in them, batch after batch."""
    for first in range(0, len(x), PIECE):
        data = {"x": x[first : first + PIECE], "t": t[first : first + PIECE]}
        for start in range(0, len(data["x"]), size):
            yield first + start, data, np.arange(start, min(start + size, len(data["x"])), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Forward:
    """loss: mean over the rows, NaN without rows; correct: rows right, None for numbers.

    outputs (n, n_out) and predicted (n,), class numbers: empty when not asked for.  weighted_loss, weighted_accuracy:
    Σ wᵢ Lᵢ / Σ wᵢ and the share that the right rows weigh; None without weights.
    """

    loss: float
    correct: int | None
    outputs: Array
    predicted: Array
    weighted_loss: float | None = None
    weighted_accuracy: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """A network on some rows.  values: "loss", and those of `scores.of_classes` or `scores.of_numbers` (in the target's
    own unit).  baseline: the same figures of always guessing `baseline_name`, as far as it has them.
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
    label_counts: npt.NDArray[np.int64] | None = None  # as `scores.counts_of_labels`, rows unweighted

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {number(value)}" for name, value in self.values.items())
        return f"<Evaluation of {self.rows:,} rows: {figures}>"


def targets_for(network: Network, encoded: Array) -> Array:
    """Encoded targets as the network's loss takes them: one-hot rows unless it is softmax cross-entropy or numbers."""
    if encoded.ndim == 2 or network.loss_function.name == "softmax_cross_entropy":
        return encoded
    rows: Array = np.eye(network.units[-1], dtype=network.dtype)[encoded]
    return rows


def evaluate(
    result: Forward, targets: Array, encoding: TargetEncoding, guess: Array | None, weights: Array | None = None
) -> Evaluation:
    """The figures of `result` for `targets`: class numbers (n,), or numbers (n,) or (n, k) in their own unit.

    guess: what the baseline always says: a class number, or the training targets' mean (k,); None: no baseline.
    weights (n,): how much each row counts in all of them but the loss, which `result` brings; None: equally.
    """
    if guess is None:
        stand_in = np.zeros(1 if encoding.kind == "classes" else encoding.outputs, np.int64)
        found = evaluate(result, targets, encoding, stand_in.squeeze(), weights)
        return replace(found, baseline={}, baseline_name="")
    if encoding.kind == "classes":
        return _classes(result, targets, encoding, int(guess), weights)
    if encoding.kind == "labels":
        return _labels(result, targets, encoding, guess, weights)
    return _numbers(result, targets, encoding, guess, weights)


def _labels(
    result: Forward, targets: Array, encoding: TargetEncoding, guess: Array, weights: Array | None
) -> Evaluation:
    decisions = encoding.decode(result.outputs)
    values = {"loss": result.loss, **scores.of_labels(targets, decisions, result.outputs, weights)}
    chances = np.broadcast_to(np.asarray(guess, np.float64), targets.shape)
    baseline = scores.of_labels(targets, encoding.decode(chances), chances, weights)
    counts = scores.counts_of_labels(targets, decisions).astype(np.int64)
    name = "each label's frequency"
    return Evaluation(len(targets), values, baseline, name, targets, decisions, result.outputs, label_counts=counts)


def _classes(
    result: Forward, targets: Array, encoding: TargetEncoding, guess: int, weights: Array | None
) -> Evaluation:
    predictions, k = result.predicted, encoding.outputs
    values = {"loss": result.loss, **scores.of_classes(targets, predictions, result.outputs, weights)}
    always = np.full(len(targets), guess)
    baseline = scores.of_classes(targets, always, np.zeros((len(targets), k)), weights)
    name = f"the most frequent class, {encoding.classes[guess]}"
    counts = scores.confusion(targets, predictions, k).astype(np.int64)
    return Evaluation(len(targets), values, baseline, name, targets, predictions, result.outputs, counts)


def _numbers(
    result: Forward, targets: Array, encoding: TargetEncoding, guess: Array, weights: Array | None
) -> Evaluation:
    predictions = encoding.decode(result.outputs)
    mean = np.broadcast_to(np.asarray(guess, np.float64).reshape(-1), (len(targets), encoding.outputs))
    values = {"loss": result.loss, **scores.of_numbers(targets, predictions, weights)}
    baseline = scores.of_numbers(targets, mean.reshape(targets.shape), weights)
    name = "the mean of the training targets"
    return Evaluation(len(targets), values, baseline, name, targets, predictions, result.outputs)


def baseline_of(
    targets: Array, encoding: TargetEncoding, rows: Part | None = None, weights: Array | None = None
) -> Any:
    """What the trivial predictor says, from the training targets: the most frequent class, or each output's mean.

    weights: what rows count for.
    """
    if encoding.kind == "classes":
        return np.int64(counts_of(targets, rows, encoding.outputs, weights).argmax())
    total, count = np.zeros(encoding.outputs), 0.0
    for piece, w in _pieces(targets, rows, weights):
        total += (np.asarray(piece, np.float64).reshape(len(piece), -1) * w[:, None]).sum(axis=0)
        count += float(w.sum())
    return total / count


def counts_of(targets: Array, rows: Part | None, classes: int, weights: Array | None = None) -> npt.NDArray[np.float64]:
    """How many of these rows, or of all, are of each class, (classes,), or what they weigh."""
    counts = np.zeros(classes)
    for piece, w in _pieces(targets, rows, weights):
        counts += np.bincount(piece, w, minlength=classes)
    return counts


def _pieces(targets: Array, rows: Part | None, weights: Array | None) -> Iterator[tuple[Array, Array]]:
    """Targets and weights of the rows, piece by piece."""
    for start in range(0, len(targets) if rows is None else len(rows), PIECE):
        piece = slice(start, start + PIECE)
        chosen = piece if rows is None else rows[piece]
        found = targets[chosen]
        yield found, np.ones(len(found)) if weights is None else weights[chosen]
