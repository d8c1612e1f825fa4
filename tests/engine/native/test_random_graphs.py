"""Any graph, not only networks: random graphs with their gradients run natively as eager does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa.engine import Step
from denpa.engine.eager import EagerProgram
from denpa.graph import Graph, tensor

pytest.importorskip("numba")

from tests.engine.native.random_graphs import random_graph

from denpa.engine.native.program import NativeProgram
from denpa.engine.verify import verify

ONCE = np.zeros((1, 0), np.int64)


def differences(graph: Graph, values: dict[str, Any]) -> dict[str, float]:
    """For each output the largest difference between native and eager, relative to its largest finite element."""
    step = Step(graph, {})
    wanted = EagerProgram(step).run(dict(values), {}, ONCE, {})
    program = NativeProgram(step)
    verify(program.plan)
    found = program.run(dict(values), {}, ONCE, {})
    result = {}
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(value))
        np.testing.assert_array_equal(np.isinf(found[name]), np.isinf(value))
        finite = np.isfinite(value)
        size = max(
            float(np.abs(value[finite]).max(initial=0.0)), 1e-3
        )  # a gradient of softmax summed is 0 up to rounding
        result[name] = float(np.abs(found[name][finite] - value[finite]).max(initial=0.0)) / size
    return result


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_in_float64(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph, values = random_graph(rng, "float64", int(rng.integers(3, 25)))
    found = differences(graph, values)
    assert max(found.values()) < 1e-12, found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_campaign_of_random_graphs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph, values = random_graph(rng, "float64", int(rng.integers(3, 40)))
    found = differences(graph, values)
    assert max(found.values()) < 1e-12, found


def test_a_chain_of_ten_thousand_scalars() -> None:
    x = tensor(0.5, name="x")
    y = x
    for i in range(5000):
        y = y * 0.999 + (x if i % 3 else 1e-3)
    graph = Graph({"y": y}, {"x": x})
    assert differences(graph, {"x": x.value})["y"] < 1e-12


def test_an_output_that_is_an_input_a_constant_and_the_same_twice() -> None:
    x = tensor(np.arange(6.0).reshape(2, 3), name="x")
    y = x + 1.0
    graph = Graph({"x": x, "t": x.T, "c": tensor(np.ones(3)), "y": y, "again": y}, {"x": x})
    assert max(differences(graph, {"x": x.value}).values()) == 0.0


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 1), (1, 7, 1), (2, 1, 3, 1, 2)])
def test_shapes_at_the_edge(shape: tuple[int, ...]) -> None:
    x = tensor(np.random.default_rng(0).uniform(-1, 1, shape), name="x")
    y = (x * 2.0).sum(axis=0) + (x * x).sum()
    graph = Graph({"y": y, "z": x.reshape(-1)[::-1] * 3.0}, {"x": x})
    assert max(differences(graph, {"x": x.value}).values()) < 1e-14
