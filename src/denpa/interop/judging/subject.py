"""What is judged, with one face for all kinds: start a session with given parameters, forward, backward.

A session is one fresh object (class in the book's style), one context (PyTorch's style), or nothing but the last
inputs (functions, primitives).  `forward` takes the inputs by name, `backward` gives gradients by the same names.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from denpa.arrays import Array, namespace
from denpa.errors import DenpaError
from denpa.interop import functions, slots, torchlike
from denpa.primitive import Primitive

TARGETS = re.compile(r"^(t|ts|target|targets|label|labels|y_true|truth|teacher|t_batch|answer|correct)$")
MATRICES = re.compile(r"^(W\w*|w|weights?|kernel|filters?|V)$")
RECURRENT = re.compile(r"^(W_?h\w*|U)$")
VECTORS = re.compile(r"^([bB]|b\d|b_?[xhoij]|bias|gamma|beta)$")
HIDDEN = re.compile(r"^(h|h_prev|hidden|hx|state)$")
LOSSES = re.compile(r"loss|error|cost|entropy|criterion", re.IGNORECASE)


class Refusal(DenpaError):
    """An object that cannot be judged at all, with the reason."""


class NoGradients(DenpaError):
    """A backward whose result has not one gradient for each input."""


class Session(Protocol):
    """One forward and the backwards that belong to it."""

    def forward(self, inputs: Mapping[str, Array]) -> Any: ...

    def backward(self, g: Any) -> dict[str, Any]: ...

    def place(self, parameters: Mapping[str, Array]) -> None: ...

    def held(self) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Subject:
    """An object to be judged.  fields: forward's arguments by name, each with its category.

    takes_g: whether backward is given a cotangent; a loss with `backward()` is not.  line: of the backward.
    widths: the input sizes that an object with weights of its own may want, one for each way to lay them out.
    """

    name: str
    kind: str
    line: int | None
    fields: tuple[tuple[str, str], ...]
    takes_g: bool
    g_name: str
    build: Callable[[Any, Any], Any]
    start: Callable[[Any], Any]
    target_like: bool = False
    note: str = ""
    widths: tuple[int, ...] = ()


def category(name: str, names: Sequence[str], loss: bool) -> str:
    """What an argument is by its name: target, matrix, recurrent, vector, hidden or input."""
    beside_matrix = any(MATRICES.match(n) for n in names)
    if TARGETS.match(name) or (loss and len(names) == 2 and name == names[1]):
        return "target"
    if beside_matrix or len(names) > 2:
        for pattern, kind in ((RECURRENT, "recurrent"), (MATRICES, "matrix"), (VECTORS, "vector"), (HIDDEN, "hidden")):
            if pattern.match(name):
                return kind
    return "hidden" if name.endswith("_prev") else "input"


def fields_of(names: Sequence[str], owner: str) -> tuple[tuple[str, str], ...]:
    loss = bool(LOSSES.search(owner))
    return tuple((n, category(n, names, loss)) for n in names)


def source_line(function: Any) -> int | None:
    """Where a function, or a method found on its class, begins in its file."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return None if code is None else int(code.co_firstlineno)


# -- classes in the book's style ---------------------------------------------------------------------------------------
class BookSession:
    """A copy of an object of the learner's, with its parameters set."""

    def __init__(self, prototype: Any, names: Sequence[str], found: Sequence[slots.Slot], takes_g: bool) -> None:
        self.layer = copy.deepcopy(prototype)
        self.names, self.slots, self.takes_g = tuple(names), tuple(found), takes_g

    def place(self, parameters: Mapping[str, Array]) -> None:
        for slot in self.slots:
            if slot.name in parameters:
                value = np.array(parameters[slot.name])
                slot.clear(self.layer, value.dtype)  # a buffer made in float64 would hide what backward computes
                slot.set(self.layer, value if isinstance(slot.get(self.layer), np.ndarray) else value[()])

    def held(self) -> dict[str, Array]:
        return {slot.name: np.array(slot.get(self.layer)) for slot in self.slots}

    def forward(self, inputs: Mapping[str, Array]) -> Any:
        return self.layer.forward(*inputs.values())

    def backward(self, g: Any) -> dict[str, Any]:
        result = self.layer.backward(g) if self.takes_g else self.layer.backward()
        gradients = by_name(result, self.names, "backward")
        return {**gradients, **{slot.name: slot.gradient(self.layer) for slot in self.slots}}


def by_name(result: Any, names: Sequence[str], what: str) -> dict[str, Any]:
    """The result of a backward by the inputs' names: one value for the first, or a tuple of as many as there are.

    For a single input, lists of numbers are its gradient, as text 003 writes matrices.
    """
    if isinstance(result, list) and len(names) == 1 and not any(isinstance(r, np.ndarray) for r in result):
        return {names[0]: np.array(result)}
    if not isinstance(result, (tuple, list)):
        return {name: result if k == 0 else None for k, name in enumerate(names)}
    if len(result) > len(names):
        raise NoGradients(f"{what} returns {len(result)} values for {len(names)} inputs")
    return {name: result[k] if k < len(result) else None for k, name in enumerate(names)}


def required(call: Callable[..., Any]) -> list[str]:
    try:
        return functions.required(call)
    except (TypeError, ValueError) as error:
        raise Refusal(f"its arguments cannot be read: {error}") from error


