"""Which engine a run has: said, recorded with what its bits depend on, and its fallbacks named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train import worker

from denpa.engine import lower, plan  # noqa: F401  plan brings all rules
from denpa.errors import UsageError
from denpa.train import machine, training
from denpa.train.training import resume, train

pytest.importorskip("numba")


@pytest.mark.parametrize(
    ("asked", "line", "kept"),
    [
        ("auto", "engine: native (numba and llvmlite are installed)", "native"),
        ("native", "engine: native", "native"),
        ("native!", "engine: native", "native!"),
        ("eager", "engine: eager", "eager"),
    ],
)
def test_the_engine_is_said_and_recorded(tmp_path: Path, asked: str, line: str, kept: str) -> None:
    said: list[str] = []
    run = train(worker.settings(epochs=1, engine=asked), worker.dataset(), tmp_path / "run", say=said.append)
    assert said == [line]
    assert run.run.config.engine == kept
    assert ("compiler" in run.run.info["machine"]) == kept.startswith("native")
    assert run.fallbacks == ()


def test_auto_without_numba_is_eager_and_says_what_would_be_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("denpa.engine.installed", lambda name: False)
    said: list[str] = []
    train(worker.settings(epochs=1, engine="auto"), worker.dataset(), tmp_path / "run", say=said.append)
    assert said == ['engine: eager (faster: pip install "denpa[native]")']


def test_native_and_eager_draw_the_same_masks(tmp_path: Path) -> None:
    """Dropout 0.2, Adam, clipping and a schedule: three epochs apart by rounding only."""
    runs = [
        train(worker.settings(epochs=3, engine=name, dtype="float64"), worker.dataset(), tmp_path / name)
        for name in ("eager", "native!")
    ]
    a, b = (run.run.history[-1]["train_loss"] for run in runs)
    assert abs(a - b) <= 1e-9 * abs(a)


def test_a_fallback_is_said_and_kept_and_strict_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(lower.RULES, "uniform")
    said: list[str] = []
    run = train(worker.settings(epochs=1, engine="native"), worker.dataset(), tmp_path / "a", warn=said.append)
    assert any("uniform" in reason for reason in run.fallbacks)
    assert any(line.startswith("not run natively") and "uniform" in line for line in said)
    assert set(said) <= set(run.warnings)
    with pytest.raises(UsageError, match="kernels alone"):
        train(worker.settings(epochs=1, engine="native!"), worker.dataset(), tmp_path / "b")


def test_another_compiler_is_named_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = worker.dataset()
    train(worker.settings(epochs=1, engine="native"), data, tmp_path / "run")
    honest = machine.facts
    monkeypatch.setattr(training.machine, "facts", lambda engine: {**honest(engine), "compiler": "numba 99"})
    with pytest.raises(UsageError, match=r"compiler: numba .* then, numba 99 now"):
        resume(tmp_path / "run", data, epochs=2)
    said: list[str] = []
    chosen: list[str] = []
    assert resume(tmp_path / "run", data, epochs=2, anyway=True, warn=said.append, say=chosen.append).finished
    assert any("numba 99" in line for line in said)
    assert chosen == ["engine: native, as the run began"]
