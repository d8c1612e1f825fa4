"""Notation as a value: how a textbook writes, counts and lays out the quantities of a network; no number changes.

The seeds contradict each other (a is what enters the activation in 001 and what leaves it in 002), so every table,
formula and label takes a `Notation`.  Layers are given as in `Role`: 0 is the input, 1 the first layer with weights.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from denpa.errors import UsageError, user_line
from denpa.explain import tex
from denpa.explain.layouts import Layout
from denpa.explain.words import T

Kind: TypeAlias = Literal[
    "weight",
    "bias",
    "preactivation",
    "activation",
    "target",
    "loss",
    "sample_loss",
    "delta",
    "rate",
    "function",
    "slope",
]
At: TypeAlias = "int | tuple[int, int] | None"  # a unit, or (to, from), counted from 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol.  `plain` is read off the LaTeX."""

    latex: str

    @property
    def plain(self) -> str:
        return tex.plain(self.latex)

    def __str__(self) -> str:
        return self.plain


@dataclass(frozen=True)
class Notation:
    """A profile.  Get one with `notation("002")`, or with the other orientation, `notation("002", gradient="row")`.

    vectors, elements: a template for each kind: <l> the layer's number, <i> and <j> the unit an edge goes to and comes
    from, <ij> both, <s> a sample, <ls> layer and sample, <p> and <q> PyTorch's names of a Linear and its activation.
    first, last: templates of the input's and the output's activation, (whole, element), where they have their own.
    layers_from: the number of the input layer; units_from: of the first unit and sample.  code: names of a program.
    per_sample: δ is the gradient of one sample's loss, not of the batch's.  depth, prefixes: see `bound`.
    """

    key: str
    title: T
    source: str
    vectors: Mapping[str, str]
    elements: Mapping[str, str]
    layout: Layout
    first: tuple[str, str] | None = None
    last: tuple[str, str] | None = None
    layers_from: int = 0
    units_from: int = 1
    code: bool = False
    per_sample: bool = True
    depth: int | None = None
    prefixes: Mapping[int, str] = field(default_factory=dict)

    # -- symbols -------------------------------------------------------------------------------------------------------
    def symbol(self, kind: Kind, layer: int = 0, at: At = None, *, sample: int | str | None = None) -> Symbol:
        """The symbol of a whole array, or of its element `at`.  sample: its number (from 0), or a letter.

        UsageError for a kind that has no symbol.
        """
        template = self._template(kind, layer, at is not None)
        if template is None:
            raise UsageError(
                f"notation {self.key} has no symbol for {kind!r}", where=user_line(), want=", ".join(self.vectors)
            )
        return self._symbol(template, layer, at, sample)

    def gradient(
        self,
        kind: Kind,
        layer: int,
        at: At = None,
        *,
        of: Literal["loss", "sample_loss"] = "loss",
        sample: int | str | None = None,
    ) -> Symbol:
        """∂loss/∂(that symbol), or the name a program gives it (`0.weight.grad`)."""
        template = self._template(f"{kind}_gradient", layer, at is not None)
        if template is not None:
            return self._symbol(template, layer, at, sample)
        top = self.symbol(of, sample=sample if of == "sample_loss" else None)
        return Symbol(rf"\frac{{\partial {top.latex}}}{{\partial {self.symbol(kind, layer, at, sample=sample).latex}}}")

    def forward(self, kind: Kind, at: At = None) -> Symbol:
        """A quantity of the next layer as seed 003 calls it from this one: forward_weight0_1."""
        template = self._template(kind, 1, at is not None) or ""
        if not template.startswith("layer<l>."):
            raise UsageError("only notation 003 names the next layer from this one", got=f"notation {self.key}")
        head, mark, tail = template.removeprefix("layer<l>.").partition("_for_")
        return self._symbol(f"{head}{mark}forward_{tail}" if mark else f"forward_{head}", 0, at, None)

    def _template(self, kind: str, layer: int, element: bool) -> str | None:
        if kind == "activation" and layer == 0 and self.first:
            return self.first[element]
        if kind == "activation" and layer == self.depth and self.last:
            return self.last[element]
        if element and kind in self.elements:
            return self.elements[kind]
        return None if element and kind not in ("function", "slope", "rate") else self.vectors.get(kind)

    def _symbol(self, template: str, layer: int, at: At, sample: int | str | None) -> Symbol:
        to, source = (
            "" if n is None else str(n + self.units_from) for n in (at if isinstance(at, tuple) else (at, None))
        )
        s = "" if sample is None else str(sample + self.units_from) if isinstance(sample, int) else sample
        number = str(layer + self.layers_from)
        prefix = self.prefixes.get(layer, str(2 * (layer - 1)))
        marks = {
            "<ij>": to + source if len(to + source) == 2 else f"{to},{source}",
            "<i>": to,
            "<j>": source,
            "<ls>": f"{number},{s}" if s else number,
            "<l>": number,
            "<s>": f"[{s}]" if s else "",
            "<s,>": f"{s}, " if s else "",
            "<(k)>": f"^{{({s})}}" if s else "",
            "<_k>": f"_{{{s}}}" if s else "",
            "<p>": prefix,
            "<q>": _following(prefix),
        }
        for mark, text in marks.items():
            template = template.replace(mark, text)
        return Symbol(tex.code(template) if self.code else template)

    def bound(self, depth: int, prefixes: Mapping[int, str] | None = None) -> Notation:
        """This notation for a network of `depth` layers with weights, whose output then has its own name.

        prefixes: what PyTorch calls each layer ("0", "2", … by layer); 0, 2, 4, … where it is not given.
        """
        return replace(self, depth=depth, prefixes=dict(prefixes or {}))

    @property
    def row_gradients(self) -> bool:
        return not self.layout.gradient_columns


