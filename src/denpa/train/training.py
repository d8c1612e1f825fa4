"""Train, resume: from a Dataset to a run folder with a model that predicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from denpa import durable
from denpa.arrays import Array
from denpa.data import Dataset, splits
from denpa.data.schemafile import NAME as SCHEMA
from denpa.data.shuffle import sample
from denpa.engine import engine
from denpa.errors import DenpaError, UsageError
from denpa.nn import Network
from denpa.train import best, checkpoint, loop, machine
from denpa.train.callbacks import Callback, Callbacks
from denpa.train.checkpoint import Checkpoint
from denpa.train.config import Config
from denpa.train.doctor import Watch
from denpa.train.loop import Loop, Progress
from denpa.train.metrics import Evaluation
from denpa.train.model_file import Predictor, load_model, save_model
from denpa.train.opened import data_of, opened
from denpa.train.parts import Parts, build_network, encodings, parts
from denpa.train.run import Run, check_empty, create, locked, now

EVALUATED = 100_000  # rows evaluated at the end of a streamed run: a share of right ones is then known to ±0.2 %


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """A run that has just ended here, with what is still in memory.

    evaluation: on the rows that `evaluated_on` names: "test", "valid" or "train"; None when the run was stopped.
    """

    run: Run
    config: Config
    model: Predictor
    parts: Parts
    evaluated_on: str
    evaluation: Evaluation | None
    fallbacks: tuple[str, ...]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        figures = "" if self.evaluation is None else f", {self.evaluated_on}: {self.evaluation!r}"
        return f"<Trained {self.run.path} {self.run.status}{figures}>"

    @property
    def finished(self) -> bool:
        return self.run.status == "finished"

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row of figures for each epoch: epoch, step, train_loss, valid_loss, …"""
        return self.run.history

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report as a page that needs nothing else; None: report.html in the run folder.  The path.

        TrainingError when it cannot be written.
        """
        from denpa.draw.html import page
        from denpa.train.recording import record_of
        from denpa.train.report import report

        out = self.run.path / "report.html" if path is None else Path(path)
        durable.write(out, page(report(record_of(self))).encode(), what="the report")
        return out


def _nothing(_: Any) -> None:
    return None


def train(
    config: Config,
    data: Dataset,
    out: str | Path,
    *,
    on_progress: Callable[[Progress], None] = _nothing,
    should_stop: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = _nothing,
    say: Callable[[str], None] = _nothing,
    command: str = "",
    callbacks: Iterable[Callback] = (),
) -> Trained:
    """Train on `data` into a new run folder `out`.  should_stop is asked at least every 0.25 s.

    warn takes what does not stop the run but must be said; say, what was chosen.  command: the shell line, to be kept.
    callbacks: see train.callbacks; an exception in one reaches the caller, and the run is saved as failed.
    UsageError, DataError before anything is written; TrainingError when it cannot go on (the run is then "failed").
    """
    called = Callbacks(callbacks)
    out = Path(out)
    check_empty(out)
    inputs, targets, rows = encodings(config, data)
    network = build_network(config, inputs, targets)
    config = config.resolved(
        task=data.task,
        schema=None if config.schema is None else str((out / SCHEMA).absolute()),
        output=network.output,
        loss=network.loss_function.name,
        engine=_engine(config.engine, say),
        threads=config.threads or machine.threads_for(flops(network, config.batch_size)),
        split=splits.way(config.split, data),
        monitor=best.resolve(
            config.monitor, config.patience, valid=len(rows[1]) > 0, classify=data.classes is not None
        ),
    )
    prepared = parts(config, network, data, inputs, targets, rows)
    durable.make_folder(out, what="the run folder")
    with locked(out):
        run = create(
            out,
            config,
            data.schema,
            command=command,
            machine=machine.facts(config.engine),
            data={"source": data.source, "sha256": data.sha256, "rows": len(data)},
        )
        at = loop.start(network, config)
        return _go(run, config, network, prepared, at, on_progress, should_stop, _Warnings(warn), called)


def resume(
    path: str | Path,
    data: Dataset | None = None,
    *,
    epochs: int | None = None,
    patience: int | None = None,
    anyway: bool = False,
    on_progress: Callable[[Progress], None] = _nothing,
    should_stop: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = _nothing,
    say: Callable[[str], None] = _nothing,
    callbacks: Iterable[Callback] = (),
) -> Trained:
    """Continue a run that was stopped, killed or has failed, to the bits it would have had without that.

    data: the run's source if it is in memory already.  epochs: a new, larger number of epochs, for a finished run too.
    patience: another one, for a run that stopped early too.
    anyway: go on although libraries or processor changed, and with it perhaps the last bits.  say, warn, callbacks: see
    `train`.
    UsageError when the run is finished or held by another process; DataError when its data changed; ModelFileError when
    no checkpoint is left.
    """
    called, run = Callbacks(callbacks), Run(path)
    with locked(run.path):
        run = Run(path)
        config = run.config
        changed: dict[str, Any] = {"epochs": epochs, "patience": patience}
        config = replace(config, **{key: value for key, value in changed.items() if value is not None})
        warnings = _Warnings(warn)
        durable.remove([*durable.leftovers(run.path), *durable.leftovers(run.path / checkpoint.FOLDER)])
        at = checkpoint.latest(run.path, warnings)
        data = data_of(run, data)
        inputs, targets, rows = encodings(config, data)
        network = build_network(config, inputs, targets)
        at = loop.start(network, config) if at is None else at
        say(f"engine: {engine(config.engine).name}, as the run began")
        _check_place(run, config, at, network)
        machine.check_same(at.machine, config.engine, config.threads, anyway, warnings)
        durable.remove([p for p in checkpoint.saved(run.path) if p.name > at.name], what="a damaged checkpoint")
        if config != run.config:
            durable.write(run.path / "config.toml", config.to_toml().encode(), what="the run's settings")
        run.update(status="running", resumed=[*run.info.get("resumed", []), now()])
        prepared = parts(config, network, data, inputs, targets, rows)
        return _go(run, config, network, prepared, at, on_progress, should_stop, warnings, called)


def reopen(path: str | Path, data: Dataset | None = None, *, warn: Callable[[str], None] = _nothing) -> Trained:
    """A run as it was when its training ended, for another report.  data: the run's source if it is in memory.

    A run that was stopped or killed comes with what its last checkpoint has, and without an evaluation.
    DataError when the source is gone or has changed, ModelFileError when the folder holds no parameters.
    """
    run, network, prepared = opened(path, data)
    told = run.info.get("warnings", [])
    if run.status == "finished":
        model = load_model(run.path)
        where, evaluation = evaluate_run(model, prepared)
    else:
        warn(f"the run is not finished ({run.status}): there is no evaluation to report")
        model = Predictor(network, prepared.inputs, prepared.targets, prepared.guess, {"run": run.id})
        where, evaluation = "", None
    return Trained(run, run.config, model, prepared, where, evaluation, (), tuple(told))


class _Warnings:
    """Says a warning and remembers it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._say(line)


