"""Every entry of docs/errata.md: the printed form, the right form, and a number from a third source that decides.

A check returns `Forms`.  The number comes from differences, a complex step or the definition, never from a chain rule:
the printed form must miss it by a clear margin (or not be computable at all), the right form and denpa must meet it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.seeds.reference import (
    PSI,
    central_gradient,
    complex_gradient,
    delta_K,
    deltas,
    f_prime,
    forward,
    gradients,
    loss_L,
    m_to_n,
    random_W,
    sigma,
    sigma_prime,
    softmax,
    with_one,
)

import denpa as dp
from denpa import nn

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errata.md"


@dataclass(frozen=True)
class Forms:
    """What each form gives.  printed None: it cannot be computed, `why` is NumPy's error.  judge: the number."""

    printed: Any
    right: Any
    judge: Any
    denpa: Any
    why: str = ""


CHECKS: dict[str, Callable[[], Forms]] = {}


def erratum(name: str) -> Callable[[Callable[[], Forms]], Callable[[], Forms]]:
    def register(check: Callable[[], Forms]) -> Callable[[], Forms]:
        assert name not in CHECKS
        CHECKS[name] = check
        return check

    return register


def failure(f: Callable[[], Any]) -> str:
    """What NumPy says when the printed form is computed."""
    try:
        f()
    except ValueError as error:
        return str(error)
    return ""


def meets(value: Any, judge: Any) -> bool:
    value, judge = np.asarray(value, float), np.asarray(judge, float)
    return value.shape == judge.shape and bool(np.all(np.abs(value - judge) <= 1e-8 * (1 + np.abs(judge))))


def misses(value: Any, judge: Any) -> bool:
    """By more than a thousandth of the judge's largest entry: no rounding, no truncation."""
    value, judge = np.asarray(value, float), np.asarray(judge, float)
    return value.shape != judge.shape or bool(np.max(np.abs(value - judge)) > 1e-3 * np.max(np.abs(judge)))


# -- seed 001 ---------------------------------------------------------------------------------------------------------
class Net:
    """A network of seed 001 with a batch; widths 5 throughout, so that the printed forms' shapes fit where they can."""

    def __init__(self, units: tuple[int, ...] = (5, 5, 5, 5), samples: int = 6, psi: str = "sigmoid") -> None:
        rng = np.random.default_rng(1)
        self.units, self.psi, self.K = units, psi, len(units) - 1
        self.W = random_W(rng, list(units), scale=1.5)
        self.x = rng.normal(size=(samples, units[0]))
        self.y = np.eye(units[-1])[rng.integers(0, units[-1], samples)]
        self.passes = [forward(self.W, x_i, PSI[psi][0]) for x_i in self.x]

    def J(self, W: list[Any]) -> Any:
        return np.mean(
            [
                loss_L("softmax", forward(W, x_i, PSI[self.psi][0])[0][-1], y_i)
                for x_i, y_i in zip(self.x, self.y, strict=True)
            ]
        )

    def judge(self, l: int) -> Any:
        """∂J̃/∂W⁽ˡ⁾ by the complex step."""
        return complex_gradient(lambda W_l: self.J([*self.W[:l], W_l, *self.W[l + 1 :]]), self.W[l])

    def network(self) -> nn.Network:
        parts = {}
        for l in range(1, self.K + 1):
            parts[f"{2 * (l - 1)}.weight"], parts[f"{2 * (l - 1)}.bias"] = self.W[l][:, :-1], self.W[l][:, -1]
        network = nn.Network(self.units, hidden=self.psi, output="softmax", dtype="float64")
        return network.with_parameters(parts)

    def denpa(self, l: int) -> Any:
        found = dp.grad(lambda n: n.loss(self.x, self.y))(self.network())
        return np.column_stack([found[f"{2 * (l - 1)}.weight"], found[f"{2 * (l - 1)}.bias"]])

    def by_rule(self, l: int, jacobian: Callable[[int, int], Any]) -> Any:
        """∂J̃/∂W⁽ˡ⁾ by the delta rule, where jacobian(k, i) is what stands at (f⁽ᵏ⁻¹⁾)′ for sample i."""
        total = np.zeros(self.W[l].shape)
        for i, (a, z) in enumerate(self.passes):
            delta = delta_K("softmax", a[self.K], self.y[i])
            for k in range(self.K, l, -1):
                delta = delta @ self.W[k] @ jacobian(k, i)
            total += np.outer(delta, z[l - 1]) / len(self.x)
        return total

    def f_prime(self, k: int, i: int) -> Any:
        """(f⁽ᵏ⁾)′ of sample i."""
        return f_prime(PSI[self.psi][1], self.passes[i][0][k])


