from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from denpa.errors import ShapeError, UsageError
from denpa.explain.layouts import ColumnMajor, Layout
from denpa.explain.notation import PROFILES, Notation, notation

BOTH_WAYS = [notation(key, gradient=way) for key in PROFILES for way in ("row", "column")]


def name(n: Notation) -> str:
    return f"{n.key}-{'row' if n.row_gradients else 'column'}"


@pytest.mark.parametrize("target", BOTH_WAYS, ids=name)
@pytest.mark.parametrize("source", BOTH_WAYS, ids=name)
@pytest.mark.parametrize("has_bias", [True, False])
def test_each_profile_into_each_other_and_no_number_changes(
    source: Notation, target: Notation, has_bias: bool, rng: np.random.Generator
) -> None:
    weight, bias, rows = rng.normal(size=(3, 4)), rng.normal(size=3) if has_bias else None, rng.normal(size=(5, 4))
    a, b = source.layout, target.layout
    back, bias_back = a.read_weights(a.write_weights(weight, bias), bias=has_bias)
    there, bias_there = b.read_weights(b.write_weights(back, bias_back), bias=has_bias)
    assert there.tobytes() == weight.tobytes() or np.array_equal(there, weight)
    assert np.array_equal(there, weight)
    assert (bias_there is None) == (bias is None)
    assert bias is None or np.array_equal(np.asarray(bias_there), bias)
    through = a.read_vectors(a.write_vectors(rows, constant=has_bias), constant=has_bias)
    assert np.array_equal(b.read_vectors(b.write_vectors(through, constant=has_bias), constant=has_bias), rows)
    deltas = b.read_gradients(b.write_gradients(a.read_gradients(a.write_gradients(rows))))
    assert np.array_equal(deltas, rows)


def test_the_layouts_are_those_of_the_texts() -> None:
    W, b, x = np.arange(6.0).reshape(2, 3), np.array([10.0, 20.0]), np.array([[7.0, 8.0, 9.0]])
    seed1 = notation("001").layout
    assert seed1.write_weights(W, b)["weight"].tolist() == [[0, 1, 2, 10], [3, 4, 5, 20]]  # the bias is the last column
    assert seed1.write_vectors(x, constant=True).tolist() == [[7], [8], [9], [1]]
    assert seed1.write_gradients(x).tolist() == x.tolist()  # a row
    seed2 = notation("002").layout
    assert seed2.write_weights(W, b)["bias"].tolist() == [[10], [20]]
    assert seed2.write_gradients(x).tolist() == [[7], [8], [9]]
    book = notation("000").layout
    written = book.write_weights(W, b)
    assert np.array_equal(x @ written["weight"] + written["bias"], x @ W.T + b)
    perl = notation("003").layout.write_weights(W, b)["weight"]
    assert (perl.rows, perl.columns, perl.values.tolist()) == (2, 3, [0, 3, 1, 4, 2, 5])
    assert np.shape(perl) == (2, 3)
    assert np.array_equal(np.asarray(perl), W)
    assert np.asarray(perl, np.float32).dtype == np.float32
    assert notation("pytorch").layout.write_weights(W, b)["weight"] is not None


