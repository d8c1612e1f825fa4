"""Layers in the book's style as layers of denpa: black boxes of a graph whose parameters get gradients.

    layer = BookLayer(Affine(W, b))              # somebody's own class: forward(x), backward(dout), W, b, dW, db
    y = layer(dp.tensor(x))                      # one node; its inputs are x, W and b
    model = nn.Sequential(BookLayer(Affine(W, b)), nn.ReLU(), nn.Linear(50, 10))

Source: seed 000 §5.4 (layers with forward and backward), §5.1 (whatever happens inside a node).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape, as_value
from denpa.blackbox import black_box
from denpa.errors import DTypeError, GradientError, UsageError, user_line
from denpa.graph import Role, Tensor
from denpa.interop.slots import Slot, find_slots
from denpa.interop.torchlike import same_arrays
from denpa.nn.layers import Cursor, Layer, as_input, as_parameter, check_names, named_leaf

KINDS = {"W": "weight", "w": "weight", "weight": "weight", "b": "bias", "B": "bias", "bias": "bias"}


class Step:
    """The forward of one node and the object as it was left: a layer used twice in a graph keeps both."""

    def __init__(self, layer: Any, slots: Sequence[Slot], inputs: int, name: str) -> None:
        self.layer, self.slots, self.inputs, self.name = layer, slots, inputs, name
        self.kept: tuple[Array, ...] = ()
        self.state: Any = None

    def forward(self, *arrays: Array) -> Array:
        """The inputs, then the parameters, which the object gets before it runs."""
        self.kept = tuple(np.array(a) for a in arrays)
        for slot, value in zip(self.slots, arrays[self.inputs :], strict=True):
            slot.set(self.layer, value)
        out = self.layer.forward(*[a if a.ndim else a[()] for a in arrays[: self.inputs]])
        if out is None:
            raise UsageError(f"forward of {self.name} returns nothing", fix="return the result")
        self.state = copy.deepcopy(self.layer)
        return as_value(out)

    def backward(self, g: Array, out: Array, *arrays: Array) -> tuple[Any, ...]:
        if not same_arrays(arrays, self.kept):  # the node was evaluated with other values in the meantime
            self.forward(*arrays)
        layer = copy.deepcopy(self.state)
        for slot in self.slots:
            slot.clear(layer)
        result = layer.backward(g if g.ndim else g[()])
        parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        parts += (None,) * (self.inputs - len(parts))  # a loss gives none for its target
        return (*parts[: self.inputs], *(self._gradient(layer, slot) for slot in self.slots))

    def _gradient(self, layer: Any, slot: Slot) -> Any:
        value = slot.gradient(layer)
        if value is None:
            raise GradientError(
                f"backward of {self.name} leaves no gradient of its parameter {slot.name}",
                want=f"the attribute d{slot.name}",
                fix="denpa.check_layer(layer) judges the whole layer",
            )
        return value


class BookLayer(Layer):
    """An object with forward(x, …) and backward(dout) as a layer.  Its parameters keep the names they have on it.

    parameters: the names of its parameters, where they cannot be seen: found are float arrays named W, b, weight, bias,
    gamma, beta, those with a gradient attribute (`W` and `dW`), and the items of the lists or dicts params and grads.
    UsageError for an object without the two methods, and for a name it has not.  Parameters set by training are written
    back to the object by `write_back()`.
    """

    def __init__(self, layer: Any, *, parameters: Sequence[str] | None = None, label: str | None = None) -> None:
        for method in ("forward", "backward"):
            if isinstance(layer, type) or not callable(getattr(layer, method, None)):
                raise UsageError(
                    "not a layer in the book's style",
                    where=user_line(),
                    got=repr(layer)[:80],
                    want="an object with forward(x) and backward(dout)",
                )
        self.object, self.label = layer, label or type(layer).__name__
        self.slots = find_slots(layer, layer) if parameters is None else _slots(layer, parameters)
        self.prefix, self.number = "", 1
        self._values = self._made({slot.name: np.asarray(slot.get(layer)) for slot in self.slots})

    def _made(self, values: Mapping[str, Any]) -> dict[str, Tensor]:
        return {
            name: as_parameter(self.prefix + name, values[name], shape, Role(KINDS.get(name, name), self.number))
            for name, shape in self._shapes(values).items()
        }

    def _shapes(self, values: Mapping[str, Any]) -> dict[str, Shape]:
        return {slot.name: np.shape(slot.get(self.object)) for slot in self.slots}

    def parameters(self) -> dict[str, Tensor]:
        return dict(self._values)

    def with_parameters(self, parameters: Mapping[str, Any]) -> BookLayer:
        check_names(self.shapes(), parameters)
        new = copy.copy(self)  # the object itself is shared: running statistics go on
        new._values = new._made(parameters)
        return new

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> BookLayer:
        new = copy.copy(self)
        cursor.position += 1
        cursor.linear += bool(self.slots)
        new.prefix, new.number = prefix, max(cursor.linear, 1)
        roles = {name: Role(KINDS.get(name, name), new.number) for name in self._values}
        new._values = {n: named_leaf(t, prefix + n, roles[n]) for n, t in self._values.items()}
        return new

    def __call__(self, *inputs: Any, training: bool = False, key: Any = None) -> Tensor:
        """One node.  Its backward may run at any time, with the state this forward left."""
        if not inputs:
            raise UsageError(f"{self.label} needs its input", where=user_line())
        given = [as_input(x) for x in inputs]
        step = Step(self.object, self.slots, len(given), self.label)
        box = black_box(step.forward, step.backward, name=self.label, label=self.label)
        result: Tensor = box(*given, *self._values.values())
        return result

    def write_back(self) -> None:
        """Put the present values of the parameters into the object."""
        for slot in self.slots:
            slot.set(self.object, np.array(self._values[slot.name].value))

    def __repr__(self) -> str:
        return f"BookLayer({self.label})"


def _slots(layer: Any, names: Sequence[str]) -> tuple[Slot, ...]:
    for name in names:
        value = getattr(layer, name, None)
        if value is None:
            raise UsageError(f"the layer has no parameter {name!r}", where=user_line(), got=type(layer).__name__)
        if np.asarray(value).dtype.kind != "f":
            raise DTypeError(
                f"parameter {name} must be floating point", where=user_line(), got=str(np.asarray(value).dtype)
            )
    return tuple(Slot(name) for name in names)
