"""Listing, showing, comparing, reporting and deleting runs, by every name a run has."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

TRAIN = ("train", "digits", "--epochs", "2", "--hidden", "8", "-q")


@pytest.fixture
def two(run_denpa, tmp_path: Path) -> list[str]:
    """Names of two runs in denpa-runs, the worse one first."""
    for rate in ("0.001", "0.2"):
        done = run_denpa(*TRAIN, "--lr", rate)
        assert done.returncode == 0, done.stderr
    return [json.loads(line)["id"] for line in run_denpa("runs", "--json").stdout.splitlines()]


def test_names_sorting_and_pages(run_denpa, two, tmp_path: Path) -> None:
    worse, better = two
    assert json.loads(run_denpa("show", "@last", "--json").stdout)["id"] == better
    assert json.loads(run_denpa("show", "@best", "--json").stdout)["id"] == better
    assert json.loads(run_denpa("show", worse.rpartition("_")[2], "--json").stdout)["config"]["learning_rate"] == 0.001
    listed = run_denpa("runs", "--sort", "valid_loss", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in listed] == [worse, better]
    assert len(run_denpa("runs", "--limit", "1", "--json").stdout.splitlines()) == 1
    assert "no runs" in run_denpa("runs", "--status", "failed").stdout
    assert "finished: 2 of 2 epochs" in run_denpa("show", worse).stdout
    told = run_denpa("compare", worse, better)
    assert "learning_rate" in told.stdout
    assert run_denpa("compare", worse, better, "-o", "page.html").returncode == 0
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert run_denpa("compare", worse).returncode == 2


def test_a_report_is_written_anew(run_denpa, two, tmp_path: Path) -> None:
    run = tmp_path / "denpa-runs" / two[0]
    first = (run / "report.html").read_text()
    (run / "report.html").unlink()
    assert run_denpa("report", two[0]).returncode == 0
    assert abs(len((run / "report.html").read_text()) - len(first)) < 0.02 * len(first)
    (run / "model.safetensors").write_bytes(b"")
    done = run_denpa("report", two[0])
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_deleting_asks_or_is_told(run_denpa, two, tmp_path: Path) -> None:
    done = run_denpa("rm", two[0])
    assert done.returncode == 2
    assert "--yes" in done.stderr
    (tmp_path / "denpa-runs" / two[1] / "mine.txt").write_text("x")
    done = run_denpa("rm", two[0], "@last", "--yes")
    assert "but for mine.txt" in done.stdout
    assert os.listdir(tmp_path / "denpa-runs" / two[1]) == ["mine.txt"]
    assert "no runs" in run_denpa("runs").stdout


def test_what_is_no_run(run_denpa, tmp_path: Path) -> None:
    for arguments in (["show", "nothing"], ["rm", "nothing", "--yes"], ["report", "nothing"]):
        done = run_denpa(*arguments)
        assert done.returncode == 3, arguments
        assert "no run folder" in done.stderr
    assert run_denpa("show", "@last").returncode == 2
    (tmp_path / "denpa-runs" / "bad").mkdir(parents=True)
    (tmp_path / "denpa-runs" / "bad" / "run.json").write_text("{")
    assert "damaged" in run_denpa("runs").stdout
    assert run_denpa("show", "bad").returncode == 3


def test_completion_of_verbs_options_and_runs(run_denpa, two) -> None:
    assert "_DENPA_COMPLETE" in run_denpa("completion", "bash").stdout
    assert run_denpa("completion", "tcsh").returncode == 2

    def complete(words: str, number: int) -> list[str]:
        asked = {"_DENPA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return run_denpa(env=asked).stdout.splitlines()

    assert "plain,compare" in complete("denpa comp", 1)
    assert "plain,--epochs" in complete("denpa train --ep", 2)
    assert "plain,@best" in complete("denpa show @", 2)
    assert f"plain,{two[0]}" in complete(f"denpa show {two[0][:6]}", 2)
