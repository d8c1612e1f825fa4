"""Seed 003: derivatives and backpropagation with scalars, if and for alone, and that matrices give the same.

`Scalars` and the functions of tests.seeds.reference are the seed's loops on plain floats, and the same loops run on
denpa's scalar nodes.  Matrices are stored column by column: weights[i * n + j] is w_j_i.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import (
    complex_gradient,
    earlier_bias_gradients,
    last_bias_gradients,
    m_to_n,
    sigma,
    sigmoid_scalar,
    weight_gradients,
)

import denpa as dp
from denpa import nn
from denpa.numeric import numerical_derivative

DELTA = 0.0000001


def difference(f: Any, x: Any) -> Any:
    """(f(x + Δx) − f(x)) / ((x + Δx) − x), as the seed writes it."""
    return (f(x + DELTA) - f(x)) / ((x + DELTA) - x)


# -- derivatives ------------------------------------------------------------------------------------------------------
def test_derivative_of_a_constant_is_zero(rng: np.random.Generator) -> None:
    const = lambda x: 5.0 + 0.0 * x
    for x in (3.0, *rng.normal(size=5)):
        assert difference(const, x) == 0
        assert dp.grad(const)(x) == 0
        assert dp.grad(lambda x: 5.0)(x) == 0
        assert numerical_derivative(const, x, method="forward", step=DELTA, levels=1).value == 0


def test_derivative_of_a_linear_function_as_printed() -> None:
    """3x + 2 at 3: the forward difference prints 3.00000000444089 (15 digits), the derivative is 3."""
    linear = lambda x: 3 * x + 2
    assert f"{difference(linear, 3.0):.15g}" == "3.00000000444089"
    assert f"{float(difference(linear, dp.tensor(3.0))):.15g}" == "3.00000000444089"
    assert dp.grad(linear)(3.0) == 3
    coarse = numerical_derivative(linear, 3.0, method="forward", step=DELTA, levels=1)
    assert coarse.value == pytest.approx(3, abs=1e-8)
    fine = numerical_derivative(linear, 3.0)
    assert fine.value == pytest.approx(3, abs=max(1e-12, float(fine.error)))


def test_derivative_of_a_linear_function_anywhere(rng: np.random.Generator) -> None:
    for x in rng.normal(size=20) * 100:
        assert dp.grad(lambda x: 3 * x + 2)(x) == 3
        assert difference(lambda x: 3 * x + 2, x) == pytest.approx(3, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        ("sigmoid", lambda x: sigmoid_scalar(x) * (1 - sigmoid_scalar(x))),
        ("relu", lambda x: 1.0 if x > 0 else 0.0),
        ("tanh", lambda x: 1 - math.tanh(x) ** 2),
    ],
)
def test_derivative_of_an_activation(name: str, derivative: Any, rng: np.random.Generator) -> None:
    activate = getattr(dp, name)
    for x in rng.normal(size=20):
        assert dp.grad(activate)(x) == pytest.approx(derivative(x), rel=1e-12)
        assert difference(activate, x) == pytest.approx(derivative(x), abs=1e-6)


def test_derivative_of_a_cost_has_an_output_for_each_input(rng: np.random.Generator) -> None:
    """½ Σ (a − y)²: one by one, a_i − y_i, as if the other inputs were constants."""
    a, y = rng.normal(size=5), rng.normal(size=5)
    cost = lambda a: dp.squared_error(a, y, reduction="sum")

    def cost_derivative_each(i: int) -> float:
        return a[i] - y[i]

    outputs = []
    for i in range(len(a)):
        outputs.append(cost_derivative_each(i))
    assert dp.grad(cost)(a) == pytest.approx(outputs, rel=1e-14)
    for i in range(len(a)):  # partial derivative: only a_i is a variable
        one = lambda v, i=i: cost(dp.stack([v if j == i else dp.constant(a[j]) for j in range(len(a))]))
        assert dp.grad(one)(a[i]) == pytest.approx(outputs[i], rel=1e-13)


def test_cross_entropy_cost_in_its_two_arguments(rng: np.random.Generator) -> None:
    """a − y is the slope in z, before the sigmoid or the softmax; in a itself it is (a − y)/(a(1 − a))."""
    z, y = rng.normal(size=4), rng.uniform(0.1, 0.9, 4)
    a = sigma(z)
    cost = lambda a: -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()
    assert dp.grad(lambda z: dp.sigmoid_cross_entropy(z, y, reduction="sum"))(z) == pytest.approx(a - y, rel=1e-12)
    assert dp.grad(cost)(a) == pytest.approx((a - y) / (a * (1 - a)), rel=1e-12)
    assert complex_gradient(cost, a) == pytest.approx((a - y) / (a * (1 - a)), rel=1e-12)


# -- a network of scalars ---------------------------------------------------------------------------------------------
def floats(t: Any) -> list[float]:
    return [float(v) for v in t]


def scalar_nodes(values: list[float], name: str) -> list[Any]:
    return [dp.tensor(v, name=f"{name}{i}") for i, v in enumerate(values)]


class Two:
    """Two m → n functions with sigmoids between 2, 3 and 3 units, plain lists, column by column; the seed's sizes."""

    def __init__(self, rng: np.random.Generator, sizes: tuple[int, int, int] = (2, 3, 3)) -> None:
        m, h, n = sizes
        self.sizes = sizes
        self.inputs = floats(rng.normal(size=m))
        self.weights, self.biases = floats(rng.normal(size=m * h)), floats(rng.normal(size=h))
        self.forward_weights, self.forward_biases = floats(rng.normal(size=h * n)), floats(rng.normal(size=n))
        self.answers = floats(rng.uniform(size=n))

    def by_loops(self) -> dict[str, list[float]]:
        """The seed's recipe: last biases, last weights, then the biases and weights before them."""
        outputs = m_to_n(self.weights, self.biases, self.inputs)
        forward_inputs = [sigmoid_scalar(v) for v in outputs]
        forward_outputs = m_to_n(self.forward_weights, self.forward_biases, forward_inputs)
        activated = [sigmoid_scalar(v) for v in forward_outputs]
        cost_grads, last_slopes, slopes = [], [], []
        for j in range(len(activated)):
            cost_grads.append(activated[j] - self.answers[j])  # of ½ Σ (a − y)²
            last_slopes.append(activated[j] * (1 - activated[j]))
        for j in range(len(forward_inputs)):
            slopes.append(forward_inputs[j] * (1 - forward_inputs[j]))
        forward_bias = last_bias_gradients(cost_grads, last_slopes)
        bias = earlier_bias_gradients(forward_bias, self.forward_weights, slopes)
        return {
            "forward_biases": forward_bias,
            "forward_weights": weight_gradients(forward_bias, forward_inputs),
            "biases": bias,
            "weights": weight_gradients(bias, self.inputs),
        }

    def by_scalar_nodes(self) -> dict[str, list[float]]:
        """The same loops on denpa's nodes: + and × of single numbers, no array anywhere."""
        names = ("weights", "biases", "forward_weights", "forward_biases")
        nodes = {name: scalar_nodes(getattr(self, name), name) for name in names}
        hidden = []
        for output in m_to_n(nodes["weights"], nodes["biases"], self.inputs):  # type: ignore[arg-type]
            hidden.append(dp.sigmoid(output))
        cost: Any = 0.0
        outputs = m_to_n(nodes["forward_weights"], nodes["forward_biases"], hidden)  # type: ignore[arg-type]
        for output, answer in zip(outputs, self.answers, strict=True):
            cost = cost + 0.5 * (dp.sigmoid(output) - answer) ** 2
        assert all(node.value.shape == () for node in dp.Graph(cost))
        found = dp.backward(cost)
        return {name: [float(found[t]) for t in nodes[name]] for name in names}

    def network(self) -> nn.Network:
        """The matrix form: column-major lists are Fortran order."""
        m, h, n = self.sizes
        net = nn.Network(
            [m, h, n], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", dtype="float64"
        )
        return net.with_parameters(
            {
                "0.weight": np.reshape(self.weights, (h, m), order="F"),
                "0.bias": self.biases,
                "2.weight": np.reshape(self.forward_weights, (n, h), order="F"),
                "2.bias": self.forward_biases,
            }
        )

    def by_matrices(self) -> dict[str, list[float]]:
        found = dp.grad(lambda net: net.loss(np.array([self.inputs]), np.array([self.answers])))(self.network())
        return {
            "forward_biases": floats(found["2.bias"]),
            "forward_weights": floats(np.ravel(found["2.weight"], order="F")),
            "biases": floats(found["0.bias"]),
            "weights": floats(np.ravel(found["0.weight"], order="F")),
        }

    def cost(self, **changed: list[float]) -> float:
        """Plain floats, for differences."""
        v = {**self.__dict__, **changed}
        hidden = [sigmoid_scalar(x) for x in m_to_n(v["weights"], v["biases"], self.inputs)]
        total = 0.0
        for output, answer in zip(m_to_n(v["forward_weights"], v["forward_biases"], hidden), self.answers, strict=True):
            total += 0.5 * (sigmoid_scalar(output) - answer) ** 2
        return total


