"""A network as its units: one box a unit, one edge a weight, with the weight, its gradient, and each unit's δ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from denpa.draw.diagram import Diagram, Item, Link, compose
from denpa.draw.markup import shorten
from denpa.draw.quantities import arrow, magnitude, number_text
from denpa.draw.scene import Row, Scene
from denpa.draw.view import loss_name
from denpa.explain.charts import NetworkUnits
from denpa.explain.notation import Notation
from denpa.explain.step import LayerStep, Step
from denpa.explain.words import Language, T, in_language
from denpa.primitive import REGISTRY

SHOWN = 6  # units of a layer; a wider one shows its first ones and one box for the rest
NAME = 20  # columns of characters of an input's name
TITLE = T(en="Units and weights of a network", ja="ネットワークのユニットと重み")
_MORE = T(en="… {0} more", ja="… 他 {0} 個")
_INTO = T(en="Σ of {0}", ja="{0} 個の和")
_WHAT = T(
    en="Units of a network: on each edge the weight and its gradient, in each unit its output and, below, δ",
    ja="ネットワークのユニット。各辺に重みとその勾配、各ユニットに出力とその下に δ",
)


def network_scene(chart: NetworkUnits, language: Language, title: str = "") -> Scene:
    """The picture of a chart of units; without a title, under the one that `draw` gives it."""
    title = title or in_language(TITLE, language)
    return compose(diagram(chart.step, chart.notation, title, language, chart.shown))


def diagram(step: Step, notation: Notation, title: str, language: Language, shown: int = SHOWN) -> Diagram:
    """The units of a step of one sample.  Visits: layer by layer forward, the loss, layer by layer backward."""
    return _Units(step, notation.bound(step.depth), language, shown).build(title)


class _Units:
    def __init__(self, step: Step, notation: Notation, language: Language, shown: int) -> None:
        self.step, self.notation, self.language = step, notation, language
        widths = [step.inputs.shape[1], *(len(layer.weight) for layer in step.layers)]
        self.shown = [list(range(n)) if n <= shown else list(range(shown - 1)) for n in widths]
        self.hidden = [n - len(s) for n, s in zip(widths, self.shown, strict=True)]
        self.items: list[Item] = []
        self.links: list[Link] = []
        self.place: dict[tuple[int, int], int] = {}  # (layer, unit; -1 for the rest) → item
        self.depth = step.depth

    def build(self, title: str) -> Diagram:
        for i in self.shown[0]:
            lines = [Row("value", number_text(self.step.inputs[0, i]))]
            if self.step.input_names:
                name = self.step.input_names[i]
                lines.append(Row("note", shorten(name, NAME), 0, None, name))
            self._add(0, i, Item(f"u0.{i}", "input", self._name(0, i), tuple(lines)))
        self._rest(0)
        for layer in self.step.layers:
            for i in self.shown[layer.layer]:
                self._unit(layer, i)
            self._rest(layer.layer)
        self._loss()
        what = in_language(_WHAT, self.language)
        captions = tuple(self._captions())
        return Diagram(tuple(self.items), tuple(self.links), title, what, captions, 2 * self.depth + 2, self.language)

    def _captions(self) -> list[str]:
        name = self.notation.symbol
        forward = [
            f"{name('activation', l).plain} ← {name('preactivation', l).plain}" for l in range(1, self.depth + 1)
        ]
        loss = loss_name(self.notation, one=True)
        back = [f"∂{loss}/∂{name('weight', l).plain}" for l in range(self.depth, 0, -1)]
        value = f"{loss} = {number_text(np.float64(self.step.loss))}"
        return [name("activation", 0).plain, *forward, value, f"∂{loss}/∂{loss} = 1", *back][: 2 * self.depth + 3]

    def _add(self, layer: int, unit: int, item: Item) -> int:
        self.place[layer, unit] = len(self.items)
        self.items.append(item)
        return len(self.items) - 1

    def _name(self, layer: int, unit: int) -> str:
        return self.notation.symbol("activation", layer, unit).plain

    def _back(self, layer: int) -> int:
        """The visit at which the gradients of a layer are known: after the loss, the last layer first."""
        return 2 * self.depth + 2 - (layer - 1)

    def _unit(self, layer: LayerStep, i: int) -> None:
        l, back = layer.layer, self._back(layer.layer)
        name = layer.function.function
        symbol = REGISTRY[name].label if name in REGISTRY else name
        lines = [
            Row("value", number_text(layer.activation[0, i]), l, None, repr(float(layer.activation[0, i]))),
            Row("gradient", arrow(number_text(layer.delta[0, i])), back, None, repr(float(layer.delta[0, i]))),
        ]
        if layer.bias is not None:
            lines.append(Row("note", f"{self.notation.symbol('bias', l, i).plain} {number_text(layer.bias[i])}"))
        title = f"{self._name(l, i)}" if name == "identity" else f"{symbol}  {self._name(l, i)}"
        item = self._add(l, i, Item(f"u{l}.{i}", "unit", title, tuple(lines), "", l, back))
        for port, j in enumerate(self.shown[l - 1]):
            w, g = layer.weight[i, j], layer.weight_gradient[i, j]
            rows = (
                Row(
                    "value",
                    number_text(w),
                    0,
                    None,
                    f"{self.notation.symbol('weight', l, (i, j)).plain} = {float(w)!r}",
                ),
                Row("gradient", arrow(number_text(g)), back, None, repr(float(g))),
            )
            self.links.append(Link(f"w{l}.{i}.{j}", self.place[l - 1, j], item, port, rows, abs(float(g)), l - 1, back))
        if self.hidden[l - 1]:
            self._from_rest(layer, i, item, back)

    def _from_rest(self, layer: LayerStep, i: int, item: int, back: int) -> None:
        """One edge for the weights that are not shown: their sum of products, and the norm of their gradients."""
        l, first = layer.layer, len(self.shown[layer.layer - 1])
        total = float(layer.weight[i, first:] @ self.step.below(l)[0, first:])
        size = magnitude(layer.weight_gradient[i, first:])
        count = in_language(_INTO, self.language).format(self.hidden[l - 1])
        rows = (
            Row("value", f"{count}: {number_text(np.float64(total))}", l - 1, None, repr(total)),
            Row("gradient", f"←|{number_text(np.float64(size))}|", back, None, repr(size)),
        )
        self.links.append(Link(f"w{l}.{i}.rest", self.place[l - 1, -1], item, first, rows, size, l - 1, back))

    def _rest(self, layer: int) -> None:
        if not self.hidden[layer]:
            return
        text = in_language(_MORE, self.language).format(f"{self.hidden[layer]:,}")
        item = self._add(layer, -1, Item(f"u{layer}.rest", "more", text, (), "", layer))
        if layer:
            source = self.place.get((layer - 1, -1), self.place[layer - 1, self.shown[layer - 1][-1]])
            self.links.append(Link(f"r{layer}", source, item, 0, (), None, layer - 1))

    def _loss(self) -> None:
        at, loss = self.depth + 1, self.step.loss
        lines = (
            Row("value", number_text(np.float64(loss)), at, None, repr(loss)),
            Row("gradient", "←1", at + 1),
            Row("note", f"{self.notation.symbol('target', self.depth).plain} = {_targets(self.step.targets[0])}"),
        )
        item = Item("loss", "loss", loss_name(self.notation, one=True), lines, "", at, at + 1)
        self.items.append(item)
        ends = [*self.shown[-1], *([-1] if self.hidden[-1] else [])]
        for port, i in enumerate(ends):
            source = self.place[self.depth, i]
            self.links.append(Link(f"l.{i}", source, len(self.items) - 1, port, (), None, self.depth))


def _targets(t: Sequence[float]) -> str:
    """A row of targets: the class number where one is 1 and the others 0, else the first few numbers."""
    values = np.asarray(t)
    if values.size > 3 and np.count_nonzero(values) == 1 and values.max() == 1:
        return f"[{int(np.argmax(values))}]"
    shown = ", ".join(number_text(v) for v in values[:4])
    return f"({shown}{', …' if values.size > 4 else ''})"
