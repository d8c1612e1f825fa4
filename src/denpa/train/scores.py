"""Scores of a classifier and of a regression, from arrays alone, as scikit-learn defines them.

Every function takes `weights`, (n,) ≥ 0: a row counts as often as its weight says.  What does not exist (no rows, a
class that is missing, targets that do not vary) is NaN.
Source: scikit-learn's user guide, "Metrics and scoring"; Fawcett, "An introduction to ROC analysis", 2006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from denpa.arrays import Array

Floats = npt.NDArray[np.float64]

LEAST = float(np.finfo(np.float64).eps)  # of a probability in a logarithm: one wrong row that was 0 costs 36, not inf
SURE = 1e-3  # outputs whose rows sum to 1 as closely as this are probabilities
BINS = 10  # of the calibration curve


@dataclass(frozen=True, eq=False)
class Curve:
    """x, y: points of a curve from left to right.  counts: rows behind each point, () where that means nothing."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    counts: tuple[float, ...] = ()


def confusion(targets: Array, predictions: Array, classes: int, weights: Array | None = None) -> Floats:
    """[true][predicted], rows counted by weight."""
    flat = np.asarray(targets, np.int64) * classes + predictions
    counts = np.bincount(flat, None if weights is None else np.asarray(weights, np.float64), classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def of_classes(targets: Array, predictions: Array, outputs: Array, weights: Array | None = None) -> dict[str, float]:
    """accuracy, balanced_accuracy, f1 (macro), roc_auc, and of probabilities log_loss and brier.

    targets, predictions: class numbers (n,); outputs (n, classes): larger means likelier.  roc_auc of more than two
    classes is the mean of each against the rest.  The Brier score of two classes is mean (p − y)², of more Σ over them.
    """
    k = outputs.shape[1]
    table = confusion(targets, predictions, k, weights)
    total = table.sum()
    support, found, hits = table.sum(axis=1), table.sum(axis=0), np.diagonal(table)
    seen, met = support > 0, (support + found) > 0
    with np.errstate(invalid="ignore"):
        values = {
            "accuracy": float(hits.sum() / total) if total else math.nan,
            "balanced_accuracy": float((hits[seen] / support[seen]).mean()) if seen.any() else math.nan,
            "f1": float((2 * hits[met] / (support + found)[met]).mean()) if met.any() else math.nan,
        }
    values["roc_auc"] = roc_auc(targets, outputs, weights)
    if probabilities(outputs):
        values.update(log_loss=log_loss(targets, outputs, weights), brier=brier(targets, outputs, weights))
    return values


def of_labels(targets: Array, decisions: Array, p: Array, weights: Array | None = None) -> dict[str, float]:
    """accuracy (of all labels of all rows), subset_accuracy (rows with every label right), f1_micro, f1 (macro),
    roc_auc, log_loss and brier (means over the labels) of targets and decisions 0 or 1, probabilities p, all (n, k)."""
    right = np.asarray(targets) == decisions
    hits, support, found = counts_of_labels(targets, decisions, weights).T
    met = support + found > 0
    wide = np.asarray(p, np.float64)
    each = [(wide[:, j], np.asarray(targets)[:, j] == 1) for j in range(wide.shape[1])]
    areas = np.array([_auc(true, chance, weights) for chance, true in each])
    areas = areas[~np.isnan(areas)]
    true = np.where(np.asarray(targets) == 1, wide, 1 - wide)
    return {
        "accuracy": _mean(right.mean(axis=1), weights),
        "subset_accuracy": _mean(right.all(axis=1).astype(np.float64), weights),
        "f1_micro": float(2 * hits.sum() / (support + found).sum()) if met.any() else math.nan,
        "f1": float((2 * hits[met] / (support + found)[met]).mean()) if met.any() else math.nan,
        "roc_auc": float(areas.mean()) if len(areas) else math.nan,
        "log_loss": _mean(-np.log(np.clip(true, LEAST, 1)).mean(axis=1), weights),
        "brier": _mean(((1 - true) ** 2).mean(axis=1), weights),
    }


def counts_of_labels(targets: Array, decisions: Array, weights: Array | None = None) -> Floats:
    """(k, 3): rows that have the label and were given it, that have it, that were given it."""
    t, y = np.asarray(targets, np.float64), np.asarray(decisions, np.float64)
    w = np.ones(len(t)) if weights is None else np.asarray(weights, np.float64)
    return np.stack([w @ (t * y), w @ t, w @ y], axis=1)


def probabilities(outputs: Array) -> bool:
    """Whether the rows are distributions."""
    p = np.asarray(outputs, np.float64)
    return bool(len(p) and (p >= 0).all() and (np.abs(p.sum(axis=1) - 1) <= SURE).all())


def log_loss(targets: Array, p: Array, weights: Array | None = None) -> float:
    """−mean log p of the true class."""
    true = np.asarray(p, np.float64)[np.arange(len(p)), targets]
    return _mean(-np.log(np.clip(true, LEAST, 1)), weights)


def brier(targets: Array, p: Array, weights: Array | None = None) -> float:
    """mean Σ (p − y)² over the classes, half of it for two classes.  Source: Brier 1950."""
    wide = np.asarray(p, np.float64)
    off = wide - np.eye(wide.shape[1])[targets]
    return _mean((off**2).sum(axis=1), weights) / (2 if wide.shape[1] == 2 else 1)


def roc_auc(targets: Array, outputs: Array, weights: Array | None = None) -> float:
    """The chance that a row of the class is ranked above one of another; ties count half."""
    k = outputs.shape[1]
    if k == 2:
        return _auc(np.asarray(targets) == 1, outputs[:, 1], weights)
    return float(np.mean([_auc(np.asarray(targets) == c, outputs[:, c], weights) for c in range(k)]))


def _auc(positive: Array, score: Array, weights: Array | None) -> float:
    gained, lost = _steps(positive, score, weights)
    up, right = gained.sum(), lost.sum()
    if not (up > 0 and right > 0):
        return math.nan
    below = np.cumsum(gained) - gained / 2  # of rows with equal scores, half is above
    return float((lost * below).sum() / (up * right))


def _steps(positive: Array, score: Array, weights: Array | None) -> tuple[Floats, Floats]:
    """Weight of the positive and of the other rows at each distinct score, highest score first."""
    w = np.ones(len(score)) if weights is None else np.asarray(weights, np.float64)
    distinct, place = np.unique(np.asarray(score), return_inverse=True)
    won = np.bincount(place, w * np.asarray(positive, bool), len(distinct))
    return won[::-1].astype(np.float64), (np.bincount(place, w, len(distinct)) - won)[::-1].astype(np.float64)


def roc_curve(positive: Array, score: Array, weights: Array | None = None, points: int = 200) -> Curve | None:
    """False-positive rate (x) and true-positive rate (y) over all thresholds, thinned to `points`; None: no AUC."""
    gained, lost = _steps(np.asarray(positive, bool), score, weights)
    if not (gained.sum() > 0 and lost.sum() > 0):
        return None
    x = np.concatenate([[0.0], np.cumsum(lost) / lost.sum()])
    y = np.concatenate([[0.0], np.cumsum(gained) / gained.sum()])
    chosen = np.unique(np.round(np.linspace(0, len(x) - 1, min(points, len(x)))).astype(int))
    return Curve(tuple(x[chosen].tolist()), tuple(y[chosen].tolist()))


def calibration(event: Array, p: Array, weights: Array | None = None, bins: int = BINS) -> Curve:
    """What came true (y) of what was given the probability p (x), in `bins` equal intervals; empty ones are left out.

    event (n,) bool, p (n,).  Of more than two classes: p of the predicted class, and whether it is right.
    """
    w = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    wide = np.asarray(p, np.float64)
    place = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], wide), 0, bins - 1)
    total = np.bincount(place, w, bins)
    some = total > 0
    x = np.bincount(place, w * wide, bins)[some] / total[some]
    y = np.bincount(place, w * np.asarray(event, bool), bins)[some] / total[some]
    return Curve(tuple(x.tolist()), tuple(y.tolist()), tuple(total[some].tolist()))


