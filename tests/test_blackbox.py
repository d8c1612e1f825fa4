from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa.errors import GradientError, UsageError


def test_a_black_box_joins_the_graph_like_any_other(rng) -> None:
    cube = dp.black_box(lambda x: x**3, lambda g, out, x: g * 3 * x**2, name="cube", label="□")
    x = rng.normal(size=5)
    t = dp.tensor(x)
    y = cube(t * 2.0)
    assert y.node.label == "□"
    assert np.allclose(dp.backward(y.sum())[t], 24 * x**2)


def test_code_that_works_in_place_cannot_harm_the_graph() -> None:
    def rude(x):
        x *= 0
        return x + 1.0

    def rude_backward(g, out, x):
        g *= 7
        x *= 0
        return g

    box = dp.black_box(rude, rude_backward)
    t = dp.tensor([1.0, 2.0])
    y = box(t) + t
    grads = dp.backward(y.sum())
    assert t.value.tolist() == [1.0, 2.0]
    assert grads[t].tolist() == [8.0, 8.0]
    assert grads[y].tolist() == [1.0, 1.0]


def test_without_a_backward_the_gradient_stops_aloud() -> None:
    box = dp.black_box(np.floor, name="floor")
    assert box(dp.tensor(2.5)).value == 2.0
    with pytest.raises(GradientError, match="'floor'"):
        box(dp.tensor(2.5)).backward()


def test_second_order_is_refused() -> None:
    box = dp.black_box(lambda x: x * x, lambda g, out, x: 2 * g * x)
    assert dp.grad(box)(3.0) == 6.0
    with pytest.raises(GradientError, match="twice"):
        dp.grad(dp.grad(box))(3.0)


def test_a_wrong_number_or_shape_of_cotangents_is_named() -> None:
    two = dp.black_box(lambda x, y: x * y, lambda g, out, x, y: g * y, name="two")
    with pytest.raises(UsageError, match="one cotangent an input"):
        two(dp.tensor(1.0), dp.tensor(2.0)).backward()
    odd = dp.black_box(lambda x: x.sum(), lambda g, out, x: g, name="odd")
    with pytest.raises(UsageError, match="wrong shape"):
        odd(dp.tensor([1.0, 2.0])).backward()
