"""What a wrong gradient looks like: the common slips, each recognised by the numbers it leaves.

Source: seed 000 chapter 5 and the mistakes that its readers report; each symptom has a layer with it in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.check.verdict import Verdict
from denpa.formatting import number
from denpa.interop.judging.bench import Bench, Broken
from denpa.interop.judging.faults import Fault
from denpa.interop.judging.reference import Reference, judge, reference
from denpa.interop.judging.scenes import FULL, OTHER, Point, Sizes
from denpa.interop.judging.words import advise, say

LETTERS = {
    "N": ("number of rows", "行数"),
    "D": ("number of columns", "列数"),
    "ND": ("number of elements", "要素数"),
}


@dataclass(frozen=True)
class Look:
    """One wrong gradient with everything needed to look at it from all sides."""

    bench: Bench
    point: Point
    sizes: Sizes
    g: Array
    name: str
    out: Array
    gradients: dict[str, Any]
    refs: dict[str, Reference]

    @property
    def raw(self) -> Any:
        return self.gradients.get(self.name)

    @property
    def A(self) -> Array:
        return np.asarray(self.raw, np.float64)

    @property
    def R(self) -> Array:
        return self.refs[self.name].value

    @property
    def x(self) -> Array:
        return self.point.get(self.name)

    @property
    def of(self) -> str:
        return "d" + self.name

    @property
    def G(self) -> str:
        return self.bench.subject.g_name

    @property
    def elementwise(self) -> bool:
        return self.name in self.point.inputs and np.shape(self.x) == np.shape(self.out) == np.shape(self.g)

    def fault(self, kind: str, **words: object) -> Fault:
        comparison = judge(self.A, self.refs[self.name]) if self.A.shape == self.R.shape else None
        said = {"of": self.of, "name": self.name, "g": self.G, **words}
        return Fault(
            kind,
            self.of,
            say(kind, **said),
            advise(kind, **said),
            element=comparison.element if comparison else (),
            got=comparison.analytic if comparison else None,
            want=comparison.numeric if comparison else None,
            error=comparison.error if comparison else None,
        )


def alike(a: Any, b: Any, rtol: float = 1e-5) -> bool:
    """Equal shapes, and equal to rtol of the largest element of b; never for a b of zeros."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not np.all(np.isfinite(a)):
        return False
    largest = float(np.max(np.abs(b), initial=0.0))
    return largest > 0 and bool(np.all(np.abs(a - b) <= rtol * largest))


def ratio(a: Array, b: Array) -> float | None:
    """c with a = c·b, or None."""
    size = float(np.sum(b * b))
    if size == 0 or not np.all(np.isfinite(a)):
        return None
    c = float(np.sum(a * b)) / size
    return c if c != 0 and alike(a / c, b) else None


def diagnose(look: Look) -> list[Fault]:
    """The first symptom that fits, from the most telling to "other".

    Where backward ignores its cotangent, what is wrong beside that is looked for with a cotangent of ones.
    """
    for symptom in (_absent, _misshapen, _not_finite, _zero, _unused, _swapped, _old_parameter):
        found = symptom(look)
        if found is not None:
            return [found]
    if _deaf(look):
        there = at(look, look.sizes, g=np.ones(look.g.shape))
        if there is None or judge(there.A, there.refs[look.name]).verdict is not Verdict.WRONG:
            return [look.fault("dout_ignored")]
        beside = _shape_of_error(there)
        nearly = beside.kind == "slightly_off"
        return [look.fault("dout_ignored"), beside] if nearly else [beside, look.fault("dout_ignored_wrong")]
    return [_shape_of_error(look)]


def _shape_of_error(look: Look) -> Fault:
    if alike(look.A, look.R):
        return _small(look) or look.fault("other")
    for symptom in (_constant, *_STRUCTURE, _small):
        found = symptom(look)
        if found is not None:
            return found
    return look.fault("one_row" if _right_for_one_row(look) else "other")


def _absent(look: Look) -> Fault | None:
    return without_numbers(look, "missing") if look.raw is None else None


def without_numbers(look: Look, kind: str, **words: object) -> Fault:
    said = {"of": look.of, "name": look.name, "g": look.G, **words}
    return Fault(kind, look.of, say(kind, **said), advise(kind, **said))


