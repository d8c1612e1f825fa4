"""`denpa train --online`, and `denpa resume` of such a run: one line that follows the rows, then the figures."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denpa.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from denpa.train.config import Config
    from denpa.train.online import Learned
    from denpa.train.online_run import Hooks, LearnedRun

EVERY = 1.0, 10.0  # seconds from one line to the next, on a terminal and elsewhere


def train(config: Config, out: Path, quiet: bool, command: str) -> int:
    from denpa.train.online_run import train_online

    return _run(lambda hooks: train_online(config, out, hooks, command), out, quiet)


def resume(run: Path, anyway: bool, quiet: bool) -> int:
    from denpa.train.online_run import resume_online

    return _run(lambda hooks: resume_online(run, hooks, anyway=anyway), run, quiet)


def _run(go: Callable[[Hooks], LearnedRun], out: Path, quiet: bool) -> int:
    from denpa.train.online_run import Hooks
    from denpa.train.signals import stop_on_signals

    def warn(line: str) -> None:
        click.echo(f"warning: {line}", err=True)

    def say(line: str) -> None:
        if not quiet:
            click.echo(line)

    came: list[int] = []
    with stop_on_signals(came) as should_stop:
        done = go(Hooks((lambda _: None) if quiet else _Shown(), should_stop, warn, say))
    click.echo(line(done.learned))
    click.echo(f"run:    {done.run.path}")
    if done.finished:
        return 0
    click.echo(f"stopped; go on with the rows that follow: denpa resume {shlex.quote(str(out))}")
    return 128 + signal.SIGTERM if signal.SIGTERM in came else EXIT_INTERRUPTED


class _Shown:
    """Says where a run is, now and then; on a terminal sooner."""

    def __init__(self) -> None:
        self._every = EVERY[0] if sys.stderr.isatty() else EVERY[1]
        self._last = time.monotonic()

    def __call__(self, learned: Learned) -> None:
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            click.echo(f"{line(learned)}  {learned.rows_per_second:,.0f} rows/s", err=True)


def line(learned: Learned) -> str:
    """ "12,000 rows, each predicted before it was learned from: loss 0.4120, accuracy 86.1% (last 1,000: …)"."""
    if learned.loss is None:
        return "no row has arrived"
    text = (
        f"{learned.rows:,} rows, each predicted before it was learned from: {_figures(learned.loss, learned.accuracy)}"
    )
    if learned.recent_loss is not None:
        text += f" (last full 1,000: {_figures(learned.recent_loss, learned.recent_accuracy)})"
    return text


def _figures(loss: float, accuracy: float | None) -> str:
    return f"loss {loss:.4f}" + ("" if accuracy is None else f", accuracy {accuracy:.1%}")
