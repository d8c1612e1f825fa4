"""`denpa runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from denpa.cli.training import RUNS
from denpa.formatting import duration, number, percent


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path(RUNS))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (denpa-runs when left out), oldest first."""
    from denpa.train.run import list_runs

    found = list_runs(folder)
    facts = [_facts(run) for run in found]
    if as_json:
        for fact in facts:
            click.echo(json.dumps(fact, ensure_ascii=False))
        return
    if not facts:
        click.echo(f"no runs in {folder}; train one with: denpa train SOURCE")
        return
    rows = [("run", "status", "data", "epochs", "result", "time"), *(_row(f) for f in facts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def _facts(run: Any) -> dict[str, Any]:
    info = run.info
    status = run.status
    if status == "running" and not run.held:
        status = "killed"  # it says running, but no process holds it: denpa resume continues it
    return {
        "id": run.id,
        "path": str(run.path),
        "status": status,
        "created": info.get("created"),
        "source": info.get("data", {}).get("source"),
        "epoch": info.get("epoch", len(run.history)),
        "epochs": run.config.epochs,
        "seconds": info.get("seconds"),
        "evaluation": info.get("evaluation"),
    }


def _row(fact: dict[str, Any]) -> tuple[str, ...]:
    e = fact["evaluation"] or {}
    if "accuracy" in e:
        result = f"{e['on']} accuracy {percent(e['accuracy'])}"
    elif "root_mean_squared_error" in e:
        result = f"{e['on']} RMSE {number(e['root_mean_squared_error'])}"
    else:
        result = "-"
    seconds = fact["seconds"]
    return (
        fact["id"],
        fact["status"],
        Path(str(fact["source"])).name,
        f"{fact['epoch']}/{fact['epochs']}",
        result,
        duration(seconds) if seconds is not None else "-",
    )
