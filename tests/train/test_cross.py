"""Cross-validation against the same trainings done one by one, and what is divided how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.train import worker

from denpa.data import splits
from denpa.errors import DataError, TrainingError, UsageError
from denpa.train.cross import CrossValidation, Fold, cross_validate, spread
from denpa.train.training import train

CONFIG = worker.settings(epochs=3, doctor=False)


def accuracies(found: CrossValidation) -> list[float]:
    return found.values["accuracy"]


def test_a_fold_is_the_training_on_the_others(tmp_path: Path) -> None:
    """The same bits as a run whose rows are those of the fold: nothing is shared between folds but compiled steps."""
    data = worker.dataset()
    found = cross_validate(CONFIG, data, 4)
    for i, (rows, held) in enumerate(splits.folds(data, 4, CONFIG.seed, "random")):
        done = train(replace(CONFIG, valid=0.0), data.take(rows), tmp_path / str(i))
        wanted = done.model.evaluate(data.take(held))
        assert found.folds[i].evaluation.values == wanted.values
        assert found.folds[i].evaluation.baseline == wanted.baseline
        assert found.folds[i].rows == (len(rows), len(held))
    assert sum(fold.rows[1] for fold in found.folds) == len(data)


def test_repeats_divide_anew_with_other_seeds() -> None:
    told: list[Fold] = []
    found = cross_validate(CONFIG, worker.dataset(), 3, 2, on_fold=told.append)
    assert found.seeds == (5, 6)
    assert tuple(told) == found.folds
    assert [(fold.repeat, fold.fold) for fold in told] == [(r, f) for r in (1, 2) for f in (1, 2, 3)]
    again = cross_validate(replace(CONFIG, seed=6), worker.dataset(), 3)
    assert accuracies(again) == accuracies(found)[3:]
    assert accuracies(again) != accuracies(found)[:3]


def test_the_summary_is_mean_and_deviation() -> None:
    found = cross_validate(CONFIG, worker.dataset(), 3)
    mean, std, baseline = found.summary()["accuracy"]
    assert mean == pytest.approx(np.mean(accuracies(found)))
    assert std == pytest.approx(np.std(accuracies(found), ddof=1))
    assert baseline == pytest.approx(np.mean(found.baseline["accuracy"]))
    assert mean > baseline
    assert np.isnan(found.summary()["loss"][2])
    assert np.isnan(spread([float("nan")])[0])
    assert spread([1.0, float("nan")])[0] == 1


def test_patience_watches_rows_of_the_other_folds() -> None:
    data = worker.dataset()
    config = replace(CONFIG, epochs=40, learning_rate=0.03, dropout=0.0, schedule="constant")
    for fold in cross_validate(replace(config, patience=3), data, 3).folds:
        assert fold.best_epoch is not None
        assert fold.epochs == fold.best_epoch + 3 or fold.epochs == 40
        assert fold.rows[0] + fold.rows[1] < len(data)
    plain = cross_validate(replace(config, epochs=2), data, 3)
    assert all(fold.best_epoch is None and sum(fold.rows) == len(data) for fold in plain.folds)


def test_groups_and_times_divide(rng: np.random.Generator) -> None:
    data = replace(worker.dataset(), groups=rng.integers(0, 20, worker.ROWS))
    config = replace(CONFIG, split="auto", epochs=1)
    assert cross_validate(config, data, 3).split == "group"
    timed = replace(data, groups=None, times=np.arange(worker.ROWS, dtype=float))
    found = cross_validate(config, timed, 3)
    assert found.split == "time"
    assert [fold.rows[0] for fold in found.folds] == pytest.approx([101, 202, 303], abs=2)


def test_weights_count_in_every_fold(rng: np.random.Generator) -> None:
    data = worker.dataset()
    one = cross_validate(replace(CONFIG, engine="eager"), data, 3)
    weighted = replace(data, weights=rng.random(worker.ROWS))
    two = cross_validate(replace(CONFIG, engine="eager", class_weight="balanced"), weighted, 3)
    assert accuracies(one) != accuracies(two)


def test_what_cannot_be_crossed() -> None:
    data = worker.dataset()
    with pytest.raises(UsageError, match="a test part has no place"):
        cross_validate(replace(CONFIG, test=0.2), data)
    with pytest.raises(UsageError, match="a test part has no place"):
        cross_validate(CONFIG, replace(data, test=data.take(np.arange(10))))
    with pytest.raises(UsageError, match="so many folds"):
        cross_validate(CONFIG, data, 1)
    with pytest.raises(DataError, match="so many folds"):
        cross_validate(CONFIG, data.take(np.arange(4)), 5)
    with pytest.raises(TrainingError, match="stopped in fold 1"):
        cross_validate(CONFIG, data, 3, should_stop=lambda: True)
