"""The judge in this process: kinds of objects, what is said in which language, and what it leaves alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import denpa as dp
from denpa.errors import UsageError
from denpa.interop import Function, check_layer
from denpa.interop.judging import words
from denpa.interop.judging.faults import Outcome, from_json, to_json
from denpa.interop.judging.text import judgement_lines

JUDGING = Path(words.__file__).parent


def np_tanh(x):
    return np.tanh(x)


class Doubled:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 4 * self.x * dout


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


def test_a_class_and_an_object_of_it_are_judged_alike() -> None:
    W, b = np.ones((5, 4)), np.zeros(4)
    layer = Affine(W, b)
    for what in (Affine, layer):
        made = check_layer(what)
        assert made, str(made)
        assert made.resembles == "affine"
        assert made.parameters == ("W", "b")
        assert {"shapes", "float32", "kinks", "saturation", "state", "in place"} <= set(made.checked)
    assert layer.W is W
    assert not hasattr(layer, "dW")
    assert np.all(W == 1)


@pytest.mark.parametrize(
    ("f", "derivative", "outcome", "said"),
    [
        (np_tanh, lambda x: 1 - np.tanh(x) ** 2, Outcome.RIGHT, "takes the input x"),
        (np_tanh, lambda y: 1 - y**2, Outcome.RIGHT, "takes the output y"),
        (np_tanh, lambda x: 1 - np.tanh(x), Outcome.WRONG, "g * (1 - y)"),
        (lambda y, t: 0.5 * np.sum((y - t) ** 2), lambda y, t: y - t, Outcome.RIGHT, "takes the input x"),
        (lambda x: x**3, lambda x, dout: 3 * x**2 * dout, Outcome.RIGHT, "takes the input x"),
        (lambda x: x**3, lambda dout, x: 3 * x**2, Outcome.WRONG, "ignores g"),
    ],
    ids=["input", "output", "wrong", "cost", "with cotangent", "deaf"],
)
def test_functions_with_a_derivative(f, derivative, outcome, said) -> None:
    made = check_layer(f, derivative)
    assert made.outcome is outcome, str(made)
    assert said in str(made)


def test_a_function_written_for_one_number_is_judged_with_numbers() -> None:
    def ramp(x):
        return x if x > 0 else 0.0

    assert check_layer(ramp, lambda x: 1.0 if x > 0 else 0.0)
    assert not check_layer(ramp, lambda x: 1.0 if x > 0 else 0.5)


def test_a_softmax_of_one_vector_and_its_jacobian() -> None:
    def softmax(x):
        e = np.exp(x - np.max(x))
        return e / np.sum(e)

    def jacobian(x):
        y = softmax(x)
        return np.diag(y) - np.outer(y, y)

    made = check_layer(softmax, jacobian)
    assert made, str(made)
    assert "one vector only" in str(made)


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.T + bias

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        return g @ weight, x.T @ g, g


def test_functions_in_pytorchs_style() -> None:
    assert check_layer(Square)
    made = check_layer(Linear)
    assert [(f.kind, f.of) for f in made.faults] == [("transposed", "dweight"), ("missing_batch_sum", "dbias")]


def test_a_real_autograd_function_of_torch() -> None:
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    class Half(Cube):
        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 1.5 * x**2 * g

    assert check_layer(Cube)
    assert [f.kind for f in check_layer(Half).faults] == ["factor"]


def test_primitives_by_probes_and_by_their_contract() -> None:
    @dp.primitive(shape=dp.same, name="judged_cube", register=False)
    def cube(xp, x):
        return x**3

    cube.vjp(lambda g, out, x: (3 * g * x**2,))
    assert check_layer(cube)
    cube.vjp(lambda g, out, x: (2 * g * x**2,))
    assert [f.kind for f in check_layer(cube).faults] == ["factor"]
    made = check_layer(dp.softplus)
    assert made, str(made)
    assert "contract" in made.checked


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to judge"):
        check_layer(3)


class SlotsOnly:
    __slots__ = ("x",)

    def forward(self, x):
        self.x = x
        return x

    def backward(self, dout):
        return dout


def test_what_cannot_be_judged_is_not_called_right() -> None:
    made = check_layer(SlotsOnly)
    assert made.outcome is Outcome.UNSURE
    assert not made


def test_integers_alone_have_no_gradient() -> None:
    class Ids:
        def forward(self, x):
            return np.eye(9)[x]

        def backward(self, dout):
            return None

    assert not check_layer(Ids)


def test_a_wrong_value_at_a_kink() -> None:
    class Abs:
        def forward(self, x):
            self.x = x
            return np.abs(x)

        def backward(self, dout):
            return dout * np.where(self.x == 0, 7.0, np.sign(self.x))

    assert [f.kind for f in check_layer(Abs).faults] == ["kink"]


def test_another_convention_at_a_kink_is_a_remark() -> None:
    class Relu:
        def forward(self, x):
            self.mask = x >= 0
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    made = check_layer(Relu)
    assert made
    assert "takes 1 (left 0, right 1)" in str(made)


def test_float32_that_becomes_float64_is_a_remark() -> None:
    class Scaled:
        def forward(self, x):
            return x * np.sqrt(2.0)

        def backward(self, dout):
            return dout * np.sqrt(2.0)

    made = check_layer(Scaled)
    assert made
    assert {(r.kind, r.of) for r in made.remarks} == {("dtype", "forward"), ("dtype", "dx")}


def test_it_is_told_in_both_languages() -> None:
    made = check_layer(Doubled)
    assert not made
    english, japanese = ("\n".join(judgement_lines(made, language)) for language in ("en", "ja"))
    assert "dx is 2 times the right gradient" in english
    assert "dx が正しい勾配の 2 倍です" in japanese
    assert "間違う最小の入力" in japanese
    assert not re.search(r"[ぁ-んァ-ン一-龥]", english)


def test_a_judgement_goes_through_json_unchanged() -> None:
    for what in (Doubled, Affine, Linear):
        made = check_layer(what)
        assert from_json(json.loads(json.dumps(to_json(made)))) == made


def test_every_kind_of_error_that_has_words_is_used_and_filled() -> None:
    source = "".join(p.read_text(encoding="utf-8") for p in JUDGING.glob("*.py") if p.name != "words.py")
    unused = [k for k in words.SAYS if f'"{k}"' not in source and not k.startswith("of_")]
    assert unused == []
    assert set(words.ADVICE) <= set(words.SAYS)
    for text in (*words.SAYS.values(), *words.ADVICE.values()):
        assert set(re.findall(r"{(\w+)}", text.en)) == {n.removesuffix("_ja") for n in re.findall(r"{(\w+)}", text.ja)}


def test_a_check_draws_from_nobodys_generator_but_its_own() -> None:
    """The global generator is set while a layer is judged; the judgement does not depend on where it stood."""
    np.random.seed(1)
    first = check_layer(Doubled)
    np.random.rand(7)
    assert check_layer(Doubled) == first
