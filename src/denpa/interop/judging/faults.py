"""What a judgement says: faults, remarks, and the verdict, as data that goes through JSON unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from denpa.errors import DataError
from denpa.explain.words import T


class Outcome(StrEnum):
    """right; wrong; unsure: not judged, or not to the end."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Example:
    """The smallest failing input: arrays by name as text, the cotangent, and the element that is wrong."""

    arrays: dict[str, str] = field(default_factory=dict)
    g: str = ""
    got: str = ""
    want: str = ""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    kind: the error's stable name ("factor", "transposed", …).  of: what it is the matter with ("dx", "dW", "forward").
    says: what was found; advice: what to write.  got, want: the worst element; error: of the numerical value.
    """

    kind: str
    of: str
    says: T
    advice: T | None = None
    line: int | None = None
    element: tuple[int, ...] = ()
    got: float | None = None
    want: float | None = None
    error: float | None = None
    example: Example | None = None


@dataclass(frozen=True)
class Judgement:
    """What is known about one class or function.  resembles: the known layer with the same values, if any.

    checked: the names of the checks that ran.  remarks: what is worth saying and not wrong.
    """

    name: str
    kind: str
    line: int | None
    outcome: Outcome
    faults: tuple[Fault, ...] = ()
    remarks: tuple[Fault, ...] = ()
    resembles: str = ""
    parameters: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.outcome is Outcome.RIGHT

    def __str__(self) -> str:
        from denpa.interop.judging.text import judgement_lines

        return "\n".join(judgement_lines(self, "en"))

    def with_faults(self, *faults: Fault) -> Judgement:
        outcome = Outcome.WRONG if faults or self.faults else self.outcome
        return replace(self, faults=(*self.faults, *faults), outcome=outcome)


def too_slow(name: str, text: str) -> Judgement:
    """The judgement of what did not come to an end."""
    from denpa.interop.judging.words import say

    fault = Fault("loops", name, say("loops", of=name, text=text))
    return Judgement(name, "", None, Outcome.WRONG, (fault,))


@dataclass(frozen=True)
class FileReport:
    """All judgements of one file; skipped: what was seen and not judged, with the reason."""

    file: str
    judgements: tuple[Judgement, ...]
    skipped: tuple[tuple[str, T], ...] = ()
    printed: int = 0
    seed: int = 0

    @property
    def outcome(self) -> Outcome:
        outcomes = {j.outcome for j in self.judgements}
        for outcome in (Outcome.WRONG, Outcome.UNSURE):
            if outcome in outcomes:
                return outcome
        return Outcome.RIGHT if outcomes else Outcome.UNSURE

    def __bool__(self) -> bool:
        return self.outcome is Outcome.RIGHT

    def __str__(self) -> str:
        from denpa.interop.judging.text import report_lines

        return "\n".join(report_lines(self, "en"))


# -- JSON --------------------------------------------------------------------------------------------------------------
def number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: they go as text."""
    if value is None or np_finite(value):
        return value
    return str(value)


def np_finite(value: float) -> bool:
    return value - value == 0


def words(text: T | None) -> dict[str, str] | None:
    return None if text is None else {"en": text.en, "ja": text.ja}


def fault_to_json(fault: Fault) -> dict[str, Any]:
    example = fault.example
    return {
        "kind": fault.kind,
        "of": fault.of,
        "says": words(fault.says),
        "advice": words(fault.advice),
        "line": fault.line,
        "element": list(fault.element),
        "got": number(fault.got),
        "want": number(fault.want),
        "error": number(fault.error),
        "example": None
        if example is None
        else {"arrays": example.arrays, "g": example.g, "got": example.got, "want": example.want},
    }


def to_json(judgement: Judgement) -> dict[str, Any]:
    return {
        "name": judgement.name,
        "kind": judgement.kind,
        "line": judgement.line,
        "outcome": str(judgement.outcome),
        "resembles": judgement.resembles,
        "parameters": list(judgement.parameters),
        "shapes": {k: list(v) for k, v in judgement.shapes.items()},
        "checked": list(judgement.checked),
        "faults": [fault_to_json(f) for f in judgement.faults],
        "remarks": [fault_to_json(f) for f in judgement.remarks],
    }


def from_json(data: Any) -> Judgement:
    """The judgement in a message of the child process.  DataError when it has not the form `to_json` gives it."""
    try:
        return Judgement(
            name=_text(data["name"]),
            kind=_text(data["kind"]),
            line=_line(data["line"]),
            outcome=Outcome(data["outcome"]),
            faults=tuple(_fault(f) for f in data["faults"]),
            remarks=tuple(_fault(f) for f in data["remarks"]),
            resembles=_text(data["resembles"]),
            parameters=tuple(_text(n) for n in data["parameters"]),
            checked=tuple(_text(n) for n in data["checked"]),
            shapes={_text(k): tuple(int(n) for n in v) for k, v in data["shapes"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError("the checked file wrote into the result of the check", got=f"{type(error).__name__}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _line(value: Any) -> int | None:
    return None if value is None else int(value)


def words_from(data: Any) -> T | None:
    return None if data is None else T(_text(data["en"]), _text(data["ja"]))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _fault(data: Mapping[str, Any]) -> Fault:
    says = words_from(data["says"])
    if says is None:
        raise TypeError("says")
    example = data["example"]
    made = None
    if example is not None:
        arrays = {_text(k): _text(v) for k, v in example["arrays"].items()}
        made = Example(arrays, _text(example["g"]), _text(example["got"]), _text(example["want"]))
    return Fault(
        kind=_text(data["kind"]),
        of=_text(data["of"]),
        says=says,
        advice=words_from(data["advice"]),
        line=_line(data["line"]),
        element=tuple(int(i) for i in data["element"]),
        got=_float(data["got"]),
        want=_float(data["want"]),
        error=_float(data["error"]),
        example=made,
    )
