"""The second derivative of one operation: its rule, differentiated, against differences of the rule.

φ = Σ_i ⟨rule_i(g, x), v_i⟩ is differentiated by the recorded pass over the rule, and by central differences of the
rule on arrays, along a random direction of every input and of the cotangent g.  A rule that computes outside the graph
(plain NumPy, .value) is right once and wrong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.check.node import Case, Finding, cotangents, random_like, reach, steps_along
from denpa.check.verdict import Comparison, Verdict, compare, factor, tolerance
from denpa.errors import DenpaError
from denpa.graph import Tensor, leaf
from denpa.numeric import line_slope
from denpa.ops.shaping import sum_to

COTANGENT = -1  # the place of g beside the inputs 0, 1, …


def second_order(case: Case, wanted: Sequence[bool], rng: np.random.Generator) -> list[Finding]:
    """A Finding for each wanted input, and one for the cotangent (input None)."""
    op, floats = case.op, [i for i, want in enumerate(wanted) if want]
    g = random_like(rng, case.out.shape)
    v = {i: random_like(rng, np.shape(case.args[i])) for i in floats}
    try:
        found = _recorded(case, g, wanted, v)
    except DenpaError as error:
        return [Finding(op.name, None, 2, Verdict.UNSURE, f"its rule has no derivative: {error.what}")]
    except Exception as error:  # a rule in plain NumPy meets Tensors here
        text = f"its rule cannot be differentiated ({type(error).__name__}: {error}); write it with primitives"
        return [Finding(op.name, None, 2, Verdict.UNSURE, text)]
    findings = []
    for place, gradient in zip([*floats, COTANGENT], found, strict=True):
        where = g if place == COTANGENT else case.args[place]
        if np.size(where):
            base = random_like(rng, np.shape(where)) * reach(where)
            result, times = _along(case, (g, wanted, v), place, base, gradient)
            findings.append(_finding(op.name, place, result, times))
    return findings


def _finding(op: str, place: int, result: Comparison, times: float | None) -> Finding:
    text = {
        Verdict.RIGHT: "",
        Verdict.UNSURE: "the error of the numerical second derivative is larger than the tolerance",
        Verdict.WRONG: "its rule, differentiated, is not the second derivative (does it use plain NumPy or .value?)",
    }[result.verdict]
    where = None if place == COTANGENT else place
    return Finding(op, where, 2, result.verdict, text, (), result.analytic, result.numeric, result.error, times)


def _along(
    case: Case, setting: tuple[Array, Sequence[bool], Mapping[int, Array]], place: int, base: Array, gradient: Any
) -> tuple[Comparison, float | None]:
    """Analytic against numerical along one direction of one input, in the length with the smallest relative error."""
    g, wanted, v = setting
    rtol = tolerance(case.dtype, 2)
    best: tuple[float, float, float, float] | None = None
    for way in steps_along({place: base}, case.args):

        def phi(t: float, w: Array = way[place]) -> Array:
            args = [a + t * w if k == place else a for k, a in enumerate(case.args)]
            parts = Case(case.op, args, case.params).rule((g + t * w if place == COTANGENT else g)[()], wanted)
            # element by element, not summed: a jump (ReLU′ inside the step) then shows in its own large error
            return np.concatenate(
                [np.ravel(parts[k] * x) for k, x in v.items() if parts[k] is not None] or [np.zeros(1)]
            )

        try:
            slope = line_slope(phi, eps=case.eps)
        except ValueError:  # outside the domain of the operation
            continue
        terms = np.zeros(1) if gradient is None else np.ravel(gradient * way[place])
        value, spread = float(np.sum(slope.value)), float(np.sum(np.abs(terms)))
        error = float(np.sum(slope.error)) + 64 * float(np.finfo(np.float64).eps) * spread
        quality = error / (spread + abs(value) + 1e-300)
        if best is None or quality < best[0]:
            best = quality, float(np.sum(terms)), value, error
        if best[0] <= 0.1 * rtol:
            break
    _, a, n, error = best or (0.0, 0.0, float("nan"), float("inf"))
    one = np.asarray(n)
    result = compare(np.asarray(a), one, one, np.asarray(error), rtol=rtol)
    return result, factor(a, one, one, np.asarray(error)) if result.verdict is Verdict.WRONG else None


def _recorded(case: Case, g: Array, wanted: Sequence[bool], v: Mapping[int, Array]) -> list[Any]:
    xs = [Tensor(leaf(a, "input" if w else "constant")) for a, w in zip(case.args, wanted, strict=True)]
    seed = Tensor(leaf(np.asarray(g)[()], "input"))
    out = case.op(*xs, **case.params)
    parts = case.op.pull_back(seed, out, xs, case.params, list(wanted))
    outputs, seeds = [], []
    for i, way in v.items():
        part = parts[i]
        if part is None:
            continue
        if not isinstance(part, Tensor):
            part = Tensor(
                leaf(np.asarray(part), "constant")
            )  # a constant rule is legal; what moves shows as a mismatch
        outputs.append(sum_to(part, shape=np.shape(case.args[i])) if part.shape != np.shape(case.args[i]) else part)
        seeds.append(way)
    return cotangents(outputs, seeds, [*(xs[i].node for i in v), seed.node])
