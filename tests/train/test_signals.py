"""Ctrl-C and SIGTERM: the batch is finished, all is saved, and a resume has the bits of a run never stopped."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.train import worker

from denpa.train import checkpoint, loop
from denpa.train.signals import STOP_SIGNALS, stop_on_signals
from denpa.train.training import resume, train


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_stops_between_batches(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CALL_SECONDS", 0.0)
    before = signal.getsignal(number)
    config, data = worker.settings(epochs=4), worker.dataset()
    with stop_on_signals() as should_stop:
        done = train(
            config,
            data,
            tmp_path / "run",
            should_stop=should_stop,
            on_progress=lambda at: os.kill(os.getpid(), number) if at.step == 7 else None,
        )
    assert signal.getsignal(number) is before
    assert done.run.status == "stopped"
    assert done.run.model_path.exists()
    resume(tmp_path / "run", data)
    train(config, data, tmp_path / "whole" / "run")
    assert worker.bits(tmp_path / "run") == worker.bits(tmp_path / "whole" / "run")


def test_the_second_ctrl_c_ends_at_once() -> None:
    with stop_on_signals() as should_stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert should_stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_was_ignored_stays_so() -> None:
    """nohup: the terminal goes, the run stays."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as should_stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not should_stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_is_caught() -> None:
    answers: list[bool] = []

    def inside() -> None:
        with stop_on_signals() as should_stop:
            answers.append(should_stop())

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert answers == [False]


def test_a_stop_is_heard_between_the_batches_of_an_evaluation(tmp_path: Path) -> None:
    """At the end of an epoch too: the epoch is finished after the resume, with the bits of a run never stopped."""
    data, config = worker.dataset(3000), worker.settings(epochs=2, valid=0.8, checkpoint_seconds=1e9)
    train(config, data, tmp_path / "whole" / "run")
    places: list[tuple[int, int]] = []
    for calls in range(200):
        left = iter(range(calls))
        folder = tmp_path / str(calls) / "run"
        done = train(config, data, folder, should_stop=lambda left=left: next(left, None) is None)  # type: ignore[misc]
        if done.finished:
            break
        found = checkpoint.latest(folder, lambda _: None)
        assert found is not None
        places.append((found.epoch, found.batch))
        resume(folder, data)
        assert worker.bits(folder) == worker.bits(tmp_path / "whole" / "run")
    else:
        raise AssertionError("the run was asked very often")
    last = max(batch for _, batch in places)
    assert places.count((1, last)) >= 5, "asked before each of 3 batches of the evaluation, and of 8 that are measured"


def test_a_stop_is_heard_while_kernels_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first use on a machine compiles for many seconds: no more than the kernel that is begun is waited for."""
    pytest.importorskip("llvmlite")
    from denpa.engine.native import build

    monkeypatch.setenv("DENPA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_addresses", {})
    seen: list[build.Kernel] = []
    monkeypatch.setattr(build, "watchers", [seen.append])
    config, data = worker.settings(engine="native!", epochs=1), worker.dataset()
    done = train(config, data, tmp_path / "run", should_stop=lambda: len(seen) == 3)
    assert done.run.status == "stopped"
    assert len(seen) == 3
    assert checkpoint.latest(tmp_path / "run", pytest.fail) is not None
    assert resume(tmp_path / "run", data).finished
    assert build.watchers == [seen.append]
