from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa.errors import DTypeError, GradientError, UsageError


def square_of_sum(x, y):
    return (x + y) ** 2


def test_first_and_second_order_of_the_books_example() -> None:
    assert dp.grad(square_of_sum)(3.0, 4.0) == 14.0
    assert dp.grad(dp.grad(square_of_sum))(3.0, 4.0) == 2.0
    assert dp.grad(square_of_sum, wrt=(0, 1))(3.0, 4.0) == (14.0, 14.0)
    assert dp.value_and_grad(square_of_sum, "y")(3.0, 4.0) == (49.0, 14.0)
    assert dp.value_and_grad(square_of_sum, "y")(3.0, y=4.0) == (49.0, 14.0)


def test_any_order_against_the_closed_form() -> None:
    f = np.sin
    for k in range(1, 7):
        f = dp.grad(f)
        assert np.isclose(f(0.7), np.sin(0.7 + k * np.pi / 2), rtol=1e-14)


def test_an_inner_gradient_does_not_see_the_outer_variable() -> None:
    # h(x) = x · ∂(x·y)/∂y at y = x is x², not 2x²: the derivative is with respect to y alone.
    assert dp.grad(lambda x: x * dp.grad(lambda y: x * y)(x))(3.0) == 6.0
    assert dp.grad(lambda x: x * dp.grad(lambda y: x * y)(1.0))(3.0) == 6.0
    assert dp.grad(lambda x: x * dp.grad(lambda y: x + y)(1.0))(1.0) == 1.0


def test_arrays_in_arrays_out_tensors_in_tensors_out() -> None:
    f = lambda x: (x * x).sum()
    assert type(dp.grad(f)(np.ones(2))) is np.ndarray
    x = dp.tensor([1.0, 2.0])
    g = dp.grad(f)(x)
    assert isinstance(g, dp.Tensor)
    assert dp.backward((g * g).sum())[x].tolist() == [8.0, 16.0]


def test_a_tensor_in_a_closure_keeps_the_result_differentiable() -> None:
    w = dp.tensor(3.0)
    g = dp.grad(lambda x: x * x * w)(2.0)
    assert isinstance(g, dp.Tensor)
    assert dp.backward(g)[w] == 4.0


def test_structured_arguments_come_back_in_their_structure() -> None:
    def f(p):
        return (p["W"] * p["W"]).sum() + p["b"][0] * p["b"][1]

    g = dp.grad(f)({"W": np.array([1.0, 2.0]), "b": [3.0, 4.0]})
    assert g["W"].tolist() == [2.0, 4.0]
    assert g["b"] == [4.0, 3.0]


def test_no_grad_around_a_transformation_does_not_change_its_result() -> None:
    f = lambda x: (x * x * x).sum()
    x, v = np.array([1.0, 2.0]), np.array([1.0, 10.0])
    with dp.no_grad():
        assert dp.grad(f)(x).tolist() == [3.0, 12.0]
        assert dp.hessian(f)(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
        assert dp.hvp(f, x, v).tolist() == [6.0, 120.0]
        assert dp.jvp(f, (x,), (v,))[1] == 123.0
        assert len(dp.trace(f, x)) == 4
        assert dp.compile(dp.grad(f))(x).tolist() == [3.0, 12.0]


def test_an_argument_the_result_does_not_use_has_gradient_zero() -> None:
    g = dp.grad(lambda x, y: (x * x).sum(), wrt=1)(np.ones(2), np.ones((3, 1)))
    assert g.shape == (3, 1)
    assert not g.any()
    assert dp.grad(lambda x: 5.0)(2.0) == 0.0


def test_what_cannot_be_differentiated_says_so() -> None:
    with pytest.raises(DTypeError, match="argument 0"):
        dp.grad(lambda x: x)(np.array([1, 2]))
    with pytest.raises(GradientError, match="shape"):
        dp.grad(lambda x: x * x)(np.ones(3))
    with pytest.raises(UsageError, match="not in the call"):
        dp.grad(square_of_sum, wrt="z")(1.0, 2.0)
    with pytest.raises(UsageError, match="returns one array"):
        dp.grad(lambda x: "text")(1.0)


def test_has_aux() -> None:
    f = lambda x: (x * x, {"double": x * 2.0})
    (value, aux), g = dp.value_and_grad(f, has_aux=True)(3.0)
    assert (value, g) == (9.0, 6.0)
    assert aux["double"].value == 6.0
    assert dp.grad(f, has_aux=True)(3.0)[0] == 6.0


def network(W1, b, W2, x):
    return dp.tanh(x @ W1 + b) @ W2


@pytest.fixture
def arguments(rng):
    return rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))


