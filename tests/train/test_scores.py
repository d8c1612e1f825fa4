"""Scores against scikit-learn's, with weights, ties, absent classes, and where they do not exist."""

from __future__ import annotations

import numpy as np
import pytest

from denpa.train import scores

metrics = pytest.importorskip("sklearn.metrics")


def rows(rng: np.random.Generator, n: int, k: int, ties: bool):
    p = rng.dirichlet(np.ones(k), n)
    if ties:
        p = np.round(p * 4 + 1)
        p /= p.sum(axis=1, keepdims=True)
    t = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    return t, p.argmax(axis=1), p


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [2, 5])
def test_a_classifiers_scores_are_scikit_learns(k: int, ties: bool, weighted: bool, rng: np.random.Generator) -> None:
    t, y, p = rows(rng, 300, k, ties)
    w = rng.integers(0, 4, 300).astype(float) if weighted else None
    found = scores.of_classes(t, y, p, w)
    against = p[:, 1] if k == 2 else p
    wanted = {
        "accuracy": metrics.accuracy_score(t, y, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(t, y, sample_weight=w),
        "f1": metrics.f1_score(t, y, average="macro", sample_weight=w),
        "log_loss": metrics.log_loss(t, p, sample_weight=w),
        "brier": ((p - np.eye(k)[t]) ** 2).sum(axis=1)
        @ (np.ones(300) if w is None else w)
        / (300 if w is None else w.sum())
        / (2 if k == 2 else 1),
        "roc_auc": metrics.roc_auc_score(t, against, multi_class="ovr", sample_weight=w),
    }
    assert found == pytest.approx(wanted, rel=1e-12)


def test_a_weight_is_a_repetition(rng: np.random.Generator) -> None:
    t, y, p = rows(rng, 60, 3, True)
    w = rng.integers(0, 3, 60)
    again = np.repeat(np.arange(60), w)
    assert scores.of_classes(t, y, p, w) == pytest.approx(scores.of_classes(t[again], y[again], p[again]), rel=1e-12)
    v, u = rng.standard_normal((2, 60, 2))
    assert scores.of_numbers(v, u, w) == pytest.approx(scores.of_numbers(v[again], u[again]), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 3])
def test_errors_of_numbers_are_scikit_learns(outputs: int, rng: np.random.Generator) -> None:
    t = rng.standard_normal((50, outputs)) * 7 + 100
    y = t + rng.standard_normal((50, outputs))
    w = rng.random(50)
    found = scores.of_numbers(t, y, w)
    assert found["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(t, y, sample_weight=w))
    assert found["root_mean_squared_error"] == pytest.approx(metrics.mean_squared_error(t, y, sample_weight=w) ** 0.5)
    assert found["r2"] == pytest.approx(metrics.r2_score(t, y, sample_weight=w))


def test_what_does_not_exist_is_nan() -> None:
    none = scores.of_classes(np.empty(0, int), np.empty(0, int), np.empty((0, 2)))
    assert all(np.isnan(v) for v in none.values())
    assert "log_loss" not in none
    one = scores.of_classes(np.ones(4, int), np.ones(4, int), np.tile([0.2, 0.8], (4, 1)))
    assert np.isnan(one["roc_auc"])
    assert one["accuracy"] == one["balanced_accuracy"] == one["f1"] == 1
    assert np.isnan(scores.of_numbers(np.ones(3), np.zeros(3))["r2"])
    assert scores.of_numbers(np.ones(3), np.zeros(3))["mean_absolute_error"] == 1
    assert all(np.isnan(v) for v in scores.of_numbers(np.empty(0), np.empty(0)).values())
    assert all(np.isnan(v) for v in scores.of_numbers(np.ones(2), np.ones(2), np.zeros(2)).values())


def test_outputs_that_are_no_distribution_have_no_log_loss(rng: np.random.Generator) -> None:
    t = np.array([0, 1, 1, 0])
    outputs = np.array([[3.0, 1.0], [0.0, 5.0], [1.0, 2.0], [4.0, 0.0]])
    assert set(scores.of_classes(t, t, outputs)) == {"accuracy", "balanced_accuracy", "f1", "roc_auc"}
    assert scores.of_classes(t, t, outputs)["roc_auc"] == 1


def test_a_sure_mistake_costs_much_and_not_everything() -> None:
    assert 36 < scores.log_loss(np.array([0]), np.array([[0.0, 1.0]])) < 37


@pytest.mark.parametrize("ties", [False, True])
def test_the_roc_curve_is_scikit_learns(ties: bool, rng: np.random.Generator) -> None:
    t, _, p = rows(rng, 150, 2, ties)
    curve = scores.roc_curve(t == 1, p[:, 1], points=1000)
    assert curve is not None
    x, y, _ = metrics.roc_curve(t, p[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(curve.x, x, atol=1e-12)
    np.testing.assert_allclose(curve.y, y, atol=1e-12)
    thin = scores.roc_curve(t == 1, p[:, 1], points=20)
    assert thin is not None
    assert len(thin.x) <= 20
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0, 0, 1, 1)
    assert scores.roc_curve(np.zeros(3, bool), np.arange(3.0)) is None


def test_the_calibration_curve_is_scikit_learns(rng: np.random.Generator) -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    p = np.concatenate([rng.random(500), [0.0, 0.1, 0.5, 1.0]])
    event = rng.random(504) < p**2
    found = scores.calibration(event, p)
    y, x = calibration.calibration_curve(event, p, n_bins=10)
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    assert sum(found.counts) == 504
    assert scores.calibration(np.empty(0, bool), np.empty(0)).x == ()


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_labels_are_scikit_learns(weighted: bool, rng: np.random.Generator) -> None:
    t, p = rng.integers(0, 2, (200, 4)), np.round(rng.random((200, 4)), 1)
    y = (p >= 0.5).astype(int)
    w = rng.integers(0, 4, 200).astype(float) if weighted else None
    found = scores.of_labels(t, y, p, w)
    each = [metrics.log_loss(t[:, j], p[:, j], sample_weight=w) for j in range(4)]
    wanted = {
        "accuracy": np.mean([metrics.accuracy_score(t[:, j], y[:, j], sample_weight=w) for j in range(4)]),
        "subset_accuracy": metrics.accuracy_score(t, y, sample_weight=w),
        "f1_micro": metrics.f1_score(t, y, average="micro", sample_weight=w),
        "f1": metrics.f1_score(t, y, average="macro", sample_weight=w),
        "roc_auc": metrics.roc_auc_score(t, p, average="macro", sample_weight=w),
        "log_loss": np.mean(each),
        "brier": np.mean([metrics.brier_score_loss(t[:, j], p[:, j], sample_weight=w) for j in range(4)]),
    }
    assert found == pytest.approx(wanted, rel=1e-10)
    hits, support, given = scores.counts_of_labels(t, y).T
    precision, recall, _, rows = metrics.precision_recall_fscore_support(t, y)
    np.testing.assert_allclose(hits / given, precision)
    np.testing.assert_allclose(hits / support, recall)
    assert support.tolist() == rows.tolist()


def test_a_label_that_nobody_has_counts_in_no_mean() -> None:
    t = np.array([[1, 0], [0, 0], [1, 0]])
    found = scores.of_labels(t, t, np.where(t == 1, 0.9, 0.1))
    assert found["f1"] == found["accuracy"] == found["roc_auc"] == 1
    assert all(np.isnan(v) for v in scores.of_labels(t[:0], t[:0], np.empty((0, 2))).values())