def book_subject(given: Any, name: str | None = None) -> Subject:
    """A class, or an object, with forward(x, …) and backward(dout)."""
    cls: Any = given if inspect.isclass(given) else type(given)
    names = required(cls.forward)[1:]
    after = list(inspect.signature(cls.backward).parameters.values())[1:]
    if not names:
        raise Refusal("forward takes no input")

    def build(scene: Any, sizes: Any) -> Any:
        if given is not cls:
            return copy.deepcopy(given), ()
        arguments = scene.constructor(cls, sizes)
        return cls(**arguments), tuple(arguments.values())

    def start(prototype: Any) -> Session:
        return BookSession(prototype[0], names, prototype[1], bool(after))

    return Subject(
        name or cls.__name__,
        "class",
        source_line(cls.backward),
        fields_of(names, cls.__name__),
        bool(after),
        after[0].name if after else "dout",
        build,
        start,
        bool(LOSSES.search(cls.__name__)) or any(TARGETS.match(n) for n in names),
        widths=() if given is cls else _widths(given),
    )


def _widths(layer: Any) -> tuple[int, ...]:
    """The sizes of the first weight matrix of a layer that was given as an object, rows first."""
    for name, value in vars(layer).items() if hasattr(layer, "__dict__") else ():
        if MATRICES.match(name) and isinstance(value, np.ndarray) and value.ndim == 2:
            return tuple(dict.fromkeys(value.shape))
    return ()


# -- everything without a state of its own -----------------------------------------------------------------------------
class CallSession:
    """forward and backward as two functions; what passes between them is `state`."""

    def __init__(self, names: Sequence[str], forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.names, self._forward, self._backward = tuple(names), forward, backward
        self.state: Any = None

    def place(self, parameters: Mapping[str, Array]) -> None:
        """No parameters: everything is an input."""

    def held(self) -> dict[str, Array]:
        return {}

    def forward(self, inputs: Mapping[str, Array]) -> Any:
        out, self.state = self._forward(*inputs.values())
        return out

    def backward(self, g: Any) -> dict[str, Any]:
        return by_name(self._backward(self.state, g), self.names, "backward")


def torch_subject(cls: Any) -> Subject:
    """A class in PyTorch's style: every forward has a context of its own."""
    names = required(cls.forward)[0 if torchlike.has_setup(cls) else 1 :]

    def forward(*arrays: Any) -> Any:
        ctx = torchlike.Context([np.asarray(a).dtype.kind == "f" for a in arrays])
        return torchlike.run_forward(cls, ctx, arrays), ctx

    def backward(ctx: Any, g: Any) -> Any:
        return torchlike.run_backward(cls, ctx, g)

    return Subject(
        cls.__name__,
        "autograd function",
        source_line(cls.backward),
        fields_of(names, cls.__name__),
        True,
        "g",
        lambda scene, sizes: None,
        lambda prototype: CallSession(names, forward, backward),
        bool(LOSSES.search(cls.__name__)),
    )


def function_subject(f: Callable[..., Any], derivative: Callable[..., Any], of: functions.Of = "input") -> Subject:
    """A function and its derivative, taken at the input or at the output; or one that also takes the cotangent."""
    names, wanted = required(f), required(derivative)
    place = next((k for k, n in enumerate(wanted) if n in functions.COTANGENTS), None)
    takes_g = place is not None and len(wanted) == len(names) + 1

    def forward(*arrays: Any) -> Any:
        out = f(*arrays)
        return out, (out, arrays)

    def backward(state: Any, g: Any) -> Any:
        out, arrays = state
        if takes_g:
            assert place is not None
            return derivative(*arrays[:place], g, *arrays[place:])
        found = derivative(out) if of == "output" else derivative(*arrays)
        if isinstance(found, (tuple, list)) and len(names) > 1:
            return tuple(functions.apply_derivative(g, d, out, x) for d, x in zip(found, arrays, strict=False))
        return None if found is None else functions.apply_derivative(g, found, out, arrays[0])

    return Subject(
        f.__name__,
        "function",
        source_line(derivative),
        fields_of(names, f.__name__),
        True,
        "g",
        lambda scene, sizes: None,
        lambda prototype: CallSession(names, forward, backward),
        bool(LOSSES.search(f.__name__)),
        derivative.__name__,
    )


def primitive_subject(op: Primitive) -> Subject:
    """A denpa primitive: its evaluation and its vjp rule."""
    parameters = list(inspect.signature(op.evaluate).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if op.arity is None or any(v is inspect.Parameter.empty for v in op.defaults.values()) or not names:
        raise Refusal("its parameters have no defaults, and its stanza declares no samples")

    def forward(*arrays: Any) -> Any:
        out = op.evaluate(namespace(*arrays), *[np.asarray(a)[()] for a in arrays], **op.defaults)
        return out, (np.asarray(out)[()], [np.asarray(a)[()] for a in arrays])

    def backward(state: Any, g: Any) -> Any:
        from denpa.ops.shaping import sum_to

        out, arrays = state
        parts = op.pull_back(np.asarray(g)[()], out, arrays, op.defaults)
        # rules broadcast freely, `backward` sums back: so here
        return tuple(
            None if p is None else np.asarray(sum_to(np.asarray(p), shape=np.shape(a)))
            for p, a in zip(parts, arrays, strict=True)
        )

    return Subject(
        op.name,
        "primitive",
        source_line(op.rule),
        fields_of(names, op.name),
        True,
        "g",
        lambda scene, sizes: None,
        lambda prototype: CallSession(names, forward, backward),
    )
