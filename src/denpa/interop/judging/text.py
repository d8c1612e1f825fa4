"""Judgements as lines of text, in English or Japanese."""

from __future__ import annotations

from collections.abc import Iterator

from denpa.explain.words import Language, T, in_language
from denpa.formatting import number
from denpa.interop.judging.faults import Fault, FileReport, Judgement, Outcome

OUTCOMES = {
    Outcome.RIGHT: T("right", "正しい"),
    Outcome.WRONG: T("WRONG", "誤り"),
    Outcome.UNSURE: T("not judged", "判定できず"),
}
KINDS = {
    "class": T("class", "クラス"),
    "function": T("function", "関数"),
    "autograd function": T("autograd function", "autograd 関数"),
    "primitive": T("primitive", "プリミティブ"),
}
LINE = T("backward in line {line}", "backward は {line} 行目")
RESEMBLES = T("values of {name}", "値は {name} と同じ")
ELEMENT = T("element", "要素")
VALUES = T("got {got}, the numerical derivative is {want}", "得た値 {got}、数値微分 {want}")
FORWARD = T("got {got} instead of {want}", "得た値 {got}、正しくは {want}")
FAILS = T("smallest failing input", "間違う最小の入力")
SKIPPED = T("not judged", "対象外")
PRINTED = T(
    "the file printed {count} characters while it ran (not shown)",
    "実行中に {count} 文字の出力がありました(表示しません)",
)
TOTAL = T("{right} of {all} right", "{all} 個のうち {right} 個が正しい")
REMARK = T("remark", "注意")


def _t(text: T, language: Language, **words: object) -> str:
    return in_language(text, language).format_map(words)


def judgement_lines(judgement: Judgement, language: Language) -> Iterator[str]:
    head = f"{judgement.name}: {_t(OUTCOMES[judgement.outcome], language)}"
    facts = [_t(KINDS[judgement.kind], language) if judgement.kind in KINDS else judgement.kind]
    facts += [_t(LINE, language, line=judgement.line)] if judgement.line else []
    facts += [_t(RESEMBLES, language, name=judgement.resembles)] if judgement.resembles else []
    yield f"{head}  ({', '.join(facts)})"
    for fault in judgement.faults:
        yield from _fault_lines(fault, language, "✗")
    for remark in judgement.remarks:
        yield from _fault_lines(remark, language, f"{_t(REMARK, language)}:")


def _fault_lines(fault: Fault, language: Language, mark: str) -> Iterator[str]:
    yield f"  {mark} {in_language(fault.says, language)}"
    if fault.example is not None:
        arrays = ", ".join(f"{k} = {v}" for k, v in fault.example.arrays.items())
        g = f", dout = {fault.example.g}" if fault.example.g else ""
        values = _t(VALUES, language, got=fault.example.got, want=fault.example.want)
        yield f"      {_t(FAILS, language)}: {arrays}{g}: {values}"
    elif fault.got is not None and fault.want is not None:
        text = FORWARD if fault.of == "forward" else VALUES
        at = f"{_t(ELEMENT, language)} {list(fault.element)}: " if fault.element else ""
        yield f"      {at}{_t(text, language, got=number(fault.got, 6), want=number(fault.want, 6))}"
    if fault.advice is not None:
        yield f"      → {in_language(fault.advice, language)}"


def report_lines(report: FileReport, language: Language) -> Iterator[str]:
    for judgement in report.judgements:
        yield from judgement_lines(judgement, language)
    for name, why in report.skipped:
        yield f"{name}: {_t(SKIPPED, language)} ({in_language(why, language)})"
    if report.printed:
        yield _t(PRINTED, language, count=f"{report.printed:,}")
    right = sum(j.outcome is Outcome.RIGHT for j in report.judgements)
    yield _t(TOTAL, language, right=right, all=len(report.judgements))
