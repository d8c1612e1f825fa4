"""Guard bytes: in debug mode every value in the arena has bytes behind it that nobody may write.

`DENPA_GUARD=1` in the environment, or `Native(guard=True)`.  No memory is used twice then, so a kernel that writes past
the end of its value, or before its start, is found at the end of the call instead of in somebody's numbers.

`DENPA_GUARD=2`, or guard=2: generated loops compare each index, of reads too, with the bounds of its value before they
use it, and stop.  Sums are then taken in another order, so the last bits differ.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from denpa.arrays import Array
from denpa.engine.memory import HEADER
from denpa.engine.plan import Plan
from denpa.engine.values import Task, Value
from denpa.errors import DenpaError

BYTES = 64
PATTERN = 0xA5


class OutOfBounds(DenpaError, AssertionError):
    """A kernel wrote where no value is, or a loop would have read or written there."""


def wanted() -> int:
    """$DENPA_GUARD: 0 for nothing and 0, 2 for 2, 1 for all else."""
    return {"": 0, "0": 0, "2": 2}.get(os.environ.get("DENPA_GUARD", ""), 1)


def outside(plan: Plan, task: Task) -> OutOfBounds:
    """The error of a checked loop that stopped."""
    number = next((i for i, t in enumerate(plan.tasks) if t is task or t.node is task.node), None)
    return OutOfBounds(
        "a loop would read or write outside of its value",
        where=f"task {number} (loop {task.info['title']}) over {list(task.shape)}",
        got=f"reads {', '.join(map(repr, task.reads))}; writes {', '.join(map(repr, task.writes))}",
        fix="train with --engine eager, and report this as a bug",
    )


class Guard:
    """The bytes of an arena that belong to no value, filled with a pattern."""

    def __init__(self, plan: Plan, arena: npt.NDArray[np.uint8]) -> None:
        self._plan, self._arena = plan, arena
        free = np.ones(len(arena), bool)
        free[:HEADER] = False
        for value in _values(plan):
            free[value.offset : value.offset + value.nbytes] = False
        self.places: Array = np.flatnonzero(free)
        arena[self.places] = PATTERN

    def check(self) -> None:
        """OutOfBounds when one of them has changed; they are as before afterwards."""
        damaged = self.places[self._arena[self.places] != PATTERN]
        if damaged.size == 0:
            return
        self._arena[self.places] = PATTERN
        first = int(damaged[0])
        before = max((v for v in _values(self._plan) if v.offset < first), key=lambda v: v.offset, default=None)
        writers = [
            f"{i} ({t.kind})" for i, t in enumerate(self._plan.tasks) if any(v.value is before for v in t.writes)
        ]
        raise OutOfBounds(
            "a kernel wrote outside of its value",
            where=f"{damaged.size} bytes from {first} of the arena, behind {before!r}",
            got=f"that value is written by task {', '.join(writers)}" if writers else "no task writes that value",
            fix="train with --engine eager, and report this as a bug",
        )


def _values(plan: Plan) -> list[Value]:
    found = [view.value for task in plan.tasks for view in (*task.reads, *task.writes)]
    found += [view.value for view in plan.outputs.values()] + [v.value for pair in plan.copies for v in pair]
    return list(dict.fromkeys([*found, *plan.inputs.values(), *plan.constants]))
