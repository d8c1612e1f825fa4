"""The judge: a class, an object, a function with its derivative, an autograd function or a primitive → a Judgement.

The reference is numerical differentiation with its own error estimate (denpa.numeric), so no layer of denpa's has to
exist for what is judged.  Source: seed 000 (勾配確認), and the common mistakes that tests/interop/corpus holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.errors import UsageError, user_line
from denpa.interop import torchlike
from denpa.interop.functions import Of, required
from denpa.interop.judging import known, subject as subjects
from denpa.interop.judging.bench import Bench, Broken, Endless, TooLong, benches
from denpa.interop.judging.faults import Fault, Judgement, Outcome
from denpa.interop.judging.probes import Probes, attempt, equal, fault
from denpa.interop.judging.reference import Verdict, judge, reference
from denpa.interop.judging.scenes import FULL, SQUARE, VECTOR_LAYOUTS, Point, Sizes
from denpa.interop.judging.shrink import Failing, shrink
from denpa.interop.judging.subject import NoGradients, Refusal, Subject
from denpa.interop.judging.symptoms import Look, cotangent, diagnose
from denpa.interop.judging.words import say
from denpa.primitive import Primitive


def check_layer(layer: Any, derivative: Callable[..., Any] | None = None, *, seed: int = 0) -> Judgement:
    """Judge foreign code that runs in this process; the result is true when all is right, and prints as text.

    layer: a class in the book's style or an object of one, a class in PyTorch's style, a @denpa.primitive; or a
    function with its `derivative`.  Checked: shapes, values in float64 and float32, random cotangents, kinks,
    saturation, state between calls, damage in place.  UsageError for anything else.  Code that may never end belongs
    in a file: `check_file`.
    """
    if derivative is not None:
        return judge_function(layer, derivative, seed=seed)
    if isinstance(layer, Primitive):
        return judge_primitive(layer, seed=seed)
    if torchlike.is_torchlike(layer):
        return judge_subject(lambda: subjects.torch_subject(layer), layer.__name__, "autograd function", seed)
    if not callable(getattr(layer, "forward", None)) or not callable(getattr(layer, "backward", None)):
        raise UsageError(
            "there is nothing to judge",
            where=user_line(),
            got=repr(layer)[:80],
            want="a class or object with forward and backward, a primitive, or a function and its derivative",
        )
    name = getattr(layer, "__name__", type(layer).__name__)
    return judge_subject(lambda: subjects.book_subject(layer), name, "class", seed)


def judge_function(f: Callable[..., Any], derivative: Callable[..., Any], *, seed: int = 0) -> Judgement:
    """A function and its derivative, which may be one of the input or of the output: the one that fits is said."""
    results = []
    order: tuple[Of, ...] = ("input", "output")
    last = (required(derivative) or ["x"])[-1]
    if last in ("y", "out", "output", "a", "s") and last not in required(f):
        order = ("output", "input")
    for of in order:
        if of == "output" and len(required(derivative)) != 1:
            continue
        made = judge_subject(lambda of=of: subjects.function_subject(f, derivative, of), f.__name__, "function", seed)  # type: ignore[misc]
        kind = f"of_{of}"
        note = Fault(kind, derivative.__name__, say(kind, twin=derivative.__name__, f=f.__name__))
        if made.outcome is Outcome.RIGHT:
            return replace(made, remarks=(note, *made.remarks))
        results.append(made)
    return min(results, key=lambda r: any(f.kind == "other" for f in r.faults))


def judge_primitive(op: Primitive, *, seed: int = 0) -> Judgement:
    """A primitive by the contract of its stanza, and by the same probes as any other layer."""
    from denpa.check import check_primitive

    made = judge_subject(lambda: subjects.primitive_subject(op), op.name, "primitive", seed)
    if op.samples is None:
        return made
    broken = check_primitive(op, seed=seed, raises=False).broken
    texts = [f"{c.name}: {c.broken}" for c in broken]
    extra = [Fault("contract", c.name, say("contract", text=t)) for c, t in zip(broken, texts, strict=True)]
    if made.outcome is Outcome.UNSURE:  # no scene fits its arguments; its own samples do
        made = replace(made, outcome=Outcome.RIGHT, faults=(), remarks=())
    return replace(made.with_faults(*extra), checked=(*made.checked, "contract"))


def judge_subject(make: Callable[[], Subject], name: str, kind: str, seed: int, only: str | None = None) -> Judgement:
    """The whole judgement of one subject; code that raises or does not end is a fault, never an exception here."""
    start = Judgement(name, kind, None, Outcome.RIGHT)
    try:
        subject = make()
        start = replace(start, name=subject.name, line=subject.line)
        found = benches(subject, only)
        made = _judged(start, found, seed)
        if misfit(made) and not subject.widths and is_no_vector(found[0]):
            other = _with_a_vector(start, subject, seed)
            made = made if other is None else other
        if kind == "function" and only is None and any(f.kind == "mixes_rows" for f in made.faults):
            vector = judge_subject(make, name, kind, seed, only="D")  # the book's first softmax takes one vector
            return replace(vector, remarks=(Fault("vectors_only", "forward", say("vectors_only")), *vector.remarks))
        return made
    except Refusal as error:
        nothing = Fault("nothing", "forward", say("nothing", text=error.what))
        return replace(start, outcome=Outcome.UNSURE, remarks=(nothing,))
    except Broken as error:
        return start.with_faults(_raised(error))
    except Endless as error:
        return start.with_faults(_raised(error.told))


# what a layer for another shape of W shows: shapes that do not fit, and the faults that such shapes bring with them
MISFITS = frozenset({"raises", "shape", "shape_other", "over_summed", "missing_batch_sum"})


def misfit(made: Judgement) -> bool:
    return any(f.kind in MISFITS for f in made.faults)


def is_no_vector(bench: Bench) -> bool:
    """Whether the scene gives a matrix, or one number, for what may have been meant as a vector."""
    point = bench.point(np.random.default_rng(0))
    beside = {n for n, category in bench.subject.fields if category == "matrix"} | set(point.parameters)
    return bench.scene.input == "" or any(np.ndim(point.get(name)) == 2 for name in beside)


def _with_a_vector(start: Judgement, subject: Subject, seed: int) -> Judgement | None:
    """The judgement with a vector for W (one neuron, a convolution of signals) where that fits; None where none does.

    forward alone cannot tell: x @ W takes a matrix as well as a vector, and only backward is written for one of them.
    """
    for layout in VECTOR_LAYOUTS:
        try:
            made = _judged(start, benches(subject, layout=layout), seed)
        except Broken:
            continue
        if not misfit(made):
            return made
    return None


def _raised(error: Broken) -> Fault:
    kind = (
        "loops"
        if isinstance(error.original, TooLong)
        else "count"
        if isinstance(error.original, NoGradients)
        else "raises"
    )
    at = f" (line {error.line})" if error.line else ""
    text = error.original.what if isinstance(error.original, NoGradients) else error.text
    return replace(fault(kind, error.doing, text=text + at), line=error.line)


def _judged(start: Judgement, found: list[Bench], seed: int) -> Judgement:
    rng = np.random.default_rng(seed)
    bench = found[0]
    point = bench.point(rng)
    out = bench.value(point, FULL)
    layer = known.resembles(bench, np.random.default_rng(seed + 1))
    start = replace(
        start,
        resembles=layer.name if layer else "",
        parameters=tuple(point.parameters),
        shapes={n: np.shape(point.get(n)) for n in (*point.inputs, *point.parameters)} | {"forward": out.shape},
    )
    if not equal(bench.value(point, FULL), out):
        random = Fault("random", "forward", say("random"))
        return replace(start, outcome=Outcome.UNSURE, remarks=(random,))
    faults = known.judge_name(bench, point, layer, rng)
    remarks: list[Fault] = []
    for b in found:
        # one row as well: what is right for a batch must be right for it; a single number, at several
        for sizes in (FULL, replace(FULL, N=1), *([FULL] * 4 if b.scene.input == "" else [])):
            more, notes = _gradients(b, rng, sizes)
            faults += [f for f in more if (f.kind, f.of) not in {(x.kind, x.of) for x in faults}]
            remarks += notes
            if more:
                break
    checked = ["shapes", "float64", "random cotangents"]
    if not any(f.kind in ("raises", "count", "shape_other", "missing") for f in faults):
        kinds = {f.kind for f in faults}
        more, notes, ran = _probed(bench, rng, wrong=bool(kinds - NEARLY), deaf="dout_ignored" in kinds)
        if any(f.kind == "epsilon" for f in more):  # the same cause, seen where it shows
            faults = [f for f in faults if f.kind != "slightly_off"]
        faults, remarks, checked = faults + more, remarks + notes, checked + ran
    if layer is not None:
        line = Fault("line", "backward", _line(layer.line))
        faults = [replace(f, advice=_with_line(f, line)) for f in faults]
    result = replace(start, remarks=tuple(remarks), checked=tuple(checked))
    unsure = any(r.kind == "unsure" for r in remarks)
    result = replace(result, outcome=Outcome.UNSURE) if unsure else result
    return result.with_faults(*faults) if faults else result


def _line(line: str) -> Any:
    from denpa.explain.words import T

    return T(f"the right backward: {line}", f"正しい backward: {line}")


NEARLY = frozenset({"dout_ignored", "slightly_off"})  # with these, saturation can still be looked at
# faults whose cure is the backward line of the known layer that has the same values
NOT_THE_LINE = frozenset(
    {"raises", "loops", "count", "forward", "mixes_rows", "dtype", "float32", "overflow", "epsilon"}
)
STATES = frozenset({"accumulated", "stale", "stale_other", "stale_forward", "stale_parameter", "shared"})


def _with_line(f: Fault, line: Fault) -> Any:
    """The advice with the known layer's backward beside it, where a gradient is wrong."""
    from denpa.explain.words import T

    if f.kind in NOT_THE_LINE | STATES or f.kind.startswith(("changes_", "second_", "random")):
        return f.advice
    if f.advice is None:
        return line.says
    return T(f"{f.advice.en}; {line.says.en}", f"{f.advice.ja}。{line.says.ja}")


