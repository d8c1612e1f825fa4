"""Where an object in the book's style keeps its parameters and their gradients.

Three habits are known: attributes `W` and `dW` (or `W_grad`, `grad_W`, `d_W`), the lists `params` and `grads`, and
dicts of those names.  Source: seed 000 §5.6 (`self.W`, `self.dW`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array

PARAMETER_NAMES = frozenset({"W", "b", "w", "B", "weight", "bias", "gamma", "beta", "Wx", "Wh", "weights", "biases"})
CONTAINERS = (("params", "grads"), ("parameters", "gradients"))


@dataclass(frozen=True)
class Slot:
    """One parameter: an attribute of the object (holder ""), or an item of its list or dict `holder`."""

    name: str
    holder: str = ""
    key: Any = None
    grads: str = ""

    def get(self, layer: Any) -> Any:
        return getattr(layer, self.name) if not self.holder else getattr(layer, self.holder)[self.key]

    def set(self, layer: Any, value: Any) -> None:
        """Put `value` wherever the object holds the old one: `self.params = [self.W, self.b]` holds it twice."""
        old = self.get(layer)
        if isinstance(old, np.ndarray):
            _replace(layer, old, value)
        if not self.holder:
            setattr(layer, self.name, value)

    def gradient(self, layer: Any) -> Any:
        """What the object holds as this parameter's gradient; None when nothing is there."""
        if self.holder:
            try:
                return getattr(layer, self.grads)[self.key]
            except (AttributeError, IndexError, KeyError, TypeError):
                return None
        for name in gradient_names(self.name):
            if getattr(layer, name, None) is not None:
                return getattr(layer, name)
        for _, grads in CONTAINERS:
            held = getattr(layer, grads, None)
            if isinstance(held, dict) and self.name in held:
                return held[self.name]
        return None

    def clear(self, layer: Any, dtype: Any = None) -> None:
        """A fresh gradient of zeros where one is kept, so that code that adds to it starts from nothing."""
        old = self.gradient(layer)
        if isinstance(old, np.ndarray):
            _replace(layer, old, np.zeros_like(old, dtype=dtype))


def _replace(layer: Any, old: Any, new: Any) -> None:
    for name, held in list(vars(layer).items()):
        if held is old:
            setattr(layer, name, new)
        elif isinstance(held, list) and any(item is old for item in held):
            setattr(layer, name, [new if item is old else item for item in held])
        elif isinstance(held, dict) and any(item is old for item in held.values()):
            setattr(layer, name, {k: new if item is old else item for k, item in held.items()})


def gradient_names(name: str) -> tuple[str, ...]:
    return (f"d{name}", f"{name}_grad", f"grad_{name}", f"d_{name}", f"{name}_gradient")


def find_slots(layer: Any, ran: Any, given: Sequence[Any] = ()) -> tuple[Slot, ...]:
    """The parameters of an object: floating-point arrays it holds from its construction on (`layer`) that have a
    gradient after a step (`ran`, the same object or a copy of it that has run), have a parameter's name, or were given
    to its constructor.
    """
    found: list[Slot] = []
    seen: list[Any] = []
    for name, value in vars(layer).items():
        has_twin = any(hasattr(ran, twin) for twin in gradient_names(name))
        named = name in PARAMETER_NAMES or any(value is g for g in given) or _in_dict(ran, name)
        if is_parameter(value) and (has_twin or (named and isinstance(value, np.ndarray))):
            found.append(Slot(name))
            seen.append(value)
    for params, grads in CONTAINERS:
        held = getattr(layer, params, None)
        items = enumerate(held) if isinstance(held, list) else held.items() if isinstance(held, dict) else ()
        for key, value in items:
            if isinstance(value, np.ndarray) and is_parameter(value) and not any(value is s for s in seen):
                title = f"{params}[{key}]" if isinstance(held, list) else str(key)
                found.append(Slot(title, params, key, grads))
                seen.append(value)
    return tuple(found)


def _in_dict(layer: Any, name: str) -> bool:
    return any(isinstance(h := getattr(layer, grads, None), dict) and name in h for _, grads in CONTAINERS)


def is_parameter(value: Any) -> bool:
    """True for what a gradient can be taken of: a float, or a non-empty array of floats."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and value.size > 0
    return isinstance(value, (float, np.floating))


def values(layer: Any, slots: Sequence[Slot]) -> dict[str, Array]:
    return {slot.name: np.asarray(slot.get(layer)) for slot in slots}
