"""The graphs that the pictures' tests draw: networks of scalars, expressions, random graphs.  Fixed by their seeds."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np

import denpa as dp
from denpa.formula import formula

SHOP = "total = (apple*n_apple + orange*n_orange)*tax"
SHOP_VALUES = {"apple": 100, "n_apple": 2, "orange": 150, "n_orange": 3, "tax": 1.1}


def network(units: list[int], seed: int = 0) -> dp.Graph:
    """A fully connected network with softmax and cross-entropy, every product and sum a node, without roles."""
    rng = np.random.default_rng(seed)
    z = [dp.tensor(rng.normal(), name=f"x{i}") for i in range(units[0])]
    for l, (n_in, n_out) in enumerate(pairwise(units)):
        sums = []
        for j in range(n_out):
            total = dp.parameter(rng.normal(), name=f"W{l}{j}0") * z[0]
            for i in range(1, n_in):
                total = total + dp.parameter(rng.normal(), name=f"W{l}{j}{i}") * z[i]
            sums.append(total + dp.parameter(rng.normal(), name=f"b{l}{j}"))
        z = [dp.sigmoid(a) for a in sums] if l < len(units) - 2 else sums
    e = [dp.exp(a) for a in z]
    total = e[0]
    for term in e[1:]:
        total = total + term
    return dp.Graph(-dp.log(e[0] / total))


def tangle(count: int, inputs: int, seed: int) -> dp.Graph:
    """About `count` products, each of a recent value and any value: long edges and much fan-out."""
    choose = random.Random(seed)
    values = [dp.tensor(1.0 + 0.001 * i, name=f"x{i}") for i in range(inputs)]
    for _ in range(count - inputs):
        values.append(choose.choice(values[-8:]) * choose.choice(values))
    used = {source for t in values for source in t.node.inputs}
    ends = [t for t in values if t.node not in used]
    total = ends[0]
    for t in ends[1:]:
        total = total + t
    return dp.Graph(total)


def corpus() -> dict[str, dp.Graph]:
    """At most about 200 nodes each, 230 in the largest."""
    made = {
        "shop": formula(SHOP, **SHOP_VALUES),
        "square of a sum": formula("t = x + y; z = t**2", x=3, y=4),
        "fan-out": formula("y = x*x + exp(x)*x - log(x)/x", x=0.5),
        "horner": formula("((((a*x + b)*x + c)*x + d)*x + e)*x", x=2, a=1, b=2, c=3, d=4, e=5),
    }
    for units in ([2, 2, 2], [3, 3, 2], [4, 4, 2], [5, 5, 3], [2, 2, 2, 2, 2], [4, 3, 3, 2], [6, 4, 2]):
        made["network " + "-".join(map(str, units))] = network(units)
    for seed in range(4):
        made[f"tangle 40 {seed}"] = tangle(40, 8, seed)
        made[f"tangle 100 {seed}"] = tangle(100, 20, seed)
    for seed in range(3):
        made[f"tangle 190 {seed}"] = tangle(190, 40, seed)
    return made


def edges(graph: dp.Graph) -> list[tuple[int, int, int]]:
    """(source, target, port) by index in graph.nodes."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    return [(place[s], place[n], i) for n in graph.nodes for i, s in enumerate(n.inputs)]
