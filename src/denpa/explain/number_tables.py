"""The tables of an explanation: paths, bundles by layer and by sample, the three-way check, the cost, the update."""

from __future__ import annotations

import math
from collections.abc import Iterator

from denpa.explain import tex
from denpa.explain.document import Block, Cell, Number, Section, Table, Text
from denpa.explain.number import Explanation, Move
from denpa.explain.number_symbols import Symbols, bracketed
from denpa.explain.words import T, Words
from denpa.formatting import number
from denpa.graph import Node

GROUP_FROM = 1000  # paths; beyond, the largest single ones say little, and they are bundled by layer
ROWS = 12  # of a table of bundles


def end(e: Explanation) -> T:
    """What the paths lead to."""
    if e.subject.is_loss:
        return T(en="the loss", ja="損失")
    return T(en="the result", ja="結果")


def count_cell(n: int) -> Cell:
    """A count as a cell: a number, so that columns align, as long as it is written out."""
    return n if n < 10**15 else count_text(n)


def count_text(n: int) -> str:
    return number(n) if n < 10**15 else f"{float(n):.3e}" if n < 10**300 else f"10^{int(math.log10(n))}"


def paths(e: Explanation, s: Symbols) -> Section:
    running = 0.0
    rows: list[tuple[Cell, ...]] = []
    for i, path in enumerate(e.ranking.paths, 1):
        running += path.product
        rows.append(
            (i, s.route(path), Number(path.product, digits=5), _share(path.product, e), Number(running, digits=5))
        )
    rest = e.ranking.rest
    if rest.count:
        words = T(en=f"the other {count_text(rest.count)} paths", ja=f"残り{count_text(rest.count)}本")
        rows.append(
            (None, words, Number(rest.total, digits=5), _share(rest.total, e), Number(e.ranking.total, digits=5))
        )
    words = T(en="sum of all", ja="全部の和")
    rows.append((None, words, Number(e.paths.total, digits=5), _share(e.paths.total, e), None))
    table = Table(
        (
            T(en="rank", ja="順位"),
            _route_heading(e),
            T(en="contribution", ja="寄与"),
            T(en="share", ja="割合"),
            T(en="running sum", ja="累計"),
        ),
        tuple(rows),
        _path_caption(e),
        row_heads=False,
    )
    return Section(T(en="The paths", ja="経路"), (table, *_remarks(e)), "paths")


def _path_caption(e: Explanation) -> T:
    if not e.ranking.rest.count:
        return T(en="All paths, the largest first", ja="すべての経路を大きい順に")
    return T(
        en=f"The {len(e.ranking.paths)} largest of {count_text(e.paths.count)} paths; the rest as one sum",
        ja=f"{count_text(e.paths.count)}本のうち大きい順に{len(e.ranking.paths)}本。残りは1つの和",
    )


def _route_heading(e: Explanation) -> Words:
    if e.level == "operations":
        return T(en="path through", ja="経路が通る値")
    first = 0 if e.subject.layer is None else e.subject.layer + e.subject.notation.layers_from
    if e.subject.batch > 1:
        return T(en=f"[sample] units from layer {first} on", ja=f"[データ] 層{first}から先のユニット")
    return T(en=f"units from layer {first} on", ja=f"層{first}から先のユニット")


def _share(part: float, e: Explanation) -> Cell:
    return Number(part / e.paths.total, style="percent") if e.paths.total else None


def _remarks(e: Explanation) -> Iterator[Block]:
    if e.paths.cancellation > 10:
        times = number(e.paths.cancellation, 3)
        yield Text(
            T(
                en=f"The paths largely cancel: their sizes add up to {times} times the size of their sum. "
                "A single path then says little about the derivative.",
                ja=f"経路どうしがよく打ち消し合っている。大きさの和は、和の大きさの{times}倍。1本の経路だけでは微分のことはほとんど分からない。",
            ),
            "note",
        )
    if e.level == "units" and e.operations.count != e.paths.count:
        count = count_text(e.operations.count)
        yield Text(
            T(
                en=f"Paths are counted from unit to unit. Through every recorded operation there are {count} of them, "
                "since some functions use their argument more than once.",
                ja=f"経路はユニットからユニットへ数えた。記録された演算を1つずつ通ると {count} 本になる"
                "（引数を2回以上使う関数があるため）。",
            ),
            "note",
        )


# -- bundles -----------------------------------------------------------------------------------------------------------
def layers(e: Explanation, s: Symbols) -> Iterator[Section]:
    """Beyond GROUP_FROM paths: all paths through a unit as one term, layer by layer."""
    layer = e.subject.layer
    if e.paths.count <= GROUP_FROM or layer is None or e.level != "units":
        return
    blocks: list[Block] = []
    depth = e.subject.notation.depth or 0
    for node in e.subject.stations:
        assert node.role is not None
        if node.role.kind == "preactivation" and node.role.layer > layer:
            blocks.append(_bundles(e, s, node, folded=layer + 1 < node.role.layer < depth))
    if blocks:
        yield Section(
            T(en="The same sum, bundled by layer", ja="同じ和を層ごとにまとめる"),
            (
                Text(
                    T(
                        en="All paths through one unit make one term: what the weight does to the unit, times what the "
                        "unit does to the loss. The terms of each layer add up to the derivative.",
                        ja="1つのユニットを通る経路をすべて1つの項にまとめる：重みがユニットに与える変化 × "
                        "ユニットが損失に与える変化。どの層でも、項の和は同じ微分になる。",
                    )
                ),
                *blocks,
            ),
            "layers",
        )