def test_a_layout_that_forgets_its_turn_is_noticed(rng: np.random.Generator) -> None:
    W = rng.normal(size=(3, 3))  # square, so that no shape gives it away
    wrong = Layout(transposed=False).read_weights(Layout(transposed=True).write_weights(W, None), bias=False)[0]
    assert not np.array_equal(wrong, W)
    flat = notation("003").layout
    row_major = ColumnMajor(3, 3, W.ravel())
    assert not np.array_equal(flat.read_weights({"weight": row_major}, bias=False)[0], W)
    with pytest.raises(ShapeError, match="another length"):
        flat.read_weights({"weight": ColumnMajor(2, 3, np.zeros(5))}, bias=False)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("001", ["W₂₁⁽¹⁾", "W₂ₙ⁽¹⁾", "a₂⁽¹⁾", "z₂⁽¹⁾", "z₁⁽⁰⁾", "δ₂⁽¹⁾", "∂J̃/∂W₂₁⁽¹⁾"]),
        ("002", ["w₂₁²", "b₂²", "z₂²", "a₂²", "a₁¹", "δ₂²", "∂C_T/∂w₂₁²"]),
        ("book", ["W₁[0, 1]", "B₁[1]", "A₁[1]", "Z₁[1]", "X[0]", "dout₁[1]", "∂L/∂W₁[0, 1]"]),
        (
            "003",
            [
                "layer1.weight1_0",
                "layer1.bias1",
                "layer1.output1",
                "layer1.activate_output1",
                "input0",
                "layer1.cost_grad_for_output1",
                "layer1.cost_grad_for_weight1_0",
            ],
        ),
        (
            "pytorch",
            [
                "0.weight[1, 0]",
                "0.bias[1]",
                "0.output[1]",
                "1.output[1]",
                "input[0]",
                "0.output.grad[1]",
                "0.weight.grad[1, 0]",
            ],
        ),
    ],
)
def test_the_symbols_are_those_of_the_texts(key: str, expected: list[str]) -> None:
    """The first layer's weight from unit 1 to unit 2, its bias, and what goes in and out."""
    n = notation(key).bound(2)
    found = [
        n.symbol("weight", 1, (1, 0)),
        n.symbol("bias", 1, 1),
        n.symbol("preactivation", 1, 1),
        n.symbol("activation", 1, 1),
        n.symbol("activation", 0, 0),
        n.symbol("delta", 1, 1),
        n.gradient("weight", 1, (1, 0)),
    ]
    assert [s.plain for s in found] == expected


@pytest.mark.parametrize("n", BOTH_WAYS, ids=name)
def test_no_two_quantities_share_a_symbol(n: Notation) -> None:
    n = n.bound(3)
    kinds = ("weight", "preactivation", "activation", "delta")
    whole = [n.symbol(kind, layer).plain for kind in kinds for layer in (1, 2, 3)]
    units = [n.symbol(kind, layer, u).plain for kind in kinds[1:] for layer in (1, 2, 3) for u in range(12)]
    weights = [n.symbol("weight", layer, (i, j)).plain for layer in (1, 2, 3) for i in range(12) for j in range(12)]
    samples = [n.symbol("delta", layer, u, sample=s).plain for layer in (1, 2) for u in range(3) for s in range(3)]
    for symbols in (whole, units, weights, samples):
        assert len(set(symbols)) == len(symbols)


def test_pytorchs_names_follow_the_modules() -> None:
    n = notation("pytorch").bound(2, {1: "1", 2: "4"})  # a Flatten before, a Dropout between
    assert n.symbol("weight", 2).plain == "4.weight"
    assert n.symbol("activation", 1).plain == "2.output"
    assert n.symbol("activation", 2).plain == "output"


def test_the_next_layer_is_forward_in_003() -> None:
    n = notation("003")
    assert n.forward("weight", (0, 1)).plain == "forward_weight0_1"
    assert n.forward("bias_gradient", 0).plain == "cost_grad_for_forward_bias0"
    with pytest.raises(UsageError, match="only notation 003"):
        notation("001").forward("weight", (0, 1))


def test_wrong_names_are_told() -> None:
    with pytest.raises(UsageError, match="did you mean '002'"):
        notation("02")
    with pytest.raises(UsageError, match="rows or columns"):
        notation("001", gradient="diagonal")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no symbol"):
        notation("001").symbol("nonsense")  # type: ignore[arg-type]


def test_a_notation_is_a_value() -> None:
    assert notation("004") is notation("000")
    with pytest.raises(dataclasses.FrozenInstanceError):
        notation("001").layers_from = 1  # type: ignore[misc]
    assert notation("002", gradient="row").row_gradients
    assert not notation("002").row_gradients
