"""An explanation in words, formulas and tables: the Document that `explain` returns."""

from __future__ import annotations

import math
from collections.abc import Iterator

from denpa.explain import number_tables as tables, tex
from denpa.explain.document import Block, Cell, Document, Highlight, Highlights, Number, Section, Table, Text
from denpa.explain.number import Explanation
from denpa.explain.number_symbols import Symbols, bracketed, meaning
from denpa.explain.number_tables import count_text, end
from denpa.explain.paths import Path
from denpa.explain.words import T
from denpa.formatting import number

WRITTEN = 4  # paths that are all written out as one sum
LONG = 24  # factors in one formula


def document(e: Explanation) -> Document:
    """The page: words, chain rule, paths, check, cost, update."""
    s = Symbols(e.subject)
    name = tex.plain(s.derivative)
    value = number(e.backprop, 6)
    sections = [_words(e, s), _chain(e, s), tables.paths(e, s)]
    sections += [*tables.layers(e, s), *tables.samples(e, s), tables.check(e, s), tables.cost(e), *tables.update(e, s)]
    return Document(
        T(en=f"Why {name} is {value}", ja=f"{name} が {value} になる理由"),
        tuple(sections),
        (Highlights(tuple(_highlights(e, s))),),
    )


def _highlights(e: Explanation, s: Symbols) -> Iterator[Highlight]:
    yield Highlight(T(en="derivative", ja="微分"), Number(e.backprop, digits=5), tex.plain(s.derivative))
    yield Highlight(T(en="value", ja="値"), Number(e.subject.value, digits=5), tex.plain(s.target))
    yield Highlight(
        T(en="paths", ja="経路の数"),
        count_text(e.paths.count),
        T(en=f"from it to {end(e).en}", ja=f"そこから{end(e).ja}まで"),
    )
    yield Highlight(
        T(en="cancellation", ja="打ち消し合い"),
        Number(e.paths.cancellation, digits=3),
        T(en="Σ|path| / |Σ path|; 1: nothing cancels", ja="Σ|経路| / |Σ経路|。1なら打ち消し合いなし"),
    )


# -- words -------------------------------------------------------------------------------------------------------------
def _words(e: Explanation, s: Symbols) -> Section:
    target, value, g = tex.plain(s.target), number(e.subject.value, 6), number(e.backprop, 6)
    step = number(abs(e.backprop) * 0.001, 3)
    to, up = end(e), e.backprop > 0
    en, ja = [f"{_what(e, s).en} is {value}."], [f"{_what(e, s).ja}の値は {value}。"]
    if e.backprop:
        times = number(abs(e.backprop), 4)
        en.append(
            f"When it grows a little, {to.en} {'grows' if up else 'falls'} {times} times as much: "
            f"by about {step} for 0.001."
        )
        ja.append(
            f"これを少し増やすと、{to.ja}はその {times} 倍だけ{'増える' if up else '減る'}（0.001 増やすと約 {step}）。"
        )
    else:
        en.append(f"Its derivative is 0: a small change of it does not change {to.en}.")
        ja.append(f"微分は0。少し変えても{to.ja}は変わらない。")
    if e.update is not None and e.backprop:
        en.append(f"A learning step therefore makes {target} {'smaller' if up else 'larger'}.")
        ja.append(f"だから学習では {target} を{'小さく' if up else '大きく'}する。")
    count = count_text(e.paths.count)
    many = e.paths.count != 1
    en.append(
        f"The derivative {g} is a sum over {count} paths to {to.en}, each the product of the local derivatives on its "
        "way."
        if many
        else f"One path leads from it to {to.en}; the derivative {g} is the product of the local derivatives on it."
    )
    ja.append(
        f"微分 {g} は、{to.ja}までの {count} 本の経路についての和で、各項は経路の途中の局所的な微分の積。"
        if many
        else f"{to.ja}までの経路は1本で、微分 {g} は途中の局所的な微分の積。"
    )
    blocks: list[Block] = [Text(T(en=" ".join(en), ja="".join(ja)))]
    if e.subject.narrow:
        text = f"The network holds {e.subject.narrow}; everything here is computed in float64 from its values."
        blocks.append(
            Text(T(en=text, ja=f"値は {e.subject.narrow} で保存されている。ここではfloat64で計算し直した。"), "note")
        )
    if e.subject.stations:
        blocks.append(Text(e.subject.notation.title, "note"))
    return Section(T(en="In words", ja="言葉で"), tuple(blocks), "words")


