"""A recorded graph at the level of its scalar elements: each node's local Jacobian as a list of links.

A link is one local derivative ∂out[to]/∂in[source].  The values always come from the primitive's own vjp rule; what is
known here is only where they stand, so that an elementwise node or a matrix product costs what it has links.  Any other
primitive is taken apart row by row with unit cotangents, and links that are exactly 0 do not count as links.
Source: seed 001 (33)–(48), the Jacobians of a layer; seed 002, one factor of a path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from denpa.arrays import Array, is_float
from denpa.errors import UsageError
from denpa.graph import Node
from denpa.ops.activations import sigmoid
from denpa.ops.losses import softmax
from denpa.ops.reducing import _kept
from denpa.ops.shaping import sum_to
from denpa.primitive import broadcast, same

MAX_LINKS = 5_000_000  # of a whole graph: 24 bytes each
MAX_ROWS = 4096  # pull-backs of a node whose structure is not known

_MOVED = {"reshape", "permute_dims", "matrix_transpose", "broadcast_to", "getitem", "flip", "roll", "concat"}
_GATHERED = {"sum_to", "scatter_add"}  # adjoints of the former: each input element goes to one output element
_REDUCED = {"sum", "max", "min", "prod", "logsumexp", "vector_norm"}
_ALONG = {"softmax", "log_softmax", "cumulative_sum"}  # elements meet along one axis only
_ENTROPIES = {"softmax_cross_entropy", "sigmoid_cross_entropy"}


class Links(NamedTuple):
    """∂out[to]/∂in[source] = value, with flat positions in row-major order.  via: which part of a fused node it is."""

    to: Array
    source: Array
    value: Array
    via: str = ""


def count(node: Node, i: int) -> int:
    """How many links node has with its i-th input; for a node without known structure, the most there can be."""
    name, out, x = _name(node), node.value, node.inputs[i].value
    if _elementwise(node) or name in _MOVED:
        return int(out.size)
    if name in _GATHERED | _REDUCED:
        return int(x.size)
    if name == "matmul":
        return int(out.size * node.inputs[0].value.shape[-1])
    if name in _ALONG and x.ndim:
        return int(x.size * x.shape[_axis(node)])
    if name in _ENTROPIES:
        return int(2 * x.size)
    return int(out.size * x.size)


def links(node: Node, i: int, active: Array) -> Iterator[Links]:
    """The links from the active elements (a mask over the flat input, bool) of the i-th input.

    UsageError when there would be more than MAX_LINKS, or the node would need more than MAX_ROWS pull-backs.
    """
    name = _name(node)
    if name == "matmul":
        yield _matmul(node, i, active)
    elif name in _ENTROPIES and i == 0:
        yield from _cross_entropy(node, active)
    elif (known := _known(node, i)) is not None:
        yield _of_active(known, active)
    else:
        yield _of_active(_row_by_row(node, i), active)


def _name(node: Node) -> str:
    return "" if node.op is None else node.op.name


def _known(node: Node, i: int) -> Links | None:
    """The links of a node whose structure is known, all of them."""
    name = _name(node)
    if _elementwise(node):
        return _element_by_element(node, i)
    if name in _MOVED:
        return _moved(node, i)
    if name in _GATHERED:
        positions = _pull(node, i, _positions(node.value).astype(np.float64))
        return None if positions is None else _one_to_one(positions.astype(np.intp), np.ones(node.inputs[i].value.size))
    if name in _REDUCED:
        x = node.inputs[i].value
        kept = _positions(node.value).reshape(_kept(x.shape, node.params["axis"]))
        part = _pull(node, i, np.ones(node.value.shape))
        return None if part is None else _one_to_one(np.broadcast_to(kept, x.shape), np.broadcast_to(part, x.shape))
    if name in _ALONG and node.value.ndim:
        return _along(node, i)
    return None


def _elementwise(node: Node) -> bool:
    return node.op is not None and node.op.scalar is not None and node.op.shape in (same, broadcast)


def _of_active(found: Links, active: Array) -> Links:
    if active.all():
        return found
    chosen = active[found.source]
    return Links(found.to[chosen], found.source[chosen], found.value[chosen], found.via)


def _pull(node: Node, i: int, g: Array) -> Array | None:
    """The cotangent of the i-th input for g, in float64; None when the rule gives none."""
    assert node.op is not None
    values = [_wide(n.value) for n in node.inputs]
    with np.errstate(all="ignore"):
        needs = [k == i for k in range(len(values))]
        part = node.op.pull_back(np.asarray(g)[()], _wide(node.value), values, node.params, needs)[i]
    return None if part is None else np.asarray(part, np.float64)


def _wide(value: Array) -> Array:
    return value.astype(np.float64) if is_float(value) else value


def _positions(value: Array) -> Array:
    return np.arange(value.size, dtype=np.intp).reshape(value.shape)


def _nothing() -> Links:
    none = np.zeros(0, np.intp)
    return Links(none, none, np.zeros(0))


def _together(parts: list[tuple[Array, Array, Array]]) -> Links:
    if not parts:
        return _nothing()
    to, source, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Links(to, source, value)


def _one_to_one(to: Array, value: Array) -> Links:
    """Every input element goes to one output element."""
    return Links(to.ravel(), np.arange(to.size, dtype=np.intp), value.ravel())


def _element_by_element(node: Node, i: int) -> Links | None:
    out, x = node.value, node.inputs[i].value
    part = _pull(node, i, np.ones(out.shape))
    if part is None:
        return _nothing()
    if part.shape != out.shape:
        if x.shape != out.shape or part.size != 1:  # the rule has summed by itself: which part is whose is not known
            return None
        part = np.broadcast_to(part, out.shape)
    source = np.broadcast_to(_positions(x), out.shape).ravel()
    return Links(np.arange(out.size, dtype=np.intp), source, part.ravel())


def _moved(node: Node, i: int) -> Links:
    """Which input element each output element is, found by moving the positions instead of the values."""
    assert node.op is not None
    arrays = [n.value for n in node.inputs]
    if _name(node) == "concat":
        arrays = [np.full(a.shape, -1, np.intp) for a in arrays]
    arrays[i] = _positions(node.inputs[i].value)
    source = np.asarray(node.op.evaluate(np, *arrays, **node.params)).ravel()
    to = np.flatnonzero(source >= 0)
    return Links(to, source[to], np.ones(len(to)))


def _along(node: Node, i: int) -> Links:
    """One pull-back a place on the axis: the lines along it do not meet each other."""
    x, axis = node.inputs[i].value, _axis(node)
    _require(x.size * x.shape[axis], node)
    positions = np.moveaxis(_positions(x), axis, -1)
    found = []
    for k in range(x.shape[axis]):
        g = np.zeros(x.shape)
        np.moveaxis(g, axis, -1)[..., k] = 1.0
        part = _pull(node, i, g)
        assert part is not None
        to = np.broadcast_to(positions[..., k : k + 1], positions.shape)
        value = np.moveaxis(part, axis, -1)
        structural = np.arange(x.shape[axis]) <= k if _name(node) == "cumulative_sum" else np.ones(x.shape[axis], bool)
        keep = np.broadcast_to(structural, positions.shape)
        found.append((to[keep], positions[keep], value[keep]))
    return _together(found)


def _axis(node: Node) -> int:
    axis = node.params["axis"]
    return normalize_axis_index(0 if axis is None else axis, node.inputs[0].value.ndim)


def _matmul(node: Node, i: int, active: Array) -> Links:
    """∂(x y)_{ij}/∂x_{ik} = y_{kj} and ∂/∂y_{kj} = x_{ik}, for the active elements only; leading axes broadcast."""
    x, y = (_wide(n.value) for n in node.inputs)
    x, y = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = _positions(node.value).reshape(math.prod(batch), x.shape[-2], y.shape[-1])
    mine, other = (x, y) if i == 0 else (y, x)
    place = np.broadcast_to(_positions(mine), batch + mine.shape[-2:])
    hit = np.flatnonzero(active[place.ravel()])
    b, row, column = np.unravel_index(hit, (math.prod(batch), *mine.shape[-2:]))
    other = np.broadcast_to(other, batch + other.shape[-2:]).reshape(math.prod(batch), *other.shape[-2:])
    width = other.shape[-1] if i == 0 else other.shape[-2]
    _require(len(hit) * width, node)
    to, value = (out[b, row, :], other[b, column, :]) if i == 0 else (out[b, :, column], other[b, :, row])
    return Links(to.ravel(), np.repeat(place.ravel()[hit], width), value.ravel())


def _cross_entropy(node: Node, active: Array) -> Iterator[Links]:
    """A fused loss as the two ways its definition has: through the normalisation, and straight to the target's term.

    softmax: Σt·log Σ exp x − Σ t x, two links for a class whose target is not 0; sigmoid: log(1 + eˣ) − t x.
    """
    logits, targets = (n.value for n in node.inputs)
    if logits.size == 0:
        return
    if targets.ndim < logits.ndim:
        t = np.asarray(targets[..., None] == np.arange(logits.shape[-1]), np.float64)
    else:
        t = np.broadcast_to(np.asarray(targets, np.float64), logits.shape)
    x, share = _wide(logits), _share(node, logits)
    if _name(node) == "softmax_cross_entropy":
        normal, name = softmax(x, axis=-1) * t.sum(axis=-1, keepdims=True), "log Σ exp"
    else:
        normal, name = np.asarray(sigmoid(x)), "log(1 + exp)"
    to = np.broadcast_to(_losses(node, logits), logits.shape).ravel()
    source = np.arange(logits.size, dtype=np.intp)
    yield _of_active(Links(to, source, (normal * share).ravel(), name), active)
    one = np.flatnonzero(t)
    straight = _of_active(Links(to[one], source[one], (-t * share).ravel()[one], "target"), active)
    if len(straight.to):
        yield straight


def _losses(node: Node, logits: Array) -> Array:
    """Which output each logit's loss is, ready to broadcast against the logits."""
    out = _positions(node.value)
    return out.reshape(out.shape + (1,) * (logits.ndim - out.ndim))


