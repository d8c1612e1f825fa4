"""Loops over the same elements become one: what only the next loop reads never goes to memory.

A producer joins its consumer when both run over the same shape, the consumer reads the very elements the producer
writes, and no third task must run between them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from denpa.engine.values import Statement, Store, Task, Value, View

MAX_STATEMENTS = 64
MAX_POINTERS = 16  # arrays of a fused loop, scalars not counted: each has its alias scope, see native.intrinsics


class Dependencies:
    """Who must run before whom: the writers of a value before its readers."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = list(tasks)
        self.before: dict[Task, set[Task]] = {t: set() for t in self.tasks}
        self.after: dict[Task, set[Task]] = {t: set() for t in self.tasks}
        writers: dict[Value, list[Task]] = {}
        for task in self.tasks:
            for view in task.writes:
                writers.setdefault(view.value, []).append(task)
        for task in self.tasks:
            for view in task.reads:
                for writer in writers.get(view.value, ()):
                    self.add(writer, task)

    def add(self, first: Task, second: Task) -> None:
        if first is not second:
            self.after[first].add(second)
            self.before[second].add(first)

    def reaches(self, start: Iterable[Task], goal: Task) -> bool:
        """Does a path lead from one of these tasks to the goal?"""
        seen = set(start)
        stack = list(seen)
        while stack:
            task = stack.pop()
            if task is goal:
                return True
            new = self.after[task] - seen
            seen |= new
            stack.extend(new)
        return False

    def ancestors(self, tasks: Iterable[Task]) -> set[Task]:
        seen = set(tasks)
        stack = list(seen)
        while stack:
            new = self.before[stack.pop()] - seen
            seen |= new
            stack.extend(new)
        return seen

    def merge(self, task: Task, into: Task) -> None:
        """`task` is now part of `into`."""
        for other in self.before.pop(task):
            self.after[other].discard(task)
            self.add(other, into)
        for other in self.after.pop(task):
            self.before[other].discard(task)
            self.add(into, other)

    def order(self, late: Collection[Task] = ()) -> list[Task]:
        """All tasks, each after those it depends on, otherwise as they came; those in `late` as late as possible."""
        import heapq

        place = {t: (t in late, i) for i, t in enumerate(self.tasks) if t in self.before}
        waiting = {t: len(self.before[t]) for t in place}
        ready = [(place[t], id(t), t) for t, n in waiting.items() if n == 0]
        heapq.heapify(ready)
        result = []
        while ready:
            task = heapq.heappop(ready)[2]
            result.append(task)
            for other in self.after[task]:
                waiting[other] -= 1
                if waiting[other] == 0:
                    heapq.heappush(ready, (place[other], id(other), other))
        return result


def fuse(tasks: list[Task], kept: Collection[Value], smallest: int = 2) -> list[Task]:
    """The tasks with loops joined.  kept: values that somebody outside reads.  Loops below `smallest` elements stay."""
    graph = Dependencies(tasks)
    kept = set(kept)
    place = {
        task: i for i, task in enumerate(graph.tasks)
    }  # candidates in a fixed order: the same graph, the same kernels
    for consumer in list(graph.tasks):
        if consumer.kind != "loop" or _size(consumer) < smallest:
            continue
        tried: set[Task] = set()
        while True:
            candidates = [p for p in graph.before[consumer] if p.kind == "loop" and p not in tried]
            if not candidates:
                break
            producer = max(candidates, key=place.__getitem__)
            tried.add(producer)
            if _fits(producer, consumer) and not graph.reaches(graph.after[producer] - {consumer}, consumer):
                read_elsewhere = {v.value for t in graph.after[producer] - {consumer} for v in t.reads}
                _join(producer, consumer, read_elsewhere | kept)
                graph.merge(producer, consumer)
    return graph.order()


def _size(task: Task) -> int:
    size = 1
    for n in task.shape:
        size *= n
    return size


def _fits(producer: Task, consumer: Task) -> bool:
    if producer.shape != consumer.shape:
        return False
    written = {v.value: (v, s) for v, s in zip(producer.writes, producer.info["stores"], strict=True)}
    for view in consumer.reads:
        if view.value in written:
            target, store = written[view.value]
            if store.reduce is not None or view != target:
                return False
    statements = len(producer.info["body"]) + len(consumer.info["body"])
    arrays = {v for t in (producer, consumer) for v in (*t.reads, *t.writes) if any(v.strides)}
    return statements <= MAX_STATEMENTS and len(arrays) <= MAX_POINTERS


def _join(producer: Task, consumer: Task, needed: Collection[Value]) -> None:
    """Make the consumer do the producer's work first.  needed: values that must still be stored."""
    made = {v: ("statement", s.source) for v, s in zip(producer.writes, producer.info["stores"], strict=True)}
    reads = list(dict.fromkeys([*producer.reads, *[v for v in consumer.reads if v not in made]]))
    places = {v: i for i, v in enumerate(reads)}
    body: list[Statement] = []
    known: dict[Statement, int] = {}

    def place(statement: Statement) -> int:
        if statement not in known:
            known[statement] = len(body)
            body.append(statement)
        return known[statement]

    def moved(task: Task, made: dict[View, int]) -> list[int]:
        """Where each statement of the task is now."""
        now: list[int] = []
        for s in task.info["body"]:
            args = []
            for a in s.args:
                if a >= len(task.reads):
                    args.append(len(reads) + now[a - len(task.reads)])
                elif task.reads[a] in made:
                    args.append(len(reads) + made[task.reads[a]])
                else:
                    args.append(places[task.reads[a]])
            now.append(place(Statement(s.name, s.text, tuple(args), s.params, s.compute, s.dtype)))
        return now

    first = moved(producer, {})
    results = {view: first[source] for view, (_, source) in made.items()}
    second = moved(consumer, results)
    stores, writes = [], []
    for view, store in zip(producer.writes, producer.info["stores"], strict=True):
        if view.value in needed or store.reduce is not None:
            stores.append(Store(first[store.source], store.reduce))
            writes.append(view)
    for view, store in zip(consumer.writes, consumer.info["stores"], strict=True):
        stores.append(Store(second[store.source], store.reduce))
        writes.append(view)
    consumer.reads, consumer.writes = reads, writes
    consumer.info["body"], consumer.info["stores"] = body, stores
    consumer.info["title"] = " ".join(s.name for s in body)
    consumer.flops += producer.flops
