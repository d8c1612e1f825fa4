"""Reverse-mode differentiation: one iterative `backward`, and the transformations built on it.

The chain rule has its one home here: `pull` walks the nodes in reverse topological order once, asks each primitive for
its vector-Jacobian product, and adds what comes back along every edge.  With arrays for cotangents it is the fast path;
with Tensors the backward pass is itself recorded, and can be drawn, explained and differentiated again.
Source: seed 000 §5.2 (chain rule), seed 001 (45)–(54) (the products nearer the output are reused).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import denpa.ops  # noqa: F401  registers the primitives that the passes below are written with
from denpa.arrays import Array, as_value, freeze, is_float
from denpa.errors import DTypeError, GradientError, ShapeError, UsageError, user_line
from denpa.graph import FUNCTIONS, Node, Tensor, ancestors, by_serial, leaf, require_scalar


def pull(
    root: Node, g: Any, order: Sequence[Node], *, record: bool = False, keep: bool = True, ends: Collection[Node] = ()
) -> dict[Node, Any]:
    """Cotangents of the nodes in `order` (topological: those a gradient is wanted for or passes through).

    record=False: arrays in, arrays out.  record=True: Tensors, and the pass becomes a graph.  keep=False drops a node's
    cotangent once it has been passed on; those of leaves and of `ends`, beyond which nothing is passed, stay.
    """
    cotangents: dict[Node, Any] = dict.fromkeys(order)
    cotangents[root] = g
    sum_to, astype = FUNCTIONS["sum_to"], FUNCTIONS["astype"]
    for node in reversed(order):
        g = cotangents[node]
        op = node.op
        if g is None or op is None or node in ends:
            continue
        inputs = node.inputs
        needs = [n in cotangents for n in inputs] if op.needs else None
        if record:
            parts = op.pull_back(g, Tensor(node), [Tensor(n) for n in inputs], node.params, needs)
        else:
            parts = op.pull_back(g, node.value, [n.value for n in inputs], node.params, needs)
        for n, part in zip(inputs, parts):  # noqa: B905  pull_back has compared the lengths; strict costs 50 ns an operation
            if part is None or n not in cotangents:
                continue
            value = n.value
            if part.shape != value.shape:
                part = sum_to(part, value.shape)
            if part.dtype != value.dtype:
                part = astype(part, value.dtype)
            old = cotangents[n]
            cotangents[n] = part if old is None else old + part
        if not keep:
            del cotangents[node]
    return cotangents


def cotangent(root: Node, g: Any, record: bool) -> Any:
    """The seed of the pass: 1 for a scalar result, else the given g, which must have the result's shape."""
    if not is_float(root.value):
        raise DTypeError(
            "a gradient needs a floating-point result", where=user_line(), got=f"{root.label}: dtype {root.value.dtype}"
        )
    if g is None:
        require_scalar(root.value, "a gradient without a cotangent")
        g = root.value.dtype.type(1)
    elif not isinstance(g, Tensor):
        g = as_value(g, root.value.dtype)
    if tuple(g.shape) != tuple(root.value.shape):
        raise ShapeError(
            "the cotangent must have the shape of the result",
            where=user_line(),
            got=f"{tuple(g.shape)}",
            want=f"{tuple(root.value.shape)}",
        )
    if record:
        return g if isinstance(g, Tensor) else Tensor(leaf(g, "constant", "1" if g.shape == () and g == 1 else "g"))
    return g.value if isinstance(g, Tensor) else g


