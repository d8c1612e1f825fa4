"""The layers under examination: how δ shrinks or grows from layer to layer and why, dead units, saturation, copies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.explain.doctor_findings import Finding
from denpa.explain.step import LayerStep, Step
from denpa.explain.words import T
from denpa.formatting import number, percent

VANISHED = 1e-3  # ‖δ⁽¹⁾‖/‖δ⁽ᴷ⁾‖ below which the first layer learns a thousand times slower than the last
EXPLODED = 1e3
DEAD_SHARE = 0.3  # of a layer's units; a few dead ones are common in healthy networks
SATURATED_SHARE = 0.6  # of a layer's outputs; trained tanh networks have up to about a third
FLAT_SLOPE = 0.05  # ψ′ below this share of its maximum is saturated: |a| > 4.4 for sigmoid, 2.2 for tanh
GRAM = 1024  # units on the smaller side of W up to which its norm comes from eigenvalues, above from 60 products
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0}  # the maximum of ψ′ of the saturating functions, seed 001 §5.6


@dataclass(frozen=True)
class LayerFlow:
    """One layer's part in δ⁽ˡ⁻¹⁾ = δ⁽ˡ⁾W⁽ˡ⁾ ⊙ ψ′⁽ˡ⁻¹⁾.  Norms are Frobenius norms over all rows.

    delta: ‖δ⁽ˡ⁾‖.  norm: the largest singular value of W⁽ˡ⁾ (see `spectral_norm`).  weight_factor: ‖δ⁽ˡ⁾W⁽ˡ⁾‖/‖δ⁽ˡ⁾‖
    ≤ norm.  slope_factor: ‖δ⁽ˡ⁾W⁽ˡ⁾ ⊙ ψ′‖/‖δ⁽ˡ⁾W⁽ˡ⁾‖, ψ′ of layer l − 1.  Their product is ‖δ⁽ˡ⁻¹⁾‖/‖δ⁽ˡ⁾‖ exactly.
    NaN for layer 1, and where δ is zero.  dead: units whose ReLU is 0 on all rows.  saturated: share of outputs with a
    flat ψ′.
    """

    layer: int
    units: int
    function: str
    delta: float
    norm: float
    weight_factor: float
    slope_factor: float
    dead: int
    saturated: float

    @property
    def factor(self) -> float:
        return self.weight_factor * self.slope_factor

    def to_json(self) -> dict[str, Any]:
        """NaN, which JSON has no word for, is None."""
        facts = {**self.__dict__, "factor": self.factor}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()}


def flows(step: Step) -> tuple[LayerFlow, ...]:
    """The flow of δ through every layer, from layer 1 on."""
    return tuple(
        _flow(step.layers[i], step.layers[i - 1] if i else None, i < step.depth - 1) for i in range(step.depth)
    )


def _flow(layer: LayerStep, below: LayerStep | None, hidden: bool) -> LayerFlow:
    W, delta = np.asarray(layer.weight), np.asarray(layer.delta)
    size = float(np.linalg.norm(delta))
    weight_factor = slope_factor = math.nan
    if below is not None and size > 0:
        back = float(np.linalg.norm(delta @ W))
        weight_factor = back / size
        slope_factor = float(np.linalg.norm(below.delta)) / back if back else math.nan
    return LayerFlow(
        layer=layer.layer,
        units=W.shape[0],
        function=layer.function.function,
        delta=size,
        norm=spectral_norm(W),
        weight_factor=weight_factor,
        slope_factor=slope_factor,
        dead=int((np.asarray(layer.preactivation) <= 0).all(axis=0).sum())
        if hidden and layer.function.function == "relu"
        else 0,
        saturated=_saturated(layer) if hidden else 0.0,
    )


def spectral_norm(W: Array) -> float:
    """The largest singular value of W (n, n_in); above 1,024 on both sides by the power method, good to about 1 %.

    A singular value decomposition of 50 × 784 takes ten times as long as this, of 4,096 × 4,096 minutes.
    """
    W = np.asarray(W, np.float64)
    scale = float(np.abs(W).max(initial=0.0))
    if not 0 < scale < math.inf:
        return scale if scale == 0 else math.nan
    W = (W if W.shape[0] <= W.shape[1] else W.T) / scale
    if len(W) <= GRAM:
        return scale * math.sqrt(float(np.linalg.eigvalsh(W @ W.T)[-1]))
    v = np.random.default_rng(0).standard_normal(len(W))
    for _ in range(60):
        v = W @ (W.T @ (v / np.linalg.norm(v)))
    return scale * math.sqrt(float(np.linalg.norm(v)))


def _saturated(layer: LayerStep) -> float:
    name, y = layer.function.function, np.asarray(layer.activation)
    if name not in STEEPEST:
        return 0.0
    slope = y * (1 - y) if name == "sigmoid" else 1 - y * y
    return float((slope < FLAT_SLOPE * STEEPEST[name]).mean())


def of_layers(step: Step, layers: tuple[LayerFlow, ...]) -> Iterator[Finding]:
    yield from _dead(layers)
    yield from _saturation(layers)
    copies = list(_identical(step))
    yield from copies
    if not copies:  # copies, all zero as a rule, let no δ through: a second name for the same fault
        yield from _shrinking(layers)


def _split(layers: tuple[LayerFlow, ...], smallest: bool) -> tuple[LayerFlow, str]:
    """The layer with the most extreme factor, and all factors as "W⁽³⁾: 0.9 × ψ′ 0.2", from the output down."""
    known = [flow for flow in layers[1:] if math.isfinite(flow.factor)]
    worst = (min if smallest else max)(known or layers, key=lambda flow: flow.factor)
    chain = "; ".join(
        f"{f.layer}→{f.layer - 1}: {number(f.weight_factor, 2)} × {number(f.slope_factor, 2)}" for f in known[::-1][:8]
    )
    return worst, chain + ("; …" if len(known) > 8 else "")


def _shrinking(layers: tuple[LayerFlow, ...]) -> Iterator[Finding]:
    first, last = layers[0].delta, layers[-1].delta
    if len(layers) < 2 or last <= 0 or not math.isfinite(first):
        return
    if not first and any(flow.dead == flow.units for flow in layers):
        return  # a layer of dead ReLUs lets nothing through, and has been named
    ratio = first / last
    if VANISHED <= ratio <= EXPLODED:
        return
    small = ratio < VANISHED
    worst, chain = _split(layers, small)
    by_slope = math.isfinite(worst.factor) and abs(math.log(max(worst.slope_factor, 1e-300))) > abs(
        math.log(max(worst.weight_factor, 1e-300))
    )
    measured = T(
        en=f"‖δ‖ is {number(last)} at the output and {number(first)} in layer 1: a ratio of {number(ratio)}. By "
        "layer, W's "
        f"factor × ψ′'s factor: {chain}. Worst: layer {worst.layer} to {worst.layer - 1}, ‖W‖ = {number(worst.norm)}.",
        ja=f"‖δ‖ は出力層で {number(last)}、第1層で {number(first)}、比は {number(ratio)}。層ごとの（W の倍率 × ψ′ "
        "の倍率）"
        f"：{chain}。最も大きく変わるのは第{worst.layer}層から第{worst.layer - 1}層で ‖W‖ = {number(worst.norm)}。",
    )
    if small:
        culprit = "ψ′" if by_slope else "W"
        yield Finding(
            "vanishing_gradient",
            measured,
            T(
                en=f"The gradient of the first layers is so small that they hardly learn; mostly {culprit} makes "
                "it so.",
                ja=f"手前の層の勾配が小さすぎて、ほとんど学習しない。主な原因は {culprit}。",
            ),
            T(
                en="ReLU in place of sigmoid or tanh, He or Glorot initial weights, fewer layers.",
                ja="sigmoid や tanh の代わりに ReLU を使う。He または Glorot の初期値を使う。層を減らす。",
            ),
            worst.layer,
            ratio,
        )
    else:
        yield Finding(
            "exploding_gradient",
            measured,
            T(
                en="Each layer enlarges δ: one step that suits the last layer throws the first ones far away.",
                ja="層ごとに δ が拡大する。出力層に合う更新幅でも、手前の層は大きく飛ばされる。",
            ),
            T(
                en="Smaller initial weights (He, Glorot), --clip 1.0, a smaller learning rate, fewer layers.",
                ja="初期値を小さくする（He、Glorot）。--clip 1.0 で勾配をクリップする。学習率を下げる。層を減らす。",
            ),
            worst.layer,
            ratio,
        )


def _dead(layers: tuple[LayerFlow, ...]) -> Iterator[Finding]:
    bad = [flow for flow in layers if flow.dead and flow.dead >= DEAD_SHARE * flow.units]
    if not bad:
        return
    worst = max(bad, key=lambda flow: flow.dead / flow.units)
    yield Finding(
        "dead_relu",
        T(
            en=f"In layer {worst.layer}, {worst.dead} of {worst.units} ReLUs are 0 on every row"
            + (f"; {len(bad)} layers are affected." if len(bad) > 1 else "."),
            ja=f"第{worst.layer}層では{worst.units}個中{worst.dead}個の ReLU がすべての行で 0"
            + (f"（影響のある層：{len(bad)}）。" if len(bad) > 1 else "。"),
        ),
        T(
            en="Where ReLU is 0 its derivative is 0: no gradient reaches these units, and they never come back.",
            ja="ReLU が 0 の所では微分も 0 で、勾配が届かない。これらのユニットは元に戻らない。",
        ),
        T(
            en="A smaller learning rate, biases that do not start below 0, scaled inputs, or leaky ReLU; train anew.",
            ja="学習率を下げる。バイアスの初期値を負にしない。入力を標準化する。leaky ReLU を使う。学習し直す。",
        ),
        worst.layer,
        worst.dead / worst.units,
    )


def _saturation(layers: tuple[LayerFlow, ...]) -> Iterator[Finding]:
    worst = max(layers, key=lambda flow: flow.saturated)
    if worst.saturated < SATURATED_SHARE:
        return
    yield Finding(
        "saturation",
        T(
            en=f"In layer {worst.layer}, {percent(worst.saturated)} of the {worst.function} outputs lie where ψ′ "
            "is below "
            f"{percent(FLAT_SLOPE, 0)} of its maximum.",
            ja=f"第{worst.layer}層では {worst.function} の出力の {percent(worst.saturated)} で ψ′ が最大値の "
            f"{percent(FLAT_SLOPE, 0)} に満たない。",
        ),
        T(
            en="The function is flat there: what comes back through it is multiplied by almost 0.",
            ja="そこでは関数がほぼ平らで、戻ってくる δ に 0 に近い値が掛かる。",
        ),
        T(
            en="Scale the inputs, smaller initial weights (Glorot), weight decay, or ReLU.",
            ja="入力を標準化する。初期値を小さくする（Glorot）。weight decay を使う。ReLU に替える。",
        ),
        worst.layer,
        worst.saturated,
    )


def _identical(step: Step) -> Iterator[Finding]:
    """Hidden layers in which all units have the same weights in and out: they stay copies of one unit for ever."""
    for layer, above in zip(step.layers[:-1], step.layers[1:], strict=True):
        if len(layer.weight) > 1 and _same(_incoming(layer)) and _same(np.asarray(above.weight).T):
            n = len(layer.weight)
            yield Finding(
                "identical_units",
                T(
                    en=f"All {n} units of layer {layer.layer} have the same weights, in and out.",
                    ja=f"第{layer.layer}層の{n}個のユニットは、入力側も出力側も重みがすべて等しい。",
                ),
                T(
                    en="They get the same gradients and stay equal: the layer is worth a single unit.",
                    ja="同じ勾配を受け続けるので等しいままで、1個のユニットと同じ働きしかしない。",
                ),
                T(
                    en="Random initial weights (He, Glorot) instead of constants.",
                    ja="定数ではなく乱数の初期値（He、Glorot）を使う。",
                ),
                layer.layer,
                float(n),
            )
            return


def _incoming(layer: LayerStep) -> Array:
    W = np.asarray(layer.weight)
    return W if layer.bias is None else np.concatenate([W, np.asarray(layer.bias)[:, None]], axis=1)


def _same(rows: Array) -> bool:
    scale = float(np.abs(rows).max(initial=0.0))
    return bool(np.abs(rows - rows[:1]).max(initial=0.0) <= 1e-6 * scale)
