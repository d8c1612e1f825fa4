"""One number explained: names, the three-way check, cost, update, and what the Document says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import GradientError, ShapeError, UsageError
from denpa.explain import elements
from denpa.explain.document import Document, Formula, Highlights, Number, Section, T, Table, Text, walk
from denpa.explain.notation import PROFILES
from denpa.explain.number import explain, explanation
from denpa.graph import Graph, no_grad
from denpa.nn import Linear, Network, ReLU, Sequential, Tanh


@pytest.fixture
def seed_002(rng: np.random.Generator) -> tuple[Network, Any, Any]:
    """The seed's network: 12-3-2, sigmoid, C_T = Σ C_k over 64 samples."""
    network = Network(
        [12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", dtype="float64", seed=3
    )
    return network, rng.random((64, 12)), rng.integers(0, 2, (64, 2)).astype(float)


def sections(document: Document) -> dict[str, Section]:
    return {section.key: section for section in document.sections}


def numbers(section: Section) -> list[float]:
    return [part.value for part in walk(section) if isinstance(part, Number)]


def plain(document: Document, language: str = "en") -> str:
    return "\n".join(lines(document, language))  # type: ignore[arg-type]


# -- names -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "notation", "parameter", "at"),
    [
        ("W[1][2,7]", "001", "0.weight", (1, 6)),
        ("W[1][2,13]", "001", "0.bias", (1,)),  # the bias is the last column
        ("W[2][2,7]", "002", "0.weight", (1, 6)),  # the input is layer 1
        ("w[3][1,3]", "002", "2.weight", (0, 2)),
        ("b[2][3]", "002", "0.bias", (2,)),
        ("W[1][7,2]", "book", "0.weight", (2, 7)),  # X·W: rows are inputs, from 0
        ("W[1][2,7]", "003", "0.weight", (2, 7)),
        ("W[1][2,7]", "pytorch", "0.weight", (2, 7)),
        ("0.weight[2,7]", "002", "0.weight", (2, 7)),
        (" 2.bias[ 1 ]", "001", "2.bias", (1,)),
    ],
)
def test_names_follow_the_notation(
    seed_002: Any, name: str, notation: str, parameter: str, at: tuple[int, ...]
) -> None:
    network, x, t = seed_002
    e = explanation(network, name, x=x, t=t, notation=notation)
    assert (e.subject.node.name, e.subject.element.at) == (parameter, at)
    expected = dp.backward(network.loss(x, t))[network.parameters()[parameter]][at]
    assert e.backprop == pytest.approx(expected, rel=1e-12)
    assert e.paths_agree
    assert e.numerical_agrees


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("W[3][1,1]", UsageError, "no layer 3"),
        ("W[1][4,1]", UsageError, "1 … 3, 1 … 12"),
        ("W[1][0,1]", UsageError, "1 … 3"),
        ("W[1][1]", UsageError, "2 numbers"),
        ("0.weight[3,0]", UsageError, "0 … 2, 0 … 11"),
        ("0.weigth[0,0]", UsageError, "0.weight"),
        ("W[1][2,7", UsageError, "no value is called"),
        ("0.bias", UsageError, "1 numbers"),
        ("", UsageError, "no value is called"),
    ],
)
def test_wrong_names_are_answered(seed_002: Any, name: str, error: type[Exception], words: str) -> None:
    network, x, t = seed_002
    with pytest.raises(error, match=words):
        explain(network, name, x=x, t=t)


