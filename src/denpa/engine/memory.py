"""Where each value lies in the arena, and in which order the tasks run.

State and constants lie first and are never reused; what the caller reads is never freed; everything else shares memory
with what is dead.  A new parameter takes the old one's place when nobody needs the old one any more.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from denpa.engine.fuse import Dependencies
from denpa.engine.values import Task, Value, View, full

ALIGN = 64  # bytes: a cache line, and the widest vector
HEADER = 256  # bytes at the start of the arena: the step's number, the stop flag, and what threads agree by


@dataclass
class Layout:
    """tasks in order; places: value → the value whose memory it takes; copies: (carried value, state) at the end."""

    tasks: list[Task]
    places: dict[Value, Value]
    copies: list[tuple[View, View]]
    size: int = HEADER


def arrange(tasks: Sequence[Task], carry: Sequence[tuple[Value, View]]) -> Layout:
    """An order in which carried values replace old ones in place, as many as can.  carry: (state, its next value)."""
    graph = Dependencies(tasks)
    readers: dict[Value, list[Task]] = {}
    writers: dict[Value, list[Task]] = {}
    for task in graph.tasks:
        for view in task.reads:
            readers.setdefault(view.value, []).append(task)
        for view in task.writes:
            writers.setdefault(view.value, []).append(task)
    places: dict[Value, Value] = {}
    copies: list[tuple[View, View]] = []
    for old, new in carry:
        writer = writers.get(new.value, [])
        if (
            new.value.kind == "temporary" and new.whole and new.value not in places and len(writer) == 1
            and new.strides == old.strides and _replaces(writer[0], old, new)
            and _wait(graph, readers.get(old, ()), writer[0])
        ):  # fmt: skip
            places[new.value] = old
        else:
            copies.append((new, full(old)))
    return Layout(graph.order(), places, copies)


def _replaces(writer: Task, old: Value, new: View) -> bool:
    """May the task write where it reads?  Loops that read just the element they write, and GEMM with β."""
    views = [v for v in writer.reads if v.value is old]
    if writer.kind == "matmul":
        return writer.info["base"] is not None and views == [writer.info["base"]] and writer.info["base"].whole
    if writer.kind != "loop":
        return not views
    stores = dict(zip(writer.writes, writer.info["stores"], strict=True))
    return stores[new].reduce is None and all(v == full(old) for v in views) and writer.shape == old.shape


def _wait(graph: Dependencies, readers: Sequence[Task], writer: Task) -> bool:
    """Let every other reader of the old value run before its writer; False when that is a circle."""
    others = [r for r in readers if r is not writer]
    if any(graph.reaches([writer], r) for r in others):
        return False
    for r in others:
        graph.add(r, writer)
    return True


def allocate(
    layout: Layout, pinned: Sequence[Value], kept: Collection[Value], fresh: Collection[Value], guard: int = 0
) -> None:
    """Offsets for all values.

    pinned: state and constants.  kept: what the caller reads, never freed.  fresh: inputs that come new in every step.
    guard: bytes behind each value that no value has, a multiple of ALIGN; then no memory is used twice.
    """
    at = HEADER + guard
    for value in pinned:
        value.offset = at
        at += _aligned(value.nbytes) + guard
    spans = _spans(layout, kept, fresh, set(pinned))
    free: list[tuple[int, int]] = []  # (offset, size) above `top`'s start, sorted
    ends: dict[int, list[Value]] = {}
    top = at
    starts: dict[int, list[Value]] = {}
    for value, (first, last) in spans.items():
        starts.setdefault(first, []).append(value)
        ends.setdefault(last, []).append(value)
    given: dict[Value, int] = {}
    for i in range(-1, len(layout.tasks) + 1):
        taken: set[Value] = set()
        for value in sorted(starts.get(i, ()), key=lambda v: -v.nbytes):
            size = _aligned(value.nbytes) + guard
            donor = _donor(layout.tasks[i], value, spans, i, taken) if 0 <= i < len(layout.tasks) else None
            if donor is not None:
                taken.add(donor)
                value.offset = donor.offset
            else:
                value.offset, top = _take(free, size, top)
            given[value] = size
        for value in ends.get(i, ()):
            if value not in taken and not guard:
                _give(free, value.offset, given[value])
    for value, place in layout.places.items():
        value.offset = place.offset
    layout.size = top


def _aligned(n: int) -> int:
    return max(-(-n // ALIGN) * ALIGN, ALIGN)


def _spans(
    layout: Layout, kept: Collection[Value], fresh: Collection[Value], pinned: set[Value]
) -> dict[Value, tuple[int, int]]:
    """First and last task of each value that shares memory; −1 is before the first task, len(tasks) the end."""
    spans: dict[Value, tuple[int, int]] = dict.fromkeys(fresh, (-1, -1))
    for i, task in enumerate(layout.tasks):
        for view in (*task.reads, *task.writes):
            value = view.value
            if value in pinned or value in layout.places:
                continue
            spans[value] = (spans.get(value, (i, i))[0], i)
    for value in kept:
        if value in spans:
            spans[value] = (spans[value][0], len(layout.tasks))
    return spans


def _donor(task: Task, value: Value, spans: Mapping[Value, tuple[int, int]], i: int, taken: set[Value]) -> Value | None:
    """A value that the loop reads element by element where it writes this one, and that is dead afterwards."""
    if task.kind != "loop":
        return None
    target = next(v for v in task.writes if v.value is value)
    store = task.info["stores"][task.writes.index(target)]
    if store.reduce is not None or not target.whole:
        return None
    for view in task.reads:
        old = view.value
        if old in taken or spans.get(old, (0, -9))[1] != i or spans[old][0] == i or not view.whole:
            continue
        same = old.dtype == value.dtype and view.strides == target.strides and view.shape == target.shape
        if same and all(v == view for v in task.reads if v.value is old):
            return old
    return None


def _take(free: list[tuple[int, int]], size: int, top: int) -> tuple[int, int]:
    """The smallest hole that is large enough, else the end of the arena."""
    best = min((hole for hole in free if hole[1] >= size), key=lambda hole: hole[1], default=None)
    if best is None:
        return top, top + size
    free.remove(best)
    if best[1] > size:
        free.append((best[0] + size, best[1] - size))
        free.sort()
    return best[0], top


def _give(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """A hole, joined with its neighbours."""
    i = bisect(free, (offset, size))
    if i < len(free) and free[i][0] == offset + size:
        size += free.pop(i)[1]
    if i > 0 and sum(free[i - 1]) == offset:
        i -= 1
        start, before = free.pop(i)
        offset, size = start, before + size
    free.insert(i, (offset, size))
