"""Seed 002: gradient descent, and the 12-3-2 network on 64 images of 4×3 that show a 0 or a 1.

Its own notation: z weighted input, a output, layers 1 … 3, w_ji^l from unit i of layer l − 1 to unit j of layer l.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import sigmoid_scalar

import denpa as dp
from denpa import nn
from denpa.explain.paths import PathSum
from denpa.nn import optim

ZERO = ("###", "#.#", "#.#", "###")
ONE = (".#.", ".#.", ".#.", ".#.")


def images() -> tuple[Any, Any]:
    """64 images (64, 12) and answers (64, 2): each digit clean, and with every one or two pixels turned, 32 of each."""
    x, t = [], []
    for shape, answer in ((ZERO, (1.0, 0.0)), (ONE, (0.0, 1.0))):
        clean = [1.0 if c == "#" else 0.0 for row in shape for c in row]
        flips = itertools.chain([()], itertools.combinations(range(12), 1), itertools.combinations(range(12), 2))
        for turned in itertools.islice(flips, 32):
            x.append([1 - v if i in turned else v for i, v in enumerate(clean)])
            t.append(answer)
    return np.array(x), np.array(t)


def network(seed: int = 0) -> nn.Network:
    return nn.Network(
        [12, 3, 2],
        hidden="sigmoid",
        output="sigmoid",
        loss="squared_error",
        reduction="sum",
        dtype="float64",
        seed=seed,
    )


class Loops:
    """The relations between the variables, unit by unit in plain floats; w[l][j][i], b[l][j] for l = 2, 3."""

    def __init__(self, network: nn.Network) -> None:
        p = {name: v.value.tolist() for name, v in network.parameters().items()}
        self.w = {2: p["0.weight"], 3: p["2.weight"]}
        self.b = {2: p["0.bias"], 3: p["2.bias"]}

    def forward(self, x: list[float]) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
        a, z = {1: x}, {}
        for l in (2, 3):
            z[l] = []
            for j in range(len(self.b[l])):
                total = self.b[l][j]
                for i in range(len(a[l - 1])):
                    total += self.w[l][j][i] * a[l - 1][i]
                z[l].append(total)
            a[l] = [sigmoid_scalar(v) for v in z[l]]
        return z, a

    def C(self, x: list[float], t: list[float]) -> float:
        """C_k = ½ {(t₁ − a₁³)² + (t₂ − a₂³)²}."""
        a3 = self.forward(x)[1][3]
        return ((t[0] - a3[0]) ** 2 + (t[1] - a3[1]) ** 2) / 2

    def paths(self, x: list[float], t: list[float], j: int, i: int) -> list[float]:
        """∂C_k/∂w_ji² as one product of five factors for each output unit m on the way."""
        _, a = self.forward(x)
        products = []
        for m in range(2):
            dC_da3 = -(t[m] - a[3][m])
            da3_dz3 = a[3][m] * (1 - a[3][m])
            dz3_da2 = self.w[3][m][j]
            da2_dz2 = a[2][j] * (1 - a[2][j])
            dz2_dw2 = x[i]
            products.append(dC_da3 * da3_dz3 * dz3_da2 * da2_dz2 * dz2_dw2)
        return products


# -- the basic formula ------------------------------------------------------------------------------------------------
def test_descent_of_two_variables(rng: np.random.Generator) -> None:
    """On z = x² + 2y² each step multiplies x by 1 − 2η and y by 1 − 4η."""
    z = lambda v: v[0] ** 2 + 2 * v[1] ** 2
    start, eta = rng.normal(size=2), 0.1
    v = start
    for step in range(1, 51):
        v = v - eta * dp.grad(z)(v)
        closed = [start[0] * (1 - 2 * eta) ** step, start[1] * (1 - 4 * eta) ** step]
        assert v == pytest.approx(closed, rel=1e-12)
    assert z(v) < 1e-8


def test_eq_1_descent_of_n_variables(rng: np.random.Generator) -> None:
    """f = ½ Σ c_i (x_i − m_i)²: x_i − m_i shrinks by 1 − ηc_i, also with the optimiser and for n = 40."""
    n, eta = 40, 0.3
    c, m, start = rng.uniform(0.5, 2, n), rng.normal(size=n), rng.normal(size=n)
    f = lambda x: 0.5 * (c * (x - m) ** 2).sum()
    x, params = start, {"x": start}
    for step in range(1, 31):
        x = x - eta * dp.grad(f)(x)
        params, _ = optim.SGD().update(params, {"x": dp.grad(f)(params["x"])}, {}, eta)
        assert x == pytest.approx(m + (start - m) * (1 - eta * c) ** step, rel=1e-9, abs=1e-12)
        assert params["x"] == pytest.approx(x, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("n", [2, 7])
def test_steepest_direction_among_steps_of_equal_length(n: int, rng: np.random.Generator) -> None:
    """Of all steps of one small length the one against the gradient falls most; Δz ≈ ⟨∇f, Δ⟩ = |∇f||Δ| cos θ."""
    A = rng.normal(size=(n, n))
    f = lambda x: np.sin(A @ x).sum() + (x**2).sum()
    slope_by_hand = lambda x: A.T @ np.cos(A @ x) + 2 * x
    x, length = rng.normal(size=n), 1e-6
    slope = dp.grad(f)(x)
    assert slope == pytest.approx(slope_by_hand(x), rel=1e-11)
    steepest = -length * slope / np.linalg.norm(slope)
    if n == 2:
        directions = [(math.cos(k * math.pi / 180), math.sin(k * math.pi / 180)) for k in range(360)]
    else:
        directions = [d / np.linalg.norm(d) for d in rng.normal(size=(500, n))]
    falls = []
    for direction in directions:
        step = length * np.array(direction)
        size = length * float(np.linalg.norm(slope))
        cosine = float(step @ slope) / size
        change = float(f(x + step) - f(x))
        assert change == pytest.approx(size * cosine, abs=1e-4 * length * (1 + np.abs(A).sum()))
        falls.append((change, cosine))
    assert float(f(x + steepest) - f(x)) <= min(falls)[0] + 1e-14
    if n == 2:  # of the 360 the one nearest to −∇f falls most
        assert min(falls)[1] < min(cosine for _, cosine in falls) + 1e-4


def test_ball_on_a_slope_comes_to_rest_where_every_slope_is_zero() -> None:
    """The necessary condition of a minimum: ∂f/∂x = ∂f/∂y = 0; on the way down f falls with every step."""
    f = lambda v: (v[0] - 1) ** 2 + 0.5 * (v[1] + 2) ** 2 + 0.25 * v[0] * v[1]
    lowest = np.linalg.solve([[2, 0.25], [0.25, 1]], [2, -2])
    assert dp.grad(f)(lowest) == pytest.approx([0, 0], abs=1e-14)
    v, height = np.array([4.0, 3.0]), math.inf
    for _ in range(300):
        assert f(v) < height or np.allclose(v, lowest, atol=1e-7)
        height = f(v)
        v = v - 0.2 * dp.grad(f)(v)
    assert v == pytest.approx(lowest, abs=1e-10)


# -- the 12-3-2 network -----------------------------------------------------------------------------------------------
def test_64_images_of_4_by_3() -> None:
    x, t = images()
    assert x.shape == (64, 12)
    assert t.sum(axis=0).tolist() == [32, 32]
    assert set(np.unique(x)) == {0.0, 1.0}
    assert len({tuple(row) for row in x.tolist()}) == 64


def test_relations_of_the_variables() -> None:
    """z_j^l = Σ w_ji^l a_i^{l−1} + b_j^l and a_j^l = a(z_j^l) for every unit and every image."""
    x, t = images()
    net = network()
    graph, loops = dp.Graph(net.loss(x, t)), Loops(net)
    for k in range(64):
        z, a = loops.forward(x[k].tolist())
        for l in (2, 3):  # denpa counts layers with weights from 1
            assert graph[f"preactivation{l - 1}"].value[k] == pytest.approx(z[l], rel=1e-12, abs=1e-15)
            assert graph[f"activation{l - 1}"].value[k] == pytest.approx(a[l], rel=1e-13)


def test_total_cost_is_the_sum_over_the_images() -> None:
    x, t = images()
    loops = Loops(network())
    C = [loops.C(x[k].tolist(), t[k].tolist()) for k in range(64)]
    assert float(network().loss(x, t)) == pytest.approx(sum(C), rel=1e-13)
    y = network()(x)
    assert dp.squared_error(y.value, t, reduction="none") == pytest.approx(C, rel=1e-12)


def test_one_weights_gradient_is_the_sum_over_all_its_paths() -> None:
    """∂C_T/∂w_11²: two paths for each of the 64 images, 128 products of five factors."""
    x, t = images()
    net = network(seed=3)
    loops = Loops(net)
    products = [p for k in range(64) for p in loops.paths(x[k].tolist(), t[k].tolist(), 0, 0)]
    assert len(products) == 128
    found = dp.backward(net.loss(x, t))
    assert found["0.weight"][0, 0] == pytest.approx(math.fsum(products), rel=1e-11)


def test_the_paths_of_one_weight_are_counted_and_listed() -> None:
    """denpa's own list of them: 128, their products those of the loops, one by one, and their sum the gradient."""
    x, t = images()
    net = network(seed=3)
    loops, loss = Loops(net), net.loss(x, t)
    graph = dp.Graph(loss)
    found = PathSum(graph.output, graph["0.weight"], (0, 0))
    by_hand = [p for k in range(64) for p in loops.paths(x[k].tolist(), t[k].tolist(), 0, 0)]
    assert found.count == 128
    assert sorted(path.product for path in found.every()) == pytest.approx(sorted(by_hand), rel=1e-10, abs=1e-16)
    assert found.total == pytest.approx(math.fsum(by_hand), rel=1e-11)


