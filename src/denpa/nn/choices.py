"""Closed tables of names, and settings out of files: what is not in a table is an error with the nearest entry."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from denpa.errors import ModelFileError, UsageError

T = TypeVar("T")


def choose(what: str, name: object, table: Mapping[str, T]) -> T:
    """The entry of a closed table.  UsageError with the nearest names for any other name."""
    if isinstance(name, str) and name in table:
        return table[name]
    near = difflib.get_close_matches(str(name)[:80].lower(), table, n=2, cutoff=0.5)
    raise UsageError(
        f"unknown {what}",
        got=repr(name)[:80],
        want=f"one of: {', '.join(sorted(table))}",
        fix=f"did you mean {' or '.join(map(repr, near))}?" if near else None,
    )


def exact_keys(what: str, spec: object, keys: Iterable[str]) -> dict[str, Any]:
    """`spec` as a dict with exactly these keys.  ModelFileError when some are missing or unknown."""
    if not isinstance(spec, Mapping):
        raise ModelFileError(f"the description of {what} is not a mapping", got=type(spec).__name__)
    wanted = list(keys)
    missing = [k for k in wanted if k not in spec]
    unknown = [str(k)[:40] for k in spec if k not in wanted]
    if missing or unknown:
        raise ModelFileError(
            f"the description of {what} does not have the right keys",
            got=both("missing", missing, "unknown", unknown),
            want=", ".join(wanted),
            fix="the file is damaged or written by another version of denpa",
        )
    return dict(spec)


def in_file(what: str, error: UsageError) -> ModelFileError:
    """The same finding as an error of the file that the description was read from."""
    return ModelFileError(f"the description of {what} cannot be meant: {error.what}", got=error.got, want=error.want)


def both(label: str, names: list[str], other_label: str, other_names: list[str]) -> str:
    """ "missing a, b; unknown c": up to eight names of each list, nothing of an empty one."""
    parts = ((label, names), (other_label, other_names))
    return "; ".join(f"{what} {', '.join(some[:8])}" for what, some in parts if some)


def number(
    what: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """`value` as a finite float between the bounds (included unless open).  UsageError otherwise."""
    try:
        x = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        x = math.nan
    above = low < x if open_low else low <= x
    below = x < high if open_high else x <= high
    if math.isfinite(x) and above and below:
        return x
    left = "" if low == -math.inf else f"{low:g} {'<' if open_low else '≤'} "
    right = "" if high == math.inf else f" {'<' if open_high else '≤'} {high:g}"
    raise UsageError(f"{what} is out of range", got=repr(value)[:80], want=f"a finite number, {left}{what}{right}")


def whole(what: str, value: Any, low: int, high: int) -> int:
    """`value` as an int with low ≤ value ≤ high.  UsageError otherwise (also for 3.0 and True)."""
    try:
        n = low - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        n = low - 1
    if not low <= n <= high:
        raise UsageError(f"{what} is out of range", got=repr(value)[:80], want=f"a whole number {low} … {high}")
    return n