def test_wrong_arguments_are_answered(seed_002: Any) -> None:
    network, x, t = seed_002
    with pytest.raises(UsageError, match="needs samples"):
        explain(network, "W[1][1,1]", x=x)
    with pytest.raises(UsageError, match="no such row"):
        explain(network, "W[1][1,1]", x=x, t=t, row=64)
    with pytest.raises(UsageError, match="unknown notation"):
        explain(network, "W[1][1,1]", x=x, t=t, notation="oo1")
    with pytest.raises(UsageError, match="level"):
        explain(network, "W[1][1,1]", x=x, t=t, level="layers")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="learning rate"):
        explain(network, "W[1][1,1]", x=x, t=t, learning_rate=0.0)
    with pytest.raises(UsageError, match="number of paths"):
        explain(network, "W[1][1,1]", x=x, t=t, top=-1)
    with pytest.raises(UsageError, match="named by a text"):
        explain(network, 3, x=x, t=t)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="recorded already"):
        explain(Graph(network.loss(x, t)), "W[1][1,1]", row=2)
    with pytest.raises(UsageError, match="only a network"):
        explain(x, "W[1][1,1]")
    with pytest.raises(UsageError, match="not finite"):
        explain(network, "W[1][1,1]", x=np.full_like(x, np.nan), t=t)
    with pytest.raises(ShapeError):
        explain(network, "W[1][1,1]", x=x[:, :5], t=t)


# -- figures -----------------------------------------------------------------------------------------------------------
def test_the_gradient_of_seed_002_is_its_formula(seed_002: Any) -> None:
    """∂C_T/∂w₁₁² = Σ_k Σ_j (a_j³ − t_j) a′(z_j³) w_j1³ a′(z_1²) x_1: 64 · 2 paths."""
    network, x, t = seed_002
    W1, b1, W2, b2 = (p.value for p in network.parameters().values())
    a2 = 1 / (1 + np.exp(-(x @ W1.T + b1)))
    a3 = 1 / (1 + np.exp(-(a2 @ W2.T + b2)))
    terms = (a3 - t) * a3 * (1 - a3) * W2[:, 0] * (a2[:, :1] * (1 - a2[:, :1])) * x[:, :1]
    e = explanation(network, "W[2][1,1]", x=x, t=t, notation="002")
    assert e.paths.count == terms.size == 128
    assert e.paths.total == pytest.approx(terms.sum(), rel=1e-12)
    assert [p.product for p in e.ranking.paths] == pytest.approx(
        terms.ravel()[np.argsort(-np.abs(terms).ravel())[:10]], rel=1e-12
    )
    one = explanation(network, "W[2][1,1]", x=x, t=t, notation="002", row=5)
    assert one.paths.total == pytest.approx(terms[5].sum(), rel=1e-12)
    assert one.loss == pytest.approx(0.5 * np.sum((a3[5] - t[5]) ** 2))


def test_the_update_is_foretold_and_measured(seed_002: Any) -> None:
    network, x, t = seed_002
    e = explanation(network, "0.weight[0,0]", x=x, t=t, learning_rate=0.01)
    assert e.update is not None
    gradients = dp.backward(network.loss(x, t))
    moved = {n: p.value - 0.01 * gradients[p] for n, p in network.parameters().items()}
    with no_grad():
        after = float(network.with_parameters(moved).loss(x, t).value)
    assert e.update.together.measured == pytest.approx(after - e.loss, rel=1e-10)
    squared = sum(float(np.sum(gradients[p] ** 2)) for p in network.parameters().values())
    assert e.update.together.predicted == pytest.approx(-0.01 * squared, rel=1e-12)
    W = np.array(network.parameters()["0.weight"].value)
    W[0, 0] -= 0.01 * e.backprop
    with no_grad():
        values = {n: p.value for n, p in network.parameters().items()}
        after = float(network.with_parameters({**values, "0.weight": W}).loss(x, t).value)
    assert e.update.alone.measured == pytest.approx(after - e.loss, rel=1e-6)
    assert e.update.alone.predicted == pytest.approx(-0.01 * e.backprop**2, rel=1e-12)
    assert e.update.after == pytest.approx(W[0, 0])


