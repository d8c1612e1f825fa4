"""The smallest failing input: sizes first, then rounder and simpler numbers, as long as the gradient stays wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.check.verdict import Verdict
from denpa.formatting import number
from denpa.interop.judging.bench import Bench, Broken
from denpa.interop.judging.faults import Example
from denpa.interop.judging.reference import Comparison, judge, reference
from denpa.interop.judging.scenes import SMALL, Point, Sizes

TRIES = 60  # gradients computed numerically while shrinking


@dataclass(frozen=True)
class Failing:
    point: Point
    g: Array
    sizes: Sizes


def wrong_at(bench: Bench, failing: Failing, name: str) -> Comparison | None:
    """The comparison where the gradient is wrong or misshapen there; None where it is right or cannot be computed."""
    try:
        _, gradients = bench.gradients(failing.point, failing.g, failing.sizes)
        ref = reference(bench, failing.point, name, failing.g, failing.sizes)
    except Broken:
        return None
    raw = gradients.get(name)
    if raw is None or np.shape(raw) != np.shape(ref.low) or np.asarray(raw).dtype.kind not in "fiub":
        return None
    found = judge(raw, ref)
    return found if found.verdict is Verdict.WRONG else None


def shrink(bench: Bench, failing: Failing, name: str) -> Example | None:
    """An example as small and round as can be found, as text; None when the gradient is not wrong as a number."""
    best = failing
    found = wrong_at(bench, best, name)
    if found is None:
        return None
    for sizes in _smaller(bench, failing.sizes):
        try:
            point = bench.point(np.random.default_rng(3), sizes)
            out = bench.value(point, sizes)
        except Broken:
            continue
        ones = bool(np.all(failing.g == 1))
        g = np.ones(out.shape) if ones else np.full(out.shape, 2.0)
        candidate = Failing(point, g, sizes)
        now = wrong_at(bench, candidate, name)
        if now is not None:
            best, found = candidate, now
            break
    return _example(*_rounder(bench, best, name, found))


def _smaller(bench: Bench, sizes: Sizes) -> Iterator[Sizes]:
    yield from (small for small in SMALL if small != sizes)
    yield replace(sizes, N=1)
    yield replace(sizes, N=2)


def _rounder(bench: Bench, best: Failing, name: str, found: Comparison) -> tuple[Failing, Comparison]:
    left = TRIES
    categories = dict(bench.subject.fields)  # a target stays what it is: [1, 1] is no class
    fields = [n for n in best.point.inputs if categories[n] != "target"]
    for field in (*fields, *best.point.parameters, *([""] if bench.subject.takes_g else [])):
        now = best.g if not field else best.point.get(field)
        if np.asarray(now).dtype.kind != "f":
            continue
        for simple in _simpler(np.asarray(now)):
            if left == 0:
                return best, found
            left -= 1
            value = simple[()] if simple.ndim == 0 else simple
            new = replace(best, g=value) if not field else replace(best, point=best.point.put(field, value))
            comparison = wrong_at(bench, new, name)
            if comparison is not None:
                best, found = new, comparison
                break
    return best, found


def _simpler(x: Array) -> Iterator[Array]:
    """From the simplest: all ones, signs, halves, one decimal."""
    for made in (np.ones_like(x), np.sign(x), np.full_like(x, 2.0), np.round(2 * x) / 2, np.round(x, 1)):
        if not np.array_equal(made, x):
            yield made


def _example(failing: Failing, found: Comparison) -> Example:
    arrays = {k: text(v) for k, v in (*failing.point.inputs.items(), *failing.point.parameters.items())}
    pairs = ((number(found.analytic, digits), number(found.numeric, digits)) for digits in (6, 9, 12, 17))
    got, want = next(((a, b) for a, b in pairs if a != b), (str(found.analytic), str(found.numeric)))
    return Example(arrays, text(failing.g), got, want)


def text(value: Any) -> str:
    """An array as it can be typed: [[1.0, -0.5]]; a large one by its shape."""
    array = np.asarray(value)
    if array.size > 24:
        return f"array of shape {array.shape}"
    if array.ndim == 0:
        return number(array.item()) if array.dtype.kind == "f" else str(array.item())
    return (
        np.array2string(array, separator=", ", max_line_width=10**6, precision=4).replace("\n", "").replace("  ", " ")
    )
