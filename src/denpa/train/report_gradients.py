"""The report's check of the trained network: gradients by backpropagation beside numerical ones."""

from __future__ import annotations

from denpa.explain.document import Cell, Formula, Number, Section, T, Table, Text, in_language
from denpa.formatting import number
from denpa.train.record import CheckRow, GradientCheck, RunRecord
from denpa.train.report_terms import VERDICTS, because

TITLE = T(en="Gradient check", ja="勾配確認")


def _verdict(check: GradientCheck) -> Text:
    wrong = [row for row in check.rows if row.verdict == "differs"]
    sure = [row for row in check.rows if row.verdict == "agrees"]
    if wrong:
        worst = max(wrong, key=lambda row: row.difference)
        return Text(
            T(
                en=f"{len(wrong)} of {len(check.rows)} gradients differ; worst: {worst.parameter}. "
                "The training cannot be trusted.",
                ja=f"{len(check.rows)}個のうち{len(wrong)}個の勾配が一致しない。最大のずれは {worst.parameter}。"
                "この学習結果は信頼できない。",
            ),
            "warning",
        )
    rest = len(check.rows) - len(sure)
    if not sure:
        return Text(
            T(
                en="None of the gradients could be judged at this precision.",
                ja="この精度では、どの勾配も判定できなかった。",
            ),
            "warning",
        )
    biggest = max(row.difference for row in sure)
    return Text(
        T(
            en=f"{len(sure)} of {len(check.rows)} gradients agree, the largest relative difference is "
            f"{number(biggest, 3)}." + (f" {rest} could not be judged (see the table)." if rest else ""),
            ja=f"{len(check.rows)}個のうち{len(sure)}個の勾配が一致した。相対差は最大 {number(biggest, 3)}。"
            + (f"残る{rest}個は判定できなかった（表を参照）。" if rest else ""),
        )
    )


def _row(row: CheckRow) -> tuple[Cell, ...]:
    verdict = VERDICTS.get(row.verdict, row.verdict)
    numbers = (Number(row.analytic, digits=8), Number(row.numeric, digits=8), Number(row.difference, digits=3))
    return (row.parameter, *numbers, verdict)


def _method(check: GradientCheck) -> Text:
    en, ja = in_language(check.method, "en"), in_language(check.method, "ja")
    return Text(
        T(
            en=f"Loss taken over {number(check.samples)} rows in float64. Two values agree when they differ by no more "
            f"than {number(check.tolerance)} of their size plus the error of the numerical value."
            + (f" Method: {en}." if en else ""),
            ja=f"損失は{number(check.samples)}行について float64 で計算した。"
            f"差が値の大きさの {number(check.tolerance)} 倍に数値微分の誤差を加えた範囲なら一致とみなす。"
            + (f"方法：{ja}。" if ja else ""),
        ),
        "note",
    )


def gradient_check(record: RunRecord) -> Section:
    """Each checked parameter with both gradients."""
    check = record.gradient_check
    if check is None or not check.rows:
        return Section(
            TITLE, (Text(because("the run ended before the check", "確認の前に実行が終わった"), "note"),), "check"
        )
    headings = (
        T(en="parameter", ja="パラメータ"),
        T(en="backpropagation", ja="誤差逆伝播法"),
        T(en="numerical", ja="数値微分"),
        T(en="relative difference", ja="相対差"),
        T(en="verdict", ja="判定"),
    )
    why = T(
        en="Backpropagation computes a gradient by the chain rule. Numerical differentiation moves one parameter a "
        "little and sees how the loss changes. Both must give the same number.",
        ja="誤差逆伝播法は連鎖律で勾配を求める。数値微分はパラメータを1つだけわずかに動かし、損失の変化を測る。"
        "両者は同じ値になるはずである。",
    )
    formula = Formula(
        latex=r"\frac{\partial L}{\partial \theta} \approx \frac{L(\theta + h) - L(\theta - h)}{2h}",
        plain="∂L/∂θ ≈ (L(θ + h) − L(θ − h)) / 2h",
    )
    table = Table(
        headings, tuple(map(_row, check.rows)), T(en="Checked gradients", ja="確認した勾配"), len(check.rows) > 40
    )
    return Section(TITLE, (Text(why), formula, _verdict(check), table, _method(check)), "check")
