"""The composition: the gradient of the whole function against differences, argument by argument.

Two numerical derivatives that use no vjp rule stand against the gradient: differences of the function itself, and those
of its operations multiplied along the graph (`tangents`), which keep their relative precision where the first drown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from denpa.arrays import Array
from denpa.check.node import cotangents, random_like, reach
from denpa.check.report import Row
from denpa.check.system import System, graph_of
from denpa.check.tangents import stands_still, tangents
from denpa.check.verdict import Comparison, Verdict, compare, tolerance
from denpa.graph import Node, Tensor
from denpa.numeric import line_slope

EPS = float(np.finfo(np.float64).eps)
WHOLE, PARTS = "whole function", "node by node"


@dataclass(frozen=True)
class _Numeric:
    """Numerical values of ⟨cotangents, ∂outputs⟩, one a probe: in [low, high] ± error."""

    low: Array
    high: Array
    error: Array


class Composition:
    """The gradient of a system of functions at one point, and the numerical derivatives it is compared with."""

    def __init__(
        self,
        system: System,
        outputs: Sequence[Tensor],
        leaves: Sequence[Node],
        rng: np.random.Generator,
        *,
        kinks: bool,
    ) -> None:
        self.system, self.leaves, self.rng, self.kinks = system, leaves, rng, kinks
        self.graph = graph_of(outputs, leaves, system.names)
        self.gradients = cotangents(outputs, system.seeds, leaves)
        self.eps = 4 * max(float(np.finfo(o.dtype).eps) for o in outputs)  # many operations, not one
        self.rtol = tolerance(min((o.dtype for o in outputs), key=lambda d: d.itemsize), system.order)
        self.weights = np.concatenate([np.ravel(s) for s in system.seeds])

    @cached_property
    def moved(self) -> str | None:
        """None when the recorded graph is the function, else what shows that it is not."""
        ways = [random_like(self.rng, v.shape) for v in self.system.values]
        return stands_still(self.system.graph, self.system.values, ways)

    def row(self, k: int, probes: int) -> Row:
        """The verdict on argument k, over elements of it and a random direction."""
        value = self.system.values[k]
        gradient = np.zeros(value.shape) if self.gradients[k] is None else np.asarray(self.gradients[k], np.float64)
        elements, ways = _probes(self.rng, value, probes)
        analytic = np.asarray([np.sum(gradient * w) for w in ways])
        scale = float(np.max(np.abs(gradient), initial=0.0))
        result, how, why = self._verdict(k, ways, analytic, scale)
        at = elements[result.element[0]] if result.element else None
        found = (result.analytic, result.numeric, result.error)
        return Row(
            self.system.order, self.system.names[k], tuple(value.shape), at, *found, self.rtol, result.verdict, how, why
        )

    def _verdict(self, k: int, ways: Sequence[Array], analytic: Array, scale: float) -> tuple[Comparison, str, str]:
        """Differences of the function decide when they can be trusted, those of its operations when the graph is it."""

        def against(n: _Numeric, doubt: Array | float = 0.0) -> Comparison:
            return compare(analytic, n.low, n.high, n.error + doubt, rtol=self.rtol, scale=scale)

        whole = self._whole(k, ways, scale)
        result = against(whole)
        if result.verdict is Verdict.RIGHT:
            return result, WHOLE, ""
        doubt = self._drift(k, ways, analytic) if result.verdict is Verdict.WRONG else np.zeros(len(ways))
        if self.moved is not None:
            result = against(whole, doubt)
            wrong = result.verdict is Verdict.WRONG
            return result, WHOLE, self.moved if wrong else f"differences are too noisy, and {self.moved}"
        parts = self._parts(k, ways)
        exact = against(parts)
        if exact.verdict is Verdict.RIGHT:
            if result.verdict is Verdict.WRONG and not self.kinks and not self._bent(k, ways, against, scale):
                text = "differences of the function and of its operations disagree (a kink inside the step?)"
                return replace(result, verdict=Verdict.UNSURE), WHOLE, text
            return exact, PARTS, ""
        if result.verdict is Verdict.WRONG:  # both say no: they must also agree with each other
            with np.errstate(all="ignore"):
                doubt = doubt + np.abs(parts.low - np.clip(parts.low, whole.low, whole.high))
        return against(parts, doubt), PARTS, ""

    def _bent(self, k: int, ways: Sequence[Array], against: Callable[[_Numeric], Comparison], scale: float) -> bool:
        """True when the differences of the function only disagree from afar: units that switch inside the step."""
        return against(self._whole(k, ways, scale, (2.0**-14, 2.0**-20))).verdict is not Verdict.WRONG

    def _whole(self, k: int, ways: Sequence[Array], scale: float, sizes: Sequence[float] = (1.0, 2.0**-8)) -> _Numeric:
        far = reach(self.system.values[k])
        found = []
        for way in ways:
            best: tuple[float, float, float] | None = None
            for size in (far * s for s in sizes):

                def phi(t: float, way: Array = way * size) -> Array:
                    values = [v + t * way if i == k else v for i, v in enumerate(self.system.values)]
                    return np.concatenate([np.ravel(o) for o in self.system.evaluate(values)])

                new = self._weighed(phi, size)
                best = new if best is None or new[2] < best[2] else best
                if best[2] <= 0.1 * self.rtol * max(abs(best[0]), scale):
                    break
            assert best is not None
            found.append(best)
        return _Numeric(*(np.asarray(column) for column in zip(*found, strict=True)))

    def _weighed(self, phi: Callable[[float], Array], size: float) -> tuple[float, float, float]:
        try:
            slope = line_slope(phi, eps=self.eps, levels=5, one_sided=True)
            a, b = self.weights * slope.left, self.weights * slope.right
        except ValueError:  # outside its domain f raises, or gives another shape: no derivative from steps of this size
            return float("nan"), float("nan"), float("inf")
        with np.errstate(all="ignore"):
            spread = np.abs(self.weights) * slope.error + 64 * EPS * np.abs(self.weights * slope.value)
            sums = np.sum(np.minimum(a, b)), np.sum(np.maximum(a, b)), np.sum(spread)
        low, high, total = (float(v) / size for v in sums)
        return low, high, total if np.isfinite(total) else float("inf")

    def _parts(self, k: int, ways: Sequence[Array]) -> _Numeric:
        outputs = list(self.graph.outputs.values())
        numeric, errors = [], []
        for way in ways:
            pair = []
            for step in (1.0, 0.7):
                found = tangents(self.graph, {self.leaves[k]: way}, step)
                terms = [s * found[o] for s, o in zip(self.system.seeds, outputs, strict=True) if o in found]
                pair.append((sum(float(np.sum(t)) for t in terms), sum(float(np.sum(np.abs(t))) for t in terms)))
            numeric.append(pair[0][0])
            # two runs with other steps differ by their errors; 1e3 eps covers the rounding that both share
            errors.append(4 * abs(pair[0][0] - pair[1][0]) + 1e3 * EPS * pair[0][1])
        middle = np.asarray(numeric)
        return _Numeric(middle, middle, np.asarray(errors))

    def _drift(self, k: int, ways: Sequence[Array], analytic: Array) -> Array:
        """How well the gradient is known itself: what it moves by when everything is computed in long double.

        Cancellation in the backward pass (a saturated softmax at second order) is no mistake.  0 where long double is
        no wider than float64, or an operation does not know it.
        """
        nothing = np.zeros(len(ways))
        if np.finfo(np.longdouble).eps >= EPS:
            return nothing
        try:
            outputs, leaves = self.system.record([v.astype(np.longdouble) for v in self.system.values])
            found = cotangents(outputs, self.system.seeds, leaves)[k]
        except (TypeError, ValueError):
            return nothing
        if found is None:
            return nothing
        return np.asarray([4 * abs(float(np.sum(found * w)) - a) for w, a in zip(ways, analytic, strict=True)])


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
