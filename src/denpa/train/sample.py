"""A few rows of a run's data, as its trained network takes them: what `denpa trace` and its like look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denpa.arrays import Array
from denpa.data import Dataset, read_like
from denpa.errors import UsageError
from denpa.nn import Network
from denpa.train.model_file import Predictor, load_model
from denpa.train.opened import data_of
from denpa.train.parts import division, encode, input_names
from denpa.train.run import Run

PARTS = ("all", "train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Sample:
    """x (n, n_in) and t as the network and its loss take them; names: of each row, "row 17 of digits".

    input_names: of each input's column (area, district=港, age missing), () where inputs are known by place alone.
    """

    network: Network
    x: Array
    t: Array
    names: tuple[str, ...]
    input_names: tuple[str, ...] = ()


def sample(path: str | Path, rows: Sequence[int], *, part: str = "all", source: str | None = None) -> Sample:
    """Rows (from 0) of the data a run was trained on, or of another source with the same columns.

    part: count the rows within the training, validation or test part of the run.  UsageError for a row that is not
    there; DataError when the run's data is not what it was.
    """
    model = load_model(path)
    if source is not None:
        if part != "all":
            raise UsageError("another source has no parts", got=f"part {part!r}", fix="leave the part out")
        data, numbers = read_like(source, model.inputs, model.targets), None
    else:
        data, numbers = _of_run(Path(path), part)
    count = len(data) if numbers is None else len(numbers)
    wrong = [row for row in rows if not 0 <= row < count]
    if wrong or not rows:
        raise UsageError(
            "there is no such row",
            where=data.source if part == "all" else f"the {part} part of {data.source}",
            got=", ".join(map(str, wrong)) or "no row",
            want=f"0 … {count - 1:,}",
        )
    chosen = np.asarray(rows) if numbers is None else numbers[list(rows)]
    return _encoded(model, data, chosen)


def _of_run(path: Path, part: str) -> tuple[Dataset, Array | None]:
    """The run's source, and the numbers of the rows of the part (None: all)."""
    run = Run(path)
    data = data_of(run)
    if part == "all":
        return data, None
    if part == "test" and data.test is not None:
        return data.test, None
    numbers = dict(zip(PARTS[1:], division(run.config, data), strict=True))[part]
    if not len(numbers):
        raise UsageError(f"this run has no {part} part", where=str(path), fix="choose another part")
    return data, numbers


def _encoded(model: Predictor, data: Dataset, rows: Array) -> Sample:
    x, t = encode(model.network, data.take(rows), model.inputs, model.targets)
    return Sample(model.network, x, t, tuple(f"{row}" for row in rows), input_names(model.inputs))
