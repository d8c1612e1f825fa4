"""`denpa cv`: how good a training is on rows it has not seen, fold by fold.  It takes the options of `denpa train`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from denpa.cli.searching import begin, training_options

if TYPE_CHECKING:
    from denpa.explain.document import Table
    from denpa.train.cross import CrossValidation, Fold


@training_options("test")
@click.command()
@click.argument("source")
@click.option("--folds", type=int, default=5, show_default=True, help="Parts that are held out in turn.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Divide anew so many times.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Print the table only.")
def cv(
    source: str,
    folds: int,
    repeats: int,
    as_json: bool,
    quiet: bool,
    hidden: Any,
    header: bool | None,
    **options: Any,
) -> None:
    """Cross-validate: train on all but one of --folds parts of SOURCE, measure that one, for each in turn.

    Every figure is the mean over the folds, with its standard deviation, beside always guessing the most frequent
    class or the mean. Classes keep their shares; --split group or time divides by those. Nothing is kept: all rows
    of the other folds train, except that --patience and --monitor watch the share --valid of them.
    """
    from denpa.draw.text import table_lines
    from denpa.train.cross import cross_validate

    config, data = begin(source, hidden, header, options)
    silent = as_json or quiet

    def tell(fold: Fold) -> None:
        if not silent:
            click.echo(line(fold, folds, repeats))

    found = cross_validate(config, data, folds, repeats, on_fold=tell, warn=lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(facts(found), allow_nan=False))
        return
    for text in table_lines(table(found)):
        click.echo(text)
    seconds = sum(fold.seconds for fold in found.folds)
    seeds = ", ".join(map(str, found.seeds))
    click.echo(f"{len(found.folds)} folds of {len(data):,} rows by {found.split}, seed {seeds}, in {seconds:.1f} s")


def line(fold: Fold, folds: int, repeats: int) -> str:
    """`fold 3/10: 135 + 15 rows, accuracy 93.33 %, loss 0.12`."""
    from denpa.cli.figures import shown
    from denpa.explain.words import in_language
    from denpa.train.report_terms import metric_name

    values = fold.evaluation.values
    names = [name for name in ("accuracy", "root_mean_squared_error", "loss") if name in values]
    told = ", ".join(f"{in_language(metric_name(name), 'en')} {shown(name, values[name])}" for name in names)
    again = f"repeat {fold.repeat}, " if repeats > 1 else ""
    chosen = "" if fold.best_epoch is None else f", best epoch {fold.best_epoch} of {fold.epochs}"
    return f"{again}fold {fold.fold}/{folds}: {fold.rows[0]:,} + {fold.rows[1]:,} rows, {told}{chosen}"


def table(found: CrossValidation) -> Table:
    """Mean, standard deviation and the baseline's mean of each metric."""
    from denpa.cli.figures import shown
    from denpa.explain.document import Table
    from denpa.train.report_terms import metric_name

    rows = tuple(
        (metric_name(name), shown(name, mean), f"± {shown(name, std)}", shown(name, baseline))
        for name, (mean, std, baseline) in found.summary().items()
    )
    name = {evaluation.baseline_name for evaluation in (fold.evaluation for fold in found.folds)}
    beside = f"always guessing {name.pop()}" if len(name) == 1 else "baseline"
    return Table(("figure", "mean", "deviation", beside), rows)


def facts(found: CrossValidation) -> dict[str, Any]:
    """What `--json` prints; null for what does not exist."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    def numbers(values: dict[str, float]) -> dict[str, float | None]:
        return {name: number(value) for name, value in values.items()}

    return {
        "split": found.split,
        "seeds": list(found.seeds),
        "summary": {
            name: dict(zip(("mean", "std", "baseline"), map(number, three), strict=True))
            for name, three in found.summary().items()
        },
        "folds": [
            {
                "repeat": fold.repeat,
                "fold": fold.fold,
                "rows": list(fold.rows),
                "epochs": fold.epochs,
                "best_epoch": fold.best_epoch,
                "seconds": fold.seconds,
                **numbers(fold.evaluation.values),
                "baseline": numbers(fold.evaluation.baseline),
            }
            for fold in found.folds
        ],
    }
