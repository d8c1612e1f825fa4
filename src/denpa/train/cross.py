"""Cross-validation: the same training on all folds but one, measured on that one, for each fold in turn.

Nothing is written.  Every fold fits its own encodings on its own training rows, and has its own baseline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from denpa.data import Dataset, splits
from denpa.data.batches import Rows
from denpa.engine import Program, Step, engine
from denpa.errors import TrainingError, UsageError
from denpa.train import best, loop, machine
from denpa.train.config import Config
from denpa.train.loop import Loop
from denpa.train.metrics import Evaluation
from denpa.train.model_file import Predictor
from denpa.train.parts import build_network, fitted, parts
from denpa.train.training import flops


@dataclass(frozen=True, eq=False)
class Fold:
    """repeat, fold: from 1.  rows: that trained, and that were held out.  evaluation: on the latter.  epochs: trained;
    best_epoch: whose weights were measured, None: the last.  seconds: of training and measuring."""

    repeat: int
    fold: int
    rows: tuple[int, int]
    evaluation: Evaluation
    epochs: int
    best_epoch: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The folds of all repeats.  split: how they were divided; seeds: of each repeat; config: resolved."""

    folds: tuple[Fold, ...]
    split: str
    seeds: tuple[int, ...]
    config: Config

    @property
    def values(self) -> dict[str, list[float]]:
        """Each metric in each fold."""
        return _columns([fold.evaluation.values for fold in self.folds])

    @property
    def baseline(self) -> dict[str, list[float]]:
        """The same figures of always guessing what is most frequent, or the mean, in the training rows of the fold."""
        return _columns([fold.evaluation.baseline for fold in self.folds])

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Mean and standard deviation (n − 1) over the folds that have a metric, and the baseline's mean; NaN for none.

        The folds share training rows, so the deviation says how much they differ, and is no standard error.
        """
        baseline = self.baseline
        return {name: (*spread(values), spread(baseline.get(name, []))[0]) for name, values in self.values.items()}


def _columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, math.nan) for row in rows] for name in names}


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation of those that are not NaN; NaN where they do not exist."""
    known = [value for value in values if not math.isnan(value)]
    mean = math.fsum(known) / len(known) if known else math.nan
    return mean, float(np.std(known, ddof=1)) if len(known) > 1 else math.nan


def cross_validate(
    config: Config,
    data: Dataset,
    folds: int = 5,
    repeats: int = 1,
    *,
    on_fold: Callable[[Fold], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda _: None,
) -> CrossValidation:
    """Train `folds` times, `repeats` times over with the seeds config.seed, config.seed + 1, …

    config.split: "row" and "random" keep the shares of classes; "group" divides no group; "time" tests on what follows.
    The share config.valid of the training rows is kept out to watch only where config.patience or config.monitor ask
    for it; else all rows train, and the last weights are measured.  on_fold: told of each; warn: see `train`.
    Errors as of `train`; TrainingError when should_stop ends it.
    """
    if data.test is not None or config.test:
        raise UsageError(
            "cross-validation holds out every row once: a test part has no place in it",
            where=data.source,
            got="a test part of the source's own" if data.test is not None else f"test = {config.test:g}",
            fix="train with a test part (denpa train), or give the rows alone",
        )
    how = splits.way(config.split, data)
    watch = config.patience > 0 or config.monitor not in ("auto", "last")
    config = replace(config, valid=config.valid if watch else 0.0, split=how)
    seeds = tuple(config.seed + repeat for repeat in range(repeats))
    found: list[Fold] = []
    kept: dict[Any, Program] = {}
    for repeat, seed in enumerate(seeds, 1):
        for number, (train, held) in enumerate(splits.folds(data, folds, seed, how), 1):
            fold = _Fold(replace(config, seed=seed), data, train, kept, should_stop, warn)
            done = fold.run(repeat, number, held)
            found.append(done)
            on_fold(done)
    return CrossValidation(tuple(found), how, seeds, fold.config)


class _Fold:
    """One training.  kept: compiled programs, which all folds of one network share."""

    def __init__(
        self,
        config: Config,
        data: Dataset,
        train: Rows,
        kept: dict[Any, Program],
        should_stop: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> None:
        rest, valid = splits.keep_out(data, train, config.valid, config.seed, config.split)
        inputs, targets, rows = fitted(config, data, (rest, valid, np.empty(0, np.int64)))
        self.network = build_network(config, inputs, targets)
        monitor = best.resolve(config.monitor, config.patience, valid=len(valid) > 0, classify=data.classes is not None)
        self.config = config.resolved(
            task=data.task,
            output=self.network.output,
            loss=self.network.loss_function.name,
            engine=engine(config.engine).name if config.engine == "auto" else config.engine,
            threads=config.threads or machine.threads_for(flops(self.network, config.batch_size)),
            monitor=monitor,
        )
        self.parts = parts(config, self.network, data, inputs, targets, rows)
        self.kept, self.should_stop, self.warn = kept, should_stop, warn

    def run(self, repeat: int, number: int, held: Rows) -> Fold:
        began = time.perf_counter()
        at, data = loop.start(self.network, self.config), self.parts.data
        with machine.threads(self.config.threads):
            how = engine(self.config.engine)
            spec = str({**self.network.spec(), "seed": 0})

            def compiled(name: tuple[Any, ...], make: Callable[[], Step]) -> Program:
                key = (spec, *name, *(values.shape for values in at.parameters.values()))
                if key not in self.kept:
                    self.kept[key] = how.compile(make())
                return self.kept[key]

            trainer = Loop(
                None, self.config, self.network, self.parts, how, at, lambda _: None, self.should_stop, self.warn,
                norms=False, compiled=compiled,
            )  # fmt: skip
            if not trainer.run():
                raise TrainingError(f"cross-validation was stopped in fold {number}", where=data.source)
            network = self.network.with_parameters(trainer.kept)
            model = Predictor(network, self.parts.inputs, self.parts.targets, self.parts.guess, {})
            evaluation = model.evaluate(data.take(held))
        chosen = None if at.best is None else at.best.epoch
        rows = len(self.parts.train), len(held)
        return Fold(repeat, number, rows, evaluation, at.epoch - 1, chosen, time.perf_counter() - began)
