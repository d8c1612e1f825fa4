"""`dp.train` in one call: a file, a frame and arrays train the same network; resuming and predicting by name."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import npz, write

import denpa as dp
from denpa.train.run import Run

RNG = random.Random(0)
ROWS: dict[str, list[Any]] = {
    "age": [None if i % 17 == 3 else RNG.randint(18, 70) for i in range(200)],
    "job": [RNG.choice(["cook", "nurse", "pilot"]) for _ in range(200)],
    "income": [RNG.choice([12.5, 20.25, 31.125, 99.5]) for _ in range(200)],
}
ROWS["bought"] = ["yes" if income > 20.5 else "no" for income in ROWS["income"]]
QUICK: dict[str, Any] = {"hidden": [8], "epochs": 3, "engine": "eager", "batch_size": 20, "doctor": False}


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    lines = [",".join(ROWS)]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in zip(*ROWS.values(), strict=True)]
    return write(tmp_path / "bank.csv", "\n".join(lines) + "\n")


def frame(**more: Any) -> Any:
    pytest.importorskip("narwhals")
    return pytest.importorskip("polars").DataFrame({**ROWS, **more})


def same(a: dp.train.Trained, b: dp.train.Trained) -> bool:
    ours, theirs = a.model.network.parameters(), b.model.network.parameters()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[n].value, theirs[n].value) for n in ours)


def test_a_file(csv: Path, tmp_path: Path) -> None:
    said: list[str] = []
    trained = dp.train(csv, "bought", **QUICK, say=said.append)
    assert trained.finished
    assert [row["epoch"] for row in trained.history] == [1, 2, 3]
    assert trained.run.path.parent == tmp_path / "runs"
    assert "-bank_" in trained.run.path.name or "_bank_" in trained.run.path.name
    assert any(line.startswith("classification: 'bought'") for line in said)
    assert trained.report(tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert trained.report() == trained.run.path / "report.html"
    assert dp.load_model(trained.run.path).targets.classes == ("no", "yes")


def test_a_frame_is_trained_to_the_bits_of_its_file(csv: Path) -> None:
    first, second = dp.train(csv, "bought", **QUICK), dp.train(frame(), "bought", **QUICK)
    third = dp.train((frame().drop("bought"), ROWS["bought"]), "bought", **QUICK)
    assert same(first, second)
    assert same(first, third)
    assert Run(second.run.path).config.source == "memory"


def test_predicting_finds_the_columns_of_a_frame_by_name(csv: Path) -> None:
    model = dp.train(csv, "bought", **QUICK).model
    turned = frame(more=[1] * 200).select(["more", *reversed(ROWS)])
    np.testing.assert_array_equal(model.predict(turned), model.predict(csv))
    assert model.evaluate(turned).values == model.evaluate(csv).values
    with pytest.raises(dp.DataError, match="missing columns: 'age'"):
        model.predict(turned.drop("age"))
    pandas = pytest.importorskip("pandas").DataFrame(ROWS)
    np.testing.assert_array_equal(model.predict(pandas), model.predict(csv))


def test_arrays_are_trained_to_the_bits_of_their_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    y = x[:, 0] * x[:, 1]
    trained = dp.train((x, y), **QUICK)
    assert same(trained, dp.train(write(tmp_path / "d.npz", npz(x=x, y=y)), **QUICK))
    assert trained.model.predict(x[:2]).shape == (2,)
    with pytest.raises(dp.UsageError, match="knows its inputs by place"):
        trained.model.predict(frame())
    pairs = dp.data.from_arrays(x, y)
    assert same(trained, dp.train(pairs, **QUICK))


def test_resuming_needs_the_rows_that_were_in_memory(csv: Path) -> None:
    whole = dp.train(frame(), "bought", **{**QUICK, "epochs": 5})
    part = dp.train(frame(), "bought", **QUICK)
    with pytest.raises(dp.UsageError, match="the rows were in memory"):
        dp.resume(part.run.path, epochs=5)
    with pytest.raises(dp.DataError, match="the data changed"):
        dp.resume(part.run.path, frame(income=[1.0, 2.0] * 100), epochs=5)
    assert same(dp.resume(part.run.path, frame(), epochs=5), whole)
    file = dp.train(csv, "bought", **QUICK)
    assert same(dp.resume(file.run.path, epochs=5), whole)


def test_settings_are_those_of_the_command_line(csv: Path, tmp_path: Path) -> None:
    said = {"drop": ["income"], "types": ["age=category"], "hidden": 4, "valid": 0.5, "optimizer": "adam"}
    trained = dp.train(csv, "bought", out=tmp_path / "out", **{**QUICK, **said})
    assert trained.config.hidden == (4,)
    assert trained.model.inputs.table[0].kind == "category"
    assert "income" not in (trained.model.inputs.columns or ())
    assert trained.run.path == tmp_path / "out"


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"epocs": 3}, "did you mean epochs"),
        ({"epochs": "3"}, "wrong type"),
        ({"hidden": [0]}, "hidden"),
        ({"online": True}, "command line"),
    ],
)
def test_settings_that_cannot_be(csv: Path, settings: dict[str, Any], fragment: str, tmp_path: Path) -> None:
    with pytest.raises(dp.UsageError, match=fragment):
        dp.train(csv, "bought", **settings)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("source", [7, [1, 2], (1, 2, 3), None, {"a": [1]}])
def test_what_is_nothing_to_train_on(source: Any) -> None:
    with pytest.raises(dp.UsageError, match="nothing to train on"):
        dp.train(source)


def test_an_error_writes_nothing(csv: Path, tmp_path: Path) -> None:
    for source, target in ((csv, "prize"), (frame(), "prize"), (tmp_path / "no.csv", "y")):
        with pytest.raises((dp.DataError, dp.UsageError)):
            dp.train(source, target)
    assert not (tmp_path / "runs").exists()
