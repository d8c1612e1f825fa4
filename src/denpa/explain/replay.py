"""A recorded graph run again: with other values, or in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from denpa.arrays import Array, freeze, is_float, unwrap
from denpa.errors import UsageError, user_line
from denpa.graph import Graph, Node, Tensor, leaf


def evaluate(graph: Graph, root: Node, changed: Mapping[Node, Array]) -> Array:
    """The value of root where some nodes have other values; only what depends on them is computed again."""
    values: dict[Node, Array] = dict(changed)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node in changed or node.op is None or not any(n in values for n in node.inputs):
                continue
            arrays = [values.get(n, n.value) for n in node.inputs]
            values[node] = node.op.evaluate(np, *arrays, **node.params)
    return values.get(root, root.value)


def in_double(graph: Graph) -> tuple[Graph, dict[Node, Node]]:
    """The same graph computed in float64, and its nodes by the old ones.  The graph itself when it is so already."""
    if all(n.value.dtype == np.float64 for n in graph.nodes if is_float(n.value)):
        return graph, {n: n for n in graph.nodes}
    new: dict[Node, Node] = {}
    for node in dict.fromkeys((*graph.inputs.values(), *graph.nodes)):
        if node.op is None or node in graph.inputs.values():
            wide = freeze(unwrap(np.asarray(node.value, np.float64))) if is_float(node.value) else node.value
            new[node] = leaf(wide, node.kind, node.name, node.requires)
        else:
            params = {k: _wide(v) for k, v in node.params.items()}
            with np.errstate(all="ignore"):
                new[node] = node.op(*[Tensor(new[n]) for n in node.inputs], **params).node
            new[node].name = node.name
        new[node].role = node.role
    wide_graph = Graph(
        {name: Tensor(new[n]) for name, n in graph.outputs.items()},
        {name: Tensor(new[n]) for name, n in graph.inputs.items()},
    )
    return wide_graph, new


def _wide(parameter: Any) -> Any:
    """A dtype among a node's parameters (of astype, of one_hot) becomes float64 when it is a narrower float."""
    return np.dtype(np.float64) if isinstance(parameter, np.dtype) and parameter.kind == "f" else parameter


def require_finite(root: Node) -> None:
    """UsageError when the value to explain is NaN or infinite."""
    if not np.isfinite(root.value).all():
        raise UsageError(
            "the loss is not finite: there is no derivative to explain", where=user_line(), got=f"{root.value}"
        )
