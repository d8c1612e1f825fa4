"""The native engine: a Step becomes a Plan, the Plan an array of numbers, and one call runs thousands of steps.

The loop returns to Python at least every quarter of a second, so that Ctrl-C and other signals are answered.
"""

from __future__ import annotations

import ctypes
import threading
import time
import weakref
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from denpa.arrays import Array, freeze
from denpa.engine import Metrics, Rows, Step
from denpa.engine.eager import EagerProgram
from denpa.engine.keep import output_of
from denpa.engine.native.blas import single_threaded_blas, threads
from denpa.engine.native.build import Kernel, address
from denpa.engine.native.encode import Encoder, at
from denpa.engine.native.generate import OUTSIDE
from denpa.engine.native.guard import BYTES, Guard, outside, wanted
from denpa.engine.native.split import Scratch, parts, ranges
from denpa.engine.native.team import give_way, help_while
from denpa.engine.plan import Plan, plan
from denpa.engine.values import Task, Value, View
from denpa.errors import ShapeError, TrainingError, UsageError

SECONDS = 0.2  # the longest stay in machine code, aimed at; 0.25 s is promised
STEP, STOP = 0, 1  # places in the arena's header
SHARED = 1  # in place of a kernel's address: what follows is shared by threads
ONE_THREAD = 1_000_000  # flops of a step below which threads win nothing: 784-100-10 at batch 1 takes 10.2 µs on one
# thread and 10.7 on two
GATHER = 30_000  # elements of a batch from which on threads share its gathering
NOT_FINITE, BAD_CLASS, FAILED = 1, 2, 3  # values of the stop flag
_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_DRIVE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 7)


class Native:
    """The engine.

    strict: a task without a kernel is an error rather than a call of Python.  guard: look for writes outside of values,
    2: compare each index of a loop as well (None: as the environment says, see guard.py).
    """

    name = "native"

    def __init__(self, *, strict: bool = False, guard: int | None = None) -> None:
        self.strict, self.guard = strict, guard

    def compile(self, step: Step) -> NativeProgram:
        program = NativeProgram(step, guard=self.guard)
        if self.strict and program.fallbacks:
            raise UsageError("this step cannot be run by kernels alone", got="; ".join(program.fallbacks))
        return program


