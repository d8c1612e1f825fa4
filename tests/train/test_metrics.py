"""The figures of an evaluation against scikit-learn's, and on awkward rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.data import Dataset, TargetEncoding, read
from denpa.draw.text import lines
from denpa.engine import engine
from denpa.nn import Network
from denpa.train import machine
from denpa.train.config import Config
from denpa.train.metrics import (
    PIECE,
    ROWS,
    Evaluator,
    Forward,
    baseline_of,
    evaluate,
    rows_together,
    targets_for,
)
from denpa.train.recording import record_of
from denpa.train.report import report
from denpa.train.training import train


def test_the_confusion_matrix_is_scikit_learns(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    targets, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    encoding = TargetEncoding("classes", "t", ("a", "b", "c", "d"))
    found = evaluate(Forward(0.5, None, np.zeros((200, 4)), predicted), targets, encoding, np.int64(2))
    assert found.confusion is not None
    assert found.confusion.tolist() == metrics.confusion_matrix(targets, predicted).tolist()
    assert found.values["accuracy"] == metrics.accuracy_score(targets, predicted)
    assert found.baseline["accuracy"] == (targets == 2).mean()


@pytest.mark.parametrize("rows", [1, ROWS[0] - 1, ROWS[0], 2 * ROWS[0] + 1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_mean_over_rows(rows: int, reduction: str, rng: np.random.Generator) -> None:
    network = nn.Network([4, 3, 2], dtype="float64", reduction=reduction)
    x, t = rng.standard_normal((rows, 4)), rng.integers(0, 2, rows)
    parameters = {n: p.value for n, p in network.parameters().items()}
    found = Evaluator(network, engine(), classify=True)(parameters, x, t, outputs=True)
    whole = network.loss(x, t).item() / (1 if reduction == "mean" else rows)
    assert found.loss == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(found.outputs, network.predict(x), rtol=1e-12)
    assert found.correct == (found.predicted == t).sum()


def test_no_rows() -> None:
    network = nn.Network([4, 3, 2])
    parameters = {n: p.value for n, p in network.parameters().items()}
    found = Evaluator(network, engine(), classify=True)(parameters, np.empty((0, 4)), np.empty(0, int), outputs=True)
    assert np.isnan(found.loss)
    assert found.outputs.shape == (0, 2)


def test_saturated_outputs_are_told_apart_by_their_logits() -> None:
    """Float32 sigmoids of 20 and 30 are both 1: the larger logit is the class."""
    network = nn.Network([2, 2], output="sigmoid", loss="squared_error").with_parameters(
        {"0.weight": np.array([[20.0, 0], [30.0, 0]], np.float32), "0.bias": np.zeros(2, np.float32)}
    )
    parameters = {n: p.value for n, p in network.parameters().items()}
    x, t = np.ones((1, 2), np.float32), targets_for(network, np.array([1]))
    found = Evaluator(network, engine(), classify=True)(parameters, x, t, outputs=True)
    assert found.outputs[0, 0] == found.outputs[0, 1] == 1
    assert found.predicted.tolist() == [1]


@pytest.mark.parametrize(
    ("encoding", "targets", "want"),
    [
        (TargetEncoding("classes", "t", ("a", "b", "c")), np.array([2, 2, 0]), 2),
        (TargetEncoding("numbers", "t", mean=(0.0,), std=(1.0,)), np.array([1.0, 3.0]), [2.0]),
    ],
)
def test_the_baseline(encoding: TargetEncoding, targets: Any, want: Any) -> None:
    assert baseline_of(targets, encoding).tolist() == want


def test_what_differs_between_machines_is_named() -> None:
    assert machine.differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    assert machine.differences({"a": 1, "gone": 2}, {"a": 3, "new": 4}) == [
        "a: 1 then, 3 now",
        "gone: 2 then, None now",
        "new: None then, 4 now",
    ]


def test_the_thread_count_is_set_and_put_back() -> None:
    before = machine.blas_threads()
    with machine.threads(1):
        assert machine.blas_threads() == 1
    assert machine.blas_threads() == before


def test_small_steps_get_one_thread() -> None:
    with machine.threads(2):
        assert machine.threads_for(2.4e7) == 1
        assert machine.threads_for(1e9) == 2


def test_several_labels_from_training_to_the_report(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 4))
    targets = (x @ rng.standard_normal((4, 3)) > 0).astype(np.float64)
    data = Dataset(
        inputs=x,
        source="made",
        sha256="",
        targets=targets,
        target_name="r,g,b",
        classes=None,
        task_reason="made so",
        labels=("r", "g", "b"),
    )
    done = train(Config(epochs=30, optimizer="adam", learning_rate=0.01, doctor=False), data, tmp_path / "run")
    e = done.evaluation
    assert e is not None
    assert done.config.loss == "sigmoid_cross_entropy"
    assert e.values["accuracy"] > 0.85 > e.baseline["accuracy"]
    assert e.values["subset_accuracy"] <= e.values["accuracy"]
    assert e.baseline["roc_auc"] == 0.5
    assert e.label_counts is not None
    assert e.label_counts[:, 1].tolist() == e.targets.sum(axis=0).tolist()
    record = record_of(done)
    assert [row[0] for row in record.labels] == ["r", "g", "b"]
    assert "Labels" in "\n".join(lines(report(record)))


def test_several_numbers_from_training_to_the_report(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 4))
    data = Dataset(
        inputs=x,
        source="made",
        sha256="",
        targets=x @ rng.standard_normal((4, 2)) * 10 + 100,
        target_name="u,v",
        classes=None,
        task_reason="made so",
        target_names=("u", "v"),
    )
    done = train(Config(epochs=30, optimizer="adam", learning_rate=0.01, doctor=False), data, tmp_path / "run")
    assert done.evaluation is not None
    assert done.evaluation.values["r2"] > 0.9
    assert done.evaluation.predictions.shape == done.evaluation.targets.shape
    assert "R²" in "\n".join(lines(report(record_of(done))))


def test_a_short_name_for_long_arrays(tmp_path: Path) -> None:
    trained = train(Config(epochs=1, engine="eager"), read("digits"), tmp_path / "run")
    told = repr(trained)
    assert "finished" in told
    assert "accuracy 0." in told
    for thing in (trained, trained.parts, trained.model, trained.evaluation, trained.parts.data):
        assert len(repr(thing)) < 300


@pytest.mark.parametrize(
    ("units", "rows"), [([784, 50, 10], 1000), ([784, 512, 512, 10], 1000), ([1024, 2048, 2048, 2048, 1000], 200)]
)
def test_a_wide_network_is_evaluated_in_small_batches(units: list[int], rows: int) -> None:
    """So that the loop can be stopped between them."""
    assert rows_together(Network(units)) == rows
    assert all(PIECE % n == 0 for n in ROWS)
