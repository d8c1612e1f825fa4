from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa.errors import DTypeError, GradientError, ShapeError, UsageError


def shop() -> tuple[dp.Tensor, ...]:
    apple, n_apple, orange, n_orange, tax = dp.inputs(apple=100.0, n_apple=2.0, orange=150.0, n_orange=3.0, tax=1.1)
    return (apple * n_apple + orange * n_orange) * tax, apple, n_apple, orange, n_orange, tax


def test_all_inputs_in_one_pass_by_tensor_and_by_name() -> None:
    total, apple, *_ = shop()
    grads = dp.backward(total)
    assert np.allclose([grads[n] for n in ("apple", "n_apple", "orange", "n_orange", "tax")], [2.2, 110, 3.3, 165, 650])
    assert grads[apple] == grads["apple"]
    assert grads[total] == 1.0


def test_backward_mutates_nothing_and_can_be_asked_again() -> None:
    total, apple, *_ = shop()
    first, second = dp.backward(total), dp.backward(total)
    assert first["apple"] == second["apple"]
    assert apple.grad is None


def test_grad_is_replaced_not_accumulated_unless_asked() -> None:
    x = dp.tensor(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad == 6.0
    y.backward(accumulate=True)
    assert x.grad == 12.0


def test_a_node_used_twice_collects_both_branches() -> None:
    a = dp.tensor(1.0)
    b = a + a
    c = b + b  # the case that a wrong traversal order gets wrong
    assert dp.backward(c)[a] == 4.0


def test_two_graphs_on_one_leaf_do_not_mix() -> None:
    x = dp.tensor(3.0)
    first, second = x * x, x * 5.0
    assert dp.backward(first)[x] == 6.0
    assert dp.backward(second)[x] == 5.0


def test_a_non_scalar_needs_a_cotangent_of_its_shape() -> None:
    x = dp.tensor([1.0, 2.0])
    with pytest.raises(GradientError, match=r"shape \(2,\)"):
        (x * x).backward()
    with pytest.raises(ShapeError, match="shape of the result"):
        dp.backward(x * x, np.ones(3))
    assert dp.backward(x * x, [1.0, 10.0])[x].tolist() == [2.0, 40.0]


def test_not_computed_is_told_apart_from_zero() -> None:
    x, y = dp.inputs(x=2.0, y=5.0)
    n = dp.tensor(3, name="n")
    grads = dp.backward(x * 0.0 * n)
    assert grads[x] == 0.0
    assert grads.get(y) is None
    assert y.grad is None
    with pytest.raises(GradientError, match="does not depend on it"):
        grads[y]
    with pytest.raises(GradientError, match="int64"):
        grads[n]
    with pytest.raises(GradientError, match="one of: x"):
        grads["z"]


def test_nothing_to_differentiate_is_an_error() -> None:
    with pytest.raises(GradientError, match="no floating-point input"):
        (dp.tensor(2) * dp.tensor(3)).backward()
    with pytest.raises(UsageError, match="needs a Tensor"):
        dp.backward(np.ones(()))  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="floating point"):
        dp.grad(lambda x: x * x)(3)


def test_broadcast_gradients_are_summed_over_added_and_stretched_axes() -> None:
    rng = np.random.default_rng(0)
    x, y = dp.inputs(x=rng.normal(size=(3, 1)), y=rng.normal(size=(2, 1, 4)))
    g = rng.normal(size=(2, 3, 4))
    grads = dp.backward(x * y, g)
    assert np.allclose(grads[x], (g * y.value).sum(axis=(0, 2), keepdims=False)[:, None])
    assert np.allclose(grads[y], (g * x.value).sum(axis=1, keepdims=True))


def test_gradients_have_the_dtype_of_their_input() -> None:
    x = dp.tensor(np.ones(3, np.float32))
    w = dp.tensor(np.ones(3))
    grads = dp.backward((x * w).sum())
    assert grads[x].dtype == np.float32
    assert grads[w].dtype == np.float64


def test_nan_forward_never_becomes_a_gradient_of_zero() -> None:
    for f in (dp.relu, dp.abs, lambda t: dp.maximum(t, 0.0), lambda t: dp.clip(t, -1.0, 1.0), dp.sigmoid, dp.tanh):
        x = dp.tensor([np.nan, 1.0])
        gradient = dp.backward(f(x).sum())[x]
        assert np.isnan(gradient[0]), f
        assert np.isfinite(gradient[1]), f


def test_a_wrong_shape_names_both_operands_and_the_line() -> None:
    x, w = dp.tensor(np.ones((3, 4))), dp.tensor(np.ones((5, 2)))
    with pytest.raises(ShapeError) as caught:
        _ = x @ w
    text = str(caught.value)
    assert "3, 4" in text
    assert "5, 2" in text
    assert "test_autodiff.py" in text
    assert "x @ w" in text


def test_loss_shapes_must_agree_exactly() -> None:
    y, t = dp.tensor(np.ones((4, 1))), np.ones(4)
    with pytest.raises(ShapeError, match="squared_error"):
        dp.squared_error(y, t)


def test_the_backward_pass_is_a_graph_when_recorded() -> None:
    x = dp.tensor(3.0, name="x")
    y = x * x * x
    g = dp.backward(y, record=True)[x]
    assert isinstance(g, dp.Tensor)
    assert g.value == 27.0
    assert dp.backward(g)[x] == 18.0  # the second derivative
    assert any(n.op is not None and n.op.name == "multiply" for n in dp.Graph(g))


def test_recorded_and_unrecorded_backward_give_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    x, w = dp.inputs(x=rng.normal(size=(5, 3)), w=rng.normal(size=(3, 2)))
    loss = (dp.tanh(x @ w) ** 2).sum()
    plain, recorded = dp.backward(loss), dp.backward(loss, record=True)
    for t in (x, w):
        assert np.array_equal(plain[t], recorded[t].value)


def test_gradients_iterate_over_everything_that_was_computed() -> None:
    total, *_ = shop()
    grads = dp.backward(total)
    assert {"apple", "n_apple", "orange", "n_orange", "tax"} <= {k for k in grads if isinstance(k, str)}
    assert len(grads) == 9
    assert "apple" in grads
    assert "pear" not in grads
    with pytest.raises(UsageError, match="by Tensor or by name"):
        grads[3]
