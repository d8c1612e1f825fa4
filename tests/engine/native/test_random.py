"""Random numbers inside the loop are NumPy's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa.engine import Step, engine
from denpa.graph import Graph, tensor
from denpa.nn.random import WORD_MAX, step_key, uniform

pytest.importorskip("numba")

from denpa.engine.native.program import NativeProgram

SHAPES: list[tuple[int, ...]] = [
    (),
    (1,),
    (2,),
    (3,),
    (7,),
    (8,),
    (9,),
    (4, 3),
    (0, 3),
    (5, 7, 3),
    (100, 50),
    (33, 1001),
]


def program(shape: tuple[int, ...], dtype: str, stream: int) -> NativeProgram:
    key = tensor(step_key(0, 0))
    out = uniform(key, shape=shape, dtype=dtype, stream=stream)
    return NativeProgram(Step(Graph({"out": out}, {"key": key}), {}, by_step=("key",)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_bits_are_numpys(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(len(shape))
    keys = rng.integers(0, WORD_MAX, (40, 2), np.uint64, endpoint=True)
    keys[:4] = [(0, 0), (WORD_MAX, WORD_MAX), (0, WORD_MAX), (1, 0)]
    for stream in (0, 1, 7, 2**63, WORD_MAX):
        native = program(shape, dtype, stream)
        assert native.fallbacks == ()
        found = native.run({}, {}, np.zeros((len(keys), 0), np.int64), {"key": keys})["out"]
        for key, numbers in zip(keys, found, strict=True):
            wanted = np.asarray(uniform(key, shape=shape, dtype=dtype, stream=stream))
            assert numbers.dtype == wanted.dtype
            assert numbers.tobytes() == wanted.tobytes()


def test_the_recipe_is_that_of_the_published_vectors() -> None:
    """Random123's known-answer test of Philox4x64-10 for counter and key of zeros starts 16554d9eca36314c."""
    generator = np.random.Philox(key=np.zeros(2, np.uint64), counter=np.full(4, WORD_MAX, np.uint64))
    assert int(generator.random_raw(1)[0]) == 0x16554D9ECA36314C


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mask_in_a_graph_is_the_same_and_nothing_falls_back(dtype: str) -> None:
    """A mask, scaled, in a loss with its gradient: the same elements are dropped."""
    key, x = tensor(step_key(3, 0)), tensor(np.linspace(-1, 1, 64 * 20).reshape(64, 20).astype(dtype))
    kept = uniform(key, shape=(64, 20), dtype=dtype, stream=2) >= 0.2
    out = dp.where(kept, x * 1.25, 0.0)
    step = Step(Graph({"out": out}, {"key": key, "x": x}), {}, by_step=("key",))
    keys = np.stack([step_key(5, i) for i in range(20)])
    rows = np.zeros((20, 0), np.int64)
    native, eager = engine("native!").compile(step), engine("eager").compile(step)
    state = {"x": x.value}
    found = native.run(dict(state), {}, rows, {"key": keys})["out"]
    wanted = eager.run(dict(state), {}, rows, {"key": keys})["out"]
    assert found.tobytes() == wanted.tobytes()
    assert 0.15 < np.mean(found == 0) < 0.25
    assert not np.array_equal(found[0], found[1])
