"""Measures how many crossings Graphviz's dot leaves in each graph of the corpus.

    python -m tests.draw.make_dot_crossings

Records with one port an argument, in order, as the pictures have them; crossings are counted on the curves dot draws.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from tests.draw.geometry import crossings
from tests.draw.graphs import corpus, edges

import denpa as dp

TABLE = Path(__file__).with_name("dot_crossings.json")


def dot_crossings(graph: dp.Graph) -> int:
    lines = ["digraph {", "rankdir=LR; node [shape=record, height=0.1];"]
    for i, node in enumerate(graph.nodes):
        fields = "|".join(f"<p{k}> " for k in range(len(node.inputs)))
        lines.append(f'n{i} [label="{{{{{fields}}}|<o> x}}"];' if fields else f'n{i} [label="<o> x"];')
    lines += [f"n{s}:o:e -> n{t}:p{k}:w;" for s, t, k in edges(graph)]
    done = subprocess.run(
        ["dot", "-Tplain"], input="\n".join([*lines, "}"]), capture_output=True, text=True, check=True, timeout=120
    )
    return crossings([_curve(line.split()) for line in done.stdout.splitlines() if line.startswith("edge")])


def _curve(words: list[str]) -> np.ndarray:
    points = 72 * np.array([float(w) for w in words[4 : 4 + 2 * int(words[3])]]).reshape(-1, 2)  # inches
    line = [points[0]]
    for k in range(0, len(points) - 1, 3):
        p = points[k : k + 4]
        for t in np.linspace(0, 1, 9)[1:]:
            line.append((1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t * t * (1 - t) * p[2] + t**3 * p[3])
    return np.array(line)


if __name__ == "__main__":
    version = subprocess.run(["dot", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    found = {name: dot_crossings(graph) for name, graph in corpus().items()}
    TABLE.write_text(json.dumps({"version": version, "crossings": found}, indent=1) + "\n", encoding="utf-8")
