"""The report's curves over the epochs: loss, accuracy, learning rate, and the gradient norm of every layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from denpa.explain.charts import LineChart, Reference, Series
from denpa.explain.document import Block, Cell, Number, Picture, Section, T, Table, Text, Words
from denpa.formatting import number
from denpa.train.record import Epoch, RunRecord
from denpa.train.report_terms import ROWS, because

EPOCH = T(en="epoch", ja="エポック")
LOG_FROM = 30.0  # largest over smallest value of a loss from which a logarithmic axis shows more
LAYERS = 8  # lines in one chart of gradient norms: the styles that can be told apart


def _values(history: Sequence[Epoch], key: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Epochs and values where `key` was measured.  The training loss is measured always: None there was not finite."""
    points = []
    for line in history:
        value = line.get(key)
        if value is None and key == "train_loss":
            value = math.nan
        if isinstance(value, (int, float)):
            points.append((float(line["epoch"]), float(value)))
    return tuple(x for x, _ in points), tuple(y for _, y in points)


def _series(history: Sequence[Epoch], measure: str) -> tuple[Series, ...]:
    found = []
    for part, name in ROWS.items():
        x, y = _values(history, f"{part}_{measure}")
        if x:
            found.append(Series(name, x, y))
    return tuple(found)


def _scale(series: Sequence[Series]) -> str:
    values = [v for line in series for v in line.y if math.isfinite(v)]
    positive = [v for v in values if v > 0]
    if not positive or min(values) < 0:
        return "linear"
    return "log" if max(positive) >= LOG_FROM * min(positive) else "linear"


def _kept(record: RunRecord) -> tuple[Reference, ...]:
    if record.best_epoch is None:
        return ()
    return (Reference(float(record.best_epoch), T(en="kept weights", ja="採用した重み"), axis="x"),)


def _odd(history: Sequence[Epoch]) -> Iterator[Text]:
    """Where the training loss first stopped being a number."""
    x, y = _values(history, "train_loss")
    for epoch, value in zip(x, y, strict=True):
        if not math.isfinite(value):
            yield Text(
                T(
                    en=f"The training loss became {number(value)} in epoch {number(int(epoch))} (marked at the edge of "
                    "the plot). No update can be right from a loss that is not a finite number.",
                    ja=f"訓練損失は第{number(int(epoch))}エポックで {number(value)} になった（図の端に印を付けた）。"
                    "有限でない損失からは正しい更新ができない。",
                ),
                "warning",
            )
            return


def _best(history: Sequence[Epoch], key: str, name: T) -> T | None:
    """The sentence on the smallest finite loss of some rows."""
    x, y = _values(history, key)
    finite = [(value, epoch) for epoch, value in zip(x, y, strict=True) if math.isfinite(value)]
    if not finite:
        return None
    value, epoch = min(finite)
    return T(
        en=f"Smallest {name.en} loss: {number(value)}, epoch {number(int(epoch))}.",
        ja=f"{name.ja}損失の最小値：{number(value)}（第{number(int(epoch))}エポック）。",
    )


def _loss(record: RunRecord) -> Iterator[Block]:
    series = _series(record.history, "loss")
    log = _scale(series) == "log"
    best = next(filter(None, (_best(record.history, f"{p}_loss", ROWS[p]) for p in ("valid", "test", "train"))), None)
    yield Picture(
        LineChart(
            series,
            EPOCH,
            T(en="loss, log scale", ja="損失（対数軸）") if log else T(en="loss", ja="損失"),
            "log" if log else "linear",
            _kept(record),
            (0.0, None),
        ),
        T(
            en="The loss after each epoch: what training makes smaller.",
            ja="各エポックの損失。学習はこの値を小さくしていく。",
        ),
        best or "",
    )
    yield from _odd(record.history)
    if len(series) > 1:
        yield Text(
            T(
                en="When the training loss falls and the loss on rows not learned from rises, that is overfitting. "
                "The training curve is the mean over an epoch's batches, taken while the weights still moved.",
                ja="訓練損失が下がり続けるのに、学習に使わないデータの損失が上がるなら過学習である。"
                "訓練の曲線はエポック内のバッチの平均で、重みが更新されながら測った値である。",
            ),
            "note",
        )
    else:
        yield Text(
            because("there are no validation or test curves, as no rows were set aside or measured during training",
                    "学習中に測る検証データ・テストデータがないため、それらの曲線はない"), "note"
        )  # fmt: skip


