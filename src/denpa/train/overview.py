"""One run on one page, and several runs beside each other, from their folders alone: no data is read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

from denpa.errors import UsageError
from denpa.explain.charts import LineChart, Series
from denpa.explain.document import Block, Cell, Document, Number, Picture, Section, T, Table, Text, Words
from denpa.formatting import duration, number
from denpa.train.config import Config
from denpa.train.doctor import findings
from denpa.train.report_terms import metric_number
from denpa.train.run import Run

EPOCH = T(en="epoch", ja="エポック")
LAST_EPOCHS = 10  # lines of `show`; the report has them all


def standing(run: Run) -> str:
    """The status, "killed" for a run that says "running" and that no process holds."""
    return "killed" if run.status == "running" and not run.held else run.status


def facts(run: Run) -> dict[str, Any]:
    """The run as plain data, for programs."""
    return {
        "id": run.id,
        "path": str(run.path),
        "status": standing(run),
        **{key: run.info.get(key) for key in ("created", "ended", "seconds", "command", "error")},
        "data": run.info.get("data"),
        "config": asdict(run.config),
        "epochs": run.history,
        "evaluation": run.info.get("evaluation"),
        "warnings": run.info.get("warnings", []),
    }


def overview(run: Run) -> Document:
    """What was asked, how far it got, how good it is, what was warned of, and what can be done next."""
    config, history = run.config, run.history
    sections = [
        Section(T(en="Settings", ja="設定"), tuple(_settings(run, config))),
        Section(T(en="Epochs", ja="エポック"), tuple(_epochs(history))),
        *_result(run),
        *_said(run),
        Section(T(en="Next", ja="次にできること"), (Text("\n".join(_next(run, config)), "code"),)),
    ]
    return Document(run.id, tuple(sections), lead=_status(run, len(history), config))


def _status(run: Run, done: int, config: Config) -> tuple[Text, ...]:
    status, seconds = standing(run), run.info.get("seconds")
    took = f", {duration(seconds)}" if isinstance(seconds, int | float) else ""
    lines = [
        Text(
            T(
                en=f"{status}: {done} of {config.epochs} epochs{took}; begun {run.info.get('created', '?')}",
                ja=f"{status}：{config.epochs} エポック中 {done} エポック{took}、開始 {run.info.get('created', '?')}",
            )
        )
    ]
    if run.info.get("error"):
        lines.append(Text(str(run.info["error"]), "warning"))
    if run.info.get("command"):
        lines.append(Text(str(run.info["command"]), "code"))
    return tuple(lines)


def _settings(run: Run, config: Config) -> Iterator[Block]:
    """Those that differ from what `denpa train` takes by itself; the source always."""
    rows: list[tuple[Cell, ...]] = [(name, shown(getattr(config, name))) for name in changed(config)]
    data = run.info.get("data")
    if isinstance(data, dict):
        rows.append(("rows", str(data.get("rows", "?"))))
    yield Table((T(en="setting", ja="設定"), T(en="value", ja="値")), tuple(rows))


def changed(config: Config) -> list[str]:
    """Names of the settings that are not the defaults, `source` first, in the order of `Config`."""
    usual = Config()
    return [f.name for f in fields(config) if f.name == "source" or getattr(config, f.name) != getattr(usual, f.name)]


def shown(value: object) -> str:
    """A setting as `denpa train` would be given it."""
    if isinstance(value, tuple | list):
        return ",".join(map(shown, value)) or "none"
    return number(value) if isinstance(value, float) else str(value)


def _epochs(history: Sequence[dict[str, Any]]) -> Iterator[Block]:
    if not history:
        yield Text(T(en="No epoch has ended.", ja="まだ終わったエポックはない。"))
        return
    keys = [key for key in _measures(history) if key != "epoch"]
    rows = tuple(tuple(_cell(key, row.get(key)) for key in ("epoch", *keys)) for row in history[-LAST_EPOCHS:])
    if len(history) > LAST_EPOCHS:
        all_of_them = len(history)
        yield Text(T(en=f"The last {LAST_EPOCHS} of {all_of_them}.", ja=f"{all_of_them} のうち最後の {LAST_EPOCHS}。"))
    yield Table(("epoch", *(key.replace("_", " ") for key in keys)), rows)
    chart = _curves([("", history)])
    if chart is not None:
        yield Picture(chart, T(en="Loss over the epochs.", ja="エポックごとの損失。"))


def _measures(history: Sequence[dict[str, Any]]) -> list[str]:
    """The figures of an epoch that are single numbers, in the order of their first appearance."""
    found: dict[str, None] = {}
    for row in history:
        found.update(dict.fromkeys(key for key, value in row.items() if isinstance(value, int | float)))
    return [key for key in found if key not in ("step", "rows_per_second")]


def _cell(name: str, value: Any) -> Cell:
    if value is None:
        return None
    if name == "seconds":
        return Number(float(value), style="duration")
    return metric_number(name.partition("_")[2] if name.startswith(("train_", "valid_")) else name, value)


def _result(run: Run) -> Iterator[Section]:
    evaluation = run.info.get("evaluation")
    if isinstance(evaluation, dict):
        figures = tuple((key, _cell(key, v)) for key, v in evaluation.items() if isinstance(v, int | float))
        on = str(evaluation.get("on", "?"))
        title = T(en=f"Result on the {on} rows", ja=f"結果（{on} の行）")
        yield Section(title, (Table((T(en="figure", ja="指標"), T(en="value", ja="値")), figures),))


def _said(run: Run) -> Iterator[Section]:
    warnings = run.info.get("warnings", [])
    lines = [Text(str(line), "warning") for line in warnings] if isinstance(warnings, list) else []
    lines += [Text(finding.title, "warning") for finding in findings(run)]
    if lines:
        yield Section(T(en="Warnings", ja="警告"), tuple(lines))


def _next(run: Run, config: Config) -> Iterator[str]:
    path = shlex.quote(str(run.path))
    if standing(run) in ("stopped", "killed", "failed"):
        yield f"denpa resume {path}"
    elif run.status == "finished":
        yield f"denpa resume {path} --epochs {config.epochs + 10}"
    if run.model_path.exists():
        yield f"denpa predict {path} FILE"
        yield f"denpa doctor {path}"
    yield f"denpa report {path}"


# -- several runs ----------------------------------------------------------------------------------------------------


def comparison(runs: Sequence[Run]) -> Document:
    """Which settings differ, the results side by side, and the losses in one chart.

    UsageError for fewer than two runs.
    """
    if len(runs) < 2:
        raise UsageError("there is nothing to compare", got=f"{len(runs)} run", want="two runs or more")
    names = _short([run.id for run in runs])
    histories = [run.history for run in runs]
    lead: list[Text | Table] = [Table(("", *names), tuple(_rows(runs, histories)))]
    if len({_sha256(run) for run in runs}) > 1:
        note = T(
            en="These runs were trained on different data: their figures do not compare.",
            ja="これらの学習のデータは異なるので、数値は比べられない。",
        )
        lead.insert(0, Text(note, "warning"))
    sections = []
    differing = tuple(_differences(runs))
    none = Text(T(en="All settings are equal.", ja="設定はすべて同じ。"))
    table = Table((T(en="setting", ja="設定"), *names), differing) if differing else none
    sections.append(Section(T(en="Settings that differ", ja="異なる設定"), (table,)))
    chart = _curves(list(zip(names, histories, strict=True)))
    if chart is not None:
        words = T(en="Loss over the epochs, all runs.", ja="すべての学習の、エポックごとの損失。")
        sections.append(Section(T(en="Loss", ja="損失"), (Picture(chart, words),)))
    return Document(
        T(en=f"{len(runs)} runs compared", ja=f"{len(runs)} 回の学習の比較"), tuple(sections), lead=tuple(lead)
    )


def _rows(runs: Sequence[Run], histories: Sequence[Sequence[dict[str, Any]]]) -> Iterator[tuple[Cell, ...]]:
    yield ("status", *(standing(run) for run in runs))
    yield ("epochs", *(f"{len(h)}/{run.config.epochs}" for run, h in zip(runs, histories, strict=True)))
    yield ("time", *(_cell("seconds", run.info.get("seconds")) for run in runs))
    keys = dict.fromkeys(key for h in histories for key in _measures(h) if key.endswith("_loss"))
    for key in keys:
        least = [min((row[key] for row in h if row.get(key) is not None), default=None) for h in histories]
        yield (f"lowest {key.replace('_', ' ')}", *least)
    evaluations = [e if isinstance(e := run.info.get("evaluation"), dict) else {} for run in runs]
    yield ("evaluated on", *(str(e.get("on", "–")) for e in evaluations))
    for key in dict.fromkeys(key for e in evaluations for key, v in e.items() if isinstance(v, int | float)):
        yield (key.replace("_", " "), *(_cell(key, e.get(key)) for e in evaluations))


def _differences(runs: Sequence[Run]) -> Iterator[tuple[Cell, ...]]:
    configs = [asdict(run.config) for run in runs]
    for key in configs[0]:
        values = [shown(config[key]) for config in configs]
        if len(set(values)) > 1:
            yield (key, *values)


def _sha256(run: Run) -> object:
    data = run.info.get("data")
    return data.get("sha256") if isinstance(data, dict) else None


def _short(ids: Sequence[str]) -> list[str]:
    """The names without the part that all of them begin with, cut at an underscore."""
    pieces = [name.split("_") for name in ids]
    same = 0
    while all(len(p) > same + 1 and p[same] == pieces[0][same] for p in pieces):
        same += 1
    return ["_".join(p[same:]) for p in pieces] if len(set(ids)) == len(ids) else list(ids)


def _curves(runs: Sequence[tuple[str, Sequence[dict[str, Any]]]]) -> LineChart | None:
    """Training and validation loss of each run; None without an epoch."""
    lines: list[Series] = []
    for name, history in runs:
        for key, words in (("train_loss", T(en="training", ja="訓練")), ("valid_loss", T(en="validation", ja="検証"))):
            points = [(float(row["epoch"]), float(row[key])) for row in history if row.get(key) is not None]
            if points:
                title: Words = T(en=f"{name} {words.en}".strip(), ja=f"{name} {words.ja}".strip())
                lines.append(Series(title, tuple(x for x, _ in points), tuple(y for _, y in points)))
    return LineChart(tuple(lines), EPOCH, T(en="loss", ja="損失")) if lines else None
