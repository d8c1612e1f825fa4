"""Primitive: one operation as one stanza (evaluation, shape, vjp, scalar text, LaTeX, label, samples); the registry.

Everything in a stanza is a pure function of arrays, shapes or strings.  Calling a primitive on arrays evaluates it;
calling it on Tensors evaluates it and records a Node.  Because vjp rules are written with primitives and operators, the
same rule gives arrays from arrays (the fast path of `backward`) and Nodes from Nodes (a backward pass that is a graph).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape, freeze, namespace
from denpa.errors import DenpaError, DTypeError, GradientError, IndexingError, ShapeError, UsageError, user_line
from denpa.graph import FUNCTIONS, Node, Tensor, _recording, leaf, lift

ShapeRule = Callable[..., Shape | None]
Sampler = Callable[[np.random.Generator], Iterable[tuple[tuple[Any, ...], dict[str, Any]]]]


@dataclass(frozen=True)
class Special:
    """A point where the derivative is a convention: the inputs there, the gradient of the sum we return, and why."""

    args: tuple[Any, ...]
    gradients: tuple[Any, ...]
    convention: str
    params: dict[str, Any] | None = None


REGISTRY: dict[str, Primitive] = {}


class Primitive:
    """An operation.  Arrays are positional, everything else (axes, shapes, bounds) by keyword.

    evaluate(xp, *arrays, **params) → array;  shape(*shapes, **params) → shape, or None when it depends on values;
    vjp(g, out, *arrays, **params) → one cotangent an input, None where there is none (rules broadcast freely,
    `backward` sums back).  `differentiable=False` stops the gradient; `analytic`: the complex step is valid.
    """

    def __init__(
        self,
        evaluate: Callable[..., Array],
        *,
        name: str | None = None,
        shape: ShapeRule,
        scalar: str | None = None,
        latex: str | None = None,
        label: str | None = None,
        samples: Sampler | None = None,
        special: Sequence[Special] = (),
        differentiable: bool = True,
        analytic: bool = False,
    ) -> None:
        self.name = self.__name__ = name or evaluate.__name__
        self.__doc__ = evaluate.__doc__
        self.evaluate, self.shape, self.scalar = evaluate, shape, scalar
        self.label = label or self.name
        self.latex = latex or rf"\mathrm{{{{{self.name.replace('_', chr(92) + '_')}}}}}\left({{args}}\right)"
        self.samples, self.special = samples, tuple(special)
        self.differentiable, self.analytic = differentiable, analytic
        self.rule: Callable[..., Sequence[Any]] = self._no_rule
        self.needs = False
        self.arity, self.defaults = _signature(evaluate)

    def vjp(self, rule: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
        """Attach the vector-Jacobian product.  A rule with a keyword `needs` is told which inputs want theirs."""
        self.rule = rule
        self.needs = "needs" in inspect.signature(rule).parameters
        return rule

    @property
    def has_rule(self) -> bool:
        return self.rule != self._no_rule

    def _no_rule(self, *_: Any, **__: Any) -> Sequence[Any]:
        raise GradientError(f"{self.name} has no derivative rule", fix=f"give it one with @{self.name}.vjp")

    def pull_back(
        self, g: Any, out: Any, args: Sequence[Any], params: dict[str, Any], needs: Sequence[bool] | None = None
    ) -> Sequence[Any]:
        """The cotangents of the inputs, None where there is none.  Rules that ask for `needs` get it (all when None).

        GradientError when the primitive has no rule, or a rule that returns another number of cotangents than inputs.
        """
        if self.needs:
            parts = self.rule(g, out, *args, needs=needs or [True] * len(args), **params)
        else:
            parts = self.rule(g, out, *args, **params)
        if len(parts) != len(args):
            raise GradientError(
                f"the vjp rule of {self.name} must return one cotangent an input",
                got=f"{len(parts)}",
                want=f"{len(args)}",
            )
        return parts

    def __call__(self, *args: Any, **params: Any) -> Any:
        if params or self.defaults or len(args) != self.arity:
            args, params = self._bind(args, params)
        for a in args:
            if type(a) is Tensor:
                break
        else:
            arrays = [a if hasattr(a, "dtype") else lift(a, _neighbour(args)).value for a in args]
            return self._evaluate(namespace(*arrays), arrays, params)
        beside = a.node.value if len(args) < 3 else _neighbour(args)
        nodes = tuple([a.node if type(a) is Tensor else lift(a, beside) for a in args])
        value = self._evaluate(np, [n.value for n in nodes], params)
        if type(value) is np.ndarray:
            if value.ndim:
                value.flags.writeable = False
            else:
                value = value[()]
        if not _recording.get():
            return Tensor(leaf(value, "constant"))
        requires = False
        if self.differentiable:
            for n in nodes:
                if n.requires:
                    requires = True
                    break
        return Tensor(Node(self, nodes, params, value, requires))

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional arguments beyond the arrays become parameters in declared order; defaults are filled in."""
        if self.arity is not None and len(args) != self.arity:
            extra = args[self.arity :]
            named = dict(zip(self.defaults, extra, strict=False))
            if len(args) < self.arity or len(extra) > len(self.defaults) or named.keys() & params.keys():
                raise self._call_error(f"takes {self.arity} arrays, got {len(args)} positional arguments")
            args, params = args[: self.arity], {**named, **params}
        if unknown := params.keys() - self.defaults.keys():
            raise self._call_error(f"does not know {', '.join(sorted(unknown))}")
        params = {**self.defaults, **params}
        if missing := [k for k, v in params.items() if v is inspect.Parameter.empty]:
            raise self._call_error(f"needs {', '.join(missing)}")
        return args, params

    def _call_error(self, fact: str) -> UsageError:
        return UsageError(
            f"{self.name} {fact}", where=user_line(), want=f"{self.name}{inspect.signature(self.evaluate)}"
        )

    def _evaluate(self, xp: Any, args: Sequence[Array], params: dict[str, Any]) -> Array:
        try:
            return self.evaluate(xp, *args, **params)
        except (ValueError, IndexError, TypeError) as error:
            raise self.explained(error, args, params) from error

    def explained(self, error: Exception, args: Sequence[Array], params: dict[str, Any]) -> Exception:
        """The error of an evaluation with the operation, both operands and the user's line added once, here."""
        if isinstance(error, DenpaError):
            return error
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in args)
        settings = "".join(f", {k}={v!r}" for k, v in params.items())
        kind: type[DenpaError] = ShapeError  # AxisError, an axis that is not there, is a ValueError too
        if isinstance(error, TypeError):
            kind = DTypeError
        elif not isinstance(error, ValueError):
            kind = IndexingError
        return kind(f"{self.name}: {error}", where=user_line(), got=f"{self.name}({shapes}{settings})")

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def _neighbour(args: Sequence[Any]) -> Any:
    """The argument whose dtype a Python number takes: the first floating one, else the first that has a dtype."""
    typed = [a for a in args if hasattr(a, "dtype")]
    return next((a for a in typed if a.dtype.kind in "fc"), typed[0] if typed else None)


