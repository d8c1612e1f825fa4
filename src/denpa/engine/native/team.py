"""Threads that help the driver: Python threads that stay in machine code, without the interpreter's lock.

They sleep between calls.  A process that was forked starts new ones; a thread that comes late finds the work done.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from denpa.engine.native.build import Kernel, address

_HELP = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
QUIT = 200  # place of the flag in the arena's header, in bytes


@cache
def give_way() -> int:
    """The address of a function without arguments that lets other threads of the machine run."""
    library = ctypes.CDLL(None) if os.name == "posix" else ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    function = library.sched_yield if os.name == "posix" else library.SwitchToThread
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class _Team:
    """The helpers of this process, shared by all programs; one call at a time has them, others run alone."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.size = 0

    def grow(self, size: int) -> None:
        while self.size < size:
            threading.Thread(target=self._serve, name=f"denpa-{self.size}", daemon=True).start()
            self.size += 1

    def _serve(self) -> None:
        while True:
            self.work.get()()


_team = _Team()


def help_while(drive: Callable[[int], int], arena: Any, constants: Any, threads: int) -> int:
    """drive(number of threads) with so many in it; alone when the helpers are busy with another call."""
    global _team  # noqa: PLW0603  a forked child has no helpers, and the parent's lock may be held for ever
    if _team.pid != os.getpid():
        _team = _Team()
    team = _team
    if threads < 2 or not team.lock.acquire(blocking=False):
        return drive(1)
    try:
        team.grow(threads - 1)
        quit_flag = arena[QUIT : QUIT + 8].view("int64")
        quit_flag[0] = 0
        helper = _HELP(address(Kernel("help")))
        gone = threading.Semaphore(0)

        def help_once() -> None:
            try:
                helper(arena.ctypes.data, constants.ctypes.data, give_way())
            finally:
                gone.release()

        for _ in range(threads - 1):
            team.work.put(help_once)
        try:
            return drive(threads)
        finally:
            quit_flag[0] = 1
            for _ in range(threads - 1):
                gone.acquire()
    finally:
        team.lock.release()
