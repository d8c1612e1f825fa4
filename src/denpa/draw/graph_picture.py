"""`draw`: the picture of a graph, and the files and displays it becomes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.autodiff import Gradients, backward
from denpa.draw import html, raster, svg, text, tikz, units
from denpa.draw.animate import player
from denpa.draw.build import Builder
from denpa.draw.collapse import LIMIT, clusters
from denpa.draw.diagram import compose
from denpa.draw.dot import dot
from denpa.draw.outline import outline
from denpa.draw.passes import Ledger
from denpa.draw.quantities import Tensors
from denpa.draw.scene import Scene
from denpa.draw.svg import THEMES, Theme
from denpa.draw.view import Labels, View
from denpa.draw.zooms import MOST, ZOOMS, Zoom, is_network, layers, one_row, operations
from denpa.errors import UsageError, user_line
from denpa.explain.document import Document
from denpa.explain.notation import DEFAULT, Notation, notation as profile
from denpa.explain.step import Step
from denpa.explain.words import LANGUAGES, Language, T, in_language
from denpa.formula import parse
from denpa.graph import Graph, Node, Tensor

FORMATS = ("svg", "png", "html", "tex", "dot", "txt")
NOTEBOOK_NODES, NOTEBOOK_SIZE = 200, 1_000_000  # nodes and elements: what a notebook draws without being asked
_TITLE = T(en="Computation graph of {0}", ja="{0} の計算グラフ")
_WHAT = T(
    en="{0} operations from {1} inputs to {2}, left to right; {3}",
    ja="{1} 個の入力から {2} まで、演算 {0} 個、左から右へ。{3}",
)
_WITH = T(en="each edge shows its value and the gradient that comes back.", ja="各辺に値と、戻ってくる勾配を示す。")
_WITHOUT = T(en="each edge shows its value.", ja="各辺に値を示す。")


@dataclass(frozen=True)
class Drawing:
    """A picture of a graph.  `scene` is its data; the methods are the forms it takes.

    In a notebook it shows itself.  `save` chooses the form by the file's suffix: svg, png, html, tex, dot or txt.
    """

    scene: Scene
    theme: Theme = "light"
    view: View | None = None

    def svg(self, theme: Theme | None = None) -> str:
        """One SVG element, which scales with the place it is put in.  "auto" follows the reader's setting."""
        return str(svg.render(self.scene, _theme(theme or self.theme)))

    def png(self, theme: Theme | None = None, scale: float = 2.0) -> bytes:
        """A PNG of `scale` pixels a unit.  MissingPackage without resvg_py; UsageError that names characters which no
        font of this machine has, and for pictures beyond 100 megapixels."""
        return raster.png(self.scene, _theme(theme or self.theme), scale)

    def html(self) -> str:
        """One page with the picture, a player for its steps (buttons and keys) and both passes as tables; offline."""
        return player(self.scene, self.table)

    def tikz(self) -> str:
        """A standalone LaTeX document; lualatex when there is Japanese in it, any LaTeX otherwise."""
        return tikz.document(self.scene)

    def dot(self) -> str:
        """The graph for Graphviz, which lays it out itself."""
        return dot(self.scene)

    def text(self) -> str:
        """The picture in characters, for a terminal."""
        return outline(self.scene)

    @cached_property
    def table(self) -> Document | None:
        """The forward and the backward pass, line by line; None for a picture that is not of a graph's nodes."""
        if self.view is None:
            return None
        view = self.view
        names = {n: view.full_name(n) for n in view.graph.nodes}
        nodes = [n for n in view.graph.nodes if n not in view.leaves or n.kind != "constant"]
        gradients = {} if view.gradients is None else view.gradients.by_node
        result = next(iter(view.graph.outputs.values())) if view.gradients is None else view.gradients.root
        return Ledger(nodes, names, view.parts, gradients, result).document(self.scene.title)

    def step(self, k: int) -> Drawing:
        """The picture after step k: 0 the inputs, then each operation forward, the seed, each operation backward.

        UsageError outside 0 … scene.steps.
        """
        if not 0 <= k <= self.scene.steps:
            raise UsageError("there is no such step", where=user_line(), got=str(k), want=f"0 … {self.scene.steps}")
        return replace(self, scene=replace(self.scene, step=k))

    def steps(self) -> Iterator[Drawing]:
        """The pictures of all steps, in order."""
        return (self.step(k) for k in range(self.scene.steps + 1))

    def save(self, path: str | Path) -> Path:
        """Write the form its suffix names.  UsageError for another suffix; see `durable.write`."""
        path = Path(path)
        durable.write(path, self.encoded(path.suffix.removeprefix(".").lower()), what="the picture")
        return path

    def save_steps(self, path: str | Path) -> list[Path]:
        """A numbered series, shop-00.svg … shop-12.svg for shop.svg."""
        path = Path(path)
        digits = max(2, len(str(self.scene.steps)))
        return [
            drawing.save(path.with_name(f"{path.stem}-{k:0{digits}d}{path.suffix}"))
            for k, drawing in enumerate(self.steps())
        ]

    def encoded(self, form: str) -> bytes:
        """The file of one of FORMATS."""
        if form not in FORMATS:
            raise UsageError("no such form of a picture", got=repr(form), want=", ".join(f".{f}" for f in FORMATS))
        if form == "png":
            return self.png()
        text = {"svg": self.svg, "html": self.html, "tex": self.tikz, "dot": self.dot, "txt": self.text}[form]()
        head = '<?xml version="1.0" encoding="UTF-8"?>\n' if form == "svg" else ""
        return (head + text + "\n").encode()

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.svg()}

    def __repr__(self) -> str:
        s = self.scene
        return f"<Drawing {s.title!r}: {len(s.boxes)} boxes, {len(s.wires)} edges, {s.width:.0f} × {s.height:.0f}>"


