"""A fitted estimator as the bytes of one safetensors file, and back: what its pickle holds of what was learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa import tensorfile
from denpa.arrays import Array
from denpa.errors import DataError, ModelFileError
from denpa.nn import Network
from denpa.sklearn.scaling import Scaling

FORMAT = 1
KEY = "denpa"  # the entry of the pickled dict
_PLAIN = ("n_iter_", "t_", "n_features_in_", "fallbacks_")
_CURVES = ("loss_curve_", "validation_loss_curve_")
_NAMES = ("classes_", "feature_names_in_")
_FITTED = ("network_", "_learned", *_PLAIN, *_CURVES, *_NAMES)


@dataclass(eq=False)
class Learned:
    """What a training is continued from, beside the network.  multilabel: of a classifier."""

    seed: int
    step: int
    optimizer: dict[str, Array]
    inputs: Scaling | None
    targets: Scaling | None
    multilabel: bool = False


def pack(state: dict[str, Any]) -> dict[str, Any]:
    """An estimator's attributes with those of a fit as bytes; unchanged before a fit.

    DataError for class labels that are neither numbers nor text.
    """
    if "network_" not in state:
        return state
    learned: Learned = state["_learned"]
    groups: dict[str, dict[str, Any]] = {
        "parameters": {name: p.value for name, p in state["network_"].parameters().items()},
        "optimizer": learned.optimizer,
        "curves": {name: np.array(state[name], float) for name in _CURVES if state.get(name) is not None},
    }
    scalings = {"inputs": learned.inputs, "targets": learned.targets}
    for which, scaling in scalings.items():
        if scaling is not None:
            groups[which] = {"mean": scaling.mean, "squares": scaling.squares}
    about = {
        "kind": "estimator",
        "format": FORMAT,
        "network": state["network_"].spec(),
        "seed": learned.seed,
        "step": learned.step,
        "multilabel": learned.multilabel,
        "weights": {which: scaling.weight for which, scaling in scalings.items() if scaling is not None},
        "names": {name: _told(state[name]) for name in _NAMES if name in state},
        "plain": {name: state[name] for name in _PLAIN if name in state},
    }
    arrays = {f"{group}/{name}": np.asarray(value) for group, named in groups.items() for name, value in named.items()}
    return {**{k: v for k, v in state.items() if k not in _FITTED}, KEY: tensorfile.encode(arrays, about)}


def unpack(state: dict[str, Any]) -> dict[str, Any]:
    """The reverse.  ModelFileError for bytes that are damaged or of another version."""
    if KEY not in state:
        return state
    where = "a pickled estimator"
    file = tensorfile.decode(state[KEY], where)
    about = file.about
    if (about.get("kind"), about.get("format")) != ("estimator", FORMAT):
        got = f"{about.get('kind')!r}, format {about.get('format')!r}"[:60]
        raise ModelFileError("this is no estimator of this version of denpa", where=where, got=got)
    groups: dict[str, dict[str, Array]] = {}
    for name, value in file.arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = value[()] if value.ndim == 0 else value
    try:
        network = Network.from_spec(about["network"]).with_parameters(groups["parameters"])
        scalings = {which: _scaling(weight, **groups[which]) for which, weight in about["weights"].items()}
        learned = Learned(
            int(about["seed"]),
            int(about["step"]),
            groups.get("optimizer", {}),
            scalings.get("inputs"),
            scalings.get("targets"),
            bool(about["multilabel"]),
        )
        curves: dict[str, Any] = dict.fromkeys(_CURVES) | {n: v.tolist() for n, v in groups.get("curves", {}).items()}
        names = {name: _names(*told) for name, told in about["names"].items() if name in _NAMES}
        plain = {name: value for name, value in about["plain"].items() if name in _PLAIN}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            "the estimator's description is not complete", where=where, got=repr(error)[:80]
        ) from error
    plain["fallbacks_"] = tuple(plain.get("fallbacks_", ()))
    kept = {k: v for k, v in state.items() if k != KEY}
    return {**kept, **plain, **curves, **names, "network_": network, "_learned": learned}


def _scaling(weight: float, mean: Array, squares: Array) -> Scaling:
    scaling = Scaling(len(mean))
    scaling.weight, scaling.mean, scaling.squares = float(weight), np.array(mean), np.array(squares)
    return scaling


def _told(names: Array) -> list[Any]:
    """dtype and values, JSON-able."""
    values = names.tolist()
    if not all(type(v) in (str, int, float, bool) for v in values):
        raise DataError("these class labels cannot be saved", got=f"{values[0]!r}"[:60], want="numbers or texts")
    return [names.dtype.str if names.dtype.kind in "iufbU" else "O", values]


def _names(dtype: str, values: list[Any]) -> Array:
    return np.array(values, object if dtype == "O" else np.dtype(dtype))
