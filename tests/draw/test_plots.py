"""Every chart is well-formed SVG, shows what it was given, and marks what has no place on an axis."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.draw.pages import HOSTILE

from denpa.draw import plots
from denpa.draw.linechart import ODD_NAMES
from denpa.draw.points import intervals
from denpa.explain.charts import (
    Chart,
    HeatMap,
    Histogram,
    LineChart,
    Reference,
    Scatter,
    Series,
    Thumbnail,
    Thumbnails,
)
from denpa.explain.words import T

NAN, INF = math.nan, math.inf
EPOCH, LOSS = T(en="epoch", ja="エポック"), T(en="loss", ja="損失")


def line(*ys: Sequence[float], scale: str = "linear", **options: object) -> LineChart:
    series = tuple(Series(f"s{i}", tuple(map(float, range(1, len(y) + 1))), tuple(y)) for i, y in enumerate(ys))
    return LineChart(series, EPOCH, LOSS, scale, **options)  # type: ignore[arg-type]


def parse(chart: Chart) -> ET.Element:
    """The chart as an element of a page; every coordinate in it is a finite number within the picture."""
    root = ET.fromstring(plots.svg(chart))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for item in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert -1 <= float(item.get(name, 0)) <= width + 1, (item.tag, item.attrib)
        for name in ("y", "y1", "y2", "cy", "width", "height"):
            assert -1 <= float(item.get(name, 0)) <= max(width, height) + 1, (item.tag, item.attrib)
    return root


def texts(root: ET.Element, language: str = "en") -> list[str]:
    """Every text as a reader of one language sees it."""
    other = {"en": "ja", "ja": "en"}[language]
    return ["".join([t.text or "", *(s.text or "" for s in t if s.get("class") != other)]) for t in root.iter("text")]


def marks(root: ET.Element) -> int:
    return sum(item.get("class") == "alarm" for item in root.iter("path"))


def polylines(root: ET.Element) -> list[list[tuple[float, float]]]:
    return [
        [(float(a), float(b)) for a, b in (point.split(",") for point in item.attrib["points"].split())]
        for item in root.iter("polyline")
    ]


def test_a_line_runs_through_its_values() -> None:
    (points,) = polylines(parse(line([4.0, 2.0, 3.0, 1.0])))
    xs, ys = np.array(points).T
    assert np.allclose(np.diff(xs), np.diff(xs)[0], atol=0.11)  # written with a decimal
    assert np.allclose((ys[0] - ys) / (ys[0] - ys[3]), [0, 2 / 3, 1 / 3, 1], atol=0.01)


def test_a_log_axis_spaces_powers_of_ten_evenly() -> None:
    (points,) = polylines(parse(line([1.0, 1e-3, 1e-6], scale="log")))
    assert np.allclose(np.diff([y for _, y in points]), 0.5 * (points[2][1] - points[0][1]), atol=0.11)


def test_series_differ_without_colour() -> None:
    root = parse(line(*[[1.0 + i, 2.0 + i] for i in range(20)]))
    lines = [(g.find("polyline"), g.find("path")) for g in root.iter("g")]
    styles = {(a.get("stroke-dasharray"), b.get("d")) for a, b in lines if a is not None and b is not None}
    assert len(styles) == 20
    assert {f"s{i}" for i in range(20)} <= set(texts(root))


@pytest.mark.parametrize(
    ("values", "scale", "kinds"),
    [
        ([1.0, NAN, 2.0], "linear", ["nan"]),
        ([1.0, INF, -INF], "linear", ["high", "low"]),
        ([1.0, 0.0, 2.0], "log", ["zero"]),
        ([1.0, -1.0, 2.0], "log", ["negative"]),
        ([NAN, NAN], "log", ["nan"]),
        ([0.0], "log", ["zero"]),
        ([0.0, -5.0, 2.0], "linear", []),
    ],
)
def test_values_without_a_place_are_marked_and_named(values: list[float], scale: str, kinds: list[str]) -> None:
    root = parse(line(values, scale=scale))
    names = [ODD_NAMES[kind].en for kind in kinds]
    assert [text for text in texts(root) if text in {n.en for n in ODD_NAMES.values()}] == names
    odd = [v for v in values if not math.isfinite(v) or (scale == "log" and v <= 0)]
    assert marks(root) == len(odd) + len(kinds)  # each value, and each entry of the legend


def test_a_line_breaks_at_a_gap() -> None:
    whole, broken = (parse(line(y)) for y in ([1.0, 2, 3, 4, 5], [1.0, 2, NAN, 4, 5]))
    assert [len(p) for p in polylines(whole)] == [5]
    assert [len(p) for p in polylines(broken)] == [2, 2]


def test_a_point_between_gaps_is_seen() -> None:
    lonely = [NAN, 3.0, NAN] * 40
    root = parse(line(lonely))
    dots = [p for p in root.iter("path") if p.get("class") == "solid"]
    assert len(dots) == 40 + 1  # and the legend's


def test_a_long_stretch_of_nan_is_one_line() -> None:
    root = parse(line([1.0] * 10 + [NAN] * 5000))
    assert marks(root) <= 4  # both ends and the legend


@given(
    st.lists(st.lists(st.floats(), min_size=1, max_size=30), min_size=1, max_size=10),
    st.sampled_from(["linear", "log"]),
)
def test_any_floats_give_a_picture(ys: list[list[float]], scale: str) -> None:
    parse(line(*ys, scale=scale))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_single_points_and_none(scale: str) -> None:
    assert len([p for p in parse(line([0.5], scale=scale)).iter("path") if p.get("class") == "solid"]) == 2
    parse(line([], scale=scale))


def test_ten_thousand_epochs_stay_small_and_say_so() -> None:
    y = 1 / np.arange(1, 10_001) + 0.01
    y[4321] = 7.0
    root = parse(line(y.tolist()))
    (points,) = polylines(root)
    assert len(points) <= 1600
    assert min(py for _, py in points) < 0.3 * max(py for _, py in points)  # the spike is there
    assert any("10,000 points" in text for text in texts(root))
    assert any("10,000点" in text for text in texts(root, "ja"))
    assert len(plots.svg(line(y.tolist()))) < 60_000


def test_references_are_drawn_where_they_fit() -> None:
    inside = line([1.0, 2, 3], references=(Reference(2.5, "base"), Reference(2.0, "kept", "x")))
    outside = line([1.0, 2, 3], references=(Reference(9.0, "kept", "x"), Reference(NAN, "none")))
    assert {"base", "kept"} <= set(texts(parse(inside)))
    assert not {"kept", "none"} & set(texts(parse(outside)))


def heat(counts: Sequence[Sequence[int]]) -> HeatMap:
    names = tuple(f"c{i}" for i in range(len(counts)))
    rows = tuple(tuple(int(n) for n in row) for row in counts)
    return HeatMap(rows, names, names, T(en="true", ja="正解"), T(en="predicted", ja="予測"))


def test_a_heat_map_shows_counts_and_shares() -> None:
    root = parse(heat([[75, 25, 0], [0, 8, 0], [1, 1, 2]]))
    cells = [float(r.attrib["fill-opacity"]) for r in root.iter("rect") if r.get("class") == "cell"][:9]
    assert np.allclose(np.square(cells), [0.75, 0.25, 0.0016, 0.0016, 1, 0.0016, 0.25, 0.25, 0.5], atol=0.01)
    assert [t for t in texts(root) if t.isdigit()] == ["75", "25", "8", "1", "1", "2"]


def test_a_class_without_rows_is_said() -> None:
    root = parse(heat([[5, 1], [0, 0]]))
    assert "no rows" in texts(root)
    assert "該当なし" in texts(root, "ja")


def test_a_hundred_classes_become_one_image() -> None:
    counts = np.diag(np.arange(100) + 1)
    root = parse(heat(counts))
    assert len(list(root.iter("image"))) == 1
    assert len(plots.svg(heat(counts))) < 40_000
    shown = [t for t in texts(root) if t.startswith("c")]
    assert 20 <= len(shown) <= 80  # every n-th name, by row and by column


@pytest.mark.parametrize("k", [1, 2, 20, 21])
def test_heat_maps_of_every_size(k: int) -> None:
    parse(heat(np.full((k, k), 10**9)))


def test_a_scatter_counts_what_it_cannot_draw(rng: np.random.Generator) -> None:
    x = rng.normal(size=5000)
    y = x.copy()
    y[:3] = NAN, INF, -INF
    root = parse(Scatter(tuple(x), tuple(y), "t", "y", diagonal=True))
    assert "Not drawn, as NaN or infinite: 3." in texts(root)
    assert any("4,997 points drawn as" in t for t in texts(root))
    assert 1500 < len(list(root.iter("circle"))) <= 2000
    parse(Scatter((), (), "t", "y"))
    parse(Scatter((1.0,), (1.0,), "t", "y", diagonal=True))


@given(st.lists(st.floats(), max_size=50))
def test_every_value_is_in_a_bar_or_counted(values: list[float]) -> None:
    counts, edges, outside = intervals(np.array(values), 10)
    finite = [v for v in values if math.isfinite(v)]
    assert int(counts.sum()) + outside == len(finite)
    assert len(edges) == len(counts) + 1
    parse(Histogram(tuple(values), "residual", "rows", 10))


def test_an_outlier_does_not_hide_the_rest(rng: np.random.Generator) -> None:
    values = np.append(rng.normal(size=1000), 1e6)
    counts, edges, outside = intervals(values, 30)
    assert outside == 1
    assert edges[-1] < 10
    assert (counts > 0).sum() > 15
    root = parse(Histogram(tuple(values), "residual", "rows"))
    assert any(t.startswith("Values outside the axis: 1. All values:") for t in texts(root))


def images(shape: tuple[int, ...], count: int) -> Thumbnails:
    return Thumbnails(tuple(Thumbnail(np.zeros(shape), (f"true: {i}",)) for i in range(count)))


def test_thumbnails() -> None:
    root = parse(images((8, 8), 20))
    assert len(list(root.iter("image"))) == 20
    assert all(i.attrib["href"].startswith("data:image/png;base64,") for i in root.iter("image"))
    _, shape, every = plots.embed(images((1000, 500, 3), 1).images[0])
    assert every == 11
    assert shape == (46, 91)


CHARTS: list[Chart] = [
    line([1.0, 2.0, NAN]),
    heat([[1, 2], [3, 4]]),
    Scatter((1.0, 2.0), (2.0, 1.0), EPOCH, LOSS),
    Histogram((1.0, 2.0), EPOCH, LOSS),
    images((4, 4), 2),
]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_file_of_its_own_is_complete_and_in_one_language(chart: Chart, language: str) -> None:
    text = plots.svg(chart, language=language, name=T(en="A title", ja="題名"))  # type: ignore[arg-type]
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == space + "svg"
    assert root.findtext(space + "title") == {"en": "A title", "ja": "題名"}[language]
    assert "var(" not in text  # colours written out
    assert text.count("http") == 1  # the name space
    assert ("エポック" in text) == (language == "ja" and EPOCH in (getattr(chart, "x_label", None),))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_every_place(name: str) -> None:
    words = T(en=name, ja=name)
    allowed = {"svg", "g", "text", "tspan", "rect", "line", "path", "polyline", "circle", "image", "title", "style"}
    charts: list[Chart] = [
        LineChart((Series(name, (1.0,), (1.0,)),), words, name, references=(Reference(1.0, name),)),
        LineChart((Series(words, (1.0,), (NAN,)),), name, words, "log"),
        HeatMap(((1, 2), (3, 4)), (name, words), (words, name), name, words),
        Scatter((1.0,), (1.0,), name, words),
        Histogram((1.0,), words, name),
        Thumbnails((Thumbnail(np.zeros((2, 2)), (name, words)),)),
    ]
    for chart in charts:
        for text in (plots.svg(chart), plots.svg(chart, language="en", name=name)):
            tags = {item.tag.rpartition("}")[2] for item in ET.fromstring(text).iter()}
            assert tags <= allowed
            text.encode("utf-8")
