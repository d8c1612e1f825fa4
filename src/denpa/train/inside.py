"""One row of a finished run looked at from inside: a step of it traced, and three weights explained.

Everything is computed here, once, when the record is made; `report_inside` arranges it.  What cannot be shown has its
sentence: `Inside.missing` for all of it, `Inside.too_large` for the trace and the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from denpa.explain.number import Explanation, explanation
from denpa.explain.step import LayerStep, Step, record_step
from denpa.explain.trace import Trace, trace_step
from denpa.explain.words import T
from denpa.formatting import number
from denpa.nn import Network
from denpa.train.parts import Parts, input_names

MOST = 2_000_000  # parameters: 784-1000-1000-10 (1.8 million) takes 0.25 s on one core, most of it the Jacobian chain
TOP = 5  # paths listed of each weight
_NO_ROWS = T(en="there is no training row", ja="訓練データがない")
_PARAMETERS = T(en="the parameters are not all finite", ja="有限でないパラメータがある")


@dataclass(frozen=True, eq=False)
class Inside:
    """row: of the source, counted from 0; None without training rows.  step, trace: of that row alone.

    explanations: of up to three weights.  missing: why there is no step; too_large: why there is no more than the step.
    """

    row: int | None
    step: Step | None = None
    trace: Trace | None = None
    explanations: tuple[Explanation, ...] = ()
    missing: T | None = None
    too_large: T | None = None


def inside_of(network: Network, prepared: Parts, *, most: int = MOST) -> Inside:
    """The first training row in the network as it is.  A limit that is known becomes a sentence, nothing is caught."""
    if not len(prepared.train):
        return Inside(None, missing=_NO_ROWS)
    row = int(prepared.train[0])
    if not all(np.isfinite(p.value).all() for p in network.parameters().values()):
        return Inside(row, missing=_PARAMETERS)
    x, t = np.asarray(prepared.x[row : row + 1]), np.asarray(prepared.t[row : row + 1])
    columns = input_names(prepared.inputs)
    with np.errstate(all="ignore"):  # a loss that overflows is told below
        step = record_step(network, x, t, input_names=columns)
    if not np.isfinite(step.loss):
        return Inside(row, missing=_loss_is(row, step.loss))
    size = sum(int(p.size) for p in network.parameters().values())
    if size > most:
        return Inside(row, step, too_large=_large(size, most))
    explained = tuple(
        explanation(network, f"{name}.weight[{i},{j}]", x=x, t=t, top=TOP, names=(str(row),), input_names=columns)
        for name, i, j in chosen(step)
    )
    return Inside(row, step, trace_step(network, x, t, names=(str(row),), input_names=columns), explained)


def chosen(step: Step) -> Iterator[tuple[str, int, int]]:
    """(layer's name, unit, input) of three weights: the largest |∂loss/∂w| of the first, a middle and the last layer.

    A layer that comes twice, in a network of fewer than three, gives its second largest then; among equals the first.
    """
    taken: dict[int, int] = {}
    for layer in sorted((1, (step.depth + 1) // 2, step.depth)):
        v = step.layers[layer - 1]
        rank = taken.get(layer, 0)
        if rank < v.weight.size:
            yield (v.name, *_ranked(v, rank))
        taken[layer] = rank + 1


def _ranked(v: LayerStep, rank: int) -> tuple[int, int]:
    order = np.argsort(-np.abs(v.weight_gradient), axis=None, kind="stable")
    i, j = np.unravel_index(int(order[rank]), v.weight_gradient.shape)
    return int(i), int(j)


def _loss_is(row: int, loss: float) -> T:
    return T(en=f"the loss of row {row} is {loss}", ja=f"行 {row} の損失が {loss} である")


def _large(size: int, most: int) -> T:
    return T(
        en=f"the network has {number(size)} parameters, and a report looks into networks of at most {number(most)}",
        ja=f"パラメータが{number(size)}個ある。レポートで内部を調べるのは{number(most)}個までのネットワーク",
    )
