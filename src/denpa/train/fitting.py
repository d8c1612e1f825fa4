"""Training on arrays, without a run folder: the loop of `denpa train` for programs that keep their own results.

    fitted = dp.fit(network, x, t, epochs=20, validation=(xv, tv), patience=3)
    fitted.network.predict(x), fitted.history

A Network never changes: the trained one is in what `fit` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data.batches import Rows
from denpa.data.dataset import check_finite
from denpa.data.shuffle import Part
from denpa.engine import engine as engine_by_name
from denpa.errors import DataError, ShapeError, UsageError
from denpa.nn import Network, optim, schedules
from denpa.nn.choices import choose, number, whole
from denpa.train import best, machine
from denpa.train.callbacks import Callback, Callbacks
from denpa.train.checkpoint import Checkpoint
from denpa.train.config import ENGINES, SEED_MAX
from denpa.train.feeding import BLOCK, Batches, Feed, Held
from denpa.train.history import Unsaved
from denpa.train.loop import Loop, Progress, start
from denpa.train.programs import Kept

_NEVER = 1e18  # seconds between two checkpoints that are not written


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the loop must know; as in a `Config`, with the optimiser itself."""

    optimizer: optim.Optimizer
    learning_rate: float
    schedule: str = "constant"
    batch_size: int = 100
    epochs: int = 20
    patience: int = 0
    min_delta: float = 0.0
    monitor: str = "last"
    clip: float = 0.0
    seed: int = 0
    engine: str = "auto"
    checkpoint_seconds: float = _NEVER

    def __post_init__(self) -> None:
        choose("engine", self.engine, dict.fromkeys(ENGINES))
        whole("batch_size", self.batch_size, 1, 1 << 40)
        whole("epochs", self.epochs, 0, 1 << 40)
        whole("patience", self.patience, 0, 1 << 40)
        whole("seed", self.seed, 0, SEED_MAX)
        for name in ("learning_rate", "min_delta", "clip"):
            number(name, getattr(self, name), 0)
        schedules.parse(self.schedule, self.learning_rate, 1)

    def make_optimizer(self) -> optim.Optimizer:
        return self.optimizer

    def make_schedule(self, steps_per_epoch: int) -> schedules.Schedule:
        return schedules.parse(self.schedule, self.learning_rate, self.epochs * steps_per_epoch, steps_per_epoch)


@dataclass(frozen=True, eq=False)
class Samples:
    """x (n, n_in), t and perhaps w (n,) as the network and its loss take them; valid: the same of the rows watched.

    x may be something else that gives rows as an array when it is indexed, so that not all of them need be in memory.
    """

    x: Any
    t: Array
    w: Array | None = None
    valid: tuple[Array, ...] | None = None
    classify: bool = False
    shuffle: bool = True
    train: Part = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", np.arange(len(self.t), dtype=np.int64))

    def feed(self, seed: int, batch_size: int, epochs: int) -> Feed:
        data = {"x": self.x, "t": self.t} | ({} if self.w is None else {"w": self.w})
        kind = Held if isinstance(self.x, np.ndarray) else Gathered
        return kind(data, self.train, seed, batch_size, shuffle=self.shuffle)

    def part(self, name: str) -> tuple[Array, ...] | None:
        return self.valid if name == "valid" else None