def test_every_weight_of_layer_2_is_the_sum_over_its_paths() -> None:
    x, t = images()
    net = network(seed=4)
    loops, found = Loops(net), dp.backward(net.loss(x, t))["0.weight"]
    for j in range(3):
        for i in range(12):
            total = math.fsum(p for k in range(64) for p in loops.paths(x[k].tolist(), t[k].tolist(), j, i))
            assert found[j, i] == pytest.approx(total, rel=1e-10, abs=1e-14)


def test_one_image_has_two_paths_through_the_graph() -> None:
    """The gradient of C_k splits by output unit: the cotangent that each passes back is one path."""
    x, t = images()
    net = network(seed=5)
    loops = Loops(net)
    one = dp.tensor(x[40:41])
    y = net(one)
    for m in range(2):
        g = np.zeros((1, 2))
        g[0, m] = y.value[0, m] - t[40, m]
        found = dp.backward(y, g)["0.weight"]
        for j, i in ((0, 0), (1, 4), (2, 7)):
            assert found[j, i] == pytest.approx(
                loops.paths(x[40].tolist(), t[40].tolist(), j, i)[m], rel=1e-12, abs=1e-16
            )


def by_loops(net: nn.Network, x: Any, t: Any, eta: float, steps: int) -> Loops:
    """Descent of C_T over all w and b by the path sums, in plain floats."""
    loops = Loops(net)
    for _ in range(steps):
        slope_w = {2: [[0.0] * 12 for _ in range(3)], 3: [[0.0] * 3 for _ in range(2)]}
        slope_b = {2: [0.0] * 3, 3: [0.0] * 2}
        for k in range(len(x)):
            _, a = loops.forward(x[k].tolist())
            for m in range(2):
                at_output = -(t[k][m] - a[3][m]) * a[3][m] * (1 - a[3][m])
                slope_b[3][m] += at_output
                for j in range(3):
                    slope_w[3][m][j] += at_output * a[2][j]
                    on_path = at_output * loops.w[3][m][j] * a[2][j] * (1 - a[2][j])
                    slope_b[2][j] += on_path
                    for i in range(12):
                        slope_w[2][j][i] += on_path * x[k][i]
        for l in (2, 3):
            for j in range(len(loops.b[l])):
                loops.b[l][j] -= eta * slope_b[l][j]
                for i in range(len(loops.w[l][j])):
                    loops.w[l][j][i] -= eta * slope_w[l][j][i]
    return loops


