"""Layers: plain data that emit named Nodes tagged with their role when called.  Batches are rows.

Parameter names and shapes are those of PyTorch's nn.Sequential: "0.weight" (n_out, n_in), "0.bias" (n_out,); layers
without parameters occupy an index.  A model never changes: `with_parameters` gives a copy around other values.
Roles count layers from 1 at the first Linear; an activation belongs to the Linear before it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from denpa.arrays import Shape, as_value, is_float
from denpa.errors import DTypeError, ShapeError, UsageError, user_line
from denpa.graph import FUNCTIONS, Role, Tensor, leaf, parameter
from denpa.nn.choices import both, choose, number, whole
from denpa.nn.init import Initializer, default, initializer
from denpa.nn.random import WORD_MAX, generator, uniform
from denpa.ops import activations, comparing, linear, losses, selecting, shaping  # noqa: F401  registered by name

MAX_UNITS = 1 << 31  # of one layer
MAX_WEIGHTS = 1 << 31  # of one layer: 8 GiB in float32
DTYPES = {"float32": np.dtype("float32"), "float64": np.dtype("float64")}


@dataclass
class Cursor:
    """Where the next layer stands while a Sequential is put together: how many layers and Linears came before it."""

    seed: int
    dtype: str
    position: int = 0
    linear: int = 0


class Draw(NamedTuple):
    """How a Linear's values are drawn, when they are first asked for: a model read from a file never draws any."""

    seed: int
    position: int
    dtype: str
    follower: str | None


class Layer:
    """Base of all layers.  One with parameters overrides `parameters`, `shapes` and `with_parameters`."""

    def parameters(self) -> dict[str, Tensor]:
        """The trainable leaves by name, in a fixed order."""
        return {}

    def shapes(self) -> dict[str, Shape]:
        """The shapes of the parameters by name."""
        return {name: t.shape for name, t in self.parameters().items()}

    def with_parameters(self, parameters: Mapping[str, Any]) -> Any:
        """A copy around these arrays or Tensors.  UsageError for other names, ShapeError for other shapes."""
        check_names(self.shapes(), parameters)
        return self

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> Layer:
        """A copy that knows its place in a Sequential.  follower: the name of the next activation."""
        cursor.position += 1
        named = {name: named_leaf(t, prefix + name, t.node.role) for name, t in self.parameters().items()}
        layer: Layer = self.with_parameters(named) if named else self
        return layer

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        """x (batch, …) → Tensor.  training and key (uint64 (2,)) matter to Dropout only."""
        raise NotImplementedError


