"""One training step as one Graph, recorded from a real batch: forward, backward, update.

Recorded once per batch shape; an engine then runs it thousands of times.  Gradients are taken for the parameters alone:
the input is a leaf without a gradient, so the first layer's input gradient, the widest product of all, never exists.
Source: seed 000 §5.7, seed 001 Algorithm 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.arrays import Array, as_value
from denpa.autodiff import backward
from denpa.engine import Step
from denpa.engine.keep import norm
from denpa.graph import FUNCTIONS, Graph, Role, Tensor, ancestors, leaf
from denpa.nn import Network, optim

NEW = "new."  # a parameter "0.weight" goes into the step under its name and comes out as "new.0.weight"
NORM = "norm."


def training_step(
    network: Network,
    optimizer: optim.Optimizer,
    x: Array,
    t: Array,
    w: Array | None = None,
    *,
    classify: bool,
    clip: float = 0.0,
    penalty: float = 0.0,
) -> Step:
    """A step for batches shaped like x (batch, n_in) and t, class numbers (batch,) or rows (batch, n_out).

    w (batch,): what each row counts for, of the network's dtype; None: all the same.
    Inputs: parameters and optimiser state by name; x, t, w by row; learning_rate (float64) and, with dropout, key
    (uint64, (2,)) by step.  Metrics: loss; classify: correct (int64), the rows whose largest output is the true
    class's; with w: weight, Σ wᵢ, and correct is what those rows weigh.
    clip: the largest global gradient norm, 0 for no limit.  penalty: α of α/2 · Σ W² / Σ wᵢ over the weights, without
    biases, whose gradient is added to the loss's, while the loss itself is shown without it.

    Nodes to keep by name (engine.keep): "preactivation 1", "activation 1" and "delta 1", the loss's gradient there, of
    every layer; "gradient 0.weight" of every parameter, before clipping.
    """
    with np.errstate(all="ignore"):  # the loop checks every step, this one too
        inputs = _inputs(network, x, t, w, key=network.dropout > 0)
        state = {name: _input(name, value) for name, value in optimizer.init(network.parameters()).items()}
        rate = _input("learning_rate", np.float64(0))
        loss, parameters, metrics = _forward(network, inputs, training=True, classify=classify)
        gradients = _penalized(_gradients(_objective(loss, inputs), parameters), parameters, inputs, penalty)
        if clip > 0:
            gradients, _ = optim.clip_by_global_norm(gradients, clip)
        new_parameters, new_state = optimizer.update(parameters, gradients, state, rate)
    carried = {**new_parameters, **new_state}
    graph = Graph(
        {**metrics, **{NEW + name: value for name, value in carried.items()}},
        {**parameters, **state, **inputs, "learning_rate": rate},
    )
    by_step = ("learning_rate", "key") if "key" in inputs else ("learning_rate",)
    return Step(graph, {name: NEW + name for name in carried}, _by_row(inputs), by_step, ("loss",))


def gradient_step(network: Network, x: Array, t: Array, w: Array | None = None, *, penalty: float = 0.0) -> Step:
    """The gradients of a training step, with its dropout, without its update.  Metrics: loss, the gradients by name."""
    with np.errstate(all="ignore"):
        inputs = _inputs(network, x, t, w, key=network.dropout > 0)
        loss, parameters, metrics = _forward(network, inputs, training=True)
        gradients = _penalized(_gradients(_objective(loss, inputs), parameters), parameters, inputs, penalty)
    graph = Graph(
        {"loss": metrics["loss"], **{NEW + name: g for name, g in gradients.items()}}, {**parameters, **inputs}
    )
    return Step(graph, {}, _by_row(inputs), ("key",) if "key" in inputs else ())


def measuring_step(network: Network, x: Array, t: Array, w: Array | None = None) -> Step:
    """Forward and backward without update or dropout.  Metrics: the Euclidean norm of each parameter's gradient."""
    with np.errstate(all="ignore"):
        inputs = _inputs(network, x, t, w)
        loss, parameters, metrics = _forward(network, inputs, training=False)
        norms = {NORM + name: norm(g) for name, g in _gradients(_objective(loss, inputs), parameters).items()}
    graph = Graph({"loss": metrics["loss"], **norms}, {**parameters, **inputs})
    return Step(graph, {}, _by_row(inputs), finite=tuple(graph.outputs))


