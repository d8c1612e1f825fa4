"""`dp.compile`: any function of the primitives as a program of an engine, its gradients included.

The function is called once for each combination of shapes and dtypes, with Tensors, and recorded as a graph; later
calls run the program that an engine made of the graph and do not call the function.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from denpa.arrays import Array, as_value, freeze
from denpa.engine import Engine, Program, Step, engine as engine_by_name
from denpa.engine.keep import kept
from denpa.engine.structure import structure
from denpa.errors import UsageError, user_line
from denpa.graph import Graph, Tensor, is_recorded, leaf, recording_of
from denpa.transforms import ArgNums, is_differentiated, value_and_grad
from denpa.tree import flatten

ONCE = np.zeros((1, 0), np.int64)  # one step without a batch
_FIXED = (bool, int, str, bytes, type(None))  # what an argument may be that the program does not get as an array


class Traced(NamedTuple):
    """One program: the names of its inputs, and the result's leaves with the name of an output where there is one.

    arguments: those of the first call, kept so that what the key knows by its place in memory stays there.
    """

    program: Program
    inputs: tuple[str, ...]
    arguments: Any
    leaves: tuple[Any, ...]
    rebuild: Callable[[list[Any]], Any]


class Compiled:
    """A function that runs in an engine.  Calls take and give arrays, in the structure of the function's own.

    `plan` can be printed; `fallbacks` says what Python still computes, and why; `read(name)` is the value of a node
    that was asked for with keep.  All of them are those of the latest call.  Safe to call from several threads, but
    then "the latest call" is anybody's.
    """

    def __init__(self, f: Callable[..., Any], engine: Engine, keep: Sequence[str]) -> None:
        self.f, self.engine, self.keep = f, engine, tuple(keep)
        self.__name__ = getattr(f, "__name__", "f")
        self.__doc__ = getattr(f, "__doc__", None)
        self._traced: dict[Any, Traced] = {}
        self._latest: Traced | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}: {self.engine.name}, {len(self._traced)} programs>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """f(*args, **kwargs).  A result of shape () is a NumPy scalar."""
        if is_recorded():
            return self.f(*args, **kwargs)  # becomes a part of the program that is being made
        arguments = (args, dict(sorted(kwargs.items())))
        leaves, rebuild = flatten(arguments)
        values = [_value(item) for _, item in leaves]
        key = (structure(arguments), *(_key(v) for v in values))
        traced = self._traced.get(key)
        if traced is None:
            with self._lock:
                traced = self._traced.get(key) or self._trace(leaves, values, rebuild)
                self._traced[key] = traced
        self._latest = traced
        arrays = (v for v in values if not isinstance(v, _FIXED))
        found = traced.program.run(dict(zip(traced.inputs, arrays, strict=True)), {}, ONCE, {})
        return traced.rebuild(
            [freeze(found[item][0])[()] if isinstance(item, _Output) else item for item in traced.leaves]
        )

    @property
    def program(self) -> Program:
        """The program of the latest call.  UsageError before the first."""
        if self._latest is None:
            raise UsageError("a function is compiled when it is first called", where=user_line(), fix="call it once")
        return self._latest.program

    @property
    def plan(self) -> Any:
        """The plan of the latest call; UsageError where the engine makes none."""
        found = getattr(self.program, "plan", None)
        if found is None:
            raise UsageError(
                f"the engine {self.engine.name!r} interprets the graph and has no plan",
                fix='pip install "denpa[native]", and compile with engine="native"',
            )
        return found

    @property
    def fallbacks(self) -> tuple[str, ...]:
        return self.program.fallbacks

    def read(self, name: str) -> Array:
        """The value that a node of `keep` had in the latest call."""
        return self.program.read(name)

    # -- recording -----------------------------------------------------------------------------------------------------
    def _trace(self, leaves: Sequence[tuple[str, Any]], values: Sequence[Any], rebuild: Any) -> Traced:
        inputs: dict[str, Tensor] = {}
        lifted: list[Any] = []
        for (path, item), value in zip(leaves, values, strict=True):
            if isinstance(value, _FIXED):
                lifted.append(item)
                continue
            name = _unused(self._name(path, item), inputs)
            node = leaf(value, "input", name)
            node.role = item.node.role if isinstance(item, Tensor) else None
            inputs[name] = Tensor(node)
            lifted.append(inputs[name])
        args, kwargs = rebuild(lifted)
        with recording_of(t.node for t in inputs.values()), np.errstate(all="ignore"):
            result = self.f(*args, **kwargs)
        parts, build = flatten(result)
        outputs: dict[str, Tensor] = {}
        marked = [_output(path, item, outputs) for path, item in parts]
        step = kept(Step(Graph(outputs, inputs), {}), self.keep)
        return Traced(self.engine.compile(step), tuple(inputs), rebuild, tuple(marked), build)

    def _name(self, path: str, item: Any) -> str:
        """The Tensor's own name, else the argument's, with the place inside the argument behind it."""
        if isinstance(item, Tensor) and item.name:
            return item.name
        place, _, rest = path[1:].partition("]")[2].partition("]")  # "[0][2].W" is the third positional argument's W
        place = place.removeprefix("[")
        if not place.isdigit():
            return place.strip("'") + rest
        try:
            names = list(inspect.signature(self.f).parameters)
        except (ValueError, TypeError):
            names = []
        return (names[int(place)] if int(place) < len(names) else f"x{place}") + rest


class _Output(str):
    """The name of a graph's output, where the result has it."""

    __slots__ = ()


