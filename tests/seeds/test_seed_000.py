"""Seed 000: computation graphs, forward and backward; the shops; the book's layers; the gradient check."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import (
    AddLayer,
    AffineLayer,
    MulLayer,
    ReluLayer,
    SigmoidLayer,
    SoftmaxWithLossLayer,
    central_gradient,
    complex_gradient,
)

import denpa as dp
from denpa import nn
from denpa.graph import Node, Tensor, ancestors


def apple_shop() -> tuple[Tensor, dict[str, Tensor]]:
    apple, number, tax = dp.inputs(apple=100.0, number=2.0, tax=1.1)
    price = apple * number
    price.name = "price"
    return price * tax, {"apple": apple, "number": number, "tax": tax}


def fruit_shop() -> Tensor:
    apple, n, orange, m, tax = dp.inputs(apple=100.0, n=2.0, orange=150.0, m=3.0, tax=1.1)
    apples, oranges = apple * n, orange * m
    apples.name, oranges.name = "apples", "oranges"
    both = apples + oranges
    both.name = "both"
    return both * tax


def local_derivatives(node: Node) -> list[float]:
    """∂output/∂input of one node alone, for its inputs that are no constants: its rule with 1 coming from upstream."""
    assert node.op is not None
    one, needs = node.value.dtype.type(1), [n.requires for n in node.inputs]
    parts = node.op.pull_back(one, node.value, [n.value for n in node.inputs], node.params, needs)
    return [float(g) for g, need in zip(parts, needs, strict=True) if need]


# -- the shops --------------------------------------------------------------------------------------------------------
def test_apple_shop() -> None:
    total, inputs = apple_shop()
    gradients = dp.backward(total)
    assert float(total) == pytest.approx(220, rel=1e-15)
    assert [float(gradients[name]) for name in ("apple", "number", "tax", "price")] == pytest.approx(
        [2.2, 110, 200, 1.1], rel=1e-15
    )
    assert float(gradients[total]) == 1.0
    total.backward()
    assert [float(t.grad) for t in inputs.values()] == pytest.approx([2.2, 110, 200], rel=1e-15)


def test_apple_and_orange_shop() -> None:
    total = fruit_shop()
    gradients = dp.backward(total)
    assert float(total) == pytest.approx(715, rel=1e-15)
    by_hand = {"apple": 2.2, "n": 110, "orange": 3.3, "m": 165, "tax": 650, "apples": 1.1, "oranges": 1.1, "both": 1.1}
    assert {name: float(gradients[name]) for name in by_hand} == pytest.approx(by_hand, rel=1e-15)


def test_the_shops_with_the_books_mul_and_add_layers() -> None:
    layers = {name: MulLayer() for name in ("apple", "orange", "tax")}
    add = AddLayer()
    total = layers["tax"].forward(add.forward(layers["apple"].forward(100, 2), layers["orange"].forward(150, 3)), 1.1)
    d_all, d_tax = layers["tax"].backward(1)
    d_apples, d_oranges = add.backward(d_all)
    by_hand = (*layers["apple"].backward(d_apples), *layers["orange"].backward(d_oranges), d_tax)
    node = fruit_shop()
    gradients = dp.backward(node)
    assert float(node) == total
    assert tuple(float(gradients[k]) for k in ("apple", "n", "orange", "m", "tax")) == by_hand


def test_nodes_hold_only_plus_and_times_and_numbers_are_inputs() -> None:
    graph = dp.Graph(fruit_shop())
    assert [node.label for node in graph if node.op is not None] == ["apples", "oranges", "both", "×"]
    assert [node.op.label for node in graph if node.op is not None] == ["×", "×", "+", "×"]
    assert list(graph.inputs) == ["apple", "n", "orange", "m", "tax"]


def test_forward_runs_left_to_right() -> None:
    graph = dp.Graph(fruit_shop())
    place = {node: i for i, node in enumerate(graph)}
    assert all(place[earlier] < place[node] for node in graph for earlier in node.inputs)


def test_intermediate_results_are_kept() -> None:
    graph = dp.Graph(fruit_shop())
    assert [float(graph[name].value) for name in ("apples", "oranges", "both")] == [200, 450, 650]


def test_every_input_gradient_comes_out_of_one_pass(rng: np.random.Generator) -> None:
    """Each node's own backward runs once, however many inputs there are: the results on the way are shared."""
    calls: list[str] = []

    def counted(name: str) -> Any:
        def backward(g: Any, out: Any, x: Any, y: Any) -> Any:
            calls.append(name)
            return g * y, g * x

        return dp.black_box(lambda x, y: x * y, backward, name=name)

    values = rng.uniform(0.5, 2, 101)
    inputs = [dp.tensor(v) for v in values]
    product = inputs[0]
    for i, x in enumerate(inputs[1:]):
        product = counted(f"times{i}")(product, x)
    gradients = dp.backward(product)
    assert len(calls) == 100
    assert len(set(calls)) == 100
    assert [float(gradients[x]) for x in inputs] == pytest.approx(list(np.prod(values) / values), rel=1e-12)


