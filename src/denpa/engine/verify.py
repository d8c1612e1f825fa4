"""Proof that a plan is sound: run through its tasks and keep account of which value each byte of the arena holds.

No engine is asked: the checker looks only at what tasks say they read and write and at where their values lie.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from denpa.engine.memory import ALIGN, HEADER
from denpa.engine.plan import Plan
from denpa.engine.values import Task, Value, View
from denpa.errors import DenpaError


class PlanError(DenpaError, AssertionError):
    """A plan that would compute something else than its graph."""


class _Arena:
    """Which value holds which bytes: intervals that do not overlap, sorted by their start."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.starts: list[int] = []
        self.spans: list[tuple[int, int, Value]] = []

    def overlapping(self, start: int, end: int) -> list[tuple[int, int, Value]]:
        first = max(bisect_right(self.starts, start) - 1, 0)
        last = bisect_left(self.starts, end)
        return [span for span in self.spans[first:last] if span[0] < end and start < span[1]]

    def put(self, value: Value) -> None:
        """The value now holds its bytes; whatever was there is gone."""
        start, end = value.offset, value.offset + max(value.nbytes, 1)
        for span in self.overlapping(start, end):
            at = self.starts.index(span[0])
            del self.starts[at], self.spans[at]
        at = bisect_left(self.starts, start)
        self.starts.insert(at, start)
        self.spans.insert(at, (start, end, value))

    def holds(self, value: Value) -> bool:
        start, end = value.offset, value.offset + max(value.nbytes, 1)
        return any(span == (start, end, value) for span in self.overlapping(start, end))


def verify(plan: Plan) -> None:
    """PlanError unless the plan is sound.

    Every read follows its write, no live value is overwritten, constants and state keep their place, outputs are there
    at the end, and every access lies inside its value and the arena.
    """
    Verifier(plan).run()


class Verifier:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.arena = _Arena(plan.bytes)
        self.replaced = plan.layout.places  # new value → the state whose memory it takes
        self.last: dict[Value, int] = {}
        for i, task in enumerate(plan.tasks):
            for view in task.reads:
                self.last[view.value] = i
        end = len(plan.tasks)
        kept = [v.value for v in plan.outputs.values()] + [v.value for v, _ in plan.copies]
        for value in (*kept, *plan.constants, *plan.state, *self.replaced):
            self.last[value] = end
        for old in self.replaced.values():  # a state is needed until its successor is there
            self.last[old] = max((i for i, t in enumerate(plan.tasks) for v in t.reads if v.value is old), default=-1)

    def run(self) -> None:
        plan = self.plan
        for value in (*plan.state, *plan.constants, *plan.fresh):
            self._place(value, "before the first task")
            for start, _, other in self.arena.overlapping(value.offset, value.offset + max(value.nbytes, 1)):
                raise self._error("two values share memory from the start", value, f"{other!r} at {start}")
            self.arena.put(value)
        for i, task in enumerate(plan.tasks):
            self._task(i, task)
        for view in (*plan.outputs.values(), *[v for v, _ in plan.copies]):
            if not self.arena.holds(view.value):
                raise self._error("an output is gone at the end of the step", view.value, "the end")
        for value in plan.constants:
            if not self.arena.holds(value):
                raise self._error("a constant was overwritten", value, "the end")
        for new, old in self.replaced.items():
            if not self.arena.holds(new) or new.offset != old.offset:
                raise self._error("a state's successor is not in its place", new, "the end")

    def _task(self, i: int, task: Task) -> None:
        where = f"task {i}, {task!r}"
        for view in task.reads:
            self._inside(view, where)
            if not self.arena.holds(view.value):
                raise self._error("a value is read that is not there", view.value, where)
        written = list(dict.fromkeys(view.value for view in task.writes))
        for value in written:
            self._place(value, where)
            if self.arena.holds(value):
                continue  # another part of a value that several tasks fill
            for _, _, other in self.arena.overlapping(value.offset, value.offset + max(value.nbytes, 1)):
                if self.last.get(other, -1) > i or (
                    self.last.get(other, -1) == i and not self._in_place(task, value, other)
                ):
                    raise self._error(
                        "a value that is still needed is overwritten", other, f"{where}, which writes {value!r}"
                    )
        for view in task.writes:
            self._inside(view, where)
        for value in written:
            if not self.arena.holds(value):
                self.arena.put(value)
        for a in written:
            if not self.arena.holds(a):
                raise self._error("a task writes two values to the same place", a, where)

    def _in_place(self, task: Task, value: Value, other: Value) -> bool:
        """May the task write the value over one it reads?  Yes when it reads each element before it writes there."""
        views = [v for v in task.reads if v.value is other]
        if not views:
            return True
        target = next(v for v in task.writes if v.value is value)
        if task.kind == "matmul":
            return views == [task.info["base"]] and _same_place(views[0], target)
        if task.kind == "loop":
            store = task.info["stores"][task.writes.index(target)]
            return store.reduce is None and all(_same_place(v, target) for v in views)
        return False

    def _place(self, value: Value, where: str) -> None:
        if value.offset < HEADER or value.offset % ALIGN or value.offset + value.nbytes > self.arena.size:
            raise self._error("a value lies outside of the arena or is not aligned", value, where)

    def _inside(self, view: View, where: str) -> None:
        first, behind = view.extent
        if first < 0 or behind > max(view.value.size, 0):
            raise self._error(
                "an access lies outside of its value", view.value, f"{where}: elements {first} … {behind}"
            )

    def _error(self, what: str, value: Value, where: str) -> PlanError:
        return PlanError(what, where=where, got=f"{value!r} at {value.offset} … {value.offset + value.nbytes}")


def _same_place(a: View, b: View) -> bool:
    """Do two views of one dtype touch the same address for every index?"""
    size = a.dtype.itemsize
    return (
        a.dtype == b.dtype and a.shape == b.shape
        and a.value.offset + a.offset * size == b.value.offset + b.offset * size
        and all(n <= 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True))
    )  # fmt: skip
