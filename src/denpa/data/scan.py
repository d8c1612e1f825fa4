"""What one column holds, gathered piece by piece in bounded memory and exactly: counts, moments, vocabulary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from denpa.data.cells import LEADING_ZERO, Plain, fault, numbers
from denpa.data.dataset import Array
from denpa.data.dates import day_of, days_of
from denpa.data.source import Cells, Typed
from denpa.data.targets import label_of

# What people write for "nothing" in a column of numbers; in a column of text these are texts.
CONVENTIONAL = frozenset(
    ("?", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "null", "NULL", "Null", "None", "none", "nan", "NaN", "NAN", "-")
)


@dataclass
class Seen:
    """Cells of one sort: how many, and the first of them with its place."""

    count: int = 0
    place: int = 0
    cell: str = ""

    def add(self, count: int, place: int, cell: str) -> None:
        if not self.count:
            self.place, self.cell = place, cell
        self.count += count


@dataclass
class Moments:
    """Count, mean, sum of squares about the mean (Chan's update), bounds, and whether all are whole numbers."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True
    rising: bool = True  # each above the one before
    last: float = -math.inf

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Source: T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance", 1983."""
        n = len(values)
        if not n:
            return
        with np.errstate(over="ignore", invalid="ignore"):  # of 1e308: told when the columns are standardised
            mean = values.mean()
            shift, total = mean - self.mean, self.count + n
            self.squares += float(np.square(values - mean).sum() + shift * shift * self.count * n / total)
            self.mean += float(shift * n / total)
        self.count = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.whole = self.whole and bool((values == np.floor(values)).all())
        if self.rising:
            self.rising = bool(values[0] > self.last) and bool((values[1:] > values[:-1]).all())
            self.last = float(values[-1])

    @property
    def std(self) -> float:
        """The standard deviation, divided by n; exactly 0 for a constant column."""
        return 0.0 if self.low >= self.high else math.sqrt(self.squares / self.count)


class Distinct:
    """Whether all values differ: exactly, up to `limit` of them; beyond that, no longer known (None)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: list[npt.NDArray[np.int64]] = []
        self._size = self._checked = 0
        self.answer: bool | None = True

    def add(self, keys: npt.NDArray[np.int64]) -> None:
        if self.answer is not True:
            return
        self._known.append(keys)
        self._size += len(keys)
        if self._size > self._limit:
            self.answer, self._known = None, []
        elif self._size >= 2 * self._checked:  # each key is sorted a few times only
            self.finish()

    def finish(self) -> bool | None:
        if self.answer is True and self._known:
            keys = np.unique(np.concatenate(self._known))
            self._known, self._checked = [keys], self._size
            if len(keys) < self._size:
                self.answer, self._known = False, []
        return self.answer


@dataclass
class ColumnScan:
    """One column.  words: the cells that count as missing besides empty ones.  limit: values counted one by one."""

    words: frozenset[str]
    limit: int
    distinct: Distinct
    rows: int = 0
    declared: str = ""  # by the source: "number", "truth" or "date"
    empty: Seen = field(default_factory=Seen)
    marked: Counter[str] = field(default_factory=Counter)  # the words found …
    conventional: Counter[str] = field(default_factory=Counter)
    word: Seen = field(default_factory=Seen)  # … and the first of both
    number: Moments = field(default_factory=Moments)
    date: Moments = field(default_factory=Moments)
    text: Seen = field(default_factory=Seen)  # neither number nor missing
    infinite: Seen = field(default_factory=Seen)
    zeros: Seen = field(default_factory=Seen)  # a leading zero
    dated: bool = True  # every text so far is a date
    vocabulary: Counter[str] | None = field(default_factory=Counter)  # of all cells that are present; None: too many

    @property
    def present(self) -> int:
        return self.rows - self.empty.count - self.marked.total()

    def add(self, cells: Cells, places: Sequence[int]) -> None:
        self.rows += len(places)
        if isinstance(cells, Typed):
            self._add_typed(cells, places)
            return
        values = numbers(cells)
        if values is None:
            self._add_mixed(cells, places)
            return
        self._count(Counter(cells) if self.vocabulary is not None else None)
        self._add_numbers(cells, values, places)

    def _add_numbers(self, cells: Sequence[str], values: npt.NDArray[np.float64], places: Sequence[int]) -> None:
        self.number.add(values)
        self.dated = self.dated and not len(values)
        if self.number.whole:
            self.distinct.add(_keys(values))
            zeros = not isinstance(cells, Plain) and LEADING_ZERO.search("\n".join(cells))
            if zeros:  # 00.5 is a number, 01234 is a code
                found = [i for i, cell in enumerate(cells) if LEADING_ZERO.search(cell)]
                self.zeros.add(len(found), places[found[0]], cells[found[0]].strip())

    def _add_mixed(self, cells: Sequence[str], places: Sequence[int]) -> None:
        """Cells of which some are no numbers: each distinct one is judged once."""
        counts = Counter(cells)
        sorts = {cell: self._sort(cell) for cell in counts}
        present = {cell: n for cell, n in counts.items() if sorts[cell] not in ("empty", "word")}
        self._count(Counter(present) if self.vocabulary is not None else None)
        for cell, n in counts.items():
            sort = sorts[cell]
            if sort == "number":
                continue
            if sort in ("word", "conventional"):
                (self.marked if sort == "word" else self.conventional)[cell.strip()] += n
                self.word.add(n, places[0 if self.word.count else cells.index(cell)], cell.strip())
            else:
                seen = {"empty": self.empty, "text": self.text, "infinite": self.infinite}[sort]
                first = 0 if seen.count else cells.index(cell)
                seen.add(n, places[first], cell.strip())
        kept = [i for i, cell in enumerate(cells) if sorts[cell] == "number"]
        if kept:
            plain = [cells[i] for i in kept]
            self._add_numbers(plain, np.array([float(cell) for cell in plain]), [places[i] for i in kept])
        texts = [cell for cell in cells if sorts[cell] in ("text", "conventional")]
        if texts:
            self.distinct.add(np.fromiter(map(hash, texts), np.int64, count=len(texts)))
        if self.dated:
            self._add_dates([cell for cell in texts if sorts[cell] == "text"])

    def _add_dates(self, texts: Sequence[str]) -> None:
        days = [day_of(cell) for cell in texts]
        if None in days or self.number.count:
            self.dated = False
        else:
            self.date.add(np.array(days, np.float64))

    def _sort(self, cell: str) -> str:
        """ "number", "text", "infinite", "empty", "word" or "conventional"."""
        bare = cell.strip()
        if bare in self.words:
            return "word"
        if bare in CONVENTIONAL:
            return "conventional"
        kind = fault(cell)
        return "number" if kind is None else "infinite" if kind == "not finite" else kind

    def _count(self, cells: Counter[str] | None) -> None:
        if self.vocabulary is None or cells is None:
            return
        for cell, n in cells.items():
            self.vocabulary[cell.strip()] += n
        if len(self.vocabulary) > self.limit:
            self.vocabulary = None

    def _add_typed(self, cells: Typed, places: Sequence[int]) -> None:
        values, missing = cells.values, cells.missing
        kind = values.dtype.kind
        self.declared = {"M": "date", "b": "truth"}.get(kind, "number")
        if kind == "M":
            absent = np.isnat(values)
            missing = absent if missing is None else missing | absent
        where = np.arange(len(values)) if missing is None else np.flatnonzero(~missing)
        if missing is not None and missing.any():
            first = int(np.argmax(missing))
            self.empty.add(int(missing.sum()), places[first], "")
        kept = values[where]
        if kind == "M":
            self.date.add(days_of(kept))
        else:
            self._add_floats(kept, where, places)
        if self.vocabulary is not None:
            distinct, counts = np.unique(kept, return_counts=True)
            names = [label_of(value) for value in distinct[: self.limit + 1].tolist()]
            self._count(Counter(dict(zip(names, counts.tolist(), strict=False))))

    def _add_floats(self, kept: Array, where: Array, places: Sequence[int]) -> None:
        values = kept.astype(np.float64)
        nan, inf = np.isnan(values), np.isinf(values)
        if nan.any():
            self.conventional["NaN"] += int(nan.sum())
            self.word.add(int(nan.sum()), places[int(where[int(np.argmax(nan))])], "NaN")
        if inf.any():
            first = int(np.argmax(inf))
            self.infinite.add(int(inf.sum()), places[int(where[first])], str(values[first]))
        finite = values[~(nan | inf)]
        self.number.add(finite)
        if self.number.whole:
            self.distinct.add(_keys(finite))


def _keys(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return (values + 0.0).view(np.int64)  # + 0.0: -0.0 is 0.0