@pytest.mark.parametrize("sizes", [(2, 3, 3), (1, 1, 1), (5, 2, 4), (3, 7, 1)])
def test_scalars_and_for_loops_give_the_matrix_result(sizes: tuple[int, int, int], rng: np.random.Generator) -> None:
    two = Two(rng, sizes)
    by_loops, by_nodes, by_matrices = two.by_loops(), two.by_scalar_nodes(), two.by_matrices()
    for name, expected in by_loops.items():
        assert by_nodes[name] == pytest.approx(expected, rel=1e-11, abs=1e-16), name
        assert by_matrices[name] == pytest.approx(expected, rel=1e-11, abs=1e-16), name
        given = getattr(two, name)
        for i in range(len(given)):  # and the loops are right: the definition of the derivative
            moved = [[v + (s if k == i else 0.0) for k, v in enumerate(given)] for s in (1e-5, -1e-5)]
            slope = (two.cost(**{name: moved[0]}) - two.cost(**{name: moved[1]})) / 2e-5
            assert expected[i] == pytest.approx(slope, rel=1e-6, abs=1e-10)


def test_m_to_n_function_is_linear_in_one_bias_and_one_weight(rng: np.random.Generator) -> None:
    """One bias moves its own output by itself (slope 1), one weight by its input; nothing else moves."""
    weights, biases, inputs = floats(rng.normal(size=6)), floats(rng.normal(size=3)), floats(rng.normal(size=2))
    W = np.reshape(weights, (3, 2), order="F")
    layer = nn.Affine(2, 3, seed=0, dtype="float64")
    outputs = lambda p: layer.with_parameters(p)(np.array(inputs))
    p = {"weight": W, "bias": np.array(biases)}
    assert outputs(p).value == pytest.approx(m_to_n(weights, biases, inputs), rel=1e-12, abs=1e-14)
    J = dp.jacobian(outputs)(p)
    by_bias, by_weight = J["bias"], J["weight"]
    for k in range(3):
        for j in range(3):
            assert by_bias[k, j] == (1 if k == j else 0)
            for i in range(2):
                assert by_weight[k, j, i] == pytest.approx(inputs[i] if k == j else 0)


