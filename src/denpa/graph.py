"""The computation graph: Node, Tensor (a handle on a node), Graph, and the recording state.

Define-by-run: an operation on Tensors computes its value at once with NumPy and records a Node that points to the nodes
it was computed from.  Nodes point only backwards, so there are no reference cycles and memory falls with the last name.
A node's serial number is larger than those of its inputs; sorting by it is a topological order, without recursion.
Source: seed 000 §5.1 (nodes hold the computation, edges the results; intermediate results are kept).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from denpa.arrays import Array, Shape, as_value, freeze, is_float, like
from denpa.errors import DTypeError, GradientError, UsageError, user_line

if TYPE_CHECKING:
    from denpa.primitive import Primitive

_serial = count().__next__
by_serial = attrgetter("serial")

# Functions of Tensors by their array-API name (primitives and composites alike), filled by the ops floor.
# Tensor's operators and methods, NumPy's dispatch and `__array_namespace__` all look functions up here.
FUNCTIONS: dict[str, Callable[..., Any]] = {}

_recording: ContextVar[bool] = ContextVar("denpa_recording", default=True)
_placeholders: ContextVar[frozenset[Node]] = ContextVar("denpa_placeholders", default=frozenset())


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations compute values and record nothing: results are constants without inputs."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def recording() -> Iterator[None]:
    """Within this block operations record, also inside `no_grad`: what a transformation of a function needs."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def recording_of(leaves: Iterable[Node]) -> Iterator[None]:
    """In this block these leaves stand for any value: a number taken out of what depends on them is a UsageError."""
    token = _placeholders.set(frozenset(leaves))
    try:
        yield
    finally:
        _placeholders.reset(token)


def is_recorded() -> bool:
    """Is a `recording_of` under way?"""
    return bool(_placeholders.get())


def number_of(t: Tensor) -> Array:
    """The value, for Python to go on with; UsageError where it stands for other values too."""
    leaves = _placeholders.get()
    if leaves and not leaves.isdisjoint(ancestors([t.node])):
        raise UsageError(
            "a function that is compiled takes a number out of a value that changes from call to call",
            where=user_line(),
            got=repr(t.node),
            fix="choose with denpa.where instead of if, and compute with Tensors throughout",
        )
    return t.node.value


class Role(NamedTuple):
    """What a node is in a network, free of any notation.

    kind: "weight", "bias", "preactivation", "activation", "delta" (the loss's gradient at a preactivation), "loss",
    "input" or "target"; layer: counted from 1 at the first layer with weights, 0 is the input.
    """

    kind: str
    layer: int


