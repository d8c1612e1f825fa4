"""The figures of an evaluation as lines, the trivial baseline beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from denpa.formatting import number, percent

if TYPE_CHECKING:
    from denpa.train import Evaluation


def lines(e: Evaluation, rows: str = "") -> Iterator[str]:
    """`test accuracy: 97.04 %   (always guessing the most frequent class, 1: 11.35 %)`; rows: "test", or nothing."""
    for key, value in e.values.items():
        show = percent if key == "accuracy" else number
        beside = f"   (always guessing {e.baseline_name}: {show(e.baseline[key])})" if key in e.baseline else ""
        yield f"{rows} {key.replace('_', ' ')}: {show(value)}{beside}".lstrip()
