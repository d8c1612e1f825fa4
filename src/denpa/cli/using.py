"""`denpa predict` and `denpa evaluate`."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli import figures
from denpa.cli.arguments import run_argument
from denpa.cli.data import dialect, text_options
from denpa.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from denpa.data import TargetEncoding
    from denpa.data.dataset import Samples
    from denpa.explain.document import Table
    from denpa.train import Evaluation

SHOWN = 20  # classes of a confusion matrix on the terminal


@click.command()
@run_argument
@click.argument("file")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write CSV here instead of printing it.")
@click.option("--proba", is_flag=True, help="Also one column with the probability of each class or label.")
@text_options
def predict(run: Path, file: str, out: Path | None, proba: bool, **text: Any) -> None:
    """Predict the rows of FILE with RUN (a run folder or its model.safetensors), as CSV, in the order of the rows.

    Columns are found by name, in any order; the target may be there or not. What the training had not seen is said on
    the standard error: unknown categories, cells missing where none was.
    """
    from denpa import durable
    from denpa.data import read_inputs
    from denpa.train.model_file import load_model

    model = load_model(run)
    found = read_inputs(file, model.inputs, dialect(**text))
    _say(found, [name for name in found.ignored if name not in model.targets.columns])
    names, rows = _predictions(model, found, proba)
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([_harmless(n) for n in names])
    writer.writerows([_harmless(v) for v in row] for row in rows)
    if out is None:
        sys.stdout.write(lines.getvalue())
        sys.stdout.flush()
    else:
        durable.write(out, lines.getvalue().encode(), what="the predictions")
        click.echo(f"{len(rows):,} predictions in {out}")


def _say(data: Samples, ignored: list[str]) -> None:
    """What was not as in the training data."""
    from denpa.data.files import listed

    for notice in data.notices:
        click.echo(f"note: {notice}", err=True)
    if ignored:
        click.echo(f"note: columns that the model does not use: {listed(ignored)}", err=True)


def _predictions(model: Any, rows: Samples, proba: bool) -> tuple[list[str], list[list[Any]]]:
    target = model.targets.name or "prediction"
    if model.targets.kind == "labels":
        labels, (decisions, chances) = model.targets.labels, model.predict_with_outputs(rows)
        names = [*labels, *(f"p({label})" for label in labels)] if proba else list(labels)
        pairs = zip(decisions.tolist(), chances.tolist(), strict=True)
        return names, [[*map(str, row), *(f"{p:.6g}" for p in (ps if proba else ()))] for row, ps in pairs]
    if model.targets.kind != "classes":
        if proba:
            raise UsageError("only a classifier has probabilities", got="--proba", fix="leave it out")
        values = model.predict(rows)
        width = 1 if values.ndim == 1 else values.shape[1]
        names = [target] if width == 1 else [f"{target}_{i + 1}" for i in range(width)]
        names = list(model.targets.names) or names
        return names, [[repr(float(v)) for v in row] for row in values.reshape(len(values), width)]
    predicted, outputs = model.predict_with_outputs(rows)
    names = [target, *(f"p({c})" for c in model.targets.classes)] if proba else [target]
    cells = [
        [str(c), *(f"{p:.6g}" for p in ps)] if proba else [str(c)] for c, ps in zip(predicted, outputs, strict=True)
    ]
    return names, cells


def _harmless(cell: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay as they are."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


@click.command()
@run_argument
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@text_options
def evaluate(run: Path, file: str, as_json: bool, **text: Any) -> None:
    """Measure RUN on the rows of FILE, which has the target: loss and errors beside the trivial baseline."""
    from denpa.data import read_like
    from denpa.draw.text import table_lines
    from denpa.train.model_file import load_model

    model = load_model(run)
    data = read_like(file, model.inputs, model.targets, dialect(**text))
    _say(data, list(data.ignored))
    e = model.evaluate(data)
    if as_json:
        click.echo(json.dumps(_facts(e), allow_nan=False))
        return
    click.echo(f"{e.rows:,} rows")
    for line in figures.lines(e):
        click.echo(line)
    for table in _tables(e, model.targets):
        click.echo()
        for line in table_lines(table):
            click.echo(line)


def _facts(e: Evaluation) -> dict[str, Any]:
    """What `--json` prints: null for a figure that does not exist."""
    values, baseline = ({k: None if math.isnan(v) else v for k, v in told.items()} for told in (e.values, e.baseline))
    confusion = {} if e.confusion is None else {"confusion": e.confusion.tolist()}
    labels = {} if e.label_counts is None else {"labels": e.label_counts.tolist()}
    return {"rows": e.rows, **values, "baseline": baseline, **confusion, **labels}


def _tables(e: Evaluation, targets: TargetEncoding) -> Iterator[Table]:
    """Of classes the confusion matrix, unless there are very many, and of each class or label how well it was found."""
    from denpa.explain.words import T
    from denpa.train.report_outcome import class_table, confusion_table, rates_table

    if e.confusion is not None:
        counts = tuple(map(tuple, e.confusion.tolist()))
        if len(counts) <= SHOWN:
            yield confusion_table(targets.classes, counts)
        yield class_table(targets.classes, counts)
    if e.label_counts is not None:
        named = zip(targets.labels, e.label_counts.tolist(), strict=True)
        yield rates_table(tuple((name, *three) for name, three in named), T(en="label", ja="ラベル"))