def test_float32_networks_are_explained_in_float64(rng: np.random.Generator) -> None:
    network = Network([5, 4, 3], hidden="tanh")
    x, t = rng.normal(size=(3, 5)), np.array([0, 2, 1])
    document = explain(network, "W[1][1,1]", x=x, t=t)
    assert "float32" in plain(document)
    wide = network.with_parameters({n: p.value.astype(float) for n, p in network.parameters().items()})
    expected = dp.backward(wide.loss(x, t))[wide.parameters()["0.weight"]][0, 0]
    assert explanation(network, "W[1][1,1]", x=x, t=t).backprop == pytest.approx(expected, rel=1e-13)


def test_a_float32_graph_is_computed_in_float64(rng: np.random.Generator) -> None:
    x = dp.tensor(rng.normal(size=(2, 3)).astype(np.float32), name="x")
    w = dp.parameter(rng.normal(size=3).astype(np.float32), name="w")
    loss = dp.mean(dp.tanh(x @ w) ** 2)
    e = explanation(Graph({"loss": loss}), "w[1]")
    assert e.subject.root.value.dtype == np.float64
    assert e.backprop == pytest.approx(float(dp.backward(loss)[w][1]), rel=1e-4, abs=1e-6)
    assert e.paths_agree
    assert e.numerical_agrees


def test_a_sequential_with_its_loss(rng: np.random.Generator) -> None:
    model = Sequential(Linear(3, 4), Tanh(), Linear(4, 2), seed=1, dtype="float64")
    x, t = rng.normal(size=(2, 3)), np.array([0, 1])
    e = explanation(model, "W[2][1,1]", x=x, t=t, loss="softmax_cross_entropy")
    assert e.paths_agree
    assert e.numerical_agrees


def test_the_shop_of_seed_000() -> None:
    """715 = (100·2 + 150·3)·1.1: an apple's gradient is 2.2, that of the number of apples 110."""
    apple, n_apple, orange, n_orange, tax = dp.inputs(apple=100.0, n_apple=2.0, orange=150.0, n_orange=3.0, tax=1.1)
    graph = Graph((apple * n_apple + orange * n_orange) * tax)
    for name, gradient in {"apple": 2.2, "n_apple": 110, "orange": 3.3, "n_orange": 165, "tax": 650}.items():
        e = explanation(graph, name)
        assert e.backprop == pytest.approx(gradient)
        assert (e.paths.count, e.level, e.update) == (1, "operations", None)
        assert e.paths_agree
        assert e.numerical_agrees
    text = plain(explain(graph, "apple"))
    assert "∂L/∂apple = ∂L/∂u₃ ∂u₃/∂u₁ ∂u₁/∂apple" in text
    assert "2.2 = 1.1 × 1 × 2" in text
    assert "the loss" not in text


def test_a_value_in_the_middle_can_be_explained(seed_002: Any) -> None:
    network, x, t = seed_002
    e = explanation(network, "preactivation1[3,1]", x=x, t=t)
    assert (e.paths.count, e.update) == (2, None)
    assert e.paths_agree
    assert e.numerical_agrees


# -- trust -------------------------------------------------------------------------------------------------------------
def test_a_kink_is_said() -> None:
    model = Sequential(Linear(1, 1), ReLU(), Linear(1, 1), seed=0, dtype="float64")
    model = model.with_parameters({"0.weight": [[0.0]], "0.bias": [0.0], "2.weight": [[1.0]], "2.bias": [0.0]})
    e = explanation(model, "W[1][1,1]", x=[[1.0]], t=[[3.0]], loss="squared_error")
    assert e.numerical.kink
    assert (e.numerical.left, e.numerical.right) == pytest.approx((0.0, -3.0), abs=1e-6)
    assert "kink" in plain(explain(model, "W[1][1,1]", x=[[1.0]], t=[[3.0]], loss="squared_error"))


