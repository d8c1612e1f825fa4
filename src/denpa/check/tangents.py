"""Directional derivatives of a recorded graph, node by node, by differences of each node's own evaluation.

A tangent is normalised at every node before the difference is taken and scaled back after it, so the relative error
stays that of one node however far a gradient has vanished, where a difference of the whole function drowns in rounding.
No vjp rule is used (except at kinks, where the rule is the convention): what backward gives is checked independently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from denpa.arrays import Array, is_float
from denpa.check.node import LENGTHS, Case, cotangents, reach
from denpa.graph import Graph, Node, Tensor, leaf
from denpa.numeric import Slope
from denpa.ops.shaping import sum_to


def tangents(graph: Graph, seeds: Mapping[Node, Array], scale: float = 1.0) -> dict[Node, Array]:
    """d(node)/dt for the nodes that the seeded leaves reach, when leaf moves along t·seed.

    scale: multiplies all steps; two runs with different scales differ by about the error they have.
    """
    found: dict[Node, Array] = {n: np.asarray(t, np.float64) for n, t in seeds.items()}
    for node in graph.nodes:
        if node.op is None or not node.requires or node in found or not is_float(node.value):
            continue
        ways = {i: found[n] for i, n in enumerate(node.inputs) if n in found}
        if ways:
            found[node] = _through(node, ways, scale)
    return found


def _through(node: Node, ways: Mapping[int, Array], scale: float) -> Array:
    assert node.op is not None
    case = Case(node.op, [n.value for n in node.inputs], node.params)
    norm = max(float(np.max(np.abs(w), initial=0.0)) for w in ways.values())
    if norm == 0.0 or not np.isfinite(norm):
        return np.full(case.out.shape, norm)
    unit = {i: w / norm for i, w in ways.items()}
    best: Slope | None = None
    far = max(reach(case.args[i]) for i in ways)
    for size in LENGTHS:
        step = size * far * scale
        slope = case.slope({i: w * step for i, w in unit.items()}, levels=4)
        slope = Slope(slope.value / step, slope.error / step, slope.left, slope.right, slope.kink, slope.evaluations)
        best = slope if best is None else _better(best, slope)
        if np.all(best.error <= 1e-10 * np.max(np.abs(best.value), initial=0.0)):
            break
    assert best is not None
    value = best.value
    if best.kink.any():
        value = np.where(best.kink, _by_the_rule(case, unit), value)
    return np.asarray(value * norm)


def _better(a: Slope, b: Slope) -> Slope:
    use = b.error < a.error
    value, error, kink = (np.where(use, y, x) for x, y in ((a.value, b.value), (a.error, b.error), (a.kink, b.kink)))
    return Slope(value, error, value, value, kink, a.evaluations + b.evaluations)


def _by_the_rule(case: Case, ways: Mapping[int, Array]) -> Array:
    """J·way from the vjp rule, which is linear in g: the derivative of ⟨rule(g), way⟩ with respect to g."""
    g = Tensor(leaf(np.zeros(case.out.shape)[()], "input"))
    xs = [Tensor(leaf(a, "constant")) for a in case.args]
    needs = [i in ways for i in range(len(xs))]
    parts = case.op.pull_back(g, Tensor(leaf(case.out[()], "constant")), xs, case.params, needs)
    used = [(p, w) for i, w in ways.items() if isinstance(p := parts[i], Tensor)]
    fitted = [sum_to(p, shape=np.shape(w)) if p.shape != np.shape(w) else p for p, w in used]
    found = cotangents(fitted, [w for _, w in used], [g.node])[0]
    return np.zeros(case.out.shape) if found is None else np.asarray(found)


def stands_still(f: Callable[[Sequence[Array]], Graph], values: Sequence[Array], ways: Sequence[Array]) -> str | None:
    """None when the recorded graph is the function: everything no gradient passes through keeps every bit as the
    arguments move a little, and the same operations are recorded.  Else the first thing that moved, in words."""
    here = f(values)
    try:
        there = f([v + 2.0**-32 * w for v, w in zip(values, ways, strict=True)])
    except ValueError as error:
        return f"the function raises {type(error).__name__} a little further on"
    if len(here.nodes) != len(there.nodes):
        return f"the function records {len(here.nodes)} nodes here and {len(there.nodes)} a little further on"
    inputs = set(here.inputs.values())
    for index, (a, b) in enumerate(zip(here.nodes, there.nodes, strict=True)):
        if a.op is not b.op or not same_value(a.params, b.params):
            return f"node #{index} is {a.label} here and {b.label} a little further on (or has other parameters)"
        if a not in inputs and not a.requires and not same_value(a.value, b.value):
            what = "the constant" if a.op is None else f"{a.op.name}, which passes no gradient on,"
            return f"{what} at node #{index} moves with the arguments"
    return None


def same_value(a: Any, b: Any) -> bool:
    """Equal to the last bit (NaN equals NaN), also inside tuples and dicts."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_value(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (np.ndarray, np.generic, float)) and isinstance(b, (np.ndarray, np.generic, float)):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return bool(a is b or a == b)
