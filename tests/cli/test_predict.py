"""`denpa predict` in all its formats: what is kept beside, in pieces, and that a fault leaves nothing behind."""

from __future__ import annotations

import csv
import io
import json
import random
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.data.formats import npy, write

import denpa as dp
from denpa import cli
from denpa.train.model_file import load_model


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


RNG = random.Random(0)
ROWS: dict[str, list[Any]] = {
    "id": [f"{i:04}" for i in range(200)],
    "age": [None if i % 17 == 3 else RNG.randint(18, 70) for i in range(200)],
    "job": [RNG.choice(["cook", "nurse", "=pilot"]) for _ in range(200)],
    "income": [RNG.choice([12.5, 20.25, 31.125, 99.5]) for _ in range(200)],
    "when": [np.datetime64("2024-01-01", "us").item() if i % 2 else None for i in range(200)],
}
ROWS["bought"] = ["yes" if income > 20.5 else "no" for income in ROWS["income"]]
QUICK: dict[str, Any] = {"hidden": [8], "epochs": 3, "engine": "eager", "batch_size": 20, "doctor": False}


def as_csv(rows: dict[str, list[Any]]) -> str:
    lines = [",".join(rows)]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in zip(*rows.values(), strict=True)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    bank = write(folder / "bank.csv", as_csv(ROWS))
    return dp.train(bank, "bought", out=folder / "run", drop=["id", "when"], **QUICK).run.path


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write(tmp_path / "bank.csv", as_csv(ROWS))


def predict(*arguments: Any) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["predict", *map(str, arguments)])
    return Result(code, out.getvalue(), err.getvalue())


