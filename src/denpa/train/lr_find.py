"""A sweep of the learning rate: one training that begins with a tiny rate and ends with one that is too large.

The rate grows by the same factor each step.  Where the loss falls fastest is a good rate to begin with; where there is
no such place, none is suggested.  Nothing is kept of the training.
Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017; seed 001 on the learning rate η.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from denpa.data import Dataset
from denpa.engine import engine
from denpa.errors import UsageError
from denpa.explain.charts import LineChart, Reference, Series
from denpa.explain.document import Document, Picture, Section, T, Table, Text
from denpa.formatting import number
from denpa.train import loop, machine
from denpa.train.config import Config
from denpa.train.parts import Parts, build_network, encodings, parts
from denpa.train.step import training_step

Floats = npt.NDArray[np.float64]

SMOOTH = 0.95  # of the running mean of the losses, as weight of what came before
FALL = 0.05  # of the first loss: a smaller fall is no valley
NOISE = 0.1  # of the whole fall: above it the loss has not left its start
BLOWN = 4.0  # times the smallest smoothed loss: the sweep ends there
LOWER, UPPER = 1e-6, 10.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """rates, losses, smoothed: of each step, as far as the losses were finite and below the end.

    suggestion: the rate where the smoothed loss falls fastest per factor; None with a `reason`.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    reason: str

    def document(self) -> Document:
        """The curve, the suggestion or why there is none, and how to use it."""
        x = tuple(math.log10(rate) for rate in self.rates)
        chosen = () if self.suggestion is None else (math.log10(self.suggestion),)
        lines = Series(T(en="loss", ja="損失"), x, self.losses), Series(T(en="smoothed", ja="平滑化"), x, self.smoothed)
        marks = tuple(Reference(at, T(en="suggested", ja="提案"), axis="x") for at in chosen)
        chart = LineChart(lines, T(en="log₁₀ η", ja="log₁₀ η"), T(en="loss", ja="損失"), references=marks)
        if self.suggestion is None:
            word = Text(T(en=f"No suggestion: {self.reason}.", ja=f"提案なし：{self.reason}"), "warning")
        else:
            rate = number(self.suggestion, 2)
            word = Text(T(en=f"Suggested: --lr {rate} ({self.reason}).", ja=f"提案：--lr {rate}（{self.reason}）"))
        thin = range(0, len(x), max(1, len(x) // 20))
        rows = tuple((number(self.rates[i], 3), self.losses[i], self.smoothed[i]) for i in thin)
        table = Table(("η", T(en="loss", ja="損失"), T(en="smoothed", ja="平滑化")), rows, folded=True)
        words = T(en="Loss of each step against the learning rate.", ja="学習率に対する各ステップの損失。")
        curve = Section(T(en="Curve", ja="曲線"), (Picture(chart, words), table))
        return Document(T(en="Learning rate", ja="学習率"), (curve,), lead=(word,))


def sweep(config: Config, data: Dataset, *, low: float = LOWER, high: float = UPPER, steps: int = 200) -> Sweep:
    """Train `steps` batches while the rate grows from `low` to `high`.  Equal settings and data give equal bits.

    UsageError unless 0 < low < high and steps ≥ 20; errors of the data as `train`.
    """
    if not (0 < low < high < math.inf):
        raise UsageError("the range of learning rates is wrong", got=f"{low:g} … {high:g}", want="0 < low < high")
    if steps < 20:
        raise UsageError("a sweep of so few steps shows nothing", got=f"{steps} steps", want="20 or more")
    inputs, targets, rows = encodings(config, data)
    network = build_network(config, inputs, targets)
    prepared = parts(config, network, data, inputs, targets, rows)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    flops = 6.0 * config.batch_size * sum(a * b for a, b in pairwise(network.units))
    with machine.threads(config.threads or machine.threads_for(flops)), np.errstate(all="ignore"):
        losses = np.array(_losses(config, prepared, rates))
    return _judged(rates[: len(losses)], losses)


def _losses(config: Config, prepared: Parts, rates: Floats) -> list[float]:
    """The loss of each step, up to the first that is not finite."""
    at = loop.start(prepared.network, config)
    state = {**at.parameters, **at.optimizer}
    size = min(config.batch_size, len(prepared.train))  # full batches only: a short one has another noise
    feed = prepared.feed(config.seed, size, len(rates))
    how, program = engine(config.engine), None
    found: list[float] = []
    epoch, batch = 1, 0
    try:
        while len(found) < len(rates):
            if batch + 1 > len(prepared.train) // size:
                epoch, batch = epoch + 1, 0
            batches = feed.next(epoch, batch, 1)
            if batches is None:
                continue
            if program is None:
                step = training_step(
                    prepared.network, config.make_optimizer(), *batches.first, classify=False, clip=config.clip
                )
                program = how.compile(step)
            keys = np.array([[config.seed, len(found)]], np.uint64)
            given = {"learning_rate": rates[len(found) : len(found) + 1], "key": keys}
            loss = float(program.run(state, batches.data, batches.rows, given)["loss"][0])
            if not math.isfinite(loss):
                break
            found.append(loss)
            batch += 1
    finally:
        feed.close()
    return found


def _judged(rates: Floats, losses: Floats) -> Sweep:
    """Smooth, cut where the loss has blown up, and find the steepest fall before the lowest point."""
    smoothed, mean = np.empty_like(losses), 0.0
    for i, loss in enumerate(losses):
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        smoothed[i] = mean / (1 - SMOOTH ** (i + 1))
    least = np.minimum.accumulate(smoothed) if len(losses) else smoothed
    blown = np.flatnonzero(smoothed > BLOWN * np.maximum(least, 1e-12))
    end = int(blown[0]) + 1 if len(blown) else len(losses)
    rates, losses, smoothed = rates[:end], losses[:end], smoothed[:end]
    given = (tuple(rates.tolist()), tuple(losses.tolist()), tuple(smoothed.tolist()))
    if len(losses) < 10:
        return Sweep(*given, None, "the loss was not finite after a few steps: begin with a lower rate")
    start = float(losses[: max(10, len(losses) // 5)].mean())  # where the rate is too small to change anything
    bottom = int(smoothed.argmin())
    fall = start - smoothed[bottom]
    if bottom < 2 or not fall > FALL * abs(start):  # the first batches' own noise is no valley either
        return Sweep(*given, None, "the loss never fell by 5 %: there is no valley")
    if bottom == len(losses) - 1:
        return Sweep(*given, None, "the loss was still falling at the highest rate: try a higher one")
    slope = np.gradient(smoothed[: bottom + 1], np.log(rates[: bottom + 1]))
    flat = np.flatnonzero(smoothed[: bottom + 1] > start - NOISE * fall)
    slope[: flat[-1] + 1 if len(flat) else 0] = 0  # there the steepest is the batches' own noise
    return Sweep(*given, float(rates[int(slope.argmin())]), "where the loss falls fastest")
