"""A traced step as a Document: the legend, forward, backward, the two ways to the gradients, and the update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from denpa.arrays import Array
from denpa.explain.document import Block, Document, Highlight, Highlights, Number, Section, T, Table, Text
from denpa.explain.equations import SHOWN, Equations, matrix
from denpa.explain.jacobians import SLOPE_TEXTS, slopes
from denpa.explain.notation import Notation
from denpa.explain.step import LayerStep, Step
from denpa.explain.tex import formula, numeral, plain
from denpa.explain.trace_compare import comparison, update

if TYPE_CHECKING:
    from denpa.explain.trace import Trace

SMALL = 6  # units up to which matrices are written out with their numbers
WIDE = 10  # columns of a table of weights; wider ones are told by their size and range
LONG = 24  # rows after which a table is folded
SAMPLES = 3  # samples whose values are listed


def document(trace: Trace) -> Document:
    """The whole page.  Nothing is computed here beyond sums of the values the step holds."""
    step, n = trace.step, trace.notation
    equations = Equations(n, step.depth, step.batch, step.reduction == "mean", step.fused)
    sections = [legend(step, n), *_inputs(trace)]
    sections += [_forward(trace, equations, v) for v in step.layers]
    sections += [_loss(trace, equations)]
    sections += [_backward(trace, equations, v) for v in reversed(step.layers)]
    sections += [comparison(trace)]
    if trace.update is not None:
        sections.append(update(trace, equations))
    return Document(
        title=T(en=f"One training step, in the notation of {_whose(n)}", ja=f"学習の1ステップ（{_whose(n)}の記法）"),
        lead=(_summary(step), _key_numbers(trace), *_notes(step)),
        sections=tuple(sections),
    )


def _whose(n: Notation) -> str:
    return {"pytorch": "PyTorch", "book": "000/004"}.get(n.key, n.key)


def _summary(step: Step) -> Text:
    units = " – ".join(str(len(v.weight)) for v in step.layers)
    functions = ", ".join(v.function.function for v in step.layers)
    many = "" if step.batch == 1 else f", {step.reduction} over {step.batch} samples"
    over = {"mean": "平均", "sum": "合計"}[step.reduction]
    return Text(
        T(
            en=f"{step.inputs.shape[1]} inputs, layers of {units} units with {functions}, loss {step.loss_name}{many}.",
            ja=f"入力{step.inputs.shape[1]}個、ユニット数 {units}、活性化関数 {functions}、損失 {step.loss_name}"
            + ("。" if step.batch == 1 else f"（{step.batch}件の{over}）。"),
        )
    )


def _key_numbers(trace: Trace) -> Highlights:
    step = trace.step
    worst = max((r.difference for r in trace.comparison), default=0.0)
    items = [
        Highlight(T(en="loss", ja="損失"), Number(step.loss, digits=6)),
        Highlight(
            T(en="Jacobian chain against delta rule", ja="ヤコビ行列の連鎖とデルタの更新規則"),
            T(en="agree", ja="一致") if trace.agrees else T(en="differ", ja="不一致"),
            T(en=f"largest difference {worst:.2g}", ja=f"最大の差 {worst:.2g}"),
        ),
    ]
    return Highlights(tuple(items))


def _notes(step: Step) -> Iterator[Text]:
    if step.dropout:
        yield Text(
            T(en="Dropout is left out of this step.", ja="このステップではドロップアウトを行っていない。"), "note"
        )
    if not np.isfinite(step.loss):
        yield Text(T(en="The loss is not finite.", ja="損失が有限の値ではない。"), "warning")
    if step.batch > SAMPLES:
        yield Text(
            T(
                en=f"Values are listed for the first {SAMPLES} of {step.batch} samples; gradients are those of all.",
                ja=f"値は{step.batch}件のうち最初の{SAMPLES}件について示す。勾配は全件のもの。",
            ),
            "note",
        )


# -- legend ------------------------------------------------------------------------------------------------------------
def legend(step: Step, n: Notation) -> Section:
    """What each symbol means, with its shape in this notation."""
    v = step.layers[0]
    weights = n.layout.write_weights(v.weight, v.bias)
    layer = v.layer
    rows: list[tuple[Any, ...]] = [
        (T(en="input", ja="入力"), n.symbol("activation", 0).plain, _shape(n.layout.write_vectors(step.inputs))),
        (
            T(en="weights of the first layer", ja="最初の層の重み"),
            n.symbol("weight", layer).plain,
            _shape(weights["weight"]),
        ),
        (T(en="its biases", ja="そのバイアス"), n.symbol("bias", layer).plain, _bias_shape(weights)),
        (
            T(en="what enters the activation function", ja="活性化関数への入力"),
            n.symbol("preactivation", layer).plain,
            _shape(n.layout.write_vectors(v.preactivation)),
        ),
        (
            T(en="what leaves it", ja="活性化関数の出力"),
            n.symbol("activation", layer).plain,
            _shape(n.layout.write_vectors(v.activation)),
        ),
        (T(en="target", ja="正解"), n.symbol("target").plain, _shape(n.layout.write_vectors(step.targets))),
        (T(en="loss", ja="損失"), n.symbol("sample_loss" if _single(step, n) else "loss").plain, "()"),
        (_delta_words(n), n.symbol("delta", layer).plain, _shape(n.layout.write_gradients(v.delta))),
    ]
    if v.bias is None:
        del rows[2]
    head = (T(en="what", ja="意味"), T(en="symbol", ja="記号"), T(en="shape", ja="形"))
    return Section(
        T(en="How it is written", ja="記号の読み方"), (Text(n.title), Table(head, tuple(rows))), key="notation"
    )


def _single(step: Step, n: Notation) -> bool:
    """Whether the loss is written as that of the one sample there is."""
    return step.batch == 1 and n.per_sample


def _delta_words(n: Notation) -> T:
    if n.per_sample:
        return T(en="gradient of one sample's loss, per layer", ja="1件の損失の、各層での勾配")
    return T(en="gradient of the whole loss that arrives at a layer", ja="層に届く、損失全体の勾配")


def _shape(value: Any) -> str:
    if hasattr(value, "values") and hasattr(value, "rows"):
        return f"{value.rows} × {value.columns} → {len(value.values)}"
    return " × ".join(map(str, value.shape))


def _bias_shape(weights: dict[str, Any]) -> T | str:
    if "bias" in weights:
        return _shape(weights["bias"])
    return T(en="the last column of the weights", ja="重みの最後の列")


# -- inputs ------------------------------------------------------------------------------------------------------------
def _inputs(trace: Trace) -> Iterator[Section]:
    """Which column is which unit, with its value, where the inputs have names."""
    step, n = trace.step, trace.notation
    if not step.input_names:
        return
    listed = range(min(step.batch, SAMPLES))
    heads: list[Any] = [T(en="unit", ja="ユニット"), T(en="column", ja="列")]
    heads += [n.symbol("activation", 0, sample=i if step.batch > 1 else None).plain for i in listed]
    rows: tuple[tuple[Any, ...], ...] = tuple(
        (str(u + n.units_from), name, *(Number(float(step.inputs[i, u])) for i in listed))
        for u, name in enumerate(step.input_names)
    )
    caption = T(en="The columns as the network takes them", ja="ネットワークに入る列の値")
    yield Section(
        T(en="The inputs", ja="入力"), (Table(tuple(heads), rows, caption, folded=len(rows) > LONG),), key="inputs"
    )


# -- forward -----------------------------------------------------------------------------------------------------------
def _forward(trace: Trace, e: Equations, v: LayerStep) -> Section:
    n, step = trace.notation, trace.step
    k = v.layer
    blocks: list[Block] = [formula(e.forward(k, v.bias is not None))]
    blocks += _filled_forward(e, step, v)
    blocks += [formula(e.activate(k, v.function.function))]
    blocks += [_unit_table(trace, v), *_weight_table(trace, v, gradients=False)]
    return Section(
        T(en=f"Forward, layer {k + n.layers_from}", ja=f"順伝播：第{k + n.layers_from}層"),
        tuple(blocks),
        key=f"forward-{k}",
    )


def _filled_forward(e: Equations, step: Step, v: LayerStep) -> Iterator[Block]:
    """The same with numbers: whole matrices where they are small, and one unit written out."""
    n, below = e.notation, step.below(v.layer)
    small = max(v.weight.shape) <= SMALL and step.batch <= SMALL and not n.layout.flat
    if small:
        left = n.symbol("preactivation", v.layer).latex
        pieces = n.layout.write_weights(v.weight, v.bias)
        z = n.layout.write_vectors(below, constant=v.bias is not None)
        W = pieces["weight"]
        if not n.layout.columns and not n.layout.transposed:
            W = W.T
        pair = (matrix(W), matrix(z)) if n.layout.columns else (matrix(z), matrix(W))
        bias = f" + {matrix(pieces['bias'])}" if "bias" in pieces else ""
        dot = r" \cdot " if n.key == "book" else r" \, "
        yield formula(f"{left} = {dot.join(pair)}{bias} = {matrix(n.layout.write_vectors(v.preactivation))}")
    unit = _chosen_unit(v)
    bias_value = None if v.bias is None else float(v.bias[unit])
    yield formula(e.unit_forward(v.layer, unit, v.weight[unit], below[0], bias_value, float(v.preactivation[0, unit])))
    if v.weight.shape[1] > SHOWN:
        yield Text(_BRACKETS, "note")


_BRACKETS = T(
    en="The number in square brackets is the sum of the terms that are not written out.",
    ja="角括弧の数は、書き出していない項の合計。",
)


def _chosen_unit(v: LayerStep) -> int:
    """The unit whose δ is largest in the first sample: the one that learns most from it."""
    return int(np.argmax(np.abs(np.nan_to_num(v.delta[0]))))


def _unit_table(trace: Trace, v: LayerStep) -> Table:
    """Each unit's preactivation and activation, for the samples that are listed."""
    n, k = trace.notation, v.layer
    listed = range(min(trace.step.batch, SAMPLES))
    many = trace.step.batch > 1
    heads: list[Any] = [T(en="unit", ja="ユニット")]
    for i in listed:
        sample = i if many else None
        heads += [n.symbol("preactivation", k, sample=sample).plain, n.symbol("activation", k, sample=sample).plain]
    rows: tuple[tuple[Any, ...], ...] = tuple(
        (
            str(u + n.units_from),
            *(Number(float(a)) for i in listed for a in (v.preactivation[i, u], v.activation[i, u])),
        )
        for u in range(len(v.weight))
    )
    caption = T(en="Values of the units", ja="各ユニットの値")
    return Table(tuple(heads), rows, caption, folded=len(rows) > LONG)


