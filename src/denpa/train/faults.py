"""Finding the first value of a step that is not finite, by replaying the step node by node."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from denpa.arrays import Array
from denpa.engine import Rows, Step
from denpa.engine.eager import EagerProgram
from denpa.errors import TrainingError
from denpa.graph import Node
from denpa.train.feeding import Batches
from denpa.train.step import NEW

SHOWN = 8  # row numbers in a message
_GIVEN = {"x": "an input", "t": "a target", "w": "a sample weight", "learning_rate": "the learning rate"}


def finite(values: Mapping[str, Array]) -> bool:
    return all(np.isfinite(value).all() for value in values.values())


def fault(
    step: Step,
    state: Mapping[str, Array],
    batch: Batches,
    by_step: Mapping[str, Array],
    when: str,
    advice: str,
) -> TrainingError:
    """The error for a step whose loss, gradient or update is not finite.

    batch, by_step: of that step alone; when: its place in the run.
    """
    program = EagerProgram(step)
    inputs = program.inputs(0, state, batch.data, batch.rows, by_step)
    outputs = {node: name.removeprefix(NEW) for name, node in step.graph.outputs.items() if name.startswith(NEW)}
    for node, value in program.trace(inputs):
        if value.dtype.kind in "fc" and not np.isfinite(value).all():
            name = next((n for n, i in step.graph.inputs.items() if i is node), None)
            where = f"{when}, {_place(node, name, outputs)}"
            return TrainingError(
                f"{_what(node, name)} became {_kind(value)}",
                where=where,
                got=f"{int((~np.isfinite(value)).sum()):,} of {value.size:,} values; "
                f"{_rows(node, value, batch.numbers[0])}",
                want="finite numbers",
                fix=advice,
            )
    return TrainingError(
        "the loss or a parameter became NaN or infinite",
        where=when,
        got="a replay of the step is finite throughout: the engine and the reference do not agree",
        fix="train with --engine eager, and report this as a bug",
    )


def _kind(value: Array) -> str:
    return "NaN" if np.isnan(value).any() else "infinite"


def _what(node: Node, name: str | None) -> str:
    if name is not None:
        return _GIVEN.get(name, f"parameter {name}")
    return "the loss" if node.role is not None and node.role.kind == "loss" else "a value"


def _place(node: Node, name: str | None, outputs: Mapping[Node, str]) -> str:
    """Forward nodes have a role; a node of the backward pass or the update is placed by what it is computed from."""
    if name is not None:
        return f"before the step: {name}"
    if node in outputs:
        return f"the update of {outputs[node]}"
    label = node.op.name if node.op is not None else node.kind
    if node.role is not None:
        return f"forward: {node.role.kind} of layer {node.role.layer} ({label})"
    near = _nearest(node)
    return f"{label}, computed from {near}" if near else label


def _nearest(node: Node) -> str | None:
    """The nearest named value a node was computed from."""
    level = [node]
    for _ in range(50):
        level = list(dict.fromkeys(n for node in level for n in node.inputs))
        for n in level:
            if n.role is not None:
                return f"{n.role.kind} of layer {n.role.layer}"
            if n.name:
                return n.name
        if not level:
            return None
    return None


def _rows(node: Node, value: Array, batch: Rows) -> str:
    """Which rows of the data, where the value has one entry a row of the batch; all of the batch otherwise."""
    bad = ~np.isfinite(value)
    if value.ndim and value.shape[0] == len(batch):
        batch = batch[bad.reshape(len(batch), -1).any(axis=1)]
    shown = ", ".join(str(row + 1) for row in batch[:SHOWN].tolist())
    more = f", … ({len(batch) - SHOWN:,} more)" if len(batch) > SHOWN else ""
    return f"rows {shown}{more}"
