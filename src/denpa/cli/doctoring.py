"""`denpa doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from denpa.cli.arguments import run_argument


@click.command()
@run_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language of the text.")
def doctor(run: Path, as_json: bool, lang: str) -> None:
    """Examine RUN, finished or not: what ails the training, what it means, and what to try.

    Looks at the history of the losses, and at the network on up to 1,024 of its training rows: vanishing and exploding
    gradients, dead ReLUs, saturation, copies of one unit, learning rate, scaling, overfitting, answers that do not
    depend on the input, and where the first NaN arose.  The exit code is 0 with findings, too.
    """
    from denpa.draw.text import lines
    from denpa.train.doctor import doctor_run

    diagnosis = doctor_run(run)
    if as_json:
        click.echo(json.dumps({"run": str(run), **diagnosis.to_json()}, ensure_ascii=False, allow_nan=False))
        return
    for line in lines(diagnosis.document(), "ja" if lang == "ja" else "en"):
        click.echo(line)
