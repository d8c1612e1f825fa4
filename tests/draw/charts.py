"""One chart of each kind, small, with everything in it that a chart can have."""

from __future__ import annotations

import math

import numpy as np

from denpa import nn
from denpa.explain.charts import (
    Chart,
    Contour,
    HeatMap,
    Histogram,
    LineChart,
    NetworkUnits,
    Reference,
    Scatter,
    Series,
    Surface,
    Thumbnail,
    Thumbnails,
    Track,
)
from denpa.explain.notation import notation
from denpa.explain.step import record_step
from denpa.explain.words import T

X = T(en="epoch", ja="エポック")
Y = T(en="loss, 50% & x_1", ja="損失")


def one_of_each() -> list[Chart]:
    rng = np.random.default_rng(0)
    points = tuple(rng.normal(size=20).tolist())
    lines = (
        Series(T(en="train", ja="訓練"), (0.0, 1.0, 2.0, 3.0, 4.0), (1.0, 0.5, math.nan, math.inf, 0.1)),
        Series("g", (0.0, 1.0, 2.0, 3.0, 4.0), (0.0, 1e-3, -1.0, -math.inf, 2.0), "gradient"),
    )
    axis = np.linspace(-1.0, 1.0, 9)
    heights = tuple(tuple((x * x - y * y).tolist()) for y in axis for x in [axis])
    grid = (tuple(axis.tolist()), tuple(axis.tolist()), heights)
    walk = (Track(T(en="path", ja="経路"), (0.9, 0.5, 0.1, 0.0), (0.0, 0.1, 0.4, 0.9)),)
    images = (Thumbnail(rng.random((8, 8)), ("grey", "97 %")), Thumbnail(np.full((4, 6, 3), 90, np.uint8), ("rgb",)))
    many = tuple(f"c{i}" for i in range(25))
    network = nn.Network([2, 3, 2], hidden="sigmoid")
    return [
        LineChart(lines, X, Y, "log", (Reference(0.5, "half"), Reference(2.0, "kept", "x"))),
        HeatMap(((3, 1), (0, 0)), ("a long name of a class", "b"), ("a long name of a class", "b"), X, Y),
        HeatMap(tuple(tuple(range(25)) for _ in many), many, many, X, Y),
        Scatter((*points, math.nan), (*points, 1.0), X, Y, diagonal=True),
        Histogram((*points, math.inf), X, Y),
        Thumbnails(images),
        Contour(*grid, (-0.5, 0.0, 0.5), "x", "y", walk),
        Surface(*grid, "x", "y", Y, walk, 0.8),
        NetworkUnits(record_step(network, rng.normal(size=2), np.int64(1)), notation("001")),
    ]
