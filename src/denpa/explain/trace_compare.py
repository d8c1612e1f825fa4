"""Two sections of a traced step: the Jacobian chain beside the delta rule, and the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denpa.explain.document import Block, Formula, Number, Section, T, Table, Text
from denpa.explain.equations import Equations
from denpa.explain.notation import Notation
from denpa.explain.tex import formula, numeral

if TYPE_CHECKING:
    from denpa.explain.trace import Trace


def comparison(trace: Trace) -> Section:
    """Both ways to every ∂L/∂W: the difference, what rounding explains, and the multiplications."""
    n = trace.notation
    rows = tuple(
        (
            str(r.layer + n.layers_from),
            Number(r.difference, digits=2),
            Number(r.bound, digits=2),
            T(en="agree", ja="一致") if r.agrees else T(en="differ", ja="不一致"),
            Number(r.products_chain),
            Number(r.products_delta),
        )
        for r in trace.comparison
    )
    heads = (
        T(en="layer", ja="層"),
        T(en="largest difference", ja="最大の差"),
        T(en="rounding explains", ja="丸め誤差の上限"),
        T(en="verdict", ja="判定"),
        T(en="multiplications, chain", ja="乗算の回数（連鎖）"),
        T(en="delta rule", ja="乗算の回数（デルタ）"),
    )
    words = T(
        en="The gradient of a layer is the product of the Jacobian matrices between the loss and its weights (seed "
        "001, 33–48). Multiplied out with whole matrices, in float64 and from closed forms of every factor, it is "
        "compared with what backpropagation gave, which keeps one row δ and no Jacobian matrix (50–54).",
        ja="ある層の勾配は、損失からその重みまでのヤコビ行列の積である（001の式33〜48）。各因子を式のとおりに書き下し、行列のまま"
        "float64で掛け合わせた結果を、誤差逆伝播法の結果と比べる。逆伝播が保存するのはδだけで、ヤコビ行列は要らない（式50〜54）。",
    )
    blocks: list[Block] = [Text(words)]
    blocks += [_chain_formula(n, trace.step.depth)]
    blocks += [Table(heads, rows)]
    if trace.agrees:
        verdict = Text(T(en="Both give the same gradients.", ja="二つの方法の勾配は一致した。"))
    else:
        verdict = Text(T(en="The two ways give different gradients.", ja="二つの方法の勾配が一致しない。"), "warning")
    return Section(
        T(en="Jacobian chain and delta rule", ja="ヤコビ行列の連鎖とデルタの更新規則"), (*blocks, verdict), key="chain"
    )


def _chain_formula(n: Notation, depth: int) -> Formula:
    """(45) for the first layer: every factor for up to three layers, dots in the middle of longer chains."""
    loss = n.symbol("sample_loss").latex
    parts = [_over(loss, n.symbol("preactivation", depth).latex)]
    for layer in range(depth, 1, -1):
        if depth > 3 and 2 < layer < depth:
            parts += [r"\cdots"] if layer == depth - 1 else []
            continue
        below = n.symbol("activation", layer - 1).latex
        parts.append(_over(n.symbol("preactivation", layer).latex, below))
        parts.append(_over(below, n.symbol("preactivation", layer - 1).latex))
    weight = n.symbol("weight", 1).latex
    parts.append(_over(n.symbol("preactivation", 1).latex, weight))
    return formula(f"{_over(loss, weight)} = " + r" \, ".join(parts))


def _over(top: str, bottom: str) -> str:
    return rf"\frac{{\partial {top}}}{{\partial {bottom}}}"


def update(trace: Trace, e: Equations) -> Section:
    """W ← W − η ∂L/∂W, and the loss of the same samples afterwards beside what the gradient foretold."""
    u = trace.update
    assert u is not None
    n = trace.notation
    blocks: list[Block] = [formula(e.update(v.layer)) for v in trace.step.layers]
    blocks.append(formula(f"{n.symbol('rate').latex} = {numeral(u.learning_rate)}"))
    rows = (
        (T(en="loss before", ja="更新前の損失"), Number(trace.step.loss, digits=6)),
        (T(en="loss after", ja="更新後の損失"), Number(u.loss_after, digits=6)),
        (T(en="change, measured", ja="変化（実測）"), Number(u.measured)),
        (T(en="change the gradient foretells, −η‖∂L/∂θ‖²", ja="勾配による予測 −η‖∂L/∂θ‖²"), Number(u.predicted)),
    )
    blocks.append(Table((T(en="quantity", ja="量"), T(en="value", ja="値")), rows))
    return Section(T(en="The update", ja="パラメータの更新"), tuple(blocks), key="update")