def _accuracy(record: RunRecord) -> Iterator[Block]:
    series = _series(record.history, "accuracy")
    if not series:
        if record.data.classes is None:
            yield Text(
                because(
                    "accuracy has no meaning for a regression", "回帰では正解率は定義されない"
                ), "note"
            )  # fmt: skip
        return
    references = _kept(record)
    if "accuracy" in record.baseline:
        guess = T(en="always the same class", ja="常に同じクラスと答えた場合")
        references += (Reference(record.baseline["accuracy"], guess),)
    yield Picture(
        LineChart(series, EPOCH, T(en="accuracy", ja="正解率"), "linear", references, (0.0, 1.0)),
        T(
            en="The share of rows whose most probable class is the true one.",
            ja="最も確率の高いクラスが正解と一致した行の割合。",
        ),
    )


_COLUMNS: tuple[tuple[str, Words, Callable[[float], Cell]], ...] = (
    ("step", T(en="updates", ja="更新回数"), lambda v: Number(int(v))),
    ("train_loss", T(en="training loss", ja="訓練損失"), Number),
    ("train_accuracy", T(en="training accuracy", ja="訓練正解率"), lambda v: Number(v, style="percent")),
    ("valid_loss", T(en="validation loss", ja="検証損失"), Number),
    ("valid_accuracy", T(en="validation accuracy", ja="検証正解率"), lambda v: Number(v, style="percent")),
    ("test_loss", T(en="test loss", ja="テスト損失"), Number),
    ("test_accuracy", T(en="test accuracy", ja="テスト正解率"), lambda v: Number(v, style="percent")),
    ("learning_rate", T(en="learning rate", ja="学習率"), Number),
    ("seconds", T(en="time", ja="時間"), lambda v: Number(v, style="duration")),
    ("rows_per_second", T(en="rows per second", ja="毎秒の行数"), lambda v: Number(v, T(en="rows/s", ja="行/秒"), 3)),
)


def _remarkable(record: RunRecord) -> tuple[int, ...]:
    """Lines of the history that a shortened table keeps: best losses, the kept epoch, the first loss out of range."""
    kept: set[int] = set()
    for key in ("train_loss", "valid_loss", "test_loss"):
        values = [(line.get(key), i) for i, line in enumerate(record.history)]
        finite = [(v, i) for v, i in values if isinstance(v, (int, float)) and math.isfinite(v)]
        odd = [i for v, i in values if isinstance(v, float) and not math.isfinite(v)]
        kept.update([min(finite)[1]] if finite else [], odd[:1])
    kept.update(i for i, line in enumerate(record.history) if line["epoch"] == record.best_epoch)
    return tuple(sorted(kept))


def _history_table(record: RunRecord) -> Table:
    used = [column for column in _COLUMNS if any(line.get(column[0]) is not None for line in record.history)]

    def cell(line: Epoch, key: str, make: Callable[[float], Cell]) -> Cell:
        value = line.get(key)
        return make(value) if isinstance(value, (int, float)) else None

    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (Number(line["epoch"]), *(cell(line, key, make) for key, _, make in used)) for line in record.history
    )
    return Table(
        (EPOCH, *(name for _, name, _ in used)),
        rows,
        T(en="All measurements, epoch by epoch", ja="エポックごとの測定値"),
        folded=True,
        keep=_remarkable(record),
    )


def _learning_rate(record: RunRecord) -> Iterator[Block]:
    """The schedule, where there is one."""
    x, y = _values(record.history, "learning_rate")
    if len(set(y)) > 1:
        yield Picture(
            LineChart((Series(T(en="learning rate", ja="学習率"), x, y),), EPOCH, T(en="learning rate", ja="学習率")),
            T(
                en="The learning rate: the length of a step, as a multiple of the gradient.",
                ja="学習率。勾配に掛ける歩幅。",
            ),
        )


def learning_curves(record: RunRecord) -> Section:
    """Loss and accuracy by epoch."""
    title = T(en="Learning curves", ja="学習曲線")
    if not record.history:
        reason = because("no epoch was finished", "1エポックも終わっていない")
        return Section(title, (Text(reason, "note"),), "curves")
    blocks = (*_loss(record), *_accuracy(record), *_learning_rate(record), _history_table(record))
    return Section(title, blocks, "curves")


