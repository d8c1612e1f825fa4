"""The loops of single operations: lines of Python that compute a node's value from the values of its inputs.

Values are nested lists, or plain numbers for shape ().  `lines_of` finds the writer by the primitive's name; those that
only move elements share one, which reads the moves off the primitive itself by letting it move positions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from denpa.arrays import Array, Shape
from denpa.errors import UsageError, user_line
from denpa.graph import Node
from denpa.primitive import broadcast, same

Lines = Iterator[str]


def lines_of(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    """The lines that set `out`.  UsageError for an operation that has no loops."""
    assert node.op is not None
    name = node.op.name
    if name in _WRITERS:
        yield from _WRITERS[name](node, out, inputs)
    elif node.op.scalar is not None and node.op.shape in (same, broadcast):
        yield from _elementwise(node, out, inputs)
    else:
        raise UsageError(
            f"the operation {name} has no loops",
            where=user_line(),
            got=f"{node.op!r} of shape {tuple(node.value.shape)}",
            fix="write it with elementwise operations, sums and products",
        )


# -- pieces ------------------------------------------------------------------------------------------------------------
def zeros(shape: Shape, fill: str = "0.0") -> str:
    """An expression for nested lists of one number."""
    if not shape:
        return fill
    text = f"[{fill}] * {shape[-1]}"
    for n in reversed(shape[:-1]):
        text = f"[{text} for _ in range({n})]"
    return text


def at(name: str, indices: Sequence[str]) -> str:
    return name + "".join(f"[{i}]" for i in indices)


def letters(count_: int, prefix: str = "i") -> list[str]:
    return [f"{prefix}{k}" for k in range(count_)]


def nest(ranges: Sequence[tuple[str, int]], body: Sequence[str], depth: int = 0) -> Lines:
    """The body inside one for-loop for each index."""
    for index, n in ranges:
        yield "    " * depth + f"for {index} in range({n}):"
        depth += 1
    yield from ("    " * depth + line for line in body)


def over(shape: Shape, names: Sequence[str]) -> list[tuple[str, int]]:
    return list(zip(names, shape, strict=True))


def broadcasted(name: str, shape: Shape, full: Shape, names: Sequence[str]) -> str:
    """The element of an input that meets the element [names] of the broadcast shape."""
    skipped = len(full) - len(shape)
    return at(name, ["0" if n == 1 else names[skipped + k] for k, n in enumerate(shape)])


def shape_of(node: Node) -> Shape:
    return tuple(node.value.shape)


# -- elementwise -------------------------------------------------------------------------------------------------------
class _Fill(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)


def _scalar(text: str, operands: Sequence[str], params: dict[str, Any]) -> str:
    """The scalar text of a primitive with the operands for x, y, z and the parameters' values."""
    values = {letter: _parsed(operand) for letter, operand in zip("xyz", operands, strict=False)}
    for key, value in params.items():
        if isinstance(value, (int, float, np.integer, np.floating)):
            number = float(value)
            values[key] = _parsed(repr(number) if np.isfinite(number) else f"float({str(number)!r})")
    return ast.unparse(_Fill(values).visit(ast.parse(text, mode="eval")))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _elementwise(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    assert node.op is not None
    assert node.op.scalar is not None
    shape = shape_of(node)
    index = letters(len(shape))
    operands = [broadcasted(n, shape_of(s), shape, index) for n, s in zip(inputs, node.inputs, strict=True)]
    text = _scalar(node.op.scalar, operands, node.params)
    if node.op.name == "astype":
        text = f"float({text})"
    yield from _each(out, shape, index, text)


def _each(out: str, shape: Shape, index: Sequence[str], text: str) -> Lines:
    if shape:
        yield f"{out} = {zeros(shape)}"
    yield from nest(over(shape, index), [f"{at(out, index)} = {text}"])


def _astype_discrete(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    shape = shape_of(node)
    index = letters(len(shape))
    kind = "bool" if node.value.dtype.kind == "b" else "int"
    yield from _each(out, shape, index, f"{kind}({at(inputs[0], index)})")


# -- sums and products -------------------------------------------------------------------------------------------------
def _matmul(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    a, b = (shape_of(n) for n in node.inputs)
    batch = np.broadcast_shapes(a[:-2], b[:-2])
    lead = letters(len(batch))
    rows, columns = len(a) > 1, len(b) > 1
    index = [*lead, *(["i"] if rows else []), *(["j"] if columns else [])]
    left = broadcasted(inputs[0], (*a[:-2], *([2] if rows else [])), (*batch, *([2] if rows else [])), [*lead, "i"])
    right = broadcasted(inputs[1], b[:-2], batch, lead)
    right += "[k][j]" if columns else "[k]"
    shape = shape_of(node)
    if shape:
        yield f"{out} = {zeros(shape)}"
    yield from nest(
        over(shape, index),
        [
            "total = 0.0",
            f"for k in range({a[-1]}):",
            f"    total = total + {left}[k] * {right}",
            f"{at(out, index)} = total",
        ],
    )


def _contract(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    terms, _, result = node.params["subscripts"].partition("->")
    sizes: dict[str, int] = {}
    for term, source in zip(terms.split(","), node.inputs, strict=True):
        for letter, n in zip(term, shape_of(source), strict=True):
            sizes[letter] = max(sizes.get(letter, n), n) if n else 0
    factors = [
        at(name, ["0" if n == 1 else f"i_{c}" for c, n in zip(term, shape_of(source), strict=True)])
        for name, term, source in zip(inputs, terms.split(","), node.inputs, strict=True)
    ]
    place = at(out, [f"i_{c}" for c in result])
    inner = [c for c in sizes if c not in result]
    yield f"{out} = {zeros(shape_of(node))}"
    yield from nest([(f"i_{c}", sizes[c]) for c in (*result, *inner)], [f"{place} = {place} + {' * '.join(factors)}"])


def _reduced(node: Node) -> tuple[list[str], list[str], list[tuple[str, int]]]:
    """For a reduction: the indices of an input element, those of the output element it goes to, and the loops."""
    x = shape_of(node.inputs[0])
    axis, keep = node.params["axis"], node.params["keepdims"]
    axes = tuple(range(len(x))) if axis is None else normalize_axis_tuple(axis, len(x))
    index = letters(len(x))
    to = ["0" if k in axes else i for k, i in enumerate(index) if keep or k not in axes]
    order = [k for k in range(len(x)) if k not in axes] + [k for k in range(len(x)) if k in axes]
    return index, to, [(index[k], x[k]) for k in order]


def _reduction(start: str, line: str, end: str = "") -> Callable[[Node, str, Sequence[str]], Lines]:
    """Loops that start with a number and take one element after the other: {o} the result so far, {x} the element."""

    def write(node: Node, out: str, inputs: Sequence[str]) -> Lines:
        index, to, ranges = _reduced(node)
        o, x = at(out, to), at(inputs[0], index)
        yield f"{out} = {zeros(shape_of(node), start)}"
        yield from nest(ranges, [part.format(o=o, x=x) for part in line.split("\n")])
        if end:
            names = letters(len(shape_of(node)))
            place = at(out, names)
            yield from nest(over(shape_of(node), names), [f"{place} = {end.format(o=place)}"])

    return write


def _logsumexp(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    index, to, ranges = _reduced(node)
    o, x = at(out, to), at(inputs[0], index)
    top = f"{out}_largest"
    yield f"{top} = {zeros(shape_of(node), _MINUS_INF)}"
    yield from nest(ranges, [f"if {x} > {at(top, to)}:", f"    {at(top, to)} = {x}"])
    yield f"{out} = {zeros(shape_of(node))}"
    yield from nest(ranges, [f"{o} = {o} + exp({x} - {at(top, to)})"])
    names = letters(len(shape_of(node)))
    place = at(out, names)
    yield from nest(over(shape_of(node), names), [f"{place} = log({place}) + {at(top, names)}"])


_MINUS_INF = '-float("inf")'


def _sum_to(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    x, shape = shape_of(node.inputs[0]), shape_of(node)
    index = letters(len(x))
    place = broadcasted(out, shape, x, index)
    yield f"{out} = {zeros(shape)}"
    yield from nest(over(x, index), [f"{place} = {place} + {at(inputs[0], index)}"])


def _broadcast_to(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    shape = shape_of(node)
    index = letters(len(shape))
    yield from _each(out, shape, index, broadcasted(inputs[0], shape_of(node.inputs[0]), shape, index))


def _cumulative_sum(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    shape = shape_of(node)
    axis = normalize_axis_tuple(node.params["axis"] or 0, len(shape))[0]
    index = letters(len(shape))
    before = [f"{i} - 1" if k == axis else i for k, i in enumerate(index)]
    yield f"{out} = {zeros(shape)}"
    yield from nest(
        over(shape, index),
        [
            f"{at(out, index)} = {at(inputs[0], index)}",
            f"if {index[axis]} > 0:",
            f"    {at(out, index)} = {at(out, before)} + {at(inputs[0], index)}",
        ],
    )


# -- moving ------------------------------------------------------------------------------------------------------------
def _transpose(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    assert node.op is not None
    shape = shape_of(node)
    axes = node.params.get("axes")
    n = len(shape)
    order = normalize_axis_tuple(axes, n) if axes is not None else (*range(n - 2), n - 1, n - 2)
    index = letters(n)
    source = [index[order.index(k)] for k in range(n)]
    yield from _each(out, shape, index, at(inputs[0], source))


def _flattened(name: str, shape: Shape, flat: str) -> Lines:
    index = letters(len(shape))
    yield from nest(over(shape, index), [f"{flat}.append({at(name, index)})"])


def _moved(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    """Elements in row-major order, each picked by its position among all elements of the inputs."""
    assert node.op is not None
    concat = node.op.name == "concat"
    arrays = [n.value for n in node.inputs]
    moving = len(arrays) if concat else 1
    start = count()
    for k in range(moving):
        arrays[k] = np.fromiter((next(start) for _ in range(arrays[k].size)), np.intp, arrays[k].size).reshape(
            arrays[k].shape
        )
    source = np.asarray(node.op.evaluate(np, *arrays, **node.params)).ravel()
    flat = f"{out}_flat"
    yield f"{flat} = []  # all elements in a row"
    for name, n in zip(inputs[:moving], node.inputs, strict=False):
        yield from _flattened(name, shape_of(n), flat)
    shape = shape_of(node)
    index = letters(len(shape))
    if np.array_equal(source, np.arange(len(source))):
        pick = f"{flat}[n]"
    else:
        yield f"{out}_from = {source.tolist()}  # which of them each element is"
        pick = f"{flat}[{out}_from[n]]"
    yield f"{out} = {zeros(shape)}"
    yield "n = 0"
    yield from nest(over(shape, index), [f"{at(out, index)} = {pick}", "n = n + 1"])


def _placed(node: Node, out: str, inputs: Sequence[str], to: Array, fill: str) -> Lines:
    """Elements added at positions of a row of `fill`, which is then cut into the shape."""
    flat = f"{out}_flat"
    shape, x = shape_of(node), shape_of(node.inputs[0])
    index, source = letters(len(shape)), letters(len(x))
    yield f"{flat} = [{fill}] * {node.value.size}"
    yield f"{out}_to = {to.ravel().tolist()}  # where each element goes"
    yield "n = 0"
    element = at(inputs[0], source)
    added = f"{flat}[{out}_to[n]] + {element}" if fill == "0.0" else element
    yield from nest(over(x, source), [f"{flat}[{out}_to[n]] = {added}", "n = n + 1"])
    yield f"{out} = {zeros(shape)}"
    yield "n = 0"
    yield from nest(over(shape, index), [f"{at(out, index)} = {flat}[n]", "n = n + 1"])


def _scatter_add(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    from denpa.ops.indexing import fill

    positions = np.arange(node.value.size).reshape(shape_of(node))
    to = positions[fill(node.params["template"], [n.value for n in node.inputs[1:]])]
    yield from _placed(node, out, inputs, np.broadcast_to(to, shape_of(node.inputs[0])), "0.0")


def _pad(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    x = shape_of(node.inputs[0])
    positions = np.arange(node.value.size).reshape(shape_of(node))
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(x, node.params["pad_width"], strict=True))
    yield from _placed(node, out, inputs, positions[inner], repr(float(node.params["value"])))


# -- softmax and cross-entropies ---------------------------------------------------------------------------------------
def _softmax(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    """Along one axis: the largest, the exponentials, their sum."""
    assert node.op is not None
    shape = shape_of(node)
    axis = normalize_axis_tuple(node.params["axis"], len(shape))[0]
    index = letters(len(shape))
    rest = [(i, n) for k, (i, n) in enumerate(over(shape, index)) if k != axis]
    i, n, x = index[axis], shape[axis], at(inputs[0], index)
    last = f"exp({x} - largest) / total" if node.op.name == "softmax" else f"{x} - largest - log(total)"
    yield f"{out} = {zeros(shape)}"
    yield from nest(
        rest,
        [
            f"largest = {_MINUS_INF}",
            f"for {i} in range({n}):",
            f"    if {x} > largest:",
            f"        largest = {x}",
            "total = 0.0",
            f"for {i} in range({n}):",
            f"    total = total + exp({x} - largest)",
            f"for {i} in range({n}):",
            f"    {at(out, index)} = {last}",
        ],
    )


def _losses(node: Node, out: str, batch: Shape, index: Sequence[str], body: list[str]) -> Lines:
    """One loss a sample, left in `one` by the body, then the reduction."""
    reduction = node.params["reduction"]
    if reduction == "none":
        yield f"{out} = {zeros(batch)}"
        yield from nest(over(batch, index), [*body, f"{at(out, index)} = one"])
        return
    yield f"{out} = 0.0"
    yield from nest(over(batch, index), [*body, f"{out} = {out} + one"])
    if reduction == "mean":
        yield f"{out} = {out} / {int(np.prod(batch))}"


def _softmax_cross_entropy(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    x, t = (shape_of(n) for n in node.inputs)
    index = letters(len(x) - 1)
    element = at(inputs[0], [*index, "c"])
    target = at(inputs[1], index)
    weight = at(inputs[1], [*index, "c"]) if len(t) == len(x) else f"(1.0 if c == {target} else 0.0)"
    body = [
        f"largest = {_MINUS_INF}",
        f"for c in range({x[-1]}):",
        f"    if {element} > largest:",
        f"        largest = {element}",
        "total = 0.0",
        f"for c in range({x[-1]}):",
        f"    total = total + exp({element} - largest)",
        "one = 0.0",
        f"for c in range({x[-1]}):",
        f"    one = one + {weight} * (log(total) - ({element} - largest))",
    ]
    yield from _losses(node, out, x[:-1], index, body)


def _sigmoid_cross_entropy(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    shape = shape_of(node.inputs[0])
    index, inner = letters(len(shape[:1])), letters(len(shape[1:]), "j")
    v, t = (at(name, [*index, *inner]) for name in inputs)
    body = [
        "one = 0.0",
        *nest(
            over(shape[1:], inner),
            [
                f"if {v} > 0:",
                f"    one = one + (1.0 - {t}) * {v} + log1p(exp(-{v}))",
                "else:",
                f"    one = one - {t} * {v} + log1p(exp({v}))",
            ],
        ),
    ]
    yield from _losses(node, out, shape[:1], index, body)


def _one_hot(node: Node, out: str, inputs: Sequence[str]) -> Lines:
    shape = shape_of(node)
    index = letters(len(shape))
    yield from _each(out, shape, index, f"1.0 if {index[-1]} == {at(inputs[0], index[:-1])} else 0.0")


_WRITERS: dict[str, Callable[[Node, str, Sequence[str]], Lines]] = {
    "astype_discrete": _astype_discrete,
    "matmul": _matmul,
    "einsum": _contract,
    "contract": _contract,
    "sum": _reduction("0.0", "{o} = {o} + {x}"),
    "prod": _reduction("1.0", "{o} = {o} * {x}"),
    "max": _reduction(_MINUS_INF, "if {x} > {o}:\n    {o} = {x}"),
    "min": _reduction('float("inf")', "if {x} < {o}:\n    {o} = {x}"),
    "any": _reduction("False", "if {x}:\n    {o} = True"),
    "all": _reduction("True", "if not {x}:\n    {o} = False"),
    "vector_norm": _reduction("0.0", "{o} = {o} + {x} * {x}", "sqrt({o})"),
    "logsumexp": _logsumexp,
    "sum_to": _sum_to,
    "broadcast_to": _broadcast_to,
    "cumulative_sum": _cumulative_sum,
    "permute_dims": _transpose,
    "matrix_transpose": _transpose,
    "reshape": _moved,
    "getitem": _moved,
    "flip": _moved,
    "roll": _moved,
    "concat": _moved,
    "scatter_add": _scatter_add,
    "pad": _pad,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "one_hot": _one_hot,
}