class Linear(Layer):
    """z = x Wᵀ + b.  x (…, n_in), weight (n_out, n_in), bias (n_out,) → z (…, n_out).  Source: seed 001 (4), seed 000.

    init: a text of nn.init or an Initializer; None lets the activation that follows decide.  The values are drawn from
    `seed`, or from the seed of the Sequential the layer is put into; without either, using them is a UsageError.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bias: bool = True,
        *,
        init: str | Initializer | None = None,
        seed: int | None = None,
        dtype: str | None = None,
    ) -> None:
        self.n_in = whole("number of inputs of a layer", n_in, 1, MAX_UNITS)
        self.n_out = whole("number of units of a layer", n_out, 1, MAX_UNITS)
        if self.n_in * self.n_out > MAX_WEIGHTS:
            raise UsageError("a layer has too many weights", got=f"{n_out} × {n_in}", want=f"at most {MAX_WEIGHTS}")
        if dtype is not None:
            choose("dtype of parameters", dtype, DTYPES)
        self.has_bias, self.dtype = bool(bias), dtype
        self.init = None if init is None else initializer(init)
        self.layer, self.prefix = 1, ""
        self._values: dict[str, Tensor] = {}
        self._draw = None if seed is None else Draw(whole("seed", seed, 0, WORD_MAX), 0, dtype or "float32", None)
        self._own = seed is not None  # whether the values are this layer's own, rather than drawn for a Sequential

    @property
    def weight(self) -> Tensor:
        """(n_out, n_in)."""
        return self.parameters()["weight"]

    @property
    def bias(self) -> Tensor | None:
        """(n_out,), or None for a layer without bias."""
        return self.parameters().get("bias")

    def parameters(self) -> dict[str, Tensor]:
        if not self._values:
            if self._draw is None:
                raise UsageError(
                    f"{self!r} has no parameters yet",
                    where=user_line(),
                    fix="give it a seed, Linear(..., seed=0), put it into a Sequential, or use with_parameters(...)",
                )
            self._values = self._made(self._drawn(self._draw))
        return dict(self._values)

    def shapes(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"weight": (self.n_out, self.n_in)}
        return {**shapes, "bias": (self.n_out,)} if self.has_bias else shapes

    def with_parameters(self, parameters: Mapping[str, Any]) -> Linear:
        check_names(self.shapes(), parameters)
        new = copy.copy(self)
        new._own, new._values = True, new._made(parameters)
        return new

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> Linear:
        new = copy.copy(self)
        cursor.linear += 1
        new.layer, new.prefix = cursor.linear, prefix
        if not self._own:
            new._draw = Draw(cursor.seed, cursor.position, self.dtype or cursor.dtype, follower)
            new._values = {}
        cursor.position += 1
        new._values = {n: named_leaf(t, prefix + n, Role(n, new.layer)) for n, t in new._values.items()}
        return new

    def _drawn(self, draw: Draw) -> dict[str, Any]:
        """Streams 2·position (weight) and 2·position + 1 (bias): what a layer draws depends on no other layer."""
        init = self.init or default(draw.follower)
        shape, fan_in = (self.n_out, self.n_in), self.n_in
        values = {"weight": init.weight(shape, generator(draw.seed, 2 * draw.position), draw.dtype)}
        if self.has_bias:
            rng = generator(draw.seed, 2 * draw.position + 1)
            values["bias"] = init.bias((self.n_out,), fan_in, rng, draw.dtype)
        return values

    def _made(self, values: Mapping[str, Any]) -> dict[str, Tensor]:
        return {
            name: as_parameter(self.prefix + name, values[name], shape, Role(name, self.layer))
            for name, shape in self.shapes().items()
        }

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        parameters = self.parameters()
        W = parameters["weight"]
        x = as_input(x, W.dtype)
        if x.ndim == 0 or x.shape[-1] != self.n_in:
            raise ShapeError(
                f"layer {self.layer} does not fit its input",
                where=user_line(),
                got=f"input of shape {x.shape}",
                want=f"(batch, {self.n_in}), for weight {W.shape}",
            )
        z: Tensor = linear.matmul(x, shaping.matrix_transpose(W))
        if self.has_bias:
            z = z + parameters["bias"]
        return tagged(z, "preactivation", self.layer)

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out}{'' if self.has_bias else ', bias=False'})"


Affine = Linear  # the word of seed 000


@dataclass(frozen=True)
class Activation(Layer):
    """Base of the activations.  `function` names the primitive; the dataclass fields are its parameters."""

    layer: int = field(default=1, kw_only=True, repr=False, compare=False)
    function: ClassVar[str] = "identity"

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> Activation:
        cursor.position += 1
        return replace(self, layer=cursor.linear)

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        settings = [getattr(self, f.name) for f in fields(self) if f.name != "layer"]
        y: Tensor = FUNCTIONS[self.function](as_input(x), *settings)
        return tagged(y, "activation", self.layer)


@dataclass(frozen=True)
class Identity(Activation):
    """y = x, as a node of its own."""


@dataclass(frozen=True)
class ReLU(Activation):
    """max(x, 0); the derivative at 0 is 0.  Source: seed 000 §5.5.1, seed 001 (55)."""

    function = "relu"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """x for x > 0, negative_slope · x otherwise.  Source: A. Maas, A. Hannun, A. Ng, ICML 2013."""

    negative_slope: float = 0.01
    function = "leaky_relu"


@dataclass(frozen=True)
class ELU(Activation):
    """x for x > 0, alpha · (eˣ − 1) otherwise.  Source: D. Clevert, T. Unterthiner, S. Hochreiter, ICLR 2016."""

    alpha: float = 1.0
    function = "elu"


@dataclass(frozen=True)
class GELU(Activation):
    """x · Φ(x), by erf, not by the tanh formula.  Source: D. Hendrycks, K. Gimpel, 2016."""

    function = "gelu"


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + eˣ)."""

    function = "softplus"


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ).  Source: seed 000 §5.5.2."""

    function = "sigmoid"


@dataclass(frozen=True)
class Tanh(Activation):
    """tanh x."""

    function = "tanh"


@dataclass(frozen=True)
class Softmax(Activation):
    """eˣ / Σ eˣ along `axis`.  Source: seed 000 §5.6.3."""

    axis: int = -1
    function = "softmax"


ACTIVATIONS: dict[str, type[Activation]] = {
    c.function: c for c in (Identity, ReLU, LeakyReLU, ELU, GELU, Softplus, Sigmoid, Tanh, Softmax)
}


def activation(text: Any, what: str = "activation") -> Activation:
    """The activation of a name, with its parameter after a colon: "relu", "leaky_relu:0.2", "elu:1.67".

    UsageError for an unknown name, and for a parameter that the activation does not have or that is no number.
    """
    name, colon, value = text.partition(":") if isinstance(text, str) else (text, "", "")
    kind = choose(what, name, ACTIVATIONS)
    if not colon:
        return kind()
    settings = [f.name for f in fields(kind) if f.name != "layer" and f.type == "float"]
    if not settings:
        raise UsageError(f"the {what} {name!r} has no parameter", got=repr(text)[:80], want=repr(name))
    try:
        given = float(value)
    except ValueError:
        given = math.nan
    return replace(kind(), **{settings[0]: number(settings[0], given)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Dropout(Layer):
    """While training, each element becomes 0 with probability p and is divided by 1 − p otherwise, so its mean stays.

    The mask is uniform(key, stream) ≥ p: a pure function of the key, see nn.random.  Without training: x itself.
    UsageError when training without a key.  Source: N. Srivastava et al., JMLR 15, 2014 (here scaled in training).
    """

    p: float = 0.5
    stream: int = field(default=0, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        number("p", self.p, 0, 1, open_high=True)

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> Dropout:
        cursor.position += 1
        return replace(self, stream=cursor.position - 1)

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        given: Tensor = as_input(x)
        if not training or self.p == 0:
            return given
        if key is None:
            raise UsageError(
                "dropout in training needs a random key", where=user_line(), fix="pass key=nn.step_key(seed, step)"
            )
        u = uniform(as_key(key), shape=given.shape, dtype=given.dtype.name, stream=self.stream)
        kept = shaping.astype(comparing.greater_equal(u, given.dtype.type(self.p)), dtype=given.dtype)
        result: Tensor = given * (kept * (1 / (1 - self.p)))
        return result


@dataclass(frozen=True)
class Flatten(Layer):
    """(batch, …) → (batch, product of the rest).  ShapeError for an input without a batch axis."""

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        x = as_input(x)
        if x.ndim == 0:
            raise ShapeError("Flatten needs a batch axis", where=user_line(), got="shape ()", want="(batch, …)")
        result: Tensor = shaping.reshape(x, (x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64))))
        return result


class Sequential(Layer):
    """Layers one after the other.  Holds placed copies of them: `model[0]` is not the object that was passed in.

    Layers without values of their own are drawn here, each from its own stream of `seed` (default 0), so a layer added
    at the end changes no other.  A Sequential inside another, and without a seed, is drawn from the outer one's.
    """

    def __init__(self, *layers: Layer, seed: int | None = None, dtype: str | None = None) -> None:
        if not layers:
            raise UsageError("a Sequential needs at least one layer", where=user_line())
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise UsageError(
                    f"item {i} of a Sequential is not a layer",
                    where=user_line(),
                    got=repr(layer)[:80],
                    fix="use layer objects, nn.ReLU() rather than relu or nn.ReLU",
                )
        if dtype is not None:
            choose("dtype of parameters", dtype, DTYPES)
        self.seed, self.dtype = seed, dtype
        self.layers: tuple[Layer, ...] = layers
        _no_layer_twice(layers)
        self.layers = self._place(Cursor(0 if seed is None else seed, dtype or "float32"), "", None)

    def _place(self, cursor: Cursor, prefix: str, follower: str | None) -> tuple[Layer, ...]:
        following = _followers(self.layers, follower)
        return tuple(layer.placed(cursor, f"{prefix}{i}.", following[i]) for i, layer in enumerate(self.layers))

    def placed(self, cursor: Cursor, prefix: str, follower: str | None) -> Sequential:
        new = copy.copy(self)
        inner = Cursor(
            cursor.seed if self.seed is None else self.seed, self.dtype or cursor.dtype, cursor.position, cursor.linear
        )
        new.layers = self._place(inner, prefix, follower)
        cursor.position, cursor.linear = inner.position, inner.linear
        return new

    def parameters(self) -> dict[str, Tensor]:
        return {f"{i}.{n}": t for i, layer in enumerate(self.layers) for n, t in layer.parameters().items()}

    def shapes(self) -> dict[str, Shape]:
        return {f"{i}.{n}": s for i, layer in enumerate(self.layers) for n, s in layer.shapes().items()}

    def with_parameters(self, parameters: Mapping[str, Any]) -> Sequential:
        check_names(self.shapes(), parameters)
        new = copy.copy(self)
        new.layers = tuple(
            layer.with_parameters({n: parameters[f"{i}.{n}"] for n in names}) if (names := layer.shapes()) else layer
            for i, layer in enumerate(self.layers)
        )
        return new

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        first = next(iter(self.parameters().values()), None)
        x = as_input(x, None if first is None else first.dtype, role=Role("input", 0))
        key = as_key(key)
        for layer in self.layers:
            x = layer(x, training=training, key=key)
        result: Tensor = x
        return result

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


def _no_layer_twice(layers: tuple[Layer, ...]) -> None:
    """A Sequential copies its layers, so a shared one would silently come apart."""
    seen: set[int] = set()
    for i, layer in enumerate(layers):
        if isinstance(layer, (Linear, Sequential)) and id(layer) in seen:
            raise UsageError(
                f"layer {i} of the Sequential stands in it twice: {layer!r}",
                where=user_line(),
                fix="make a second layer, or write tied weights as a function of one parameter",
            )
        seen.add(id(layer))


def _followers(layers: tuple[Layer, ...], last: str | None) -> list[str | None]:
    """For each layer, the activation its output goes into, past dropout and reshaping; None when a Linear is next."""
    names: list[str | None] = []
    for layer in reversed(layers):
        names.append(last)
        last = _first_activation(layer, last)
    return names[::-1]


def _first_activation(layer: Layer, after: str | None) -> str | None:
    if isinstance(layer, Sequential):
        for inner in reversed(layer.layers):
            after = _first_activation(inner, after)
        return after
    if isinstance(layer, Activation):
        return layer.function
    return after if isinstance(layer, (Dropout, Flatten)) else None


def check_names(shapes: Mapping[str, Shape], given: Mapping[str, Any]) -> None:
    """UsageError unless the names given are exactly the parameters' names."""
    if shapes.keys() == given.keys():
        return
    missing, unknown = [n for n in shapes if n not in given], [str(n) for n in given if n not in shapes]
    raise UsageError(
        "these are not the parameters of the model",
        where=user_line(),
        got=both("missing", missing, "unknown", unknown),
        want=", ".join(shapes) or "none: this layer has no parameters",
    )


