"""One step of a feedforward network, recorded: every value by what it is, in no notation.

The values come from the recorded graph of the loss (nodes found by their `Role`) and from its backward pass; nothing is
recomputed.  What counts as such a network: Linear layers, each followed by at most one activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, freeze
from denpa.autodiff import backward
from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Graph, Node, Role, Tensor
from denpa.nn.layers import Activation, Dropout, Flatten, Identity, Layer, Linear, Sequential, as_input, tagged
from denpa.nn.losses import LOSSES, REDUCTIONS, Loss, loss_for
from denpa.nn.network import Network

SUPPORTED = (
    "Linear layers, each followed by at most one activation, in a Network or a Sequential; Flatten may come first"
)


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One layer of a step.  n units, batch rows; delta is ∂(a sample's loss)/∂preactivation, one row a sample.

    name: what the parameters are called ("0").  weight (n, n_in); bias (n,) or None; preactivation, activation, delta,
    preactivation_gradient (batch, n), the last of the whole batch's loss, as are weight_gradient and bias_gradient.
    """

    layer: int
    name: str
    function: Activation
    weight: Array
    bias: Array | None
    preactivation: Array
    activation: Array
    delta: Array
    preactivation_gradient: Array
    weight_gradient: Array
    bias_gradient: Array | None


@dataclass(frozen=True, eq=False)
class Step:
    """A recorded step.  inputs (batch, n_in), targets (batch, n_out) as numbers (classes as rows of 0 and 1).

    sample_losses (batch,).  fused: the loss contains the output function.  dropout: some was left out.
    input_names: of the columns behind the inputs, where they have names.
    """

    graph: Graph
    layers: tuple[LayerStep, ...]
    inputs: Array
    targets: Array
    loss: float
    sample_losses: Array
    loss_name: str
    reduction: str
    fused: bool
    dropout: bool
    input_names: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        return len(self.layers)

    @property
    def batch(self) -> int:
        return len(self.inputs)

    @property
    def outputs(self) -> Array:
        return self.layers[-1].activation

    def below(self, layer: int) -> Array:
        """The activation that enters layer 1 … K."""
        return self.inputs if layer == 1 else self.layers[layer - 2].activation

    @property
    def share(self) -> float:
        """∂(loss of the batch)/∂(loss of a sample): 1/batch for a mean, 1 for a sum."""
        return 1 / self.batch if self.reduction == "mean" else 1.0


@dataclass(frozen=True)
class _Plan:
    """A network taken apart: what runs before the loss, and what each Linear is followed by."""

    layers: tuple[Layer, ...]
    linears: tuple[Linear, ...]
    functions: tuple[Activation, ...]
    loss: Loss
    reduction: str
    dropout: bool


def record_step(
    network: Any,
    x: Any,
    t: Any,
    *,
    loss: str | None = None,
    reduction: str | None = None,
    input_names: Sequence[str] = (),
) -> Step:
    """Run the network forward to its loss and back.  x (batch, n_in) or (n_in,), t as the loss takes it.

    loss, reduction: for a Sequential (a Network knows its own).  input_names: one for each input, or none.
    UsageError for a network of another kind.
    """
    plan = _plan(network, loss, reduction)
    dtype = plan.linears[0].weight.dtype
    x, t = _batch(x, t, dtype)
    if input_names and len(input_names) != x[0].size:
        raise UsageError("one name for each input", where=user_line(), got=f"{len(input_names)}", want=f"{x[0].size}")
    root, output = _forward(plan, x, t)
    nodes = _by_role(Graph({"loss": root, "output": output}))
    graph = Graph({"loss": root, "output": output})
    gradients = backward(root)
    whole = len(x) if plan.reduction == "mean" else 1
    deltas = backward(root, root.dtype.type(whole))
    layers = tuple(_layer(plan, nodes, gradients, deltas, k) for k in range(1, len(plan.linears) + 1))
    each = plan.loss(_loss_argument(plan, nodes), as_input(t), reduction="none").value
    targets = _rows(t, layers[-1].activation)
    return Step(
        graph=graph,
        layers=layers,
        inputs=nodes[Role("input", 0)].value.reshape(len(x), -1),
        targets=targets,
        loss=float(root.value),
        sample_losses=freeze(np.asarray(each)),
        loss_name=plan.loss.name,
        reduction=plan.reduction,
        fused=plan.loss.fused is not None,
        dropout=plan.dropout,
        input_names=tuple(input_names),
    )