def test_bias_gradient_is_the_product_of_three_slopes(rng: np.random.Generator) -> None:
    """1 · activate′(output) · cost′(activated output), read off the graph node by node."""
    w, b, x, y = rng.normal(size=4)
    weight, bias = dp.inputs(weight=w, bias=b)
    output = weight * x + bias
    activated = dp.sigmoid(output)
    found = dp.backward(0.5 * (activated - y) ** 2)
    a = sigmoid_scalar(w * x + b)
    cost_grad, activate_grad, m_to_n_grad = a - y, a * (1 - a), 1.0
    assert float(found[activated]) == pytest.approx(cost_grad, rel=1e-13)
    assert float(found[output]) == pytest.approx(cost_grad * activate_grad, rel=1e-13)
    assert float(found["bias"]) == pytest.approx(m_to_n_grad * activate_grad * cost_grad, rel=1e-13)
    assert float(found["weight"]) == pytest.approx(float(found["bias"]) * x, rel=1e-13)


def test_weight_gradients_are_bias_gradients_times_inputs_transposed(rng: np.random.Generator) -> None:
    """3 × 1 bias matrix · 1 × 2 transposed inputs, stored column by column as in the seed's list."""
    two = Two(rng)
    found = two.by_matrices()
    product = np.array(found["biases"])[:, None] @ np.array(two.inputs)[None, :]
    assert found["weights"] == pytest.approx(floats(np.ravel(product, order="F")), rel=1e-12)
    b, (x0, x1) = found["biases"], two.inputs
    listed = [b[0] * x0, b[1] * x0, b[2] * x0, b[0] * x1, b[1] * x1, b[2] * x1]
    assert found["weights"] == pytest.approx(listed, rel=1e-12)