def _weight_table(trace: Trace, v: LayerStep, *, gradients: bool) -> Iterator[Block]:
    """All weights (or their gradients) in the notation's orientation, or their range where they are too many."""
    n = trace.notation
    of_weights, of_bias = (v.weight_gradient, v.bias_gradient) if gradients else (v.weight, v.bias)
    one = n.per_sample and len(v.delta) == 1
    symbol = (
        n.gradient("weight", v.layer, of="sample_loss" if one else "loss") if gradients else n.symbol("weight", v.layer)
    )
    if of_weights.shape[1] > WIDE or len(of_weights) > 4 * LONG:
        yield _ranges(symbol.plain, of_weights, of_bias, n, v, gradients)
        return
    written = n.layout.write_weights(of_weights, of_bias)
    shown = of_weights if n.layout.flat else written["weight"]
    across = n.layout.transposed
    heads = [T(en="from \\ to", ja="元＼先") if across else T(en="to \\ from", ja="先＼元")]
    named = trace.step.input_names if v.layer == 1 else ()
    columns: list[Any] = [_unit(n, j, () if across else named) for j in range(shown.shape[1])]
    if n.layout.bias_column and of_bias is not None:
        columns[-1] = T(en="n (bias)", ja="n（バイアス）")
    body: list[tuple[Any, ...]] = [
        (_unit(n, i, named if across else ()), *(Number(float(w)) for w in row)) for i, row in enumerate(shown)
    ]
    if "bias" in written and of_bias is not None and across:
        body.append((T(en="bias", ja="バイアス"), *(Number(float(b)) for b in of_bias)))
    elif "bias" in written and of_bias is not None:
        columns.append(T(en="bias", ja="バイアス"))
        body = [(*row, Number(float(b))) for row, b in zip(body, of_bias, strict=True)]
    yield Table((*heads, *columns), tuple(body), symbol.plain, folded=len(body) > LONG)