# -- taking a network apart --------------------------------------------------------------------------------------------
def _plan(network: Any, loss: str | None, reduction: str | None) -> _Plan:
    if isinstance(network, Network):
        if loss is not None or reduction is not None:
            raise UsageError("a Network has its own loss", where=user_line(), fix="leave loss and reduction out")
        return _checked([*_flat(network.body), network.head], network.loss_function, network.reduction)
    if not isinstance(network, Sequential):
        raise UsageError(
            "only a feedforward network can be traced layer by layer",
            where=user_line(),
            got=type(network).__name__,
            want=SUPPORTED,
            fix="for any other graph: denpa.explain.chain(graph, wrt)",
        )
    layers = list(_flat(network))
    last = layers[-1]
    if loss in LOSSES and LOSSES[loss].fused and isinstance(last, Linear):  # PyTorch's way: the loss takes the logits
        from denpa.nn.layers import ACTIVATIONS

        layers.append(ACTIVATIONS[str(LOSSES[loss].fused)](layer=last.layer))
    function = layers[-1].function if isinstance(layers[-1], Activation) else "identity"
    if reduction is not None and reduction not in REDUCTIONS:
        raise UsageError("unknown reduction", where=user_line(), got=repr(reduction), want=" or ".join(REDUCTIONS))
    return _checked(layers, loss_for(function, loss), reduction or "mean")


def _flat(layer: Layer) -> Iterator[Layer]:
    if isinstance(layer, Sequential):
        for inner in layer.layers:
            yield from _flat(inner)
    else:
        yield layer


def _checked(layers: Sequence[Layer], loss: Loss, reduction: str) -> _Plan:
    linears: list[Linear] = []
    functions: list[Activation | None] = []
    for i, layer in enumerate(layers):
        if isinstance(layer, Linear):
            linears.append(layer)
            functions.append(None)
        elif isinstance(layer, Activation) and linears and functions[-1] is None:
            functions[-1] = layer
        elif not isinstance(layer, Dropout) and not (isinstance(layer, Flatten) and not linears):
            raise UsageError(
                "this network cannot be traced layer by layer",
                where=f"layer {i} of the network",
                got=repr(layer)[:80],
                want=SUPPORTED,
                fix="for any other graph: denpa.explain.chain(graph, wrt)",
            )
    if not linears:
        raise UsageError("this network has no layer with weights", where=user_line(), want=SUPPORTED)
    found = tuple(f or Identity(layer=k) for k, f in enumerate(functions, 1))
    return _Plan(tuple(layers), tuple(linears), found, loss, reduction, any(isinstance(v, Dropout) for v in layers))


# -- running it --------------------------------------------------------------------------------------------------------
def _batch(x: Any, t: Any, dtype: Any) -> tuple[Array, Array]:
    x, t = (v.value if isinstance(v, Tensor) else v for v in (x, t))
    x, t = np.asarray(x), np.asarray(t)
    if x.ndim == 1:
        x, t = x[None], t[None]
    if x.ndim < 2 or t.ndim == 0 or len(x) != len(t) or len(x) == 0:
        raise ShapeError(
            "a step needs one sample or a batch, and a target for each sample",
            where=user_line(),
            got=f"x {x.shape}, t {t.shape}",
            want="x (n_in,) with its target, or x (batch, n_in) with t (batch,) or (batch, n_out)",
        )
    return x.astype(dtype), t.astype(dtype) if t.dtype.kind == "f" else t


def _forward(plan: _Plan, x: Array, t: Array) -> tuple[Tensor, Tensor]:
    """The loss and the outputs.  Where the loss contains the output function, that is computed beside it."""
    value = as_input(x, role=Role("input", 0))
    head = plan.layers[-1] if plan.loss.fused else None
    for layer in plan.layers[:-1] if head is not None else plan.layers:
        value = layer(value)
    depth = len(plan.linears)
    target = as_input(t, name="t", role=Role("target", depth))
    root = tagged(plan.loss(value, target, reduction=plan.reduction), "loss", depth, name="loss")
    return root, value if head is None else head(value)


def _by_role(graph: Graph) -> dict[Role, Node]:
    return {node.role: node for node in graph.nodes if node.role is not None}


def _loss_argument(plan: _Plan, nodes: dict[Role, Node]) -> Tensor:
    depth = len(plan.linears)
    kind = "preactivation" if plan.loss.fused else "activation"
    return Tensor(nodes.get(Role(kind, depth)) or nodes[Role("preactivation", depth)])


def _layer(plan: _Plan, nodes: dict[Role, Node], gradients: Any, deltas: Any, k: int) -> LayerStep:
    linear = plan.linears[k - 1]
    z = nodes[Role("preactivation", k)]
    bias = nodes.get(Role("bias", k))
    weight = nodes[Role("weight", k)]
    return LayerStep(
        layer=k,
        name=linear.prefix.rstrip("."),
        function=plan.functions[k - 1],
        weight=weight.value,
        bias=None if bias is None else bias.value,
        preactivation=z.value,
        activation=nodes.get(Role("activation", k), z).value,
        delta=deltas[z],
        preactivation_gradient=gradients[z],
        weight_gradient=gradients[weight],
        bias_gradient=None if bias is None else gradients[bias],
    )


def _rows(t: Array, outputs: Array) -> Array:
    """Targets as one row of numbers a sample: class numbers become rows with a single 1."""
    if t.ndim == outputs.ndim:
        return freeze(t.astype(outputs.dtype))
    rows = np.zeros(outputs.shape, outputs.dtype)
    rows[np.arange(len(t)), t] = 1
    return freeze(rows)