class Gathered(Held):
    """Rows that are made into arrays some steps at a time."""

    def next(self, epoch: int, batch: int, most: int) -> Batches | None:
        row = sum(values[:1].nbytes for values in self.data.values())
        most = min(most, max(1, BLOCK // max(1, row * self._size)))
        return super().next(epoch, batch, most)

    def of(self, rows: Rows) -> Batches:
        data = {name: values[rows.reshape(-1)] for name, values in self.data.items()}
        return Batches(data, np.arange(rows.size).reshape(rows.shape), rows)


def train(
    network: Network,
    settings: Settings,
    samples: Samples,
    at: Checkpoint | None = None,
    *,
    callbacks: Iterable[Callback] = (),
    penalty: float = 0.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Loop:
    """Train from `at`, or from the network's own parameters; the loop when it has ended.

    Programs of small steps are kept for the next training of a network of this kind.
    """
    at = start(network, settings) if at is None else at
    flops = 6.0 * settings.batch_size * sum(n_in * n_out for n_in, n_out in pairwise(network.units))
    how = engine_by_name(settings.engine)
    shapes = (samples.t.dtype.str, samples.t.shape[1:], samples.w is not None)
    kept = Kept(how, (settings.engine, *shapes, *_kind(network)))
    with machine.threads(machine.threads_for(flops)):
        loop = Loop(
            None,
            settings,
            network,
            samples,
            how,
            at,
            on_progress,
            lambda: False,
            callbacks=Callbacks(callbacks),
            norms=False,
            penalty=penalty,
            compiled=kept,
        )
        try:
            loop.run()
        finally:
            kept.release()
    return loop


def _kind(network: Network) -> tuple[Any, ...]:
    """What the programs of a network depend on: all but its parameters."""
    told = network.spec()
    return tuple(tuple(told[key]) if isinstance(told[key], list) else told[key] for key in sorted(told.keys() - _DRAWN))


_DRAWN = {"seed", "init"}


@dataclass(frozen=True, eq=False)
class Fitted:
    """network: with the parameters of the best epoch where one was watched, else of the last.

    history: a row of figures for each epoch: epoch, step, train_loss, valid_loss, …  best_epoch: None where nothing
    was watched.  stopped_early: whether patience, or a callback, ended it.  fallbacks: what the engine left to NumPy.
    """

    network: Network
    history: list[dict[str, Any]]
    best_epoch: int | None
    stopped_early: bool
    fallbacks: tuple[str, ...]


def fit(
    network: Network,
    x: Any,
    t: Any,
    *,
    epochs: int = 20,
    batch_size: int = 100,
    optimizer: str | optim.Optimizer = "adam",
    learning_rate: float | None = None,
    schedule: str = "constant",
    clip: float = 0.0,
    validation: Sequence[Any] | None = None,
    sample_weight: Any = None,
    patience: int = 0,
    min_delta: float = 0.0,
    monitor: str = "auto",
    shuffle: bool = True,
    seed: int = 0,
    engine: str = "auto",
    callbacks: Iterable[Callback] = (),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Fitted:
    """Train `network` on x (n, n_in) and t: class numbers (n,) for softmax cross-entropy, else (n, n_out) or (n,).

    validation: (x, t) or (x, t, weights) of rows to watch; the best epoch's parameters are then kept.
    optimizer: a name, or an object of nn.optim.  learning_rate: None takes the optimiser's own.
    schedule, clip, patience, min_delta, monitor, engine: as the settings of `denpa train`, see docs/training.md.
    x and t are used as they are, in the network's dtype: scale them first.

    UsageError for settings, DataError and ShapeError for arrays that cannot be used, before the first step.
    TrainingError naming step, layer and rows when something is not finite any more.
    """
    if not isinstance(network, Network):
        raise UsageError("fit trains an nn.Network", got=repr(network)[:80], want="a Network, which has a loss")
    classify = network.output == "softmax"
    values = _arrays(network, x, t, sample_weight, "training")
    watched = None
    if validation is not None:
        if len(validation) not in (2, 3):
            raise UsageError("validation is (x, t) or (x, t, weights)", got=f"{len(validation)} things")
        xv, tv, *wv = validation
        watched = _arrays(network, xv, tv, wv[0] if wv else None, "validation")
    rule, rate = _optimizer(optimizer, learning_rate)
    settings = Settings(
        optimizer=rule,
        learning_rate=rate,
        schedule=schedule,
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        min_delta=min_delta,
        monitor=best.resolve(monitor, patience, valid=watched is not None, classify=classify),
        clip=clip,
        seed=seed,
        engine=engine,
    )
    w = values[2] if len(values) > 2 else None
    samples = Samples(values[0], values[1], w, watched, classify, shuffle)
    loop = train(network, settings, samples, callbacks=callbacks, on_progress=on_progress)
    return Fitted(
        network.with_parameters(loop.kept),
        history_of(loop),
        None if loop.at.best is None else loop.at.best.epoch,
        loop.stopped_early and loop.at.epoch <= epochs,
        loop.fallbacks,
    )


def history_of(loop: Loop) -> list[dict[str, Any]]:
    """The rows of a training without a folder."""
    assert isinstance(loop.history, Unsaved)
    return loop.history.rows


def _optimizer(given: str | optim.Optimizer, learning_rate: float | None) -> tuple[optim.Optimizer, float]:
    """The optimiser and the learning rate, its own where none is said."""
    rule = given if isinstance(given, optim.Optimizer) else optim.by_name(given)
    if learning_rate is not None:
        return rule, learning_rate
    name = given if isinstance(given, str) else next((n for n, k in optim.OPTIMIZERS.items() if k is type(given)), "")
    if name not in optim.LEARNING_RATES:
        raise UsageError(
            "this optimizer has no learning rate of its own", got=repr(given)[:80], fix="say learning_rate"
        )
    return rule, optim.LEARNING_RATES[name]


def _arrays(network: Network, x: Any, t: Any, w: Any, what: str) -> tuple[Array, ...]:
    """x, t and perhaps w, checked, as the loop takes them."""
    x = np.ascontiguousarray(x, network.dtype)
    if x.ndim != 2 or x.shape[1] != network.units[0]:
        raise ShapeError(f"the {what} rows do not fit the network", got=f"{x.shape}", want=f"(n, {network.units[0]})")
    if not len(x):
        raise DataError(f"there are no {what} rows", got="0 rows", want="at least one")
    check_finite(x, f"the {what} rows")
    t = _targets(network, np.asarray(t), what)
    if len(t) != len(x):
        raise ShapeError(f"each {what} row needs one target", got=f"{len(x):,} rows, {len(t):,} targets")
    if w is None:
        return x, t
    w = np.ascontiguousarray(w, network.dtype)
    if w.shape != (len(x),) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise DataError(
            f"the {what} rows' weights cannot be used",
            got=f"shape {w.shape}, {w.min(initial=0):g} … {w.max(initial=0):g}",
            want=f"({len(x)},), finite, 0 or more, one above 0",
        )
    return x, t, w / w.mean()


def _targets(network: Network, t: Array, what: str) -> Array:
    n_out = network.units[-1]
    if t.ndim == 1 and t.dtype.kind in "iu" and network.loss_function.name == "softmax_cross_entropy":
        if len(t) and not 0 <= t.min() <= t.max() < n_out:
            raise DataError(
                f"a class number of the {what} rows is out of range",
                got=f"{t.min()} … {t.max()}",
                want=f"0 … {n_out - 1}",
            )
        return np.ascontiguousarray(t, np.int64)
    t = np.ascontiguousarray(t, network.dtype)
    t = t.reshape(-1, 1) if t.ndim == 1 and n_out == 1 else t
    if t.ndim != 2 or t.shape[1] != n_out:
        raise ShapeError(f"the {what} targets do not fit the network", got=f"{t.shape}", want=f"(n, {n_out})")
    check_finite(t, f"the {what} rows", "targets")
    return t


__all__ = ["Fitted", "fit"]
