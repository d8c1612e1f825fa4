"""The first use of the native engine on a machine shows what it does."""

from __future__ import annotations

import pytest

from denpa.cli import progress
from denpa.engine.native import build
from denpa.engine.native.build import Kernel
from denpa.train.loop import Progress


def at(epoch: int) -> Progress:
    row = {"epoch": epoch, "train_loss": 0.5}
    return Progress(epoch, 3, 1, 1, epoch, 0.5, None, 0.1, 1000.0, 0.0, row=row)


def test_kernels_are_counted_once_and_nothing_is_watched_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(build.watchers)
    with progress.shown() as show:
        for i in range(3):
            for watch in build.watchers:
                watch(Kernel("gather", (f"k{i}",)))
        show(at(1))
        show(at(2))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "compiling kernels for this machine, once …"
    assert lines[1].startswith("compiled 3 kernels in ")
    assert [line.split()[0] for line in lines[2:]] == ["epoch", "epoch"]
    assert build.watchers == before


def test_a_machine_that_has_them_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown() as show:
        show(at(1))
    assert "kernel" not in capsys.readouterr().out


def test_kernels_are_summed_up_when_the_run_stops_before_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with progress.shown():
            for watch in build.watchers:
                watch(Kernel("gather", ("float32",)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "compiled 1 kernels in" in capsys.readouterr().out
