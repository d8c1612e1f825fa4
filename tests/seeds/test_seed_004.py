"""Seed 004: the whole cycle of learning, forward, loss, backward, update, until it converges, on generated data.

Classification ends in softmax and cross-entropy, regression in the value itself and the mean squared error; sigmoid,
ReLU and tanh in between.  Every trained network is judged on data it has not seen, against baselines named in the test.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import complex_gradient

import denpa as dp
from denpa import nn
from denpa.draw import plots
from denpa.explain.charts import LineChart, Series
from denpa.nn import optim

HIDDEN = ("sigmoid", "relu", "tanh")


def crescents(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Two crescents that hold each other: no straight line parts them.  x (n, 2), class numbers (n,)."""
    labels = np.arange(n) % 2
    angle = rng.uniform(0, np.pi, n)
    x = np.where(labels, 1 - np.cos(angle), np.cos(angle)), np.where(labels, 0.6 - np.sin(angle), np.sin(angle))
    return np.column_stack(x) + 0.08 * rng.normal(size=(n, 2)), labels


NOISE = 0.1


def waves(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """t = sin 2x₁ + x₂² + noise of standard deviation 0.1.  x (n, 2), t (n, 1)."""
    x = rng.uniform(-1.5, 1.5, (n, 2))
    return x, (np.sin(2 * x[:, :1]) + x[:, 1:] ** 2) + NOISE * rng.normal(size=(n, 1))


def cycle(
    network: nn.Network, x: Any, t: Any, optimizer: Any, *, rate: float, steps: int
) -> tuple[nn.Network, list[float]]:
    """Forward, loss, backward, update, again and again; the losses on the way."""
    params = {name: p.value for name, p in network.parameters().items()}
    state, losses = optimizer.init(params), []
    for _ in range(steps):
        network = network.with_parameters(params)
        loss = network.loss(x, t)  # forward, and the error against the answers
        found = dp.backward(loss)
        params, state = optimizer.update(params, {name: found[name] for name in params}, state, rate)
        losses.append(float(loss))
    return network.with_parameters(params), losses


def mse(y: Any, t: Any) -> float:
    return float(np.mean((y - t) ** 2))


# -- the pieces -------------------------------------------------------------------------------------------------------
def test_sigmoid_relu_and_tanh_in_values_and_slopes() -> None:
    by_hand = {
        "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), lambda y, x: y * (1 - y)),
        "relu": (lambda x: max(0.0, x), lambda y, x: 1.0 if x > 0 else 0.0),
        "tanh": (lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)), lambda y, x: 1 - y * y),
    }
    for name, (value, slope) in by_hand.items():
        activate = getattr(dp, name)
        for x in np.linspace(-4, 4, 33) + 1e-3:
            y = value(float(x))
            assert activate(x) == pytest.approx(y, rel=1e-12)
            assert dp.grad(activate)(x) == pytest.approx(slope(y, float(x)), rel=1e-10)
    far = np.array([-1e4, -100.0, 100.0, 1e4])
    assert dp.sigmoid(far) == pytest.approx([0, 0, 1, 1], abs=1e-40)  # between 0 and 1 whatever comes
    assert dp.tanh(far).tolist() == [-1, -1, 1, 1]


def test_output_layers_of_the_two_tasks(rng: np.random.Generator) -> None:
    """Classification: probabilities that sum to 1, the class is the largest.  Regression: the value as it is."""
    x = rng.normal(size=(50, 3))
    classify = nn.Network([3, 4, 5], output="softmax", dtype="float64", seed=1)
    p, z = classify.predict(x), classify.logits(x).value
    assert p.min() > 0
    assert p.sum(axis=1) == pytest.approx(np.ones(50), rel=1e-14)
    assert np.array_equal(p.argmax(axis=1), z.argmax(axis=1))
    regress = nn.Network([3, 4, 2], output="identity", dtype="float64", seed=1)
    assert np.array_equal(regress.predict(x), regress.logits(x).value)
    assert regress.predict(100 * x).max() > 1


