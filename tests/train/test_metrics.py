"""The figures of an evaluation against scikit-learn's, and on awkward rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.data import TargetEncoding
from denpa.engine import engine
from denpa.train import machine
from denpa.train.metrics import ROWS, Evaluator, Forward, baseline_of, evaluate, targets_for


def test_the_confusion_matrix_is_scikit_learns(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    targets, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    encoding = TargetEncoding("classes", "t", ("a", "b", "c", "d"))
    found = evaluate(Forward(0.5, None, np.zeros((200, 4)), predicted), targets, encoding, np.int64(2))
    assert found.confusion is not None
    assert found.confusion.tolist() == metrics.confusion_matrix(targets, predicted).tolist()
    assert found.values["accuracy"] == metrics.accuracy_score(targets, predicted)
    assert found.baseline["accuracy"] == (targets == 2).mean()


@pytest.mark.parametrize("rows", [1, ROWS - 1, ROWS, 2 * ROWS + 1])
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
