"""Guard bytes: sound plans leave them alone; a kernel that writes past its value, or before it, is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.engine.native.random_graphs import random_graph
from tests.engine.native.test_threads import training

import denpa as dp
from denpa.engine import Step
from denpa.engine.native import program as program_module
from denpa.engine.native.build import Kernel
from denpa.engine.native.generate import Generator, Pointer
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


# -- each index of the loops -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(100, 115))
def test_random_graphs_index_inside_their_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph, values = random_graph(rng, ("float32", "float64")[seed % 2], 15)
    checked, plain = NativeProgram(Step(graph, {}), guard=2), NativeProgram(Step(graph, {}), guard=0)
    found, wanted = (p.run(dict(values), {}, ONCE, {}) for p in (checked, plain))
    for name, value in wanted.items():
        size = max(float(np.abs(value[np.isfinite(value)]).max(initial=0.0)), 1e-3)
        np.testing.assert_allclose(found[name], value, rtol=0, atol=size * (1e-12 if seed % 2 else 1e-4))


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_training_indexes_inside_its_values(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENPA_GUARD", "2")
    step, start, data, rows, by_step = training(optimizer, "float64")
    for threads in (1, 2):
        made = NativeProgram(step, threads)
        assert made._encoder.loops
        made.run(dict(start), data, rows, by_step)


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("side", ["read", "write", "reduced"])
def test_an_index_that_is_off_by_one_is_caught(side: str, off: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads too, and writes into the neighbour's guard bytes never happen."""
    x = tensor(np.arange(1.0, 31.0).reshape(5, 6), name="x")
    graph = Graph({"y": dp.exp(x) if side != "reduced" else x.sum(axis=0)}, {"x": x})
    original = Generator._at

    def shifted(self: Generator, p: Pointer, place: str, index: str) -> str:
        wrong = (p.store is None) == (side == "read")
        return original(self, p, place, f"({index} + {off})" if wrong else index)

    NativeProgram(Step(graph, {}), guard=2).run({"x": x.value}, {}, ONCE, {})
    monkeypatch.setattr(Generator, "_at", shifted)
    with pytest.raises(OutOfBounds, match=r"would read or write outside of its value[\s\S]*task 0"):
        NativeProgram(Step(graph, {}), guard=2).run({"x": x.value}, {}, ONCE, {})
