"""Charts as data: what is plotted, with which words.  `draw.plots` turns each into SVG, `draw.text` into lines of text.

Values may hold NaN and infinities: a drawing marks them, it never drops them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from denpa.explain.words import Words


@dataclass(frozen=True, slots=True)
class Series:
    """One line: `x` ascending and finite, `y` of the same length, any float.

    `hue` "gradient" is kept for gradients (vermilion), "value" for everything that goes forward (blue first).
    """

    name: Words
    x: tuple[float, ...]
    y: tuple[float, ...]
    hue: Literal["value", "gradient"] = "value"


@dataclass(frozen=True, slots=True)
class Reference:
    """A thin line across the plot at one value of an axis, with its name: a baseline, the epoch that was kept."""

    at: float
    name: Words
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True, slots=True)
class LineChart:
    """Several series over one x axis.  `bounds` are values the y axis may not leave (None: free), such as 0 and 1."""

    series: tuple[Series, ...]
    x_label: Words
    y_label: Words
    scale: Literal["linear", "log"] = "linear"
    references: tuple[Reference, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts by row and column, coloured by the share of their row.  `counts` (rows, columns) of non-negative ints."""

    counts: tuple[tuple[int, ...], ...]
    row_names: tuple[Words, ...]
    column_names: tuple[Words, ...]
    row_label: Words
    column_label: Words


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points; with `diagonal`, also the line y = x."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_label: Words
    y_label: Words
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often the values fall into each of `bins` equal intervals from the smallest to the largest finite value."""

    values: tuple[float, ...]
    x_label: Words
    y_label: Words
    bins: int = 30


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small image and the lines under it.  `pixels`: array (height, width) or (height, width, 3); unsigned bytes are
    taken as 0…255, anything else is stretched from `low` (black) to `high` (white)."""

    pixels: Any
    lines: tuple[Words, ...]
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """A strip of small images."""

    images: tuple[Thumbnail, ...]


@dataclass(frozen=True, slots=True)
class Track:
    """A path over a map: its points in order; x and y of the same length."""

    name: Words
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Contour:
    """Lines of equal height over two variables, with paths on them.

    x (columns) and y (rows) ascending; `heights` (rows, columns), any float.  `levels` ascending.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    heights: tuple[tuple[float, ...], ...]
    levels: tuple[float, ...]
    x_label: Words
    y_label: Words
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Surface:
    """The height over two variables as a sheet in space, with paths on it.

    x (columns) and y (rows) ascending, two or more each; `heights` (rows, columns), any float.  What is above `top` is
    cut off (None: nothing).
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    heights: tuple[tuple[float, ...], ...]
    x_label: Words
    y_label: Words
    z_label: Words
    tracks: tuple[Track, ...] = ()
    top: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NetworkUnits:
    """A network's units and weights for one sample, drawn as `draw(network, x, t, zoom="units")` does.

    step: an `explain.step.Step` of one sample.  notation: an `explain.notation.Notation`, whose letters name the units.
    shown: units of a layer; a wider one shows its first ones and one box for the rest.
    """

    step: Any
    notation: Any
    shown: int = 6


Chart: TypeAlias = LineChart | HeatMap | Scatter | Histogram | Thumbnails | Contour | Surface | NetworkUnits
