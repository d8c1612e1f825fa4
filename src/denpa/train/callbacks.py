"""Callbacks: a user's own code at the turns of a training.  None of them changes a bit of it.

    class Loud(Callback):
        def on_epoch_end(self, now, row):
            print(now.epoch, row["train_loss"])

A method that returns True ends the training there, as if that had been its last epoch.  An exception in one ends it
too, and reaches the caller; a run with a folder is then saved as failed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.arrays import Array
from denpa.errors import UsageError
from denpa.nn import Network
from denpa.nn.choices import whole

Arrays = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Moment:
    """Where a training is.

    epoch: the one it is in, from 1, of `epochs`; batch: batches of it that are done, of `batches`; step: updates done
    in all.  loss: of the last batch in `on_batch_end`, else the mean over the epoch so far, None before its first
    batch.  learning_rate: of the next step, in `on_batch_end` of the last.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    step: int
    loss: float | None
    learning_rate: float
    _network: Network = field(repr=False)
    _parameters: Arrays = field(repr=False)

    @property
    def parameters(self) -> dict[str, Array]:
        """As they are now, by name; read-only, and never changed later."""
        return read_only(self._parameters)

    @property
    def network(self) -> Network:
        """The network with the parameters of now: it can be traced, explained, checked and drawn."""
        return self._network.with_parameters(self._parameters)


class Callback:
    """Override what is needed; return True to end the training.  Nothing is computed for what is not overridden.

    every: `on_gradients` is called before the steps 0, every, 2·every, … counted over the whole training.
    """

    every: int = 1

    def on_train_begin(self, now: Moment) -> bool | None:
        """Before the first step; of a resumed run, before the first one here."""
        return None

    def on_epoch_begin(self, now: Moment) -> bool | None:
        """Before the first batch of an epoch; of a resumed run, before the first one here."""
        return None

    def on_gradients(self, now: Moment, gradients: dict[str, Array]) -> bool | None:
        """Before an update: the loss's gradient of its batch by each parameter, named as in `now.parameters`.

        With dropout, the gradient of the thinned network; before clipping.  Not finite where the training fails.
        """
        return None

    def on_batch_end(self, now: Moment) -> bool | None:
        """After every update.  The engine then comes back to Python after each step, which small steps feel."""
        return None

    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> bool | None:
        """row: the epoch's figures, train_loss and more; a copy."""
        return None

    def on_train_end(self, now: Moment) -> bool | None:
        """However it ended, but for an error."""
        return None


class GradientTape(Callback):
    """Keeps gradients: `tape.steps` [s] and `tape.gradients` [{name: array}], of every `every`-th step.

    most: how many are kept, the latest; None: all, which takes `every`-th part of steps · parameters numbers.
    """

    def __init__(self, every: int = 1, most: int | None = None) -> None:
        self.every = whole("every", every, 1, 1 << 62)
        self.most = None if most is None else whole("most", most, 1, 1 << 62)
        self.steps: list[int] = []
        self.gradients: list[dict[str, Array]] = []

    def on_gradients(self, now: Moment, gradients: dict[str, Array]) -> None:
        self.steps.append(now.step)
        self.gradients.append(gradients)
        if self.most is not None and len(self.steps) > self.most:
            del self.steps[0], self.gradients[0]

    def norms(self) -> dict[str, Array]:
        """‖∂L/∂parameter‖₂ by name, (steps kept,) float64."""
        names = self.gradients[0] if self.gradients else {}
        return {name: np.array([_norm(g[name]) for g in self.gradients]) for name in names}


class TensorBoard(Callback):
    """Writes an event file into `folder`, a record at the end of each epoch: `tensorboard --logdir folder` follows it.

    TrainingError when the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path: Path | None = None

    def on_train_begin(self, now: Moment) -> None:
        from denpa.train.tensorboard import header

        durable.make_folder(self.folder, what="the folder of events")
        begun = time.time()
        self.path = self.folder / f"events.out.tfevents.{time.time_ns()}.denpa"
        durable.append(self.path, header(begun), what="the events")

    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> None:
        from denpa.train.tensorboard import record, scalars

        assert self.path is not None
        durable.append(self.path, record(now.step, time.time(), scalars(row)), what="the events")


class Callbacks:
    """All callbacks of a training as one; false when there is none."""

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        """UsageError for what is no Callback: a class in place of an object, say."""
        self.all = tuple(callbacks)
        for callback in self.all:
            if not isinstance(callback, Callback):
                raise UsageError(
                    "a callback is an object of a class that derives from denpa.train.callbacks.Callback",
                    got=repr(callback)[:80],
                    fix="write MyCallback(), not MyCallback" if isinstance(callback, type) else None,
                )
        self._by_batch = _overriding("on_batch_end", self.all)
        self._by_gradient = _overriding("on_gradients", self.all)

    def __bool__(self) -> bool:
        return bool(self.all)

    def steps(self, step: int, most: int) -> int:
        """How many steps may be taken at once from here, up to `most`."""
        if self._by_batch:
            return 1
        return min([most, *(c.every - step % c.every for c in self._by_gradient)])

    def wants_gradients(self, step: int) -> bool:
        return any(step % c.every == 0 for c in self._by_gradient)

    @property
    def wants_batches(self) -> bool:
        return bool(self._by_batch)

    def train_begin(self, now: Moment) -> bool:
        return _said(c.on_train_begin(now) for c in self.all)

    def epoch_begin(self, now: Moment) -> bool:
        return _said(c.on_epoch_begin(now) for c in self.all)

    def gradients(self, now: Moment, gradients: dict[str, Array]) -> bool:
        due = [c for c in self._by_gradient if now.step % c.every == 0]
        return _said(c.on_gradients(now, dict(gradients)) for c in due)

    def batch_end(self, now: Moment) -> bool:
        return _said(c.on_batch_end(now) for c in self._by_batch)

    def epoch_end(self, now: Moment, row: dict[str, Any]) -> bool:
        return _said(c.on_epoch_end(now, dict(row)) for c in self.all)

    def train_end(self, now: Moment) -> None:
        for c in self.all:
            c.on_train_end(now)


def read_only(arrays: Arrays) -> dict[str, Array]:
    """Views that cannot be written through."""
    found = {}
    for name, value in arrays.items():
        found[name] = view = np.asarray(value).view()
        view.flags.writeable = False
    return found


def _said(answers: Iterable[bool | None]) -> bool:
    """Whether one said True; all are asked, also after it."""
    return any(list(answers))


def _overriding(method: str, callbacks: tuple[Callback, ...]) -> tuple[Callback, ...]:
    return tuple(c for c in callbacks if getattr(type(c), method) is not getattr(Callback, method))


def _norm(g: Array) -> float:
    return math.sqrt(float(np.sum(np.square(g, dtype=np.float64))))


__all__ = ["Callback", "GradientTape", "Moment", "TensorBoard"]
