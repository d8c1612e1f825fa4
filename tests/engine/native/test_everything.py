"""All that a training may consist of runs by kernels alone (`native!`), in both precisions, as `eager` does.

The lists are the library's own, so a new layer, loss, optimiser or schedule is here without a word.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

import denpa as dp
from denpa import nn
from denpa.engine import Step, engine
from denpa.nn import layers, losses, optim, schedules
from denpa.train.step import evaluating_step, measuring_step, training_step
from denpa.train.training import train

pytest.importorskip("numba")

DTYPES = ("float32", "float64")
TOLERANCE = {"float32": 5e-5, "float64": 1e-12}  # of 3 steps; an Adam step divides a gradient by its own size
ROWS, BATCH, STEPS = 24, 8, 3
PARTS: dict[str, dict[str, Any]] = {
    **{f"hidden {name}": {"hidden": name} for name in (*layers.ACTIVATIONS, "leaky_relu:0.2", "elu:1.67")},
    **{f"optimizer {name}": {"optimizer": optim.by_name(name)} for name in optim.NAMES},
    **{
        f"optimizer {name}, weight decay": {"optimizer": optim.by_name(name, weight_decay=0.02)} for name in optim.NAMES
    },
    "dropout": {"dropout": 0.3},
    "clip": {"clip": 0.1},
    "no bias": {"bias": False},
    "all": {"dropout": 0.2, "clip": 0.5, "weighted": True, "optimizer": optim.by_name("adamw"), "hidden": "gelu"},
}


def heads() -> dict[str, dict[str, Any]]:
    """Every output with every loss that goes with it; sums and weights of rows with the loss's own output."""
    found = {}
    for (loss, about), output in product(losses.LOSSES.items(), layers.ACTIVATIONS):
        if about.fused not in (None, output):
            continue
        for reduction, weighted in product(losses.REDUCTIONS, (False, True)):
            if output == (about.fused or "identity") or (reduction == "mean" and not weighted):
                name = f"{output} {loss} {reduction}{' weighted' * weighted}"
                found[name] = {"output": output, "loss": loss, "reduction": reduction, "weighted": weighted}
    assert {case["loss"] for case in found.values()} == {*losses.LOSSES}
    return found


CASES = PARTS | heads()


def same(step: Step, start: dict[str, Any], data: dict[str, Any], steps: int, tolerance: float) -> None:
    rng = np.random.default_rng(5)
    rows = rng.integers(0, ROWS, (steps, BATCH))
    by_step = {
        "learning_rate": np.linspace(0.02, 0.01, steps),
        "key": np.stack([nn.step_key(3, i) for i in range(steps)]),
    }
    given = {name: by_step[name] for name in step.by_step}
    states, found = [], []
    for name in ("eager", "native!"):
        states.append(dict(start))
        found.append(engine(name).compile(step).run(states[-1], data, rows, given))
    for eager, native in (states, found):
        assert list(eager) == list(native)
        for name, wanted in eager.items():
            assert native[name].dtype == wanted.dtype
            size = max(float(np.abs(wanted).max(initial=0)), 1e-3)
            np.testing.assert_allclose(native[name], wanted, rtol=tolerance, atol=tolerance * size, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_a_step_its_figures_and_its_gradients(name: str, dtype: str) -> None:
    options = dict(CASES[name])
    optimizer, clip = options.pop("optimizer", optim.SGD()), options.pop("clip", 0.0)
    weighted = options.pop("weighted", False)
    network = nn.Network([6, 5, 4, 3], **{"hidden": "tanh", **options}, dtype=dtype, seed=2)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((ROWS, 6)).astype(dtype)
    classify = network.loss_function.name == "softmax_cross_entropy"
    t: Any = rng.integers(0, 3, ROWS) if classify else rng.random((ROWS, 3)).astype(dtype)
    w = rng.random(ROWS).astype(dtype) if weighted else None
    data = {"x": x, "t": t} | ({} if w is None else {"w": w})
    first = [values[:BATCH] for values in data.values()]
    parameters = {n: np.array(p.value) for n, p in network.parameters().items()}
    state = parameters | optimizer.init(network.parameters())
    step = training_step(network, optimizer, *first, classify=classify, clip=clip)
    same(step, state, data, STEPS, TOLERANCE[dtype])
    same(measuring_step(network, *first), parameters, data, 1, TOLERANCE[dtype])
    evaluation = evaluating_step(network, *first[:2], classify=classify, each=weighted)
    same(evaluation, parameters, data, 1, TOLERANCE[dtype])


SCHEDULES = {"constant": "", "step": ":1:0.5", "exponential": ":0.9", "inverse": ":0.5", "cosine": "", "linear": ""}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*SCHEDULES, "warmup"])
def test_a_run_with_every_schedule_and_weights_of_rows(name: str, dtype: str, tmp_path: Path) -> None:
    assert {*SCHEDULES} == {*schedules.SCHEDULES} - {"warmup"}
    schedule = "warmup:4s+cosine" if name == "warmup" else name + SCHEDULES[name]
    config = worker.settings(
        schedule=schedule, dtype=dtype, epochs=2, class_weight="balanced", doctor=False, learning_rate=0.001,
        activation="tanh",
    )  # fmt: skip
    data = replace(worker.dataset(90), weights=np.linspace(0.5, 2, 90))
    runs = [train(replace(config, engine=how), data, tmp_path / how.strip("!")) for how in ("eager", "native!")]
    assert runs[1].fallbacks == ()
    eager, native = ({n: p.value for n, p in run.model.network.parameters().items()} for run in runs)
    for key, wanted in eager.items():
        np.testing.assert_allclose(native[key], wanted, rtol=0, atol=(1e-3 if dtype == "float32" else 1e-10))
    for a, b in zip(runs[0].run.history, runs[1].run.history, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4 if dtype == "float32" else 1e-10)
        assert a["learning_rate"] == b["learning_rate"]


def made(cls: type[layers.Layer]) -> layers.Layer:
    if cls is layers.Linear:
        return nn.Linear(12, 3)
    return nn.Sequential(nn.Linear(12, 4), nn.Tanh()) if cls is layers.Sequential else cls()


def kinds(base: type[layers.Layer] = layers.Layer) -> list[type[layers.Layer]]:
    below = [kind for c in base.__subclasses__() if c.__module__.startswith("denpa.") for kind in (c, *kinds(c))]
    return [c for c in below if c is not layers.Activation]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", kinds(), ids=lambda c: c.__name__)
def test_every_layer(kind: type[layers.Layer], dtype: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), made(kind), seed=1, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(dtype)
    key = nn.step_key(1, 2)

    def loss(model: Any, x: Any, key: Any) -> Any:
        return dp.sum(model(x, training=True, key=key) ** 2)

    wanted, found = (dp.compile(loss, engine=e, grad=("model", "x"))(model, x, key) for e in ("eager", "native!"))
    pairs = [(wanted[0], found[0]), (wanted[1][1], found[1][1])]
    pairs += zip(wanted[1][0].values(), found[1][0].values(), strict=True)
    for a, b in pairs:
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(b, a, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(float(np.abs(a).max()), 1))
