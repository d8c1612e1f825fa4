"""What is known about a graph and how it is to be shown: names, visits, and the rows of every pill."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeAlias

import numpy as np

from denpa.arrays import Array
from denpa.autodiff import Gradients, contributions
from denpa.draw.passes import local_derivative
from denpa.draw.quantities import Tensors, gradient_row, number_text, shape_text, value_row, value_rows
from denpa.draw.scene import BoxKind, Row
from denpa.explain.notation import Notation
from denpa.explain.words import Language
from denpa.graph import Graph, Node

Labels: TypeAlias = Mapping[str, str] | Callable[[Node], str | None]


def loss_name(notation: Notation, *, one: bool) -> str:
    """The letter of the loss of one sample, or of a batch, where the notation has one for each (001: L and J̃)."""
    return notation.symbol("sample_loss" if one and notation.per_sample else "loss").plain


class View:
    """A graph with its gradients.  labels: other names, by name or as a function of the node."""

    def __init__(
        self,
        graph: Graph,
        gradients: Gradients | None = None,
        *,
        labels: Labels | None = None,
        notation: Notation | None = None,
        local: bool = False,
        tensors: Tensors = "strip",
        language: Language = "en",
        marked: Collection[Node] = (),
    ) -> None:
        self.graph, self.gradients = graph, gradients
        self.labels: Labels = labels or {}
        self.notation = notation
        self.local, self.tensors, self.language, self.marked = local, tensors, language, set(marked)
        self.keys = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
        self.leaves = {*graph.inputs.values(), *(n for n in graph.nodes if n.op is None)}
        self.results = {node: name for name, node in graph.outputs.items()}
        self._input_names = {node: name for name, node in graph.inputs.items()}
        inside = set(graph.nodes)
        self.consumers: dict[Node, list[tuple[Node, int]]] = {node: [] for node in graph.nodes}
        for node in graph.nodes:
            if node not in self.leaves:
                for i, source in enumerate(node.inputs):
                    if source in inside:
                        self.consumers[source].append((node, i))

    @cached_property
    def parts(self) -> dict[tuple[Node, int], Array]:
        """What each edge brought back."""
        return {} if self.gradients is None else contributions(self.gradients)

    def gradient(self, node: Node) -> Array | None:
        return None if self.gradients is None else self.gradients.by_node.get(node)

    def name(self, node: Node) -> str | None:
        """What the reader calls this node: a label, its own name, or the name the graph gives it."""
        name = node.name or self._input_names.get(node) or self.results.get(node)
        given = self.labels(node) if callable(self.labels) else self.labels.get(name or self.keys[node])
        return given or self._symbol(node) or name

    def _symbol(self, node: Node) -> str | None:
        """The notation's letter for a whole array with a role: W⁽¹⁾.  Scalars carry their element's letter already."""
        if self.notation is None or node.role is None or (node.value.ndim == 0 and node.role.kind != "loss"):
            return None
        kind, layer = node.role
        if kind == "loss":
            return loss_name(self.notation, one=self._one_sample)
        return self.notation.symbol("activation" if kind == "input" else kind, layer).plain  # type: ignore[arg-type]

    @cached_property
    def _one_sample(self) -> bool:
        """Whether the network's input is one sample: a row, or the scalars of a row."""
        inputs = [n.value for n in self.graph.nodes if n.role is not None and n.role.kind == "input"]
        return bool(inputs) and all(v.ndim < 2 or len(v) == 1 for v in inputs)

    def title(self, node: Node) -> str:
        """What stands in a leaf's box."""
        return self.name(node) or (number_text(node.value) if node.value.ndim == 0 else shape_text(node.value))

    def full_name(self, node: Node) -> str:
        """A name for tables: the reader's, else the operator's symbol with the key."""
        name = self.name(node)
        if name is None and node.op is None:
            return self.title(node)
        return name or f"{node.op.label if node.op else ''} ({self.keys[node]})"

    def kind(self, node: Node) -> BoxKind:
        if node not in self.leaves:
            return "operator"
        return "parameter" if node.kind == "parameter" else "constant" if node.kind == "constant" else "input"

    def value_row(self, value: Array, at: int) -> Row:
        return value_row(value, at, self.tensors)

    def value_rows(self, value: Array, at: int) -> list[Row]:
        return value_rows(value, at, self.tensors)

    def gradient_row(self, value: Array, at: int) -> Row:
        return gradient_row(value, at, self.tensors)

    def local_row(self, node: Node, i: int, at: int) -> Row:
        """The local derivative: a number, the mean of an elementwise one, or the size of the Jacobian."""
        local = local_derivative(node, i)
        if local is None:
            return Row("local", f"× J {node.value.size}×{node.inputs[i].value.size}", at)
        if local.ndim == 0:
            return Row("local", f"×{number_text(local)}", at, None, repr(local.item()))
        with np.errstate(all="ignore"):
            return Row("local", f"× mean {number_text(np.float64(np.mean(local)))}", at)