def of_numbers(targets: Array, predictions: Array, weights: Array | None = None) -> dict[str, float]:
    """mean_absolute_error, root_mean_squared_error and r2 of (n,) or (n, k), over all outputs.

    R² = 1 − Σ(t − y)² / Σ(t − t̄)², of several outputs the mean of theirs; NaN where the targets do not vary.
    """
    names = ("mean_absolute_error", "root_mean_squared_error", "r2")
    n = len(targets)
    w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    if not w.sum() > 0:
        return dict.fromkeys(names, math.nan)
    t = np.asarray(targets, np.float64).reshape(n, -1)
    off = t - np.asarray(predictions, np.float64).reshape(t.shape)
    middle = np.average(t, axis=0, weights=w)
    spread, residual = w @ (t - middle) ** 2, w @ off**2
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(spread > 0, 1 - residual / spread, math.nan)
    found = (_mean(np.abs(off).mean(axis=1), w), math.sqrt(_mean((off**2).mean(axis=1), w)), float(r2.mean()))
    return dict(zip(names, found, strict=True))


def _mean(values: Array, weights: Array | None) -> float:
    if weights is None:
        return float(values.mean()) if len(values) else math.nan
    total = float(np.sum(weights))
    return float(values @ np.asarray(weights, np.float64)) / total if total > 0 else math.nan
