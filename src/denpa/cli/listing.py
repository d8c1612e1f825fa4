"""`denpa runs`, `show`, `compare`, `report` and `rm`: what was trained, and tidying it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli.arguments import RunReference, run_argument, runs_folder
from denpa.cli.documents import PAGES, by_ending, deliver
from denpa.errors import UsageError
from denpa.explain.document import Cell, Number, Table
from denpa.formatting import number, percent

if TYPE_CHECKING:
    from denpa.train.index import Entry

_SORTS = ("created", "valid_loss", "train_loss", "seconds", "name")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
language = click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True)


def warn(line: str) -> None:
    click.echo(f"warning: {line}", err=True)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--sort", type=click.Choice(_SORTS), default="created", show_default=True, help="Best or newest last.")
@click.option("--status", help="Only runs with this status: finished, stopped, killed, failed, running, damaged.")
@click.option("--limit", type=click.IntRange(1), help="Only the last so many of the sorted list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def runs(folder: Path | None, sort: str, status: str | None, limit: int | None, as_json: bool) -> None:
    """List the runs in FOLDER (denpa-runs or the one that DENPA_RUNS names), oldest first.

    "killed" is a run whose process is gone; "damaged", one that cannot be read: `denpa show RUN` says why.
    """
    from denpa.draw.text import table_lines
    from denpa.train.index import entries

    folder = folder or runs_folder()
    found = [entry for entry in entries(folder, warn) if status in (None, entry.status)]
    found.sort(key=lambda entry: _rank(entry, sort))
    found = found[-limit:] if limit else found
    if as_json:
        for entry in found:
            click.echo(json.dumps(_facts(entry, folder), ensure_ascii=False))
        return
    if not found:
        click.echo(f"no runs in {folder}; train one with: denpa train SOURCE")
        return
    headings = ("run", "status", "data", "epochs", "valid loss", "result", "time")
    for line in table_lines(Table(headings, tuple(map(_row, found)))):
        click.echo(line)


def _rank(entry: Entry, sort: str) -> tuple[bool, Any]:
    """Ascending: those without the figure first, then worst to best."""
    if sort in ("created", "name"):
        return (True, (entry.created, entry.name) if sort == "created" else entry.name)
    value = {"valid_loss": entry.best_valid_loss, "train_loss": entry.train_loss, "seconds": entry.seconds}[sort]
    return (False, 0.0) if value is None else (True, -value)


def _facts(entry: Entry, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    place = {"id": entry.name, "path": str(folder / entry.name)}
    return {**place, **asdict(entry), "evaluation": entry.figures or None}


def _row(entry: Entry) -> tuple[Cell, ...]:
    e = entry.figures
    if "accuracy" in e:
        result = f"{e['on']} accuracy {percent(e['accuracy'])}"
    elif "root_mean_squared_error" in e:
        result = f"{e['on']} RMSE {number(e['root_mean_squared_error'])}"
    else:
        result = ""
    return (
        entry.name,
        entry.status,
        Path(entry.source).name,
        f"{entry.epoch}/{entry.epochs}",
        entry.best_valid_loss,
        result,
        None if entry.seconds is None else Number(entry.seconds, style="duration"),
    )


@click.command()
@run_argument
@as_json_option
@click.option("--format", "kind", type=click.Choice(PAGES), help="Default: by the ending of -o, else text.")
@language
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing.")
def show(run: Path, as_json: bool, kind: str | None, lang: str, out: Path | None) -> None:
    """One page on RUN: what was asked, how far and how well it went, what was warned of, what can be done next."""
    from denpa.train.overview import facts, overview
    from denpa.train.run import Run

    opened = Run(run)
    if as_json:
        click.echo(json.dumps(facts(opened), ensure_ascii=False, allow_nan=False))
        return
    deliver(overview(opened), kind or by_ending(out), lang, out, "the page")


@click.command()
@click.argument("run", type=RunReference(), nargs=-1, required=True)
@as_json_option
@click.option("--format", "kind", type=click.Choice(PAGES), help="Default: by the ending of -o, else text.")
@language
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing: .html has the curves."
)
def compare(run: tuple[Path, ...], as_json: bool, kind: str | None, lang: str, out: Path | None) -> None:
    """Two or more RUNs side by side: settings that differ, results, and their losses in one chart."""
    from denpa.train.overview import comparison, facts
    from denpa.train.run import Run

    opened = [Run(path) for path in run]
    document = comparison(opened)
    if as_json:
        click.echo(json.dumps([facts(one) for one in opened], ensure_ascii=False, allow_nan=False))
        return
    deliver(document, kind or by_ending(out), lang, out, "the comparison")


@click.command()
@run_argument
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write here.  [default: report.html in the run]")
def report(run: Path, out: Path | None) -> None:
    """Write the report of RUN anew, as after training: from its folder, its model and its data.

    A run that was stopped or killed is reported with what its last checkpoint has.
    """
    from denpa.train.training import reopen

    click.echo(f"report: {reopen(run, warn=warn).report(out)}")


@click.command()
@click.argument("run", type=RunReference(), nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(run: tuple[Path, ...], yes: bool) -> None:
    """Delete RUNs: what denpa wrote into their folders.  Other files there stay, and so does the folder then."""
    from denpa.train.run import Run, delete

    opened = [Run(path) for path in run]
    for one in opened:
        click.echo(f"{one.path}  {one.status}, {len(one.history)} epochs")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to ask", want="an answer, or --yes", fix="denpa rm RUN --yes")
        click.confirm(f"delete {len(opened)} {'run' if len(opened) == 1 else 'runs'}?", abort=True)
    for one in opened:
        left = delete(one.path)
        click.echo(f"deleted {one.path}" + (f", but for {', '.join(left)}" if left else ""))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and runs: eval "$(denpa completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(ctx.find_root().command, {}, "denpa", "_DENPA_COMPLETE").source())
