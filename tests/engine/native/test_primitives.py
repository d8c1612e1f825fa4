"""Every primitive gives natively what NumPy gives: values, NaN and inf in the same places, and dtype."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import denpa as dp
import denpa.nn  # with `uniform`: fills the registry
from denpa.engine import Step
from denpa.graph import Graph, Tensor, tensor
from denpa.primitive import REGISTRY, Primitive, primitive

pytest.importorskip("numba")

from denpa.engine.native.program import NativeProgram
from denpa.engine.verify import verify

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}
EXTREMES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -3.25,
    1e-300,
    1e-40,
    1e30,
    -1e30,
    90.0,
    -90.0,
    800.0,
    -800.0,
    np.inf,
    -np.inf,
    np.nan,
]


def compare(out: Tensor, inputs: dict[str, Tensor], tolerance: float) -> tuple[str, ...]:
    """Run the graph natively and hold it against the values recorded; returns the fallbacks."""
    program = NativeProgram(Step(Graph({"out": out}, inputs), {}))
    verify(program.plan)
    state = {name: t.value for name, t in inputs.items()}
    found = program.run(state, {}, np.zeros((1, 0), np.int64), {})["out"][0]
    assert found.dtype == out.dtype
    assert found.shape == out.shape
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found, out.value, rtol=tolerance, atol=tolerance * _size(out.value), equal_nan=True)
    return program.fallbacks


def _size(value: Any) -> float:
    """Typical size of the finite values: what an absolute error is held against (sums cancel)."""
    finite = np.abs(np.asarray(value, float)[np.isfinite(value)])
    return float(finite.max()) if finite.size else 0.0


def cast(value: Any, dtype: str) -> Any:
    value = np.asarray(value)
    return value.astype(dtype) if value.dtype.kind == "f" else value


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", REGISTRY.values(), ids=list(REGISTRY))
def test_samples(op: Primitive, dtype: str) -> None:
    if op.samples is None:
        pytest.skip("it declares no samples")
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    for args, params in op.samples(rng):
        inputs = {f"x{i}": tensor(cast(a, dtype)) for i, a in enumerate(args)}
        with np.errstate(all="ignore"):
            compare(op(*inputs.values(), **params), inputs, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "op", [o for o in REGISTRY.values() if o.scalar], ids=[o.name for o in REGISTRY.values() if o.scalar]
)
def test_extremes(op: Primitive, dtype: str) -> None:
    """NaN, inf, signed zeros, denormals and what overflows."""
    with np.errstate(all="ignore"):
        points = np.array(EXTREMES).astype(dtype)
        arity = op.arity or 0
        mesh = np.meshgrid(*[points] * arity, indexing="ij") if arity > 1 else [points]
        arrays = [np.ascontiguousarray(m.reshape(-1)) for m in mesh]
        if op.name == "where":
            arrays[0] = arrays[0] > 0
        params = {k: {"min": -0.5, "max": 1.0, "dtype": np.dtype(dtype)}[k] for k in op.defaults}
        inputs = {f"x{i}": tensor(a) for i, a in enumerate(arrays)}
        out = op(*inputs.values(), **params)
        program = NativeProgram(Step(Graph({"out": out}, inputs), {}))
        found = program.run({n: t.value for n, t in inputs.items()}, {}, np.zeros((1, 0), np.int64), {})["out"][0]
        wanted = out.value
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
        np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))
        np.testing.assert_allclose(found, wanted, rtol=TOLERANCE[dtype], atol=0, equal_nan=True)


# Primitives that NumPy computes for some arguments, with the reasons it may have.  Everything else has a kernel.
LISTED = {
    "getitem": ("a mask, whose true elements decide the size of the result",),
    "scatter_add": ("a mask, whose true elements decide the size of the result",),
}


def test_every_primitive_is_lowered_or_listed_with_a_reason() -> None:
    """A new primitive needs scalar text, a rule, or a place in this list; and the list has no more than is true."""
    found: dict[str, set[str]] = {}
    for op in REGISTRY.values():
        assert op.samples is not None, f"{op.name} declares no samples"
        for args, params in op.samples(np.random.default_rng(1)):
            inputs = {f"x{i}": tensor(a) for i, a in enumerate(args)}
            with np.errstate(all="ignore"):
                out = op(*inputs.values(), **params)
            program = NativeProgram(Step(Graph({"out": out}, inputs), {}))
            calls = [t for t in program.plan.tasks if t.kind == "call"]
            assert len(calls) == len(program.plan.fallbacks)
            for line in program.plan.fallbacks:
                assert line.startswith(op.name)
                found.setdefault(op.name, set()).add(line.rpartition(": ")[2])
    assert found == {name: set(reasons) for name, reasons in LISTED.items()}


X, N = np.linspace(-1, 1, 6).reshape(2, 3), np.arange(6).reshape(2, 3)
FALLBACKS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a mask, whose true elements decide the size of the result": (lambda x, m: x[m], (X, X > 0)),
    "an index of dtype uint8, not int64 or int32": (lambda x, i: x[i], (X, np.zeros(2, np.uint8))),
    "a product of integers": (lambda a: a @ a.T, (N,)),
    "a sum of products that are not of one floating-point dtype": (lambda a: dp.einsum("ij,kj->ik", a, a), (N,)),
    "a batch of 5000 products": (lambda a: a @ a, (np.ones((5000, 1, 1)),)),
    "more than two axes": (lambda x: dp.argmax(x, axis=1), (np.ones((2, 3, 2)),)),
    "flattened": (lambda x: REGISTRY["concat"](x, x, axis=None), (X,)),
    "class numbers of dtype uint8": (
        dp.softmax_cross_entropy,
        (X, np.zeros(2, np.uint8)),
    ),
    "no kernel for this dtype": (dp.max, (N,)),
    "dtype complex128": (dp.exp, (X + 1j,)),
    "no kernel": (
        primitive(name="doubled", register=False, shape=lambda x: x)(lambda xp, x: 2 * x),
        (X,),
    ),
}


@pytest.mark.parametrize("reason", FALLBACKS)
def test_what_falls_back_says_why_and_gives_the_same(reason: str) -> None:
    f, args = FALLBACKS[reason]
    native = dp.compile(f, engine="native")
    np.testing.assert_array_equal(native(*args), dp.compile(f, engine="eager")(*args))
    assert [line.rpartition(": ")[2] for line in native.fallbacks] == [reason]
    with pytest.raises(dp.UsageError, match=reason):
        dp.compile(f, engine="native!")(*args)


def test_the_page_lists_every_reason() -> None:
    root = Path(__file__).resolve().parents[3]
    page = (root / "docs/engine.md").read_text(encoding="utf-8")
    for reason in FALLBACKS:
        assert reason in page
    for name in ("lower", "moving", "contraction"):
        source = (root / f"src/denpa/engine/{name}.py").read_text(encoding="utf-8")
        said = re.findall(r'(?:return|else) f?"([a-z][^"]* [^"]*)"', source)
        for words in (part.strip() for reason in said for part in re.split(r"\{.*?\}", reason)):
            assert words in page


def test_a_wrong_kernel_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin of `compare`: an operation whose scalar text is not what it evaluates."""
    x = tensor(np.linspace(-1, 1, 5))
    op = REGISTRY["tanh"]
    out = op(x)
    monkeypatch.setattr(op, "scalar", "x")
    with pytest.raises(AssertionError):
        compare(out, {"x": x}, 1e-6)
