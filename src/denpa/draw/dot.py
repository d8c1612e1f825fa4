"""Scenes as DOT text, for Graphviz to lay out: the same boxes, labels and edges, without our coordinates."""

from __future__ import annotations

from denpa.draw.markup import plain
from denpa.draw.scene import Box, Scene
from denpa.draw.style import LIGHT

_SHAPES = {"operator": "ellipse", "loss": "box", "group": "folder", "more": "plaintext"}


def dot(scene: Scene) -> str:
    """A digraph, left to right; an edge's label has the value above the gradient, as in the picture."""
    lines = [f"digraph {_quoted(scene.title)} {{", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    lines += [f"  {_quoted(box.key)} [{_node(box)}];" for box in scene.boxes]
    rows = {pill.key: pill.rows for pill in scene.pills}
    for wire in scene.wires:
        texts = {row.kind: row.text for row in rows.get(wire.key, ())}
        label = "\\n".join(_escaped(text) for text in texts.values())
        style = ", style=dotted" if wire.faint else ""
        lines.append(
            f'  {_quoted(wire.source)} -> {_quoted(wire.target)} [label="{label}", penwidth={wire.width:.2f}{style}];'
        )
    return "\n".join([*lines, "}"])


def _node(box: Box) -> str:
    label = "\\n".join(_escaped(text) for text in (box.title, *(row.text for row in box.lines), box.caption) if text)
    more = [f"shape={_SHAPES.get(box.kind, 'box')}"]
    if box.kind == "loss":
        more.append("peripheries=2")
    if box.kind in ("parameter", "input"):
        colour = "#f3efe3" if box.kind == "parameter" else "#eaf2f9"
        more.append(f'style="rounded,filled", fillcolor="{colour}"')
    elif box.kind == "constant":
        more.append(f'style=dashed, color="{LIGHT["muted"]}"')
    return ", ".join([f'label="{label}"', *more])


def _escaped(text: str) -> str:
    """Text inside a DOT string: a backslash would start an escape of its own (\\N is the node's name)."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