class Gradients(Mapping[Any, Array]):
    """∂root/∂node by Tensor or by name, for every node the gradient passed through.

    A gradient that was not computed (the root does not depend on the Tensor, or it is an integer) is a GradientError
    that says why, never a zero; `get` returns None for it.
    """

    def __init__(self, root: Node, cotangents: dict[Node, Any]) -> None:
        self.root = root
        self.by_node: dict[Node, Any] = {n: g for n, g in cotangents.items() if g is not None}

    def __getitem__(self, key: Tensor | Node | str) -> Any:
        node = self._node(key)
        if node in self.by_node:
            return self.by_node[node]
        raise GradientError(
            f"the gradient of {self.root.label!r} with respect to {node.label!r} was not computed",
            where=user_line(),
            got=_why_not(self.root, node),
            fix="this is not the same as a gradient of zero; ask only for what the result depends on",
        )

    def _node(self, key: Tensor | Node | str) -> Node:
        if isinstance(key, Tensor):
            return key.node
        if isinstance(key, Node):
            return key
        if not isinstance(key, str):
            raise UsageError("gradients are looked up by Tensor or by name", where=user_line(), got=type(key).__name__)
        found = [n for n in self.by_node if n.name == key]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted({n.name for n in self.by_node if n.name})) or "none is named"
        raise GradientError(
            f"{len(found) or 'no'} gradient{'s are' if len(found) > 1 else ' is'} known by the name {key!r}",
            where=user_line(),
            want=f"one of: {names}",
            fix="name inputs with denpa.tensor(..., name=...), or look up by Tensor",
        )

    def get(self, key: Any, default: Any = None) -> Any:
        """The gradient, or `default` when it was not computed."""
        if isinstance(key, str):
            found = [n for n in self.by_node if n.name == key]
            return self.by_node[found[0]] if len(found) == 1 else default
        return self.by_node.get(self._node(key), default)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[Any]:
        """Named nodes by name, the others as Tensors, inputs first."""
        return (n.name or Tensor(n) for n in sorted(self.by_node, key=by_serial))

    def __len__(self) -> int:
        return len(self.by_node)

    def __repr__(self) -> str:
        named = {n.name: g for n, g in self.by_node.items() if n.name}
        return f"<Gradients of {self.root.label}: {named}>"


def _why_not(root: Node, node: Node) -> str:
    if not is_float(node.value):
        return f"its dtype is {node.value.dtype}; only floating-point values have gradients"
    if node.kind == "constant":
        return "it is a constant"
    return (
        "the result does not depend on it"
        if node not in set(ancestors([root]))
        else "a non-differentiable step lies between"
    )


def backward(t: Tensor, g: Any = None, *, record: bool = False) -> Gradients:
    """All gradients of `t` in one backward pass, by Tensor or by name; mutates nothing.

    g: cotangent of t's shape, may be left out for shape ().  record=True returns Tensors (the pass is a graph).
    GradientError when t depends on no floating-point input.  Source: seed 000, "all inputs in one pass".
    """
    root = _root(t)
    seed = cotangent(root, g, record)
    order = ancestors([root], requires_only=True)
    with np.errstate(all="ignore"):  # a derivative that is inf or NaN shows as such in the result
        cotangents = pull(root, seed, order, record=record)
    if not record:
        for value in cotangents.values():
            freeze(value)
    return Gradients(root, cotangents)


def _root(t: Tensor) -> Node:
    if not isinstance(t, Tensor):
        raise UsageError("backward needs a Tensor", where=user_line(), got=type(t).__name__)
    if not t.node.requires:
        raise GradientError(
            "nothing to differentiate: the result depends on no floating-point input",
            where=user_line(),
            got=f"{t.node.label} of dtype {t.dtype}",
            fix="make the inputs with denpa.tensor(...) as floats, outside no_grad",
        )
    return t.node


def backward_into_leaves(t: Tensor, g: Any, accumulate: bool) -> None:
    """`Tensor.backward`: leave each leaf's gradient in its `.grad`."""
    root = _root(t)
    order = ancestors([root], requires_only=True)
    with np.errstate(all="ignore"):
        cotangents = pull(root, cotangent(root, g, False), order, keep=False)
    for node, gradient in cotangents.items():
        if node.op is None and gradient is not None:
            node.grad = freeze(node.grad + gradient if accumulate and node.grad is not None else gradient)


FUNCTIONS["backward_into_leaves"] = backward_into_leaves


def contributions(gradients: Gradients) -> dict[tuple[Node, int], Array]:
    """What each edge brought back: (node, i) → the part of ∂root/∂(its i-th input) that came through this node.

    A node's gradient is the sum of the parts on the edges that leave it; the root's own is the cotangent.  Edges
    without a part (constants, integers, `stop_gradient`) are not in it.  Source: seed 000 §5.2 (local derivative times
    what arrives), seed 002 (one weight's gradient as a sum over paths).
    """
    found: dict[tuple[Node, int], Array] = {}
    sum_to, astype = FUNCTIONS["sum_to"], FUNCTIONS["astype"]
    with np.errstate(all="ignore"):
        for node, g in gradients.by_node.items():
            if node.op is None:
                continue
            wanted = [n in gradients.by_node for n in node.inputs]
            parts = node.op.pull_back(g, node.value, [n.value for n in node.inputs], node.params, wanted)
            for i, (n, part) in enumerate(zip(node.inputs, parts, strict=True)):
                if part is not None and wanted[i]:
                    found[node, i] = freeze(astype(sum_to(part, n.value.shape), n.value.dtype))
    return found
