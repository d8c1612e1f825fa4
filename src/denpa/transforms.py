"""Transformations of functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp, of any order; and `trace`.

Each takes a function of arrays (written with denpa's or NumPy's functions and operators) and returns another.
Arguments may be numbers, arrays, Tensors, tuples, lists, dicts and models.  Called with arrays they return arrays;
called with Tensors (or inside another transformation) they return Tensors that can be differentiated again.
`no_grad` around a transformation does not change its result.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any

import numpy as np

from denpa.arrays import Array, as_value, freeze, is_float
from denpa.autodiff import cotangent, pull
from denpa.errors import DTypeError, UsageError, user_line
from denpa.graph import FUNCTIONS, Graph, Node, Tensor, ancestors, leaf, recording, require_scalar, tensor
from denpa.tree import flatten, gradient_like

ArgNums = int | str | Sequence[int | str]


def tensor_like(item: Any, value: Array) -> Tensor:
    """A fresh leaf around `value`; one for a parameter keeps its kind, name and role."""
    if not isinstance(item, Tensor):
        return Tensor(leaf(value, "input"))
    new = leaf(value, item.node.kind, item.node.name)
    new.role = item.node.role
    return Tensor(new)


# Leaves that the transformations now running differentiate with respect to.  A model's parameter in here is an argument
# of an outer transformation; any other parameter is a value like an array.
_differentiated: ContextVar[frozenset[Node]] = ContextVar("denpa_differentiated", default=frozenset())


def is_differentiated(node: Node) -> bool:
    """Is this leaf an argument that a transformation now running differentiates with respect to?"""
    return node in _differentiated.get()


class _Lifted:
    """The arguments of one call with fresh leaves for those that are differentiated, and what is needed to go back."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], wrt: ArgNums) -> None:
        self.several = not isinstance(wrt, (int, str))
        self.keys: list[int | str] = list(wrt) if self.several else [wrt]  # type: ignore[arg-type, list-item]
        self.keys = [_resolve(f, key, args, kwargs) for key in self.keys]
        self.given = [args[k] if isinstance(k, int) else kwargs[k] for k in self.keys]
        self.nodes: list[list[Node]] = []
        self.tensors_in = False
        new_args, new_kwargs = list(args), dict(kwargs)
        for key, value in zip(self.keys, self.given, strict=True):
            lifted = self._lift(key, value)
            if isinstance(key, int):
                new_args[key] = lifted
            else:
                new_kwargs[key] = lifted
        self.args, self.kwargs = new_args, new_kwargs

    def _lift(self, key: int | str, value: Any) -> Any:
        leaves, rebuild = flatten(value)
        lifted = [self._lift_leaf(f"argument {key}{path}", item) for path, item in leaves]
        self.nodes.append([t.node for t in lifted])
        return rebuild(list(lifted))

    def _lift_leaf(self, what: str, item: Any) -> Tensor:
        if isinstance(item, Tensor) and (item.node.kind != "parameter" or item.node in _differentiated.get()):
            self.tensors_in = True
            # A node of its own, so that the same Tensor reached through a closure is not differentiated along with it.
            t: Tensor = FUNCTIONS["identity"](item)
            value = t.value
        else:
            value = item.value if isinstance(item, Tensor) else as_value(item)
            t = tensor_like(item, value)
        if not is_float(value):
            raise DTypeError(
                f"no gradient with respect to {what}: it is not floating point",
                where=user_line(),
                got=f"dtype {value.dtype}",
                fix="pass floats (3.0 instead of 3), or leave this argument out of wrt",
            )
        t.node.requires = True
        return t

    def call(self, f: Callable[..., Any]) -> Any:
        """f of the lifted arguments.  Meanwhile an inner transformation of one of them must stay connected to it."""
        token = _differentiated.set(_differentiated.get() | set(self.flat))
        try:
            with recording():
                return f(*self.args, **self.kwargs)
        finally:
            _differentiated.reset(token)

    @property
    def flat(self) -> list[Node]:
        return [n for group in self.nodes for n in group]

    def result(self, gradients: Sequence[Any]) -> Any:
        """Gradients in the arguments' own structure; a tuple of them when several arguments were asked for."""
        it = iter(gradients)
        parts = [
            gradient_like(value, [next(it) for _ in group]) for value, group in zip(self.given, self.nodes, strict=True)
        ]
        return tuple(parts) if self.several else parts[0]


