"""`chain`: the derivative of any graph's result with respect to one of its values, derived step by step.

Forward, every value on the way is defined by its operation; backward, the chain rule is applied once for each of them.
The terms are the primitives' own rules, run on symbols: what is shown is what backpropagation computes.
Source: seed 000 §5.2 (chain rule on a graph), §5.3 (each node's rule).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from denpa.autodiff import backward
from denpa.errors import GradientError, UsageError, user_line
from denpa.explain import tex
from denpa.explain.document import Block, Document, Highlight, Highlights, Number, Section, T, Text
from denpa.explain.expression import expression, fill, level_of_text, symbol, value
from denpa.explain.notation import Notation, notation as find_notation
from denpa.explain.tex import formula
from denpa.graph import FUNCTIONS, Graph, Node, Tensor, leaf, require_scalar

LIMIT = 400  # values between the two ends; a longer derivation is read by nobody


def chain(
    graph: Graph | Tensor,
    wrt: str | Tensor | Node,
    *,
    output: str | None = None,
    notation: str | Notation | None = None,
) -> Document:
    """∂(result)/∂wrt: words, the formula with symbols, the same with numbers, one step for each value on the way.

    wrt: a node's name, or the Tensor.  output: which result, when there are several; it must have shape ().
    notation: names for the values of a network (those with a Role).  GradientError when the result does not depend on
    wrt; UsageError for more than 400 steps.
    """
    graph = graph if isinstance(graph, Graph) else Graph(graph)
    root = graph.output if output is None else graph.outputs[output] if output in graph.outputs else graph[output]
    require_scalar(root.value, "a derivation")
    end = _end(graph, wrt)
    steps = _between(graph, root, end)
    if len(steps) > LIMIT:
        raise UsageError(
            "too many values lie between the two for a derivation",
            where=user_line(),
            got=f"{len(steps):,}",
            want=f"at most {LIMIT}",
            fix="derive a smaller part, or use denpa.explain(...), which ranks the paths",
        )
    return _Derivation(root, end, steps, _names(graph, root, notation)).document()


def _end(graph: Graph, wrt: str | Tensor | Node) -> Node:
    if isinstance(wrt, str):
        return graph[wrt]
    node = wrt.node if isinstance(wrt, Tensor) else wrt
    if node not in set(graph.nodes):
        raise UsageError("this value is not part of the graph", where=user_line(), got=repr(node))
    return node


def _between(graph: Graph, root: Node, end: Node) -> list[Node]:
    """The nodes the gradient passes from the root to `end`, both included, in topological order."""
    depends = {end}
    for node in graph.nodes:
        if node.op is not None and node.requires and any(n in depends for n in node.inputs):
            depends.add(node)
    if root not in depends or not end.requires:
        raise GradientError(
            "there is nothing to derive: no gradient flows from the result to this value",
            where=user_line(),
            got=f"{root.label} with respect to {end.label}",
        )
    needed = {root}
    for node in reversed(graph.nodes):
        if node in needed and node in depends and node is not end:
            needed.update(n for n in node.inputs if n in depends)
    return [node for node in graph.nodes if node in needed and node in depends]


def _names(graph: Graph, root: Node, notation: str | Notation | None) -> dict[Node, str]:
    """A symbol for every node: of the notation, its own name, a constant's number, or u with a number."""
    depth = max((n.role.layer for n in graph.nodes if n.role is not None), default=0)
    chosen = None if notation is None else find_notation(notation).bound(depth)
    names: dict[Node, str] = {}
    taken = {n.name for n in graph.nodes if n.name}
    count = 0
    for node in graph.nodes:
        text = _role_symbol(node, chosen)
        if text is None and node is root and node.name is None:
            text = "L" if "L" not in taken else "y" if "y" not in taken else r"\mathrm{out}"
        if text is None and (node.name is not None or node.op is None):
            text = symbol(node)
        if text is None:
            count += 1
            while f"u{count}" in taken or f"u_{count}" in taken:
                count += 1
            text = f"u_{{{count}}}"
        names[node] = text
    return names


def _role_symbol(node: Node, n: Notation | None) -> str | None:
    if n is None or node.role is None:
        return None
    kind, layer = node.role
    if kind == "input":
        return n.symbol("activation", 0).latex
    if kind in ("weight", "bias", "preactivation", "activation", "target", "loss"):
        return n.symbol(kind, layer).latex  # type: ignore[arg-type]
    return None


