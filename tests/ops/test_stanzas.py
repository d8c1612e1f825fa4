"""What the stanzas of elementwise, reducing, shaping and indexing primitives promise, checked over their samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.ops.derivatives import first_order, floating, second_order

import denpa as dp
from denpa.primitive import REGISTRY, Primitive, primitive

MODULES = {"elementwise", "activations", "selecting", "comparing", "reducing", "shaping", "indexing", "special"}
MINE = {name: op for name, op in REGISTRY.items() if op.evaluate.__module__.rpartition(".")[2] in MODULES}
SMOOTH = {name: op for name, op in MINE.items() if op.differentiable}
MATH = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf", "erfc")
SCALAR_NAMES = {
    **{name: getattr(math, name) for name in (*MATH, "copysign", "isnan", "inf", "nan", "pi")},
    "abs": abs,
    "__builtins__": {},
}


def cases(op: Primitive, rng):
    assert op.samples is not None, "a primitive declares samples"
    for args, params in op.samples(rng):
        yield args, {**op.defaults, **params}


def test_the_registry_holds_what_is_promised() -> None:
    assert len(MINE) >= 60
    assert {"add", "power", "erfc", "where", "prod", "getitem", "scatter_add", "pad", "logsumexp"} <= MINE.keys()


@pytest.mark.parametrize("name", SMOOTH)
def test_first_derivative(name, rng) -> None:
    op = SMOOTH[name]
    for args, params in cases(op, rng):
        first_order(lambda *a, p=params: op(*a, **p), args, rng, op.analytic)


@pytest.mark.parametrize("name", SMOOTH)
def test_second_derivative(name, rng) -> None:
    op = SMOOTH[name]
    for args, params in cases(op, rng):
        second_order(lambda *a, p=params: op(*a, **p), args, rng, op.analytic)


def broken(op: Primitive, fault) -> Primitive:
    twin = Primitive(op.evaluate, name="broken", shape=op.shape)

    @twin.vjp
    def _(g, out, *args, **params):
        return fault(op.pull_back(g, out, args, params))

    return twin


FAULTS = {
    "zero": lambda parts: [p if p is None else p * 0 for p in parts],
    "a millionth too large": lambda parts: [p if p is None else p * (1 + 1e-6) for p in parts],
    "sign": lambda parts: [p if p is None else -p for p in parts],
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["multiply", "divide", "power", "sigmoid", "sum", "logsumexp", "getitem", "relu"])
def test_a_broken_twin_is_caught(name, fault, rng) -> None:
    op = SMOOTH[name]
    twin = broken(op, FAULTS[fault])

    def check() -> None:
        for _ in range(3):  # relu of a few negative numbers has no gradient to be wrong
            for args, params in cases(op, rng):
                first_order(lambda *a, p=params: twin(*a, **p), args, rng, op.analytic)

    with pytest.raises(AssertionError):
        check()


def test_a_wrong_second_derivative_is_caught(rng) -> None:
    @primitive(shape=dp.same, register=False)
    def twin(xp, x):
        return xp.exp(x)

    @twin.vjp
    def _(g, out, x):
        return (g * dp.ops.stop_gradient(out),)  # right once, wrong twice

    x = (rng.normal(size=3),)
    first_order(twin, x, rng)
    with pytest.raises(AssertionError):
        second_order(twin, x, rng)


@pytest.mark.parametrize("name", MINE)
def test_shape_rule_and_scalar_text_agree_with_the_evaluation(name, rng) -> None:
    op = MINE[name]
    for args, params in cases(op, rng):
        out = np.asarray(op(*args, **params))
        shape = op.shape(*[np.shape(a) for a in args], **params)
        assert shape is None or tuple(shape) == out.shape
        if op.scalar is None:
            continue
        code = compile(op.scalar, name, "eval")
        for values in np.nditer([*np.broadcast_arrays(*args), out], ["zerosize_ok", "refs_ok"]):
            *given_values, expected = [v.item() for v in values] if isinstance(values, tuple) else [values.item()]
            named = dict(zip("xyz", given_values, strict=False))
            assert eval(code, SCALAR_NAMES, {**named, **params}) == pytest.approx(expected, rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("name", SMOOTH)
def test_float32_stays_float32(name, rng) -> None:
    op = SMOOTH[name]
    for args, params in cases(op, rng):
        if name == "astype":
            params["dtype"] = np.dtype(np.float32)
        small = [a.astype(np.float32) if i in floating(args) else a for i, a in enumerate(args)]
        tensors = [dp.tensor(a) if i in floating(args) else a for i, a in enumerate(small)]
        y = op(*tensors, **params)
        assert y.dtype == np.float32
        g = np.ones(y.shape, np.float32)
        for part, i in zip(op.pull_back(g, y.value, small, params), range(len(args)), strict=True):
            assert part is None or i not in floating(args) or part.dtype == np.float32, "a rule does not widen"


@pytest.mark.parametrize("name", MINE)
def test_the_same_rule_runs_on_jax(name, rng) -> None:
    jax = pytest.importorskip("jax")
    op = MINE[name]
    with jax.enable_x64(True):
        args, params = max(cases(op, rng), key=lambda case: sum(np.size(a) for a in case[0]))
        arrays = [jax.numpy.asarray(a) for a in args]
        if "mask" in params.get("template", ()):  # the shape of x[mask] depends on values
            out = op(*arrays, **params)
        else:
            out = jax.jit(lambda *a: op.evaluate(jax.numpy, *a, **params))(*arrays)
        assert np.allclose(out, op(*args, **params), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_special_points_have_the_declared_gradients(name) -> None:
    op = SMOOTH[name]
    for special in op.special:
        tensors = [dp.tensor(np.asarray(a, dtype=float)) for a in special.args]
        y = op(*tensors, **(special.params or {}))
        gradients = dp.backward(y, np.ones(y.shape))
        for t, expected in zip(tensors, special.gradients, strict=True):
            assert np.array_equal(gradients[t], expected), special.convention