def _unit(n: Notation, i: int, names: tuple[str, ...]) -> str:
    """A unit's number, and beside it the name of its column where it has one."""
    return f"{i + n.units_from} {names[i]}" if i < len(names) else str(i + n.units_from)


def _ranges(name: str, weights: Array, bias: Array | None, n: Notation, v: LayerStep, gradients: bool) -> Table:
    heads = (
        "",
        T(en="shape", ja="形"),
        T(en="smallest", ja="最小"),
        T(en="mean", ja="平均"),
        T(en="largest", ja="最大"),
    )
    rows: list[tuple[Any, ...]] = [(name, _shape(n.layout.write_weights(weights, None)["weight"]), *_range(weights))]
    if bias is not None:
        one = n.per_sample and len(v.delta) == 1
        symbol = (
            n.gradient("bias", v.layer, of="sample_loss" if one else "loss") if gradients else n.symbol("bias", v.layer)
        )
        rows.append((symbol.plain, str(len(bias)), *_range(bias)))
    return Table(
        (*heads, T(en="length ‖·‖", ja="ノルム")),
        tuple(rows),
        T(en="Too many to list", ja="数が多いため範囲だけを示す"),
    )


def _range(values: Array) -> tuple[Number, ...]:
    v = values.astype(np.float64)
    return tuple(Number(float(x)) for x in (v.min(), v.mean(), v.max(), np.sqrt((v**2).sum())))


