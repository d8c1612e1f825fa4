"""What each column is, decided from all cells: the rules one by one, and the errors that name the mending option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import peak_memory, refused, table, write

from denpa.data import csvtext, read
from denpa.data.csvtext import CsvSource
from denpa.data.files import opened
from denpa.data.kinds import Column
from denpa.data.reading import read_schema
from denpa.data.schema import Options, Schema, profile
from denpa.errors import UsageError

N = 120


def schema(folder: Path, columns: dict[str, list[Any]], **options: Any) -> Schema:
    rows = list(zip(*columns.values(), strict=True))
    return read_schema(write(folder / "t.csv", table([list(columns), *rows])), Options(**options))


def column(folder: Path, cells: list[Any], **options: Any) -> Column:
    """One column, beside another that can be learned from."""
    found = schema(folder, {"x": cells, "other": [i % 7 / 2 for i in range(len(cells))]}, **options)
    return found.columns[0]


def cycle(values: list[Any], n: int = N) -> list[Any]:
    return [values[i % len(values)] for i in range(n)]


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        (cycle([1, 2.5, -3e4]), "number", "120 numbers"),
        (cycle([1, 2, 3]), "number", "120 numbers"),
        ([i * 1.5 + 0.25 for i in range(N)], "number", "120 numbers"),  # a measurement may be all distinct
        (list(range(99)), "number", "99 numbers"),  # few whole numbers may all differ by chance
        (cycle([1, "", " ", 3]), "number", "60 numbers"),
        (cycle([1, "?", 3, "NA"]), "number", "60 numbers; missing: '?' in 30 rows, 'NA' in 30 rows"),
        (cycle([1, "nan", 3, "NaN"]), "number", "60 numbers; missing: 'nan'"),
        ([i * 7 % N for i in range(N)], "id", "whole numbers, none of the 120 twice"),
        ([10**12 - 17 * i for i in range(N)], "id", "whole numbers, none of the 120 twice"),
        (cycle(["01234", "98765"]), "category", "codes ('01234' in line 2 has a leading zero)"),
        ([*cycle(["98765", "20001"]), "01234"], "category", "codes ('01234' in line 122 has a leading zero)"),
        (cycle(["cook", "baker"]), "category", "text with 2 different values"),
        (cycle(["NA", "EU", "US"]), "category", "text with 3 different values"),  # NA is a text among texts
        ([f"v{i}" for i in cycle(list(range(100)), 200)], "category", "text with 100 different values"),
        ([f"v{i}" for i in cycle(list(range(101)), 202)], "drop", "more than 100 categories"),
        ([f"v{i}" for i in range(N)], "id", "text, none of the 120 values twice"),
        (cycle(["2024-03-31", "2023-01-02 10:30"]), "date", "dates, 2023-01-02 to 2024-03-31"),
        (cycle(["2024年3月31日", "", "NA"]), "date", "dates, 2024-03-31"),
        ([f"{i % 28 + 1}/{i % 12 + 1}/2024" for i in range(500)], "category", "text with 84 different"),
        (cycle(["", "?"]), "drop", "missing in all 120 rows"),
        (cycle(["true", "false"]), "category", "text with 2"),
    ],
)
def test_kinds(cells: list[Any], kind: str, reason: str, tmp_path: Path) -> None:
    found = column(tmp_path, cells)
    assert (found.kind, reason in found.reason) == (kind, True), found


def test_a_single_cell_at_the_very_end_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtext, "CHUNK", 64)
    assert column(tmp_path, [*cycle([1, 2], 5000), "01"]).kind == "category"
    with refused("column 'x': 1 of 5,001 cells are not numbers", "first at line 5,002", "'l'", "--na l", "=category"):
        column(tmp_path, [*cycle([1, 2], 5000), "l"])


def test_figures(tmp_path: Path) -> None:
    found = column(tmp_path, [1, 2, 3, "", "?", 10])
    assert (found.missing, found.distinct, found.low, found.high, found.mean) == (2, 4, 1.0, 10.0, 4.0)
    assert found.std == pytest.approx(np.std([1, 2, 3, 10]))
    jobs = column(tmp_path, ["b", "a", "b", "", "b"])
    assert (jobs.values, jobs.counts, jobs.missing, jobs.distinct) == (("a", "b"), (1, 3), 1, 2)


def test_what_is_not_obvious_is_said(tmp_path: Path) -> None:
    found = schema(
        tmp_path,
        {
            "customer": [1000 + 3 * i for i in range(N)],
            "name": [f"n{i}" for i in range(N)],
            "since": cycle(["2024-03-31", "2020-01-01"]),
            "x": cycle([1, "?", 3]),
            "same": [5] * N,
            "y": [*["rare"] * 3, *["often"] * (N - 4), "once"],
        },
    )
    said = "\n".join(found.notices)
    for part in (
        "column 'customer' is left out: whole numbers, none of the 120 twice: an identifier; to keep it: --type cust",
        "column 'name' is left out",
        "column 'since': dates, 2020-01-01 to 2024-03-31, as numbers of days",
        "column 'x': '?' in 40 rows, taken as missing",
        "column 'same' has one value only",
    ):
        assert part in said
    found = read_schema(tmp_path / "t.csv", Options(target="y"))
    said = "\n".join(found.notices)
    assert "1 classes have a single row ('once')" in said
    assert "116 rows of 'often' and 1 of 'once'" in said
    assert (found.task, found.of_kind("target")[0].values) == ("classification", ("often", "once", "rare"))


def test_the_user_decides_first(tmp_path: Path) -> None:
    ids = [10 * i for i in range(N)]
    assert column(tmp_path, ids, kinds={"x": "number"}).kind == "number"
    assert column(tmp_path, cycle([1, 2, 3]), kinds={"x": "category"}).values == ("1", "2", "3")
    assert column(tmp_path, cycle(["a", "b"]), kinds={"x": "drop"}).reason == "left out, as asked for"
    chosen = column(tmp_path, cycle(["a", "b", "c"]), kinds={"x": "category"}, values={"x": ("c", "a")})
    assert (chosen.values, chosen.counts) == (("c", "a"), (40, 40))
    assert column(tmp_path, cycle([1, "x", 3]), na=("x",)).missing == 40
    with refused("column 'x': 40 of 120 cells are not numbers", "'x'"):
        column(tmp_path, cycle([1, "x", 3]), kinds={"x": "number"})
    with refused("does not hold dates", "'a'", "2024-03-31"):
        column(tmp_path, cycle(["a", "2024-01-01"]), kinds={"x": "date"})
    with refused("no column 'xx'; did you mean 'x'?"):
        column(tmp_path, cycle([1, 2]), kinds={"xx": "drop"})
    with pytest.raises(UsageError, match="did you mean category"):
        Options(kinds={"x": "categorie"})
    with pytest.raises(UsageError, match="is the target, and also drop"):
        column(tmp_path, cycle([1, 2]), target="x", kinds={"x": "drop"})
    with pytest.raises(UsageError, match="more than one weight column"):
        column(tmp_path, cycle([1, 2]), kinds={"x": "weight", "other": "weight"})


@pytest.mark.parametrize(
    ("cells", "parts"),
    [
        (cycle([1, 2, "x"]), ["40 of 120 cells are not numbers", "line 4", "'x'", "--na x", "--type x=category"]),
        (cycle([1, "inf", 3]), ["40 of 120 cells are NaN or infinite", "line 3", "'inf'", "--na inf"]),
        (cycle(["1,5", "2,5"]), ["'1,5'", "write decimals with a point"]),
        (cycle([1, 2, "1,5"]), ["'1,5'", "write decimals with a point"]),
    ],
)
def test_what_cannot_be_decided_is_an_error(cells: list[Any], parts: list[str], tmp_path: Path) -> None:
    with refused(*parts):
        column(tmp_path, cells)


def test_something_is_always_left_to_learn_from(tmp_path: Path) -> None:
    found = schema(tmp_path, {"t": list(range(N)), "y": cycle([0.5, 1.5, 2.5])}, target="y")
    assert found.columns[0].kind == "number"
    assert found.columns[0].reason == "no other input is left"
    data = read(tmp_path / "t.csv", "y")
    assert data.input_names == ("t",)


@pytest.mark.parametrize(
    ("cells", "task", "classes", "reason"),
    [
        (cycle(["p", "q"]), "auto", ("p", "q"), "'x' holds text: one class for each distinct text"),
        (cycle(["01", "02"]), "auto", ("01", "02"), "holds text"),
        (cycle([3, "3.0", 10]), "auto", ("3", "10"), "2 distinct integers"),
        (cycle([1, 2, 3, 4, 5]), "auto", ("1", "2", "3", "4", "5"), "5 distinct integers in 120 rows"),
        (cycle([1, 2, 3, 4, 5, 6]), "auto", (), "6 distinct numbers in 120 rows: regression"),
        (cycle([1, 2, 3, 4, 5]), "regression", (), "regression was asked for"),
        (cycle([0.5, 1.5]), "auto", (), "2 distinct numbers"),
        (cycle([0.5, 1.5]), "classification", ("0.5", "1.5"), "classification was asked for"),
        (cycle([9, "A"]), "classification", ("9", "A"), "classification was asked for"),
    ],
)
def test_targets(cells: list[Any], task: str, classes: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    found = schema(tmp_path, {"x": cells, "other": [i / 2 for i in range(N)]}, target="x", task=task)
    assert found.columns[0].values == classes
    assert reason in found.task_reason
    data = read(tmp_path / "t.csv", "x", task)
    assert data.task_reason == found.task_reason
    if classes:
        assert data.classes == classes
        assert np.bincount(data.targets).tolist() == list(found.columns[0].counts)


def test_several_targets(tmp_path: Path) -> None:
    columns = {"a": cycle([0, 1]), "b": cycle([1, 0, 0]), "c": cycle([0.5, 1.0, 1.5]), "x": [i / 3 for i in range(N)]}
    found = schema(tmp_path, columns, target="a, b")
    assert found.task == "multilabel"
    assert "2 labels that a row may have at once" in found.task_reason
    data = read(tmp_path / "t.csv", "a, b")
    assert (data.labels, data.classes, data.task, data.targets.shape) == (("a", "b"), None, "multilabel", (N, 2))
    assert data.input_names == ("c", "x")
    outputs = read(tmp_path / "t.csv", "a,c")
    assert (outputs.labels, outputs.target_names, outputs.task) == (None, ("a", "c"), "regression")
    np.testing.assert_array_equal(outputs.targets, np.array([columns["a"], columns["c"]], float).T)
    assert read(tmp_path / "t.csv", "a,b", "regression").task == "regression"
    with refused("several targets are classes only when each is 0 or 1"):
        read(tmp_path / "t.csv", "a,c", "classification")
    with refused("no column 'd'"):
        read(tmp_path / "t.csv", "a,d")
    with pytest.raises(UsageError, match="several labels need several target columns"):
        read(tmp_path / "t.csv", "a", "multilabel")


def test_weights_groups_and_times(tmp_path: Path) -> None:
    columns = {
        "w": cycle([1, 0.5, 0]),
        "g": cycle(["u", "v"]),
        "t": cycle(["2024-03-31", "2024-04-01"]),
        "x": [i / 3 for i in range(N)],
        "y": cycle([0, 1]),
    }
    schema(tmp_path, columns)
    kinds = {"w": "weight", "g": "group", "t": "time"}
    data = read(tmp_path / "t.csv", "y", options=Options(kinds=kinds))
    assert data.input_names == ("x",)
    assert data.weights is not None
    assert data.groups is not None
    assert data.times is not None
    np.testing.assert_array_equal(data.weights, columns["w"])
    assert len(set(data.groups.tolist())) == 2
    np.testing.assert_array_equal(data.groups == data.groups[0], np.array(columns["g"]) == "u")
    assert (data.times[1] - data.times[0]) == 1
    some = data.take(np.array([0, 5]))
    assert some.weights is not None
    assert some.groups is not None
    assert (some.weights.tolist(), some.groups.tolist()) == ([1, 0], data.groups[[0, 5]].tolist())
    other = write(
        tmp_path / "one.csv", table([list(columns), [1, "v", "2024-04-01", 1, 0], [1, "u", "2024-04-01", 1, 1]])
    )
    again = read(other, "y", options=Options(kinds=kinds))
    assert again.groups is not None
    assert again.groups.tolist() == data.groups[[1, 0]].tolist()  # of the text alone, so that a split stays


@pytest.mark.parametrize(
    ("name", "cells", "parts"),
    [
        ("weight", cycle([1, -2, -3]), ["are negative", "first at line 3", "-2"]),
        ("weight", cycle([0]), ["all sample weights in column 'r' are 0"]),
        ("weight", cycle([1, ""]), ["column 'r': 60 of 120 cells are empty", "line 3"]),
        ("weight", cycle([1, 2, "x"]), ["column 'r': 40 of 120 cells are not numbers", "line 4"]),
        ("time", cycle(["2024-01-01", ""]), ["column 'r': 60 of 120 cells are empty"]),
        ("group", cycle(["a", "", "b"]), ["column 'r': 40 of 120 cells are empty", "line 3"]),
    ],
)
def test_roles_need_a_value_in_every_row(name: str, cells: list[Any], parts: list[str], tmp_path: Path) -> None:
    rows = list(zip(cells, [i / 3 for i in range(N)], cycle([0, 1]), strict=True))
    path = write(tmp_path / "t.csv", table([["r", "x", "y"], *rows]))
    with refused(*parts):
        read(path, "y", options=Options(kinds={"r": name}))


def test_the_pass_takes_flat_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtext, "CHUNK", 4096)
    monkeypatch.setattr(csvtext, "BLOCK", 1 << 14)
    monkeypatch.setattr("denpa.data.schema.KEYS", 1 << 10)
    monkeypatch.setattr("denpa.data.schema.VALUES", 1 << 10)

    def taken(rows: int) -> int:
        lines = (f"{i},{i / 7},name {i},{'pq'[i % 2]}\n" for i in range(rows))
        path = write(tmp_path / f"{rows}.csv", "id,x,name,y\n" + "".join(lines))

        def run() -> None:
            with opened(path) as file:
                profile(CsvSource(file), Options())

        return peak_memory(run)

    assert taken(60_000) < 1.3 * taken(15_000)