@erratum("001-fig1-layers")
def _() -> Forms:
    net = Net(units=(4, 3, 5, 2))
    z0, a1 = net.passes[0][1][0], net.passes[0][0][1]
    # W⁽¹⁾ of the caption leads from layer 1 (3 units) to layer 2 (5 units)
    why = failure(lambda: np.zeros((5, 3 + 1)) @ z0)
    a = dp.Graph(net.network().loss(net.x, net.y))["preactivation1"].value[0]
    loops = [math.fsum(net.W[1][mu, nu] * z0[nu] for nu in range(5)) for mu in range(3)]
    return Forms(None, a1, loops, a, why)


@erratum("001-fig1-columns")
def _() -> Forms:
    net = Net(units=(3, 3, 3, 2))
    rule = net.by_rule(3, lambda k, i: net.f_prime(k - 1, i))
    return Forms(rule[:, :3], rule, net.judge(3), net.denpa(3))


@erratum("001-2-7-15-one")
def _() -> Forms:
    net = Net()
    why = failure(lambda: net.W[1] @ net.x[0])
    right = net.W[1] @ with_one(net.x[0])
    judge = [sum(net.W[1][mu, nu] * net.x[0][nu] for nu in range(5)) + net.W[1][mu, 5] for mu in range(5)]
    return Forms(None, right, judge, dp.Graph(net.network().loss(net.x, net.y))["preactivation1"].value[0], why)


@erratum("001-4-increases")
def _() -> Forms:
    """The batches' losses average to that of all samples, so they cannot all be above it."""
    net = Net(samples=12)
    L = np.array([loss_L("softmax", a[-1], y_i) for (a, _), y_i in zip(net.passes, net.y, strict=True)])
    batch_losses = L.reshape(4, 3).mean(axis=1)
    whole = float(net.J(net.W))
    assert batch_losses.min() < whole < batch_losses.max()
    by_denpa = [float(net.network().loss(net.x[k : k + 3], net.y[k : k + 3])) for k in range(0, 12, 3)]
    return Forms(np.maximum(batch_losses, whole).mean(), batch_losses.mean(), whole, np.mean(by_denpa))


@erratum("001-5.3-theta")
def _() -> Forms:
    """∇_θ L has an entry for every weight, ∂L/∂W⁽ᴷ⁻¹⁾ only those of one layer."""
    net = Net(samples=1)
    a, z = net.passes[0]
    blocks = gradients(deltas(net.W, a, delta_K("softmax", a[-1], net.y[0]), sigma_prime), z)
    judge = np.concatenate([net.judge(l).ravel() for l in range(1, net.K + 1)])
    right = np.concatenate([block.ravel() for block in blocks[1:]])
    found = nn.theta(dp.grad(lambda n: n.loss(net.x, net.y))(net.network()))
    return Forms(blocks[net.K - 1].ravel(), right, judge, found)


@erratum("001-37-denominator")
def _() -> Forms:
    """Read as it stands, f_ζ over a_ξ, the quotient is no slope."""
    a = np.array([0.7, -1.2, 2.0])
    printed = with_one(sigma(a))[:, None] / a[None, :] * np.eye(4, 3)
    judge = np.array([complex_gradient(lambda a, zeta=zeta: with_one(sigma(a))[zeta], a) for zeta in range(4)])
    found = dp.jacobian(lambda a: dp.concat([dp.sigmoid(a), np.ones(1)]))(a)
    return Forms(printed, f_prime(sigma_prime, a), judge, found)


