"""The test bench: a subject in a scene that works, evaluated at points, always from a fresh object."""

from __future__ import annotations

import os
import random
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import DenpaError
from denpa.interop.judging.scenes import FULL, Point, Scene, Sizes, draw, draw_inputs, scenes
from denpa.interop.judging.subject import BookSession, Refusal, Session, Subject
from denpa.interop.slots import find_slots


class TooLong(BaseException):
    """Raised by the alarm of the child process inside code that does not end; no `except Exception` stops it."""


class Broken(Exception):
    """A stranger's code that raised: the line in their file and the last line of the message."""

    def __init__(self, error: BaseException, doing: str) -> None:
        self.line, self.text = line_of(error), last_line(error)
        self.doing, self.original = doing, error
        super().__init__(self.text)


class Endless(BaseException):
    """A stranger's code that did not end, told as `Broken` tells; whoever passes over what is broken must not go on."""

    def __init__(self, error: TooLong, doing: str) -> None:
        self.told = Broken(error, doing)
        super().__init__(self.told.text)


PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
WATCHED: list[str] = []  # the file whose lines are reported; empty in the library, where any line outside denpa is
GENERATORS: list[dict[str, Any]] = []  # names of the judged file, whose random generators are reset


def line_of(error: BaseException) -> int | None:
    """The number of the innermost line of the judged file (outside denpa and NumPy when none is named)."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        own = frame.filename in WATCHED if WATCHED else not _library(frame.filename)
        if own:
            return frame.lineno
    return None


def _library(path: str) -> bool:
    return "site-packages" in path or path.startswith((PACKAGE, "<"))


def last_line(error: BaseException) -> str:
    if isinstance(error, TooLong):
        return str(error)
    if isinstance(error, DenpaError):
        return f"{type(error).__name__}: {error.what}"
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:300]


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Run a stranger's code: floating-point warnings are off, whatever it raises becomes `Broken` or `Endless`."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except TooLong as error:
            raise Endless(error, doing) from error
        except (Exception, SystemExit) as error:
            raise Broken(error, doing) from error


def still(seed: int = 0) -> None:
    """Set every random generator a layer may use to the same state, so that dropout is a function."""
    np.random.seed(seed)  # the learner's code uses the global generator
    random.seed(seed)
    for names in GENERATORS:
        for value in list(names.values()):
            if isinstance(value, np.random.Generator):
                value.bit_generator.state = type(value.bit_generator)(seed).state


@dataclass
class Bench:
    """A subject and a scene.  at: prototypes by sizes (the constructed object and its parameter slots)."""

    subject: Subject
    scene: Scene
    prototypes: dict[Sizes, Any] = field(default_factory=dict)

    def prototype(self, sizes: Sizes) -> Any:
        if sizes not in self.prototypes:
            if self.subject.kind != "class":
                self.prototypes[sizes] = None
                return None
            with guarded("constructor"):
                still()
                layer, given = self.subject.build(self.scene, sizes)
            if not hasattr(layer, "__dict__"):
                raise Refusal("it keeps no attributes (__slots__), so its parameters cannot be found")
            self.prototypes[sizes] = (layer, ())  # the trial runs without parameters that are known
            arrays = [v for v in given if isinstance(v, np.ndarray)]
            self.prototypes[sizes] = (layer, find_slots(layer, self._trial(sizes), arrays))
        return self.prototypes[sizes]

    def _trial(self, sizes: Sizes) -> Any:
        """One forward and backward, to see which gradients appear on the object."""
        session = self.subject.start(self.prototypes[sizes])
        assert isinstance(session, BookSession)
        inputs = draw_inputs(self.subject, self.scene, sizes, np.random.default_rng(0))
        with guarded("forward"):
            still()
            out = session.forward(inputs)
        try:
            with guarded("backward"):
                session.backward(np.ones(np.shape(out))[()])
        except Broken:
            pass  # judged later, with the right message
        return session.layer

    def point(self, rng: np.random.Generator, sizes: Sizes = FULL) -> Point:
        prototype = self.prototype(sizes)
        inputs = draw_inputs(self.subject, self.scene, sizes, rng)
        session = self.subject.start(prototype)
        held = {k: draw(rng, np.shape(v)) for k, v in session.held().items()}
        return Point(inputs, {k: np.asarray(v) for k, v in held.items()})

    def session(self, point: Point, sizes: Sizes = FULL) -> Session:
        session: Session = self.subject.start(self.prototype(sizes))
        session.place({k: np.array(v) for k, v in point.parameters.items()})
        return session

    def forward(self, session: Session, inputs: Mapping[str, Array]) -> Array:
        """The result as an array.  Broken when it is not an array of floats."""
        with guarded("forward"):
            still()
            out = session.forward(inputs)
            if out is None:
                raise TypeError("forward returns nothing (is a return missing?)")
            if isinstance(out, (tuple, list)) and not _numbers(out):
                raise TypeError(f"forward returns {len(out)} values; one array can be judged")
            out = np.asarray(out)
            if out.dtype.kind not in "fiub":
                raise TypeError(f"forward returns {out.dtype}, not numbers")
            return out

    def backward(self, session: Session, g: Any) -> dict[str, Any]:
        with guarded("backward"):
            return session.backward(g)

    def value(self, point: Point, sizes: Sizes) -> Array:
        """forward of a fresh object at a point, in float64 at least."""
        return np.array(self.forward(self.session(point, sizes), point.copy().inputs))

    def gradients(self, point: Point, g: Any, sizes: Sizes) -> tuple[Array, dict[str, Any]]:
        """(forward, gradients by name) of a fresh object."""
        session = self.session(point, sizes)
        out = np.array(self.forward(session, point.copy().inputs))
        return out, self.backward(session, np.array(g)[()] if np.ndim(g) == 0 else np.array(g))

    def wanted(self, point: Point) -> list[str]:
        """The names a gradient is due for: float inputs that are no targets, and all parameters."""
        categories = dict(self.subject.fields)
        inputs = [n for n, v in point.inputs.items() if categories[n] != "target" and np.asarray(v).dtype.kind == "f"]
        return [*inputs, *point.parameters]


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and np.asarray(value).dtype.kind in "fiub"


def benches(subject: Subject, only: str | None = None, layout: Scene | None = None) -> list[Bench]:
    """The first scene the subject's forward works in and, for a loss that takes class numbers as well, one with them.

    only: the shape of the input in the scenes to try; layout: try this one instead of the usual ones.  Broken, with
    what was raised in the first scene, when it works in none.
    """
    found: list[Bench] = []
    first: Broken | None = None
    for scene in scenes(subject) if layout is None else scenes(subject, (layout,)):
        if only is not None and scene.input != only:
            continue
        if found and (scene.target != "labels" or not _beside(scene, found[0].scene)):
            continue
        bench = Bench(subject, scene)
        try:
            points = [bench.point(np.random.default_rng(k)) for k in range(3)]
            out = bench.value(points[0], FULL)
            finite = all(np.all(np.isfinite(bench.value(p, FULL))) for p in points)
            if not bench.wanted(points[0]):
                continue  # class numbers without a parameter: nothing has a gradient
        except Broken as error:
            if isinstance(error.original, (SystemExit, MemoryError)):
                raise
            first = first or error
            continue
        # beside a loss that does not know them, class numbers may broadcast to nonsense, but not to one number
        clear = out.ndim <= 1 or scene.target != "labels"
        if out.dtype.kind == "f" and out.size and finite and clear:
            found.append(bench)
            if len(found) == 2 or not any(category == "target" for _, category in subject.fields):
                break
    if not found:
        nothing = ValueError("forward gives no finite floats for any input that was tried")
        raise first or Broken(nothing, "forward")
    return found


def _beside(scene: Scene, other: Scene) -> bool:
    return (scene.input, scene.domain) == (other.input, other.domain)