def _bundles(e: Explanation, s: Symbols, node: Node, folded: bool) -> Table:
    found = e.paths.through(node)
    assert node.role is not None
    rows: list[tuple[Cell, ...]] = [
        (
            tex.plain(s.element(b.element)),
            count_cell(b.count),
            Number(b.before),
            Number(b.after),
            Number(b.total, digits=5),
        )
        for b in found[:ROWS]
    ]
    if len(found) > ROWS:
        rest = found[ROWS:]
        words = T(en=f"{len(rest):,} more units", ja=f"他の{len(rest):,}ユニット")
        rows.append(
            (words, count_cell(sum(b.count for b in rest)), None, None, Number(math.fsum(b.total for b in rest)))
        )
    total = math.fsum(b.total for b in found)
    rows.append((T(en="sum", ja="和"), count_cell(sum(b.count for b in found)), None, None, Number(total, digits=5)))
    target, loss = tex.plain(s.target), tex.plain(s.loss)
    number_ = node.role.layer + e.subject.notation.layers_from
    return Table(
        (
            T(en="unit", ja="ユニット"),
            T(en="paths", ja="経路の数"),
            f"∂unit/∂{target}",
            f"∂{loss}/∂unit",
            T(en="contribution", ja="寄与"),
        ),
        tuple(rows),
        T(en=f"Through layer {number_}", ja=f"層{number_}を通る経路"),
        folded=folded,
    )


def samples(e: Explanation, s: Symbols) -> Iterator[Section]:
    """What each sample of a batch contributes.  Source: seed 002, C_T = Σ C_k."""
    layer = e.subject.layer
    z = None if layer is None else e.subject.by_role("preactivation", layer)
    if e.subject.batch <= 1 or z is None or z.value.ndim != 2:
        return
    found = e.paths.through(z)
    if not found:
        return
    first = e.subject.notation.units_from
    rows: list[tuple[Cell, ...]] = [
        (_sample(e, b.element.at[0], first), count_cell(b.count), Number(b.total, digits=5), _share(b.total, e))
        for b in found[:ROWS]
    ]
    if len(found) > ROWS:
        rest = found[ROWS:]
        total = math.fsum(b.total for b in rest)
        words = T(en=f"{len(rest):,} more samples", ja=f"他の{len(rest):,}件")
        rows.append((words, count_cell(sum(b.count for b in rest)), Number(total, digits=5), _share(total, e)))
    headings = (
        T(en="sample", ja="データ"),
        T(en="paths", ja="経路の数"),
        T(en="contribution", ja="寄与"),
        T(en="share", ja="割合"),
    )
    caption = T(en="The samples that pull hardest, first", ja="影響の大きいデータから順に")
    yield Section(T(en="Sample by sample", ja="データごと"), (Table(headings, tuple(rows), caption),), "samples")


def _sample(e: Explanation, k: int, first: int) -> Cell:
    """A sample by its number in the symbols, and by its name where it has one."""
    if not e.subject.names:
        return k + first
    row = e.subject.names[k]
    return T(en=f"{k + first} (row {row})", ja=f"{k + first}（行 {row}）")


# -- check, cost, update -----------------------------------------------------------------------------------------------
def check(e: Explanation, s: Symbols) -> Section:
    n = e.numerical
    rows: tuple[tuple[Cell, ...], ...] = (
        (
            T(en="sum over the paths", ja="経路の和"),
            Number(e.paths.total, digits=15),
            Number(e.paths.rounding, digits=2),
        ),
        (T(en="backpropagation", ja="誤差逆伝播法"), Number(e.backprop, digits=15), Number(e.paths.rounding, digits=2)),
        (
            T(en=f"numerical ({n.evaluations} evaluations)", ja=f"数値微分（{n.evaluations}回の計算）"),
            Number(n.value, digits=15),
            Number(n.error, digits=2),
        ),
    )
    headings = (
        T(en="computed by", ja="計算方法"),
        tex.plain(s.derivative),
        T(en="error at most about", ja="誤差の目安"),
    )
    return Section(T(en="Checked in three ways", ja="3通りの確認"), (Table(headings, rows), _verdict(e)), "check")


