"""What a gradient check found out: a row an argument and order, the operations judged, kinks, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from denpa.check.node import Finding, Kink
from denpa.check.verdict import Verdict


@dataclass(frozen=True)
class Row:
    """One argument at one order: the worst of its probes, analytic against numerical.

    element: the index of the worst element, None for a random direction.  error: of the numerical value, estimated.
    how: "whole function" (differences of f) or "node by node" (differences of each operation, multiplied along).
    """

    order: int
    argument: str
    shape: tuple[int, ...]
    element: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float
    tolerance: float
    verdict: Verdict
    how: str
    why: str = ""

    @property
    def trust(self) -> float:
        """Estimated relative error of the numerical value."""
        return self.error / abs(self.numeric) if self.numeric else float("inf") if self.error else 0.0


@dataclass(frozen=True)
class Judged:
    """A node of the graph (its index in `Graph(...).nodes`) and what was found out about its rule there."""

    index: int
    description: str
    shapes: tuple[tuple[int, ...], ...]
    finding: Finding

    @property
    def op(self) -> str:
        return self.finding.op

    def __str__(self) -> str:
        f = self.finding
        port = "all inputs together" if f.input is None else f"input {f.input}"
        at = f" element {list(f.element)}" if f.element else ""
        shapes = ", ".join(str(s) for s in self.shapes)
        order = "" if f.order == 1 else " (second order)"
        return f"node #{self.index} {self.description}, input shapes {shapes}; {port}{at}{order}: {f.reason}"


@dataclass(frozen=True)
class CheckReport:
    """The result of `check`; true when the verdict is "right", and printed as a table."""

    verdict: Verdict
    rows: tuple[Row, ...]
    wrong: tuple[Judged, ...]
    unsure: tuple[Judged, ...]
    kinks: tuple[tuple[int, Kink], ...]
    nodes: int
    orders: tuple[int, ...]
    seed: int
    deterministic: bool = True
    notes: tuple[str, ...] = field(default=())

    @property
    def guilty(self) -> Judged | None:
        """The first operation, in forward order, whose own rule is wrong."""
        return self.wrong[0] if self.wrong else None

    def __bool__(self) -> bool:
        return self.verdict is Verdict.RIGHT

    def __str__(self) -> str:
        orders = " and ".join(str(o) for o in self.orders)
        head = (
            f"gradient check: {self.verdict} (orders {orders}, {self.nodes} operations judged alone, seed {self.seed})"
        )
        lines = [head, *_table(self.rows)]
        lines += [f"wrong: {j}" for j in self.wrong]
        lines += [f"cannot tell alone: {j}" for j in self.unsure]
        lines += [f"kink: node #{index} {kink}" for index, kink in self.kinks]
        lines += [f"note: {text}" for text in self.notes]
        return "\n".join(lines)


def _table(rows: Sequence[Row]) -> list[str]:
    head = ("order", "argument", "element", "analytic", "numerical", "difference", "trusted to", "verdict", "by")
    cells = [head] + [
        (
            str(r.order),
            f"{r.argument} {r.shape}",
            "direction" if r.element is None else str(list(r.element)),
            f"{r.analytic:.10g}",
            f"{r.numeric:.10g}",
            f"{abs(r.analytic - r.numeric):.1e}",
            f"{r.trust:.0e}" if r.numeric else f"±{r.error:.0e}",  # nothing is a share of 0
            str(r.verdict),
            r.how,
        )
        for r in rows
    ]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
