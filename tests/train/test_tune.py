"""A search trains real runs, prunes, is continued, shared by processes, and refuses to become another search."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from denpa.data import Dataset, read
from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import TrainingError, UsageError
from denpa.train.config import Config
from denpa.train.run import Run
from denpa.train.space import parse
from denpa.train.tune import Search, tune
from denpa.train.tune_report import document

pytest.importorskip("optuna")

CONFIG = Config(epochs=4, hidden=(8,), batch_size=64, engine="eager", threads=1, doctor=False)
SPACE = parse(["lr=1e-3..1:log", "optimizer=sgd|momentum"])


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return read("digits").take(np.arange(400))


def test_trials_are_runs_and_the_best_is_the_best(digits: Dataset, tmp_path: Path) -> None:
    seen: list[int] = []
    found = tune(CONFIG, digits, SPACE, tmp_path, trials=6, pruner="none", on_trial=lambda _, t: seen.append(t.number))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert found.done() == 6
    assert found.best is not None
    values = []
    for trial in found.trials:
        run = Run(tmp_path / str(trial.run))
        assert run.status == "finished"
        assert run.config.learning_rate == trial.chosen["learning_rate"]
        assert run.config.optimizer == trial.chosen["optimizer"]
        values.append(min(row["valid_loss"] for row in run.history))
        assert trial.value == values[-1]
        assert list(trial.steps.values()) == [row["valid_loss"] for row in run.history]
    assert found.best.value == min(values)


def test_accuracy_is_maximised(digits: Dataset, tmp_path: Path) -> None:
    found = tune(CONFIG, digits, SPACE, tmp_path, trials=4, metric="accuracy", pruner="none")
    assert found.best is not None
    assert found.best.value == max(t.value for t in found.trials if t.value is not None)


def test_the_pruner_ends_trainings_early(digits: Dataset, tmp_path: Path) -> None:
    found = tune(CONFIG, digits, parse(["lr=1e-6|1e-5|0.5|0.3|1e-4"]), tmp_path, trials=10, pruner="halving")
    pruned = [t for t in found.trials if t.state == "pruned"]
    assert pruned
    for trial in pruned:
        assert Run(tmp_path / str(trial.run)).status == "stopped"
        assert len(trial.steps) < 4
    assert page(document(found))
    assert "pruned" in "\n".join(lines(document(found)))


def test_a_search_is_continued_and_not_turned_into_another(digits: Dataset, tmp_path: Path) -> None:
    first = tune(CONFIG, digits, SPACE, tmp_path, trials=3, pruner="none")
    more = tune(CONFIG, digits, SPACE, tmp_path, trials=5, pruner="none")
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 5
    assert len({t.chosen["learning_rate"] for t in more.trials}) == 5  # a continued search does not repeat itself
    assert tune(CONFIG, digits, SPACE, tmp_path, trials=5).trials == more.trials
    with pytest.raises(UsageError, match="its space differ"):
        tune(CONFIG, digits, parse(["lr=1e-3..2:log"]), tmp_path, trials=9)
    with pytest.raises(UsageError, match="its data differ"):
        tune(CONFIG, Dataset(**{**vars(digits), "sha256": "other"}), SPACE, tmp_path, trials=9)


def test_a_stopped_trial_is_done_again(digits: Dataset, tmp_path: Path) -> None:
    ended: list[int] = []
    calls = 0

    def stop() -> bool:
        """In the third training, not before it begins."""
        nonlocal calls
        calls += len(ended) == 2
        return calls > 2

    stopped = tune(
        CONFIG, digits, SPACE, tmp_path, trials=50, pruner="none", should_stop=stop, on_trial=lambda *_: ended.append(0)
    )
    assert stopped.done() == 2
    (again,) = [t for t in stopped.trials if t.state == "waiting"]
    cut = next(t for t in stopped.trials if t.state == "failed")
    more = tune(CONFIG, digits, SPACE, tmp_path, trials=stopped.done() + 1, pruner="none")
    assert more.trials[again.number].state == "complete"
    assert more.trials[again.number].chosen == cut.chosen


def test_divergence_is_a_fact_about_the_settings(digits: Dataset, tmp_path: Path) -> None:
    found = tune(CONFIG, digits, parse(["lr=1e30|0.1"]), tmp_path, trials=2, pruner="none")
    assert {t.state for t in found.trials} == {"complete", "failed"} or found.done() == 2
    with pytest.raises(TrainingError, match="all failed"):
        tune(CONFIG, digits, parse(["lr=1e30|1e31"]), tmp_path / "hopeless", trials=2)


def _work(folder: Path) -> None:
    tune(CONFIG, read("digits").take(np.arange(400)), SPACE, folder, trials=8, pruner="none")


def test_processes_share_a_study(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    found = tune(CONFIG, read("digits").take(np.arange(400)), SPACE, tmp_path, trials=8)
    assert 8 <= found.done() <= 9  # both may begin the last one
    assert len({t.run for t in found.trials}) == len(found.trials)


def test_a_killed_worker_loses_its_trial_only(tmp_path: Path) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(tmp_path,))
    worker.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("trial_0001/model.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    found = tune(CONFIG, read("digits").take(np.arange(400)), SPACE, tmp_path, trials=4, pruner="none")
    assert found.done() >= 4


def test_other_storages(digits: Dataset, tmp_path: Path) -> None:
    journal = f"journal:{tmp_path / 'journal.log'}"
    assert tune(CONFIG, digits, SPACE, tmp_path / "a", trials=2, storage=journal).done() == 2
    assert (
        tune(CONFIG, digits, SPACE, tmp_path / "b", trials=3, storage=journal).done() == 3
    )  # another machine's folder
    with pytest.raises(UsageError, match="the study cannot be opened"):
        tune(CONFIG, digits, SPACE, tmp_path / "c", storage="nonsense://x")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "study.db").write_bytes(os.urandom(4096))
    with pytest.raises(UsageError, match="the study cannot be opened"):
        tune(CONFIG, digits, SPACE, tmp_path / "d")


def test_what_cannot_be_searched_for(digits: Dataset, tmp_path: Path) -> None:
    for settings, words in (
        ({"config": Config(valid=0.0)}, "validation"),
        ({"metric": "f1"}, "loss, or accuracy"),
        ({"pruner": "x"}, "no such pruner"),
    ):
        with pytest.raises(UsageError, match=words):
            tune(**{"config": CONFIG, "data": digits, "space": SPACE, "folder": tmp_path / "x", **settings})


def test_the_report_of_an_empty_search(tmp_path: Path) -> None:
    assert "No training has been completed." in "\n".join(lines(document(Search(tmp_path, "loss", ()))))
