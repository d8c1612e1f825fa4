from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, basic_indices, integer_array_indices
from tests.ops.derivatives import first_order, second_order

import denpa as dp
from denpa import ops
from denpa.errors import IndexingError
from denpa.ops.indexing import gather, scatter_add

S = slice
PICK, OTHER = np.array([[0, -1], [2, 2]]), np.array([1, 0])
INDICES = [
    1,
    -1,
    S(1, None),
    S(None, None, -1),
    S(3, 1, -2),
    S(5, 9),
    None,
    Ellipsis,
    (),
    (0, 2, 1),
    (Ellipsis, 0),
    (S(None), None, 1),
    (None, 0, Ellipsis, None),
    PICK,
    [0, 2, 2],
    [],
    (PICK, OTHER),
    (PICK, PICK, OTHER),
    (PICK, S(None), OTHER),
    (0, S(None), OTHER),
    (0, OTHER),
    (S(None), PICK, 1),
    (S(None), OTHER, None, PICK % 2),
    (OTHER, None, 1),
    (Ellipsis, PICK % 2),
    (Ellipsis, np.array([[1, 1, 1, 1]]).T, S(0, 2)),
    np.array(2),
    np.int64(2),
    True,
    False,
    np.array([True, False, True, True]),
    (S(None), np.array([False, True, True])),
    (np.array([True, False, True, False]), OTHER),
    (np.array([False, True, False, False]), np.array([0, 0, 2])),
    np.arange(12).reshape(4, 3) % 2 == 0,
    (Ellipsis, np.array([True, False])),
    np.array([2, 0], np.uint8),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_every_kind_of_index_equals_numpy_and_its_adjoint(index, rng) -> None:
    x = rng.normal(size=(4, 3, 2))
    y = dp.tensor(x)[index]
    assert np.array_equal(y.value, x[index])
    assert y.shape == x[index].shape
    f = lambda a: ops.getitem(a, index)
    first_order(f, (x,), rng)
    second_order(lambda a: ops.square(f(a)), (x,), rng)
    node = y.node
    shape = gather.shape(*[n.value.shape for n in node.inputs], template=node.params["template"])
    assert shape is None or shape == x[index].shape


@given(data=st.data())
def test_random_basic_indices(data) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    index = data.draw(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x = np.random.default_rng(0).normal(size=shape)
    check(x, index)


@given(data=st.data())
def test_random_integer_arrays(data) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = data.draw(integer_array_indices(shape))
    kept = data.draw(st.integers(1, len(index)))
    check(np.random.default_rng(0).normal(size=shape), index[:kept])


@given(data=st.data())
def test_random_masks(data) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    mask = data.draw(arrays(bool, shape[: data.draw(st.integers(1, len(shape)))]))
    check(np.random.default_rng(0).normal(size=shape), mask)


def check(x, index) -> None:
    y = dp.tensor(x)[index]
    assert np.array_equal(y.value, x[index])
    node = y.node
    shape = gather.shape(*[n.value.shape for n in node.inputs], template=node.params["template"])
    assert shape is None or shape == x[index].shape
    rng = np.random.default_rng(1)
    g, d = rng.normal(size=y.shape), rng.normal(size=x.shape)
    t = dp.tensor(x)
    back = dp.backward(t[index], g)[t]
    assert np.sum(back * d) == pytest.approx(np.sum(g * d[index]), abs=1e-9)  # <g, x[index]> = <scatter(g), x>


def test_positions_do_not_overflow_a_small_index_dtype() -> None:
    t = dp.tensor(np.zeros((200, 50)))
    row, column = np.array([199, 3], np.uint8), np.array([49, -50], np.int8)
    for index in ((row, column), row):
        expected = np.zeros((200, 50))
        expected[index] = 1
        assert np.array_equal(dp.backward(t[index].sum())[t], expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("size", "width"), [((7,), ()), ((7, 3), ()), ((7,), (5,)), ((50,), (2, 3))])
def test_repeated_rows_are_added_as_add_at_does(dtype, size, width, rng) -> None:
    shape = (6, *width)
    rows = rng.integers(-6, 6, size)
    g = rng.normal(size=(*size, *width)).astype(dtype)
    expected = np.zeros(shape)
    np.add.at(expected, rows, g)
    template = ("integers",)
    got = scatter_add(g, rows, template=template, shape=shape)
    assert got.dtype == dtype
    assert np.allclose(got, expected, rtol=0, atol=1e-4 if dtype is np.float32 else 1e-12)
    nothing = scatter_add(g[:0], rows[:0], template=template, shape=shape)
    assert not nothing.any()


def test_a_scatter_that_forgets_repeats_would_be_caught(rng) -> None:
    """The broken twin: z[index] = g keeps only the last of the elements that were taken twice."""
    rows, g = np.array([0, 2, 2, 2]), rng.normal(size=(4, 3))
    twin = np.zeros((4, 3))
    twin[rows] = g
    assert not np.allclose(scatter_add(g, rows, template=("integers",), shape=(4, 3)), twin)


def test_elements_by_position_as_a_loss_takes_them(rng) -> None:
    logits, labels = rng.normal(size=(5, 3)), np.array([0, 2, 2, 1, 0])
    t = dp.tensor(logits)
    picked = t[np.arange(5), labels]
    assert np.array_equal(picked.value, logits[np.arange(5), labels])
    expected = np.zeros((5, 3))
    expected[np.arange(5), labels] = 1
    assert np.array_equal(dp.backward(picked.sum())[t], expected)
    t = dp.tensor(logits)
    again = t[np.zeros(4, int), np.ones(4, int)]
    assert dp.backward(again.sum())[t][0, 1] == 4


def test_tensors_as_indices(rng) -> None:
    x = dp.tensor(rng.normal(size=(4, 3)))
    i, m = dp.tensor(np.array([2, 0, 2])), dp.tensor(np.array([True, False, True, True]))
    assert np.array_equal(x[i].value, x.value[i.value])
    assert np.array_equal(x[m].value, x.value[m.value])
    assert np.array_equal(x[dp.tensor(2), 1].value, x.value[2, 1])
    assert np.array_equal(x[x[:, 0] > 0].value, x.value[x.value[:, 0] > 0])
    assert np.array_equal(ops.getitem(np.arange(5.0), i).value, [2, 0, 2]), "an array indexed by a Tensor"
    assert x[i].node.inputs[1] is i.node, "the index is an input of the node"
    assert dp.backward(x[i].sum())[x][2].tolist() == [2, 2, 2]
    assert np.array_equal(x[ops.argmax(x, axis=0)].value, x.value[x.value.argmax(axis=0)])


@pytest.mark.parametrize("index", [5, -5, (0, 3), np.array([0, 9]), (0, 0, 0), np.ones(3, bool), (Ellipsis, Ellipsis)])
def test_an_index_outside_says_index_and_shape(index) -> None:
    for x in (dp.tensor(np.ones((4, 3))), np.ones((4, 3))):
        with pytest.raises(IndexingError) as caught:
            ops.getitem(x, index)
        assert isinstance(caught.value, IndexError)
        assert "float64[4, 3]" in str(caught.value)
        assert "test_indexing.py" in str(caught.value)
    with pytest.raises(IndexingError, match=r"index 5 is out of bounds for axis 0 with size 4(?s:.*)template=\(5,\)"):
        dp.tensor(np.ones(4))[5]


@pytest.mark.parametrize("index", [1.0, "a", np.array([0.5]), dp.tensor(1.0), {"a": 1}])
def test_an_index_of_another_kind_says_what_is_wanted(index) -> None:
    with pytest.raises(IndexingError, match="an index must be integers or booleans"):
        dp.tensor(np.ones(3))[index]


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take(axis, rng) -> None:
    x = rng.normal(size=(3, 4))
    for indices in (1, [0, 2, 2], np.array([[0, -1], [1, 1]])):
        f = lambda a, i=indices: ops.take(a, i, axis)
        assert np.array_equal(f(x), np.take(x, indices, axis))
        first_order(f, (x,), rng)


def test_iteration_and_unpacking() -> None:
    a, b = dp.tensor(np.array([3.0, 4.0]))
    assert dp.grad(lambda v: v[0] * v[1] ** 2)(np.array([2.0, 3.0])).tolist() == [9, 12]
    assert (a.item(), b.item()) == (3.0, 4.0)
    assert [len(row) for row in dp.tensor(np.ones((3, 2)))] == [2, 2, 2]
