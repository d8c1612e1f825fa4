"""`denpa doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from denpa.cli.arguments import run_argument
from denpa.cli.documents import FORMATS, by_ending, deliver, hand_over


@click.command()
@run_argument
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: by the ending of -o, else text.")
@click.option("--json", "kind", flag_value="json", help="The same as --format json: the findings by their keys.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language of the text.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write here instead of printing.")
def doctor(run: Path, kind: str | None, lang: str, out: Path | None) -> None:
    """Examine RUN, finished or not: what ails the training, what it means, and what to try.

    Looks at the history of the losses, and at the network on up to 1,024 of its training rows: vanishing and exploding
    gradients, dead ReLUs, saturation, copies of one unit, learning rate, scaling, overfitting, answers that do not
    depend on the input, and where the first NaN arose.  The exit code is 0 with findings, too.
    """
    from denpa.train.doctor import doctor_run

    diagnosis = doctor_run(run)
    kind = kind or by_ending(out)
    if kind == "json":  # findings by their keys, for a program; the document has them as words
        facts = json.dumps({"run": str(run), **diagnosis.to_json()}, ensure_ascii=False, allow_nan=False)
        hand_over(facts + "\n", out, "the findings")
        return
    deliver(diagnosis.document(), kind, lang, out, "the findings")
