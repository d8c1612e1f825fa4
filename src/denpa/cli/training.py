"""`denpa train` and `denpa resume`."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli import figures, online, progress
from denpa.cli.arguments import RUNS, run_argument, runs_folder, target_option
from denpa.cli.data import settings, table_options
from denpa.errors import EXIT_INTERRUPTED, DenpaError, UsageError
from denpa.formatting import duration

if TYPE_CHECKING:
    from denpa.train.training import Trained

SHARE = click.FloatRange(0, 1, max_open=True)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print the result and warnings only.")


def units(ctx: click.Context, param: click.Parameter, text: str) -> tuple[int, ...]:
    """ "64,32" → (64, 32); "" or "none" → no hidden layer."""
    if text.strip().lower() in ("", "none", "0"):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers such as 50 or 64,32") from error


@click.command()
@click.argument("source")
@target_option
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), default="auto", show_default=True)
@table_options
@click.option("--hidden", default="50", show_default=True, callback=units, help="Hidden units: 50, or 64,32; none.")
@click.option("--activation", default="relu", show_default=True, help="relu, sigmoid, tanh, gelu, …")
@click.option("--output", default="auto", show_default=True, help="Output function: softmax, sigmoid or identity.")
@click.option("--loss", default="auto", show_default=True, help="cross_entropy, squared_error, absolute_error, huber.")
@click.option(
    "--init", default="auto", show_default=True, help="Initial weights: he_normal, glorot_uniform, normal:0.01, …"
)
@click.option("--dropout", type=SHARE, default=0.0, show_default=True)
@click.option(
    "--optimizer", default="sgd", show_default=True, help="sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw."
)
@click.option("--lr", "learning_rate", type=float, help="Learning rate η; the optimiser's own when left out.")
@click.option("--momentum", type=float, help="μ of sgd, momentum, nesterov and rmsprop.")
@click.option("--weight-decay", type=float, help="λ: adds λ·W to the gradient (adamw: decoupled).")
@click.option(
    "--clip", type=float, default=0.0, show_default=True, help="Largest norm of the whole gradient; 0 for none."
)
@click.option(
    "--class-weight", default="none", show_default=True, help="balanced, or what rows of a class count for: yes=3,no=1."
)
@click.option("--schedule", default="constant", show_default=True, help="constant, cosine, step:30:0.1, …")
@click.option("--batch-size", type=int, default=100, show_default=True)
@click.option("--epochs", type=int, default=20, show_default=True)
@click.option(
    "--patience", type=int, default=0, show_default=True, help="Stop after so many epochs that are no better."
)
@click.option("--min-delta", type=float, default=0.0, show_default=True, help="How much better counts as better.")
@click.option(
    "--monitor",
    default="auto",
    show_default=True,
    help="What tells the best epoch, whose weights are kept: valid_loss, valid_accuracy, train_loss, …; last: none.",
)
@click.option("--valid", type=SHARE, default=0.2, show_default=True, help="Share kept out to watch the training.")
@click.option("--test", type=SHARE, default=0.0, show_default=True, help="Share kept out until the end.")
@click.option(
    "--split",
    default="auto",
    show_default=True,
    help="By what rows are kept out: row (their content), group, time (the latest), random.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--engine", default="auto", show_default=True, help="eager, native, or native! to refuse fallbacks.")
@click.option(
    "--threads", type=int, default=0, show_default=True, help="Of the linear algebra; 0 to choose by the step's size."
)
@click.option(
    "--checkpoint-seconds", type=float, default=30.0, show_default=True, help="Longest time between two checkpoints."
)
@click.option("--doctor/--no-doctor", default=True, show_default=True, help="Watch for what ails the training.")
@click.option(
    "--stream",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="Keep the rows on the disk (auto: of a table that would fill the memory).",
)
@click.option("--online", is_flag=True, help="Learn from rows one by one as they come; SOURCE - is the standard input.")
@click.option("--out", type=click.Path(path_type=Path), help=f"The run folder.  [default: a new one in {RUNS}/]")
@quiet
def train(source: str, out: Path | None, quiet: bool, hidden: Any, header: bool | None, **options: Any) -> int:
    """Train a network on SOURCE: a CSV file, an NPZ file, IDX files or a folder of them, or "digits".

    The output layer and loss are chosen from the target and said aloud.  One row in five is kept out for validation
    (--valid).  Ctrl-C finishes the batch, saves, and exits 130; `denpa resume RUN` goes on to the same bits.
    """
    from denpa.data import read
    from denpa.train.config import Config
    from denpa.train.run import fresh_folder
    from denpa.train.training import train as go

    config = Config(source=source, hidden=hidden, **settings(header, **options))
    say = _teller(quiet)
    if config.online:
        return online.train(config, out or fresh_folder(runs_folder(), source), quiet, command_line())
    data = read(source, config.target, config.task, config.options(), stream=config.stream, say=say)
    out = out or fresh_folder(runs_folder(), source)
    shape = "×".join(map(str, data.image_shape)) if data.image_shape else f"{data.features} columns"
    say(f"{data.source}: {len(data):,} rows of {shape}" + (f", {len(data.test):,} test rows" if data.test else ""))
    for notice in data.notices:
        say(f"note: {notice}")
    say(f"{data.task}: {data.task_reason}")
    return _run(lambda **hooks: go(config, data, out, command=command_line(), say=say, **hooks), out, quiet)


@click.command()
@run_argument
@click.option("--epochs", type=int, help="Train on to this many epochs.")
@click.option("--patience", type=int, help="Another patience; 0 for all epochs.")
@click.option("--anyway", is_flag=True, help="Go on although the machine or the libraries changed.")
@quiet
def resume(run: Path, epochs: int | None, patience: int | None, anyway: bool, quiet: bool) -> int:
    """Continue RUN, however it ended, to the bits of a run that was never interrupted."""
    from denpa.train.run import Run
    from denpa.train.training import resume as go

    if Run(run).config.online:
        return online.resume(run, anyway, quiet)
    return _run(
        lambda **hooks: go(run, epochs=epochs, patience=patience, anyway=anyway, say=_teller(quiet), **hooks),
        run,
        quiet,
    )


def command_line() -> str:
    return shlex.join(["denpa", *sys.argv[1:]])


def _teller(quiet: bool) -> Callable[[str], None]:
    return lambda line: None if quiet else click.echo(line)


def _run(go: Callable[..., Trained], out: Path, quiet: bool) -> int:
    """Run it with progress, warnings and signals; then the result, the report and the exit code."""
    from denpa.train.signals import stop_on_signals

    def warn(line: str) -> None:
        click.echo(f"warning: {line}", err=True)

    came: list[int] = []
    with progress.shown(quiet) as show, stop_on_signals(came) as should_stop:
        trained = go(on_progress=show, should_stop=should_stop, warn=warn)
    if not trained.finished:
        click.echo(
            f"stopped after {trained.run.info['epoch']} epochs; continue with: denpa resume {shlex.quote(str(out))}"
        )
        return 128 + signal.SIGTERM if signal.SIGTERM in came else EXIT_INTERRUPTED
    _result(trained)
    return 0


def _result(trained: Trained) -> None:
    """Write the report, then print: a reader that goes away must not cost the report, nor a full disk the figures."""
    e = trained.evaluation
    if e is None:
        raise UsageError("the run has no evaluation", where=str(trained.run.path))
    failed, report = None, None
    try:
        report = trained.report()
    except DenpaError as error:
        failed = error
    name = {"test": "test", "valid": "validation", "train": "training"}[trained.evaluated_on]
    if (line := figures.best(trained.run.info, trained.config.epochs)) is not None:
        click.echo(line)
    for line in figures.lines(e, name):
        click.echo(line)
    click.echo(f"{e.rows:,} {name} rows; trained for {duration(trained.run.info['seconds'])}")
    click.echo(f"run:    {trained.run.path}")
    if failed is not None:
        raise failed
    click.echo(f"report: {report}")
