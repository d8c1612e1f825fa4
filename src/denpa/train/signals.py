"""Ctrl-C and SIGTERM as a question the loop asks between batches; a second Ctrl-C ends the process at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_on_signals(came: list[int] | None = None) -> Iterator[Callable[[], bool]]:
    """Gives `should_stop`: true once a stop signal has come.  The second one does what it did before this block.

    `came`, if given, takes the numbers of the signals that came.  Outside the main thread signals cannot be caught, and
    `should_stop` stays false.
    """
    came = [] if came is None else came
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for known, handler in before.items():
            signal.signal(known, handler if handler is not None else signal.SIG_DFL)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # under nohup SIGHUP is ignored, and must stay so
            signal.signal(number, handle)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
