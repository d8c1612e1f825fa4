"""einsum: every form of the subscripts, with the derivatives of each operand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.ops.derivatives import first_order, second_order

import denpa as dp
from denpa.errors import ShapeError, UsageError
from denpa.ops import einsum
from denpa.ops.contraction import BLAS_FROM
from denpa.primitive import REGISTRY, Primitive

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("i,i->", (3,), (3,)),
    ("i,i", (3,), (3,)),
    ("ij->ji", (2, 3)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ij", (2, 2, 3)),
    ("iji->j", (2, 3, 2)),
    ("iijj->ij", (2, 2, 3, 3)),
    ("iii", (2, 2, 2)),
    ("ii,ij->j", (2, 2), (2, 3)),
    ("bij,bjk->bik", (4, 2, 3), (4, 3, 2)),
    ("...ij,...jk->...ik", (4, 2, 3), (3, 2)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
    ("...,...", (2, 3), (3,)),
    ("...i->...", (2, 3)),
    ("i...,i...->i...", (2, 3), (2, 3)),
    ("i...->...i", (2, 3, 4)),
    ("ij,j,ki->k", (2, 3), (3,), (4, 2)),
    ("ij,k->ik", (2, 3), (4,)),
    (",i->i", (), (3,)),
    ("->", ()),
    ("ij,ij->ij", (1, 3), (2, 1)),
    ("i,i->", (1,), (3,)),
    ("i,j->", (2,), (3,)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    ("Aa,ab->Ab", (2, 3), (3, 2)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("ij,jk,kl->il", (12, 13), (13, 14), (14, 15)),
]


@pytest.mark.parametrize("case", CASES, ids=[c[0] + str(c[1:]) for c in CASES])
def test_einsum_has_numpys_values_and_right_derivatives(case, rng) -> None:
    subscripts, *shapes = case
    args = [rng.normal(size=shape) for shape in shapes]
    expected = np.einsum(subscripts.replace(" ", ""), *args)
    got = einsum(subscripts, *map(dp.tensor, args))
    assert got.shape == expected.shape
    assert np.allclose(got.value, expected, rtol=1e-12, atol=1e-13)
    f = lambda *a: einsum(subscripts, *a)
    first_order(f, args, rng)
    if sum(a.size for a in args) < 100:
        second_order(f, args, rng)


@st.composite
def subscripts_and_shapes(draw):
    """Up to three operands over four indices, repeated in one operand or stretched from 1, and any output."""
    sizes = {c: draw(st.integers(1, 3)) for c in "abcd"}
    terms = draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=3))
    shapes = []
    for term in terms:
        stretched = {c for c in term if draw(st.integers(0, 5)) == 0}
        shapes.append(tuple(1 if c in stretched else sizes[c] for c in term))
    output = draw(st.permutations(sorted(set("".join(terms)))))
    output = "".join(output[: draw(st.integers(0, len(output)))])
    return f"{','.join(terms)}->{output}", shapes


@given(case=subscripts_and_shapes(), seed=st.integers(0, 99))
def test_any_subscripts(case, seed) -> None:
    subscripts, shapes = case
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=shape) for shape in shapes]
    expected = np.einsum(subscripts, *args)
    assert np.allclose(einsum(subscripts, *args), expected, rtol=1e-12, atol=1e-12)
    first_order(lambda *a: einsum(subscripts, *a), args, rng)


def test_einsum_agrees_with_torch(rng) -> None:
    torch = pytest.importorskip("torch")
    for subscripts, *shapes in CASES[:-1]:
        if "iii" in subscripts or "1" in str(shapes) or subscripts == "->":
            continue  # torch has no triple diagonal and no stretching of named indices
        ours = [dp.tensor(rng.normal(size=shape)) for shape in shapes]
        theirs = [torch.tensor(np.array(t.value), requires_grad=True) for t in ours]
        out = einsum(subscripts, *ours)
        g = rng.normal(size=out.shape)
        torch.einsum(subscripts, *theirs).backward(torch.tensor(g))
        grads = dp.backward(out, g)
        for a, b in zip(ours, theirs, strict=True):
            assert np.allclose(grads[a], b.grad.numpy(), rtol=1e-12, atol=1e-12), subscripts


def test_small_and_large_products_take_different_ways_to_the_same_result(rng) -> None:
    n = round(BLAS_FROM ** (1 / 3)) + 1
    x, y = rng.normal(size=(n, n)), rng.normal(size=(n, n))
    assert np.allclose(einsum("ij,jk", x, y), x @ y)
    assert np.allclose(einsum("ij,jk", x[:2], y[:, :2]), x[:2] @ y[:, :2])


def test_a_cotangent_of_infinity_stays_on_the_diagonal(rng) -> None:
    x = dp.tensor(rng.normal(size=(2, 2)))
    g = dp.backward(einsum("ii->i", x), np.array([np.inf, 1.0]))[x]
    assert g.tolist() == [[np.inf, 0.0], [0.0, 1.0]]


def test_float32_is_kept(rng) -> None:
    x = dp.tensor(rng.normal(size=(3, 3)), dtype=np.float32)
    out = einsum("ii,ij->j", x, x)
    assert out.dtype == np.float32
    assert dp.backward(out.sum())[x].dtype == np.float32


@pytest.mark.parametrize(
    ("subscripts", "shapes", "says"),
    [
        ("ij,jk", [(2, 3)], "2 operands are named and 1 given"),
        ("ij", [(2, 3), (3,)], "1 operands are named and 2 given"),
        ("ij,jk->ik", [(2, 3), (4, 2)], "index 'j' has sizes 3 and 4"),
        ("ij", [(2, 3, 4)], "does not fit"),
        ("ijk", [(2, 3)], "does not fit"),
        ("ij->ik", [(2, 3)], "no operand has"),
        ("ij->ii", [(2, 3)], "twice"),
        ("ii->i", [(2, 3)], "diagonal|sizes"),
        ("i1", [(2, 3)], "letters"),
        ("i.j", [(2, 3)], "letters"),
        ("......", [(2, 3)], "letters"),
        ("i->i->i", [(3,)], "letters"),
        ("...i->i", [(2, 3)], "keep the axes"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_shows_it(subscripts, shapes, says) -> None:
    with pytest.raises((UsageError, ShapeError), match=says) as caught:
        einsum(subscripts, *[dp.tensor(np.ones(shape)) for shape in shapes])
    assert "einsum" in str(caught.value)


def test_operands_before_the_text_are_refused() -> None:
    with pytest.raises(UsageError, match="subscripts"):
        einsum(dp.tensor([1.0]), [0], [0])


@pytest.mark.parametrize("fault", ["factor", "first operand only", "others forgotten"])
def test_a_wrong_twin_is_caught(fault, rng) -> None:
    contract = REGISTRY["contract"]
    twin = Primitive(contract.evaluate, name="twin", shape=contract.shape)

    @twin.vjp
    def _(g, out, x, y, *, subscripts):
        gx, gy = contract.pull_back(g, out, (x, y), {"subscripts": subscripts}, (True, True))
        if fault == "factor":
            return gx * (1 + 1e-6), gy
        return (gx, gy * 0) if fault == "first operand only" else (gx * 0 + g.sum(), gy)

    with pytest.raises(AssertionError):
        first_order(
            lambda x, y: twin(x, y, subscripts="ij,jk->ik"), (rng.normal(size=(2, 3)), rng.normal(size=(3, 2))), rng
        )