def _verdict(e: Explanation) -> Text:
    if not e.paths_agree:
        return Text(
            T(
                en="The sum over the paths and backpropagation differ by more than rounding: an operation's derivative "
                "rule is not what it says. Check it with denpa.check_primitive.",
                ja="経路の和と誤差逆伝播法が、丸め誤差を超えて違う。どれかの演算の微分の規則が正しくない。"
                "denpa.check_primitive で調べること。",
            ),
            "warning",
        )
    agrees = e.numerical_agrees
    if agrees is False:
        return Text(
            T(
                en="Backpropagation and the differences disagree by more than their errors: the derivative of an "
                "operation is wrong. denpa.check names it.",
                ja="誤差逆伝播法と数値微分が、誤差を超えて違う。どれかの演算の微分が間違っている。"
                "denpa.check で場所が分かる。",
            ),
            "warning",
        )
    if e.numerical.kink:
        left, right = number(e.numerical.left, 6), number(e.numerical.right, 6)
        return Text(
            T(
                en=f"The loss has a kink here: {left} on the left, {right} on the right. "
                "The derivative is a convention.",
                ja=f"ここで損失は折れ曲がっている：左の傾き {left}、右の傾き {right}。微分の値は約束による。",
            ),
            "note",
        )
    if agrees is None:
        return Text(
            T(
                en="The paths and backpropagation agree to rounding. The derivative is too small for differences: "
                "their error is as large as the number itself.",
                ja="経路の和と誤差逆伝播法は丸め誤差まで一致する。微分が小さすぎて、数値微分では誤差に埋もれて分からない。",
            ),
            "note",
        )
    return Text(T(en="All three agree within their errors.", ja="3つとも誤差の範囲で一致する。"))


def cost(e: Explanation) -> Section:
    c = e.cost
    one, every = T(en="this one", ja="この1つ"), T(en=f"all {c.parameters:,}", ja=f"全{c.parameters:,}個")
    rows: tuple[tuple[Cell, ...], ...] = (
        (T(en="every path by itself", ja="経路を1本ずつ"), one, count_cell(c.by_paths)),
        (T(en="differences: 2 evaluations", ja="数値微分：計算2回"), one, count_cell(2 * c.forward)),
        (
            T(en=f"differences: {2 * c.parameters:,} evaluations", ja=f"数値微分：計算{2 * c.parameters:,}回"),
            every,
            count_cell(c.numerical),
        ),
        (T(en="one backward pass", ja="逆伝播1回"), every, count_cell(c.backward)),
    )
    headings = (
        T(en="way", ja="方法"),
        T(en="derivatives it gives", ja="得られる微分"),
        T(en="multiplications, about", ja="掛け算の回数（約）"),
    )
    return Section(T(en="What it costs", ja="計算の手間"), (Table(headings, rows),), "cost")


def update(e: Explanation, s: Symbols) -> Iterator[Section]:
    u = e.update
    if u is None:
        return
    n = e.subject.notation
    rate = r"\eta" if n.code else n.symbol("rate").latex
    formula = tex.formula(
        rf"{s.target} \leftarrow {s.target} - {rate} \, {s.derivative} = "
        rf"{tex.numeral(u.before, 6)} - {bracketed(u.learning_rate)} \times {bracketed(e.backprop, 6)} = "
        rf"{tex.numeral(u.after, 6)}"
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (words, Number(move.predicted, digits=5), Number(move.measured, digits=5), _ratio(move))
        for words, move in (
            (T(en="this one alone", ja="これだけを動かす"), u.alone),
            (T(en="all parameters", ja="全パラメータを動かす"), u.together),
        )
    )
    headings = (
        T(en="what moves", ja="動かすもの"),
        T(en="foretold, −η‖gradient‖²", ja="予測 −η‖勾配‖²"),
        T(en="measured", ja="実測"),
        T(en="measured / foretold", ja="実測/予測"),
    )
    caption = T(
        en=f"The change of the loss, now {number(u.loss, 6)}, by one step with η = {number(u.learning_rate)}",
        ja=f"損失（今は {number(u.loss, 6)}）の変化。η = {number(u.learning_rate)} で1回更新したとき",
    )
    yield Section(
        T(en="What the update will do", ja="更新すると何が起こるか"),
        (formula, Table(headings, rows, caption), *_foretelling(u.together)),
        "update",
    )


def _ratio(move: Move) -> Cell:
    return Number(move.measured / move.predicted, digits=4) if move.predicted else None


def _foretelling(move: Move) -> Iterator[Block]:
    if not move.predicted:
        return
    ratio = move.measured / move.predicted
    if not math.isfinite(ratio) or ratio < 0:
        yield Text(
            T(
                en="The loss grows although every derivative says it falls: the step is too large for the slope to "
                "hold over its length. A smaller learning rate helps.",
                ja="どの微分も「減る」と言っているのに損失は増える。一歩が大きすぎて、その間に傾きが変わってしまう。"
                "学習率を小さくするとよい。",
            ),
            "warning",
        )
    elif ratio < 0.5:
        yield Text(
            T(
                en="The step reaches less than half of what the slope foretells: the loss bends within its length.",
                ja="傾きからの予測の半分も減らない。一歩の間に損失の曲がりが効いている。",
            ),
            "note",
        )