def _following(prefix: str) -> str:
    """The module after this one: "0" → "1"."""
    head, dot, last = prefix.rpartition(".")
    return f"{head}{dot}{int(last) + 1}" if last.isdigit() else f"{prefix}.activation"


def _seed_001() -> Notation:
    return Notation(
        key="001",
        title=T(
            en="a enters the activation function and z leaves it; the input is layer 0; the bias is the last column of "
            "W; gradients are rows",
            ja="aは活性（活性化関数への入力）、zはその出力。入力層は第0層。バイアスはWの最後の列。勾配は行ベクトル",
        ),
        source="seed 001 (1)–(54)",
        vectors={
            "weight": r"\mathbf{W}^{(<l>)}",
            "bias": r"\mathbf{W}_{\mu n}^{(<l>)}",
            "preactivation": r"\mathbf{a}^{(<ls>)}",
            "activation": r"\mathbf{z}^{(<ls>)}",
            "target": r"\mathbf{y}<(k)>",
            "loss": r"\tilde{J}",
            "sample_loss": "L<(k)>",
            "delta": r"\boldsymbol{\delta}^{(<ls>)}",
            "rate": r"\eta",
            "function": r"\mathbf{f}^{(<l>)}",
            "slope": r"\left(\mathbf{f}^{(<l>)}\right)'",
        },
        elements={
            "weight": "W_{<ij>}^{(<l>)}",
            "bias": "W_{<i>n}^{(<l>)}",
            "preactivation": "a_{<i>}^{(<ls>)}",
            "activation": "z_{<i>}^{(<ls>)}",
            "target": "y_{<i>}<(k)>",
            "delta": r"\delta_{<i>}^{(<ls>)}",
            "function": r"\psi^{(<l>)}",
            "slope": r"\left(\psi^{(<l>)}\right)'",
        },
        last=(r"\hat{\mathbf{y}}<(k)>", r"\hat{y}_{<i>}<(k)>"),
        layout=Layout(bias_column=True, columns=True),
    )


