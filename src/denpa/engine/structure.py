"""What an argument is apart from its numbers: two arguments of one structure, shapes and dtypes can share a program."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from denpa.graph import Node, Tensor
from denpa.tree import is_model


def structure(value: Any) -> Hashable:
    """A key for nested arguments.  Of a model everything but the values of its parameters belongs to it."""
    if is_model(value):
        parameters = value.parameters()
        names = {t.node: name for name, t in parameters.items() if isinstance(t, Tensor)}
        return type(value), _inside(value, names, {id(value): 0})
    if isinstance(value, Mapping):
        return type(value), tuple((_constant(k), structure(v)) for k, v in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(structure(v) for v in value)
    return None


def _inside(value: Any, names: Mapping[Node, str], seen: dict[int, int]) -> Hashable:
    """The attributes of a model, a layer or a dataclass; any other object is known by its identity."""
    attributes = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        attributes |= {
            n: getattr(value, n) for n in ([slots] if isinstance(slots, str) else slots) if hasattr(value, n)
        }
    return tuple((name, _part(part, names, seen)) for name, part in sorted(attributes.items()))


def _part(value: Any, names: Mapping[Node, str], seen: dict[int, int]) -> Hashable:
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)):
        return _constant(value)
    if isinstance(value, Tensor) or id(value) in seen:
        return names.get(value.node, id(value.node)) if isinstance(value, Tensor) else ("seen", seen[id(value)])
    seen[id(value)] = len(seen)
    if isinstance(value, Mapping):
        return type(value), tuple((_constant(k), _part(v, names, seen)) for k, v in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_part(v, names, seen) for v in value)
    if is_model(value) or (is_dataclass(value) and not isinstance(value, type)):
        return type(value), _inside(value, names, seen)
    return id(value)


def _constant(value: Any) -> Hashable:
    return type(value), repr(value)
