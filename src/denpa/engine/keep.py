"""Intermediate values that can be read after a step: asking for a node keeps its place in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.engine import Step
from denpa.errors import UsageError, user_line
from denpa.graph import FUNCTIONS, Graph, Node, Tensor

KEPT = "kept."  # the output that keeps the node "z" is called "kept.z"
NORM = "norm "


def kept(step: Step, names: Sequence[str]) -> Step:
    """The step with these nodes readable after each call, as they were in its last step: `program.read(name)`.

    A name is a node's own, an input's or output's of the graph, or a role with its layer ("preactivation 1",
    "activation 2", "delta 1").  "norm " before a name is the Euclidean norm of that node, computed beside the step.
    UsageError for a name that no node or several nodes have.
    """
    graph = step.graph
    new = {KEPT + name: _wanted(graph, name) for name in names if KEPT + name not in graph.outputs}
    outputs = {name: Tensor(node) for name, node in graph.outputs.items()}
    inputs = {name: Tensor(node) for name, node in graph.inputs.items()}
    return replace(step, graph=Graph({**outputs, **new}, inputs), keep=(*step.keep, *new)) if new else step


def output_of(step: Step, name: str, ran: bool) -> str:
    """The graph's output that keeps this node.  UsageError when none does, and before the first step."""
    if KEPT + name not in step.keep:
        known = ", ".join(k.removeprefix(KEPT) for k in step.keep) or "none"
        raise UsageError(
            f"{name!r} was not kept: its memory is shared with what comes after it",
            where=user_line(), want=f"one that is kept: {known}", fix="ask for it with keep=[...]",
        )  # fmt: skip
    if not ran:
        raise UsageError("a program has values to read after its first step", where=user_line())
    return KEPT + name


def norm(x: Tensor) -> Tensor:
    """√Σx² in float64: in float32 the squares overflow above 1.8e19."""
    wide: Any = x if x.dtype == np.float64 else FUNCTIONS["astype"](x, dtype=np.dtype("float64"))
    result: Tensor = FUNCTIONS["sqrt"](FUNCTIONS["sum"](FUNCTIONS["square"](wide)))
    return result


def _wanted(graph: Graph, name: str) -> Tensor:
    if not name.startswith(NORM):
        return Tensor(find(graph, name))
    with np.errstate(all="ignore"):
        return norm(Tensor(find(graph, name.removeprefix(NORM))))


def find(graph: Graph, name: str) -> Node:
    """The one node of that name or role."""
    kind, _, layer = name.rpartition(" ")
    if kind and layer.isdigit():
        found = [n for n in graph.nodes if n.role is not None and (n.role.kind, n.role.layer) == (kind, int(layer))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{len(found)} nodes have the role {name!r}", where=user_line(), fix="name the one you mean"
            )
    return graph[name]
