"""The encoding of a table's columns: against arithmetic written out, and in the cases training never saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from tests.data.formats import refused, table, write

from denpa.data import Dataset, InputEncoding, TargetEncoding, read, read_inputs, read_like
from denpa.data.coding import InputColumn
from denpa.data.schema import Options
from denpa.errors import ModelFileError

CELLS = (InputColumn("age", missing=True), InputColumn("job", "category", ("cook", "nurse"), missing=True))
NAMES = ("age", "age missing", "job=cook", "job=nurse", "job=<other>", "job missing")


def dataset(rows: list[list[float]], cells: tuple[InputColumn, ...] = CELLS) -> Dataset:
    return Dataset(
        inputs=np.array(rows, float),
        source="test",
        sha256="0",
        columns=tuple(column.name for column in cells),
        cells=cells,
        targets=np.arange(len(rows), dtype=float),
        target_name="y",
        classes=None,
        task_reason="",
    )


NAN = np.nan
ROWS = [[10.0, 0.0], [NAN, 1.0], [30.0, NAN], [20.0, 2.0]]


def test_written_out() -> None:
    encoding = InputEncoding.fit(dataset(ROWS))
    assert encoding.names == NAMES
    assert (encoding.features, encoding.shape) == (6, (2,))
    std = np.std([10, 20, 30])
    np.testing.assert_allclose(
        encoding.encode(np.array(ROWS), np.float64),
        [[-10 / std, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0], [10 / std, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0]],
    )
    np.testing.assert_allclose(
        encoding.decode(encoding.encode(np.array(ROWS), np.float64))[:, :3],
        [[10, 0, 1], [20, 1, 0], [30, 0, 0], [20, 0, 0]],
    )


def test_only_the_training_rows_give_means_and_meanings() -> None:
    encoding = InputEncoding.fit(dataset(ROWS), np.array([0, 3]))
    assert encoding.mean[0] == 15
    assert [NAMES[i] for i in encoding.silent] == ["age missing", "job=nurse", "job missing"]
    encoded = encoding.encode(np.array(ROWS))
    np.testing.assert_array_equal(encoded[1], np.zeros(6))  # a missing age is the mean; a nurse says nothing
    assert "no training row has these, so they have no effect: 'age missing', 'job=nurse'" in encoding.notes[0]


def test_a_column_that_training_has_nowhere() -> None:
    encoding = InputEncoding.fit(dataset([[NAN, 0], [NAN, 1], [5.0, 0]]), np.array([0, 1]))
    encoded = encoding.encode(np.array([[NAN, 0], [7.0, 0]]), np.float64)
    np.testing.assert_array_equal(encoded[:, 0], [0, 7])  # mean 0, deviation 1: only shifted, and said to be
    assert "'age'" in encoding.notes[0]


@given(
    values=hnp.arrays(np.float64, (9, 2), elements=st.integers(-(10**6), 10**6).map(lambda v: v / 128) | st.just(NAN)),
    rows=st.lists(st.integers(0, 8), min_size=1, unique=True),
)
def test_moments_leave_missing_cells_out(values: np.ndarray, rows: list[int]) -> None:
    cells = (InputColumn("a", missing=True), InputColumn("b", missing=True))
    encoding = InputEncoding.fit(dataset(values.tolist(), cells), np.array(sorted(rows)))
    for i in range(2):
        there = values[sorted(rows), i]
        there = there[~np.isnan(there)]
        if len(there) and there.min() < there.max():
            np.testing.assert_allclose(encoding.mean[2 * i], there.mean(), rtol=1e-9, atol=1e-6)
            np.testing.assert_allclose(encoding.std[2 * i], there.std(), rtol=1e-6)


def test_json_and_back() -> None:
    encoding = InputEncoding.fit(dataset(ROWS), np.array([0, 3]))
    again = InputEncoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    np.testing.assert_array_equal(again.encode(np.array(ROWS)), encoding.encode(np.array(ROWS)))


@pytest.mark.parametrize(
    "wound",
    [
        {"mean": [0.0]},
        {"silent": [6]},
        {"silent": [-1]},
        {"columns": []},
        {"columns": [{"name": "age", "kind": "number", "values": [], "missing": True}]},
        {"columns": [{"name": "age", "kind": "number", "values": ["x"], "missing": True}] * 3},
        {"columns": [{"name": "age", "kind": "picture", "values": [], "missing": True}] * 3},
        {"columns": [{"name": "age", "kind": "number", "values": [], "missing": True}] * 3},
        {"columns": [{"name": "age", "kind": "number", "missing": True}] * 3},
        {"na": [1]},
        {"na": "x"},
        {"more": 1},
    ],
)
def test_a_damaged_description_is_refused(wound: dict[str, object]) -> None:
    good = InputEncoding.fit(dataset(ROWS)).to_json()
    with pytest.raises(ModelFileError):
        InputEncoding.from_json({**good, **wound})


def test_codes_that_are_none_are_refused() -> None:
    encoding = InputEncoding.fit(dataset(ROWS))
    for code in (-1, 4, 0.5, np.inf):
        with refused("column 'job' holds no codes of categories", "row 2"):
            encoding.encode(np.array([[1.0, 0.0], [1.0, code]]))
    with refused("an input is not finite in float32", "'age'"):
        encoding.encode(np.array([[np.inf, 0.0]]))


TRAIN = table(
    [["age", "job", "since", "y"]]
    + [[20 + i % 40, ["cook", "nurse", ""][i % 3], f"2024-01-{i % 28 + 1}", ["no", "yes"][i % 2]] for i in range(120)]
)


def test_what_training_never_saw_is_counted_and_said(tmp_path: Path) -> None:
    data = read(write(tmp_path / "t.csv", TRAIN))
    encoding = InputEncoding.fit(data)
    new = write(tmp_path / "new.csv", "job,note,since,age\npilot,x,2024/1/5,\npilot,x,,30\n,x,2024-01-05,NA\n")
    found = read_inputs(new, encoding)
    assert found.ignored == ("note",)
    mean = "cells are missing, none was in training: taken as the mean of the training rows"
    unknown = "2 of 3 rows hold values that are none of the 2 known ones (first at line 2), taken as <other>: 'pilot'"
    assert found.notices == (
        f"column 'age': 2 of 3 {mean}",
        f"column 'job': {unknown}",
        f"column 'since': 1 of 3 {mean}",
    )
    encoded = dict(zip(encoding.names, encoding.encode(found.inputs, np.float64).T, strict=True))
    np.testing.assert_array_equal(encoded["age"][[0, 2]], [0, 0])
    np.testing.assert_array_equal(encoded["job missing"], [0, 0, 1])
    np.testing.assert_array_equal(encoded["job=<other>"], [0, 0, 0])  # no training row had it: its weight means nothing
    assert encoded["since"][1] == 0
    assert encoded["since"][0] == encoded["since"][2]
    with refused("column 'age': 1 of 1 cells are not numbers", "line 2", "'forty'"):
        read_inputs(write(tmp_path / "bad.csv", "job,since,age\ncook,2024-01-05,forty\n"), encoding)
    with refused("column 'since': 1 of 1 cells are no dates", "'5/6/2024'", "2024-03-31"):
        read_inputs(write(tmp_path / "bad.csv", "job,since,age\ncook,5/6/2024,40\n"), encoding)


def test_rare_values_share_the_other_input(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TRAIN)
    data = read(path, options=Options(values={"job": ("cook",)}, kinds={"job": "category"}))
    encoding = InputEncoding.fit(data)
    other = encoding.names.index("job=<other>")
    assert other not in encoding.silent
    pilot = read_inputs(write(tmp_path / "new.csv", "age,job,since\n30,pilot,2024-01-05\n"), encoding)
    assert encoding.encode(pilot.inputs)[0, other] == 1


def test_several_outputs_and_labels_are_found_again(tmp_path: Path) -> None:
    rows = [[i, i % 2, i // 2 % 2, i / 4] for i in range(40)]
    path = write(tmp_path / "t.csv", table([["x", "a", "b", "c"], *rows]))
    labels = read(path, "a,b")
    encoding, targets = InputEncoding.fit(labels), TargetEncoding.fit(labels)
    assert (targets.kind, targets.columns, targets.outputs) == ("labels", ("a", "b"), 2)
    assert TargetEncoding.from_json(json.loads(json.dumps(targets.to_json()))) == targets
    np.testing.assert_array_equal(targets.encode(labels.targets), labels.targets)
    np.testing.assert_array_equal(targets.decode(np.array([[0.2, 0.5]])), [[0, 1]])
    with refused("holds no labels"):
        targets.encode(np.array([[0.5, 1.0]]))
    again = read_like(path, encoding, targets)
    np.testing.assert_array_equal(again.targets, labels.targets)
    assert again.labels == ("a", "b")
    numbers = read(path, "a,c")
    targets = TargetEncoding.fit(numbers)
    assert (targets.kind, targets.columns) == ("numbers", ("a", "c"))
    assert TargetEncoding.from_json(json.loads(json.dumps(targets.to_json()))) == targets
    np.testing.assert_allclose(targets.decode(targets.encode(numbers.targets, np.float64)), numbers.targets)
