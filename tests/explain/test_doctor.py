"""The doctor finds each planted illness, and says nothing about healthy runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa import nn
from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import UsageError
from denpa.explain.doctor import Diagnosis, constant_loss
from denpa.explain.doctor_findings import KEYS
from denpa.explain.step import record_step
from denpa.nn import optim

Data = tuple[Any, Any]


def clusters(rows: int = 256, features: int = 6, classes: int = 3, spread: float = 1.0, seed: int = 1) -> Data:
    rng = np.random.default_rng(seed)
    t = rng.integers(0, classes, rows)
    x = 2 * rng.standard_normal((classes, features))[t] + spread * rng.standard_normal((rows, features))
    return (x - x.mean(axis=0)) / x.std(axis=0), t


def ring(rows: int = 256, seed: int = 2) -> Data:
    x = np.random.default_rng(seed).standard_normal((rows, 2))
    return x, ((x**2).sum(axis=1) > 1.4).astype(np.int64)


def waves(rows: int = 256, seed: int = 3) -> Data:
    x = np.random.default_rng(seed).standard_normal((rows, 3))
    return x, np.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]


def fit(
    network: Any, data: Data, rate: float = 0.1, epochs: int = 15, method: str = "sgd", held_out: Data | None = None
) -> tuple[Any, list[dict[str, float]]]:
    """Train in batches of 32; the history holds each epoch's mean loss."""
    x, t = data
    parameters = {n: p.value for n, p in network.parameters().items()}
    optimizer = optim.by_name(method)
    state, rng = optimizer.init(parameters), np.random.default_rng(0)
    history = []
    for epoch in range(1, epochs + 1):
        losses = []
        for rows in np.array_split(rng.permutation(len(x)), max(1, len(x) // 32)):
            network = network.with_parameters(parameters)
            loss = network.loss(x[rows], t[rows])
            found = dp.backward(loss)
            gradients = {n: found[p] for n, p in network.parameters().items()}
            parameters, state = optimizer.update(parameters, gradients, state, rate)
            losses.append(float(loss.value))
        row = {"epoch": epoch, "train_loss": float(np.mean(losses)), "learning_rate": rate}
        if held_out is not None:
            row["valid_loss"] = float(network.with_parameters(parameters).loss(*held_out).value)
        history.append(row)
    return network.with_parameters(parameters), history


def net(*units: int, hidden: str = "relu", output: str = "softmax", **options: Any) -> nn.Network:
    return nn.Network(list(units), hidden=hidden, output=output, **{"seed": 7, "dtype": "float64", **options})


def changed(network: Any, change: Callable[[str, Any], Any]) -> Any:
    return network.with_parameters({n: change(n, np.array(p.value)) for n, p in network.parameters().items()})


def examined(network: Any, data: Data, **training: Any) -> Diagnosis:
    trained, history = fit(network, data, **training)
    return dp.doctor(trained, *data, history)


# -- twelve illnesses --------------------------------------------------------------------------------------------------
def vanishing() -> Diagnosis:
    return dp.doctor(net(6, *[20] * 8, 3, hidden="sigmoid"), *clusters())


def exploding() -> Diagnosis:
    return dp.doctor(changed(net(6, *[20] * 8, 3), lambda n, v: 4 * v), *clusters())


def dead() -> Diagnosis:
    return dp.doctor(changed(net(6, 20, 3), lambda n, v: v - 30 if n == "0.bias" else v), *clusters())


def saturated() -> Diagnosis:
    return dp.doctor(changed(net(6, 20, 3, hidden="tanh"), lambda n, v: 30 * v if n == "0.weight" else v), *clusters())


def copies() -> Diagnosis:
    return examined(net(6, 20, 3, init="constant:0.1"), clusters())


def too_high() -> Diagnosis:
    return examined(net(2, 20, 2, hidden="tanh"), ring(), rate=3.0)


def too_low() -> Diagnosis:
    return examined(net(6, 20, 3), clusters(), rate=1e-4)


def unscaled() -> Diagnosis:
    x, t = clusters()
    return examined(net(6, 20, 3), (x * np.array([1, 1, 1, 1, 1, 400.0]), t), rate=1e-3)


def overfitted() -> Diagnosis:
    x, _ = clusters(40, 30)
    t = np.random.default_rng(0).integers(0, 3, 80)  # nothing to learn but the rows themselves
    held = (np.random.default_rng(1).standard_normal((200, 30)), np.random.default_rng(2).integers(0, 3, 200))
    data = (np.concatenate([x, x + 1]), t)
    trained, history = fit(net(30, 64, 3), data, 0.01, 40, "adam", held)
    return dp.doctor(trained, *data, history)


def nothing_learned() -> Diagnosis:
    x, t = waves()
    return examined(net(3, 20, 1, output="identity"), (x, np.random.default_rng(5).permutation(t)), epochs=3, rate=1e-9)


def one_class() -> Diagnosis:
    network, history = fit(net(6, 20, 3), clusters())
    return dp.doctor(
        changed(network, lambda n, v: v + np.array([50, 0, 0]) if n == "2.bias" else v), *clusters(), history
    )


def nan() -> Diagnosis:
    x, t = clusters()
    x = x.copy()
    x[17, 2] = np.nan
    return dp.doctor(net(6, 20, 3), x, t)


ILLNESSES: dict[str, Callable[[], Diagnosis]] = {
    "vanishing_gradient": vanishing,
    "exploding_gradient": exploding,
    "dead_relu": dead,
    "saturation": saturated,
    "identical_units": copies,
    "learning_rate_high": too_high,
    "learning_rate_low": too_low,
    "unscaled_input": unscaled,
    "overfitting": overfitted,
    "no_better_than_baseline": nothing_learned,
    "one_class": one_class,
    "not_finite": nan,
}


def test_there_is_an_illness_for_every_key() -> None:
    assert ILLNESSES.keys() == KEYS.keys() - {"failed"}  # which tests/cli/test_doctoring.py plants
    assert len(ILLNESSES) == len(HEALTHY) == 12


@pytest.mark.parametrize("key", ILLNESSES)
def test_a_planted_illness_is_found(key: str) -> None:
    diagnosis = ILLNESSES[key]()
    assert key in [f.key for f in diagnosis.findings], (diagnosis, diagnosis.curve)
    for language in ("en", "ja"):
        text = "\n".join(lines(diagnosis.document(), language))  # type: ignore[arg-type]
        assert KEYS[key].en in text if language == "en" else KEYS[key].ja in text
    assert page(diagnosis.document())
    assert json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))["healthy"] is False