class Node:
    """One value and where it came from.  op is None for a leaf, whose kind is "input", "parameter" or "constant".

    `requires` says whether the value depends on a floating-point input or parameter, that is, whether a gradient flows.
    """

    __slots__ = ("grad", "inputs", "kind", "name", "op", "params", "requires", "role", "serial", "value")

    op: Primitive | None
    inputs: tuple[Node, ...]
    params: dict[str, Any]
    value: Array
    requires: bool
    kind: str
    serial: int
    name: str | None
    role: Role | None
    grad: Any

    def __init__(
        self, op: Primitive | None, inputs: tuple[Node, ...], params: dict[str, Any], value: Array, requires: bool
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.value = value
        self.requires = requires
        self.serial = _serial()
        self.kind = "op"
        self.name = None
        self.role = None
        self.grad = None

    def __repr__(self) -> str:
        what = self.op.name if self.op is not None else self.kind
        name = f" {self.name!r}" if self.name else ""
        return f"<Node {what}{name} {self.value.dtype}{list(self.value.shape)}>"

    @property
    def label(self) -> str:
        """What names this node to a reader: its name, else its operator's symbol, else its value's kind."""
        return self.name or (self.op.label if self.op is not None else self.kind)


_NO_PARAMS: dict[str, Any] = {}


def leaf(value: Array, kind: str, name: str | None = None, requires: bool | None = None) -> Node:
    """A node without inputs around a value that is already read-only."""
    node = Node(None, (), _NO_PARAMS, value, kind != "constant" and is_float(value) if requires is None else requires)
    node.kind = kind
    node.name = name
    return node


def lift(operand: Any, beside: Any = None) -> Node:
    """The node of an operand: a Tensor's own, or a new constant.  A Python number takes the dtype of `beside`."""
    if type(operand) is Tensor:
        return operand.node
    if beside is not None and (type(operand) is float or type(operand) is int or type(operand) is bool):
        return leaf(like(operand, beside), "constant")
    return leaf(as_value(operand), "constant")


class Tensor:
    """A handle on a node: the value computed, and the operators and functions that record further nodes.

    Works with NumPy's functions and operators (`np.exp(t)`, `t @ w`, `t[1:]`, `2 * t`).  Two Tensors are the same
    dictionary key when they are handles on the same node.
    """

    __slots__ = ("__weakref__", "node")
    __array_priority__ = 1000

    def __init__(self, node: Node) -> None:
        self.node = node

    # -- what it is ------------------------------------------------------------------------------------------------
    @property
    def value(self) -> Array:
        """The computed value: a read-only array, or a NumPy scalar for shape ()."""
        return self.node.value

    @property
    def shape(self) -> Shape:
        return tuple(self.node.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.node.value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        return int(self.node.value.ndim)

    @property
    def size(self) -> int:
        return int(self.node.value.size)

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def name(self) -> str | None:
        """The name gradients, pictures and explanations use for this value."""
        return self.node.name

    @name.setter
    def name(self, name: str | None) -> None:
        self.node.name = name

    @property
    def grad(self) -> Array | None:
        """The gradient the last `backward()` left on this leaf; None when none was computed (which is not zero)."""
        return self.node.grad

    @grad.setter
    def grad(self, value: Array | None) -> None:
        self.node.grad = None if value is None else freeze(np.asarray(value))

    @property
    def T(self) -> Tensor:
        """Axes reversed, as in NumPy."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped (array API)."""
        return self._call("matrix_transpose")

    def item(self) -> Any:
        return number_of(self).item()

    def numpy(self) -> Any:
        """The value as a read-only ndarray (also for shape ())."""
        return freeze(np.asarray(number_of(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The value, for NumPy; UsageError when a gradient flows here and would be lost without a word."""
        if self.node.requires:
            raise UsageError(
                "NumPy asks for the plain array of a Tensor: the gradient would stop here without a word",
                where=user_line(),
                got=repr(self.node),
                fix="use denpa.stack([...]) for a list of Tensors, or t.value for the numbers alone",
            )
        return np.array(number_of(self), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(number_of(self))

    def __int__(self) -> int:
        return int(number_of(self))

    def __complex__(self) -> complex:
        return complex(number_of(self))

    def __index__(self) -> int:
        index: int = number_of(self).__index__()
        return index

    def __bool__(self) -> bool:
        return bool(number_of(self))

    def __len__(self) -> int:
        return len(self.node.value)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a Tensor of shape ()")
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        return hash(self.node)

    def __repr__(self) -> str:
        name = f", name={self.node.name!r}" if self.node.name else ""
        text = np.array2string(np.asarray(self.node.value), separator=", ", threshold=20, prefix="Tensor(")
        return f"Tensor({text}, {self.dtype}{name})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """In a notebook: the text, and the picture of the graph where there is one of reasonable size."""
        return _mimebundle(self)

    def __format__(self, spec: str) -> str:
        return format(self.node.value.item(), spec) if spec else repr(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise UsageError(
            "a Tensor cannot be changed in place: the graph that was computed with it would no longer be true",
            where=user_line(),
            fix="build a new one, e.g. denpa.where(mask, new, old)",
        )

    # -- gradients ---------------------------------------------------------------------------------------------------
    def backward(self, g: Any = None, *, accumulate: bool = False) -> None:
        """Set `.grad` on every floating-point leaf this value depends on (replacing it; `accumulate=True` adds).

        g: the cotangent, of this value's shape; may be left out when the shape is ().  GradientError otherwise.
        """
        FUNCTIONS["backward_into_leaves"](self, g, accumulate)

    # -- operators and methods: each is the function of that name -----------------------------------------------------
    def _call(self, name: str, *args: Any, **params: Any) -> Tensor:
        result: Tensor = FUNCTIONS[name](self, *args, **params)
        return result

    def __add__(self, other: Any) -> Tensor:
        return FUNCTIONS["add"](self, other)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> Tensor:
        return FUNCTIONS["add"](other, self)  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> Tensor:
        return FUNCTIONS["subtract"](self, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> Tensor:
        return FUNCTIONS["subtract"](other, self)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> Tensor:
        return FUNCTIONS["multiply"](self, other)  # type: ignore[no-any-return]

    def __rmul__(self, other: Any) -> Tensor:
        return FUNCTIONS["multiply"](other, self)  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> Tensor:
        return FUNCTIONS["divide"](self, other)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> Tensor:
        return FUNCTIONS["divide"](other, self)  # type: ignore[no-any-return]

    def __pow__(self, other: Any) -> Tensor:
        return FUNCTIONS["power"](self, other)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> Tensor:
        return FUNCTIONS["power"](other, self)  # type: ignore[no-any-return]

    def __matmul__(self, other: Any) -> Tensor:
        return FUNCTIONS["matmul"](self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return FUNCTIONS["matmul"](other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> Tensor:
        return self._call("negative")

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return self._call("abs")

    def __lt__(self, other: Any) -> Tensor:
        return self._call("less", other)

    def __le__(self, other: Any) -> Tensor:
        return self._call("less_equal", other)

    def __gt__(self, other: Any) -> Tensor:
        return self._call("greater", other)

    def __ge__(self, other: Any) -> Tensor:
        return self._call("greater_equal", other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self._call("equal", other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self._call("not_equal", other)

    def __invert__(self) -> Tensor:
        return self._call("logical_not")

    def __and__(self, other: Any) -> Tensor:
        return self._call("logical_and", other)

    def __or__(self, other: Any) -> Tensor:
        return self._call("logical_or", other)

    def __getitem__(self, index: Any) -> Tensor:
        return self._call("getitem", index)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("sum", axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("mean", axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("max", axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("min", axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("prod", axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        return self._call("var", axis=axis, correction=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        return self._call("std", axis=axis, correction=ddof, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return self._call("argmax", axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return self._call("argmin", axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        return self._call("reshape", shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        if not axes or axes == (None,):
            axes = tuple(reversed(range(self.ndim)))
        elif len(axes) == 1 and not isinstance(axes[0], int):
            axes = tuple(axes[0])
        return self._call("permute_dims", axes)

    def squeeze(self, axis: Any = None) -> Tensor:
        if axis is None:
            axis = tuple(i for i, n in enumerate(self.shape) if n == 1)
        return self._call("squeeze", axis)

    def flatten(self) -> Tensor:
        return self._call("reshape", (-1,))

    ravel = flatten

    def astype(self, dtype: Any) -> Tensor:
        return self._call("astype", dtype)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return self._call("clip", min, max)

    def dot(self, other: Any) -> Tensor:
        return self._call("dot", other)

    # -- protocols -----------------------------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return FUNCTIONS["numpy_ufunc"](ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return FUNCTIONS["numpy_function"](func, args, kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return FUNCTIONS["array_namespace"](api_version)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf becomes an independent leaf; a recorded value keeps its history."""
        if self.node.op is not None:
            return self
        copy = leaf(self.node.value, self.node.kind, self.node.name, self.node.requires)
        copy.role = self.node.role
        return Tensor(copy)


def tensor(data: Any, *, name: str | None = None, dtype: Any = None) -> Tensor:
    """An input of the graph around a copy of `data`.  Floating-point inputs get gradients, others do not."""
    if type(data) is Tensor:
        data = data.value
    return Tensor(leaf(as_value(data, dtype), "input", name))


def constant(data: Any, *, name: str | None = None, dtype: Any = None) -> Tensor:
    """A value no gradient flows to."""
    if type(data) is Tensor:
        data = data.value
    return Tensor(leaf(as_value(data, dtype), "constant", name))


def parameter(data: Any, *, name: str | None = None, dtype: Any = None) -> Tensor:
    """A trainable leaf.  DTypeError unless the dtype is floating point."""
    value = as_value(data.value if type(data) is Tensor else data, dtype)
    if not is_float(value):
        raise DTypeError("a parameter must be floating point", got=f"dtype {value.dtype}", fix="give dtype=float")
    return Tensor(leaf(value, "parameter", name))


def inputs(**values: Any) -> tuple[Tensor, ...]:
    """Named inputs in the order given: `x, y = inputs(x=1.0, y=2.0)`."""
    return tuple(tensor(value, name=name) for name, value in values.items())


def ancestors(roots: Iterable[Node], stop: Iterable[Node] = (), requires_only: bool = False) -> list[Node]:
    """The nodes the roots were computed from, and the roots, in topological order; not beyond the nodes in `stop`."""
    seen = set(roots)
    stack = list(seen)
    halt = set(stop)
    while stack:
        node = stack.pop()
        if node in halt:
            continue
        for parent in node.inputs:
            if parent not in seen and (parent.requires or not requires_only):
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=by_serial)


class Graph:
    """A recorded computation: `nodes` in topological order, named `inputs` (leaves, no constants) and `outputs`.

    The hub that autodiff, checks, pictures, explanations and engines read.  Holding a Graph keeps all its values.
    """

    __slots__ = ("inputs", "nodes", "outputs")

    def __init__(
        self, outputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor], inputs: Mapping[str, Tensor] | None = None
    ) -> None:
        named = _named_outputs(outputs)
        self.outputs: dict[str, Node] = {name: t.node for name, t in named.items()}
        given = {name: t.node for name, t in (inputs or {}).items()}
        nodes = ancestors(self.outputs.values(), stop=given.values())
        self.nodes: tuple[Node, ...] = tuple(nodes)
        if inputs is None:
            given = _named_leaves(nodes)
        self.inputs: dict[str, Node] = given

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def output(self) -> Node:
        """The only output.  UsageError when there are several."""
        if len(self.outputs) != 1:
            raise UsageError(
                "this graph has several outputs", got=", ".join(self.outputs), fix="use graph.outputs[name]"
            )
        return next(iter(self.outputs.values()))

    @property
    def parameters(self) -> dict[str, Node]:
        return {name: node for name, node in self.inputs.items() if node.kind == "parameter"}

    def __getitem__(self, name: str) -> Node:
        """The node with this name.  UsageError when none or several have it."""
        found = self.outputs.get(name) or self.inputs.get(name)
        if found is not None:
            return found
        matches = [node for node in self.nodes if node.name == name]
        if len(matches) != 1:
            known = ", ".join(dict.fromkeys(node.name for node in self.nodes if node.name)) or "none"
            raise UsageError(
                f"{'no node is' if not matches else f'{len(matches)} nodes are'} named {name!r}",
                want=f"one of the names of this graph: {known}",
            )
        return matches[0]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """In a notebook: the text and the picture."""
        return _mimebundle(self)

    def __repr__(self) -> str:
        ops = sum(node.op is not None for node in self.nodes)
        return f"<Graph {', '.join(self.inputs) or 'no inputs'} -> {', '.join(self.outputs)}: {ops} operations>"


def _mimebundle(what: Tensor | Graph) -> dict[str, str]:
    """Text alone where only the core was imported: pictures stand on a higher floor."""
    show = FUNCTIONS.get("mimebundle")
    bundle: dict[str, str] = {"text/plain": repr(what)} if show is None else show(what)
    return bundle


def _named_outputs(outputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(outputs, Tensor):
        return {outputs.name or "out": outputs}
    named = dict(outputs) if isinstance(outputs, Mapping) else {f"out{i}": t for i, t in enumerate(outputs)}
    for name, t in named.items():
        if not isinstance(t, Tensor):
            raise UsageError(
                f"output {name!r} is not a Tensor",
                got=type(t).__name__,
                fix="compute it from Tensors with denpa's or NumPy's functions",
            )
    return named


def _named_leaves(nodes: Iterable[Node]) -> dict[str, Node]:
    """Leaves that are not constants, by their own name or x0, x1, … ; a name used twice gets a number."""
    named: dict[str, Node] = {}
    for node in nodes:
        if node.op is None and node.kind != "constant":
            base = name = node.name or f"x{len(named)}"
            suffix = count(2)
            while name in named:
                name = f"{base}_{next(suffix)}"
            named[name] = node
    return named


def require_scalar(value: Array, what: str) -> None:
    """GradientError unless the value has exactly shape (): a gradient without a cotangent needs one number."""
    if value.shape != ():
        raise GradientError(
            f"{what} needs a result of shape ()",
            where=user_line(),
            got=f"shape {tuple(value.shape)}",
            fix="reduce it to one number (e.g. .sum() or .mean()), or give the cotangent g of that shape",
        )