def draw(
    what: Any,
    /,
    *args: Any,
    values: Mapping[str, Any] | None = None,
    gradients: Gradients | bool | None = None,
    g: Any = None,
    zoom: Zoom | None = None,
    row: int = 0,
    collapse: bool | None = None,
    expand: Collection[str] = (),
    limit: int = LIMIT,
    labels: Labels | None = None,
    notation: str | Notation | None = None,
    input_names: Sequence[str] = (),
    highlight: Sequence[Tensor | Node | str] = (),
    local: bool = False,
    tensors: Tensors = "strip",
    step: int | None = None,
    title: str | None = None,
    language: Language = "en",
    theme: Theme = "light",
) -> Drawing:
    """The picture of a computation: a Graph, a Tensor, a formula with its `values`, or a network with x and t.

        dp.draw("(apple*n + orange*m)*tax", values={"apple": 100, "n": 2, "orange": 150, "m": 3, "tax": 1.1})
        dp.draw(loss)        dp.draw(network, x, t, zoom="units")

    Left to right is forward.  Each edge has a pill at the consumer's port: the value above, below it what this edge
    brings back of the gradient (local=True: and the local derivative).  Where several branches leave a node, Σ has the
    sum.  gradients: of a backward pass already made; False: values only; None: a backward pass with the cotangent g,
    when the result is one number or g is given.
    zoom: of a network, "layers" (default), "units" or "operations", the last two for one `row` of the batch.
    collapse: above `limit` nodes, or always (True) or never (False); expand: names of boxes to open.
    labels: other names, a mapping from names or a function of the node.  notation: whose letters a network's values
    get, "001" for networks.  input_names: of the columns behind a network's inputs, shown with its units.
    highlight: nodes, the edges between which are marked; of one node, all that it influences.
    UsageError for anything else, for names that do not exist, and for a graph of more than 20,000 boxes.
    """
    _choices(language, theme)
    letters = profile(notation or DEFAULT)  # only a network's values have letters, unless they are asked for
    if network := is_network(what):
        what = _at_zoom(what, args, zoom, row, letters, input_names)
        if isinstance(what, Step):
            heading = title or in_language(units.TITLE, language)
            return _at(Drawing(compose(units.diagram(what, letters, heading, language)), theme), step)
        collapse = True if collapse is None and zoom != "operations" else collapse
    elif args or zoom:
        raise UsageError(
            "only a network takes x, t and a zoom", where=user_line(), got=type(what).__name__, want=", ".join(ZOOMS)
        )
    graph = _graph(what, values)
    view = View(
        graph,
        _gradients(graph, gradients, g),
        labels=labels,
        notation=letters if notation is not None or network else None,
        local=local,
        tensors=tensors,
        language=language,
        marked=_marked(graph, [_node(graph, n) for n in highlight]),
    )
    builder = Builder(view, clusters(view, collapse, expand, limit))
    if len(builder.clusters) > MOST:
        raise UsageError(
            "too many boxes to draw", got=f"{len(builder.clusters):,}", want=f"at most {MOST:,}", fix="collapse=None"
        )
    diagram = builder.diagram(title or in_language(_TITLE, language).format(_result_name(view)), _description(view))
    return _at(Drawing(compose(diagram), theme, view), step)


