"""The equations of a feedforward network's step in a notation: one rule each for columns and rows, and for programs.

Every function returns LaTeX.  Source: seed 001 (4), (6), (50)–(54); seed 002; the book's Affine layer; seed 003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from denpa.arrays import Array
from denpa.explain import tex
from denpa.explain.notation import Kind, Notation, Symbol

SHOWN = 4  # terms of a sum that are written out


def matrix(values: Array, digits: int = 4) -> str:
    """A vector (as a row) or a matrix with its numbers."""
    rows = np.atleast_2d(values)
    body = r" \\ ".join(" & ".join(tex.numeral(float(v), digits) for v in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def factor(value: float, digits: int = 4) -> str:
    """A number as a factor: negative ones in parentheses."""
    text = tex.numeral(value, digits)
    return rf"\left({text}\right)" if value < 0 or r"\times" in text else text


@dataclass(frozen=True)
class Equations:
    """The equations of one network.  batch: the number of samples; mean: whether the loss is their mean."""

    notation: Notation
    depth: int
    batch: int = 1
    mean: bool = True
    fused: bool = True

    # -- how a product, a transpose and an elementwise product are written ---------------------------------------------
    @property
    def _dot(self) -> str:
        if self.notation.key == "book":
            return r" \cdot "
        return r" \; \texttt{@} \; " if self.notation.code else r" \, "

    def product(self, *factors: str) -> str:
        if self.notation.key == "003" and len(factors) == 2:
            return _call("mul_mat", *factors)
        return self._dot.join(factors)

    def transposed(self, symbol: str) -> str:
        if self.notation.key == "003":
            return _call("transpose", symbol)
        if self.notation.code:
            return symbol[:-1] + ".T}" if symbol.endswith("}") else rf"{symbol}\texttt{{.T}}"
        return rf"{{{symbol}}}^{{\top}}" if "^" not in symbol else rf"\left({symbol}\right)^{{\top}}"

    def elementwise(self, left: str, right: str) -> str:
        return rf"{left} \; \texttt{{*}} \; {right}" if self.notation.code else rf"{left} \odot {right}"

    def applied(self, function: str, argument: str) -> str:
        return rf"{function}\left({argument}\right)"

    @property
    def _turned(self) -> bool:
        """Whether gradients of vectors lie across the vectors: rows beside columns (001), or columns beside rows."""
        layout = self.notation.layout
        return layout.columns != layout.gradient_columns and not layout.flat

    def across(self, symbol: str) -> str:
        """A vector as a gradient lies."""
        return self.transposed(symbol) if self._turned else symbol

    # -- symbols at hand -----------------------------------------------------------------------------------------------
    def weight(self, layer: int) -> str:
        return self.notation.symbol("weight", layer).latex

    def pre(self, layer: int) -> str:
        return self.notation.symbol("preactivation", layer).latex

    def out(self, layer: int) -> str:
        return self.notation.symbol("activation", layer).latex

    def delta(self, layer: int) -> str:
        return self.notation.symbol("delta", layer).latex

    def slope(self, layer: int) -> str:
        """ψ′ of a layer as it stands in a product: a Jacobian matrix in 001, a vector elsewhere."""
        symbol = self.notation.symbol("slope", layer).latex
        return symbol if self.notation.key == "001" else self.applied(symbol, self.pre(layer))

    @property
    def _columns(self) -> bool:
        """Whether a vector stands to the right of its matrix (003's lists do, in mul_mat)."""
        return self.notation.layout.columns or self.notation.layout.flat

    # -- forward -------------------------------------------------------------------------------------------------------
    def forward(self, layer: int, bias: bool = True) -> str:
        W, z = self.weight(layer), self.out(layer - 1)
        if self._columns:
            right = self.product(W, z)
        else:
            right = self.product(z, W if self.notation.layout.transposed else self.transposed(W))
        if bias and not self.notation.layout.bias_column:
            b = self.notation.symbol("bias", layer).latex
            right = _call("add", right, b) if self.notation.key == "003" else f"{right} + {b}"
        return f"{self.pre(layer)} = {right}"

    def activate(self, layer: int, function: str) -> str:
        """z = ψ(a) with the function's own name."""
        named = self.notation.symbol("function", layer).latex
        own = tex.code(function) if self.notation.code else FUNCTION_NAMES.get(function, tex.words(function))
        right = self.applied(own, self.pre(layer))
        middle = "" if self.notation.code else f"{self.applied(named, self.pre(layer))} = "
        return f"{self.out(layer)} = {middle}{right}"

    # -- backward ------------------------------------------------------------------------------------------------------
    def delta_out(self, loss: str, unitwise: bool = True) -> str:
        """δ of the output layer: (50) for a fused loss, else the loss's slope times that of the output function."""
        n, K = self.notation, self.depth
        difference = self._error(loss)
        error = self.across(difference)
        if self.fused:
            if not self._turned and self._averaged("") == "":
                error = error.removeprefix(r"\left(").removesuffix(r"\right)")
        elif n.key == "001":
            error = self.product(
                *((error, self.slope(K)) if n.row_gradients else (self.transposed(self.slope(K)), error))
            )
        else:
            slope = self.across(self.slope(K))
            error = self.elementwise(error, slope) if unitwise else self.product(error, slope)
        return f"{self.delta(K)} = {self._averaged(error)}"

    def _error(self, loss: str) -> str:
        y, t = self.out(self.depth), self.notation.symbol("target", self.depth).latex
        if self.notation.code:
            inner = rf"\left({y} - {t}\right)"
            names = {"absolute_error": "sign", "huber": "clip"}
            return self.applied(tex.code(names[loss]), f"{y} - {t}") if loss in names else inner
        name = {"absolute_error": r"\operatorname{sgn}", "huber": r"\operatorname{clip}_{\pm 1}"}.get(loss, "")
        return rf"{name}\left({y} - {t}\right)"

    def _averaged(self, right: str) -> str:
        """1/n before it where the notation's δ belongs to the mean over the batch."""
        if self.notation.per_sample or self.batch == 1 or not self.mean:
            return right
        if self.notation.code:
            return rf"{right} \; \texttt{{/}} \; {self.batch}"
        return rf"\frac{{1}}{{{self.batch}}} {right}"

    def delta_back(self, layer: int, unitwise: bool = True) -> str:
        """δ of layer 1 … K−1 from the next layer's: the delta rule (52).  unitwise: the slope is one number a unit."""
        d, W = self.delta(layer + 1), self.weight(layer + 1)
        if self.notation.layout.transposed:
            W = self.transposed(W)  # as (n_out, n_in) again
        row = self.notation.row_gradients and self.notation.key != "003"
        slope = self.slope(layer) if self.notation.key == "001" else self.across(self.slope(layer))
        if self.notation.key == "001":
            parts = (d, W, slope) if row else (self.transposed(slope), self.transposed(W), d)
            return f"{self.delta(layer)} = {self.product(*parts)}"
        arrived = self.product(d, W) if row else self.product(self.transposed(W), d)
        if not row and self.notation.layout.transposed:
            arrived = self.product(self.weight(layer + 1), d)
        right = self.elementwise(rf"\left({arrived}\right)", slope) if unitwise else self.product(arrived, slope)
        return f"{self.delta(layer)} = {right}"

    # -- gradients -----------------------------------------------------------------------------------------------------
    def weight_gradient(self, layer: int) -> str:
        """∂L/∂W: (54), in the layout of the weights."""
        left = self.gradient("weight", layer)
        d, z = self.delta(layer), self.out(layer - 1)
        if self.batch > 1 and self.notation.per_sample:
            letter = "i" if self.notation.key == "001" else "k"
            d = self.notation.symbol("delta", layer, sample=letter).latex
            z = self.notation.symbol("activation", layer - 1, sample=letter).latex
        row = self.notation.row_gradients and self.notation.key != "003"
        if self.notation.layout.transposed:
            pair = (z if self._columns else self.transposed(z), d if row else self.transposed(d))
        else:
            pair = (self.transposed(d) if row else d, self.transposed(z) if self._columns else z)
        return f"{left} = {self._summed()}{self.product(*pair)}"

    def gradient(self, kind: Kind, layer: int) -> str:
        """∂J/∂W of the batch's loss; ∂L/∂W where there is one sample and the notation tells the two apart."""
        one = self.batch == 1 and self.notation.per_sample
        return self.notation.gradient(kind, layer, of="sample_loss" if one else "loss").latex

    def bias_gradient(self, layer: int) -> str | None:
        """∂L/∂b; None where the bias is a column of the weights."""
        if self.notation.layout.bias_column:
            return None
        left, d = self.gradient("bias", layer), self.across(self.delta(layer))
        if self.batch > 1:
            if self.notation.per_sample:
                d = self._summed() + self.across(self.notation.symbol("delta", layer, sample="k").latex)
            elif self.notation.code:
                d = self.delta(layer)[:-1] + (".sum(0)}" if self.notation.row_gradients else ".sum(1)}")
            else:
                d = rf"\sum_{{i}} {self.notation.symbol('delta', layer, sample='i').latex}"
        return f"{left} = {d}"

    def _summed(self) -> str:
        """The mean or sum over the samples in front of what one sample gives."""
        if self.batch == 1 or not self.notation.per_sample:
            return ""
        letter = "i" if self.notation.key == "001" else "k"
        share = rf"\frac{{1}}{{{self.batch}}} \; " if self.mean else ""
        total = r"\texttt{sum}" if self.notation.code else rf"\sum_{{{letter}=1}}^{{{self.batch}}}"
        return rf"{share}{total} \; "

    def update(self, layer: int) -> str:
        W, rate = self.weight(layer), self.notation.symbol("rate").latex
        g = self.gradient("weight", layer)
        return rf"{W} \leftarrow {W} - {rate}{self._by}{g}"

    # -- one unit, filled with numbers ---------------------------------------------------------------------------------
    def unit_forward(
        self, layer: int, unit: int, weights: Array, below: Array, bias: float | None, total: float
    ) -> str:
        """a_u = Σ w z + b with symbols, then numbers.  In square brackets: the sum of the terms that are not shown."""
        n = self.notation
        symbols = [
            self._pair(n.symbol("weight", layer, (unit, j)), n.symbol("activation", layer - 1, j, sample=self._first))
            for j in _shown(len(weights))
        ]
        numbers = [rf"{factor(float(weights[j]))} \times {factor(float(below[j]))}" for j in _shown(len(weights))]
        rest = float(weights[SHOWN:] @ below[SHOWN:])
        left = n.symbol("preactivation", layer, unit, sample=self._first).latex
        more = [] if bias is None else [n.symbol("bias", layer, unit).latex]
        return _equals(left, symbols, numbers, len(weights), rest, more, [] if bias is None else [bias], total)

    def unit_delta(self, layer: int, unit: int, column: Array, deltas: Array, slope: float | None, total: float) -> str:
        """δ_u = (Σ_v w_vu δ_v) ψ′ with symbols, then numbers."""
        n = self.notation
        symbols = [
            self._pair(n.symbol("delta", layer + 1, v, sample=self._first), n.symbol("weight", layer + 1, (v, unit)))
            for v in _shown(len(column))
        ]
        numbers = [rf"{factor(float(deltas[v]))} \times {factor(float(column[v]))}" for v in _shown(len(column))]
        rest = float(column[SHOWN:] @ deltas[SHOWN:])
        left = n.symbol("delta", layer, unit, sample=self._first).latex
        own = self.own_slope(layer, unit)
        tail = "" if slope is None else rf" \times {factor(slope)}"
        sums = [
            " + ".join([*side, *extra])
            for side, extra in zip((symbols, numbers), _rest(len(column), rest), strict=True)
        ]
        if slope is None:
            return f"{left} = {sums[0]} = {sums[1]} = {tex.numeral(total)}"
        return rf"{left} = \left({sums[0]}\right){self._by}{own} = \left({sums[1]}\right){tail} = {tex.numeral(total)}"

    def unit_error(self, unit: int, output: float, target: float, slope: float | None, total: float) -> str:
        """δ of an output unit: ŷ − y, with ψ′ where the loss does not contain the output function."""
        n, K = self.notation, self.depth
        y, t = (n.symbol(kind, K, unit, sample=self._first).latex for kind in ("activation", "target"))
        left = n.symbol("delta", K, unit, sample=self._first).latex
        symbols, numbers = f"{y} - {t}", f"{tex.numeral(output)} - {factor(target)}"
        if slope is not None:
            symbols = rf"\left({symbols}\right){self._by}{self.own_slope(K, unit)}"
            numbers = rf"\left({numbers}\right) \times {factor(slope)}"
        if self._averaged("") != "":
            symbols, numbers = (rf"\frac{{1}}{{{self.batch}}} \left({side}\right)" for side in (symbols, numbers))
        return f"{left} = {symbols} = {numbers} = {tex.numeral(total)}"

    def own_slope(self, layer: int, unit: int) -> str:
        """ψ′ at one unit's preactivation."""
        n = self.notation
        inside = n.symbol("preactivation", layer, unit, sample=self._first).latex
        return self.applied(n.symbol("slope", layer, unit).latex, inside)

    def unit_gradient(self, layer: int, unit: int, source: int, deltas: Array, values: Array, total: float) -> str:
        """∂L/∂w = δ z with symbols, then numbers (53); over a batch, the mean or sum of that (29)."""
        n, samples = self.notation, _shown(self.batch)
        many = self.batch > 1
        symbols = [
            self._pair(
                n.symbol("delta", layer, unit, sample=i if many else None),
                n.symbol("activation", layer - 1, source, sample=i if many else None),
            )
            for i in samples
        ]
        numbers = [rf"{factor(float(deltas[i]))} \times {factor(float(values[i]))}" for i in samples]
        dots, rest = _rest(self.batch, float(deltas[SHOWN:] @ values[SHOWN:]))
        sides = [" + ".join([*symbols, *dots]), " + ".join([*numbers, *rest])]
        if many and self.mean and n.per_sample:
            sides = [rf"\frac{{1}}{{{self.batch}}} \left({side}\right)" for side in sides]
        one = not many and n.per_sample
        left = n.gradient("weight", layer, (unit, source), of="sample_loss" if one else "loss").latex
        return f"{left} = {sides[0]} = {sides[1]} = {tex.numeral(total)}"

    def _pair(self, left: Symbol, right: Symbol) -> str:
        return left.latex + self._by + right.latex

    @property
    def _first(self) -> int | None:
        """The sample that is written out: named only where there are several."""
        return 0 if self.batch > 1 else None

    @property
    def _by(self) -> str:
        return r" \; \texttt{*} \; " if self.notation.code else r" \, "


FUNCTION_NAMES = {
    "identity": r"\mathrm{id}",
    "relu": r"\operatorname{ReLU}",
    "leaky_relu": r"\operatorname{LeakyReLU}",
    "elu": r"\operatorname{ELU}",
    "gelu": r"\operatorname{GELU}",
    "softplus": r"\operatorname{softplus}",
    "sigmoid": r"\sigma",
    "tanh": r"\tanh",
    "softmax": r"\operatorname{softmax}",
}


def _call(function: str, *arguments: str) -> str:
    return rf"{tex.code(function)}\left({', '.join(arguments)}\right)"


def _shown(count: int) -> range:
    return range(min(count, SHOWN))


def _rest(count: int, rest: float) -> tuple[list[str], list[str]]:
    if count <= SHOWN:
        return [], []
    return [r"\cdots"], [rf"\left[{tex.numeral(rest)}\right]"]


def _equals(
    left: str,
    symbols: Sequence[str],
    numbers: Sequence[str],
    count: int,
    rest: float,
    more: Sequence[str],
    values: Sequence[float],
    total: float,
) -> str:
    dots, sums = _rest(count, rest)
    first = " + ".join([*symbols, *dots, *more])
    second = " + ".join([*numbers, *sums, *(factor(v) for v in values)])
    return f"{left} = {first} = {second} = {tex.numeral(total)}"
