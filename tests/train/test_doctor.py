"""The doctor during a training: what it says when, that it says it once, and that it changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa.data import Dataset, read
from denpa.errors import ModelFileError, TrainingError
from denpa.explain.doctor_findings import KEYS, Finding
from denpa.nn import Network
from denpa.train.config import Config
from denpa.train.doctor import Watch, _every, doctor_run, findings
from denpa.train.loop import Progress
from denpa.train.run import Run
from denpa.train.training import Trained, resume, train


def table(x: Any, y: Any, classify: bool = True) -> Dataset:
    x = np.asarray(x, np.float64)
    classes = tuple(map(str, np.unique(y).tolist())) if classify else None
    return Dataset(
        source="rows",
        inputs=x,
        targets=np.asarray(y, np.int64 if classes else np.float64),
        target_name="y",
        task_reason="by hand",
        classes=classes,
        sha256=hashlib.sha256(x.tobytes()).hexdigest(),
    )


def clusters(rows: int = 320, spread: float = 1.0, seed: int = 1) -> Dataset:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    return table(2 * rng.standard_normal((3, 6))[y] + spread * rng.standard_normal((rows, 6)), y)


def ring(rows: int = 320) -> Dataset:
    x = np.random.default_rng(2).standard_normal((rows, 2))
    return table(x, ((x**2).sum(axis=1) > 1.4).astype(int))


def waves(rows: int = 320) -> Dataset:
    x = np.random.default_rng(3).standard_normal((rows, 3))
    return table(x, np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2], classify=False)


def noise(rows: int = 320, features: int = 30) -> Dataset:
    rng = np.random.default_rng(4)
    return table(rng.standard_normal((rows, features)), rng.integers(0, 3, rows))


def heard(data: Dataset, out: Path, **settings: Any) -> tuple[list[Finding], Trained]:
    """What a training says while it runs."""
    said: list[Finding] = []

    def listen(p: Progress) -> None:
        assert not p.findings or p.row is not None
        said.extend(p.findings)

    options: dict[str, Any] = {"hidden": (20,), "batch_size": 32, "epochs": 16, "learning_rate": 0.1, "engine": "eager"}
    return said, train(Config(source="rows", **{**options, **settings}), data, out, on_progress=listen)


ILL: dict[str, tuple[Callable[[], Dataset], dict[str, Any]]] = {
    "vanishing_gradient": (clusters, {"hidden": (20,) * 8, "activation": "sigmoid", "epochs": 2}),
    "exploding_gradient": (
        clusters,
        {"hidden": (20,) * 8, "init": "normal:1.2", "learning_rate": 1e-12, "epochs": 2},
    ),
    "dead_relu": (lambda: read("digits"), {"learning_rate": 20.0, "batch_size": 100, "epochs": 2}),
    "saturation": (
        clusters,
        {"activation": "tanh", "init": "normal:8", "learning_rate": 1e-6, "epochs": 2},
    ),
    "identical_units": (clusters, {"init": "constant:0.1", "epochs": 2}),
    "learning_rate_high": (ring, {"activation": "tanh", "learning_rate": 4.0}),
    "learning_rate_low": (clusters, {"learning_rate": 1e-4}),
    "overfitting": (noise, {"hidden": (64,), "optimizer": "adam", "learning_rate": 0.01, "epochs": 32}),
    "no_better_than_baseline": (noise, {"learning_rate": 1e-9}),
    "one_class": (noise, {"activation": "sigmoid", "learning_rate": 1e-3, "init": "normal:1e-3"}),
}


@pytest.mark.parametrize("key", ILL)
def test_an_illness_that_shows_is_said_once_and_kept(key: str, tmp_path: Path) -> None:
    data, settings = ILL[key]
    said, done = heard(data(), tmp_path / "run", **settings)
    assert [f.key for f in said].count(key) == 1, [f.key for f in said]
    assert len({f.key for f in said}) == len(said)
    finding = next(f for f in said if f.key == key)
    assert finding.epoch is not None
    assert 1 <= finding.epoch <= settings.get("epochs", 16)
    for language in ("en", "ja"):
        line = finding.line(language)
        assert "\n" not in line
        assert line.startswith(getattr(KEYS[key], language))
    assert findings(Run(done.run.path)) == tuple(said)
    again = doctor_run(done.run.path, data())
    assert again.during == tuple(said)
    assert json.loads(json.dumps(again.to_json(), allow_nan=False))["during"][0]["epoch"] == said[0].epoch


def test_inputs_that_bypass_the_scaling_are_noticed(tmp_path: Path) -> None:
    """A run scales its inputs itself, so this one has to be planted behind the encoding."""
    _, done = heard(clusters(), tmp_path / "run", epochs=1)
    watch = Watch(done.run, done.model.network, replace(done.parts, x=done.parts.x * 400))
    values = {n: p.value for n, p in done.model.network.parameters().items()}
    assert "unscaled_input" in [f.key for f in watch({"epoch": 1, "train_loss": 1.0}, values)]


def test_a_number_that_is_lost_ends_the_run_and_is_in_the_examination(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="became"):
        heard(waves(), tmp_path / "run", learning_rate=1e6, hidden=(), epochs=40)
    assert doctor_run(tmp_path / "run", waves()).findings[0].key == "not_finite"


HEALTHY: dict[str, tuple[Callable[[], Dataset], dict[str, Any]]] = {
    "relu": (clusters, {}),
    "two hidden layers": (clusters, {"hidden": (20, 20)}),
    "sigmoid": (clusters, {"activation": "sigmoid", "learning_rate": 0.5}),
    "tanh": (ring, {"activation": "tanh", "learning_rate": 0.3, "epochs": 40}),
    "adam": (ring, {"optimizer": "adam", "learning_rate": 0.01, "epochs": 30}),
    "momentum": (clusters, {"optimizer": "momentum", "learning_rate": 0.02}),
    "regression": (waves, {"learning_rate": 0.05, "epochs": 30}),
    "logistic": (clusters, {"hidden": (), "learning_rate": 0.2}),
    "noisy classes": (lambda: clusters(512, 4.0), {"hidden": (10,), "learning_rate": 0.03}),
    "deep relu": (clusters, {"hidden": (24,) * 6, "learning_rate": 0.05, "epochs": 12}),
    "dropout": (clusters, {"dropout": 0.3}),
    "digits": (lambda: read("digits"), {"hidden": (50,), "epochs": 24}),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_silent(name: str, tmp_path: Path) -> None:
    data, settings = HEALTHY[name]
    said, done = heard(data(), tmp_path / "run", **settings)
    assert [(f.epoch, f.line()) for f in said] == []
    assert "findings" not in done.run.info


def test_it_changes_no_bit_and_can_be_switched_off(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"activation": "sigmoid", "hidden": (20,) * 8, "dropout": 0.2, "epochs": 6}
    said, _ = heard(clusters(), tmp_path / "on", **settings)
    silent, _ = heard(clusters(), tmp_path / "off", **settings, doctor=False)
    assert said
    assert silent == []
    for name in ("metrics.jsonl", "checkpoints"):
        on, off = (sorted((tmp_path / run).glob(f"{name}*/*")) or [tmp_path / run / name] for run in ("on", "off"))
        assert [p.read_bytes() for p in on] == [p.read_bytes() for p in off]


def test_a_resumed_run_says_what_one_never_stopped_says(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"learning_rate": 1e-4, "epochs": 24, "hidden": (20,) * 6, "activation": "sigmoid"}
    whole, _ = heard(clusters(), tmp_path / "whole", **settings)
    assert len(whole) > 1
    seen: list[Progress] = []
    said: list[Finding] = []

    def listen(p: Progress) -> None:
        seen.append(p)
        said.extend(p.findings)

    options: dict[str, Any] = {"batch_size": 32, "engine": "eager", **settings}
    first = train(
        Config(source="rows", **options),
        clusters(),
        tmp_path / "cut",
        on_progress=listen,
        should_stop=lambda: any(p.epoch == 7 and p.batch for p in seen),
    )
    assert not first.finished
    assert 0 < len(said) < len(whole)
    resume(tmp_path / "cut", clusters(), on_progress=listen)
    assert said == whole
    assert findings(Run(tmp_path / "cut")) == tuple(whole)


def test_it_looks_often_at_first_and_then_as_often_as_it_costs_little(tmp_path: Path) -> None:
    """The book's network on 48,000 images in batches of 100: every sixth epoch, about 1 % of the time."""
    book = Network([784, 50, 10], seed=0)
    assert _every(book, 256, 48_000, 100) == 6
    assert _every(Network([784, 1000, 1000, 10], seed=0), 256, 48_000, 100) == 3
    assert _every(Network([4, 10, 3], seed=0), 120, 120, 100) > 1000
    _, done = heard(clusters(), tmp_path / "run", epochs=1)
    watch = Watch(done.run, done.model.network, done.parts)
    watch.every, looks = 6, []
    for epoch in range(1, 30):
        before = watch.next
        watch({"epoch": epoch, "train_loss": 1 / epoch}, {n: p.value for n, p in watch.network.parameters().items()})
        looks += [epoch] if watch.next != before else []
    assert looks == [1, 2, 4, 8, 14, 20, 26]


def test_a_run_whose_findings_were_meddled_with(tmp_path: Path) -> None:
    said, done = heard(clusters(), tmp_path / "run", init="constant:0.1", epochs=2)
    told = said[0].to_json()
    assert Finding.from_json(told) == said[0]
    for wrong in (7, [None], [{**told, "key": "plague"}], [{**told, "measured": "x"}], [{**told, "epoch": "1"}]):
        done.run.update(findings=wrong)
        with pytest.raises(ModelFileError):
            findings(Run(done.run.path))