def _misshapen(look: Look) -> Fault | None:
    A, R = look.A, look.R
    if A.shape == R.shape:
        return None
    said = {"got": A.shape, "want": R.shape}
    if A.size == R.size and alike(A.reshape(R.shape), R):
        return without_numbers(look, "shape", **said)
    extra = A.ndim - R.ndim
    if extra > 0 and A.shape[extra:] == R.shape:
        summed = A.reshape(-1, *R.shape).sum(axis=0)
        if alike(summed, R) or ratio(summed, R) is not None:
            return without_numbers(look, "missing_batch_sum", **said)
    if A.ndim == R.ndim and _summable(A, R):
        return without_numbers(look, "missing_batch_sum", **said)
    kind = "shape_other"
    if A.T.shape == R.shape and alike(A.T, R):
        kind = "transposed"
    elif R.ndim and A.size == 1 and np.isclose(A.sum(), R.sum(), rtol=1e-5):
        kind = "over_summed"
    elif look.name in look.point.parameters and R.ndim and np.isclose(A.sum(), R.sum(), rtol=1e-5):
        kind = "wrong_axis"
    return without_numbers(look, kind, **said)


def _summable(A: Array, R: Array) -> bool:
    axes = tuple(k for k, (a, r) in enumerate(zip(A.shape, R.shape, strict=True)) if r == 1 and a != 1)
    rest = all(a == r for k, (a, r) in enumerate(zip(A.shape, R.shape, strict=True)) if k not in axes)
    return bool(axes) and rest and alike(A.sum(axis=axes, keepdims=True), R)


def _not_finite(look: Look) -> Fault | None:
    return None if np.all(np.isfinite(look.A)) else look.fault("not_finite")


def _zero(look: Look) -> Fault | None:
    return look.fault("zero") if not np.any(look.A) and np.any(np.abs(look.R) > look.refs[look.name].error) else None


def _unused(look: Look) -> Fault | None:
    return look.fault("unused") if np.any(look.A) and not np.any(np.abs(look.R) > look.refs[look.name].error) else None


def _old_parameter(look: Look) -> Fault | None:
    """The gradient belongs to the parameters the object was constructed with: it keeps a copy of them."""
    if not look.point.parameters:
        return None
    held = look.bench.subject.start(look.bench.prototype(look.sizes)).held()
    point = replace(look.point, parameters={k: np.asarray(v, np.float64) for k, v in held.items()})
    old = reference(look.bench, point, look.name, look.g, look.sizes).value
    return look.fault("stale_parameter") if alike(look.A, old) and not alike(old, look.R) else None


def _swapped(look: Look) -> Fault | None:
    for other in look.gradients:
        if other != look.name and look.gradients[other] is not None and other in look.refs:
            theirs, mine = np.asarray(look.gradients[other], np.float64), look.refs[other].value
            if alike(look.A, mine) and alike(theirs, look.R):
                return look.fault("swapped", other="d" + other)
    return None


def at(look: Look, sizes: Sizes, change: Callable[[Point], Point] = lambda p: p, g: Any = None) -> Look | None:
    """The same gradient elsewhere: other sizes, changed values, another cotangent.  None where the code raises."""
    rng = np.random.default_rng(11)
    try:
        point = look.point if sizes == look.sizes else look.bench.point(rng, sizes)
        point = change(point)
        out = look.bench.value(point, sizes)
        ones = bool(np.all(look.g == 1))
        new_g = g if g is not None else look.g if out.shape == look.out.shape else cotangent(rng, out)
        new_g = np.ones(out.shape) if ones else new_g
        out, gradients = look.bench.gradients(point, new_g, sizes)
        refs = {n: reference(look.bench, point, n, new_g, sizes) for n in (look.name,)}
    except Broken:
        return None
    return Look(look.bench, point, sizes, new_g, look.name, out, gradients, refs)


def cotangent(rng: np.random.Generator, out: Array) -> Array:
    """Sizes 0.5 to 1.5 of either sign: a cotangent of ones passes a softmax whose gradient is zero."""
    return np.asarray(rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape))


