"""Optimisers as updates that emit primitives: the same code runs on arrays and on Tensors (one step, one Graph).

    state = optimizer.init(params)                                    # dict of arrays, flat names: "momentum.0.weight"
    params, state = optimizer.update(params, gradients, state, rate)  # new dicts; nothing is changed in place

The learning rate and the step counter are inputs of the recorded graph, never constants in it.  Both are scalars; the
counter "step" is float64, because 1 − β₂ᵗ has three good digits left in float32 at t = 1.  Parameters keep their dtype.
The numbers are those of torch.optim, step by step, with the same names for the hyperparameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from denpa.errors import ShapeError, UsageError, user_line
from denpa.graph import Tensor
from denpa.nn.choices import both, choose, exact_keys, in_file, number
from denpa.ops.elementwise import sqrt
from denpa.ops.selecting import clip, minimum
from denpa.ops.shaping import astype

Arrays = Mapping[str, Any]  # name → array or Tensor
Updated = tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Optimizer:
    """What all have in common.  `slots`: the arrays kept for each parameter; `counts`: whether steps are counted."""

    weight_decay: float = 0.0
    slots: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[bool] = False

    def __post_init__(self) -> None:
        number("weight_decay", self.weight_decay, 0)

    def active_slots(self) -> tuple[str, ...]:
        return self.slots

    def start(self, slot: str) -> float:
        """What a slot is filled with before the first step."""
        return 0.0

    def init(self, params: Arrays) -> dict[str, Any]:
        """The state before the first step: arrays by flat name, "slot.parameter", and "step" if steps are counted."""
        state: dict[str, Any] = {}
        if self.counts:
            state["step"] = np.float64(0)
        for slot in self.active_slots():
            for name, p in params.items():
                state[f"{slot}.{name}"] = np.full(tuple(p.shape), self.start(slot), p.dtype)
        return state

    def update(self, params: Arrays, gradients: Arrays, state: Arrays, learning_rate: Any) -> Updated:
        """Parameters and state after one step.  learning_rate: a number ≥ 0, a scalar array or a Tensor of shape ().

        Gradients as arrays: arrays come out, of parameters given as Tensors too.  Gradients as Tensors: the update is
        recorded, and state and rate must be Tensors as well, or they would be constants of the graph for ever.
        UsageError naming the parameter that has no gradient or no state; ShapeError when shapes differ.
        """
        self._check(params, gradients, state)
        if any(isinstance(g, Tensor) for g in gradients.values()):
            _require_recorded({**state, "learning rate": learning_rate})
        else:
            params, state = _arrays(params), _arrays(state)
            learning_rate = _arrays({"": learning_rate})[""]
        rate = _scalar(learning_rate)
        new_state: dict[str, Any] = {}
        common: dict[str, Any] = {}
        if self.counts:
            new_state["step"] = common["step"] = state["step"] + 1
        self.prepare(common, rate)
        casts: dict[Any, dict[str, Any]] = {}
        new_params: dict[str, Any] = {}
        for name, W in params.items():
            if W.dtype not in casts:
                casts[W.dtype] = {k: _cast(v, W.dtype) for k, v in common.items()}
            slots = {slot: state[f"{slot}.{name}"] for slot in self.active_slots()}
            new_params[name], changed = self.one(W, gradients[name], slots, **casts[W.dtype])
            new_state.update({f"{slot}.{name}": value for slot, value in changed.items()})
        return new_params, {name: new_state[name] for name in state}

    def prepare(self, common: dict[str, Any], rate: Any) -> None:
        """Scalars that all parameters share, by the keyword under which `one` takes them; computed in float64."""
        common["rate"] = rate

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        """The update of one parameter: the new parameter and its new slots."""
        raise NotImplementedError

    def decayed(self, W: Any, g: Any) -> Any:
        """The gradient of the loss + ½ · weight_decay · W²."""
        return g + self.weight_decay * W if self.weight_decay else g

    def _check(self, params: Arrays, gradients: Arrays, state: Arrays) -> None:
        wanted = [f"{slot}.{name}" for slot in self.active_slots() for name in params]
        wanted += ["step"] if self.counts else []
        for what, have, want in (("gradients", gradients, list(params)), ("state", state, wanted)):
            missing, unknown = [n for n in want if n not in have], sorted(have.keys() - set(want))
            if missing or unknown:
                raise UsageError(
                    f"{what} that do not belong to these parameters and this {type(self).__name__}",
                    where=user_line(),
                    got=both("missing", missing, "unknown", unknown),
                    want=", ".join(want[:8]) + (", …" if len(want) > 8 else "") or "nothing",
                )
        for name, W in params.items():
            if tuple(gradients[name].shape) != tuple(W.shape):
                raise ShapeError(
                    f"the gradient of {name} does not have its shape",
                    where=user_line(),
                    got=str(tuple(gradients[name].shape)),
                    want=str(tuple(W.shape)),
                )

    def spec(self) -> dict[str, Any]:
        """JSON-able; `from_spec` rebuilds the optimiser."""
        name = next(k for k, v in OPTIMIZERS.items() if v is type(self))
        return {"name": name, **{f.name: getattr(self, f.name) for f in fields(self)}}


@dataclass(frozen=True)
class SGD(Optimizer):
    """W ← W − η·m, with m ← μ·m + g (momentum μ), or g + μ·m (Nesterov); m = g without momentum.

    Source: seed 001 (12) (gradient descent); B. Polyak, 1964; Y. Nesterov, 1983, in the form of I. Sutskever et al.,
    On the importance of initialization and momentum in deep learning, ICML 2013.
    """

    momentum: float = 0.0
    nesterov: bool = False
    slots = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("momentum", self.momentum, 0, 1, open_high=True)
        if self.nesterov not in (True, False) or (self.nesterov and not self.momentum):
            raise UsageError("Nesterov's method needs a momentum above 0", got=f"nesterov={self.nesterov!r}")

    def active_slots(self) -> tuple[str, ...]:
        return self.slots if self.momentum else ()

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        rate = common["rate"]
        g = self.decayed(W, g)
        if not self.momentum:
            return W - rate * g, {}
        m = self.momentum * slots["momentum"] + g
        return W - rate * (g + self.momentum * m if self.nesterov else m), {"momentum": m}


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """h ← h + g²; W ← W − η·g / (√h + eps).  Source: J. Duchi, E. Hazan, Y. Singer, JMLR 12, 2011."""

    eps: float = 1e-10
    initial_accumulator: float = 0.0
    slots = ("sum_of_squares",)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("eps", self.eps, 0)
        number("initial_accumulator", self.initial_accumulator, 0)

    def start(self, slot: str) -> float:
        return self.initial_accumulator

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        g = self.decayed(W, g)
        h = slots["sum_of_squares"] + g * g
        return W - common["rate"] * (g / (sqrt(h) + self.eps)), {"sum_of_squares": h}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """v ← α·v + (1 − α)·g²; W ← W − η·g / (√v + eps), the quotient through a momentum where one is given.

    Source: T. Hinton, Neural networks for machine learning, lecture 6e, 2012.
    """

    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    slots = ("mean_square", "momentum")

    def __post_init__(self) -> None:
        super().__post_init__()
        number("alpha", self.alpha, 0, 1, open_high=True)
        number("eps", self.eps, 0)
        number("momentum", self.momentum, 0, 1, open_high=True)

    def active_slots(self) -> tuple[str, ...]:
        return self.slots if self.momentum else self.slots[:1]

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        g = self.decayed(W, g)
        v = self.alpha * slots["mean_square"] + (1 - self.alpha) * (g * g)
        d = g / (sqrt(v) + self.eps)
        if not self.momentum:
            return W - common["rate"] * d, {"mean_square": v}
        m = self.momentum * slots["momentum"] + d
        return W - common["rate"] * m, {"mean_square": v, "momentum": m}


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², W ← W − η·m̂ / (√v̂ + eps), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    slots = ("first_moment", "second_moment")
    counts = True

    def __post_init__(self) -> None:
        super().__post_init__()
        number("beta1", self.beta1, 0, 1, open_high=True)
        number("beta2", self.beta2, 0, 1, open_high=True)
        number("eps", self.eps, 0)

    def prepare(self, common: dict[str, Any], rate: Any) -> None:
        t = common.pop("step")
        common["corrected_rate"] = rate / (1 - self.beta1**t)
        common["root"] = sqrt(1 - self.beta2**t)

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        g = self.decayed(W, g)
        m = self.beta1 * slots["first_moment"] + (1 - self.beta1) * g
        v = self.beta2 * slots["second_moment"] + (1 - self.beta2) * (g * g)
        d = m / (sqrt(v) / common["root"] + self.eps)
        return W - common["corrected_rate"] * d, {"first_moment": m, "second_moment": v}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: W ← W − η·weight_decay·W, and the gradient stays that of the loss.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """

    weight_decay: float = 0.01

    def decayed(self, W: Any, g: Any) -> Any:
        return g

    def prepare(self, common: dict[str, Any], rate: Any) -> None:
        super().prepare(common, rate)
        common["kept"] = 1 - rate * self.weight_decay

    def one(self, W: Any, g: Any, slots: dict[str, Any], **common: Any) -> tuple[Any, dict[str, Any]]:
        return super().one(common["kept"] * W if self.weight_decay else W, g, slots, **common)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}
