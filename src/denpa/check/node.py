"""One operation judged by its own derivative: its vjp rule against differences of its own evaluation.

Judged at the inputs a graph recorded, with random cotangents and directions, element by element where that is cheap.
Local derivatives are not multiplied down the depth of a network, so a wrong factor in a first layer shows at its full
size however small the gradient is that arrives there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, is_float
from denpa.autodiff import pull
from denpa.check.verdict import Comparison, Verdict, compare, factor, tolerance
from denpa.errors import GradientError
from denpa.graph import Graph, Node, Tensor, ancestors, leaf
from denpa.numeric import Slope, complex_slope, line_slope, scales
from denpa.ops.shaping import sum_to
from denpa.primitive import Primitive, broadcast, same

ELEMENTS = 32  # inputs up to this size are checked element by element, larger ones along directions
DIRECTIONS = 2
LENGTHS = (1.0, 2.0**-6, 2.0**-12)  # of a step: the first that gives an answer good enough is taken


@dataclass(frozen=True)
class Kink:
    """A point where the one-sided derivatives differ, and what the rule makes of it."""

    op: str
    input: int | None
    element: tuple[int, ...]
    left: float
    right: float
    convention: str

    def __str__(self) -> str:
        at = f"element {list(self.element)}" if self.element else "its value"
        slopes = f"slope {self.left:.6g} from the left, {self.right:.6g} from the right"
        return f"{self.op}, {at}: {slopes}; convention: {self.convention}"


@dataclass(frozen=True)
class Finding:
    """What was found out about the rule of one operation for one of its inputs (None: all inputs moved together)."""

    op: str
    input: int | None
    order: int
    verdict: Verdict
    reason: str
    element: tuple[int, ...] = ()
    analytic: float = float("nan")
    numeric: float = float("nan")
    error: float = float("nan")
    factor: float | None = None
    blurred: int = 0
    kinks: tuple[Kink, ...] = ()
    raised: bool = False  # the rule could not be run at all, and neither can a backward pass


def random_like(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers of size 0.5 to 1.5 and random sign: no entry is so small that it would hide a wrong element."""
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def reach(x: Array) -> float:
    """The size of a step of 1: the largest number of x, at least 1."""
    return max(1.0, float(np.max(np.abs(x), initial=0.0)))


def in_double(value: Any) -> Array:
    """Floats as float64 (checks run in float64, DESIGN §4), everything else as it is."""
    value = np.asarray(value)
    return value.astype(np.float64)[()] if value.dtype.kind == "f" and value.dtype.itemsize < 8 else value[()]


