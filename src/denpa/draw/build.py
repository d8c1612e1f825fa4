"""From a View to a Diagram: one item a cluster of nodes (usually one node), one pill an edge between clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from denpa.arrays import Array
from denpa.draw.diagram import Diagram, Item, Link
from denpa.draw.layout_ranks import topological
from denpa.draw.passes import computation, product, shown
from denpa.draw.quantities import magnitude, shape_text, summary
from denpa.draw.scene import BoxKind, Row
from denpa.draw.view import View
from denpa.explain.words import T, in_language
from denpa.graph import Node

BUNDLE = 6  # more edges than this into one collapsed box become one


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes drawn as one box.  title: "" for a single node, which is drawn as itself.  frame: the group it is in."""

    key: str
    nodes: tuple[Node, ...]
    title: str = ""
    frame: str = ""


_OPERATIONS = T(en="{0} operations", ja="演算 {0} 個")
_VALUES = T(en="{0} values", ja="値 {0} 個")
_SEED = T(en="∂{0}/∂{0} = 1 starts the backward pass", ja="∂{0}/∂{0} = 1 から逆伝播を始める")
_GIVEN = T(en="the inputs are given", ja="入力が与えられる")
_RESULT = T(en="{0} = {1}", ja="{0} = {1}")


def singles(view: View) -> list[Cluster]:
    return [Cluster(view.keys[node], (node,)) for node in view.graph.nodes]


