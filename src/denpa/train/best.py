"""Which epoch's weights a run keeps, and when it stops because no better ones come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from denpa.arrays import Array
from denpa.errors import UsageError

# What may be watched, and whether more of it is better.  "last": nothing; the last weights are kept.
MONITORS = {"valid_loss": False, "valid_accuracy": True, "train_loss": False, "train_accuracy": True}
NAMES = ("auto", "last", *MONITORS)


def resolve(monitor: str, patience: int, *, valid: bool, classify: bool) -> str:
    """ "auto" as the figure it stands for: valid_loss, or without validation rows the last weights.

    UsageError for a figure that this training does not have, and for patience without one.
    """
    if monitor == "auto":
        monitor = "valid_loss" if valid else "last"
    fix = None
    if monitor.startswith("valid") and not valid:
        fix = "keep some rows out (--valid 0.2), or watch train_loss"
    elif monitor.endswith("accuracy") and not classify:
        fix = "watch valid_loss: only one class of several is right or wrong"
    elif monitor == "last" and patience:
        fix = "keep some rows out to watch (--valid 0.2), choose --monitor, or leave --patience out"
    if fix is not None:
        raise UsageError("this training has no such figure to watch", got=f"monitor {monitor}", fix=fix)
    return monitor


@dataclass(frozen=True)
class Best:
    """epoch: the one with the best value so far, whose parameters are kept; since: the last epoch that was better by
    more than min_delta than `reference`, the value of the epoch before that was."""

    epoch: int
    value: float
    reference: float
    since: int
    parameters: Mapping[str, Array] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "value": self.value, "reference": self.reference, "since": self.since}

    @classmethod
    def from_json(cls, told: object, parameters: Mapping[str, Array]) -> Best | None:
        """None unless `told` is complete."""
        if not isinstance(told, dict) or told.keys() != {"epoch", "value", "reference", "since"}:
            return None
        whole, real = (told["epoch"], told["since"]), (told["value"], told["reference"])
        if not all(type(n) is int and n > 0 for n in whole) or not all(type(v) in (int, float) for v in real):
            return None
        return cls(whole[0], float(real[0]), float(real[1]), whole[1], parameters)


def patient(best: Best | None, patience: int, done: int) -> bool:
    """Whether a training goes on after `done` epochs."""
    return best is None or not 0 < patience <= done - best.since


def after(
    best: Best | None, monitor: str, min_delta: float, row: Mapping[str, Any], parameters: Mapping[str, Array]
) -> Best | None:
    """The best epoch when one more has ended.  row: its figures; parameters: as they are now, never changed later."""
    if monitor == "last":
        return None
    value, epoch = float(row[monitor]), int(row["epoch"])
    sign = 1.0 if MONITORS[monitor] else -1.0
    if math.isnan(value):
        return best
    if best is None:
        return Best(epoch, value, value, epoch, dict(parameters))
    if sign * (value - best.reference) > min_delta:
        best = replace(best, reference=value, since=epoch)
    if sign * (value - best.value) > 0:
        best = replace(best, epoch=epoch, value=value, parameters=dict(parameters))
    return best
