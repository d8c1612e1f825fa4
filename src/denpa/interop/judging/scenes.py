"""Scenes: shapes and values to call a stranger's code with, tried from the commonest to the rarest.

All sizes of a scene differ from one another, so that no axis can be mistaken for another and a factor tells which size
it is.  Values have sizes 0.3 to 1.2 and either sign: nothing is so small that it would hide, nor on a kink.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.interop.judging.subject import MATRICES, RECURRENT, VECTORS, Refusal, Subject, required


@dataclass(frozen=True)
class Sizes:
    """N rows, D inputs, M outputs, C channels, H pixels a side."""

    N: int = 3
    D: int = 5
    M: int = 4
    C: int = 2
    H: int = 6

    def shape(self, text: str) -> Shape:
        """ "N D" → (3, 5); digits stand for themselves; "" is a scalar."""
        return tuple(int(word) if word.isdigit() else int(getattr(self, word)) for word in text.split())


FULL = Sizes()
OTHER = Sizes(7, 2, 3, 2, 6)  # tells a factor N from the constant 3
SQUARE = Sizes(3, 3, 3, 3, 6)
SMALL = (Sizes(1, 1, 1, 1, 6), Sizes(1, 2, 1, 1, 6), Sizes(2, 1, 1, 1, 6), Sizes(1, 1, 2, 1, 6), Sizes(2, 2, 2, 1, 6))


@dataclass(frozen=True)
class Scene:
    """Shapes by category, the form of the target, and where inputs are drawn from.

    second: the shape of a second plain input, "" for that of the first.  domain: "any", "positive" (0.15 … 0.9).
    """

    input: str
    matrix: str = "D M"
    vector: str = "M"
    hidden: str = "N M"
    target: str = "same"
    second: str | None = None
    domain: str = "any"
    whole: bool = False  # the input holds class or word numbers

    def shape(self, category: str, sizes: Sizes, position: int = 0) -> Shape:
        if category == "recurrent":
            return sizes.shape("M M")
        if category == "input" and position and self.second is not None:
            return sizes.shape(self.second)
        text = {"input": self.input, "matrix": self.matrix, "vector": self.vector, "hidden": self.hidden}[category]
        return sizes.shape(text)

    def constructor(self, cls: type, sizes: Sizes) -> dict[str, Any]:
        """Arguments for the constructor: arrays for W and b, sizes for size-like names, numbers for the rest."""
        return dict(zip(names := needed(cls), _arguments(self, sizes, names), strict=True))


# the commonest first: rows X·W + b, then W transposed, elementwise parameters, vectors, columns, images, sequences, ids
_LAYOUTS = (
    Scene("N D"),
    Scene("N D", "M D"),
    Scene("N D", "D", "D"),
    Scene("N D", "D M", "1 M"),
    Scene("D N", "M D", "M 1", "M N"),  # columns before vectors: W @ x would take a vector, too
    Scene("D N", "M D", "M", "M N"),
    Scene("D 1", "M D", "M 1", "M 1"),
    Scene("D", "D M", hidden="M"),
    Scene("D", "M D", hidden="M"),
    Scene("N C H H", "M C 3 3", "M"),
    Scene("N C H H", "C", "C"),
    Scene("N 2 D"),
    Scene("N", "D M", whole=True),
    Scene("", "", "", ""),
)
# for a layer whose W is a vector: the convolution of signals with a kernel of three, one neuron; b is one number
VECTOR_LAYOUTS = tuple(
    Scene(data, kernel, one)
    for data, kernel in (("N H", "3"), ("N D", "D"), ("H", "3"), ("D", "D"))
    for one in ("", "1")
)
_TARGETS = ("one-hot", "same", "labels", "binary")
_SIZE_NAMES = re.compile(
    r"(size|dim|features|units|num|^n_|^n$|in$|out$|^[DHMNK]$|channels|width|nodes|hidden)", re.IGNORECASE
)
_FIXED: dict[str, Any] = {
    "pool_h": 2, "pool_w": 2, "pool_size": 2, "kernel_size": 3, "ksize": 3, "stride": 1, "pad": 0, "padding": 0,
    "axis": -1, "seed": 0, "dropout_ratio": 0.3, "p": 0.3, "ratio": 0.3, "alpha": 0.3, "slope": 0.3, "eps": 1e-5,
    "momentum": 0.9, "ndim": 2,
}  # fmt: skip


def needed(cls: Any) -> list[str]:
    """The constructor's arguments that have no default."""
    if cls.__init__ is object.__init__:
        return []
    return required(cls.__init__)[1:]


