"""Collapsing: a large graph as few boxes, by layer where its nodes have roles, else by what belongs together.

Every partition made here is convex (no path leaves a box and comes back), so the boxes again form a graph without
circles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

from denpa.draw.build import Cluster, singles
from denpa.draw.layout_ranks import topological
from denpa.draw.view import View
from denpa.errors import UsageError
from denpa.explain.words import T, in_language
from denpa.graph import Node

LIMIT = 60  # boxes: more cannot be read on one page
_LAYER = T(en="layer {0}", ja="第{0}層")
_LOSS = T(en="loss", ja="損失")
_MANY = T(en="{0} × [{1}]", ja="{0} × [{1}]")
_PART = T(en="part {0} of {1}", ja="{1} 部分のうち {0}")


def clusters(
    view: View, collapse: bool | None = None, expand: Collection[str] = (), limit: int = LIMIT
) -> list[Cluster]:
    """The boxes of a picture.  collapse None: above `limit` nodes, or when some are to be opened.

    expand: keys or titles of boxes to open.

    UsageError for a name in `expand` that no box has.
    """
    nodes = singles(view)
    if collapse is False or (collapse is None and len(nodes) <= limit and not expand):
        if expand:
            raise UsageError("nothing is collapsed in this picture", got=f"expand={list(expand)!r}")
        return nodes
    return _expanded(view, _coarse(view, limit), expand)


def _coarse(view: View, limit: int) -> list[Cluster]:
    found = by_layer(view)
    if found is None:
        found = by_cone(view)
        if len(found) > limit:
            found = _alike(view, found)
    return _parts(view, found, limit) if len(found) > limit else found


def _expanded(view: View, found: list[Cluster], expand: Collection[str]) -> list[Cluster]:
    names = {name: c.key for c in found if c.title for name in (c.key, c.title)}
    wanted = set()
    for name in expand:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            raise UsageError(
                f"no collapsed box is called {name!r}",
                want=", ".join(dict.fromkeys(names)) or "nothing is collapsed",
                fix=f"did you mean {near[0]!r}?" if near else None,
            )
        wanted.add(names[name])
    made: list[Cluster] = []
    for cluster in found:
        if cluster.key in wanted:
            made += [Cluster(view.keys[n], (n,), frame=cluster.title) for n in cluster.nodes]
        else:
            made.append(cluster)
    return made


def by_layer(view: View) -> list[Cluster] | None:
    """One box a layer, by the nodes' roles; inputs, targets and single nodes stay as they are.  None without roles.

    A node without a role belongs to the first layer that uses it.
    """
    nodes = view.graph.nodes
    top = max((n.role.layer for n in nodes if n.role is not None), default=0) + 1
    level: dict[Node, int] = {}
    for node in reversed(nodes):
        uses = [level[n] for n, _ in view.consumers[node]]
        role = node.role
        if role is not None:
            level[node] = top if role.kind == "loss" else role.layer
        else:
            level[node] = min(uses, default=top)
        if uses and level[node] > min(uses):
            return None  # roles that contradict the order of computation say nothing about layers
    if not any(n.role is not None and n.role.kind in ("weight", "preactivation", "activation") for n in nodes):
        return None
    free = {n for n in nodes if n in view.leaves and n.kind != "parameter" and (n.role is not None or level[n] == 0)}
    free |= {n for n in nodes if level[n] == 0}
    members: dict[int, list[Node]] = {}
    for node in nodes:
        if node not in free:
            members.setdefault(level[node], []).append(node)
    made = [Cluster(view.keys[n], (n,)) for n in nodes if n in free]
    for l, inside in sorted(members.items()):
        words = _LOSS if l == top else _LAYER
        key = "loss" if l == top else f"layer{l}"
        made.append(_cluster(view, inside, key, in_language(words, view.language).format(l)))
    return made


def _cluster(view: View, nodes: Sequence[Node], key: str, title: str) -> Cluster:
    return Cluster(key, tuple(nodes), title) if len(nodes) > 1 else Cluster(view.keys[nodes[0]], tuple(nodes))


def by_cone(view: View) -> list[Cluster]:
    """Each value that is used more than once with what it is computed from: whole expressions become one box.

    Inputs stay as they are.
    """
    root: dict[Node, Node] = {}
    for node in reversed(view.graph.nodes):
        users = {n for n, _ in view.consumers[node]}
        alone = len(users) == 1 and node not in view.results and (node not in view.leaves or node.kind != "input")
        root[node] = root[users.pop()] if alone else node
    members: dict[Node, list[Node]] = {}
    for node in view.graph.nodes:
        members.setdefault(root[node], []).append(node)
    return [_cluster(view, inside, f"to.{view.keys[n]}", view.full_name(n)) for n, inside in members.items()]


def _alike(view: View, found: list[Cluster]) -> list[Cluster]:
    """Boxes of one column and one kind as one box: the units of a layer.  Those of one column never use each other."""
    of = {node: i for i, c in enumerate(found) for node in c.nodes}
    edges = {(of[s], of[n]) for n in of if n not in view.leaves for s in n.inputs if of[s] != of[n]}
    column = [0] * len(found)
    after: dict[int, list[int]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    for a in topological(len(found), sorted(edges)):
        for b in after.get(a, ()):
            column[b] = max(column[b], column[a] + 1)
    bands: dict[tuple[int, str], list[Cluster]] = {}
    for i, cluster in enumerate(found):
        bands.setdefault((column[i], _signature(view, cluster)), []).append(cluster)
    made = []
    for (_, signature), band in bands.items():
        title = in_language(_MANY, view.language).format(len(band), signature)
        nodes = sorted((n for c in band for n in c.nodes), key=lambda n: n.serial)
        made.append(band[0] if len(band) == 1 else Cluster(f"like.{band[0].key}", tuple(nodes), title))
    return made


def _signature(view: View, cluster: Cluster) -> str:
    """What kind of box: its operators by frequency, or what kind of leaf."""
    labels = Counter(n.op.label for n in cluster.nodes if n.op is not None and n not in view.leaves)
    if not labels:
        return view.kind(cluster.nodes[0])
    return " ".join(label for label, _ in sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))[:4])


def _parts(view: View, found: list[Cluster], limit: int) -> list[Cluster]:
    """The last resort: consecutive stretches of a topological order."""
    of = {node: i for i, c in enumerate(found) for node in c.nodes}
    edges = {(of[s], of[n]) for n in of if n not in view.leaves for s in n.inputs if of[s] != of[n]}
    order = topological(len(found), sorted(edges))
    count = max(limit // 3, 2)
    made = []
    for k in range(count):
        stretch = order[k * len(order) // count : (k + 1) * len(order) // count]
        nodes = sorted((n for i in stretch for n in found[i].nodes), key=lambda n: n.serial)
        title = in_language(_PART, view.language).format(k + 1, count)
        made.append(replace(_cluster(view, nodes, f"part{k + 1}", title)))
    return made