def _constant(look: Look) -> Fault | None:
    c = ratio(look.A, look.R)
    if c is None or abs(c - 1) < 1e-5:
        return None
    if abs(c + 1) < 1e-5:
        return look.fault("sign")
    there = at(look, OTHER) if look.sizes == FULL else None
    other = ratio(there.A, there.R) if there is not None and there.A.shape == there.R.shape else None
    if there is not None and other is not None:
        sizes = [(key, _size(look, key), _size(there, key)) for key in LETTERS]
        for key, here, far in sizes:
            for sign in (1, -1):
                words = {
                    "what": LETTERS[key][0],
                    "what_ja": LETTERS[key][1],
                    "factor": here,
                    "letter": key.replace("ND", "(N·D)"),
                }
                if np.allclose([c, other], [sign * here, sign * far], rtol=1e-5):
                    return look.fault("missing_1_over_n", **words)
                if np.allclose([c, other], [sign / here, sign / far], rtol=1e-5):
                    return look.fault("extra_1_over_n", **words)
    return look.fault("factor", factor=number(c), inverse=number(1 / c))


def _size(look: Look, key: str) -> int:
    first = next(iter(look.point.inputs.values()))
    shape = np.shape(first)
    rows = shape[0] if len(shape) > 1 else 1
    return {"N": rows, "D": shape[-1] if shape else 1, "ND": int(np.prod(shape, dtype=int))}[key]


def _deaf(look: Look) -> bool:
    """Backward gives the same for another cotangent."""
    if not look.bench.subject.takes_g:
        return False
    try:
        _, other = look.bench.gradients(look.point, 3.0 * look.g + 1.0, look.sizes)
    except Broken:
        return False
    found = other.get(look.name)
    return found is not None and np.shape(found) == look.A.shape and alike(found, look.A)


def _transposed(look: Look) -> Fault | None:
    square = look.A.ndim == 2 and look.A.shape[0] == look.A.shape[1]
    return look.fault("transposed") if square and alike(look.A.T, look.R) else None


def _operand_transposed(look: Look) -> Fault | None:
    """Another factor stands in the product untransposed: seen where it is square."""
    for other in (*look.point.inputs, *look.point.parameters):
        value = look.point.get(other)
        square = value.ndim == 2 and value.shape[0] == value.shape[1] > 1
        if other == look.name or not square or np.asarray(value).dtype.kind != "f":
            continue
        turned = reference(look.bench, look.point.put(other, value.T.copy()), look.name, look.g, look.sizes)
        if alike(look.A, turned.value):
            return look.fault("operand_transposed", other=other)
    return None


def _no_local(look: Look) -> Fault | None:
    return look.fault("no_local") if look.elementwise and alike(look.A, look.g) else None


def _paths(look: Look) -> Fault | None:
    if not look.elementwise:
        return None
    if alike(look.R - look.A, look.g):
        return look.fault("missing_path")
    return look.fault("extra_path") if alike(look.A - look.R, look.g) else None


def _twice(look: Look) -> Fault | None:
    return look.fault("twice") if look.elementwise and alike(look.A, look.R * look.R / look.g) else None


def _mask(look: Look) -> Fault | None:
    """The gradient is there exactly where it should not be."""
    here, there = look.A != 0, np.abs(look.R) > 1e-9 * np.max(np.abs(look.R), initial=0.0)
    both = here.any() and there.any()
    if both and np.array_equal(here, ~there):
        return look.fault("mask_inverted")
    return None


def _at_output(look: Look) -> Fault | None:
    """A(x) = f′(f(x))·g."""
    if not look.elementwise:
        return None
    there = at(look, look.sizes, lambda p: p.put(look.name, np.asarray(look.out, np.float64)))
    return look.fault("at_output") if there is not None and alike(look.A, there.R) else None


def _at_input(look: Look) -> Fault | None:
    """A(x) = h(x)·g where h(f(x)) = f′(x): so A at f(x) is the right gradient at x."""
    if not look.elementwise:
        return None
    there = at(look, look.sizes, lambda p: p.put(look.name, np.asarray(look.out, np.float64)))
    fits = there is not None and there.A.shape == look.R.shape and alike(there.A, look.R)
    return look.fault("at_input") if fits else None


def _diagonal(look: Look) -> Fault | None:
    """Only ∂y_i/∂x_i is used."""
    if not look.elementwise or look.x.size > 64:
        return None
    diagonal = np.zeros(look.x.shape)
    for j in np.ndindex(look.x.shape):
        unit = np.zeros(look.x.shape)
        unit[j] = 1.0
        diagonal[j] = _slope_at(look, unit, j)
    return look.fault("diagonal") if alike(look.A, look.g * diagonal) else None


def _slope_at(look: Look, unit: Array, j: tuple[int, ...]) -> float:
    h = 2.0**-13  # error h² ≈ 1e-8, enough to recognise
    up, down = (look.bench.value(look.point.put(look.name, look.x + s * h * unit), look.sizes)[j] for s in (1, -1))
    return float((up - down) / (2 * h))