def _resolve(f: Callable[..., Any], key: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str:
    """The place of an argument named by position or by name; UsageError when the call has none such."""
    if isinstance(key, str):
        if key in kwargs:
            return key
        try:
            key = list(inspect.signature(f).parameters).index(key)
        except (ValueError, TypeError):
            key = len(args)
    if -len(args) <= key < len(args):
        return key % len(args)
    raise UsageError(
        "the argument to differentiate is not in the call", where=user_line(), got=f"wrt={key!r}, {len(args)} arguments"
    )


def _path(output: Node, wrt: Sequence[Node]) -> tuple[list[Node], bool]:
    """The nodes between `wrt` and the output in topological order, and whether outer differentiable nodes feed them."""
    ends = set(wrt)
    depends = set(wrt)
    order: list[Node] = []
    outer = False
    for node in ancestors([output], stop=ends, requires_only=True):
        inside = [n in depends for n in node.inputs]
        if node in ends:
            order.append(node)
        elif True in inside:
            depends.add(node)
            order.append(node)
            outer = outer or any(n.requires and not i for n, i in zip(node.inputs, inside, strict=True))
    return order, outer


def _gradients(output: Node, g: Any, wrt: Sequence[Node], record: bool) -> list[Any]:
    """Cotangents of `wrt`; zeros (exact: the output does not depend on it) where none arrived."""
    order, outer = _path(output, wrt)
    record = record or outer
    found: dict[Node, Any] = {}
    if output in order:
        with np.errstate(all="ignore"), recording():  # a derivative that is inf or NaN shows as such in the result
            found = pull(output, cotangent(output, g, record), order, record=record, keep=False, ends=set(wrt))
    return [found[n] if found.get(n) is not None else _zeros(n, record) for n in wrt]


def _zeros(node: Node, record: bool) -> Any:
    zero = np.zeros(node.value.shape, node.value.dtype)[()]
    return Tensor(leaf(freeze(zero), "constant")) if record else zero


def _as_tensor(result: Any, what: str) -> Tensor:
    if isinstance(result, Tensor):
        return result
    if isinstance(result, (int, float, np.ndarray, np.generic)):
        return Tensor(leaf(as_value(result), "constant"))  # a function that does not depend on its argument
    raise UsageError(f"{what} needs a function that returns one array", where=user_line(), got=type(result).__name__)


def _plain(value: Any, keep: bool) -> Any:
    return value if keep or not isinstance(value, Tensor) else value.value


def value_and_grad(f: Callable[..., Any], wrt: ArgNums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """x ↦ (f(x), ∇f(x)).  f must return one number of shape () (with has_aux, a pair of it and anything else).

    wrt: position or name of the argument, or several.  DTypeError for integer arguments, GradientError for a result of
    another shape.  Arrays give arrays.  Tensors give Tensors, and so does a function that uses Tensors with a gradient
    from outside, such as a network's parameters: the result can then be differentiated by those.
    """

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        lifted = _Lifted(f, args, kwargs, wrt)
        result, aux = lifted.call(f) if has_aux else (lifted.call(f), None)
        out = _as_tensor(result, "grad")
        require_scalar(out.value, "grad")
        gradients = _gradients(out.node, None, lifted.flat, record=lifted.tensors_in)
        keep = lifted.tensors_in or any(isinstance(g, Tensor) for g in gradients)
        value = _plain(out, keep)
        return ((value, aux) if has_aux else value), lifted.result([_plain(g, keep) for g in gradients])

    return call


def grad(f: Callable[..., Any], wrt: ArgNums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """x ↦ ∇f(x), in the structure of the argument; of any order: grad(grad(f)).  See value_and_grad."""
    both = value_and_grad(f, wrt, has_aux=has_aux)

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return call


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """f(*args), and the function g ↦ gᵀJ (one cotangent an argument) at that point.  g has the result's shape."""
    lifted = _Lifted(f, args, {}, range(len(args)))
    out = _as_tensor(lifted.call(f), "vjp")

    def pull_back(g: Any) -> tuple[Any, ...]:
        record = lifted.tensors_in or isinstance(g, Tensor)
        gradients = _gradients(out.node, g, lifted.flat, record)
        result: tuple[Any, ...] = lifted.result(gradients)
        return result

    return _plain(out, lifted.tensors_in), pull_back


def jvp(f: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*args) and J·tangents: the directional derivative.  Tangents have the arguments' structure and shapes.

    Computed as the vjp of u ↦ uᵀJ, which is linear in u (double vjp), so that primitives need one rule, not two.
    """
    lifted = _Lifted(f, tuple(args), {}, range(len(args)))
    out = _as_tensor(lifted.call(f), "jvp")
    u = tensor(np.zeros(out.shape, out.dtype), name="u")
    direction = [item for t in tangents for _, item in flatten(t)[0]]
    gradients = _gradients(out.node, u, lifted.flat, record=True)
    total: Any = None
    for gradient, node, d in zip(gradients, lifted.flat, direction, strict=True):
        d = d if isinstance(d, Tensor) else as_value(d, node.value.dtype)
        if tuple(d.shape) != tuple(node.value.shape):
            raise UsageError(
                "a tangent must have the shape of its argument",
                where=user_line(),
                got=f"{tuple(d.shape)}",
                want=f"{tuple(node.value.shape)}",
            )
        with recording():
            part = FUNCTIONS["sum"](gradient * d)
            total = part if total is None else total + part
    keep = lifted.tensors_in or any(isinstance(d, Tensor) for d in direction)
    (tangent,) = _gradients(total.node, None, [u.node], record=keep)
    return _plain(out, keep), _plain(tangent, keep)


def jacobian(f: Callable[..., Any], wrt: ArgNums = 0) -> Callable[..., Any]:
    """x ↦ J, shape (*f(x).shape, *x.shape), row by row: one backward pass an output element.  Source: seed 001 (33)."""

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        lifted = _Lifted(f, args, kwargs, wrt)
        out = _as_tensor(lifted.call(f), "jacobian")
        rows = []
        for k in range(out.size):
            unit = np.zeros(out.size, out.dtype)
            unit[k] = 1
            rows.append(_gradients(out.node, unit.reshape(out.shape)[()], lifted.flat, lifted.tensors_in))
        return lifted.result([_stack([row[i] for row in rows], out, n) for i, n in enumerate(lifted.flat)])

    return call


def _stack(rows: list[Any], out: Tensor, node: Node) -> Any:
    shape = (*out.shape, *node.value.shape)
    if not rows:
        return np.zeros(shape, node.value.dtype)
    if any(isinstance(r, Tensor) for r in rows):
        return FUNCTIONS["reshape"](FUNCTIONS["stack"](rows), shape)
    return freeze(np.stack(rows).reshape(shape))[()]


def hessian(f: Callable[..., Any], wrt: int | str = 0) -> Callable[..., Any]:
    """x ↦ the matrix of second derivatives, shape (*x.shape, *x.shape), of a scalar function of one array."""
    return jacobian(grad(f, wrt), wrt)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """H·v without H: the gradient of ∇f(x)·v.  x and v in the same structure."""
    return jvp(grad(f), (x,), (v,))[1] if not _is_tree(x) else _tree_hvp(f, x, v)


def _is_tree(x: Any) -> bool:
    leaves, _ = flatten(x)
    return len(leaves) != 1 or leaves[0][0] != ""


def _tree_hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    direction = [item for _, item in flatten(v)[0]]

    def slope(point: Any) -> Any:
        gradients = [g for _, g in flatten(grad(f)(point))[0]]
        parts = [FUNCTIONS["sum"](g * d) for g, d in zip(gradients, direction, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    return grad(slope)(x)


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of one call of f: its arguments become named inputs, its result (array, sequence, dict) the outputs."""
    names = [p.name for p in inspect.signature(f).parameters.values()]
    named: dict[str, Tensor] = {}

    def lift_argument(name: str, value: Any) -> Any:
        leaves, rebuild = flatten(value)
        new: list[Any] = []
        for path, item in leaves:
            if isinstance(item, Tensor):
                t = item
            elif isinstance(item, (bool, str)) or item is None:
                new.append(item)
                continue
            else:
                t = tensor(item, name=name + path)
            named[t.name or name + path] = t
            new.append(t)
        return rebuild(new)

    new_args = [lift_argument(names[i] if i < len(names) else f"x{i}", a) for i, a in enumerate(args)]
    new_kwargs = {k: lift_argument(k, a) for k, a in kwargs.items()}
    with recording():
        result = f(*new_args, **new_kwargs)
    graph = Graph(result)
    for name, t in named.items():  # an argument the result does not use is still an input
        graph.inputs.setdefault(name, t.node)
    return graph


__all__ = ["Array", "grad", "hessian", "hvp", "jacobian", "jvp", "trace", "value_and_grad", "vjp"]
