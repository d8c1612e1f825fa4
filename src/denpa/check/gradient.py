"""Gradient checking: every operation by its own derivative first, the composition second.

Source: seed 000 (勾配確認: numerical differentiation as the check of backpropagation).  A check of the whole function
alone is blinded by vanishing gradients: in a sigmoid network of 20 layers a first-layer σ′ five times too large moves
the gradient by less than the usual absolute tolerance.  Here the node is seen at its own size, and the composition is
compared relatively, with the error of the numerical value known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, is_float
from denpa.check.node import ELEMENTS, Kink, cotangents, in_double, judge, not_finite, random_like, reach
from denpa.check.report import CheckReport, Judged, Row
from denpa.check.tangents import same_value, stands_still, tangents
from denpa.check.verdict import Comparison, Verdict, compare, tolerance
from denpa.errors import DTypeError, GradientMismatch, UsageError, user_line
from denpa.graph import Graph, Node, Tensor, leaf, no_grad
from denpa.numeric import line_slope
from denpa.tree import flatten

PROBES = 8  # elements of an argument that are moved one by one; a random direction moves all of them


@dataclass
class _System:
    """The function as outputs and their cotangents, over the floating-point leaves of its arguments."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    names: list[str]
    values: list[Array]
    rebuild: Callable[[list[Any]], tuple[Any, ...]]
    seeds: list[Array]
    order: int = 1
    first: _System | None = None  # of order 2: the system whose gradients are the outputs here

    def record(self, values: Sequence[Array]) -> tuple[list[Tensor], list[Node]]:
        if self.first is not None:
            outputs, leaves = self.first.record(values)
            found = cotangents(outputs, self.first.seeds, leaves, record=True)
            return [
                g if isinstance(g, Tensor) else Tensor(leaf(np.zeros_like(v)[()], "constant"))
                for g, v in zip(found, values, strict=True)
            ], leaves
        tensors = [Tensor(leaf(np.asarray(v)[()], "input", name)) for v, name in zip(values, self.names, strict=True)]
        return self._outputs(self.f(*self.rebuild(list(tensors)))), [t.node for t in tensors]

    def evaluate(self, values: Sequence[Array]) -> list[Array]:
        """The outputs as float64 arrays, by an ordinary call (order 1) or an ordinary backward pass (order 2)."""
        if self.first is not None:
            outputs, leaves = self.first.record(values)
            found = cotangents(outputs, self.first.seeds, leaves)
            return [np.zeros(v.shape) if g is None else np.asarray(g) for g, v in zip(found, values, strict=True)]
        with no_grad():
            tensors = [Tensor(leaf(np.asarray(v)[()], "input")) for v in values]
            return [np.asarray(t.value) for t in self._outputs(self.f(*self.rebuild(list(tensors))))]

    def graph(self, values: Sequence[Array]) -> Graph:
        outputs, leaves = self.record(values)
        return _graph(outputs, leaves, self.names)

    def _outputs(self, result: Any) -> list[Tensor]:
        items = [item for _, item in flatten(result)[0]]
        outputs = [item for item in items if isinstance(item, Tensor) and is_float(item.value)]
        if not outputs:
            raise UsageError(
                "nothing to check: the function returns no floating-point Tensor",
                where=user_line(),
                got=", ".join(type(item).__name__ for item in items) or "nothing",
                fix="compute it from its arguments with denpa's or NumPy's functions (not with .value or float())",
            )
        return outputs


def _graph(outputs: Sequence[Tensor], leaves: Sequence[Node], names: Sequence[str]) -> Graph:
    return Graph(list(outputs), dict(zip(names, map(Tensor, leaves), strict=True)))


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
    system = _system(f, args, rng)
    outputs, leaves = system.record(system.values)
    graph = _graph(outputs, leaves, system.names)
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
            rows += _compose(system, outputs, leaves, rng, probes=probes, kinks=kinks, notes=notes)
        first_right = not wrong and all(r.verdict is not Verdict.WRONG for r in rows)
        if 2 in orders and first_right:
            rows += _second(system, rng, probes, kinks, notes)
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