_SHORT: dict[str, dict[str, Any]] = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
NAMES = (*OPTIMIZERS, *_SHORT)
LEARNING_RATES = {"sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.01, "rmsprop": 0.001, "adam": 0.001} | {
    "adamw": 0.001
}  # where a run starts when no rate is given


def by_name(name: str, **hyperparameters: Any) -> Optimizer:
    """ "sgd", "momentum" and "nesterov" (SGD with momentum 0.9 unless given), "adagrad", "rmsprop", "adam", "adamw".

    UsageError for another name, another hyperparameter, or a value out of range.
    """
    choose("optimizer", name, dict.fromkeys(NAMES))
    kind = SGD if name in _SHORT else OPTIMIZERS[name]
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in hyperparameters:
        choose(f"hyperparameter of {name}", key, known)
    return kind(**{**_SHORT.get(name, {}), **hyperparameters})


def from_spec(spec: object) -> Optimizer:
    """The optimiser a `spec()` describes.  ModelFileError for unknown names, keys and values out of range."""
    try:
        kind = choose("optimizer", spec.get("name") if isinstance(spec, Mapping) else None, OPTIMIZERS)
        values = exact_keys("an optimizer", spec, ["name", *(f.name for f in fields(kind))])  # type: ignore[arg-type]
        del values["name"]
        return kind(**values)
    except UsageError as error:
        raise in_file("an optimizer", error) from error


