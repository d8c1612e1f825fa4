"""The loop: epochs over a keyed permutation, batches, metrics, checkpoints; every number finite or a clear end.

It takes its step through an engine, many steps a call; between calls (at least every 0.25 s) it looks at progress,
signals, checkpoints and whether all is finite.  How steps are divided into calls does not change a bit.
Source: seed 001 Algorithm 1 and §"batches, epochs"; seed 000 §5.7.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from denpa.arrays import Array
from denpa.data import batch_count
from denpa.engine import Engine, Metrics, Program, Step
from denpa.engine.native.build import asking
from denpa.errors import TrainingError
from denpa.explain.doctor_findings import Finding
from denpa.nn import Network, optim, schedules
from denpa.train import checkpoint, machine
from denpa.train.best import after, patient
from denpa.train.callbacks import Callbacks, Moment
from denpa.train.checkpoint import Checkpoint
from denpa.train.faults import fault, finite
from denpa.train.feeding import Batches, Feed
from denpa.train.history import History, Unsaved
from denpa.train.metrics import Compiled, Evaluator
from denpa.train.run import METRICS, TIMINGS
from denpa.train.step import NEW, NORM, gradient_step, measuring_step, training_step

CALL_SECONDS = 0.2  # aim of one call of the engine; signals are answered between calls, and 0.25 s is promised
FLUSH_SECONDS = 1.0  # a reader of the metrics is at most so far behind
MEASURED = 8  # batches over which gradient norms are taken at the end of an epoch


@dataclass(frozen=True)
class Progress:
    """Where a run is.  loss, accuracy: running over the epoch so far; row: the metrics of the epoch that just ended.

    findings: what the doctor found after that epoch for the first time.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    step: int
    loss: float | None
    accuracy: float | None
    learning_rate: float
    rows_per_second: float
    seconds_left: float
    row: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()


