"""Optimisers against a stored table, PyTorch step by step, and themselves recorded as a graph."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.nn.make_optimizer_table import CASES, START, STEPS, gradient, learning_rate, table

from denpa.errors import ModelFileError, ShapeError, UsageError
from denpa.graph import Graph, Tensor, tensor
from denpa.nn import optim
from denpa.nn.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp, by_name, clip_by_global_norm, clip_by_value

STORED = json.loads(Path(__file__).with_name("optimizer_table.json").read_text(encoding="utf-8"))
IDS = [f"{row['name']}-{i}" for i, row in enumerate(STORED)]


def run(optimizer: Optimizer, dtype: str = "float64") -> list[np.ndarray]:
    """The weights after each step of the table's problem, split over two parameters of different shape."""
    params: dict[str, Any] = {
        "0.weight": np.array([START[:4]], dtype).reshape(2, 2),
        "0.bias": np.array(START[4:], dtype),
    }
    state = optimizer.init(params)
    rows = []
    for step in range(STEPS):
        g = np.array([gradient(step, i) for i in range(5)], dtype)
        gradients = {"0.weight": g[:4].reshape(2, 2), "0.bias": g[4:]}
        before = {n: np.array(v) for n, v in {**params, **state}.items()}
        old = {**params, **state}
        params, state = optimizer.update(params, gradients, state, learning_rate(step))
        assert all(np.array_equal(before[n], old[n]) for n in before)  # nothing in place
        rows.append(np.concatenate([params["0.weight"].ravel(), params["0.bias"]]))
    return rows


def worst(rows: list[np.ndarray], expected: list[list[float]]) -> float:
    return max(float(abs(np.array(a) - b).max()) for a, b in zip(rows, expected, strict=True))


def test_the_table_is_what_its_generator_writes() -> None:
    pytest.importorskip("mpmath")
    assert table() == STORED


@pytest.mark.parametrize("row", STORED, ids=IDS)
def test_numbers_of_the_table(row: dict[str, Any]) -> None:
    optimizer = by_name(row["name"], **row["hyperparameters"])
    assert worst(run(optimizer), row["weights"]) < 1e-14
    narrow = run(optimizer, "float32")
    assert all(r.dtype == np.float32 for r in narrow)
    assert worst(narrow, row["weights"]) < 2e-5


@pytest.mark.parametrize("row", STORED, ids=IDS)
def test_pytorch_gives_the_same_numbers_step_by_step(row: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    h = dict(row["hyperparameters"])
    if "beta1" in h:
        h["betas"] = (h.pop("beta1"), h.pop("beta2"))
    if "initial_accumulator" in h:
        h["initial_accumulator_value"] = h.pop("initial_accumulator")
    kind = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}[row["name"]]
    w = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    theirs = getattr(torch.optim, kind)([w], lr=1.0, **h)
    ours = run(by_name(row["name"], **row["hyperparameters"]))
    for step in range(STEPS):
        theirs.param_groups[0]["lr"] = learning_rate(step)
        w.grad = torch.tensor([gradient(step, i) for i in range(5)], dtype=torch.float64)
        theirs.step()
        np.testing.assert_allclose(ours[step], w.detach().numpy(), rtol=1e-13, atol=1e-14)


# -- broken twins: each of these must be told from the right one by the table ------------------------------------------
@dataclass(frozen=True)
class NoBiasCorrection(Adam):
    def prepare(self, common: dict[str, Any], rate: Any) -> None:
        common.update(corrected_rate=rate, root=np.float64(1))


@dataclass(frozen=True)
class EpsInsideTheRoot(RMSProp):
    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        v = self.alpha * slots["mean_square"] + (1 - self.alpha) * g * g
        return W - common["rate"] * g / np.sqrt(v + self.eps), {"mean_square": v}


@dataclass(frozen=True)
class CoupledDecay(AdamW):
    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        return Adam.one(self, W, g + self.weight_decay * W, slots, **common)


@dataclass(frozen=True)
class LateMomentum(SGD):
    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        return W - common["rate"] * slots["momentum"], {"momentum": self.momentum * slots["momentum"] + g}


@dataclass(frozen=True)
class RateInTheMomentum(SGD):
    """The book's v ← αv − ηg, W ← W + v: the same only while the learning rate stays."""

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        m = self.momentum * slots["momentum"] - common["rate"] * g
        return W + m, {"momentum": m}


@pytest.mark.parametrize(
    ("twin", "case"),
    [
        (NoBiasCorrection(), ("adam", {})),
        (EpsInsideTheRoot(), ("rmsprop", {})),
        (CoupledDecay(), ("adamw", {})),
        (LateMomentum(momentum=0.9), ("sgd", {"momentum": 0.9})),
        (RateInTheMomentum(momentum=0.9), ("sgd", {"momentum": 0.9})),
        (Adam(eps=2e-8), ("adam", {})),
        (Adam(beta2=0.9991), ("adam", {})),
        (AdaGrad(eps=1e-8), ("adagrad", {})),
    ],
)
def test_the_table_catches_broken_twins(twin: Optimizer, case: tuple[str, dict[str, Any]]) -> None:
    assert worst(run(twin), STORED[CASES.index(case)]["weights"]) > 1e-9


