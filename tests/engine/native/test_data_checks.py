"""Data out of range stops the native loop with the words of the reference engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.engine import Step, engine
from denpa.errors import DenpaError
from denpa.graph import Graph, Tensor, tensor

pytest.importorskip("numba")


def stepped(loss: Any, data: dict[str, Any]) -> Step:
    """A step over batches of two rows; recorded from the first two, which are legal."""
    inputs = {name: tensor(np.asarray(values)[:2]) for name, values in data.items()}
    return Step(Graph({"loss": loss(*inputs.values())}, inputs), {}, by_row=tuple(data))


def results(step: Step, data: dict[str, Any], rows: list[list[int]]) -> list[Any]:
    """What each engine gives: the metrics, or the error's type and text."""
    found: list[Any] = []
    for name in ("eager", "native!"):
        arrays = {n: np.ascontiguousarray(v) for n, v in data.items()}
        try:
            found.append(engine(name).compile(step).run({}, arrays, np.array(rows, np.int64), {})["loss"])
        except (DenpaError, IndexError) as error:
            found.append((type(error), str(error)))
    return found


LOGITS = np.linspace(-2, 2, 12).reshape(6, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("bad", [-1, 2, 7])
def test_targets_of_a_sigmoid_out_of_range(dtype: str, bad: int) -> None:
    targets = np.tile([0, 1], (6, 1)).astype(dtype)
    targets[4, 1] = bad
    data = {"x": LOGITS, "t": targets}
    step = stepped(dp.sigmoid_cross_entropy, data)
    eager, native = results(step, data, [[0, 1], [2, 3]])
    np.testing.assert_allclose(native, eager, rtol=1e-12)  # the bad row is not used
    eager, native = results(step, data, [[0, 1], [4, 3], [2, 5]])
    assert isinstance(eager, tuple)
    assert native == eager


@pytest.mark.parametrize("edge", [-0.05, 0.0, 1.0, 1.05, np.nan])
def test_targets_that_are_legal_pass(edge: float) -> None:
    targets = np.tile([0.0, 1.0], (6, 1))
    targets[4, 1] = edge
    data = {"x": LOGITS, "t": targets}
    eager, native = results(stepped(dp.sigmoid_cross_entropy, data), data, [[4, 5]])
    np.testing.assert_allclose(native, eager, rtol=1e-12)


def test_beside_a_nan_nothing_is_out_of_range_as_in_the_reference() -> None:
    targets = np.tile([0.0, 1.0], (6, 1))
    targets[4] = np.nan, 7.0
    data = {"x": LOGITS, "t": targets}
    eager, native = results(stepped(dp.sigmoid_cross_entropy, data), data, [[4, 5]])
    np.testing.assert_array_equal(np.isnan(native), np.isnan(eager))


def test_whole_numbers_in_place_of_probabilities() -> None:
    targets = np.tile([0, 1], (6, 1))
    targets[4] = 3, 0
    data = {"x": LOGITS, "t": targets}
    step = stepped(dp.softmax_cross_entropy, data)
    eager, native = results(step, data, [[4, 5]])
    assert isinstance(eager, tuple)
    assert native == eager


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_class_number_out_of_range(reduction: Any) -> None:
    data = {"x": LOGITS, "t": np.array([0, 1, 0, 1, 2, -1])}
    step = stepped(lambda x, t: dp.softmax_cross_entropy(x, t, reduction), data)
    for rows in ([[4, 0]], [[5, 0]]):
        eager, native = results(step, data, rows)
        assert isinstance(eager, tuple)
        assert native == eager


def test_an_index_out_of_range() -> None:
    data = {"i": np.array([0, 1, -4, 3, 4, -5])}
    table = dp.tensor(np.arange(12.0).reshape(4, 3))
    step = stepped(lambda i: dp.take(table, i, axis=0), data)
    eager, native = results(step, data, [[0, 1], [2, 3]])
    np.testing.assert_array_equal(native, eager)
    for rows in ([[4, 0]], [[0, 5]]):
        eager, native = results(step, data, rows)
        assert isinstance(eager, tuple)
        assert native == eager


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_taken_twice_get_both_gradients(dtype: str) -> None:
    table = tensor(np.random.default_rng(0).normal(size=(7, 5)).astype(dtype))
    index = tensor(np.random.default_rng(1).integers(-7, 7, 40))

    def f(t: Tensor, i: Tensor) -> Any:
        return (dp.take(t, i, axis=0) ** 2).sum()

    wanted = np.zeros((7, 5))
    np.add.at(wanted, index.value, 2 * table.value[index.value].astype(float))
    found = dp.compile(dp.grad(f), engine="native!")(table.value, index.value)
    np.testing.assert_allclose(found, wanted, rtol=2e-6 if dtype == "float32" else 1e-12)