def evaluating_step(network: Network, x: Array, t: Array, *, classify: bool, each: bool = False) -> Step:
    """Forward alone, without dropout.  Metrics as of `training_step`, outputs (batch, n_out), predicted (classify).

    each: losses (batch,), one of each row, too.
    """
    with np.errstate(all="ignore"):
        inputs = _inputs(network, x, t)
        _, parameters, metrics = _forward(network, inputs, training=False, classify=classify, outputs=True)
        if each:
            y = metrics["outputs"] if network.loss_function.fused is None else metrics["logits"]
            metrics["losses"] = network.loss_function(y, inputs["t"], reduction="none")
        metrics.pop("logits")
    return Step(Graph(metrics, {**parameters, **inputs}), {}, ("x", "t"))


def _input(name: str, value: Array, role: Role | None = None) -> Tensor:
    """A leaf that takes part in the graph and has no gradient."""
    node = leaf(as_value(value), "input", name, requires=False)
    node.role = role
    return Tensor(node)


def _inputs(network: Network, x: Array, t: Array, w: Array | None = None, key: bool = False) -> dict[str, Tensor]:
    inputs = {"x": _input("x", x, Role("input", 0)), "t": _input("t", t, Role("target", network.depth))}
    if w is not None:
        inputs["w"] = _input("w", w)
    if key:
        inputs["key"] = _input("key", np.zeros(2, np.uint64))
    return inputs


def _by_row(inputs: dict[str, Tensor]) -> tuple[str, ...]:
    return tuple(name for name in ("x", "t", "w") if name in inputs)


def _forward(
    network: Network, inputs: dict[str, Tensor], training: bool, classify: bool = False, outputs: bool = False
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The loss, the parameters as fresh leaves, and the metrics."""
    network = network.with_parameters({name: p.value for name, p in network.parameters().items()})
    w = inputs.get("w")
    loss = network.loss(inputs["x"], inputs["t"], weights=w, training=training, key=inputs.get("key"))
    metrics = {"loss": loss}
    if w is not None and training:
        metrics["weight"] = _call("sum", w)
    logits = Tensor(next(n for n in ancestors([loss.node]) if n.role == Role("preactivation", network.depth)))
    t = inputs["t"]
    if outputs:
        metrics |= {"outputs": network.head(logits), "logits": logits}
    if classify:
        classes = t if t.ndim == 1 else _call("argmax", t, axis=1)
        predicted = _call("argmax", logits, axis=1)  # float32 sigmoids are all 1 above 17, their logits still differ
        right = _call("equal", predicted, classes)
        metrics["correct"] = _call("sum", right if w is None else _call("where", right, w, 0.0))
        if outputs:
            metrics["predicted"] = predicted
    return loss, network.parameters(), metrics


def _objective(loss: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """What is differentiated: with weights Σ wᵢ Lᵢ / rows of the batch, while Σ wᵢ Lᵢ / Σ wᵢ is shown.

    Weights have the mean 1 over the training rows.  Divided by those of its own batch, a row would count the more, the
    less its neighbours do, and alone in a batch always 1.
    """
    if "w" not in inputs:
        return loss
    found: Tensor = loss * (_call("sum", inputs["w"]) / inputs["x"].shape[0])
    return found


def _gradients(loss: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters' gradients by name.  They and the layers' deltas get names and roles, to be found in the graph."""
    found = backward(loss, record=True)
    for node in ancestors([loss.node]):
        if node.role is not None and node.role.kind == "preactivation":
            delta = found[Tensor(node)].node
            delta.role = delta.role or Role("delta", node.role.layer)
    gradients = {name: found[p] for name, p in parameters.items()}
    for name, g in gradients.items():
        g.node.name = g.node.name or f"gradient {name}"
    return gradients


def _penalized(
    gradients: dict[str, Tensor], parameters: dict[str, Tensor], inputs: dict[str, Tensor], penalty: float
) -> dict[str, Tensor]:
    """The gradients plus α W / rows of the batch."""
    share = float(penalty) / inputs["x"].shape[0]  # a NumPy float64 would make float32 parameters float64
    if not share:
        return gradients
    return {name: g + share * parameters[name] if name.endswith("weight") else g for name, g in gradients.items()}


def _call(name: str, *args: Any, **params: Any) -> Tensor:
    result: Tensor = FUNCTIONS[name](*args, **params)
    return result
