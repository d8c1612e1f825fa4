"""Gradient descent on a function, step by step: the path, how it ended, and what kind of point it ended at.

    found = dp.descend(lambda x, y: x**2 + 4 * y**2, (2.0, 1.0), learning_rate=0.1)
    found.verdict, found.kind         # "converged", "minimum"

Source: seed 002 (1) (Δx = −η ∇f, the ball on a slope), seed 001 §4 (plateau, saddle, local optimum; the loss of a batch
against the loss of all, figure 2).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Tensor, no_grad
from denpa.nn import optim
from denpa.nn.choices import choose, number, whole
from denpa.transforms import hessian, value_and_grad

if TYPE_CHECKING:
    from denpa.explain.document import Document

Floats: TypeAlias = npt.NDArray[np.float64]
Function: TypeAlias = Callable[..., Any]

METHODS = ("gd", *optim.NAMES)
VERDICTS = ("converged", "oscillating", "slow", "diverged")
KINDS = ("minimum", "valley", "saddle", "maximum", "plateau", "slope", "unknown")
MOST_CURVED = 64  # variables up to which the Hessian (n backward passes, n² numbers) is looked at
FLAT = 1e-3  # a slope or curvature below this share of the start's (or of 1) counts as none


@dataclass(frozen=True, eq=False)
class Problem:
    """What is made small: the mean of `terms`, each taking one float64 array (n,)."""

    terms: tuple[Function, ...]
    names: tuple[str, ...]

    def mean(self, chosen: Sequence[int]) -> Function:
        def f(x: Any) -> Any:
            total = self.terms[chosen[0]](x)
            for k in chosen[1:]:
                total = total + self.terms[k](x)
            return total / len(chosen) if len(chosen) > 1 else total

        return f

    @property
    def whole(self) -> Function:
        return self.mean(range(len(self.terms)))

    def value(self, x: Floats) -> float:
        with no_grad(), np.errstate(all="ignore"):
            result = self.whole(Tensor(_constant(x)))
        return float(result.value if isinstance(result, Tensor) else result)


@dataclass(frozen=True, eq=False)
class Descent:
    """A descent that has ended.  steps counts updates; every array has steps + 1 entries, the first of the start.

    path (steps + 1, n), values (steps + 1,), gradients (steps + 1, n): of the whole function.  batch_values (steps,):
    of the terms that each step was taken with.  eigenvalues (n,) ascending: of the Hessian at the end, None where
    there are more than 64 variables or it is not finite.
    """

    problem: Problem
    method: str
    learning_rate: float
    path: Floats
    values: Floats
    gradients: Floats
    batch_values: Floats
    verdict: str
    kind: str
    eigenvalues: Floats | None
    settings: dict[str, Any]

    @property
    def steps(self) -> int:
        return len(self.path) - 1

    @property
    def x(self) -> Floats:
        """The point reached, (n,)."""
        end: Floats = self.path[-1]
        return end

    @property
    def value(self) -> float:
        return float(self.values[-1])

    @property
    def stochastic(self) -> bool:
        return int(self.settings["batch_size"]) < len(self.problem.terms)

    def again(self, **changes: Any) -> Descent:
        """The same descent with another method, learning rate or number of steps."""
        given = {"method": self.method, "learning_rate": self.learning_rate, **self.settings, **changes}
        return settled(self.problem, self.path[0], **given)

    def document(self) -> Document:
        """The path over contour lines and in height, the steepest direction, other learning rates and methods."""
        from denpa.explain.descent_pages import document

        return document(self)

    def __repr__(self) -> str:
        return (
            f"<Descent by {self.method}, learning rate {self.learning_rate:g}: {self.verdict} after {self.steps} "
            f"steps, {self.kind}, value {self.value:g}>"
        )


def descend(
    f: Function | Sequence[Function],
    x0: Any,
    method: str = "gd",
    *,
    learning_rate: float = 0.1,
    steps: int = 100,
    tolerance: float = 1e-6,
    batch_size: int | None = None,
    seed: int = 0,
    **hyperparameters: Any,
) -> Descent:
    """Follow a method down from x0 until the gradient is `tolerance` of what it was (or of 1), or for `steps` steps.

    f: a function of one array (n,), or of n numbers, to one number; or a list of such, whose mean is made small.
    method: "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw" take all terms in every step, unless a
    batch_size is given; "sgd" takes one at random (`seed`), or batch_size.  hyperparameters: of nn.optim.
    UsageError for another method, an x0 that is not finite, or "sgd" without a list of terms.
    """
    choose("method", method, dict.fromkeys(METHODS))
    start = _start(x0)
    terms = tuple(f) if isinstance(f, Sequence) else (f,)
    if not terms or not all(callable(g) for g in terms):
        raise UsageError("descend needs a function, or a list of them", where=user_line(), got=repr(f)[:60])
    if method == "sgd" and len(terms) == 1:
        raise UsageError(
            'the method "sgd" takes a part of the loss in each step',
            where=user_line(),
            got="one function, which has no parts",
            fix='give a list of functions, one a sample, or take method="gd"',
        )
    size = (1 if method == "sgd" else len(terms)) if batch_size is None else batch_size
    problem = Problem(tuple(_of_array(g, np.ndim(x0), start.size) for g in terms), _names(terms[0], start.size))
    return settled(
        problem,
        start,
        method,
        number("learning_rate", learning_rate, 0),
        steps=whole("steps", steps, 0, 10**7),
        tolerance=number("tolerance", tolerance, 0),
        batch_size=whole("batch_size", size, 1, len(terms)),
        seed=whole("seed", seed, 0, 1 << 62),
        **hyperparameters,
    )


def _start(x0: Any) -> Floats:
    try:
        start = np.array(x0, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise UsageError("x0 is not made of numbers", where=user_line(), got=repr(x0)[:60]) from error
    if np.ndim(x0) > 1 or not start.size or not np.isfinite(start).all():
        raise UsageError(
            "x0 is one number or a row of finite numbers",
            where=user_line(),
            got=f"{x0!r:.60}",
            want="shape (n,), n ≥ 1",
        )
    return start


def _parameters(f: Function) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # built in C: it does not say
        return []
    required = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in required and p.default is p.empty]


def _of_array(f: Function, ndim: int, n: int) -> Function:
    """f as a function of one array: one that names n > 1 parameters takes numbers, and so does one of a number x0."""
    if ndim == 0:
        return lambda x: f(x[0])
    if n > 1 and len(_parameters(f)) == n:
        return lambda x: f(*(x[i] for i in range(n)))
    if len(_parameters(f)) > 1:
        raise UsageError(
            "x0 has not a number for each argument of the function",
            where=user_line(),
            got=f"{n} for {', '.join(p.name for p in _parameters(f))}",
            want=f"{len(_parameters(f))} numbers, or a function of one array",
        )
    return f


def _names(f: Function, n: int) -> tuple[str, ...]:
    names = [p.name for p in _parameters(f)]
    return tuple(names) if len(names) == n else tuple(f"x{i + 1}" for i in range(n))


def _constant(x: Floats) -> Any:
    from denpa.arrays import as_value
    from denpa.graph import leaf

    return leaf(as_value(x), "constant")


# -- walking -----------------------------------------------------------------------------------------------------------
def _measure(f: Function, x: Floats) -> tuple[float, Floats]:
    with np.errstate(all="ignore"):
        value, g = value_and_grad(f)(x)
    if np.shape(value) != ():
        raise ShapeError("the function does not give one number", where=user_line(), got=f"shape {np.shape(value)}")
    return float(value), np.asarray(g, np.float64)


def settled(
    problem: Problem,
    start: Floats,
    method: str,
    learning_rate: float,
    *,
    steps: int,
    tolerance: float,
    batch_size: int,
    seed: int,
    **hyperparameters: Any,
) -> Descent:
    """`descend` with everything decided and checked."""
    optimizer = optim.by_name("sgd" if method == "gd" else method, **hyperparameters)
    rng, count = np.random.default_rng(seed), len(problem.terms)
    x, state = np.array(start), optimizer.init({"x": start})
    value, g = _measure(problem.whole, x)
    path, values, gradients, batch_values = [x], [value], [g], []
    goal = tolerance * max(1.0, _norm(g))
    while len(path) <= steps and _finite(value, g) and not _arrived(path, g, goal):
        part, seen = g, value
        if batch_size < count:
            seen, part = _measure(problem.mean(rng.permutation(count)[:batch_size].tolist()), x)
        with np.errstate(all="ignore"):
            new, state = optimizer.update({"x": x}, {"x": part}, state, learning_rate)
        x = np.array(new["x"])
        value, g = _measure(problem.whole, x)
        path.append(x)
        values.append(value)
        gradients.append(g)
        batch_values.append(seen)
    walked = [np.array(v, np.float64) for v in (path, values, gradients, batch_values)]
    verdict = _verdict(walked[0], walked[1], walked[2], _finite(value, g) and _arrived(path, g, goal))
    eigenvalues = _curvature(problem, x)
    kind = _kind(g, eigenvalues, walked[2][0], _curvature(problem, np.array(start)), len(x))
    settings = {"steps": steps, "tolerance": tolerance, "batch_size": batch_size, "seed": seed, **hyperparameters}
    path_, values_, gradients_, batches_ = walked
    return Descent(
        problem,
        method,
        learning_rate,
        path_,
        values_,
        gradients_,
        batches_,
        verdict,
        kind,
        eigenvalues,
        settings,
    )


def _norm(v: Floats) -> float:
    return math.hypot(*v.tolist())  # scales first: squares overflow above 1e154, and a divergence gets there


def _finite(value: float, g: Floats) -> bool:
    return math.isfinite(value) and bool(np.isfinite(g).all())


def _arrived(path: Sequence[Floats], g: Floats, goal: float) -> bool:
    """Gradient small, and the last step too: a ball with momentum rolls through the lowest point without stopping."""
    still = len(path) < 2 or _norm(path[-1] - path[-2]) <= math.sqrt(goal) * (1 + _norm(path[-1]))
    return _norm(g) <= goal and still


# -- judging -----------------------------------------------------------------------------------------------------------
def _verdict(path: Floats, values: Floats, gradients: Floats, arrived: bool) -> str:
    if not np.isfinite(values).all() or not np.isfinite(path).all() or not np.isfinite(gradients).all():
        return "diverged"
    if arrived:
        return "converged"
    if values[-1] > values[0] and _norm(gradients[-1]) > _norm(gradients[0]):
        return "diverged"
    return "oscillating" if _swings(path, values) else "slow"


def _swings(path: Floats, values: Floats) -> bool:
    """Over the second half: every other step goes back, or the height rises in a quarter of them and more."""
    moves = np.diff(path[len(path) // 2 :], axis=0)
    if len(moves) < 3:
        return False
    sizes = np.maximum(np.linalg.norm(moves, axis=1), 1e-300)
    unit = moves / sizes[:, None]
    back = np.sum(unit[1:] * unit[:-1], axis=1)
    rises = np.diff(values[len(values) // 2 :]) > 1e-12 * np.abs(values).max()
    return bool(np.median(back) < -0.3 or rises.mean() >= 0.25)


def _curvature(problem: Problem, x: Floats) -> Floats | None:
    if len(x) > MOST_CURVED or not np.isfinite(x).all():
        return None
    with np.errstate(all="ignore"):
        H = np.asarray(hessian(problem.whole)(x), np.float64)
    return np.asarray(np.linalg.eigvalsh((H + H.T) / 2), np.float64) if np.isfinite(H).all() else None


def _kind(g: Floats, eigenvalues: Floats | None, first: Floats, curved: Floats | None, n: int) -> str:
    """By the signs of the Hessian's eigenvalues; those below `FLAT` of the start's (or of 1) count as zero.

    valley: flat in some direction, curved upwards in the others.  slope: the gradient is not small, so no such point.
    """
    if eigenvalues is None or not np.isfinite(g).all():
        return "unknown"
    if _norm(g) > FLAT * max(1.0, _norm(first)):
        return "slope"
    scale = float(np.abs(eigenvalues).max())
    if scale <= FLAT * max(1.0, 0.0 if curved is None else float(np.abs(curved).max())):
        return "plateau"
    zero = 1e-8 * scale * n
    up, down = int((eigenvalues > zero).sum()), int((eigenvalues < -zero).sum())
    if up and down:
        return "saddle"
    if n in (up, down):
        return "minimum" if up else "maximum"
    return "valley" if up else "plateau"


def rates_around(found: Descent) -> list[Descent]:
    """The same descent with rates from a hundredth up, doubled until it diverges (at most 20 times)."""
    runs = [found.again(learning_rate=found.learning_rate * share) for share in (0.01, 0.1, 0.5)]
    runs.append(found)
    rate = found.learning_rate
    for _ in range(20):
        if runs[-1].verdict == "diverged" or not rate:
            break
        rate *= 2
        runs.append(found.again(learning_rate=rate))
    return runs
