"""Nested arguments: scalars, arrays, Tensors, tuples, lists, dicts, named tuples and models, flattened and rebuilt.

A model is anything with `parameters() -> dict[str, Tensor]` and `with_parameters(mapping) -> model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from denpa.errors import UsageError, user_line
from denpa.graph import Tensor


@runtime_checkable
class Model(Protocol):
    """Parameters by name, and a copy of itself around other parameters."""

    def parameters(self) -> dict[str, Tensor]: ...

    def with_parameters(self, parameters: Mapping[str, Any]) -> Any: ...


def is_model(value: Any) -> bool:
    return hasattr(value, "parameters") and hasattr(value, "with_parameters")


def flatten(value: Any, path: str = "") -> tuple[list[tuple[str, Any]], Callable[[list[Any]], Any]]:
    """The leaves with their paths (`"[0]"`, `"['W']"`, `".0.weight"`), and the function that puts new leaves back.

    A model flattens to its parameters and is rebuilt as a model.
    """
    if is_model(value):
        named = value.parameters()
        return [(f"{path}.{n}", t) for n, t in named.items()], lambda new: value.with_parameters(
            dict(zip(named, new, strict=True))
        )
    children: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        children = [(f"{path}[{k!r}]", v) for k, v in value.items()]
        keys = list(value)
        return _join(children, lambda parts: dict(zip(keys, parts, strict=True)))
    if isinstance(value, (tuple, list)):
        children = [(f"{path}[{i}]", v) for i, v in enumerate(value)]
        make = type(value)._make if hasattr(type(value), "_make") else type(value)  # type: ignore[union-attr]
        return _join(children, make)
    return [(path, value)], lambda new: new[0]


def _join(
    children: list[tuple[str, Any]], make: Callable[[list[Any]], Any]
) -> tuple[list[tuple[str, Any]], Callable[[list[Any]], Any]]:
    parts = [flatten(child, path) for path, child in children]
    leaves = [item for part, _ in parts for item in part]

    def rebuild(new: list[Any]) -> Any:
        it = iter(new)
        return make([build([next(it) for _ in part]) for part, build in parts])

    return leaves, rebuild


def gradient_like(value: Any, gradients: list[Any]) -> Any:
    """The gradients in the shape of the argument; those of a model as a dict by parameter name."""
    if is_model(value):
        return dict(zip(value.parameters(), gradients, strict=True))
    leaves, rebuild = flatten(_models_as_dicts(value))
    if len(leaves) != len(gradients):
        raise UsageError("as many gradients as leaves are needed", where=user_line(), got=str(len(gradients)))
    return rebuild(gradients)


def _models_as_dicts(value: Any) -> Any:
    if is_model(value):
        return dict(value.parameters())
    if isinstance(value, Mapping):
        return {k: _models_as_dicts(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        make = type(value)._make if hasattr(type(value), "_make") else type(value)  # type: ignore[union-attr]
        return make([_models_as_dicts(v) for v in value])
    return value
