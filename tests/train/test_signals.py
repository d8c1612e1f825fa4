"""Ctrl-C and SIGTERM: the batch is finished, all is saved, and a resume has the bits of a run never stopped."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.train import worker

from denpa.train import loop
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
