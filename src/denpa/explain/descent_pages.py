"""A descent as a document: the path over contour lines and in height, why downhill is −∇f, other rates and methods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from denpa.explain.charts import Contour, LineChart, Reference, Series, Surface, Track
from denpa.explain.descent import rates_around, settled
from denpa.explain.document import (
    Block,
    Cell,
    Document,
    Formula,
    Highlight,
    Highlights,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
)
from denpa.formatting import number

if TYPE_CHECKING:
    from denpa.explain.descent import Descent

Floats = npt.NDArray[np.float64]

GRID = 49  # points a side of the map: 2,401 values of f
LEVELS = 12
ANGLES = 73  # directions compared: every 5 degrees
PLOT = np.array([560.0, 380.0])  # proportions of the map: with one scale on both axes a right angle looks like one
SHOWN_STEPS = 12  # rows of the table of steps
COMPARED = ("gd", "momentum", "adam")

VERDICT_WORDS = {
    "converged": T(en="converged: the gradient is as small as asked for", ja="収束：勾配が指定した小ささになった"),
    "slow": T(en="slow: still on the way down at the last step", ja="遅い：最後のステップでもまだ下っている途中"),
    "oscillating": T(en="oscillating: it goes back and forth", ja="振動：行ったり来たりしている"),
    "diverged": T(en="diverged: each step leads further away", ja="発散：1ステップごとに遠ざかっている"),
}  # fmt: skip
KIND_WORDS = {
    "minimum": T(en="minimum: curved upwards in every direction", ja="極小点：どの方向にも上向きに曲がっている"),
    "valley": T(en="valley: flat in some direction, else curved upwards", ja="谷：平らな方向があり、他の方向は上向き"),
    "saddle": T(en="saddle point: curved upwards and downwards", ja="鞍点：上向きの方向と下向きの方向がある"),
    "maximum": T(en="maximum: curved downwards in every direction", ja="極大点：どの方向にも下向きに曲がっている"),
    "plateau": T(en="plateau: neither slope nor curvature", ja="プラトー：勾配も曲がりもほとんどない"),
    "slope": T(en="on a slope: the gradient is not small", ja="斜面の途中：勾配が小さくない"),
    "unknown": T(en="not known: no finite Hessian", ja="不明：ヘッセ行列が有限でないか大きすぎる"),
}  # fmt: skip
STEP, VALUE = T(en="step", ja="ステップ"), T(en="value of f", ja="f の値")


def document(found: Descent) -> Document:
    """Everything about one descent; the parts with a map need two variables."""
    sections = [_path(found)]
    if len(found.x) == 2 and np.isfinite(found.gradients[0]).all() and found.gradients[0].any():
        sections.append(_steepest(found))
    if found.stochastic:
        sections.append(_batches(found))
    sections += [_rates(found), _methods(found), _end(found)]
    names = ", ".join(found.problem.names[:6]) + (", …" if len(found.x) > 6 else "")
    return Document(
        title=T(en=f"Descent of f({names})", ja=f"f({names}) の勾配降下"),
        lead=(_highlights(found),),
        sections=tuple(sections),
    )


def _highlights(found: Descent) -> Highlights:
    start, end = float(found.values[0]), found.value
    return Highlights(
        (
            Highlight(T(en="verdict", ja="判定"), found.verdict, VERDICT_WORDS[found.verdict]),
            Highlight(T(en="end point", ja="終点"), found.kind, KIND_WORDS[found.kind]),
            Highlight(VALUE, Number(end), T(en=f"{number(start)} at the start", ja=f"始点では {number(start)}")),
            Highlight(
                T(en="steps", ja="ステップ数"),
                Number(found.steps),
                f"{found.method}, η = {number(found.learning_rate)}",
            ),
        )
    )


# -- the path ----------------------------------------------------------------------------------------------------------
def _path(found: Descent) -> Section:
    rule = Formula(latex=r"\Delta x = -\eta \, \nabla f(x)", plain="Δx = −η ∇f(x)")
    blocks: list[Block] = [rule, *_map(found, [found], sheet=True), _height(found), _steps(found)]
    return Section(T(en="The path", ja="経路"), tuple(blocks), "path")


def _series(found: Descent, name: str) -> Series:
    return Series(name, tuple(map(float, range(len(found.values)))), tuple(found.values.tolist()))


def _scale(runs: Sequence[Descent]) -> str:
    """Logarithmic where all heights are positive and far apart."""
    values = np.concatenate([run.values[np.isfinite(run.values)] for run in runs])
    return "log" if values.size and values.min() > 0 and values.max() > 100 * values.min() else "linear"


def _height(found: Descent) -> Picture:
    chart = LineChart(
        (_series(found, found.method),),
        STEP,
        VALUE,
        "log" if _scale([found]) == "log" else "linear",
    )
    return Picture(
        chart,
        T(en="The height after each step.", ja="各ステップ後の高さ。"),
        T(
            en=f"From {number(float(found.values[0]))} to {number(found.value)} in {found.steps} steps.",
            ja=f"{found.steps}ステップで {number(float(found.values[0]))} から {number(found.value)} へ。",
        ),
    )


def _steps(found: Descent) -> Table:
    chosen = np.unique(np.linspace(0, found.steps, min(found.steps + 1, SHOWN_STEPS)).astype(int))
    names = found.problem.names[:6]
    rows: list[tuple[Cell, ...]] = []
    for k in chosen.tolist():
        slope = math.hypot(*found.gradients[k].tolist())
        xs = tuple(Number(float(v)) for v in found.path[k][: len(names)])
        rows.append((Number(k), *xs, Number(float(found.values[k])), Number(slope)))
    return Table((STEP, *names, "f", "‖∇f‖"), tuple(rows), T(en="Some of the steps", ja="ステップの抜粋"))


def _shown(run: Descent) -> Floats:
    """The finite points of a path; of a divergence those near its start, or nothing else could be seen."""
    points: Floats = run.path[np.isfinite(run.path).all(axis=1)]
    if run.verdict != "diverged":
        return points
    reach = np.abs(points - points[0]).max(axis=1)
    near: Floats = points[reach <= 4 * max(float(reach[:4].max()), 1e-6)]
    return near


def _window(usable: Floats) -> tuple[Floats, Floats]:
    """Both axes around the points, in one scale."""
    low, high = usable.min(axis=0), usable.max(axis=0)
    middle, room = (low + high) / 2, 0.75 * (high - low)
    scale = float(np.max(room / PLOT)) or 1.0 / float(PLOT.max())
    ends = np.stack([middle - scale * PLOT, middle + scale * PLOT])
    across = np.linspace(ends[0], ends[1], GRID)
    return across[:, 0], across[:, 1]


def _map(found: Descent, runs: Sequence[Descent], *, sheet: bool = False) -> Iterator[Block]:
    """The paths on contour lines, and with `sheet` also in height."""
    if len(found.x) != 2:
        yield Text(
            T(
                en=f"There is no map of a function of {len(found.x)} variables.",
                ja=f"{len(found.x)}変数の関数なので等高線図はない。",
            ),
            "note",
        )
        return
    xs, ys = _window(np.concatenate([_shown(run) for run in runs]))
    heights = np.array([[found.problem.value(np.array([a, b])) for a in xs] for b in ys])
    finite = heights[np.isfinite(heights)]
    levels = np.unique(np.quantile(finite, np.linspace(0.02, 0.95, LEVELS))) if finite.size else np.empty(0)
    tracks = tuple(
        Track(
            f"{run.method}, η = {number(run.learning_rate)}",
            tuple(run.path[:, 0].tolist()),
            tuple(run.path[:, 1].tolist()),
        )
        for run in runs
    )
    grid = (tuple(xs.tolist()), tuple(ys.tolist()), tuple(map(tuple, heights.tolist())))
    names = found.problem.names[0], found.problem.names[1]
    chart = Contour(*grid, tuple(levels.tolist()), *names, tracks)
    yield Picture(
        chart,
        T(en="The path from above, on lines of equal height.", ja="真上から見た経路と等高線。"),
        T(
            en="Each step of plain gradient descent leaves its contour line at a right angle. The darker, the lower.",
            ja="単純な勾配降下法の各ステップは等高線に直交する。色が濃いほど低い。",
        ),
    )
    if sheet and finite.size:
        reached = np.concatenate([run.values[: len(_shown(run))] for run in runs])
        top = max(float(np.quantile(finite, 0.9)), float(reached[np.isfinite(reached)].max(initial=-math.inf)))
        yield Picture(
            Surface(*grid, *names, VALUE, tracks, top),
            T(en="The path in height: the ball rolls down.", ja="高さで見た経路：ボールは坂を下る。"),
        )


# -- steepest descent --------------------------------------------------------------------------------------------------
def directions(found: Descent) -> tuple[Floats, Floats, Floats]:
    """Angles from −∇f in degrees, the change of f for a step of one length in each, and −h‖∇f‖cos as predicted.

    At the start, with the length h of the first step, but at most a hundredth of the start's size (or 0.01): the
    linear approximation of seed 002 holds for short steps.
    """
    x, g = found.path[0], found.gradients[0]
    slope = math.hypot(*g.tolist())
    length = min(found.learning_rate * slope or 0.01, 0.01 * max(1.0, math.hypot(*x.tolist())))
    angles = np.linspace(-180, 180, ANGLES)
    down = math.atan2(-g[1], -g[0])
    turned = np.radians(angles) + down
    ends = x + length * np.stack([np.cos(turned), np.sin(turned)], axis=1)
    changes = np.array([found.problem.value(end) for end in ends]) - found.values[0]
    return angles, changes, -length * slope * np.cos(np.radians(angles))


def _steepest(found: Descent) -> Section:
    angles, changes, predicted = directions(found)
    best = float(angles[int(np.nanargmin(changes))])
    chart = LineChart(
        (
            Series(T(en="measured Δf", ja="実測の Δf"), tuple(angles.tolist()), tuple(changes.tolist())),
            Series("⟨∇f, Δx⟩", tuple(angles.tolist()), tuple(predicted.tolist()), "gradient"),
        ),
        T(en="angle between the step and −∇f, degrees", ja="ステップと −∇f のなす角（度）"),
        T(en="change of f", ja="f の変化"),
        references=(Reference(0.0, "−∇f", "x"),),
    )
    words = Text(
        T(
            en="All steps of one length from the start, in every direction. Δf ≈ ⟨∇f, Δx⟩ = ‖∇f‖‖Δx‖cos θ is smallest "
            f"where cos θ = −1, which is along −∇f. Measured: steepest at {number(best, 3)} degrees from it.",
            ja="始点から同じ長さのステップをすべての方向に試す。Δf ≈ ⟨∇f, Δx⟩ = ‖∇f‖‖Δx‖cos θ が最小になるのは "
            f"cos θ = −1、すなわち −∇f の方向である。実測で最も下がったのは −∇f から {number(best, 3)} 度の方向。",
        )
    )
    picture = Picture(chart, T(en="Change of f by direction.", ja="方向ごとの f の変化。"))
    return Section(T(en="The steepest direction", ja="最急降下方向"), (words, picture), "steepest")


def _batches(found: Descent) -> Section:
    steps = tuple(map(float, range(found.steps)))
    batch = Series(T(en="of the batch", ja="バッチの値"), steps, tuple(found.batch_values.tolist()))
    whole = Series(T(en="of all terms", ja="全体の値"), steps, tuple(found.values[:-1].tolist()))
    words = Text(
        T(
            en="Each batch has a surface of its own: where the whole is flat, a batch may still slope.",
            ja="バッチごとに損失の形は異なる。全体では平らな場所でも、バッチでは傾いていることがある。",
        )
    )
    chart = LineChart((batch, whole), STEP, VALUE)
    picture = Picture(chart, T(en="What each step saw, beside the whole.", ja="各ステップが見た値と、全体の値。"))
    return Section(T(en="A batch and the whole", ja="バッチと全体"), (words, picture), "batches")


# -- others ------------------------------------------------------------------------------------------------------------
def _table(runs: Sequence[Descent]) -> Table:
    headings = (
        T(en="method", ja="手法"),
        T(en="learning rate η", ja="学習率 η"),
        T(en="verdict", ja="判定"),
        STEP,
        VALUE,
        T(en="end point", ja="終点"),
    )
    rows = tuple(
        (run.method, Number(run.learning_rate), run.verdict, Number(run.steps), Number(run.value), run.kind)
        for run in runs
    )
    return Table(headings, rows)


def _curves(runs: Sequence[Descent], names: Sequence[str]) -> Picture:
    """The heights, each until it is far above the largest start: beyond that a divergence hides all others."""
    scale = _scale(runs)
    top = (1e6 if scale == "log" else 2.0) * max(1.0, *(abs(float(run.values[0])) for run in runs))
    series = []
    for run, name in zip(runs, names, strict=True):
        beyond = np.flatnonzero(~(np.abs(run.values) <= top))
        end = int(beyond[0]) if len(beyond) else len(run.values)
        series.append(Series(name, tuple(map(float, range(end))), tuple(run.values[:end].tolist())))
    chart = LineChart(tuple(series), STEP, VALUE, "log" if scale == "log" else "linear")
    return Picture(chart, T(en="The height after each step, side by side.", ja="各ステップ後の高さの比較。"))


def _rates(found: Descent) -> Section:
    runs = rates_around(found)
    blocks: list[Block] = [_table(runs), _curves(runs[-8:], [f"η = {number(r.learning_rate)}" for r in runs[-8:]])]
    top = float(found.eigenvalues[-1]) if found.eigenvalues is not None and len(found.eigenvalues) else 0.0
    if found.method == "gd" and top > 0 and found.kind in ("minimum", "valley"):
        blocks.append(
            Text(
                T(
                    en=f"Near this point gradient descent diverges above η = 2/λ = {number(2 / top)}: "
                    f"λ = {number(top)} is the largest eigenvalue of the Hessian, and each step multiplies the "
                    "distance "
                    "along it by 1 − ηλ.",
                    ja=f"この点の近くでは η = 2/λ = {number(2 / top)} を超えると発散する。λ = {number(top)} は"
                    "ヘッセ行列の最大固有値で、その方向の距離は1ステップごとに 1 − ηλ 倍になる。",
                ),
                "note",
            )
        )
    title = T(en="Learning rates, from too small to divergence", ja="学習率：小さすぎる値から発散まで")
    return Section(title, tuple(blocks), "rates")


def _methods(found: Descent) -> Section:
    plain = {"steps": found.settings["steps"], "batch_size": found.settings["batch_size"]}
    same = {"tolerance": found.settings["tolerance"], "seed": found.settings["seed"]}
    runs = [
        found
        if method == found.method
        else settled(found.problem, found.path[0], method, found.learning_rate, **plain, **same)
        for method in dict.fromkeys((found.method, *COMPARED))
    ]
    maps = _map(found, [run for run in runs if run.verdict != "diverged"] or runs) if len(found.x) == 2 else ()
    blocks = (_table(runs), *maps, _curves(runs, [run.method for run in runs]))
    return Section(T(en="Methods side by side", ja="手法の比較"), blocks, "methods")


def _end(found: Descent) -> Section:
    blocks: list[Block] = [Text(KIND_WORDS[found.kind])]
    if found.eigenvalues is not None:
        values = tuple((Number(i), Number(float(v))) for i, v in enumerate(found.eigenvalues, 1))
        blocks.append(
            Table(
                ("", T(en="eigenvalue of the Hessian", ja="ヘッセ行列の固有値")),
                values,
                T(en="The curvature at the end, from the lowest", ja="終点での曲がり（小さい順）"),
                folded=len(values) > 12,
            )
        )
    return Section(T(en="What kind of point", ja="終点の種類"), tuple(blocks), "end")
