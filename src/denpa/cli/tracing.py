"""`denpa trace`."""

from __future__ import annotations

from pathlib import Path

import click

from denpa.cli.arguments import run_argument
from denpa.cli.documents import FORMATS, by_ending, deliver


@click.command()
@run_argument
@click.option(
    "--row", "rows", type=int, multiple=True, required=True, help="Row of the data, from 0; repeat for a batch."
)
@click.option("--part", type=click.Choice(["all", "train", "valid", "test"]), default="all", show_default=True)
@click.option("--file", "source", help="Another source than the run's own, with the same columns.")
@click.option("--notation", default="001", show_default=True, help="000, 001, 002, 003, 004 or pytorch.")
@click.option("--gradient", type=click.Choice(["row", "column"]), help="Write δ as a row or a column.")
@click.option("--lr", "learning_rate", type=float, help="Also make the update with this learning rate.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: by the ending of -o, else text.")
@click.option("--json", "kind", flag_value="json", help="The same as --format json.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing.")
def trace(
    run: Path,
    rows: tuple[int, ...],
    part: str,
    source: str | None,
    notation: str,
    gradient: str | None,
    learning_rate: float | None,
    kind: str | None,
    lang: str,
    out: Path | None,
) -> None:
    """One training step of RUN on rows of its data: every W, b, a, z, δ and gradient, in a textbook's notation.

    Nothing is trained.  The Jacobian chain is multiplied out beside the delta rule, and both are compared.
    """
    from denpa.explain.notation import notation as find
    from denpa.explain.trace import trace_step
    from denpa.train.sample import sample

    chosen = find(notation, gradient=gradient)  # type: ignore[arg-type]  # click has checked it
    data = sample(run, rows, part=part, source=source)
    traced = trace_step(
        data.network,
        data.x,
        data.t,
        notation=chosen,
        learning_rate=learning_rate,
        names=data.names,
        input_names=data.input_names,
    )
    deliver(traced.document, kind or by_ending(out), lang, out, "the trace")
