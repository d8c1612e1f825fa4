"""The progress of a run: one live line on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from denpa.formatting import duration

if TYPE_CHECKING:
    from denpa.train.loop import Progress


def figures(p: Progress) -> str:
    """`loss 0.4120  acc 86.1%  valid 0.4370 (85.0%)  18.2k rows/s` — those that are known."""
    parts = []
    row = p.row or {}
    loss = row.get("train_loss", p.loss)
    accuracy = row.get("train_accuracy", p.accuracy)
    if loss is not None:
        parts.append(f"loss {loss:.4f}")
    if accuracy is not None:
        parts.append(f"accuracy {accuracy:.1%}")
    for name in ("valid", "test"):
        if f"{name}_loss" in row:
            share = row.get(f"{name}_accuracy")
            parts.append(f"{name} {row[f'{name}_loss']:.4f}" + (f" ({share:.1%})" if share is not None else ""))
        if f"{name}_loss_unweighted" in row:
            share = row.get(f"{name}_accuracy_unweighted")
            text = f"{row[f'{name}_loss_unweighted']:.4f}" + (f" ({share:.1%})" if share is not None else "")
            parts.append(f"unweighted {text}")
    speed = row.get("rows_per_second", p.rows_per_second)
    if speed:
        parts.append(f"{_thousands(speed)} rows/s")
    return "  ".join(parts)


def _thousands(number: float) -> str:
    return f"{number / 1000:.1f}k" if number >= 1000 else f"{number:.0f}"


ONCE = "compiling kernels for this machine, once"  # the native engine's first use; they are kept in the user's cache


class _Kernels:
    """Counts the kernels that are compiled on the way; `tell` gets the count and the title of the one begun."""

    def __init__(self, tell: Callable[[int, str], None]) -> None:
        self.count, self.told, self.tell = 0, 0, tell
        self._began = 0.0

    def __call__(self, kernel: Any) -> None:
        if self.count == self.told:
            self._began = time.perf_counter()
        self.count += 1
        self.tell(self.count, kernel.title)

    def summary(self) -> str | None:
        """One line, when there is news since the last."""
        if self.count == self.told:
            return None
        number, self.told = self.count - self.told, self.count
        return f"compiled {number} kernels in {duration(time.perf_counter() - self._began)}"


@contextmanager
def _watching(kernels: _Kernels) -> Iterator[None]:
    from denpa.engine.native.build import watchers

    watchers.append(kernels)
    try:
        yield
    finally:
        watchers.remove(kernels)
        if (line := kernels.summary()) is not None:
            click.echo(line)


@contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    """Plain lines: one for each epoch, and what is compiled before it."""

    def compiling(count: int, title: str) -> None:
        if count == 1:
            click.echo(f"{ONCE} …")

    kernels = _Kernels(compiling)

    def show(p: Progress) -> None:
        if (line := kernels.summary()) is not None:
            click.echo(line)
        _plain(p)

    with _watching(kernels):
        yield show


def said(p: Progress) -> list[str]:
    """A line for each thing that the doctor found after this epoch."""
    return [f"doctor, epoch {finding.epoch}: {finding.line()}" for finding in p.findings]


def _plain(p: Progress) -> None:
    if p.row is not None:
        left = f"  {duration(p.seconds_left)} left" if p.seconds_left >= 1 and p.epoch < p.epochs else ""
        click.echo(f"epoch {p.row['epoch']:>{len(str(p.epochs))}}/{p.epochs}  {figures(p)}{left}")
    for line in said(p):
        click.echo(line)


def _warnings(p: Progress) -> None:
    """All that a quiet run says of its progress."""
    for line in said(p):
        click.echo(line, err=True)


@contextmanager
def shown(quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Gives the function that shows a `Progress`."""
    if quiet:
        yield _warnings
    elif sys.stdout.isatty():
        with _live() as show:
            yield show
    else:
        with _lines() as show:
            yield show


@contextmanager
def _live() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(24), TextColumn("{task.fields[figures]}"))
    with Bar(*columns, TimeRemainingColumn(compact=True), refresh_per_second=8) as bar:
        task = bar.add_task("", total=None, epoch="", figures="")
        kept = ""  # the last epoch's validation figures stay in sight while the next epoch runs

        def compiling(count: int, title: str) -> None:
            bar.update(task, figures=f"{ONCE}: {count} ({title})")

        kernels = _Kernels(compiling)

        def show(p: Progress) -> None:
            nonlocal kept
            if (line := kernels.summary()) is not None:
                bar.console.print(line, highlight=False)
            if p.row is not None:
                kept = "".join(
                    f"  {n} {p.row[f'{n}_loss']:.4f}"
                    + (f" ({p.row[f'{n}_accuracy']:.1%})" if f"{n}_accuracy" in p.row else "")
                    for n in ("valid", "test")
                    if f"{n}_loss" in p.row
                )
            for line in said(p):
                bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
            done = (p.epoch - 1) * p.batches + p.batch
            text = figures(p) if p.row is not None else figures(p) + kept
            bar.update(task, total=p.epochs * p.batches, completed=done, epoch=f"{p.epoch}/{p.epochs}", figures=text)

        with _watching(kernels):
            yield show
