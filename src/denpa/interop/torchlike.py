"""Functions in PyTorch's style: static `forward(ctx, …)` and `backward(ctx, g)`, on NumPy arrays.

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    y = Square.apply(denpa.tensor([1.0, 2.0]))

Source: the interface of torch.autograd.Function, whose names are kept.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from denpa.arrays import as_value
from denpa.blackbox import black_box
from denpa.errors import UsageError, user_line
from denpa.graph import Tensor


class Context:
    """What a forward leaves for its backward.  Attributes of any name may be set on it."""

    def __init__(self, needs: Sequence[bool] = ()) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = tuple(needs)

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = arrays

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        return self.saved_tensors

    def mark_non_differentiable(self, *arrays: Any) -> None:
        """Accepted for compatibility; an output without a gradient has none here anyway."""

    def mark_dirty(self, *arrays: Any) -> None:
        raise UsageError(
            "an input is changed in place", where=user_line(), fix="compute a new array: other nodes read the old one"
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Accepted for compatibility; a cotangent is always an array here."""


def is_torchlike(cls: Any) -> bool:
    """A class with static `forward` and `backward`, the first argument of backward being the context."""
    if not inspect.isclass(cls):
        return False
    both = [inspect.getattr_static(cls, name, None) for name in ("forward", "backward")]
    return all(isinstance(f, (staticmethod, classmethod)) for f in both)


def has_setup(cls: type) -> bool:
    """PyTorch's newer form: forward without ctx, and a static setup_context(ctx, inputs, output)."""
    return any("setup_context" in vars(c) for c in cls.__mro__ if c.__module__.partition(".")[0] != "torch") and (
        cls is not Function
    )


def speaks_torch(cls: type) -> bool:
    """A real torch.autograd.Function: it wants torch's tensors."""
    return any(c.__module__.partition(".")[0] == "torch" for c in cls.__mro__)


def to_own(cls: type, array: Any) -> Any:
    """The array as the class expects it: a torch tensor for torch's own functions, a NumPy array otherwise."""
    if speaks_torch(cls):
        return sys.modules["torch"].from_numpy(np.array(array))
    return array


def to_array(value: Any) -> Any:
    if value is None or isinstance(value, (np.ndarray, np.generic, float, int)):
        return value
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


def run_forward(cls: Any, ctx: Context, arrays: Sequence[Any]) -> Any:
    given = [to_own(cls, a) for a in arrays]
    if has_setup(cls):
        out = cls.forward(*given)
        cls.setup_context(ctx, tuple(given), out)
    else:
        out = cls.forward(ctx, *given)
    return to_array(out)


def run_backward(cls: Any, ctx: Context, g: Any) -> tuple[Any, ...]:
    parts = cls.backward(ctx, to_own(cls, g))
    return tuple(to_array(p) for p in (parts if isinstance(parts, (tuple, list)) else (parts,)))


def same_arrays(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Equal to the last bit; NaN equals NaN."""
    pairs = zip(map(np.asarray, a), map(np.asarray, b), strict=True)
    return all(x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


def apply(cls: Any, *args: Any, label: str | None = None) -> Any:
    """Call a class in PyTorch's style on Tensors or arrays: one black-box node of the graph.

    The context of this call belongs to this node, so a function used twice in a graph keeps both.
    """
    if not is_torchlike(cls):
        raise UsageError(
            "not a function in PyTorch's style",
            where=user_line(),
            got=getattr(cls, "__name__", repr(cls))[:80],
            want="a class with @staticmethod forward(ctx, ...) and @staticmethod backward(ctx, g)",
        )
    last: list[tuple[tuple[Any, ...], Context]] = []
    needs = [isinstance(a, Tensor) and a.node.requires for a in args]

    def forward(*arrays: Any) -> Any:
        kept, ctx = tuple(np.array(a) for a in arrays), Context(needs)
        out = run_forward(cls, ctx, arrays)
        last[:] = [(kept, ctx)]
        return out

    def backward(g: Any, out: Any, *arrays: Any) -> tuple[Any, ...]:
        if not last or not same_arrays(arrays, last[0][0]):  # the node was evaluated elsewhere in the meantime
            forward(*arrays)
        return run_backward(cls, last[0][1], g)

    box = black_box(forward, backward, name=cls.__name__, label=label or cls.__name__)
    return box(*[a if isinstance(a, Tensor) else as_value(a) for a in args])


class Function:
    """Base for functions in PyTorch's style on NumPy arrays; `apply` puts one into a graph."""

    label: ClassVar[str | None] = None

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """One node of the graph; see the module's `apply`."""
        return apply(cls, *args, label=cls.label)