def _share(node: Node, logits: Array) -> float:
    """∂loss/∂(one sample's loss): 1/n for a mean over n samples."""
    if node.params["reduction"] != "mean":
        return 1.0
    softmax = _name(node) == "softmax_cross_entropy"
    return 1.0 / float(math.prod(logits.shape[:-1] if softmax else logits.shape[:1]))


def _row_by_row(node: Node, i: int) -> Links:
    """The Jacobian by unit cotangents, one an output element; what is exactly 0 is no link."""
    size = node.value.size
    _require(size * node.inputs[i].value.size, node)
    if size > MAX_ROWS:
        raise UsageError(
            f"the local derivatives of {node.label!r} are known row by row only, and it has too many rows",
            got=f"{size:,} elements",
            want=f"at most {MAX_ROWS:,}",
            fix="explain fewer samples (row=...)",
        )
    found = []
    for k in range(size):
        g = np.zeros(size)
        g[k] = 1.0
        part = _pull(node, i, g.reshape(node.value.shape))
        if part is None:
            return _nothing()
        flat = _summed(part, node.inputs[i].value.shape).ravel()
        source = np.flatnonzero(flat)
        found.append((np.full(len(source), k, np.intp), source, flat[source]))
    return _together(found)


def _summed(part: Array, shape: tuple[int, ...]) -> Array:
    return np.asarray(part if part.shape == shape else sum_to(part, shape=shape))


def _require(size: int, node: Node) -> None:
    if size > MAX_LINKS:
        raise UsageError(
            "there are too many local derivatives to follow one by one",
            got=f"{size:,} at {node.label!r} {tuple(node.value.shape)}",
            want=f"at most {MAX_LINKS:,}",
            fix="explain one sample (row=...), or fewer samples",
        )