def _seed_002() -> Notation:
    return Notation(
        key="002",
        title=T(
            en="z, the weighted input, enters the activation function and a leaves it; the input is layer 1; vectors "
            "are columns; w from unit i to unit j of layer l is written w with j, i below and l above",
            ja="zは重み付き入力、aは出力。入力層は層1。ベクトルは列。層l-1のi番目から層lのj番目への重みは、下にj、i、上にlを添える",
        ),
        source="seed 002",
        vectors={
            "weight": r"\mathbf{W}_{<l>}",
            "bias": r"\boldsymbol{b}_{<l>}",
            "preactivation": r"\boldsymbol{z}_{<l>}<s>",
            "activation": r"\boldsymbol{a}_{<l>}<s>",
            "target": r"\boldsymbol{t}<s>",
            "loss": r"C_{\mathrm{T}}",
            "sample_loss": "C<_k>",
            "delta": r"\boldsymbol{\delta}_{<l>}<s>",
            "rate": r"\eta",
            "function": "a",
            "slope": "a'",
        },
        elements={
            "weight": "w_{<ij>}^{<l>}",
            "bias": "b_{<i>}^{<l>}",
            "preactivation": "z_{<i>}^{<l>}<s>",
            "activation": "a_{<i>}^{<l>}<s>",
            "target": "t_{<i>}<s>",
            "delta": r"\delta_{<i>}^{<l>}<s>",
        },
        layout=Layout(columns=True, gradient_columns=True),
        layers_from=1,
    )


def _book() -> Notation:
    return Notation(
        key="book",
        title=T(
            en="a sample is a row, so X·W + B; A enters the activation function and Z leaves it; dout is what arrives "
            "from above; units count from 0",
            ja="1件のデータが1行なのでX・W + B。Aは活性化関数への入力、Zはその出力。上流から来る勾配がdout。"
            "番号は0から",
        ),
        source="seeds 000 and 004",
        vectors={
            "weight": "W_{<l>}",
            "bias": "B_{<l>}",
            "preactivation": "A_{<l>}<s>",
            "activation": "Z_{<l>}<s>",
            "target": "T<s>",
            "loss": "L",
            "sample_loss": "L<s>",
            "rate": r"\eta",
            "function": "h",
            "slope": "h'",
            "delta": r"\mathrm{dout}_{<l>}<s>",
        },
        elements={
            "weight": "W_{<l>}[<j>, <i>]",
            "bias": "B_{<l>}[<i>]",
            "preactivation": "A_{<l>}[<s,><i>]",
            "activation": "Z_{<l>}[<s,><i>]",
            "target": "T[<s,><i>]",
            "delta": r"\mathrm{dout}_{<l>}[<s,><i>]",
        },
        first=("X<s>", "X[<s,><i>]"),
        last=("Y<s>", "Y[<s,><i>]"),
        layout=Layout(transposed=True),
        units_from=0,
        per_sample=False,
    )


def _seed_003() -> Notation:
    return Notation(
        key="003",
        title=T(
            en="scalars, lists and loops; a weight is named by the output and the input it joins, counted from 0; "
            "matrices are lists column by column; the next layer is called forward",
            ja="スカラーと配列とfor文だけ。重みの名前は出力の番号、入力の番号の順で0から数える。行列は列優先の配列。次の層はforward",
        ),
        source="seed 003",
        vectors={
            "weight": "layer<l>.weights",
            "bias": "layer<l>.biases",
            "preactivation": "layer<l>.outputs<s>",
            "activation": "layer<l>.activate_outputs<s>",
            "target": "targets<s>",
            "loss": "cost",
            "sample_loss": "cost<s>",
            "delta": "layer<l>.cost_grads_outputs<s>",
            "weight_gradient": "layer<l>.cost_grads_weights",
            "bias_gradient": "layer<l>.cost_grads_biases",
            "preactivation_gradient": "layer<l>.cost_grads_outputs<s>",
            "activation_gradient": "layer<l>.cost_grads_activate_outputs<s>",
            "rate": "learning_rate",
            "function": "activate",
            "slope": "activate_derivative",
        },
        elements={
            "weight": "layer<l>.weight<i>_<j>",
            "bias": "layer<l>.bias<i>",
            "preactivation": "layer<l>.output<i><s>",
            "activation": "layer<l>.activate_output<i><s>",
            "target": "target<i><s>",
            "delta": "layer<l>.cost_grad_for_output<i><s>",
            "weight_gradient": "layer<l>.cost_grad_for_weight<i>_<j>",
            "bias_gradient": "layer<l>.cost_grad_for_bias<i>",
            "preactivation_gradient": "layer<l>.cost_grad_for_output<i><s>",
            "activation_gradient": "layer<l>.cost_grad_for_activate_output<i><s>",
        },
        first=("inputs<s>", "input<i><s>"),
        layout=Layout(flat=True),
        units_from=0,
        code=True,
    )


