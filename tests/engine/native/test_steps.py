"""Training steps: native = eager, for random networks, optimisers, losses and batch sizes, over many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.engine import Step
from denpa.engine.eager import EagerProgram
from denpa.engine.keep import kept
from denpa.errors import ShapeError, UsageError
from denpa.graph import Graph, tensor
from denpa.nn import optim
from denpa.train.step import evaluating_step, measuring_step, training_step

pytest.importorskip("numba")

from denpa.engine.native.program import NativeProgram
from denpa.engine.verify import verify

ROWS = 60
OPTIMIZERS: list[tuple[str, dict[str, float]]] = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.01}),
    ("momentum", {}),
    ("momentum", {"weight_decay": 0.01}),
    ("nesterov", {}),
    ("adagrad", {}),
    ("rmsprop", {}),
    ("adam", {}),
    ("adamw", {}),
]


class Case:
    """A network, its step, data and a start."""

    def __init__(
        self,
        seed: int,
        dtype: str,
        units: list[int],
        batch: int,
        optimizer: optim.Optimizer,
        clip: float = 0.0,
        **options: Any,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.network = nn.Network(units, dtype=dtype, seed=seed, **options)
        x = rng.standard_normal((ROWS, units[0])).astype(dtype)
        self.classify = self.network.loss_function.name == "softmax_cross_entropy"
        t: Any = rng.integers(0, units[-1], ROWS)
        if not self.classify:
            t = rng.random((ROWS, units[-1])).astype(dtype)
        self.data = {"x": x, "t": t}
        self.step = training_step(self.network, optimizer, x[:batch], t[:batch], classify=self.classify, clip=clip)
        self.start = {n: np.array(p.value) for n, p in self.network.parameters().items()}
        self.start |= optimizer.init(self.network.parameters())
        self.rng, self.seed = rng, seed

    def batches(self, steps: int) -> tuple[Any, dict[str, Any]]:
        rows = self.rng.integers(0, ROWS, (steps, self.step.batch_size))
        by_step = {"learning_rate": np.linspace(0.01, 0.005, steps)}  # a run that diverges amplifies the last bit
        if "key" in self.step.by_step:
            by_step["key"] = np.stack([nn.step_key(self.seed, i) for i in range(steps)])
        return rows, by_step


def random_case(seed: int, dtype: str, **options: Any) -> Case:
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 5))
    units = [int(n) for n in rng.integers(1, 40, depth + 1)]
    names = ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu", "softplus", "identity"]
    hidden = [names[i] for i in rng.integers(0, len(names), depth - 1)]
    output, loss = [
        ("softmax", None), ("sigmoid", None), ("identity", "squared_error"), ("sigmoid", "squared_error"),
        ("tanh", "huber"), ("softmax", "squared_error"), ("identity", "absolute_error"),
    ][rng.integers(0, 7)]  # fmt: skip
    name, given = OPTIMIZERS[rng.integers(0, len(OPTIMIZERS))]
    clip = float(rng.choice([0.0, 0.0, 0.5]))
    options.setdefault("dropout", float(rng.choice([0.0, 0.0, 0.3])))
    return Case(
        seed, dtype, units, int(rng.integers(1, 40)), optim.by_name(name, **given), clip, hidden=hidden, output=output,
        loss=loss, reduction="sum" if clip > 0 else "mean", bias=bool(rng.random() < 0.8), **options,
    )  # fmt: skip


def worst(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """The largest difference of any array, relative to that array's largest element."""
    largest = 0.0
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        np.testing.assert_array_equal(np.isfinite(found[name]), np.isfinite(value))
        size = float(np.abs(value).max(initial=0.0))
        if size > 0:
            largest = max(largest, float(np.abs(found[name] - value).max(initial=0.0)) / size)
    return largest


def both(case: Case, steps: int, calls: int = 1) -> tuple[float, float, NativeProgram]:
    """Worst difference of state and of metrics after that many steps, in one call by eager and several by native."""
    rows, by_step = case.batches(steps)
    eager, native = dict(case.start), dict(case.start)
    wanted = EagerProgram(case.step).run(eager, case.data, rows, by_step)
    program = NativeProgram(case.step)
    verify(program.plan)
    parts = [
        program.run(native, case.data, rows[i], {n: v[i] for n, v in by_step.items()})
        for i in np.array_split(np.arange(steps), calls)
    ]
    found = {name: np.concatenate([p[name] for p in parts]) for name in wanted}
    return worst(native, eager), worst(found, wanted), program


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_in_float64(seed: int) -> None:
    state, metrics, _ = both(random_case(seed, "float64"), 20, calls=3)
    assert state < 1e-12
    assert metrics < 1e-12


