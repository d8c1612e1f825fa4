"""Seed 001: K-layer networks in its own notation, every equation that can be computed, Algorithm 1, and what SGD meets.

Layers 0 … K; W⁽ˡ⁾ leads from layer l − 1 to layer l and has the bias as last column; z⁽ˡ⁾ ends with a 1; gradients and
deltas are rows.  denpa keeps weight and bias apart and samples as rows; `network_of` and `as_W` translate.
"""

from __future__ import annotations

import gc
import math
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import (
    PSI,
    complex_gradient,
    delta_K,
    deltas,
    f_prime,
    forward,
    gradients,
    loss_L,
    ramp,
    ramp_prime,
    random_W,
    sigma,
    sigma_prime,
    softmax,
    with_one,
)

import denpa as dp
from denpa import nn
from denpa.data.batches import batches, order
from denpa.nn import optim

UNITS = [4, 5, 3, 6, 2, 5]  # of layers 0 … 5
OUTPUTS = {"softmax": 3, "sigmoid": 1}
ALL_K = range(1, 7)
SAMPLES = 7


def network_of(W: list[Any], psi: str, output: str, **settings: Any) -> nn.Network:
    units = [W[1].shape[1] - 1, *(w.shape[0] for w in W[1:])]
    network = nn.Network(units, hidden=psi, output=output, dtype="float64", **settings)
    parts = {}
    for l in range(1, len(W)):
        parts[f"{2 * (l - 1)}.weight"], parts[f"{2 * (l - 1)}.bias"] = W[l][:, :-1], W[l][:, -1]
    return network.with_parameters(parts)


def as_W(K: int, found: Any) -> list[Any]:
    """∂/∂W⁽ˡ⁾ out of what denpa gives by parameter name."""
    keys = [2 * (l - 1) for l in range(1, K + 1)]
    return [None, *(np.column_stack([found[f"{k}.weight"], found[f"{k}.bias"]]) for k in keys)]


def problem(rng: np.random.Generator, K: int, output: str, samples: int = SAMPLES) -> tuple[list[Any], Any, Any]:
    """W⁽¹⁾ … W⁽ᴷ⁾, x⁽ⁱ⁾ as rows, y⁽ⁱ⁾ as rows: one-hot under softmax, 0 or 1 under sigmoid."""
    r = OUTPUTS[output]
    W, x = random_W(rng, [*UNITS[:K], r], scale=1.3), rng.normal(size=(samples, UNITS[0]))
    y = (
        np.eye(r)[rng.integers(0, r, samples)]
        if output == "softmax"
        else rng.integers(0, 2, (samples, 1)).astype(float)
    )
    return W, x, y


def J_tilde(W: list[Any], x: Any, y: Any, psi: str, output: str) -> Any:
    """(28): the mean of L over the batch."""
    return sum(loss_L(output, forward(W, x_i, PSI[psi][0])[0][-1], y_i) for x_i, y_i in zip(x, y, strict=True)) / len(x)


every_network = pytest.mark.parametrize(
    ("K", "output", "psi"), [(K, output, psi) for K in ALL_K for output in OUTPUTS for psi in PSI]
)


# -- (1)–(8): forward, and θ ------------------------------------------------------------------------------------------
@every_network
def test_eq_1_to_7_forward(K: int, output: str, psi: str, rng: np.random.Generator) -> None:
    """a_μ⁽ˡ⁾ = Σ_ν W_μν⁽ˡ⁾ z_ν⁽ˡ⁻¹⁾ in loops, W_μn the bias of unit μ, z_n = 1; ŷ = g(a⁽ᴷ⁾)."""
    W, x, y = problem(rng, K, output)
    network = network_of(W, psi, output)
    graph = dp.Graph(network.loss(x, y))
    for i in range(SAMPLES):
        z = [*x[i].tolist(), 1.0]
        for l in range(1, K + 1):
            m, n = W[l].shape
            assert len(z) == n
            a = [sum(W[l][mu, nu] * z[nu] for nu in range(n)) for mu in range(m)]
            assert graph[f"preactivation{l}"].value[i] == pytest.approx(a, rel=1e-12, abs=1e-14)
            z = [*(float(PSI[psi][0](a_mu)) for a_mu in a), 1.0]
            if l < K:
                assert graph[f"activation{l}"].value[i] == pytest.approx(z[:-1], rel=1e-12, abs=1e-14)
        g = softmax(np.array(a)) if output == "softmax" else sigma(np.array(a))
        assert network.predict(x)[i] == pytest.approx(g, rel=1e-12)


