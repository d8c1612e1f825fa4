"""The eager engine runs exactly what was recorded, and nothing that was not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.autodiff import backward
from denpa.engine import Step, engine
from denpa.engine.eager import EagerProgram
from denpa.errors import ShapeError, UsageError
from denpa.graph import Graph, Tensor, no_grad, tensor
from denpa.nn import optim
from denpa.train.step import evaluating_step, measuring_step, training_step

UNITS, BATCH, STEPS, ROWS = [7, 6, 5, 3], 8, 6, 40


def data(rng: np.random.Generator, dtype: str) -> dict[str, Any]:
    return {"x": rng.standard_normal((ROWS, UNITS[0])).astype(dtype), "t": rng.integers(0, UNITS[-1], ROWS)}


def setting(rng: np.random.Generator, dtype: str, name: str, **options: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    network = nn.Network(UNITS, dtype=dtype, seed=3, **options)
    optimizer = optim.by_name(name)
    d = data(rng, dtype)
    rows = rng.integers(0, ROWS, (STEPS, BATCH))
    by_step = {
        "learning_rate": np.linspace(0.1, 0.01, STEPS),
        "key": np.stack([nn.step_key(3, i) for i in range(STEPS)]),
    }
    state = {n: np.array(p.value) for n, p in network.parameters().items()}
    state |= optimizer.init(network.parameters())
    return network, optimizer, d, rows, by_step, state


def plain(set_up: Any, clip: float = 0.0) -> tuple[Any, Any]:
    """The same steps run by define-by-run operations, nothing recorded and nothing compiled."""
    network, optimizer, d, rows, by_step, state = set_up
    names = list(network.parameters())
    losses = []
    state = dict(state)
    for i, batch in enumerate(rows):
        network = network.with_parameters({n: state[n] for n in names})
        loss = network.loss(d["x"][batch], d["t"][batch], training=True, key=by_step["key"][i])
        found = backward(loss)
        gradients = {n: np.asarray(found[p]) for n, p in network.parameters().items()}
        with no_grad():
            if clip:
                gradients, _ = optim.clip_by_global_norm(gradients, clip)
            parameters = {n: state[n] for n in names}
            rest = {n: v for n, v in state.items() if n not in parameters}
            new, new_state = optimizer.update(parameters, gradients, rest, by_step["learning_rate"][i])
        state = {n: np.ascontiguousarray(v) if np.ndim(v) else v for n, v in {**new, **new_state}.items()}
        losses.append(loss.value)
    return state, np.array(losses)


def same_bits(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(
        np.asarray(a[n]).tobytes() == np.asarray(b[n]).tobytes() and a[n].dtype == b[n].dtype for n in a
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_a_program_is_the_plain_execution_bit_for_bit(name: str, dtype: str, rng: np.random.Generator) -> None:
    set_up = network, optimizer, d, rows, by_step, state = setting(rng, dtype, name, dropout=0.25)
    step = training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True)
    want, losses = plain(set_up)
    metrics = engine("eager").compile(step).run(state, d, rows, by_step)
    assert same_bits(state, want)
    assert metrics["loss"].tobytes() == losses.tobytes()
    assert metrics["loss"].dtype == dtype


@pytest.mark.parametrize("options", [{"hidden": "sigmoid"}, {"reduction": "sum"}, {"bias": False}])
def test_with_clipping_and_other_networks(options: dict[str, Any], rng: np.random.Generator) -> None:
    set_up = network, optimizer, d, rows, by_step, state = setting(rng, "float32", "momentum", **options)
    step = training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True, clip=0.05)
    want, _ = plain(set_up, 0.05)
    unclipped, _ = plain(set_up)
    engine("eager").compile(step).run(state, d, rows, by_step)
    assert same_bits(state, want)
    assert not same_bits(state, unclipped), "the limit was never reached: this test would not see a missing clip"


def test_the_division_into_calls_does_not_matter(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, by_step, state = setting(rng, "float32", "adam", dropout=0.5)
    program = engine("eager").compile(
        training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True)
    )
    other = dict(state)
    whole = program.run(state, d, rows, by_step)
    parts = []
    for piece in (slice(0, 1), slice(1, 4), slice(4, 4), slice(4, STEPS)):
        parts.append(program.run(other, d, rows[piece], {n: v[piece] for n, v in by_step.items()}))
    assert same_bits(state, other)
    assert same_bits(whole, {n: np.concatenate([p[n] for p in parts]) for n in whole})


def input_products(step: Step) -> list[Any]:
    """Nodes that are as large as the batch's input, other than the input itself: only its gradient would be."""
    x = step.graph.inputs["x"]
    return [n for n in step.graph.nodes if n is not x and n.value.shape == x.value.shape]


