"""Scenes: a placed picture of a graph as plain data.  Every back end (SVG, TikZ, DOT, text, HTML) draws from one Scene.

Lengths are pixels, x to the right (forward), y downwards.  Keys are stable: `n7` is the seventh node of the graph in
topological order, `n7.0` the edge into its first input; tracing the same function again gives the same keys.
`at` is the step at which something becomes known: 0 the inputs, then forward visits, then the seed and backward visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

RowKind: TypeAlias = Literal["value", "gradient", "local", "summary", "note"]
BoxKind: TypeAlias = Literal["operator", "input", "parameter", "constant", "loss", "output", "group", "unit", "more"]

ROW = 15.0  # px, height of one row of text in a pill
CELL = (6.0, 5.0)  # px, one cell of a heat strip
FONT, SMALL = 13.0, 11.5  # px, titles and pills
BOLD = 1.12  # how much wider bold text is (DejaVu Sans: 1.12, Noto Sans 1.06, Arial 1.08)
NEUTRAL = 1.5  # px, a wire whose gradient is not known


@dataclass(frozen=True, slots=True)
class Strip:
    """A small heat map: cells row by row, each from −1 to 1 (share of the largest magnitude), NaN for not finite."""

    cells: tuple[tuple[float, ...], ...]

    @property
    def size(self) -> tuple[float, float]:
        return CELL[0] * len(self.cells[0]), CELL[1] * len(self.cells)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a pill.  `exact` is the number in full, or the summary of an array, for a reader who asks."""

    kind: RowKind
    text: str
    at: int = 0
    strip: Strip | None = None
    exact: str = ""

    @property
    def height(self) -> float:
        return ROW + (self.strip.size[1] + 2.0 if self.strip else 0.0)


@dataclass(frozen=True, slots=True)
class Pill:
    """The label of an edge, at the consumer's port; x, y its top left corner."""

    key: str
    x: float
    y: float
    width: float
    height: float
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """An operator, a variable, the loss or a collapsed group; x, y its centre."""

    key: str
    kind: BoxKind
    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[Row, ...] = ()
    caption: str = ""
    forward: int = 0
    backward: int | None = None
    exact: str = ""
    caption_left: float | None = None  # where a caption much wider than its box starts; None: centred below it


@dataclass(frozen=True, slots=True)
class Bead:
    """Σ where the gradients of several branches add up; x, y its centre."""

    key: str
    x: float
    y: float
    radius: float
    value: Row
    gradient: Row


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge.  `knots` are passed with a horizontal tangent; `gradient` is the size of what comes back, None: nothing.

    width: px.  faint: its gradient is zero, or vanishes beside the others.
    """

    key: str
    source: str
    target: str
    knots: tuple[tuple[float, float], ...]
    width: float
    gradient: float | None
    faint: bool
    forward: int
    backward: int | None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle around the items of an expanded group; x, y its top left corner."""

    key: str
    title: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One entry of the legend: a line of this width, or a coloured word, and what it means; x, y its left middle."""

    kind: Literal["wire", "faint", "value", "gradient", "local", "summary", "parameter", "bead", "strip"]
    x: float
    y: float
    text: str
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A placed picture.  `step` is how far the computation has come (None: all of it); `steps` the last step."""

    title: str
    description: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    pills: tuple[Pill, ...]
    wires: tuple[Wire, ...]
    beads: tuple[Bead, ...] = ()
    frames: tuple[Frame, ...] = ()
    legend: tuple[Sample, ...] = ()
    captions: tuple[str, ...] = ()
    steps: int = 0
    step: int | None = None
    language: Literal["en", "ja"] = "en"
    crossings: int = 0


State: TypeAlias = Literal["done", "now", "later"]


def state(scene: Scene, at: int | None) -> State:
    """Whether what becomes known at step `at` is known in this scene."""
    if scene.step is None or at is None:
        return "done"
    return "later" if at > scene.step else "now" if at == scene.step else "done"


def parts(scene: Scene) -> dict[str, Any]:
    """Everything with a key, by key."""
    things: tuple[Any, ...] = (*scene.boxes, *scene.pills, *scene.wires, *scene.beads, *scene.frames)
    return {f"{type(thing).__name__.lower()}:{thing.key}": thing for thing in things}
