"""Large tasks in parts that threads share.  Parts write different elements: who runs which changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from denpa.engine.values import Statement, Store, Task, Value, View

LEAST = 3.0  # µs of work from which on two threads win: ten times what sharing costs
FLOPS, BYTES = (
    1.2e5,
    1.0e5,
)  # that a core does in a µs, about: multiply-adds in registers, memory of the second-level cache
BLOCK_ROWS, BLOCK_COLUMNS = 8, 16  # a part is a whole number of vectors; of whole register blocks (48), it is uneven
LOOP = 60_000  # statements of a loop, elements counted
SUMMED = 8  # elements for each one of the result, at least, for which threads add up parts of a sum


@dataclass
class Scratch:
    """Memory behind the plan's, for sums of single threads: used by one task at a time, so all tasks share it."""

    start: int
    size: int = 0

    def take(self, dtype: str, counts: list[int]) -> list[Value]:
        """One array of each length."""
        at, made = self.start, []
        for n in counts:
            value = Value((n,), dtype, name="part of a sum")
            value.offset = at
            at += -(-value.nbytes // 64) * 64
            made.append(value)
        self.size = max(self.size, at - self.start)
        return made


def parts(task: Task, threads: int, scratch: Scratch) -> tuple[list[Task], Task | None]:
    """The task itself, or one part for each thread when it is large and can be divided; what is to be done then."""
    if threads < 2:
        return [task], None
    if task.kind == "matmul" and max(task.flops / FLOPS, _bytes(task) / BYTES) >= LEAST:
        return _product(task, threads), None
    if task.kind == "loop" and prod(task.shape) * max(len(task.info["body"]), 1) >= LOOP:
        axis = _summed(task, threads)
        return (_loop(task, threads), None) if axis is None else _sums(task, axis, threads, scratch)
    return [task], None


def _bytes(task: Task) -> int:
    return sum(v.size * v.dtype.itemsize for v in (*task.reads, *task.writes))


def ranges(n: int, count: int, multiple: int) -> list[tuple[int, int]]:
    """0 … n in at most `count` ranges (first, length) whose ends are multiples."""
    blocks = -(-n // multiple)
    count = min(count, blocks)
    ends = [min(blocks * i // count * multiple, n) for i in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(ends) if b > a]


def part(view: View, axis: int, first: int, length: int) -> View:
    shape = (*view.shape[:axis], length, *view.shape[axis + 1 :])
    return View(view.value, shape, view.strides, view.offset + first * view.strides[axis])


def _product(task: Task, threads: int) -> list[Task]:
    """By columns of C, or by rows unless there are fewer of them; whole when C has to be filled by a copy first."""
    a, b, base, c = task.info["a"], task.info["b"], task.info["base"], task.writes[0]
    if base is not None and base.value.offset != c.value.offset:
        return [task]
    axis = 0 if c.shape[0] >= c.shape[1] else 1
    made = []
    for first, length in ranges(c.shape[axis], threads, BLOCK_ROWS if axis == 0 else BLOCK_COLUMNS):
        left, right = (part(a, 0, first, length), b) if axis == 0 else (a, part(b, 1, first, length))
        below = None if base is None else part(base, axis, first, length)
        scalars = [v for _, v in (task.info["alpha"], task.info["beta"]) if v is not None]
        reads = [left, right, *([below] if below is not None else []), *scalars]
        info = {**task.info, "a": left, "b": right, "base": below}
        made.append(replace(task, reads=reads, writes=[part(c, axis, first, length)], info=info))
    return made


def _loop(task: Task, threads: int) -> list[Task]:
    """Along the longest axis over which nothing is reduced and that is not the innermost one, where there is one."""
    stores = task.info["stores"]
    free = [
        axis for axis, n in enumerate(task.shape)
        if n >= threads and all(v.strides[axis] != 0 for v, s in zip(task.writes, stores, strict=True))
    ]  # fmt: skip
    if not free or (any(s.reduce is not None for s in stores) and not _sliceable(task, free)):
        return [task]
    axis = max(free, key=lambda i: (task.writes[0].strides[i] != 1 or len(task.shape) == 1, task.shape[i]))
    made = []
    for first, length in ranges(task.shape[axis], threads, 1 if task.writes[0].strides[axis] != 1 else 64):
        shape = (*task.shape[:axis], length, *task.shape[axis + 1 :])
        reads = [part(v, axis, first, length) for v in task.reads]
        writes = [part(v, axis, first, length) for v in task.writes]
        made.append(replace(task, reads=reads, writes=writes, info={**task.info, "shape": shape}))
    return made


def _sliceable(task: Task, free: list[int]) -> bool:
    """A reduction starts with its own part of the result, which must be contiguous."""
    return all(
        s.reduce is None or sum(n > 1 for n, t in zip(v.shape, v.strides, strict=True) if t != 0) == 1
        for v, s in zip(task.writes, task.info["stores"], strict=True)
    )


def _summed(task: Task, threads: int) -> int | None:
    """The outermost axis, if the loop sums over it into few elements that follow each other.

    Threads that write neighbouring columns of the same rows take cache lines from each other: 10 times as slow.
    """
    axis = next((i for i, n in enumerate(task.shape) if n > 1), 0)
    sums = [v for v, s in zip(task.writes, task.info["stores"], strict=True) if s.reduce is not None]
    others = [v for v, s in zip(task.writes, task.info["stores"], strict=True) if s.reduce is None]
    if (
        len(sums) != 1 or task.shape[axis] < threads or any(s.reduce not in (None, "sum") for s in task.info["stores"])
        or sums[0].strides[axis] != 0 or any(v.strides[axis] == 0 for v in others)
    ):  # fmt: skip
        return None
    kept = [(n, t) for n, t in zip(task.shape, sums[0].strides, strict=True) if n > 1 and t != 0]
    small = prod(n for n, _ in kept) * SUMMED * threads <= prod(task.shape)
    return axis if small and all(t == 1 for _, t in kept) and len(kept) < 2 else None


def _sums(task: Task, axis: int, threads: int, scratch: Scratch) -> tuple[list[Task], Task]:
    """Parts along an axis that is summed over, each with a sum of its own, and the loop that adds these up in order."""
    place = next(i for i, s in enumerate(task.info["stores"]) if s.reduce is not None)
    target = task.writes[place]
    count = max(n if t else 1 for n, t in zip(task.shape, target.strides, strict=True))
    shares = ranges(task.shape[axis], threads, 1)
    own = scratch.take(target.dtype.name, [count] * (len(shares) - 1))
    made = []
    for i, (first, length) in enumerate(shares):
        shape = (*task.shape[:axis], length, *task.shape[axis + 1 :])
        writes = [part(v, axis, first, length) for v in task.writes]
        if i:
            writes[place] = View(own[i - 1], shape, target.strides)
        reads = [part(v, axis, first, length) for v in task.reads]
        made.append(replace(task, reads=reads, writes=writes, info={**task.info, "shape": shape}))
    whole = View(target.value, (count,), (1,), target.offset)
    views = [whole, *[View(v, (count,), (1,)) for v in own]]
    body = [
        Statement("add", "x + y", (len(views) + i - 1 if i else 0, i + 1), (), target.dtype.name, target.dtype.name)
        for i in range(len(own))
    ]
    info = {"shape": (count,), "body": body, "stores": [Store(len(body) - 1)], "title": "add"}
    return made, Task("loop", views, [whole], task.node, info=info)
