"""The history of a training under examination: learning rate too high or too low, overfitting, a loss that is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.errors import UsageError, user_line
from denpa.explain.doctor_findings import Finding
from denpa.explain.words import T
from denpa.formatting import number, percent

RISING = 0.02  # mean rise an epoch, in shares of the first loss; noise of a converged run is a tenth of that
LOST = 0.5  # share of all falls that rises took back, above which little is gained; noisy healthy runs have a third
RISEN = 1.2  # last loss against the first: a loss above its own beginning was thrown away
SLOW = 0.25  # share of the loss that is gone at the end, below which a steady fall is too slow
STEADY = 0.5  # slope of the last quarter against the first: a converging loss flattens, a slow one goes straight on
OVERFIT = 1.2  # last loss on held-out rows against its best
LEAST = 4  # epochs before a curve has a shape


@dataclass(frozen=True, eq=False)
class Curve:
    """train, held_out: mean losses (epochs,); held_out is empty when nothing was held out."""

    train: npt.NDArray[np.float64]
    held_out: npt.NDArray[np.float64]
    rate: float | None

    @property
    def epochs(self) -> int:
        return len(self.train)


def curve_of(history: Sequence[Mapping[str, Any] | float]) -> Curve:
    """From one mapping an epoch, or plain losses.  UsageError else.  Epoch 0, before training, is left out."""
    if isinstance(history, str | bytes) or not hasattr(history, "__iter__"):
        raise UsageError("the history is a sequence", where=user_line(), got=repr(history)[:80], want="a loss an epoch")
    rows = [row if isinstance(row, Mapping) else {"train_loss": row} for row in history]
    rows = [row for row in rows if row.get("epoch") != 0]
    try:
        train = np.array([float(row["train_loss"]) for row in rows])
        name = next((n for n in ("valid_loss", "test_loss") if rows and all(r.get(n) is not None for r in rows)), None)
        held_out = np.array([float(row[name]) for row in rows]) if name else np.empty(0)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "the history has no loss for each epoch",
            where=user_line(),
            got=repr(history[0] if len(history) else history)[:80],
            want='mappings with "train_loss", or numbers',
        ) from error
    rate = rows[-1].get("learning_rate") if rows else None
    return Curve(train, held_out, rate)


def of_curve(curve: Curve) -> Iterator[Finding]:
    if not np.isfinite(curve.train).all():
        yield _lost(curve)
        return
    high = list(_too_high(curve))
    yield from high
    if not high:
        yield from _too_low(curve)
        yield from _overfitting(curve)


def _rate(curve: Curve) -> str:
    return "" if curve.rate is None else f" (η = {number(curve.rate)})"


def _lost(curve: Curve) -> Finding:
    epoch = int(np.flatnonzero(~np.isfinite(curve.train))[0]) + 1
    return Finding(
        "not_finite",
        T(
            en=f"The training loss is NaN or infinite from epoch {epoch} on.",
            ja=f"第{epoch}エポックから訓練損失が NaN または無限大。",
        ),
        T(en="Training went on with numbers that mean nothing.", ja="意味のない数値のまま学習が続いている。"),
        T(
            en="A smaller learning rate, --clip 1.0; look for extreme inputs.",
            ja="学習率を下げる。--clip 1.0 を使う。極端な入力を探す。",
        ),
        None,
        float(epoch),
    )


def _too_high(curve: Curve) -> Iterator[Finding]:
    """The loss rises again and again and loses what it gained, or ends above its beginning."""
    loss = curve.train
    if len(loss) < LEAST - 1 or loss[0] <= 0:
        return
    rises = np.maximum(np.diff(loss), 0)
    falls = float(np.maximum(-np.diff(loss), 0).sum())
    mean_rise, risen = float(rises.mean() / loss[0]), float(loss[-1] / loss[0])
    often = int((rises > 0).sum())
    wasted = rises.sum() > LOST * falls
    if not (risen > RISEN or (mean_rise > RISING and often >= 2 and wasted)):
        return
    yield Finding(
        "learning_rate_high",
        T(
            en=f"The training loss rose in {often} of {len(rises)} epochs, from {number(float(loss[0]))} in the "
            "first to "
            f"{number(float(loss[-1]))} in the last (lowest: {number(float(loss.min()))}){_rate(curve)}.",
            ja=f"訓練損失は{len(rises)}エポック中{often}回上がった。最初 {number(float(loss[0]))}、"
            f"最後 {number(float(loss[-1]))}、最小 {number(float(loss.min()))}{_rate(curve)}。",
        ),
        T(
            en="The steps overshoot: they land on the other side of the valley, higher than before.",
            ja="更新が大きすぎて谷を飛び越え、前より高い所に着地している。",
        ),
        T(
            en="A learning rate of a third or a tenth, a schedule that lowers it, or larger batches.",
            ja="学習率を3分の1か10分の1にする。学習率を下げていくスケジュールを使う。バッチを大きくする。",
        ),
        None,
        max(mean_rise, risen - 1),
    )


def _too_low(curve: Curve) -> Iterator[Finding]:
    """The loss falls in almost every epoch, by little, and as fast at the end as at the beginning."""
    loss = curve.train
    if len(loss) < LEAST or loss[0] <= 0:
        return
    falls = -np.diff(loss)
    quarter = max(1, len(falls) // 4)
    early, late = float(falls[:quarter].mean()), float(falls[-quarter:].mean())
    gone = float(1 - loss[-1] / loss[0])
    if not (0 < gone < SLOW and (falls > 0).mean() >= 0.8 and early > 0 and late >= STEADY * early):
        return
    yield Finding(
        "learning_rate_low",
        T(
            en=f"After {len(loss)} epochs the training loss has lost {percent(gone)} of its first value, and falls at "
            f"{percent(late / early, 0)} of its first speed{_rate(curve)}.",
            ja=f"{len(loss)}エポックで訓練損失は最初の値から {percent(gone)} しか下がらず、今も最初の "
            f"{percent(late / early, 0)} の"
            f"速さで下がり続けている{_rate(curve)}。",
        ),
        T(
            en="The way down is open and the steps are too short for it.",
            ja="まだ下れるのに、1歩が小さすぎる。",
        ),
        T(
            en="A learning rate three to ten times as high, Adam, or more epochs.",
            ja="学習率を3〜10倍にする。Adam を使う。エポックを増やす。",
        ),
        None,
        gone,
    )


def _overfitting(curve: Curve) -> Iterator[Finding]:
    train, held = curve.train, curve.held_out
    if len(held) < LEAST or not np.isfinite(held).all() or held.min() <= 0:
        return
    best = int(held.argmin())
    grown = float(held[-1] / held.min())
    if grown < OVERFIT or train[-1] >= train[best] or train[-1] >= held[-1]:
        return
    yield Finding(
        "overfitting",
        T(
            en=f"On held-out rows the loss was lowest in epoch {best + 1} ({number(float(held[best]))}) and is now "
            f"{number(float(held[-1]))}; on training rows it fell on, to {number(float(train[-1]))}.",
            ja=f"検証損失は第{best + 1}エポックで最小（{number(float(held[best]))}）、今は {number(float(held[-1]))}。"
            f"訓練損失は {number(float(train[-1]))} まで下がり続けた。",
        ),
        T(
            en="The network learns its training rows by heart; on others it gets worse.",
            ja="訓練データを丸暗記しており、それ以外のデータでは悪くなっている。",
        ),
        T(
            en=f"Stop near epoch {best + 1}; more rows, fewer units, --weight-decay, --dropout.",
            ja=f"第{best + 1}エポック付近で止める。データを増やす。ユニットを減らす。--weight-decay や --dropout "
            "を使う。",
        ),
        None,
        grown,
    )
