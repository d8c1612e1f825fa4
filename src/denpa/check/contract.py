"""The contract of a primitive, clause by clause, on the samples its stanza declares.

Run over the whole registry by the tests, and public for users' own operations.  A check that cannot fail proves
nothing: six deliberately wrong twins of every rule are made from copies and must each be caught.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import is_float
from denpa.check.node import Case, judge
from denpa.check.scalar import evaluate_scalar
from denpa.check.tangents import same_value
from denpa.check.verdict import Verdict, tolerance
from denpa.errors import DenpaError, GradientMismatch
from denpa.graph import Tensor
from denpa.numeric import COMPLEX_STEP
from denpa.primitive import Primitive, broadcast, same

Sample = tuple[tuple[Any, ...], dict[str, Any]]
LETTERS = "abcdefgh"
SCALAR_ELEMENTS = 64  # elements of a sample at which the scalar text is evaluated


@dataclass(frozen=True)
class Clause:
    """One demand of the contract, and the first thing that breaks it (empty when it is kept)."""

    name: str
    broken: str


@dataclass(frozen=True)
class Contract:
    """The clauses checked for a primitive; true when all are kept."""

    op: str
    samples: int
    clauses: tuple[Clause, ...]

    @property
    def broken(self) -> tuple[Clause, ...]:
        return tuple(c for c in self.clauses if c.broken)

    def __bool__(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        kept = ", ".join(c.name for c in self.clauses if not c.broken)
        lines = [f"{self.op}: {len(self.broken)} of {len(self.clauses)} clauses broken on {self.samples} samples"]
        return "\n".join([*lines, *(f"  broken: {c.name}: {c.broken}" for c in self.broken), f"  kept: {kept}"])


def check_primitive(op: Primitive, *, orders: Sequence[int] = (1, 2), seed: int = 0, raises: bool = True) -> Contract:
    """Check a primitive against its contract on its own samples and special points.

    shape rule = evaluation; first and second derivative with random directions and cotangents; the declared gradients
    at special points, between the one-sided derivatives; scalar text = evaluation; complex step to 1e-12 where declared
    analytic; dtype kept; inputs not changed; LaTeX template fills; `needs` honoured; six wrong twins of the rule caught
    (× 0, × 2, × (1 + 1e-4), × (1 + 1e-6), negated, transposed).  A primitive without samples breaks it.  One that is
    not differentiable is checked for value, shape and dtype.  GradientMismatch, an AssertionError, unless raises=False.
    """
    rng = np.random.default_rng(seed)
    samples = [] if op.samples is None else [(a, {**op.defaults, **p}) for a, p in op.samples(rng)]
    clauses = [
        Clause("samples", "" if samples else "the stanza declares no samples: nothing can be checked"),
        Clause("latex", _first(_latex(op))),
    ]
    every: list[tuple[str, Callable[[Primitive, Sample], str]]] = [
        ("evaluation", _evaluates),
        ("shape", _shape),
        ("dtype", _dtype),
        ("inputs unchanged", _unchanged),
    ]
    if op.scalar is not None and op.shape in (same, broadcast):
        every.append(("scalar text", _scalar))
    if op.differentiable:
        every += [("float32 gradient", _gradient_dtype)]
        every += [("needs", _needs)] if op.needs else []
        every += [("complex step", _complex)] if op.analytic else []
    for name, clause in every:
        clauses.append(Clause(name, _first(_on(clause, op, sample) for sample in samples)))
        if name == "evaluation" and clauses[-1].broken:
            break
    else:
        if op.differentiable:
            clauses += _derivatives(op, samples, orders, seed)
    result = Contract(op.name, len(samples), tuple(clauses))
    if raises and not result:
        raise GradientMismatch(
            f"the primitive {op.name} breaks its contract",
            where=", ".join(c.name for c in result.broken),
            got="; ".join(c.broken for c in result.broken),
            want="every clause kept on every sample",
            fix="see denpa.check_primitive for what each clause demands",
        )
    return result


def _first(texts: Iterator[str]) -> str:
    return next((text for text in texts if text), "")


def _on(clause: Callable[[Primitive, Sample], str], op: Primitive, sample: Sample) -> str:
    """What a clause says of a sample, with the sample named; an exception breaks the clause as well."""
    try:
        with np.errstate(all="ignore"):
            text = clause(op, sample)
    except Exception as error:  # whatever a user's stanza raises is the finding
        text = f"{type(error).__name__}: {getattr(error, 'what', error)}"
    return f"{text} at {_named(op, sample)}" if text else ""


def _named(op: Primitive, sample: Sample) -> str:
    args, params = sample
    shown = [f"{np.asarray(a).dtype}{list(np.shape(a))}" for a in args] + [f"{k}={v!r}" for k, v in params.items()]
    return f"{op.name}({', '.join(shown)})"


def _evaluate(op: Primitive, sample: Sample) -> Any:
    args, params = sample
    return op.evaluate(np, *[np.asarray(a)[()] for a in args], **params)


def _evaluates(op: Primitive, sample: Sample) -> str:
    out = _evaluate(op, sample)
    if not isinstance(out, (np.ndarray, np.generic)):
        return f"the evaluation gives a {type(out).__name__}, not an array"
    return "the value is not finite" if is_float(out) and not np.all(np.isfinite(out)) else ""


def _shape(op: Primitive, sample: Sample) -> str:
    args, params = sample
    rule, real = op.shape(*[np.shape(a) for a in args], **params), np.shape(_evaluate(op, sample))
    return (
        "" if rule is None or tuple(rule) == real else f"the shape rule says {tuple(rule)}, the evaluation gives {real}"
    )


def _dtype(op: Primitive, sample: Sample) -> str:
    """float32 in, float32 out, where float64 gives a float64 (a parameter `dtype` decides for itself)."""
    out = np.asarray(_evaluate(op, sample))
    if "dtype" in sample[1] or out.dtype != np.float64:
        return ""
    single = np.asarray(_evaluate(op, _single(sample)))
    return "" if single.dtype == np.float32 else f"float32 in gives {single.dtype} out"


def _single(sample: Sample) -> Sample:
    args, params = sample
    return tuple(np.asarray(a, np.float32)[()] if np.asarray(a).dtype == np.float64 else a for a in args), params


def _unchanged(op: Primitive, sample: Sample) -> str:
    args, params = sample
    arrays = [np.array(a) for a in args]
    before = [a.tobytes() for a in arrays]
    out = np.array(op.evaluate(np, *arrays, **params))
    if op.differentiable and is_float(out):
        g = np.ones_like(out)
        value = out.copy()
        op.pull_back(g, value, arrays, params, [is_float(a) for a in arrays])
        if not np.all(g == 1) or not same_value(value, out):
            return "the rule changes its cotangent or its result in place"
    return "" if [a.tobytes() for a in arrays] == before else "an input was changed in place"


def _scalar(op: Primitive, sample: Sample) -> str:
    args, params = sample
    out = np.asarray(_evaluate(op, sample))
    spread = [np.broadcast_to(a, out.shape) for a in args]
    for at in list(np.ndindex(out.shape))[:SCALAR_ELEMENTS]:
        names = {**params, **dict(zip("xyz", (a[at] for a in spread), strict=False))}
        value = evaluate_scalar(op.scalar or "", names)
        if not np.isclose(float(value), float(out[at]), rtol=1e-13, atol=1e-300, equal_nan=True):
            return f"the scalar text gives {float(value)!r}, the evaluation {float(out[at])!r}"
    return ""


def _gradient_dtype(op: Primitive, sample: Sample) -> str:
    args, params = _single(sample)
    arrays = [np.asarray(a)[()] for a in args]
    out = np.asarray(op.evaluate(np, *arrays, **params))
    if out.dtype != np.float32:
        return ""
    parts = op.pull_back(np.ones_like(out)[()], out[()], arrays, params, [is_float(a) for a in arrays])
    found = {np.asarray(p).dtype for p, a in zip(parts, arrays, strict=True) if p is not None and a.dtype == np.float32}
    return "" if found <= {np.dtype(np.float32)} else f"the rule gives {', '.join(map(str, found))} for float32"


def _needs(op: Primitive, sample: Sample) -> str:
    case = Case(op, *sample)
    floats = [is_float(np.asarray(a)) for a in case.args]
    g = np.ones(case.out.shape)[()]
    everything = case.rule(g, floats)
    for i, wanted in enumerate(floats):
        if wanted:
            alone = case.rule(g, [k == i for k in range(len(floats))])
            a, b = alone[i], everything[i]
            if (a is None) is not (b is None) or (a is not None and not same_value(np.asarray(a), np.asarray(b))):
                return f"asked for input {i} alone, the rule gives another cotangent"
    return ""


def _complex(op: Primitive, sample: Sample) -> str:
    """Im f(x + ihv)/h against the rule along a random direction: equal to 1e-12 of the terms that are added."""
    case = Case(op, *sample)
    if case.eps > 1e-12 or case.out.size == 0:
        return ""
    rng = np.random.default_rng(1)
    floats = [is_float(np.asarray(a)) for a in case.args]
    ways = [rng.standard_normal(np.shape(a)) if f else None for a, f in zip(case.args, floats, strict=True)]
    moved = [a if w is None else a + 1j * COMPLEX_STEP * w for a, w in zip(case.args, ways, strict=True)]
    out = np.asarray(op.evaluate(np, *moved, **case.params))
    if out.dtype.kind != "c":
        return f"declared analytic, but complex inputs give {out.dtype}"
    u = rng.standard_normal(case.out.shape)
    parts = case.rule(u[()], floats)
    terms = [np.ravel(p * w) for p, w in zip(parts, ways, strict=True) if p is not None and w is not None]
    forward = np.ravel(u * (out.imag / COMPLEX_STEP))
    size = float(np.sum(np.abs(forward))) + sum(float(np.sum(np.abs(t))) for t in terms)
    gap = abs(float(np.sum(forward)) - sum(float(np.sum(t)) for t in terms))
    limit = tolerance(np.float64, 1, "complex")
    return (
        ""
        if gap <= limit * size
        else f"the complex step and the rule differ by {gap / size:.1e}, more than {limit:.0e}"
    )


def _latex(op: Primitive) -> Iterator[str]:
    """The template fills for the number of inputs, uses each of them, and has balanced braces and \\left … \\right."""
    count = op.arity if op.arity is not None else 3
    letters = list(LETTERS[:count])
    try:
        filled = op.latex.format(*letters, args=", ".join(letters), **op.defaults)
    except (IndexError, KeyError, ValueError) as error:
        yield f"the template {op.latex!r} does not fill: {type(error).__name__}: {error}"
        return
    used = {k for k in range(count) if "{args}" in op.latex or "{" + str(k) + "}" in op.latex}
    if unfilled := sorted(set(range(count)) - used - _positions(op)):
        yield f"the template {op.latex!r} never uses input {unfilled[0]}"
    depth = 0
    for character in filled.replace(r"\{", "").replace(r"\}", ""):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            break
    if depth != 0:
        yield f"unbalanced braces in {filled!r}"
    if filled.count(r"\left") - filled.count(r"\leftarrow") != filled.count(r"\right") - filled.count(r"\rightarrow"):
        yield rf"unbalanced \left and \right in {filled!r}"


def _positions(op: Primitive) -> set[int]:
    """The inputs that hold positions (integers or booleans in every sample), which a formula may leave unsaid."""
    samples = [] if op.samples is None else [args for args, _ in op.samples(np.random.default_rng(0))]
    inputs = range(max((len(args) for args in samples), default=0))
    return {k for k in inputs if all(np.asarray(args[k]).dtype.kind in "biu" for args in samples if k < len(args))}


def _derivatives(op: Primitive, samples: Sequence[Sample], orders: Sequence[int], seed: int) -> list[Clause]:
    first, second = _judged(op, samples, orders, seed)
    clauses = [Clause("first derivative", first)]
    if 2 in orders:
        clauses.append(Clause("second derivative", second))
    if op.special:
        clauses.append(
            Clause("special points", _first(_on(_special, op, (s.args, _params(op, s))) for s in op.special))
        )
    if not first:
        clauses += [Clause(f"twin {name}", _caught(op, samples, name, make, seed)) for name, make in TWINS.items()]
    return clauses


def _params(op: Primitive, special: Any) -> dict[str, Any]:
    return {**op.defaults, **(special.params or {})}


def _judged(op: Primitive, samples: Sequence[Sample], orders: Sequence[int], seed: int) -> tuple[str, str]:
    """The first thing that is not right at first order, and at second order."""
    broken = {1: "", 2: ""}
    for sample in samples:
        try:
            findings = judge(op, *sample, rng=np.random.default_rng(seed), orders=orders)
        except DenpaError as error:
            return f"{error.what} at {_named(op, sample)}", ""
        for f in findings:
            bad = f.verdict is not Verdict.RIGHT or (f.kinks and f"samples lie on a kink: {f.kinks[0]}")
            if bad and not broken[f.order]:
                port = "all inputs" if f.input is None else f"input {f.input}"
                text = f"{f.verdict}, {port}: {f.reason or bad} (rule {f.analytic:.9g}, numerical {f.numeric:.9g})"
                broken[f.order] = f"{text} at {_named(op, sample)}"
    return broken[1], broken[2]


def _special(op: Primitive, sample: Sample) -> str:
    """At a kink: the declared gradients of the sum, given by the rule, and lying between the one-sided derivatives."""
    special = next(s for s in op.special if s.args is sample[0])
    case = Case(op, *sample)
    parts = case.rule(np.ones(case.out.shape)[()], [is_float(np.asarray(a)) for a in case.args])
    for i, (part, declared) in enumerate(zip(parts, special.gradients, strict=True)):
        if declared is None and part is None:
            continue
        value = np.zeros(np.shape(case.args[i])) if part is None else np.asarray(part)
        if not np.allclose(value, np.asarray(declared, float), rtol=1e-12, atol=0, equal_nan=True):
            return f"input {i}: the rule gives {np.ravel(value)[:4]}, declared is {np.ravel(declared)[:4]}"
    wrong = [f for f in judge(op, *sample, rng=np.random.default_rng(0), orders=(1,)) if f.verdict is Verdict.WRONG]
    return wrong[0].reason if wrong else ""


def _scaled(by: float) -> Callable[[Any], Any]:
    return lambda part: part * by


def _transposed(part: Any) -> Any:
    shape = np.shape(part.value if isinstance(part, Tensor) else part)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return part
    return part.mT if isinstance(part, Tensor) else np.swapaxes(part, -1, -2)


# What is done to every cotangent of a twin's rule.  1e-4 and 1e-6 pass the default tolerances of other checkers.
TWINS: dict[str, Callable[[Any], Any]] = {
    "× 0": _scaled(0.0),
    "× 2": _scaled(2.0),
    "× (1 + 1e-4)": _scaled(1 + 1e-4),
    "× (1 + 1e-6)": _scaled(1 + 1e-6),
    "negated": _scaled(-1.0),
    "transposed": _transposed,
}


def twin(op: Primitive, change: Callable[[Any], Any]) -> Primitive:
    """A copy of a primitive whose rule's cotangents are changed; the original, and the registry, stay as they are."""
    made = copy.copy(op)

    def rule(*args: Any, **params: Any) -> list[Any]:
        return [None if part is None else change(part) for part in op.rule(*args, **params)]

    made.rule = rule
    return made


def _caught(op: Primitive, samples: Sequence[Sample], name: str, change: Callable[[Any], Any], seed: int) -> str:
    """Empty when the twin is found wrong on some sample, or differs from the original on none."""
    wrong = twin(op, change)
    differs = False
    for sample in samples:
        case = Case(op, *sample)
        floats = [is_float(np.asarray(a)) for a in case.args]
        g = np.random.default_rng(seed).uniform(0.5, 1.5, case.out.shape)[()]
        parts = [p for p in case.rule(g, floats) if p is not None and np.size(p)]
        if all(same_value(np.asarray(p), np.asarray(change(p))) or not np.any(p) for p in parts):
            continue
        differs = True
        findings = judge(wrong, *sample, rng=np.random.default_rng(seed), orders=(1,))
        if any(f.verdict is Verdict.WRONG for f in findings):
            return ""
    return f"a rule {name} is not noticed on any sample" if differs else ""