def _system(f: Callable[..., Any], args: tuple[Any, ...], rng: np.random.Generator) -> _System:
    names = _argument_names(f, len(args))
    items, rebuild = [], []
    for name, arg in zip(names, args, strict=True):
        found, build = flatten(arg, name)
        items.append(found)
        rebuild.append(build)
    flat = [pair for found in items for pair in found]
    arrays = [np.asarray(item.value if isinstance(item, Tensor) else item) for _, item in flat]
    moving = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    if not moving:
        got = ", ".join(f"{path} of dtype {a.dtype}" for (path, _), a in zip(flat, arrays, strict=True))
        raise DTypeError(
            "a gradient check needs a floating-point argument", where=user_line(), got=got or "no arguments",
            fix="give floats (1.0, not 1)",
        )  # fmt: skip

    def build_all(tensors: list[Any]) -> tuple[Any, ...]:
        new = dict(zip(moving, tensors, strict=True))
        parts = [new.get(k, item) for k, (_, item) in enumerate(flat)]
        it = iter(parts)
        return tuple(build([next(it) for _ in found]) for build, found in zip(rebuild, items, strict=True))

    values = [np.asarray(in_double(arrays[k])) for k in moving]
    system = _System(f, args, [flat[k][0] for k in moving], values, build_all, [])
    system.seeds = [random_like(rng, v.shape) for v in system.evaluate(values)]
    return system


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        named = [p.name for p in inspect.signature(f).parameters.values() if p.kind in (0, 1)]  # positional ones
    except (TypeError, ValueError):
        named = []  # some built-in functions have no signature
    return [named[i] if i < len(named) else f"args[{i}]" for i in range(count)]


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


