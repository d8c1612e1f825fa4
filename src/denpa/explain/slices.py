"""A slice through a network's loss: two directions in the space of all parameters, and the training path in it.

The directions are the two principal components of the path, or two single parameters.  Source: seed 002 (the cost is a
function of all weights and biases); H. Li et al., Visualizing the loss landscape of neural nets, NeurIPS 2018 (PCA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from denpa.errors import ShapeError, UsageError, user_line
from denpa.explain.charts import Contour, Surface, Track
from denpa.explain.document import Document, Picture, Section, T
from denpa.explain.notation import Notation, notation as find_notation
from denpa.explain.subject import subject
from denpa.explain.words import Words
from denpa.formatting import percent
from denpa.graph import no_grad
from denpa.nn.choices import number, whole

Floats = npt.NDArray[np.float64]
LEVELS = 14


@dataclass(frozen=True, eq=False)
class LossSlice:
    """heights (points, points): the loss at center + a·directions[0] + b·directions[1], a along columns, b along rows.

    directions (2, parameters), each of length 1 and at right angles; path (steps, 2): the training path in them.
    kept: the share of the path's variance that lies in the slice, None for two single parameters.
    """

    a: Floats
    b: Floats
    heights: Floats
    directions: Floats
    center: Floats
    path: Floats
    names: tuple[Words, Words]
    kept: float | None

    def document(self) -> Document:
        path = Track(T(en="training", ja="学習の経路"), *map(tuple, self.path.T.tolist()))
        tracks = (path,) if len(self.path) > 1 else ()
        finite = self.heights[np.isfinite(self.heights)]
        levels = np.unique(np.quantile(finite, np.linspace(0.02, 0.97, LEVELS))) if finite.size else np.empty(0)
        grid = (tuple(self.a.tolist()), tuple(self.b.tolist()), tuple(map(tuple, self.heights.tolist())))
        chart = Contour(*grid, tuple(levels.tolist()), *self.names, tracks)
        share = "" if self.kept is None else percent(self.kept)
        caption = T(
            en=f"The slice holds {share} of the path's variance; the path is projected onto it.",
            ja=f"この断面は経路の分散の {share} を含む。経路は断面に射影してある。",
        )
        picture = Picture(chart, T(en="The loss in the slice.", ja="断面上の損失。"), caption if share else "")
        sheet = Picture(
            Surface(*grid, *self.names, T(en="loss", ja="損失"), tracks),
            T(en="The same loss in height.", ja="同じ損失を高さで。"),
        )
        title = T(en="A slice through the loss", ja="損失の断面")
        return Document(title, (Section(title, (picture, sheet), "slice"),))


def loss_slice(
    network: Any,
    x: Any,
    t: Any,
    along: Sequence[Mapping[str, Any]] | Sequence[str],
    *,
    points: int = 33,
    radius: float | None = None,
    notation: str | Notation = "001",
) -> LossSlice:
    """The loss on rows x, t around the network's parameters.

    along: the parameters at several times of the training (three or more mappings, name → array): the slice of their
    principal components; or the names of two elements, ("0.weight[2,7]", "W[1][2,7]"), the latter as the notation
    counts.  radius: half the width; by default the path's reach, or 3.  points² losses are computed.  UsageError for
    fewer than three times, unknown names.
    """
    whole("points", points, 2, 1000)
    if not hasattr(network, "shapes") or not isinstance(along, Sequence):
        raise UsageError(
            "a slice needs a network and what it goes along",
            where=user_line(),
            got=f"{type(network).__name__}, {type(along).__name__}",
            want="a Network, and its parameters at several times or two names",
        )
    shapes = network.shapes()
    center = _flat({name: p.value for name, p in network.parameters().items()}, shapes)
    if len(along) and all(isinstance(item, str) for item in along):
        directions = _elements(along, network, x, t, notation)
        names: tuple[Words, Words] = (str(along[0]), str(along[1]))
        kept: float | None = None
        path, middle, reach = np.zeros((1, 2)), np.zeros(2), np.full(2, 3.0)
    else:
        directions, path, kept = _principal(center, [_flat(p, shapes) for p in along if isinstance(p, Mapping)])
        names = (T(en="first component", ja="第1主成分"), T(en="second component", ja="第2主成分"))
        low, high = path.min(axis=0), path.max(axis=0)
        middle, reach = (low + high) / 2, np.maximum(0.7 * (high - low), 0.1 * (high - low).max())
    if radius is not None:
        reach = np.full(2, number("radius", radius, 0, open_low=True))
    a, b = (np.linspace(m - r, m + r, points) for m, r in zip(middle, reach, strict=True))
    heights = np.array([[_loss(network, x, t, center + u * directions[0] + v * directions[1]) for u in a] for v in b])
    return LossSlice(a, b, heights, directions, center, path, names, kept)


def _flat(parameters: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Floats:
    missing = [name for name in shapes if name not in parameters]
    if missing:
        raise UsageError("a parameter is missing from the path", where=user_line(), got=f"no {missing[0]!r}")
    values = {name: np.asarray(getattr(parameters[name], "value", parameters[name]), np.float64) for name in shapes}
    for name, shape in shapes.items():
        if values[name].shape != tuple(shape):
            raise ShapeError(f"parameter {name!r} of the path", got=str(values[name].shape), want=str(tuple(shape)))
    return np.concatenate([values[name].reshape(-1) for name in shapes])


def _loss(network: Any, x: Any, t: Any, flat: Floats) -> float:
    values, at = {}, 0
    for name, shape in network.shapes().items():
        size = int(np.prod(shape))
        values[name] = flat[at : at + size].reshape(shape).astype(network.dtype)
        at += size
    with no_grad(), np.errstate(all="ignore"):
        return float(network.with_parameters(values).loss(x, t).value)


def _principal(center: Floats, path: list[Floats]) -> tuple[Floats, Floats, float]:
    """The two directions in which the path varies most, the path in them from `center`, and their share."""
    if len(path) < 3:
        raise UsageError("a slice along a training needs its parameters at three times or more", got=str(len(path)))
    moves = np.stack(path) - center
    if not np.isfinite(moves).all():
        raise UsageError("the path has parameters that are not finite", where=user_line(), fix="leave these times out")
    spread = moves - moves.mean(axis=0)
    _, sizes, right = np.linalg.svd(spread, full_matrices=False)
    total = float(np.square(sizes).sum())
    if not total:
        raise UsageError("the parameters of the path are all the same: it has no direction", where=user_line())
    return right[:2], moves @ right[:2].T, float(np.square(sizes[:2]).sum() / total)


def _elements(names: Sequence[Any], network: Any, x: Any, t: Any, notation: str | Notation) -> Floats:
    """Two axes of the space of all parameters, each named as `explain` names an element."""
    if len(names) != 2 or names[0] == names[1]:
        raise UsageError("a slice has two directions", where=user_line(), got=repr(names)[:80])
    shapes = network.shapes()
    starts = dict(zip(shapes, np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())]), strict=False))
    directions = np.zeros((2, sum(int(np.prod(shape)) for shape in shapes.values())))
    for row, name in enumerate(names):
        found = subject(network, name, x=x[:1], t=t[:1], notation=find_notation(notation)).element
        if found.node.name not in shapes:
            raise UsageError(f"{name} is no parameter", where=user_line(), want=f"an element of {', '.join(shapes)}")
        flat = np.ravel_multi_index(found.at, shapes[found.node.name])
        directions[row, starts[found.node.name] + int(flat)] = 1.0
    if (directions[0] == directions[1]).all():
        raise UsageError("both names are the same parameter", where=user_line(), got=f"{names[0]} and {names[1]}")
    return directions
