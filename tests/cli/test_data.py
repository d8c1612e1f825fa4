"""`denpa data`, and training, predicting and resuming by what it decides, as a user runs them."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from denpa.data.schemafile import read_schema_file
from denpa.train.run import Run

HEADER = "顧客番号,年齢,職業,入会日,年収,郵便番号,備考,購入"


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """400 rows as a spreadsheet in Japan saves them: cp932, CRLF, empty cells, codes, dates, quotes, text target."""
    draw = random.Random(0)
    lines = [HEADER]
    for i in range(400):
        age, job = draw.randint(18, 75), draw.choice(["教師", "料理人", "看護師"])
        income = draw.gauss(400, 80) + (100 if job == "看護師" else 0)
        date = f"20{draw.randint(10, 23)}/{draw.randint(1, 12)}/{draw.randint(1, 28)}"
        bought = "はい" if (income > 430) != (age > 50) else "いいえ"
        cells = [100000 + 3 * i, age if i % 20 else "", job if i % 30 else "", date, f"{income:.1f}"]
        code = draw.choice(["0123456", "1500002"])
        lines.append(",".join(map(str, [*cells, code, f'"メモ, {i}"', bought])))
    path = tmp_path / "customers.csv"
    path.write_bytes("\r\n".join([*lines, ""]).encode("cp932"))
    return path


NEW = "郵便番号,職業,入会日,余分,年収,年齢\n0123456,看護師,2020-05-06,x,520,30\n9999999,画家,2021/7/8,x,300,\n"
TRAIN = ("--hidden", "20", "--optimizer", "adam", "--lr", "0.01", "--batch-size", "20", "--epochs", "40", "--quiet")


def test_a_real_table_from_the_profile_to_the_prediction(run_denpa, customers, tmp_path) -> None:
    refused = run_denpa("data", customers)
    assert refused.returncode == 3
    assert "--encoding cp932" in refused.stderr
    done = run_denpa("data", customers, "--encoding", "cp932", "--target", "購入", "-o", "schema.toml")
    assert done.returncode == 0, done.stderr
    kinds = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[2:10]}
    expected = ["id", "number", "category", "date", "number", "category", "id", "target"]
    assert kinds == dict(zip(HEADER.split(","), expected, strict=True))
    assert "divided by a comma, cp932, names in line 1" in done.stdout
    assert "'顧客番号' is left out" in done.stdout
    assert run_denpa("data", customers, "--encoding", "cp932", "-o", "schema.toml").returncode == 2  # not replaced

    done = run_denpa("train", customers, "--schema", "schema.toml", "--out", "run", *TRAIN)
    assert done.returncode == 0, done.stderr
    asked, kept = (read_schema_file(tmp_path / path) for path in ("schema.toml", "run/schema.toml"))
    assert kept.options() == asked.options()
    told = run_denpa("evaluate", "run", customers, "--encoding", "cp932", "--json")
    figures = json.loads(told.stdout)
    assert figures["accuracy"] > 0.85 > figures["baseline"]["accuracy"]

    (tmp_path / "new.csv").write_text(NEW, encoding="utf-8")
    predicted = run_denpa("predict", "run", "new.csv", "--proba")
    rows = list(csv.DictReader(predicted.stdout.splitlines()))
    assert [row["購入"] in ("はい", "いいえ") for row in rows] == [True, True]
    assert float(rows[0]["p(はい)"]) > 0.8
    assert "column '職業': 1 of 2 rows hold values that are none of the 3 known ones" in predicted.stderr
    assert "columns that the model does not use: '余分'" in predicted.stderr
    missing = run_denpa("predict", "run", customers.name, "--encoding", "utf-8")
    assert missing.returncode == 3

    (tmp_path / "schema.toml").unlink()  # the run has its own
    assert run_denpa("resume", "run", "--epochs", "41", "--quiet").returncode == 0
    assert run_denpa("trace", "run", "--row", "0").returncode == 0
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "購入" in report


def test_settings_of_a_table_survive_in_the_run(run_denpa, tmp_path) -> None:
    rows = [f"{i % 9 / 2};{i % 3};{'?' if i % 5 == 0 else i % 4};{i};{'pq'[i % 2]}" for i in range(60)]
    (tmp_path / "t.txt").write_text("\n".join(rows))
    options = ("--no-header", "--sep", ";", "--drop", "c4", "--type", "c2=category", "--na", "9", "--weight", "c1")
    done = run_denpa("train", "t.txt", "--target", "c5", *options, "--epochs", "2", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "note: column 'c3': '?' in 12 rows, taken as missing" in done.stdout
    config = Run(tmp_path / "run").config
    assert (config.drop, config.types, config.na, config.weight) == (("c4",), ("c2=category",), ("9",), "c1")
    assert (config.sep, config.header, config.schema) == (";", "no", None)
    kinds = dict(config.options(tmp_path / "run").kinds)
    assert kinds == {"c1": "weight", "c2": "category", "c3": "number", "c4": "drop", "c5": "target"}
    assert run_denpa("resume", "run", "--epochs", "3", "--quiet").returncode == 0


def test_what_is_said_goes_before_the_schema(run_denpa, tmp_path) -> None:
    rows = [f"{i % 5},{i % 4 / 2},{i % 2}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]))
    assert run_denpa("data", "t.csv", "--target", "y", "-o", "s.toml").returncode == 0
    options = ("--schema", "s.toml", "--target", "b", "--type", "a=category")
    facts = json.loads(run_denpa("data", "t.csv", *options, "--task", "regression", "--json").stdout)
    assert [column["kind"] for column in facts["columns"]] == ["category", "target", "number"]
    assert facts["task"] == "regression"


def test_json(run_denpa, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,job,y\n" + "".join(f"{i / 2},{'pq'[i % 2]},{i % 3 / 2}\n" for i in range(30)))
    facts = json.loads(run_denpa("data", "t.csv", "--target", "y", "--json").stdout)
    assert (facts["rows"], facts["task"]) == (30, "regression")
    assert [column["kind"] for column in facts["columns"]] == ["number", "category", "target"]
    assert facts["columns"][1]["values"] == ["p", "q"]
    assert facts["columns"][0]["mean"] == pytest.approx(7.25)
    assert json.loads(run_denpa("data", "t.csv", "--json").stdout)["task"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["data", "t.csv", "--type", "a=numbr"], 2, "did you mean number?"),
        (["data", "t.csv", "--type", "a"], 2, "COLUMN=kind"),
        (["data", "t.csv", "--drop", "aa"], 3, "no column 'aa'; did you mean 'a'?"),
        (["data", "t.csv", "--drop", "a", "--type", "a=number"], 2, "said to be drop, and also number"),
        (["data", "t.csv", "--sep", "ab"], 2, "this is no delimiter"),
        (["data", "t.csv", "--encoding", "klingon"], 2, "unknown encoding"),
        (["train", "t.csv", "--schema", "none.toml"], 2, "there is no such schema"),
        (["data", "none.csv"], 2, "no such file"),
        (["data", "digits"], 3, "only a table has a schema"),
    ],
)
def test_what_cannot_be_meant(arguments: list[str], code: int, words: str, run_denpa, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n2,3\n1,4\n")
    done = run_denpa(*arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_several_targets_with_commas_or_by_repeating(run_denpa, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,u,v\n" + "".join(f"{i},{i / 7},{-i / 3}\n" for i in range(40)))
    for given in (("--target", "u,v"), ("--target", "u", "--target", "v")):
        columns = json.loads(run_denpa("data", "t.csv", *given, "--json").stdout)["columns"]
        assert [c["name"] for c in columns if c["kind"] == "target"] == ["u", "v"]