# -- recorded ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_recorded_updates_are_the_same_bits_and_have_no_hidden_inputs(case: Any, dtype: str) -> None:
    optimizer = by_name(case[0], **case[1])
    params = {"w": np.array(START, dtype), "b": np.array([0.5], dtype)}
    state = optimizer.init(params)
    for step in range(3):
        grads = {"w": np.array([gradient(step, i) for i in range(5)], dtype), "b": np.array([0.25], dtype)}
        given = {
            **{f"p.{n}": tensor(v) for n, v in params.items()},
            **{f"g.{n}": tensor(v) for n, v in grads.items()},
            **{f"s.{n}": tensor(v) for n, v in state.items()},
            "rate": tensor(np.float64(learning_rate(step))),
        }

        def part(prefix: str, given: dict[str, Tensor] = given) -> dict[str, Tensor]:
            return {n[2:]: t for n, t in given.items() if n.startswith(prefix)}

        new_p, new_s = optimizer.update(part("p."), part("g."), part("s."), given["rate"])
        graph = Graph({**{f"p.{n}": t for n, t in new_p.items()}, **{f"s.{n}": t for n, t in new_s.items()}}, given)
        leaves = [n for n in graph.nodes if n.op is None and n.kind == "constant"]
        assert all(n.value.shape == () for n in leaves)
        assert learning_rate(step) not in {float(n.value) for n in leaves} - {0.25, 0.125, 0.0625}
        params, state = optimizer.update(params, grads, state, learning_rate(step))
        for name, value in params.items():
            assert new_p[name].dtype == value.dtype == dtype
            assert np.array_equal(new_p[name].value, value)
        assert list(new_s) == list(state)
        for name, value in state.items():
            assert np.array_equal(new_s[name].value, value)
            assert value.dtype == ("float64" if name == "step" else dtype)


def test_the_rate_and_the_step_are_inputs_of_the_graph() -> None:
    optimizer = Adam()
    p, g = {"w": tensor(np.ones(3))}, {"w": tensor(np.ones(3))}
    state = {n: tensor(v, name=n) for n, v in optimizer.init(p).items()}
    rate = tensor(0.1, name="rate")
    new, new_state = optimizer.update(p, g, state, rate)
    used = Graph({"w": new["w"], "step": new_state["step"]}).nodes
    assert rate.node in used
    assert state["step"].node in used
    assert new_state["step"].item() == 1.0


def test_parameters_as_tensors_with_plain_gradients_record_nothing() -> None:
    p = {"w": tensor(np.ones(3))}
    state = Adam().init(p)
    new, new_state = Adam().update(p, {"w": np.ones(3)}, state, tensor(0.1))
    plain, _ = Adam().update({"w": np.ones(3)}, {"w": np.ones(3)}, state, 0.1)
    assert not any(isinstance(v, Tensor) for v in (*new.values(), *new_state.values()))
    assert np.array_equal(new["w"], plain["w"])
    for rate, kept in ((0.1, {n: tensor(v) for n, v in state.items()}), (tensor(0.1), state)):
        with pytest.raises(UsageError, match="recorded update"):
            Adam().update(p, {"w": tensor(np.ones(3))}, kept, rate)


def test_float32_bias_correction_is_computed_in_float64() -> None:
    """At t = 1 the first step of Adam is the rate itself; in float32 1 − β₂ has a relative error of 1e-5."""
    p = {"w": np.zeros(1, np.float32)}
    optimizer = Adam(eps=0.0)
    new, _ = optimizer.update(p, {"w": np.ones(1, np.float32)}, optimizer.init(p), 1.0)
    assert new["w"][0] == pytest.approx(-1.0, rel=3e-7)


# -- clipping ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_is_pytorchs(scale: float, dtype: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    g = {"a": (scale * rng.standard_normal((3, 4))).astype(dtype), "b": (scale * rng.standard_normal(5)).astype(dtype)}
    rtol = 1e-13 if dtype == "float64" else 1e-6

    def theirs(clip: Callable[[list[Any]], Any]) -> tuple[list[np.ndarray], Any]:
        leaves = [torch.nn.Parameter(torch.zeros(v.shape, dtype=getattr(torch, dtype))) for v in g.values()]
        for leaf, v in zip(leaves, g.values(), strict=True):
            leaf.grad = torch.from_numpy(v.copy())
        result = clip(leaves)
        return [leaf.grad.numpy() for leaf in leaves], result

    clipped, norm = clip_by_global_norm(g, 1.5)
    want, want_norm = theirs(lambda p: torch.nn.utils.clip_grad_norm_(p, 1.5))
    assert norm == pytest.approx(want_norm.item(), rel=rtol)
    for a, b in zip(clipped.values(), want, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=rtol)
    by_value = clip_by_value(g, 0.5)
    want, _ = theirs(lambda p: torch.nn.utils.clip_grad_value_(p, 0.5))
    for a, b in zip(by_value.values(), want, strict=True):
        assert a.dtype == dtype
        assert np.array_equal(a, b)
    recorded, recorded_norm = clip_by_global_norm({n: tensor(v) for n, v in g.items()}, 1.5)
    assert recorded_norm.item() == norm
    assert all(np.array_equal(recorded[n].value, clipped[n]) for n in g)