def test_a_vanished_gradient_is_not_called_checked(rng: np.random.Generator) -> None:
    """20 sigmoid layers of width 1: the derivative is below what differences can see, and that is said."""
    network = Network([1] * 21 + [1], hidden="sigmoid", output="identity", dtype="float64")
    network = network.with_parameters({n: np.full(p.shape, 0.05) for n, p in network.parameters().items()})
    e = explanation(network, "W[1][1,1]", x=[[0.3]], t=[[2.0]])
    assert e.paths_agree
    assert 0 < abs(e.backprop) < 1e-30
    assert e.numerical_agrees is None
    assert "too small for differences" in plain(explain(network, "W[1][1,1]", x=[[0.3]], t=[[2.0]]))


def test_wrong_local_derivatives_are_found(monkeypatch: pytest.MonkeyPatch, seed_002: Any) -> None:
    """The broken twin: an operation whose vjp is 1.01 times what it should be is told by the differences."""
    network, x, t = seed_002
    right = dp.sigmoid.rule
    monkeypatch.setattr(dp.sigmoid, "rule", lambda g, out, z: tuple(1.01 * v for v in right(g, out, z)))
    e = explanation(network, "W[1][1,1]", x=x, t=t)
    assert e.paths_agree  # both use the wrong rule
    assert e.numerical_agrees is False
    assert "disagree" in plain(explain(network, "W[1][1,1]", x=x, t=t))


def test_a_sum_that_does_not_close_is_found(monkeypatch: pytest.MonkeyPatch, seed_002: Any) -> None:
    network, x, t = seed_002
    matmul = elements._matmul
    monkeypatch.setattr(elements, "_matmul", lambda *a: matmul(*a)._replace(value=matmul(*a).value * 1.01))
    e = explanation(network, "W[1][1,1]", x=x, t=t)
    assert not e.paths_agree
    assert "differ by more than rounding" in plain(explain(network, "W[1][1,1]", x=x, t=t))


# -- the document ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("notation", list(PROFILES))
def test_every_notation_says_the_same_numbers(seed_002: Any, notation: str) -> None:
    network, x, t = seed_002
    reference = sections(explain(network, "0.weight[0,1]", x=x, t=t, row=0))
    found = sections(explain(network, "0.weight[0,1]", x=x, t=t, row=0, notation=notation))
    assert found.keys() == reference.keys()
    for key, section in found.items():
        assert numbers(section) == numbers(reference[key])


def test_the_symbols_of_seed_002(seed_002: Any) -> None:
    network, x, t = seed_002
    text = plain(explain(network, "W[2][1,1]", x=x, t=t, row=0, notation="002"))
    for path in (
        "∂C/∂a₁³ ∂a₁³/∂z₁³ ∂z₁³/∂a₁² ∂a₁²/∂z₁² ∂z₁²/∂w₁₁²",
        "∂C/∂a₂³ ∂a₂³/∂z₂³ ∂z₂³/∂a₁² ∂a₁²/∂z₁² ∂z₁²/∂w₁₁²",
    ):
        assert path in text  # the seed's second path has ∂z₁³ where ∂z₂³ belongs
    assert "64 samples" in plain(explain(network, "W[2][1,1]", x=x, t=t, notation="002"))
    assert "Σₖ ∂C_T/∂z₁²[k] a₁¹[k]" in plain(explain(network, "W[2][1,1]", x=x, t=t, notation="002"))


def test_many_paths_are_bundled_by_layer(rng: np.random.Generator) -> None:
    """4-8×8-3: beyond 1,000 paths every layer's bundles are shown, and each table's sum is the derivative."""
    network = Network([4] + [8] * 8 + [3], hidden="tanh", dtype="float64")
    document = explain(network, "W[1][2,3]", x=rng.normal(size=(1, 4)), t=np.array([1]))
    e = explanation(network, "W[1][2,3]", x=rng.normal(size=(1, 4)), t=np.array([1]))
    assert e.paths.count == 3 * 8**7
    tables = [b for b in sections(document)["layers"].blocks if isinstance(b, Table)]
    assert len(tables) == 8
    derivative = next(h for h in document.lead if isinstance(h, Highlights)).items[0].value
    assert isinstance(derivative, Number)
    for table in tables:
        last = table.rows[-1][-1]
        assert isinstance(last, Number)
        assert last.value == pytest.approx(derivative.value, rel=1e-9)
        parts = [row[-1].value for row in table.rows[:-1] if isinstance(row[-1], Number)]
        assert sum(parts) == pytest.approx(derivative.value, rel=1e-9)
    assert "8,388,608" in plain(document)  # through every operation


