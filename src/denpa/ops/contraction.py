"""einsum: the text is read once, diagonals are taken out, and what is left is one primitive, `contract`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.errors import ShapeError, UsageError, user_line
from denpa.ops.indexing import getitem
from denpa.ops.samples import Args, uniform
from denpa.ops.shaping import broadcast_to, permute_dims, reshape
from denpa.primitive import function, primitive

LETTERS = ascii_letters
BLAS_FROM = 4096  # multiplications; below, planning the products (10-40 µs) costs more than it saves


def _split(subscripts: str) -> tuple[list[str], str]:
    inputs, _, output = subscripts.partition("->")
    return inputs.split(","), output


def _sizes(terms: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """The size of every index; an axis of size 1 is stretched, as in NumPy."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            known = sizes.get(letter, 1)
            if n not in (known, 1) and known != 1:
                raise _refuse(f"index {letter!r} has sizes {known} and {n}", ",".join(terms), shapes, ShapeError)
            sizes[letter] = n if known == 1 else known
    return sizes


def _refuse(
    fact: str, subscripts: str, shapes: Sequence[Shape], kind: type[UsageError | ShapeError] = UsageError
) -> UsageError | ShapeError:
    return kind(f"einsum: {fact}", where=user_line(), got=f"{subscripts!r} with shapes {', '.join(map(str, shapes))}")


def _contract_shape(*shapes: Shape, subscripts: str) -> Shape:
    terms, output = _split(subscripts)
    sizes = _sizes(terms, shapes)
    return tuple(sizes[letter] for letter in output)


def _contract_samples(rng: np.random.Generator) -> Iterator[Args]:
    for shapes, subscripts in (
        (((2, 3), (3, 4)), "ij,jk->ik"),
        (((2, 3),), "ij->ji"),
        (((2, 3),), "ij->"),
        (((2, 3), (2, 3)), "ij,ij->"),
        (((2, 3), (3,), (4, 2)), "ij,j,ki->k"),
        (((4, 2, 3), (4, 3, 2)), "bij,bjk->bik"),
        (((2, 3), (4,)), "ij,k->ik"),
        (((1, 3), (2, 1)), "ij,ij->ij"),
        (((), (3,)), ",i->i"),
        (((0, 3), (3, 2)), "ij,jk->ik"),
    ):
        yield tuple(uniform(rng, shape) for shape in shapes), {"subscripts": subscripts}


@primitive(
    shape=_contract_shape,
    latex=r"\mathrm{{einsum}}\left({args}\right)",
    label="einsum",
    samples=_contract_samples,
    analytic=True,
)
def contract(xp: Any, *arrays: Array, subscripts: str) -> Array:
    """The sum of products that explicit subscripts name; no index twice in one operand, no ellipsis (see `einsum`)."""
    terms, _ = _split(subscripts)
    work = prod(_sizes(terms, [tuple(a.shape) for a in arrays]).values())
    out = xp.einsum(subscripts, *arrays, optimize=len(arrays) > 1 and work >= BLAS_FROM)
    return out[()] if type(out) is np.ndarray and out.ndim == 0 else out


@contract.vjp
def _(g: Any, out: Any, *arrays: Any, subscripts: str, needs: Sequence[bool]) -> Any:
    return [_contract_one(g, arrays, subscripts, i) if need else None for i, need in enumerate(needs)]


def _contract_one(g: Any, arrays: Sequence[Any], subscripts: str, i: int) -> Any:
    """The cotangent of operand i: the output's indices and the other operands', contracted to its own."""
    terms, output = _split(subscripts)
    term, shape = terms[i], arrays[i].shape
    others = [output, *terms[:i], *terms[i + 1 :]]
    met = "".join(c for c in term if any(c in other for other in others))
    g = contract(g, *arrays[:i], *arrays[i + 1 :], subscripts=f"{','.join(others)}->{met}")
    if met != term:  # an index that only this operand has was summed over: its adjoint repeats
        sizes = dict(zip(met, g.shape, strict=True))
        g = reshape(g, tuple(sizes.get(c, 1) for c in term))
    full = np.broadcast_shapes(tuple(g.shape), tuple(shape))
    return g if full == tuple(g.shape) else broadcast_to(g, full)


