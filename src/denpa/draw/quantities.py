"""Values and gradients as rows of a pill: a number with three digits, an array as its shape and a small heat strip."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from denpa.arrays import Array
from denpa.draw.scene import Row, RowKind, Strip
from denpa.formatting import number

Tensors: TypeAlias = Literal["strip", "summary"]
DIGITS = 3
STRIP_ROWS, STRIP_COLUMNS = 6, 10  # cells; larger arrays show means of blocks


def number_text(value: Any) -> str:
    """One element, in three digits; bool and int as they are, complex as a sum."""
    item = value.item() if hasattr(value, "item") else value
    if isinstance(item, bool):
        return str(item)
    if isinstance(item, complex):
        return f"{number(item.real, DIGITS)} + {number(item.imag, DIGITS)}i"
    return number(item, DIGITS).replace("-", "−")


def shape_text(value: Array) -> str:
    return f"({', '.join(map(str, value.shape))}{',' if value.ndim == 1 else ''})"


def magnitude(value: Array) -> float:
    """The Euclidean norm; 0 for an empty array."""
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(np.asarray(value, np.complex128 if value.dtype.kind == "c" else np.float64)))


def summary(value: Array) -> str:
    """What is said of an array in full: dtype, shape, least, mean and largest value."""
    array = np.asarray(value)
    if array.ndim == 0:
        return repr(array.item())
    text = f"{array.dtype} {shape_text(array)}"
    if not array.size or array.dtype.kind not in "biuf":
        return text
    with np.errstate(all="ignore"):
        least, mean, most = (float(f(array)) for f in (np.min, np.mean, np.max))
    odd = int(array.size - np.isfinite(array).sum())
    more = f", {odd} not finite" if odd else ""
    return f"{text}: min {number(least)}, mean {number(mean)}, max {number(most)}{more}"


def strip(value: Array) -> Strip | None:
    """The array as at most 6 × 10 cells, the last axis across; None for one without elements or of complex numbers."""
    array = np.asarray(value)
    if not array.size or array.dtype.kind not in "biuf":
        return None
    flat = array.astype(np.float64).reshape(-1, array.shape[-1] if array.ndim > 1 else array.size)
    with np.errstate(all="ignore"):
        small = _blocks(_blocks(flat, STRIP_ROWS).T, STRIP_COLUMNS).T
        finite = np.isfinite(small)
        largest = np.abs(small[finite]).max() if finite.any() else 1.0
        cells = np.where(finite, small / (largest or 1.0), np.nan)
    return Strip(tuple(tuple(float(c) for c in row) for row in cells))


def _blocks(array: Array, most: int) -> Array:
    """Means over at most `most` stretches of the first axis."""
    count = array.shape[0]
    if count <= most:
        return array
    starts = [k * count // most for k in range(most)]
    sizes = np.diff([*starts, count])[:, None]
    return np.add.reduceat(array / 1.0, starts, axis=0) / sizes


def _row(kind: RowKind, text: str, value: Array, at: int, tensors: Tensors) -> Row:
    return Row(kind, text, at, strip(value) if tensors == "strip" and value.ndim else None, summary(value))


def value_row(value: Array, at: int = 0, tensors: Tensors = "strip") -> Row:
    """Top of a pill: the value that goes forward."""
    if value.ndim == 0:
        return _row("value", number_text(value), value, at, tensors)
    return _row("value", shape_text(value), value, at, tensors)


def value_rows(value: Array, at: int = 0, tensors: Tensors = "strip") -> list[Row]:
    """`value_row`, and for an array without a strip a second row: least, mean and largest element."""
    rows = [value_row(value, at, tensors)]
    if tensors == "summary" and value.ndim and value.size and value.dtype.kind in "biuf":
        with np.errstate(all="ignore"):
            parts = [number_text(np.float64(f(value))) for f in (np.min, np.mean, np.max)]
        rows.append(Row("summary", " / ".join(parts), at))
    return rows


def gradient_row(value: Array, at: int = 0, tensors: Tensors = "strip") -> Row:
    """Bottom of a pill: the gradient that comes back; an array as its norm."""
    text = arrow(number_text(value)) if value.ndim == 0 else f"←|{number_text(np.float64(magnitude(value)))}|"
    return _row("gradient", text, value, at, tensors)


def arrow(text: str) -> str:
    """A number that comes back: ←2.2, and ← −2.2 with a space, or arrow and sign would run together."""
    return f"← {text}" if text.startswith("−") else f"←{text}"