def _first_row(look: Look) -> Fault | None:
    """A parameter's gradient of one row of the batch alone."""
    if look.name not in look.point.parameters or look.g.ndim < 2 or look.g.shape[0] < 2:
        return None
    for row in (0, look.g.shape[0] - 1):
        g = np.zeros(look.g.shape)
        g[row] = look.g[row]
        if alike(look.A, reference(look.bench, look.point, look.name, g, look.sizes).value):
            return look.fault("first_row")
    return None


def _statistics(look: Look) -> Fault | None:
    """Normalisation whose mean and variance are taken as constants: each column (or row) of g is only scaled."""
    if not look.elementwise or look.g.ndim < 2:
        return None
    for axis in (0, -1):
        scale = look.A / look.g
        same = np.allclose(scale, scale.mean(axis=axis, keepdims=True), rtol=1e-6)
        balanced = np.all(np.abs(look.R.sum(axis=axis)) <= 1e-3 * np.max(np.abs(look.R)))
        if same and balanced and look.g.shape[axis] > 1:
            return look.fault("statistics")
    return None


def _factor_of(look: Look) -> Fault | None:
    """A factor x, y or g too many or too few."""
    if not look.elementwise:
        return None
    for text, value in {look.name: look.x, "y": np.asarray(look.out, np.float64), look.G: look.g}.items():
        if alike(look.A, look.R * value):
            return look.fault("extra_factor", expression=text)
        if alike(look.A * value, look.R):
            return look.fault("missing_factor", expression=text)
    return None


def _formula(look: Look) -> Fault | None:
    """What was computed instead, where it is a simple expression of x, y and the cotangent."""
    if not look.elementwise:
        return None
    x, y, g, G = look.x, np.asarray(look.out, np.float64), look.g, look.G
    with np.errstate(all="ignore"):
        simple = {"y": y, look.name: x}
        for text, v in simple.items():
            made = {text: v, f"(1 - {text})": 1 - v, f"{text} ** 2": v * v, f"(1 - {text} ** 2)": 1 - v * v}
            made |= {f"(1 + {text})": 1 + v, f"{text} * (1 - {text})": v * (1 - v), f"({text} > 0)": v > 0}
            for expression, d in (made | {f"{text} * (1 + {text})": v * (1 + v), f"2 * {text}": 2 * v}).items():
                if alike(look.A, g * d):
                    return look.fault("formula", expression=f"{G} * {expression}")
    return None


def _sign_pattern(look: Look) -> Fault | None:
    return look.fault("sign_dependent") if alike(np.abs(look.A), np.abs(look.R)) else None


def _small(look: Look) -> Fault | None:
    largest = float(np.max(np.abs(look.R), initial=0.0))
    off = float(np.max(np.abs(look.A - look.R)))
    return look.fault("slightly_off", factor=number(off / largest, 2)) if 0 < off <= 2e-3 * largest else None


def _one_side(look: Look) -> Fault | None:
    """Right where x > 0 and wrong where x < 0, or the other way round; with what it looks like there."""
    if look.A.shape != look.x.shape:
        return None
    ref = look.refs[look.name]
    wrong = np.abs(look.A - look.R) > 1e-6 * np.maximum(np.abs(look.A), np.abs(look.R)) + ref.error
    positive = look.x > 0
    if not wrong.any() or positive.all() or not positive.any():
        return None
    for side, en, ja in ((positive, "positive", "正"), (~positive, "negative", "負")):
        if not np.any(wrong & ~side):
            return look.fault("one_side", where=en, where_ja=ja)
    return None


def _right_for_one_row(look: Look) -> bool:
    if look.sizes.N == 1 or look.x.ndim < 2:
        return False
    there = at(look, replace(look.sizes, N=1))
    if there is None or there.A.shape != there.R.shape:
        return False
    return judge(there.A, there.refs[look.name]).verdict is Verdict.RIGHT


_STRUCTURE: tuple[Callable[[Look], Fault | None], ...] = (
    _transposed,
    _operand_transposed,
    _no_local,
    _at_input,
    _at_output,
    _twice,
    _mask,
    _diagonal,
    _paths,
    _statistics,
    _first_row,
    _factor_of,
    _one_side,
    _formula,
    _sign_pattern,
)
