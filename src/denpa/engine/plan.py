"""Graph → Plan: a list of tasks over one block of memory, in order, with everything that need not be computed left out.

    terms.py       the graph without dead code, repetitions and constants
    lower.py       terms → views and tasks;   accumulate.py  W − η·δᵀz as one product with β
    fuse.py        loops over the same elements become one
    memory.py      order, lifetimes, offsets
    verify.py      proof that no task reads what is not there or overwrites what is needed

A plan is data: an engine turns its tasks into instructions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from denpa.engine import contraction, moving  # noqa: F401  their rules join those of `lower`
from denpa.engine.fuse import fuse
from denpa.engine.lower import Lowering
from denpa.engine.memory import Layout, allocate, arrange
from denpa.engine.terms import Terms, in_order
from denpa.engine.values import Task, Value, View, full
from denpa.errors import UsageError
from denpa.graph import Graph

SMALL = 1 << 16  # multiply-adds of the largest product of a network that is run by loops, samples contiguous
FEW = 8  # samples below which contiguous samples do not fill a vector


@dataclass(eq=False)
class Plan:
    """Tasks in order.

    inputs: where each input has to be; outputs: where each output is afterwards (not those carried); carried: the state
    that a step replaces; copies: what has to be copied there at its end because it could not be computed in place.
    """

    graph: Graph
    tasks: list[Task]
    inputs: dict[str, Value]
    outputs: dict[str, View]
    copies: list[tuple[View, View]]
    constants: list[Value]
    state: list[Value]
    fresh: list[Value]
    layout: Layout
    bytes: int
    fallbacks: tuple[str, ...] = ()
    carried: dict[str, Value] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        """Estimated floating-point operations of one step."""
        return sum(task.flops for task in self.tasks)

    def __str__(self) -> str:
        from denpa.engine.table import table

        return table(self)

    def __repr__(self) -> str:
        return f"<Plan: {len(self.tasks)} tasks, {self.bytes:,} bytes, {self.flops:,} flops>"


def plan(
    graph: Graph,
    *,
    outputs: Sequence[str] | None = None,
    carry: Mapping[str, str] | None = None,
    by_row: Sequence[str] = (),
    by_step: Sequence[str] = (),
    fused: bool = True,
    guard: int = 0,
) -> Plan:
    """The plan for some of the graph's outputs (all when None).

    carry, by_row, by_step: as in `denpa.engine.Step`.  fused=False leaves every operation a task of its own.
    guard: bytes that no value has behind each value, to see whether something writes there.
    """
    carry = dict(carry or {})
    names = list(graph.outputs if outputs is None else outputs)
    names += [n for n in carry.values() if n not in names]
    for name in names:
        if name not in graph.outputs:
            raise UsageError(f"the graph has no output {name!r}", want=f"one of: {', '.join(graph.outputs)}")
    terms = Terms(graph, names)
    roots = {name: terms.outputs[name] for name in names}
    batch = graph.inputs[by_row[0]].value.shape[0] if by_row and graph.inputs[by_row[0]].value.ndim else 0
    small = batch >= FEW and _is_small(roots.values())
    weights = {terms.inputs[n].shape for n in terms.inputs if n not in by_row}
    lowering = Lowering(
        roots, [terms.inputs[n] for n in carry],
        lambda shape: small and len(shape) == 2 and shape[0] == batch and shape not in weights,
    )  # fmt: skip
    for name, term in terms.inputs.items():
        if name in carry or term in lowering.users:
            lowering.lower(term)
    inputs = {name: lowering.env[t].value for name, t in terms.inputs.items() if t in lowering.env}
    carried = [(inputs[old], _placed_like(lowering, lowering.outputs[new], inputs[old])) for old, new in carry.items()]
    metrics = {n: _kept(lowering, lowering.outputs[n], carry) for n in names if n not in carry.values()}
    kept = {v.value for v in metrics.values()} | {v.value for _, v in carried}
    tasks = fuse(lowering.tasks, kept) if fused else lowering.tasks
    layout = arrange(tasks, carried)
    fresh = [v for n, v in inputs.items() if n in by_row or n in by_step]
    state = [v for n, v in inputs.items() if n not in by_row and n not in by_step]
    constants = _constants(layout.tasks, [*metrics.values(), *[v for _, v in carried]])
    allocate(layout, [*state, *constants], kept, fresh, guard)
    return Plan(
        graph, layout.tasks, inputs, metrics, layout.copies, constants, state, fresh,
        layout, layout.size, tuple(lowering.fallbacks), {old: inputs[old] for old in carry},
    )  # fmt: skip


def _is_small(roots: Sequence[object] | object) -> bool:
    """Are all products so small that loops beat BLAS, and is nothing there that wants its rows contiguous?"""
    for term in in_order(roots):  # type: ignore[arg-type]
        if term.kind in ("softmax", "log_softmax", "softmax_cross_entropy", "one_hot"):
            return False
        if term.kind == "matmul" and term.size * term.inputs[0].shape[-1] > SMALL:
            return False
    return True


def _kept(lowering: Lowering, view: View, carry: Collection[str]) -> View:
    """An output contiguous in C order, and not where a state is replaced."""
    if view.value.kind == "input" and view.value.name in carry:
        out = full(lowering.value(view.shape, view.dtype, row_major=True))
        return lowering.loop("copy", "x", [view], view.shape, view.dtype, out=out)
    return lowering.rows(view)


def _placed_like(lowering: Lowering, new: View, old: Value) -> View:
    """The next value of a state, in memory of its own with the state's strides."""
    strides = full(old).strides
    if new.whole and new.strides == strides and new.value.kind == "temporary":
        return new
    value = Value(old.shape, old.dtype, order=old.order)
    return lowering.loop("copy", "x", [new], old.shape, old.dtype, out=full(value))


def _constants(tasks: Sequence[Task], views: Sequence[View]) -> list[Value]:
    found = dict.fromkeys(v.value for t in tasks for v in t.reads)
    found.update(dict.fromkeys(v.value for v in views))
    return [value for value in found if value.kind == "constant"]
