"""`denpa explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from denpa.cli.arguments import run_argument
from denpa.cli.documents import FORMATS, by_ending, deliver
from denpa.errors import UsageError

if TYPE_CHECKING:
    from denpa.explain.document import Document
    from denpa.explain.notation import Notation

POINTS = 25  # of a slice, each way: 625 losses


@click.command()
@run_argument
@click.option(
    "--weight", "name", metavar="NAME", help='"W[1][2,7]" and "b[1][2]" as the notation counts; "0.weight[2,7]".'
)
@click.option("--row", "rows", type=int, multiple=True, help="Row of the data, from 0; repeat for a batch.")
@click.option("--part", type=click.Choice(["all", "train", "valid", "test"]), default="all", show_default=True)
@click.option("--file", "source", help="Another source than the run's own, with the same columns.")
@click.option("--notation", default="001", show_default=True, help="000, 001, 002, 003, 004 or pytorch.")
@click.option("--top", type=int, default=10, show_default=True, help="How many paths to list.")
@click.option("--level", type=click.Choice(["auto", "units", "operations"]), default="auto", show_default=True)
@click.option("--lr", "learning_rate", type=float, help="Of the update that is foretold.  [default: the run's, or 0.1]")
@click.option("--loops", type=click.Path(path_type=Path), help="Write the step as a program of loops here.")
@click.option("--slice", "cut", is_flag=True, help="Cut through the loss along the path of the training.")
@click.option("--along", multiple=True, metavar="NAME", help="With --slice: along these two parameters instead.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: by the ending of -o, else text.")
@click.option("--json", "kind", flag_value="json", help="The same as --format json.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing.")
def explain(
    run: Path,
    name: str | None,
    rows: tuple[int, ...],
    part: str,
    source: str | None,
    notation: str,
    top: int,
    level: str,
    learning_rate: float | None,
    loops: Path | None,
    cut: bool,
    along: tuple[str, ...],
    kind: str | None,
    lang: str,
    out: Path | None,
) -> None:
    """Why one gradient of RUN is the number it is: the chain rule, every path, three ways to compute it, the update.

    --loops FILE.py writes the whole step of these rows as a Python program of scalars, if and for that imports nothing.
    --slice shows the loss over two directions instead: those in which the parameters moved most in the training, which
    is done once more to find its path, or two parameters named with --along.  Without --row the loss is that of up to
    1,024 training rows.
    """
    from denpa import durable
    from denpa.explain.loops import loops as write_loops
    from denpa.explain.notation import notation as find
    from denpa.explain.number import explain as explain_number
    from denpa.train.sample import sample

    chosen = find(notation)
    if cut or along:
        if name is not None or loops is not None or not cut:
            raise UsageError("--slice goes without --weight and --loops, and --along with --slice")
        document = _slice(run, rows, part, source, along, chosen)
        deliver(document, kind or by_ending(out), lang, out, "the slice")
        return
    if name is None and loops is None:
        want = "--weight NAME, --loops FILE.py or --slice"
        raise UsageError("nothing to explain", want=want, fix='--weight "W[1][1,1]"')
    if not rows:
        raise UsageError("the loss of which row?", want="--row N, from 0", fix="--row 0")
    data = sample(run, rows, part=part, source=source)
    if loops is not None:
        program = write_loops(data.network, data.x, data.t, notation=chosen, lang="ja" if lang == "ja" else "en")
        durable.write(loops, program.encode("utf-8"), what="the program")
        click.echo(f"{loops}", err=name is not None)
    if name is not None:
        document = explain_number(
            data.network,
            name,
            x=data.x,
            t=data.t,
            notation=chosen,
            top=top,
            level=level,  # type: ignore[arg-type]  # click has checked it
            learning_rate=learning_rate or _rate(run),
            names=data.names,
            input_names=data.input_names,
        )
        deliver(document, kind or by_ending(out), lang, out, "the explanation")


def _slice(
    run: Path, rows: tuple[int, ...], part: str, source: str | None, along: tuple[str, ...], notation: Notation
) -> Document:
    """The loss over two directions, on the rows asked for or on training rows."""
    from denpa.explain.slices import loss_slice
    from denpa.train.course import course
    from denpa.train.sample import sample

    if along and len(along) != 2:
        raise UsageError("a slice has two directions", got=f"--along {len(along)} times", want="none, or two")
    chosen = sample(run, rows, part=part, source=source) if rows else None
    if chosen is not None and along:
        return loss_slice(chosen.network, chosen.x, chosen.t, along, points=POINTS, notation=notation).document()
    found = course(run, again=not along)
    if not along and not found.same:
        click.echo("warning: trained again, the run ends elsewhere than its model: other machine or settings", err=True)
    x, t = (found.x, found.t) if chosen is None else (chosen.x, chosen.t)
    return loss_slice(found.network, x, t, along or found.times, points=POINTS, notation=notation).document()


def _rate(run: Path) -> float:
    """The learning rate of the run, where it named one."""
    from denpa.explain.number import RATE
    from denpa.train.run import Run

    rate = Run(run).config.learning_rate if run.is_dir() else None
    return RATE if rate is None else rate
