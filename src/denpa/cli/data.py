"""`denpa data`, and the options of every verb that reads a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli.arguments import target_option
from denpa.errors import UsageError

if TYPE_CHECKING:
    from denpa.data.kinds import Column
    from denpa.data.schema import Schema
    from denpa.data.source import Dialect

TEXT_OPTIONS = (
    click.option("--sep", metavar="CHARACTER", help="What divides the cells, if it cannot be told: ; or tab, say."),
    click.option("--encoding", metavar="NAME", help="Of the text, if it is not UTF-8: cp932, latin-1, …"),
    click.option("--header/--no-header", default=None, help="Whether line 1 names the columns; else c1, c2, …"),
)
TABLE_OPTIONS = (
    click.option("--schema", metavar="FILE", help="A schema.toml that says what the columns are."),
    click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out; may be repeated."),
    click.option("--type", "types", multiple=True, metavar="COLUMN=KIND", help="number, category, date, id, …"),
    click.option("--na", multiple=True, metavar="TEXT", help="Cells that are missing, besides empty ones."),
    click.option("--drop-missing-target", is_flag=True, help="Leave out the rows whose target is missing."),
    click.option("--weight", metavar="COLUMN", help="What each row counts for."),
    click.option("--group", metavar="COLUMN", help="Rows of one group stay together when the table is divided."),
    click.option("--time", metavar="COLUMN", help="The rows' order: later ones are for validation and test."),
    *TEXT_OPTIONS,
)

Command = Callable[..., Any]


def table_options(command: Command) -> Command:
    """What can be said of a table to train on."""
    return _decorated(command, TABLE_OPTIONS)


def text_options(command: Command) -> Command:
    """What can be said of a file of text."""
    return _decorated(command, TEXT_OPTIONS)


def _decorated(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def settings(header: bool | None, **options: Any) -> dict[str, Any]:
    """Options as settings of a Config."""
    return {**options, "header": {None: "auto", True: "yes", False: "no"}[header]}


def dialect(sep: str | None, encoding: str | None, header: bool | None) -> Dialect:
    """The three text options together."""
    from denpa.train.config import Config

    return Config(**settings(header, sep=sep, encoding=encoding)).options().dialect


@click.command("data")
@click.argument("file")
@target_option
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), default="auto", show_default=True)
@table_options
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the schema here, to edit and train by.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def profile(file: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Say what each column of FILE is and why: all of it is read, nothing is guessed from a part.

    -o schema.toml writes it down; edit it, then: denpa train FILE --schema schema.toml
    """
    from denpa import durable
    from denpa.data.reading import read_schema
    from denpa.data.schemafile import dumps
    from denpa.train.config import Config

    if out is not None and out.exists():
        raise UsageError("there is a file already", where=str(out), fix="delete it, or give another name")
    schema = read_schema(file, Config(source=file, **settings(**options)).options())
    if out is not None:
        durable.write(out, dumps(schema).encode(), what="the schema")
    if as_json:
        click.echo(json.dumps(_facts(schema), ensure_ascii=False))
        return
    for line in _lines(schema):
        click.echo(line)
    if out is not None:
        click.echo(f"schema: {out}")


def _facts(schema: Schema) -> dict[str, Any]:
    import math

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    names = ("name", "kind", "reason", "missing", "distinct", "low", "high", "mean", "std", "values", "counts")
    return {
        "source": schema.source,
        "sha256": schema.sha256,
        "rows": schema.rows,
        "task": schema.task or None,
        "task_reason": schema.task_reason or None,
        "columns": [{name: plain(getattr(column, name)) for name in names} for column in schema.columns],
        "notices": list(schema.notices),
    }


def _lines(schema: Schema) -> list[str]:
    from denpa.data.csvtext import called
    from denpa.draw.markup import columns as width_of
    from denpa.draw.text import pad

    said = f"{schema.source}: {schema.rows:,} rows, {len(schema.columns):,} columns"
    if (how := schema.dialect) is not None:
        header = "names in line 1" if how.header else "no header line"
        said += f"; divided by {called(str(how.delimiter))}, {how.encoding}, {header}"
    head = ["column", "kind", "missing", "distinct", "min", "mean", "max", "reason"]
    table = [head, *(_row(column) for column in schema.columns)]
    widths = [min(40, max(width_of(row[i]) for row in table)) for i in range(len(head) - 1)]
    lines = [said]
    for row in table:
        cells = (pad(cell, width, right=i > 1) for i, (cell, width) in enumerate(zip(row, widths, strict=False)))
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    lines += [f"{schema.task}: {schema.task_reason}"] if schema.task else []
    return [*lines, *(f"note: {notice}" for notice in schema.notices)]


def _row(column: Column) -> list[str]:
    from denpa.data.dates import date_of
    from denpa.data.files import shown
    from denpa.formatting import number

    dated = column.kind == "date" or column.dates
    figures = [
        "" if value is None else date_of(value) if dated else number(value)
        for value in (column.low, column.mean, column.high)
    ]
    reason = column.reason
    if column.values and column.kind in ("category", "target"):
        parts = zip(column.values[:6], column.counts, strict=False)
        more = ", …" if len(column.values) > 6 else ""
        reason += ": " + ", ".join(f"{shown(v, 30)} {n:,}" for v, n in parts) + more
    distinct = "many" if column.distinct is None else f"{column.distinct:,}"
    name = column.name if column.name.isprintable() else ascii(column.name)
    return [name, column.kind, f"{column.missing:,}", distinct, *figures, reason]