@erratum("001-44-sample")
def _() -> Forms:
    """One (f⁽ᴷ⁻¹⁾)′ for the whole batch, that of its first sample, against one for each sample."""
    net = Net()
    printed = net.by_rule(2, lambda k, i: net.f_prime(k - 1, 0))
    return Forms(printed, net.by_rule(2, lambda k, i: net.f_prime(k - 1, i)), net.judge(2), net.denpa(2))


@erratum("001-algorithm1-layer")
def _() -> Forms:
    """Equal widths: (f⁽ˡ⁾)′ fits and is wrong.  The output layer's f⁽ᴷ⁾ is taken to be the hidden function."""
    net = Net()
    printed = net.by_rule(1, net.f_prime)
    wide = Net(units=(4, 3, 5, 2))
    assert "mismatch" in failure(lambda: wide.by_rule(1, wide.f_prime))  # other widths: it does not even fit
    return Forms(printed, net.by_rule(1, lambda k, i: net.f_prime(k - 1, i)), net.judge(1), net.denpa(1))


@erratum("001-algorithm1-end")
def _() -> Forms:
    """δ⁽⁰⁾ has no f⁽⁰⁾; without it, δ⁽¹⁾W⁽¹⁾ is the gradient at z⁽⁰⁾, and with a σ′ put there it is not."""
    net = Net(samples=1)
    a = net.passes[0][0]
    to_input = deltas(net.W, a, delta_K("softmax", a[-1], net.y[0]), sigma_prime)[1] @ net.W[1]
    judge = complex_gradient(lambda x: loss_L("softmax", forward(net.W, x, sigma)[0][-1], net.y[0]), net.x[0])
    x = dp.tensor(net.x)
    found = dp.backward(net.network().loss(x, net.y))[x][0]
    return Forms(to_input @ f_prime(sigma_prime, net.x[0]), to_input[:-1], judge, found)


@erratum("001-56")
def _() -> Forms:
    a = np.array([-2.0, -0.5, 0.5, 2.0])
    judge = central_gradient(lambda a: float(np.sum(np.where(a >= 0, a, 0))), a)  # of (55)
    printed, right = np.where(a < 0, 1.0, 0.0), np.where(a > 0, 1.0, 0.0)
    return Forms(printed, right, judge, dp.grad(lambda a: dp.relu(a).sum())(a))


# -- seed 002 ---------------------------------------------------------------------------------------------------------
class Twelve:
    """One image through the 12-3-2 network, W_2 (3, 12), W_3 (2, 3), and the slopes along its paths."""

    def __init__(self, seed: int = 2) -> None:
        rng = np.random.default_rng(seed)
        self.x, self.t = (rng.random(12) < 0.6) * 1.0, np.array([1.0, 0.0])
        self.x[0] = 1.0
        self.W2, self.b2, self.W3, self.b3 = (rng.normal(size=s) for s in ((3, 12), 3, (2, 3), 2))
        self.a2 = sigma(self.W2 @ self.x + self.b2)
        self.a3 = sigma(self.W3 @ self.a2 + self.b3)
        self.dC_da3 = -(self.t - self.a3)
        self.da3_dz3 = self.a3 * (1 - self.a3)
        self.da2_dz2 = self.a2 * (1 - self.a2)

    def C(self, w: Any, images: Any = None) -> Any:
        """C_k as a function of w_11², with the minus in it; summed over `images` if given."""
        W2 = self.W2.astype(complex)
        W2[0, 0] = w
        xs = [self.x] if images is None else images
        return sum(0.5 * np.sum((self.t - sigma(self.W3 @ sigma(W2 @ x + self.b2) + self.b3)) ** 2) for x in xs)

    def judge(self, images: Any = None) -> Any:
        return complex_gradient(lambda w: self.C(w, images), self.W2[0, 0])

    def denpa(self, images: Any = None) -> Any:
        x = np.array([self.x] if images is None else images)
        settings: Any = {"hidden": "sigmoid", "output": "sigmoid", "loss": "squared_error", "reduction": "sum"}
        network = nn.Network([12, 3, 2], **settings, dtype="float64").with_parameters(
            {"0.weight": self.W2, "0.bias": self.b2, "2.weight": self.W3, "2.bias": self.b3}
        )
        return dp.grad(lambda n: n.loss(x, np.tile(self.t, (len(x), 1))))(network)["0.weight"][0, 0]

    def path(self, m: int) -> float:
        """∂C/∂a_m³ · ∂a_m³/∂z_m³ · ∂z_m³/∂a_1² · ∂a_1²/∂z_1² · ∂z_1²/∂w_11²."""
        return self.dC_da3[m] * self.da3_dz3[m] * self.W3[m, 0] * self.da2_dz2[0] * self.x[0]