def test_eq_1_first_index_is_where_the_weight_leads_to(rng: np.random.Generator) -> None:
    """W_μν⁽ˡ⁾ joins unit ν of layer l − 1 to unit μ of layer l: changing it moves a_μ⁽ˡ⁾ alone, by z_ν⁽ˡ⁻¹⁾."""
    W, x, y = problem(rng, 3, "softmax")
    before = dp.Graph(network_of(W, "tanh", "softmax").loss(x, y))
    W[2][1, 4] += 1.0
    after = dp.Graph(network_of(W, "tanh", "softmax").loss(x, y))
    moved = after["preactivation2"].value - before["preactivation2"].value
    assert moved[:, [0, 2]].tolist() == np.zeros((SAMPLES, 2)).tolist()
    assert moved[:, 1] == pytest.approx(before["activation1"].value[:, 4], rel=1e-12)
    assert np.array_equal(after["preactivation1"].value, before["preactivation1"].value)


def test_layers_without_activation_functions_are_one_layer(rng: np.random.Generator) -> None:
    W, x, _ = problem(rng, 4, "softmax")
    linear = network_of(W, "identity", "softmax")
    product = np.eye(5)
    for W_l in W[1:]:
        product = np.vstack([W_l, np.eye(W_l.shape[1])[-1]]) @ product  # the last row carries the 1 on
    assert linear.logits(x).value == pytest.approx(
        np.array([product[:-1] @ with_one(x_i) for x_i in x]), rel=1e-11, abs=1e-12
    )
    curved = network_of(W, "tanh", "softmax").logits(np.stack([x[0], 2 * x[0] - x[1], x[1]])).value
    assert not np.allclose(curved[1], 2 * curved[0] - curved[2], atol=1e-3)


@pytest.mark.parametrize("K", ALL_K)
def test_eq_8_13_14_theta_and_its_gradient(K: int, rng: np.random.Generator) -> None:
    """θ lists W⁽¹⁾ … W⁽ᴷ⁾ row by row; ∇_θ J is a row in the same order, and is the gradient of θ ↦ J(θ)."""
    W, x, y = problem(rng, K, "softmax")
    network = network_of(W, "sigmoid", "softmax")
    theta = np.array([W_l[mu, nu] for W_l in W[1:] for mu in range(W_l.shape[0]) for nu in range(W_l.shape[1])])
    assert np.array_equal(nn.theta(network), theta)
    by_weight = nn.theta(dp.grad(lambda n: n.loss(x, y))(network))
    by_theta = dp.grad(lambda theta: nn.from_theta(network, theta).loss(x, y))(theta)
    assert by_weight.shape == by_theta.shape == theta.shape
    assert by_weight == pytest.approx(by_theta, rel=1e-13, abs=1e-17)

    def J(theta: Any) -> Any:
        cuts = np.cumsum([W_l.size for W_l in W[1:]])
        parts = [v.reshape(W_l.shape) for v, W_l in zip(np.split(theta, cuts[:-1]), W[1:], strict=True)]
        return J_tilde([None, *parts], x, y, "sigmoid", "softmax")

    assert by_theta == pytest.approx(complex_gradient(J, theta), rel=1e-11, abs=1e-15)


# -- (9)–(12), (31): gradient descent ---------------------------------------------------------------------------------
def test_eq_9_to_12_update_with_a_rate_of_its_own_for_each_step(rng: np.random.Generator) -> None:
    """θ⁽ᵗ⁺¹⁾ = θ⁽ᵗ⁾ − η⁽ᵗ⁾ (∇J)ᵀ, three steps by hand on J = ½ Σ c_i θ_i² + ¼ Σ θ_i⁴."""
    c, theta = rng.uniform(0.5, 2, 5), rng.uniform(-1, 1, 5)
    J = lambda theta: 0.5 * (c * theta**2).sum() + 0.25 * (theta**4).sum()
    by_hand = theta.copy()
    params: dict[str, Any] = {"theta": theta}
    sgd = optim.SGD()
    for eta in (0.3, 0.15, 0.075):
        step = [-eta * (c[i] * by_hand[i] + by_hand[i] ** 3) for i in range(5)]
        by_hand = by_hand + np.array(step)
        g = dp.grad(J)(params["theta"])
        params, _ = sgd.update(params, {"theta": g}, {}, eta)
        assert params["theta"] == pytest.approx(by_hand, rel=1e-13, abs=1e-16)
    assert J(by_hand) < J(theta)


