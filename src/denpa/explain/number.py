"""One number explained: ∂loss/∂w as paths, by backpropagation and by differences; what it costs; what it will do.

`explanation` computes, `explain` also says it in words (`explain.number_words`).  Everything is computed in float64.
Source: DESIGN of the explain panel; seed 002 (paths), seed 000 (numerical differentiation, why it is slow).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from inspect import signature
from typing import Any, Literal, ParamSpec, TypeAlias

import numpy as np

from denpa.arrays import Array
from denpa.autodiff import backward
from denpa.errors import UsageError, user_line
from denpa.explain import elements, replay
from denpa.explain.document import Document
from denpa.explain.notation import Notation, notation as find_notation
from denpa.explain.paths import PathSum, Ranking
from denpa.explain.subject import Subject, subject
from denpa.graph import Tensor
from denpa.nn.choices import number
from denpa.numeric import line_slope

Level: TypeAlias = Literal["auto", "units", "operations"]
EPS = float(np.finfo(np.float64).eps)
RATE = 0.1
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Numerical:
    """∂loss/∂w by central differences, extrapolated, with its own error estimate.  kink: one-sided slopes differ."""

    value: float
    error: float
    left: float
    right: float
    kink: bool
    evaluations: int


@dataclass(frozen=True)
class Cost:
    """Multiplications: by_paths, each path by itself, for this one derivative; backward, one pass for all `parameters`
    derivatives; forward, one evaluation, of which differences need two for each parameter."""

    by_paths: int
    backward: int
    forward: int
    parameters: int

    @property
    def numerical(self) -> int:
        return 2 * self.parameters * self.forward


@dataclass(frozen=True)
class Move:
    """A step of gradient descent: the change of the loss that the gradient foretells (−η‖g‖²), and the true one."""

    predicted: float
    measured: float


@dataclass(frozen=True)
class Update:
    """w ← w − η ∂loss/∂w, for this weight alone and for all parameters at once."""

    learning_rate: float
    before: float
    after: float
    loss: float
    alone: Move
    together: Move


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything about one derivative.  paths: at the level of units for a network, of operations otherwise."""

    subject: Subject
    level: Literal["units", "operations"]
    paths: PathSum
    operations: PathSum
    ranking: Ranking
    backprop: float
    numerical: Numerical
    cost: Cost
    update: Update | None

    @property
    def loss(self) -> float:
        return float(self.subject.root.value)

    @cached_property
    def paths_agree(self) -> bool:
        """Σ paths = backpropagation within the rounding of both, and so do the listed paths with the rest."""
        rounding = 2 * self.paths.rounding
        return abs(self.paths.total - self.backprop) <= rounding and abs(self.ranking.total - self.backprop) <= rounding

    @cached_property
    def numerical_agrees(self) -> bool | None:
        """Backpropagation = differences within their error.  None: they are too noisy, or a kink is near."""
        n, room = self.numerical, 2 * self.paths.rounding
        if n.kink:
            low, high = sorted((n.left, n.right))
            return True if low - n.error - room <= self.backprop <= high + n.error + room else None
        if abs(self.backprop - n.value) <= n.error + room:
            blind = n.error > 0.1 * max(abs(self.backprop), abs(n.value)) and n.error > room
            return None if blind else True
        return False


