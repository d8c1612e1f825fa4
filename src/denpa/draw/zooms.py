"""Three zooms of a network: layers (its graph of arrays, collapsed), units with their weights, scalar operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from denpa.draw.build import Cluster
from denpa.draw.view import loss_name
from denpa.errors import UsageError, user_line
from denpa.explain.notation import Notation
from denpa.explain.step import LayerStep, Step, record_step
from denpa.graph import Graph, Role, Tensor, constant, parameter, tensor
from denpa.ops import absolute_error, divide, exp, huber, log, squared_error

Zoom: TypeAlias = Literal["layers", "units", "operations"]
ZOOMS: tuple[Zoom, ...] = ("layers", "units", "operations")
MOST = 20_000  # scalar operations: beyond, neither a picture nor its layout is of use

__all__ = ["MOST", "ZOOMS", "Cluster", "Zoom", "layers", "one_row", "operations"]


def is_network(what: Any) -> bool:
    return callable(what) and hasattr(what, "parameters") and hasattr(what, "with_parameters")


def layers(network: Any, x: Any, t: Any) -> Graph:
    """The graph of the loss, or of the outputs when there is no target.  UsageError for a target without a loss."""
    if t is None:
        return Graph(network(x))
    if not hasattr(network, "loss"):
        raise UsageError(
            "this model has no loss to compare its outputs with t",
            where=user_line(),
            got=type(network).__name__,
            fix="draw(model, x) for its outputs, or draw(loss) for a loss of your own",
        )
    return Graph(network.loss(x, t))


def one_row(network: Any, x: Any, t: Any, row: int, input_names: Sequence[str] = ()) -> Step:
    """The step of one sample.  UsageError without a target, and for a row the batch does not have."""
    if t is None:
        raise UsageError("units and operations need a target: draw(network, x, t, ...)", where=user_line())
    x, t = (np.asarray(v.value if isinstance(v, Tensor) else v) for v in (x, t))
    if x.ndim > 1:
        if not -len(x) <= row < len(x):
            raise UsageError("the batch has no such row", where=user_line(), got=str(row), want=f"0 … {len(x) - 1}")
        x, t = x[row], np.asarray(t[row])
    return record_step(network, x, t, input_names=input_names)


def operations(step: Step, notation: Notation) -> Graph:
    """The step of one sample as scalars: every product, sum and function of a number is a node.  float64.

    UsageError beyond 20,000 operations.  Source: seed 002 (one weight's paths), seed 003 (scalars only).
    """
    count = sum(2 * layer.weight.size + 2 * len(layer.weight) for layer in step.layers)
    if count > MOST:
        raise UsageError("too many scalar operations to draw", got=f"{count:,}", want=f"at most {MOST:,}",
                         fix='zoom="layers" or zoom="units"')  # fmt: skip
    named = notation.bound(step.depth)
    z = [tensor(float(v), name=named.symbol("activation", 0, i).plain) for i, v in enumerate(step.inputs[0])]
    for t in z:
        t.node.role = Role("input", 0)
    for layer in step.layers:
        fused = step.fused and layer.layer == step.depth
        z = _layer(layer, z, named, last=fused)
    return Graph(_loss(step, z, named))


def _layer(layer: LayerStep, z: list[Tensor], named: Notation, last: bool) -> list[Tensor]:
    l = layer.layer
    sums: list[Tensor] = []
    for i, row in enumerate(layer.weight):
        total: Tensor | None = None
        for j, w in enumerate(row):
            product = _parameter(float(w), named.symbol("weight", l, (i, j)).plain, "weight", l) * z[j]
            total = product if total is None else total + product
        assert total is not None
        if layer.bias is not None:
            total = total + _parameter(float(layer.bias[i]), named.symbol("bias", l, i).plain, "bias", l)
        sums.append(_tagged(total, named.symbol("preactivation", l, i).plain, "preactivation", l))
    if last:
        return sums  # the loss contains the output function
    return _activated(layer, sums, named)


def _activated(layer: LayerStep, sums: list[Tensor], named: Notation) -> list[Tensor]:
    if layer.function.function == "identity":
        return sums
    outputs = softmax(sums) if layer.function.function == "softmax" else [layer.function(a) for a in sums]
    return [
        _tagged(o, named.symbol("activation", layer.layer, i).plain, "activation", layer.layer)
        for i, o in enumerate(outputs)
    ]


def softmax(a: list[Tensor]) -> list[Tensor]:
    """exp(a) / Σ exp(a), as seed 000 §5.6.3 draws it; logits that would overflow are first lowered by the largest."""
    largest = max(float(t.value) for t in a)
    if largest > 500.0:  # exp overflows float64 above 709.8
        a = [t - constant(largest, name="max") for t in a]
    e = [exp(t) for t in a]
    total = _sum(e)
    return [divide(t, total) for t in e]


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _loss(step: Step, z: list[Tensor], named: Notation) -> Tensor:
    """The loss of the sample from the outputs (from the logits where the loss contains the output function)."""
    t = [float(v) for v in step.targets[0]]
    if step.fused:
        z = _activated(step.layers[-1], z, named)
    depth = step.depth
    if step.loss_name == "softmax_cross_entropy":
        loss = -_sum([_weighted(v, log(y)) for v, y in zip(t, z, strict=True) if v])
    elif step.loss_name == "sigmoid_cross_entropy":
        terms = [_weighted(v, log(y)) for v, y in zip(t, z, strict=True) if v]
        terms += [_weighted(1 - v, log(constant(1.0, name="1") - y)) for v, y in zip(t, z, strict=True) if v != 1]
        loss = -_sum(terms)
    else:
        error = {"squared_error": squared_error, "absolute_error": absolute_error, "huber": huber}[step.loss_name]
        targets = [tensor(v, name=named.symbol("target", depth, i).plain) for i, v in enumerate(t)]
        for target in targets:
            target.node.role, target.node.requires = Role("target", depth), False
        loss = _sum([error(y, v, reduction="sum") for y, v in zip(z, targets, strict=True)])
    _tagged(loss, loss_name(named, one=True), "loss", depth)
    if not math.isclose(float(loss.value), step.loss, rel_tol=1e-4, abs_tol=1e-6) and math.isfinite(step.loss):
        raise AssertionError(f"the scalar graph gives {loss.value}, the network {step.loss}")
    return loss


def _weighted(weight: float, term: Tensor) -> Tensor:
    return term if weight == 1 else constant(weight) * term


def _parameter(value: float, name: str, kind: str, layer: int) -> Tensor:
    t = parameter(value, name=name)
    t.node.role = Role(kind, layer)
    return t


def _tagged(t: Tensor, name: str, kind: str, layer: int) -> Tensor:
    t.node.name, t.node.role = name, Role(kind, layer)
    return t
