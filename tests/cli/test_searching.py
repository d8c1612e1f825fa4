"""`denpa lr-find` and `denpa tune` as a user runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FAST = ("--hidden", "8", "--batch-size", "64", "--engine", "eager", "--threads", "1")


def test_a_learning_rate_is_suggested_or_not(run_denpa, tmp_path: Path) -> None:
    told = run_denpa("lr-find", "digits", *FAST)
    assert told.returncode == 0, told.stderr
    assert "Suggested: --lr" in told.stdout
    facts = json.loads(run_denpa("lr-find", "digits", *FAST, "--json").stdout)
    assert facts["rates"][0] == pytest.approx(1e-6)
    assert 1e-3 < facts["suggestion"] < 10
    none = run_denpa("lr-find", "digits", *FAST, "--high", "1e-5", "--lang", "ja", "-o", "curve.html")
    assert none.returncode == 0
    assert "提案なし" in (tmp_path / "curve.html").read_text()
    assert run_denpa("lr-find", "digits", "--low", "2", "--high", "1").returncode == 2


def test_a_search_and_its_continuation(run_denpa, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    search = ("tune", "digits", *FAST, "--epochs", "2", "--search", "lr=0.01..1:log", "--out", "found")
    done = run_denpa(*search, "--trials", "3")
    assert done.returncode == 0, done.stderr
    assert "search: learning_rate=0.01..1:log" in done.stdout
    assert "best: loss" in done.stdout
    assert (tmp_path / "found" / "search.html").exists()
    facts = json.loads(run_denpa(*search, "--trials", "4", "--json").stdout)
    assert len(facts["trials"]) == 4
    assert facts["best"]["run"].startswith("trial_")
    assert "trial_0003" in run_denpa("runs", "found").stdout
    other = run_denpa(*search, "--trials", "5", "--valid", "0.3")
    assert other.returncode == 2
    assert "its valid differ" in other.stderr
    assert run_denpa("tune", "digits", "--search", "epochs=1..3").returncode == 2


def test_a_stopped_search_says_how_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    denpa = str(Path(sys.executable).with_name("denpa"))
    command = [denpa, "tune", "digits", *FAST, "--epochs", "3000", "--trials", "50", "--out", "found"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("found/trial_0000/metrics.jsonl")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continue with the same command and --out found" in told
    assert "Traceback" not in told
