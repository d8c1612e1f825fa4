"""Engines: what runs a recorded step many times.

A step is one Graph (forward, backward, update), recorded from a real batch; `Step` says what its inputs and outputs are
for.  An engine compiles it into a Program, which runs many steps a call without asking Python about any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from denpa.arrays import Array
from denpa.errors import UsageError, installed
from denpa.graph import Graph

Rows = npt.NDArray[np.int64]
Metrics = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Step:
    """A graph for one batch shape, and what its inputs and outputs are for.  All names are those of the graph.

    carry: input → the output that replaces it in the next step (parameters, optimiser state).
    by_row: inputs whose first axis is the batch; each step gathers them from the data by row number.
    by_step: inputs with one value a step (learning rate, random key).
    finite: outputs that must be finite; a step where one is not is the last of its call.
    keep: outputs that are not returned for every step: `Program.read` gives the last step's (see keep.kept).
    Inputs in none of these are state that stays.  Outputs neither carried nor kept are the step's metrics.
    """

    graph: Graph
    carry: Mapping[str, str]
    by_row: tuple[str, ...] = ()
    by_step: tuple[str, ...] = ()
    finite: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def state(self) -> tuple[str, ...]:
        """The inputs that live from step to step."""
        return tuple(name for name in self.graph.inputs if name not in self.by_row and name not in self.by_step)

    @property
    def metrics(self) -> tuple[str, ...]:
        others = {*self.carry.values(), *self.keep}
        return tuple(name for name in self.graph.outputs if name not in others)

    @property
    def batch_size(self) -> int:
        """Rows of one step; 0 when no input is gathered by row."""
        return int(self.graph.inputs[self.by_row[0]].value.shape[0]) if self.by_row else 0


class Program(Protocol):
    """A compiled step.  `fallbacks` says what the engine could not run its own way, each with the reason."""

    @property
    def step(self) -> Step: ...

    @property
    def fallbacks(self) -> tuple[str, ...]: ...

    def run(
        self,
        state: MutableMapping[str, Array],
        data: Mapping[str, Array],
        rows: Rows,
        by_step: Mapping[str, Array],
    ) -> Metrics:
        """One step for each row of `rows` (steps, batch), row numbers in `data`; replaces entries of `state`.

        by_step: the inputs of that name, first axis steps.  Returns each metric with first axis steps.  A step whose
        `step.finite` outputs are not all finite is the last: the metrics end with it.  Arrays of `state` are
        row-major and never changed in place, so a caller that kept the old ones can go back.  Ask for as many steps
        as fit in 0.25 s: signals are answered between calls.
        """
        ...

    def read(self, name: str) -> Array:
        """A copy of what an output of `step.keep` was in the last step.  UsageError for another name, or before one."""
        ...


class Engine(Protocol):
    """Compiles steps.  Same step, state, rows and thread count: same bits, however the steps are divided into calls."""

    @property
    def name(self) -> str: ...

    def compile(self, step: Step) -> Program: ...


def engine(name: str = "auto") -> Engine:
    """The engine of that name; "auto" is the fastest one installed.  UsageError when there is none such.

    "native" calls NumPy for what it has no kernel for and lists it; for "native!" that is an error.
    """
    from denpa.engine.eager import Eager

    if name == "eager" or (name == "auto" and not (installed("numba") and installed("llvmlite"))):
        return Eager()
    if name in ("auto", "native", "native!"):
        from denpa.engine.native.program import Native

        return Native(strict=name == "native!")
    raise UsageError("unknown engine", got=repr(name), want="auto, eager, native or native!")
