"""`denpa check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from denpa.interop.judging.faults import FileReport


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--class", "only", metavar="NAME", help="Judge only this class, function or primitive.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language of the text.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random values.")
@click.option(
    "--timeout", type=float, default=20.0, show_default=True, help="Seconds for the file, and for each layer."
)
@click.option("--strict", is_flag=True, help="Let remarks (a dtype that is not kept, say) count as wrong.")
def check(file: Path, only: str | None, as_json: bool, lang: str, seed: int, timeout: float, strict: bool) -> int:
    """Judge your own backward passes: run FILE in a process of its own and check what is defined in it.

    Judged are classes with forward(x) and backward(dout), with parameters like W, b and gradients dW, db; functions
    with a twin named f_derivative or f_grad; classes with static forward(ctx, ...) and backward(ctx, g); and
    @denpa.primitive.  Code under `if __name__ == "__main__"` is not run.

    Exit codes: 0 all right, 1 something is wrong or cannot be judged, 2 usage, 3 the file cannot be run or holds
    nothing to judge.
    """
    from denpa.interop.judging.faults import to_json
    from denpa.interop.judging.process import check_file
    from denpa.interop.judging.text import report_lines

    report = check_file(file, only=only, seed=seed, timeout=timeout)
    if as_json:
        judged = [to_json(j) for j in report.judgements]
        skipped = [{"name": n, "why": {"en": w.en, "ja": w.ja}} for n, w in report.skipped]
        facts = {"file": report.file, "outcome": str(report.outcome), "seed": report.seed, "judged": judged}
        click.echo(json.dumps({**facts, "skipped": skipped, "printed": report.printed}, ensure_ascii=False))
    else:
        for line in report_lines(report, "ja" if lang == "ja" else "en"):
            click.echo(line)
    return _exit_code(report, strict)


def _exit_code(report: FileReport, strict: bool) -> int:
    noted = strict and any(j.remarks for j in report.judgements)
    return 0 if report and not noted else 1
