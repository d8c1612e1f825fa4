"""Large tasks shared by threads give what one thread gives, however many callers, programs and forks there are."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.engine import Step
from denpa.graph import Graph, tensor
from denpa.nn import optim
from denpa.train.step import training_step

pytest.importorskip("numba")

from denpa.engine.native import (
    program as program_module,
    split,
)
from denpa.engine.native.program import NativeProgram


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "LEAST", 0.0)
    monkeypatch.setattr(split, "LOOP", 1)
    monkeypatch.setattr(program_module, "GATHER", 1)


def training(
    optimizer: str, dtype: str = "float64"
) -> tuple[Step, dict[str, Any], dict[str, Any], Any, dict[str, Any]]:
    rng = np.random.default_rng(4)
    network = nn.Network([70, 65, 50, 10], hidden="sigmoid", dtype=dtype)
    data = {"x": rng.random((200, 70)).astype(dtype), "t": rng.integers(0, 10, 200)}
    opt = optim.by_name(optimizer)
    step = training_step(network, opt, data["x"][:33], data["t"][:33], classify=True)
    state = {n: np.array(p.value) for n, p in network.parameters().items()} | opt.init(network.parameters())
    rows = rng.integers(0, 200, (25, 33))
    return step, state, data, rows, {"learning_rate": np.full(25, 0.05)}


def result(threads: int, made: Any, repeats: int = 1) -> list[bytes]:
    step, start, data, rows, by_step = made
    program = NativeProgram(step, threads)
    found = []
    for _ in range(repeats):
        state = dict(start)
        program.run(state, data, rows, by_step)
        found.append(b"".join(np.ascontiguousarray(v).tobytes() for v in state.values()))
    return found


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.usefixtures("everything_is_large")
def test_threads_share_and_agree(optimizer: str) -> None:
    made = training(optimizer)
    assert NativeProgram(made[0], 3).shared
    one, several = result(1, made)[0], result(3, made, repeats=8)
    assert len(set(several)) == 1  # the same thread count: the same bits, every time
    np.testing.assert_allclose(np.frombuffer(several[0]), np.frombuffer(one), rtol=1e-11, atol=1e-13)


@pytest.mark.usefixtures("everything_is_large")
def test_a_loop_with_a_reduction_is_divided_beside_it() -> None:
    x = tensor(np.random.default_rng(0).random((40, 300)), name="x")
    y = np.tanh(x)
    graph = Graph({"rows": y.sum(axis=1), "columns": y.sum(axis=0), "y": y}, {"x": x})
    for outputs in (["rows", "y"], ["columns", "y"], ["rows", "columns", "y"]):
        part = Graph({n: _tensor(graph.outputs[n]) for n in outputs}, {"x": x})
        one, two = (
            NativeProgram(Step(part, {}), n).run({"x": x.value}, {}, np.zeros((1, 0), np.int64), {}) for n in (1, 2)
        )
        for name in outputs:
            np.testing.assert_allclose(two[name], one[name], rtol=1e-13)


def _tensor(node: Any) -> Any:
    from denpa.graph import Tensor

    return Tensor(node)


@pytest.mark.usefixtures("everything_is_large")
def test_four_python_threads_with_programs_of_their_own_and_one_in_common() -> None:
    made = training("sgd")
    step, start, data, rows, by_step = made
    wanted = result(2, made)[0]
    common = NativeProgram(step, 2)
    found: list[bytes] = []

    def work(i: int) -> None:
        for _ in range(5):
            program = common if i % 2 else NativeProgram(step, 2)
            state = dict(start)
            program.run(state, data, rows, by_step)
            found.append(b"".join(np.ascontiguousarray(v).tobytes() for v in state.values()))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 20
    assert set(found) == {wanted}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of fork in a process with threads
@pytest.mark.usefixtures("everything_is_large")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    made = training("sgd")
    wanted = result(2, made)[0]
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if result(2, made)[0] == wanted else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    assert result(2, made)[0] == wanted


def test_state_of_another_run_is_taken_over_after_ones_own() -> None:
    """What a call gave back is not copied in again; everything else is, and nobody can write into it meanwhile."""
    step, start, data, rows, by_step = training("momentum")
    program, other = NativeProgram(step, 1), NativeProgram(step, 1)
    state, expected = dict(start), dict(start)
    for i in range(4):
        part = rows[i : i + 1], {n: v[i : i + 1] for n, v in by_step.items()}
        program.run(state, data, *part)
        (other if i == 1 else NativeProgram(step, 1)).run(expected, data, *part)
        for name, value in state.items():
            np.testing.assert_array_equal(value, expected[name])
            with pytest.raises(ValueError, match="read-only"):
                np.asarray(value)[...] = 0
        if i == 2:
            state = {name: np.array(value) * 0.5 for name, value in state.items()}  # another state: copied in
            expected = dict(state)
