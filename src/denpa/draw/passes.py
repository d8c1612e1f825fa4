"""The forward and the backward pass of a graph, in words and numbers: one line a visit, and two tables of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.draw.quantities import number_text, shape_text
from denpa.explain.document import Cell, Document, Number, Section, T, Table
from denpa.graph import Node

_INFIX = {"+", "−", "×", "÷", "@", ">", "<", "≥", "≤", "=", "≠", "∧", "∨"}


FEW = 4  # elements of a vector that is written out


def shown(value: Array) -> str:
    """A number, a short vector in full, the shape of any other array."""
    if value.ndim == 0:
        return number_text(value)
    if value.ndim == 1 and 0 < value.size <= FEW:
        return f"[{', '.join(map(number_text, value))}]"
    return shape_text(value)


def short(value: Array) -> str:
    """The same as a part of a formula: a negative number in parentheses."""
    text = shown(value)
    return f"({text})" if text.startswith("−") else text


def computation(node: Node) -> str:
    """What a node computes, in numbers: `100 × 2`, `exp(0.5)`, `(5, 3) @ (3, 4)`."""
    assert node.op is not None
    arguments = [short(n.value) for n in node.inputs]
    if len(arguments) == 2 and (node.op.name == "power" or node.op.label in _INFIX):
        return f" {'**' if node.op.name == 'power' else node.op.label} ".join(arguments)
    if node.op.name in ("negative", "square"):
        return f"−{arguments[0]}" if node.op.name == "negative" else f"{arguments[0]}²"
    return f"{node.op.label}({', '.join(shown(n.value) for n in node.inputs)})"


def local_derivative(node: Node, i: int) -> Array | None:
    """∂node/∂(its i-th input) where it is one number an element: for numbers, and for elementwise operations.

    None for anything else: there it is a Jacobian.
    """
    op, source = node.op, node.inputs[i]
    assert op is not None
    if node.value.shape != source.value.shape or (node.value.ndim and op.scalar is None):
        return None
    one = np.ones(node.value.shape, node.value.dtype)[()]
    with np.errstate(all="ignore"):
        parts = op.pull_back(one, node.value, [n.value for n in node.inputs], node.params)
    part = parts[i]
    return None if part is None or part.shape != source.value.shape else part


@dataclass(frozen=True, slots=True)
class Ledger:
    """A graph's values and gradients with the reader's names.  nodes: in topological order; parts: by edge."""

    nodes: Sequence[Node]
    names: Mapping[Node, str]
    parts: Mapping[tuple[Node, int], Array]
    gradients: Mapping[Node, Array]
    result: Node

    def forward(self) -> Table:
        rows = [(self.names[n], computation(n) if n.op is not None else "", _cell(n.value)) for n in self.nodes]
        return Table((T(en="quantity", ja="量"), T(en="computation", ja="計算"), T(en="value", ja="値")), tuple(rows))

    def backward(self) -> Table:
        heads = (
            T(en="gradient", ja="勾配"),
            T(en="upstream × local", ja="上流の勾配 × 局所的な微分"),
            T(en="value", ja="値"),
        )
        top = self.names[self.result]
        rows: list[tuple[Cell, ...]] = []
        terms = self._terms()
        for node in reversed(self.nodes):
            if node in self.gradients:
                text = " + ".join(terms.get(node, ["1"]))
                rows.append((f"∂{top}/∂{self.names[node]}", text, _cell(self.gradients[node])))
        return Table(heads, tuple(rows))

    def _terms(self) -> dict[Node, list[str]]:
        """What each edge into an operation brings back to the node it comes from, in words."""
        terms: dict[Node, list[str]] = {}
        for node, i in self.parts:
            terms.setdefault(node.inputs[i], []).append(product(node, i, self.gradients, self.parts))
        return terms

    def document(self, title: str) -> Document:
        sections = [Section(T(en="Forward", ja="順伝播"), (self.forward(),), key="forward")]
        if self.gradients:
            sections.append(Section(T(en="Backward", ja="逆伝播"), (self.backward(),), key="backward"))
        return Document(title, tuple(sections))


def product(node: Node, i: int, gradients: Mapping[Node, Array], parts: Mapping[tuple[Node, int], Array]) -> str:
    """What an edge brings back: upstream × local; the operation and a shape where that is no product of numbers."""
    local, g = local_derivative(node, i), gradients[node]
    if local is not None and (g.ndim == 0 or g.size <= FEW):
        return f"{short(g)} × {short(local)}"
    return f"vjp {node.op.label if node.op else ''} → {shown(parts[node, i])}"


def _cell(value: Any) -> Cell:
    if value.ndim or value.dtype.kind not in "iuf":
        return shown(value)
    return Number(value.item(), digits=6)
