from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from denpa.errors import DataError, UsageError
from denpa.explain.trace import trace_step
from denpa.train.opened import opened
from denpa.train.sample import sample


@pytest.fixture
def run(run_denpa, tmp_path: Path) -> Path:
    """A small trained run on a table of 60 rows."""
    rng = np.random.default_rng(0)
    with (tmp_path / "shop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "height", "sold"])
        for a, b in rng.normal(size=(60, 2)).round(4):
            writer.writerow([a, b, "yes" if a + b > 0 else "no"])
    done = run_denpa(
        "train", "shop.csv", "--target", "sold", "--out", "run", "--hidden", "4", "--epochs", "2", "--valid", "0.25"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_a_row_as_text_html_and_latex(run_denpa, run: Path, tmp_path: Path) -> None:
    told = run_denpa("trace", "run", "--row", "3", "--notation", "002")
    assert told.returncode == 0, told.stderr
    assert "z₂ = W₂ a₁ + b₂" in told.stdout
    assert "Both give the same gradients." in told.stdout
    japanese = run_denpa("trace", "run", "--row", "3", "--row", "4", "--lang", "ja", "--lr", "0.1")
    assert "J̃ = 1/2 Σₖ₌₁²" in japanese.stdout
    assert "パラメータの更新" in japanese.stdout
    page = run_denpa("trace", "run", "--row", "3", "-o", "step.html")
    assert page.stdout.strip() == "step.html"
    assert "<math" in (tmp_path / "step.html").read_text(encoding="utf-8")
    run_denpa("trace", "run", "--row", "3", "--gradient", "column", "-o", "step.tex")
    assert r"\end{document}" in (tmp_path / "step.tex").read_text(encoding="utf-8")
    forced = run_denpa("trace", "run", "--row", "3", "--format", "latex")
    assert forced.stdout.startswith("% compile with")


def test_what_is_wrong_is_one_message_and_an_exit_code(run_denpa, run: Path) -> None:
    for arguments, code, said in (
        (("run", "--row", "60"), 2, "0 … 59"),
        (("run", "--row", "-1"), 2, "no such row"),
        (("run",), 2, "--row"),
        (("run", "--row", "0", "--notation", "999"), 2, "unknown notation"),
        (("run", "--row", "0", "--part", "test"), 2, "no test part"),
        (("nowhere", "--row", "0"), 3, "no model file"),
    ):
        told = run_denpa("trace", *arguments)
        assert told.returncode == code, (arguments, told.stderr)
        assert said in told.stderr
        assert "Traceback" not in told.stderr


def test_the_rows_are_those_of_the_source_and_its_parts(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    everything = sample(run, range(60))
    prepared = opened(run)[2]
    valid = sample(run, range(len(prepared.valid)), part="valid")
    numbers = [int(name) for name in valid.names]
    assert np.array_equal(valid.x, everything.x[numbers])
    train = sample(run, range(len(prepared.train)), part="train")
    assert sorted(numbers + [int(name) for name in train.names]) == list(range(60))
    loss = trace_step(everything.network, everything.x, everything.t).step.loss
    assert loss == pytest.approx(float(everything.network.loss(everything.x, everything.t).value))
    other = sample(run, [0, 1], source="shop.csv")
    assert np.array_equal(other.x, everything.x[:2])
    with pytest.raises(UsageError, match="no parts"):
        sample(run, [0], part="valid", source="shop.csv")


def test_data_that_changed_since_the_run_is_noticed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    info = json.loads((run / "run.json").read_text())
    assert len(info["data"]["sha256"]) == 64
    with (run.parent / "shop.csv").open("a") as file:
        file.write("1,2,yes\n")
    with pytest.raises(DataError, match="the data changed since the run began"):
        sample(run, [0])


def test_the_columns_of_a_table_are_named(run_denpa, run: Path, tmp_path: Path) -> None:
    assert sample(run, [0]).input_names == ("width", "height")
    assert "2     height" in run_denpa("trace", "run", "--row", "3").stdout
    assert "from unit 1 (width)" in run_denpa("explain", "run", "--weight", "0.weight[1,0]", "--row", "3").stdout
    drawn = run_denpa("draw", "run", "--data", "shop.csv", "--zoom", "units", "-o", "units.svg")
    assert drawn.returncode == 0, drawn.stderr
    assert ">height<" in (tmp_path / "units.svg").read_text(encoding="utf-8")
    assert ">height<" in (run / "report.html").read_text(encoding="utf-8")
