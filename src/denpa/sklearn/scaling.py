"""Mean and deviation of columns, weighted, from any number of pieces; rows that are scaled when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.arrays import Array

PIECE = 1 << 20  # numbers looked at together


class Scaling:
    """weight: Σ wᵢ of the rows seen; mean, squares (features,): their mean and Σ wᵢ (xᵢ − mean)², float64."""

    def __init__(self, features: int) -> None:
        self.weight, self.mean, self.squares = 0.0, np.zeros(features), np.zeros(features)

    def update(self, x: Any, w: Array | None) -> None:
        """Add rows, (n, features), dense or sparse; w (n,): what they count for.

        Source: T. Chan, G. Golub, R. LeVeque, Updating formulae and a pairwise algorithm for computing sample
        variances, 1979.
        """
        rows = max(1, PIECE // max(1, x.shape[1]))
        for start in range(0, x.shape[0], rows):
            piece = dense(x[start : start + rows]).astype(np.float64, copy=False)
            v = np.ones(len(piece)) if w is None else w[start : start + rows].astype(np.float64, copy=False)
            total = float(v.sum())
            if total == 0:
                continue
            mean = v @ piece / total
            squares = v @ np.square(piece - mean)
            both, moved = self.weight + total, mean - self.mean
            self.squares += squares + np.square(moved) * (self.weight / both * total)
            self.mean += moved * (total / both)
            self.weight = both

    @property
    def scale(self) -> Array:
        """The deviation; 1 for a column that is constant but for rounding."""
        deviation = np.sqrt(self.squares / max(self.weight, np.finfo(float).tiny))
        constant = deviation <= 10 * np.finfo(float).eps * np.abs(self.mean)
        found: Array = np.where(constant, 1.0, deviation)
        return found

    def __call__(self, x: Array) -> Array:
        """(n, features) in the dtype it comes in."""
        return (x - self.mean.astype(x.dtype)) / self.scale.astype(x.dtype)

    def back(self, x: Array) -> Array:
        """The inverse."""
        return x * self.scale.astype(x.dtype) + self.mean.astype(x.dtype)


class SparseRows:
    """A sparse matrix in the place of an array: the rows that are asked for become dense, and are scaled."""

    ndim = 2

    def __init__(self, matrix: Any, scaling: Scaling | None, dtype: str) -> None:
        self._matrix, self._scaling, self.dtype = matrix.tocsr(), scaling, np.dtype(dtype)
        self.shape = matrix.shape

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: Any) -> Array:
        found = dense(self._matrix[rows]).astype(self.dtype, copy=False)
        return found if self._scaling is None else self._scaling(found)


def is_sparse(x: Any) -> bool:
    return hasattr(x, "tocsr")


def dense(x: Any) -> Array:
    return np.asarray(x.toarray() if is_sparse(x) else x)