def explanation(
    graph_or_network: Any,
    name: str,
    *,
    x: Any = None,
    t: Any = None,
    row: int | None = None,
    notation: str | Notation = "001",
    top: int = 10,
    level: Level = "auto",
    learning_rate: float = RATE,
    loss: str | None = None,
    reduction: str | None = None,
    names: Sequence[str] = (),
    input_names: Sequence[str] = (),
) -> Explanation:
    """Why ∂loss/∂(one element) is the number it is: as values here, as a Document by `explain`.

    graph_or_network: a Network, a Sequential with loss (and reduction), or a recorded Graph or Tensor of shape ().
    name: "W[1][2,7]" or "b[1][2]", counted as the notation counts, or "0.weight[2,7]", any named value, from 0.
    x (batch, n_in), t: the samples of a network; row: one of them, from 0, so that the loss is that sample's.
    names: of the samples, input_names: of the columns behind the inputs, where they have some.
    top: how many paths to list.  level: "units" goes from unit to unit, "operations" through every recorded operation.
    learning_rate: of the update that is foretold.
    UsageError for names, GradientError when the loss does not depend on the element.
    """
    if level not in ("auto", "units", "operations"):
        raise UsageError("unknown level", where=user_line(), got=repr(level)[:60], want="auto, units or operations")
    number("the learning rate", learning_rate, 0, open_low=True)
    found = subject(
        graph_or_network,
        name,
        x=x,
        t=t,
        row=row,
        notation=find_notation(notation),
        loss=loss,
        reduction=reduction,
        names=names,
        input_names=input_names,
    )
    if found.node is found.root:
        raise UsageError(f"{name} is what is differentiated", where=user_line(), want="a value that it depends on")
    stations = found.stations
    if level == "units" and not stations:
        raise UsageError("this graph has no layers", where=user_line(), fix='level="operations"')
    operations = PathSum(found.root, found.node, found.element.at)
    units = bool(stations) and level != "operations"
    paths = PathSum(found.root, found.node, found.element.at, stations) if units else operations
    gradients = backward(Tensor(found.root))
    return Explanation(
        subject=found,
        level="units" if units else "operations",
        paths=paths,
        operations=operations,
        ranking=paths.top(top),
        backprop=float(gradients[found.node][found.element.at]),
        numerical=_numerical(found),
        cost=_cost(found, paths),
        update=_update(found, gradients, learning_rate) if found.is_loss and found.node.op is None else None,
    )


def _in_words(figures: Callable[_P, Explanation]) -> Callable[_P, Document]:
    """The same function, which says in words what `figures` gives."""

    @wraps(figures)
    def explain(*args: _P.args, **options: _P.kwargs) -> Document:
        from denpa.explain.number_words import document

        return document(figures(*args, **options))

    explain.__name__ = explain.__qualname__ = "explain"
    explain.__dict__["__signature__"] = signature(figures).replace(return_annotation="Document")
    return explain


explain = _in_words(explanation)


def _moved(value: Array, at: tuple[int, ...], by: float) -> Array:
    new = np.array(value, np.float64)
    new[at] += by
    return new[()]


def _numerical(s: Subject) -> Numerical:
    """Differences at three sizes of steps: the largest is the least noisy, the smallest reaches no kink nearby."""
    size = 2.0 ** math.ceil(math.log2(max(1.0, abs(s.value))))
    best: Numerical | None = None
    spent = 0
    for scale in (size, size * 2.0**-8, size * 2.0**-16):

        def phi(t: float, scale: float = scale) -> Array:
            moved = {s.node: _moved(s.node.value, s.element.at, t * scale)}
            return np.asarray(replay.evaluate(s.graph, s.root, moved) / scale)

        slope = line_slope(phi, eps=4 * EPS, one_sided=True)
        spent += slope.evaluations
        value, error, left, right = (float(v) for v in (slope.value, slope.error, slope.left, slope.right))
        new = Numerical(value, error, left, right, bool(slope.kink), spent)
        if best is None or (best.kink and not new.kink) or (best.kink == new.kink and new.error < best.error):
            best = new
        if not best.kink and best.error <= 1e-8 * abs(best.value):
            break
    assert best is not None
    return replace(best, evaluations=spent)


def _cost(s: Subject, paths: PathSum) -> Cost:
    pairs = [
        (node, i) for node in s.graph.nodes if node.op is not None for i, n in enumerate(node.inputs) if n.requires
    ]
    back = sum(elements.count(node, i) for node, i in pairs)
    ahead = sum(
        max((elements.count(node, i) for i in range(len(node.inputs))), default=0)
        for node in s.graph.nodes
        if node.op is not None
    )
    return Cost(paths.factors, back, ahead, sum(int(n.value.size) for n in s.parameters.values()))


def _update(s: Subject, gradients: Any, rate: float) -> Update:
    g = float(gradients[s.node][s.element.at])
    before = float(s.root.value)
    step = -rate * g

    def loss_at(changed: dict[Any, Array]) -> float:
        return float(replay.evaluate(s.graph, s.root, changed)) - before

    found = {n: np.asarray(gradients.get(n)) for n in s.parameters.values() if gradients.get(n) is not None}
    squared = math.fsum(float(np.sum(v * v)) for v in found.values())
    return Update(
        rate,
        s.value,
        s.value + step,
        before,
        Move(step * g, loss_at({s.node: _moved(s.node.value, s.element.at, step)})),
        Move(-rate * squared, loss_at({n: (n.value - rate * v)[()] for n, v in found.items()})),
    )
