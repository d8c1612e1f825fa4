"""`Network`: a feedforward network in one line, with its output function and its loss.

    network = Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error")     # seed 002's

K = len(units) − 1 layers with weights, counted 1 … K (seed 001 figure 1); activation 0 is the input.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape, freeze
from denpa.errors import ModelFileError, UsageError, user_line
from denpa.graph import Role, Tensor, no_grad
from denpa.nn.choices import choose, exact_keys, in_file, number, whole
from denpa.nn.init import Initializer, default, initializer
from denpa.nn.layers import (
    DTYPES,
    MAX_UNITS,
    Dropout,
    Layer,
    Linear,
    Sequential,
    activation,
    as_input,
    tagged,
)
from denpa.nn.losses import REDUCTIONS, loss_for
from denpa.nn.random import WORD_MAX

MAX_LAYERS = 10_000
MAX_PARAMETERS = 1 << 31  # 8 GiB in float32; checked before any memory is taken

_SPEC = ("kind", "units", "hidden", "output", "loss", "reduction", "bias", "init", "seed", "dtype", "dropout")


class Network:
    """Linear, activation, [dropout], …, Linear, then the output function.  Parameters: "0.weight", "0.bias", …

    units: [n_in, …, n_out].  hidden: an activation's name, or one for each hidden layer; "leaky_relu:0.2" and
    "elu:1.67" have another parameter than the usual one.  output: an activation's name.
    loss: a name of nn.losses; None takes cross-entropy for softmax and sigmoid, squared error otherwise.
    init: text or Initializer; None chooses He or Glorot by activation.  The same seed gives the same bits.
    UsageError for unknown names (with the nearest), sizes out of range, and a loss that does not go with the output.
    """

    def __init__(
        self,
        units: Sequence[int],
        hidden: str | Sequence[str] = "relu",
        output: str = "softmax",
        loss: str | None = None,
        *,
        reduction: str = "mean",
        bias: bool = True,
        init: str | Initializer | None = None,
        seed: int = 0,
        dtype: str = "float32",
        dropout: float = 0.0,
    ) -> None:
        self.units = _units(units)
        self.hidden = _hidden(hidden, len(self.units) - 2)
        head = activation(output, "output function")
        choose("reduction of a loss", reduction, dict.fromkeys(REDUCTIONS))
        choose("dtype of parameters", dtype, DTYPES)
        if type(bias) is not bool:
            raise UsageError("bias is True or False", where=user_line(), got=repr(bias)[:80])
        self.output, self.reduction, self.bias, self.dtype = output, reduction, bias, dtype
        self.loss_function = loss_for(output, loss)
        self.init = None if init is None else initializer(init)
        self.seed = whole("seed", seed, 0, WORD_MAX)
        self.dropout = number("dropout", dropout, 0, 1, open_high=True)
        _check_size(self.units)
        self.body = Sequential(*self._layers(), seed=self.seed, dtype=dtype)
        self.head = replace(head, layer=self.depth)

    def _layers(self) -> list[Layer]:
        layers: list[Layer] = []
        for l, name in enumerate((*self.hidden, self.output), 1):
            after = activation(name)
            init = self.init or default(after.function)
            layers.append(Linear(self.units[l - 1], self.units[l], self.bias, init=init))
            if l < self.depth:
                layers.append(after)
                layers += [Dropout(self.dropout)] if self.dropout else []
        return layers

    @property
    def depth(self) -> int:
        """K, the number of layers with weights."""
        return len(self.units) - 1

    # -- computing -----------------------------------------------------------------------------------------------------
    def logits(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        """The preactivation of the last layer, (batch, n_out).  x (batch, n_in)."""
        return self.body(x, training=training, key=key)

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        """The outputs, (batch, n_out): the output function of the logits."""
        return self.head(self.logits(x, training=training, key=key))

    def loss(self, x: Any, t: Any, *, weights: Any = None, training: bool = False, key: Any = None) -> Tensor:
        """The loss over the batch, shape ().

        t: (batch, n_out), or class numbers (batch,) for softmax cross-entropy, whose rows have to be probabilities: see
        `nn.losses.Loss.check`; a Tensor is taken as it is.  weights: (batch,), what each row counts for.
        key: uint64 (2,), needed for dropout in training, see nn.step_key.
        """
        y = self.logits(x, training=training, key=key)
        if self.loss_function.fused is None:
            y = self.head(y)
        if not isinstance(t, Tensor):
            t = np.asarray(t)
            self.loss_function.check(t, self.units[-1])
            if t.dtype.kind == "f":
                # float32 outputs beside float64 targets would make the whole backward pass float64
                t = t.astype(y.dtype, copy=False)
        t = as_input(t, name="t", role=Role("target", self.depth))
        if weights is not None and not isinstance(weights, Tensor):
            weights = as_input(np.asarray(weights, y.dtype), name="w")
        loss = self.loss_function(y, t, reduction=self.reduction, weights=weights)
        return tagged(loss, "loss", self.depth, name="loss")

    def predict(self, x: Any) -> Array:
        """The outputs as an array, nothing recorded: probabilities for softmax and sigmoid, values otherwise."""
        with no_grad():
            return freeze(self(x).value)

    # -- parameters ----------------------------------------------------------------------------------------------------
    def parameters(self) -> dict[str, Tensor]:
        """The trainable leaves by name, in order of the layers."""
        return self.body.parameters()

    def shapes(self) -> dict[str, Shape]:
        """The shapes of the parameters by name."""
        return self.body.shapes()

    def with_parameters(self, parameters: Mapping[str, Any]) -> Network:
        """A copy around these arrays or Tensors.  Errors name the parameter that is missing, unknown or misshapen."""
        new = copy.copy(self)
        new.body = self.body.with_parameters(parameters)
        return new

    # -- description ---------------------------------------------------------------------------------------------------
    def spec(self) -> dict[str, Any]:
        """What the network is, without its parameters, JSON-able: `from_spec` rebuilds it."""
        return {
            "kind": "network",
            "units": list(self.units),
            "hidden": list(self.hidden),
            "output": self.output,
            "loss": self.loss_function.name,
            "reduction": self.reduction,
            "bias": self.bias,
            "init": None if self.init is None else self.init.text,
            "seed": self.seed,
            "dtype": self.dtype,
            "dropout": self.dropout,
        }

    @classmethod
    def from_spec(cls, spec: object) -> Network:
        """The network a `spec()` describes, with its initial parameters, drawn when first used.

        ModelFileError for missing and unknown keys, unknown names, sizes out of range.
        """
        values = exact_keys("a network", spec, _SPEC)
        kind, units, hidden = values.pop("kind"), values["units"], values["hidden"]
        if kind != "network":
            raise ModelFileError("this is not the description of a network", got=repr(kind)[:80], want="kind 'network'")
        texts = [values["init"]] if values["init"] is not None else []
        if not isinstance(units, list) or not isinstance(hidden, list):
            raise ModelFileError("units and hidden of a network are lists", got=f"{units!r:.40}, {hidden!r:.40}")
        for text in (*texts, values["output"], values["loss"], values["reduction"], values["dtype"]):
            if not isinstance(text, str):
                raise ModelFileError("a name in the description of a network is not text", got=repr(text)[:80])
        try:
            return cls(**values)
        except UsageError as error:
            raise in_file("a network", error) from error

    def __repr__(self) -> str:
        names = f"hidden={list(self.hidden)}, output={self.output!r}, loss={self.loss_function.name!r}"
        return f"Network({list(self.units)}, {names})"


def _units(units: Sequence[int]) -> tuple[int, ...]:
    if isinstance(units, (str, bytes)) or not hasattr(units, "__len__") or not 2 <= len(units) <= MAX_LAYERS:
        raise UsageError(
            "a network needs the number of units of each layer, input and output included",
            where=user_line(),
            got=repr(units)[:80],
            want=f"2 … {MAX_LAYERS} numbers, for example [784, 50, 10]",
        )
    return tuple(whole("number of units of a layer", n, 1, MAX_UNITS) for n in units)


def _hidden(hidden: str | Sequence[str], count: int) -> tuple[str, ...]:
    names = (hidden,) * count if isinstance(hidden, str) else tuple(hidden)
    for name in (*names, *([hidden] if isinstance(hidden, str) else [])):
        activation(name)
    if len(names) != count:
        raise UsageError(
            "one activation for each hidden layer", where=user_line(), got=f"{len(names)}", want=f"{count}"
        )
    return names


def _check_size(units: tuple[int, ...]) -> None:
    size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(units))
    if size > MAX_PARAMETERS:
        raise UsageError(
            "the network has too many parameters",
            where=user_line(),
            got=f"{size:,}",
            want=f"at most {MAX_PARAMETERS:,}",
        )