def _arguments(scene: Scene, sizes: Sizes, names: Sequence[str]) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    ends = [sizes.D, *([sizes.D] * max(0, sum(bool(_SIZE_NAMES.search(n)) for n in names) - 2)), sizes.M]
    counted = iter(ends)
    for name in names:
        if name in _FIXED:
            yield _FIXED[name]
        elif RECURRENT.match(name):
            yield draw(rng, sizes.shape("M M"))
        elif VECTORS.match(name):
            yield draw(rng, scene.shape("vector", sizes))
        elif MATRICES.match(name):
            yield draw(rng, scene.shape("matrix", sizes))
        elif _SIZE_NAMES.search(name):
            yield next(counted, sizes.M)
        else:
            yield 0.7


def draw(rng: np.random.Generator, shape: Shape, domain: str = "any") -> Array:
    if domain == "positive":
        return rng.uniform(0.15, 0.9, shape)
    return rng.uniform(0.3, 1.2, shape) * rng.choice([-1.0, 1.0], shape)


@dataclass(frozen=True)
class Point:
    """Inputs of forward and parameters, by name."""

    inputs: dict[str, Array]
    parameters: dict[str, Array]

    def astype(self, dtype: Any) -> Point:
        def cast(values: Mapping[str, Array]) -> dict[str, Array]:
            return {k: np.asarray(v).astype(dtype) if np.asarray(v).dtype.kind == "f" else v for k, v in values.items()}

        return Point(cast(self.inputs), cast(self.parameters))

    def copy(self) -> Point:
        return Point(
            {k: np.array(v) for k, v in self.inputs.items()}, {k: np.array(v) for k, v in self.parameters.items()}
        )

    def get(self, name: str) -> Array:
        return np.asarray(self.inputs[name] if name in self.inputs else self.parameters[name])

    def put(self, name: str, value: Array) -> Point:
        if name in self.inputs:
            return replace(self, inputs={**self.inputs, name: value})
        return replace(self, parameters={**self.parameters, name: value})


def draw_inputs(subject: Subject, scene: Scene, sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
    """The arguments of forward."""
    made: dict[str, Array] = {}
    plain = 0
    for name, category in subject.fields:
        if category == "target":
            made[name] = _target(scene, sizes.shape(scene.input), rng)
            continue
        shape = scene.shape(category, sizes, plain)
        if scene.whole and category == "input":
            made[name] = rng.integers(0, sizes.D, shape)
        else:
            made[name] = draw(rng, shape, scene.domain)
        plain += category == "input"
    return {name: value[()] if np.ndim(value) == 0 else value for name, value in made.items()}


def _target(scene: Scene, shape: Shape, rng: np.random.Generator) -> Array:
    classes = shape[-1] if shape else 1
    if scene.target == "same":
        return draw(rng, shape, scene.domain)
    if scene.target == "binary":
        return rng.integers(0, 2, shape).astype(float)
    labels = rng.integers(0, classes, shape[:-1])
    return labels if scene.target == "labels" else np.eye(classes)[labels]


def scenes(subject: Subject, layouts: Sequence[Scene] = _LAYOUTS) -> Iterator[Scene]:
    """The scenes worth trying for these arguments, in order."""
    categories = [category for _, category in subject.fields]
    targeted = "target" in categories
    pair = categories.count("input") > 1
    seen: set[Scene] = set()
    fixed = [replace(at, input=f"N {n}") for n in subject.widths for at in layouts if at.input == "N D"]
    for layout in (*fixed, *layouts):
        for domain in ("any", "positive"):
            for target in _TARGETS if targeted and layout.input else ("same",):
                for second in (None, "D M") if pair and layout.input == "N D" else (None,):
                    scene = replace(layout, domain=domain, target=target, second=second)
                    if scene not in seen:
                        seen.add(scene)
                        yield scene


__all__ = [
    "FULL",
    "OTHER",
    "SMALL",
    "SQUARE",
    "VECTOR_LAYOUTS",
    "Point",
    "Refusal",
    "Scene",
    "Sizes",
    "draw",
    "draw_inputs",
    "scenes",
]