def test_earlier_biases_take_the_forward_weights(rng: np.random.Generator) -> None:
    """The three sums as the seed writes them out: column j of the forward weights for bias j."""
    two = Two(rng)
    found = two.by_matrices()
    fb = found["forward_biases"]
    w = np.reshape(two.forward_weights, (3, 3), order="F")
    outputs = m_to_n(two.weights, two.biases, two.inputs)
    slope = [sigmoid_scalar(v) * (1 - sigmoid_scalar(v)) for v in outputs]
    bias0 = fb[0] * w[0, 0] * slope[0] + fb[1] * w[1, 0] * slope[0] + fb[2] * w[2, 0] * slope[0]
    bias1 = fb[0] * w[0, 1] * slope[1] + fb[1] * w[1, 1] * slope[1] + fb[2] * w[2, 1] * slope[1]
    bias2 = fb[0] * w[0, 2] * slope[2] + fb[1] * w[1, 2] * slope[2] + fb[2] * w[2, 2] * slope[2]
    assert found["biases"] == pytest.approx([bias0, bias1, bias2], rel=1e-11)
    by_rows = [sum(fb[k] * w[j, k] for k in range(3)) * slope[j] for j in range(3)]
    assert found["biases"] != pytest.approx(by_rows, rel=1e-3)  # the transposed reading is another number


def test_column_major_storage(rng: np.random.Generator) -> None:
    """[w0_0, w1_0, w2_0, w0_1, w1_1, w2_1] is the 3 × 2 matrix with those columns, not the row by row reading."""
    weights, inputs, zeros = floats(rng.normal(size=6)), floats(rng.normal(size=2)), [0.0] * 3
    W = np.reshape(weights, (3, 2), order="F")
    assert [W[j, i] for i in range(2) for j in range(3)] == weights
    found = dp.matmul(W, np.array(inputs))
    assert found == pytest.approx(m_to_n(weights, zeros, inputs), rel=1e-13, abs=1e-16)
    assert np.reshape(weights, (3, 2)) @ inputs != pytest.approx(m_to_n(weights, zeros, inputs), rel=1e-3)


def test_matrix_form_equals_element_form_in_a_batch(rng: np.random.Generator) -> None:
    """A batch of 9 is 9 runs of the loops, their gradients added."""
    two = Two(rng, (4, 5, 3))
    x, y = rng.normal(size=(9, 4)), rng.uniform(size=(9, 3))
    total: dict[str, Any] = {}
    for row, answer in zip(x, y, strict=True):
        two.inputs, two.answers = floats(row), floats(answer)
        for name, values in two.by_loops().items():
            total[name] = np.array(values) + total.get(name, 0.0)
    found = dp.grad(lambda net: net.loss(x, y))(two.network())
    assert np.ravel(found["0.weight"], order="F") == pytest.approx(total["weights"], rel=1e-10, abs=1e-15)
    assert np.ravel(found["2.weight"], order="F") == pytest.approx(total["forward_weights"], rel=1e-10, abs=1e-15)
    assert found["0.bias"] == pytest.approx(total["biases"], rel=1e-10, abs=1e-15)
    assert found["2.bias"] == pytest.approx(total["forward_biases"], rel=1e-10, abs=1e-15)
