"""`denpa predict` and `denpa evaluate`."""

from __future__ import annotations

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
    from collections.abc import Iterator, Sequence

    from denpa.data import Inputs, TargetEncoding
    from denpa.data.pieces import Pieces
    from denpa.data.writing import Sink
    from denpa.explain.document import Table
    from denpa.train import Evaluation, Predictor

SHOWN = 20  # classes of a confusion matrix on the terminal


@click.command()
@run_argument
@click.argument("file")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing: .csv, .jsonl, .parquet."
)
@click.option("--proba", is_flag=True, help="Also one column with the probability of each class or label.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Put this column of FILE beside; may be repeated.")
@text_options
def predict(run: Path, file: str, out: Path | None, proba: bool, keep: tuple[str, ...], **text: Any) -> None:
    """Predict the rows of FILE with RUN (a run folder or its model.safetensors), in the order of the rows.

    Columns are found by name, in any order; the target may be there or not. What the training had not seen is said on
    the standard error: unknown categories, cells missing where none was. FILE may be larger than memory. Of pictures
    the file names are given beside.
    """
    from denpa import durable
    from denpa.data.reading import input_pieces
    from denpa.data.writing import Whole, kind_of
    from denpa.train.model_file import load_model

    model, kind = load_model(run), kind_of(out)
    if proba and model.targets.kind == "numbers":
        raise UsageError("only a classifier has probabilities", got="--proba", fix="leave it out")
    with input_pieces(file, model.inputs, dialect(**text), keep) as pieces:
        if out is None:
            _write(model, pieces, proba, kind, _Output())
        else:
            with durable.replacing(out, what="the predictions") as sink:
                rows = _write(model, pieces, proba, kind, Whole(sink))
    _say(pieces.notices, [name for name in pieces.ignored if name not in model.targets.columns])
    if out is not None:
        click.echo(f"{rows:,} predictions in {out}")


def _say(notices: Sequence[str], ignored: list[str]) -> None:
    """What was not as in the training data."""
    from denpa.data.files import listed

    for notice in notices:
        click.echo(f"note: {notice}", err=True)
    if ignored:
        click.echo(f"note: columns that the model does not use: {listed(ignored)}", err=True)


class _Output:
    """The standard output as a file of bytes, each piece of which is seen at once."""

    def write(self, data: bytes) -> None:
        sys.stdout.write(data.decode())
        sys.stdout.flush()


def _write(model: Predictor, pieces: Pieces, proba: bool, kind: str, sink: Sink) -> int:
    """Predict and write piece after piece; the number of rows."""
    from denpa.data.writing import writer

    names = _names(model.targets, proba)
    if set(names) & set(pieces.keep):
        names = [f"predicted_{name}" for name in names]
    digits = [None] * len(pieces.keep) + [6 if name in _chances(model.targets) else None for name in names]
    table, rows = writer(kind, sink, [*pieces.keep, *names], digits), 0
    for piece in pieces:
        table.add([*piece.kept, *_columns(model, piece.rows, proba)])
        rows += len(piece.rows)
    table.close()
    return rows


def _chances(targets: TargetEncoding) -> list[str]:
    return [f"p({name})" for name in targets.classes or targets.labels]


def _names(targets: TargetEncoding, proba: bool) -> list[str]:
    """Of the columns of predictions."""
    name = targets.name or "prediction"
    if targets.kind == "numbers":
        many = targets.names or [f"{name}_{i + 1}" for i in range(targets.outputs)]
        return list(many) if targets.outputs > 1 else [name]
    return [*(targets.labels or [name]), *(_chances(targets) if proba else ())]


def _columns(model: Predictor, rows: Inputs, proba: bool) -> list[list[Any]]:
    predicted, outputs = model.predict_with_outputs(rows)
    found: list[list[Any]] = predicted.reshape(len(rows), -1).T.tolist()
    return [*found, *outputs.astype(float).T.tolist()] if proba else found


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
    _say(data.notices, list(data.ignored))
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