class NativeProgram:
    """A compiled step.  `plan` can be printed; `fallbacks` says what Python still does, and why."""

    def __init__(self, step: Step, threads_: int | None = None, *, guard: int | None = None) -> None:
        self.step = step
        self._level = guarded = wanted() if guard is None else int(guard)
        self.plan: Plan = plan(
            step.graph, carry=step.carry, by_row=step.by_row, by_step=step.by_step, guard=BYTES if guarded else 0
        )
        self._lock = threading.Lock()
        alone = self.plan.flops < ONE_THREAD
        self.threads, self.shared = (1 if alone else threads()) if threads_ is None else threads_, False
        scratch = Scratch(self.plan.bytes)
        shares = [parts(task, self.threads, scratch) for task in self.plan.tasks]
        self._memory = np.zeros(self.plan.bytes + scratch.size + 64, np.uint8)
        start = -self._memory.ctypes.data % 64
        self.arena = self._memory[start : start + self.plan.bytes + scratch.size]
        self._header = self.arena[:16].view(np.int64)
        self._guard = Guard(self.plan, self.arena[: self.plan.bytes]) if guarded else None
        for value in self.plan.constants:
            self._array(value)[...] = value.data
        self._error: BaseException | None = None
        self._ran = False
        self._given: dict[str, weakref.ref[Any]] = {}  # state in the arena → the array that says the same
        self._encode(shares)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        return (*self.plan.fallbacks, *self._encoder.notes)

    # -- building ------------------------------------------------------------------------------------------------------
    def _encode(self, shares: list[tuple[list[Task], Task | None]]) -> None:
        encoder = self._encoder = Encoder(checked=self._level > 1)
        self._code_list: list[int] = []
        self._patches: list[tuple[int, str, str]] = []  # place in the code, what goes there, whose
        for name, value in self.plan.inputs.items():
            if name in self.step.by_row:
                width = value.size // max(value.shape[0], 1)
                by_row, by_column = _gather_strides(value)
                item = value.dtype.itemsize
                rows, kernel = value.shape[0] if value.shape else 1, Kernel("gather", (_memory(value),))
                by_thread = ranges(rows, self.threads, 1) if value.size >= GATHER else [(0, rows)]
                self._group([
                    (kernel, [value.offset + first * by_row * item, 0, 0, n, width, by_row, by_column, rows, first])
                    for first, n in by_thread
                ], {1: ("data", name), 2: ("rows", name)})  # fmt: skip
            elif name in self.step.by_step:
                self._emit(Kernel("fetch"), [value.offset, 0, value.nbytes], {1: ("by_step", name)})
        for tasks, then in shares:
            before, *made = [encoder.encode(task) for task in tasks]
            for kernel, numbers in before[:-1]:
                self._emit(kernel, numbers)
            self._group([before[-1], *[m[-1] for m in made]])
            if then is not None:
                self._emit(*encoder.encode(then)[-1])
        for source, target in self.plan.copies:
            self._emit(Kernel("copy"), [at(source), at(target), source.size * source.dtype.itemsize])
        self._check()
        self._code_list.append(0)
        self._code = np.array(self._code_list, np.int64)
        self._constants = np.array([*encoder.constants, 0.0], np.float64)
        self._drive = _DRIVE(address(Kernel("drive")))

    def _emit(self, kernel: Kernel, numbers: list[int], patches: Mapping[int, tuple[str, str]] | None = None) -> None:
        if kernel.name == "call":
            self._trampoline = getattr(self, "_trampoline", None) or _KERNEL(self._called)
            where = ctypes.cast(self._trampoline, ctypes.c_void_p).value or 0
        else:
            where = address(kernel)
        start = len(self._code_list) + 2
        self._code_list += [where, len(numbers) + 2, *map(int, numbers)]
        self._patches += [(start + i, *what) for i, what in (patches or {}).items()]

    def _group(
        self, made: list[tuple[Kernel, list[int]]], patches: Mapping[int, tuple[str, str]] | None = None
    ) -> None:
        """One instruction, or several that threads share."""
        if len(made) == 1:
            return self._emit(*made[0], patches)
        start, length = len(self._code_list), 3 + len(made)
        self.shared = True
        self._code_list += [SHARED, 0, len(made), *[0] * len(made)]
        for i, (kernel, numbers) in enumerate(made):
            self._code_list[start + 3 + i] = length
            self._emit(kernel, numbers, patches)
            length = len(self._code_list) - start
        self._code_list[start + 1] = length
        return None

    def _check(self) -> None:
        """Metrics are written down, then looked at: a step with one that is not finite is the last."""
        for name in self.step.metrics:
            view = self.plan.outputs[name]
            self._emit(Kernel("record"), [at(view), 0, view.size * view.dtype.itemsize], {1: ("metric", name)})
        for name in self.step.finite:
            view = self.plan.outputs[name]
            if view.dtype.kind == "f":
                self._emit(Kernel("finite", (view.dtype.name,)), [at(view), view.size])

    def _array(self, value: Value) -> Array:
        return self._look(View(value, value.shape, value.strides))

    def _look(self, view: View) -> Array:
        """The view as an array on the arena's memory."""
        item = view.dtype.itemsize
        if view.size == 0:
            return np.empty(view.shape, view.dtype)
        return np.ndarray(
            view.shape, view.dtype, self._memory, at(view) + (self.arena.ctypes.data - self._memory.ctypes.data),
            tuple(s * item for s in view.strides),
        )  # fmt: skip

    # -- running -------------------------------------------------------------------------------------------------------
    def run(
        self,
        state: MutableMapping[str, Array],
        data: Mapping[str, Array],
        rows: Rows,
        by_step: Mapping[str, Array],
    ) -> Metrics:
        """See `denpa.engine.Program.run`."""
        if self.step.by_row and rows.shape[1:] != (self.step.batch_size,):
            raise ShapeError(
                "a program runs batches of the size it was compiled for",
                got=f"rows of shape {rows.shape}",
                want=f"(steps, {self.step.batch_size})",
            )
        with self._lock:
            return self._run(state, data, rows, by_step)

    def _run(
        self, state: MutableMapping[str, Array], data: Mapping[str, Array], rows: Rows, by_step: Mapping[str, Array]
    ) -> Metrics:
        steps = len(rows)
        for name in self.step.state:
            given = self._given.get(name)  # what the last call gave back, read-only, is still in the arena
            if name in self.plan.inputs and (given is None or given() is not state[name]):
                self._array(self.plan.inputs[name])[...] = state[name]
        self._given = {}
        metrics = {
            name: np.empty((steps, *self.plan.outputs[name].shape), self.plan.outputs[name].dtype)
            for name in self.step.metrics
        }
        held = self._connect(data, rows, by_step, metrics)
        done = self._steps(steps)
        del held
        if self._guard is not None:
            self._guard.check()
        self._ran = self._ran or steps > 0
        stop = int(self._header[STOP])
        self._header[STOP] = 0
        if stop == FAILED and self._error is not None:
            error, self._error = self._error, None
            raise error
        if stop >= OUTSIDE:
            raise outside(self.plan, self._encoder.loops[stop // OUTSIDE - 1])
        if stop == BAD_CLASS:
            self._explain(state, data, rows[done : done + 1], {n: v[done : done + 1] for n, v in by_step.items()})
        for name, value in self.plan.carried.items():
            state[name] = freeze(np.array(self._array(value), order="C"))[()]
            if steps and np.ndim(state[name]):
                self._given[name] = weakref.ref(state[name])
        end = done + 1 if stop else done
        return {name: values[:end] for name, values in metrics.items()}

    def read(self, name: str) -> Array:
        """See `denpa.engine.Program.read`."""
        with self._lock:
            view = self.plan.outputs[output_of(self.step, name, self._ran)]
            return freeze(np.array(self._look(view), order="C"))[()]

    def _connect(
        self, data: Mapping[str, Array], rows: Rows, by_step: Mapping[str, Array], metrics: Metrics
    ) -> list[Array]:
        """Put the addresses of this call's arrays into the code; the arrays are returned to be kept alive."""
        arrays: dict[tuple[str, str], Array] = {}
        for place, what, name in self._patches:
            if what == "rows":
                array = arrays.setdefault((what, ""), np.ascontiguousarray(rows, np.int64))
            elif what == "metric":
                array = metrics[name]
            else:
                value = self.plan.inputs[name]
                source = data[name] if what == "data" else by_step[name]
                array = arrays.setdefault((what, name), np.ascontiguousarray(source, value.dtype))
                self._fits(name, array, value, rows if what == "data" else None)
            self._code[place] = array.ctypes.data
        return list(arrays.values())

    def _fits(self, name: str, array: Array, value: Value, rows: Rows | None) -> None:
        inner = value.shape[1:] if rows is not None else value.shape
        if array.shape[1:] != inner:
            raise ShapeError(f"the data of {name!r} has another shape", got=str(array.shape), want=f"(…, {inner})")
        if rows is not None and rows.size and (rows.min() < 0 or rows.max() >= len(array)):
            raise ShapeError(
                f"a row number is outside of {name!r}", got=f"{rows.min()} … {rows.max()}", want=f"0 … {len(array) - 1}"
            )

    def _steps(self, steps: int) -> int:
        """Run them; returns how many were finished.  A call lasts a quarter of a second at most, for signals."""
        done, chunk = 0, 1
        while done < steps:
            last = min(done + chunk, steps)
            start = time.perf_counter()
            reached = self._call(done, last)
            elapsed = max(time.perf_counter() - start, 1e-9)
            if reached < last:
                return int(reached)
            chunk = max(1, min(chunk * 64, int((last - done) * SECONDS / elapsed)))
            done = last
        return done

    def _call(self, first: int, last: int) -> int:
        code, constants = self._code.ctypes.data, self._constants.ctypes.data

        def drive(threads: int) -> int:
            return int(self._drive(self.arena.ctypes.data, code, constants, first, last, threads, give_way()))

        with single_threaded_blas(self.shared):
            return help_while(drive, self.arena, self._constants, self.threads if self.shared else 1)

    def _called(self, arena: int, code: Any, constants: Any) -> None:
        """A task without a kernel: NumPy computes it.  Its error is kept and raised when the loop has returned."""
        try:
            task: Task = self._encoder.calls[ctypes.cast(code, ctypes.POINTER(ctypes.c_int64))[0]]
            op, params, args = task.info["op"], task.info["params"], [self._value(v) for v in task.reads]
            try:
                with np.errstate(all="ignore"):
                    result = op.evaluate(np, *args, **params)
            except (ValueError, IndexError, TypeError) as error:
                raise op.explained(error, [np.asarray(a) for a in args], params) from error
            out = self._look(task.writes[0])
            if np.shape(result) != out.shape:
                raise TrainingError("the shape of a result depends on values", got=f"{task.info['title']}")
            out[...] = result
        except BaseException as error:
            self._error = error
            self._header[STOP] = FAILED

    def _value(self, view: View) -> Array:
        found = self._look(view)
        found.flags.writeable = False
        return found[()] if found.ndim == 0 else found

    def _explain(self, state: Any, data: Any, rows: Rows, by_step: Any) -> None:
        """A class number out of range: the reference engine says it in words."""
        EagerProgram(self.step).run(dict(state), data, rows, by_step)
        raise TrainingError("the native engine stopped at a class number that the reference engine accepts")


def _memory(value: Value) -> str:
    return "uint8" if value.dtype == np.bool_ else value.dtype.name


def _gather_strides(value: Value) -> tuple[int, int]:
    """Steps of a target row and of a target column; a row of several axes is contiguous."""
    if len(value.shape) == 2:
        return value.strides[0], value.strides[1]
    return (value.strides[0] if value.shape else 1), 1