def _chosen(names: Sequence[str]) -> list[str]:
    """At most LAYERS names: first, last, and evenly between."""
    if len(names) <= LAYERS:
        return list(names)
    return [names[round(i * (len(names) - 1) / (LAYERS - 1))] for i in range(LAYERS)]


def _norms(history: Sequence[Epoch], name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points = [
        (float(e["epoch"]), float(e["gradient_norms"][name])) for e in history if name in e.get("gradient_norms", {})
    ]
    return tuple(x for x, _ in points), tuple(y for _, y in points)


def _groups(history: Sequence[Epoch]) -> dict[str, list[str]]:
    """Parameter names by their last part ("weight", "bias"), in the network's order."""
    names = dict.fromkeys(name for line in history for name in line.get("gradient_norms", {}))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition(".")[2], []).append(name)
    return dict(sorted(groups.items(), key=lambda group: group[0] != "weight"))  # weights first


_KINDS = {"weight": T(en="weights", ja="重み"), "bias": T(en="biases", ja="バイアス")}


def _norm_picture(history: Sequence[Epoch], kind: str, names: list[str]) -> Picture:
    chosen = _chosen(names)
    series = tuple(
        Series(
            T(en=f"layer {names.index(name) + 1} ({name})", ja=f"第{names.index(name) + 1}層（{name}）"),
            *_norms(history, name),
            hue="gradient",
        )
        for name in chosen
    )
    what = _KINDS.get(kind, T(en=kind, ja=kind))
    caption = T(
        en=f"{len(chosen)} of {len(names)} layers are drawn, evenly spaced; the table has all.",
        ja=f"全{len(names)}層から等間隔に選んだ{len(chosen)}層を描いた。すべての層の値は表にある。",
    )
    return Picture(
        LineChart(series, EPOCH, T(en="gradient norm, log scale", ja="勾配ノルム（対数軸）"), "log"),
        T(
            en=f"The length of the gradient of the loss with respect to each layer's {what.en}, ‖∂L/∂θ‖₂.",
            ja=f"各層の{what.ja}に関する損失の勾配の大きさ ‖∂L/∂θ‖₂。",
        ),
        caption if len(chosen) < len(names) else "",
    )


def _norm_table(history: Sequence[Epoch], names: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        _, y = _norms(history, name)
        finite = [v for v in y if math.isfinite(v)]
        least, most = (min(finite), max(finite)) if finite else (None, None)
        rows.append((name, Number(y[0]), Number(y[-1]), least, most))
    headings = (
        T(en="parameter", ja="パラメータ"),
        T(en="first epoch", ja="最初のエポック"),
        T(en="last epoch", ja="最後のエポック"),
        T(en="smallest", ja="最小"),
        T(en="largest", ja="最大"),
    )
    caption = T(en="Gradient norm of every parameter", ja="パラメータごとの勾配ノルム")
    return Table(headings, tuple(rows), caption, folded=True)


def _depth(history: Sequence[Epoch], names: Sequence[str]) -> Iterator[Text]:
    """How the gradient changes from the last layer back to the first: the sign of vanishing and exploding gradients."""
    if len(names) < 2:
        return
    first, last = _norms(history, names[0])[1][-1], _norms(history, names[-1])[1][-1]
    if math.isfinite(first) and math.isfinite(last) and last > 0:
        yield Text(
            T(
                en=f"At the end the first layer's gradient is {number(first / last, 3)} times the last layer's. A "
                "factor far below 1, shrinking with the distance from the output, means vanishing gradients; one far "
                "above 1, exploding gradients.",
                ja=f"学習の最後で、第1層の勾配は最終層の {number(first / last, 3)} 倍である。"
                "この比が 1 よりはるかに小さく、出力から遠い層ほど縮むなら勾配消失、"
                "1 よりはるかに大きければ勾配爆発を疑う。",
            )
        )


def gradient_norms(record: RunRecord) -> Section:
    """The gradient norm of every layer over time."""
    title = T(en="Gradient norms", ja="勾配ノルム")
    groups = _groups(record.history)
    if not groups:
        reason = because("the run did not measure them", "この学習では測定していない")
        return Section(title, (Text(reason, "note"),), "norms")
    pictures = tuple(_norm_picture(record.history, kind, names) for kind, names in groups.items())
    names = [name for group in groups.values() for name in group]
    depth = _depth(record.history, groups.get("weight", names))
    return Section(title, (*pictures, *depth, _norm_table(record.history, names)), "norms")
