"""A run as a document: what was learned, how well, how the gradients fared, and how to do it again.

`report(record)` only arranges what the record holds; `draw.html.page` and `draw.text.lines` show it.  A section that a
run has no data for says in a sentence why it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from denpa.explain.doctor_pages import section as findings
from denpa.explain.document import (
    Block,
    Cell,
    Document,
    Highlight,
    Highlights,
    Number,
    Section,
    T,
    Table,
    Text,
    Words,
    in_language,
)
from denpa.formatting import number
from denpa.train.record import RunRecord
from denpa.train.report_curves import gradient_norms, learning_curves
from denpa.train.report_gradients import gradient_check
from denpa.train.report_inside import inside
from denpa.train.report_outcome import misclassified, outcome
from denpa.train.report_terms import TASKS, metric_name, metric_number, rows_name


def _status(record: RunRecord) -> Iterator[Text]:
    """What a reader must know before believing the numbers below."""
    notes = {
        "interrupted": T(
            en=f"The run was interrupted after epoch {_last_epoch(record)}; the numbers are those of that moment.",
            ja=f"学習は第{_last_epoch(record)}エポックの後に中断された。以下はその時点の値である。",
        ),
        "running": T(
            en="The run has not ended; the numbers are those of its last save.",
            ja="学習はまだ終わっていない。以下は最後に保存した時点の値である。",
        ),
        "diverged": T(
            en="Training diverged: the loss became NaN or infinite, and the run stopped.",
            ja="学習が発散した。損失が NaN または無限大になり、学習を停止した。",
        ),
    }
    if record.status in notes:
        yield Text(notes[record.status], "warning")
    for words in record.warnings:
        yield Text(words, "warning")


def _last_epoch(record: RunRecord) -> int:
    return record.history[-1]["epoch"] if record.history else 0


def _remark(record: RunRecord, key: str) -> Words:
    """The baseline beside a metric."""
    if key not in record.baseline:
        return ""
    value, style = record.baseline[key], metric_number(key, record.baseline[key])
    shown = f"{100 * value:.2f} %" if style.style == "percent" else number(value)
    if not record.baseline_name:
        return T(en=f"baseline: {shown}", ja=f"ベースライン：{shown}")
    en, ja = in_language(record.baseline_name, "en"), in_language(record.baseline_name, "ja")
    return T(en=f"always guessing {en}: {shown}", ja=f"常に{ja}と答えた場合：{shown}")


def _metric_on(metric: Words, rows: T) -> T:
    """ "accuracy", test -> accuracy, test rows."""
    return T(en=f"{in_language(metric, 'en')}, {rows.en} rows", ja=f"{rows.ja}データの{in_language(metric, 'ja')}")


def _highlights(record: RunRecord) -> Highlights:
    rows = rows_name(record.evaluated_on)
    items = [
        Highlight(
            _metric_on(metric_name(key), rows),
            metric_number(key, value),
            _remark(record, key),
        )
        for key, value in record.metrics.items()
    ]
    epochs = _last_epoch(record)
    if record.seconds is not None:
        remark = T(en=f"{number(epochs)} epochs", ja=f"{number(epochs)}エポック")
        items.append(Highlight(T(en="time", ja="所要時間"), Number(record.seconds, style="duration"), remark))
    sizes = " → ".join(number(n) for n in record.network.sizes)
    items.append(
        Highlight(T(en="trained parameters", ja="学習したパラメータ数"), Number(record.network.parameters), sizes)
    )
    return Highlights(tuple(items))


def _summary(record: RunRecord) -> Text:
    """One sentence: what was trained on what."""
    task, data = TASKS.get(record.data.task, T(en=record.data.task, ja=record.data.task)), record.data
    return Text(
        T(
            en=f"A network of {number(len(record.network.sizes) - 1)} layers, trained by backpropagation for {task.en} "
            f"on {number(data.rows_train)} rows of {data.source}.",
            ja=f"{data.source} の{number(data.rows_train)}行を使い、誤差逆伝播法で{task.ja}を学習した"
            f"{number(len(record.network.sizes) - 1)}層のネットワーク。",
        )
    )


def _data(record: RunRecord) -> Section:
    data = record.data
    rows: list[tuple[Cell, ...]] = [
        (T(en="source", ja="データ元"), data.source),
        (T(en="task", ja="課題"), TASKS.get(data.task, data.task)),
        (T(en="why this task", ja="課題を選んだ理由"), data.task_reason),
        (T(en="training rows", ja="訓練データの行数"), Number(data.rows_train)),
        (T(en="validation rows", ja="検証データの行数"), Number(data.rows_valid)),
        (T(en="test rows", ja="テストデータの行数"), Number(data.rows_test)),
        (T(en="inputs", ja="入力の数"), Number(len(data.features))),
    ]
    if data.image_shape:
        rows.append((T(en="image size", ja="画像の大きさ"), " × ".join(map(str, data.image_shape))))
    if data.target:
        rows.append((T(en="target", ja="目的変数"), data.target))
    if data.scaling:
        rows.append((T(en="scaling of inputs", ja="入力のスケーリング"), data.scaling))
    if data.sha256:
        rows.append((T(en="SHA-256 of the source", ja="データ元の SHA-256"), data.sha256))
    headings = (T(en="data", ja="データ"), T(en="value", ja="値"))
    return Section(T(en="Data", ja="データ"), (Table(headings, tuple(rows)), *_class_counts(record)), "data")


def _class_counts(record: RunRecord) -> Iterator[Block]:
    data = record.data
    if data.classes is None or data.class_counts is None:
        return
    total = sum(data.class_counts) or 1
    yield Table(
        (T(en="class", ja="クラス"), T(en="training rows", ja="訓練データの行数"), T(en="share", ja="割合")),
        tuple(
            (name, Number(count), Number(count / total, style="percent"))
            for name, count in zip(data.classes, data.class_counts, strict=True)
        ),
        T(en="Training rows of each class", ja="クラスごとの訓練データの行数"),
        folded=True,
    )


def _network(record: RunRecord) -> Section:
    spec = record.network
    layers = tuple(
        (Number(i + 1), Number(a), Number(b), Number(a * b + b), activation)
        for i, (a, b, activation) in enumerate(zip(spec.sizes[:-1], spec.sizes[1:], spec.activations, strict=True))
    )
    headings = (
        T(en="layer", ja="層"),
        T(en="inputs", ja="入力"),
        T(en="outputs", ja="出力"),
        T(en="weights and biases", ja="重みとバイアスの数"),
        T(en="activation", ja="活性化関数"),
    )
    loss = T(en=f"Loss function: {spec.loss}.", ja=f"損失関数：{spec.loss}。")
    return Section(T(en="Network", ja="ネットワーク"), (Table(headings, layers), Text(loss)), "network")


def flatten(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Cell]]:
    """Nested settings as (dotted name, cell) in order."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        elif value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            yield prefix + key, None if value is None else Number(value, digits=6)
        else:
            yield prefix + key, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _settings(record: RunRecord) -> Section:
    headings = (T(en="setting", ja="設定項目"), T(en="value", ja="値"))
    rows: tuple[tuple[Cell, ...], ...] = tuple(flatten(record.config))
    blocks: list[Block] = [
        Text(T(en="Every setting, defaults included.", ja="既定値を含むすべての設定。")),
        Table(headings, rows),
    ]
    return Section(T(en="Settings", ja="設定"), tuple(blocks), "settings")


