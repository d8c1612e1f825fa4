"""The verbs as a user runs them: what is printed, what is written, and the exit code."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from denpa.train.model_file import load_model
from denpa.train.run import Run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """300 rows whose class is a function of the columns, so that a network can learn it."""
    rng = np.random.default_rng(0)
    path = tmp_path / "shop.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "height", "sold"])
        for a, b in rng.normal(size=(300, 2)).round(4):
            writer.writerow([a, b, "yes" if a + b * b > 0.5 else "no"])
    return path


SMALL = ("--hidden", "16", "--batch-size", "16", "--epochs", "15", "--lr", "0.2")


def test_train_evaluate_and_predict_on_a_table(run_denpa, table, tmp_path) -> None:
    done = run_denpa("train", table, "--target", "sold", "--out", "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "300 rows of 2 columns" in done.stdout
    assert "classification: 'sold' holds text" in done.stdout
    assert done.stdout.count("\nepoch ") == 15
    assert "\nbest epoch" in done.stdout
    assert "always guessing the most frequent class" in done.stdout
    assert done.stderr == ""
    run = tmp_path / "run"
    assert "report: run/report.html" in done.stdout
    assert {"config.toml", "run.json", "metrics.jsonl", "model.safetensors", "report.html"} <= set(os.listdir(run))

    told = run_denpa("evaluate", "run", table, "--json")
    figures = json.loads(told.stdout)
    assert figures["rows"] == 300
    assert figures["accuracy"] > 0.85 > figures["baseline"]["accuracy"]
    assert np.sum(figures["confusion"]) == 300

    swapped = tmp_path / "new.csv"  # other order, no target, a column the model does not know
    swapped.write_text("height,colour,width\n0,red,3\n0,blue,-3\n")
    predicted = run_denpa("predict", "run", swapped, "--proba")
    rows = list(csv.DictReader(predicted.stdout.splitlines()))
    assert [r["sold"] for r in rows] == ["yes", "no"]
    assert [float(r["p(no)"]) + float(r["p(yes)"]) for r in rows] == pytest.approx([1, 1], abs=1e-5)
    assert load_model(run).predict(np.array([[3.0, 0.0]])).tolist() == ["yes"]

    saved = run_denpa("predict", "run/model.safetensors", table, "-o", "out.csv")
    assert "300 predictions in out.csv" in saved.stdout
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 301


def test_regression_predicts_in_the_targets_own_unit(run_denpa, tmp_path) -> None:
    x = np.linspace(-1, 1, 200)
    lines = ["x,price", *(f"{v:.5f},{1000 + 500 * v:.4f}" for v in x)]
    (tmp_path / "prices.csv").write_text("\n".join(lines))
    options = (
        "--target",
        "price",
        "--out",
        "r",
        "--epochs",
        "40",
        "--hidden",
        "8",
        "--batch-size",
        "10",
        "--lr",
        "0.05",
    )
    done = run_denpa("train", "prices.csv", *options)
    assert "regression" in done.stdout
    assert "root mean squared error" in done.stdout
    (tmp_path / "q.csv").write_text("x\n-1\n0\n1\n")
    values = [float(v) for v in run_denpa("predict", "r", "q.csv").stdout.split()[1:]]
    assert values == pytest.approx([500, 1000, 1500], abs=60)
    assert run_denpa("predict", "r", "q.csv", "--proba").returncode == 2


def test_runs_lists_what_is_there(run_denpa, table) -> None:
    assert "no runs in denpa-runs" in run_denpa("runs").stdout
    run_denpa("train", table, "--target", "sold", "--epochs", "1", "-q")
    listed = run_denpa("runs").stdout.splitlines()
    assert len(listed) == 3
    assert "finished" in listed[2]
    assert "shop.csv" in listed[2]
    (fact,) = [json.loads(line) for line in run_denpa("runs", "--json").stdout.splitlines()]
    assert fact["epoch"] == fact["epochs"] == 1
    assert fact["evaluation"]["on"] == "valid"


def test_quiet_prints_the_result_only(run_denpa, table) -> None:
    done = run_denpa("train", table, "--target", "sold", "--out", "run", "--epochs", "2", "-q")
    assert "\nepoch" not in "\n" + done.stdout
    assert "validation accuracy" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_saves_and_resume_gives_the_bits_of_an_uninterrupted_run(run_denpa, table, tmp_path, number):
    options = ["--target", "sold", "--hidden", "16", "--batch-size", "1", "--epochs", "60", "--seed", "3"]
    denpa = str(Path(sys.executable).with_name("denpa"))
    command = [denpa, "train", str(table), "--out", "stopped", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143), errors
    assert "continue with: denpa resume stopped" in rest
    assert Run(tmp_path / "stopped").status == "stopped"
    resumed = run_denpa("resume", "stopped", "-q")
    assert resumed.returncode == 0, resumed.stderr
    whole = run_denpa("train", table, "--out", "whole", *options, "-q")
    assert whole.returncode == 0, whole.stderr
    for name in ("metrics.jsonl",):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for name, p in load_model(tmp_path / "stopped").network.parameters().items():
        assert np.array_equal(p.value, load_model(tmp_path / "whole").network.parameters()[name].value)
    again = run_denpa("resume", "stopped")
    assert again.returncode == 2
    assert "the run is finished" in again.stderr


def test_a_second_process_on_one_run_is_told_who_holds_it(run_denpa, table, tmp_path) -> None:
    denpa = str(Path(sys.executable).with_name("denpa"))
    options = ["--target", "sold", "--batch-size", "1", "--epochs", "100000"]
    command = [denpa, "train", str(table), "--out", "run", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "run" / "checkpoints").is_dir() or not os.listdir(tmp_path / "run" / "checkpoints"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            second = run_denpa("resume", "run")
        finally:
            process.kill()
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr
    assert "killed" in run_denpa("runs", ".").stdout


BAD = {
    "missing file": (None, ["train", "f"], 2, "no such file"),
    "wrong target": ("a,y\n1,0\n2,1\n", ["train", "f", "--target", "z"], 3, "no column 'z'"),
    "ragged": ("a,b,y\n1,2,0\n3,4\n", ["train", "f", "--target", "y"], 3, "line 3"),
    "text in a number column": ("a,y\n" + "1,0\n2,1\n" * 4 + "x,1\n", ["train", "f", "--target", "y"], 3, "column 'a'"),
    "infinity": ("a,y\n1,0\ninf,1\n", ["train", "f", "--target", "y"], 3, "NaN or infinite"),
    "one class": ("a,y\n1,k\n2,k\n", ["train", "f", "--target", "y"], 3, "1 class"),
    "empty": ("", ["train", "f", "--target", "y"], 3, "empty"),
    "header only": ("a,y\n", ["train", "f", "--target", "y"], 3, "no rows"),
    "unknown optimiser": ("a,y\n1,0\n2,1\n", ["train", "f", "--optimizer", "sdg"], 2, "'sgd'"),
    "negative rate": ("a,y\n1,0\n2,1\n", ["train", "f", "--lr", "-1"], 2, "learning_rate"),
    "no number": ("a,y\n1,0\n2,1\n", ["train", "f", "--epochs", "many"], 2, "--epochs"),
    "unknown command": (None, ["trian", "f"], 2, "Did you mean 'train'"),
    "no run": (None, ["resume", "nowhere"], 3, "no run folder"),
    "no model": (None, ["predict", "nowhere", "f"], 3, "no model file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_message_an_exit_code_and_nothing_written(run_denpa, tmp_path, case) -> None:
    text, arguments, code, words = BAD[case]
    if text is not None:
        (tmp_path / "f").write_text(text)
    before = sorted(os.listdir(tmp_path))
    done = run_denpa(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert sorted(os.listdir(tmp_path)) == before


def test_divergence_names_step_and_place_and_keeps_the_last_good_checkpoint(run_denpa, table, tmp_path) -> None:
    done = run_denpa("train", table, "--target", "sold", "--out", "run", "--lr", "1e9", "--hidden", "8,8")
    assert done.returncode == 1
    assert "became" in done.stderr
    assert "step" in done.stderr
    assert "--lr" in done.stderr
    assert "Traceback" not in done.stderr
    assert Run(tmp_path / "run").status == "failed"
    assert os.listdir(tmp_path / "run" / "checkpoints")


def test_a_damaged_model_is_refused(run_denpa, table, tmp_path) -> None:
    run_denpa("train", table, "--target", "sold", "--out", "run", "--epochs", "1", "-q")
    model = tmp_path / "run" / "model.safetensors"
    whole = model.read_bytes()
    for damaged in (whole[:100], whole[:-4], b"", b"\xff" * 64, gzip.compress(whole)):
        model.write_bytes(damaged)
        done = run_denpa("predict", "run", table)
        assert done.returncode == 3, done.stderr
        assert "model.safetensors" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_fault(table, tmp_path) -> None:
    denpa = Path(sys.executable).with_name("denpa")
    line = f"'{denpa}' train '{table}' --target sold --out run --epochs 3 | head -1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith(str(table))
    assert "fault in denpa" not in done.stderr
    assert "Traceback" not in done.stderr


def test_cells_that_a_spreadsheet_would_run_are_quoted(run_denpa, tmp_path) -> None:
    lines = ["a,y", *(f"{i},{'=1+1' if i % 2 else '-5'}" for i in range(40))]
    (tmp_path / "f.csv").write_text("\n".join(lines))
    run_denpa("train", "f.csv", "--target", "y", "--task", "classification", "--out", "r", "--epochs", "1", "-q")
    cells = set(run_denpa("predict", "r", "f.csv").stdout.split()[1:])
    assert cells <= {"'=1+1", "-5"}


def test_help_of_every_verb(run_denpa) -> None:
    from denpa.cli import VERBS

    shown = run_denpa("--help").stdout
    for verb in VERBS:
        assert verb in shown
        assert run_denpa(verb, "--help").returncode == 0
