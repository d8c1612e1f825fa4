"""Traced steps against arithmetic written out here, against PyTorch, and with mistakes planted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa import nn
from denpa.draw import html, latex, text
from denpa.errors import ShapeError, UsageError
from denpa.explain.document import Formula, T, walk
from denpa.explain.jacobians import SLOPES, compare, slopes
from denpa.explain.notation import PROFILES
from denpa.explain.step import Step, record_step
from denpa.explain.tex import parse
from denpa.explain.trace import trace_step

ACTIVATIONS = sorted(nn.ACTIVATIONS)


def random_network(rng: np.random.Generator, depth: int, dtype: str = "float64") -> tuple[nn.Network, Any, Any]:
    units = [int(n) for n in rng.integers(1, 7, depth + 1)]
    output = ("softmax", "sigmoid", "identity")[rng.integers(3)]
    loss = (None, "squared_error", "huber", "absolute_error")[rng.integers(4)]
    network = nn.Network(
        units,
        hidden=[ACTIVATIONS[i] for i in rng.integers(0, len(ACTIVATIONS), depth - 1)],
        output=output,
        loss=loss,
        reduction=("mean", "sum")[rng.integers(2)],
        bias=bool(rng.integers(4)),
        dtype=dtype,
        seed=int(rng.integers(1 << 30)),
    )
    batch = int(rng.integers(1, 6))
    t = rng.dirichlet(np.ones(units[-1]), batch) if loss is None else rng.normal(size=(batch, units[-1]))
    return network, rng.normal(size=(batch, units[0])), t


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_jacobian_chain_and_the_delta_rule_agree(depth: int, dtype: str, rng: np.random.Generator) -> None:
    for _ in range(12):
        network, x, t = random_network(rng, depth, dtype)
        step = record_step(network, x, t)
        for result in compare(step):
            assert result.agrees, (network, result.layer, result.difference, result.bound)


@pytest.mark.parametrize("depth", [2, 4, 6])
def test_planted_mistakes_are_found(depth: int, rng: np.random.Generator) -> None:
    """Wrong gradients of the first layer, as backpropagation could give them."""
    units = [4] * (depth + 1)
    network = nn.Network(units, hidden="sigmoid", output="softmax", dtype="float64", seed=int(rng.integers(1 << 30)))
    step = record_step(network, rng.normal(size=(3, 4)), rng.integers(0, 4, 3))
    assert all(r.agrees for r in compare(step))
    first = step.layers[0]
    g = first.weight_gradient
    one = np.zeros_like(g)
    one[1, 2] = 1e-6 * np.abs(g).max()
    for wrong in (g * 0, -g, g * 2, g.T, g * step.batch, g + one, misprint(step), np.full_like(g, np.nan)):
        broken = dataclasses.replace(step, layers=(dataclasses.replace(first, weight_gradient=wrong), *step.layers[1:]))
        results = compare(broken)
        assert not results[-1].agrees
        assert all(r.agrees for r in results[:-1])


def misprint(step: Step) -> Any:
    """Algorithm 1 of seed 001 as printed: (f⁽ˡ⁾)′ where (52) has (f⁽ˡ⁻¹⁾)′; all layers are equally wide."""
    delta = step.layers[-1].delta
    for k in range(step.depth, 1, -1):
        z = step.layers[k - 1].activation
        delta = (delta @ step.layers[k - 1].weight) * z * (1 - z)
    return delta.T @ step.inputs * step.share


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_the_closed_slopes_are_derivatives(name: str) -> None:
    """Against a central difference of the primitive itself, away from kinks."""
    a = np.array([[-2.0, -0.7, 0.4, 1.9]])
    network = nn.Sequential(nn.Linear(4, 4), nn.ACTIVATIONS[name](), seed=0, dtype="float64")
    network = network.with_parameters({"0.weight": np.eye(4), "0.bias": np.zeros(4)})
    step = record_step(network, a, np.zeros((1, 4)), loss="squared_error")
    f, h = network[1], 1e-5
    with dp.no_grad():
        numeric = (f(a + h).value - f(a - h).value) / (2 * h)
    np.testing.assert_allclose(slopes(step.layers[0]), numeric, rtol=1e-8, atol=1e-10)


def test_every_value_equals_the_textbooks_arithmetic_in_001(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 4, 2], hidden=["tanh", "sigmoid"], output="softmax", dtype="float64", seed=3)
    x = rng.normal(size=3)
    trace = trace_step(network, x, 1, notation="001")
    z0 = np.append(x, 1)[:, None]
    W1, W2, W3 = (trace[f"W({k})"] for k in (1, 2, 3))
    a1 = W1 @ z0
    z1 = np.vstack([np.tanh(a1), [[1]]])
    a2 = W2 @ z1
    s = 1 / (1 + np.exp(-a2))
    z2 = np.vstack([s, [[1]]])
    a3 = W3 @ z2
    y = np.exp(a3) / np.exp(a3).sum()
    d3 = (y - [[0], [1]]).T
    f2 = np.vstack([np.diagflat(s * (1 - s)), np.zeros((1, 4))])  # the constant 1 has no slope
    d2 = d3 @ W3 @ f2
    f1 = np.vstack([np.diagflat(1 - np.tanh(a1) ** 2), np.zeros((1, 4))])
    d1 = d2 @ W2 @ f1
    for name, expected in {
        "z(0)": z0, "a(1)": a1, "z⁽¹⁾": z1, "a(2)": a2, "z(2)": z2, "a(3)": a3, "ŷ": y,
        "δ⁽³⁾": d3, "delta(2)": d2, "δ(1)": d1,
        "∂L/∂W⁽³⁾": d3.T @ z2.T, "dL/dW(2)": d2.T @ z1.T, "∂L/∂W(1)": d1.T @ z0.T,
    }.items():  # fmt: skip
        np.testing.assert_allclose(trace[name], expected, rtol=1e-12, atol=1e-15, err_msg=name)
    assert trace["L"] == pytest.approx(-np.log(y[1, 0]))


def test_the_products_hold_in_every_notation(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], hidden="relu", output="sigmoid", loss="squared_error", dtype="float64", seed=1)
    x, t = rng.normal(size=(5, 3)), rng.uniform(size=(5, 2))
    traces = {key: trace_step(network, x, t, notation=key) for key in PROFILES}
    v = traces["002"]
    np.testing.assert_allclose(v["z3"], v["W3"] @ v["a2"] + v["b3"])
    np.testing.assert_allclose(v["dCT/dW3"], v["delta3"] @ v["a2"].T / 5)
    v = traces["book"]
    np.testing.assert_allclose(v["A1"], v["X"] @ v["W1"] + v["B1"])
    np.testing.assert_allclose(v["dL/dW1"], v["X"].T @ v["dout1"])
    np.testing.assert_allclose(v["dL/dB1"], v["dout1"].sum(axis=0))
    v = traces["pytorch"]
    np.testing.assert_allclose(v["2.output"], v["1.output"] @ v["2.weight"].T + v["2.bias"])
    np.testing.assert_allclose(v["0.weight.grad"], v["0.output.grad"].T @ v["input"])
    v = traces["001"]
    np.testing.assert_allclose(v["dJ~/dW(2)"], v["delta(2)"].T @ v["z(1)"].T / 5)
    flat = traces["003"]["layer1.weights"]
    assert flat.values.tolist() == traces["pytorch"]["0.weight"].ravel(order="F").tolist()


def test_other_notations_of_a_trace_compute_nothing_anew(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], dtype="float64")
    trace = trace_step(network, rng.normal(size=(2, 3)), [0, 1], notation="001")
    for key in PROFILES:
        other = trace.in_notation(key)
        assert other.step is trace.step
        assert other.notation.key == key
        assert np.shares_memory(np.asarray(trace.in_notation("pytorch")["0.weight"]), trace.step.layers[0].weight)


def test_gradients_equal_pytorchs(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    network = nn.Network([5, 4, 3], hidden="tanh", output="softmax", dtype="float64", seed=2)
    x, t = rng.normal(size=(6, 5)), rng.integers(0, 3, 6)
    trace = trace_step(network, x, t, notation="pytorch")
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)).double()
    model.load_state_dict({k: torch.tensor(np.array(p.value)) for k, p in network.parameters().items()})
    torch.nn.functional.cross_entropy(model(torch.tensor(x)), torch.tensor(t)).backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(trace[f"{name}.grad"], p.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_a_sample_of_a_batch_has_the_delta_it_has_alone(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], dtype="float64", reduction="mean")
    x, t = rng.normal(size=(4, 3)), np.array([0, 1, 1, 0])
    batch = record_step(network, x, t)
    alone = [record_step(network, x[i], t[i]) for i in range(4)]
    for k in (0, 1):
        np.testing.assert_allclose(batch.layers[k].delta, np.vstack([s.layers[k].delta for s in alone]), rtol=1e-12)
        mean = np.mean([s.layers[k].weight_gradient for s in alone], axis=0)
        np.testing.assert_allclose(batch.layers[k].weight_gradient, mean, rtol=1e-11, atol=1e-15)


def test_a_sequential_with_its_loss_is_the_same_step(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], hidden="relu", dtype="float64", seed=5)
    values = {name: p.value for name, p in network.parameters().items()}
    x, t = rng.normal(size=(4, 3)), rng.integers(0, 2, 4)
    logits = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), dtype="float64").with_parameters(values)
    ending = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(), dtype="float64")
    expected = record_step(network, x, t)
    for step in (
        record_step(logits, x, t, loss="softmax_cross_entropy"),
        record_step(ending.with_parameters(values), x, t),
    ):
        assert step.loss == expected.loss
        assert np.array_equal(step.layers[0].weight_gradient, expected.layers[0].weight_gradient)
        assert np.array_equal(step.outputs, expected.outputs)


def test_the_update_is_gradient_descent(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], hidden="tanh", dtype="float64", seed=5)
    x, t = rng.normal(size=(4, 3)), rng.integers(0, 2, 4)
    update = trace_step(network, x, t, learning_rate=1e-4).update
    assert update is not None
    after = network.with_parameters(update.parameters).loss(x, t)
    assert float(after.value) == update.loss_after
    assert update.measured == pytest.approx(update.predicted, rel=1e-2)
    with pytest.raises(UsageError, match="learning rate"):
        trace_step(network, x, t, learning_rate=-1)


@pytest.mark.parametrize("key", PROFILES)
@pytest.mark.parametrize("batch", [1, 5])
def test_documents_can_be_drawn_in_all_three_forms(key: str, batch: int, rng: np.random.Generator) -> None:
    network = nn.Network(
        [9, 5, 3, 2], hidden=["elu", "softmax"], output="sigmoid", loss="squared_error", dtype="float64"
    )
    trace = trace_step(
        network, rng.normal(size=(batch, 9)), rng.uniform(size=(batch, 2)), notation=key, learning_rate=0.1
    )
    formulas = [part for part in walk(trace.document) if isinstance(part, Formula)]
    assert len(formulas) > 15
    for formula in formulas:
        parse(formula.latex)
    for language in ("en", "ja"):
        assert "\n".join(text.lines(trace.document, language))
        assert r"\end{document}" in latex.page(trace.document, language)
    page = html.page(trace.document)
    assert page.count("<math") == len(formulas)
    assert all(part.ja for part in walk(trace.document) if isinstance(part, T))


def test_disagreement_is_said_on_the_page(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], dtype="float64")
    trace = trace_step(network, rng.normal(size=(2, 3)), [0, 1])
    first = trace.step.layers[0]
    wrong = dataclasses.replace(first, weight_gradient=first.weight_gradient * 1.01)
    step = dataclasses.replace(trace.step, layers=(wrong, trace.step.layers[1]))
    broken = dataclasses.replace(trace, step=step, comparison=compare(step))
    good, bad = ("\n".join(text.lines(t.document)) for t in (trace, broken))
    assert "Both give the same gradients" in good
    assert "different gradients" in bad
    assert not broken.agrees


def test_what_cannot_be_traced_is_told() -> None:
    x, t = np.zeros((2, 3)), np.zeros((2, 2))
    twice = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Tanh(), seed=0)
    with pytest.raises(UsageError, match="layer 2 of the network"):
        trace_step(twice, x, t)
    with pytest.raises(UsageError, match=r"explain\.chain"):
        trace_step(lambda x: x, x, t)
    with pytest.raises(UsageError, match="no layer with weights"):
        trace_step(nn.Sequential(nn.Flatten()), x, t)
    with pytest.raises(UsageError, match="its own loss"):
        trace_step(nn.Network([3, 2]), x, [0, 1], loss="huber")
    with pytest.raises(ShapeError, match="target for each sample"):
        trace_step(nn.Network([3, 2]), x, [0])
    with pytest.raises(ShapeError, match="target for each sample"):
        trace_step(nn.Network([3, 2]), np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(UsageError, match="no value of this step"):
        trace_step(nn.Network([3, 2]), x, [0, 1])["V(1)"]


def test_dropout_is_left_out_and_said(rng: np.random.Generator) -> None:
    network = nn.Network([3, 4, 2], dropout=0.5, dtype="float64")
    trace = trace_step(network, rng.normal(size=(1, 3)), [1], notation="pytorch")
    assert "Dropout is left out" in "\n".join(text.lines(trace.document))
    assert trace["3.weight"].shape == (2, 4)  # 0 Linear, 1 ReLU, 2 Dropout


def test_a_loss_that_is_not_finite_is_said() -> None:
    network = nn.Network([1, 1], output="identity", dtype="float64").with_parameters(
        {"0.weight": [[1e200]], "0.bias": [0.0]}
    )
    with np.errstate(all="ignore"):
        trace = trace_step(network, [1e200], [0.0])
    assert "not finite" in "\n".join(text.lines(trace.document))
    assert not trace.agrees


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_step_that_overflows_is_shown_and_not_warned_of(value: float) -> None:
    trace = dp.trace_step(nn.Network([3, 4, 2], seed=0), np.full((2, 3), value), np.array([0, 1]), learning_rate=0.1)
    assert html.page(trace.document)