def gradients(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters' gradients in one step, by eager and by native."""
    names = [f"gradient {name}" for name in case.network.parameters()]
    step, (rows, by_step) = kept(case.step, names), case.batches(1)
    eager, native = EagerProgram(step), NativeProgram(step)
    verify(native.plan)
    for program in (eager, native):
        program.run(dict(case.start), case.data, rows, by_step)
    return {n: eager.read(n) for n in names}, {n: native.read(n) for n in names}


@pytest.mark.parametrize("seed", range(40, 60))
def test_single_steps_in_float32(seed: int) -> None:
    """Whole float32 runs of any two engines drift apart; one step's gradients do not."""
    case = random_case(seed, "float32")
    wanted, found = gradients(case)
    assert worst(found, wanted) < 2e-6
    state, metrics, _ = both(case, 1)
    assert state < (2e-6 if "step" not in case.step.state else 2e-5)  # Adam divides a gradient by its own size
    assert metrics < 2e-6


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_wide_layer_in_float32(name: str) -> None:
    """Sums of 2,048 terms in another order: each engine is about 1e-6 away from the exact value."""
    wanted, found = gradients(Case(7, "float32", [2048, 30, 5], 40, optim.by_name(name)))
    assert worst(found, wanted) < 5e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_value_of_the_last_batch_is_read_by_name(dtype: str) -> None:
    """z, a and δ of each layer after several steps, against a network written by hand; and their norms."""
    case = Case(8, dtype, [9, 8, 3], 7, optim.by_name("momentum"), hidden="tanh")
    names = ["preactivation 1", "activation 1", "preactivation 2", "delta 1", "delta 2", "gradient 0.weight"]
    program = NativeProgram(kept(case.step, [*names, *[f"norm {name}" for name in names]]))
    rows, by_step = case.batches(5)
    state = dict(case.start)
    for i in (slice(0, 4), slice(4, 5)):
        before = {n: np.asarray(v, np.float64) for n, v in state.items()}
        program.run(state, case.data, rows[i], {n: v[i] for n, v in by_step.items()})
    x, t = case.data["x"][rows[-1]].astype(np.float64), case.data["t"][rows[-1]]
    z1 = x @ before["0.weight"].T + before["0.bias"]
    z2 = np.tanh(z1) @ before["2.weight"].T + before["2.bias"]
    p = np.exp(z2 - z2.max(axis=1, keepdims=True))
    delta2 = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[t]) / len(t)
    delta1 = (delta2 @ before["2.weight"]) * (1 - np.tanh(z1) ** 2)
    wanted = dict(zip(names, (z1, np.tanh(z1), z2, delta1, delta2, delta1.T @ x), strict=True))
    for name, value in wanted.items():
        scale, within = np.abs(value).max(), 2e-6 if dtype == "float32" else 1e-14
        assert np.abs(program.read(name) - value).max() < within * scale, name
        assert abs(program.read(f"norm {name}") / np.linalg.norm(value) - 1) < within, name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_campaign_of_random_networks(seed: int) -> None:
    state, metrics, _ = both(random_case(seed, "float64"), 50, calls=2)
    assert state < 1e-12
    assert metrics < 1e-12


