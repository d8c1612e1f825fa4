"""Known layers, to say which one a stranger's layer resembles by its values, and what its backward reads.

Independent of denpa's own layers: the formulas stand here in NumPy, in the book's notation (rows, x @ W + b).
Source: seed 000 §5.4–5.6, seed 004.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.interop.judging.bench import Bench, Broken
from denpa.interop.judging.faults import Fault
from denpa.interop.judging.scenes import FULL, Point
from denpa.interop.judging.words import advise, say


@dataclass(frozen=True)
class Known:
    """A layer by its values: f of the inputs and then the parameters in order.  line: its backward."""

    name: str
    f: Callable[..., Any]
    line: str
    inputs: int = 1
    parameters: int = 0


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _one_hot(t: Any, x: Any) -> Any:
    return np.eye(np.shape(x)[-1])[t] if np.asarray(t).dtype.kind in "iu" else t


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf)(x)


def _cross_entropy(y: Any, t: Any) -> Any:
    return -np.sum(_one_hot(t, y) * np.log(y))


def _softmax_loss(x: Any, t: Any) -> Any:
    return _cross_entropy(_softmax(x), t)


def _binary(x: Any, t: Any) -> Any:
    return np.sum(np.logaddexp(0, x) - t * x)


def _half(y: Any, t: Any) -> Any:
    return 0.5 * np.sum((y - t) ** 2)


def _rows(x: Any) -> int:
    return np.shape(x)[0] if np.ndim(x) > 1 else 1


def _vector(W: Any) -> Any:
    if np.ndim(W) != 1:
        raise ValueError("no vector")
    return W


SOFTMAX_LINE = "dx = dout * y - y * np.sum(dout * y, axis=-1, keepdims=True)"
AFFINE_LINE = "dx = dout @ W.T; dW = x.T @ dout; db = np.sum(dout, axis=0)"
NEURON_LINE = "dx = np.outer(dout, W); dW = x.T @ dout"
MUL_LINE = "dx = dout * y; dy = dout * x"

KNOWN = (
    Known("identity", lambda x: x, "dx = dout"),
    Known("ReLU", lambda x: np.maximum(x, 0), "dx = dout * (x > 0)"),
    Known("leaky ReLU (0.01)", lambda x: np.where(x > 0, x, 0.01 * x), "dx = dout * np.where(x > 0, 1, 0.01)"),
    Known("leaky ReLU (0.1)", lambda x: np.where(x > 0, x, 0.1 * x), "dx = dout * np.where(x > 0, 1, 0.1)"),
    Known("sigmoid", _sigmoid, "dx = dout * y * (1 - y)"),
    Known("tanh", np.tanh, "dx = dout * (1 - y ** 2)"),
    Known("softmax", _softmax, SOFTMAX_LINE),
    Known("softmax (columns)", lambda x: _softmax(x, 0), SOFTMAX_LINE.replace("-1", "0")),
    Known("softplus", lambda x: np.logaddexp(0, x), "dx = dout / (1 + np.exp(-x))"),
    Known("ELU", lambda x: np.where(x > 0, x, np.expm1(x)), "dx = dout * np.where(x > 0, 1, np.exp(x))"),
    Known("swish", lambda x: x * _sigmoid(x), "s = sigmoid(x); dx = dout * (s + x * s * (1 - s))"),
    Known("GELU", lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))), "dx = dout * (Φ(x) + x * φ(x))"),
    Known("square", np.square, "dx = dout * 2 * x"),
    Known("cube", lambda x: x**3, "dx = dout * 3 * x ** 2"),
    Known("exp", np.exp, "dx = dout * y"),
    Known("log", np.log, "dx = dout / x"),
    Known("sqrt", np.sqrt, "dx = dout / (2 * y)"),
    Known("reciprocal", lambda x: 1 / x, "dx = -dout * y ** 2"),
    Known("abs", np.abs, "dx = dout * np.sign(x)"),
    Known("sin", np.sin, "dx = dout * np.cos(x)"),
    Known("cos", np.cos, "dx = -dout * np.sin(x)"),
    Known("sum", np.sum, "dx = dout * np.ones_like(x)"),
    Known("mean", np.mean, "dx = dout * np.ones_like(x) / x.size"),
    Known("addition", lambda x, y: x + y, "dx = dout; dy = dout", 2),
    Known("subtraction", lambda x, y: x - y, "dx = dout; dy = -dout", 2),
    Known("multiplication", lambda x, y: x * y, MUL_LINE, 2),
    Known("division", lambda x, y: x / y, "dx = dout / y; dy = -dout * x / y ** 2", 2),
    Known("matrix product", lambda x, y: x @ y, "dx = dout @ y.T; dy = x.T @ dout", 2),
    Known("maximum", np.maximum, "dx = dout * (x > y); dy = dout * (x <= y)", 2),
    Known("matrix product", lambda x, W: x @ _vector(W), NEURON_LINE, 1, 1),
    Known("matrix product", lambda x, W: x @ W, "dx = dout @ W.T; dW = x.T @ dout", 1, 1),
    Known("affine", lambda x, W, b: x @ _vector(W) + b, f"{NEURON_LINE}; db = np.sum(dout)", 1, 2),
    Known("affine", lambda x, W, b: x @ W + b, AFFINE_LINE, 1, 2),
    Known("affine", lambda x, W, b: x @ W.T + b, "dx = dout @ W; dW = dout.T @ x; db = np.sum(dout, axis=0)", 1, 2),
    Known("affine", lambda x, W, b: W @ x + b, "dx = W.T @ dout; dW = dout @ x.T; db = dout", 1, 2),
    Known("softmax cross-entropy (mean)", lambda x, t: _softmax_loss(x, t) / _rows(x), "dx = dout * (y - t) / N", 2),
    Known("softmax cross-entropy (sum)", _softmax_loss, "dx = dout * (y - t)", 2),
    Known("cross-entropy (mean)", lambda y, t: _cross_entropy(y, t) / _rows(y), "dy = -dout * t / y / N", 2),
    Known("cross-entropy (sum)", _cross_entropy, "dy = -dout * t / y", 2),
    Known("sigmoid cross-entropy (mean)", lambda x, t: _binary(x, t) / _rows(x), "dx = dout * (y - t) / N", 2),
    Known("sigmoid cross-entropy (mean of all)", lambda x, t: _binary(x, t) / x.size, "dx = dout * (y - t) / N", 2),
    Known("sigmoid cross-entropy (sum)", _binary, "dx = dout * (y - t)", 2),
    Known("half squared error (sum)", _half, "dy = dout * (y - t)", 2),
    Known("half squared error (mean)", lambda y, t: _half(y, t) / _rows(y), "dy = dout * (y - t) / N", 2),
    Known("half squared error (mean of all)", lambda y, t: _half(y, t) / y.size, "dy = dout * (y - t) / y.size", 2),
    Known("squared error (sum)", lambda y, t: np.sum((y - t) ** 2), "dy = dout * 2 * (y - t)", 2),
    Known("squared error (mean)", lambda y, t: np.sum((y - t) ** 2) / _rows(y), "dy = dout * 2 * (y - t) / N", 2),
    Known("squared error (mean of all)", lambda y, t: np.mean((y - t) ** 2), "dy = dout * 2 * (y - t) / y.size", 2),
)  # fmt: skip

# Names that promise one function, however it is spelled: Relu, ReLULayer, MySigmoid, MulLayer.  Losses promise none.
CLAIMS = {
    "relu": ("ReLU",),
    "sigmoid": ("sigmoid",),
    "tanh": ("tanh",),
    "softmax": ("softmax", "softmax (columns)"),
    "affine": ("affine", "matrix product"),
    "linear": ("affine", "matrix product"),
    "dense": ("affine", "matrix product"),
    "mul": ("multiplication",),
    "multiply": ("multiplication",),
    "add": ("addition",),
    "exp": ("exp",),
    "square": ("square",),
    "softplus": ("softplus",),
}


def resembles(bench: Bench, rng: np.random.Generator) -> Known | None:
    """The known layer with the same values at several points, exactly or (an epsilon somewhere) nearly."""
    points = [bench.point(rng) for _ in range(4)]
    sizes = len(points[0].inputs), len(points[0].parameters)
    seen = [([*p.inputs.values(), *p.parameters.values()], bench.value(p, FULL)) for p in points]
    for slack in (1e-9, 1e-4):
        for known in KNOWN:
            fits = (known.inputs, known.parameters) == sizes
            if fits and all(same(known, arrays, out, slack) for arrays, out in seen):
                return known
    return None


def same(known: Known, arrays: Sequence[Any], out: Array, slack: float) -> bool:
    with np.errstate(all="ignore"):
        try:
            value = np.asarray(known.f(*arrays), np.float64)
        except (ValueError, TypeError, IndexError):
            return False
    return value.shape == np.shape(out) and bool(np.allclose(value, out, rtol=slack, atol=slack * 1e-3))


def claimed(name: str) -> tuple[str, ...]:
    """The known layers that this name promises to be; empty when it promises none."""
    plain = re.sub(r"[\d_]", "", name).lower()
    plain = re.sub(r"^(my|the)|(layer|function|func|op|net)$", "", plain)
    return CLAIMS.get(plain, ())


def judge_name(bench: Bench, point: Point, found: Known | None, rng: np.random.Generator) -> list[Fault]:
    """A class named Sigmoid whose forward is no sigmoid is wrong, however well its backward fits."""
    names = claimed(bench.subject.name)
    if not names or (found is not None and found.name in names):
        return []
    claim = names[0]
    fitting = [
        k for k in KNOWN
        if k.name in names and (k.inputs, k.parameters) == (len(point.inputs), len(point.parameters))
    ]  # fmt: skip
    if not fitting:
        return []
    kind, got = "forward", point
    try:
        one = bench.point(rng, _one_row(bench))
        value = bench.value(one, _one_row(bench))
        if any(same(k, [*one.inputs.values(), *one.parameters.values()], value, 1e-6) for k in fitting):
            kind = "mixes_rows"
    except Broken:
        pass
    out = bench.value(got, FULL)
    want = _first_value(fitting, got)
    at = np.unravel_index(int(np.argmax(np.abs(out - want))), out.shape) if want.shape == out.shape else ()
    element = tuple(int(i) for i in at)
    return [
        Fault(
            kind,
            "forward",
            say(kind, claim=claim),
            advise(kind),
            element=element,
            got=float(out[element]) if want.shape == out.shape else None,
            want=float(want[element]) if want.shape == out.shape else None,
        )
    ]


def _first_value(known: Sequence[Known], point: Point) -> Array:
    for k in known:
        with np.errstate(all="ignore"):
            try:
                return np.asarray(k.f(*point.inputs.values(), *point.parameters.values()), np.float64)
            except (ValueError, TypeError):
                continue
    return np.zeros(())


def _one_row(bench: Bench) -> Any:
    return replace(FULL, N=1)
