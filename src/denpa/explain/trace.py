"""`trace_step`: one step of a network in the notation of a textbook, as values and as a Document.

Every W, b, a, z, δ, ∂L/∂W and ∂L/∂b of every layer by its name, the equations with symbols and with numbers, and the
Jacobian chain of seed 001 (33)–(48) beside the delta rule (50)–(54).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from denpa.arrays import Array, freeze
from denpa.errors import UsageError, user_line
from denpa.explain.document import Document
from denpa.explain.jacobians import ChainResult, compare
from denpa.explain.notation import Notation, notation as find_notation
from denpa.explain.step import LayerStep, Step, record_step
from denpa.nn.choices import number


@dataclass(frozen=True, eq=False)
class Update:
    """What gradient descent with this learning rate does: parameters by name, and the loss of the same samples.

    predicted: −η ‖∂L/∂θ‖², what the gradient foretells; measured: the loss after minus the loss before.
    """

    learning_rate: float
    parameters: dict[str, Array]
    loss_after: float
    predicted: float
    measured: float


@dataclass(frozen=True, eq=False)
class Trace:
    """One traced step.  `trace["W(1)"]`, `trace["δ⁽²⁾"]`: an array by its textbook name, in the textbook's layout.

    step: the same in no notation, as denpa holds it.  comparison: Jacobian chain against delta rule, output's layer
    first.  update: None without a learning rate.
    """

    step: Step
    notation: Notation
    comparison: tuple[ChainResult, ...]
    update: Update | None = None
    names: tuple[str, ...] = ()  # of the samples, where they have some

    def __getitem__(self, name: str) -> Any:
        found = self._by_key.get(_key(name))
        if found is None:
            raise UsageError(
                f"no value of this step is called {name!r}",
                where=user_line(),
                want=", ".join(self.values),
                fix="superscripts may be typed plain: W(1), delta(2), dL/dW(1)",
            )
        return self.values[found]

    @cached_property
    def values(self) -> dict[str, Any]:
        """Every value by its name in the notation, from the input to the gradients."""
        return dict(_values(self.step, self.notation))

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {_key(name): name for name in self.values}

    @property
    def agrees(self) -> bool:
        """Whether the Jacobian chain and the delta rule give the same gradients, within rounding."""
        return all(result.agrees for result in self.comparison)

    def in_notation(self, notation: str | Notation) -> Trace:
        """The same step in another notation: nothing is computed again."""
        chosen = _bound(find_notation(notation), self.step)
        return Trace(self.step, chosen, self.comparison, self.update, self.names)

    @cached_property
    def document(self) -> Document:
        from denpa.explain.trace_pages import document

        return document(self)

    def __repr__(self) -> str:
        units = "-".join(map(str, [self.step.inputs.shape[1], *(len(v.weight) for v in self.step.layers)]))
        return f"<Trace {units}, batch {self.step.batch}, notation {self.notation.key}, loss {self.step.loss:.6g}>"


def trace_step(
    network: Any,
    x: Any,
    t: Any,
    *,
    notation: str | Notation = "001",
    learning_rate: float | None = None,
    loss: str | None = None,
    reduction: str | None = None,
    names: tuple[str, ...] = (),
    input_names: Sequence[str] = (),
) -> Trace:
    """One forward and backward pass of a Network or Sequential in a textbook's notation.

    x (n_in,) or (batch, n_in); t one target or (batch,) class numbers or (batch, n_out).  learning_rate: also the
    update and the loss after it.  loss, reduction: for a Sequential; a Network has its own.  Dropout is left out.
    names: of the samples; input_names: of the columns behind the inputs, shown beside their units.
    UsageError for a network that is not Linear layers with at most one activation each.  Source: seed 001 §5.
    """
    chosen = find_notation(notation)
    with np.errstate(all="ignore"):  # what is not finite is shown as it is
        step = record_step(network, x, t, loss=loss, reduction=reduction, input_names=input_names)
        update = None if learning_rate is None else _update(network, x, t, step, learning_rate, loss, reduction)
        return Trace(step, _bound(chosen, step), compare(step), update, names)


def _bound(notation: Notation, step: Step) -> Notation:
    return notation.bound(step.depth, {v.layer: v.name for v in step.layers if v.name})


def _update(network: Any, x: Any, t: Any, step: Step, rate: float, loss: str | None, reduction: str | None) -> Update:
    """Plain gradient descent, (12), in the network's own dtype."""
    number("the learning rate", rate, 0, open_low=True)
    gradients = _gradients(step)
    new: dict[str, Array] = {}
    predicted = 0.0
    for name, p in network.parameters().items():
        g = gradients[name]
        new[name] = freeze(p.value - p.value.dtype.type(rate) * g)
        predicted -= rate * float((g.astype("float64") ** 2).sum())
    after = record_step(network.with_parameters(new), x, t, loss=loss, reduction=reduction).loss
    return Update(rate, new, after, predicted, after - step.loss)


def _gradients(step: Step) -> Mapping[str, Array]:
    found: dict[str, Array] = {}
    for v in step.layers:
        found[f"{v.name}.weight"] = v.weight_gradient
        if v.bias_gradient is not None:
            found[f"{v.name}.bias"] = v.bias_gradient
    return found


def _values(step: Step, n: Notation) -> Any:
    """Pairs of name and array in the notation's layout."""
    one = step.batch == 1 and n.per_sample
    of: Any = "sample_loss" if one else "loss"
    yield n.symbol("activation", 0).plain, _vectors(step, n, 0, step.inputs)
    for v in step.layers:
        weights = n.layout.write_weights(v.weight, v.bias)
        yield n.symbol("weight", v.layer).plain, weights["weight"]
        if "bias" in weights:
            yield n.symbol("bias", v.layer).plain, weights["bias"]
        yield n.symbol("preactivation", v.layer).plain, n.layout.write_vectors(v.preactivation)
        yield n.symbol("activation", v.layer).plain, _vectors(step, n, v.layer, v.activation)
    yield n.symbol("target", step.depth).plain, n.layout.write_vectors(step.targets)
    yield n.symbol(of).plain, step.loss
    for v in reversed(step.layers):
        yield n.symbol("delta", v.layer).plain, n.layout.write_gradients(delta_of(v, n))
        gradients = n.layout.write_weights(v.weight_gradient, v.bias_gradient)
        yield n.gradient("weight", v.layer, of=of).plain, gradients["weight"]
        if "bias" in gradients:
            yield n.gradient("bias", v.layer, of=of).plain, gradients["bias"]


def delta_of(layer: LayerStep, n: Notation) -> Array:
    """(batch, n): of each sample's loss, or of the whole batch's where the notation takes it so (dout, .grad)."""
    return layer.delta if n.per_sample else layer.preactivation_gradient


def _vectors(step: Step, n: Notation, layer: int, rows: Array) -> Array:
    """With a 1 appended where the next layer's bias is a column of its weights."""
    return n.layout.write_vectors(rows, constant=layer < step.depth and step.layers[layer].bias is not None)


def _key(name: str) -> str:
    """Names as they can be typed: superscripts and subscripts lowered, Greek letters spelled, no spaces."""
    text = unicodedata.normalize("NFKC", name).replace(" ", "").replace("δ", "delta").replace("∂", "d")
    return text.replace("\u0303", "~").replace("_", "")


__all__ = ["Trace", "Update", "delta_of", "trace_step"]
