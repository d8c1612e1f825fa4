"""The forward and the backward pass of a graph, in words and numbers: one line a visit, and two tables of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.draw.quantities import number_text, shape_text
from denpa.explain.words import T
from denpa.explain.document import Cell, Document, Number, Section, Table
from denpa.graph import Node

_INFIX = {"+", "−", "×", "÷", "@", ">", "<", "≥", "≤", "=", "≠", "∧", "∨"}


def short(value: Array) -> str:
    """A number, or the shape of an array; a negative number in parentheses."""
    if value.ndim:
        return shape_text(value)
    text = number_text(value)
    return f"({text})" if text.startswith("−") else text


def computation(node: Node) -> str:
    """What a node computes, in numbers: `100 × 2`, `exp(0.5)`, `(5, 3) @ (3, 4)`."""
    assert node.op is not None
    arguments = [short(n.value) for n in node.inputs]
    if node.op.name == "power" and len(arguments) == 2:
        return " ** ".join(arguments)
    if len(arguments) == 2 and node.op.label in _INFIX:
        return f" {node.op.label} ".join(arguments)
    if node.op.name in ("negative", "square"):
        return f"−{arguments[0]}" if node.op.name == "negative" else f"{arguments[0]}²"
    return f"{node.op.label}({', '.join(a.strip('()') if n.value.ndim == 0 else a for a, n in zip(arguments, node.inputs, strict=True))})"


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


def tables(
    nodes: list[Node],
    names: Mapping[Node, str],
    parts: Mapping[tuple[Node, int], Array],
    gradients: Mapping[Node, Array],
    title: str,
    result: Node,
) -> Document:
    """Both passes of a graph of numbers or arrays as two tables.  nodes: in topological order."""
    forward = [(names[n], computation(n) if n.op is not None else "", _cell(n.value)) for n in nodes]
    sections = [
        Section(
            T(en="Forward", ja="順伝播"),
            (
                Table(
                    (T(en="quantity", ja="量"), T(en="computation", ja="計算"), T(en="value", ja="値")), tuple(forward)
                ),
            ),
            key="forward",
        )
    ]
    if gradients:
        rows: list[tuple[Cell, ...]] = [(f"∂{names[result]}/∂{names[result]}", "1", _cell(gradients[result]))]
        rows += [
            row
            for n in reversed(nodes)
            if n is not result
            for row in _backward(n, nodes, names, parts, gradients, result)
        ]
        heads = (
            T(en="gradient", ja="勾配"),
            T(en="upstream × local", ja="上流の勾配 × 局所的な微分"),
            T(en="value", ja="値"),
        )
        sections.append(Section(T(en="Backward", ja="逆伝播"), (Table(heads, tuple(rows)),), key="backward"))
    return Document(title, tuple(sections))


def _backward(
    node: Node,
    nodes: list[Node],
    names: Mapping[Node, str],
    parts: Mapping[tuple[Node, int], Array],
    gradients: Mapping[Node, Array],
    result: Node,
) -> list[tuple[Cell, ...]]:
    if node not in gradients:
        return []
    terms = [
        product(n, i, gradients, parts) for n in nodes for i, s in enumerate(n.inputs) if s is node and (n, i) in parts
    ]
    return [(f"∂{names[result]}/∂{names[node]}", " + ".join(terms), _cell(gradients[node]))]


def product(node: Node, i: int, gradients: Mapping[Node, Array], parts: Mapping[tuple[Node, int], Array]) -> str:
    """What an edge brings back: upstream × local, or the norm of the product for arrays."""
    local = local_derivative(node, i)
    g = gradients[node]
    if local is not None and g.ndim == 0:
        return f"{short(g)} × {short(local)}"
    return f"vjp {node.op.label if node.op else ''} → {shape_text(parts[node, i])}"


def _cell(value: Any) -> Cell:
    return (
        Number(value.item(), digits=6)
        if value.ndim == 0 and value.dtype.kind in "iuf"
        else shape_text(value)
        if value.ndim
        else str(value)
    )
