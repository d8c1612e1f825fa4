"""A plan as a table a person can read."""

from __future__ import annotations

from denpa.engine.plan import Plan
from denpa.engine.values import Task, View


def table(plan: Plan) -> str:
    """One line a task: what it does, operands with shapes and places, bytes touched, estimated flops, source node."""
    names = _names(plan)
    rows = [("#", "task", "writes", "reads", "bytes", "flops", "node")]
    for i, task in enumerate(plan.tasks):
        rows.append((
            str(i), _what(task), ", ".join(_operand(v, names) for v in task.writes),
            ", ".join(dict.fromkeys(_operand(v, names) for v in task.reads)), f"{_bytes(task):,}", f"{task.flops:,}",
            _node(task),
        ))  # fmt: skip
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    right = (0, 4, 5)
    lines = [
        "  ".join(
            cell.rjust(w) if c in right else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines[1:1] = ["  ".join("─" * w for w in widths)]
    copies = [f"   copy {_operand(a, names)} → {_operand(b, names)}" for a, b in plan.copies]
    total = f"{len(plan.tasks)} tasks, {plan.bytes:,} bytes, {plan.flops:,} flops a step"
    notes = [f"fallback: {reason}" for reason in plan.fallbacks]
    return "\n".join(line.rstrip() for line in [*lines, *copies, total, *notes])


def _names(plan: Plan) -> dict[object, str]:
    """Inputs by their name, constants by their value, nodes by name or role, the rest numbered as they appear."""
    names: dict[object, str] = {value: name for name, value in plan.inputs.items()}
    for value in plan.constants:
        names[value] = f"{value.data.item():g}" if value.data is not None and value.size == 1 else "constant"
    for new, old in plan.layout.places.items():
        names[new] = f"{names.get(old, 'state')}′"
    count = 0
    for task in plan.tasks:
        for view in task.writes:
            if view.value not in names:
                node = view.value.node
                role = f"{node.role.kind}{node.role.layer}" if node is not None and node.role is not None else None
                names[view.value] = view.value.name or role or f"v{count}"
                count += names[view.value] == f"v{count}"
    return names


def _what(task: Task) -> str:
    title = str(task.info.get("title", task.kind))
    if task.kind == "loop":
        reduced = "".join(f" → {s.reduce}" for s in task.info["stores"] if s.reduce)
        return f"loop {title if len(title) < 60 else title[:57] + '…'}{reduced}"
    if task.kind == "matmul":
        alpha, beta = task.info["alpha"], task.info["beta"]
        extra = "" if task.info["base"] is None else f" α={_factor(alpha)} β={_factor(beta)}"
        return f"matmul {title}{extra}"
    return title if task.kind == title else f"{task.kind} {title}"


def _factor(factor: tuple[float, View | None]) -> str:
    number, view = factor
    return f"{number:g}" + ("" if view is None else f"·{view.value.name or 's'}")


def _operand(view: View, names: dict[object, str]) -> str:
    if view.value.size == 1:
        return f"{names.get(view.value, '?')}@{view.value.offset}"
    shape = "×".join(map(str, view.shape))
    turned = "ᵀ" if len(view.shape) == 2 and 0 < view.strides[0] < view.strides[1] else ""
    return f"{names.get(view.value, '?')}{turned}[{shape}]@{view.value.offset}"


def _bytes(task: Task) -> int:
    views = [*task.writes, *dict.fromkeys(task.reads)]
    return sum(min(v.size, v.value.size) * v.dtype.itemsize for v in views)


def _node(task: Task) -> str:
    node = task.node
    if node is None:
        return ""
    role = f" ({node.role.kind} {node.role.layer})" if node.role is not None else ""
    return f"{node.label}{role}"
