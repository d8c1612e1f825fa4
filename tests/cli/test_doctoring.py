"""`denpa doctor` as a user runs it, on runs that are healthy, ill, stopped by a NaN, or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa.errors import DataError, TrainingError
from denpa.train import loop
from denpa.train.doctor import doctor_run
from denpa.train.loop import Loop
from denpa.train.run import Run
from denpa.train.training import train


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3)).round(4)
    classes = np.where(rows[:, 0] + rows[:, 1] ** 2 > 0.5, "yes", "no")
    path = tmp_path / "shop.csv"
    cells = "".join(f"{a},{b},{c},{k}\n" for (a, b, c), k in zip(rows.tolist(), classes, strict=True))
    path.write_text("a,b,c,sold\n" + cells, encoding="utf-8")
    return path


SMALL = ("--target", "sold", "--hidden", "16", "--batch-size", "20", "--engine", "eager", "--quiet")


def test_a_healthy_run(run_denpa: Any, table: Path, tmp_path: Path) -> None:
    assert run_denpa("train", table, *SMALL, "--epochs", "8", "--out", "good").returncode == 0
    done = run_denpa("doctor", "good")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing conspicuous" in done.stdout
    facts = json.loads(run_denpa("doctor", "good", "--json").stdout)
    assert facts["healthy"] is True
    assert 300 < facts["rows"] < 340  # about a fifth of the 400 is kept out
    assert len(facts["layers"]) == 2
    for name, wanted in (("page.html", "Nothing conspicuous"), ("page.tex", r"\end{document}"), ("page.txt", "δ")):
        assert run_denpa("doctor", "good", "-o", name).stdout.strip() == name
        assert wanted in (tmp_path / name).read_text(encoding="utf-8")
    run_denpa("doctor", "good", "-o", "facts.json")
    assert json.loads((tmp_path / "facts.json").read_text(encoding="utf-8")) == facts
    assert "目立った問題" in run_denpa("doctor", "good", "--format", "latex", "--lang", "ja").stdout
    report = (tmp_path / "good" / "report.html").read_text(encoding="utf-8")
    assert 'id="doctor"' in report
    assert "Nothing conspicuous" in report


def test_a_run_with_findings_exits_0(run_denpa: Any, table: Path, tmp_path: Path) -> None:
    assert run_denpa("train", table, *SMALL, "--epochs", "8", "--lr", "1e-5", "--out", "slow").returncode == 0
    done = run_denpa("doctor", "slow", "--lang", "ja")
    assert (done.returncode, done.stderr) == (0, "")
    assert "学習率が低すぎる" in done.stdout
    facts = json.loads(run_denpa("doctor", "slow", "--json").stdout)
    assert facts["healthy"] is False
    assert "learning_rate_low" in [f["key"] for f in facts["findings"]]
    assert all(f[part][lang] for f in facts["findings"] for part in ("measured", "means", "advice") for lang in f[part])
    assert "learning rate too low" in (tmp_path / "slow" / "report.html").read_text(encoding="utf-8")


def test_no_run_and_changed_data(run_denpa: Any, table: Path) -> None:
    missing = run_denpa("doctor", "nowhere")
    assert missing.returncode == 3
    assert "no run folder" in missing.stderr
    assert run_denpa("train", table, *SMALL, "--epochs", "1", "--out", "run").returncode == 0
    table.write_text(table.read_text(encoding="utf-8") + "1,2,3,yes\n", encoding="utf-8")
    changed = run_denpa("doctor", "run")
    assert changed.returncode == 3
    assert "changed" in changed.stderr
    assert "Traceback" not in changed.stderr


def test_a_run_that_a_nan_ended_is_examined_at_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Loop._advance

    def advance(self: Any) -> None:
        if self.at.step >= 25:
            x = self.feed.data["x"].copy()
            x[self.feed.order(1)[40:400], 3] = np.nan
            self.feed.data = {**self.feed.data, "x": x}
        honest(self)

    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    monkeypatch.setattr(Loop, "_advance", advance)
    config = worker.settings(epochs=5, engine="eager")
    with pytest.raises(TrainingError):
        train(config, worker.dataset(), tmp_path / "run")
    first = doctor_run(tmp_path / "run", worker.dataset()).findings[0]
    assert first.key == "not_finite"
    assert "an input became NaN" in str(first.measured)
    assert "row" in str(first.measured)
    assert "batch" in str(first.measured)
    Run(tmp_path / "run").update(error="the metrics could not be saved\n  got: no space left")
    assert doctor_run(tmp_path / "run", worker.dataset()).findings[0].key == "failed"


def test_other_data_are_refused(tmp_path: Path) -> None:
    train(worker.settings(epochs=1, engine="eager"), worker.dataset(), tmp_path / "run")
    with pytest.raises(DataError):
        doctor_run(tmp_path / "run", worker.dataset(rows=300))


def test_a_training_says_what_ails_it_while_it_goes_on(run_denpa: Any, table: Path, tmp_path: Path) -> None:
    options = ("--target", "sold", "--init", "constant:0.1", "--epochs", "3", "--engine", "eager")
    spoken = run_denpa("train", table, *options, "--out", "ill")
    assert spoken.returncode == 0, spoken.stderr
    lines = spoken.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("doctor, epoch 1: identical units: "))
    assert lines[at - 1].startswith("epoch 1/3")
    assert spoken.stdout.count("identical units") == 1
    quiet = run_denpa("train", table, *options, "--out", "quiet", "--quiet")
    assert "identical units" not in quiet.stdout
    assert quiet.stderr.startswith("doctor, epoch 1: identical units: ")
    silent = run_denpa("train", table, *options, "--out", "silent", "--no-doctor")
    assert "doctor" not in silent.stdout + silent.stderr
    assert (tmp_path / "ill" / "metrics.jsonl").read_bytes() == (tmp_path / "silent" / "metrics.jsonl").read_bytes()
    report = (tmp_path / "ill" / "report.html").read_text(encoding="utf-8")
    assert "Found during the training" in report
    assert "学習中の所見" in report
    assert "Found during the training" in run_denpa("doctor", "ill").stdout
    assert "Found during the training" not in run_denpa("doctor", "silent").stdout
    assert "--no-doctor" in (tmp_path / "silent" / "report.html").read_text(encoding="utf-8")
