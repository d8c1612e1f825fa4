"""Wrong derivatives, planted one at a time in the library's own rules: each must be caught, and its operation named.

The classic slips of hand-written backpropagation: factors, signs, transposes, a missing sum over a broadcast axis, a
missing 1/N, 1 − h for 1 − h², σ′ taken at the output, and scale errors of 1e-4 and 1e-6 that pass the default
tolerances of other checkers.  The catch rate is printed at the end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import denpa as dp
from denpa.autodiff import pull
from denpa.check import Verdict, check
from denpa.graph import FUNCTIONS, Node
from denpa.primitive import REGISTRY

F = FUNCTIONS
Rule = Callable[..., Any]


class Mutation(NamedTuple):
    """A wrong rule of an operation, and a function in which the operation stands between others."""

    name: str
    op: str
    rule: Rule
    f: Callable[..., Any]
    shapes: Sequence[tuple[int, ...]] = ((3, 4),)


def scaled(op: str, by: float) -> Rule:
    right = REGISTRY[op].rule
    return lambda g, out, *x, **k: [None if p is None else p * by for p in right(g, out, *x, **k)]


def unary(op: str) -> Callable[..., Any]:
    """The operation on positive inputs, between others, to one number."""
    return lambda x: (F[op](x * 1.5) * F["cos"](x)).sum()


def binary(op: str) -> Callable[..., Any]:
    return lambda x, y: (F[op](x * 1.5, y + 0.5) * F["cos"](x)).sum()


def mlp(activation: str) -> Callable[..., Any]:
    """x (3, 4) through one hidden layer to cross-entropy of three samples."""
    labels = np.array([0, 2, 1])
    return lambda x, w, b, v: F["softmax_cross_entropy"](F[activation](x @ (w - 1.1) + b - 1.0) @ v, labels)


LAYERS = ((3, 4), (4, 4), (4,), (4, 3))
SQUARE = ((4, 4), (4, 4))


def at_a_tie(op: str, fixed: np.ndarray) -> Callable[..., Any]:
    return lambda x: F[op](x * 0.0 + fixed).sum() + (x * x).sum()


def only_first_row(g: Any, out: Any, x: Any, **k: Any) -> Any:
    return (g[:1] if g.shape[0] > 1 and x.shape[0] == 1 else F["sum_to"](g, x.shape),)


def overwritten(g: Any, out: Any, x: Any, *indices: Any, template: Any) -> Any:
    """z[i] = g for z[i] += g: a repeated index keeps only its last cotangent."""
    z = np.zeros(x.shape)
    z[np.array([0, 2, 2, 1])] = np.asarray(g)
    return z, *[None] * len(indices)


CONCAT = REGISTRY["concat"].rule


def reversed_parts(g: Any, out: Any, *parts: Any, axis: int) -> Any:
    return CONCAT(F["flip"](g, axis=axis), out, *parts, axis=axis)


MUTATIONS = [
    Mutation("factor 2", "sigmoid", scaled("sigmoid", 2.0), mlp("sigmoid"), LAYERS),
    Mutation("sign", "sigmoid", scaled("sigmoid", -1.0), mlp("sigmoid"), LAYERS),
    Mutation("1 - σ for σ(1 - σ)", "sigmoid", lambda g, out, x: (g * (1.0 - out),), mlp("sigmoid"), LAYERS),
    Mutation(
        "σ′ at the output",
        "sigmoid",
        lambda g, out, x: (g * F["sigmoid"](out) * (1.0 - F["sigmoid"](out)),),
        mlp("sigmoid"),
        LAYERS,
    ),
    Mutation("σ′ twice", "sigmoid", lambda g, out, x: (g * (out * (1.0 - out)) ** 2,), mlp("sigmoid"), LAYERS),
    Mutation("1 - h for 1 - h²", "tanh", lambda g, out, x: (g * (1.0 - out),), mlp("tanh"), LAYERS),
    Mutation("scale 1e-4", "tanh", scaled("tanh", 1 + 1e-4), mlp("tanh"), LAYERS),
    Mutation("scale 1e-6", "tanh", scaled("tanh", 1 + 1e-6), mlp("tanh"), LAYERS),
    Mutation("scale 1e-6 upwards", "matmul", scaled("matmul", 1 + 1e-6), mlp("tanh"), LAYERS),
    Mutation("ReLU′ swapped (seed 001, eq. 56)", "relu", lambda g, out, x: (g * (x < 0),), mlp("relu"), LAYERS),
    Mutation("ReLU gated by its cotangent", "relu", lambda g, out, x: (g * (g > 0),), mlp("relu"), LAYERS),
    Mutation("ReLU passes everything", "relu", lambda g, out, x: (g,), mlp("relu"), LAYERS),
    Mutation("tanh for σ", "softplus", lambda g, out, x: (g * F["tanh"](x),), mlp("softplus"), LAYERS),
    Mutation("x for exp x", "exp", lambda g, out, x: (g * x,), unary("exp")),
    Mutation("1/x²", "log", lambda g, out, x: (g / (x * x),), unary("log")),
    Mutation("NaN in one element", "log", lambda g, out, x: (g / np.where(np.arange(4) < 1, np.nan, x),), unary("log")),
    Mutation("1/x for 1/(1 + x)", "log1p", lambda g, out, x: (g / x,), unary("log1p")),
    Mutation("out for out + 1", "expm1", lambda g, out, x: (g * out,), unary("expm1")),
    Mutation("missing ½", "sqrt", lambda g, out, x: (g / out,), unary("sqrt")),
    Mutation("missing 2", "square", lambda g, out, x: (g * x,), unary("square")),
    Mutation("sin for cos", "sin", lambda g, out, x: (g * out,), unary("sin")),
    Mutation("sign of sin", "cos", lambda g, out, x: (g * F["sin"](x),), lambda x: (F["cos"](x) * x).sum()),
    Mutation("missing 2/√π", "erf", lambda g, out, x: (g * F["exp"](-(x * x)),), unary("erf")),
    Mutation("1 for sign", "abs", lambda g, out, x: (g,), lambda x: (F["abs"](x - 1.1) * x).sum()),
    Mutation("exponent not lowered", "power", lambda g, out, x, y: (g * y * x**y, None), lambda x: (x**3.0 * x).sum()),
    Mutation(
        "factors swapped", "multiply", lambda g, out, x, y: (g * x, g * y), lambda x, y: (x * y - x).sum(), SQUARE
    ),
    Mutation("sign lost", "subtract", lambda g, out, x, y: (g, g), lambda x, y: F["sin"](x - y).sum(), SQUARE),
    Mutation("one input forgotten", "add", lambda g, out, x, y: (g, None), lambda x, y: F["sin"](x + y).sum(), SQUARE),
    Mutation("sign of the divisor", "divide", lambda g, out, x, y: (g / y, g * x / (y * y)), binary("divide"), SQUARE),
    Mutation("divisor not squared", "divide", lambda g, out, x, y: (g / y, -g * x / y), binary("divide"), SQUARE),
    Mutation(
        "sides swapped",
        "where",
        lambda g, out, c, x, y: (None, F["where"](c, 0.0, g), F["where"](c, g, 0.0)),
        lambda x, y: (F["where"](np.eye(4) > 0, x, y) * x).sum(),
        SQUARE,
    ),
    Mutation(
        "passes outside the bounds", "clip", lambda g, out, x, **k: (g,), lambda x: (F["clip"](x, 0.7, 1.3) * x).sum()
    ),
    Mutation(
        "ties of maximum counted twice",
        "maximum",
        lambda g, out, x, y: (g * (x >= y), g * (y >= x)),
        lambda x: F["maximum"](x, x * 1.0).sum(),
    ),
    Mutation(
        "ties of max counted twice",
        "max",
        lambda g, out, x, axis, keepdims: (g * (x == out),),
        at_a_tie("max", np.array([1.0, 1.0, 0.0])),
        ((3,),),
    ),
    Mutation("mean for sum", "sum", lambda g, out, x, **k: (F["broadcast_to"](g / x.size, x.shape),), unary("exp")),
    Mutation(
        "sum spread along the wrong axis",
        "sum",
        lambda g, out, x, axis, keepdims: (F["broadcast_to"](g, x.shape),),
        lambda x, y: F["vecdot"](F["sum"](x * y, axis=1), F["sin"](x[0])),
        SQUARE,
    ),
    Mutation(
        "missing sum over the broadcast axis",
        "broadcast_to",
        only_first_row,
        lambda x, y: (F["broadcast_to"](x[:1], (4, 4)) * y).sum(),
        SQUARE,
    ),
    Mutation(
        "bias summed along features",
        "add",
        lambda g, out, x, y: (g, F["sum"](g, axis=-1) if g.ndim > y.ndim else g),
        lambda x, y: F["sin"](x + y[0]).sum(),
        SQUARE,
    ),
    Mutation(
        "bias averaged over the batch",
        "add",
        lambda g, out, x, y: (g, F["sum"](g, axis=0) / 4.0 if g.ndim > y.ndim else g),
        lambda x, y: F["sin"](x + y[0]).sum(),
        SQUARE,
    ),
    Mutation(
        "W for Wᵀ",
        "matmul",
        lambda g, out, x, y: (g @ y, x.mT @ g if hasattr(x, "mT") else x.T @ g),
        lambda x, y: F["sin"](x @ y).sum(),
        SQUARE,
    ),
    Mutation(
        "x for xᵀ",
        "matmul",
        lambda g, out, x, y: (g @ (y.mT if hasattr(y, "mT") else y.T), x @ g),
        lambda x, y: F["sin"](x @ y).sum(),
        SQUARE,
    ),
    Mutation(
        "batch mean in the weight gradient",
        "matmul",
        lambda g, out, x, y: (g @ F["matrix_transpose"](y), F["matrix_transpose"](x) @ g / 4.0),
        lambda x, y: F["sin"](x @ y).sum(),
        SQUARE,
    ),
    Mutation(
        "softmax without cross terms", "softmax", lambda g, out, x, axis: (g * out * (1.0 - out),), unary("softmax")
    ),
    Mutation(
        "softmax sums over the batch",
        "softmax",
        lambda g, out, x, axis: (g * out - out * F["sum"](g * out),),
        unary("softmax"),
    ),
    Mutation(
        "log softmax without its sum", "log_softmax", lambda g, out, x, axis: (g - F["exp"](out),), unary("log_softmax")
    ),
    Mutation(
        "missing 1/N",
        "softmax_cross_entropy",
        lambda g, out, x, t, **k: ((F["softmax"](x) - np.eye(3)[t]) * g, None),
        mlp("tanh"),
        LAYERS,
    ),
    Mutation("t - y for y - t", "softmax_cross_entropy", scaled("softmax_cross_entropy", -1.0), mlp("tanh"), LAYERS),
    Mutation(
        "cotangent ignored",
        "softmax_cross_entropy",
        lambda g, out, x, t, **k: ((F["softmax"](x) - np.eye(3)[t]) / 3.0, None),
        lambda *a: mlp("tanh")(*a) * 5.0,
        LAYERS,
    ),
    Mutation(
        "σ′ beside cross-entropy (seed 003)",
        "sigmoid_cross_entropy",
        lambda g, out, x, t, **k: ((F["sigmoid"](x) - t) * F["sigmoid"](x) * (1.0 - F["sigmoid"](x)) * g / 3.0, None),
        lambda x: F["sigmoid_cross_entropy"](x, (np.arange(12).reshape(3, 4) % 2).astype(float)),
    ),
    Mutation(
        "uniform weights",
        "logsumexp",
        lambda g, out, x, **k: (F["broadcast_to"](g / x.size, x.shape),),
        lambda x: F["logsumexp"](x * 2.0) * x.sum(),
    ),
    Mutation(
        "adjoint not reversed",
        "cumulative_sum",
        lambda g, out, x, axis: (F["cumulative_sum"](g, axis=axis),),
        lambda x: F["vecdot"](F["cumulative_sum"](x), F["cos"](x)),
        ((4,),),
    ),
    Mutation(
        "adjoint not flipped back", "flip", lambda g, out, x, axis: (g,), lambda x: (F["flip"](x, axis=0) * x * x).sum()
    ),
    Mutation(
        "rolled on",
        "roll",
        lambda g, out, x, **k: (F["roll"](g, **k),),
        lambda x: (F["roll"](x, 1, axis=0) * x * x).sum(),
    ),
    Mutation(
        "cropped one off",
        "pad",
        lambda g, out, x, **k: (g[:4],),
        lambda x: F["sum"](F["square"](F["pad"](x, ((1, 1),))) * np.arange(6.0)),
        ((4,),),
    ),
    Mutation(
        "repeated index overwritten",
        "getitem",
        overwritten,
        lambda x: F["vecdot"](x[np.array([0, 2, 2, 1])], np.arange(1.0, 5.0)),
        ((3,),),
    ),
    Mutation(
        "parts in the wrong place",
        "concat",
        reversed_parts,
        lambda x, y: (F["concat"]([x, y], axis=0) * np.arange(32.0).reshape(8, 4)).sum(),
        SQUARE,
    ),
    Mutation(
        "column order",
        "reshape",
        lambda g, out, x, **k: (F["matrix_transpose"](F["reshape"](g, x.shape[::-1])),),
        lambda x: (F["reshape"](x, (12,)) * np.arange(12.0)).sum(),
    ),
    Mutation(
        "permutation for its inverse",
        "permute_dims",
        lambda g, out, x, axes: (F["permute_dims"](g, axes=axes),),
        lambda x: (F["permute_dims"](x, (1, 2, 0)) * np.arange(27.0).reshape(3, 3, 3)).sum(),
        ((3, 3, 3),),
    ),
    Mutation(
        "not transposed back",
        "matrix_transpose",
        lambda g, out, x: (g,),
        lambda x, y: (F["matrix_transpose"](x) * y).sum(),
        SQUARE,
    ),
    Mutation(
        "not divided by the factor",
        "prod",
        lambda g, out, x, **k: (g * F["broadcast_to"](out, x.shape),),
        lambda x: F["prod"](x) * x.sum(),
        ((4,),),
    ),
]

CAUGHT: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def catch_rate(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        text = f"planted derivatives caught and named: {len(set(CAUGHT))} of {len(MUTATIONS)}"
        plugins.getplugin("terminalreporter").write_line(text)


def plant(monkeypatch: pytest.MonkeyPatch, op: str, rule: Rule) -> None:
    monkeypatch.setattr(REGISTRY[op], "rule", rule)
    takes = inspect.signature(rule).parameters
    monkeypatch.setattr(
        REGISTRY[op], "needs", REGISTRY[op].needs and any(p.kind is p.VAR_KEYWORD for p in takes.values())
    )


def arguments(m: Mutation) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.uniform(0.3, 1.9, shape) for shape in m.shapes]


def test_there_are_enough() -> None:
    assert len({(m.op, m.name) for m in MUTATIONS}) == len(MUTATIONS) >= 30


@pytest.mark.parametrize("m", MUTATIONS, ids=[f"{m.op}: {m.name}" for m in MUTATIONS])
def test_caught_and_named(m: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right before the rule is replaced, wrong after it, and it is this operation that is named."""
    args = arguments(m)
    before = check(m.f, *args, orders=(1,))
    assert before.verdict is Verdict.RIGHT, str(before)
    plant(monkeypatch, m.op, m.rule)
    with pytest.raises(dp.GradientMismatch, match=m.op) as caught:
        check(m.f, *args, orders=(1,))
    report = caught.value.report  # type: ignore[attr-defined]
    assert report.guilty.op == m.op, str(report)
    assert {j.op for j in report.wrong} == {m.op}, str(report)
    CAUGHT.append(f"{m.op}: {m.name}")


