"""Loops of elementwise statements → the source of a kernel, and the numbers its instruction carries.

The source depends on what is computed and on how arrays step along the innermost axis (1, 0 or else), not on sizes: one
kernel serves every batch size.  Axes that follow each other in memory are taken together first, so most loops have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from denpa.engine.native.build import Kernel
from denpa.engine.native.scalar import FUNCTIONS, converted, statement
from denpa.engine.values import Store, Task, View, name_of

HEAD = '''"""{title}"""
from math import copysign, inf as INF, nan as NAN, pi as PI
from denpa.engine.native.intrinsics import float32, float64, int32, int64, load, plus, put, select, uint8, uint64
from denpa.engine.native.vecmath import functions
{functions}

def kernel(arena, code, constants):
'''
# In a checked loop every access goes through this first: it stops the program and stays inside of the value instead.
CHECKED = """from numba import njit
from denpa.engine.native.intrinsics import view

@njit(error_model="numpy")
def inside(arena, address, index, item, first, size, number):
    at = address + index * item - arena
    if at < first or at + item > first + size:
        view(arena, 2, int64)[1] = number
        return arena + first
    return arena + at

"""
OUTSIDE = 16  # the stop flag of a checked loop is its number times this, and more than any other flag
START = {"sum": "0", "prod": "1", "max": "-INF", "min": "INF"}
JOIN = {"sum": "plus({0}, {1})", "prod": "({0} * {1})", "max": "select(({1} > {0}) | ({1} != {1}), {1}, {0})"}
JOIN["min"] = JOIN["max"].replace(">", "<")


@dataclass
class Pointer:
    """An array of the loop: a read, a write, or both when they are the same elements."""

    name: str
    view: View
    strides: tuple[int, ...] = ()  # one for each axis that is left
    store: Store | None = None

    @property
    def dtype(self) -> str:
        return name_of(self.view.dtype)

    @property
    def memory(self) -> str:
        return "uint8" if self.dtype == "bool" else self.dtype


def address(view: View) -> tuple[int, tuple[int, ...], str]:
    """Offset in bytes from the arena's start, strides in elements, dtype."""
    return view.value.offset + view.offset * view.dtype.itemsize, view.strides, name_of(view.dtype)


