"""The array-API namespace: its names, creation functions, dtypes, and code written against the standard."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ops.derivatives import first_order

import denpa as dp
from denpa.errors import UsageError
from denpa.graph import FUNCTIONS
from denpa.ops.array_api import ALIASES, CONSTANTS, DTYPES, FUNCTION_NAMES, NAMESPACE, PUBLIC

xp = NAMESPACE


def test_a_tensor_knows_its_namespace() -> None:
    t = dp.tensor([1.0])
    assert t.__array_namespace__() is xp
    assert t.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(UsageError, match="array-API version"):
        t.__array_namespace__(api_version="1999.01")


def test_every_name_is_there_and_means_what_numpy_means(rng) -> None:
    for name in (*FUNCTION_NAMES, *ALIASES, *DTYPES, *CONSTANTS):
        assert name in dir(xp)
        assert getattr(xp, name) is not None or name == "newaxis"
        if name in DTYPES:
            assert getattr(xp, name) == getattr(np, name)
    for name in FUNCTION_NAMES:
        assert getattr(xp, name) is FUNCTIONS[name]
        assert hasattr(np, name), "the standard's name is NumPy's"
    assert (xp.pi, xp.e, xp.inf, xp.newaxis) == (np.pi, np.e, np.inf, None)
    assert np.isnan(xp.nan)


@pytest.mark.parametrize("name", ["floor", "sort", "unknown", "__wrapped__", "_names_of_others"])
def test_a_name_that_is_not_there_is_an_attribute_error(name) -> None:
    assert not hasattr(xp, name)
    with pytest.raises(AttributeError, match=name):
        getattr(xp, name)


UNARY = [
    "abs",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "negative",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "atan",
    "positive",
]
BINARY = [
    "add",
    "divide",
    "maximum",
    "minimum",
    "multiply",
    "pow",
    "subtract",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
]


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_elementwise_functions_have_numpys_values(name, rng) -> None:
    args = [rng.uniform(0.2, 1.2, (2, 3)) for _ in range(2 if name in BINARY else 1)]
    got = getattr(xp, name)(*map(xp.asarray, args))
    assert isinstance(got, dp.Tensor)
    assert np.allclose(got.value, getattr(np, name)(*args), rtol=1e-14)


def test_code_written_against_the_standard_is_differentiable(rng) -> None:
    def standardise(x):
        xp = x.__array_namespace__()
        centred = x - xp.mean(x, axis=0, keepdims=True)
        scaled = centred / xp.sqrt(xp.mean(xp.square(centred), axis=0, keepdims=True) + xp.asarray(1e-3, dtype=x.dtype))
        return xp.matmul(xp.permute_dims(scaled, (1, 0)), xp.concat([scaled, xp.ones((5, 1))], axis=1))

    x = rng.normal(size=(5, 3))
    assert np.allclose(standardise(dp.tensor(x)).value, standardise(x), rtol=1e-13)
    t = dp.tensor(x)
    slope = dp.backward(xp.sum(standardise(t)))[t]
    moved = lambda h: np.sum(standardise(x + h * 1j * np.eye(5, 3))).imag / h
    assert np.sum(slope * np.eye(5, 3)) == pytest.approx(moved(1e-30), rel=1e-11)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("zeros", ((2, 3),), {}),
        ("ones", (4,), {"dtype": np.float32}),
        ("full", ((2, 2), 7.0), {}),
        ("eye", (3,), {"k": 1}),
        ("arange", (2, 8, 3), {}),
        ("linspace", (0.0, 1.0, 5), {}),
        ("zeros_like", (np.ones((2, 3)),), {}),
        ("ones_like", (np.zeros(3, np.float32),), {}),
        ("full_like", (np.zeros(3), 2.0), {"dtype": np.float32}),
    ],
)
def test_creation_functions_give_constants(name, args, kwargs) -> None:
    expected = getattr(np, name)(*args, **kwargs)
    for given in (args, tuple(dp.tensor(a) if isinstance(a, np.ndarray) else a for a in args)):
        got = getattr(xp, name)(*given, device="cpu", **kwargs)
        assert isinstance(got, dp.Tensor)
        assert np.array_equal(got.value, expected)
        assert got.dtype == expected.dtype
        assert got.node.kind == "constant"
        with pytest.raises(UsageError, match="device"):
            getattr(xp, name)(*given, device="cuda:0", **kwargs)
    assert xp.empty((2, 3)).shape == (2, 3)
    assert xp.empty_like(dp.tensor([1.0])).shape == (1,)


def test_asarray_keeps_the_graph() -> None:
    t = dp.tensor([1.0, 2.0], name="t")
    assert xp.asarray(t) is t
    assert xp.asarray(t, dtype=xp.float32).dtype == np.float32
    nested = xp.asarray([[t[0], 5.0], [t[1], t[0]]])
    assert nested.value.tolist() == [[1.0, 5.0], [2.0, 1.0]]
    assert dp.backward(xp.sum(nested))[t].tolist() == [2.0, 1.0]
    assert xp.asarray([1, 2]).node.kind == "constant"
    cast = xp.astype(t, xp.float32)
    assert dp.backward(xp.sum(cast))[t].dtype == np.float64


def test_cumulative_sum(rng) -> None:
    x = rng.normal(size=(2, 3))
    for options in ({}, {"include_initial": True}):
        f = lambda x, options=options: FUNCTIONS["array_namespace"]().cumulative_sum(x, axis=1, **options)
        assert np.allclose(f(x), np.cumulative_sum(x, axis=1, **options))
        first_order(f, (x,), rng)
    assert xp.cumulative_sum(xp.asarray([1, 2]), dtype=xp.float64).dtype == np.float64
    with pytest.raises(UsageError, match="axis"):
        xp.cumulative_sum(dp.tensor(x))


def test_dtype_functions() -> None:
    t = dp.tensor([1.0], dtype=np.float32)
    assert xp.result_type(t, xp.int32) == np.float64
    assert xp.result_type(t, xp.float32) == np.float32
    assert xp.can_cast(t, xp.float64)
    assert not xp.can_cast(xp.float64, xp.int8)
    assert xp.isdtype(t.dtype, "real floating")
    assert xp.finfo(t).eps == np.finfo(np.float32).eps
    assert xp.iinfo(xp.int8).max == 127
    assert xp.broadcast_shapes((2, 1), (3,)) == (2, 3)


def test_linalg(rng) -> None:
    x, y = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    t, u = dp.tensor(x), dp.tensor(y)
    assert np.allclose(xp.linalg.matmul(t, u).value, x @ y)
    assert np.allclose(xp.linalg.tensordot(t, u, axes=1).value, x @ y)
    assert np.allclose(xp.linalg.outer(t[0], u[0]).value, np.outer(x[0], y[0]))
    assert np.allclose(xp.linalg.vecdot(t, t[0]).value, x @ x[0])
    assert np.array_equal(xp.linalg.matrix_transpose(t).value, x.T)
    assert np.array_equal(xp.linalg.diagonal(t, offset=1).value, np.diagonal(x, 1))
    assert np.allclose(xp.linalg.trace(t).value, np.trace(x))
    for order in (1, 2, np.inf):
        expected = np.linalg.vector_norm(x, axis=1, ord=order)
        assert np.allclose(xp.linalg.vector_norm(t, axis=1, ord=order).value, expected)
    with pytest.raises(UsageError, match="order"):
        xp.linalg.vector_norm(t, ord=3)


def test_the_namespace_describes_itself() -> None:
    info = xp.__array_namespace_info__()
    assert info.devices() == [info.default_device()] == ["cpu"]
    assert info.default_dtypes()["real floating"] == np.float64
    assert info.dtypes(kind="real floating") == {"float32": np.float32, "float64": np.float64}
    assert info.capabilities()["boolean indexing"] is True
    assert xp.__array_api_version__ == "2024.12"
    assert "denpa" in repr(xp)
    assert dp.tensor([1.0], dtype=np.float32).dtype == xp.float32


def test_the_public_names_are_there_and_none_is_private() -> None:
    assert len(set(PUBLIC)) == len(PUBLIC)
    for name in PUBLIC:
        assert name in FUNCTIONS or name in DTYPES
        assert not name.startswith("_")
    assert not {"numpy_ufunc", "sum_to", "contract", "backward_into_leaves"} & set(PUBLIC)
