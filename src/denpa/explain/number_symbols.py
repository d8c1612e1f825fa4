"""The symbols of an explanation: what each element on a path is called, as LaTeX, in the notation chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from denpa.explain import tex
from denpa.explain.notation import Kind
from denpa.explain.paths import Element, Path, Stop
from denpa.explain.subject import Subject
from denpa.explain.words import T, Words
from denpa.graph import Node


@dataclass(frozen=True)
class Symbols:
    """Names of elements.  Samples are told apart only where there are several."""

    subject: Subject

    @cached_property
    def _numbers(self) -> dict[Node, int]:
        """Unnamed results are u₁, u₂, … in the order they were computed."""
        unnamed = (n for n in self.subject.graph.nodes if n.op is not None and not n.name)
        return {node: i for i, node in enumerate(unnamed, 1)}

    def element(self, e: Element) -> str:
        """LaTeX of one element."""
        role, notation = e.node.role, self.subject.notation
        if e.node is self.subject.root:
            return self.loss
        if role is not None and role.kind == "weight" and len(e.at) == 2:
            return notation.symbol("weight", role.layer, (e.at[0], e.at[1])).latex
        if role is not None and role.kind == "bias" and len(e.at) == 1:
            return notation.symbol("bias", role.layer, e.at[0]).latex
        if role is not None and role.kind in ("preactivation", "activation") and len(e.at) == 2:
            sample = e.at[0] if self.subject.batch > 1 else None
            kind: Kind = "preactivation" if role.kind == "preactivation" else "activation"
            return notation.symbol(kind, role.layer, e.at[1], sample=sample).latex
        if role is not None and role.kind == "input" and len(e.at) == 2:
            sample = e.at[0] if self.subject.batch > 1 else None
            return notation.symbol("activation", 0, e.at[1], sample=sample).latex
        return self._plain_name(e)

    def _plain_name(self, e: Element) -> str:
        at = rf"\left[{', '.join(map(str, e.at))}\right]" if e.at else ""
        number = self._numbers.get(e.node)
        return (f"u_{{{number}}}" if number else tex.words(e.node.label)) + at

    @property
    def loss(self) -> str:
        """The loss: of the chosen sample alone, or of all."""
        if self.subject.root.role is None:
            return tex.words(self.subject.root.name or "L")
        kind: Kind = "loss" if self.subject.single is None else "sample_loss"
        return self.subject.notation.symbol(kind).latex

    @property
    def target(self) -> str:
        return self.element(self.subject.element)

    @property
    def derivative(self) -> str:
        """∂loss/∂target."""
        return self.partial(self.loss, self.target)

    def partial(self, top: str, bottom: str) -> str:
        return rf"\frac{{\partial {top}}}{{\partial {bottom}}}"

    def factors(self, path: Path) -> list[str]:
        """The factors of a path, the loss's first, as the seeds write the chain rule."""
        stops = [self.element(stop.element) for stop in path.stops]
        return [self.partial(stops[i + 1], stops[i]) for i in range(len(stops) - 1)][::-1]

    def product(self, path: Path) -> str:
        return r" \, ".join(self.factors(path))

    def numbers(self, path: Path, digits: int = 4) -> str:
        return r" \times ".join(bracketed(f, digits) for f in path.factors[::-1]) or "1"

    def _passing(self, stop: Stop) -> str:
        """A value on the way with the operation that made it; on its way on, the part of a fused operation."""
        node = stop.element.node
        made = f" ({node.op.label})" if node.op is not None and node.role is None else ""
        return tex.plain(self.element(stop.element)) + made + (f" {stop.via}" if stop.via else "")

    def route(self, path: Path) -> Words:
        """A path in a few characters: the units it passes, from layer to layer; or the values it passes."""
        stops = path.stops[1:-1]
        units = [s for s in stops if s.element.node.role and s.element.node.role.kind == "preactivation"]
        first = self.subject.notation.units_from
        if units and all(len(s.element.at) == 2 for s in units) and len(units) * 2 >= len(stops):
            text = " → ".join(str(s.element.at[1] + first) for s in units)
            sample = units[0].element.at[0] + first
            return T(en=f"[{sample}] {text}", ja=f"[{sample}] {text}") if self.subject.batch > 1 else text
        names = [self._passing(stop) for stop in stops]
        if len(names) > 5:
            names = [*names[:2], "…", *names[-2:]]
        return " → ".join(names) or "—"


def bracketed(value: float, digits: int = 4) -> str:
    """A number as a factor: in parentheses when it has a sign or a power of ten."""
    text = tex.numeral(value, digits)
    return rf"\left({text}\right)" if value < 0 or "times" in text else text


def meaning(above: Element, below: Element) -> T:
    """What ∂above/∂below is, in words."""
    high, low = (None if e.node.role is None else e.node.role.kind for e in (above, below))
    if high == "loss":
        return T(en="how the loss reacts to this output", ja="この出力に対する損失の変化の割合")
    if (high, low) == ("preactivation", "weight"):
        return T(en="the value the weight multiplies", ja="重みが掛かる相手の値")
    if (high, low) == ("preactivation", "bias"):
        return T(en="a bias is added as it is", ja="バイアスはそのまま足される")
    if (high, low) == ("activation", "preactivation"):
        return T(en="slope of the activation function there", ja="その点での活性化関数の傾き")
    if high == "preactivation":
        return T(en="the weight between the two units", ja="2つのユニットをつなぐ重み")
    label = above.node.op.label if above.node.op is not None else above.node.kind
    return T(en=f"local derivative of {label}", ja=f"{label} の局所的な微分")