def forgetful(*args: Any, **params: Any) -> dict[Node, Any]:
    """`pull`, except that a value used twice keeps only the last cotangent that came back (`=` for `+=`)."""
    root, g, order = args
    cotangents: dict[Node, Any] = {root: g}
    for node in reversed(order):
        if node.op is None or node not in cotangents:
            continue
        parts = node.op.pull_back(cotangents[node], node.value, [n.value for n in node.inputs], node.params)
        for n, part in zip(node.inputs, parts, strict=True):
            if part is not None and n in order:
                cotangents[n] = F["sum_to"](part, n.value.shape) if part.shape != n.value.shape else part
    return cotangents


def test_a_fault_between_the_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule right, the sum at a fork forgotten: no operation is blamed, the argument is."""
    f = lambda x, y: F["sin"](x * y) + x
    check(f, 2.0, 3.0, orders=(1,))
    monkeypatch.setattr("denpa.check.node.pull", forgetful)
    with pytest.raises(dp.GradientMismatch, match="every operation is right by itself") as caught:
        check(f, 2.0, 3.0, orders=(1,))
    report = caught.value.report  # type: ignore[attr-defined]
    assert report.guilty is None
    assert {r.argument for r in report.rows if r.verdict is Verdict.WRONG} == {"x"}
    assert pull is not forgetful
