"""NumPy's functions and operators on Tensors: NumPy's values, right gradients, and a refusal of everything else."""

from __future__ import annotations

import operator
import types

import numpy as np
import pytest
from tests.ops.derivatives import first_order

import denpa as dp
from denpa.errors import DenpaError
from denpa.ops.numpy_api import UFUNCS, UnsupportedFunction
from denpa.ops.numpy_functions import HANDLERS

A, B, V, S, C = (2, 3), (3, 4), (3,), (3, 3), (2, 3, 4)
MASK = np.array([[True, False, True], [False, True, True]])

# name: (a function written with NumPy only, shapes of its arguments, whether NumPy's own version takes complex numbers)
SMOOTH = {
    "add": (np.add, (A, V)),
    "subtract": (np.subtract, (A, V)),
    "multiply": (np.multiply, (A, V)),
    "divide": (lambda x, y: np.divide(x, 2 + y * y), (A, V)),
    "negative": (np.negative, (A,)),
    "positive": (np.positive, (A,)),
    "power": (lambda x: np.power(x, 3.0), (A,)),
    "exp": (np.exp, (A,)),
    "expm1": (np.expm1, (A,)),
    "log": (lambda x: np.log(x * x + 1), (A,)),
    "log1p": (lambda x: np.log1p(x * x), (A,)),
    "sqrt": (lambda x: np.sqrt(x * x + 1), (A,)),
    "square": (np.square, (A,)),
    "sin": (np.sin, (A,)),
    "cos": (np.cos, (A,)),
    "tan": (lambda x: np.tan(x / 4), (A,)),
    "sinh": (np.sinh, (A,)),
    "cosh": (np.cosh, (A,)),
    "tanh": (np.tanh, (A,)),
    "arctan": (lambda x: np.arctan(x / 4), (A,)),
    "matmul": (np.matmul, (A, B)),
    "vecdot": (lambda x: np.vecdot(np.ones(3), x), (A,)),  # NumPy conjugates the first
    "sum": (np.sum, (A,)),
    "sum axis": (lambda x: np.sum(x, axis=0, keepdims=True), (A,)),
    "sum positional axis": (lambda x: np.sum(x, 1), (A,)),
    "mean": (lambda x: np.mean(x, axis=(0, 2)), (C,)),
    "average": (np.average, (A,)),
    "average weights": (lambda x, w: np.average(x, 1, w * w), (A, A)),
    "prod": (lambda x: np.prod(x, axis=1), (A,)),
    "cumsum": (np.cumsum, (A,)),
    "cumsum axis": (lambda x: np.cumsum(x, axis=1), (A,)),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=1), (A,)),
    "dot": (np.dot, (A, B)),
    "dot of numbers": (np.dot, ((), A)),
    "inner": (np.inner, (A, V)),
    "outer": (np.outer, (A, V)),
    "vdot": (lambda x: np.vdot(np.ones(A), x), (A,)),
    "tensordot": (np.tensordot, (C, (3, 4))),
    "tensordot axes": (lambda x, y: np.tensordot(x, y, axes=([1], [0])), (C, V)),
    "einsum": (lambda x, y: np.einsum("ij,jk->ki", x, y), (A, B)),
    "einsum ellipsis": (lambda x, y: np.einsum("...j,j->...", x, y, optimize=True), ((2, 2, 3), V)),
    "einsum diagonal": (lambda x: np.einsum("ii->i", x), (S,)),
    "trace": (np.trace, (S,)),
    "trace axes": (lambda x: np.trace(x, 1, 0, 2), (C,)),
    "diagonal": (lambda x: np.diagonal(x, -1), (S,)),
    "diag of a matrix": (lambda x: np.diag(x, 1), (A,)),
    "diag of a vector": (lambda x: np.diag(x, -2), (V,)),
    "linalg.outer": (np.linalg.outer, (V, (4,))),
    "linalg.matmul": (np.linalg.matmul, (A, B)),
    "linalg.tensordot": (lambda x, y: np.linalg.tensordot(x, y, axes=1), (A, B)),
    "linalg.diagonal": (np.linalg.diagonal, (C,)),
    "linalg.trace": (np.linalg.trace, (C,)),
    "linalg.matrix_transpose": (np.linalg.matrix_transpose, (C,)),
    "reshape": (lambda x: np.reshape(x, (3, -1)), (A,)),
    "ravel": (np.ravel, (A,)),
    "transpose": (np.transpose, (A,)),
    "transpose axes": (lambda x: np.transpose(x, (1, 2, 0)), (C,)),
    "matrix_transpose": (np.matrix_transpose, (C,)),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), (C,)),
    "moveaxis": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (C,)),
    "expand_dims": (lambda x: np.expand_dims(x, (0, 2)), (A,)),
    "squeeze": (np.squeeze, ((1, 3, 1),)),
    "squeeze axis": (lambda x: np.squeeze(x, axis=0), ((1, 3, 1),)),
    "broadcast_to": (lambda x: np.broadcast_to(x, (4, 2, 3)), (A,)),
    "broadcast_arrays": (lambda x, y: np.multiply(*np.broadcast_arrays(x, y)), (A, V)),
    "atleast_1d": (np.atleast_1d, ((),)),
    "atleast_2d": (np.atleast_2d, (V,)),
    "concatenate": (lambda x, y: np.concatenate([x, y, np.ones((1, 3))]), (A, (1, 3))),
    "concatenate axis": (lambda x, y: np.concatenate((x, y), axis=1), (A, (2, 1))),
    "concatenate flat": (lambda x, y: np.concatenate((x, y), axis=None), (A, V)),
    "stack": (lambda x, y: np.stack([x, y, np.ones(A)], axis=1), (A, A)),
    "vstack": (lambda x, y: np.vstack([x, y]), (A, V)),
    "hstack": (lambda x, y: np.hstack([x, y]), (A, (2, 1))),
    "hstack vectors": (lambda x, y: np.hstack([x, y]), (V, (2,))),
    "column_stack": (lambda x, y: np.column_stack([x, y]), (V, (3, 2))),
    "split": (lambda x: np.split(x, 2, axis=1)[1], ((2, 4),)),
    "split at": (lambda x: np.split(x, [1, -1])[1], ((4, 2),)),
    "split beyond": (lambda x: np.split(x, [1, 9])[2], ((4, 2),)),
    "array_split": (lambda x: np.array_split(x, 3)[2], ((4, 2),)),
    "vsplit": (lambda x: np.vsplit(x, 2)[0], ((4, 2),)),
    "hsplit": (lambda x: np.hsplit(x, 2)[0], ((4, 2),)),
    "hsplit vector": (lambda x: np.hsplit(x, 2)[0], ((4,),)),
    "unstack": (lambda x: np.unstack(x, axis=1)[2], (A,)),
    "flip": (np.flip, (A,)),
    "flipud": (np.flipud, (A,)),
    "fliplr": (np.fliplr, (A,)),
    "roll": (lambda x: np.roll(x, 2, axis=1), (A,)),
    "roll flat": (lambda x: np.roll(x, -1), (A,)),
    "tile": (lambda x: np.tile(x, (2, 1, 2)), (A,)),
    "tile number": (lambda x: np.tile(x, 2), (A,)),
    "repeat": (lambda x: np.repeat(x, 2, axis=1), (A,)),
    "repeat each": (lambda x: np.repeat(x, [2, 0, 1], axis=1), (A,)),
    "repeat flat": (lambda x: np.repeat(x, 2), (A,)),
    "take": (lambda x: np.take(x, [2, 0, 0], axis=1), (A,)),
    "take flat": (lambda x: np.take(x, np.array([[4, 1]])), (A,)),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[2], [0]]), axis=1), (A,)),
    "take_along_axis flat": (lambda x: np.take_along_axis(x, np.array([2, 0]), axis=None), (A,)),
    "pad": (lambda x: np.pad(x, ((1, 0), (0, 2))), (A,)),
    "pad value": (lambda x: np.pad(x, 1, constant_values=3.0), (A,)),
    "diff": (np.diff, (A,)),
    "diff twice": (lambda x: np.diff(x, 2, axis=0), ((4, 2),)),
    "tril": (np.tril, (S,)),
    "triu": (lambda x: np.triu(x, 1), (C,)),
    "copy": (np.copy, (A,)),
    "where": (lambda x, y: np.where(MASK, x, y), (A, V)),
    "where number": (lambda x: np.where(MASK, x, 0.0), (A,)),
    "zeros_like": (lambda x: np.zeros_like(x) + x, (A,)),
    "ones_like": (lambda x: np.ones_like(x) * x, (A,)),
    "maximum": (np.maximum, (A, V)),
    "minimum": (np.minimum, (A, V)),
    "max": (lambda x: np.max(x, axis=1), (A,)),
    "amax": (np.amax, (A,)),
    "min": (lambda x: np.min(x, axis=0, keepdims=True), (A,)),
    "ptp": (lambda x: np.ptp(x, axis=1), (A,)),
}
# Not analytic (a modulus inside, or NumPy's version takes no complex numbers): checked by central differences.
KINKED = {
    "abs": (np.abs, (A,)),
    "fabs": (np.fabs, (A,)),
    "float_power": (lambda x: np.float_power(x, 2), (A,)),
    "sign": (lambda x: np.sign(x) * x, (A,)),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), (A,)),
    "clip keywords": (lambda x: np.clip(x, min=-0.5, max=None), (A,)),
    "var": (lambda x: np.var(x, axis=1, ddof=1), (A,)),
    "std": (np.std, (A,)),
    "std correction": (lambda x: np.std(x, axis=0, correction=1, keepdims=True), ((4, 2),)),
    "linalg.norm": (np.linalg.norm, (A,)),
    "linalg.norm axis": (lambda x: np.linalg.norm(x, axis=1, keepdims=True), (A,)),
    "linalg.norm 1": (lambda x: np.linalg.norm(x, 1, axis=0), (A,)),
    "linalg.norm inf": (lambda x: np.linalg.norm(x, np.inf), (V,)),
    "linalg.norm -inf": (lambda x: np.linalg.norm(x, -np.inf), (V,)),
    "linalg.norm fro": (lambda x: np.linalg.norm(x, "fro"), (A,)),
    "linalg.vector_norm": (lambda x: np.linalg.vector_norm(x, axis=0), (A,)),
    "linalg.vecdot": (lambda x, y: np.linalg.vecdot(x, y, axis=-1), (A, V)),
}
TABLE = {**SMOOTH, **KINKED}