def test_eq_10_the_gradient_is_the_steepest_direction(rng: np.random.Generator) -> None:
    W, x, y = problem(rng, 3, "softmax")
    network = network_of(W, "tanh", "softmax")
    theta, slope = nn.theta(network), nn.theta(dp.grad(lambda n: n.loss(x, y))(network))
    J = lambda theta: float(nn.from_theta(network, theta).loss(x, y))
    size = 1e-5
    directions = [d / np.linalg.norm(d) for d in rng.normal(size=(300, theta.size))]
    falls = [J(theta) - J(theta + size * d) for d in directions]
    steepest = J(theta) - J(theta - size * slope / np.linalg.norm(slope))
    assert max(falls) < steepest
    assert steepest == pytest.approx(size * np.linalg.norm(slope), rel=1e-3)


def test_eq_11_where_the_gradient_is_zero_nothing_moves() -> None:
    J = lambda theta: ((theta - 3.0) ** 2).sum()
    theta = np.full(4, 3.0)
    new, _ = optim.SGD().update({"theta": theta}, {"theta": dp.grad(J)(theta)}, {}, 0.7)
    assert np.array_equal(new["theta"], theta)


# -- (15)–(30): the last layer ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("K", ALL_K)
def test_eq_16_to_19_probability_and_loss(K: int, rng: np.random.Generator) -> None:
    """p(y|a) = exp(yᵀa)/Σ exp a_k; L = −log p = −yᵀa + log Σ exp a_k; J̃ the mean (28)."""
    W, x, y = problem(rng, K, "softmax")
    network = network_of(W, "sigmoid", "softmax")
    a = [forward(W, x_i, sigma)[0][K] for x_i in x]
    p = [math.exp(float(y_i @ a_i)) / sum(math.exp(float(v)) for v in a_i) for y_i, a_i in zip(y, a, strict=True)]
    assert (network.predict(x) * y).sum(axis=1) == pytest.approx(p, rel=1e-12)
    L = [loss_L("softmax", a_i, y_i) for a_i, y_i in zip(a, y, strict=True)]
    assert pytest.approx([-math.log(p_i) for p_i in p], rel=1e-11) == L
    assert dp.softmax_cross_entropy(np.array(a), y, reduction="none") == pytest.approx(L, rel=1e-11)
    assert float(network.loss(x, y)) == pytest.approx(sum(L) / SAMPLES, rel=1e-12)


@pytest.mark.parametrize("r", [2, 3, 10])
def test_eq_21_22_23_slope_of_the_loss_in_its_argument(r: int, rng: np.random.Generator) -> None:
    a, y = 3 * rng.normal(size=r), np.eye(r)[rng.integers(r)]
    assert dp.softmax(a) == pytest.approx([math.exp(v) / sum(map(math.exp, a)) for v in a], rel=1e-13)
    expected = [float(softmax(a)[lam] - y[lam]) for lam in range(r)]
    found = dp.grad(lambda a: dp.softmax_cross_entropy(a, y))(a)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == pytest.approx(complex_gradient(lambda a: loss_L("softmax", a, y), a), rel=1e-12)
    composed = lambda a: -(y * np.log(np.exp(a) / np.exp(a).sum())).sum()  # (19) written out on Tensors
    assert dp.grad(composed)(a) == pytest.approx(expected, rel=1e-12)


def test_eq_24_slope_of_the_activity_in_a_weight(rng: np.random.Generator) -> None:
    """∂a_λ/∂W_μν = δ_μλ z_ν."""
    W, z = rng.normal(size=(3, 5)), rng.normal(size=5)
    expected = np.zeros((3, 3, 5))
    for lam in range(3):
        for mu in range(3):
            for nu in range(5):
                expected[lam, mu, nu] = z[nu] if mu == lam else 0.0
    assert np.array_equal(dp.jacobian(lambda W: W @ z)(W), expected)


@pytest.mark.parametrize("K", ALL_K)
def test_eq_20_25_26_27_gradient_of_the_last_weights(K: int, rng: np.random.Generator) -> None:
    """Σ_λ (S_λ − y_λ) δ_μλ z_ν = (S_μ − y_μ) z_ν, element by element and as a product."""
    W, x, y = problem(rng, K, "softmax", samples=1)
    a, z = forward(W, x[0], sigma)
    S, m, n = softmax(a[K]), *W[K].shape
    expected = np.zeros((m, n))
    for mu in range(m):
        for nu in range(n):
            expected[mu, nu] = sum((S[lam] - y[0][lam]) * (1 if mu == lam else 0) * z[K - 1][nu] for lam in range(m))
    assert np.outer(S - y[0], z[K - 1]) == pytest.approx(expected, rel=1e-15)
    found = as_W(K, dp.grad(lambda n: n.loss(x, y))(network_of(W, "sigmoid", "softmax")))[K]
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-16)


