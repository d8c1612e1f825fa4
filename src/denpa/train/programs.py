"""Compiled programs that outlive a training: planning a small step takes longer than a hundred of its runs.

A program is in use by one training at a time: it is taken out, and put back when the training has ended.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from denpa.engine import Engine, Program, Step

BYTES = 1 << 25  # of the arenas of all programs that are kept
_kept: OrderedDict[tuple[Any, ...], Program] = OrderedDict()  # the oldest first
_lock = threading.Lock()


class Kept:
    """Gives the programs of one training.  kind: what all of them depend on, beside their own keys."""

    def __init__(self, engine: Engine, kind: tuple[Any, ...]) -> None:
        self._engine, self._kind = engine, kind
        self._used: list[tuple[tuple[Any, ...], Program]] = []

    def __call__(self, key: tuple[Any, ...], make: Callable[[], Step]) -> Program:
        key = (*self._kind, *key)
        with _lock:
            program = _kept.pop(key, None)
        if program is None:
            program = self._engine.compile(make())
        self._used.append((key, program))
        return program

    def release(self) -> None:
        """Put them back for others."""
        with _lock:
            for key, program in self._used:
                if 0 < _bytes(program) <= BYTES:
                    _kept[key] = program
                    _kept.move_to_end(key)
            while sum(map(_bytes, _kept.values())) > BYTES:
                _kept.popitem(last=False)
        self._used = []


def _bytes(program: Program) -> int:
    """The memory of a program with a plan, 0 of one that is interpreted: that is made in no time."""
    plan = getattr(program, "plan", None)
    return 0 if plan is None else int(plan.bytes)
