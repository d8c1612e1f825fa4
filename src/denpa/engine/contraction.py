"""The rule of `lower` for sums of products that subscripts name: matrix products where they are some, else one loop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as cartesian
from math import prod

from denpa.engine.lower import FLOATS, MAX_BATCH, Lowering, _as_numpy, _at, rule
from denpa.engine.terms import Term
from denpa.engine.values import View, full, reshaped

LARGEST = 1 << 20  # elements of one loop over all indices; beyond, NumPy's order of contraction wins


@rule("contract")
def _contract(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    left, output = term.params["subscripts"].replace(" ", "").split("->")
    names = left.split(",")
    if term.dtype.name not in FLOATS or any(v.dtype != term.dtype for v in views):
        return "a sum of products that are not of one floating-point dtype"
    sizes: dict[str, int] = {}
    for name, view in zip(names, views, strict=True):
        for letter, n in zip(name, view.shape, strict=True):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    if len(views) == 2 and _is_product(names, output, sizes, views):
        return _product(lowering, term, names, output, sizes, views)
    if prod(sizes.values()) > LARGEST or len(views) > 6:
        return f"{len(views)} operands over {prod(sizes.values()):,} combinations of indices"
    return _loop(lowering, term, names, output, sizes, views)


def _is_product(names: Sequence[str], output: str, sizes: dict[str, int], views: Sequence[View]) -> bool:
    """Is every index summed over in both operands, and is nothing repeated by broadcasting?"""
    whole = all(
        n == sizes[letter] for name, v in zip(names, views, strict=True)
        for letter, n in zip(name, v.shape, strict=True)
    )  # fmt: skip
    alone = set(names[0]) ^ set(names[1])
    batch = [c for c in output if c in names[0] and c in names[1]]
    return whole and alone <= set(output) and prod(sizes.values()) > 0 and prod(sizes[c] for c in batch) <= MAX_BATCH


def _product(
    lowering: Lowering, term: Term, names: Sequence[str], output: str, sizes: dict[str, int], views: Sequence[View]
) -> View:
    """One matrix product for each index that both operands and the result have."""
    a, b = names
    batch = [c for c in output if c in a and c in b]
    rows, columns = [c for c in output if c not in b], [c for c in output if c not in a]
    summed = [c for c in a if c in b and c not in output]
    lengths = [[sizes[c] for c in group] for group in (batch, rows, columns, summed)]
    m, n, k = (prod(group) for group in lengths[1:])
    left = _arranged(lowering, views[0], a, [*batch, *rows, *summed], (*lengths[0], m, k))
    right = _arranged(lowering, views[1], b, [*batch, *summed, *columns], (*lengths[0], k, n))
    out = full(lowering.value((*lengths[0], m, n), term.dtype, term, row_major=True))
    for index in cartesian(*map(range, lengths[0])):
        lowering.product(_at(left, index), _at(right, index), _at(out, index), term)
    found = reshaped(out, (*lengths[0], *lengths[1], *lengths[2]))
    assert found is not None  # contiguous
    order = [[*batch, *rows, *columns].index(c) for c in output]
    return _as_numpy(found, lambda x: x.transpose(order))


def _arranged(lowering: Lowering, view: View, name: str, order: Sequence[str], shape: tuple[int, ...]) -> View:
    """The operand with its axes in that order, seen in that shape."""
    moved = _as_numpy(view, lambda x: x.transpose([name.index(c) for c in order]))
    found = reshaped(moved, shape) or reshaped(lowering.rows(moved), shape)
    assert found is not None  # rows are contiguous
    return found


def _loop(
    lowering: Lowering, term: Term, names: Sequence[str], output: str, sizes: dict[str, int], views: Sequence[View]
) -> View:
    """The product at every combination of indices, added up."""
    letters = [*output, *[c for c in sizes if c not in output]]
    shape = tuple(sizes[c] for c in letters)

    def spread(view: View, name: str) -> View:
        steps = [view.strides[name.index(c)] if c in name and view.shape[name.index(c)] != 1 else 0 for c in letters]
        return View(view.value, shape, tuple(steps), view.offset)

    out = full(lowering.value(term.shape, term.dtype, term))
    target = View(out.value, shape, (*out.strides, *[0] * (len(shape) - len(output))))
    text = " * ".join("xyzuvw"[: len(views)])
    operands = [spread(v, name) for v, name in zip(views, names, strict=True)]
    lowering.loop("einsum", text, operands, shape, term.dtype, term=term, reduce="sum", out=target)
    return out
