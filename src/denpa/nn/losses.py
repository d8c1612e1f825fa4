"""Losses by name, and which output function each goes with.

A cross-entropy is computed from the logits by one fused, overflow-safe primitive; the output function is then part of
the loss and is applied on its own only for predictions.  Every other loss is computed from the outputs.
Source: seed 000 §5.6.3 (Softmax-with-Loss), seed 002 (squared error), seed 004 (mean squared error, cross-entropy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import UsageError, user_line
from denpa.graph import FUNCTIONS, Tensor
from denpa.nn.choices import choose
from denpa.ops import losses as _losses  # noqa: F401  registers the functions named below

REDUCTIONS = ("mean", "sum")
SUM = 1e-3  # how far from 1 the sum of a row of probabilities may be: float16 rows of 1,000 classes are as near


@dataclass(frozen=True)
class Loss:
    """A loss as data.  `fused` is the output function it contains, None when it takes the outputs as they are."""

    name: str
    fused: str | None = None

    def __call__(self, y: Any, t: Any, *, reduction: str = "mean", weights: Any = None) -> Tensor:
        """One number from y (batch, n), logits or outputs, and the target t.

        weights (batch,), ≥ 0: Σ wᵢ Lᵢ / Σ wᵢ, 0 where all are 0; with reduction "sum" Σ wᵢ Lᵢ.
        """
        if weights is None:
            result: Tensor = FUNCTIONS[self.name](y, t, reduction=reduction)
            return result
        total: Tensor = FUNCTIONS["sum"](weights * FUNCTIONS[self.name](y, t, reduction="none"))
        if reduction == "sum":
            return total
        least = np.finfo(weights.dtype).tiny  # 0 / 0 would make the parameters NaN in a batch that counts for nothing
        mean: Tensor = total / FUNCTIONS["maximum"](FUNCTIONS["sum"](weights), least)
        return mean

    def check(self, t: Array, classes: int) -> None:
        """Targets of softmax cross-entropy that are rows (batch, classes) have to be probabilities.

        UsageError naming the first row that is not finite, has a number below 0, or does not sum to 1 within `SUM`.
        """
        if self.fused != "softmax" or t.ndim != 2 or t.shape[1] != classes or t.dtype.kind not in "fiub":
            return  # class numbers; or nothing that the primitive takes, which then says so
        with np.errstate(all="ignore"):
            total = t.sum(axis=1, dtype=np.float64)
            good = (np.abs(total - 1) <= SUM) & (t >= 0).all(axis=1)  # with NaN or inf in it the sum is none
        if not good.all():
            row = int(good.argmin())
            worst = t[row].min()
            raise UsageError(
                "softmax cross-entropy takes class numbers, or probabilities that sum to 1 in each row",
                where=user_line(),
                got=f"targets[{row}] " + (f"has {worst:g}" if worst < 0 else f"sums to {total[row]:g}"),
                want=f"numbers from 0 on, the sum of each row within {SUM:g} of 1",
                fix="divide each row by its sum; for independent labels take output='sigmoid'",
            )


LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy": Loss("softmax_cross_entropy", fused="softmax"),
    "sigmoid_cross_entropy": Loss("sigmoid_cross_entropy", fused="sigmoid"),
    "squared_error": Loss("squared_error"),
    "absolute_error": Loss("absolute_error"),
    "huber": Loss("huber"),
}
_SHORT = {"softmax": "softmax_cross_entropy", "sigmoid": "sigmoid_cross_entropy"}  # "cross_entropy" under each output
NAMES = ("cross_entropy", *LOSSES)


def loss_for(output: str, name: str | None) -> Loss:
    """The loss of that name under that output function.  None: cross-entropy for softmax, sigmoid, else squared error.

    UsageError for an unknown name, and for a cross-entropy whose output function is another one.
    """
    if name is None:
        return LOSSES[_SHORT.get(output, "squared_error")]
    if name == "cross_entropy":
        if output not in _SHORT:
            raise _mismatch(name, output, "softmax (one class of many) or sigmoid (two classes, or several labels)")
        return LOSSES[_SHORT[output]]
    choose("loss", name, dict.fromkeys(NAMES))
    loss = LOSSES[name]
    if loss.fused not in (None, output):
        raise _mismatch(name, output, f"{loss.fused}: the loss contains it")
    return loss


def _mismatch(name: str, output: str, want: str) -> UsageError:
    return UsageError(
        f"the loss {name!r} does not go with the output function {output!r}",
        want=f"output {want}",
        fix=f"change output, or take loss='squared_error' with output={output!r}",
    )
