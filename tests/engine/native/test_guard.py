"""Guard bytes: sound plans leave them alone; a kernel that writes past its value, or before it, is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.engine.native.random_graphs import random_graph
from tests.engine.native.test_threads import training

from denpa.engine import Step
from denpa.engine.native import program as program_module
from denpa.engine.native.build import Kernel
from denpa.engine.native.guard import OutOfBounds
from denpa.engine.native.program import Native, NativeProgram
from denpa.engine.verify import verify
from denpa.graph import Graph, tensor

ONCE = np.zeros((1, 0), np.int64)
STRAY = """
from denpa.engine.native.intrinsics import uint8, view

def kernel(arena, code, constants):
    at = code[0]
    view(arena + at, 1, uint8)[0] = 7
"""


def program(graph: Graph, monkeypatch: pytest.MonkeyPatch, stray: int | None) -> NativeProgram:
    """A program with one more instruction, which writes a byte so far from the start of the first input's value."""

    def check(self: NativeProgram) -> None:
        if stray is not None:
            self._emit(Kernel("loop", text=STRAY), [next(iter(self.plan.inputs.values())).offset + stray])
        original(self)

    original = NativeProgram._check
    monkeypatch.setattr(program_module.NativeProgram, "_check", check)
    return NativeProgram(Step(graph, {}), guard=True)


@pytest.mark.parametrize(
    ("stray", "caught"), [(None, False), (23, False), (24, True), (64, True), (127, True), (-1, True)]
)
def test_a_write_outside_of_a_value_is_caught(stray: int | None, caught: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tensor(np.arange(3.0), name="x")
    made = program(Graph({"y": x * 2.0}, {"x": x}), monkeypatch, stray)
    for _ in range(2):
        if not caught:
            made.run({"x": x.value}, {}, ONCE, {})
            continue
        with pytest.raises(OutOfBounds, match="wrote outside of its value"):
            made.run({"x": x.value}, {}, ONCE, {})


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_stay_inside_and_have_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph, values = random_graph(rng, ("float32", "float64")[seed % 2], 15)
    guarded, plain = NativeProgram(Step(graph, {}), guard=True), NativeProgram(Step(graph, {}), guard=False)
    verify(guarded.plan)
    found, wanted = (p.run(dict(values), {}, ONCE, {}) for p in (guarded, plain))
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_stays_inside_with_the_same_bits(optimizer: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by the environment variable, and in whatever number of threads there is."""
    monkeypatch.setenv("DENPA_GUARD", "1")
    step, start, data, rows, by_step = training(optimizer, dtype)
    results = []
    for engine in (Native(), Native(guard=False)):
        made: Any = engine.compile(step)
        verify(made.plan)
        state = dict(start)
        made.run(state, data, rows, by_step)
        results.append(state)
    assert made._guard is None
    for name, value in results[1].items():
        np.testing.assert_array_equal(results[0][name], value)