def test_mean_squared_error_in_its_conventions(rng: np.random.Generator) -> None:
    """Σ(y − t)² over n·m is MSE; denpa's default ½ and mean over the n rows is m/2 times that; slopes likewise."""
    y, t = rng.normal(size=(2, 6, 3))
    total = sum((y[i, j] - t[i, j]) ** 2 for i in range(6) for j in range(3))
    loss = lambda factor, reduction: lambda y: dp.squared_error(y, t, reduction=reduction, factor=factor)
    for f, scale in ((loss(1 / 3, "mean"), 1 / 18), (loss(0.5, "mean"), 1 / 12), (loss(0.5, "sum"), 1 / 2)):
        assert f(y) == pytest.approx(scale * total, rel=1e-13)
        assert dp.grad(f)(y) == pytest.approx(scale * 2 * (y - t), rel=1e-12)


def test_cross_entropy_in_values_and_slopes(rng: np.random.Generator) -> None:
    """−Σ t log y of a probability distribution y, by hand; its slope in y is −t/y, in the logits y − t."""
    z, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    t = np.eye(4)[labels]
    e = np.exp(z)
    y = e / e.sum(axis=1, keepdims=True)
    value = -sum(math.log(y[i, labels[i]]) for i in range(6)) / 6
    assert dp.softmax_cross_entropy(z, labels) == pytest.approx(value, rel=1e-13)
    assert dp.grad(lambda z: dp.softmax_cross_entropy(z, t))(z) == pytest.approx((y - t) / 6, rel=1e-11, abs=1e-15)
    entropy = lambda y: -(t * np.log(y)).sum() / 6
    assert dp.grad(entropy)(y) == pytest.approx(-t / y / 6, rel=1e-13)
    assert complex_gradient(entropy, y) == pytest.approx(-t / y / 6, rel=1e-13)


def test_confidence_in_the_wrong_class_costs_without_end() -> None:
    """Cross-entropy grows linearly in the wrong logit and stays finite, its slope 1."""
    for size in (10.0, 1e4):
        z, t = np.array([[size, -size]]), np.array([1])
        assert dp.softmax_cross_entropy(z, t) == pytest.approx(2 * size)
        assert dp.grad(lambda z, t=t: dp.softmax_cross_entropy(z, t))(z) == pytest.approx(np.array([[1, -1]]), rel=1e-6)


