"""What each row counts for in a training: its own weight times its class's."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from denpa.arrays import Array
from denpa.data import Dataset
from denpa.data.shuffle import Part
from denpa.errors import DataError, UsageError

PIECE = 1 << 16  # rows looked at together

ClassWeight = str | dict[str, float]


def checked_class_weight(value: ClassWeight) -> ClassWeight:
    """ "none", "balanced", or a weight for each of some classes, which may be written "yes=3,no=1".  UsageError."""
    if isinstance(value, str) and value in ("none", "balanced"):
        return value
    try:
        pairs = value if isinstance(value, Mapping) else dict(part.rsplit("=", 1) for part in value.split(","))
        weights = {str(name): float(weight) for name, weight in pairs.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(
            "class_weight cannot be read",
            got=repr(value)[:60],
            want="none, balanced, or a number for each class: yes=3,no=1",
        ) from error
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError("the weight of a class is out of range", got=f"{name}={weight}", want="0 or more, finite")
    return weights


@dataclass(frozen=True)
class Weighing:
    """by_class: a factor for each class, () without.  scale: 1 over the mean of the products in the training part, so
    that the unit of the weights does not matter."""

    by_class: tuple[float, ...]
    scale: float = 1.0

    def __call__(self, weights: Array | None, targets: Array) -> Array:
        """(n,) float64, from the rows' own weights (n,) or None and their targets."""
        found = np.full(len(targets), self.scale) if weights is None else np.asarray(weights, np.float64) * self.scale
        return found * np.asarray(self.by_class)[targets] if self.by_class else found


def weighing(class_weight: ClassWeight, data: Dataset, train: Part, valid: Part) -> Weighing | None:
    """None when all rows count the same.

    DataError for weights that are negative, not finite, or all 0 in the training or validation part; UsageError for
    class weights without classes and for classes that are not there.
    """
    if class_weight != "none" and data.classes is None:
        raise UsageError(
            "only classes have class weights",
            where=data.source,
            got=f"class_weight {class_weight!r} for {data.task}",
            fix="leave --class-weight out; rows can have weights of their own (--weight COLUMN)",
        )
    if data.weights is None and class_weight == "none":
        return None
    if data.weights is not None:
        check_weights(data)
    plain = Weighing(_by_class(class_weight, data, train))
    for name, rows in (("validation", valid), ("training", train)):
        total = _sums(plain, data, rows)[1]
        if len(rows) and not 0 < total < math.inf:
            raise DataError(
                f"all weights of the {name} part are zero"
                if total == 0
                else f"the weights of the {name} part overflow",
                where=data.source,
                got=f"a sum of {total:g} over {len(rows):,} rows",
                want="at least one row with a weight above 0",
            )
    return Weighing(plain.by_class, len(train) / total)


def check_weights(data: Dataset) -> None:
    """DataError with the count and the first row of weights that are negative, NaN or infinite."""
    assert data.weights is not None
    count, first = 0, -1
    for start in range(0, len(data), PIECE):
        piece = data.weights[start : start + PIECE]
        bad = np.flatnonzero(~(np.isfinite(piece) & (piece >= 0)))
        if len(bad) and first < 0:
            first = start + int(bad[0])
        count += len(bad)
    if count:
        raise DataError(
            f"sample weights: {count:,} are negative or not finite",
            where=f"{data.source}, first in row {first + 1:,}",
            got=f"{data.weights[first : first + 1][0]:g}",
            want="finite numbers, 0 or more",
        )


def _by_class(class_weight: ClassWeight, data: Dataset, train: Part) -> tuple[float, ...]:
    if class_weight == "none" or data.classes is None:
        return ()
    if class_weight == "balanced":  # as scikit-learn: the classes of the training part weigh the same in sum
        sums, total = _sums(Weighing(()), data, train)
        seen = sums > 0
        return tuple(np.where(seen, total / (seen.sum() * np.where(seen, sums, 1)), 1.0).tolist())
    given = checked_class_weight(class_weight)
    assert isinstance(given, dict)
    for name in given:
        if name not in data.classes:
            near = difflib.get_close_matches(name, data.classes, n=1)
            raise UsageError(
                f"a weight is given for {name!r}, which is no class",
                where=data.source,
                want=f"one of {', '.join(data.classes[:20])}",
                fix=f"did you mean {near[0]}?" if near else None,
            )
    return tuple(given.get(name, 1.0) for name in data.classes)


def _sums(weigh: Weighing, data: Dataset, rows: Part) -> tuple[Array, float]:
    """What the rows weigh by class, () without classes, and together."""
    classes = 0 if data.classes is None else len(data.classes)
    sums, total = np.zeros(classes), 0.0
    for start in range(0, len(rows), PIECE):
        chosen = rows[start : start + PIECE]
        targets = data.targets[chosen]
        w = weigh(None if data.weights is None else data.weights[chosen], targets)
        total += float(w.sum())
        if classes:
            sums += np.bincount(targets, w, minlength=classes)
    return sums, total
