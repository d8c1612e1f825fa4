"""An online run from its settings to its folder: begun, or gone on with where it ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.data import TargetEncoding
from denpa.data.arriving import Arriving
from denpa.data.files import opened
from denpa.data.reading import read_schema
from denpa.data.schema import Schema
from denpa.data.schemafile import NAME as SCHEMA, read_schema_file
from denpa.engine import engine
from denpa.errors import DataError, DenpaError, UsageError
from denpa.formatting import typed
from denpa.train import checkpoint, loop, machine
from denpa.train.checkpoint import Checkpoint
from denpa.train.config import Config
from denpa.train.model_file import Predictor, save_model
from denpa.train.online import Learned, Online, encodings_of
from denpa.train.parts import build_network
from denpa.train.run import Run, check_empty, create, locked, now

PIPE = "-"  # the source that is the standard input

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class LearnedRun:
    """An online run that has just ended here.  finished: its rows had ended, rather than being stopped."""

    run: Run
    model: Predictor
    learned: Learned
    finished: bool


@dataclass(frozen=True)
class Hooks:
    """What the loop asks and tells, as in `training.train`."""

    on_progress: Callable[[Learned], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    warn: Say = lambda _: None
    say: Say = lambda _: None


def train_online(config: Config, out: str | Path, hooks: Hooks = Hooks(), command: str = "") -> LearnedRun:
    """Learn from the rows of config.source, a file or "-" for the standard input, into a new run folder.

    UsageError for a pipe without a schema, and for settings that have no meaning here.  DataError, TrainingError for a
    row that cannot be used: what was learned before it is kept.
    """
    out = Path(out)
    check_empty(out)
    _check(config)
    schema = _schema(config, hooks.say)
    inputs, targets = encodings_of(schema)
    _check_weights(schema)
    network = build_network(config, inputs, targets)
    config = config.resolved(
        task=schema.task,
        schema=str((out / SCHEMA).absolute()),
        output=network.output,
        loss=network.loss_function.name,
        engine=engine(config.engine).name if config.engine == "auto" else config.engine,
        threads=config.threads or 1,
        batch_size=1,
        valid=0.0,
        doctor=False,
    )
    hooks.say(f"engine: {engine(config.engine).name}")
    durable.make_folder(out, what="the run folder")
    with locked(out), _source(config.source) as (descriptor, sha256):
        run = create(
            out,
            config,
            schema,
            command=command,
            machine=machine.facts(config.engine),
            data={"source": config.source, **({} if sha256 is None else {"sha256": sha256, "rows": schema.rows})},
        )
        return _go(run, schema, loop.start(network, config), descriptor, hooks)


def resume_online(path: str | Path, hooks: Hooks = Hooks(), *, anyway: bool = False) -> LearnedRun:
    """Go on with an online run: a file after the rows learned from, a pipe with the rows that come now.

    UsageError when a file's rows have all been used; DataError when the file changed.
    """
    run = Run(path)
    with locked(run.path):
        run = Run(path)
        config = run.config
        schema = read_schema_file(run.path / SCHEMA)
        durable.remove([*durable.leftovers(run.path), *durable.leftovers(run.path / checkpoint.FOLDER)])
        at = checkpoint.latest(run.path, hooks.warn)
        start = loop.start(build_network(config, *encodings_of(schema)), config)
        at = start if at is None else at
        checkpoint.check_fits(at, start, str(run.path))
        if config.source != PIPE and run.status == "finished":
            raise UsageError("the run is finished", where=str(run.path), got=f"all {at.step:,} rows learned from")
        machine.check_same(at.machine, config.engine, config.threads, anyway, hooks.warn)
        durable.remove([p for p in checkpoint.saved(run.path) if p.name > at.name], what="a damaged checkpoint")
        with _source(config.source) as (descriptor, sha256):
            told: Any = run.info.get("data")
            if sha256 is not None and (not isinstance(told, dict) or told.get("sha256") != sha256):
                raise DataError(
                    "the data changed since the run began",
                    where=config.source,
                    got=f"sha256 {sha256[:16]}…",
                    want=f"sha256 {str(told.get('sha256') if isinstance(told, dict) else None)[:16]}…",
                    fix="put the old file back, or start a new run",
                )
            run.update(status="running", resumed=[*run.info.get("resumed", []), now()])
            return _go(run, schema, at, descriptor, hooks)


def _go(run: Run, schema: Schema, at: Checkpoint, descriptor: int, hooks: Hooks) -> LearnedRun:
    config = run.config
    inputs, targets = encodings_of(schema)
    network = build_network(config, inputs, targets)
    skip = 0 if config.source == PIPE else at.step
    where = "the standard input" if config.source == PIPE else config.source
    with machine.threads(config.threads):
        online = Online(
            run.path,
            config,
            network,
            inputs,
            targets,
            engine(config.engine),
            at,
            Arriving(descriptor, schema, where, skip),
            hooks.on_progress,
            hooks.should_stop,
            hooks.warn,
        )
        try:
            finished = online.run()
        except DenpaError as error:
            run.update(status="failed", ended=now(), error=str(error))
            raise
        finally:
            model = Predictor(
                network.with_parameters(online.parameters),
                inputs,
                targets,
                _guess(schema, targets),
                {"run": run.id, "steps": at.step, "source": config.source, "target": targets.name},
            )
            save_model(run.model_path, model)
    learned = online.learned
    if not learned.rows:
        hooks.warn("no row has arrived: the network is as it was drawn")
    figures: dict[str, Any] = {"loss": learned.loss, "accuracy": learned.accuracy}
    facts: dict[str, Any] = {"status": "finished" if finished else "stopped", "ended": now(), "epoch": at.epoch - 1}
    facts["evaluation"] = {"on": "each row before it was learned from", "rows": learned.rows} | {
        name: value for name, value in figures.items() if value is not None
    }
    run.update(**facts)
    return LearnedRun(run, model, learned, finished)


@contextmanager
def _source(source: str) -> Iterator[tuple[int, str | None]]:
    """A descriptor to read from, and the hash of a file."""
    if source == PIPE:
        yield 0, None
        return
    with opened(source) as file:
        if file.packing:
            raise UsageError(
                "a packed file cannot be read row by row here",
                where=file.where,
                fix=f"unpack it into a pipe: {file.packing} -dc {typed(file.where)} | denpa train - --online",
            )
        os.lseek(file.handle.fileno(), 0, os.SEEK_SET)
        yield file.handle.fileno(), file.sha256


def _schema(config: Config, say: Say) -> Schema:
    """Of the file that is named, as it stands: its figures are what standardises the rows; else of the whole source."""
    if config.schema is not None:
        schema = read_schema_file(config.schema)
        if config.target is not None and config.target not in {c.name for c in schema.of_kind("target")}:
            raise UsageError("the schema names another target", where=config.schema, got=config.target)
        return schema
    if config.source == PIPE:
        raise UsageError(
            "what comes through a pipe cannot be looked at first: its columns must be known",
            got="no schema",
            want="--schema schema.toml, made from rows of the same kind",
            fix="denpa data SAMPLE.csv --target COLUMN -o schema.toml",
        )
    say("reading the file once for its schema, then row by row")
    return read_schema(config.source, replace(config.options(), target=config.target))


def _check(config: Config) -> None:
    """UsageError for settings that need the number of rows, or to see a row again."""
    wrong = {
        "schedule": config.schedule != "constant",
        "test": config.test > 0,
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise UsageError(
                f"the setting {name!r} has no meaning when rows are learned from as they come",
                got=f"{name} = {getattr(config, name)}",
                fix=f"leave --{name} out",
            )


def _check_weights(schema: Schema) -> None:
    for kind in ("weight", "group", "time"):
        if schema.of_kind(kind):
            raise UsageError(
                f"a {kind} column is not used when rows are learned from as they come",
                where=schema.source,
                fix=f"leave --{kind} out, or write another kind at the column in the schema",
            )


def _guess(schema: Schema, targets: TargetEncoding) -> Any:
    """The most frequent class or the mean of the schema's rows."""
    columns = schema.of_kind("target")
    if targets.kind == "classes":
        counts = columns[0].counts
        return np.int64(np.argmax(counts) if counts else 0)
    return np.array([column.mean or 0.0 for column in columns])
