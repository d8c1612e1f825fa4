"""A run on one page, and runs side by side: what differs is there, and what does not compare is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from denpa.draw.text import lines
from denpa.errors import UsageError
from denpa.explain.document import Table, Text, walk
from denpa.train.config import Config
from denpa.train.overview import changed, comparison, facts, overview
from denpa.train.run import Run, create, locked


def make(
    root: Path, name: str, losses: tuple[float, ...], sha256: str = "d", status: str = "finished", **settings: Any
):
    path = root / name
    path.mkdir()
    data = {"source": "some.csv", "sha256": sha256, "rows": 10}
    run = create(path, Config(**settings).resolved(), data=data, command="denpa train some.csv")
    rows = [{"epoch": i, "step": i, "train_loss": v, "valid_loss": 2 * v} for i, v in enumerate(losses, 1)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run.update(status=status, seconds=2.0, evaluation={"on": "valid", "rows": 3, "accuracy": 0.75})
    return run


def text(document: Any) -> str:
    return "\n".join(lines(document))


def test_the_page_of_a_run(tmp_path: Path) -> None:
    run = make(tmp_path, "a", (3.0, 2.0, 1.5), learning_rate=0.25, epochs=3)
    page = text(overview(run))
    assert "finished: 3 of 3 epochs, 2 s" in page
    assert "denpa train some.csv" in page
    assert "0.25" in page
    assert "75.00 %" in page
    assert f"denpa resume {tmp_path / 'a'} --epochs 13" in page
    assert set(changed(run.config)) == {"source", "learning_rate", "epochs"}
    assert facts(run)["epochs"][2]["valid_loss"] == 3.0
    json.dumps(facts(run), allow_nan=False)


def test_a_page_without_epochs_and_one_of_a_failure(tmp_path: Path) -> None:
    run = make(tmp_path, "a", (), status="failed")
    run.update(error="the loss is inf\n  where: step 3", warnings=["x is constant"])
    page = text(overview(Run(run.path)))
    assert "No epoch has ended." in page
    assert "the loss is inf" in page
    assert "x is constant" in page
    assert f"denpa resume {run.path}" in page


def test_a_killed_run_says_so_and_a_held_one_runs(tmp_path: Path) -> None:
    run = make(tmp_path, "a", (1.0,), status="running")
    assert "killed: 1 of" in text(overview(run))
    with locked(run.path):
        assert facts(run)["status"] == "running"


def test_long_histories_show_their_end(tmp_path: Path) -> None:
    document = overview(make(tmp_path, "a", tuple(1 / n for n in range(1, 31))))
    (table,) = [t for t in walk(document) if isinstance(t, Table) and t.headings[0] == "epoch"]
    assert [row[0].value for row in table.rows] == list(range(21, 31))


def test_a_comparison_names_what_differs(tmp_path: Path) -> None:
    a = make(tmp_path, "2026_x_aa", (3.0, 1.0), learning_rate=0.1)
    b = make(tmp_path, "2026_x_bb", (3.0, 2.0), learning_rate=0.3, hidden=(8, 4))
    document = comparison([a, b])
    tables = [t for t in walk(document) if isinstance(t, Table)]
    differences, results = sorted(tables, key=lambda t: t.headings[0] == "")
    assert results.headings[1:] == ("aa", "bb")
    assert ("lowest valid loss", 2.0, 4.0) in results.rows
    assert {row[0]: row[1:] for row in differences.rows} == {"learning_rate": ("0.1", "0.3"), "hidden": ("50", "8,4")}
    assert not [t for t in walk(document) if isinstance(t, Text) and t.kind == "warning"]


def test_runs_on_other_data_do_not_compare(tmp_path: Path) -> None:
    page = text(comparison([make(tmp_path, "a", (1.0,)), make(tmp_path, "b", (1.0,), sha256="e")]))
    assert "different data" in page
    assert "All settings are equal." in page


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        comparison([make(tmp_path, "a", (1.0,))])