def complex_step(f, args, i, direction):
    h = 1e-30
    moved = [a + 1j * h * direction if k == i else a for k, a in enumerate(args)]
    return np.imag(f(*moved)) / h


def test_vjp_and_jvp_are_adjoint_and_equal_the_complex_step(arguments, rng) -> None:
    plain = lambda W1, b, W2, x: np.tanh(x @ W1 + b) @ W2
    u = rng.normal(size=(5, 2))
    value, pull_back = dp.vjp(network, *arguments)
    assert np.allclose(value, plain(*arguments), rtol=1e-14)
    cotangents = pull_back(u)
    for i, a in enumerate(arguments):
        v = rng.normal(size=a.shape)
        tangents = [v if k == i else np.zeros_like(b) for k, b in enumerate(arguments)]
        out, jv = dp.jvp(network, arguments, tangents)
        reference = complex_step(plain, arguments, i, v)
        assert np.allclose(out, value)
        assert np.allclose(jv, reference, rtol=1e-12, atol=1e-13)
        assert np.isclose((jv * u).sum(), (cotangents[i] * v).sum(), rtol=1e-12)


def test_jvp_of_a_function_that_ignores_its_argument() -> None:
    value, tangent = dp.jvp(lambda x: dp.constant([1.0, 2.0]), (3.0,), (1.0,))
    assert value.tolist() == [1.0, 2.0]
    assert tangent.tolist() == [0.0, 0.0]


def test_jacobian_rows_are_the_outputs(rng) -> None:
    A, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    J = dp.jacobian(lambda x: np.sin(A @ x))(x)
    assert np.allclose(J, np.cos(A @ x)[:, None] * A, rtol=1e-13)
    assert dp.jacobian(lambda x: x * x)(3.0) == 6.0
    assert dp.jacobian(lambda x: x[:0])(x).shape == (0, 4)


def test_hessian_and_hvp(rng) -> None:
    A, x, v = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)
    f = lambda x: (np.exp(0.3 * x) * (A @ x)).sum()
    H = dp.hessian(f)(x)
    E = 0.3 * np.exp(0.3 * x)
    expected = np.diag(0.3 * E * (A @ x)) + E[:, None] * A + A.T * E[None, :]
    assert np.allclose(H, expected, rtol=1e-12)
    assert np.allclose(dp.hvp(f, x, v), expected @ v, rtol=1e-12)


def test_hvp_of_a_tree(rng) -> None:
    f = lambda p: (p["a"] * p["a"] * p["b"]).sum()
    out = dp.hvp(f, {"a": np.array([2.0]), "b": np.array([3.0])}, {"a": np.array([1.0]), "b": np.array([10.0])})
    assert out["a"].tolist() == [6.0 + 40.0]
    assert out["b"].tolist() == [4.0]


def test_hessian_of_a_user_function_with_numpy_functions_only() -> None:
    rosenbrock = lambda p: 100.0 * np.square(p[1] - p[0] ** 2) + np.square(1.0 - p[0])
    x, y = -1.2, 1.0
    expected = [[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200.0]]
    assert np.allclose(dp.hessian(rosenbrock)(np.array([x, y])), expected)


def test_trace_names_inputs_and_outputs() -> None:
    graph = dp.trace(square_of_sum, x=3.0, y=4.0)
    assert list(graph.inputs) == ["x", "y"]
    assert graph.output.value == 49.0
    several = dp.trace(lambda p, unused: {"double": p["w"] * 2.0, "w": p["w"]}, {"w": 1.0}, 3.0)
    assert list(several.inputs) == ["p['w']", "unused"]
    assert list(several.outputs) == ["double", "w"]


def test_a_model_as_an_argument_gives_a_dict_by_parameter_name(rng) -> None:
    model = dp.nn.Sequential(dp.nn.Linear(3, 2, dtype="float64"), dp.nn.Tanh(), dp.nn.Linear(2, 1, dtype="float64"))
    x = rng.normal(size=(4, 3))
    gradients = dp.grad(lambda m, x: (m(x) ** 2).sum())(model, x)
    assert list(gradients) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    (model(x) ** 2).sum().backward()
    for name, p in model.parameters().items():
        assert np.allclose(gradients[name], p.grad, rtol=1e-14)
