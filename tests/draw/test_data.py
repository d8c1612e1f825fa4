"""Documents as JSON: nothing is lost, and what JSON does not have is said."""

from __future__ import annotations

import json
import math

import numpy as np

from denpa import nn
from denpa.draw import data
from denpa.explain.charts import LineChart, Series
from denpa.explain.document import Document, Number, Picture, Section, T, Table, Text
from denpa.explain.trace import trace_step


def test_every_kind_of_part() -> None:
    chart = LineChart((Series("a", (0.0, 1.0), (math.nan, -math.inf)),), "x", T("loss", "損失"))
    table = Table(("n", "v"), (("a", Number(0.1 + 0.2, "s")), ("b", None), ("c", math.inf)))
    blocks = (table, Picture(chart, T("A curve.", "曲線。")), Text("x < y", "code"))
    document = Document(T("Title", "題"), (Section("S", blocks),))
    found = json.loads(data.text(document, "ja"))
    assert (found["kind"], found["title"]) == ("document", "題")
    first, picture, code = found["sections"][0]["blocks"]
    assert first["rows"] == [["a", 0.1 + 0.2], ["b", None], ["c", "Infinity"]]
    assert picture["chart"]["kind"] == "linechart"
    assert picture["chart"]["series"][0]["y"] == ["NaN", "-Infinity"]
    assert (code["kind"], code["style"], code["words"]) == ("text", "code", "x < y")


def test_a_trace_keeps_its_digits() -> None:
    network = nn.Network([2, 3, 2], seed=0, dtype="float64")
    traced = trace_step(network, np.array([[0.3, -0.7]]), np.array([1]))
    told = data.text(traced.document)
    assert repr(network.loss([[0.3, -0.7]], [1]).item()) in told
