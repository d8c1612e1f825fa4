"""The rows of a run, encoded once, and which of them train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.data import Dataset, InputEncoding, TargetEncoding, splits
from denpa.data.dataset import check_finite
from denpa.data.shuffle import LARGE, Part, divide
from denpa.data.store import store_of
from denpa.errors import DataError, UsageError
from denpa.nn import Network
from denpa.train.config import Config
from denpa.train.feeding import Encoder, Feed, Held, Streamed, encoder_of
from denpa.train.metrics import baseline_of, counts_of, targets_for
from denpa.train.weights import Weighing, weighing

DRAW_TEST = 1 << 63  # the test part's split must not follow the validation part's: another seed of the same family


@dataclass(frozen=True, eq=False, repr=False)
class Parts:
    """data: the source; x (n, n_in), t: all its rows as the network and its loss take them; w (n,): what they count
    for, None: all the same.  train, valid, test: row numbers, each ascending.  guess: what the baseline always says.

    Of a stored dataset x, t and w are read and encoded when they are indexed.
    """

    data: Dataset
    inputs: InputEncoding
    targets: TargetEncoding
    x: Array
    t: Array
    train: Part
    valid: Part
    test: Part
    guess: Any
    network: Network
    w: Array | None = None
    weigh: Weighing | None = None

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {len(getattr(self, name)):,}" for name in ("train", "valid", "test"))
        return f"<Parts of {self.data.source}: {rows} rows>"

    @property
    def classify(self) -> bool:
        return self.targets.kind == "classes"

    @property
    def encoder(self) -> Encoder | None:
        """What reads and encodes the rows of a stored dataset; None when all are in memory."""
        return encoder_of(self.x)

    def feed(self, seed: int, batch_size: int, epochs: int) -> Feed:
        """The training rows, for a loop."""
        if (encoder := self.encoder) is not None:
            return Streamed(encoder, self.train, seed, batch_size, epochs)
        held = {"x": self.x, "t": self.t} | ({} if self.w is None else {"w": self.w})
        return Held(held, self.train, seed, batch_size)

    def part(self, name: str) -> tuple[Array, ...] | None:
        """x, t and, where rows have weights, w of "valid" or "test", this source's or its own test part.

        None without rows.
        """
        rows = self.valid if name == "valid" else self.test
        if len(rows):
            if (encoder := self.encoder) is not None:
                return tuple(encoder.lazily(rows).values())
            return tuple(values[rows] for values in (self.x, self.t, self.w) if values is not None)
        if name == "test" and self.data.test is not None:
            return _encoded(self.network, self.data.test, self.inputs, self.targets, self.weigh)
        return None


def division(config: Config, data: Dataset) -> tuple[Part, Part, Part]:
    """Training, validation and test rows of the source; the last are empty unless config.test asks for some.

    A million rows and more (`LARGE`) are divided without regard to their classes: the shares agree by their number.

    UsageError when the source has a test part of its own and config.test asks for another.
    """
    if data.test is not None and config.test:
        raise UsageError(
            "this source has a test part of its own",
            where=data.source,
            got=f"test = {config.test:g}",
            want="test = 0: its own part is used",
        )
    how = splits.way(config.split, data)
    if len(data) >= LARGE and how == "random":
        return divide(len(data), config.valid, config.test, (config.seed, config.seed ^ DRAW_TEST))
    rest, test = splits.keep_out(data, np.arange(len(data)), config.test, config.seed ^ DRAW_TEST, how)
    return *splits.keep_out(data, rest, config.valid, config.seed, how), test


def encodings(config: Config, data: Dataset) -> tuple[InputEncoding, TargetEncoding, tuple[Part, Part, Part]]:
    """Fitted on the training rows of `division` alone.  Errors as `fitted`."""
    return fitted(config, data, division(config, data))


def fitted(
    config: Config, data: Dataset, rows: tuple[Part, Part, Part]
) -> tuple[InputEncoding, TargetEncoding, tuple[Part, Part, Part]]:
    """Encodings of these training, validation and test rows, fitted on the first alone.

    DataError when these have a single class left, and for NaN and infinity.
    """
    for values, what in ((data.inputs, "inputs"), (data.targets, "targets")):  # readers refuse them; arrays come as is
        if values.dtype.kind == "f" and store_of(values) is None and data.cells is None:
            check_finite(values, data.source, what)
    train = rows[0]
    weighing(config.class_weight, data, train, rows[1])  # bad weights are errors before anything is fitted to them
    if (
        data.classes is not None
        and np.count_nonzero(counts_of(data.targets, train, len(data.classes), data.weights)) < 2
    ):
        raise DataError(
            "the training part has one class only: there is nothing to learn",
            where=data.source,
            got=f"{data.classes[int(data.targets[train[0]])]} in all {len(train):,} rows",
            fix="use a smaller validation part, or more rows",
        )
    return InputEncoding.fit(data, train), TargetEncoding.fit(data, train), rows


def parts(
    config: Config,
    network: Network,
    data: Dataset,
    inputs: InputEncoding,
    targets: TargetEncoding,
    rows: tuple[Part, Part, Part],
) -> Parts:
    """Encode all rows for this network.  DataError naming the row that cannot be, and for weights that cannot be."""
    train, valid, test = rows
    weigh = weighing(config.class_weight, data, train, valid)
    x, t, *w = _encoded(network, data, inputs, targets, weigh)
    guess = baseline_of(data.targets, targets, train, data.weights)
    return Parts(data, inputs, targets, x, t, train, valid, test, guess, network, w[0] if w else None, weigh)


def encode(network: Network, data: Dataset, inputs: InputEncoding, targets: TargetEncoding) -> tuple[Array, Array]:
    """x (n, n_in) and t of a dataset, as the network and its loss take them."""
    x, t = _encoded(network, data, inputs, targets, None)
    return x, t


def _encoded(
    network: Network, data: Dataset, inputs: InputEncoding, targets: TargetEncoding, weigh: Weighing | None
) -> tuple[Array, ...]:
    """x, t and, with a weighing, w."""
    if store_of(data.inputs) is not None:
        return tuple(Encoder(network, data, inputs, targets, weigh).lazily(None).values())
    encoded = targets.encode(data.targets, network.dtype)
    found = inputs.encode(data.inputs, network.dtype), targets_for(network, encoded)
    return found if weigh is None else (*found, weigh(data.weights, data.targets).astype(network.dtype))


def input_names(inputs: InputEncoding) -> tuple[str, ...]:
    """The column of each of the network's inputs; () where they are known by place alone."""
    return () if inputs.positional else inputs.names


def build_network(config: Config, inputs: InputEncoding, targets: TargetEncoding) -> Network:
    """The network of the settings for these inputs and targets; output "auto": softmax for classes, else identity."""
    output = config.output
    if output == "auto":
        output = {"classes": "softmax", "labels": "sigmoid"}.get(targets.kind, "identity")
    if targets.kind == "classes" and config.loss in ("absolute_error", "huber"):
        raise UsageError(f"the loss {config.loss!r} is for numbers", got="classes", fix="leave --loss out")
    if targets.kind == "numbers" and (output != "identity" or config.loss.endswith("cross_entropy")):
        raise UsageError(
            "numbers need the output function identity and a loss for numbers",
            got=f"output {output!r}, loss {config.loss!r}",
            want="squared_error, absolute_error or huber",
            fix="leave --output and --loss out",
        )
    return Network(
        [inputs.features, *config.hidden, targets.outputs],
        hidden=config.activation,
        output=output,
        loss=None if config.loss == "auto" else config.loss,
        init=None if config.init == "auto" else config.init,
        seed=config.seed,
        dtype=config.dtype,
        dropout=config.dropout,
    )
