"""The Jacobian chain of seed 001 (33)–(48), multiplied out beside the delta rule (50)–(54).

Each factor is written down in closed form, as the textbook does, from the activations alone: none of the rules that
backpropagation uses is asked.  The product is taken from the output's side with whole matrices, once for every layer
from the start, which is what the delta rule saves: it keeps one row where this keeps a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.explain.step import LayerStep, Step
from denpa.nn.layers import Activation
from denpa.transforms import jacobian

Slope = Callable[[Array, Array, Any], Array]  # preactivation, activation, the layer → ψ′


def _gelu(a: Array, z: Array, _: Any) -> Array:
    share = np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[np.float64])(a)
    return share + a * np.exp(-a * a / 2) / math.sqrt(2 * math.pi)


# ψ′ in closed form.  Source: seed 001 §5.6 for sigmoid and ReLU (56 with its two cases put right).
SLOPES: dict[str, Slope] = {
    "identity": lambda a, z, _: np.ones_like(a),
    "relu": lambda a, z, _: np.where(a > 0, 1.0, 0.0),
    "leaky_relu": lambda a, z, f: np.where(a > 0, 1.0, f.negative_slope),
    "elu": lambda a, z, f: np.where(a > 0, 1.0, f.alpha * np.exp(np.minimum(a, 0))),
    "gelu": _gelu,
    "softplus": lambda a, z, _: 1 / (1 + np.exp(-np.clip(a, -700, 700))),
    "sigmoid": lambda a, z, _: z * (1 - z),
    "tanh": lambda a, z, _: 1 - z * z,
}

# The same in LaTeX, of the preactivation {a} and the activation {z}.
SLOPE_TEXTS = {
    "identity": "1",
    "relu": r"\begin{{cases}} 1 & {a} > 0 \\ 0 & {a} \le 0 \end{{cases}}",
    "leaky_relu": r"\begin{{cases}} 1 & {a} > 0 \\ {p} & {a} \le 0 \end{{cases}}",
    "elu": r"\begin{{cases}} 1 & {a} > 0 \\ {p} \times e^{{{a}}} & {a} \le 0 \end{{cases}}",
    "gelu": r"\Phi\left({a}\right) + {a} \times \Phi'\left({a}\right)",
    "softplus": r"\sigma\left({a}\right)",
    "sigmoid": r"{z} \times \left(1 - {z}\right)",
    "tanh": r"1 - {{{z}}}^{{2}}",
}


def slopes(layer: LayerStep) -> Array | None:
    """ψ′ at each unit, float64 (batch, n); None for softmax, whose units depend on each other."""
    name = layer.function.function
    a, z = layer.preactivation.astype(np.float64), layer.activation.astype(np.float64)
    return SLOPES[name](a, z, layer.function) if name in SLOPES else None


def activation_jacobian(layer: LayerStep, i: int) -> Array:
    """∂z/∂a of sample i, (n, n): diagonal for what works unit by unit (38), diag(s) − s sᵀ for softmax."""
    name = layer.function.function
    if name in SLOPES:
        return np.diag(slopes(layer)[i])  # type: ignore[index]
    if name == "softmax":
        s = layer.activation[i].astype(np.float64)
        return np.diag(s) - np.outer(s, s)
    a = layer.preactivation[i].astype(np.float64)  # a user's own function: the library's rules are all there is
    return np.asarray(jacobian(_alone(layer.function))(a))


def _alone(function: Activation) -> Callable[[Any], Any]:
    from denpa.graph import FUNCTIONS

    settings = [getattr(function, f.name) for f in fields(function) if f.name != "layer"]
    return lambda a: FUNCTIONS[function.function](a, *settings)


def loss_row(step: Step, i: int) -> Array:
    """∂L/∂a of the output layer for sample i, (n_out,): (35) for a fused loss, else ∂L/∂ŷ times ∂ŷ/∂a."""
    y, t = step.outputs[i].astype(np.float64), step.targets[i].astype(np.float64)
    if step.loss_name == "softmax_cross_entropy":
        return y * t.sum() - t
    if step.loss_name == "sigmoid_cross_entropy":
        return y - t
    d = y - t
    outer = {"squared_error": d, "absolute_error": np.sign(d), "huber": np.clip(d, -1, 1)}[step.loss_name]
    return outer @ activation_jacobian(step.layers[-1], i)


@dataclass(frozen=True, eq=False)
class ChainResult:
    """Of one layer: the gradients by the Jacobian chain (float64), how far the delta rule's are from them, and the
    multiplications each way needs for one sample.

    difference: the largest; bound: the largest that rounding in the network's dtype explains; agrees: it does so for
    every element (NaN on either side does not agree).
    """

    layer: int
    weight_gradient: Array
    bias_gradient: Array
    difference: float
    bound: float
    agrees: bool
    products_chain: int
    products_delta: int


def compare(step: Step) -> tuple[ChainResult, ...]:
    """Both ways, layer by layer, from the output's to the first."""
    factors = _Factors(step)
    return tuple(_layer_result(step, factors, k) for k in range(step.depth, 0, -1))


