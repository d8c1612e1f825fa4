"""The sheet in space: where points stand, what is hidden, what is cut off; rendered structure."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

from denpa.draw import plots
from denpa.draw.surface import TALL, Scene, cells
from denpa.explain.charts import Surface, Track

AXIS = np.linspace(-1.0, 1.0, 41)


def surface(f: Callable[[float, float], float], *tracks: Track, top: float | None = None, n: int = 41) -> Surface:
    axis = np.linspace(-1.0, 1.0, n)
    heights = tuple(tuple(float(f(x, y)) for x in axis) for y in axis)
    return Surface(tuple(axis), tuple(axis), heights, "x", "y", "f", tracks, top)


def scene(f: Callable[[float, float], float]) -> Scene:
    heights = np.array([[f(x, y) for x in AXIS] for y in AXIS])
    return Scene(AXIS, AXIS, heights, (-1.0, -1.0, float(heights.min())), (1.0, 1.0, float(heights.max())), 0.0)


def drawn(chart: Surface) -> ET.Element:
    return ET.fromstring(plots.svg(chart, language="en", name="a sheet"))


def sheet(picture: ET.Element) -> list[np.ndarray]:
    """The cells' corners in pixels, in the order they are drawn."""
    paths = [p.get("d", "") for g in picture.iter() if g.get("class") == "sheet" for p in g]
    return [np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2) for path in paths]


def hill(x: float, y: float) -> float:
    return math.exp(-8 * (x * x + y * y))


def test_every_cell_is_drawn_and_nothing_leaves_the_picture() -> None:
    picture = drawn(surface(lambda x, y: x * x - y * y, n=21))
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    corners = sheet(picture)
    assert len(corners) == 20 * 20
    for corner in corners:
        assert (corner >= 0).all()
        assert (corner <= [width, height]).all()
    for text in picture.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < float(text.get("x", "")) < width
        assert 8 < float(text.get("y", "")) < height


def test_nearer_cells_are_drawn_later() -> None:
    """On a flat sheet the farther cell is the higher one on the page."""
    heights = [corner[:, 1].mean() for corner in sheet(drawn(surface(lambda x, y: 0.0, n=9)))]
    assert heights == sorted(heights)


def test_a_large_grid_is_drawn_with_few_cells() -> None:
    assert len(sheet(drawn(surface(hill, n=200)))) <= 33**2


def test_height_is_upwards() -> None:
    s = scene(hill)
    (x0, y0), (x1, y1) = s.at((0.3, 0.2, 0.0)), s.at((0.3, 0.2, 1.0))
    assert x0 == x1
    assert y0 - y1 == pytest.approx(TALL * math.cos(math.radians(30)))


def test_the_height_between_corners() -> None:
    s = scene(lambda x, y: 2 * x - 3 * y + 1)  # bilinear interpolation is exact on a plane
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 50))
    assert s.over(x, y) == pytest.approx(2 * x - 3 * y + 1)
    assert np.isnan(s.over(np.array([1.5, 0.0]), np.array([0.0, -1.01]))).all()


def test_a_hill_hides_what_is_behind_it() -> None:
    s = scene(hill)
    behind, before = (-0.25, 0.4), (0.25, -0.4)  # along the line of sight through the top
    assert s.hidden((*behind, s.unit(2, hill(*behind))))
    assert not s.hidden((*before, s.unit(2, hill(*before))))
    assert not s.hidden((0.0, 0.0, 1.0))
    assert not any(scene(lambda x, y: x + y).hidden((x, x, (x + 1) / 2)) for x in np.linspace(-0.9, 0.9, 9))


def test_a_path_is_dotted_where_it_is_hidden() -> None:
    path = Track("walk", tuple(np.linspace(-0.45, 0.45, 30)), tuple(np.linspace(0.7, -0.7, 30)))
    picture = drawn(surface(hill, path))
    lines = list(picture.iter("{http://www.w3.org/2000/svg}polyline"))
    assert {line.get("stroke-dasharray") for line in lines} == {None, "1 4"}
    assert "dotted: behind the sheet" in "".join(picture.itertext())
    flat = drawn(surface(lambda x, y: 0.0 * x, path))
    assert [line.get("stroke-dasharray") for line in flat.iter("{http://www.w3.org/2000/svg}polyline")] == [None]


def test_what_is_above_the_top_is_cut_and_said() -> None:
    picture = drawn(surface(lambda x, y: x * x + y * y, top=0.5))
    assert "cut off at 0.5" in "".join(picture.itertext())
    assert 0 < len(sheet(picture)) < 40 * 40 * 0.6  # the disc has π/8 of the square
    low = Scene(AXIS, AXIS, np.add.outer(AXIS**2, AXIS**2), (-1.0, -1.0, 0.0), (1.0, 1.0, 0.5), 0.0)
    assert max(z for corners in cells(low) for _, _, z in corners) == pytest.approx(1.0)
    assert "cut off" not in "".join(drawn(surface(lambda x, y: x, top=5.0)).itertext())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_cell_where_there_is_no_height(value: float) -> None:
    track = Track("t", (0.0, math.nan, 0.5, 9.0), (0.0, 0.0, 0.5, 9.0))
    picture = drawn(surface(lambda x, y: value if x > 0 else y, track, n=21))
    assert len(sheet(picture)) == 20 * 10
    nothing = drawn(surface(lambda x, y: value, track, n=3))
    assert sheet(nothing) == []


def test_odd_heights_do_not_stop_it() -> None:
    for f in (lambda x, y: 3.0, lambda x, y: 1e308 * x, lambda x, y: 1e-320 * y, lambda x, y: 0.0):
        assert len(sheet(drawn(surface(f, n=5)))) == 16