# -- loss --------------------------------------------------------------------------------------------------------------
LOSS_TEXTS = {
    "softmax_cross_entropy": r"-\sum_i {t} \log {y}",
    "sigmoid_cross_entropy": r"-\sum_i \left({t} \log {y} + \left(1 - {t}\right) \log \left(1 - {y}\right)\right)",
    "squared_error": r"\frac{{1}}{{2}} \sum_i \left({y} - {t}\right)^2",
    "absolute_error": r"\sum_i \left|{y} - {t}\right|",
    "huber": r"\sum_i \operatorname{{huber}}\left({y} - {t}\right)",
}


def _loss(trace: Trace, e: Equations) -> Section:
    step, n = trace.step, trace.notation
    y, t = (_indexed(n, kind, step.depth) for kind in ("activation", "target"))
    of = n.symbol("sample_loss").latex
    blocks: list[Block] = [formula(f"{of} = {LOSS_TEXTS[step.loss_name].format(y=y, t=t)}")]
    if step.batch > 1:
        inner = n.symbol("sample_loss", sample="k").latex
        front = rf"\frac{{1}}{{{step.batch}}} " if step.reduction == "mean" else ""
        total = rf"{front}\sum_{{k=1}}^{{{step.batch}}} {inner}"
        blocks.append(formula(f"{_total_symbol(n, step)} = {total} = {numeral(step.loss, 6)}"))
    listed = range(min(step.batch, SAMPLES))
    rows = tuple(
        (
            f"{i + n.units_from}" if not trace.names else trace.names[i],
            str(u + n.units_from),
            Number(float(step.outputs[i, u])),
            Number(float(step.targets[i, u])),
            Number(float(step.sample_losses[i])) if u == 0 else None,
        )
        for i in listed
        for u in range(step.outputs.shape[1])
    )
    heads = (
        T(en="sample", ja="データ"),
        T(en="output", ja="出力"),
        n.symbol("activation", step.depth).plain,
        n.symbol("target", step.depth).plain,
        T(en="its loss", ja="その損失"),
    )
    blocks.append(Table(heads, rows, T(en="Outputs and targets", ja="出力と正解"), folded=len(rows) > 2 * LONG))
    return Section(T(en="The loss", ja="損失"), tuple(blocks), key="loss")


def _indexed(n: Notation, kind: Any, layer: int) -> str:
    """The element with the letter i for its index."""
    return n.symbol(kind, layer, 0).latex.replace(str(n.units_from), "i", 1) if n.code else _letter(n, kind, layer)


def _letter(n: Notation, kind: Any, layer: int) -> str:
    from dataclasses import replace

    marked = {key: text.replace("<i>", "i") for key, text in n.elements.items()}
    last = (n.last[0], n.last[1].replace("<i>", "i")) if n.last else None
    return replace(n, elements=marked, last=last).symbol(kind, layer, 0).latex


def _total_symbol(n: Notation, step: Step) -> str:
    """C_T is a sum in 002: over a mean it is said that it is divided."""
    symbol = n.symbol("loss").latex
    return rf"\frac{{1}}{{{step.batch}}} {symbol}" if n.key == "002" and step.reduction == "mean" else symbol


