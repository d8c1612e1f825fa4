"""The second derivative of one operation: its rule, differentiated, against differences of the rule.

φ = Σ_i ⟨rule_i(g, x), v_i⟩ is differentiated by the recorded pass over the rule, and by central differences of the
rule on arrays, along a random direction of every input and of the cotangent g.  A rule that computes outside the graph
(plain NumPy, .value) is right once and wrong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from denpa.arrays import Array, is_float
from denpa.check.node import LENGTHS, Case, Finding, cotangents, random_like, reach
from denpa.check.verdict import Comparison, Verdict, compare, factor, tolerance
from denpa.errors import DenpaError
from denpa.graph import Tensor, leaf
from denpa.numeric import line_slope
from denpa.ops.shaping import sum_to

COTANGENT = -1  # the place of g beside the inputs 0, 1, …
Setting: TypeAlias = tuple[Array, Sequence[bool], Mapping[int, Array]]  # g, the inputs wanted, v


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
            if result.verdict is Verdict.WRONG and _imprecise(case, (g, wanted, v), result, floats, place, gradient):
                result = replace(result, verdict=Verdict.UNSURE)
            findings.append(_finding(op.name, place, result, times))
    return findings


def _imprecise(
    case: Case, setting: Setting, result: Comparison, floats: Sequence[int], place: int, gradient: Any
) -> bool:
    """True when the analytic value itself moves as far as the difference if it is computed in long double: cancellation
    (a saturated softmax), not a mistake.  False where long double is no wider than float64."""
    g, wanted, v = setting
    if gradient is None or np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        return False
    wide = [np.asarray(a).astype(np.longdouble)[()] if is_float(np.asarray(a)) else a for a in case.args]
    try:
        found = _recorded(Case(case.op, wide, case.params), g, wanted, v)[[*floats, COTANGENT].index(place)]
    except (TypeError, ValueError):  # an operation that knows float32 and float64 only
        return False
    drift = float(np.max(np.abs(found - gradient), initial=0.0)) if found is not None else 0.0
    return 100 * drift >= abs(result.analytic - result.numeric)


def _finding(op: str, place: int, result: Comparison, times: float | None) -> Finding:
    text = {
        Verdict.RIGHT: "",
        Verdict.UNSURE: "the error of the numerical second derivative is larger than the tolerance",
        Verdict.WRONG: "its rule, differentiated, is not the second derivative (does it use plain NumPy or .value?)",
    }[result.verdict]
    where = None if place == COTANGENT else place
    return Finding(op, where, 2, result.verdict, text, (), result.analytic, result.numeric, result.error, times)


def _along(case: Case, setting: Setting, place: int, base: Array, gradient: Any) -> tuple[Comparison, float | None]:
    """Analytic against numerical along one direction of one input: by element, the length with the smallest error."""
    rtol = tolerance(case.dtype, 2)
    value, error = _merged(case, setting, place, base, rtol)
    terms = np.zeros(1) if gradient is None else np.ravel(gradient * base)
    if place != COTANGENT and not error <= 0.1 * rtol * (abs(value) + np.sum(np.abs(terms))):
        near = base * np.abs(case.args[place])  # elements near 0 move in proportion: ReLU at 1e-7, log at 1e-3
        if np.any(near):
            found = _merged(case, setting, place, near, rtol)
            scaled = np.zeros(1) if gradient is None else np.ravel(gradient * near)
            if found[1] * np.sum(np.abs(terms)) < error * np.sum(np.abs(scaled)):
                (value, error), terms = found, scaled
    error += 64 * float(np.finfo(np.float64).eps) * float(np.sum(np.abs(terms)))
    a, one, e = np.asarray(np.sum(terms)), np.asarray(value), np.asarray(error)
    result = compare(a, one, one, e, rtol=rtol)
    return result, factor(a, one, one, e) if result.verdict is Verdict.WRONG else None


def _merged(
    case: Case,
    setting: Setting,
    place: int,
    base: Array,
    rtol: float,
) -> tuple[float, float]:
    """Numerical derivative of φ along base, and its error: each element from the length at which it is smoothest."""
    g, wanted, v = setting

    def phi(t: float) -> Array:
        args = [a + t * base if k == place else a for k, a in enumerate(case.args)]
        parts = Case(case.op, args, case.params).rule((g + t * base if place == COTANGENT else g)[()], wanted)
        # element by element, not summed: a jump (ReLU′ inside the step) then shows in its own large error
        return np.concatenate([np.ravel(parts[k] * x) for k, x in v.items() if parts[k] is not None] or [np.zeros(1)])

    values: Array = np.asarray(np.nan)
    errors: Array = np.asarray(np.inf)
    for length in LENGTHS:
        try:
            # 8 eps: a rule is several operations, and the best of three lengths is picked
            slope = line_slope(lambda t, s=length: phi(t * s), eps=8 * case.eps)  # type: ignore[misc]
        except ValueError:  # outside the domain of the operation
            continue
        better = slope.error / length < errors
        values = np.where(better, slope.value / length, values)
        errors = np.where(better, slope.error / length, errors)
        if np.sum(errors) <= 0.1 * rtol * np.sum(np.abs(values)):
            break
    return float(np.sum(values)), float(np.sum(errors))


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