def test_both_languages_all_the_way(seed_002: Any) -> None:
    network, x, t = seed_002
    for document in (
        explain(network, "W[1][1,1]", x=x, t=t),
        explain(network, "W[1][1,1]", x=x, t=t, row=3, level="operations", notation="book"),
    ):
        texts = [part for part in walk(document) if isinstance(part, T)]
        assert len(texts) > 30
        assert all(any(ord(c) > 0x2E80 for c in part.ja) for part in texts if part.ja != part.en)
        for language in ("en", "ja"):
            assert len(plain(document, language).splitlines()) > 40
        html = page(document)
        assert "経路" in html
        assert "path" in html
        assert {type(part) for part in walk(document)} >= {Table, Formula, Text, Number}


def test_no_paths_can_be_asked_for(seed_002: Any) -> None:
    network, x, t = seed_002
    e = explanation(network, "W[1][1,1]", x=x, t=t, top=0)
    assert e.ranking.rest.count == e.paths.count
    assert "No path is listed" in plain(explain(network, "W[1][1,1]", x=x, t=t, top=0))


def test_a_derivative_of_zero(rng: np.random.Generator) -> None:
    model = Sequential(Linear(2, 2), ReLU(), Linear(2, 1), seed=0, dtype="float64")
    model = model.with_parameters(
        {"0.weight": -np.ones((2, 2)), "0.bias": np.zeros(2), "2.weight": np.ones((1, 2)), "2.bias": np.zeros(1)}
    )
    text = plain(explain(model, "W[1][1,1]", x=[[1.0, 1.0]], t=[[1.0]], loss="squared_error"))
    assert "Its derivative is 0" in text


def test_an_input_without_influence() -> None:
    x = dp.tensor([1.0, 2.0], name="x")
    with pytest.raises(GradientError, match="does not depend"):
        explain(Graph(x[0] * 2.0), "x[1]")


@pytest.mark.parametrize("before", ["", "import denpa.explain.paths", "from denpa.explain import number", "dp.explain"])
def test_explain_is_callable_whatever_was_loaded_before(before: str) -> None:
    """The package and the function share a name: dp.explain(...) works, and so do dp.explain.chain and .loops."""
    program = f"""
import denpa as dp
{before}
x = dp.tensor(3.0, name="x")
assert "6" in dp.explain(dp.Graph(x * x), "x").title.en
import denpa, denpa.explain.paths, denpa.explain.loops
assert "6" in dp.explain(dp.Graph(x * x), "x").title.en
assert callable(dp.explain.loops)
assert dp.explain.loops is denpa.explain.loops
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("loss", {}),
        ("0.weight[-1,0]", {}),
        ("0.weight[a,b]", {}),
        ("0.weight[,]", {}),
        ("W[1][1,1]", {"row": 1.5}),
        ("W[1][1,1]", {"row": "1"}),
        ("W[1][1,1]", {"top": 2.5}),
        ("W[1][1,1]", {"top": "3"}),
        ("W[1][1,1]", {"learning_rate": "0.1"}),
        ("W[1][1,1]", {"learning_rate": float("nan")}),
    ],
)
def test_what_a_learner_may_mistype(name: str, options: dict[str, Any]) -> None:
    network = Network([3, 4, 2], seed=0)
    with pytest.raises(UsageError):
        dp.explain(network, name, x=np.ones((2, 3)), t=np.array([0, 1]), **options)
