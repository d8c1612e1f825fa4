"""Learning from rows as they arrive: one pass, one row a step, each row predicted before it is learned from.

The error is prequential (Dawid 1984): the loss of a row is taken with the parameters from before its own step, so every
row is a test row first.  How columns are encoded is fixed by the schema, whose means and deviations standardise the
numbers: what has been learned never changes its meaning.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data import InputEncoding, TargetEncoding
from denpa.data.arriving import Arriving, Block, coded
from denpa.data.kinds import Column
from denpa.data.schema import Schema
from denpa.data.table import Coded, Layout
from denpa.engine import Engine, Program
from denpa.engine.native.build import asking
from denpa.errors import DataError, DenpaError, TrainingError, UsageError
from denpa.nn import Network
from denpa.train import checkpoint, machine
from denpa.train.checkpoint import Checkpoint
from denpa.train.config import Config
from denpa.train.faults import fault, finite
from denpa.train.feeding import Batches
from denpa.train.history import History
from denpa.train.loop import Stopped
from denpa.train.metrics import targets_for
from denpa.train.run import METRICS
from denpa.train.step import training_step

WINDOW = 1000  # rows of one line of the metrics
WAIT = 0.2  # seconds: the longest time that a row waits to be learned from, and a signal to be answered
_MOST = 4096  # steps of one call of the engine


@dataclass(frozen=True)
class Learned:
    """Where an online run is.  rows: learned from so far.  loss, accuracy: over all of them; recent_…: over the latest
    window; None before there is one, and accuracy for numbers."""

    rows: int
    loss: float | None
    accuracy: float | None
    recent_loss: float | None
    recent_accuracy: float | None
    rows_per_second: float


@dataclass
class Online:
    """One run from where `at` is until its rows end, or it is stopped."""

    path: Path
    config: Config
    network: Network
    inputs: InputEncoding
    targets: TargetEncoding
    engine: Engine
    at: Checkpoint
    arriving: Arriving
    on_progress: Callable[[Learned], None]
    should_stop: Callable[[], bool]
    warn: Callable[[str], None]

    def __post_init__(self) -> None:
        self.optimizer = self.config.make_optimizer()
        self.state: dict[str, Array] = {
            name: np.ascontiguousarray(value) if np.ndim(value) else value
            for name, value in {**self.at.parameters, **self.at.optimizer}.items()
        }
        self.history = History(self.path / METRICS, self.at.history_bytes, self.at.history_sha256 or None)
        self.classify = self.targets.kind == "classes"
        self._program: Program | None = None
        self._facts = {**machine.facts(self.config.engine), "threads": machine.blas_threads()}
        self._saved = self._began = time.monotonic()
        self._per_step, self._here, self._said = 0.0, 0, set[str]()
        self._recent: tuple[float | None, float | None] = (None, None)

    def run(self) -> bool:
        """Learn until the rows end; False when stopped before.  A checkpoint is on the disk either way, and also when
        a row cannot be used: DataError, TrainingError."""
        try:
            with asking(self._between):
                while True:
                    self._between()
                    block = self.arriving.next(WAIT)
                    if block is not None:
                        self._learn(block)
                    elif self.arriving.ended:
                        return True
                    if time.monotonic() - self._saved >= self.config.checkpoint_seconds:
                        self.save()
        except Stopped:
            return False
        finally:
            self.save()

    def _between(self) -> None:
        if self.should_stop():
            raise Stopped

    def save(self) -> None:
        """Metrics first, then the checkpoint that counts them."""
        self.history.flush()
        self.at.parameters = {name: self.state[name] for name in self.at.parameters}
        self.at.optimizer = {name: self.state[name] for name in self.at.optimizer}
        self.at.history_bytes, self.at.history_sha256 = self.history.size, self.history.sha256
        self.at.machine = self._facts
        checkpoint.save(self.path, self.at)
        self._saved = time.monotonic()

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: self.state[name] for name in self.at.parameters}

    @property
    def learned(self) -> Learned:
        """Over all rows of the run so far."""
        sums = self.at.sums
        rows = sums.get("rows", 0.0) + sums.get("window_rows", 0.0)
        loss = (sums.get("loss", 0.0) + sums.get("window_loss", 0.0)) / rows if rows else None
        right = (sums.get("correct", 0.0) + sums.get("window_correct", 0.0)) / rows if rows and self.classify else None
        speed = self._here / max(time.monotonic() - self._began, 1e-9)
        return Learned(int(rows), loss, right, *self._recent, speed)

    # -- rows ----------------------------------------------------------------------------------------------------------
    def _learn(self, block: Block) -> None:
        """Learn from the rows of a block; when one of them cannot be used, from those before it."""
        try:
            rows, notices = coded(block, self.arriving.layout)
        except DataError:
            if len(block.rows) == 1:
                raise
            for i in range(len(block.rows)):
                self._learn(Block(block.where, block.names, block.rows[i : i + 1], block.lines[i : i + 1]))
            raise
        for notice in notices:
            if (name := notice.partition(":")[0]) not in self._said:  # the counts in it are those of a block
                self._said.add(name)
                self.warn(notice)
        self._steps(rows, block)

    def _steps(self, rows: Coded, block: Block) -> None:
        x = self.inputs.encode(np.column_stack(rows.inputs), self.network.dtype)
        answers = rows.targets[0] if len(rows.targets) == 1 else np.column_stack(rows.targets)
        t = targets_for(self.network, self.targets.encode(answers, self.network.dtype))
        at = 0
        while at < len(x):
            if at and self.should_stop():
                # The rest of the block has arrived and is lost to a pipe, as what waits in the pipe itself is.
                return
            count = min(len(x) - at, _MOST, max(1, int(WAIT / self._per_step)) if self._per_step else 1)
            numbers = np.array(block.lines[at : at + count], np.int64)[:, None] - 1
            piece = slice(at, at + count)
            self._call(Batches({"x": x[piece], "t": t[piece]}, np.arange(count)[:, None], numbers))
            at += count
        self.on_progress(self.learned)

    def _call(self, batches: Batches) -> None:
        if self._program is None:
            step = training_step(
                self.network, self.optimizer, *batches.first, classify=self.classify, clip=self.config.clip
            )
            self._program = self.engine.compile(step)
            for reason in self._program.fallbacks:
                self.warn(f"not run natively, NumPy computes it: {reason}")
        program, count, before = self._program, len(batches.rows), dict(self.state)
        keys = np.empty((count, 2), np.uint64)
        keys[:, 0], keys[:, 1] = self.config.seed, np.arange(self.at.step, self.at.step + count, dtype=np.uint64)
        by_step: dict[str, Array] = {"learning_rate": np.full(count, self.config.rate), "key": keys}
        start = time.monotonic()
        metrics = program.run(self.state, batches.data, batches.rows, by_step)
        seconds = (time.monotonic() - start) / count
        if not finite({name: metrics[name] for name in program.step.finite}) or not finite(self.state):
            raise self._fault(program, before, batches, by_step)
        self._per_step = seconds if not self._per_step else 0.5 * (self._per_step + seconds)
        self._here += count
        self._count(metrics["loss"].astype(np.float64).tolist(), metrics.get("correct"))

    def _count(self, losses: list[float], correct: Array | None) -> None:
        """Row by row: the same sums however the rows arrived."""
        sums = self.at.sums
        for i, loss in enumerate(losses):
            sums["window_loss"] = sums.get("window_loss", 0.0) + loss
            sums["window_rows"] = sums.get("window_rows", 0.0) + 1.0
            if correct is not None:
                sums["window_correct"] = sums.get("window_correct", 0.0) + float(correct[i])
            self.at.step += 1
            if sums["window_rows"] == WINDOW:
                self._close_window()

    def _close_window(self) -> None:
        sums = self.at.sums
        row: dict[str, Any] = {"epoch": self.at.epoch, "step": self.at.step, "train_loss": sums["window_loss"] / WINDOW}
        if self.classify:
            row["train_accuracy"] = sums["window_correct"] / WINDOW
        for name in ("loss", "rows", "correct"):
            if f"window_{name}" in sums:
                sums[name] = sums.get(name, 0.0) + sums.pop(f"window_{name}")
        row |= {"running_loss": sums["loss"] / sums["rows"], "learning_rate": self.config.rate}
        if self.classify:
            row["running_accuracy"] = sums["correct"] / sums["rows"]
        self._recent = row["train_loss"], row.get("train_accuracy")
        self.history.append(row)
        self.at.epoch += 1

    def _fault(self, program: Program, state: dict[str, Array], batches: Batches, by_step: Any) -> DenpaError:
        """Go to the step that is not finite; the state stays as it was before that step."""
        for i in range(len(batches.rows)):
            before = dict(state)
            one = {name: values[i : i + 1] for name, values in by_step.items()}
            metrics = program.run(state, batches.data, batches.rows[i : i + 1], one)
            if not finite({name: metrics[name] for name in program.step.finite}) or not finite(state):
                self.state = before
                when = f"row {self.at.step + 1:,}, line {int(batches.numbers[i, 0]) + 1:,}"
                advice = (
                    f"try a smaller --lr (it was {self.config.rate:g}) or --clip 1.0; the last good checkpoint is kept"
                )
                return fault(program.step, before, batches.at(i), one, when, advice)
            self._count(metrics["loss"].astype(np.float64).tolist(), metrics.get("correct"))
        return TrainingError("the loss or a parameter became NaN or infinite, and not when the rows were tried again")


# -- the schema's encodings --------------------------------------------------------------------------------------------
def encodings_of(schema: Schema) -> tuple[InputEncoding, TargetEncoding]:
    """With the means and deviations of the schema.  UsageError for one without a target, or without these figures."""
    layout = Layout.of(schema)
    if not layout.targets:
        raise UsageError(
            "the schema names no target", where=schema.source, fix='write kind = "target" at its column in the schema'
        )
    mean, std = [], []
    for column, read in zip(schema.inputs, layout.inputs, strict=True):
        slots = len(read.slots)
        first = (0.0, 1.0) if column.kind == "category" else _scale(column, schema)
        mean += [first[0], *[0.0] * (slots - 1)]
        std += [first[1], *[1.0] * (slots - 1)]
    names = tuple(column.name for column in layout.inputs)
    inputs = InputEncoding("columns", names, mean=tuple(mean), std=tuple(std), cells=layout.inputs, na=layout.na)
    name = ", ".join(layout.targets)
    if layout.classes is not None:
        return inputs, TargetEncoding("classes", name, layout.classes)
    if schema.task == "multilabel":
        return inputs, TargetEncoding("labels", name, labels=layout.targets)
    scales = [_scale(column, schema) for column in schema.of_kind("target")]
    several = layout.targets if len(scales) > 1 else ()
    return inputs, TargetEncoding(
        "numbers", name, mean=tuple(m for m, _ in scales), std=tuple(s for _, s in scales), names=several
    )


def _scale(column: Column, schema: Schema) -> tuple[float, float]:
    if column.mean is None or column.std is None or column.std < 0:
        raise UsageError(
            f"the schema has no mean and deviation of the column {column.name!r}",
            where=schema.source,
            fix="write it with: denpa data FILE; or add mean = … and std = … to the column",
        )
    return column.mean, column.std or 1.0