@pytest.mark.parametrize("K", ALL_K)
def test_eq_28_29_30_31_mean_over_the_batch_and_the_update(K: int, rng: np.random.Generator) -> None:
    W, x, y = problem(rng, K, "softmax")
    network = network_of(W, "tanh", "softmax")
    total = np.zeros(W[K].shape)
    for x_i, y_i in zip(x, y, strict=True):
        a, z = forward(W, x_i, np.tanh)
        for mu in range(W[K].shape[0]):
            for nu in range(W[K].shape[1]):
                total[mu, nu] += (softmax(a[K])[mu] - y_i[mu]) * z[K - 1][nu]
    found = dp.grad(lambda n: n.loss(x, y))(network)
    assert as_W(K, found)[K] == pytest.approx(total / SAMPLES, rel=1e-11, abs=1e-16)
    params = {name: p.value for name, p in network.parameters().items()}
    new, _ = optim.SGD().update(params, found, {}, 0.25)
    assert as_W(K, new)[K] == pytest.approx(W[K] - 0.25 * total / SAMPLES, rel=1e-12, abs=1e-15)


# -- (32)–(49): the chain of Jacobians --------------------------------------------------------------------------------
def test_eq_36_37_38_39_the_factors(rng: np.random.Generator) -> None:
    """∂a/∂z = W; ∂z/∂a is n × (n − 1), diagonal, its last row 0; ∂a_ξ/∂W_μν = δ_μξ z_ν."""
    W, a, z = rng.normal(size=(3, 5)), rng.normal(size=4), rng.normal(size=5)
    assert dp.jacobian(lambda z: W @ z)(z) == pytest.approx(W, rel=1e-15)
    for name, (_, psi_prime) in PSI.items():
        f = lambda a, name=name: dp.concat([getattr(dp, name)(a), np.ones(1)])
        J = dp.jacobian(f)(a)
        assert J.shape == (5, 4)
        assert np.array_equal(J[-1], np.zeros(4))
        assert f_prime(psi_prime, a) == pytest.approx(J, rel=1e-13)


def chain(factors: list[Any], z: Any, mu: int, nu: int) -> float:
    """(33), (45) from left to right: ∂L/∂a⁽ᴷ⁾ · Π ∂a/∂z · ∂z/∂a · ∂a⁽ˡ⁾/∂W_μν."""
    row = factors[0]
    for matrix in factors[1:]:
        row = row @ matrix
    column = [z[nu] if mu == xi else 0.0 for xi in range(len(row))]  # (39)
    return float(row @ np.array(column))


