"""`denpa cv` as a user runs it."""

from __future__ import annotations

import json
import math

import pytest

from denpa.cli.crossing import facts, line, table
from denpa.data import read
from denpa.train import Config, CrossValidation, cross_validate

FAST = ("--epochs", "2", "--optimizer", "adam", "--batch-size", "32", "--hidden", "8")


@pytest.fixture(scope="module")
def found() -> CrossValidation:
    return cross_validate(
        Config(epochs=2, optimizer="adam", batch_size=32, hidden=(8,), engine="eager"), read("digits"), 3
    )


def test_folds_then_a_table(run_denpa) -> None:
    done = run_denpa("cv", "digits", "--folds", "3", *FAST)
    assert done.returncode == 0, done.stderr
    assert "fold 3/3: 1,198 + 599 rows, accuracy" in done.stdout
    assert "always guessing the most frequent class" in done.stdout or "baseline" in done.stdout
    assert "3 folds of 1,797 rows by row, seed 0" in done.stdout
    quiet = run_denpa("cv", "digits", "--folds", "3", "-q", *FAST)
    assert "fold 1/3" not in quiet.stdout
    assert quiet.stdout in done.stdout or "3 folds of" in quiet.stdout


def test_json_is_one_object(run_denpa) -> None:
    done = run_denpa("cv", "digits", "--folds", "2", "--repeats", "2", "--json", *FAST)
    told = json.loads(done.stdout)
    assert told["seeds"] == [0, 1]
    assert [(f["repeat"], f["fold"]) for f in told["folds"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert told["summary"]["accuracy"]["mean"] == pytest.approx(sum(f["accuracy"] for f in told["folds"]) / 4)
    assert told["summary"]["loss"]["baseline"] is None


def test_what_cannot_be_is_one_message(run_denpa) -> None:
    for arguments in (("digits", "--folds", "1"), ("digits", "--split", "group"), ("nowhere.csv",)):
        done = run_denpa("cv", *arguments)
        assert done.returncode in (2, 3)
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr


def test_lines_rows_and_facts_agree(found: CrossValidation) -> None:
    mean, _, baseline = found.summary()["accuracy"]
    rows = {str(row[0]): row for row in table(found).rows}
    accuracy = next(row for name, row in rows.items() if "accuracy" in name and "balanced" not in name)
    assert accuracy[1] == f"{100 * mean:.2f} %"
    assert accuracy[3] == f"{100 * baseline:.2f} %"
    assert all(row[3] == "–" for name, row in rows.items() if "Brier" in name)
    assert line(found.folds[0], 3, 1).startswith("fold 1/3: ")
    assert line(found.folds[0], 3, 2).startswith("repeat 1, fold 1/3: ")
    text = json.dumps(facts(found), allow_nan=False)
    assert not any(isinstance(v, float) and math.isnan(v) for v in json.loads(text)["folds"][0].values())
