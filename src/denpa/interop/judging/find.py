"""What there is to judge among the names of a file."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from denpa.explain.words import T
from denpa.interop.functions import twins
from denpa.interop.judging.faults import Judgement
from denpa.interop.judging.judge import check_layer, is_book_style, judge_function, judge_primitive
from denpa.interop.torchlike import is_torchlike
from denpa.primitive import Primitive

NO_BACKWARD = T("it has a forward and no backward", "forward だけで backward がありません")
BASE = T("a base class; the classes built on it are judged", "基底クラスです。それを継承したクラスを判定します")
NOT_ALONE = T("a primitive without a derivative", "微分のないプリミティブです")


@dataclass(frozen=True)
class Found:
    """Something to judge: its name and how."""

    name: str
    judge: Callable[[int], Judgement]


def find(
    names: Mapping[str, Any], module: str, before: Mapping[str, Primitive]
) -> tuple[list[Found], list[tuple[str, T]]]:
    """(what to judge, what is left out and why), in the order of the file.

    module: the `__name__` the file ran under: what it imported from elsewhere is not its own.  before: the primitives
    that existed before it ran.
    """
    found: list[Found] = []
    skipped: list[tuple[str, T]] = []
    pairs = twins({n: v for n, v in names.items() if _own(v, module)})
    for name, value in names.items():
        if inspect.isclass(value) and _own(value, module) and value.__name__ == name:
            if is_torchlike(value) or is_book_style(value):
                if _is_base(value, names):
                    skipped.append((name, BASE))
                else:
                    found.append(Found(name, _of_class(value, names)))
            elif callable(getattr(value, "forward", None)):
                skipped.append((name, NO_BACKWARD))
        elif isinstance(value, Primitive) and not any(value is old for old in before.values()):
            if value.has_rule:
                found.append(Found(name, _of_primitive(value)))
            else:
                skipped.append((name, NOT_ALONE))
        elif name in pairs:
            found.append(Found(name, _of_function(value, names[pairs[name]])))
    return found, skipped


def _own(value: Any, module: str) -> bool:
    return getattr(value, "__module__", None) == module


def _of_class(cls: type, names: Mapping[str, Any]) -> Callable[[int], Judgement]:
    """The class; or an object of it in the file, where nobody could guess what its constructor wants."""

    def run(seed: int) -> Judgement:
        made = check_layer(cls, seed=seed)
        stuck = any(f.of == "constructor" and f.kind == "raises" for f in made.faults)
        ready = next((v for v in names.values() if type(v) is cls), None)
        return check_layer(ready, seed=seed) if stuck and ready is not None else made

    return run


def _of_primitive(op: Primitive) -> Callable[[int], Judgement]:
    return lambda seed: judge_primitive(op, seed=seed)


def _of_function(f: Callable[..., Any], derivative: Callable[..., Any]) -> Callable[[int], Judgement]:
    return lambda seed: judge_function(f, derivative, seed=seed)


def _is_base(cls: type, names: Mapping[str, Any]) -> bool:
    """A class others of the file are built on, whose own forward or backward only raises NotImplementedError."""
    heirs = any(inspect.isclass(v) and v is not cls and issubclass(v, cls) for v in names.values())
    return heirs and any(_abstract(inspect.getattr_static(cls, n)) for n in ("forward", "backward"))


def _abstract(method: Any) -> bool:
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None:
        return False
    reads = any(step.opname.startswith("LOAD_FAST") for step in dis.get_instructions(code))
    return "NotImplementedError" in code.co_names or not (reads or code.co_names)  # or `pass`