@pytest.mark.parametrize(("name", "given"), OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standard_networks_need_no_fallback(name: str, given: dict[str, float], dtype: str) -> None:
    for hidden in ("relu", "sigmoid", "tanh"):
        case = Case(1, dtype, [20, 12, 5], 16, optim.by_name(name, **given), hidden=hidden)
        state, _, program = both(case, 3)
        assert program.fallbacks == ()
        assert state < (1e-3 if dtype == "float32" else 1e-12)


def test_plain_sgd_keeps_no_weight_gradient() -> None:
    case = Case(1, "float32", [30, 20, 10], 50, optim.by_name("sgd"))
    program = NativeProgram(case.step)
    written = [v.value for t in program.plan.tasks for v in t.writes if v.value.shape in ((20, 30), (10, 20))]
    assert len(written) == 2
    assert all(value in program.plan.layout.places for value in written)  # each lies where the old weight lay
    assert program.plan.copies == []


def test_a_step_that_is_not_finite_is_the_last_one() -> None:
    case = Case(
        2, "float32", [5, 4, 3], 6, optim.by_name("sgd"), hidden="identity", output="identity", loss="squared_error"
    )
    rows, by_step = case.batches(400)
    by_step["learning_rate"][:] = 50.0
    eager, native = dict(case.start), dict(case.start)
    wanted = EagerProgram(case.step).run(eager, case.data, rows, by_step)
    found = NativeProgram(case.step).run(native, case.data, rows, by_step)
    assert 0 < len(found["loss"]) == len(wanted["loss"]) < 400
    assert not np.isfinite(found["loss"][-1])
    assert np.isfinite(found["loss"][:-1]).all()


def test_a_class_number_out_of_range_is_the_same_error_as_in_eager() -> None:
    case = Case(3, "float64", [5, 4, 3], 6, optim.by_name("sgd"))
    rows, by_step = case.batches(9)
    case.data["t"][rows[5, 2]] = 7
    native = dict(case.start)
    with pytest.raises(UsageError, match="class index out of range"):
        NativeProgram(case.step).run(native, case.data, rows, by_step)
    assert all(native[name] is case.start[name] for name in native)


def test_rows_outside_of_the_data_are_an_error() -> None:
    case = Case(3, "float64", [5, 4, 3], 6, optim.by_name("sgd"))
    rows, by_step = case.batches(2)
    rows[1, 1] = ROWS
    with pytest.raises(ShapeError, match="row number"):
        NativeProgram(case.step).run(dict(case.start), case.data, rows, by_step)


def test_state_is_never_changed_in_place() -> None:
    case = Case(4, "float64", [5, 4, 3], 6, optim.by_name("momentum"))
    rows, by_step = case.batches(4)
    program, state = NativeProgram(case.step), dict(case.start)
    copies = {n: np.array(v) for n, v in state.items()}
    program.run(state, case.data, rows, by_step)
    kept = dict(state)
    values = {n: np.array(v) for n, v in kept.items()}
    program.run(state, case.data, rows, by_step)
    assert all(np.array_equal(case.start[n], copies[n]) for n in copies)
    assert all(np.array_equal(kept[n], values[n]) for n in values)
    assert all(not np.array_equal(kept[n], state[n]) for n in values)


def test_the_same_bits_however_the_steps_are_divided() -> None:
    case = Case(5, "float32", [9, 8, 3], 7, optim.by_name("adam"))
    rows, by_step = case.batches(30)
    results = []
    for calls in (1, 4, 30):
        program, state = NativeProgram(case.step), dict(case.start)
        for i in np.array_split(np.arange(30), calls):
            program.run(state, case.data, rows[i], {n: v[i] for n, v in by_step.items()})
        results.append(b"".join(np.ascontiguousarray(v).tobytes() for v in state.values()))
    assert results[0] == results[1] == results[2]


def test_no_steps_change_nothing() -> None:
    case = Case(5, "float32", [9, 8, 3], 7, optim.by_name("adam"))
    rows, by_step = case.batches(0)
    state = dict(case.start)
    found = NativeProgram(case.step).run(state, case.data, rows, by_step)
    assert found["loss"].shape == (0,)
    assert worst(state, case.start) == 0


def test_measuring_and_evaluating() -> None:
    case = Case(6, "float64", [9, 8, 3], 7, optim.by_name("sgd"))
    x, t = case.data["x"][:7], case.data["t"][:7]
    rows = np.arange(14).reshape(2, 7)
    for step in (measuring_step(case.network, x, t), evaluating_step(case.network, x, t, classify=True)):
        state = {n: case.start[n] for n in step.state}
        wanted = EagerProgram(step).run(dict(state), case.data, rows, {})
        found = NativeProgram(step).run(dict(state), case.data, rows, {})
        assert worst(found, wanted) < 1e-12


def test_an_output_that_is_a_state_before_the_step() -> None:
    """The new weights take the old ones' place; who asks for the old ones still gets them."""
    w, x = tensor(np.ones((3, 2)), name="w"), tensor(np.full((4, 2), 0.5), name="x")
    y = np.tanh(x @ w.T)
    step = Step(Graph({"new.w": w - 0.1 * (y.T @ x), "old": w, "again": w.T}, {"w": w, "x": x}), {"w": "new.w"})
    rows = np.zeros((3, 0), np.int64)
    eager, native = {"w": w.value, "x": x.value}, {"w": w.value, "x": x.value}
    wanted = EagerProgram(step).run(eager, {}, rows, {})
    program = NativeProgram(step)
    verify(program.plan)
    assert worst(program.run(native, {}, rows, {}), wanted) < 1e-15
    assert worst(native, eager) < 1e-15


def test_states_that_trade_places() -> None:
    """a ← b, b ← a + b: the copy of one must not destroy the other before it is read."""
    a, b = tensor(np.arange(3.0), name="a"), tensor(np.array([5.0, 7.0, 11.0]), name="b")
    step = Step(Graph({"new.a": b + 0.0, "new.b": a + b}, {"a": a, "b": b}), {"a": "new.a", "b": "new.b"})
    swapped = Step(Graph({"new.a": b, "new.b": a}, {"a": a, "b": b}), {"a": "new.a", "b": "new.b"})
    for each in (step, swapped):
        start = {"a": a.value, "b": b.value}
        eager, native = dict(start), dict(start)
        rows = np.zeros((5, 0), np.int64)
        EagerProgram(each).run(eager, {}, rows, {})
        program = NativeProgram(each)
        verify(program.plan)
        program.run(native, {}, rows, {})
        assert worst(native, eager) == 0
