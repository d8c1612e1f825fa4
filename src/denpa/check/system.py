"""The function under check as a system: floating-point leaves in, outputs and cotangents out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, is_float
from denpa.check.node import cotangents, in_double, random_like
from denpa.errors import DTypeError, UsageError, user_line
from denpa.graph import Graph, Node, Tensor, leaf, no_grad
from denpa.tree import flatten


@dataclass
class System:
    """The function as outputs and their cotangents, over the floating-point leaves of its arguments."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    names: list[str]
    values: list[Array]
    rebuild: Callable[[list[Any]], tuple[Any, ...]]
    seeds: list[Array]
    order: int = 1
    first: System | None = None  # of order 2: the system whose gradients are the outputs here

    def record(self, values: Sequence[Array]) -> tuple[list[Tensor], list[Node]]:
        if self.first is not None:
            outputs, leaves = self.first.record(values)
            found = cotangents(outputs, self.first.seeds, leaves, record=True)
            return [
                g if isinstance(g, Tensor) else Tensor(leaf(np.zeros_like(v)[()], "constant"))
                for g, v in zip(found, values, strict=True)
            ], leaves
        tensors = [Tensor(leaf(np.asarray(v)[()], "input", name)) for v, name in zip(values, self.names, strict=True)]
        with np.errstate(all="ignore"):  # a step may leave the domain of f; what is not finite is reported
            return self._outputs(self.f(*self.rebuild(list(tensors)))), [t.node for t in tensors]

    def evaluate(self, values: Sequence[Array]) -> list[Array]:
        """The outputs as float64 arrays, by an ordinary call (order 1) or an ordinary backward pass (order 2)."""
        if self.first is not None:
            outputs, leaves = self.first.record(values)
            found = cotangents(outputs, self.first.seeds, leaves)
            return [np.zeros(v.shape) if g is None else np.asarray(g) for g, v in zip(found, values, strict=True)]
        with no_grad(), np.errstate(all="ignore"):
            tensors = [Tensor(leaf(np.asarray(v)[()], "input")) for v in values]
            return [np.asarray(t.value) for t in self._outputs(self.f(*self.rebuild(list(tensors))))]

    def graph(self, values: Sequence[Array]) -> Graph:
        outputs, leaves = self.record(values)
        return graph_of(outputs, leaves, self.names)

    def _outputs(self, result: Any) -> list[Tensor]:
        items = [item for _, item in flatten(result)[0]]
        outputs = [item for item in items if isinstance(item, Tensor) and is_float(item.value)]
        if not outputs:
            raise UsageError(
                "nothing to check: the function returns no floating-point Tensor",
                where=user_line(),
                got=", ".join(type(item).__name__ for item in items) or "nothing",
                fix="compute it from its arguments with denpa's or NumPy's functions (not with .value or float())",
            )
        return outputs


def graph_of(outputs: Sequence[Tensor], leaves: Sequence[Node], names: Sequence[str]) -> Graph:
    return Graph(list(outputs), dict(zip(names, map(Tensor, leaves), strict=True)))


def system_of(f: Callable[..., Any], args: tuple[Any, ...], rng: np.random.Generator) -> System:
    names = _argument_names(f, len(args))
    items, rebuild = [], []
    for name, arg in zip(names, args, strict=True):
        found, build = flatten(arg, name)
        items.append(found)
        rebuild.append(build)
    flat = [pair for found in items for pair in found]
    arrays = [np.asarray(item.value if isinstance(item, Tensor) else item) for _, item in flat]
    moving = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    if not moving:
        got = ", ".join(f"{path} of dtype {a.dtype}" for (path, _), a in zip(flat, arrays, strict=True))
        raise DTypeError(
            "a gradient check needs a floating-point argument", where=user_line(), got=got or "no arguments",
            fix="give floats (1.0, not 1)",
        )  # fmt: skip

    def build_all(tensors: list[Any]) -> tuple[Any, ...]:
        new = dict(zip(moving, tensors, strict=True))
        parts = [new.get(k, item) for k, (_, item) in enumerate(flat)]
        it = iter(parts)
        return tuple(build([next(it) for _ in found]) for build, found in zip(rebuild, items, strict=True))

    values = [np.asarray(in_double(arrays[k])) for k in moving]
    system = System(f, args, [flat[k][0] for k in moving], values, build_all, [])
    system.seeds = [random_like(rng, v.shape) for v in system.evaluate(values)]
    return system


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        named = [p.name for p in inspect.signature(f).parameters.values() if p.kind in (0, 1)]  # positional ones
    except (TypeError, ValueError):
        named = []  # some built-in functions have no signature
    return [named[i] if i < len(named) else f"args[{i}]" for i in range(count)]