def descend(net: nn.Network, x: Any, t: Any, eta: float, steps: int) -> nn.Network:
    for _ in range(steps):
        found = dp.grad(lambda n: n.loss(x, t))(net)
        params = {name: p.value for name, p in net.parameters().items()}
        net = net.with_parameters(optim.SGD().update(params, found, {}, eta)[0])
    return net


def test_descent_step_by_step_with_the_loops() -> None:
    x, t = images()
    by_hand, net = by_loops(network(), x, t, 0.05, 15), descend(network(), x, t, 0.05, 15)
    ours = Loops(net)
    for l in (2, 3):
        assert np.array(ours.w[l]) == pytest.approx(np.array(by_hand.w[l]), rel=1e-10, abs=1e-13)
        assert ours.b[l] == pytest.approx(by_hand.b[l], rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_descent_to_a_low_cost(seed: int) -> None:
    """C_T from about 16 (a guess of ½ costs ¼ an image) to below 0.5, and every image named rightly."""
    x, t = images()
    start = network(seed)
    before = float(start.loss(x, t))
    net = descend(start, x, t, 0.2, 500)
    assert before > 12
    assert float(net.loss(x, t)) < 0.5
    assert np.array_equal(net.predict(x).argmax(axis=1), t.argmax(axis=1))