@pytest.mark.parametrize(
    ("shop", "seen"),
    [
        (lambda: apple_shop()[0], ["220", "100", "2", "1.1", "200", "←1", "←2.2", "←110", "←200", "←1.1"]),
        (fruit_shop, ["715", "200", "450", "650", "←2.2", "←110", "←3.3", "←165", "←650", "←1.1"]),
    ],
)
def test_the_picture_of_a_shop_shows_every_number(shop: Any, seen: list[str]) -> None:
    """Values forward and gradients backward at the edges, × and + in the nodes."""
    picture = ET.fromstring(dp.draw(dp.Graph(shop())).svg())
    texts = ["".join(item.itertext()).strip() for item in picture.iter() if item.tag.endswith("text")]
    assert set(seen) <= set(texts)
    assert texts.count("×") == (2 if "220" in seen else 3)


# -- nodes ------------------------------------------------------------------------------------------------------------
def test_the_plus_node_passes_on_what_comes(rng: np.random.Generator) -> None:
    for x, y, E in rng.normal(size=(20, 3)):
        z, pull = dp.vjp(lambda x, y: x + y, x, y)
        assert (z, *pull(E)) == (x + y, E, E)


def test_the_times_node_exchanges_its_inputs(rng: np.random.Generator) -> None:
    for x, y, E in rng.normal(size=(20, 3)):
        z, pull = dp.vjp(lambda x, y: x * y, x, y)
        assert (z, *pull(E)) == (x * y, E * y, E * x)


def test_a_node_multiplies_what_comes_by_its_local_derivative(rng: np.random.Generator) -> None:
    """E · ∂y/∂x, for a node y = f(x) inside a larger graph."""
    for x, E in rng.normal(size=(20, 2)):
        t = dp.tensor(x, name="x")
        y = np.tanh(t)
        gradients = dp.backward(y * E)
        assert float(gradients[y]) == E
        assert float(gradients["x"]) == pytest.approx(E / np.cosh(x) ** 2, rel=1e-13)


def test_local_computation_is_blind_to_the_rest_of_the_graph() -> None:
    """Other oranges change neither the value nor the local derivatives at the apples."""

    def shop(oranges: Any) -> Tensor:
        apple, n, tax = dp.inputs(apple=100.0, n=2.0, tax=1.1)
        apples = apple * n
        apples.name = "apples"
        return (apples + oranges()) * tax

    sundries = dp.black_box(lambda x: np.sum(np.sort(x)[-2:]) ** 2, lambda g, out, x: g * np.zeros_like(x))
    parts = [
        lambda: dp.tensor(450.0),
        lambda: dp.tensor(-1e300),
        lambda: np.exp(np.sin(dp.tensor(7.0))) / 3,
        lambda: sundries(dp.tensor([3.0, 1.0, 2.0])),
    ]
    nodes = [dp.Graph(shop(part))["apples"] for part in parts]
    assert [float(node.value) for node in nodes] == [200.0] * 4
    assert [local_derivatives(node) for node in nodes] == [[2.0, 100.0]] * 4
    totals = [shop(part) for part in parts]
    assert len({float(total) for total in totals}) == 4
    assert {float(dp.backward(total)["apple"]) for total in totals} == {1.1 * 2.0}  # + passes on 1.1 whatever it adds


