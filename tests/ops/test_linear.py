"""matmul for vectors, matrices and batches, norms, and the products composed of other primitives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from tests.ops.derivatives import first_order, second_order

import denpa as dp
from denpa.errors import ShapeError, UsageError
from denpa.ops import diagonal, dot, inner, matmul, outer, tensordot, trace, vecdot, vector_norm
from denpa.primitive import REGISTRY, Primitive

MATMUL_SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((4, 2, 3), (3, 2)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (4, 3, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2, 3), (3, 2)),
]


@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES)
def test_matmul_has_numpys_values_and_both_derivatives(a, b, rng) -> None:
    x, y = rng.normal(size=a), rng.normal(size=b)
    out = matmul(dp.tensor(x), dp.tensor(y))
    assert np.array_equal(out.value, x @ y)
    assert matmul.shape(a, b) == out.shape
    first_order(matmul, (x, y), rng)
    second_order(matmul, (x, y), rng)


@given(
    shapes=mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", max_dims=2, max_side=3),
    seed=st.integers(0, 99),
)
def test_matmul_of_any_shapes_that_have_a_product(shapes, seed) -> None:
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=shape) for shape in shapes.input_shapes]
    assert matmul.shape(*shapes.input_shapes) == shapes.result_shape
    first_order(matmul, args, rng)


@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES)
def test_matmul_agrees_with_torch(a, b, rng) -> None:
    torch = pytest.importorskip("torch")
    x, y = dp.tensor(rng.normal(size=a)), dp.tensor(rng.normal(size=b))
    u, v = [torch.tensor(np.array(t.value), requires_grad=True) for t in (x, y)]
    out = x @ y
    g = rng.normal(size=out.shape)
    (u @ v).backward(torch.tensor(g))
    grads = dp.backward(out, g)
    for ours, theirs in ((grads[x], u.grad), (grads[y], v.grad)):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3)])
def test_the_gradient_of_a_constant_input_is_never_computed(shape, transposed, rng) -> None:
    """The first layer: one product backward for the weights, and none for the data unless they want a gradient."""
    W = dp.parameter(rng.normal(size=(2, 3) if transposed else (3, 2)))

    def products(x) -> int:
        out = x @ (W.T if transposed else W)
        grads = dp.backward(out.sum(), record=True)
        return sum(n.op is REGISTRY["matmul"] for n in dp.Graph(list(grads.by_node.values()), None))

    x = rng.normal(size=shape)
    assert (products(dp.constant(x)), products(dp.tensor(x))) == (1, 2)


def test_the_gradient_of_transposed_weights_lies_in_memory_as_the_weights_do(rng) -> None:
    W = dp.parameter(rng.normal(size=(4, 3)).astype(np.float32))
    g = dp.backward((dp.constant(np.ones((5, 3), np.float32)) @ W.T).sum())[W]
    assert g.flags.c_contiguous
    assert g.dtype == np.float32
    V = dp.parameter(rng.normal(size=(3, 4)))
    assert dp.backward((dp.constant(np.ones((5, 3))) @ V).sum())[V].flags.c_contiguous


def test_float32_is_kept(rng) -> None:
    x, y = dp.tensor(rng.normal(size=(2, 3)), dtype=np.float32), dp.tensor(rng.normal(size=(3, 2)), dtype=np.float32)
    for f in (matmul, lambda x, y: tensordot(x, y, 1), lambda x, y: vector_norm(x, axis=0), outer):
        out = f(x, y)
        assert out.dtype == np.float32
        assert dp.backward(out.sum())[x].dtype == np.float32


def test_integers_are_legal_constants(rng) -> None:
    x, n = dp.tensor(rng.normal(size=(2, 3))), np.arange(6).reshape(3, 2)
    assert np.allclose(dp.backward((x @ n).sum())[x], np.tile(n.sum(axis=1), (2, 1)))


@pytest.mark.parametrize(
    ("a", "b", "hint"),
    [((3, 4), (3, 4), "x @ y.T"), ((3, 4), (3, 2), "x.T @ y"), ((3,), (4,), ""), ((), (3,), "a number with *"),
     ((2, 3, 4), (3, 4, 5), ""), ((3,), (), "a number with *")],
)  # fmt: skip
def test_shapes_without_a_product_are_named_with_the_line(a, b, hint) -> None:
    x, y = dp.tensor(np.ones(a)), dp.tensor(np.ones(b))
    with pytest.raises(ShapeError) as caught:
        x @ y  # the line that the message shows
    text = str(caught.value)
    assert str(a) in text
    assert str(b) in text
    assert "the line that the message shows" in text
    assert hint in text
    with pytest.raises(ShapeError):
        matmul.shape(a, b)


@pytest.mark.parametrize(
    ("shape", "params"),
    [((4,), {}), ((2, 3), {}), ((2, 3), {"axis": 0}), ((2, 3, 2), {"axis": (0, -1), "keepdims": True}), ((), {})],
)
def test_vector_norm(shape, params, rng) -> None:
    x = rng.normal(size=shape)
    axis = params.get("axis")
    expected = np.sqrt(np.sum(x**2, axis=axis, keepdims=params.get("keepdims", False)))
    assert np.allclose(vector_norm(x, **params), expected, rtol=1e-15)
    f = lambda x: vector_norm(x, **params)
    first_order(f, (x,), rng)
    second_order(f, (x,), rng)


def test_the_norms_gradient_is_0_at_0_and_nan_beside_nan() -> None:
    x = dp.tensor([[0.0, 0.0], [3.0, 4.0], [np.nan, 1.0]])
    g = dp.backward(vector_norm(x, axis=1).sum())[x]
    assert g[:2].tolist() == [[0.0, 0.0], [0.6, 0.8]]
    assert np.isnan(g[2]).all()


COMPOSED = {
    "tensordot 2": (tensordot, np.tensordot, (2, 3, 4), (3, 4, 2)),
    "tensordot 0": (lambda x, y: tensordot(x, y, 0), lambda x, y: np.tensordot(x, y, 0), (2, 3), (4,)),
    "tensordot pairs": (
        lambda x, y: tensordot(x, y, ([0, -1], [1, 0])),
        lambda x, y: np.tensordot(x, y, ([0, -1], [1, 0])),
        (2, 3, 4),
        (4, 2, 5),
    ),
    "vecdot": (vecdot, np.vecdot, (2, 3), (4, 1, 3)),
    "vecdot -2": (lambda x, y: vecdot(x, y, axis=-2), lambda x, y: np.vecdot(x, y, axis=-2), (2, 3), (2, 1)),
    "outer": (outer, np.outer, (3,), (4,)),
    "outer of matrices": (outer, np.outer, (2, 2), (3, 1)),
    "dot of numbers": (dot, np.dot, (), (2, 3)),
    "dot of vectors": (dot, np.dot, (3,), (3,)),
    "dot of more": (dot, np.dot, (2, 3), (4, 3, 2)),
    "inner": (inner, np.inner, (2, 3), (4, 3)),
    "inner of a number": (inner, np.inner, (2, 3), ()),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_products(name, rng) -> None:
    ours, numpys, a, b = COMPOSED[name]
    x, y = rng.normal(size=a), rng.normal(size=b)
    expected = numpys(x, y)
    got = ours(dp.tensor(x), dp.tensor(y))
    assert got.shape == expected.shape
    assert np.allclose(got.value, expected, rtol=1e-13)
    first_order(ours, (x, y), rng)


@pytest.mark.parametrize(
    ("shape", "offset"), [((3, 3), 0), ((2, 4), 1), ((4, 2), -2), ((5, 2, 3), 1), ((2, 3), 3), ((0, 3), 0)]
)
def test_diagonal_and_trace(shape, offset, rng) -> None:
    x = rng.normal(size=shape)
    expected = np.diagonal(x, offset, -2, -1)
    assert np.array_equal(diagonal(dp.tensor(x), offset).value, expected)
    assert np.allclose(trace(dp.tensor(x), offset).value, expected.sum(axis=-1))
    first_order(lambda x: diagonal(x, offset), (x,), rng)
    first_order(lambda x: trace(x, offset), (x,), rng)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tensordot(np.ones((2, 3)), np.ones((2, 3)), 1),
        lambda: tensordot(np.ones((2, 1)), np.ones((3, 2)), 1),  # a size of 1 is not stretched
        lambda: tensordot(np.ones((2, 3)), np.ones((3, 2)), ([0, 1], [0])),
        lambda: tensordot(np.ones((2, 3)), np.ones((3, 2)), ([5], [0])),
        lambda: tensordot(np.ones((2, 2)), np.ones((2, 2)), ([0, 0], [0, 1])),
        lambda: tensordot(np.ones(2), np.ones(2), 3),
        lambda: vecdot(np.ones((2, 3)), np.ones((2, 1))),
        lambda: vecdot(np.ones(3), np.ones(3), axis=0),
        lambda: vecdot(np.ones(()), np.ones(3)),
        lambda: diagonal(np.ones(3)),
        lambda: diagonal(np.ones((2, 2)), 3),
    ],
)
def test_what_has_no_product_is_an_error(call) -> None:
    with pytest.raises((ShapeError, UsageError)):
        call()


TWINS = {
    "left transpose missing": lambda g, out, x, y: (g @ y.T, x @ g),
    "right transpose missing": lambda g, out, x, y: (g @ y, x.T @ g),
    "factor": lambda g, out, x, y: (g @ y.T * (1 + 1e-6), x.T @ g),
    "sides exchanged": lambda g, out, x, y: (x.T @ g, g @ y.T),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_wrong_twin_of_matmul_is_caught(name, rng) -> None:
    twin = Primitive(matmul.evaluate, name="twin", shape=matmul.shape)
    twin.vjp(TWINS[name])
    with pytest.raises(AssertionError):
        first_order(twin, (rng.normal(size=(3, 3)), rng.normal(size=(3, 3))), rng)


def test_a_batch_whose_gradient_is_not_summed_over_the_batch_is_caught(rng) -> None:
    twin = Primitive(matmul.evaluate, name="twin", shape=matmul.shape)
    twin.vjp(lambda g, out, x, y: (g @ y.T, (np.swapaxes(x, -1, -2) @ g)[0]))
    with pytest.raises(AssertionError):
        first_order(twin, (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2))), rng)
