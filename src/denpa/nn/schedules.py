"""Learning-rate schedules: pure functions of the step, counted from 0.  `schedule(step) → float`.

Text form, for the command line (`parse`); a duration counts epochs, or steps with the suffix "s" ("30", "2.5", "500s"):

    schedule := main | "warmup:" duration | "warmup:" duration "+" main
    main     := "constant" | "step:" duration ":" factor | "exponential:" factor | "cosine" [":" floor]
              | "linear" [":" floor] | "inverse:" decay

factor multiplies the rate once every duration (exponential: smoothly, per epoch); floor is the last rate as a fraction
of the first; inverse-time is rate / (1 + decay · epoch).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from denpa.errors import ModelFileError, UsageError
from denpa.nn.choices import choose, exact_keys, in_file, number


class Schedule(Protocol):
    """A learning rate for every step, and the description it can be rebuilt from."""

    @property
    def learning_rate(self) -> float: ...

    def __call__(self, step: int) -> float: ...

    def spec(self) -> dict[str, Any]: ...


class _Described:
    def spec(self) -> dict[str, Any]:
        """JSON-able; `from_spec` rebuilds the schedule."""
        name = next(k for k, v in SCHEDULES.items() if v is type(self))
        return {"name": name, **{f.name: getattr(self, f.name) for f in fields(self)}}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Constant(_Described):
    """The same rate at every step."""

    learning_rate: float

    def __post_init__(self) -> None:
        _rate(self.learning_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate


@dataclass(frozen=True)
class _Decay(_Described):
    learning_rate: float
    every: float
    factor: float

    def __post_init__(self) -> None:
        _rate(self.learning_rate)
        number("every", self.every, 0, open_low=True)
        number("factor", self.factor, 0, 1, open_low=True)


@dataclass(frozen=True)
class Step(_Decay):
    """rate · factor^⌊step / every⌋."""

    factor: float = 0.1

    def __call__(self, step: int) -> float:
        return float(self.learning_rate * self.factor ** (step // self.every))


@dataclass(frozen=True)
class Exponential(_Decay):
    """rate · factor^(step / every)."""

    def __call__(self, step: int) -> float:
        return float(self.learning_rate * self.factor ** (step / self.every))


@dataclass(frozen=True)
class _Fall(_Described):
    learning_rate: float
    steps: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        _rate(self.learning_rate)
        number("steps", self.steps, 0, open_low=True)
        number("floor", self.floor, 0, 1)


@dataclass(frozen=True)
class Cosine(_Fall):
    """From rate to floor · rate along half a cosine within `steps`, then constant.

    Source: I. Loshchilov, F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, (5), no restart.
    """

    def __call__(self, step: int) -> float:
        u = min(step / self.steps, 1.0)
        return self.learning_rate * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * u)) / 2)


@dataclass(frozen=True)
class Linear(_Fall):
    """From rate to floor · rate along a straight line within `steps`, then constant."""

    def __call__(self, step: int) -> float:
        u = min(step / self.steps, 1.0)
        return self.learning_rate * (1 - (1 - self.floor) * u)


@dataclass(frozen=True)
class InverseTime(_Described):
    """rate / (1 + decay · step / every).  Source: H. Robbins, S. Monro, A stochastic approximation method, 1951."""

    learning_rate: float
    every: float
    decay: float

    def __post_init__(self) -> None:
        _rate(self.learning_rate)
        number("every", self.every, 0, open_low=True)
        number("decay", self.decay, 0)

    def __call__(self, step: int) -> float:
        return self.learning_rate / (1 + self.decay * step / self.every)


@dataclass(frozen=True)
class Warmup(_Described):
    """Linear from rate / steps at step 0 to the full rate at step `steps` − 1; then `then`, from its own step 0.

    Source: P. Goyal et al., Accurate, large minibatch SGD: training ImageNet in 1 hour, 2017, §2.2.
    """

    steps: float
    then: Schedule

    def __post_init__(self) -> None:
        number("steps", self.steps, 0, open_low=True)

    @property
    def learning_rate(self) -> float:
        """The full rate, reached at the end of the warm-up."""
        return self.then.learning_rate

    def __call__(self, step: int) -> float:
        done = math.ceil(self.steps)
        return self.learning_rate * min((step + 1) / self.steps, 1.0) if step < done else self.then(step - done)

    def spec(self) -> dict[str, Any]:
        """JSON-able; `from_spec` rebuilds the schedule."""
        return {"name": "warmup", "steps": self.steps, "then": self.then.spec()}


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": Constant,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
    "linear": Linear,
    "inverse": InverseTime,
    "warmup": Warmup,
}


def _rate(learning_rate: float) -> None:
    number("learning rate", learning_rate, 0)


def from_spec(spec: object) -> Schedule:
    """The schedule a `spec()` describes.  ModelFileError for unknown names, keys and values out of range."""
    name = spec.get("name") if isinstance(spec, Mapping) else None
    try:
        kind = choose("schedule", name, SCHEDULES)
        names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
        values = exact_keys("a schedule", spec, ["name", *names])
        del values["name"]
        if kind is Warmup:
            inner = values["then"]
            if isinstance(inner, Mapping) and inner.get("name") == "warmup":
                raise ModelFileError("a warm-up inside a warm-up is not a schedule")
            values["then"] = from_spec(inner)
        schedule: Schedule = kind(**values)
    except UsageError as error:
        raise in_file("a schedule", error) from error
    return schedule


def parse(text: str, learning_rate: float, steps: int, steps_per_epoch: int = 1) -> Schedule:
    """The schedule of a text in the grammar above; `steps` is the length of the whole run, warm-up included.

    UsageError that quotes the piece that does not fit.
    """
    head, plus, tail = text.partition("+")
    if not head.startswith("warmup:"):
        if plus:
            raise _bad(text, "only a warm-up can be followed by '+'")
        return _main(text, text, learning_rate, steps, steps_per_epoch)
    warm = _duration(text, head.removeprefix("warmup:"), steps_per_epoch)
    rest = max(steps - math.ceil(warm), 1)
    return Warmup(warm, _main(text, tail if plus else "constant", learning_rate, rest, steps_per_epoch))


def _main(text: str, part: str, rate: float, steps: int, per_epoch: int) -> Schedule:
    name, *arguments = part.split(":")
    if name == "warmup":
        raise _bad(text, "a warm-up comes first, and once")
    choose("learning-rate schedule", name, SCHEDULES)
    low, high = {"step": (2, 2), "exponential": (1, 1), "inverse": (1, 1), "cosine": (0, 1), "linear": (0, 1)}.get(
        name, (0, 0)
    )
    if not low <= len(arguments) <= high:
        wanted = f"{low}" if low == high else f"{low} or {high}"
        raise _bad(text, f"{name!r} takes {wanted} number(s) after ':', got {len(arguments)}")
    if name == "step":
        return Step(rate, _duration(text, arguments[0], per_epoch), _float(text, arguments[1]))
    numbers = [_float(text, a) for a in arguments]
    if name == "exponential":
        return Exponential(rate, per_epoch, numbers[0])
    if name == "inverse":
        return InverseTime(rate, per_epoch, numbers[0])
    if name == "constant":
        return Constant(rate)
    return (Cosine if name == "cosine" else Linear)(rate, max(steps, 1), *numbers)


def _duration(text: str, part: str, per_epoch: int) -> float:
    """Steps of a duration in epochs ("30") or steps ("500s")."""
    value = _float(text, part.removesuffix("s"))
    if value <= 0:
        raise _bad(text, f"a duration must be above 0, got {part!r}")
    return value if part.endswith("s") else value * per_epoch


def _float(text: str, part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _bad(text, f"{part!r} is not a number")
    return value


def _bad(text: str, fact: str) -> UsageError:
    return UsageError(
        f"not a learning-rate schedule: {fact}",
        got=repr(text)[:80],
        want="constant, step:30:0.1, exponential:0.95, cosine, linear, inverse:0.1, or warmup:5+cosine",
    )
