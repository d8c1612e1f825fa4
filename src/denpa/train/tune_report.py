"""A search as a document: the best trainings, how the best came about, and each setting against the outcome."""

from __future__ import annotations

import math
from collections.abc import Iterator

from denpa.explain.charts import Chart, LineChart, Scatter, Series
from denpa.explain.document import Block, Cell, Document, Picture, Section, T, Table, Text
from denpa.formatting import number
from denpa.train.report_terms import metric_name, metric_number
from denpa.train.tune import Search, Trial

SHOWN = 15  # trials in the table, best first
LINES = 8  # courses of trials in one chart

TRIAL = T(en="training", ja="学習")


def document(search: Search) -> Document:
    """Everything there is to see of a search, complete or not."""
    sections = [
        Section(T(en="Best trainings", ja="最良の学習"), tuple(_table(search))),
        Section(T(en="Course of the search", ja="探索の経過"), tuple(_course(search))),
        Section(T(en="Settings against the outcome", ja="設定と結果"), tuple(_settings(search))),
    ]
    return Document(
        T(en="Search over settings", ja="設定の探索"), tuple(s for s in sections if s.blocks), lead=_lead(search)
    )


def _lead(search: Search) -> tuple[Text, ...]:
    states = [t.state for t in search.trials]
    counts = {state: states.count(state) for state in ("complete", "pruned", "failed", "running", "waiting")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [Text(T(en=f"{len(states)} trainings: {told or 'none'}.", ja=f"学習 {len(states)} 回：{told or 'なし'}。"))]
    best = search.best
    if best is not None:
        lines.append(Text(f"denpa show {search.folder / str(best.run)}", "code"))
    return tuple(lines)


def _ranked(search: Search) -> list[Trial]:
    sign = -1 if search.metric == "accuracy" else 1
    done = [t for t in search.trials if t.value is not None]
    return sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number))


def _table(search: Search) -> Iterator[Block]:
    ranked = _ranked(search)
    if not ranked:
        yield Text(T(en="No training has been completed.", ja="完了した学習はまだない。"))
        return
    names = list(dict.fromkeys(name for t in search.trials for name in t.chosen))
    rows: list[tuple[Cell, ...]] = [
        (t.run or "–", metric_number(search.metric, t.value or 0.0), *(_shown(t.chosen.get(name)) for name in names))
        for t in ranked[:SHOWN]
    ]
    yield Table((TRIAL, metric_name(search.metric), *names), tuple(rows))


def _shown(value: object) -> Cell:
    return number(value, 3) if isinstance(value, float) else None if value is None else str(value)


def _course(search: Search) -> Iterator[Block]:
    done = [t for t in search.trials if t.value is not None]
    if not done:
        return
    pick = max if search.metric == "accuracy" else min
    best: list[float] = []
    for t in done:
        best.append(pick(best[-1], t.value) if best and t.value is not None else t.value or 0.0)
    x = tuple(float(t.number) for t in done)
    lines = (
        Series(T(en="best so far", ja="それまでの最良"), x, tuple(best)),
        Series(T(en="each", ja="各回"), x, tuple(t.value or 0.0 for t in done)),
    )
    chart = LineChart(lines, TRIAL, metric_name(search.metric))
    yield Picture(chart, T(en="The best outcome so far, and each.", ja="それまでの最良の結果と、各回の結果。"))
    courses = tuple(
        Series(t.run or str(t.number), tuple(map(float, t.steps)), tuple(t.steps.values()))
        for t in (*_ranked(search)[: LINES // 2], *[t for t in search.trials if t.state == "pruned"][-LINES // 2 :])
        if t.steps
    )
    if courses:
        words = T(
            en="Trainings epoch by epoch: the best, and some that were pruned.",
            ja="最良の学習と、打ち切られた学習の経過。",
        )
        yield Picture(LineChart(courses, T(en="epoch", ja="エポック"), metric_name(search.metric)), words)


def _settings(search: Search) -> Iterator[Block]:
    """One scatter a setting; of choices, a table."""
    done = [t for t in search.trials if t.value is not None]
    for name in dict.fromkeys(name for t in done for name in t.chosen):
        found = [(t.chosen[name], t.value or 0.0) for t in done if name in t.chosen]
        if all(isinstance(value, int | float) for value, _ in found):
            spread = max(v for v, _ in found) > 30 * min(v for v, _ in found) > 0
            x = tuple(math.log10(v) if spread else float(v) for v, _ in found)
            chart: Chart = Scatter(
                x, tuple(y for _, y in found), f"log₁₀ {name}" if spread else name, metric_name(search.metric)
            )
            yield Picture(chart, T(en=f"Outcome against {name}.", ja=f"{name} と結果。"))
            continue
        pick = max if search.metric == "accuracy" else min
        values = dict.fromkeys(str(v) for v, _ in found)
        rows = []
        for value in values:
            these = [y for v, y in found if str(v) == value]
            rows.append((value, len(these), pick(these), sum(these) / len(these)))
        heads = (name, T(en="trainings", ja="回数"), T(en="best", ja="最良"), T(en="mean", ja="平均"))
        yield Table(heads, tuple(rows))
