"""`denpa lr-find` and `denpa tune`: trainings that look for settings.  They take the options of `denpa train`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli.arguments import runs_folder
from denpa.cli.data import settings
from denpa.cli.documents import by_ending, deliver
from denpa.cli.training import quiet, train
from denpa.errors import EXIT_INTERRUPTED, UsageError
from denpa.formatting import number, typed

if TYPE_CHECKING:
    from denpa.data import Dataset
    from denpa.train.config import Config
    from denpa.train.tune import Search, Trial

RUNNING = frozenset({"source", "out", "quiet", "online", "doctor", "checkpoint_seconds"})  # options of a run, not of it


def training_options(*without: str) -> Callable[[click.Command], click.Command]:
    """The options of `denpa train` that say what is trained, after the command's own."""

    def decorate(command: click.Command) -> click.Command:
        own = {parameter.name for parameter in command.params}
        left_out = RUNNING | own | set(without)
        command.params += [p for p in train.params if p.name not in left_out]
        return command

    return decorate


def begin(source: str, hidden: Any, header: bool | None, options: dict[str, Any]) -> tuple[Config, Dataset]:
    from denpa.data import read
    from denpa.train.config import Config

    config = Config(source=source, hidden=hidden, **settings(header, **options))
    data = read(source, config.target, config.task, config.options(), stream=config.stream)
    for notice in data.notices:
        click.echo(f"note: {notice}", err=True)
    return config, data


@training_options("learning_rate", "schedule", "epochs")
@click.command("lr-find")
@click.argument("source")
@click.option("--low", type=float, default=1e-6, show_default=True, help="The rate to begin with.")
@click.option("--high", type=float, default=10.0, show_default=True, help="The rate to end with.")
@click.option("--steps", type=int, default=200, show_default=True, help="Batches on the way.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the curve here: .html, .tex or text.")
def lr_find(
    source: str,
    low: float,
    high: float,
    steps: int,
    as_json: bool,
    lang: str,
    out: Path | None,
    hidden: Any,
    header: bool | None,
    **options: Any,
) -> None:
    """Sweep the learning rate on SOURCE, and suggest one where the loss falls fastest, or none.

    Nothing is kept of the training, and no setting is changed: give the suggestion to `denpa train --lr`.
    """
    from denpa.train.lr_find import sweep

    config, data = begin(source, hidden, header, options)
    found = sweep(config, data, low=low, high=high, steps=steps)
    if as_json:
        click.echo(json.dumps(asdict(found), allow_nan=False))
        return
    deliver(found.document(), by_ending(out), lang, out, "the curve")


@training_options()
@click.command()
@click.argument("source")
@click.option("--trials", type=click.IntRange(1), default=50, show_default=True, help="Trainings of the whole search.")
@click.option(
    "--search", "lines", multiple=True, metavar="SETTING=SPEC", help="lr=1e-4..1:log, optimizer=sgd|adam; repeat it."
)
@click.option("--metric", type=click.Choice(["loss", "accuracy"]), default="loss", show_default=True)
@click.option("--pruner", type=click.Choice(["halving", "median", "none"]), default="halving", show_default=True)
@click.option("--study", default="denpa", show_default=True, help="Name of the study within the storage.")
@click.option("--storage", metavar="URL", help="Of a database, postgresql://…, or journal:FILE.  [default: study.db]")
@click.option("--out", type=click.Path(path_type=Path), help="The search's folder; an old one is continued.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@quiet
def tune(
    source: str,
    trials: int,
    lines: tuple[str, ...],
    metric: str,
    pruner: str,
    study: str,
    storage: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    hidden: Any,
    header: bool | None,
    **options: Any,
) -> int:
    """Search settings for SOURCE: many trainings, the unpromising ones ended early, each kept as a run.

    Start it again with the same --out, or on other machines with the same --storage, to go on with the same study.
    """
    from denpa.train.run import fresh_folder
    from denpa.train.signals import stop_on_signals
    from denpa.train.space import ADAPTIVE, DEFAULT, DEFAULT_ADAPTIVE, parse
    from denpa.train.tune import tune as go

    usual = DEFAULT_ADAPTIVE if options["optimizer"] in ADAPTIVE else DEFAULT
    space = parse(lines or usual)
    config, data = begin(source, hidden, header, {**options, "doctor": False})
    folder = out or fresh_folder(runs_folder(), f"{Path(source).name.partition('.')[0]}-tune")
    quiet = quiet or as_json
    if not quiet:
        for name, part in space.items():
            click.echo(f"search: {name}={part}")
    came: list[int] = []
    with stop_on_signals(came) as should_stop:
        found = go(
            config,
            data,
            space,
            folder,
            trials=trials,
            metric=metric,
            pruner=pruner,
            storage=storage,
            name=study,
            on_trial=lambda search, trial: None if quiet else click.echo(_line(search, trial, trials)),
            should_stop=should_stop,
        )
    code = _told(found, trials, as_json)
    return 128 + signal.SIGTERM if code == EXIT_INTERRUPTED and signal.SIGTERM in came else code


def _told(found: Search, trials: int, as_json: bool) -> int:
    """Write the report, print the best, and say when the search was stopped."""
    from denpa import durable
    from denpa.draw.html import page
    from denpa.train.tune_report import document

    report = found.folder / "search.html"
    durable.write(report, page(document(found)).encode(), what="the report of the search")
    best = found.best
    if as_json:
        click.echo(json.dumps({"best": best and asdict(best), "trials": [asdict(t) for t in found.trials]}))
    elif best is not None:
        click.echo(f"best: {found.metric} {number(best.value or 0.0)} with {_chosen(best)}")
        click.echo(f"run:    {found.folder / str(best.run)}")
    if not as_json:
        click.echo(f"report: {report}")
    if found.done() < trials:
        click.echo(f"stopped; continue with the same command and --out {typed(found.folder)}", err=True)
        return EXIT_INTERRUPTED
    if best is None:
        raise UsageError(
            "no training was completed", where=str(found.folder), fix="search gentler settings, or --pruner none"
        )
    return 0


def _chosen(trial: Trial) -> str:
    return ", ".join(f"{k} {number(v, 3) if isinstance(v, float) else v}" for k, v in trial.chosen.items())


def _line(search: Search, trial: Trial, trials: int) -> str:
    best = search.best
    told = f"best {number(best.value or 0.0)}" if best else ""
    value = "" if trial.value is None else f" {number(trial.value)}"
    return f"{search.done()}/{trials} {trial.run or trial.number}: {trial.state}{value}  {_chosen(trial)}  {told}"
