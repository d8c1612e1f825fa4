"""`dp.train` and `dp.resume`: a training in one call, from a file, a data frame or arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from denpa.data import Dataset, read
from denpa.data.frames import from_arrays, from_frame, is_frame
from denpa.data.reading import MEMORY
from denpa.data.schema import Options
from denpa.errors import UsageError
from denpa.train import training
from denpa.train.callbacks import Callback
from denpa.train.config import Config
from denpa.train.loop import Progress
from denpa.train.run import Run, fresh_folder, runs_folder
from denpa.train.training import Trained

Say = Callable[[Any], None]


def _quiet(_: Any) -> None:
    return None


def train(
    source: Any,
    target: str | None = None,
    *,
    out: str | Path | None = None,
    on_progress: Callable[[Progress], None] = _quiet,
    should_stop: Callable[[], bool] = lambda: False,
    warn: Say = _quiet,
    say: Say = _quiet,
    callbacks: Iterable[Callback] = (),
    **settings: Any,
) -> Trained:
    """Train a network on `source` into a new run folder.

        trained = dp.train("bank.csv", "bought", hidden=[64, 64], epochs=20)
        trained.history, trained.model.predict(frame), trained.report("bank.html")

    source: what `denpa train` takes; a pandas, Polars or pyarrow table; (X, y), X of shape (n, …) or a table;
    a Dataset.
    target: the column to predict, or a name for y.  out: the run folder; None: a new one in denpa-runs.
    settings: those of `train.Config`, which are the options of `denpa train`.  say, warn: take sentences (print, say).
    callbacks: of train.callbacks.
    UsageError and DataError before anything is written; TrainingError when the training cannot go on.
    """
    hidden = settings.get("hidden")
    if isinstance(hidden, int) and not isinstance(hidden, bool):
        settings["hidden"] = (hidden,)
    told = {"source": str(source) if isinstance(source, (str, Path)) else MEMORY, "target": target, **settings}
    if isinstance(source, Dataset) and target is None:
        told["target"] = source.target_name
    config = Config.from_mapping(told)
    if config.online:
        raise UsageError("learning online is a matter of the command line", fix="denpa train SOURCE --online")
    data = _data(source, config, config.options(), say)
    for notice in data.notices:
        say(f"note: {notice}")
    say(f"{data.task}: {data.task_reason}")
    folder = Path(out) if out is not None else fresh_folder(runs_folder(), config.source)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop, "warn": warn, "say": say}
    hooks["callbacks"] = callbacks
    return training.train(config, data, folder, **hooks)


def resume(run: str | Path, source: Any = None, **how: Any) -> Trained:
    """Continue a run, however it ended, to the bits of one never interrupted.

    source: the rows that it was trained on, where they were in memory.  how: epochs, patience, anyway, on_progress,
    should_stop, callbacks, warn and say, as for `train.resume`.
    """
    found = Run(run)
    config = found.config
    data = None
    if source is not None:
        data = _data(source, config, config.options(found.path), _quiet)
    return training.resume(found.path, data, **how)


def _data(source: Any, config: Config, options: Options, say: Say) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(source, (str, Path)):
        return read(source, config.target, config.task, options, stream=config.stream, say=say)
    if is_frame(source):
        return from_frame(source, config.target, task=config.task, options=options)
    if isinstance(source, tuple) and len(source) == 2:
        x, y = source
        if is_frame(x):
            return from_frame(x, config.target, task=config.task, options=options, y=y)
        return from_arrays(x, y, task=config.task, target=config.target or "y")
    raise UsageError(
        "this is nothing to train on",
        got=f"{type(source).__name__} {source!r}"[:80],
        want="a path, a data frame, a pair (X, y), or a Dataset",
    )


__all__ = ["resume", "train"]
