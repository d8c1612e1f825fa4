"""A recorded graph and its backward pass as a program of scalars: one operation after the other.

The backward pass is recorded as a graph itself, so forward and backward are the same kind of lines.  An elementwise
operation is written from its scalar text; the others have their loops in `loops_operations`.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from denpa.autodiff import backward
from denpa.errors import UsageError, user_line
from denpa.explain import loops_math, replay
from denpa.explain.loops import check_size, literal
from denpa.explain.loops_operations import lines_of
from denpa.graph import Graph, Node, Tensor

_TAKEN = {
    *loops_math.SOURCES,
    *loops_math.CONSTANTS,
    "e",
    "k",
    "m",
    "n",
    "total",
    "flat",
    "abs",
    "int",
    "float",
    "print",
}


def program(graph: Graph) -> str:
    """The program of a graph whose output has shape (), and of its gradients by every input."""
    graph, _ = replay.in_double(graph)
    root = graph.outputs.get("loss") or graph.output
    replay.require_finite(root)
    wanted = {name: node for name, node in graph.inputs.items() if node.requires}
    if not root.requires or root.value.shape != ():
        raise UsageError(
            "a step ends in one number that depends on floating-point inputs",
            where=user_line(),
            got=f"{root.label} of shape {tuple(root.value.shape)}",
        )
    found = backward(Tensor(root), record=True)
    gradients = {name: found[node].node for name, node in wanted.items() if found.get(node) is not None}
    whole = Graph(
        {"loss": Tensor(root), **{f"grad {name}": Tensor(node) for name, node in gradients.items()}},
        {name: Tensor(node) for name, node in graph.inputs.items()},
    )
    used = list(dict.fromkeys([*graph.inputs.values(), *whole.nodes]))
    check_size([n.value for n in used])
    names = _names(graph, used, gradients)
    forward = set(graph.nodes)
    body = [*_leaves(used, names), *_operations(used, forward, names)]
    printing = [
        "# ---- what it found ----",
        f'print("loss =", {names[root]})',
        *(f"print({f'grad {name} ='!r}, {names[node]})" for name, node in gradients.items()),
    ]
    return "\n".join([*_heading(graph), *loops_math.needed(body), *body, *printing, ""])


def _heading(graph: Graph) -> list[str]:
    inputs = ", ".join(graph.inputs)
    return [
        f'"""A graph of {len(graph)} values from {_printable(inputs)}: forward, and backward to every input.',
        "",
        "Scalars, lists, if and for only; nothing is imported.  Run it: python this_file.py",
        'Indices count from 0."""',
        "",
    ]


def _printable(text: str) -> str:
    return re.sub(r'[\\"\x00-\x1f]', "?", text)[:80]


def _names(graph: Graph, used: list[Node], gradients: dict[str, Node]) -> dict[Node, str]:
    """An identifier for each node: its own name where it has one, g_<name> for a gradient, else v1, v2, …"""
    given: dict[Node, str] = {node: name for name, node in graph.inputs.items()}
    for name, node in gradients.items():
        given.setdefault(node, f"grad_{name}")
    names: dict[Node, str] = {}
    taken = set(_TAKEN)
    for i, node in enumerate(used):
        base = _identifier(given.get(node) or node.name or "") or ("c" if node.op is None else "v") + str(i)
        name = base
        suffix = 2
        while name in taken:
            name, suffix = f"{base}_{suffix}", suffix + 1
        taken.add(name)
        names[node] = name
    return names


def _identifier(text: str) -> str:
    """The name as an identifier; "" when nothing of it is left."""
    name = re.sub(r"\W+", "_", text).strip("_")
    if not name:
        return ""
    return f"v_{name}" if name[0].isdigit() or keyword.iskeyword(name) or not name.isidentifier() else name


def _leaves(used: list[Node], names: dict[Node, str]) -> Iterator[str]:
    yield "# ---- the numbers that are given ----"
    for node in used:
        if node.op is None:
            yield f"{names[node]} = {literal(node.value)}"
    yield ""


def _operations(used: list[Node], forward: set[Node], names: dict[Node, str]) -> Iterator[str]:
    yield "# ---- forward ----"
    turned = False
    for node in sorted((n for n in used if n.op is not None), key=lambda n: n.serial):
        assert node.op is not None
        if not turned and node not in forward:
            yield ""
            yield "# ---- backward: each operation's local derivative times what arrives ----"
            turned = True
        sources = ", ".join(names[n] for n in node.inputs)
        yield f"# {names[node]} = {node.op.name}({sources})"
        yield from lines_of(node, names[node], [names[n] for n in node.inputs])
    yield ""
