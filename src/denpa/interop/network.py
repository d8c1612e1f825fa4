"""A network of layers of any origin: the book's, denpa's, functions with their derivatives; with a loss, trained."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape, freeze
from denpa.autodiff import backward
from denpa.data.batches import batches, order
from denpa.errors import ShapeError, TrainingError, UsageError, user_line
from denpa.graph import Role, Tensor, constant, no_grad, require_scalar
from denpa.interop.book import BookLayer
from denpa.interop.torchlike import apply, is_torchlike
from denpa.nn import losses, optim
from denpa.nn.layers import Layer, Sequential
from denpa.primitive import Primitive


class Applied(Layer):
    """A function of one array as a layer without parameters: a primitive, or a class in PyTorch's style."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        result: Tensor = apply(self.function, x) if is_torchlike(self.function) else self.function(x)
        return result

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def as_layer(value: Any) -> Layer:
    """Layers of denpa as they are; objects in the book's style, primitives and classes in PyTorch's style wrapped."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, Primitive) or is_torchlike(value):
        return Applied(value)
    if inspect.isclass(value):
        raise UsageError(
            f"{value.__name__} is a class, not a layer", where=user_line(), fix=f"make one: {value.__name__}(...)"
        )
    return BookLayer(value)


@dataclass(frozen=True)
class Fitted:
    """What training did: the loss after each epoch, on all rows, and before the first."""

    losses: tuple[float, ...]


class Network:
    """Layers one after the other, and a loss.

    layers: objects in the book's style, denpa.nn layers, primitives, classes in PyTorch's style.  loss: an object in
    the book's style with forward(x, t), or the name of a loss of denpa.nn, applied to the last layer's output (to
    logits for the cross-entropies).  A model: `parameters()`, `with_parameters(...)`; `denpa.draw` and `denpa.grad`
    take it.  UsageError for what is no layer.
    """

    def __init__(self, *layers: Any, loss: Any = None) -> None:
        self.body = Sequential(*[as_layer(layer) for layer in layers])
        self.loss_function = _loss(loss)

    def __call__(self, x: Any, *, training: bool = False) -> Tensor:
        """The output of the last layer.  x (batch, …)."""
        return self.body(x, training=training)

    def loss(self, x: Any, t: Any) -> Tensor:
        """The loss over the batch, shape ().  t: what the loss takes."""
        if self.loss_function is None:
            raise UsageError("this network has no loss", where=user_line(), fix="Network(..., loss=SoftmaxWithLoss())")
        target = t if isinstance(t, Tensor) else constant(t, name="t")
        target.node.role = target.node.role or Role("target", 0)
        value: Tensor = self.loss_function(self(x, training=True), target)
        require_scalar(value.value, "a loss")
        value.node.role, value.node.name = Role("loss", 0), "loss"
        return value

    def predict(self, x: Any) -> Array:
        """The output as an array, nothing recorded."""
        with no_grad():
            return freeze(np.array(self(x).value))

    def parameters(self) -> dict[str, Tensor]:
        """Trainable leaves: "0.W", "0.b", …"""
        return self.body.parameters()

    def shapes(self) -> dict[str, Shape]:
        return self.body.shapes()

    def with_parameters(self, parameters: Mapping[str, Any]) -> Network:
        new = copy.copy(self)
        new.body = self.body.with_parameters(parameters)
        return new

    def fit(
        self,
        x: Any,
        t: Any,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 0.1,
        optimizer: str | optim.Optimizer = "sgd",
        seed: int = 0,
        on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    ) -> Fitted:
        """Train on rows x and targets t, and write the parameters back into the objects.

        Every row once an epoch, in an order drawn from the seed.  on_epoch(epoch, loss) after each.  ShapeError when x
        and t differ in rows; TrainingError, naming epoch and batch, when the loss is not finite.  Eager: each step runs
        the layers' own Python; for large data train a denpa.nn network.
        """
        x, t = np.asarray(x), np.asarray(t)
        _check_fit(x, t, epochs, batch_size)
        method = optim.by_name(optimizer) if isinstance(optimizer, str) else optimizer
        parameters: dict[str, Any] = {n: p.value for n, p in self.parameters().items()}
        state = method.init(parameters)
        history = [float(self.loss(x, t))]
        for epoch in range(1, epochs + 1):
            for number, rows in enumerate(batches(order(len(x), seed, epoch), batch_size)):
                model = self.with_parameters(parameters)
                loss = model.loss(x[rows], t[rows])
                if not np.isfinite(float(loss)):
                    raise TrainingError(
                        "the loss is not finite",
                        where=f"epoch {epoch}, batch {number + 1}",
                        got=str(float(loss)),
                        fix="use a smaller learning rate",
                    )
                found = backward(loss)
                gradients = {n: found[p] for n, p in model.parameters().items()}
                parameters, state = method.update(parameters, gradients, state, learning_rate)
            self.body = self.body.with_parameters(parameters)
            history.append(float(self.loss(x, t)))
            on_epoch(epoch, history[-1])
        self.write_back()
        return Fitted(tuple(history))

    def write_back(self) -> None:
        """Put the parameters' values into the objects in the book's style."""
        for layer in self.body:
            if isinstance(layer, BookLayer):
                layer.write_back()

    def __repr__(self) -> str:
        return f"Network({', '.join(map(repr, self.body))})"


def _loss(loss: Any) -> Callable[..., Any] | None:
    if loss is None or isinstance(loss, losses.Loss):
        return loss
    if isinstance(loss, str):
        if loss not in losses.LOSSES:
            raise UsageError(f"no loss is named {loss!r}", where=user_line(), want=", ".join(losses.LOSSES))
        return losses.LOSSES[loss]
    return BookLayer(loss)


def _check_fit(x: Array, t: Array, epochs: int, batch_size: int) -> None:
    if x.ndim == 0 or t.ndim == 0 or len(x) != len(t) or not len(x):
        raise ShapeError(
            "a row of targets for each row of inputs is needed",
            where=user_line(),
            got=f"x {x.shape}, t {t.shape}",
            want="the same number of rows, at least one",
        )
    if epochs < 1 or batch_size < 1:
        raise UsageError("epochs and batch_size are at least 1", where=user_line(), got=f"{epochs}, {batch_size}")