def test_the_input_gradient_is_not_computed(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, _, _ = setting(rng, "float32", "sgd")
    x, t = d["x"][rows[0]], d["t"][rows[0]]
    step = training_step(network, optimizer, x, t, classify=True)
    assert input_products(step) == []
    products = [n for n in step.graph.nodes if n.op is not None and n.op.name == "matmul"]
    assert len(products) == 3 * network.depth - 1  # z, dW, and dx but for the first layer

    wanting = tensor(x, name="x")  # the broken twin: a step that does compute it
    loss = network.loss(wanting, t)
    twin = Step(Graph({"loss": loss, "dx": backward(loss, record=True)[wanting]}, {"x": wanting}), {})
    assert len(input_products(twin)) >= 1


def test_every_value_is_dropped_after_its_last_use_and_not_before(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, _, _ = setting(rng, "float32", "adam")
    program = EagerProgram(training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True))
    outputs = set(program._outputs.values())
    gone: set[int] = set()
    for instruction in program._instructions:
        assert not gone & set(instruction.inputs)
        assert not outputs & set(instruction.last)
        gone |= set(instruction.last)
    kept = {i.output for i in program._instructions} - gone
    assert kept <= outputs


def test_metrics_of_measuring_and_evaluating(rng: np.random.Generator) -> None:
    network, _, d, _, _, _ = setting(rng, "float64", "sgd", dropout=0.5)
    rows = np.arange(ROWS).reshape(4, 10)
    parameters = {n: p.value for n, p in network.parameters().items()}
    batch = d["x"][:10], d["t"][:10]
    measured = engine("eager").compile(measuring_step(network, *batch)).run(dict(parameters), d, rows, {})
    forward = (
        engine("eager").compile(evaluating_step(network, *batch, classify=True)).run(dict(parameters), d, rows, {})
    )
    for i, chosen in enumerate(rows):
        loss = network.loss(d["x"][chosen], d["t"][chosen])
        gradients = backward(loss)
        for name, p in network.parameters().items():
            np.testing.assert_allclose(measured[f"norm.{name}"][i], np.linalg.norm(gradients[p]), rtol=1e-14)
        outputs = network.predict(d["x"][chosen])
        assert forward["outputs"][i].tobytes() == outputs.tobytes()
        assert forward["predicted"][i].tolist() == outputs.argmax(axis=1).tolist()
        assert forward["correct"][i] == (outputs.argmax(axis=1) == d["t"][chosen]).sum()
        assert forward["loss"][i] == measured["loss"][i] == loss.value


def test_a_step_that_is_not_finite_is_the_last_of_its_call(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, by_step, state = setting(rng, "float32", "sgd")
    d["x"] = d["x"].copy()
    d["x"][rows[3, 0]] = np.nan
    first = int(np.argmax((rows == rows[3, 0]).any(axis=1)))
    before = {n: v.copy() for n, v in state.items()}
    kept = dict(state)
    step = training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True)
    metrics = engine("eager").compile(step).run(state, d, rows, by_step)
    assert len(metrics["loss"]) == first + 1
    assert np.isnan(metrics["loss"][-1])
    assert same_bits(kept, before), "the arrays a caller kept were changed in place"


def test_carried_arrays_are_row_major(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, by_step, state = setting(rng, "float32", "momentum")
    step = training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True)
    engine("eager").compile(step).run(state, d, rows, by_step)
    assert all(v.flags.c_contiguous for v in state.values())


def test_a_batch_of_another_size_is_refused(rng: np.random.Generator) -> None:
    network, optimizer, d, rows, by_step, state = setting(rng, "float32", "sgd")
    step = training_step(network, optimizer, d["x"][rows[0]], d["t"][rows[0]], classify=True)
    with pytest.raises(ShapeError, match=r"\(steps, 8\)"):
        engine("eager").compile(step).run(state, d, rows[:, :5], by_step)


def test_a_step_without_rows(rng: np.random.Generator) -> None:
    """Gradient descent on a function of its parameters alone (seed 002 §2): nothing is gathered."""
    w = Tensor(tensor(np.array([3.0, -2.0]), name="w").node)
    new = w - 0.1 * (2 * w)
    step = Step(Graph({"new": new, "loss": (w * w).sum()}, {"w": w}), {"w": "new"}, finite=("loss",))
    state = {"w": np.array([3.0, -2.0])}
    metrics = engine("eager").compile(step).run(state, {}, np.empty((50, 0), np.int64), {})
    assert metrics["loss"].shape == (50,)
    np.testing.assert_allclose(state["w"], np.array([3.0, -2.0]) * 0.8**50, rtol=1e-12)


def test_an_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown engine"):
        engine("warp")