def test_clipping_leaves_small_gradients_alone_and_large_ones_finite() -> None:
    small = {"a": np.float32([0.3, 0.4])}
    clipped, norm = clip_by_global_norm(small, 1.0)
    assert np.array_equal(clipped["a"], small["a"])
    assert norm == pytest.approx(0.5, rel=1e-7)
    clipped, norm = clip_by_global_norm({"a": np.float32([3e30, 4e30])}, 1.0)
    assert norm == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(clipped["a"], [0.6, 0.8], rtol=1e-6)
    clipped, norm = clip_by_global_norm({"a": np.zeros(2)}, 1.0)
    assert (clipped["a"].tolist(), norm) == ([0, 0], 0)
    clipped, norm = clip_by_global_norm({"a": np.array([1.0, np.nan])}, 1.0)
    assert math.isnan(norm)
    assert np.isnan(clipped["a"]).all()
    assert clip_by_global_norm({}, 1.0) == ({}, 0)


# -- names, descriptions, errors ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", optim.NAMES)
def test_names_and_descriptions(name: str) -> None:
    optimizer = by_name(name)
    assert optim.from_spec(json.loads(json.dumps(optimizer.spec()))) == optimizer
    assert optim.LEARNING_RATES[name] > 0
    assert by_name(name, weight_decay=0.25).weight_decay == 0.25


def test_short_names() -> None:
    assert by_name("momentum") == SGD(momentum=0.9)
    assert by_name("nesterov", momentum=0.8) == SGD(momentum=0.8, nesterov=True)
    assert by_name("adamw").weight_decay == 0.01
    params = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}
    assert list(by_name("momentum").init(params)) == ["momentum.0.weight", "momentum.0.bias"]
    assert by_name("sgd").init(params) == {}
    assert by_name("adam").init(params)["step"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: by_name("adan"), "'adam'"),
        (lambda: by_name("SGD"), "'sgd'"),
        (lambda: by_name(3), "one of"),  # type: ignore[arg-type]
        (lambda: by_name("adam", momentum=0.9), "hyperparameter of adam"),
        (lambda: by_name("adam", bata1=0.9), "'beta1'"),
        (lambda: SGD(momentum=1.0), "momentum"),
        (lambda: SGD(momentum=-0.1), "momentum"),
        (lambda: SGD(nesterov=True), "Nesterov"),
        (lambda: SGD(weight_decay=-1), "weight_decay"),
        (lambda: SGD(weight_decay=math.nan), "weight_decay"),
        (lambda: Adam(beta1=1.0), "beta1"),
        (lambda: Adam(beta2=-0.5), "beta2"),
        (lambda: Adam(eps=-1e-8), "eps"),
        (lambda: RMSProp(alpha=1.5), "alpha"),
        (lambda: AdaGrad(eps=math.inf), "eps"),
        (lambda: clip_by_global_norm({}, 0), "max_norm"),
        (lambda: clip_by_value({}, -1), "limit"),
    ],
)
def test_what_cannot_be_meant(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "0.1", None])
def test_bad_learning_rates(rate: Any) -> None:
    with pytest.raises(UsageError, match="learning rate"):
        SGD().update({"w": np.ones(1)}, {"w": np.ones(1)}, {}, rate)


def test_what_does_not_belong_together_names_the_parameter() -> None:
    w = {"0.weight": np.ones((2, 2)), "0.bias": np.ones(2)}
    state = Adam().init(w)
    with pytest.raises(UsageError, match=r"missing 0\.bias"):
        Adam().update(w, {"0.weight": np.ones((2, 2))}, state, 0.1)
    with pytest.raises(UsageError, match=r"2\.bias"):
        Adam().update(w, {**w, "2.bias": np.ones(2)}, state, 0.1)
    with pytest.raises(UsageError, match=r"missing first_moment\.0\.bias"):
        Adam().update(w, w, {n: v for n, v in state.items() if n != "first_moment.0.bias"}, 0.1)
    with pytest.raises(UsageError, match=r"unknown first_moment\.0\.bias.*step"):
        SGD().update(w, w, state, 0.1)
    with pytest.raises(ShapeError, match=r"gradient of 0\.bias"):
        SGD().update(w, {**w, "0.bias": np.ones(1)}, {}, 0.1)
    with pytest.raises(ShapeError, match="learning rate"):
        SGD().update(w, w, {}, np.ones(2))


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"name": "sgd"},
        {**SGD().spec(), "name": "momentum"},
        {**SGD().spec(), "extra": 1},
        {**SGD().spec(), "momentum": 2},
        {**SGD().spec(), "momentum": "0.9"},
        {**SGD().spec(), "nesterov": "yes"},
        {**SGD().spec(), "name": ["sgd"]},
    ],
)
def test_bad_specs(spec: Any) -> None:
    with pytest.raises(ModelFileError):
        optim.from_spec(spec)
