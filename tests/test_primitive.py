from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa.errors import GradientError, ShapeError, UsageError
from denpa.graph import FUNCTIONS
from denpa.primitive import REGISTRY, Primitive, primitive


@pytest.fixture
def silu() -> Primitive:
    @primitive(shape=dp.same, scalar="x / (1.0 + exp(-x))", latex=r"{0}\,\sigma({0})", register=False)
    def silu(xp, x):
        return x / (1 + xp.exp(-x))

    @silu.vjp
    def _(g, out, x):
        s = dp.sigmoid(x)
        return (g * (s + out * (1 - s)),)

    return silu


def test_a_users_own_primitive_joins_the_graph(silu, rng) -> None:
    x = rng.normal(size=(3, 4))
    t = dp.tensor(x)
    y = silu(t)
    assert y.node.op is silu
    h = 1e-30
    expected = np.imag((x + 1j * h) / (1 + np.exp(-(x + 1j * h)))) / h
    assert np.allclose(dp.backward(y.sum())[t], expected, rtol=1e-13)
    assert np.isclose(dp.grad(dp.grad(silu))(0.3), 0.4779, atol=1e-4)


def test_arrays_in_arrays_out(silu) -> None:
    assert type(silu(np.ones(2))) is np.ndarray
    assert silu(1.0) == pytest.approx(1 / (1 + np.exp(-1)))


def test_parameters_may_follow_the_arrays_and_defaults_are_recorded() -> None:
    @primitive(shape=dp.same, register=False)
    def scaled(xp, x, *, by, plus=0.0):
        return x * by + plus

    x = dp.tensor(2.0)
    assert scaled(x, 3.0).value == scaled(x, by=3.0).value == 6.0
    assert scaled(x, 3.0).node.params == {"by": 3.0, "plus": 0.0}
    for wrong in (lambda: scaled(x), lambda: scaled(x, 1.0, 2.0, 3.0), lambda: scaled(x, 1.0, by=2.0)):
        with pytest.raises(UsageError, match="scaled"):
            wrong()
    with pytest.raises(UsageError, match="does not know many"):
        scaled(x, 1.0, many=2)


def test_no_rule_is_an_error_when_the_gradient_is_asked_for() -> None:
    @primitive(shape=dp.same, register=False)
    def opaque(xp, x):
        return x

    y = opaque(dp.tensor(1.0))
    assert y.value == 1.0
    with pytest.raises(GradientError, match="opaque has no derivative rule"):
        y.backward()


def test_names_are_taken_once() -> None:
    with pytest.raises(UsageError, match="exists already"):
        primitive(shape=dp.same, name="multiply")(lambda xp, x: x)
    assert REGISTRY["multiply"] is FUNCTIONS["multiply"]


def test_needs_tells_a_rule_what_is_wanted() -> None:
    seen = []

    @primitive(shape=dp.broadcast, register=False)
    def product(xp, x, y):
        return x * y

    @product.vjp
    def _(g, out, x, y, *, needs):
        seen.append(tuple(needs))
        return g * y if needs[0] else None, g * x if needs[1] else None

    x, y = dp.tensor(2.0), dp.constant(3.0)
    product(x, y).backward()
    product(y, x).backward()
    assert x.grad == 3.0
    assert seen == [(True, False), (False, True)]


def test_a_failing_evaluation_says_operation_operands_and_line() -> None:
    with pytest.raises(ShapeError) as caught:
        dp.tensor(np.ones((2, 3))) + np.ones(4)
    text = str(caught.value)
    assert text.startswith("add: ")
    assert "float64[2, 3]" in text
    assert "float64[4]" in text
    assert "test_primitive.py" in text