# -- backward ----------------------------------------------------------------------------------------------------------
def _backward(trace: Trace, e: Equations, v: LayerStep) -> Section:
    step, n, k = trace.step, trace.notation, v.layer
    slope = slopes(v)
    blocks: list[Block] = []
    if k == step.depth:
        blocks += [formula(e.delta_out(step.loss_name, unitwise=slope is not None))]
        blocks += _filled_error(e, step, v, slope)
    else:
        blocks += [formula(e.delta_back(k, unitwise=slope is not None))]
        if (text := SLOPE_TEXTS.get(v.function.function)) is not None:
            blocks.append(formula(_slope_formula(n, v, text)))
        blocks += _filled_delta(e, step, v, slope)
    blocks += [formula(e.weight_gradient(k))]
    if v.bias_gradient is not None and (text := e.bias_gradient(k)) is not None:
        blocks.append(formula(text))
    blocks += _filled_gradient(e, step, v)
    blocks += [_delta_table(trace, v, slope), *_weight_table(trace, v, gradients=True)]
    return Section(
        T(en=f"Backward, layer {k + n.layers_from}", ja=f"逆伝播：第{k + n.layers_from}層"),
        tuple(blocks),
        key=f"backward-{k}",
    )


def _slope_formula(n: Notation, v: LayerStep, text: str) -> str:
    a, z = (n.symbol(kind, v.layer, _chosen_unit(v)).latex for kind in ("preactivation", "activation"))
    slope = n.symbol("slope", v.layer, 0).latex
    parameter = getattr(v.function, "negative_slope", getattr(v.function, "alpha", 0.0))
    return rf"{slope}\left({a}\right) = {text.format(a=a, z=z, p=numeral(float(parameter)))}"


def _filled_delta(e: Equations, step: Step, v: LayerStep, slope: Array | None) -> Iterator[Block]:
    unit = _chosen_unit(v)
    above = step.layers[v.layer]
    incoming = above.delta if e.notation.per_sample else above.preactivation_gradient
    if slope is not None:
        total = float((v.delta if e.notation.per_sample else v.preactivation_gradient)[0, unit])
        yield formula(e.unit_delta(v.layer, unit, above.weight[:, unit], incoming[0], float(slope[0, unit]), total))


def _filled_gradient(e: Equations, step: Step, v: LayerStep) -> Iterator[Block]:
    """(53) for the weight of the chosen unit that has the largest gradient."""
    unit = _chosen_unit(v)
    source = int(np.argmax(np.abs(np.nan_to_num(v.weight_gradient[unit]))))
    deltas = (v.delta if e.notation.per_sample else v.preactivation_gradient)[:, unit]
    values = step.below(v.layer)[:, source]
    yield formula(e.unit_gradient(v.layer, unit, source, deltas, values, float(v.weight_gradient[unit, source])))
    if step.batch > SHOWN:
        yield Text(_BRACKETS, "note")


def _filled_error(e: Equations, step: Step, v: LayerStep, slope: Array | None) -> Iterator[Block]:
    """δ of the chosen output unit with numbers, where it is a plain difference of two numbers."""
    if step.loss_name in ("absolute_error", "huber") or (slope is None and not step.fused):
        return
    unit = _chosen_unit(v)
    deltas = v.delta if e.notation.per_sample else v.preactivation_gradient
    own = None if step.fused or slope is None else float(slope[0, unit])
    yield formula(
        e.unit_error(unit, float(step.outputs[0, unit]), float(step.targets[0, unit]), own, float(deltas[0, unit]))
    )


def _delta_table(trace: Trace, v: LayerStep, slope: Array | None) -> Table:
    n, k = trace.notation, v.layer
    step = trace.step
    listed, many = range(min(step.batch, SAMPLES)), step.batch > 1
    deltas = v.delta if n.per_sample else v.preactivation_gradient
    with_slope = slope is not None and (k < step.depth or not step.fused)
    heads: list[Any] = [T(en="unit", ja="ユニット")]
    for i in listed:
        sample = i if many else None
        heads += [n.symbol("delta", k, sample=sample).plain]
        heads += [plain(f"{n.symbol('slope', k, 0).latex}")] if with_slope else []
    rows = []
    for u in range(len(v.weight)):
        cells: list[Any] = [str(u + n.units_from)]
        for i in listed:
            cells.append(Number(float(deltas[i, u])))
            if with_slope and slope is not None:
                cells.append(Number(float(slope[i, u])))
        rows.append(tuple(cells))
    return Table(
        tuple(heads), tuple(rows), T(en="What arrives at the units", ja="各ユニットに届く勾配"), folded=len(rows) > LONG
    )
