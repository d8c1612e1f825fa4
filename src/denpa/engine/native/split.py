"""Large tasks in parts that threads share.  Parts write different elements: who runs which changes nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

from denpa.engine.values import Task, View

LEAST = 3.0  # µs of work from which on two threads win: ten times what sharing costs
FLOPS, BYTES = (
    1.2e5,
    1.0e5,
)  # that a core does in a µs, about: multiply-adds in registers, memory of the second-level cache
BLOCK_ROWS, BLOCK_COLUMNS = 8, 48  # a part is a whole number of register blocks, see vectors.py
LOOP = 60_000  # statements of a loop, elements counted


def parts(task: Task, threads: int) -> list[Task]:
    """The task itself, or one part for each thread when it is large and can be divided."""
    if threads < 2:
        return [task]
    if task.kind == "matmul" and max(task.flops / FLOPS, _bytes(task) / BYTES) >= LEAST:
        return _product(task, threads)
    if task.kind == "loop" and prod(task.shape) * max(len(task.info["body"]), 1) >= LOOP:
        return _loop(task, threads)
    return [task]


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
    """By columns of C, or by rows when there are more of them; whole when C has to be filled by a copy first."""
    a, b, base, c = task.info["a"], task.info["b"], task.info["base"], task.writes[0]
    if base is not None and base.value.offset != c.value.offset:
        return [task]
    axis = 0 if c.shape[0] > c.shape[1] else 1
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
