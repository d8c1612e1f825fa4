"""The sweep finds a rate that trains, and suggests none where there is no valley."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from denpa.data import Dataset, read
from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import UsageError
from denpa.train.config import Config
from denpa.train.lr_find import sweep
from denpa.train.training import train

BASE = Config(batch_size=32, hidden=(20,), engine="eager", threads=1)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return read("digits")


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"dropout": 0.3}, {"activation": "sigmoid"}], ids=str)
def test_the_suggestion_trains(settings: dict, digits: Dataset, tmp_path: Path) -> None:
    config = replace(BASE, **settings)
    found = sweep(config, digits)
    assert found.suggestion is not None, found.reason
    run = train(replace(config, learning_rate=found.suggestion, epochs=5), digits, tmp_path / "run")
    assert run.evaluation is not None
    assert run.evaluation.values["accuracy"] > 0.8


def test_equal_seeds_give_equal_bits_and_others_do_not(digits: Dataset) -> None:
    first, again = sweep(BASE, digits, steps=40), sweep(BASE, digits, steps=40)
    assert first.losses == again.losses
    assert sweep(replace(BASE, seed=1), digits, steps=40).losses != first.losses


def test_no_valley_no_suggestion(digits: Dataset) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((400, 5))
    noise = replace(digits, inputs=inputs, targets=rng.integers(0, 10, 400), maximum=None, test=None)
    for data, low, high, reason in (
        (digits, 1e-9, 1e-7, "no valley"),
        (digits, 1e-4, 0.05, "still falling"),
        (noise, 1e-6, 1e-3, "no valley"),
        (digits, 1e6, 1e30, "lower rate"),
    ):
        found = sweep(BASE, data, low=low, high=high)
        assert found.suggestion is None
        assert reason in found.reason
        "".join(lines(found.document()))
        page(found.document())


def test_a_sweep_ends_where_the_loss_has_blown_up(digits: Dataset) -> None:
    found = sweep(BASE, digits, high=1e6)
    assert found.rates[-1] < 1e5
    assert len(found.rates) == len(found.losses) == len(found.smoothed)


def test_more_steps_than_batches_of_an_epoch(digits: Dataset) -> None:
    few = digits.take(np.arange(100))
    assert len(sweep(replace(BASE, valid=0.0), few, steps=60, low=1e-9, high=1e-8).rates) == 60


@pytest.mark.parametrize(
    ("low", "high", "steps"), [(0.0, 1.0, 100), (1.0, 0.1, 100), (0.1, np.inf, 100), (0.1, 1.0, 5)]
)
def test_bad_ranges(low: float, high: float, steps: int, digits: Dataset) -> None:
    with pytest.raises(UsageError):
        sweep(BASE, digits, low=low, high=high, steps=steps)
