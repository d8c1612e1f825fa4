"""From the stages that ONNX's nodes apply to rows to layers: scaling, weights and activations in their places.

Steps by constants are folded in float64: before the first layer they standardise the inputs, after the last they give
the targets' unit, and between they go into the weights beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import ModelFileError
from denpa.interop.onnx_ops import PARTS
from denpa.interop.onnx_values import Stage

UNFINISHED = {name.lower() for name in PARTS} | {"min"}
SQUARE = 1 << 24  # weights of a layer that only hands on its inputs, put in where two activations follow each other


@dataclass
class Chain:
    """layers: (W (n_out, n_in), b (n_out,) float64, activation); the network sees (x − mean) / std of its inputs, and
    its outputs · scale + shift are in the targets' unit."""

    features: int
    mean: Array
    std: Array
    scale: Array
    shift: Array
    layers: list[tuple[Array, Array, str]] = field(default_factory=list)
    bias: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def units(self) -> list[int]:
        return [self.features, *(len(b) for _, b, _ in self.layers)]


@dataclass
class _Builder:
    """The layers so far.  W, b: of the one that waits for its activation; steps: since the last layer or activation."""

    features: int
    fail: Callable[[str], ModelFileError]
    W: Array | None = None
    b: Array = field(default_factory=lambda: np.zeros(0))
    steps: list[Stage] = field(default_factory=list)
    head: list[Stage] = field(default_factory=list)
    layers: list[tuple[Array, Array, str]] = field(default_factory=list)
    bias: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        if self.W is not None:
            return len(self.b)
        return len(self.layers[-1][1]) if self.layers else self.features

    def linear(self, stage: Stage) -> None:
        if self.W is not None:
            self.close("identity")
        W = np.asarray(stage.value)  # no copy, and float64 only where something is folded in
        b = np.zeros(len(W)) if stage.bias is None else np.asarray(stage.bias, np.float64)
        self.bias |= stage.bias is not None
        if self.layers and self.steps:  # after an activation: into the weights that come next
            a, c = affine(self.steps, W.shape[1])
            self.bias |= bool(c.any())
            W, b = W * a, b + W @ c
        elif not self.layers:
            self.head = self.steps
        self.W, self.b, self.steps = W, b, []

    def act(self, name: str) -> None:
        if self.W is None:
            self.pass_on(f"a layer that hands on its {self.width:,} inputs was put before {name}")
        self.close(name)

    def pass_on(self, note: str) -> None:
        if self.width**2 > SQUARE:
            raise self.fail("two activations follow each other in a layer too wide to put weights between")
        self.linear(Stage("linear", value=np.eye(self.width)))
        self.notes.append(note)

    def close(self, name: str) -> None:
        assert self.W is not None
        W, b = self.W, self.b
        if self.steps:
            a, c = affine(self.steps, len(b))
            self.bias |= bool(c.any())
            W, b = W * a[:, None], b * a + c
        if name == "binary":  # 1 − σ(z), σ(z) are the softmax of 0 and z
            W, b, name = np.concatenate([np.zeros_like(W), W]), np.concatenate([np.zeros_like(b), b]), "softmax"
            self.notes.append("the sigmoid of one unit became the softmax of two, which is the same function")
        self.layers.append((W, b, name))
        self.W, self.steps = None, []


def affine(steps: Sequence[Stage], features: int) -> tuple[Array, Array]:
    """a, c, each (features,): all steps together are a·x + c."""
    a, c = np.ones(features), np.zeros(features)
    for step in steps:
        if step.kind == "add":
            c = c + step.value
        elif step.kind == "multiply":
            a, c = a * step.value, c * step.value
        else:
            a, c = a / step.value, c / step.value
    return a, c


def standardising(steps: Sequence[Stage], features: int) -> tuple[Array, Array]:
    """mean, std, each (features,): all steps together are (x − mean) / std.  A factor of 0 gives std = inf."""
    mean, std = np.zeros(features), np.ones(features)
    for step in steps:
        value = np.asarray(step.value, np.float64)
        if step.kind == "add":
            mean = mean - value * std
        else:
            std = std * value if step.kind == "divide" else std / value
    return mean, std


def chain(stages: Sequence[Stage], features: int, fail: Callable[[str], ModelFileError]) -> Chain:
    """Layers for the stages.  fail: makes the error for what is no feedforward network."""
    built = _Builder(features, fail)
    with np.errstate(all="ignore"):  # what is not finite is refused by `_finish`
        for stage in stages:
            if stage.kind == "linear":
                built.linear(stage)
            elif stage.kind == "act":
                if stage.name in UNFINISHED:
                    raise fail(f"{stage.name} is read as a part of GELU, ELU, leaky ReLU or softplus only")
                built.act(stage.name)
            else:
                built.steps.append(stage)
        return _finish(built)


def _finish(built: _Builder) -> Chain:
    if built.W is None and not built.layers:
        raise built.fail("it has no layer with weights")
    scale, shift = affine(built.steps, built.width)
    if (scale > 0).all():  # the targets' unit; else into weights
        built.steps = []
    else:
        scale, shift = np.ones(built.width), np.zeros(built.width)
        if built.W is None:
            built.pass_on("a layer that hands on its inputs was put after the last activation")
    if built.W is not None:
        built.close("identity")
    mean, std = standardising(built.head, built.features)
    if not ((std > 0) & np.isfinite(std) & np.isfinite(mean)).all():
        W, b, name = built.layers[0]
        a, c = affine(built.head, built.features)
        built.bias |= bool(c.any())
        built.layers[0] = (W * a, b + W @ c, name)
        mean, std = np.zeros(built.features), np.ones(built.features)
    result = Chain(built.features, mean, std, scale, shift, built.layers, built.bias, built.notes)
    finite: list[Any] = [mean, std, scale, shift, *(a for W, b, _ in result.layers for a in (W, b))]
    if not all(np.isfinite(a).all() for a in finite):
        raise built.fail("its constants overflow")
    return result