def test_a_black_box_node_leaves_the_others_as_they_are() -> None:
    """What the sundries cost is computed out of sight, with a sort and a loop; its neighbours only see the result."""

    def dear_ones(prices: Any) -> Any:
        total = 0.0
        for price in sorted(prices.tolist())[1:]:
            total += price
        return total

    def slope(g: Any, out: Any, prices: Any) -> Any:
        return g * (prices > prices.min())

    box = dp.black_box(dear_ones, slope, name="sundries")
    apple, tax = dp.inputs(apple=200.0, tax=1.1)
    prices = dp.tensor([400.0, 100.0, 3600.0], name="prices")
    total = (apple + box(prices)) * tax
    gradients = dp.backward(total)
    assert float(total) == pytest.approx(4620)
    assert [float(gradients[k]) for k in ("apple", "tax")] == pytest.approx([1.1, 4200])
    assert gradients["prices"].tolist() == pytest.approx([1.1, 0, 1.1])
    assert gradients["prices"] == pytest.approx(
        central_gradient(lambda p: (200 + dear_ones(p)) * 1.1, prices.value), abs=1e-6
    )


def test_a_black_box_without_a_backward_says_so() -> None:
    box = dp.black_box(lambda x: x**3, name="sundries")
    x = dp.tensor(2.0)
    assert float(box(x)) == 8
    with pytest.raises(dp.GradientError, match="sundries"):
        dp.backward(box(x))


# -- the chain rule ---------------------------------------------------------------------------------------------------
def test_chain_of_the_square_of_a_sum(rng: np.random.Generator) -> None:
    """z = t², t = x + y: ∂z/∂x = ∂z/∂t · ∂t/∂x = 2t · 1."""
    for a, b in rng.normal(size=(20, 2)):
        x, y = dp.inputs(x=a, y=b)
        t = x + y
        z = t**2
        gradients = dp.backward(z)
        assert float(z) == pytest.approx((a + b) * (a + b), rel=1e-15)
        assert float(gradients[z]) == 1
        assert float(gradients[t]) == pytest.approx(2 * (a + b), rel=1e-15)
        assert [float(gradients[k]) for k in "xy"] == pytest.approx([2 * (a + b)] * 2, rel=1e-15)
        dz_dt, dt_dx = local_derivatives(z.node)[0], local_derivatives(t.node)[0]
        assert float(gradients["x"]) == pytest.approx(dz_dt * dt_dx, rel=1e-15)
        hessian = dp.hessian(lambda v: (v[0] + v[1]) ** 2)(np.array([a, b]))
        assert hessian == pytest.approx(np.full((2, 2), 2.0), rel=1e-14)


# -- numerical differentiation ----------------------------------------------------------------------------------------
def two_layer(rng: np.random.Generator, n_in: int, n_hidden: int, n_out: int) -> dict[str, Any]:
    """The book's TwoLayerNet at its start: 0.01 · randn, zero biases; W (n_in, n_out)."""
    return {
        "W1": 0.01 * rng.standard_normal((n_in, n_hidden)),
        "b1": np.zeros(n_hidden),
        "W2": 0.01 * rng.standard_normal((n_hidden, n_out)),
        "b2": np.zeros(n_out),
    }


def two_layer_loss(p: dict[str, Any], x: Any, t: Any) -> Any:
    """Row vectors, by denpa's functions and operators."""
    return dp.softmax_cross_entropy(dp.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], t)


def test_numerical_differentiation_is_right_and_costs_two_evaluations_a_parameter(rng: np.random.Generator) -> None:
    p = {name: value + 0.1 for name, value in two_layer(rng, 6, 4, 3).items()}
    x, labels = rng.random((5, 6)), rng.integers(0, 3, 5)
    calls = 0

    def f(p: Any) -> Any:
        nonlocal calls
        calls += 1
        return two_layer_loss(p, x, labels)

    P = sum(v.size for v in p.values())
    found = dp.numerical_gradient(f, p, step=1e-4, levels=1)
    assert found.evaluations == calls == 2 * P
    calls = 0
    _, gradients = dp.value_and_grad(f)(p)
    assert calls == 1  # and one backward pass, whatever P is
    for name, by_hand in book_gradients(p, x, np.eye(3)[labels])[1].items():
        assert found.value[name] == pytest.approx(by_hand, abs=1e-7)
        assert gradients[name] == pytest.approx(by_hand, rel=1e-11, abs=1e-15)