def arguments(shapes, rng):
    """Values apart from each other and from kinks at 0 and ±0.5."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    values = (rng.permutation(sum(sizes)) + rng.uniform(0.2, 0.4)) / sum(sizes) * 4 - 2
    values = np.where(np.abs(np.abs(values) - 0.25) < 0.3, values + 0.6 * np.sign(values), values)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape)[()] for part, shape in zip(parts, shapes, strict=True)]


@pytest.mark.parametrize("name", TABLE)
def test_numpys_value_and_the_right_gradient(name, rng) -> None:
    """NumPy's own function is the reference: its value, and its derivative by complex step or central differences."""
    f, shapes = TABLE[name]
    args = arguments(shapes, rng)
    expected = f(*args)
    got = f(*map(dp.tensor, args))
    assert isinstance(got, dp.Tensor)
    assert got.node.requires
    assert got.shape == np.shape(expected)
    assert got.dtype == expected.dtype
    assert np.allclose(got.value, expected, rtol=1e-13, atol=1e-14)
    loose = lambda *a: got_like(f, a)
    first_order(loose, args, rng, analytic=name in SMOOTH)


def got_like(f, args):
    """f on Tensors by dispatch, on arrays by NumPy; the last digits may differ, so close values are taken as equal."""
    out = f(*args)
    return out if any(isinstance(a, dp.Tensor) or np.iscomplexobj(a) for a in args) else _on_tensors(f, args, out)


