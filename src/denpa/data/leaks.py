"""Columns that tell the target on their own: often written down after the fact, and not there when it matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from denpa.data.cells import Floats
from denpa.data.coding import InputColumn
from denpa.data.dataset import Array
from denpa.data.files import listed

LEAST = 20  # rows: below, a coincidence
CORRELATED = 0.9999


class Leaks:
    """Gathered piece by piece: of numbers, the range within each class, or the correlation; of categories, the classes
    that come with each."""

    def __init__(self, columns: Sequence[InputColumn], classes: Sequence[str] | None) -> None:
        self._columns, self._k = columns, None if classes is None else len(classes)
        self._rows = 0
        k = self._k or 1
        self._low, self._high = np.full((k, len(columns)), np.inf), np.full((k, len(columns)), -np.inf)
        self._seen = {
            i: np.zeros((len(column.values) + 2, k), bool)
            for i, column in enumerate(columns)
            if self._k is not None and column.kind == "category" and k * len(column.values) <= 1 << 20
        }
        self._shift: Floats | None = None
        self._sums = np.zeros((6, len(columns)))

    def add(self, inputs: Sequence[Floats], targets: Sequence[Array]) -> None:
        self._rows += len(inputs[0]) if inputs else 0
        if self._k is not None:
            self._add_classes(inputs, targets[0])
        elif len(targets) == 1:
            self._add_numbers(inputs, targets[0])

    def _add_classes(self, inputs: Sequence[Floats], classes: Array) -> None:
        good = classes >= 0  # the others are refused when the pass is over
        by_class = [np.flatnonzero(classes == c) for c in np.unique(classes[good]).tolist()]
        for i, values in enumerate(inputs):
            if i in self._seen:
                other = len(self._columns[i].values)
                codes = np.where(np.isnan(values), other + 1, np.nan_to_num(values)).astype(np.int64)
                self._seen[i][codes[good], classes[good]] = True
            elif self._columns[i].kind != "category":
                for rows in by_class:
                    c, part = int(classes[rows[0]]), values[rows]
                    self._low[c, i] = np.fmin(self._low[c, i], np.fmin.reduce(part))
                    self._high[c, i] = np.fmax(self._high[c, i], np.fmax.reduce(part))

    def _add_numbers(self, inputs: Sequence[Floats], target: Floats) -> None:
        for i, values in enumerate(inputs):
            if self._columns[i].kind == "category":
                continue
            if self._shift is None:  # sums about the first row lose fewer digits
                self._shift = np.array([column[0] if len(column) else 0.0 for column in (*inputs, target)])
                self._shift = np.nan_to_num(self._shift)
            here = ~np.isnan(values)
            with np.errstate(over="ignore", invalid="ignore"):  # of 1e308: then nothing is said
                x, t = values[here] - self._shift[i], target[here] - self._shift[-1]
                self._sums[:, i] += (len(x), x.sum(), t.sum(), (x * x).sum(), (t * t).sum(), (x * t).sum())

    def notices(self, targets: Sequence[str]) -> tuple[str, ...]:
        """One sentence naming the columns, if there are any."""
        if self._rows < LEAST:
            return ()
        found = [column.name for i, column in enumerate(self._columns) if self._tells(i)]
        if not found:
            return ()
        rest = "; check that they are known before the target is" if len(found) > 1 else ""
        rest = rest or "; check that it is known before the target is"
        alone = "each of the columns" if len(found) > 1 else "the column"
        return (f"{alone} {listed(found)} tells the target {listed(list(targets))} alone{rest}",)

    def _tells(self, i: int) -> bool:
        if i in self._seen:
            seen = self._seen[i]
            used = seen[seen.any(axis=1)]
            return bool((used.sum(axis=1) == 1).all()) and len(used) * 2 <= self._rows
        if self._columns[i].kind == "category":
            return False
        if self._k is not None:
            low, high = self._low[:, i], self._high[:, i]
            order = np.argsort(low)
            return bool(np.isfinite(low).all() and (high[order][:-1] < low[order][1:]).all())
        n, x, t, xx, tt, xt = self._sums[:, i]
        if n < LEAST:
            return False
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            r = (xt - x * t / n) / np.sqrt((xx - x * x / n) * (tt - t * t / n))
        return bool(abs(r) > CORRELATED)
