"""Sums over paths against backpropagation, against enumeration by other means, and against the closing of the rest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.errors import GradientError, UsageError
from denpa.explain import elements, paths
from denpa.explain.paths import PathSum
from denpa.graph import Node, Tensor, ancestors
from denpa.nn import Network
from denpa.primitive import REGISTRY, Primitive

DIFFERENTIABLE = {name: op for name, op in REGISTRY.items() if op.differentiable and op.has_rule and op.samples}


def stations(root: Node) -> set[Node]:
    return {n for n in ancestors([root]) if n.role and n.role.kind in ("preactivation", "activation")}


def closes(p: PathSum, k: int = 10) -> None:
    """The listed paths and the rest are all paths, in number, in sum and in size."""
    ranking = p.top(k)
    listed = [path.product for path in ranking.paths]
    assert len(listed) == min(k, p.count)
    assert len(listed) + ranking.rest.count == p.count
    assert abs(ranking.total - p.total) <= p.rounding
    assert abs(math.fsum([*map(abs, listed), ranking.rest.absolute]) - p.absolute) <= p.rounding
    assert listed == sorted(listed, key=lambda v: -abs(v))
    assert all(abs(v) >= ranking.rest.largest * (1 - 1e-12) for v in listed)
    for path in ranking.paths:
        assert path.product == pytest.approx(math.prod(path.factors), rel=1e-12, abs=1e-300)


# -- local derivatives -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_links_are_the_jacobian_of_every_primitive(name: str, rng: np.random.Generator) -> None:
    """Jᵀ g from the links equals the pull-back of a random cotangent, input by input, and no more links than said."""
    op = DIFFERENTIABLE[name]
    assert op.samples is not None
    for args, params in op.samples(rng):
        out = op(*[dp.tensor(a) if np.asarray(a).dtype.kind == "f" else a for a in args], **params)
        node = out.node
        g = rng.standard_normal(node.value.shape)
        expected = dp.backward(out, g)
        for i, source in enumerate(node.inputs):
            if not source.requires or node.inputs.index(source) != i:
                continue
            jtg, links = np.zeros(source.value.size), 0
            for part in elements.links(node, i, np.ones(source.value.size, bool)):
                np.add.at(jtg, part.source, part.value * g.ravel()[part.to])
                links += len(part.value)
            found = expected.get(Tensor(source))
            want = np.zeros(source.value.shape) if found is None else found
            np.testing.assert_allclose(jtg.reshape(source.value.shape), want, rtol=1e-10, atol=1e-12)
            assert links <= elements.count(node, i)


@pytest.mark.parametrize(
    "name", ["matmul", "softmax", "getitem", "sum", "contract", "multiply", "softmax_cross_entropy"]
)
def test_links_of_some_elements_are_some_of_the_links(name: str, rng: np.random.Generator) -> None:
    op: Primitive = REGISTRY[name]
    assert op.samples is not None
    for args, params in op.samples(rng):
        node = op(*[dp.tensor(a) if np.asarray(a).dtype.kind == "f" else a for a in args], **params).node
        size = node.inputs[0].value.size
        if not size:
            continue
        mask = rng.random(size) < 0.5
        every = {
            (int(a), int(b), p.via, float(v))
            for p in elements.links(node, 0, np.ones(size, bool))
            for a, b, v in zip(p.to, p.source, p.value, strict=True)
        }
        some = {
            (int(a), int(b), p.via, float(v))
            for p in elements.links(node, 0, mask)
            for a, b, v in zip(p.to, p.source, p.value, strict=True)
        }
        assert some == {link for link in every if mask[link[1]]}


# -- graphs ------------------------------------------------------------------------------------------------------------
UNARY: list[tuple[Callable[[Any], Any], Callable[[float], float]]] = [
    (dp.tanh, lambda v: 1 - float(np.tanh(v)) ** 2),  # math.tanh: an ulp more or less, 1e-10 of a flat slope
    (dp.sin, math.cos),
    (lambda t: t * 0.5, lambda v: 0.5),
]


def random_program(rng: np.random.Generator, size: int) -> tuple[list[Tensor], list[list[tuple[int, float]]]]:
    """A random program of scalars, and for each value the values it was made of with the local derivatives."""
    values = [dp.tensor(float(v), name=f"x{i}") for i, v in enumerate(rng.normal(size=2))]
    made: list[list[tuple[int, float]]] = [[], []]
    for _ in range(size):
        kind = rng.integers(3)
        i, j = (int(k) for k in rng.integers(max(0, len(values) - 5), len(values), 2))
        a, b = float(values[i].value), float(values[j].value)
        if kind == 0:
            values.append(values[i] + values[j])
            made.append([(i, 1.0), (j, 1.0)])
        elif kind == 1:
            values.append(values[i] * values[j])
            made.append([(i, b), (j, a)])
        else:
            f, slope = UNARY[int(rng.integers(len(UNARY)))]
            values.append(f(values[i]))
            made.append([(i, slope(a))])
    return values, made


def products(made: list[list[tuple[int, float]]], start: int, end: int) -> list[float]:
    """All products of local derivatives on the ways from end back to start, by recursion."""
    if end == start:
        return [1.0]
    return [d * rest for source, d in made[end] for rest in products(made, start, source)]


@pytest.mark.parametrize("case", range(20))
def test_random_programs_against_enumeration(case: int, rng: np.random.Generator) -> None:
    check_program(rng)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(100))
def test_many_random_programs_against_enumeration(case: int, rng: np.random.Generator) -> None:
    check_program(rng)


def check_program(rng: np.random.Generator) -> None:
    values, made = random_program(rng, int(rng.integers(5, 16)))
    expected = products(made, 0, len(values) - 1)
    if not expected:
        with pytest.raises(GradientError, match="does not depend"):
            PathSum(values[-1].node, values[0].node, ())
        return
    p = PathSum(values[-1].node, values[0].node, ())
    assert p.count == len(expected)
    assert p.total == pytest.approx(math.fsum(expected), rel=1e-12, abs=1e-13 * p.absolute)
    assert p.total == pytest.approx(float(dp.backward(values[-1])[values[0]]), rel=1e-12, abs=1e-13 * p.absolute)
    assert p.absolute == pytest.approx(math.fsum(map(abs, expected)), rel=1e-12)
    closes(p)
    largest = sorted(map(abs, expected), reverse=True)[:10]
    assert [abs(path.product) for path in p.top(10).paths] == pytest.approx(largest, rel=1e-12)
    if p.count <= paths.MAX_TOP:
        assert sorted(path.product for path in p.every()) == pytest.approx(sorted(expected), rel=1e-12, abs=1e-300)
        assert sum(len(path.factors) for path in p.every()) == p.factors


def test_a_square_is_two_paths() -> None:
    """(x + y)²: two ways through a square written as a product, one through the power.  Source: seed 000 §5.2."""
    x, y = dp.inputs(x=2.0, y=3.0)
    s = x + y
    assert PathSum((s * s).node, x.node, ()).count == 2
    assert PathSum((s**2).node, x.node, ()).count == 1
    assert [p.product for p in PathSum((s * s).node, x.node, ()).top().paths] == [5.0, 5.0]


def test_counts_beyond_64_bits_are_exact() -> None:
    """70 doublings in a row: 2⁷⁰ paths."""
    x = dp.tensor(1.0)
    y = x
    for _ in range(70):
        y = 0.5 * y + 0.5 * y
    p = PathSum(y.node, x.node, ())
    assert p.count == 2**70
    assert p.factors == 2**70 * 140
    assert p.total == 1.0
    ranking = p.top(3)
    assert ranking.rest.count == 2**70 - 3
    assert ranking.total == 1.0


def test_a_long_chain_needs_no_recursion() -> None:
    x = dp.tensor(0.5)
    y = x
    for _ in range(3000):
        y = dp.tanh(y)
    p = PathSum(y.node, x.node, ())
    assert (p.count, p.factors) == (1, 3000)
    assert p.total == pytest.approx(float(dp.backward(y)[x]), rel=1e-10)
    assert len(p.top(1).paths[0].stops) == 3001


# -- networks ----------------------------------------------------------------------------------------------------------
OUTPUTS = [("softmax", None), ("sigmoid", None), ("identity", "squared_error"), ("identity", "huber")]
HIDDEN = ["tanh", "sigmoid", "relu", "softplus", "elu", "leaky_relu", "gelu"]


def random_network(rng: np.random.Generator) -> tuple[Network, Any, Any]:
    units = [int(n) for n in rng.integers(1, 7, int(rng.integers(2, 6)))]
    output, loss = OUTPUTS[int(rng.integers(len(OUTPUTS)))]
    hidden = [HIDDEN[int(rng.integers(len(HIDDEN)))] for _ in units[2:]]
    network = Network(units, hidden=hidden, output=output, loss=loss, seed=int(rng.integers(1 << 30)), dtype="float64")
    network = network.with_parameters({n: rng.normal(size=p.shape) for n, p in network.parameters().items()})
    batch = int(rng.integers(1, 5))
    t = rng.integers(0, 2, (batch, units[-1])).astype(float)
    return network, rng.normal(size=(batch, units[0])), rng.integers(0, units[-1], batch) if output == "softmax" else t


def check_network(rng: np.random.Generator) -> None:
    network, x, t = random_network(rng)
    loss = network.loss(x, t)
    gradients = dp.backward(loss)
    for tensor in network.parameters().values():
        at = tuple(int(rng.integers(n)) for n in tensor.shape)
        scalar = PathSum(loss.node, tensor.node, at)
        units = PathSum(loss.node, tensor.node, at, stations(loss.node))
        assert units.count <= scalar.count
        for p in (scalar, units):
            assert abs(p.total - gradients[tensor][at]) <= p.rounding
            closes(p)
            for node in stations(loss.node):
                if found := p.through(node):
                    assert sum(b.count for b in found) == p.count
                    assert abs(math.fsum(b.total for b in found) - p.total) <= p.rounding


@pytest.mark.parametrize("case", range(20))
def test_random_networks_close(case: int, rng: np.random.Generator) -> None:
    check_network(rng)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(100))
def test_many_random_networks_close(case: int, rng: np.random.Generator) -> None:
    check_network(rng)


def test_a_networks_paths_are_the_products_of_its_matrices(rng: np.random.Generator) -> None:
    """3-4-5-2 with tanh and squared error: W[1] reaches the loss over 5 · 2 unit paths, written out by hand."""
    network = Network([3, 4, 5, 2], hidden="tanh", output="identity", dtype="float64", reduction="sum")
    x, t = rng.normal(size=(1, 3)), rng.normal(size=(1, 2))
    loss = network.loss(x, t)
    W = [network.parameters()[f"{i}.weight"] for i in (0, 2, 4)]
    b = [network.parameters()[f"{i}.bias"].value for i in (0, 2, 4)]
    a1 = np.tanh(W[0].value @ x[0] + b[0])
    a2 = np.tanh(W[1].value @ a1 + b[1])
    y = W[2].value @ a2 + b[2]
    j, i = 2, 1
    expected = [
        x[0, i] * (1 - a1[j] ** 2) * W[1].value[m, j] * (1 - a2[m] ** 2) * W[2].value[k, m] * (y - t[0])[k]
        for m, k in itertools.product(range(5), range(2))
    ]
    p = PathSum(loss.node, W[0].node, (j, i), stations(loss.node))
    assert p.count == 10
    assert sorted(path.product for path in p.every()) == pytest.approx(sorted(expected), rel=1e-12)
    assert [path.product for path in p.top(3).paths] == pytest.approx(sorted(expected, key=lambda v: -abs(v))[:3])


def test_the_top_10_of_8_388_608_paths(rng: np.random.Generator) -> None:
    """4-8×8-3 with softmax: 8⁷ ways through the hidden layers, 3 through the normalisation and 1 to the target."""
    network = Network([4] + [8] * 8 + [3], hidden="tanh", dtype="float64")
    loss = network.loss(rng.normal(size=(1, 4)), np.array([1]))
    W = network.parameters()["0.weight"]
    p = PathSum(loss.node, W.node, (2, 3))
    assert p.count == 4 * 8**7 == 8_388_608
    closes(p)
    assert abs(p.total - dp.backward(loss)[W][2, 3]) <= p.rounding
    units = PathSum(loss.node, W.node, (2, 3), stations(loss.node))
    assert units.count == 3 * 8**7
    closes(units)


def test_the_top_is_right_among_a_thousand_paths(rng: np.random.Generator) -> None:
    """8³ · 2 paths: the ten best of a full enumeration by matrices are the ten found."""
    network = Network([2, 8, 8, 8, 8, 2], hidden="tanh", output="identity", dtype="float64", reduction="sum")
    x, t = rng.normal(size=(1, 2)), rng.normal(size=(1, 2))
    loss = network.loss(x, t)
    weights = [p.value for n, p in network.parameters().items() if n.endswith("weight")]
    activations = [n.value[0] for n in ancestors([loss.node]) if n.role and n.role.kind == "activation"]
    y = network(x).value[0]
    ways = np.zeros((1, 8))  # the paths so far, by the unit they have come to
    ways[0, 3] = x[0, 1] * (1 - activations[0][3] ** 2)
    for W, a in zip(weights[1:-1], activations[1:4], strict=True):
        ways = (ways[:, :, None] * W.T[None] * (1 - a**2)).reshape(-1, W.shape[0])
    ways = (ways[:, :, None] * weights[-1].T[None] * (y - t[0])).ravel()
    expected = ways[np.argsort(-np.abs(ways))[:10]]
    p = PathSum(loss.node, network.parameters()["0.weight"].node, (3, 1), stations(loss.node))
    assert p.count == 8**3 * 2
    assert [path.product for path in p.top(10).paths] == pytest.approx(list(expected), rel=1e-12)


def test_millions_of_equal_paths_do_not_keep_the_search_busy() -> None:
    """A symmetrical network: all 3 · 8⁷ paths are equal but for rounding, and ten are found at once."""
    network = Network([4] + [8] * 8 + [3], hidden="tanh", output="identity", dtype="float64")
    network = network.with_parameters({n: np.full(p.shape, 0.1) for n, p in network.parameters().items()})
    loss = network.loss(np.full((1, 4), 0.7), np.zeros((1, 3)))
    p = PathSum(loss.node, network.parameters()["0.weight"].node, (0, 0))
    assert p.count == 3 * 8**7
    closes(p)


def test_dead_units_are_paths_of_product_zero() -> None:
    network = Network([2, 3, 1], hidden="relu", output="identity", dtype="float64")
    network = network.with_parameters(
        {"0.weight": -np.ones((3, 2)), "0.bias": np.zeros(3), "2.weight": np.ones((1, 3)), "2.bias": np.zeros(1)}
    )
    loss = network.loss(np.ones((1, 2)), np.zeros((1, 1)))
    p = PathSum(loss.node, network.parameters()["0.weight"].node, (0, 0))
    assert (p.count, p.total, p.absolute, p.cancellation) == (1, 0.0, 0.0, 1.0)
    closes(p)


def test_float32_graphs_agree_to_their_own_rounding(rng: np.random.Generator) -> None:
    network = Network([5, 6, 3], dtype="float32")
    loss = network.loss(rng.normal(size=(4, 5)).astype(np.float32), np.array([0, 1, 2, 0]))
    W = network.parameters()["0.weight"]
    p = PathSum(loss.node, W.node, (1, 1))
    assert p.total == pytest.approx(float(dp.backward(loss)[W][1, 1]), rel=1e-4, abs=1e-6 * p.absolute)
    closes(p)


# -- what is refused ---------------------------------------------------------------------------------------------------
def test_an_element_without_influence_and_outside() -> None:
    x = dp.tensor([1.0, 2.0], name="x")
    loss = (x[1] * 2.0).sum()
    with pytest.raises(GradientError, match="does not depend"):
        PathSum(loss.node, x.node, (0,))
    with pytest.raises(UsageError, match="no element"):
        PathSum(loss.node, x.node, (2,))
    with pytest.raises(UsageError, match="no element"):
        PathSum(loss.node, x.node, ())
    with pytest.raises(GradientError, match="shape"):
        PathSum((x * 2.0).node, x.node, (0,))


def test_an_infinite_slope_is_named() -> None:
    x = dp.tensor(0.0, name="x")
    with pytest.raises(GradientError, match="not finite"):
        PathSum(dp.sqrt(x).node, x.node, ())


def test_too_much_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr(elements, "MAX_LINKS", 1000)
    network = Network([5, 50, 50, 3], dtype="float64")
    loss = network.loss(rng.normal(size=(4, 5)), np.array([0, 1, 2, 0]))
    with pytest.raises(UsageError, match="too many local derivatives"):
        PathSum(loss.node, network.parameters()["0.weight"].node, (0, 0))


def test_a_black_box_is_taken_row_by_row(rng: np.random.Generator) -> None:
    M = rng.normal(size=(3, 4))
    box = dp.black_box(lambda v: M @ v, lambda g, out, v: M.T @ g, name="box")
    x = dp.tensor(rng.normal(size=4), name="x")
    loss = (box(x) * box(x)).sum()
    p = PathSum(loss.node, x.node, (2,))
    assert p.count == 6
    assert p.total == pytest.approx(float(dp.backward(loss)[x][2]), rel=1e-12)


def test_a_wrong_derivative_shows_in_the_sum(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """The broken twin: local derivatives of matmul times 1.001 must not pass as the gradient."""
    network = Network([3, 4, 2], hidden="tanh", dtype="float64")
    loss = network.loss(rng.normal(size=(2, 3)), np.array([0, 1]))
    W = network.parameters()["0.weight"]
    right = elements._matmul
    monkeypatch.setattr(elements, "_matmul", lambda *a: right(*a)._replace(value=right(*a).value * 1.001))
    p = PathSum(loss.node, W.node, (0, 0))
    assert abs(p.total - dp.backward(loss)[W][0, 0]) > p.rounding