@every_network
def test_eq_33_to_48_chain_of_jacobians_is_what_backward_gives(
    K: int, output: str, psi: str, rng: np.random.Generator
) -> None:
    W, x, y = problem(rng, K, output, samples=1)
    a, z = forward(W, x[0], PSI[psi][0])
    last = delta_K(output, a[K], y[0])
    found = as_W(K, dp.grad(lambda n: n.loss(x, y))(network_of(W, psi, output)))
    for l in range(1, K + 1):
        m, n = W[l].shape
        factors = [last]
        for k in range(K, l, -1):
            factors += [W[k], f_prime(PSI[psi][1], a[k - 1])]  # (36), (37)
        expected = [[chain(factors, z[l - 1], mu, nu) for nu in range(n)] for mu in range(m)]
        assert found[l] == pytest.approx(np.array(expected), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("output", OUTPUTS)
def test_eq_40_to_44_second_last_layer_in_sums(output: str, rng: np.random.Generator) -> None:
    """(40) as a triple sum, (41) after δ has picked its terms, (43) as a product; (44) their mean over the batch."""
    K = 3
    W, x, y = problem(rng, K, output)
    m, n = W[K - 1].shape
    total = np.zeros((m, n))
    for x_i, y_i in zip(x, y, strict=True):
        a, z = forward(W, x_i, sigma)
        e, fp = delta_K(output, a[K], y_i), f_prime(sigma_prime, a[K - 1])
        for mu in range(m):
            psi_prime = sigma_prime(a[K - 1][mu])
            for nu in range(n):
                triple = sum(
                    e[lam] * W[K][lam, zeta] * fp[zeta, xi] * (1 if mu == xi else 0) * z[K - 2][nu]
                    for lam in range(len(e))
                    for zeta in range(fp.shape[0])
                    for xi in range(fp.shape[1])
                )
                single = sum(e[lam] * W[K][lam, mu] for lam in range(len(e))) * psi_prime * z[K - 2][nu]
                product = (e @ W[K] @ fp)[mu] * z[K - 2][nu]
                assert single == pytest.approx(triple, rel=1e-9, abs=1e-14)
                assert product == pytest.approx(triple, rel=1e-9, abs=1e-14)
                total[mu, nu] += triple
    found = as_W(K, dp.grad(lambda n: n.loss(x, y))(network_of(W, "sigmoid", output)))
    assert found[K - 1] == pytest.approx(total / SAMPLES, rel=1e-9, abs=1e-14)


def test_eq_45_46_products_nearer_the_output_are_used_again(rng: np.random.Generator) -> None:
    """The rule of every node runs once, not once for each layer below it: 6 layers, 6 calls, not 1 + 2 + … + 6."""
    calls: list[int] = []

    def layer(l: int) -> Any:
        def slope(g: Any, out: Any, a: Any) -> Any:
            calls.append(l)
            return g * (1 - out**2)

        return dp.black_box(np.tanh, slope, name=f"f{l}")

    weights = [dp.tensor(rng.normal(size=(4, 4))) for _ in range(6)]
    z: Any = rng.normal(size=(3, 4))
    for l, W in enumerate(weights, 1):
        z = layer(l)(z @ W)
    found = dp.backward(z.sum())
    assert calls == [6, 5, 4, 3, 2, 1]
    assert all(W in found for W in weights)


# -- (50)–(54): the delta rule ----------------------------------------------------------------------------------------
@every_network
def test_eq_50_to_54_delta_rule_is_what_backward_gives(K: int, output: str, psi: str, rng: np.random.Generator) -> None:
    """δ⁽ˡ⁾ is the gradient at a⁽ˡ⁾; (δ⁽ˡ⁾)ᵀ(z⁽ˡ⁻¹⁾)ᵀ the gradient of W⁽ˡ⁾; both against denpa and the complex step."""
    W, x, y = problem(rng, K, output)
    found = dp.backward(network_of(W, psi, output).loss(x, y))
    total = [None, *(np.zeros(W_l.shape) for W_l in W[1:])]
    for i in range(SAMPLES):
        a, z = forward(W, x[i], PSI[psi][0])
        delta = deltas(W, a, delta_K(output, a[K], y[i]), PSI[psi][1])
        for l, part in enumerate(gradients(delta, z)[1:], 1):
            total[l] = total[l] + part
            given = found[f"preactivation{l}"][i]
            assert given == pytest.approx(delta[l] / SAMPLES, rel=1e-9, abs=1e-14)
    by_denpa = as_W(K, found)
    for l in range(1, K + 1):
        J = lambda W_l, l=l: J_tilde([*W[:l], W_l, *W[l + 1 :]], x, y, psi, output)
        assert by_denpa[l] == pytest.approx(total[l] / SAMPLES, rel=1e-9, abs=1e-14)
        assert by_denpa[l] == pytest.approx(complex_gradient(J, W[l]), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("K", ALL_K)
def test_other_losses_change_the_last_delta_alone(K: int, rng: np.random.Generator) -> None:
    """Squared error on softmax outputs: δ⁽ᴷ⁾ = (S − y)·∂S/∂a, then (52) as before."""
    W, x, y = problem(rng, K, "softmax", samples=1)
    a, z = forward(W, x[0], np.tanh)
    S = softmax(a[K])
    last = (S - y[0]) @ (np.diag(S) - np.outer(S, S))
    expected = gradients(deltas(W, a, last, PSI["tanh"][1]), z)
    network = network_of(W, "tanh", "softmax", loss="squared_error")
    found = as_W(K, dp.grad(lambda n: n.loss(x, y))(network))
    for l in range(1, K + 1):
        assert found[l] == pytest.approx(expected[l], rel=1e-9, abs=1e-14)


def test_deltas_are_kept_and_jacobians_are_not() -> None:
    """Values a backward pass needs: one a unit and sample, not one a pair of units and sample."""
    n, K, batch = 200, 6, 64
    network = nn.Network([n] * (K + 1), hidden="tanh", output="identity", dtype="float64")
    rng = np.random.default_rng(0)
    loss = network.loss(rng.normal(size=(batch, n)), rng.normal(size=(batch, n)))
    found = dp.backward(loss)
    kept = {node: g for node, g in found.by_node.items() if node.role is not None and node.role.kind == "preactivation"}
    assert len(kept) == K
    assert sum(g.size for g in kept.values()) == K * batch * n  # the deltas
    assert all(g.shape == node.value.shape for node, g in found.by_node.items())
    jacobians = batch * n * n  # one W⁽ˡ⁾(f⁽ˡ⁻¹⁾)′ for each sample
    assert max(g.size for g in found.by_node.values()) == n * n < jacobians / 50
    tracemalloc.start()
    try:
        dp.backward(loss)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * jacobians / 2, f"{peak / 8:,.0f} floats at the peak; the Jacobians of one layer are {jacobians:,}"


# -- Algorithm 1 ------------------------------------------------------------------------------------------------------
def blobs(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Three classes on a ring, two of them in two places, so that no straight line parts them."""
    angle = rng.integers(0, 6, n)
    x = np.column_stack([np.cos(angle * np.pi / 3), np.sin(angle * np.pi / 3)]) * 2 + 0.25 * rng.normal(size=(n, 2))
    return x, np.eye(3)[angle % 3]


def algorithm_1(W: list[Any], batch: Iterator[tuple[Any, Any]], target: float, eta: float) -> tuple[list[Any], int]:
    """Sample by sample as printed, with (f⁽ˡ⁻¹⁾)′ of the sample in the delta update and all W⁽ˡ⁾ changed at the end."""
    K, steps = len(W) - 1, 0
    while True:
        x, y = next(batch)
        if J_tilde(W, x, y, "tanh", "softmax") < target:
            return W, steps
        mean = [None, *(np.zeros(W_l.shape) for W_l in W[1:])]
        for x_i, y_i in zip(x, y, strict=True):
            a, z = forward(W, x_i, np.tanh)
            delta = delta_K("softmax", a[K], y_i)
            for l in range(K, 0, -1):
                mean[l] = mean[l] + np.outer(delta, z[l - 1]) / len(x)
                if l > 1:
                    delta = delta @ W[l] @ f_prime(PSI["tanh"][1], a[l - 1])
        W = [None, *(W[l] - eta * mean[l] for l in range(1, K + 1))]
        steps += 1


def epochs(x: Any, y: Any, size: int) -> Iterator[tuple[Any, Any]]:
    epoch = 0
    while True:
        for rows in batches(order(len(x), 3, epoch), size):
            yield x[rows], y[rows]
        epoch += 1


def test_algorithm_1_to_a_target_loss() -> None:
    """The same batches, by the seed's loops and by denpa: the same step count, the same weights; the target is met."""
    rng = np.random.default_rng(11)
    x, y = blobs(rng, 120)
    start, target, eta = random_W(rng, [2, 6, 5, 3]), 0.05, 0.5
    by_hand, steps = algorithm_1(start, epochs(x, y, 20), target, eta)
    network, count = network_of(start, "tanh", "softmax"), 0
    before = float(network.loss(x, y))
    for xb, yb in epochs(x, y, 20):
        loss, found = dp.value_and_grad(lambda n, xb=xb, yb=yb: n.loss(xb, yb))(network)
        if loss < target:
            break
        params = {name: p.value for name, p in network.parameters().items()}
        network = network.with_parameters(optim.SGD().update(params, found, {}, eta)[0])
        count += 1
    assert count == steps > 50
    ours = as_W(3, {name: p.value for name, p in network.parameters().items()})
    for l in range(1, 4):
        assert ours[l] == pytest.approx(by_hand[l], rel=1e-8, abs=1e-10)
    x_new, y_new = blobs(rng, 300)
    assert before > 0.9
    assert float(network.loss(x, y)) < 2 * target
    assert np.mean(network.predict(x_new).argmax(axis=1) == y_new.argmax(axis=1)) > 0.97


# -- batches, epochs, online learning ---------------------------------------------------------------------------------
def test_an_epoch_uses_every_sample_once_in_a_new_order() -> None:
    orders = []
    for epoch in range(3):
        rows = np.concatenate(list(batches(order(103, 7, epoch), 20)))
        assert sorted(rows.tolist()) == list(range(103))
        orders.append(rows.tolist())
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert [len(b) for b in batches(order(103, 7, 0), 20)] == [20] * 5 + [3]


def test_batch_gradients_average_to_the_gradient_of_all_data(rng: np.random.Generator) -> None:
    """(28) over a partition into equal batches is (18) over all samples, and no batch has quite the same slope."""
    W, x, y = problem(rng, 3, "softmax", samples=60)
    network = network_of(W, "sigmoid", "softmax")
    slope = lambda rows: nn.theta(dp.grad(lambda n: n.loss(x[rows], y[rows]))(network))
    parts = [slope(rows) for rows in batches(order(60, 1, 0), 12)]
    whole = slope(np.arange(60))
    assert np.mean(parts, axis=0) == pytest.approx(whole, rel=1e-11, abs=1e-15)
    assert all(np.linalg.norm(part - whole) > 0.05 * np.linalg.norm(whole) for part in parts)


def test_online_learning_never_holds_the_data() -> None:
    """A stream that is made as it is read: at most two batches are alive at once, and the network learns."""
    refs: list[weakref.ref[Any]] = []
    most = 0
    rng = np.random.default_rng(2)

    def stream() -> Iterator[tuple[Any, Any]]:
        nonlocal most
        while True:
            x, y = blobs(rng, 32)
            t = dp.constant(x)
            refs.append(weakref.ref(t.value))
            yield t, y
            del x, y, t
            most = max(most, sum(ref() is not None for ref in refs))

    network = network_of(random_W(rng, [2, 8, 3]), "tanh", "softmax")
    losses = []
    gc.disable()  # reference counts alone must free a batch
    try:
        for step, (x, y) in enumerate(stream()):
            loss, found = dp.value_and_grad(lambda n, x=x, y=y: n.loss(x, y))(network)
            params = {name: p.value for name, p in network.parameters().items()}
            network = network.with_parameters(optim.SGD().update(params, found, {}, 0.5)[0])
            losses.append(loss)
            if step == 400:
                break
    finally:
        gc.enable()
    assert len(refs) == 401
    assert 1 <= most <= 2
    assert np.mean(losses[:10]) > 0.8
    assert np.mean(losses[-50:]) < 0.1


# -- plateau, saddle point, local optimum -----------------------------------------------------------------------------
def descend(J: Any, theta: Any, eta: float, steps: int) -> Any:
    for _ in range(steps):
        theta = theta - eta * dp.grad(J)(theta)
    return theta


def test_local_and_global_optimum() -> None:
    """J = x⁴ − 2x² + 0.3x + y²: two minima and a saddle point at the roots of 4x³ − 4x + 0.3, y = 0."""
    J = lambda v: v[0] ** 4 - 2 * v[0] ** 2 + 0.3 * v[0] + v[1] ** 2
    left, middle, right = sorted(np.roots([4, 0, -4, 0.3]).real)
    values = []
    for root, signs in ((left, [1, 1]), (middle, [-1, 1]), (right, [1, 1])):
        point = np.array([root, 0.0])
        assert dp.grad(J)(point) == pytest.approx(np.zeros(2), abs=1e-12)
        eigenvalues = np.linalg.eigvalsh(dp.hessian(J)(point))
        assert sorted(eigenvalues) == pytest.approx(sorted([12 * root**2 - 4, 2.0]), rel=1e-12)
        assert [int(s) for s in np.sign(eigenvalues)] == signs
        values.append(J(point))
    assert values[0] < values[2] < values[1]  # left: global; right: local only
    assert descend(J, np.array([2.0, 1.0]), 0.02, 800) == pytest.approx([right, 0], abs=1e-8)
    assert descend(J, np.array([-2.0, 1.0]), 0.02, 800) == pytest.approx([left, 0], abs=1e-8)


def test_saddle_point_of_a_network() -> None:
    """J = ½(t − w₂w₁x)²: at 0 the gradient is 0 and the Hessian [[0, −tx], [−tx, 0]], one eigenvalue of each sign."""
    x, t = 2.0, 1.5
    J = lambda w: 0.5 * (t - w[1] * w[0] * x) ** 2
    assert dp.grad(J)(np.zeros(2)).tolist() == [0, 0]
    hessian = dp.hessian(J)(np.zeros(2))
    assert hessian == pytest.approx(np.array([[0, -t * x], [-t * x, 0]]))
    assert np.linalg.eigvalsh(hessian) == pytest.approx([-t * x, t * x])
    assert np.array_equal(descend(J, np.zeros(2), 0.1, 100), np.zeros(2))
    assert J(descend(J, np.array([1e-3, 1e-3]), 0.1, 100)) < 1e-6


def test_plateau_of_a_saturated_unit() -> None:
    """J = ½(1 − σ(w))² is flat far on the left: |J′| = (1 − σ)σ(1 − σ), and a thousand steps go nowhere."""
    J = lambda w: 0.5 * (1 - dp.sigmoid(w)) ** 2
    for w in (-5.0, -10.0, -20.0):
        assert dp.grad(J)(w) == pytest.approx(-float((1 - sigma(w)) * sigma_prime(w)), rel=1e-12)
    assert abs(descend(J, -20.0, 1.0, 1000) + 20.0) < 1e-5
    assert J(descend(J, 0.0, 1.0, 1000)) < 1e-3
    eigenvalue = float(dp.hessian(J)(-20.0))
    assert abs(eigenvalue) < 1e-8  # flat in its curvature too


def test_stochastic_descent_leaves_a_saddle_point_where_full_descent_stays() -> None:
    """W⁽¹⁾ = 0 but its bias, W⁽²⁾ = 0, targets of mean 0: the full gradient is 0, that of a batch is not."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(64, 2))
    x = np.concatenate([x, -x])
    t = np.sign(x[:, :1]) * 0.8  # odd in x: the mean is exactly 0
    W = [None, np.column_stack([np.zeros((4, 2)), [0.5, -0.5, 1.0, -1.0]]), np.zeros((1, 5))]
    start = network_of(W, "tanh", "identity")
    theta = nn.theta(start)

    def J(theta: Any, rows: Any) -> Any:
        return nn.from_theta(start, theta).loss(x[rows], t[rows])

    everything = np.arange(len(x))
    J_all = lambda theta: J(theta, everything)
    assert np.max(np.abs(dp.grad(J_all)(theta))) < 1e-16
    eigenvalues = np.linalg.eigvalsh(dp.hessian(J_all)(theta))
    assert eigenvalues[0] < -0.1  # downhill there is
    assert eigenvalues[-1] > 0.1
    stuck = descend(J_all, theta, 0.2, 60)
    assert float(J_all(stuck)) == pytest.approx(float(J_all(theta)), rel=1e-6)
    moving = theta
    for epoch in range(15):
        for rows in batches(order(len(x), 0, epoch), 8):
            moving = moving - 0.2 * dp.grad(lambda theta, rows=rows: J(theta, rows))(moving)
    assert float(J_all(moving)) < 0.4 * float(J_all(theta))


# -- (55), (56): vanishing gradients ----------------------------------------------------------------------------------
def test_eq_55_56_relu_and_its_slope() -> None:
    """1 on the right, 0 on the left; at 0, where (56) leaves it undefined, denpa takes 0 and a check says so."""
    a = np.array([-3.0, -1e-300, 1e-300, 4.0])
    assert np.array_equal(dp.relu(a), ramp(a))
    assert np.array_equal(dp.grad(lambda a: dp.relu(a).sum())(a), ramp_prime(a))
    assert dp.grad(dp.relu)(0.0) == 0
    assert "kink" in str(dp.check(lambda a: dp.relu(a).sum(), np.array([0.0, 1.0]), raises=False))


def test_saturating_nonlinearity() -> None:
    """σ′ = σ(1 − σ) is at most ¼ and falls to 0 on both sides; ReLU's slope on the right stays 1."""
    a = np.linspace(-50, 50, 2001)
    slope = dp.grad(lambda a: dp.sigmoid(a).sum())(a)
    assert slope == pytest.approx(sigma_prime(a), rel=1e-9, abs=1e-21)
    assert slope.max() == pytest.approx(0.25, rel=1e-12)
    assert a[slope.argmax()] == pytest.approx(0, abs=1e-9)
    assert slope[0] < 1e-21
    assert slope[-1] < 1e-15
    assert dp.grad(dp.relu)(1e300) == 1


def first_to_last(psi: str, K: int, seed: int) -> tuple[float, float]:
    """|δ⁽¹⁾| / |δ⁽ᴷ⁾| and the bound Π ‖W⁽ˡ⁾‖·max ψ′ on it, 16 units a layer, weights of He's size."""
    rng = np.random.default_rng(seed)
    W = [None, *(np.column_stack([rng.normal(size=(16, 16)) * math.sqrt(2 / 16), np.zeros(16)]) for _ in range(K))]
    x, y = rng.normal(size=(8, 16)), rng.normal(size=(8, 16))
    found = dp.backward(network_of(W, psi, "identity").loss(x, y))
    norms = [float(np.linalg.norm(found[f"preactivation{l}"])) for l in (1, K)]
    steepest = 0.25 if psi == "sigmoid" else 1.0
    return norms[0] / norms[1], math.prod(float(np.linalg.norm(W_l[:, :-1], 2)) * steepest for W_l in W[2:])


def test_vanishing_gradient_sigmoid_against_relu() -> None:
    """The first delta over the last, by depth: a fixed factor lost each layer with σ, none to speak of with ReLU."""
    depths = [2, 4, 8, 12, 16]
    mean = {}
    for psi in ("sigmoid", "relu"):
        logs = np.zeros((len(depths), 5))
        for i, K in enumerate(depths):
            for seed in range(5):
                ratio, bound = first_to_last(psi, K, seed)
                assert ratio <= bound
                logs[i, seed] = math.log10(ratio)
        mean[psi] = logs.mean(axis=1)
    a_layer = {psi: np.polyfit(depths, log, 1)[0] for psi, log in mean.items()}
    assert a_layer["sigmoid"] < -0.35  # to less than 45 % with every layer
    assert np.all(np.diff(mean["sigmoid"]) < 0)
    assert mean["sigmoid"][-1] < -5
    assert abs(a_layer["relu"]) < 0.08
    assert abs(mean["relu"][-1]) < 1