@erratum("002-z3")
def _() -> Forms:
    net = Twelve()
    why = failure(lambda: net.W3 @ net.a3)
    judge = [sum(net.W3[j, i] * net.a2[i] for i in range(3)) + net.b3[j] for j in range(2)]
    layer = nn.Linear(3, 2, seed=0, dtype="float64").with_parameters({"weight": net.W3, "bias": net.b3})
    return Forms(None, net.W3 @ net.a2 + net.b3, judge, layer(net.a2).value, why)


@erratum("002-C-minus")
def _() -> Forms:
    """Half the squared distance of output and answer, and its slope in the output."""
    t, a = np.array([1.0, 0.0]), np.array([0.8, 0.3])
    with_slope = lambda C: np.array([C(a), *central_gradient(C, a)])
    judge = with_slope(lambda a: 0.5 * math.dist(t, a) ** 2)
    C = lambda a: dp.squared_error(a, t, reduction="sum")
    printed = with_slope(lambda a: 0.5 * np.sum((t * a) ** 2))
    return Forms(printed, np.array([0.5 * np.sum((t - a) ** 2), *(a - t)]), judge, np.array([C(a), *dp.grad(C)(a)]))


@erratum("002-C1")
def _() -> Forms:
    net = Twelve()
    others = [net.x, np.roll(net.x, 1), np.roll(net.x, 5), np.ones(12)]
    each = [net.judge([x]) for x in others]
    return Forms(each[0], sum(each), net.judge(others), net.denpa(others))


@erratum("002-path2-z")
def _() -> Forms:
    net = Twelve()
    second = net.dC_da3[1] * net.da3_dz3[1] * net.W3[0, 0] * net.da2_dz2[0] * net.x[0]  # ∂z_1³/∂a_1² is w_11³
    return Forms(net.path(0) + second, net.path(0) + net.path(1), net.judge(), net.denpa())


@erratum("002-path2-twice")
def _() -> Forms:
    net = Twelve()
    slope = net.da2_dz2[0] * net.x[0]  # ∂a_1²/∂w_11², printed twice
    second = net.dC_da3[1] * net.da3_dz3[1] * net.W3[1, 0] * slope * slope
    return Forms(net.path(0) + second, net.path(0) + net.path(1), net.judge(), net.denpa())


@erratum("002-path2-sum")
def _() -> Forms:
    net = Twelve()
    second = net.dC_da3[1] * net.da3_dz3[1] * 1.0 * net.da2_dz2[0] * net.x[0]  # ∂a_1²/∂a_1² is 1
    return Forms(net.path(0) + second, net.path(0) + net.path(1), net.judge(), net.denpa())


# -- seed 003 ---------------------------------------------------------------------------------------------------------
@erratum("003-cross-entropy")
def _() -> Forms:
    """activate′ · cost′ with the printed cost′ counts σ′ once too often."""
    z, y = np.array([0.3, -1.1, 2.0]), np.array([1.0, 0.0, 0.3])
    a = sigma(z)
    cost = lambda z: -np.sum(y * np.log(sigma(z)) + (1 - y) * np.log(1 - sigma(z)))
    printed, right = sigma_prime(z) * (a - y), sigma_prime(z) * (a - y) / (a * (1 - a))
    found = dp.grad(lambda z: dp.sigmoid_cross_entropy(z, y, reduction="sum"))(z)
    return Forms(printed, right, complex_gradient(cost, z), found)