def _go(
    run: Run,
    config: Config,
    network: Network,
    prepared: Parts,
    at: Checkpoint,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    warnings: _Warnings,
    callbacks: Callbacks,
) -> Trained:
    """The loop, and what is written when it ends, however it ends.  The caller holds the run's lock."""
    began = time.monotonic()
    for line in (*prepared.inputs.notes,):
        warnings(line)
    with machine.threads(config.threads):
        how = engine(config.engine)
        trainer = Loop(run.path, config, network, prepared, how, at, on_progress, should_stop, warnings)
        trainer.callbacks = callbacks
        if config.doctor:
            trainer.look = Watch(run, network, prepared, at.epoch)
        try:
            finished = trainer.run()
            model = _model(trainer, prepared, run)
            save_model(run.model_path, model)
            where, evaluation = "", None
            if finished:
                try:
                    where, evaluation = evaluate_run(model, prepared, trainer.between)
                except loop.Stopped:
                    finished = False  # all epochs are done and saved; a resume evaluates
            if evaluation is not None and (of := len(getattr(prepared, where, ()))) > evaluation.rows:
                warnings(f"the final figures are of {evaluation.rows:,} of the {of:,} {where} rows, drawn at random")
        except Exception as error:  # a callback may raise anything
            trainer.keep_history()
            _record_failure(run, error)
            raise
    facts: dict[str, Any] = {"status": "finished" if finished else "stopped", "ended": now(), "epoch": at.epoch - 1}
    facts["seconds"] = float(run.info.get("seconds", 0.0)) + time.monotonic() - began
    if at.best is not None:
        facts["best"] = {"epoch": at.best.epoch, "monitor": config.monitor, "value": at.best.value}
    if at.best is not None or trainer.stopped_early:
        facts["stopped_early"] = trainer.stopped_early and at.epoch <= config.epochs
    if evaluation is not None:
        numbers = {name: value for name, value in evaluation.values.items() if not math.isnan(value)}  # NaN is no JSON
        facts["evaluation"] = {"on": where, "rows": evaluation.rows, **numbers}
    facts["warnings"] = [*run.info.get("warnings", []), *warnings.lines]
    run.update(**facts)
    return Trained(run, config, model, prepared, where, evaluation, trainer.fallbacks, tuple(run.info["warnings"]))