# -- the cycle beside one written by hand -----------------------------------------------------------------------------
BY_HAND = {
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda z: z * (1 - z)),
    "relu": (lambda a: np.maximum(a, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 - z**2),
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_cycle_step_by_step_with_one_written_by_hand(task: str, hidden: str) -> None:
    """Row vectors, X·W + B, 100 steps: the same losses and the same weights."""
    rng = np.random.default_rng(8)
    psi, slope = BY_HAND[hidden]
    x, t = crescents(rng, 40) if task == "classification" else waves(rng, 40)
    n_out = 2 if task == "classification" else 1
    W1, b1, W2, b2 = rng.normal(size=(2, 6)), rng.normal(size=6), rng.normal(size=(6, n_out)), rng.normal(size=n_out)
    network = nn.Network(
        [2, 6, n_out], hidden=hidden, output="softmax" if n_out == 2 else "identity", dtype="float64"
    ).with_parameters({"0.weight": W1.T, "0.bias": b1, "2.weight": W2.T, "2.bias": b2})
    trained, losses = cycle(network, x, t, optim.SGD(), rate=0.1, steps=100)
    by_hand = []
    for _ in range(100):
        z = psi(x @ W1 + b1)
        y = z @ W2 + b2
        if task == "classification":
            p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
            by_hand.append(-np.mean(np.log(p[np.arange(40), t])))
            dy = (p - np.eye(2)[t]) / 40
        else:
            by_hand.append(0.5 * np.sum((y - t) ** 2) / 40)
            dy = (y - t) / 40
        da = (dy @ W2.T) * slope(z)
        W2, b2 = W2 - 0.1 * z.T @ dy, b2 - 0.1 * dy.sum(axis=0)
        W1, b1 = W1 - 0.1 * x.T @ da, b1 - 0.1 * da.sum(axis=0)
    assert losses == pytest.approx(by_hand, rel=1e-10)
    p = trained.parameters()
    for name, value in {"0.weight": W1.T, "0.bias": b1, "2.weight": W2.T, "2.bias": b2}.items():
        assert p[name].value == pytest.approx(value, rel=1e-9, abs=1e-11)


# -- learning on data with something to find --------------------------------------------------------------------------
def linear_scores(x: Any, targets: Any, x_new: Any) -> Any:
    """Least squares with a constant: the best straight model, the baseline a network has to beat."""
    one = lambda x: np.column_stack([x, np.ones(len(x))])
    return one(x_new) @ np.linalg.lstsq(one(x), targets, rcond=None)[0]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_classification_better_than_its_baselines(hidden: str) -> None:
    """Unseen crescents: the larger class names 50 %, a straight line 87 %, the network at least 97 %."""
    rng = np.random.default_rng(21)
    x, t = crescents(rng, 300)
    x_new, t_new = crescents(rng, 600)
    straight = np.mean((linear_scores(x, 2.0 * t - 1, x_new) > 0) == t_new)
    assert 0.75 < straight < 0.9
    network = nn.Network([2, 16, 2], hidden=hidden, output="softmax", dtype="float64", seed=0)
    trained, losses = cycle(network, x, t, optim.Adam(), rate=0.05, steps=250)
    accuracy = np.mean(trained.predict(x_new).argmax(axis=1) == t_new)
    assert accuracy > 0.97 > straight
    assert losses[0] > 0.5
    assert losses[-1] < 0.1


@pytest.mark.parametrize("hidden", HIDDEN)
def test_regression_better_than_its_baselines(hidden: str) -> None:
    """Unseen waves, mean squared error: the mean gives 0.9, a straight line 0.6, the noise itself 0.01."""
    rng = np.random.default_rng(22)
    x, t = waves(rng, 400)
    x_new, t_new = waves(rng, 600)
    constant, straight = mse(t.mean(), t_new), mse(linear_scores(x, t, x_new), t_new)
    assert constant > straight > 0.3
    network = nn.Network([2, 24, 1], hidden=hidden, output="identity", loss="squared_error", dtype="float64", seed=0)
    trained, losses = cycle(network, x, t, optim.Adam(), rate=0.03, steps=500)
    error = mse(trained.predict(x_new), t_new)
    assert error < 0.03 < 0.1 * straight
    assert error > 0.8 * NOISE**2  # nothing can do better than the noise
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_without_an_activation_function_a_network_is_no_better_than_a_line(task: str) -> None:
    rng = np.random.default_rng(23)
    if task == "classification":
        (x, t), (x_new, t_new) = crescents(rng, 300), crescents(rng, 600)
        network = nn.Network([2, 16, 2], hidden="identity", output="softmax", dtype="float64", seed=0)
        trained, _ = cycle(network, x, t, optim.Adam(), rate=0.05, steps=250)
        assert np.mean(trained.predict(x_new).argmax(axis=1) == t_new) < 0.92
    else:
        (x, t), (x_new, t_new) = waves(rng, 400), waves(rng, 600)
        network = nn.Network([2, 24, 1], hidden="identity", output="identity", dtype="float64", seed=0)
        trained, _ = cycle(network, x, t, optim.Adam(), rate=0.03, steps=500)
        assert trained.predict(x_new) == pytest.approx(linear_scores(x, t, x_new), abs=0.02)


def test_convergence_is_where_the_loss_no_longer_falls() -> None:
    """With a small rate the loss falls at every step, by less and less, and the gradient goes to 0."""
    rng = np.random.default_rng(24)
    x = rng.normal(size=(60, 3))
    t = x @ [[1.0], [-2.0], [0.5]] + 0.3
    network = nn.Network([3, 1], output="identity", loss="squared_error", dtype="float64", seed=0)
    trained, losses = cycle(network, x, t, optim.SGD(), rate=0.2, steps=200)
    falls = [before - after for before, after in pairwise(losses[:60])]
    assert min(falls) > 0
    assert falls[-1] < 1e-4 * falls[0]
    assert losses[-1] < 1e-20
    p = trained.parameters()
    assert p["0.weight"].value == pytest.approx(np.array([[1, -2, 0.5]]), abs=1e-9)
    assert p["0.bias"].value == pytest.approx([0.3], abs=1e-9)
    assert np.linalg.norm(nn.theta(dp.grad(lambda n: n.loss(x, t))(trained))) < 1e-9


# -- the graph as a means of understanding, and of tuning -------------------------------------------------------------
def test_graph_of_a_network_has_inputs_operations_and_an_output() -> None:
    """Inputs without predecessors, operations from left to right, one output that nothing uses."""
    network = nn.Network([2, 3, 2], hidden="tanh", output="softmax", dtype="float64", seed=0)
    graph = dp.Graph(network.loss(np.ones((4, 2)), np.array([0, 1, 1, 0])))
    seen, used = set(), set()
    for node in graph:
        assert set(node.inputs) <= seen  # an edge leads to the right
        assert (node.op is None) == (not node.inputs)
        seen.add(node)
        used |= set(node.inputs)
    assert seen - used == {graph.output}
    assert list(graph.parameters) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert {"x", "t"} <= set(graph.inputs)
    roles = [(n.role.kind, n.role.layer) for n in graph if n.role is not None and n.op is not None]
    assert roles == [("preactivation", 1), ("activation", 1), ("preactivation", 2), ("loss", 2)]


def test_picture_of_a_network_shows_its_layers_and_its_loss() -> None:
    """The same graph as a picture: a box a layer, and the number that is to become small."""
    network = nn.Network([2, 3, 2], hidden="tanh", output="softmax", dtype="float64", seed=0)
    x, t = np.array([[0.5, -1.0]]), np.array([1])
    words = " ".join(ET.fromstring(dp.draw(network, x, t).svg()).itertext())
    for part in ("layer 1", "layer 2", "tanh", "softmax", f"{float(network.loss(x, t)):.3g}"):
        assert part in words


def test_learning_curves_show_which_rate_to_take() -> None:
    """Three learning rates: one crawls, one learns, one leaps out of the valley; the picture holds all three."""
    rng = np.random.default_rng(25)
    x, t = waves(rng, 200)
    network = nn.Network([2, 16, 1], hidden="tanh", output="identity", loss="squared_error", dtype="float64", seed=0)
    curves = {}
    for rate in (1e-4, 0.1, 3.0):
        with np.errstate(all="ignore"):
            curves[rate] = cycle(network, x, t, optim.SGD(), rate=rate, steps=150)[1]
    assert curves[1e-4][-1] > 0.9 * curves[1e-4][0]
    assert curves[0.1][-1] < 0.4 * curves[0.1][0]
    assert not curves[3.0][-1] < curves[3.0][0]  # larger, infinite or NaN
    steps = tuple(float(i) for i in range(1, 151))
    series = tuple(Series(f"η = {rate:g}", steps, tuple(curve)) for rate, curve in curves.items())
    picture = ET.fromstring(plots.svg(LineChart(series, "step", "loss", "log"), language="en", name="learning rates"))
    words = " ".join(text.strip() for text in picture.itertext())
    for name in ("η = 0.0001", "η = 0.1", "η = 3"):
        assert name in words