def _on_tensors(f, args, numpys):
    ours = f(*map(dp.tensor, args)).value
    assert np.allclose(ours, numpys, rtol=1e-13, atol=1e-14)
    return ours


TORCH = {
    "concatenate": (lambda x, y: np.concatenate([x, y]), lambda t, x, y: t.cat([x, y])),
    "stack": (lambda x, y: np.stack([x, y], axis=1), lambda t, x, y: t.stack([x, y], 1)),
    "where": (lambda x, y: np.where(MASK, x, y), lambda t, x, y: t.where(t.tensor(MASK), x, y)),
    "einsum": (lambda x, y: np.einsum("ij,kj->ik", x, y), lambda t, x, y: t.einsum("ij,kj->ik", x, y)),
    "norm": (lambda x, y: np.linalg.norm(x - y, axis=0), lambda t, x, y: t.linalg.norm(x - y, dim=0)),
    "std": (lambda x, y: np.std(x * y, axis=1, ddof=1), lambda t, x, y: t.std(x * y, dim=1)),
    "max": (lambda x, y: np.max(x + y, axis=1), lambda t, x, y: t.amax(x + y, 1)),
    "clip": (lambda x, y: np.clip(x, -0.5, 0.5) * y, lambda t, x, y: t.clip(x, -0.5, 0.5) * y),
    "prod": (lambda x, y: np.prod(x, axis=0) + np.sum(y), lambda t, x, y: t.prod(x, 0) + t.sum(y)),
    "cumsum": (lambda x, y: np.cumsum(x * y, axis=1), lambda t, x, y: t.cumsum(x * y, 1)),
    "roll tile flip": (
        lambda x, y: np.tile(np.flip(np.roll(x, 1, axis=1), axis=0), (2, 1)) @ np.transpose(y),
        lambda t, x, y: t.tile(t.flip(t.roll(x, 1, 1), (0,)), (2, 1)) @ y.T,
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_gradients_equal_torchs(name, rng) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = TORCH[name]
    x, y = map(dp.tensor, arguments((A, A), rng))
    u, v = [torch.tensor(np.array(t.value), requires_grad=True) for t in (x, y)]
    out = ours(x, y)
    g = rng.normal(size=out.shape)
    theirs(torch, u, v).backward(torch.tensor(g))
    grads = dp.backward(out, g)
    for a, b in ((x, u), (y, v)):
        assert np.allclose(grads[a], b.grad.numpy(), rtol=1e-12, atol=1e-13)


# -- operators with arrays on the left -------------------------------------------------------------------------------
LEFT = [np.array([1.0, 2.0, 3.0]), np.float64(2.0), np.array(2.0), 2.0, 2, np.array([1, 2, 3])]
OPERATORS = ["add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "left", [np.array([1.0, 2.0, 3.0]), np.float64(2.0), np.array(2.0), 2.0, 2, np.array([1, 2, 3])]
)
def test_an_array_on_either_side_gives_a_tensor(name, left) -> None:
    op = getattr(operator, name)
    value = np.array([0.5, 2.0, 3.0])
    t = dp.tensor(value)
    for got, expected in ((op(left, t), op(left, value)), (op(t, left), op(value, left))):
        assert isinstance(got, dp.Tensor)
        assert np.array_equal(got.value, expected)
        assert got.node.inputs


def test_matmul_with_an_array_on_either_side(rng) -> None:
    a, t = rng.normal(size=(3, 3)), dp.tensor(rng.normal(size=(3, 3)))
    assert np.array_equal((a @ t).value, a @ t.value)
    assert np.array_equal((t @ a).value, t.value @ a)


def test_booleans_combine_and_numbers_do_not() -> None:
    t = dp.tensor([1.0, 2.0, 3.0])
    mask = np.array([True, True, False])
    assert (mask & (t > 1)).value.tolist() == [False, True, False]
    assert ((t > 1) | ~mask).value.tolist() == [False, True, True]
    for f in (np.bitwise_and, np.bitwise_or):
        with pytest.raises(UnsupportedFunction, match="comparisons"):
            f(dp.tensor([1, 2]), np.array([3, 4]))
    with pytest.raises(UnsupportedFunction, match="comparisons"):
        np.invert(dp.tensor([1, 2]))


def test_float32_is_kept() -> None:
    t = dp.tensor([1.0, 2.0], dtype=np.float32)
    for out in (np.exp(t), np.mean(t), 2 * t, np.where(t > 1, t, 0.0), np.clip(t, 0, 1), np.linalg.norm(t), np.std(t)):
        assert out.dtype == np.float32


# -- questions -------------------------------------------------------------------------------------------------------
def test_questions_about_a_tensor_have_plain_answers() -> None:
    t = dp.tensor([[1.0, 2.0, np.nan]])
    assert (np.ndim(t), np.shape(t), np.size(t), np.size(t, 1)) == (2, (1, 3), 3, 3)
    assert np.result_type(t, np.float32) == np.float64
    assert np.can_cast(t, np.float64)
    assert np.isrealobj(t)
    assert not np.iscomplexobj(t)
    assert np.array_equal(t, t.value, equal_nan=True) is True
    assert np.allclose(t, t.value + 1e-12, equal_nan=True) is True
    assert "1." in np.array_repr(t)
    assert "Tensor" not in np.array_str(t)


def test_answers_that_depend_on_the_values_are_recorded() -> None:
    """A mask is part of the graph, so that a graph that is run again with other values makes its mask again."""
    value = np.array([[0.0, 1.0, np.nan], [2.0, 0.0, np.inf]])
    t = dp.tensor(value)
    for f in (
        np.isnan,
        np.isfinite,
        np.isinf,
        np.logical_not,
        lambda t: np.any(t, axis=0),
        lambda t: np.all(t, axis=1, keepdims=True),
        lambda t: np.count_nonzero(t, axis=1),
        lambda t: np.isclose(t, np.array([1e-9, 1.0, np.inf])),
        lambda t: np.argmax(np.where(np.isnan(t), -1.0, t), axis=1),
        lambda t: np.argmin(t, axis=0, keepdims=True),
    ):
        got = f(t)
        assert np.array_equal(got.value, f(value))
        assert t.node in dp.Graph(got).nodes
        assert not got.node.requires


# -- refusals --------------------------------------------------------------------------------------------------------
def test_a_tensor_is_never_written_into_an_array() -> None:
    a, t = np.ones(3), dp.tensor([1.0, 2.0, 3.0])
    with pytest.raises(UnsupportedFunction, match=r"a \+= t"):
        a += t
    with pytest.raises(UnsupportedFunction, match=r"out="):
        np.add(a, a, out=t)
    for call in (
        lambda: np.add(a, t, out=a),
        lambda: np.exp(t, out=a),
        lambda: np.exp(t, a),
        lambda: np.sum(t, out=np.array(0.0)),
        lambda: np.concatenate([t, t], out=np.ones(6)),
        lambda: np.matmul(a, t, out=np.array(0.0)),
        lambda: np.clip(t, 0, 1, out=a),
        lambda: np.copyto(a, t),
    ):
        with pytest.raises(UnsupportedFunction):
            call()
    assert a.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (np.add.reduce, "np.sum"),
        (np.multiply.reduce, "np.prod"),
        (np.add.accumulate, "np.cumsum"),
        (lambda t: np.multiply.outer(t, t), "np.outer"),
        (lambda t: np.add.at(np.ones(3), [0], t), "np.add.at"),
        (np.floor, r"np.floor\(t.value\)"),
        (lambda t: np.floor_divide(t, 2), "np.floor_divide"),
        (lambda t: np.ones(3) // t, "np.floor_divide"),
        (lambda t: np.ones(3) % t, "np.remainder"),
        (np.log10, r"np.log\(10\)"),
        (np.sort, "np.sort"),
        (np.median, "np.median"),
        (lambda t: np.where(t > 1), "np.where"),
        (lambda t: np.linalg.inv(np.outer(t, t)), "np.linalg.inv"),
        (lambda t: np.linalg.norm(np.outer(t, t), 2), "ord=2"),
        (np.fft.fft, "np.fft.fft"),
        (lambda t: np.sum(t, dtype=np.float32), "dtype="),
        (lambda t: np.sum(t, where=np.ones(3, bool)), "where="),
        (lambda t: np.exp(t, where=np.ones(3, bool)), "where="),
        (lambda t: np.exp(t, dtype=np.float32), "dtype="),
        (lambda t: np.reshape(np.outer(t, t), -1, order="F"), "row-major"),
        (lambda t: np.pad(t, 1, mode="edge"), "mode"),
        (lambda t: np.take(t, [0], mode="clip"), "mode="),
        (lambda t: np.save("never-written.npy", t), "np.save"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_by_name(call, says) -> None:
    with pytest.raises(DenpaError, match=says) as caught:
        call(dp.tensor([1.0, 2.0, 3.0]))
    text = str(caught.value)
    assert "test_numpy_api.py" in text
    if isinstance(caught.value, UnsupportedFunction):
        assert isinstance(caught.value, TypeError)


def public(module):
    return [getattr(module, name) for name in dir(module) if not name.startswith("_")]


DISPATCHED = {
    f"{f.__module__}.{f.__name__}": f
    for module in (np, np.linalg, np.fft)
    for f in public(module)
    if hasattr(f, "_implementation") and not isinstance(f, types.ModuleType)
}
PLAIN_ANSWERS = {
    np.ndim, np.shape, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast, np.array_repr,
    np.array_str, np.allclose, np.array_equal,
}  # fmt: skip


def test_the_list_of_numpys_functions_is_found() -> None:
    assert len(DISPATCHED) > 250
    assert set(HANDLERS) <= set(DISPATCHED.values())


LISTS = {np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block}


def answer(f, args):
    """What a call that reaches Tensor.__array_function__ gives: its result, or the error it raises."""
    try:
        return args[0].__array_function__(f, (dp.Tensor,), args[1:], {})
    except Exception as error:
        return error


@pytest.mark.parametrize("name", sorted(DISPATCHED))
def test_no_function_of_numpy_falls_back_to_a_detached_array(name) -> None:
    """Every function gives Tensors or an error of ours; only those listed answer with something plain."""
    f = DISPATCHED[name]
    t = dp.tensor(np.arange(1.0, 10.0).reshape(3, 3))
    calls = [(t,), (t, t), (t, 1), (t, (0,)), (t, (9,)), (t, (3, 3)), (t, 0, 1), (t, t, t), (t > 2, t, t), (t[0],)]
    calls += [(t, np.zeros((3, 3), int), 1)] + [([t, t],)] * (f in LISTS) + [("ij->ji", t)] * (f is np.einsum)
    answers = [answer(f, (t, *args)) for args in calls]
    if f not in HANDLERS:
        for got in answers:
            assert isinstance(got, UnsupportedFunction)
            assert name.removeprefix("numpy.") in str(got)
        return
    given = [got for got in answers if not isinstance(got, Exception)]
    assert given, answers
    for got in given:
        parts = got if isinstance(got, (list, tuple)) else [got]
        assert f in PLAIN_ANSWERS or any(isinstance(part, dp.Tensor) for part in parts)


@pytest.mark.parametrize("ufunc", [u for u in public(np) if isinstance(u, np.ufunc)], ids=lambda u: u.__name__)
def test_no_ufunc_falls_back_to_a_detached_array(ufunc) -> None:
    t = dp.tensor(np.eye(2))
    args = (t,) * ufunc.nin
    if ufunc not in UFUNCS:
        with pytest.raises(UnsupportedFunction, match=ufunc.__name__):
            ufunc(*args)
    elif ufunc in (np.bitwise_and, np.bitwise_or, np.invert):
        assert isinstance(ufunc(*[a > 0 for a in args]), dp.Tensor)
    else:
        with np.errstate(all="ignore"):
            assert isinstance(ufunc(*args), dp.Tensor)
    if (ufunc.nin, ufunc.nout, ufunc.signature) == (2, 1, None):
        for method, given in (("reduce", (t,)), ("accumulate", (t,)), ("outer", (t, t)), ("reduceat", (t, [0]))):
            with pytest.raises(UnsupportedFunction, match=method):
                getattr(ufunc, method)(*given)
        with pytest.raises(UnsupportedFunction, match="at"):
            ufunc.at(np.ones(2), [0], t)


def test_a_dispatch_that_detaches_is_caught(monkeypatch) -> None:
    """The broken twin of the two tests above: np.sort answered with a plain array."""
    monkeypatch.setitem(HANDLERS, np.sort, lambda a: np.sort(a.value))  # a plain array
    with pytest.raises(AssertionError):
        test_no_function_of_numpy_falls_back_to_a_detached_array("numpy.sort")