class Case:
    """An operation at fixed inputs: its evaluation along directions, and its rule."""

    def __init__(self, op: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> None:
        self.op, self.params = op, dict(params)
        self.args = [in_double(a) for a in args]
        with np.errstate(all="ignore"):
            self.out = np.asarray(op.evaluate(np, *self.args, **self.params))
        # a cast inside, or a black box that computes in float32, has the noise of its own dtype
        self.dtype = self.out.dtype if is_float(self.out) else np.dtype(np.float64)
        self.eps = float(np.finfo(self.dtype).eps)
        self.kinked = bool(op.special)

    @property
    def elementwise(self) -> bool:
        return self.op.scalar is not None and self.op.shape in (same, broadcast)

    def rule(self, g: Any, needs: Sequence[bool]) -> list[Array | None]:
        """The rule's cotangents as arrays, summed back to the inputs' shapes as `backward` does."""
        with np.errstate(all="ignore"):
            parts = self.op.pull_back(g, self.out[()], self.args, self.params, needs)
            return [
                None if part is None or not need else _fitted(part, np.shape(a))
                for part, need, a in zip(parts, needs, self.args, strict=True)
            ]

    def slope(self, ways: Mapping[int, Array], levels: int = 6) -> Slope:
        """Derivative of the evaluation along x_i + t·ways[i]: complex step where valid, else central differences."""

        def phi(t: Any) -> Array:
            moved = [a + t * ways[i] if i in ways else a for i, a in enumerate(self.args)]
            return np.asarray(self.op.evaluate(np, *moved, **self.params))

        if not self.op.analytic or self.kinked or self.eps > 1e-12:
            try:
                slope = line_slope(phi, eps=self.eps, levels=levels, one_sided=True)
            except ValueError:  # an evaluation that refuses a point outside its domain: no derivative from such steps
                none = np.full(self.out.shape, np.nan)
                return Slope(none, none + np.inf, none, none, np.zeros(self.out.shape, bool), 2 * levels)
            if not self.op.analytic or self.eps > 1e-12:
                return slope
            return _refined(slope, complex_slope(phi, eps=self.eps))
        return complex_slope(phi, eps=self.eps)


def _refined(slope: Slope, exact: Slope) -> Slope:
    """The complex step where there is no kink near: at a tie it would silently take one side."""
    near = slope.kink | ~(np.abs(slope.value - exact.value) <= slope.error + 1e-6 * np.abs(exact.value))
    value, error = np.where(near, slope.value, exact.value), np.where(near, slope.error, exact.error)
    left, right = np.where(near, slope.left, exact.value), np.where(near, slope.right, exact.value)
    return Slope(value, error, left, right, slope.kink, slope.evaluations + 1)


def _fitted(part: Any, shape: tuple[int, ...]) -> Array:
    part = np.asarray(part)
    return part if part.shape == shape else np.asarray(sum_to(part, shape=shape))


@dataclass
class _Interval:
    """What the numerical side allows for u·J: [low, high] ± error, with the kinks found on the way."""

    low: Array
    high: Array
    error: Array
    kinks: list[tuple[tuple[int, ...], float, float]]

    def take(self, other: _Interval) -> None:
        """Keep, by element, the one with the smaller error."""
        better = other.error < self.error
        self.low = np.where(better, other.low, self.low)
        self.high = np.where(better, other.high, self.high)
        self.error = np.where(better, other.error, self.error)
        self.kinks = [*other.kinks] if np.any(better) else self.kinks

    def settled(self, rtol: float) -> bool:
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return bool(np.all((self.error <= 0.1 * rtol * size) | ((self.low == 0) & (self.high == 0))))


def _weigh(u: Array, slope: Slope, shape: tuple[int, ...] | None) -> _Interval:
    """u·slope with its bounds, summed to `shape` (elementwise operations), or to one number (None)."""
    with np.errstate(all="ignore"):
        a, b, middle = u * slope.left, u * slope.right, u * slope.value
        low = np.where(slope.kink, np.minimum(a, b), middle)
        high = np.where(slope.kink, np.maximum(a, b), middle)
        # 64 eps of what is added: the rounding of this sum itself, and of the rule's own
        error = np.abs(u) * slope.error + 64 * np.finfo(np.float64).eps * np.abs(middle)
        total = np.sum if shape is None else lambda v: np.asarray(sum_to(v, shape=shape))
        where = [tuple(int(i) for i in at) for at in np.argwhere(slope.kink)[:4]]
        kinks = [(at, float(slope.left[at]), float(slope.right[at])) for at in where]
        return _Interval(np.asarray(total(low)), np.asarray(total(high)), np.asarray(total(error)), kinks)


def _elementwise(case: Case, u: Array, i: int, rtol: float) -> _Interval:
    """(Jᵀu) of an elementwise operation for all elements of input i at once: its Jacobian is diagonal."""
    shape = np.shape(case.args[i])
    best: _Interval | None = None
    for scale in scales(case.args[i]):
        found = _weigh(u, case.slope({i: scale}), shape)
        with np.errstate(all="ignore"):
            out = np.broadcast_to(scale, case.out.shape)
            kinks = [(at, left / float(out[at]), right / float(out[at])) for at, left, right in found.kinks]
            found = _Interval(found.low / scale, found.high / scale, found.error / scale, kinks)
        if best is None:
            best = found
        else:
            best.take(found)
        if best.settled(rtol):
            break
    assert best is not None
    return best


def _columns(case: Case, u: Array, i: int, rtol: float) -> _Interval:
    """(Jᵀu) for input i, one element of it after the other."""
    x = np.asarray(case.args[i])
    low, high, error = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
    kinks: list[tuple[tuple[int, ...], float, float]] = []
    for j in np.ndindex(x.shape):
        best: _Interval | None = None
        for scale in scales(x[j]):
            size = float(scale)
            unit = np.zeros(x.shape)
            unit[j] = size
            found = _weigh(u, case.slope({i: unit}), None)
            kinks_here = [(at, left / size, right / size) for at, left, right in found.kinks]
            found = _Interval(found.low / size, found.high / size, found.error / size, kinks_here)
            if best is None:
                best = found
            else:
                best.take(found)
            if best.settled(rtol):
                break
        assert best is not None
        low[j], high[j], error[j] = best.low, best.high, best.error
        kinks += [(j, left, right) for _, left, right in best.kinks[:1]]
    return _Interval(low, high, error, kinks)


def steps_along(base: Mapping[int, Array], args: Sequence[Array]) -> Iterator[dict[int, Array]]:
    """One direction in several lengths: long, shorter (a kink nearby), and each element in proportion to its input."""
    for size in LENGTHS:
        yield {i: b * size for i, b in base.items()}
    if any(np.any(np.abs(args[i]) < 1) and np.any(args[i]) for i in base):
        yield {i: b * np.abs(args[i]) for i, b in base.items()}


def _directions(
    case: Case, u: Array, wanted: Sequence[int], *, parts: Sequence[Any], rng: np.random.Generator, rtol: float
) -> tuple[Array, _Interval]:
    """(analytic, interval) along directions that move all wanted inputs together: all ones (a tie shared wrongly adds
    up here), and random ones."""
    analytic, found = [], []
    for k in range(DIRECTIONS + 1):
        shapes = {i: np.shape(case.args[i]) for i in wanted}
        base = {i: np.ones(s) if k == 0 else random_like(rng, s) * reach(case.args[i]) for i, s in shapes.items()}
        value, interval = _direction(case, u, base, parts, rtol)
        analytic.append(value)
        found.append(interval)
    low, high, error = (np.asarray([float(getattr(f, name)) for f in found]) for name in ("low", "high", "error"))
    return np.asarray(analytic), _Interval(low, high, error, [k for f in found for k in f.kinks])


def _direction(
    case: Case, u: Array, base: Mapping[int, Array], parts: Sequence[Any], rtol: float
) -> tuple[float, _Interval]:
    """The analytic value and the interval along one direction, in the length that gives the smallest relative error."""
    best: tuple[float, float, _Interval] | None = None
    for way in steps_along(base, case.args):
        new = _weigh(u, case.slope(way), None)
        terms = [np.ravel(parts[i] * w) for i, w in way.items() if parts[i] is not None]
        spread = float(sum(np.sum(np.abs(t)) for t in terms))
        new.error = new.error + 64 * np.finfo(np.float64).eps * spread
        quality = float(new.error) / (spread + float(np.abs(new.low) + np.abs(new.high)) + 1e-300)
        if best is None or quality < best[0]:
            best = quality, float(sum(np.sum(t) for t in terms)), new
        if best[2].settled(rtol):
            break
    assert best is not None
    return best[1], best[2]


def judge(
    op: Primitive,
    args: Sequence[Any],
    params: Mapping[str, Any],
    *,
    rng: np.random.Generator,
    needs: Sequence[bool] | None = None,
    orders: Sequence[int] = (1, 2),
    elements: int = ELEMENTS,
) -> list[Finding]:
    """The rule of one operation at these inputs, a Finding for each input and order; empty when it has no derivative.

    Floats are taken to float64.  needs: the inputs to judge (default: all floating-point ones).  Inputs of at most
    `elements` numbers, and elementwise operations of any size, are judged element by element.
    """
    case = Case(op, args, params)
    floats = [is_float(np.asarray(a)) for a in case.args]
    wanted = [f and (needs is None or needs[i]) for i, f in enumerate(floats)]
    if not op.differentiable or not any(wanted) or not is_float(case.out):
        return []
    if not np.all(np.isfinite(case.out)):
        return [Finding(op.name, None, 1, Verdict.UNSURE, "its value is not finite here")]
    u = random_like(rng, case.out.shape)
    try:
        parts = case.rule(u[()], wanted)
    except GradientError:
        raise  # no rule at all, or a black box without a backward: it says so itself
    except Exception as error:  # whatever else a user's rule raises is the finding
        text = f"its rule raises {type(error).__name__}: {error}"
        return [Finding(op.name, None, 1, Verdict.WRONG, text, raised=True)]
    rtol = tolerance(case.dtype, 1)
    findings = [
        _first_order(case, u, i, parts[i], rtol=rtol)
        for i, want in enumerate(wanted)
        if want and (case.elementwise or np.size(case.args[i]) <= elements)
    ]
    alone = [f.input for f in findings]
    inputs = [i for i, want in enumerate(wanted) if want]
    findings += _jointly(case, u, inputs, alone=alone, parts=parts, rng=rng, rtol=rtol)
    clear = all(f.verdict is not Verdict.WRONG and not f.kinks for f in findings)
    if 2 in orders and clear:  # at a kink, and above a wrong rule, a second derivative means nothing
        from denpa.check.second import second_order

        findings += second_order(case, wanted, rng)
    return findings if 1 in orders else [f for f in findings if f.order == 2]


def _first_order(case: Case, u: Array, i: int, part: Array | None, *, rtol: float) -> Finding:
    found = _elementwise(case, u, i, rtol) if case.elementwise else _columns(case, u, i, rtol)
    analytic = np.zeros(np.shape(case.args[i])) if part is None else np.asarray(part, np.float64)
    result = compare(analytic, found.low, found.high, found.error, rtol=rtol)
    return _finding(case, i, result, analytic, found)


def _jointly(
    case: Case,
    u: Array,
    wanted: Sequence[int],
    *,
    alone: Sequence[int | None],
    parts: Sequence[Any],
    rng: np.random.Generator,
    rtol: float,
) -> list[Finding]:
    """Directions through all inputs at once, and through each when there are several.

    alone: the inputs that were judged element by element before.
    """
    groups: list[Sequence[int]] = [wanted] if len(wanted) == 1 else [*([i] for i in wanted), wanted]
    findings = []
    for group in groups:
        if all(np.size(case.args[i]) == 0 for i in group):
            continue
        analytic, found = _directions(case, u, group, parts=parts, rng=rng, rtol=rtol)
        result = compare(analytic, found.low, found.high, found.error, rtol=rtol)
        if all(i in alone for i in group):
            found.kinks = []  # seen more closely element by element, with steps that a kink nearby does not reach
        findings.append(_finding(case, group[0] if len(group) == 1 else None, result, analytic, found))
    return findings


def _finding(case: Case, i: int | None, result: Comparison, analytic: Array, found: _Interval) -> Finding:
    convention = "; ".join(dict.fromkeys(s.convention for s in case.op.special))
    kinks = tuple(
        Kink(case.op.name, i, at, left, right, convention or "the rule's value lies between them")
        for at, left, right in found.kinks[:4]
    )
    smooth = result.verdict is Verdict.WRONG and found.low[result.element] == found.high[result.element]
    constant = factor(analytic, found.low, found.high, found.error) if smooth else None
    return Finding(
        case.op.name,
        i,
        1,
        result.verdict,
        _reason(analytic, found, result),
        result.element if i is not None and np.shape(analytic) == np.shape(case.args[i]) else (),
        result.analytic,
        result.numeric,
        result.error,
        constant,
        result.blurred,
        kinks,
    )


def _reason(analytic: Array, found: _Interval, result: Comparison) -> str:
    if result.verdict is Verdict.UNSURE:
        return "the error of the numerical value is larger than the tolerance"
    if result.verdict is Verdict.RIGHT:
        return "between the one-sided derivatives" if found.kinks else ""
    return _fault(np.asarray(analytic), found, result)


def _fault(a: Array, found: _Interval, result: Comparison) -> str:
    """What is wrong, as far as the pattern tells."""
    times = factor(a, found.low, found.high, found.error)
    square = a.ndim == 2 and a.shape[0] == a.shape[1]
    if found.low[result.element] != found.high[result.element]:
        return "its value at a kink lies outside the one-sided derivatives"
    if not np.isfinite(result.analytic):
        text = "its cotangent is not finite where the derivative is"
    elif times is not None:
        known = {0.0: "its cotangent is zero", -1.0: "its sign is wrong"}
        text = known.get(round(times, 9), f"its cotangent is {times:.9g} times the derivative")
    elif square and np.allclose(a.T, found.low, rtol=1e-6, atol=0):
        text = "its cotangent is the transpose of the derivative"
    else:
        text = "its cotangent is not the derivative"
    return text


def cotangents(
    outputs: Sequence[Tensor], seeds: Sequence[Any], leaves: Sequence[Node], *, record: bool = False
) -> list[Any]:
    """Σ_k seedᵏ·∂outputᵏ/∂leaf by `pull`, one pass an output; None for a leaf that no gradient reaches."""
    total: list[Any] = [None] * len(leaves)
    with np.errstate(all="ignore"):
        for output, seed in zip(outputs, seeds, strict=True):
            if not output.node.requires:
                continue
            seed = np.asarray(seed, output.node.value.dtype)[()]
            g = Tensor(leaf(seed, "constant")) if record else seed
            got = pull(output.node, g, ancestors([output.node], requires_only=True), record=record)
            for k, node in enumerate(leaves):
                part = got.get(node)
                if part is not None:
                    total[k] = part if total[k] is None else total[k] + part
    return total


def not_finite(graph: Graph) -> str | None:
    """The first operation whose value is NaN or infinite, in words; None when there is none."""
    for index, node in enumerate(graph.nodes):
        if is_float(node.value) and not np.all(np.isfinite(node.value)):
            return f"node #{index} ({node.label}) is not finite: there is no derivative to compare with"
    return None