@function
def einsum(subscripts: str, *operands: Any) -> Any:
    """The sum of products in Einstein's notation: `einsum("ij,jk->ik", A, B)`; as in NumPy, with `...` and diagonals.

    UsageError for a text that cannot be read, ShapeError when an index has two sizes (1 is stretched).
    """
    if not isinstance(subscripts, str):
        raise UsageError(
            "einsum: the first argument must be the subscripts",
            where=user_line(),
            got=type(subscripts).__name__,
            want='einsum("ij,jk->ik", A, B)',
        )
    arrays = [with_shape(a) for a in operands]
    terms, output = _read(subscripts, [tuple(a.shape) for a in arrays])
    for i, term in enumerate(terms):
        terms[i], arrays[i] = _take_diagonals(term, arrays[i])
    return contract(*arrays, subscripts=f"{','.join(terms)}->{output}")


def _read(subscripts: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """The index letters of each operand and of the output, `...` written out with letters not yet used."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise _refuse(f"{len(terms)} operands are named and {len(shapes)} given", subscripts, shapes)
    for term in (*terms, output):
        if not set(term.replace("...", "", 1)) <= set(LETTERS):
            raise _refuse(f"{term!r} is not made of letters and at most one '...'", subscripts, shapes)
    spare = [c for c in LETTERS if c not in text]
    named = [len(term.replace("...", "")) for term in terms]
    for term, n, shape in zip(terms, named, shapes, strict=True):
        if len(shape) < n or (len(shape) > n and "..." not in term):
            raise _refuse(f"{term!r} does not fit an operand of shape {shape}", subscripts, shapes)
    rest = max(
        (len(shape) - n for term, n, shape in zip(terms, named, shapes, strict=True) if "..." in term), default=0
    )
    dots = "".join(spare[:rest])
    if len(dots) < rest:
        raise _refuse("there are more axes than letters", subscripts, shapes)
    written = [
        term.replace("...", dots[rest - (len(shape) - n) :])
        for term, n, shape in zip(terms, named, shapes, strict=True)
    ]
    if not arrow:
        letters = "".join(terms)
        output = "..." + "".join(sorted(c for c in set(letters) - {"."} if letters.count(c) == 1))
    elif dots and "..." not in output:
        raise _refuse("the output must keep the axes of '...'", subscripts, shapes)
    output = output.replace("...", dots)
    if len(set(output)) != len(output) or not set(output) <= set("".join(written)):
        raise _refuse("the output names an index twice, or one that no operand has", subscripts, shapes)
    _sizes(written, shapes)
    return written, output


def _take_diagonals(term: str, x: Any) -> tuple[str, Any]:
    """The operand with every index that it has twice or more reduced to one, by picking the diagonal."""
    for letter in dict.fromkeys(term):
        places = [i for i, c in enumerate(term) if c == letter]
        if len(places) == 1:
            continue
        if len({x.shape[i] for i in places}) != 1:
            raise _refuse(f"the diagonal {letter!r} needs axes of one size", term, [tuple(x.shape)], ShapeError)
        others = [i for i, c in enumerate(term) if c != letter]
        x = diagonal_of(permute_dims(x, tuple(places + others)), len(places))
        term = letter + "".join(term[i] for i in others)
    return term, x


def diagonal_of(x: Any, k: int) -> Any:
    """The elements of x whose first k indices are equal: (n, …, n, rest) → (n, rest)."""
    along = np.arange(x.shape[0])
    return getitem(x, (along,) * k)


def with_shape(a: Any) -> Any:
    """A Tensor or an array as it is; numbers and lists as arrays."""
    return a if hasattr(a, "shape") else np.asarray(a)
