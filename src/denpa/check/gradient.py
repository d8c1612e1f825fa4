"""Gradient checking: every operation by its own derivative first, the composition second.

Source: seed 000 (勾配確認: numerical differentiation as the check of backpropagation).  A check of the whole function
alone is blinded by vanishing gradients: in a sigmoid network of 20 layers a first-layer σ′ five times too large moves
the gradient by less than the usual absolute tolerance.  Here the node is seen at its own size, and the composition is
compared relatively, with the error of the numerical value known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.check.compose import Composition
from denpa.check.node import ELEMENTS, Kink, judge, not_finite, random_like
from denpa.check.report import CheckReport, Judged, Row
from denpa.check.system import System, graph_of, system_of
from denpa.check.tangents import same_value
from denpa.check.verdict import Verdict, tolerance
from denpa.errors import GradientMismatch, UsageError, user_line
from denpa.graph import Graph, Node

PROBES = 8  # elements of an argument that are moved one by one; a random direction moves all of them


def check(
    f: Callable[..., Any],
    *args: Any,
    orders: Sequence[int] = (1, 2),
    seed: int = 0,
    probes: int = PROBES,
    raises: bool = True,
) -> CheckReport:
    """Check the gradients of f at these arguments; a report that prints as a table.

    f: a function of numbers, arrays, nested arguments or models that returns Tensors (one, or nested; of any shape).
    Floats are taken to float64 and are the point of the check, integers and booleans stay constants.  Each operation f
    records is judged by its own derivative, with random cotangents and directions; then the gradient of f along a
    random direction and `probes` elements of every argument.  Verdict: right, wrong, or "cannot tell at this precision"
    when the numerical value is not good enough to say (at a kink the convention used is reported).
    GradientMismatch (with `.report`) when something is wrong, naming the operation; raises=False only reports.
    Cost: some 10 evaluations of f a probe.  Source: seed 000.
    """
    if not set(orders) <= {1, 2} or not orders:
        raise UsageError("orders of a check are 1 and 2", where=user_line(), got=repr(tuple(orders)))
    rng = np.random.default_rng(seed)
    system = system_of(f, args, rng)
    outputs, leaves = system.record(system.values)
    graph = graph_of(outputs, leaves, system.names)
    again = system.evaluate(system.values)
    deterministic = all(same_value(np.asarray(o.value), b) for o, b in zip(outputs, again, strict=True))
    judged, kinks = _judge_nodes(graph, rng, orders)
    wrong = [j for j in judged if j.finding.verdict is Verdict.WRONG]
    rows: list[Row] = []
    notes: list[str] = []
    if not deterministic:
        notes.append(
            "f is not deterministic: two calls with the same arguments differ; only its operations were judged"
        )
    elif bad := not_finite(graph):
        notes.append(bad)
    elif not any(j.finding.raised for j in wrong):
        if 1 in orders:
            rows += _rows(Composition(system, outputs, leaves, rng, kinks=bool(kinks)), probes)
        first_right = not wrong and all(r.verdict is not Verdict.WRONG for r in rows)
        if 2 in orders and first_right:
            second, note = _second(system, rng, probes, bool(kinks))
            rows += second
            notes += note
    notes += [f"{r.argument}, order {r.order}: {r.why}" for r in rows if r.why]
    report = CheckReport(
        _overall(wrong, rows, deterministic),
        tuple(rows),
        tuple(wrong),
        tuple(j for j in judged if j.finding.verdict is Verdict.UNSURE),
        tuple(kinks),
        sum(n.op is not None and n.requires for n in graph.nodes),
        tuple(sorted(set(orders))),
        seed,
        deterministic,
        tuple(dict.fromkeys(notes)),
    )
    if raises and report.verdict is Verdict.WRONG:
        raise _mismatch(f, report)
    return report


def _judge_nodes(
    graph: Graph, rng: np.random.Generator, orders: Sequence[int]
) -> tuple[list[Judged], list[tuple[int, Kink]]]:
    nodes = [(i, n) for i, n in enumerate(graph.nodes) if n.op is not None and n.requires]
    elements = max(
        1, min(ELEMENTS, 4000 // max(1, len(nodes)))
    )  # of one node; large graphs are judged along directions
    judged: list[Judged] = []
    kinks: list[tuple[int, Kink]] = []
    for index, node in nodes:
        assert node.op is not None
        needs = [n.requires for n in node.inputs]
        shapes = tuple(tuple(np.shape(n.value)) for n in node.inputs)
        args = [n.value for n in node.inputs]
        for finding in judge(node.op, args, node.params, rng=rng, needs=needs, orders=orders, elements=elements):
            judged.append(Judged(index, _describe(node), shapes, finding))
            known = {
                (i, k.element) for i, k in kinks
            }  # one input alone comes first; directions meet the same kink again
            kinks += [(index, k) for k in finding.kinks if (index, k.element) not in known]
    return judged, kinks


def _describe(node: Node) -> str:
    assert node.op is not None
    name = f" {node.name!r}" if node.name else ""
    role = f" ({node.role.kind} of layer {node.role.layer})" if node.role else ""
    return f"{node.op.name}{name}{role}"


def _rows(composition: Composition, probes: int) -> list[Row]:
    return [composition.row(k, probes) for k, value in enumerate(composition.system.values) if value.size]


def _second(system: System, rng: np.random.Generator, probes: int, kinks: bool) -> tuple[list[Row], list[str]]:
    """Rows of the second order: the gradient's own gradient, weighed by a random direction."""
    if kinks:
        return [], ["second order was not judged: there is no second derivative at a kink"]
    second = replace(system, seeds=[random_like(rng, v.shape) for v in system.values], order=2, first=system)
    try:
        outputs, leaves = second.record(second.values)
    except Exception as error:  # a rule that does not work on Tensors; the node's own finding says which
        return [], [f"second order was not judged: {getattr(error, 'what', error)}"]
    return _rows(Composition(second, outputs, leaves, rng, kinks=kinks), max(1, probes // 4)), []


def _overall(wrong: Sequence[Judged], rows: Sequence[Row], deterministic: bool) -> Verdict:
    verdicts = [r.verdict for r in rows]
    if wrong or Verdict.WRONG in verdicts:
        return Verdict.WRONG
    return Verdict.RIGHT if rows and deterministic and set(verdicts) == {Verdict.RIGHT} else Verdict.UNSURE


def _mismatch(f: Callable[..., Any], report: CheckReport) -> GradientMismatch:
    name = getattr(f, "__name__", type(f).__name__)
    rows = [r for r in report.rows if r.verdict is Verdict.WRONG]
    worst = max(rows, key=lambda r: abs(r.analytic - r.numeric) / (abs(r.numeric) + r.error + 1e-300), default=None)
    guilty = report.guilty
    if guilty is not None:
        finding = guilty.finding
        got, want, allowed = finding.analytic, finding.numeric, finding.error
        rtol = tolerance(np.float64, finding.order)
        where = str(guilty)
        fix = f"correct the vjp rule of {guilty.op}"
    else:
        assert worst is not None
        got, want, allowed, rtol = worst.analytic, worst.numeric, worst.error, worst.tolerance
        at = "a random direction" if worst.element is None else f"element {list(worst.element)}"
        where = f"argument {worst.argument}, {at}; every operation is right by itself"
        fix = worst.why or "the derivative is lost or counted twice between the operations"
    effect = ""
    if guilty is not None and worst is not None:
        at = "a random direction" if worst.element is None else f"element {list(worst.element)}"
        effect = f"; it shows in argument {worst.argument}, {at}: {worst.analytic:.9g} instead of {worst.numeric:.9g}"
    error = GradientMismatch(
        f"the gradient of {name} is wrong" + effect,
        where=where,
        got=f"{got:.12g}",
        want=f"{want:.12g} ± {allowed:.1e} (numerical), within a relative tolerance of {rtol:.0e}",
        fix=fix,
    )
    error.report = report  # type: ignore[attr-defined]
    return error
