"""Arguments that several verbs take: a RUN by any of its names, and the folder of runs."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

RUNS = "denpa-runs"  # under the current folder, unless DENPA_RUNS names another


def runs_folder() -> Path:
    from denpa.train.run import runs_folder as found

    return found()


class RunReference(click.ParamType[Path]):
    """A run folder or model file by path, or a run by its name, an unambiguous part of it, @last or @best."""

    name = "run"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from denpa.train.index import find

        return value if isinstance(value, Path) else find(value, runs_folder())

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from denpa.train.index import names

        fixed = [CompletionItem(name) for name in ("@last", "@best") if incomplete and name.startswith(incomplete)]
        found = sorted(name for name in names(runs_folder()) if name.startswith(incomplete))
        return [*fixed, *map(CompletionItem, found), CompletionItem(incomplete, type="file")]


run_argument = click.argument("run", type=RunReference())


def joined(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> str | None:
    """Several columns, given with commas or by repeating the option."""
    return ",".join(names) or None


target_option = click.option(
    "--target", multiple=True, callback=joined, metavar="COLUMN", help="The column to predict; several with commas."
)