def as_parameter(name: str, value: Any, shape: Shape, role: Role) -> Tensor:
    """A parameter leaf around an array, or the Tensor given (named and tagged if it was not yet).

    ShapeError and DTypeError name the parameter.
    """
    if isinstance(value, Tensor):
        t = value
    else:
        array = as_value(value)
        if not is_float(array):
            raise DTypeError(f"parameter {name} must be floating point", where=user_line(), got=f"dtype {array.dtype}")
        t = Tensor(leaf(array, "parameter", name))
    if t.shape != tuple(shape):
        raise ShapeError(
            f"parameter {name} has the wrong shape", where=user_line(), got=f"{t.shape}", want=f"{tuple(shape)}"
        )
    t.node.name = t.node.name or name
    t.node.role = t.node.role or role
    return t


def named_leaf(t: Tensor, name: str, role: Role | None) -> Tensor:
    """A new parameter leaf around the same value."""
    new = parameter(t, name=name)
    new.node.role = role
    return new


def as_input(x: Any, dtype: Any = None, name: str = "x", role: Role | None = None) -> Tensor:
    """A Tensor as it is; anything else as an input no gradient is computed for, cast to `dtype` when one is given.

    The input of the first layer is the widest product of a backward pass; pass denpa.tensor(x) to have its gradient.
    """
    t: Tensor = x if isinstance(x, Tensor) else Tensor(leaf(as_value(x, dtype), "input", name, requires=False))
    if role is not None and t.node.op is None and t.node.role is None:
        t.node.role = role
        t.node.name = t.node.name or name
    return t


def as_key(key: Any) -> Tensor | None:
    """A random key as an input of the graph: as a plain array its masks would be constants in a recorded step."""
    return key if key is None or isinstance(key, Tensor) else Tensor(leaf(as_value(key), "input", "key"))


def tagged(t: Tensor, kind: str, layer: int, name: str | None = None) -> Tensor:
    """The Tensor with its node's role set, and a name that `graph[...]` and `gradients[...]` find it by."""
    t.node.role = Role(kind, layer)
    t.node.name = name or f"{kind}{layer}"
    return t
