"""The report's look inside: the drawn network, one traced step, three explained weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from denpa.explain.charts import NetworkUnits
from denpa.explain.document import Block, Cell, Number, Picture, Section, T, Table, Text
from denpa.explain.notation import DEFAULT, notation
from denpa.explain.number import Explanation
from denpa.explain.number_words import document as explained
from denpa.explain.step import Step
from denpa.explain.trace import Trace
from denpa.formatting import number
from denpa.train.inside import Inside
from denpa.train.report_terms import because

UNITS = 4  # drawn of each layer: three of them and one box for the rest
LAYERS = 8  # drawn; at four units a layer such a picture has 60 kB a language
LONG = 40  # values after which the table of the step is folded
_SHOWN = ("words", "chain", "paths", "check")  # sections of an explanation that the report takes over
_PICTURE = T(en="The network, drawn", ja="ネットワークの図")
_STEP = T(en="One step, traced", ja="1ステップの追跡")
_WEIGHTS = T(en="Three weights explained", ja="3つの重みの説明")


def inside(found: Inside) -> tuple[Section, ...]:
    """Three sections; each says what is missing."""
    said: set[Text] = set()
    return (
        Section(_PICTURE, tuple(_drawn(found)), "picture"),
        _once(Section(_STEP, tuple(_traced(found)), "trace"), said),
        _once(Section(_WEIGHTS, tuple(_weights(found)), "weights"), said),
    )


def _once(section: Section, said: set[Text]) -> Section:
    """Without the notes that were said before: each explanation is complete by itself, and repeats them."""
    kept: list[Block] = []
    for block in section.blocks:
        if isinstance(block, Section):
            kept.append(_once(block, said))
        elif len(section.blocks) == 1 or not (isinstance(block, Text) and block.kind == "note" and block in said):
            kept.append(block)
            if isinstance(block, Text):
                said.add(block)
    return replace(section, blocks=tuple(kept))


def _reason(words: T | None) -> Text:
    assert words is not None
    return Text(because(words.en, words.ja), "note")


# -- the drawn network -------------------------------------------------------------------------------------------------
def _drawn(found: Inside) -> Iterator[Block]:
    step = found.step
    if step is None:
        yield _reason(found.missing)
        return
    if step.depth > LAYERS:
        en = f"the network has {step.depth} layers of weights, and a report draws at most {LAYERS}"
        yield Text(because(en, f"重みの層が{step.depth}ある。レポートに描くのは{LAYERS}層まで"), "note")
        return
    yield Picture(NetworkUnits(step, notation(DEFAULT), UNITS), _what(step, found.row), _how(step))


def _what(step: Step, row: int | None) -> T:
    sizes = " – ".join(number(n) for n in _widths(step))
    return T(
        en=f"The trained network of {sizes} units with training row {row} in it, left to right.",
        ja=f"学習後の {sizes} ユニットのネットワークに、訓練データの行 {row} を通したもの（左から右へ）。",
    )


def _how(step: Step) -> T:
    en = (
        "Each edge has the weight above and the gradient of this row's loss below; each unit its output and, below, δ. "
    )
    ja = "各辺には上に重み、下にこの行の損失の勾配、各ユニットには出力とその下に δ を示す。"
    if max(_widths(step)) > UNITS:
        en += f"Of a layer of more than {UNITS} units the first {UNITS - 1} are drawn and one box for the rest. "
        ja += f"{UNITS}ユニットより多い層は、最初の{UNITS - 1}ユニットと、残りをまとめた1つの箱を描いた。"
    if step.dropout:
        en, ja = en + "Dropout is left out.", ja + "ドロップアウトは行っていない。"
    return T(en=en.rstrip(), ja=ja)


def _widths(step: Step) -> tuple[int, ...]:
    return (step.inputs.shape[1], *(len(v.weight) for v in step.layers))


# -- one step ----------------------------------------------------------------------------------------------------------
def _traced(found: Inside) -> Iterator[Block]:
    trace = found.trace
    if trace is None:
        yield _reason(found.missing or found.too_large)
        return
    loss = number(trace.step.loss, 6)
    yield Text(
        T(
            en=f"Training row {found.row} goes forward through the trained network to its loss, {loss}, and the "
            "gradient comes back. Nothing is updated.",
            ja=f"訓練データの行 {found.row} が学習後のネットワークを順伝播して損失 {loss} になり、"
            "そこから勾配が逆伝播する。パラメータは更新しない。",
        )
    )
    yield Text(trace.notation.title, "note")
    yield _values(trace)
    for section in trace.document.sections:
        if section.key in ("loss", "chain"):
            yield replace(section, key=f"trace-{section.key}")


def _values(trace: Trace) -> Table:
    """Each value by its textbook name: shape, range, Euclidean norm.  The numbers themselves are too many here."""
    heads = (
        T(en="value", ja="値"),
        T(en="shape", ja="形"),
        T(en="smallest", ja="最小"),
        T(en="mean", ja="平均"),
        T(en="largest", ja="最大"),
        T(en="norm ‖·‖", ja="ノルム ‖·‖"),
    )
    rows = tuple((name, *_range(np.asarray(value, np.float64))) for name, value in trace.values.items())
    caption = T(en="Every value of the step, in the order of computation", ja="ステップのすべての値（計算の順）")
    return Table(heads, rows, caption, folded=len(rows) > LONG)


def _range(v: np.ndarray) -> tuple[Cell, ...]:
    shape = " × ".join(map(str, v.shape)) or T(en="one number", ja="数1つ")
    return (shape, *(Number(float(n), digits=4) for n in (v.min(), v.mean(), v.max(), np.sqrt((v * v).sum()))))


# -- three weights -----------------------------------------------------------------------------------------------------
def _weights(found: Inside) -> Iterator[Block]:
    if not found.explanations:
        yield _reason(found.missing or found.too_large)
        return
    assert found.step is not None
    yield Text(_choice(found.step.depth, found.row))
    for place, e in enumerate(found.explanations, 1):
        yield _weight(e, f"weight-{place}")


def _choice(depth: int, row: int | None) -> T:
    """Which weights `train.inside.chosen` takes."""
    en, ja = {
        1: ("in the only layer", "ただ1つの層から大きい順に選んだ"),
        2: ("two in the first layer and one in the last", "最初の層から2つ、最後の層から1つ選んだ"),
    }.get(depth, ("one each in the first, a middle and the last layer", "最初・中間・最後の層から1つずつ選んだ"))
    return T(
        en=f"The weights with the largest gradient of the loss of training row {row}: {en}.",
        ja=f"訓練データの行 {row} の損失の勾配が大きい重みを、{ja}。",
    )


def _weight(e: Explanation, key: str) -> Section:
    """Words, chain rule, the largest paths, the three-way check."""
    document = explained(e)
    parts = (replace(s, key=f"{key}-{s.key}") for s in document.sections if s.key in _SHOWN)
    return Section(document.title, tuple(parts), key)