def _value(item: Any) -> Any:
    """An argument's leaf as a value for the program.  UsageError where a gradient would be lost without a word."""
    if isinstance(item, Tensor):
        node = item.node
        if (node.op is not None and node.requires) or is_differentiated(node):
            raise UsageError(
                "a gradient cannot pass through a compiled function: it computes with arrays",
                where=user_line(),
                got=repr(node),
                fix="compile the gradient, dp.compile(dp.grad(f)), or give t.value for the numbers alone",
            )
        return node.value
    if isinstance(item, _FIXED) and not isinstance(item, np.generic):
        return item
    return as_value(item)


def _key(value: Any) -> Any:
    return (type(value), value) if isinstance(value, _FIXED) else (value.dtype, value.shape)


def _unused(name: str, taken: dict[str, Tensor]) -> str:
    n, found = 2, name
    while found in taken:
        found, n = f"{name}_{n}", n + 1
    return found


def _output(path: str, item: Any, outputs: dict[str, Tensor]) -> Any:
    """What stands for this leaf of the result until there is a value for it."""
    if not isinstance(item, Tensor):
        return as_value(item) if isinstance(item, np.ndarray) else item  # it depends on no argument
    name = _Output(f"out{path}")
    outputs[name] = item
    return name


def compile_function(
    f: Callable[..., Any], *, engine: str = "auto", grad: bool | ArgNums = False, keep: Sequence[str] = ()
) -> Compiled:
    """f as a program of an engine: recorded at the first call for each combination of shapes and dtypes, then run.

    engine: "auto", "eager", "native" (falls back to NumPy where there is no kernel, see `fallbacks`) or "native!".
    grad: the argument to differentiate by, by place or name, or several; True is the first.  A call then returns
    (value, gradient) as `value_and_grad` does.  keep: names or roles ("preactivation 1") of nodes to `read` later.

    Arrays, NumPy scalars and floats are inputs; booleans, integers and strings are fixed, a program for each value.
    What f reads besides its arguments is fixed as it was at the first call.  A branch on a traced value, or a number
    taken out of one (`float(t)`), is a UsageError: use `where`.  `t.value` is not noticed, and is fixed as well.
    """
    if grad is not False:
        f = value_and_grad(f, 0 if grad is True else grad)
    return Compiled(f, engine_by_name(engine), [keep] if isinstance(keep, str) else keep)