def _environment(record: RunRecord) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (T(en="run", ja="実行 ID"), record.run_id),
        (T(en="engine", ja="計算エンジン"), record.engine),
        (T(en="number format", ja="数値の型"), record.dtype),
    ]
    optional: tuple[tuple[T, Cell], ...] = (
        (T(en="threads", ja="スレッド数"), record.threads),
        (T(en="random seed", ja="乱数シード"), str(record.seed) if record.seed is not None else None),
        (T(en="started", ja="開始日時"), record.started),
    )
    rows += [row for row in optional if row[1] is not None]
    rows += [(name, version) for name, version in record.versions.items()]
    return Table((T(en="environment", ja="環境"), T(en="value", ja="値")), tuple(rows))


def _reproduce(record: RunRecord) -> Section:
    blocks: list[Block] = [
        Text(
            T(
                en="This command does the run again. The same seed, engine, thread count and versions give the same "
                "numbers, bit for bit.",
                ja="次のコマンドで同じ学習をやり直せる。シード・エンジン・スレッド数・バージョンが同じなら、"
                "結果はビット単位で一致する。",
            )
        ),
        Text(record.command, "code"),
        _environment(record),
    ]
    if record.fallbacks:
        blocks.append(
            Table(
                (T(en="not run natively, and why", ja="ネイティブに実行しなかった処理とその理由"),),
                tuple((reason,) for reason in record.fallbacks),
                row_heads=False,
            )
        )
    return Section(T(en="How to reproduce", ja="再現方法"), tuple(blocks), "reproduce")


def _doctor(record: RunRecord) -> Iterator[Section]:
    """Only where the run was examined."""
    if record.diagnosis is not None:
        yield findings(record.diagnosis)


def report(record: RunRecord) -> Document:
    """The report of a run, in every language.  Raises nothing for parts that are missing; says what is missing."""
    source = record.data.source
    return Document(
        title=T(en=f"Training report: {source}", ja=f"学習レポート：{source}"),
        lead=(_summary(record), *_status(record), _highlights(record)),
        sections=(
            learning_curves(record),
            outcome(record),
            misclassified(record),
            gradient_norms(record),
            gradient_check(record),
            *_doctor(record),
            *(inside(record.inside) if record.inside is not None else ()),
            _data(record),
            _network(record),
            _settings(record),
            _reproduce(record),
        ),
    )