def _gradients(bench: Bench, rng: np.random.Generator, sizes: Sizes) -> tuple[list[Fault], list[Fault]]:
    """(faults, remarks) of every gradient at random values and a random cotangent."""
    try:
        point = bench.point(rng, sizes)
        out = bench.value(point, sizes)
    except Broken as error:
        return ([], []) if sizes != FULL else ([_raised(error)], [])
    g = cotangent(rng, out) if bench.subject.takes_g else np.ones(out.shape)
    try:
        out, gradients = bench.gradients(point, g, sizes)
    except Broken as error:
        return [*_square(bench, rng, sizes), _raised(error)], []
    return _compared(bench, point, g, sizes, out=out, gradients=gradients)


def _compared(
    bench: Bench, point: Point, g: Any, sizes: Sizes, *, out: Any, gradients: dict[str, Any]
) -> tuple[list[Fault], list[Fault]]:
    names = bench.wanted(point)
    refs = {n: reference(bench, point, n, g, sizes) for n in names}
    faults: list[Fault] = []
    remarks: list[Fault] = []
    for name in names:
        raw = gradients.get(name)
        fits = raw is not None and np.shape(raw) == refs[name].low.shape
        if fits and np.asarray(raw).dtype.kind not in "fiub":
            faults.append(fault("raises", "d" + name, text=f"a gradient of {np.asarray(raw).dtype}"))
            continue
        verdict = judge(raw, refs[name]).verdict if fits else Verdict.WRONG
        if raw is None and not np.any(refs[name].value):
            continue  # nothing depends on it: no gradient is as good as zero
        if verdict is Verdict.UNSURE:
            remarks.append(fault("unsure", "d" + name))
        if verdict is Verdict.WRONG:
            look = Look(bench, point, sizes, np.asarray(g), name, out, gradients, refs)
            example = shrink(bench, Failing(point, np.asarray(g), sizes), name)
            told = [f for f in diagnose(look) if f.kind != "swapped" or all(x.kind != "swapped" for x in faults)]
            faults += [replace(f, example=example) for f in told]
    return faults, remarks