@erratum("003-independence")
def _() -> Forms:
    """Under softmax the slope at one input moves with the others: ∂²C/∂z_i∂z_j = S_i δ_ij − S_i S_j."""
    z, y = np.array([0.5, -0.2, 1.3]), np.array([0.0, 1.0, 0.0])
    S = softmax(z)
    slope = lambda z: softmax(z) - y
    judge = np.array([complex_gradient(lambda z, i=i: slope(z)[i], z) for i in range(3)])
    found = dp.hessian(lambda z: dp.softmax_cross_entropy(z, y))(z)
    return Forms(np.diag(S * (1 - S)), np.diag(S) - np.outer(S, S), judge, found)


@erratum("003-forward-terms")
def _() -> Forms:
    """Two terms in each forward output: the cost would not depend on bias 2, whose gradient is then written down."""
    rng = np.random.default_rng(3)
    weights, biases, inputs = rng.normal(size=6).tolist(), rng.normal(size=3).tolist(), [0.4, -1.0]
    fw, fb, y = rng.normal(size=(3, 3)), rng.normal(size=3), rng.random(3)

    def gradient(terms: int) -> list[float]:
        """By central differences of the cost, forward outputs with so many terms."""

        def cost(b: Any) -> float:
            hidden = sigma(np.array(m_to_n(weights, list(b), inputs)))
            return float(0.5 * np.sum((sigma(fw[:, :terms] @ hidden[:terms] + fb) - y) ** 2))

        return central_gradient(cost, biases, h=1e-5)

    hidden = sigma(np.array(m_to_n(weights, biases, inputs)))
    out = sigma(fw @ hidden + fb)
    forward_bias = (out - y) * out * (1 - out)
    written = [sum(forward_bias[k] * fw[k, j] for k in range(3)) * hidden[j] * (1 - hidden[j]) for j in range(3)]
    W = np.reshape(weights, (3, 2), order="F")

    def loss(b: Any) -> Any:
        return 0.5 * ((dp.sigmoid(fw @ dp.sigmoid(W @ np.array(inputs) + b) + fb) - y) ** 2).sum()

    return Forms(gradient(2), written, gradient(3), dp.grad(loss)(np.array(biases)))


# -- seed 004 ---------------------------------------------------------------------------------------------------------
@erratum("004-sigmoid")
def _() -> Forms:
    """What is left of the fraction reads 11 + x − x; the sentence after it says that the values lie between 0 and 1."""
    x = np.array([-30.0, -1.0, 0.0, 1.0, 30.0])
    judge = [0.5 * (1 + math.tanh(v / 2)) for v in x]
    return Forms(11 + x - x, sigma(x), judge, dp.sigmoid(x))


# -- the judgement ----------------------------------------------------------------------------------------------------
def listed() -> list[str]:
    """The names of the page's entries, in its order."""
    return re.findall(r"^### `([\w.-]+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_page_lists_what_is_checked() -> None:
    assert listed() == list(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_the_right_form_meets_the_number_and_the_printed_one_does_not(name: str) -> None:
    forms = CHECKS[name]()
    assert meets(forms.right, forms.judge), "the right form is not right"
    assert meets(forms.denpa, forms.judge), "denpa does not compute the right form"
    if forms.printed is None:
        assert forms.why, "the printed form can be computed after all"
    else:
        assert misses(forms.printed, forms.judge), "the printed form gives the same number"


def test_every_entry_quotes_both_forms() -> None:
    """Each entry has one line for the printed form and one for the right one, and they differ."""
    text = PAGE.read_text(encoding="utf-8")
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(CHECKS)
    for entry in entries:
        printed = re.findall(r"^- printed: (.+)$", entry, flags=re.MULTILINE)
        right = re.findall(r"^- right: (.+)$", entry, flags=re.MULTILINE)
        shown = re.findall(r"^- shown by: (.+)$", entry, flags=re.MULTILINE)
        assert len(printed) == len(right) == len(shown) == 1, entry.splitlines()[0]
        assert printed != right


@pytest.mark.parametrize(
    ("value", "fine"), [(1.0, True), (1 + 1e-10, True), (1.01, False), (-1.0, False), (0.0, False)]
)
def test_the_judgement_can_fail(value: float, fine: bool) -> None:
    judge = np.array([1.0, 0.25])
    assert meets(np.array([value, 0.25]), judge) is fine
    assert misses(np.array([value, 0.25]), judge) is not fine
    assert misses(judge[:1], judge)
    assert not meets(judge[:1], judge)
