"""How a textbook lays out the arrays of a network, and back.

What denpa holds: weight (n_out, n_in), bias (n_out,), and a batch of vectors as rows (batch, n).  A layout transposes,
appends the bias as a column, or flattens; it never computes, so every number comes back as the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, freeze
from denpa.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class ColumnMajor:
    """A matrix as one list, column by column; NumPy takes it as the matrix (rows, columns).

    Source: seed 003 (`rows_length`, `columns_length`, `values`).
    """

    rows: int
    columns: int
    values: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        matrix = self.values.reshape((self.rows, self.columns), order="F")
        return np.array(matrix, dtype, copy=copy)


@dataclass(frozen=True, slots=True)
class Layout:
    """transposed: weights are (n_in, n_out).  bias_column: the bias is the last column of the weights, and the vector
    they are multiplied with ends in a 1.  flat: matrices are lists, column by column.  columns: a vector is a column,
    so a batch is (n, batch); otherwise (batch, n).  gradient_columns: the same for gradients of vectors (δ).
    """

    transposed: bool = False
    bias_column: bool = False
    flat: bool = False
    columns: bool = False
    gradient_columns: bool = False

    def write_weights(self, weight: Array, bias: Array | None) -> dict[str, Any]:
        """{"weight": …} and, unless it became a column of the weights, {"bias": …}.  Also for their gradients."""
        if self.bias_column and bias is not None:
            weight, bias = np.column_stack([weight, bias]), None
        written: dict[str, Any] = {"weight": self._matrix(weight)}
        if bias is not None:
            written["bias"] = freeze(bias[:, None] if self.columns else bias)
        return written

    def read_weights(self, written: dict[str, Any], *, bias: bool) -> tuple[Array, Array | None]:
        """weight (n_out, n_in) and bias (n_out,) again.  bias: whether the layer has one."""
        weight = self._from_matrix(written["weight"])
        if not bias:
            return weight, None
        if self.bias_column:
            return weight[:, :-1], weight[:, -1]
        return weight, written["bias"][:, 0] if self.columns else written["bias"]

    def _matrix(self, weight: Array) -> Any:
        if self.flat:
            return ColumnMajor(weight.shape[0], weight.shape[1], freeze(weight.ravel(order="F")))
        return freeze(weight.T if self.transposed else weight)

    def _from_matrix(self, written: Any) -> Array:
        if self.flat:
            if written.rows * written.columns != len(written.values):
                raise ShapeError(
                    "a list of a matrix has another length than its rows times its columns",
                    got=f"{len(written.values)}",
                    want=f"{written.rows} × {written.columns}",
                )
            return written.values.reshape((written.rows, written.columns), order="F")
        return written.T if self.transposed else written

    def write_vectors(self, rows: Array, *, constant: bool = False) -> Array:
        """(batch, n) as this layout has vectors; constant: they meet a bias column, and so end in a 1."""
        if self.bias_column and constant:
            rows = np.column_stack([rows, np.ones(len(rows), rows.dtype)])
        return freeze(rows.T if self.columns else rows)

    def read_vectors(self, written: Array, *, constant: bool = False) -> Array:
        rows = written.T if self.columns else written
        return rows[:, :-1] if self.bias_column and constant else rows

    def write_gradients(self, rows: Array) -> Array:
        """Gradients of vectors, one a sample: rows (batch, n) or columns (n, batch)."""
        return freeze(rows.T if self.gradient_columns else rows)

    def read_gradients(self, written: Array) -> Array:
        return written.T if self.gradient_columns else written
