"""What is explained: one element of one array, found by its name, and the loss it belongs to.

`W[1][2,7]` and `b[1][2]` count layers and units as the notation does: in 001 the weight from unit 7 to unit 2 of layer
1, both counted from 1; the column after the last is the bias there.  `0.weight[2,7]`, and the name of any value of a
graph, is indexed as NumPy does, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import is_float
from denpa.errors import UsageError, user_line
from denpa.explain import replay
from denpa.explain.notation import Kind, Notation
from denpa.explain.paths import Element
from denpa.explain.step import record_step
from denpa.graph import Graph, Node, Role, Tensor
from denpa.tree import is_model

_TEXTBOOK = re.compile(r"\s*(W|w|weight|b|B|bias)\s*\[\s*(\d+)\s*\]\s*\[\s*(\d+)\s*(?:,\s*(\d+)\s*)?\]\s*")
_NAMED = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<at>[^\[\]]*)\])?\s*")
_STATIONS = ("preactivation", "activation")


@dataclass(frozen=True, eq=False)
class Subject:
    """The graph in float64, the loss in it, and the element.  batch: samples in the loss; single: the name of the one
    chosen, None for the loss of all; names: of each, and input_names: of the columns behind the inputs, where they have
    some.

    narrow: the dtype the graph was in before, None when it was float64.
    """

    graph: Graph
    root: Node
    element: Element
    notation: Notation
    batch: int
    single: str | None = None
    names: tuple[str, ...] = ()
    narrow: str | None = None
    input_names: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        return self.element.node

    @property
    def value(self) -> float:
        return float(self.node.value[self.element.at])

    @property
    def layer(self) -> int | None:
        return None if self.node.role is None else self.node.role.layer

    @property
    def is_loss(self) -> bool:
        """Whether the result is something to be made small, rather than the price of some apples."""
        return self.root.role is not None or bool(self.graph.parameters) or "loss" in self.graph.outputs

    @property
    def stations(self) -> tuple[Node, ...]:
        """The layers of a network, where the units of a path are told apart; empty for a graph without layers."""
        return tuple(n for n in self.graph.nodes if n.role is not None and n.role.kind in _STATIONS and n.requires)

    def input_name(self, weight: Element) -> str:
        """The name of the input that this weight of the first layer multiplies; "" where there is none."""
        role = weight.node.role
        if role != Role("weight", 1) or len(weight.at) != 2 or not self.input_names:
            return ""
        return self.input_names[weight.at[1]]

    def by_role(self, kind: str, layer: int) -> Node | None:
        return next((n for n in self.graph.nodes if n.role == Role(kind, layer)), None)

    @property
    def parameters(self) -> dict[str, Node]:
        """What an update changes: the parameters; in a graph that has none, the inputs with a gradient."""
        leaves = self.graph.parameters or self.graph.inputs
        return {name: n for name, n in leaves.items() if n.requires}


def subject(
    graph_or_network: Any,
    name: str,
    *,
    x: Any = None,
    t: Any = None,
    row: int | None = None,
    notation: Notation,
    loss: str | None = None,
    reduction: str | None = None,
    names: Sequence[str] = (),
    input_names: Sequence[str] = (),
) -> Subject:
    """Record the loss in float64 and find the element.  UsageError for what cannot be found."""
    if not isinstance(name, str):
        raise UsageError("what to explain is named by a text", where=user_line(), got=type(name).__name__)
    if is_model(graph_or_network):
        return _of_network(graph_or_network, name, x, t, row, notation, loss, reduction, tuple(names), input_names)
    if isinstance(graph_or_network, Tensor):
        graph_or_network = Graph(graph_or_network)
    if not isinstance(graph_or_network, Graph):
        raise UsageError(
            "only a network, a Graph or a Tensor can be explained",
            where=user_line(),
            got=type(graph_or_network).__name__,
            fix="record a computation with denpa.trace(f, ...)",
        )
    if x is not None or t is not None or row is not None:
        raise UsageError(
            "a Graph is recorded already: x, t and row belong to a network",
            where=user_line(),
            fix="give the network, or record the graph of one sample",
        )
    graph, _ = replay.in_double(graph_or_network)
    root = _loss(graph)
    element = find(name, graph, notation)
    sizes = {len(n.value) for n in graph.nodes if n.role and n.role.kind == "preactivation" and n.value.ndim == 2}
    narrow = _narrow(n.value for n in graph_or_network.nodes)
    return Subject(graph, root, element, notation, sizes.pop() if len(sizes) == 1 else 1, narrow=narrow)


def _of_network(
    network: Any,
    name: str,
    x: Any,
    t: Any,
    row: int | None,
    notation: Notation,
    loss: str | None,
    reduction: str | None,
    names: tuple[str, ...],
    input_names: Sequence[str],
) -> Subject:
    if x is None or t is None:
        raise UsageError(
            "the gradient of a network needs samples and their targets",
            where=user_line(),
            got=f"x={'missing' if x is None else 'given'}, t={'missing' if t is None else 'given'}",
            fix="denpa.explain(network, name, x=..., t=...)",
        )
    values = {n: p.value for n, p in network.parameters().items()}
    narrow = _narrow(values.values())
    wide = network.with_parameters({n: np.asarray(v, np.float64) for n, v in values.items()})
    if names and len(names) != len(x):
        raise UsageError("one name for each sample", where=user_line(), got=f"{len(names)}", want=f"{len(x)}")
    x, t = one_row(x, t, row)
    with np.errstate(all="ignore"):  # a loss that is not finite is refused below
        step = record_step(wide, x, t, loss=loss, reduction=reduction, input_names=input_names)
    bound = notation.bound(step.depth, {layer.layer: layer.name for layer in step.layers})
    graph = Graph({"loss": Tensor(step.graph.outputs["loss"])})
    single = None
    if row is not None:
        single = names[row] if names else str(row)
    elif step.batch == 1 and names:
        single = names[0]
    found = find(name, graph, bound)
    return Subject(graph, _loss(graph), found, bound, step.batch, single, names, narrow, step.input_names)


def one_row(x: Any, t: Any, row: int | None) -> tuple[Any, Any]:
    """Sample `row` of a batch alone, as a batch of one; all of them for None.  UsageError outside of the batch."""
    if row is None:
        return x, t
    x, t = (np.asarray(v.value if isinstance(v, Tensor) else v) for v in (x, t))
    if x.ndim < 2 or not hasattr(row, "__index__") or not 0 <= row < min(len(x), len(t) if t.ndim else 0):
        raise UsageError(
            "there is no such row",
            where=user_line(),
            got=f"row {row!r}",
            want=f"0 … {len(x) - 1}" if x.ndim > 1 else None,
        )
    return x[row : row + 1], t[row : row + 1]


def _narrow(values: Any) -> str | None:
    return next((str(v.dtype) for v in values if is_float(v) and v.dtype != np.float64), None)


def _loss(graph: Graph) -> Node:
    root = graph.outputs.get("loss") or graph.output
    replay.require_finite(root)
    return root


# -- finding -----------------------------------------------------------------------------------------------------------
def find(name: str, graph: Graph, notation: Notation) -> Element:
    """The element a text names."""
    textbook = _TEXTBOOK.fullmatch(name)
    layers = {n.role: n for n in graph.nodes if n.role is not None and n.role.kind in ("weight", "bias")}
    if textbook and layers:
        kind, layer, *at = textbook.groups()
        numbers = tuple(int(i) for i in at if i is not None)
        return _in_layer("weight" if kind in ("W", "w", "weight") else "bias", int(layer), numbers, layers, notation)
    named = _NAMED.fullmatch(name)
    if named is None:
        raise _unknown(name, graph, notation)
    node = _by_name(named["name"], graph, notation)
    places = [i.strip() for i in (named["at"] or "").split(",") if i.strip()]
    return _element(node, tuple(int(i) if i.isdecimal() else -1 for i in places), name)


def _in_layer(kind: Kind, number: int, at: tuple[int, ...], layers: Mapping[Role, Node], notation: Notation) -> Element:
    """`W[l][i,j]`: numbers as the notation has them, and in its order (the book's matrices are transposed)."""
    shown = f"{'W' if kind == 'weight' else 'b'}[{number}][{','.join(map(str, at))}]"
    layer = number - notation.layers_from
    node = layers.get(Role(kind, layer))
    if node is None:
        known = sorted(role.layer + notation.layers_from for role in layers if role.kind == kind)
        raise UsageError(
            f"there is no layer {number} with a {kind}",
            where=user_line(),
            got=f"{shown} in notation {notation.key}",
            want=f"layer {', '.join(map(str, known)) or '(none)'}",
        )
    units = tuple(i - notation.units_from for i in at)
    if kind == "weight" and notation.layout.transposed:
        units = units[::-1]
    bias = layers.get(Role("bias", layer))
    if (
        kind == "weight"
        and len(units) == 2
        and units[1] == node.value.shape[1]
        and bias
        and notation.layout.bias_column
    ):
        node, units = bias, units[:1]  # 001: the last column of W is the bias
    return _element(node, units, shown, notation)


def _by_name(name: str, graph: Graph, notation: Notation) -> Node:
    for node in (*graph.inputs.values(), *graph.nodes):
        if node.name == name:
            return node
    if name in graph.inputs:
        return graph.inputs[name]
    raise _unknown(name, graph, notation)


def _element(node: Node, at: tuple[int, ...], name: str, notation: Notation | None = None) -> Element:
    shape = node.value.shape
    if len(at) == len(shape) and all(0 <= i < n for i, n in zip(at, shape, strict=True)):
        return Element(node, at)
    first = 0 if notation is None else notation.units_from
    turned = notation is not None and notation.layout.transposed
    ranges = [f"{first} … {n - 1 + first}" for n in (shape[::-1] if turned else shape)]
    raise UsageError(
        f"there is no element {name}",
        where=user_line(),
        got=f"{node.label} of shape {tuple(shape)}",
        want=f"{len(shape)} numbers: {', '.join(ranges)}" if shape else "no index: it is one number",
        fix=None if shape else "leave the brackets out",
    )


def _unknown(name: str, graph: Graph, notation: Notation) -> UsageError:
    example = ""
    weights = [n for n in graph.nodes if n.role is not None and n.role.kind == "weight"]
    if weights:
        i = notation.units_from
        example = f'"W[{1 + notation.layers_from}][{i},{i}]", "{weights[0].name}[0,0]"; '
    names = ", ".join(dict.fromkeys(str(n.name) for n in graph.nodes if n.name and n.requires))
    return UsageError(f"no value is called {name!r}", where=user_line(), want=f"{example}a name of {names or '(none)'}")
