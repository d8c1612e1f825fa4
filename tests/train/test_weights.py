"""Weights of rows and classes: the same as repeated rows, in every engine, and refused where they mean nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa.data import Dataset
from denpa.data.streaming import on_disk
from denpa.errors import DataError, UsageError, installed
from denpa.train.config import Config
from denpa.train.training import resume, train
from denpa.train.weights import Weighing, weighing

ENGINES = ["eager", pytest.param("native!", marks=pytest.mark.skipif(not installed("numba"), reason="needs numba"))]


def settings(**changes: Any) -> Config:
    options = {"dropout": 0.0, "dtype": "float64", "valid": 0.0, "batch_size": 100_000, "epochs": 5, "doctor": False}
    return worker.settings(**{**options, **changes})


def weighted(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """A dataset with weights 0 … 3, and the one in which each row is there as often."""
    often = rng.integers(0, 4, len(data))
    again = np.repeat(np.arange(len(data)), often)
    return replace(data, weights=often.astype(np.float64)), data.take(again)


def numbers(data: Dataset) -> Dataset:
    targets = data.inputs @ np.linspace(-1, 1, 2 * worker.FEATURES).reshape(-1, 2)
    return replace(data, targets=targets + 0.1 * data.targets[:, None], classes=None)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_a_weight_is_a_repetition(engine: str, loss: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """From the standardised columns to the figures at the end."""
    data = worker.dataset() if loss == "cross_entropy" else numbers(worker.dataset())
    config = settings(engine=engine, loss=loss, optimizer="sgd")
    one, two = (train(config, part, tmp_path / str(i)) for i, part in enumerate(weighted(data, rng)))
    for name, p in one.model.network.parameters().items():
        np.testing.assert_allclose(p.value, two.model.network.parameters()[name].value, rtol=1e-12, atol=1e-12)
    for a, b in zip(one.run.history, two.run.history, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-12)
        assert a.get("train_accuracy", 0) == pytest.approx(b.get("train_accuracy", 0), rel=1e-12)
    assert one.evaluation is not None
    assert two.evaluation is not None
    assert one.evaluation.values == pytest.approx(two.evaluation.values, rel=1e-9)
    assert one.evaluation.baseline == pytest.approx(two.evaluation.baseline, rel=1e-9)
    assert one.fallbacks == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_unit_of_the_weights_does_not_matter(engine: str, tmp_path: Path, rng: np.random.Generator) -> None:
    data = worker.dataset()
    w = rng.random(len(data))
    config = worker.settings(epochs=2, engine=engine)
    for name, factor in (("one", 1.0), ("two", 2.0**40)):  # a power of two: not a bit may differ
        train(config, replace(data, weights=w * factor), tmp_path / name / "run")
    assert worker.bits(tmp_path / "one" / "run") == worker.bits(tmp_path / "two" / "run")
    train(config, data, tmp_path / "none" / "run")
    other = worker.bits(tmp_path / "none" / "run")
    assert other["checkpoint"] != worker.bits(tmp_path / "one" / "run")["checkpoint"]


def test_both_losses_are_in_the_metrics(tmp_path: Path, rng: np.random.Generator) -> None:
    data = replace(worker.dataset(), weights=rng.random(worker.ROWS))
    done = train(worker.settings(epochs=1, dtype="float64"), data, tmp_path / "run")
    row, parts, network = done.run.history[0], done.parts, done.model.network
    x, t, w = parts.x[parts.valid], parts.t[parts.valid], data.weights[parts.valid]  # type: ignore[index]
    each = np.array([network.loss(x[i : i + 1], t[i : i + 1]).item() for i in range(len(x))])
    right = network.predict(x).argmax(axis=1) == t
    assert row["valid_loss"] == pytest.approx((each @ w) / w.sum(), rel=1e-12)
    assert row["valid_accuracy"] == pytest.approx((right @ w) / w.sum(), rel=1e-12)
    assert row["valid_loss_unweighted"] == pytest.approx(each.mean(), rel=1e-12)
    assert row["valid_accuracy_unweighted"] == pytest.approx(right.mean(), rel=1e-12)


def test_rows_from_the_disk_weigh_the_same(tmp_path: Path, rng: np.random.Generator, monkeypatch: Any) -> None:
    monkeypatch.setenv("DENPA_CACHE", str(tmp_path / "cache"))
    data = replace(worker.dataset(), weights=rng.random(worker.ROWS))
    config = worker.settings(epochs=2, class_weight="balanced", split="row")
    train(config, data, tmp_path / "memory" / "run")
    train(config, on_disk(data), tmp_path / "disk" / "run")
    assert worker.bits(tmp_path / "memory" / "run") == worker.bits(tmp_path / "disk" / "run")


def test_a_stopped_weighted_run_goes_on_to_the_same_bits(tmp_path: Path, rng: np.random.Generator) -> None:
    data = replace(worker.dataset(), weights=rng.random(worker.ROWS))
    config = worker.settings(epochs=4, class_weight={"a": 2.0, "c": 0.5})
    train(config, data, tmp_path / "whole" / "run")
    asked = iter(range(1000))
    train(config, data, tmp_path / "parts" / "run", should_stop=lambda: next(asked) == 7)
    resume(tmp_path / "parts" / "run", data)
    assert worker.bits(tmp_path / "parts" / "run") == worker.bits(tmp_path / "whole" / "run")


def test_batches_that_weigh_nothing_change_nothing(tmp_path: Path) -> None:
    data = worker.dataset()
    w = np.zeros(len(data))
    w[:40] = 1
    done = train(settings(batch_size=4, optimizer="sgd", epochs=1), replace(data, weights=w), tmp_path / "run")
    assert all(np.isfinite(p.value).all() for p in done.model.network.parameters().values())


def test_balanced_class_weights_are_scikit_learns(rng: np.random.Generator) -> None:
    found = pytest.importorskip("sklearn.utils.class_weight")
    data = worker.dataset()
    data = replace(data, targets=np.where(rng.random(len(data)) < 0.6, 0, data.targets), classes=("a", "b", "c"))
    rows, none = np.arange(300), np.empty(0, np.int64)
    made = weighing("balanced", data, rows, none)
    assert made is not None
    wanted = found.compute_class_weight("balanced", classes=np.arange(3), y=data.targets[rows])
    np.testing.assert_allclose(made.by_class, wanted)
    w = made(None, data.targets)[rows]
    sums = np.bincount(data.targets[rows], w)
    np.testing.assert_allclose(sums, sums[0])
    assert w.mean() == pytest.approx(1)


def test_given_class_weights() -> None:
    made = weighing({"b": 3.0}, worker.dataset(), np.arange(100), np.empty(0, np.int64))
    assert made is not None
    assert made.by_class == (1.0, 3.0, 1.0)
    assert weighing("none", worker.dataset(), np.arange(100), np.empty(0, np.int64)) is None
    assert Weighing((), 2.0)(np.array([0.5, 1.0]), np.zeros(2, int)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "count", "row"), [(-1.0, 1, 8), (np.nan, 1, 8), (np.inf, 1, 8)], ids=["negative", "NaN", "infinite"]
)
def test_weights_that_cannot_be(value: float, count: int, row: int, tmp_path: Path) -> None:
    w = np.ones(worker.ROWS)
    w[row - 1] = value
    with pytest.raises(DataError, match=rf"{count} are negative or not finite\n.*row {row}\n"):
        train(settings(), replace(worker.dataset(), weights=w), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", ["training", "validation"])
def test_weights_that_are_all_zero(part: str, tmp_path: Path) -> None:
    data = worker.dataset()
    config = worker.settings(epochs=1)
    rows = train(config, data, tmp_path / "plain").parts
    w = np.ones(len(data))
    w[rows.train if part == "training" else rows.valid] = 0
    with pytest.raises(DataError, match=f"all weights of the {part} part are zero"):
        train(config, replace(data, weights=w), tmp_path / "run")


def test_class_weights_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'x', which is no class"):
        train(settings(class_weight={"x": 1.0}), worker.dataset(), tmp_path / "run")
    with pytest.raises(UsageError, match="only classes have class weights"):
        train(settings(class_weight="balanced"), numbers(worker.dataset()), tmp_path / "run")
    for wrong in ("some", {"a": -1.0}, {"a": float("nan")}, "a=x"):
        with pytest.raises(UsageError, match=r"class_weight cannot be read|weight of a class"):
            Config(class_weight=wrong)  # type: ignore[arg-type]


def test_class_weights_are_settings() -> None:
    config = Config(class_weight="yes=3,no=0.5")
    assert config.class_weight == {"yes": 3.0, "no": 0.5}
    assert Config.from_toml(config.to_toml()) == config
    assert Config.from_toml(Config(class_weight="balanced").to_toml()).class_weight == "balanced"
