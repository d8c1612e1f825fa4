"""A diagnosis as a document: the findings, and δ from layer to layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from denpa.explain.document import Block, Cell, Document, Formula, Number, Section, T, Table, Text, Words

if TYPE_CHECKING:
    from denpa.explain.doctor import Diagnosis

TITLE = T(en="The doctor's findings", ja="ドクターの所見")
EXAMINATION = T(en="Examination", ja="診断")
HEALTHY = T(en="Nothing conspicuous was found.", ja="目立った問題は見つからなかった。")


def document(diagnosis: Diagnosis, title: Words = EXAMINATION) -> Document:
    return Document(title=title, sections=(section(diagnosis),))


def section(diagnosis: Diagnosis) -> Section:
    """One section with a part for each finding, for a page of its own or a report."""
    blocks: list[Block] = [] if diagnosis.findings else [Text(HEALTHY)]
    labels = (T(en="measured", ja="測定"), T(en="what it means", ja="意味"), T(en="what to try", ja="対処"))
    for finding in diagnosis.findings:
        rows = tuple(zip(labels, (finding.measured, finding.means, finding.advice), strict=True))
        parts = tuple(Text(_line(label, words)) for label, words in rows)
        blocks.append(Section(finding.title, parts))
    if diagnosis.during:
        blocks.append(_during(diagnosis))
    if len(diagnosis.layers) > 1:
        blocks += _flow(diagnosis)
    return Section(TITLE, tuple(blocks), "doctor")


def _line(label: T, words: Words) -> T:
    en, ja = (words, words) if isinstance(words, str) else (words.en, words.ja)
    return T(en=f"{label.en[0].upper()}{label.en[1:]}: {en}", ja=f"{label.ja}：{ja}")


def _during(diagnosis: Diagnosis) -> Table:
    """What was said while it was trained: it may have passed, or its cause may."""
    heads = (T(en="epoch", ja="エポック"), T(en="finding", ja="所見"), T(en="measured then", ja="そのときの測定"))
    rows: tuple[tuple[Cell, ...], ...] = tuple((f.epoch, f.title, f.measured) for f in diagnosis.during)
    return Table(
        heads, rows, T(en="Found during the training, each when it first showed", ja="学習中の所見（最初に現れたとき）")
    )


def _flow(diagnosis: Diagnosis) -> list[Block]:
    headings = (
        T(en="layer", ja="層"),
        T(en="units", ja="ユニット数"),
        "ψ",
        "‖δ‖",
        "‖W‖",
        T(en="factor of W", ja="W の倍率"),
        T(en="factor of ψ′", ja="ψ′ の倍率"),
        T(en="together", ja="積"),
        T(en="dead", ja="死んだ数"),
        T(en="saturated", ja="飽和"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Number(f.layer),
            Number(f.units),
            f.function,
            Number(f.delta),
            Number(f.norm),
            *(None if math.isnan(v) else Number(v) for v in (f.weight_factor, f.slope_factor, f.factor)),  # layer 1
            Number(f.dead),
            Number(f.saturated, style="percent"),
        )
        for f in diagnosis.layers
    ]
    formula = Formula(
        latex=r"\delta^{(l-1)} = \delta^{(l)} W^{(l)} \odot \psi'(a^{(l-1)})", plain="δ⁽ˡ⁻¹⁾ = δ⁽ˡ⁾ W⁽ˡ⁾ ⊙ ψ′(a⁽ˡ⁻¹⁾)"
    )
    caption = T(
        en=f"How δ changes from each layer to the one before it, over {diagnosis.rows:,} rows",
        ja=f"各層から1つ前の層へ δ がどう変わるか（{diagnosis.rows:,}行）",
    )
    return [formula, Table(headings, tuple(rows), caption)]