def _pytorch() -> Notation:
    return Notation(
        key="pytorch",
        title=T(
            en="PyTorch's names: 0.weight of shape (n_out, n_in), 0.bias; a sample is a row; gradients are called "
            ".grad and belong to the loss of the whole batch",
            ja="PyTorchの名前。0.weightは(出力数, 入力数)、0.bias。1件が1行。"
            "勾配は.gradで、バッチ全体の損失についてのもの",
        ),
        source="torch.nn.Sequential",
        vectors={
            "weight": "<p>.weight",
            "bias": "<p>.bias",
            "preactivation": "<p>.output<s>",
            "activation": "<q>.output<s>",
            "target": "target<s>",
            "loss": "loss",
            "sample_loss": "loss<s>",
            "delta": "<p>.output.grad<s>",
            "weight_gradient": "<p>.weight.grad",
            "bias_gradient": "<p>.bias.grad",
            "preactivation_gradient": "<p>.output.grad<s>",
            "activation_gradient": "<q>.output.grad<s>",
            "rate": "lr",
            "function": "<q>",
            "slope": "<q>.derivative",
        },
        elements={
            "weight": "<p>.weight[<i>, <j>]",
            "bias": "<p>.bias[<i>]",
            "preactivation": "<p>.output[<s,><i>]",
            "activation": "<q>.output[<s,><i>]",
            "target": "target[<s,><i>]",
            "delta": "<p>.output.grad[<s,><i>]",
            "weight_gradient": "<p>.weight.grad[<i>, <j>]",
            "bias_gradient": "<p>.bias.grad[<i>]",
            "preactivation_gradient": "<p>.output.grad[<s,><i>]",
            "activation_gradient": "<q>.output.grad[<s,><i>]",
        },
        first=("input<s>", "input[<s,><i>]"),
        last=("output<s>", "output[<s,><i>]"),
        layout=Layout(),
        units_from=0,
        code=True,
        per_sample=False,
    )


PROFILES: dict[str, Notation] = {n.key: n for n in (_seed_001(), _seed_002(), _book(), _seed_003(), _pytorch())}
_SAME = {"000": "book", "004": "book", "torch": "pytorch"}
DEFAULT = "001"


def notation(name: str | Notation = DEFAULT, *, gradient: Literal["row", "column"] | None = None) -> Notation:
    """The profile "000", "001", "002", "003", "004" (000 and 004 are the book's), "book" or "pytorch".

    gradient: gradients of vectors (δ) as rows or columns; None leaves it as the profile has it.  UsageError otherwise.
    """
    if isinstance(name, Notation):
        found = name
    else:
        key = _SAME.get(name, name)
        if key not in PROFILES:
            near = difflib.get_close_matches(str(name), [*PROFILES, *_SAME], n=1)
            raise UsageError(
                "unknown notation",
                got=repr(name)[:60],
                want=", ".join([*PROFILES, *_SAME]),
                fix=f"did you mean {near[0]!r}?" if near else None,
            )
        found = PROFILES[key]
    if gradient not in (None, "row", "column"):
        raise UsageError("gradients are rows or columns", where=user_line(), got=repr(gradient)[:60])
    if gradient is None:
        return found
    return replace(found, layout=replace(found.layout, gradient_columns=gradient == "column"))
