"""A search over settings: many trainings, the unpromising ones ended early, all of them kept as runs.

Optuna proposes and prunes, and keeps the study in a real database: SQLite by default, any other by URL.  Several
processes, on several machines, may work on one study.  A search that was stopped is continued by starting it again.
Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011 (TPE); Li et al., "A System for Massively
Parallel Hyperparameter Tuning", 2020 (successive halving); Akiba et al., "Optuna", 2019.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denpa import durable
from denpa.data import Dataset
from denpa.errors import DenpaError, TrainingError, UsageError, require
from denpa.train.config import Config
from denpa.train.loop import Progress
from denpa.train.space import Choice, Range, Space, settings
from denpa.train.training import train

STUDY = "study.db"  # in the search's folder, unless another storage is named
PRUNERS = ("halving", "median", "none")
METRICS = ("loss", "accuracy")
BEAT_SECONDS = 60  # a worker that has said nothing for three of these is taken for dead, and its trial done again
ENDED = ("complete", "pruned", "failed")
RACES = ("IntegrityError", "OperationalError", "ProgrammingError", "StorageInternalError")  # the drivers' names for it
OPENINGS = 5  # attempts at opening a study
RUN = "run"  # the trial's attribute with its folder's name


@dataclass(frozen=True)
class Trial:
    """One training of a search.  state: complete, pruned, failed, running or waiting.  value: the best epoch's metric.

    steps: the metric after each epoch.  run: the name of its folder in the search's; None before it began.
    """

    number: int
    state: str
    value: float | None
    chosen: dict[str, Any]
    steps: dict[int, float]
    run: str | None


@dataclass(frozen=True)
class Search:
    """A study as it is: its trials by number, and the best of the complete ones (None before there is one)."""

    folder: Path
    metric: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        done = [t for t in self.trials if t.state == "complete" and t.value is not None]
        sign = -1 if self.metric == "accuracy" else 1
        return min(done, key=lambda t: (sign * (t.value or 0.0), t.number), default=None)

    def done(self) -> int:
        """Trials that ended in one way or another, failed ones apart."""
        return sum(t.state in ("complete", "pruned") for t in self.trials)


def tune(
    config: Config,
    data: Dataset,
    space: Space,
    folder: str | Path,
    *,
    trials: int = 50,
    metric: str = "loss",
    pruner: str = "halving",
    storage: str | None = None,
    name: str = "denpa",
    on_trial: Callable[[Search, Trial], None] = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Search:
    """Train until the study has `trials` trainings that ended, in the run folders `folder`/trial_0000, …

    metric: "loss" or "accuracy" of the validation part, at its best epoch.  storage: an SQLAlchemy URL, or
    "journal:PATH" for a file on a network disk; None: SQLite in `folder`.  should_stop: ends the training in progress,
    whose settings the next worker begins anew.
    UsageError without a validation part, or when the study is another one; MissingPackage without Optuna.
    TrainingError when all of the first ten trainings fail.
    """
    if not config.valid:
        raise UsageError("a search compares validation losses", got="valid = 0", fix="use --valid 0.2")
    if metric not in METRICS or (metric == "accuracy" and data.classes is None):
        raise UsageError("this cannot be searched for", got=metric, want="loss, or accuracy for classes")
    folder = Path(folder)
    durable.make_folder(folder, what="the search's folder")
    with _quietly():
        study = _study(folder, storage, name, metric, pruner, config.seed, _fingerprint(config, data, space))
        while (search := read(study, folder, metric)).done() < trials and not should_stop():
            _check_hopeless(search)
            before = {trial.number: trial.state for trial in search.trials}
            one = _objective(config, data, space, folder, metric, should_stop)
            with suppress(_Stopped):
                study.optimize(one, n_trials=1, catch=(TrainingError,))
            search = read(study, folder, metric)
            for trial in search.trials:
                if trial.state != before.get(trial.number) and trial.state in ENDED:
                    on_trial(search, trial)
    return search


class _Stopped(Exception):
    """The user ended the training in progress."""


def _objective(
    config: Config, data: Dataset, space: Space, folder: Path, metric: str, should_stop: Callable[[], bool]
) -> Callable[[Any], float]:
    """One training: its metric is told after every epoch, and it ends when the pruner or the user says so."""

    def run(trial: Any) -> float:
        chosen = settings(config, {name: _suggest(trial, name, part) for name, part in space.items()})
        out = folder / f"trial_{trial.number:04d}"
        trial.set_user_attr(RUN, out.name)
        values: list[float] = []
        pruned = False

        def watch(progress: Progress) -> None:
            nonlocal pruned
            value = None if progress.row is None else progress.row.get(f"valid_{metric}")
            if value is not None and progress.row is not None:
                values.append(value)
                trial.report(value, progress.row["epoch"])
                pruned = pruned or trial.should_prune()

        trained = train(chosen, data, out, on_progress=watch, should_stop=lambda: pruned or should_stop())
        if pruned and not trained.finished:
            raise _optuna().TrialPruned
        if not trained.finished:
            trial.study.enqueue_trial(trial.params)  # it did not fail: whoever goes on does it again
            raise _Stopped
        if not values:
            raise TrainingError("the training has no validation figure", where=str(out))
        return max(values) if metric == "accuracy" else min(values)

    return run


def _suggest(trial: Any, name: str, part: Range | Choice) -> Any:
    if isinstance(part, Choice):
        return trial.suggest_categorical(name, part.values)
    if part.whole:
        return trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
    return trial.suggest_float(name, part.low, part.high, log=part.log)


def _check_hopeless(search: Search) -> None:
    failed = [t for t in search.trials if t.state == "failed" and t.run is not None]
    if len(failed) >= 10 and not search.done():
        raise TrainingError(
            "the first ten trainings all failed",
            where=str(search.folder),
            got=f"for example {failed[-1].chosen}",
            fix=f"see why: denpa show {search.folder / str(failed[-1].run)} ; search lower learning rates",
        )


def read(study: Any, folder: Path, metric: str) -> Search:
    """A study as plain data."""
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
    found = tuple(
        Trial(
            t.number,
            words[t.state.name],
            t.value if t.state.name == "COMPLETE" else None,
            dict(t.params),
            dict(t.intermediate_values),
            t.user_attrs.get(RUN),
        )
        for t in study.get_trials(deepcopy=False)
    )
    return Search(folder, metric, found)


def _fingerprint(config: Config, data: Dataset, space: Space) -> dict[str, Any]:
    """What all workers of a study must agree on."""
    return {
        "data": data.sha256,
        "target": data.target_name,
        "space": {name: str(part) for name, part in sorted(space.items())},
        "epochs": config.epochs,
        "valid": config.valid,
        "seed": config.seed,
    }


def _study(
    folder: Path, storage: str | None, name: str, metric: str, pruner: str, seed: int, agreed: dict[str, Any]
) -> Any:
    optuna = _optuna()
    chosen = {
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, agreed["epochs"] // 10), reduction_factor=3
        ),
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        "none": optuna.pruners.NopPruner,
    }
    if pruner not in chosen:
        raise UsageError("there is no such pruner", got=pruner, want=", ".join(PRUNERS))
    try:
        study = _created(folder, storage, name, "maximize" if metric == "accuracy" else "minimize")
        study.pruner = chosen[pruner]()
        # Each worker draws differently, and a search that is continued does not repeat its beginning.
        study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.get_trials(deepcopy=False))) % 2**32)
        _agree(study, agreed)
    except DenpaError:
        raise
    except Exception as error:  # of the database's driver: each has its own classes
        raise UsageError(
            "the study cannot be opened",
            where=storage or str(folder / STUDY),
            got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            fix="check the storage's URL, or leave it out for a file",
        ) from error
    return study


def _created(folder: Path, storage: str | None, name: str, direction: Any) -> Any:
    """The study, made or opened.  Workers that begin together make the same tables: all but one of them try again."""
    optuna = _optuna()
    for attempt in range(OPENINGS):
        try:
            return optuna.create_study(
                storage=_storage(folder, storage), study_name=name, direction=direction, load_if_exists=True
            )
        except Exception as error:
            if type(error).__name__ not in RACES or attempt == OPENINGS - 1:
                raise
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _storage(folder: Path, url: str | None) -> Any:
    storages = _optuna().storages
    if url is not None and url.startswith("journal:"):
        return storages.JournalStorage(storages.journal.JournalFileBackend(url.removeprefix("journal:")))
    return storages.RDBStorage(
        url or f"sqlite:///{(folder / STUDY).absolute()}",
        engine_kwargs={"connect_args": {"timeout": 60}} if url is None or url.startswith("sqlite") else None,
        heartbeat_interval=BEAT_SECONDS,
        grace_period=3 * BEAT_SECONDS,
        heartbeat_stale_trial_callback=storages.RetryHeartbeatStaleTrialCallback(),
    )


def _agree(study: Any, agreed: dict[str, Any]) -> None:
    """The first worker writes down what the search is about; the others must be about the same."""
    before = study.user_attrs.get("denpa")
    if before is None:
        study.set_user_attr("denpa", agreed)
        return
    differing = [key for key in agreed if before.get(key) != agreed[key]]
    if differing:
        key = differing[0]
        raise UsageError(
            f"this study searches something else: its {', '.join(differing)} differ",
            got=f"{key}: {agreed[key]}",
            want=f"{key}: {before.get(key)}",
            fix="give the same options, or another folder (--out) or study (--study)",
        )


def _optuna() -> Any:
    return require("optuna", for_="denpa tune", extra="tune")


@contextmanager
def _quietly() -> Iterator[None]:
    """Optuna's own log, and its warnings that parts of it are experimental, are not for whoever trains a network."""
    optuna = _optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