def _record_failure(run: Run, error: Exception) -> None:
    told = str(error) if isinstance(error, DenpaError) else f"{type(error).__name__}: {error}"
    try:
        run.update(status="failed", ended=now(), error=told)
    except DenpaError as second:  # the disk is full for the status, too: one message for both
        error.add_note(f"the run's status could not be saved either\n{second}")


def _engine(name: str, say: Callable[[str], None]) -> str:
    """The engine's name for the record: "auto" becomes what it stands for here, "native!" stays strict."""
    found = engine(name).name
    reasons = {"native": " (numba and llvmlite are installed)", "eager": ' (faster: pip install "denpa[native]")'}
    say(f"engine: {found}{reasons[found] if name == 'auto' else ''}")
    return found if name == "auto" else name


def flops(network: Network, batch_size: int) -> float:
    """Floating-point operations of one step, about: three products a layer, two operations a weight and row."""
    return 6.0 * batch_size * sum(n_in * n_out for n_in, n_out in pairwise(network.units))


def _model(trainer: Loop, prepared: Parts, run: Run) -> Predictor:
    at = trainer.at
    about = {
        "run": run.id,
        "epochs": at.epoch - 1,
        "best_epoch": None if at.best is None else at.best.epoch,
        "steps": at.step,
        "source": prepared.data.source,
        "data_sha256": prepared.data.sha256,
        "target": prepared.targets.name,
    }
    network = trainer.network.with_parameters(trainer.kept)
    return Predictor(network, prepared.inputs, prepared.targets, prepared.guess, about)


def evaluate_run(
    model: Predictor, prepared: Parts, between: Callable[[], None] = lambda: None
) -> tuple[str, Evaluation]:
    """The figures on rows nobody trained on, and their name: test, else validation; else, for want of others, train.

    between is called before each batch; what it raises ends the work.
    """
    data = prepared.data
    if data.test is not None:
        return "test", model.evaluate(data.test, between=between)
    for name, rows in (("test", prepared.test), ("valid", prepared.valid), ("train", prepared.train)):
        if len(rows):
            return name, model.evaluate(data.take(evaluated_rows(prepared, name)), between=between)
    raise AssertionError("a run has training rows")


def evaluated_rows(prepared: Parts, name: str) -> Array:
    """The rows of a part that are evaluated at the end: all, or, where they are on the disk, at most `EVALUATED`."""
    rows: Array = getattr(prepared, name)
    return rows if prepared.encoder is None or len(rows) <= EVALUATED else sample(rows, 0, EVALUATED)


def _check_place(run: Run, config: Config, at: Checkpoint, network: Network) -> None:
    if at.best is not None and run.status == "finished" and not best.patient(at.best, config.patience, at.epoch - 1):
        raise UsageError(
            "the run is finished: it stopped early",
            where=str(run.path),
            got=f"{at.epoch - 1} of {config.epochs} epochs done, none better since epoch {at.best.since}",
            fix=f"train on with --patience {2 * config.patience}, or --patience 0 for all epochs",
        )
    if at.epoch > config.epochs and run.status == "finished":
        raise UsageError(
            "the run is finished",
            where=str(run.path),
            got=f"{at.epoch - 1} of {config.epochs} epochs done",
            fix=f"train on with --epochs {config.epochs + 10}, or start a new run",
        )
    checkpoint.check_fits(at, loop.start(network, config), str(run.path))


__all__ = ["Trained", "evaluate_run", "reopen", "resume", "train"]