class _Factors:
    """The factors of the chain in float64: weights (36), and slopes where the Jacobian matrix is diagonal (38)."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.weights = [v.weight.astype(np.float64) for v in step.layers]
        self.sizes = [np.abs(w) for w in self.weights]
        self.slopes = [slopes(v) for v in step.layers]

    def times_slope(self, left: Array, layer: int, i: int, *, size: bool = False) -> Array:
        """left · ∂z/∂a of sample i at layer 1 … K; a diagonal one column by column.  size: with |∂z/∂a|."""
        slope = self.slopes[layer - 1]
        if slope is not None:
            return left * (np.abs(slope[i]) if size else slope[i])
        matrix = activation_jacobian(self.step.layers[layer - 1], i)
        product: Array = left @ (np.abs(matrix) if size else matrix)
        return product


def _layer_result(step: Step, factors: _Factors, k: int) -> ChainResult:
    """Layer k: the mean or sum over the samples of (∂L/∂a⁽ᴷ⁾)(∂a⁽ᴷ⁾/∂a⁽ᵏ⁾)(∂a⁽ᵏ⁾/∂W⁽ᵏ⁾), as (45)."""
    layer = step.layers[k - 1]
    epsilon = float(np.finfo(layer.weight.dtype).eps)
    below = np.column_stack([step.below(k), np.ones(step.batch)]).astype(np.float64)  # the 1 that meets the bias
    rows = np.stack([_row(step, factors, k, i) for i in range(step.batch)])
    noise = np.stack([_rounding(step, factors, k, i, epsilon) for i in range(step.batch)])
    gradient = step.share * (rows.T @ below)  # (39): ∂a_ξ/∂W_μν = δ_μξ z_ν
    room = step.share * ((noise[:, 1] + (step.batch + 2) * epsilon * noise[:, 0]).T @ np.abs(below))
    found = layer.weight_gradient
    if layer.bias_gradient is not None:
        found = np.column_stack([found, layer.bias_gradient])
    gap = np.abs(found - gradient[:, : found.shape[1]])
    good = bool(np.all(gap <= room[:, : found.shape[1]]))
    return ChainResult(
        k, gradient[:, :-1], gradient[:, -1], float(np.max(gap)), float(np.max(room)), good, *_products(step, k)
    )


def _row(step: Step, factors: _Factors, k: int, i: int) -> Array:
    """∂L/∂a⁽ᵏ⁾ of sample i: the product of whole Jacobian matrices from the output down to layer k, then the row."""
    matrix = np.eye(step.outputs.shape[1])
    for layer in range(step.depth, k, -1):
        matrix = factors.times_slope(matrix @ factors.weights[layer - 1], layer - 1, i)
    product: Array = loss_row(step, i) @ matrix
    return product


def _rounding(step: Step, factors: _Factors, k: int, i: int, epsilon: float) -> tuple[Array, Array]:
    """Running error analysis of δ⁽ᵏ⁾ as the network's dtype computes it: the sizes summed, and the error they allow.

    A slope such as z(1 − z) is off by a few ε of 1 and not of itself, hence the 4 · size beside |∂z/∂a|.
    """
    size, error = _rounding_of_loss(step, i, epsilon)
    for layer in range(step.depth, k, -1):
        weight = factors.sizes[layer - 1]
        terms = (len(weight) + 1) * epsilon
        size, error = size @ weight, error @ weight + terms * (size @ weight)
        passed = factors.times_slope(size, layer - 1, i, size=True)
        error = factors.times_slope(error, layer - 1, i, size=True) + epsilon * (passed + 4 * size)
        size = passed
    return size, error


def _rounding_of_loss(step: Step, i: int, epsilon: float) -> tuple[Array, Array]:
    y, t = (np.abs(v[i].astype(np.float64)) for v in (step.outputs, step.targets))
    if step.fused:
        return np.abs(loss_row(step, i)), 8 * epsilon * (y * max(1.0, t.sum()) + t)
    slope = np.abs(activation_jacobian(step.layers[-1], i))
    return np.abs(y - t) @ slope, epsilon * (2 * (y + t) @ slope + 4 * np.sum(y + t))


def _products(step: Step, k: int) -> tuple[int, int]:
    """Multiplications for one sample of the gradient of layer k alone: with matrices, and with one row."""
    n_out = len(step.layers[-1].weight)
    inner = sum(v.weight.size + v.weight.shape[1] for v in step.layers[k:])
    last = step.layers[k - 1].weight.size
    return n_out * inner + (n_out * len(step.layers[k - 1].weight) if k < step.depth else 0) + last, inner + last
