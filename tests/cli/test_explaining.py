"""`denpa explain` as a user runs it: on a run's own rows, as text and page, and the step as a program."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import denpa as dp
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
        "train", "shop.csv", "--target", "sold", "--out", "run", "--hidden", "4,3", "--epochs", "2", "--lr", "0.05"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_one_weight_for_one_row(run_denpa, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run_denpa("explain", "run", "--weight", "W[1][2,1]", "--row", "7")
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    monkeypatch.chdir(tmp_path)
    data = sample(run, [7])
    wide = data.network.with_parameters({n: p.value.astype(float) for n, p in data.network.parameters().items()})
    gradient = dp.backward(wide.loss(data.x, data.t))[wide.parameters()["0.weight"]][1, 0]
    printed = re.search(r"backpropagation +(\S+)", told.stdout)
    assert printed
    assert float(printed[1]) == pytest.approx(gradient, rel=1e-13)
    assert "For row 7 alone: W₂₁⁽¹⁾" in told.stdout
    assert "η = 0.05" in told.stdout  # the run's own
    for language, words in (("en", "The chain rule"), ("ja", "連鎖律")):
        said = run_denpa("explain", "run", "--weight", "0.weight[1,0]", "--row", "7", "--lang", language)
        assert words in said.stdout


def test_a_batch_in_the_notation_of_seed_002_as_a_page(run_denpa, run: Path, tmp_path: Path) -> None:
    arguments = ("--row", "7", "--row", "9", "--row", "11", "--notation", "002", "--top", "3", "--lr", "0.5")
    told = run_denpa("explain", "run", "--weight", "W[2][2,1]", *arguments)
    assert told.returncode == 0, told.stderr
    assert "Over 3 samples: w₂₁²" in told.stdout
    assert "(row 11)" in told.stdout
    assert "η = 0.5" in told.stdout
    page = run_denpa("explain", "run", "--weight", "W[2][2,1]", *arguments, "-o", "why.html")
    assert (page.returncode, page.stdout.strip()) == (0, "why.html")
    html = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "<math" in html
    printed = run_denpa("explain", "run", "--weight", "b[3][1]", "--row", "0", "--notation", "002", "--format", "html")
    assert printed.stdout.lower().startswith("<!doctype html>")


def test_the_step_as_a_program(run_denpa, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run_denpa("explain", "run", "--row", "0", "--row", "5", "--loops", "step.py")
    assert (told.returncode, told.stdout.strip()) == (0, "step.py")
    done = subprocess.run(
        [sys.executable, "-I", "step.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    monkeypatch.chdir(tmp_path)
    data = sample(run, [0, 5])
    wide = data.network.with_parameters({n: p.value.astype(float) for n, p in data.network.parameters().items()})
    loss = wide.loss(data.x, data.t)
    assert float(done.stdout.splitlines()[0].removeprefix("loss = ")) == pytest.approx(float(loss.value), rel=1e-12)
    both = run_denpa("explain", "run", "--row", "0", "--weight", "W[1][1,1]", "--loops", "again.py")
    assert both.stderr.strip() == "again.py"
    assert "The paths" in both.stdout
    assert (tmp_path / "again.py").exists()


def test_what_is_wrong_is_one_message_and_an_exit_code(run_denpa, run: Path) -> None:
    row, weight = ("--row", "0"), ("--weight", "W[1][1,1]")
    for arguments, code, said in (
        (("run", *weight), 2, "--row"),
        (("run", *row), 2, "nothing to explain"),
        (("run", *row, "--weight", "W[9][1,1]"), 2, "no layer 9"),
        (("run", *row, "--weight", "W[1][9,1]"), 2, "no element W[1][9,1]"),
        (("run", *row, "--weight", "nothing[0]"), 2, "no value is called"),
        (("run", *weight, "--row", "60"), 2, "0 … 59"),
        (("run", *row, *weight, "--notation", "999"), 2, "unknown notation"),
        (("run", *row, *weight, "--lr", "-1"), 2, "learning rate"),
        (("run", *row, *weight, "--top", "-1"), 2, "number of paths"),
        (("nowhere", *row, *weight), 3, "no model file"),
        (("run", *row, "--loops", "no/such/folder/x.py"), 1, "no/such/folder"),
    ):
        told = run_denpa("explain", *arguments)
        assert told.returncode == code, (arguments, told.stderr)
        assert said in told.stderr
        assert "Traceback" not in told.stderr
        assert "click" not in told.stderr  # a line of our own machinery is no place to look for the mistake


def test_a_slice_along_the_training_and_along_two_weights(run_denpa, run: Path, tmp_path: Path) -> None:
    again = run_denpa("resume", "run", "--epochs", "4")  # three times or more make a path
    assert again.returncode == 0, again.stderr
    told = run_denpa("explain", "run", "--slice")
    assert (told.returncode, told.stderr) == (0, "")
    assert "first component" in told.stdout
    page = run_denpa("explain", "run", "--slice", "--row", "3", "--lang", "ja", "-o", "slice.html")
    assert (page.returncode, page.stderr) == (0, "")
    assert "第1主成分" in (tmp_path / "slice.html").read_text(encoding="utf-8")
    two = ("--along", "W[1][2,1]", "--along", "b[2][3]")
    for rows in ((), ("--row", "3", "--row", "4")):
        told = run_denpa("explain", "run", "--slice", *two, *rows)
        assert (told.returncode, told.stderr) == (0, "")
        assert "W[1][2,1]" in told.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--slice", "--weight", "W[1][1,1]", "--row", "0"),
        ("--along", "W[1][1,1]", "--along", "W[1][1,2]"),
        ("--slice", "--along", "W[1][1,1]"),
        ("--slice", "--along", "W[1][1,1]", "--along", "0.weight[0,0]"),
        ("--slice", "--along", "W[1][1,1]", "--along", "W[9][1,1]"),
        ("--weight", "W[1][1,1]"),
        (),
    ],
)
def test_slices_that_cannot_be(run_denpa, run: Path, wrong: tuple[str, ...]) -> None:
    told = run_denpa("explain", "run", *wrong)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