def clip_by_global_norm(gradients: Arrays, max_norm: float) -> tuple[dict[str, Any], Any]:
    """All gradients times min(1, max_norm / (‖g‖ + 1e-6)), and ‖g‖, the norm over all of them (float64, shape ()).

    Squares are summed in float64: in float32 they overflow above 1.8e19, and would turn finite gradients into zeros.
    Source: R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, algorithm 1; the 1e-6 as torch.nn.utils.clip_grad_norm_.
    """
    number("max_norm", max_norm, 0, open_low=True)
    if not gradients:
        return {}, np.float64(0)
    total: Any = None
    for g in gradients.values():
        g64 = _cast(g, np.dtype("float64"))
        part = (g64 * g64).sum()
        total = part if total is None else total + part
    norm = sqrt(total)
    factor = minimum(max_norm / (norm + 1e-6), 1.0)
    casts = {g.dtype: _cast(factor, g.dtype) for g in gradients.values()}
    return {name: g * casts[g.dtype] for name, g in gradients.items()}, norm


def clip_by_value(gradients: Arrays, limit: float) -> dict[str, Any]:
    """Every element of every gradient limited to −limit … limit; as torch.nn.utils.clip_grad_value_."""
    number("limit", limit, 0, open_low=True)
    return {name: clip(g, -limit, limit) for name, g in gradients.items()}


def _arrays(values: Arrays) -> Arrays:
    """Tensors as their values: without this, each step would hold on to the graph of the step before it."""
    return {name: v.value if isinstance(v, Tensor) else v for name, v in values.items()}


def _require_recorded(values: Arrays) -> None:
    plain = [name for name, v in values.items() if not isinstance(v, Tensor)]
    if plain:
        raise UsageError(
            "a recorded update takes its state and its learning rate as Tensors",
            where=user_line(),
            got=f"{plain[0]} as a plain number or array",
            fix="wrap them with denpa.tensor(...), or give gradients as arrays to get arrays",
        )


def _scalar(learning_rate: Any) -> Any:
    """The rate as a Tensor or a float64 scalar, of shape ()."""
    shape = tuple(getattr(learning_rate, "shape", ()))
    if shape != ():
        raise ShapeError("the learning rate is one number", where=user_line(), got=f"shape {shape}")
    if isinstance(learning_rate, Tensor):
        return learning_rate
    return np.float64(number("learning rate", learning_rate, 0))


def _cast(x: Any, dtype: np.dtype[Any]) -> Any:
    return x if x.dtype == dtype else astype(x, dtype=dtype)