def held_out() -> Diagnosis:
    x, t = clusters(512, spread=2.0)
    trained, history = fit(net(6, 16, 3), (x[:384], t[:384]), 0.05, 20, held_out=(x[384:], t[384:]))
    return dp.doctor(trained, x[:384], t[:384], history)


# -- twelve healthy runs -----------------------------------------------------------------------------------------------
HEALTHY: dict[str, Callable[[], Diagnosis]] = {
    "relu": lambda: examined(net(6, 20, 3), clusters()),
    "two hidden layers": lambda: examined(net(6, 20, 20, 3), clusters()),
    "sigmoid": lambda: examined(net(6, 20, 3, hidden="sigmoid"), clusters(), rate=0.5, epochs=20),
    "tanh": lambda: examined(net(2, 20, 2, hidden="tanh"), ring(), rate=0.3, epochs=40),
    "adam": lambda: examined(net(2, 16, 2), ring(), rate=0.01, epochs=30, method="adam"),
    "momentum": lambda: examined(net(6, 20, 3), clusters(), rate=0.02, method="momentum"),
    "regression": lambda: examined(net(3, 20, 1, output="identity"), waves(), rate=0.05, epochs=30),
    "logistic": lambda: examined(net(6, 3), clusters(), rate=0.2),
    "noisy classes": lambda: examined(net(6, 10, 3), clusters(512, spread=4.0), rate=0.03, epochs=25),
    "deep relu": lambda: examined(net(6, *[24] * 6, 3), clusters(), rate=0.05, epochs=20),
    "squared error": lambda: examined(
        net(2, 12, 1, hidden="sigmoid", output="sigmoid", loss="sigmoid_cross_entropy"),
        (ring()[0], ring()[1][:, None].astype(float)), rate=0.02, epochs=40, method="adam"),
    "held out": held_out,
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_has_no_findings(name: str) -> None:
    diagnosis = HEALTHY[name]()
    assert diagnosis.healthy, [(f.key, f.measured.en) for f in diagnosis.findings]  # type: ignore[union-attr]
    assert diagnosis.rows > 0


def test_an_untrained_network_is_not_blamed_for_what_it_has_not_learned() -> None:
    assert dp.doctor(net(6, 20, 3), *clusters()).healthy


# -- what is measured --------------------------------------------------------------------------------------------------
def test_the_factors_multiply_to_the_change_of_delta() -> None:
    x, t = clusters()
    network = net(6, 12, 11, 10, 3, hidden="sigmoid")
    diagnosis = dp.doctor(network, x, t)
    step = record_step(network, x, t)
    for flow, layer, below in zip(diagnosis.layers[1:], step.layers[1:], step.layers[:-1], strict=True):
        back = np.asarray(layer.delta) @ np.asarray(layer.weight)
        slope = np.asarray(below.activation) * (1 - np.asarray(below.activation))
        np.testing.assert_allclose(np.asarray(below.delta), back * slope, rtol=1e-12, atol=1e-300)  # (52) of seed 001
        assert flow.factor == pytest.approx(np.linalg.norm(back * slope) / np.linalg.norm(layer.delta), rel=1e-12)
        assert flow.weight_factor <= flow.norm * (1 + 1e-12)
        assert flow.slope_factor <= 0.25
        assert flow.norm == pytest.approx(np.linalg.svd(np.asarray(layer.weight))[1][0])


def test_the_vanishing_is_blamed_on_the_factor_that_causes_it() -> None:
    by_slope = next(f for f in vanishing().findings if f.key == "vanishing_gradient")
    assert "ψ′" in by_slope.means.en  # type: ignore[union-attr]
    tiny = changed(net(6, *[20] * 8, 3), lambda n, v: 0.1 * v)
    by_weight = next(f for f in dp.doctor(tiny, *clusters()).findings if f.key == "vanishing_gradient")
    assert "mostly W" in by_weight.means.en  # type: ignore[union-attr]


def test_a_nan_is_placed_by_layer_and_row() -> None:
    (finding,) = nan().findings
    assert "rows 18" in finding.measured.en  # type: ignore[union-attr]
    assert finding.layer == 0
    spoiled = changed(net(6, 20, 3), lambda n, v: np.where(v == v.max(), np.inf, v) if n == "2.weight" else v)
    (finding,) = dp.doctor(spoiled, *clusters()).findings
    assert "2.weight" in finding.measured.en  # type: ignore[union-attr]
    assert finding.layer == 2


def test_the_constant_answer_is_the_entropy_or_the_variance() -> None:
    x, t = clusters()
    share = np.bincount(t) / len(t)
    assert constant_loss(record_step(net(6, 4, 3), x, t)) == pytest.approx(-(share * np.log(share)).sum())
    x, y = waves()
    assert constant_loss(record_step(net(3, 4, 1, output="identity"), x, y)) == pytest.approx(0.5 * y.var())


@pytest.mark.parametrize(
    ("losses", "key"),
    [
        ([1.0, 0.7, 0.5, 0.4, 0.35, 0.33, 0.32, 0.315, 0.312, 0.31], None),
        ([1.0, 0.9, 1.4, 2.0], "learning_rate_high"),
        ([1.0, 0.8, 1.0, 0.7, 1.0, 0.8, 0.9], "learning_rate_high"),
        ([1.0, 0.999, 0.998, 0.997, 0.996], "learning_rate_low"),
        ([0.4258, 0.29, 0.262, 0.281, 0.25, 0.27, 0.245, 0.2298], None),  # jumps of outliers on the way down (abalone)
        ([0.7 + 0.001 * (-1) ** k for k in range(30)], None),
        ([1.0, 0.5, float("nan")], "not_finite"),
        ([1.0], None),
        ([], None),
    ],
)
def test_curves(losses: list[float], key: str | None) -> None:
    assert [f.key for f in dp.doctor(history=losses).findings] == ([key] if key else [])


@pytest.mark.parametrize(
    "call",
    [
        dp.doctor,
        lambda: dp.doctor(net(6, 3)),
        lambda: dp.doctor(net(6, 3), clusters()[0]),
        lambda: dp.doctor(history=[{"loss": 1.0}]),
        lambda: dp.doctor(history=["a"]),  # type: ignore[list-item]
    ],
)
def test_what_cannot_be_meant(call: Callable[[], Any]) -> None:
    with pytest.raises(UsageError):
        call()


@pytest.mark.parametrize("history", [5, "abc", b"abc"])
def test_a_history_is_a_sequence(history: Any) -> None:
    with pytest.raises(UsageError):
        dp.doctor(history=history)


def test_only_a_network_is_examined() -> None:
    with pytest.raises(UsageError, match="feedforward"):
        dp.doctor(3, *clusters())
