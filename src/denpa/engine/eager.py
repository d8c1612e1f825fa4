"""The reference engine: interprets a step node by node with NumPy.  Slow, obvious; others are compared to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from denpa.arrays import Array, freeze
from denpa.engine import Metrics, Rows, Step
from denpa.engine.keep import output_of
from denpa.errors import ShapeError
from denpa.graph import Node


class Instruction(NamedTuple):
    """Evaluate one node: slots are places in the list of values; `last` are those nobody reads afterwards."""

    evaluate: Callable[..., Array]
    inputs: tuple[int, ...]
    params: dict[str, Any]
    output: int
    last: tuple[int, ...]
    node: Node


class Eager:
    """The engine."""

    name = "eager"

    def compile(self, step: Step) -> EagerProgram:
        return EagerProgram(step)


class EagerProgram:
    """A step as a list of instructions over a list of values, each dropped after its last use."""

    fallbacks: tuple[str, ...] = ()

    def __init__(self, step: Step) -> None:
        self.step = step
        graph = step.graph
        self._slots = {node: i for i, node in enumerate(graph.nodes)}
        self._inputs = {name: self._slot(node) for name, node in graph.inputs.items()}
        self._outputs = {name: self._slots[node] for name, node in graph.outputs.items()}
        given = set(self._inputs.values())
        self._constants: list[Array | None] = [None] * len(self._slots)
        for node, slot in self._slots.items():
            if node.op is None and slot not in given:
                self._constants[slot] = node.value
        self._instructions = self._lower(graph.nodes, given)
        self._kept: dict[str, Array] = {}

    def _slot(self, node: Node) -> int:
        """An input that nothing depends on is no node of the graph; it gets a place all the same."""
        return self._slots.setdefault(node, len(self._slots))

    def _lower(self, nodes: Sequence[Node], given: set[int]) -> list[Instruction]:
        live = set(self._outputs.values())
        instructions: list[Instruction] = []
        for node in reversed(nodes):
            output = self._slots[node]
            if node.op is None or output in given:
                continue
            inputs = tuple(self._slots[n] for n in node.inputs)
            last = tuple(set(inputs) - live)
            live.update(inputs)
            instructions.append(Instruction(node.op.evaluate, inputs, node.params, output, last, node))
        return instructions[::-1]

    def run(
        self,
        state: MutableMapping[str, Array],
        data: Mapping[str, Array],
        rows: Rows,
        by_step: Mapping[str, Array],
    ) -> Metrics:
        """See `denpa.engine.Program.run`."""
        self._check(rows)
        metrics: dict[str, list[Array]] = {name: [] for name in self.step.metrics}
        with np.errstate(all="ignore"):  # what is NaN or infinite is found by the check of the step's outputs
            for i in range(len(rows)):
                outputs = self._once(self.inputs(i, state, data, rows, by_step))
                for name, values in metrics.items():
                    values.append(outputs[name])
                for name, output in self.step.carry.items():
                    state[name] = _row_major(outputs[output])
                self._kept = {name: outputs[name] for name in self.step.keep}
                if not all(np.isfinite(outputs[name]).all() for name in self.step.finite):
                    break
        return {name: self._stack(name, values) for name, values in metrics.items()}

    def read(self, name: str) -> Array:
        """See `denpa.engine.Program.read`."""
        return freeze(np.array(self._kept[output_of(self.step, name, bool(self._kept))]))[()]

    def _check(self, rows: Rows) -> None:
        if self.step.by_row and rows.shape[1:] != (self.step.batch_size,):
            raise ShapeError(
                "a program runs batches of the size it was compiled for",
                got=f"rows of shape {rows.shape}",
                want=f"(steps, {self.step.batch_size})",
            )

    def inputs(
        self, i: int, state: Mapping[str, Array], data: Mapping[str, Array], rows: Rows, by_step: Mapping[str, Array]
    ) -> dict[str, Array]:
        """What goes into step i of a call: state, the batch's rows, the step's own values."""
        values = {name: state[name] for name in self.step.state}
        values.update((name, data[name][rows[i]]) for name in self.step.by_row)
        values.update((name, by_step[name][i]) for name in self.step.by_step)
        return values

    def _once(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        values = self._start(inputs)
        for evaluate, sources, params, output, last, node in self._instructions:
            try:
                values[output] = evaluate(np, *[values[s] for s in sources], **params)
            except (ValueError, IndexError, TypeError) as error:  # an index outside of its array
                assert node.op is not None
                raise node.op.explained(error, [np.asarray(values[s]) for s in sources], params) from error
            for slot in last:
                values[slot] = None
        return {name: values[slot] for name, slot in self._outputs.items()}

    def _start(self, inputs: Mapping[str, Array]) -> list[Array]:
        values = list(self._constants)
        values.extend([None] * (len(self._slots) - len(values)))
        for name, slot in self._inputs.items():
            values[slot] = inputs[name]
        return values

    def trace(self, inputs: Mapping[str, Array]) -> Iterator[tuple[Node, Array]]:
        """Every node with its value for these inputs, in order: leaves first.  Nothing is dropped."""
        values = self._start(inputs)
        for node, slot in self._slots.items():
            if node.op is None or slot in self._inputs.values():
                yield node, values[slot]
        for evaluate, sources, params, output, _, node in self._instructions:
            with np.errstate(all="ignore"):
                values[output] = evaluate(np, *[values[s] for s in sources], **params)
            yield node, values[output]

    def _stack(self, name: str, values: list[Array]) -> Array:
        if values:
            return np.stack(values)
        node = self.step.graph.outputs[name]
        return np.empty((0, *node.value.shape), node.value.dtype)


def _row_major(value: Array) -> Array:
    """BLAS has other last bits for a transposed layout, and a checkpoint brings rows back: rows from the start."""
    return value if value.ndim == 0 or value.flags.c_contiguous else np.ascontiguousarray(value)