class Settings(Protocol):
    """What the loop must know; a `Config` does."""

    @property
    def seed(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def min_delta(self) -> float: ...
    @property
    def monitor(self) -> str: ...
    @property
    def clip(self) -> float: ...
    @property
    def engine(self) -> str: ...
    @property
    def checkpoint_seconds(self) -> float: ...
    def make_optimizer(self) -> optim.Optimizer: ...
    def make_schedule(self, steps_per_epoch: int) -> schedules.Schedule: ...


class Source(Protocol):
    """Where the loop's rows are; `Parts` are one."""

    @property
    def train(self) -> Any: ...
    @property
    def classify(self) -> bool: ...
    def feed(self, seed: int, batch_size: int, epochs: int) -> Feed: ...
    def part(self, name: str) -> tuple[Array, ...] | None: ...


class Stopped(Exception):
    """Asked to stop while figures are computed; they are computed again after a resume."""


@dataclass
class Loop:
    """One run from where `at` is to its end.  state: parameters and optimiser state by name, C-contiguous arrays.

    path: the run's folder; None: nothing is written, and history.rows has the metrics.  norms: whether gradient norms
    are taken at the end of an epoch.  penalty: see `training_step`.  compiled: see `Evaluator`.
    """

    path: Path | None
    config: Settings
    network: Network
    parts: Source
    engine: Engine
    at: Checkpoint
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    warn: Callable[[str], None] = lambda _: None
    look: Callable[[dict[str, Any], dict[str, Array]], tuple[Finding, ...]] = lambda row, parameters: ()
    callbacks: Callbacks = field(default_factory=Callbacks)
    norms: bool = True
    penalty: float = 0.0
    compiled: Compiled | None = None

    def __post_init__(self) -> None:
        config, n = self.config, len(self.parts.train)
        self.optimizer = config.make_optimizer()
        self.batches = batch_count(n, config.batch_size)
        self.schedule = config.make_schedule(self.batches)
        self.state: dict[str, Array] = {
            name: np.ascontiguousarray(value) if np.ndim(value) else value
            for name, value in {**self.at.parameters, **self.at.optimizer}.items()
        }
        self.feed = self.parts.feed(config.seed, config.batch_size, config.epochs)
        self.history: History | Unsaved = Unsaved()
        self.timings: History | Unsaved = Unsaved()
        self._facts: dict[str, Any] = {}
        if self.path is not None:
            self.history = History(self.path / METRICS, self.at.history_bytes, self.at.history_sha256 or None)
            self.timings = History(self.path / TIMINGS, _size(self.path / TIMINGS))
            self._facts = {**machine.facts(self.config.engine), "threads": machine.blas_threads()}
        self._compiled = self.compiled or self._compile
        self.evaluate = Evaluator(
            self.network, self.engine, classify=self.parts.classify, between=self.between, compiled=self._compiled
        )
        self._programs: dict[int, Program] = {}
        self._measures: dict[int, Program] = {}
        self._gradients: dict[int, Program] = {}
        self._told: set[str] = set()
        self._ended_by_callback, self._begun = False, 0
        self._watched = self._watch()
        self._per_step = 0.0  # seconds, running estimate
        self._saved = self._flushed = self._started = time.monotonic()
        self._spent = [0.0, 0]  # seconds and rows of this epoch in this process

    # -- the run -------------------------------------------------------------------------------------------------------
    def run(self) -> bool:
        """Train to the last epoch; False when stopped before.  A checkpoint is on the disk either way.

        TrainingError when something is not finite, or a save fails.
        """
        try:
            with asking(self.between):
                self._run()
            finished = True
        except Stopped:
            self.save()
            finished = False
        finally:
            self.feed.close()
        if self.callbacks:
            self.callbacks.train_end(self._moment())
        return finished

    def _run(self) -> None:
        if self.path is not None and not checkpoint.saved(self.path):
            self.save()
        if self.callbacks:
            self._ended_by_callback = self.callbacks.train_begin(self._moment())
        while self.at.epoch <= self.config.epochs and not self.stopped_early:
            self.between()
            if self.callbacks and self._begun != self.at.epoch:
                self._begun = self.at.epoch
                self._ended_by_callback = self.callbacks.epoch_begin(self._moment())
            elif self.at.batch < self.batches:
                self._advance()
            else:
                self._finish_epoch()
            now = time.monotonic()
            if now - self._saved >= self.config.checkpoint_seconds:
                self.save()
            elif now - self._flushed >= FLUSH_SECONDS:
                self._flush()
        self.save()

    def between(self) -> None:
        """Between two calls of the engine."""
        if self.should_stop():
            raise Stopped

    def save(self) -> None:
        """Metrics first, then the checkpoint that counts them."""
        self._flush()
        self.at.parameters = {name: self.state[name] for name in self.at.parameters}
        self.at.optimizer = {name: self.state[name] for name in self.at.optimizer}
        self.at.history_bytes, self.at.history_sha256 = self.history.size, self.history.sha256
        self.at.machine = self._facts
        if self.path is not None:
            checkpoint.save(self.path, self.at)
        self._saved = time.monotonic()

    def _flush(self) -> None:
        self.history.flush()
        self.timings.flush()
        self._flushed = time.monotonic()

    @property
    def stopped_early(self) -> bool:
        """Whether as many epochs as there is patience for have not been better, or a callback has ended it."""
        return self._ended_by_callback or not patient(self.at.best, self.config.patience, self.at.epoch - 1)

    @property
    def kept(self) -> dict[str, Array]:
        """The parameters of the best epoch, or where nothing is watched those of now."""
        return self.parameters if self.at.best is None else dict(self.at.best.parameters)

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: self.state[name] for name in self.at.parameters}

    # -- steps ---------------------------------------------------------------------------------------------------------
    def _advance(self) -> None:
        """One call of the engine: as many steps as fit in `CALL_SECONDS`, all of one batch size."""
        fits = int(CALL_SECONDS / self._per_step) if self._per_step else 1
        if self.callbacks:
            fits = self.callbacks.steps(self.at.step, max(fits, 1))
        waiting = time.monotonic()
        batches = self.feed.next(self.at.epoch, self.at.batch, fits)
        self._spent[0] += time.monotonic() - waiting
        if batches is None:  # the disk is slower than the engine
            return
        by_step = self._by_step(len(batches.rows))
        if self.callbacks and self._show_gradients(batches, by_step):
            return
        program = self._program(batches)
        before = dict(self.state)
        start = time.monotonic()
        metrics = program.run(self.state, batches.data, batches.rows, by_step)
        seconds = time.monotonic() - start
        if not finite({name: metrics[name] for name in program.step.finite}) or not finite(self.state):
            raise self._fault(program, before, batches, by_step)
        self._count(metrics, batches, seconds)
        if self.callbacks.wants_batches:
            self._ended_by_callback = self.callbacks.batch_end(self._moment(float(metrics["loss"][-1])))
        self._report(float(by_step["learning_rate"][-1]))

    def _show_gradients(self, batches: Batches, by_step: dict[str, Array]) -> bool:
        """Gradients are computed beside the step, which then has the bits it has when nobody looks.  True: it ended."""
        if not self.callbacks.wants_gradients(self.at.step):
            return False
        size = batches.rows.shape[1]
        if size not in self._gradients:
            self._gradients[size] = self._compiled(
                ("gradient", size, self.penalty),
                lambda: gradient_step(self.network, *batches.first, penalty=self.penalty),
            )
        one = {name: values[:1] for name, values in by_step.items()}
        found = self._gradients[size].run(self.parameters, batches.data, batches.rows[:1], one)
        gradients = {name.removeprefix(NEW): g[0] for name, g in found.items() if name.startswith(NEW)}
        self._ended_by_callback = self.callbacks.gradients(self._moment(), gradients)
        return self._ended_by_callback

    def _moment(self, loss: float | None = None) -> Moment:
        at, weight = self.at, counted(self.at.sums)
        if loss is None and weight:
            loss = at.sums["loss"] / weight
        rate = self.schedule(at.step)
        epochs, batches = self.config.epochs, self.batches
        return Moment(at.epoch, epochs, at.batch, batches, at.step, loss, rate, self.network, self.parameters)

    def _compile(self, key: tuple[Any, ...], make: Callable[[], Step]) -> Program:
        return self.engine.compile(make())

    def _by_step(self, count: int) -> dict[str, Array]:
        steps = range(self.at.step, self.at.step + count)
        keys = np.empty((count, 2), np.uint64)  # as nn.step_key: (seed, step)
        keys[:, 0], keys[:, 1] = self.config.seed, np.arange(steps.start, steps.stop, dtype=np.uint64)
        return {"learning_rate": np.array([self.schedule(step) for step in steps]), "key": keys}

    def _program(self, batches: Batches) -> Program:
        size = batches.rows.shape[1]
        if size not in self._programs:
            classify, clip, penalty = self.parts.classify, self.config.clip, self.penalty
            self._programs[size] = self._compiled(
                ("train", size, self.optimizer, classify, clip, penalty),
                lambda: training_step(
                    self.network, self.optimizer, *batches.first, classify=classify, clip=clip, penalty=penalty
                ),
            )
            self._tell_fallbacks()
        return self._programs[size]

    def _tell_fallbacks(self) -> None:
        """Each once."""
        for reason in self.fallbacks:
            if reason not in self._told:
                self._told.add(reason)
                self.warn(f"not run natively, NumPy computes it: {reason}")

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What the engine could not run its own way, each with the reason."""
        mine = (self._programs, self._measures, self._gradients)
        programs = (*(program for each in mine for program in each.values()), *self.evaluate.programs)
        return tuple(dict.fromkeys(line for program in programs for line in program.fallbacks))

    def _count(self, metrics: Metrics, batches: Batches, seconds: float) -> None:
        """Running sums, added one step after the other: the same bits however steps are divided into calls."""
        rows = batches.rows
        count, size = rows.shape
        sums = self.at.sums
        weight = metrics["weight"].astype(np.float64) if "weight" in metrics else self.evaluate.weight(size)
        sums["loss"] = _accumulate(sums.get("loss", 0.0), metrics["loss"].astype(np.float64) * weight)
        if "correct" in metrics:
            sums["correct"] = _accumulate(sums.get("correct", 0.0), metrics["correct"].astype(np.float64))
        if "weight" in metrics:
            sums["weight"] = _accumulate(sums.get("weight", 0.0), metrics["weight"].astype(np.float64))
        sums["rows"] = sums.get("rows", 0.0) + float(rows.size)
        self.at.step += count
        self.at.batch += count
        self._per_step = seconds / count if not self._per_step else 0.5 * (self._per_step + seconds / count)
        self._spent[0] += seconds
        self._spent[1] += rows.size

    def _fault(
        self, program: Program, state: dict[str, Array], batches: Batches, by_step: dict[str, Array]
    ) -> TrainingError:
        """Go back to where the call began and find the first step, and in it the first value, that is not finite."""
        rows = batches.rows
        for i in range(len(rows)):
            before = dict(state)
            one = {name: values[i : i + 1] for name, values in by_step.items()}
            metrics = program.run(state, batches.data, rows[i : i + 1], one)
            bad = not finite({name: metrics[name] for name in program.step.finite}) or not finite(state)
            if bad or i == len(rows) - 1:
                rate = float(by_step["learning_rate"][i])
                when = f"step {self.at.step + i + 1:,} (epoch {self.at.epoch}, batch {self.at.batch + i + 1})"
                return fault(program.step, before, batches.at(i), one, when, self._advice(f" (it was {rate:g} here)"))
        raise AssertionError("a call has at least one step")

    def _advice(self, more: str = "") -> str:
        if self.path is None:
            return f"try a smaller learning rate{more}"
        return f"try a smaller --lr{more} or --clip 1.0; the last good checkpoint is kept"

    # -- epochs --------------------------------------------------------------------------------------------------------
    def _watch(self) -> tuple[str, tuple[Array, ...]] | None:
        """The rows looked at after every epoch: validation rows; without them test rows, of this source or its own."""
        for name in ("valid", "test"):
            if (watched := self.parts.part(name)) is not None:
                return name, watched
        return None

    def _finish_epoch(self) -> None:
        start = time.monotonic()
        at, sums = self.at, self.at.sums
        weight = counted(sums)
        row: dict[str, Any] = {"epoch": at.epoch, "step": at.step, "train_loss": sums["loss"] / weight}
        if "correct" in sums:
            row["train_accuracy"] = sums["correct"] / weight
        if self._watched is not None:
            row.update(self._watched_figures(*self._watched))
        rate = self.schedule(at.step - 1)
        row["learning_rate"] = rate
        if self.norms:
            row["gradient_norms"] = self._gradient_norms()
        self._tell_fallbacks()
        self.at.best = after(self.at.best, self.config.monitor, self.config.min_delta, row, self.parameters)
        self.history.append(row)
        findings = self.look(row, self.parameters)
        if self.callbacks:
            self._ended_by_callback = self.callbacks.epoch_end(self._moment(), row)
        self._spent[0] += time.monotonic() - start
        self.timings.append({"epoch": at.epoch, "seconds": self._spent[0], "rows": self._spent[1]})
        speed = self._spent[1] / self._spent[0] if self._spent[0] else 0.0
        self._report(rate, {**row, "seconds": self._spent[0], "rows_per_second": speed}, findings)
        self._spent = [0.0, 0]
        at.epoch, at.batch, at.sums = at.epoch + 1, 0, {}

    def _watched_figures(self, name: str, rows: tuple[Array, ...]) -> dict[str, float]:
        result = self.evaluate(self.parameters, *rows)
        if not np.isfinite(result.loss):
            raise TrainingError(
                f"the loss on the {name} rows became {result.loss}",
                where=f"after epoch {self.at.epoch}",
                want="a finite number",
                fix=f"look for extreme values in these rows, or {self._advice()}",
            )
        figures = {f"{name}_loss": result.loss}
        if result.correct is not None:
            figures[f"{name}_accuracy"] = result.correct / len(rows[0])
        if result.weighted_loss is None:
            return figures
        weighted = {f"{name}_loss": result.weighted_loss}
        if result.weighted_accuracy is not None:
            weighted[f"{name}_accuracy"] = result.weighted_accuracy
        return {**weighted, **{f"{key}_unweighted": value for key, value in figures.items()}}

    def _gradient_norms(self) -> dict[str, float]:
        """‖∂L/∂parameter‖ at the end of the epoch, without dropout: the mean over up to `MEASURED` of its batches."""
        size, count = self.config.batch_size, self.feed.rows
        full = max(count // size, 1)
        chosen = np.unique(np.linspace(0, full - 1, min(MEASURED, full)).astype(np.int64))
        order = self.feed.order(self.at.epoch)
        batches = self.feed.of(np.stack([order[b * size : min((b + 1) * size, count)] for b in chosen.tolist()]))
        size = batches.rows.shape[1]
        self.between()  # a step of a wide network takes a second to be recorded
        if size not in self._measures:
            self._measures[size] = self._compiled(
                ("measure", size), lambda: measuring_step(self.network, *batches.first)
            )
        program = self._measures[size]
        parameters = self.parameters
        norms: dict[str, list[float]] = {}
        for i, rows in enumerate(batches.rows):
            self.between()
            metrics = program.run(dict(parameters), batches.data, rows[None], {})
            if not finite(metrics):
                when = f"after epoch {self.at.epoch}, measuring gradients"
                raise fault(program.step, parameters, batches.at(i), {}, when, self._advice())
            for name in metrics:
                if name.startswith(NORM):
                    norms.setdefault(name.removeprefix(NORM), []).append(float(metrics[name][0]))
        return {name: float(np.mean(values)) for name, values in norms.items()}

    def keep_history(self) -> None:
        """Put the metrics of a run that fails on the disk, for whoever looks into it; a resume cuts them off again."""
        with suppress(TrainingError):  # the failure may be the disk itself, and is being reported already
            self._flush()

    # -- progress ------------------------------------------------------------------------------------------------------
    def _report(self, rate: float, row: dict[str, Any] | None = None, findings: tuple[Finding, ...] = ()) -> None:
        sums, config = self.at.sums, self.config
        rows, weight = sums.get("rows", 0.0), counted(sums)
        seconds, done = self._spent
        speed = done / seconds if seconds else 0.0
        ahead = config.epochs * len(self.parts.train) - (self.at.epoch - 1) * len(self.parts.train) - rows
        self.on_progress(
            Progress(
                epoch=self.at.epoch,
                epochs=config.epochs,
                batch=self.at.batch,
                batches=self.batches,
                step=self.at.step,
                loss=sums["loss"] / weight if weight else None,
                accuracy=sums["correct"] / weight if weight and "correct" in sums else None,
                learning_rate=rate,
                rows_per_second=speed,
                seconds_left=ahead / speed if speed else 0.0,
                row=row,
                findings=findings,
            )
        )


def counted(sums: dict[str, float]) -> float:
    """What the rows of these running sums weigh: without weights, their number."""
    return sums.get("weight", sums.get("rows", 0.0))


def _accumulate(start: float, values: Array) -> float:
    return float(np.add.accumulate(np.concatenate([[start], values]))[-1])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def start(network: Network, config: Settings) -> Checkpoint:
    """The state before the first step."""
    parameters = {name: np.array(p.value) for name, p in network.parameters().items()}
    state = config.make_optimizer().init(parameters)
    return Checkpoint(0, 1, 0, parameters, state)
