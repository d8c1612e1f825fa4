"""A graph made smaller without changing what it computes: dead code, repetitions, constants, what does nothing.

A Term is a node of the smaller graph.  Two nodes that compute the same from the same become one Term.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.graph import Graph, Node, ancestors
from denpa.primitive import REGISTRY, Primitive

FOLD = 1 << 16  # elements: a constant larger than this and than its inputs is computed in every step, not kept


class Term:
    """An operation on terms, an input, or a constant (data is its array)."""

    __slots__ = ("data", "dtype", "inputs", "name", "node", "op", "params", "shape")

    def __init__(
        self,
        op: Primitive | None,
        inputs: tuple[Term, ...],
        params: Mapping[str, Any],
        shape: Shape,
        dtype: Any,
        *,
        data: Array | None = None,
        name: str | None = None,
        node: Node | None = None,
    ) -> None:
        self.op, self.inputs, self.params = op, inputs, params
        self.shape, self.dtype, self.data, self.name, self.node = tuple(shape), np.dtype(dtype), data, name, node

    @property
    def kind(self) -> str:
        """The primitive's name, "constant" or "input"."""
        return self.op.name if self.op is not None else "input" if self.data is None else "constant"

    @property
    def size(self) -> int:
        return prod(self.shape)

    def __repr__(self) -> str:
        return f"<Term {self.kind} {self.dtype}{list(self.shape)}>"


class Terms:
    """The terms of a graph for some of its outputs."""

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self._known: dict[Any, Term] = {}
        self.inputs = {name: Term(None, (), {}, n.value.shape, n.value.dtype, name=name, node=n)
                       for name, n in graph.inputs.items()}  # fmt: skip
        by_node = {node: self.inputs[name] for name, node in graph.inputs.items()}
        roots = [graph.outputs[name] for name in outputs]
        for node in ancestors(roots, stop=graph.inputs.values()):
            if node in by_node:
                continue
            if node.op is None:
                by_node[node] = self.constant(node.value, node)
            else:
                arguments = [by_node[n] for n in node.inputs]
                by_node[node] = self.make(node.op, arguments, node.params, node.value.shape, node.value.dtype, node)
        self.outputs = {name: by_node[graph.outputs[name]] for name in outputs}

    def constant(self, value: Array, node: Node | None = None) -> Term:
        array = np.asarray(value)
        key = ("constant", array.dtype.str, array.shape, array.tobytes() if array.size <= 64 else id(value))
        if key not in self._known:
            self._known[key] = Term(None, (), {}, array.shape, array.dtype, data=array, node=node)
        return self._known[key]

    def call(self, name: str, arguments: Sequence[Term], shape: Shape, dtype: Any, **params: Any) -> Term:
        """A term that no node stands for: passes that rewrite make them."""
        return self.make(REGISTRY[name], arguments, params, shape, dtype, None)

    def make(
        self,
        op: Primitive,
        arguments: Sequence[Term],
        params: Mapping[str, Any],
        shape: Shape,
        dtype: Any,
        node: Node | None,
    ) -> Term:
        """The term for an operation: an older one when it is the same, simpler when it can be."""
        arguments = tuple(self._seen_through(op, a, shape) for a in arguments)
        simpler = self._same_as(op, arguments, shape, np.dtype(dtype))
        if simpler is not None:
            return simpler
        folded = self._folded(op, arguments, params, shape)
        if folded is not None:
            return self.constant(folded, node)
        key = (op, tuple(map(id, arguments)), _frozen(params), tuple(shape))  # who saw through broadcast_to is larger
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Term(op, arguments, params, shape, dtype, node=node)
        return found

    def _seen_through(self, op: Primitive, argument: Term, shape: Shape) -> Term:
        """An elementwise operation repeats small operands by itself: what broadcast_to was applied to will do."""
        if argument.kind == "broadcast_to" and op.scalar is not None and len(op.defaults) == 0:
            source = argument.inputs[0]
            if len(source.shape) <= len(shape) and argument.shape == tuple(shape):
                return source
        return argument

    def _same_as(self, op: Primitive, arguments: Sequence[Term], shape: Shape, dtype: np.dtype[Any]) -> Term | None:
        """The argument that the result is equal to, bit by bit, where there is one."""
        first = arguments[0] if arguments else None
        if first is None:
            return None
        unchanged = ("identity", "stop_gradient", "astype", "sum_to", "reshape", "broadcast_to", "astype_discrete")
        if op.name in unchanged and first.shape == tuple(shape) and first.dtype == dtype:
            return first
        if op.name in ("multiply", "divide") and len(arguments) == 2:
            pairs = [(first, arguments[1])] + ([(arguments[1], first)] if op.name == "multiply" else [])
            for x, y in pairs:
                if (
                    y.data is not None
                    and y.size == 1
                    and y.data.item() == 1
                    and x.shape == tuple(shape)
                    and x.dtype == dtype
                ):
                    return x
        return None

    def _folded(
        self, op: Primitive, arguments: Sequence[Term], params: Mapping[str, Any], shape: Shape
    ) -> Array | None:
        if any(a.data is None for a in arguments) or not arguments:
            return None
        if prod(shape) > max(FOLD, *(a.size for a in arguments)) or (op.name == "broadcast_to" and prod(shape) > 1):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(op.evaluate(np, *[a.data[()] for a in arguments if a.data is not None], **params))


def _frozen(params: Mapping[str, Any]) -> Any:
    return tuple((k, repr(v)) for k, v in params.items())


def users(roots: Iterable[Term]) -> dict[Term, list[Term]]:
    """Who reads a term, once for each operand; every term that the roots depend on is in it."""
    found: dict[Term, list[Term]] = {}
    for term in in_order(roots):
        found.setdefault(term, [])
        for argument in term.inputs:
            found[argument].append(term)
    return found


def in_order(roots: Iterable[Term]) -> list[Term]:
    """The terms that the roots depend on, operands first.  Iterative: a chain of 100,000 terms is legal."""
    done: dict[Term, None] = {}
    for root in roots:
        stack: list[tuple[Term, int]] = [(root, 0)]
        while stack:
            term, i = stack.pop()
            if term in done:
                continue
            if i < len(term.inputs):
                stack.append((term, i + 1))
                if term.inputs[i] not in done:
                    stack.append((term.inputs[i], 0))
            else:
                done[term] = None
    return list(done)
