"""What ails a network or its training: each finding with what was measured, what it means, and what to try.

    diagnosis = dp.doctor(network, x, t, history)      # x (rows, n_in), t as the loss takes it; history: epochs
    for finding in diagnosis.findings: print(finding.key, finding.measured.en)

Pure: takes arrays and numbers, gives a `Diagnosis`.  Source: seed 001 §5.6 (δ⁽ˡ⁻¹⁾ = δ⁽ˡ⁾W⁽ˡ⁾ ⊙ ψ′, vanishing gradient,
saturation), §4 (plateau); seed 004 (convergence, hyperparameters).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import UsageError, user_line
from denpa.explain.doctor_curves import Curve, curve_of, of_curve
from denpa.explain.doctor_findings import Finding, rows_text
from denpa.explain.doctor_layers import LayerFlow, flows, of_layers
from denpa.explain.step import Step, record_step
from denpa.explain.words import T
from denpa.formatting import number, percent
from denpa.graph import FUNCTIONS
from denpa.nn.losses import LOSSES
from denpa.tree import is_model

if TYPE_CHECKING:
    from denpa.explain.document import Document

MOST_ROWS = 1024  # rows that are looked at; more cost time and say the same
LARGE = 4_000_000  # parameters above which a network is examined in its own dtype
INPUT_SIZE = 10.0  # root mean square of an input above which it drives the first layer into saturation
INPUT_TINY = 0.01  # of all inputs together, below which nothing of them arrives
NO_BETTER = 0.97  # of the loss of the best constant answer: above this the inputs play no part

__all__ = ["Diagnosis", "Finding", "doctor"]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """findings, most serious first.  layers: how δ shrinks or grows, empty without rows.  curve: of the history.

    during: what was found while the network was trained, each with its epoch; it may have passed since.
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerFlow, ...] = ()
    curve: Curve | None = None
    rows: int = 0
    during: tuple[Finding, ...] = ()

    @property
    def healthy(self) -> bool:
        return not self.findings

    def document(self) -> Document:
        from denpa.explain.doctor_pages import document

        return document(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data: findings with their words in each language, and the layers' numbers."""
        return {
            "healthy": self.healthy,
            "rows": self.rows,
            "findings": [finding.to_json() for finding in self.findings],
            "during": [finding.to_json() for finding in self.during],
            "layers": [flow.to_json() for flow in self.layers],
        }

    def __repr__(self) -> str:
        return f"<Diagnosis: {', '.join(f.key for f in self.findings) or 'healthy'}>"


def doctor(
    network: Any = None,
    x: Any = None,
    t: Any = None,
    history: Sequence[Mapping[str, Any] | float] | None = None,
    *,
    failure: Finding | None = None,
) -> Diagnosis:
    """Examine a network on rows of its training data, or a history of losses, or both.

    x (rows, n_in), t as the loss takes it: the first 1,024 rows are looked at, in float64, as the network gets them
    (after scaling).  history: one mapping an epoch (train_loss, valid_loss or test_loss), or plain losses; None for a
    network that has not been trained, which is then not blamed for what it has not learned.
    UsageError when neither is given, or rows without targets.
    """
    if network is None and history is None:
        raise UsageError("there is nothing to examine", where=user_line(), fix="denpa.doctor(network, x, t, history)")
    if network is not None and (x is None or t is None):
        raise UsageError(
            "a network is examined on rows with their targets",
            where=user_line(),
            got=f"x={'missing' if x is None else 'given'}, t={'missing' if t is None else 'given'}",
            fix="denpa.doctor(network, x, t, history)",
        )
    curve = curve_of(history) if history is not None else None
    found = [failure] if failure is not None else []
    layers: tuple[LayerFlow, ...] = ()
    rows = 0
    if network is not None:
        x, t = (np.asarray(getattr(v, "value", v))[:MOST_ROWS] for v in (x, t))
        with np.errstate(all="ignore"):
            step = record_step(_double(network), x, t)
            rows, layers = step.batch, flows(step)
            found += _of_network(step, layers, trained=curve is not None and curve.epochs > 0)
    if curve is not None:
        found += of_curve(curve)
    return Diagnosis(tuple(found), layers, curve, rows)


def _double(network: Any) -> Any:
    """In float64; a large network as it is, for the copy would cost memory and no finding needs its digits."""
    if not is_model(network) or sum(p.size for p in network.parameters().values()) > LARGE:
        return network  # `record_step` says what is wrong with it
    return network.with_parameters({n: np.asarray(p.value, np.float64) for n, p in network.parameters().items()})


def _of_network(step: Step, layers: tuple[LayerFlow, ...], trained: bool) -> list[Finding]:
    broken = list(_not_finite(step))
    if broken:
        return broken  # every number below would be NaN too
    found = [*_inputs(step), *of_layers(step, layers)]
    return [*found, *_answers(step)] if trained else found


def _not_finite(step: Step) -> Iterator[Finding]:
    """The first value, in the order of computation, that is NaN or infinite."""
    for node in step.graph.nodes:
        value = np.asarray(node.value)
        if value.dtype.kind != "f" or np.isfinite(value).all():
            continue
        bad = ~np.isfinite(value)
        layer = node.role.layer if node.role is not None else None
        what = node.name or (f"{node.role.kind} of layer {layer}" if node.role is not None else node.label)
        by_row = value.ndim and len(value) == step.batch and node.role is not None and node.role.kind != "weight"
        rows = np.flatnonzero(bad.reshape(step.batch, -1).any(axis=1)) if by_row else np.empty(0, int)
        at_en, at_ja = rows_text(rows)
        op = "a leaf" if node.op is None else f"computed by {node.op.name}"
        kind = "NaN" if np.isnan(value).any() else "infinite"
        yield Finding(
            "not_finite",
            T(
                en=f"{what} ({op}) is the first value that is {kind}: {int(bad.sum()):,} of {value.size:,} "
                f"numbers{at_en}.",
                ja=f"最初に{'NaN' if kind == 'NaN' else '無限大'}になったのは {what}"
                f"：{value.size:,}個中{int(bad.sum()):,}個{at_ja}。",
            ),
            T(
                en="Every value computed from it is lost, and so is every gradient.",
                ja="これを使って計算した値も勾配もすべて使えない。",
            ),
            T(
                en="Leaf: repair the data or go back to a good checkpoint. Else: a smaller learning rate, or clip "
                "gradients.",
                ja="入力やパラメータならデータを直すか、正常なチェックポイントに戻る。"
                "それ以外なら学習率を下げるか勾配をクリップする。",
            ),
            layer,
            float(bad.sum()),
        )
        return


def _inputs(step: Step) -> Iterator[Finding]:
    x = np.asarray(step.inputs, np.float64)
    sizes = np.sqrt(np.square(x).mean(axis=0))
    large = np.flatnonzero(sizes > INPUT_SIZE)
    whole = float(np.sqrt(np.square(x).mean()))
    if not len(large) and not 0 < whole < INPUT_TINY:
        return
    worst = int(sizes.argmax())
    if len(large):
        measured = T(
            en=f"{len(large)} of {len(sizes)} inputs have a root mean square above {number(INPUT_SIZE)}; the "
            "largest is "
            f"input {worst + 1} with {number(float(sizes[worst]))}.",
            ja=f"{len(sizes)}個の入力のうち{len(large)}個の二乗平均平方根が {number(INPUT_SIZE)} を超える。"
            f"最大は入力{worst + 1}の {number(float(sizes[worst]))}。",
        )
    else:
        measured = T(
            en=f"The root mean square of all inputs is {number(whole)}.",
            ja=f"全入力の二乗平均平方根は {number(whole)}。",
        )
    yield Finding(
        "unscaled_input",
        measured,
        T(
            en="Initial weights and learning rates are made for inputs near 1. Large ones saturate the first layer "
            "and make "
            "the loss steep in a few directions; tiny ones do not arrive.",
            ja="初期値や学習率は大きさ1程度の入力を想定している。大きすぎると第1層が飽和し、"
            "損失が一部の方向だけ急になる。"
            "小さすぎると信号が届かない。",
        ),
        T(
            en="Standardise each column: (x − mean) / standard deviation of the training rows; divide pixels by 255.",
            ja="各列を標準化する：(x − 平均) / 標準偏差（訓練データのもの）。画素値は255で割る。",
        ),
        1,
        float(sizes[worst]) if len(large) else whole,
    )


# -- what it answers ---------------------------------------------------------------------------------------------------
def constant_loss(step: Step) -> float:
    """The mean loss of the best answer that ignores the inputs, by the step's own loss function.

    The classes' shares for cross-entropies; the mean for squared errors, the median for absolute and Huber's.
    """
    t = np.asarray(step.targets, np.float64)
    middle = np.median if step.loss_name in ("absolute_error", "huber") else np.mean
    best = np.asarray(middle(t, axis=0), np.float64)
    if step.loss_name == "softmax_cross_entropy":
        best = np.log(np.clip(best, 1e-300, None))
    elif step.loss_name == "sigmoid_cross_entropy":
        share = np.clip(best, 1e-12, 1 - 1e-12)
        best = np.log(share / (1 - share))
    rows = np.ascontiguousarray(np.broadcast_to(best, t.shape))
    return float(np.mean(np.asarray(FUNCTIONS[LOSSES[step.loss_name].name](rows, t, reduction="none"))))


def _answers(step: Step) -> Iterator[Finding]:
    mine, constant = float(np.mean(step.sample_losses)), constant_loss(step)
    if constant > 0 and mine >= NO_BETTER * constant:
        yield Finding(
            "no_better_than_baseline",
            T(
                en=f"The loss on {step.batch:,} training rows is {number(mine)}; the best constant answer has "
                f"{number(constant)}.",
                ja=f"訓練データ{step.batch:,}行での損失は {number(mine)}。入力を無視して一定値を答えるだけで "
                f"{number(constant)}。",
            ),
            T(
                en="The network answers as if it did not see its inputs: nothing was learned, or something stops "
                "the signal.",
                ja="入力を見ていないのと同じである。学習が進んでいないか、信号がどこかで止まっている。",
            ),
            T(
                en="See the findings on layers and learning rate first; then more units, more epochs, or inputs "
                "that do tell "
                "something about the target.",
                ja="まず層と学習率の所見を見る。なければユニットやエポックを増やすか、目的変数と関係のある入力を使う。",
            ),
            None,
            mine / constant,
        )
    classes = _classes(step.targets)
    if classes is not None:
        yield from _one_class(step, classes)


def _classes(targets: Array) -> Array | None:
    """Class numbers of one-hot rows; None for anything else."""
    t = np.asarray(targets)
    one_hot = t.ndim == 2 and t.shape[1] > 1 and np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all()
    return np.asarray(t.argmax(axis=1)) if one_hot else None


def _one_class(step: Step, classes: Array) -> Iterator[Finding]:
    predicted = np.asarray(step.outputs).argmax(axis=1)
    share = float(np.bincount(classes).max() / len(classes))
    if len(np.unique(predicted)) > 1 or share > 0.95:
        return
    yield Finding(
        "one_class",
        T(
            en=f"All {step.batch:,} training rows get class {int(predicted[0])} (counted from 0); the most "
            "frequent class has "
            f"{percent(share)} of them.",
            ja=f"訓練データ{step.batch:,}行すべてにクラス{int(predicted[0])}（0から数える）を答える。"
            f"最多クラスの割合は {percent(share)}。",
        ),
        T(
            en="The biases alone decide; what the hidden layers say does not count.",
            ja="バイアスだけで答えが決まり、隠れ層の値が効いていない。",
        ),
        T(
            en="Look for dead units, saturation and the learning rate; give rare classes more rows or weight.",
            ja="死んだユニット・飽和・学習率を確かめる。少ないクラスの行や重みを増やす。",
        ),
        None,
        share,
    )