# -- the layers -------------------------------------------------------------------------------------------------------
def test_mul_and_add_layers(rng: np.random.Generator) -> None:
    x, y, dout = rng.normal(size=(3, 4, 5))
    for layer, f in ((MulLayer(), dp.multiply), (AddLayer(), dp.add)):
        out, pull = dp.vjp(f, x, y)
        assert np.array_equal(out, layer.forward(x, y))
        assert all(np.array_equal(a, b) for a, b in zip(pull(dout), layer.backward(dout), strict=True))


def test_relu_layer_as_a_switch(rng: np.random.Generator) -> None:
    x, dout = np.array([[1.0, -0.5], [-2.0, 3.0], [0.0, -0.0]]), rng.normal(size=(3, 2))
    layer = ReluLayer()
    out, pull = dp.vjp(dp.relu, x)
    assert np.array_equal(out, layer.forward(x))
    assert np.array_equal(pull(dout)[0], layer.backward(dout))  # at x = 0 too: the switch is off


def test_sigmoid_layer_and_its_graph_of_small_nodes(rng: np.random.Generator) -> None:
    """y(1 − y) · dout, and the same from ×, exp, + and / nodes."""
    x, dout = rng.normal(size=(2, 3, 4))
    layer = SigmoidLayer()
    expected, dx = layer.forward(x), layer.backward(dout)
    for f in (dp.sigmoid, lambda x: 1 / (np.exp(x * -1) + 1)):
        out, pull = dp.vjp(f, x)
        assert out == pytest.approx(expected, rel=1e-14)
        assert pull(dout)[0] == pytest.approx(dx, rel=1e-13)
    composed = 1 / (np.exp(dp.tensor(x) * -1) + 1)
    assert [n.op.label for n in ancestors([composed.node]) if n.op is not None] == ["×", "exp", "+", "÷"]


def test_affine_layer(rng: np.random.Generator) -> None:
    """dX = dout·Wᵀ, dW = Xᵀ·dout, dB = Σ dout over the batch; nn.Affine keeps Wᵀ."""
    x, W, b, dout = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(5, 2))
    layer = AffineLayer(W, b)
    expected, dx = layer.forward(x), layer.backward(dout)
    out, pull = dp.vjp(lambda x, W, b: x @ W + b, x, W, b)
    assert out == pytest.approx(expected, rel=1e-13)
    for found, by_hand in zip(pull(dout), (dx, layer.dW, layer.db), strict=True):
        assert found == pytest.approx(by_hand, rel=1e-13)
    affine = nn.Affine(3, 2, seed=0, dtype="float64").with_parameters({"weight": W.T, "bias": b})
    t = dp.tensor(x)
    z = affine(t)
    gradients = dp.backward(z, dout)
    assert z.value == pytest.approx(expected, rel=1e-13)
    assert gradients[t] == pytest.approx(dx, rel=1e-13)
    assert gradients["weight"] == pytest.approx(layer.dW.T, rel=1e-13)
    assert gradients["bias"] == pytest.approx(layer.db, rel=1e-13)


def test_softmax_with_loss_layer(rng: np.random.Generator) -> None:
    """(y − t) / batch size, for one-hot rows and for class numbers, through any dout."""
    x, labels = 3 * rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    t = np.eye(4)[labels]
    layer = SoftmaxWithLossLayer()
    expected = layer.forward(x, t)
    for target in (t, labels):
        loss, pull = dp.vjp(lambda x, target=target: dp.softmax_cross_entropy(x, target), x)
        assert loss == pytest.approx(expected, rel=1e-13)
        assert pull(-2.5)[0] == pytest.approx(layer.backward(-2.5), rel=1e-12, abs=1e-15)
    composed = lambda x: -(np.log(dp.softmax(x)) * t).sum() / 6  # the book's figure: softmax, then cross-entropy
    assert dp.grad(composed)(x) == pytest.approx(layer.backward(), rel=1e-12, abs=1e-15)


def book_gradients(p: dict[str, Any], x: Any, t: Any) -> tuple[float, dict[str, Any]]:
    affine1, relu, affine2 = AffineLayer(p["W1"], p["b1"]), ReluLayer(), AffineLayer(p["W2"], p["b2"])
    last = SoftmaxWithLossLayer()
    loss = last.forward(affine2.forward(relu.forward(affine1.forward(x))), t)
    affine1.backward(relu.backward(affine2.backward(last.backward(1))))
    return loss, {"W1": affine1.dW, "b1": affine1.db, "W2": affine2.dW, "b2": affine2.db}


