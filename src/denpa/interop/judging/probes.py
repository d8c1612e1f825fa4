"""What is looked at beside the gradient at ordinary values: state between calls, damage in place, float32, extremes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.check.verdict import Verdict
from denpa.formatting import number
from denpa.interop.judging.bench import Bench, Broken, still
from denpa.interop.judging.faults import Fault
from denpa.interop.judging.reference import judge, reference
from denpa.interop.judging.scenes import FULL, Point
from denpa.interop.judging.symptoms import alike, cotangent
from denpa.interop.judging.words import advise, say

Gradients = Mapping[str, Any]
SATURATED = (15.0, 30.0)  # where log(y + 1e-7) differs from log(y) by more than a thousandth
HUGE = 1000.0  # exp overflows float64 above 709.8


def fault(kind: str, of: str, **words: object) -> Fault:
    line = words.pop("line", None)
    return Fault(kind, of, say(kind, of=of, **words), advise(kind, of=of, **words), line=line)  # type: ignore[arg-type]


def equal(a: Any, b: Any) -> bool:
    """The same numbers to rounding; two missing gradients are equal."""
    if a is None or b is None:
        return a is None and b is None
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))


class Probes:
    """The probes of one bench.  Each yields faults; all start from fresh objects."""

    def __init__(self, bench: Bench, rng: np.random.Generator, deaf: bool = False) -> None:
        self.bench, self.G = bench, bench.subject.g_name
        self.one, self.two = bench.point(rng), bench.point(rng)
        self.two = replace(self.two, parameters=self.one.parameters)
        out = bench.value(self.one, FULL)
        # a backward that ignores its cotangent is looked at further with the one it is right for
        self.g = cotangent(rng, out) if bench.subject.takes_g and not deaf else np.ones(out.shape)
        self.names = bench.wanted(self.one)
        self.first = self._fresh(self.one)
        self.second = self._fresh(self.two)

    def _fresh(self, point: Point) -> dict[str, Any]:
        return {k: None if v is None else np.array(v) for k, v in self.bench.gradients(point, self.g, FULL)[1].items()}

    def _again(self, session: Any, point: Point) -> Array:
        return np.array(self.bench.forward(session, point.copy().inputs))

    def _back(self, session: Any) -> dict[str, Any]:
        found = self.bench.backward(session, np.array(self.g)[()] if self.g.ndim == 0 else self.g.copy())
        return {k: None if v is None else np.array(v) for k, v in found.items()}

    # -- state ---------------------------------------------------------------------------------------------------------
    def state(self) -> Iterator[Fault]:
        """forward twice then backward; backward twice; another object in between; a parameter changed in between."""
        if self.bench.subject.kind != "class":
            return
        known: set[str] = set()
        for probe in (self._shared, self._twice, self._stale, self._steps, self._parameter):
            for found in probe():
                if found.of not in known:  # one cause shows in several probes: the first explains it
                    known.add(found.of)
                    yield found

    def _shared(self) -> Iterator[Fault]:
        a, b = (self.bench.session(self.one), self.bench.session(self.two))
        self._again(a, self.one)
        self._again(b, self.two)
        yield from self._compare(self._back(a), self.first, "shared")

    def _twice(self) -> Iterator[Fault]:
        session = self.bench.session(self.one)
        self._again(session, self.one)
        self._back(session)
        second = self._back(session)
        for name in self.names:
            if not equal(second.get(name), self.first.get(name)):
                doubled = second.get(name) is not None and alike(second[name], 2 * np.asarray(self.first[name]))
                kind = "accumulated" if doubled else "random_backward" if self._draws(name) else "second_backward"
                yield fault(kind, "d" + name, name=name, g=self.G)

    def _draws(self, name: str) -> bool:
        """Two backwards agree once the random generators stand the same before each."""
        session = self.bench.session(self.one)
        self._again(session, self.one)
        found = []
        for _ in range(2):
            still(5)
            found.append(self._back(session).get(name))
        return equal(*found)

    def _stale(self) -> Iterator[Fault]:
        session = self.bench.session(self.one)
        before = self._again(session, self.one)
        self._again(session, self.two)
        found = self._back(session)
        for name in self.names:
            if not equal(found.get(name), self.second.get(name)):
                old = equal(found.get(name), self.first.get(name))
                yield fault("stale" if old else "stale_other", "d" + name)
        if not equal(self._again(session, self.one), before):
            yield fault("stale_forward", "forward")

    def _steps(self) -> Iterator[Fault]:
        """Two whole steps, one after the other: the second must know nothing of the first."""
        session = self.bench.session(self.one)
        for point in (self.one, self.two):
            self._again(session, point)
            found = self._back(session)
        for name in self.names:
            if not equal(found.get(name), self.second.get(name)):
                both = all(d.get(name) is not None for d in (self.first, self.second, found))
                total = both and alike(found[name], np.asarray(self.first[name]) + np.asarray(self.second[name]))
                yield fault("accumulated" if total else "stale_other", "d" + name)

    def _parameter(self) -> Iterator[Fault]:
        """A parameter is changed after the object has run: forward and backward must follow it."""
        if not self.one.parameters:
            return
        changed = replace(self.one, parameters={k: np.asarray(1.5 * v + 0.1) for k, v in self.one.parameters.items()})
        session = self.bench.session(self.one)
        self._again(session, self.one)
        session.place(changed.parameters)
        if not equal(self._again(session, self.one), self.bench.value(changed, FULL)):
            yield fault("stale_parameter", "forward")
            return
        yield from self._compare(self._back(session), self._fresh(changed), "stale_parameter")

    def _compare(self, found: Gradients, right: Gradients, kind: str) -> Iterator[Fault]:
        for name in self.names:
            if not equal(found.get(name), right.get(name)):
                yield fault(kind, "d" + name)

    # -- damage --------------------------------------------------------------------------------------------------------
    def damage(self) -> Iterator[Fault]:
        """What forward and backward do to the arrays they were given."""
        session = self.bench.session(self.one)
        given = self.one.copy().inputs
        self.bench.forward(session, given)
        yield from self._changed(given, "forward")
        held = session.held()
        yield from self._parameters_changed(held, self.one.parameters, "forward")
        given = {k: np.array(v) for k, v in self.one.inputs.items()}
        session = self.bench.session(self.one)
        self.bench.forward(session, given)
        before = {k: np.array(v) for k, v in given.items()}
        g = np.array(self.g)
        self.bench.backward(session, g if g.ndim else g[()])
        if not np.array_equal(g, self.g):
            yield fault("changes_dout", "backward", g=self.G)
        for name, value in given.items():
            if not np.array_equal(value, before[name]):
                yield fault("changes_input", "backward", name=name)
        yield from self._parameters_changed(session.held(), held, "backward")

    def _changed(self, given: Mapping[str, Array], of: str) -> Iterator[Fault]:
        for name, value in given.items():
            if not np.array_equal(np.asarray(value), np.asarray(self.one.inputs[name])):
                yield fault("changes_input", of, name=name)

    def _parameters_changed(self, now: Mapping[str, Array], before: Mapping[str, Array], of: str) -> Iterator[Fault]:
        for name, value in now.items():
            if name in before and not np.array_equal(value, before[name]):
                yield fault("changes_parameter", of, name=name)

    # -- float32 -------------------------------------------------------------------------------------------------------
    def single(self) -> Iterator[tuple[Fault, bool]]:
        """(fault, whether it is wrong rather than worth a remark) in float32."""
        point = self.one.astype(np.float32)
        g = np.asarray(self.g, np.float32)
        out, gradients = self.bench.gradients(point, g, FULL)
        wide = self.bench.value(self.one, FULL)
        found = {"forward": (out, wide)}
        found |= {"d" + n: (gradients[n], self.first[n]) for n in self.names if gradients.get(n) is not None}
        for of, (value, right) in found.items():
            value, right = np.asarray(value), np.asarray(right)
            if value.dtype != np.float32 and value.dtype.kind == "f" and value.ndim:  # one number may be Python's own
                yield fault("dtype", of, got=value.dtype), False
            if value.shape != right.shape or not np.all(np.isfinite(right)):
                continue
            off = float(np.max(np.abs(value - right), initial=0.0)) / max(
                float(np.max(np.abs(right), initial=0.0)), 1e-30
            )
            if not off <= 1e-3:
                yield fault("float32", of, factor=number(off, 2), want="1e-3"), True

    # -- extremes ------------------------------------------------------------------------------------------------------
    def saturation(self) -> Iterator[Fault]:
        """The gradient of the first input far out, where sigmoids and softmaxes saturate, and forward beyond exp."""
        plain = [n for n in self.names if n in self.one.inputs][:1]
        if not plain or self.bench.scene.domain != "any":
            return
        name = plain[0]
        x = self.one.get(name)
        for size in (*SATURATED, *(-s for s in SATURATED)):  # either way round: it may hide on one side of a target
            point = self.one.put(name, (np.sign(x) * size * (0.9 + 0.1 * np.abs(x)))[()])
            found = self._far(point, name, size)
            if found is not None:
                yield found
                return
        point = self.one.put(name, (np.sign(self.one.get(name)) * HUGE)[()])
        out, gradients = self.bench.gradients(point, self.g, FULL)
        values = {"forward": out, **{"d" + n: gradients.get(n) for n in plain}}
        for of, value in values.items():
            if value is not None and np.asarray(value).dtype.kind == "f" and np.any(np.isnan(value)):
                yield fault("overflow", of, size=number(HUGE))
                return

    def _far(self, point: Point, name: str, size: float) -> Fault | None:
        out, gradients = self.bench.gradients(point, self.g, FULL)
        raw = gradients.get(name)
        if raw is None or not np.all(np.isfinite(out)) or np.shape(raw) != np.shape(point.get(name)):
            return None
        ref = reference(self.bench, point, name, self.g, FULL)
        found = judge(raw, ref)
        # a saturated derivative of 1e-15 beside values of 1 is below what differences see
        off = np.abs(np.asarray(raw, np.float64) - np.clip(raw, ref.low, ref.high))
        if found.verdict is not Verdict.WRONG or not np.any(off > 1e-6 * max(1.0, float(np.max(np.abs(ref.value))))):
            return None
        made = fault("epsilon", "d" + name, size=number(abs(size)))
        return replace(made, element=found.element, got=found.analytic, want=found.numeric, error=found.error)

    def kinks(self) -> Iterator[tuple[Fault, bool]]:
        """Inputs that are 0 or tied: the gradient must lie between the one-sided derivatives; what it takes is told."""
        plain = [n for n in self.names if n in self.one.inputs]
        if not plain or self.bench.scene.domain != "any":
            return
        zero = self.one
        for n in plain:
            value = np.array(self.one.get(n))
            value.reshape(-1)[:: max(1, value.size // 4)] = 0.0
            zero = zero.put(n, value[()] if value.ndim == 0 else value)
        out, gradients = self.bench.gradients(zero, self.g, FULL)
        if not np.all(np.isfinite(out)):
            return
        for name in plain:
            raw = gradients.get(name)
            if raw is None or np.shape(raw) != np.shape(zero.get(name)):
                continue
            ref = reference(self.bench, zero, name, self.g, FULL)
            found = judge(raw, ref)
            if found.verdict is Verdict.WRONG and np.any(ref.kinks):
                made = fault("kink", "d" + name)
                yield replace(made, element=found.element, got=found.analytic, want=found.numeric), True
            elif np.shape(raw) == self.g.shape and np.any(raw * ref.kinks):
                yield self._convention(name, np.asarray(raw, np.float64), ref.low, ref.high, ref.kinks), False

    def _convention(self, name: str, raw: Array, low: Array, high: Array, kinks: Array) -> Fault:
        at = tuple(int(i) for i in np.argwhere(kinks & (raw != 0))[0])
        scale = float(self.g[at])
        left, right = sorted((float(low[at]) / scale, float(high[at]) / scale))
        words = {"got": number(float(raw[at]) / scale), "left": number(left), "right": number(right)}
        return replace(fault("convention", "d" + name, name=name, **words), element=at)


def attempt(probe: Callable[[], Iterator[Any]]) -> tuple[list[Any], Broken | None]:
    """All that a probe yields, and what the judged code raised on the way."""
    found: list[Any] = []
    try:
        found.extend(probe())
    except Broken as error:
        return found, error
    return found, None