def _second(
    system: _System, rng: np.random.Generator, probes: int, kinks: Sequence[Any], notes: list[str]
) -> list[Row]:
    if kinks:
        notes.append("second order was not judged: there is no second derivative at a kink")
        return []
    second = _System(
        system.f,
        system.args,
        system.names,
        system.values,
        system.rebuild,
        [random_like(rng, v.shape) for v in system.values],
        2,
        system,
    )
    try:
        outputs, leaves = second.record(second.values)
    except Exception as error:  # a rule that does not work on Tensors; the node's own finding says which
        notes.append(f"second order was not judged: {getattr(error, 'what', error)}")
        return []
    return _compose(second, outputs, leaves, rng, probes=max(1, probes // 4), kinks=kinks, notes=notes)


def _compose(
    system: _System,
    outputs: Sequence[Tensor],
    leaves: Sequence[Node],
    rng: np.random.Generator,
    *,
    probes: int,
    kinks: Sequence[Any],
    notes: list[str],
) -> list[Row]:
    gradients = cotangents(outputs, system.seeds, leaves)
    dtype = min((np.asarray(o.value).dtype for o in outputs), key=lambda d: d.itemsize)
    graph = _graph(outputs, leaves, system.names)
    closed: list[str | None] = []  # filled when first needed
    rows = []
    for k, value in enumerate(system.values):
        if value.size == 0:
            continue
        gradient = np.zeros(value.shape) if gradients[k] is None else np.asarray(gradients[k], np.float64)
        elements, ways = _probes(rng, value, probes)
        analytic = np.asarray([np.sum(gradient * w) for w in ways])
        scale = float(np.max(np.abs(gradient), initial=0.0))
        rtol = tolerance(dtype, system.order)
        low, high, error = _whole(system, k, ways, rtol, scale)
        result, how, why = compare(analytic, low, high, error, rtol=rtol, scale=scale), "whole function", ""
        if result.verdict is not Verdict.RIGHT:
            if not closed:
                closed.append(
                    stands_still(system.graph, system.values, [random_like(rng, v.shape) for v in system.values])
                )
            result, how, why = _node_by_node(
                system,
                graph,
                leaves[k],
                ways,
                analytic=analytic,
                scale=scale,
                whole=result,
                moved=closed[0],
                kinks=bool(kinks),
            )
        if why:
            notes.append(f"{system.names[k]}, order {system.order}: {why}")
        rows.append(
            Row(
                system.order,
                system.names[k],
                tuple(value.shape),
                elements[result.element[0]] if result.element else None,
                result.analytic,
                result.numeric,
                result.error,
                rtol,
                result.verdict,
                how,
                why,
            )
        )
    return rows


def _probes(rng: np.random.Generator, value: Array, probes: int) -> tuple[list[tuple[int, ...] | None], list[Array]]:
    """Elements to move one by one (all of a small argument), then a random direction."""
    chosen = rng.choice(value.size, min(probes, value.size), replace=False)
    elements: list[tuple[int, ...] | None] = [
        tuple(int(i) for i in np.unravel_index(int(c), value.shape)) for c in np.sort(chosen)
    ]
    ways = []
    for element in elements:
        unit = np.zeros(value.shape)
        unit[element] = 1.0
        ways.append(unit)
    return [*elements, None], [*ways, random_like(rng, value.shape)]


def _whole(system: _System, k: int, ways: Sequence[Array], rtol: float, scale: float) -> tuple[Array, Array, Array]:
    """Bounds and error of ⟨cotangents, ∂outputs⟩ along each way, by differences of the function itself."""
    found = []
    weights = np.concatenate([np.ravel(s) for s in system.seeds])
    far = reach(system.values[k])
    for way in ways:
        best: tuple[float, float, float] | None = None
        for size in (far, far * 2.0**-8):

            def phi(t: float, way: Array = way * size) -> Array:
                values = [v + t * way if i == k else v for i, v in enumerate(system.values)]
                return np.concatenate([np.ravel(o) for o in system.evaluate(values)])

            best = _better(best, _weighed(phi, weights, size, system))
            if best[2] <= 0.1 * rtol * max(abs(best[0]), scale):
                break
        assert best is not None
        found.append(best)
    low, high, error = (np.asarray(column) for column in zip(*found, strict=True))
    return low, high, error


def _weighed(phi: Callable[[float], Array], weights: Array, size: float, system: _System) -> tuple[float, float, float]:
    eps = max(float(np.finfo(o.dtype).eps) for o in system.evaluate(system.values))
    try:
        slope = line_slope(phi, eps=eps, levels=5, one_sided=True)
        a, b = weights * slope.left, weights * slope.right
    except ValueError:  # outside its domain f raises, or gives another shape: no derivative from steps of this size
        return float("nan"), float("nan"), float("inf")
    with np.errstate(all="ignore"):
        spread = np.abs(weights) * slope.error + 64 * np.finfo(np.float64).eps * np.abs(weights * slope.value)
        sums = np.sum(np.minimum(a, b)), np.sum(np.maximum(a, b)), np.sum(spread)
    low, high, total = (float(v) / size for v in sums)
    return low, high, total if np.isfinite(total) else float("inf")


def _better(a: tuple[float, float, float] | None, b: tuple[float, float, float]) -> tuple[float, float, float]:
    return b if a is None or b[2] < a[2] else a


def _node_by_node(
    system: _System,
    graph: Graph,
    node: Node,
    ways: Sequence[Array],
    *,
    analytic: Array,
    scale: float,
    whole: Comparison,
    moved: str | None,
    kinks: bool,
) -> tuple[Comparison, str, str]:
    """When differences of the function do not confirm the gradient: those of its operations, multiplied along.

    They are proof only when the graph is the function (`moved` is None); otherwise the function itself has the word.
    """
    if moved is not None:
        return (
            whole,
            "whole function",
            moved if whole.verdict is Verdict.WRONG else f"differences are too noisy, and {moved}",
        )
    numeric, errors = [], []
    outputs = list(graph.outputs.values())
    for way in ways:
        pair = []
        for step in (1.0, 0.7):
            found = tangents(graph, {node: way}, step)
            terms = [s * found[o] for s, o in zip(system.seeds, outputs, strict=True) if o in found]
            pair.append((sum(float(np.sum(t)) for t in terms), sum(float(np.sum(np.abs(t))) for t in terms)))
        numeric.append(pair[0][0])
        # two runs with other steps differ by their errors; 1e3 eps covers the rounding that both share
        errors.append(4 * abs(pair[0][0] - pair[1][0]) + 1e3 * np.finfo(np.float64).eps * pair[0][1])
    middle, rtol = np.asarray(numeric), tolerance(np.float64, system.order)
    result = compare(analytic, middle, middle, np.asarray(errors), rtol=rtol, scale=scale)
    if whole.verdict is Verdict.WRONG and result.verdict is Verdict.RIGHT and not kinks:
        text = "differences of the function and of its operations disagree (a kink inside the step?)"
        return Comparison(Verdict.UNSURE, *_rest(whole)), "whole function", text
    return result, "node by node", ""


def _rest(c: Comparison) -> tuple[tuple[int, ...], float, float, float, int]:
    return c.element, c.analytic, c.numeric, c.error, c.blurred


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