def _signature(evaluate: Callable[..., Array]) -> tuple[int | None, dict[str, Any]]:
    """Number of array arguments (None for *arrays) and the keyword parameters with their defaults, in order."""
    parameters = list(inspect.signature(evaluate).parameters.values())[1:]  # the first is xp
    kinds = [p.kind for p in parameters]
    arity = None if inspect.Parameter.VAR_POSITIONAL in kinds else sum(k is not k.KEYWORD_ONLY for k in kinds)
    return arity, {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def primitive(
    *,
    shape: ShapeRule,
    name: str | None = None,
    scalar: str | None = None,
    latex: str | None = None,
    label: str | None = None,
    samples: Sampler | None = None,
    special: Sequence[Special] = (),
    differentiable: bool = True,
    analytic: bool = False,
    register: bool = True,
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a primitive: decorates `evaluate(xp, *arrays, **params)`; give its derivative with `@name.vjp`.

    scalar: one element as Python (arguments x, y, z in order); latex: a template with {0}, {1}, … ; label: the symbol
    on its capsule; samples: rng → (args, params) pairs to check at.  UsageError when the name is taken.
    """

    def declare(evaluate: Callable[..., Array]) -> Primitive:
        op = Primitive(
            evaluate,
            name=name,
            shape=shape,
            scalar=scalar,
            latex=latex,
            label=label,
            samples=samples,
            special=special,
            differentiable=differentiable,
            analytic=analytic,
        )
        if register:
            if op.name in REGISTRY:
                raise UsageError(f"a primitive named {op.name!r} exists already", fix="choose another name")
            REGISTRY[op.name] = op
            FUNCTIONS[op.name] = op
        return op

    return declare


def function(f: Callable[..., Any]) -> Callable[..., Any]:
    """Register a composite (a function written with primitives) under its name, so Tensor methods and NumPy find it."""
    FUNCTIONS[f.__name__.rstrip("_")] = f
    return f


def same(*shapes: Shape, **_: Any) -> Shape:
    """Shape rule of one-argument elementwise primitives."""
    return shapes[0]


def broadcast(*shapes: Shape, **_: Any) -> Shape:
    """Shape rule of elementwise primitives with several arguments (NumPy's broadcasting)."""
    return np.broadcast_shapes(*shapes)


__all__ = ["REGISTRY", "Primitive", "Special", "broadcast", "freeze", "function", "primitive", "same"]