def _square(bench: Bench, rng: np.random.Generator, sizes: Sizes) -> list[Fault]:
    """Where shapes do not fit in backward, equal sizes let it run, and the numbers tell what is exchanged."""
    if sizes != FULL:
        return []
    try:
        point = bench.point(rng, SQUARE)
        out = bench.value(point, SQUARE)
        g = cotangent(rng, out)
        out, gradients = bench.gradients(point, g, SQUARE)
    except Broken:
        return []
    return [f for f in _compared(bench, point, g, SQUARE, out=out, gradients=gradients)[0] if f.kind != "other"]


def _probed(
    bench: Bench, rng: np.random.Generator, *, wrong: bool, deaf: bool
) -> tuple[list[Fault], list[Fault], list[str]]:
    """(faults, remarks, names of the checks) of everything beside the gradients themselves.

    At extremes only what is right at ordinary values is looked at.
    """
    try:
        probes = Probes(bench, rng, deaf)
    except Broken as error:
        return [_raised(error)], [], []
    faults: list[Fault] = []
    remarks: list[Fault] = []
    checked: list[str] = []
    wanted: list[tuple[str, Callable[[], Any]]] = [("state", probes.state), ("in place", probes.damage)]
    wanted += [] if wrong else [("saturation", probes.saturation)]
    for name, probe in wanted:
        found, raised = attempt(probe)
        faults += [*found, *([_raised(raised)] if raised and not found else [])]
        checked.append(name)
    pairs: list[tuple[str, Callable[[], Any]]] = [("float32", probes.single)]
    pairs += [] if wrong else [("kinks", probes.kinks)]
    for name, probe in pairs:
        found, raised = attempt(probe)
        faults += [f for f, is_wrong in found if is_wrong] + ([_raised(raised)] if raised and not found else [])
        remarks += [f for f, is_wrong in found if not is_wrong]
        checked.append(name)
    return faults, remarks, checked


def is_book_style(value: Any) -> bool:
    """A class whose objects have forward(x, …) and backward."""
    if not inspect.isclass(value) or torchlike.is_torchlike(value):
        return False
    return all(inspect.isfunction(inspect.getattr_static(value, name, None)) for name in ("forward", "backward"))