def _what(e: Explanation, s: Symbols) -> T:
    """What is explained: the weight from unit j to unit i, and of which sample."""
    role, at, n = e.subject.node.role, e.subject.element.at, e.subject.notation
    target = tex.plain(s.target)
    u, layer = n.units_from, 0 if role is None else role.layer + n.layers_from
    if role is not None and role.kind == "weight":
        column = e.subject.input_name(e.subject.element)
        en, ja = (f" ({column})", f"「{column}」") if column else ("", "")
        en = (
            f"{target}, the weight from unit {at[1] + u}{en} of layer {layer - 1} to unit {at[0] + u} of layer {layer},"
        )
        ja = f"{target}（層{layer - 1}のユニット{at[1] + u}{ja}から層{layer}のユニット{at[0] + u}への重み）"
    elif role is not None and role.kind == "bias":
        en = f"{target}, the bias of unit {at[0] + u} of layer {layer},"
        ja = f"{target}（層{layer}のユニット{at[0] + u}のバイアス）"
    else:
        en, ja = target, f"{target} "
    if e.subject.single is not None:
        en, ja = f"For row {e.subject.single} alone: {en}", f"行 {e.subject.single} だけについて。{ja}"
    elif e.subject.batch > 1:
        en = f"Over {e.subject.batch} samples: {en}"
        ja = f"{e.subject.batch}件のデータについて。{ja}"
    return T(en=en, ja=ja)


# -- the chain rule ----------------------------------------------------------------------------------------------------
def _chain(e: Explanation, s: Symbols) -> Section:
    shown = e.ranking.paths[: _written(e)]
    if not shown:
        return Section(T(en="The chain rule", ja="連鎖律"), (Text(_nothing(), "note"),), "chain")
    more = e.paths.count - len(shown)
    end = r" + \cdots" if more else ""
    left = e.paths.total - math.fsum(p.product for p in shown)
    numbers = " + ".join(s.numbers(p) for p in shown) + (f" + {bracketed(left)}" if more else "")
    blocks: list[Block] = [
        tex.formula(f"{s.derivative} = {' + '.join(s.product(p) for p in shown)}{end}"),
        tex.formula(f"{tex.numeral(e.paths.total, 6)} = {numbers}"),
    ]
    if more:
        text = T(
            en=f"The {'largest path is' if len(shown) == 1 else f'{len(shown)} largest paths are'} written out; "
            f"the other {count_text(more)} add up to the last number.",
            ja=f"最も大きい{len(shown)}本だけを書いた。残り{count_text(more)}本の和が最後の数。",
        )
        blocks.append(Text(text))
    blocks += [_factors(shown[0], s), *_by_backprop(e, s)]
    return Section(T(en="The chain rule, in symbols and in numbers", ja="連鎖律：記号と数"), tuple(blocks), "chain")


def _nothing() -> T:
    return T(en="No path is listed (top=0).", ja="経路は表示しない（top=0）。")


def _written(e: Explanation) -> int:
    """How many paths are written out: all of a few short ones, else the largest."""
    length = len(e.ranking.paths[0].factors) if e.ranking.paths else 1
    if e.paths.count <= WRITTEN and e.paths.count * length <= LONG:
        return WRITTEN
    return 1


def _factors(path: Path, s: Symbols) -> Table:
    stops = path.stops
    rows: list[tuple[Cell, ...]] = []
    for i in reversed(range(len(stops) - 1)):
        here, there = stops[i], stops[i + 1]
        symbol = tex.plain(s.partial(s.element(there.element), s.element(here.element)))
        words = meaning(there.element, here.element)
        if column := s.subject.input_name(here.element):
            words = T(en=f"the value of {column}", ja=f"{column} の値")
        if here.via:
            words = T(en=f"{words.en} ({here.via})", ja=f"{words.ja}（{here.via}）")
        rows.append((symbol, Number(here.factor, digits=6), words))
    rows.append((T(en="product", ja="積"), Number(path.product, digits=6), ""))
    return Table(
        (T(en="factor", ja="因子"), T(en="value", ja="値"), T(en="what it is", ja="意味")),
        tuple(rows),
        T(
            en="The factors of the largest path, the last one first",
            ja="最大の経路の因子（終わりのほうから順に）",
        ),
        folded=len(rows) > 12,
    )


def _by_backprop(e: Explanation, s: Symbols) -> Iterator[Block]:
    """δ times what came in: the same derivative in one product, because δ is known already."""
    role, at, n = e.subject.node.role, e.subject.element.at, e.subject.notation
    if role is None or role.kind != "weight":
        return
    z = e.subject.by_role("preactivation", role.layer)
    if z is None or z.value.ndim != 2 or len(bundles := e.paths.through(z)) != e.subject.batch:
        return
    several = len(bundles) > 1
    sample, of = ("k" if several else None), ("loss" if e.subject.single is None else "sample_loss")
    left = n.gradient("preactivation", role.layer, at[0], of=of, sample=sample)  # type: ignore[arg-type]
    right = n.symbol("activation", role.layer - 1, at[1], sample=sample)
    yield Text(
        T(
            en="Backpropagation does not walk the paths. It has the derivative at the unit already, one number a "
            "sample, and multiplies it once:",
            ja="誤差逆伝播法は経路をたどらない。ユニットでの微分が、データ1件につき1つの数としてもう求まっているので、"
            "1回掛けるだけでよい。",
        )
    )
    numbers = "" if several else rf"{bracketed(bundles[0].after)} \times {bracketed(bundles[0].before)} = "
    every = r"\sum_{k} " if several else ""
    yield tex.formula(
        rf"{s.derivative} = {every}{left.latex} \, {right.latex} = "
        rf"{numbers}{tex.numeral(e.backprop, 6)}"
    )