class _Derivation:
    """One derivation: the ends, the nodes between them, and what each is called."""

    def __init__(self, root: Node, end: Node, steps: list[Node], names: dict[Node, str]) -> None:
        self.root, self.end, self.steps, self.names = root, end, steps, names
        inside = set(steps)
        self.gradients = backward(Tensor(root))
        self.consumers: dict[Node, list[tuple[Node, int]]] = {
            node: [(c, i) for c in steps for i, n in enumerate(c.inputs) if n is node and c in inside] for node in steps
        }

    def document(self) -> Document:
        of, by = tex.plain(self.names[self.root]), tex.plain(self.names[self.end])
        result = self.gradients[self.end]
        blocks = [Highlight(tex.plain(self.derivative(self.end)), _figure(result))]
        return Document(
            T(en=f"The derivative of {of} with respect to {by}", ja=f"{of}の{by}による微分"),
            (
                Section(
                    T(en="Forward: every value on the way", ja="順伝播：途中の値"),
                    tuple(self._forward()),
                    key="forward",
                ),
                Section(T(en="Backward: the chain rule", ja="逆伝播：連鎖律"), tuple(self._backward()), key="backward"),
            ),
            (Highlights(tuple(blocks)),),
        )

    def derivative(self, node: Node) -> str:
        return rf"\frac{{\partial {self.names[self.root]}}}{{\partial {self.names[node]}}}"

    def _forward(self) -> Iterator[Block]:
        nodes = Graph(Tensor(self.root)).nodes
        for node in nodes if len(nodes) <= LIMIT else self.steps:
            if node.op is None:
                continue
            text = f"{self.names[node]} = {expression(node, self._inner(node))}"
            yield formula(text + self._with_numbers(node))

    def _inner(self, node: Node) -> dict[Node, str]:
        return {n: self.names[n] for n in node.inputs}

    def _with_numbers(self, node: Node) -> str:
        """` = 100 × 2 = 200`, as far as the values are small enough to be written."""
        assert node.op is not None
        numbers = [value(n.value) for n in node.inputs]
        own = value(node.value)
        if None in numbers or own is None:
            return f" = {own}" if own is not None else ""
        filled = fill(node.op.latex, [(str(t), level_of_text(str(t))) for t in numbers])[0]
        return f" = {filled}" + (f" = {own}" if own != filled else "")

    def _backward(self) -> Iterator[Block]:
        for node in reversed(self.steps):
            if node is self.root:
                yield Text(
                    T(
                        en="The gradient starts at the result with 1.",
                        ja="結果自身についての微分は1で、ここから始まる。",
                    )
                )
                yield formula(f"{self.derivative(node)} = 1")
            else:
                yield from self._step(node)

    def _step(self, node: Node) -> Iterator[Block]:
        uses = self.consumers[node]
        yield Text(_words(tex.plain(self.names[node]), [tex.plain(self.names[c]) for c, _ in uses]))
        products = [self._product(c, node) for c, _ in uses]
        if products != [self.derivative(node)]:
            yield formula(f"{self.derivative(node)} = {' + '.join(products)}")
        terms = [self._term(c, i) for c, i in uses]
        symbols = _added([t for t, _ in terms])
        own = value(self.gradients[node])
        numbers = "" if own is None else f" = {own}"
        if all(n is not None for _, n in terms):
            filled = _added([str(n) for _, n in terms])
            numbers = (f" = {filled}" if filled not in (symbols, own) else "") + numbers
        yield formula(f"{self.derivative(node)} = {symbols}{numbers}")

    def _product(self, consumer: Node, node: Node) -> str:
        local = rf"\frac{{\partial {self.names[consumer]}}}{{\partial {self.names[node]}}}"
        return local if consumer is self.root else rf"{self.derivative(consumer)} \, {local}"

    def _term(self, consumer: Node, i: int) -> tuple[str, str | None]:
        """What the consumer's rule sends back to its i-th input: with symbols, and with numbers (None: too large)."""
        part, leaves = _rule(consumer, i, self.gradients[consumer], one=consumer is self.root)
        if part is None:
            return r"0", "0"
        g, out, inputs = leaves
        names = {out: self.names[consumer], **{s: self.names[n] for s, n in zip(inputs, consumer.inputs, strict=True)}}
        numbers: dict[Node, str] = {}
        for shown, source in ((out, consumer), *zip(inputs, consumer.inputs, strict=True)):
            numbers[shown] = value(source.value) or ""
        if consumer is not self.root:
            names[g], numbers[g] = self.derivative(consumer), value(self.gradients[consumer]) or ""
        symbols = expression(part, names)
        missing = [n for n in _leaves(part) if n in numbers and not numbers[n]]
        return symbols, None if missing else expression(part, numbers)


def _rule(consumer: Node, i: int, g: Any, *, one: bool) -> tuple[Node | None, tuple[Node, Node, list[Node]]]:
    """The consumer's vjp rule run on fresh leaves, so that its result is an expression of them."""
    assert consumer.op is not None
    seed = leaf(g, "constant" if one else "input")
    out = leaf(consumer.value, "input", requires=True)
    inputs = [leaf(n.value, n.kind if n.op is None else "input", n.name, n.requires) for n in consumer.inputs]
    seed.requires = True
    needs = [j == i for j in range(len(inputs))]
    with np.errstate(all="ignore"):
        parts = consumer.op.pull_back(Tensor(seed), Tensor(out), [Tensor(n) for n in inputs], consumer.params, needs)
        part = parts[i]
        if part is not None and not isinstance(part, Tensor):
            part = Tensor(leaf(np.asarray(part)[()], "constant"))
        if part is not None and part.shape != tuple(inputs[i].value.shape):
            part = FUNCTIONS["sum_to"](part, tuple(inputs[i].value.shape))
    return (None if part is None else part.node), (seed, out, inputs)


def _leaves(node: Node) -> list[Node]:
    return [n for n in Graph(Tensor(node)).nodes if n.op is None]


def _added(terms: list[str]) -> str:
    """A sum of terms: a leading minus in front of a later one gets parentheses."""
    return " + ".join(rf"\left({t}\right)" if i and t.startswith("-") else t for i, t in enumerate(terms))


def _figure(result: Any) -> Number | str:
    a = np.asarray(result)
    return Number(float(a), digits=6) if a.ndim == 0 else " × ".join(map(str, a.shape))


def _words(node: str, consumers: list[str]) -> T:
    if len(consumers) == 1:
        return T(
            en=f"{node} acts on the result through {consumers[0]} alone: what arrives there times the local slope.",
            ja=f"{node}は{consumers[0]}だけを通って結果に効く。そこに届いた微分に、局所的な微分を掛ける。",
        )
    listed = ", ".join(consumers)
    return T(
        en=f"{node} acts on the result through {listed}: one product for each, and they add.",
        ja=f"{node}は{'、'.join(consumers)}を通って結果に効く。それぞれの積を求めて足し合わせる。",
    )
