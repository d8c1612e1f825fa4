from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, broadcastable_shapes
from tests.ops.derivatives import first_order, gradient, second_order

import denpa as dp
from denpa import ops
from denpa.errors import DenpaError, ShapeError, UsageError

SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(data=st.data())
def test_sum_to_is_the_adjoint_of_broadcasting(data) -> None:
    small = data.draw(SHAPES)
    big = np.broadcast_shapes(small, data.draw(broadcastable_shapes(small, max_dims=5, max_side=4)))
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=small), rng.normal(size=big)
    assert np.array_equal(ops.broadcast_to(x, big), np.broadcast_to(x, big))
    assert np.sum(ops.broadcast_to(x, big) * y) == pytest.approx(np.sum(x * ops.sum_to(y, small)), abs=1e-9)
    assert np.shape(ops.sum_to(y, small)) == small


def test_sum_to_a_shape_that_was_not_broadcast_is_an_error() -> None:
    for shape in ((2,), (4, 3), (1, 2, 3)):
        with pytest.raises(ShapeError, match="does not broadcast"):
            ops.sum_to(np.ones((2, 3)), shape)
    with pytest.raises(ShapeError, match="broadcast_to"):
        ops.broadcast_to(dp.tensor(np.ones(2)), (3,))


@given(shape=SHAPES, data=st.data())
def test_moving_elements_equals_numpy_and_its_adjoint(shape, data) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape)
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    axis = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    shift = data.draw(st.integers(-5, 5))
    pairs = [
        (lambda a: ops.permute_dims(a, axes), lambda a: np.transpose(a, axes)),
        (lambda a: ops.reshape(a, (-1,)), lambda a: np.reshape(a, -1)),
        (lambda a: ops.flip(a, axis=axis), lambda a: np.flip(a, axis)),
        (lambda a: ops.roll(a, shift, axis), lambda a: np.roll(a, shift, axis)),
        (ops.squeeze, np.squeeze),
        (lambda a: ops.pad(a, 1, constant_values=3.0), lambda a: np.pad(a, 1, constant_values=3.0)),
    ]
    for mine, reference in pairs:
        assert np.array_equal(mine(x), reference(x))
        first_order(mine, (x,), rng)


@pytest.mark.parametrize("axis", [0, -1, 1, (0, 2), (-1, 0)])
def test_expand_dims_and_squeeze_undo_one_another(axis, rng) -> None:
    x = rng.normal(size=(2, 3))
    y = ops.expand_dims(dp.tensor(x), axis)
    assert np.array_equal(y.value, np.expand_dims(x, axis))
    assert np.array_equal(ops.squeeze(y, axis).value, x)
    first_order(lambda a: ops.expand_dims(a, axis), (x,), rng)


def test_shape_errors_say_what_and_where() -> None:
    t = dp.tensor(np.ones((2, 3)))
    wrong = {
        "reshape": lambda: t.reshape(4, 2),
        "size 6": lambda: ops.reshape(t, (-1, 4)),
        "axis": lambda: ops.expand_dims(t, 5),
        "only axes of length 1": lambda: ops.squeeze(t, 0),
        "axes": lambda: ops.permute_dims(t, (0, 0)),
        "matrix_transpose": lambda: ops.matrix_transpose(np.ones(3)),
        "concat": lambda: ops.concat([t, np.ones((3, 2))]),
        "stack needs arrays of one shape": lambda: ops.stack([t, np.ones(3)]),
        "pad_width": lambda: ops.pad(t, ((1, 1), (1, 1), (1, 1))),
    }
    for text, f in wrong.items():
        with pytest.raises(ShapeError, match=text) as caught:
            f()
        assert "test_shaping.py" in str(caught.value)
    for f in (lambda: ops.concat([]), lambda: ops.pad(t, 1, mode="reflect"), lambda: ops.pad(t, -1)):
        with pytest.raises(UsageError):
            f()
    with pytest.raises(DenpaError):
        ops.stack([])


def test_reshape_works_out_a_length_and_keeps_zeros() -> None:
    t = dp.tensor(np.zeros((0, 3)))
    assert t.reshape(3, -1).shape == (3, 0)
    assert t.reshape((0, 7)).shape == (0, 7)
    assert dp.tensor(2.0).reshape(1, 1).shape == (1, 1)
    assert type(dp.tensor(np.ones(1)).reshape(()).value) is np.float64
    assert ops.reshape.shape((4, 3), shape=(2, -1)) == (2, 6)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_concat_and_stack(axis, rng) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    f = lambda x, y: ops.concat([x, y, x], axis)
    assert np.array_equal(f(a, b), np.concatenate([a, b, a], axis))
    first_order(f, (a, b), rng)
    second_order(f, (a, b), rng)
    if axis is not None:
        g = lambda x, y: ops.stack([x, y], axis)
        assert np.array_equal(g(a, b), np.stack([a, b], axis))
        first_order(g, (a, b), rng)


def test_concat_of_tensors_and_constants_and_no_gradient_for_what_needs_none() -> None:
    x = dp.tensor(np.ones(2, np.float32))
    y = ops.concat([np.zeros(1, np.float32), x, [5.0]])
    assert y.value.tolist() == [0, 1, 1, 5]
    assert dp.backward(y, np.arange(4.0))[x].tolist() == [1, 2]
    assert dp.backward(y, np.arange(4.0))[x].dtype == np.float32
    assert ops.stack([dp.tensor(1.0), 2.0]).value.tolist() == [1, 2]


def test_transposes(rng) -> None:
    x = rng.normal(size=(2, 3, 4))
    t = dp.tensor(x)
    assert np.array_equal(t.T.value, x.T)
    assert np.array_equal(t.mT.value, np.swapaxes(x, -1, -2))
    assert np.array_equal(t.transpose(2, 0, 1).value, x.transpose(2, 0, 1))
    first_order(lambda a: ops.permute_dims(a, (2, 0, -2)), (x,), rng)


@pytest.mark.parametrize("width", [1, (2, 1), ((1, 0), (0, 3)), np.array([[1, 2]])])
def test_pad_widths_as_numpy(width, rng) -> None:
    x = rng.normal(size=(2, 3))
    assert np.array_equal(ops.pad(x, width), np.pad(x, width))
    first_order(lambda a: ops.pad(a, width), (x,), rng)


def test_astype_passes_the_gradient_between_floats_only() -> None:
    x = dp.tensor(np.array([1.7, -2.3], np.float32))
    y = ops.astype(x, np.float64)
    assert y.dtype == np.float64
    assert dp.backward((y * y).sum())[x].dtype == np.float32
    whole = x.astype(int)
    assert whole.value.tolist() == [1, -2]
    assert not whole.node.requires
    assert gradient(lambda t: t * t.astype("int64"), np.array([1.5])).tolist() == [1.0]


def test_views_of_a_value_cannot_be_written_to() -> None:
    t = dp.tensor(np.ones((2, 3)))
    for y in (t.T, t.reshape(3, 2), ops.broadcast_to(t, (4, 2, 3)), ops.flip(t), ops.squeeze(t), t.mT):
        with pytest.raises(ValueError, match="read-only"):
            y.value[(0,) * y.ndim] = 5


def test_a_size_one_chain_keeps_its_shape() -> None:
    x = dp.tensor(np.ones((1, 1)))
    y = ops.sum_to(ops.broadcast_to(x, (5, 1, 4)), (1, 1))
    assert y.shape == (1, 1)
    assert dp.backward(y.reshape(()))[x].tolist() == [[20.0]]
    assert math.prod(ops.expand_dims(x, (0, 1)).shape) == 1
