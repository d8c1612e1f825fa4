"""Where the loop's batches come from: all rows in memory, or blocks of them that a thread fetches ahead from a store.

Both give the same rows in the same order, so the bits of a run do not depend on which it was.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from denpa.arrays import Array
from denpa.data import Dataset, InputEncoding, TargetEncoding
from denpa.data.batches import Rows, batch_count
from denpa.data.shuffle import Order, Part
from denpa.data.store import store_of
from denpa.nn import Network
from denpa.train.metrics import targets_for
from denpa.train.weights import Weighing

BLOCK = 1 << 25  # bytes of encoded rows in a block; two are held: in training, and ready or being fetched
WAIT = 0.2  # seconds that the loop waits for a block before it looks at signals again


@dataclass(frozen=True, eq=False)
class Batches:
    """Some steps.  rows (steps, batch): places in `data`; numbers (steps, batch): the rows' numbers in the source."""

    data: dict[str, Array]
    rows: Rows
    numbers: Rows

    def at(self, step: int) -> Batches:
        """One of the steps."""
        return Batches(self.data, self.rows[step : step + 1], self.numbers[step : step + 1])

    @property
    def first(self) -> tuple[Array, ...]:
        """x, t and, in a weighted training, w of the first step."""
        return tuple(values[self.rows[0]] for values in self.data.values())


class Feed(Protocol):
    """Gives the loop its batches; `rows` of them in an epoch."""

    @property
    def rows(self) -> int: ...

    def order(self, epoch: int) -> Order: ...

    def next(self, epoch: int, batch: int, most: int) -> Batches | None:
        """Up to `most` steps of one size from this batch of the epoch on; None when none is ready within `WAIT`."""
        ...

    def of(self, rows: Rows) -> Batches:
        """These row numbers, (steps, batch), as batches."""
        ...

    def close(self) -> None: ...


class Held:
    """All rows in memory."""

    def __init__(
        self, data: dict[str, Array], train: Part, seed: int, batch_size: int, *, shuffle: bool = True
    ) -> None:
        self.data, self._train, self._seed, self._size = data, train, seed, batch_size
        self._order: tuple[int, Order] | None = None
        self._shuffle = shuffle

    def next(self, epoch: int, batch: int, most: int) -> Batches | None:
        return self.of(steps_of(self.rows, self._size, batch, most, self.order(epoch).__getitem__))

    @property
    def rows(self) -> int:
        return len(self._train)

    def order(self, epoch: int) -> Order:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, Order(self._train, self._seed, epoch if self._shuffle else None)
        return self._order[1]

    def of(self, rows: Rows) -> Batches:
        return Batches(self.data, rows, rows)

    def close(self) -> None:
        pass


def steps_of(n: int, size: int, batch: int, most: int, rows: Callable[[slice], Rows]) -> Rows:
    """rows of up to `most` full batches from `batch` on, (steps, size), or the short last one, (1, fewer)."""
    full = n // size - batch
    if full <= 0:
        return rows(slice(batch * size, n))[None]
    count = min(max(most, 1), full)
    return rows(slice(batch * size, (batch + count) * size)).reshape(count, size)


class Encoder:
    """Rows of a stored dataset as the network and its loss take them: x, t and, where they have weights, w."""

    def __init__(
        self,
        network: Network,
        data: Dataset,
        inputs: InputEncoding,
        targets: TargetEncoding,
        weigh: Weighing | None = None,
    ) -> None:
        store = store_of(data.inputs)
        assert store is not None
        self.network, self.inputs, self.targets, self.store = network, inputs, targets, store
        self._weigh, self._weighted = weigh, data.weights is not None
        first = self._encode(self.store.between(0, 1))
        self.shapes = tuple((values.shape[1:], values.dtype) for values in first)
        self.row_bytes = sum(values.nbytes for values in first)

    def __len__(self) -> int:
        return len(self.store)

    def lazily(self, rows: Part | None) -> dict[str, Array]:
        """x, t and perhaps w of these rows, or all, in the place of arrays; encoded when they are indexed."""
        return {name: cast(Array, Lazy(self, i, rows)) for i, name in enumerate("xtw"[: len(self.shapes)])}

    def __call__(self, rows: Rows) -> dict[str, Array]:
        """(m,) row numbers → x (m, n_in), t (m, …), w (m,).  Memory: the result and one window of the store."""
        found = [np.empty((len(rows), *shape), dtype) for shape, dtype in self.shapes]
        whole = [as_records(values) for values in found]

        def place(places: Array, records: Array) -> None:
            for into, values in zip(whole, self._encode(records), strict=True):
                into[places] = as_records(values)

        self.store.visit(rows, place)
        return dict(zip("xtw", found, strict=False))

    def _encode(self, records: Array) -> tuple[Array, ...]:
        inputs, targets = np.ascontiguousarray(records["inputs"]), np.ascontiguousarray(records["targets"])
        encoded = self.targets.encode(targets, self.network.dtype)
        x, t = self.inputs.encode(inputs, self.network.dtype), targets_for(self.network, encoded)
        if self._weigh is None:
            return x, t
        w = self._weigh(np.ascontiguousarray(records["weights"]) if self._weighted else None, targets)
        return x, t, w.astype(self.network.dtype)


