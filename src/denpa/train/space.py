"""What a search may vary: one line a setting, `learning_rate=1e-4..1:log` or `optimizer=sgd|adam`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from denpa.errors import UsageError
from denpa.train.config import Config

# Settings that say what is learned, or where and how it runs: a search over them compares what does not compare.
_DATA = "source stream target task schema drop types na weight group time sep encoding header class_weight valid test"
_COURSE = "seed engine threads checkpoint_seconds doctor online loss monitor patience min_delta epochs"
FIXED = frozenset(f"{_DATA} {_COURSE}".split(" "))
SHAPE = ("units", "layers")  # together they are `hidden`: layers of equally many units
MOST_CHOICES = 1000

# Rates that suit the optimisers of `nn.optim` with inputs of deviation 1.
DEFAULT = ("learning_rate=1e-4..1:log", "units=8..256:log", "layers=1..3", "batch_size=16|32|64|128")
ADAPTIVE = ("adam", "adamw", "rmsprop", "adagrad")
DEFAULT_ADAPTIVE = ("learning_rate=1e-5..0.1:log", *DEFAULT[1:])


@dataclass(frozen=True)
class Range:
    """From low to high, both included; whole: only whole numbers; log: evenly over the logarithm."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}" + ":log" * self.log


@dataclass(frozen=True)
class Choice:
    """One of these, as text; `settings` makes numbers of them where the setting is one."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return "|".join(self.values)


Space = Mapping[str, Range | Choice]


def parse(lines: Sequence[str]) -> dict[str, Range | Choice]:
    """The space of these lines.  UsageError naming the line for an unknown setting, a range or value that is none."""
    space: dict[str, Range | Choice] = {}
    for line in lines:
        name, equals, text = line.partition("=")
        name = {"lr": "learning_rate"}.get(name.strip(), name.strip())
        if not equals or not text.strip():
            raise UsageError("a line of the search is wrong", got=repr(line), want="SETTING=low..high[:log] or a|b|c")
        _check_name(name, line)
        if name in space:
            raise UsageError(f"{name!r} is searched twice", got=repr(line), want="one line a setting")
        space[name] = _range(name, text.strip(), line) if ".." in text else _choice(name, text.strip(), line)
    if not space:
        raise UsageError("there is nothing to search", want="at least one setting: --search lr=1e-3..1:log")
    if "hidden" in space and not space.keys().isdisjoint(SHAPE):
        raise UsageError("hidden is units and layers", got="both", want="hidden=50|64,32, or units=… and layers=…")
    return space


def _check_name(name: str, line: str) -> None:
    known = [*SHAPE, *(f.name for f in fields(Config) if f.name not in FIXED)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UsageError(
            f"{name!r} cannot be searched" if name in FIXED else f"there is no setting {name!r}",
            got=repr(line),
            want=", ".join(known),
            fix=f"did you mean {near[0]}?" if near else None,
        )


def _range(name: str, text: str, line: str) -> Range:
    bounds, colon, how = text.partition(":")
    low, _, high = bounds.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if not (math.isfinite(ends[0]) and ends[0] < ends[1] < math.inf) or (colon and how != "log"):
        raise UsageError("a range is wrong", got=repr(line), want="low..high or low..high:log, low < high")
    if how == "log" and ends[0] <= 0:
        raise UsageError("a logarithmic range begins above 0", got=repr(line))
    kind = {f.name: str(f.type) for f in fields(Config)}.get(name, "int")
    if not ("int" in kind or "float" in kind) or name == "hidden":
        raise UsageError(f"{name!r} is no number", got=repr(line), want=f"{name}=a|b|c")
    found = Range(*ends, whole="float" not in kind, log=how == "log")
    if found.whole and any(not end.is_integer() for end in ends):
        raise UsageError(f"{name!r} is a whole number", got=repr(line))
    for end in ends:  # the settings' own limits hold for all between them
        settings(Config(), {name: int(end) if found.whole else end})
    return found


def _choice(name: str, text: str, line: str) -> Choice:
    values = tuple(value.strip() for value in text.split("|"))
    if len(set(values)) != len(values) or len(values) > MOST_CHOICES or "" in values:
        raise UsageError("the choices are wrong", got=repr(line), want=f"different values, at most {MOST_CHOICES:,}")
    for value in values:
        settings(Config(), {name: value})
    return Choice(values)


def settings(config: Config, chosen: Mapping[str, Any]) -> Config:
    """`config` with what was chosen: numbers, or text as on the command line.  UsageError when a value cannot be."""
    kinds = {f.name: str(f.type) for f in fields(Config)}
    values = {name: _value(name, kinds.get(name, "int"), value) for name, value in chosen.items()}
    units, layers = values.pop("units", None), values.pop("layers", None)
    if units is not None or layers is not None:
        usual = config.hidden[0] if config.hidden else 50
        values["hidden"] = (units or usual,) * (len(config.hidden) or 1 if layers is None else layers)
    return replace(config, **values)


def _value(name: str, kind: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        if name == "hidden":
            return () if value == "none" else tuple(int(part) for part in value.split(","))
        if "float" in kind:
            return float(value)
        return int(value) if "int" in kind else value
    except ValueError:
        raise UsageError(f"{value!r} is no value of {name!r}", want="a number") from None
