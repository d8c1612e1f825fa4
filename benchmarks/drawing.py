"""How long a picture takes: layout alone, and graph to SVG, at 9 to 407 nodes; `python benchmarks/drawing.py`.

Layout is measured on the sizes that the picture really has.  Targets: 50 ms up to 60 nodes, 0.5 s at 407.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.timing import interleave, machine, table
from tests.draw.graphs import corpus, edges, network

from denpa.draw.build import Builder, singles
from denpa.draw.diagram import compose
from denpa.draw.graph_picture import draw
from denpa.draw.layout import Edge, Size, arrange
from denpa.draw.view import View

SHOWN = ("shop", "network 2-2-2", "tangle 40 1", "network 3-3-2", "tangle 100 0", "tangle 190 0")


def sizes(graph: object) -> list[Size]:
    made = []
    for node in graph.nodes:  # type: ignore[attr-defined]
        k = len(node.inputs)
        half = max(19.0, 19.0 * k)
        made.append(Size(70.0, 30.0, half, half, tuple(38 * (i - (k - 1) / 2) for i in range(k))))
    return made


def main() -> None:
    graphs = {name: graph for name, graph in corpus().items() if name in SHOWN} | {"4-8-8-3": network([4, 8, 8, 3])}
    print(machine())
    for name, graph in graphs.items():
        boxes, links = sizes(graph), [Edge(s, t, port) for s, t, port in edges(graph)]
        view = View(graph)
        diagram = Builder(view, singles(view)).diagram("", "")
        timings = interleave(
            {
                "layout": lambda boxes=boxes, links=links: arrange(boxes, links),
                "scene from a diagram": lambda diagram=diagram: compose(diagram),
                "graph to SVG, gradients included": lambda graph=graph: draw(graph, collapse=False).svg(),
            },
            rounds=7,
        )
        print(table(f"{name}: {len(graph)} nodes, {len(links)} edges", timings))


if __name__ == "__main__":
    main()