class Lazy:
    """x, t or w of a part of a stored dataset in an array's place: encoded when it is indexed."""

    def __init__(self, encoder: Encoder, which: int, rows: Part | None = None) -> None:
        self.encoder, self._which, self._rows = encoder, which, rows
        shape, self.dtype = encoder.shapes[which]
        self.shape = (len(encoder) if rows is None else len(rows), *shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            places = np.arange(*places.indices(len(self)))
        places = np.asarray(places)
        rows = places if self._rows is None else self._rows[places.reshape(-1)]
        found = self.encoder(rows.reshape(-1).astype(np.int64, copy=False))["xtw"[self._which]]
        return found.reshape(*places.shape, *self.shape[1:])


def as_records(values: Array) -> Array:
    """(n, …) as (n,) with one element for a row: NumPy places such rows twice as fast. On the same memory."""
    size = math.prod(values.shape[1:]) * values.itemsize
    return values.reshape(len(values), -1).view(np.dtype((np.void, size)))[:, 0] if values.ndim > 1 else values


def encoder_of(values: Any) -> Encoder | None:
    """What encodes the rows that stand in the place of an array; None for an array."""
    return values.encoder if isinstance(values, Lazy) else None


@dataclass(frozen=True, eq=False)
class _Block:
    """Batches first … last − 1 of an epoch."""

    epoch: int
    first: int
    last: int
    data: dict[str, Array]
    numbers: Rows


class Streamed:
    """Blocks of many steps, fetched and encoded by a thread while the engine trains the one before."""

    def __init__(self, encoder: Encoder, train: Part, seed: int, batch_size: int, epochs: int) -> None:
        self._encoder, self._train, self._seed, self._size, self._epochs = encoder, train, seed, batch_size, epochs
        self._batches = batch_count(len(train), batch_size)
        self._per_block = max(1, BLOCK // max(1, encoder.row_bytes * batch_size))
        self._block: _Block | None = None
        self._thread: threading.Thread | None = None
        self._expected = 0, 0

    def next(self, epoch: int, batch: int, most: int) -> Batches | None:
        block = self._block
        if block is None or block.epoch != epoch or not block.first <= batch < block.last:
            self._block = block = self._fetched(epoch, batch)
            if block is None:
                return None
        n = len(block.numbers)
        places = steps_of(n, self._size, batch - block.first, most, lambda s: np.arange(s.start, s.stop))
        return Batches(block.data, places, block.numbers[places])

    @property
    def rows(self) -> int:
        return len(self._train)

    def order(self, epoch: int) -> Order:
        return Order(self._train, self._seed, epoch)

    def of(self, rows: Rows) -> Batches:
        return Batches(self._encoder(rows.reshape(-1)), np.arange(rows.size).reshape(rows.shape), rows)

    def close(self) -> None:
        """End the thread; it stops within the time of one block."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
        self._thread = self._block = None

    def _fetched(self, epoch: int, batch: int) -> _Block | None:
        """The block that begins there; the thread is started, or started anew where it works on others."""
        self._block = None  # free it before the next one is there
        if self._thread is None or (epoch, batch) != self._expected:
            self.close()
            self._start(epoch, batch)
        try:
            found = self._ready.get(timeout=WAIT)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            self.close()
            raise found
        self._taken.release()
        self._expected = (epoch, found.last) if found.last < self._batches else (epoch + 1, 0)
        return found

    def _start(self, epoch: int, batch: int) -> None:
        self._stop = threading.Event()
        self._ready: queue.Queue[_Block | BaseException] = queue.Queue()
        self._taken = threading.Semaphore(1)
        self._expected = epoch, batch
        self._thread = threading.Thread(
            target=_work,
            args=(self._blocks(epoch, batch), self._ready, self._taken, self._stop),
            name="denpa rows",
            daemon=True,
        )
        self._thread.start()

    def _blocks(self, epoch: int, batch: int) -> Iterator[_Block]:
        while epoch <= self._epochs:
            order = Order(self._train, self._seed, epoch)
            while batch < self._batches:
                last = min(batch + self._per_block, self._batches)
                numbers = order[batch * self._size : min(last * self._size, len(order))]
                data = self._encoder(numbers)
                yield _Block(epoch, batch, last, data, numbers)
                del data, numbers  # the loop's alone from here on: while the next are made there is no third block
                batch = last
            epoch, batch = epoch + 1, 0


def _work(
    blocks: Iterator[_Block],
    ready: queue.Queue[_Block | BaseException],
    taken: threading.Semaphore,
    stop: threading.Event,
) -> None:
    """Put block after block, or the error that ends them, where the loop takes them, until it says stop.

    The next one is begun when the one before has been taken.
    """
    while not stop.is_set():
        if not taken.acquire(timeout=0.1):
            continue
        try:
            found = next(blocks, None)
        except BaseException as error:  # handed to the loop, which raises it
            ready.put(error)
            return
        if found is None:
            return
        ready.put(found)
        del found