def test_layers_as_nodes_make_the_books_network(rng: np.random.Generator) -> None:
    """Affine, ReLU, Affine, Softmax-with-Loss: by the book's classes, by formula on Tensors, by nn.Sequential."""
    p, x, labels = two_layer(rng, 8, 5, 3), rng.random((7, 8)), rng.integers(0, 3, 7)
    loss, by_hand = book_gradients(p, x, np.eye(3)[labels])
    found, by_formula = dp.value_and_grad(two_layer_loss)(p, x, labels)
    model = nn.Sequential(nn.Affine(8, 5), nn.ReLU(), nn.Affine(5, 3), dtype="float64").with_parameters(
        {"0.weight": p["W1"].T, "0.bias": p["b1"], "2.weight": p["W2"].T, "2.bias": p["b2"]}
    )
    by_nodes = dp.grad(lambda model: dp.softmax_cross_entropy(model(x), labels))(model)
    assert found == pytest.approx(loss, rel=1e-14)
    for (name, expected), key in zip(by_hand.items(), ("0.weight", "0.bias", "2.weight", "2.bias"), strict=True):
        assert by_formula[name] == pytest.approx(expected, rel=1e-11, abs=1e-16)
        assert by_nodes[key] == pytest.approx(expected.T, rel=1e-11, abs=1e-16)


# -- the gradient check -----------------------------------------------------------------------------------------------
def test_gradient_check_of_the_books_network() -> None:
    """784-50-10, three images, step 1e-4: the mean difference of each array is below 1e-9 (the book: 1e-13 … 1e-10)."""
    rng = np.random.default_rng(5)
    p = two_layer(rng, 784, 50, 10)
    x = np.where(rng.random((3, 784)) < 0.2, rng.random((3, 784)), 0)  # as many pixels with ink as a digit has
    labels = rng.integers(0, 10, 3)
    gradients = dp.grad(two_layer_loss)(p, x, labels)

    def loss(name: str, value: Any) -> float:
        q = {**p, name: value}
        a2 = np.maximum(x @ q["W1"] + q["b1"], 0) @ q["W2"] + q["b2"]
        return float(np.mean(np.log(np.sum(np.exp(a2), axis=1)) - a2[np.arange(3), labels]))

    for name in p:
        numerical = central_gradient(lambda v, name=name: loss(name, v), p[name])
        assert np.mean(np.abs(numerical - gradients[name])) < 1e-9, name
        assert np.mean(np.abs(gradients[name])) > 1e-4, name


def test_gradient_check_passes_the_right_network_and_names_a_wrong_layer(rng: np.random.Generator) -> None:
    p, x, labels = two_layer(rng, 9, 6, 3), rng.random((4, 9)), rng.integers(0, 3, 4)
    p = {name: value + 0.2 * rng.normal(size=value.shape) for name, value in p.items()}
    assert dp.check(two_layer_loss, p, x, labels, orders=(1,))
    inverted = dp.black_box(lambda x: np.maximum(x, 0), lambda g, out, x: g * (x <= 0), name="relu_mask_inverted")

    def wrong(p: Any) -> Any:
        return dp.softmax_cross_entropy(inverted(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], labels)

    with pytest.raises(dp.GradientMismatch, match="relu_mask_inverted"):
        dp.check(wrong, p, orders=(1,))


def test_gradient_of_an_analytic_network_to_the_last_digits(rng: np.random.Generator) -> None:
    """With the sigmoid in place of ReLU the complex step gives a reference without truncation."""
    W1, W2, x, t = (
        rng.normal(size=(4, 5)),
        rng.normal(size=(5, 3)),
        rng.normal(size=(6, 4)),
        rng.dirichlet(np.ones(3), 6),
    )

    def loss(W1: Any) -> Any:
        a = (1 / (1 + np.exp(-(x @ W1)))) @ W2
        return np.mean(np.log(np.sum(np.exp(a), axis=1)) - np.sum(t * a, axis=1))

    found = dp.grad(lambda W1: dp.softmax_cross_entropy(dp.sigmoid(x @ W1) @ W2, t))(W1)
    assert found == pytest.approx(complex_gradient(loss, W1), rel=1e-12, abs=1e-15)