class Builder:
    """Numbers the visits of the clusters, then makes items, links and captions."""

    def __init__(self, view: View, clusters: Sequence[Cluster]) -> None:
        self.view, self.clusters = view, list(clusters)
        self.of = {node: i for i, c in enumerate(self.clusters) for node in c.nodes}
        self.edges: dict[tuple[int, Node], list[tuple[Node, int]]] = {}  # (consumer's cluster, source) → edges
        for target, cluster in enumerate(self.clusters):
            for node in cluster.nodes:
                for i, source in enumerate(node.inputs if node not in view.leaves else ()):
                    if self.of[source] != target or len(cluster.nodes) == 1:
                        key = (target, source)
                        self.edges.setdefault(key, []).append((node, i))
        self._visits()

    def _visits(self) -> None:
        view = self.view
        order = topological(len(self.clusters), [(self.of[s], t) for t, s in self.edges])
        working = [c for c in order if any(node not in view.leaves for node in self.clusters[c].nodes)]
        self.forward = dict.fromkeys(range(len(self.clusters)), 0)
        self.forward |= {c: k for k, c in enumerate(working, 1)}
        self.seed = len(working) + 1
        known = [c for c in reversed(working) if any(view.gradient(n) is not None for n in self.clusters[c].nodes)]
        self.backward = {c: k for k, c in enumerate(known, self.seed + 1)}
        self.steps = self.seed + len(known) if view.gradients is not None else self.seed - 1

    # -- items -------------------------------------------------------------------------------------------------------
    def item(self, index: int) -> Item:
        cluster = self.clusters[index]
        item = self._group(index) if cluster.title else self._single(cluster.nodes[0])
        return replace(item, forward=self.forward[index], backward=self.backward.get(index))

    def _single(self, node: Node) -> Item:
        view, kind = self.view, self.view.kind(node)
        exact = f"{view.full_name(node)}: {summary(node.value)}"
        if kind == "operator":
            assert node.op is not None
            caption = "" if node in view.results else view.name(node) or ""
            return Item(view.keys[node], kind, node.op.label, (), caption, bead=self._bead(node), exact=exact)
        lines = (Row("note", shape_text(node.value)),) if node.value.ndim else ()
        return Item(view.keys[node], kind, view.title(node), lines, bead=self._bead(node), exact=exact)

    def _bead(self, node: Node) -> tuple[Row, Row] | None:
        """Σ where more than one edge brings a gradient back."""
        view, g = self.view, self.view.gradient(node)
        arrived = [self.backward[self.of[n]] for n, i in view.consumers[node] if (n, i) in view.parts]
        groups = {self.of[n] for n, _ in view.consumers[node] if self.clusters[self.of[n]].title}
        alone = sum(not self.clusters[self.of[n]].title for n, _ in view.consumers[node])
        if g is None or len(arrived) < 2 or len(groups) + alone < 2:
            return None
        value, gradient = view.value_row(node.value, self.forward[self.of[node]]), view.gradient_row(g, max(arrived))
        return replace(value, strip=None), replace(gradient, strip=None)

    def _group(self, index: int) -> Item:
        cluster, view = self.clusters[index], self.view
        operations = [n for n in cluster.nodes if n not in view.leaves]
        parameters = [n for n in cluster.nodes if n.kind == "parameter" and n in view.leaves]
        labels = list(dict.fromkeys(n.op.label for n in operations if n.op is not None))
        lines = [Row("note", " ".join(labels[:6]) + (" …" if len(labels) > 6 else ""))]
        for node in parameters[:4]:
            lines.append(
                Row("note", f"◆ {view.title(node)} {shape_text(node.value) if node.value.ndim else ''}".rstrip())
            )
        if len(parameters) > 4:
            lines.append(Row("note", f"◆ … +{len(parameters) - 4}"))
        if len(operations) > 3:
            lines.append(Row("note", in_language(_OPERATIONS, view.language).format(len(operations))))
        return Item(
            cluster.key, "group", cluster.title, tuple(lines), exact=f"{cluster.key}: {len(cluster.nodes)} nodes"
        )

    # -- links -------------------------------------------------------------------------------------------------------
    def links(self) -> list[Link]:
        made: list[Link] = []
        for target, cluster in enumerate(self.clusters):
            entering = [(s, edges) for (t, s), edges in self.edges.items() if t == target]
            if not cluster.title:
                made += [self._link(s, node, i) for s, edges in entering for node, i in edges]
            else:
                made += self._into_group(target, entering)
        return made

    def _link(self, source: Node, node: Node, i: int) -> Link:
        view, a, b = self.view, self.of[source], self.of[node]
        rows = view.value_rows(source.value, self.forward[a])
        part = view.parts.get((node, i))
        if part is not None:
            rows.append(view.gradient_row(part, self.backward[b]))
            if view.local:
                rows.append(view.local_row(node, i, self.backward[b]))
        marked = source in view.marked and node in view.marked
        size = None if part is None else magnitude(part)
        key = f"{view.keys[node]}.{i}"
        return Link(key, a, b, i, tuple(rows), size, self.forward[a], self.backward.get(b), marked=marked)

    def _into_group(self, target: int, entering: list[tuple[Node, list[tuple[Node, int]]]]) -> list[Link]:
        """One edge for each node that feeds the group; one for each box it comes from when there are too many."""
        bundles: dict[object, list[tuple[Node, list[tuple[Node, int]]]]] = {}
        for source, edges in entering:
            bundles.setdefault(self.of[source] if len(entering) > BUNDLE else source, []).append((source, edges))
        return [self._bundle(target, port, bundle) for port, bundle in enumerate(bundles.values())]

    def _bundle(self, target: int, port: int, bundle: list[tuple[Node, list[tuple[Node, int]]]]) -> Link:
        view, source = self.view, self.of[bundle[0][0]]
        at, back = self.forward[source], self.backward.get(target)
        parts = [part for s, edges in bundle for part in self._sum(edges)]
        if len(bundle) == 1:
            rows = view.value_rows(bundle[0][0].value, at)
            rows += [view.gradient_row(part, back or 0) for part in parts]
            key = f"{self.clusters[target].key}.{view.keys[bundle[0][0]]}"
        else:
            values = _joined([s.value for s, _ in bundle])
            text = in_language(_VALUES, view.language).format(values.size)
            rows = [replace(view.value_row(values, at), text=text)]
            rows += [view.gradient_row(_joined(parts), back or 0)] if parts else []
            key = f"{self.clusters[target].key}.{self.clusters[source].key}"
        size = magnitude(_joined(parts)) if parts else None
        return Link(key, source, target, port, tuple(rows), size, at, back)

    def _sum(self, edges: list[tuple[Node, int]]) -> list[Array]:
        """What several edges from one node bring back together: one array, or none."""
        parts = [self.view.parts[edge] for edge in edges if edge in self.view.parts]
        with np.errstate(all="ignore"):
            return [sum(parts[1:], parts[0])] if parts else []

    # -- the result ----------------------------------------------------------------------------------------------------
    def results(self, first: int) -> tuple[list[Item], list[Link]]:
        items: list[Item] = []
        links: list[Link] = []
        for node, name in self.view.results.items():
            at, view = self.forward[self.of[node]], self.view
            lines = [view.value_row(node.value, at)]
            root = view.gradients is not None and view.gradients.root is node
            if root:
                g = view.gradient(node)
                assert g is not None
                lines.append(view.gradient_row(g, self.seed))
            key = f"out.{view.keys[node]}"
            title = view.name(node) or name
            kind: BoxKind = "loss" if root else "output"
            items.append(
                Item(
                    key,
                    kind,
                    title,
                    tuple(lines),
                    "",
                    at,
                    self.seed if root else None,
                    exact=f"{title}: {summary(node.value)}",
                )
            )
            size = magnitude(view.gradients.by_node[node]) if root and view.gradients is not None else None
            marked = node in view.marked
            links.append(
                Link(
                    key,
                    self.of[node],
                    first + len(items) - 1,
                    0,
                    (),
                    size,
                    at,
                    self.seed if root else None,
                    marked=marked,
                )
            )
        return items, links

    # -- what happens at each step -------------------------------------------------------------------------------------
    def captions(self) -> tuple[str, ...]:
        language = self.view.language
        texts = [in_language(_GIVEN, language)] + [""] * self.steps
        for index, at in self.forward.items():
            if at:
                texts[at] = self._forward_text(index)
        for index, at in self.backward.items():
            texts[at] = self._backward_text(index)
        if self.view.gradients is not None:
            root = self.view.gradients.root
            texts[self.seed] = in_language(_SEED, language).format(self.view.full_name(root))
        return tuple(texts)

    def _forward_text(self, index: int) -> str:
        cluster = self.clusters[index]
        if cluster.title:
            return cluster.title
        node = cluster.nodes[0]
        return f"{self.view.full_name(node)} = {computation(node)} = {shown(node.value)}"

    def _backward_text(self, index: int) -> str:
        cluster, view = self.clusters[index], self.view
        if cluster.title or view.gradients is None:
            return f"← {cluster.title}"
        node, root = cluster.nodes[0], view.full_name(view.gradients.root)
        texts = []
        for i, source in enumerate(node.inputs):
            part = view.parts.get((node, i))
            if part is not None:
                value = shown(part)
                texts.append(
                    f"{view.full_name(source)}: {product(node, i, view.gradients.by_node, view.parts)} = {value}"
                )
        return f"∂{root}/∂(…) ← {node.op.label if node.op else ''}   " + ";   ".join(texts)

    def diagram(self, title: str, description: str) -> Diagram:
        items = [self.item(i) for i in range(len(self.clusters))]
        more, ends = self.results(len(items))
        frames: dict[str, tuple[str, frozenset[int]]] = {}
        for i, cluster in enumerate(self.clusters):
            if cluster.frame:
                name, inside = frames.get(cluster.frame, (cluster.frame, frozenset()))
                frames[cluster.frame] = (name, inside | {i})
        return Diagram(
            tuple(items + more),
            (*self.links(), *ends),
            title,
            description,
            self.captions(),
            self.steps,
            self.view.language,
            frames,
        )


def _joined(values: Sequence[Array]) -> Array:
    return np.concatenate([np.asarray(v).reshape(-1) for v in values])
