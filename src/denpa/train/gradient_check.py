"""The check of a trained network: backpropagation against numerical differentiation, entry by entry, in float64.

Source: seed 000 §5.7.3 (勾配確認).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from denpa.arrays import Array
from denpa.autodiff import backward
from denpa.check.verdict import Verdict, compare, tolerance
from denpa.data import stream
from denpa.explain.words import T
from denpa.formatting import number
from denpa.graph import no_grad
from denpa.nn import Network
from denpa.numeric import default_step, line_slope
from denpa.train.record import CheckRow, GradientCheck

ROWS = 16  # rows of data the loss is taken over
ENTRIES = 8  # of each parameter: the largest gradient, and others drawn at random
LEVELS = 4  # steps of the numerical differentiation; 9 forward passes an entry
EPS = float(np.finfo(np.float64).eps)
# A ReLU that switches within the reach of the largest step bends the differences: 3 of 1,000 entries.  They are looked
# at again from nearer; a rule that is wrong is so at every step.
STEPS = tuple(default_step(EPS, "central", LEVELS) * 2.0**-k for k in (0, 6, 12))
_VERDICTS = {Verdict.RIGHT: "agrees", Verdict.WRONG: "differs", Verdict.UNSURE: "cannot tell"}


def check_network(network: Network, x: Array, t: Array, seed: int) -> GradientCheck:
    """Sampled entries of every parameter's gradient.  x (n, n_in), t: a few rows as the network takes them.

    The network is copied to float64: at float32 differences of the loss have three good digits.
    """
    wide = {name: np.asarray(p.value, np.float64) for name, p in network.parameters().items()}
    network = Network.from_spec({**network.spec(), "dtype": "float64"}).with_parameters(wide)
    x, t = np.asarray(x, np.float64), t if t.dtype.kind in "iu" else np.asarray(t, np.float64)
    gradients = backward(network.loss(x, t))
    rows: list[CheckRow] = []
    for position, (name, parameter) in enumerate(network.parameters().items()):
        g = np.asarray(gradients[parameter])
        rows += [_row(network, wide, name, entry, g, x, t) for entry in _entries(g, seed, position)]
    method = T(
        f"central differences extrapolated from {LEVELS} steps, the largest {number(STEPS[0], 2)} of the entry's size",
        f"中心差分を {LEVELS} 段の刻みから外挿（最大の刻みは値の大きさの {number(STEPS[0], 2)} 倍）",
    )
    return GradientCheck(rows=tuple(rows), tolerance=tolerance(np.float64), samples=len(x), method=method)


def _entries(g: Array, seed: int, position: int) -> Sequence[tuple[int, ...]]:
    """The largest gradient first (a wrong rule shows there), then others without repetition."""
    largest = int(np.abs(g).argmax())
    drawn = stream(seed, "check", position).choice(g.size, min(ENTRIES, g.size), replace=False, shuffle=False)
    flat = list(dict.fromkeys([largest, *drawn.tolist()]))[:ENTRIES]
    return [tuple(int(i) for i in np.unravel_index(index, g.shape)) for index in flat]


def _row(
    network: Network, parameters: dict[str, Array], name: str, entry: tuple[int, ...], g: Array, x: Array, t: Array
) -> CheckRow:
    value = parameters[name]
    scale = max(1.0, abs(float(value[entry])))

    def loss(step: float) -> Array:
        moved = value.copy()
        moved[entry] += step
        with no_grad():
            return network.with_parameters({**parameters, name: moved}).loss(x, t).value

    for step in STEPS:
        numeric, verdict = _judge(loss, step, scale, g, entry)
        if verdict == "agrees":
            break
    analytic = float(g[entry])
    size = max(abs(analytic), abs(numeric))
    place = f"{name}[{','.join(map(str, entry))}]"
    difference = abs(analytic - numeric) / size if size else 0.0
    return CheckRow(parameter=place, analytic=analytic, numeric=numeric, difference=difference, verdict=verdict)


def _judge(
    loss: Callable[[float], Array], step: float, scale: float, g: Array, entry: tuple[int, ...]
) -> tuple[float, str]:
    """The numerical derivative, and what it says of the analytic one."""
    slope = line_slope(lambda h: loss(h * scale), eps=EPS, step=step, levels=LEVELS, one_sided=True)
    low, high = np.minimum(slope.left, slope.right) / scale, np.maximum(slope.left, slope.right) / scale
    rtol, largest = tolerance(np.float64), float(np.abs(g).max())
    found = compare(np.float64(g[entry]), low, high, slope.error / scale, rtol=rtol, scale=largest)
    kink = bool(slope.kink) and found.verdict is not Verdict.WRONG
    return float(slope.value) / scale, "kink" if kink else _VERDICTS[found.verdict]