def done(*arguments: Any) -> str:
    result = predict(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_kept_columns_stand_beside_the_predictions(run: Path, bank: Path) -> None:
    rows = list(csv.DictReader(done(run, bank, "--keep", "id", "--keep", "job", "--proba").splitlines()))
    assert list(rows[0]) == ["id", "job", "bought", "p(no)", "p(yes)"]
    assert [row["id"] for row in rows] == ROWS["id"]
    assert {row["job"] for row in rows} == {"cook", "nurse", "'=pilot"}  # no formula for a spreadsheet
    predicted, chances = load_model(run).predict_with_outputs(bank)
    assert [row["bought"] for row in rows] == predicted.tolist()
    np.testing.assert_allclose([float(row["p(yes)"]) for row in rows], chances[:, 1], rtol=1e-5)


def test_a_kept_column_of_the_predictions_name(run: Path, bank: Path) -> None:
    rows = list(csv.DictReader(done(run, bank, "--keep", "bought").splitlines()))
    assert list(rows[0]) == ["bought", "predicted_bought"]
    assert [row["bought"] for row in rows] == ROWS["bought"]


@pytest.mark.parametrize("end", ["csv", "jsonl", "ndjson", "parquet"])
def test_formats_of_the_result(end: str, run: Path, bank: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out.{end}"
    said = done(run, bank, "--keep", "id", "--keep", "age", "--proba", "-o", out)
    assert f"200 predictions in {out}" in said
    predicted, chances = load_model(run).predict_with_outputs(bank)
    if end == "csv":
        assert out.read_text().startswith("id,age,bought,p(no),p(yes)\n0000,")
        return
    if end == "parquet":
        rows = pytest.importorskip("pyarrow.parquet").read_table(out).to_pylist()
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ROWS["id"]
    assert [row["age"] for row in rows] == [None if age is None else str(age) for age in ROWS["age"]]
    assert [row["bought"] for row in rows] == predicted.tolist()
    np.testing.assert_array_equal([row["p(yes)"] for row in rows], chances[:, 1].astype(float))


@pytest.mark.parametrize("end", ["csv", "jsonl", "parquet"])
def test_typed_columns_keep_their_types(end: str, run: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    table = pa.table({**ROWS, "good": [True, None] * 100})
    pq.write_table(table, tmp_path / "bank.parquet")
    out = tmp_path / f"out.{end}"
    done(run, tmp_path / "bank.parquet", *(f"--keep={name}" for name in ("age", "when", "good", "income")), "-o", out)
    if end == "parquet":
        kept = pq.read_table(out)
        for name in ("age", "when", "good", "income"):
            assert kept[name].to_pylist() == table[name].to_pylist(), name
    elif end == "jsonl":
        first, second = map(json.loads, out.read_text().splitlines()[:2])
        assert (first["age"], first["when"], first["good"]) == (ROWS["age"][0], None, True)
        assert (second["when"], second["good"]) == ("2024-01-01 00:00:00", None)
    else:
        assert out.read_text().splitlines()[2].split(",")[1:3] == ["2024-01-01 00:00:00", ""]


def test_pieces_give_what_the_whole_gives(
    run: Path, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = done(run, bank, "--keep", "id", "--proba")
    monkeypatch.setattr("denpa.data.csvtext.CHUNK", 42)
    monkeypatch.setattr("denpa.data.writing._Parquet._GROUP", 20)
    assert done(run, bank, "--keep", "id", "--proba") == whole
    done(run, bank, "-o", tmp_path / "out.parquet")
    file = pytest.importorskip("pyarrow.parquet").ParquetFile(tmp_path / "out.parquet")
    assert (file.metadata.num_row_groups, file.metadata.num_rows) == (10, 200)


def test_what_was_not_in_training_is_said(run: Path, tmp_path: Path) -> None:
    rows = {**ROWS, "job": ["farmer", *ROWS["job"][1:]]}
    result = predict(run, write(tmp_path / "t.csv", as_csv(rows)), "--keep", "id")
    assert "'farmer'" in result.stderr
    assert "columns that the model does not use: 'when'" in result.stderr


def test_a_fault_leaves_no_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("denpa.data.csvtext.CHUNK", 42)
    rows = {**ROWS, "income": [*ROWS["income"][:-1], "lots"]}
    path = write(tmp_path / "t.csv", as_csv(rows))
    result = predict(run, path, "-o", tmp_path / "out.csv")
    assert result.exit_code == 3
    assert "first at line 201" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv"]


def test_a_small_table_with_a_fault_prints_nothing(run: Path, tmp_path: Path) -> None:
    rows = {**ROWS, "income": [*ROWS["income"][:-1], "lots"]}
    result = predict(run, write(tmp_path / "t.csv", as_csv(rows)))
    assert (result.exit_code, result.stdout) == (3, "")


def test_options_that_cannot_be_meant(run: Path, bank: Path, tmp_path: Path) -> None:
    assert "no column 'idd'; did you mean 'id'?" in predict(run, bank, "--keep", "idd").stderr
    assert ".parquet" in predict(run, bank, "-o", tmp_path / "out.xlsx").stderr
    write(tmp_path / "x.npy", npy(np.ones((4, 2))))
    rows = np.array([[0.0, 1], [1, 0], [2, 1], [1, 1]])
    arrays = dp.train((rows, np.array([0.0, 1, 2, 1])), valid=0.0, out=tmp_path / "arrays", **QUICK).run.path
    assert "only a table has columns to keep" in predict(arrays, tmp_path / "x.npy", "--keep", "id").stderr
    assert len(done(arrays, tmp_path / "x.npy").splitlines()) == 5


def test_pictures_are_named(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for i in range(20):
        path = tmp_path / "pets" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(rng.integers(0, 100, (4, 4)).astype("u1") + 100 * (i % 2)).save(path)
    run = dp.train(tmp_path / "pets", out=tmp_path / "run", **QUICK).run.path
    lines = done(run, tmp_path / "pets" / "b").splitlines()
    assert lines[0] == "file,class"
    assert [line.split(",")[0] for line in lines[1:]] == [f"{i:02}.png" for i in range(1, 20, 2)]
