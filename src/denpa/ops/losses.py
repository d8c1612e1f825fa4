"""Softmax and the losses: fused where stability asks for it, composed where it does not.

One convention for all: axis 0 counts samples, a sample's loss is the sum over its outputs, and `reduction` takes the
mean over samples ("mean"), their sum ("sum") or leaves one number a sample ("none").  A value of shape () is one
sample.  PyTorch's elementwise losses divide by the number of outputs as well; each docstring gives the factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from denpa.arrays import Array, Shape, like
from denpa.errors import DTypeError, ShapeError, UsageError, user_line
from denpa.ops.activations import sigmoid
from denpa.ops.elementwise import abs as abs_, divide, exp, multiply, negative, square, subtract
from denpa.ops.reducing import sum as sum_
from denpa.ops.samples import Args, uniform, with_params
from denpa.ops.selecting import clip
from denpa.ops.shaping import astype, expand_dims
from denpa.primitive import function, primitive, same

Reduction: TypeAlias = Literal["mean", "sum", "none"]

_AXES = with_params(((3,), {}), ((2, 3), {}), ((2, 3), {"axis": 0}), ((2, 3, 2), {"axis": 1}), ((0, 3), {}))


@primitive(shape=same, latex=r"\mathrm{{softmax}}\left({0}\right)", label="softmax", samples=_AXES, analytic=True)
def softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """exp(x) / Σ exp(x) along one axis, without overflow.

    An entry of -inf gets 0; a row of -inf only, or with +inf, is 0/0 or ∞/∞ and gives NaN (with NumPy's warning).
    Source: seed 000 §5.6.3, seed 001 (softmax output).
    """
    if not x.size:
        return x
    e = xp.exp(x - _largest(xp, x, axis))
    return e / xp.sum(e, axis=axis, keepdims=True)


def _largest(xp: Any, x: Array, axis: int) -> Array:
    """What is taken off so that exp stays in range (float32 overflows above 88.7); softmax does not see the shift."""
    return xp.max(x.real if x.dtype.kind == "c" else x, axis=axis, keepdims=True)


@softmax.vjp
def _(g: Any, out: Any, x: Any, *, axis: int) -> Any:
    h = g * out
    return (h - out * sum_(h, axis=axis, keepdims=True),)


@primitive(
    shape=same, latex=r"\log \mathrm{{softmax}}\left({0}\right)", label="log softmax", samples=_AXES, analytic=True
)
def log_softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """x - log Σ exp(x) along one axis, without overflow and without the log of a 0; -inf as in `softmax`."""
    if not x.size:
        return x
    z = x - _largest(xp, x, axis)
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


@log_softmax.vjp
def _(g: Any, out: Any, x: Any, *, axis: int) -> Any:
    return (g - exp(out) * sum_(g, axis=axis, keepdims=True),)


def _one_hot_samples(rng: np.random.Generator) -> Iterator[Args]:
    for shape in ((), (4,), (2, 3), (0,)):
        yield (rng.integers(0, 5, shape)[()],), {"n_classes": 5}


@primitive(
    shape=lambda x, *, n_classes, dtype: (*x, n_classes),
    latex=r"\mathrm{{onehot}}\left({0}\right)",
    label="one-hot",
    samples=_one_hot_samples,
    differentiable=False,
)
def one_hot(xp: Any, indices: Array, *, n_classes: int, dtype: Any = np.float64) -> Array:
    """Class indices (...) → rows (..., n_classes) with a 1 at the index.  UsageError for an index out of range."""
    _require_classes(xp, indices, n_classes, "one_hot")
    return (indices[..., None] == xp.arange(n_classes)).astype(dtype)


def _require_classes(xp: Any, indices: Array, n_classes: int, where: str) -> None:
    """Class indices are integers from 0 to n_classes - 1.  In a namespace that traces, only the dtype is known."""
    if indices.dtype.kind not in "iu":
        raise DTypeError(
            f"{where}: class indices must be integers",
            where=user_line(),
            got=f"dtype {indices.dtype}, shape {tuple(indices.shape)}",
            fix=f"indices.astype(int); or give one probability a class, shape (..., {n_classes})",
        )
    if xp is not np or not indices.size or (indices.min() >= 0 and indices.max() < n_classes):
        return
    row = np.argwhere((indices < 0) | (indices >= n_classes))[0]
    place = f"targets[{', '.join(map(str, row))}]" if row.size else "targets"
    raise UsageError(
        f"{where}: class index out of range",
        where=user_line(),
        got=f"{place} = {indices[tuple(row)]}",
        want=f"0 to {n_classes - 1}, one of the {n_classes} classes (the last axis of the logits)",
        fix="number the classes from 0, or give the last layer as many outputs as there are classes",
    )


def _reduced(shape: Shape, *, reduction: str) -> Shape:
    return shape if reduction == "none" else ()


def _reduce(xp: Any, losses: Array, reduction: str, where: str) -> Array:
    """One loss a sample → the mean, the sum, or as it is."""
    _require_reduction(losses.shape, reduction, where)
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total / losses.size if reduction == "mean" else total


def _require_reduction(shape: Shape, reduction: str, where: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise UsageError(
            f"{where}: unknown reduction", where=user_line(), got=repr(reduction), want='"mean", "sum" or "none"'
        )
    if reduction == "mean" and 0 in shape:
        raise ShapeError(
            f"{where}: the mean over an empty batch is not defined",
            where=user_line(),
            got=f"{tuple(shape)} losses",
            fix='leave the empty batch out, or use reduction="sum"',
        )


def _share(g: Any, rows: Shape, reduction: str, *, trailing: int = 1) -> Any:
    """The cotangent of each sample's loss, ready to be broadcast over its `trailing` output axes."""
    if reduction == "none":
        return expand_dims(g, axis=tuple(range(-trailing, 0))) if trailing else g
    return g / prod(rows) if reduction == "mean" else g


def _entropy_samples(rng: np.random.Generator) -> Iterator[Args]:
    for shape in ((4,), (3, 4), (2, 3, 4)):
        for reduction in ("mean", "sum", "none"):
            x, p = uniform(rng, shape), rng.dirichlet(np.ones(4), shape[:-1])
            yield (x, rng.integers(0, 4, shape[:-1])[()]), {"reduction": reduction}
            yield (x, p), {"reduction": reduction}
    yield (uniform(rng, (0, 4)), np.zeros(0, int)), {"reduction": "sum"}


def _entropy_shape(x: Shape, t: Shape, *, reduction: str) -> Shape:
    return _reduced(x[:-1], reduction=reduction)


@primitive(
    name="softmax_cross_entropy",
    shape=_entropy_shape,
    latex=r"-\sum {1} \log \mathrm{{softmax}}\left({0}\right)",
    label="softmax + CE",
    samples=_entropy_samples,
    analytic=True,
)
def _softmax_cross_entropy(xp: Any, logits: Array, targets: Array, *, reduction: str = "mean") -> Array:
    """-Σ t log softmax(logits); see the function `softmax_cross_entropy`."""
    k = _require_targets(xp, tuple(logits.shape), targets)
    logits = logits if logits.dtype.kind in "fc" else logits.astype(np.float64)
    z = logits - _largest(xp, logits, -1)
    log_sum = xp.log(xp.sum(xp.exp(z), axis=-1))
    if targets.ndim < logits.ndim:
        n = targets.size
        picked = xp.reshape(z, (n, k))[xp.arange(n), xp.reshape(targets, (n,))]
        return _reduce(xp, log_sum - xp.reshape(picked, targets.shape), reduction, "softmax_cross_entropy")
    targets = _floats(targets, logits)
    log_p = z - log_sum[..., None]
    # 0 · log 0 is 0: a class excluded by a logit of -inf costs nothing when its target is 0.
    terms = targets * xp.where((targets == 0) & (log_p.real == -np.inf), 0, log_p)
    return _reduce(xp, -xp.sum(terms, axis=-1), reduction, "softmax_cross_entropy")


def _require_targets(xp: Any, shape: Shape, targets: Array) -> int:
    """The number of classes, after checking that the targets are class indices or probabilities for these logits."""
    found = tuple(targets.shape)
    if not shape or shape[-1] == 0 or found not in (shape, shape[:-1]):
        raise ShapeError(
            "softmax_cross_entropy: the targets do not belong to these logits",
            where=user_line(),
            got=f"logits {shape}, targets {found}",
            want=f"logits (n, k) with k classes; targets class indices {shape[:-1]} or probabilities {shape}",
            fix=_target_hint(shape, found),
        )
    if len(found) < len(shape):
        _require_classes(xp, targets, shape[-1], "softmax_cross_entropy")
    elif targets.dtype.kind in "iu":
        _require_bits(xp, targets, "softmax_cross_entropy")
    return shape[-1]


def _target_hint(shape: Shape, found: Shape) -> str | None:
    if found == (*shape[:-1], 1):
        return "class indices need no second axis: targets[..., 0]"
    return "the class axis comes last: targets.T" if found == shape[::-1] else None


def _require_bits(xp: Any, targets: Array, where: str) -> None:
    """Integer targets of the logits' own shape are 0 or 1: anything else would be class indices in the wrong place."""
    if xp is np and targets.size and not (targets.min() >= 0 and targets.max() <= 1):
        raise UsageError(
            f"{where}: integer targets of the logits' shape must be 0 or 1",
            where=user_line(),
            got=f"values from {targets.min()} to {targets.max()}, shape {tuple(targets.shape)}",
        )


def _floats(targets: Any, logits: Any) -> Any:
    """Bool and integer targets in the logits' dtype: float32 beside int64 would become float64."""
    return astype(targets, dtype=logits.dtype) if targets.dtype.kind in "biu" else targets


@_softmax_cross_entropy.vjp
def _(g: Any, out: Any, logits: Any, targets: Any, *, reduction: str, needs: Sequence[bool]) -> Any:
    k = logits.shape[-1]
    g = _share(g, logits.shape[:-1], reduction)
    p = softmax(logits, axis=-1)
    if targets.ndim < logits.ndim:
        return (p - one_hot(targets, n_classes=k, dtype=logits.dtype)) * g, None
    targets = _floats(targets, logits)
    # ∂/∂x of -Σ t log p is p Σt - t; Σt is 1 for probabilities and is kept for any other weights.
    gx = (p * sum_(targets, axis=-1, keepdims=True) - targets) * g if needs[0] else None
    return gx, negative(log_softmax(logits, axis=-1)) * g if needs[1] else None


@function
def softmax_cross_entropy(logits: Any, targets: Any, reduction: Reduction = "mean") -> Any:
    """-Σ_k t_k log softmax(logits)_k of each sample, then the mean over samples; fused, so that no logit overflows.

    logits (n, k), or (k,) for one sample, or (..., k); targets class indices (n,), integers, or probabilities (n, k),
    one-hot rows included.  Probabilities are not normalised and get their gradient, -log softmax.  The gradient of the
    logits is (softmax - t) / n.  Equals PyTorch's cross_entropy; there is no ignored index.
    ShapeError, DTypeError, and UsageError that names the row of an index out of range.
    Source: seed 000 §5.6.3 (y - t), seed 001 (delta of the output layer).
    """
    if type(targets) is int:  # beside float logits a bare number would be taken for a float
        targets = np.int64(targets)
    return _softmax_cross_entropy(logits, targets, reduction=reduction)


def _binary_samples(rng: np.random.Generator) -> Iterator[Args]:
    for shape in ((), (4,), (3, 2), (2, 3, 2)):
        for reduction in ("mean", "sum", "none"):
            yield (uniform(rng, shape, -3, 3), uniform(rng, shape, 0.1, 0.9)), {"reduction": reduction}
    yield (uniform(rng, (0, 2)), np.zeros((0, 2))), {"reduction": "none"}


@primitive(
    shape=lambda x, t, *, reduction: _reduced(x[:1], reduction=reduction),
    latex=r"-\sum \left[ {1} \log \sigma\left({0}\right) + (1 - {1}) \log \sigma\left(-{0}\right) \right]",
    label="σ + CE",
    samples=_binary_samples,
    analytic=True,
)
def sigmoid_cross_entropy(xp: Any, logits: Array, targets: Array, *, reduction: str = "mean") -> Array:
    """-Σ_j [t log σ(x) + (1 - t) log σ(-x)] of each sample, then the mean over samples; fused, no logit overflows.

    logits (n,) or (n, m), or () for one sample; targets of exactly that shape in [0, 1] (bool and integer 0, 1 too).
    The gradient of the logits is (σ(x) - t) / n.  PyTorch's binary_cross_entropy_with_logits with the same reduction
    divides the mean by m as well.  ShapeError, UsageError.  Source: seed 001 (sigmoid output), seed 003.
    """
    _require_same_shape(logits, targets, "sigmoid_cross_entropy")
    x, t = _binary_pair(xp, logits, targets)
    # softplus(x) - x t = |x| c + log1p(exp(-|x|)) with c = 1 - t where x > 0 and t elsewhere: nothing overflows,
    # nothing large cancels, and 0 · ∞ is 0 as the limit says.
    positive = x.real > 0
    size, c = xp.where(positive, x, -x), xp.where(positive, 1 - t, t)
    losses = c * xp.where((c == 0) & (size.real == np.inf), 0, size) + xp.log1p(xp.exp(-size))
    if losses.ndim > 1:
        losses = xp.sum(losses, axis=tuple(range(1, losses.ndim)))
    return _reduce(xp, losses, reduction, "sigmoid_cross_entropy")


def _binary_pair(xp: Any, logits: Array, targets: Array) -> tuple[Array, Array]:
    """Logits as floats and targets in their dtype, after checking the targets' range."""
    if targets.dtype.kind in "iu":
        _require_bits(xp, targets, "sigmoid_cross_entropy")
    # 0.05: room for the step of a numerical derivative at a target of 0 or 1; labels of ±1 or 0…9 are far outside.
    if xp is np and targets.size and targets.dtype.kind == "f" and (targets.min() < -0.05 or targets.max() > 1.05):
        raise UsageError(
            "sigmoid_cross_entropy: targets must lie between 0 and 1",
            where=user_line(),
            got=f"values from {targets.min():g} to {targets.max():g}",
            fix="encode the two classes as 0 and 1",
        )
    logits = logits if logits.dtype.kind in "fc" else logits.astype(np.float64)
    return logits, _floats(targets, logits)


@sigmoid_cross_entropy.vjp
def _(g: Any, out: Any, logits: Any, targets: Any, *, reduction: str, needs: Sequence[bool]) -> Any:
    g = _share(g, logits.shape[:1], reduction, trailing=max(logits.ndim - 1, 0))
    return (sigmoid(logits) - _floats(targets, logits)) * g if needs[0] else None, -logits * g if needs[1] else None


def _require_same_shape(y: Any, t: Any, where: str) -> None:
    """A loss never broadcasts: (n, 1) against (n,) would silently compare every output with every target."""
    a, b = tuple(y.shape), tuple(t.shape)
    if a == b:
        return
    fix = None
    if prod(a) == prod(b):
        fix = f"reshape one of them, e.g. targets.reshape({a})"
    raise ShapeError(
        f"{where}: outputs and targets must have the same shape; a loss does not broadcast",
        where=user_line(),
        got=f"outputs {a}, targets {b}",
        want=f"targets {a}",
        fix=fix,
    )


def _difference(y: Any, t: Any, where: str) -> Any:
    """y - t of exactly one shape.  Integer targets take the outputs' dtype: float32 - int64 would become float64."""
    y = y if hasattr(y, "dtype") else np.asarray(y)[()]
    if not hasattr(t, "dtype"):
        t = like(t, y) if isinstance(t, (bool, int, float)) else np.asarray(t)[()]
    _require_same_shape(y, t, where)
    if t.dtype.kind in "biu" and y.dtype.kind == "f":
        t = astype(t, dtype=y.dtype)
    return subtract(y, t)


def _total(elements: Any, factor: float, reduction: str, where: str) -> Any:
    """factor · Σ over each sample's outputs, then the reduction over samples; nodes only for what is not trivial."""
    _require_reduction(elements.shape[:1], reduction, where)
    if reduction == "none":
        axes = tuple(range(1, elements.ndim))
        total = sum_(elements, axis=axes) if axes else elements
    else:
        total = sum_(elements) if elements.ndim else elements
    if factor != 1:
        total = multiply(total, factor)
    return divide(total, elements.shape[0]) if reduction == "mean" and elements.ndim else total


@function
def squared_error(outputs: Any, targets: Any, reduction: Reduction = "mean", factor: float = 0.5) -> Any:
    """factor · Σ_j (y_j - t_j)² of each sample, then the mean over samples.

    outputs (n, m), or (n,) for n samples of one output, or (); targets of exactly that shape.
    factor=0.5 with reduction="sum" is C_T = Σ_k ½ Σ_j (t_j - a_j)² of seed 002; with "mean" the seed's C_T / n.
    PyTorch's MSELoss() is factor = 1/m with "mean"; MSELoss(reduction="sum") is factor = 1 with "sum".
    ShapeError unless the shapes are the same.
    """
    d = _difference(outputs, targets, "squared_error")
    return _total(square(d), factor, reduction, "squared_error")


@function
def absolute_error(outputs: Any, targets: Any, reduction: Reduction = "mean", factor: float = 1.0) -> Any:
    """factor · Σ_j |y_j - t_j| of each sample, then the mean over samples; the gradient at y_j = t_j is 0.

    Shapes as for `squared_error`.  PyTorch's L1Loss() is factor = 1/m with "mean".
    """
    d = _difference(outputs, targets, "absolute_error")
    return _total(abs_(d), factor, reduction, "absolute_error")


@function
def huber(outputs: Any, targets: Any, delta: float = 1.0, reduction: Reduction = "mean", factor: float = 1.0) -> Any:
    """factor · Σ_j h(y_j - t_j) of each sample, then the mean over samples; h(d) = ½d² up to |d| = δ, then δ(|d| - ½δ).

    Shapes as for `squared_error`.  PyTorch's HuberLoss(delta=δ) is factor = 1/m with "mean"; its SmoothL1Loss(beta=δ)
    is that divided by δ.  UsageError unless δ > 0.  Source: Huber 1964, Robust estimation of a location parameter.
    """
    if not delta > 0:
        raise UsageError("huber: delta must be positive", where=user_line(), got=f"delta={delta}")
    d = _difference(outputs, targets, "huber")
    c = clip(d, -delta, delta)
    # h = c (d - c/2) with c = clip(d): exact in both branches, and no 0 · ∞ where a `where` of both would have one.
    return _total(multiply(c, subtract(d, multiply(c, 0.5))), factor, reduction, "huber")