def _at(drawing: Drawing, step: int | None) -> Drawing:
    return drawing if step is None else drawing.step(step)


def _at_zoom(
    network: Any, args: tuple[Any, ...], zoom: Zoom | None, row: int, letters: Notation, input_names: Sequence[str]
) -> Graph | Step:
    """The graph of the layers or of the scalar operations; for units, the step they are drawn from."""
    if not 1 <= len(args) <= 2:
        raise UsageError("a network is drawn with a batch: draw(network, x) or draw(network, x, t)", where=user_line())
    if zoom not in (None, *ZOOMS):
        raise UsageError("no such zoom", where=user_line(), got=repr(zoom), want=", ".join(ZOOMS))
    x, t = (*args, None)[:2]
    if zoom in (None, "layers"):
        return layers(network, x, t)
    sample = one_row(network, x, t, row, input_names)
    return operations(sample, letters) if zoom == "operations" else sample


def _choices(language: str, theme: Theme) -> None:
    if language not in LANGUAGES:
        raise UsageError("no such language", where=user_line(), got=repr(language), want=" or ".join(LANGUAGES))
    _theme(theme)


def _theme(theme: Theme) -> Theme:
    if theme not in THEMES:
        raise UsageError("no such theme", where=user_line(), got=repr(theme), want=", ".join(THEMES))
    return theme


def _graph(what: Any, values: Mapping[str, Any] | None) -> Graph:
    if isinstance(what, str):
        return parse(what).graph(values or {})
    if values:
        raise UsageError("values belong to a formula", where=user_line(), got=type(what).__name__)
    if isinstance(what, Graph):
        return what
    if isinstance(what, Tensor) or (isinstance(what, Mapping) and what):
        return Graph(what)
    raise UsageError(
        "this cannot be drawn",
        where=user_line(),
        got=type(what).__name__,
        want="a Graph, a Tensor, a formula as text, or a network with x and t",
    )


def _gradients(graph: Graph, given: Gradients | bool | None, g: Any) -> Gradients | None:
    """The gradients to show: those given, or of one backward pass from the only output where one makes sense."""
    if isinstance(given, Gradients):
        return given
    if given is False:
        return None
    root = next(iter(graph.outputs.values()))
    possible = len(graph.outputs) == 1 and root.requires and (g is not None or root.value.shape == ())
    if not possible and (given is True or g is not None):
        return backward(Tensor(graph.output), g)  # which says what is missing
    return backward(Tensor(root), g) if possible else None


def _node(graph: Graph, what: Tensor | Node | str) -> Node:
    return what.node if isinstance(what, Tensor) else graph[what] if isinstance(what, str) else what


def _marked(graph: Graph, nodes: Sequence[Node]) -> set[Node]:
    """Nodes whose edges are marked: those given, or everything one node has influence on."""
    if len(nodes) != 1:
        return set(nodes)
    reached = set(nodes)
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.add(node)
    return reached


def _result_name(view: View) -> str:
    return ", ".join(view.name(node) or name for node, name in view.results.items())


def _description(view: View) -> str:
    operations = sum(node not in view.leaves for node in view.graph.nodes)
    inputs = sum(node.kind != "constant" for node in view.leaves)
    how = in_language(_WITH if view.gradients is not None else _WITHOUT, view.language)
    return in_language(_WHAT, view.language).format(operations, inputs, _result_name(view), how)


def mimebundle(what: Tensor | Graph | Document) -> dict[str, str]:
    """What a notebook shows: of a Tensor or a Graph its text, and its picture where there is one of modest size; of a
    Document its lines, and its page."""
    if isinstance(what, Document):
        return {"text/plain": "\n".join(text.lines(what)), "text/html": str(html.framed(what))}
    bundle = {"text/plain": repr(what)}
    if isinstance(what, Tensor) and what.node.op is None:
        return bundle
    graph = what if isinstance(what, Graph) else Graph(what)
    if len(graph) <= NOTEBOOK_NODES and sum(int(np.size(n.value)) for n in graph.nodes) <= NOTEBOOK_SIZE:
        bundle["image/svg+xml"] = draw(graph).svg()
    return bundle
