"""The figures of an evaluation as lines, the trivial baseline beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denpa.train import Evaluation


def lines(e: Evaluation, rows: str = "") -> Iterator[str]:
    """`test accuracy: 97.04 %   (always guessing the most frequent class, 1: 11.35 %)`; rows: "test", or nothing.

    A figure that does not exist is "–".  The baseline's name stands in the first line that has one.
    """
    from denpa.explain.words import in_language
    from denpa.train.report_terms import metric_name

    name = f"always guessing {e.baseline_name}"
    for key, value in e.values.items():
        beside = f"   ({name}: {shown(key, e.baseline[key])})" if key in e.baseline else ""
        name = "baseline" if beside else name
        yield f"{rows} {in_language(metric_name(key), 'en')}: {shown(key, value)}{beside}".lstrip()


def shown(key: str, value: float) -> str:
    """A figure as text; "–" where it does not exist."""
    from denpa.draw.markup import number_text
    from denpa.train.report_terms import metric_number

    return "–" if math.isnan(value) else number_text(metric_number(key, value))


def best(info: dict[str, Any], epochs: int) -> str | None:
    """`best epoch 7 of 20: valid_loss 0.437` from a run's status; None where nothing was watched."""
    from denpa.formatting import number

    told = info.get("best")
    if not isinstance(told, dict):
        return None
    why = f"; stopped early after epoch {info['epoch']}" if info.get("stopped_early") else ""
    return f"best epoch {told['epoch']} of {epochs}: {told['monitor']} {number(told['value'])}{why}"
