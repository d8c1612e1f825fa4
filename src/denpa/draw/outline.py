"""Scenes as text: from the result backwards, one line a box, each edge with its value and its gradient."""

from __future__ import annotations

from collections.abc import Iterator

from denpa.draw.markup import plain
from denpa.draw.scene import Box, Row, Scene, Wire, state

_SEEN = "↑"  # its inputs stand above


def outline(scene: Scene) -> str:
    """A tree of what each result is computed from.  A box that several others use is opened where it comes first."""
    boxes = {box.key: box for box in scene.boxes}
    pills = {pill.key: pill.rows for pill in scene.pills}
    into: dict[str, list[Wire]] = {box.key: [] for box in scene.boxes}
    used = set()
    for wire in scene.wires:
        into[wire.target].append(wire)
        used.add(wire.source)
    beads = {bead.key: bead for bead in scene.beads}

    def label(box: Box) -> str:
        bead = beads.get(box.key)
        total = f"  Σ{bead.gradient.text}" if bead is not None and known(bead.gradient) else ""
        texts = [box.title, f"[{box.caption}]" if box.caption else "", rows_text(box.lines)]
        return plain(" ".join(text for text in texts if text) + total)

    def known(row: Row) -> bool:
        return state(scene, row.at) != "later"

    def rows_text(rows: tuple[Row, ...]) -> str:
        return " ".join(row.text for row in rows if known(row))

    lines = [plain(scene.title)]
    opened: set[str] = set()
    for root in (box for box in scene.boxes if box.key not in used):
        lines += _tree(root, boxes, pills, into, opened, label, rows_text)
    return "\n".join(lines)


def _tree(root: Box, boxes, pills, into, opened, label, rows_text) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """Depth first with a stack of our own: a chain of thousands of boxes must not end in a RecursionError."""
    stack: list[tuple[str, str, str, Box]] = [("", "", "", root)]
    while stack:
        lead, branch, edge, box = stack.pop()
        again = box.key in opened and bool(into[box.key])
        head = f"{edge} ─ " if edge else ""
        yield f"{lead}{branch}{head}{label(box)}{f' {_SEEN}' if again else ''}"
        if again:
            continue
        opened.add(box.key)
        below = lead + {"": "", "├ ": "│ ", "└ ": "  "}[branch]
        wires = into[box.key]
        for i, wire in reversed(list(enumerate(wires))):
            text = rows_text(pills.get(wire.key, ()))
            stack.append((below, "└ " if i == len(wires) - 1 else "├ ", text, boxes[wire.source]))