class Generator:
    """One loop.  `kernel` is what to compile, `numbers` the instruction.

    checked: a number of this loop, from 1, when each of its indices is to be compared with its value's bounds.
    """

    def __init__(self, task: Task, checked: int = 0) -> None:
        self.task, self.checked = task, checked
        self.pointers: list[Pointer] = []
        self.reads: list[Pointer] = []
        self.writes: list[Pointer] = []
        self._collect()
        self.sizes = self._axes()
        self.numbers: list[int] = list(self.sizes)
        self.lines: list[str] = []
        self.used: set[str] = set()
        self._emit()
        title = task.info["title"]
        lines = "\n".join("    " + line for line in self.lines) + "\n"
        functions = "".join(
            f'{f}_{d} = functions("{d}")["{f}"]\n'
            for d in ("float32", "float64") for f in FUNCTIONS if f"{f}_{d}(" in lines
        )  # fmt: skip
        functions += CHECKED if checked else ""
        text = HEAD.format(title=title, functions=functions) + lines
        self.kernel = Kernel("loop", text=text)

    # -- which arrays, which axes --------------------------------------------------------------------------------------
    def _collect(self) -> None:
        known: dict[tuple[int, tuple[int, ...], str], Pointer] = {}
        for view in self.task.reads:
            found = known.get(address(view))
            if found is None:
                found = known[address(view)] = Pointer(f"p{len(self.pointers)}", view)
                self.pointers.append(found)
            self.reads.append(found)
        for view, store in zip(self.task.writes, self.task.info["stores"], strict=True):
            found = known.get(address(view)) if store.reduce is None else None
            if found is None:
                found = Pointer(f"p{len(self.pointers)}", view)
                self.pointers.append(found)
            found.store = store
            self.writes.append(found)

    def _axes(self) -> list[int]:
        """Lengths of the axes that are left; sets the pointers' strides along them."""
        shape = self.task.shape
        table = [(n, [p.view.strides[i] for p in self.pointers]) for i, n in enumerate(shape) if n != 1]
        reference = max(range(len(self.pointers)), key=lambda j: sum(row[j] != 0 for _, row in table), default=0)
        table.sort(key=lambda row: -abs(row[1][reference]))
        merged: list[tuple[int, list[int]]] = []
        for n, row in table:
            if merged and all(a == b * n for a, b in zip(merged[-1][1], row, strict=True)):
                merged[-1] = (merged[-1][0] * n, row)
            else:
                merged.append((n, row))
        if not merged:
            merged = [(prod(shape), [0] * len(self.pointers))]
        for j, p in enumerate(self.pointers):
            p.strides = tuple(row[j] for _, row in merged)
        return [n for n, _ in merged]

    # -- source --------------------------------------------------------------------------------------------------------
    def number(self, value: int) -> str:
        self.numbers.append(value)
        return f"code[{len(self.numbers) - 1}]"

    def _emit(self) -> None:
        depth = len(self.sizes)
        for i in range(depth):
            self.lines.append(f"n{i} = code[{i}]")
        addresses = {p.name: f"arena + {self.number(address(p.view)[0])}" for p in self.pointers}
        self.lines += [f"{name} = {source}" for name, source in addresses.items()]
        if self.checked:
            values = [p.view.value for p in self.pointers]
            self.bounds = [f"{self.number(v.offset)}, {self.number(v.nbytes)}" for v in values]
            self.lines.append(f"flag = {self.number(self.checked * OUTSIDE)}")
        self._start_reductions()
        hoisted = [p for p in self.pointers if not any(p.strides) and p.store is None]
        self._load(hoisted, "0", 0)
        steps = {p.name: [self.number(s * p.view.dtype.itemsize) for s in p.strides[:-1]] for p in self.pointers
                 if p not in hoisted}  # fmt: skip
        place = {p.name: p.name for p in self.pointers}
        for i in range(depth - 1):
            self.lines.append("    " * i + f"for i{i} in range(n{i}):")
            for p in self.pointers:
                if p not in hoisted and p.strides[i] != 0:
                    self.lines.append("    " * (i + 1) + f"{p.name}_{i} = {place[p.name]} + i{i} * {steps[p.name][i]}")
                    place[p.name] = f"{p.name}_{i}"
        self._inner([p for p in self.pointers if p not in hoisted], place, depth - 1)

    def _start_reductions(self) -> None:
        for k, p in enumerate(self.pointers):
            if p.store is not None and p.store.reduce is not None and self._spread(p):
                count = self.number(prod(n for n, s in zip(p.view.shape, p.view.strides, strict=True) if s != 0))
                start = f"{p.memory}({START[p.store.reduce]})"
                self.lines += [f"for i in range({count}):", f"    put({self._at(p, p.name, 'i')}, {start}, {k})"]

    def _spread(self, p: Pointer) -> bool:
        """Do several passes of the inner loop add to the same element?"""
        return (
            p.strides[-1] != 0
            or any(s == 0 and n > 1 for s, n in zip(p.strides[:-1], self.sizes, strict=False))
            or 0 in self.sizes
        )

    def _at(self, p: Pointer, place: str, index: str) -> str:
        """The first arguments of load and put: an address and an index, looked at before when the loop is checked."""
        if not self.checked:
            return f"{place}, {index}"
        item = p.view.dtype.itemsize
        return f"inside(arena, {place}, {index}, {item}, {self.bounds[self.pointers.index(p)]}, flag), 0"

    def _load(self, pointers: list[Pointer], index: str, depth: int, place: dict[str, str] | None = None) -> None:
        for p in pointers:
            where = self._at(p, (place or {}).get(p.name, p.name), index)
            source = f"load({where}, {p.memory}, {self.pointers.index(p)})"
            if p.view.value.nbytes == 0:  # before an empty loop it would be read all the same, from another's memory
                source = f"{p.memory}(0)"
            truth = " != 0" if p.dtype == "bool" else ""
            self.lines.append("    " * depth + f"v{p.name[1:]} = {source}{truth}")

    def _inner(self, pointers: list[Pointer], place: dict[str, str], depth: int) -> None:
        read = [p for p in pointers if p in self.reads]
        self._load([p for p in read if p.strides[-1] == 0], "0", depth, place)
        reductions = [p for p in pointers if p.store is not None and p.store.reduce is not None]
        totals = [p for p in reductions if p.strides[-1] == 0]
        for p in totals:
            wide = "float64" if p.dtype in ("float32", "float64") else "int64"
            self.lines.append("    " * depth + f"s{p.name[1:]} = {wide}({START[_reduction(p)]})")
        self.lines.append("    " * depth + f"for i{depth} in range(n{depth}):")
        index = {
            p.name: f"i{depth}" if p.strides[-1] == 1 else f"i{depth} * {self.number(p.strides[-1])}"
            for p in pointers if p.strides[-1] != 0
        }  # fmt: skip
        for p in read:
            if p.strides[-1] != 0:
                self._load([p], index[p.name], depth + 1, place)
        self._body(depth + 1)
        for p in self.writes:
            self._write(p, index.get(p.name, "0"), depth + 1, place)
        for p in totals:
            self._finish(p, depth, place)

    def _body(self, depth: int) -> None:
        variables = [(f"v{p.name[1:]}", p.dtype) for p in self.reads]
        for i, s in enumerate(self.task.info["body"]):
            source = statement(s, [variables[a] for a in s.args])
            self.lines.append("    " * depth + f"t{i} = {source}")
            variables.append((f"t{i}", s.dtype))
        self.variables = variables[len(self.reads) :]

    def _write(self, p: Pointer, index: str, depth: int, place: dict[str, str]) -> None:
        store = p.store
        assert store is not None
        value, dtype = self.variables[store.source]
        k, where = self.pointers.index(p), self._at(p, place[p.name], index)
        if store.reduce is None:
            self.lines.append("    " * depth + f"put({where}, {converted(value, dtype, p.memory)}, {k})")
        elif p.strides[-1] == 0:
            wide = "float64" if p.dtype in ("float32", "float64") else "int64"
            name = f"s{p.name[1:]}"
            joined = JOIN[store.reduce].format(name, converted(value, dtype, wide))
            self.lines.append("    " * depth + f"{name} = {joined}")
        else:
            joined = JOIN[store.reduce].format(f"load({where}, {p.memory}, {k})", converted(value, dtype, p.memory))
            self.lines.append("    " * depth + f"put({where}, {joined}, {k})")

    def _finish(self, p: Pointer, depth: int, place: dict[str, str]) -> None:
        assert p.store is not None
        assert p.store.reduce is not None
        value, k = f"{p.memory}(s{p.name[1:]})", self.pointers.index(p)
        where = self._at(p, place[p.name], "0")
        if self._spread(p):
            value = JOIN[p.store.reduce].format(f"load({where}, {p.memory}, {k})", value)
        self.lines.append("    " * depth + f"put({where}, {value}, {k})")


def _reduction(p: Pointer) -> str:
    return (p.store.reduce if p.store is not None else None) or ""
