"""Charts as TikZ say what their SVG says: the same words, as many shapes, the same colours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tests.draw.charts import one_of_each

from denpa.draw import chart_tikz, plots
from denpa.draw.latex_text import text
from denpa.draw.style import LIGHT
from denpa.errors import UsageError
from denpa.explain.charts import Chart, LineChart, NetworkUnits, Series, Thumbnail, Thumbnails

CHARTS = [chart for chart in one_of_each() if not isinstance(chart, NetworkUnits)]
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">'


def rgb(name: str) -> str:
    red, green, blue = bytes.fromhex(LIGHT[name][1:])
    return f"{{rgb,255:red,{red};green,{green};blue,{blue}}}"


def body(inside: str) -> list[str]:
    return chart_tikz.picture(f"{HEAD}{inside}</svg>")[0].splitlines()[2:-1]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: type(chart).__name__)
def test_every_word_of_the_chart_is_there(chart: Chart, language: str) -> None:
    picture = plots.svg(chart, language=language)  # type: ignore[arg-type]
    source, width, height = chart_tikz.picture(picture)
    words = ["".join(e.itertext()) for e in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(re.findall(r"\\node\[.*\] at \(.*?\) \{(.*)\};", source)) == sorted(
        text(w) for w in words if w.strip()
    )
    assert f"rectangle ({width:g},{height:g})" in source


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: type(chart).__name__)
def test_nothing_stands_outside(chart: Chart) -> None:
    source, width, height = chart_tikz.picture(plots.svg(chart, language="en"))
    for x, y in re.findall(r"(?<!\+)\((-?[\d.]+),(-?[\d.]+)\)", source):
        assert -1 <= float(x) <= width + 1
        assert -1 <= float(y) <= height + 1


def test_a_line_has_its_colour_dash_and_points() -> None:
    chart = LineChart((Series("a", (0.0, 1.0), (0.0, 1.0)), Series("b", (0.0, 1.0), (1.0, 0.0), "gradient")), "x", "y")
    source, _, _ = chart_tikz.picture(plots.svg(chart, language="en"))
    drawn = [line for line in source.splitlines() if " -- " in line and "cycle" not in line]
    assert any(f"draw={rgb('v0')}" in line and "dash" not in line for line in drawn)
    assert any(f"draw={rgb('g1')}" in line and "dash pattern=on 5.25bp off 2.25bp" in line for line in drawn)


def test_groups_move_what_is_in_them() -> None:
    (line,) = body('<g class="series v0" transform="translate(10 20)"><line x1="1" x2="2" y1="3" y2="3"/></g>')
    assert line.endswith("(11,23) -- (12,23);")


def test_paths() -> None:
    (line,) = body('<g class="series v0"><path d="M1 2l3 4H9V8C1 1 2 2 3 3z"/></g>')
    assert line.endswith("(1,2) -- (4,6) -- (9,6) -- (9,8) .. controls (1,1) and (2,2) .. (3,3) -- cycle;")
    (circle,) = body('<g class="series v0"><path class="solid" d="M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z"/></g>')
    assert f"fill={rgb('v0')}" in circle
    assert circle.count("delta angle=180,radius=3") == 2


def test_what_is_not_seen_is_not_drawn() -> None:
    assert body('<g class="series v0"><path class="open" d="M0 0h1"/></g>') != []
    assert body('<line x1="0" x2="1" y1="0" y2="0"/>') == []


def test_unknown_elements_and_arcs_are_refused() -> None:
    with pytest.raises(UsageError, match="no such element"):
        body('<ellipse class="bar"/>')
    with pytest.raises(UsageError, match="half circles"):
        body('<path class="bar" d="M0 0a5 5 0 0 1 1 1"/>')


def test_an_image_is_rectangles_of_one_colour() -> None:
    pixels = np.zeros((2, 4), np.uint8)
    pixels[1] = [0, 0, 255, 0]  # white is the paper
    source, _, _ = chart_tikz.picture(plots.svg(Thumbnails((Thumbnail(pixels, ()),)), language="en"))
    fills = re.findall(r"\\fill\[.*?\] \((.*?),(.*?)\) rectangle \+\+\((.*?),(.*?)\);", source)
    assert [round(float(f[2])) for f in fills] == [84, 42, 21]


def test_a_large_image_stays_small() -> None:
    source, _, _ = chart_tikz.picture(
        plots.svg(Thumbnails((Thumbnail(np.random.default_rng(0).random((300, 300)), ()),)), language="en")
    )
    assert source.count(r"\fill") <= chart_tikz.PIXELS**2
