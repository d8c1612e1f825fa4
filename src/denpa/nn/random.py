"""Random numbers of networks: counter-based, keyed, without state, so that any engine can reproduce the bits.

The recipe.  Philox4x64-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel random numbers: as easy as 1, 2, 3,
SC 2011) with the key (key[0], key[1]) maps a counter of four 64-bit words to a block of four 64-bit words.  Block
j = 0, 1, 2, … of stream s has the counter (j + 1, 0, 0, s), least significant word first; the words of its blocks, in
order, are the stream w₀, w₁, w₂, …

    float64: element i (in C order) is (w_i >> 11) · 2⁻⁵³
    float32: element 2i is (low 32 bits of w_i >> 8) · 2⁻²⁴, element 2i + 1 the same of the high 32 bits

Keys in use: a training step has (seed, step), so masks of dropout differ from step to step and seed to seed; initial
parameters have (seed, 2⁶⁴ − 1), a step no run reaches.  Streams number the layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from denpa.arrays import Array, Shape
from denpa.errors import UsageError
from denpa.nn.choices import whole
from denpa.primitive import primitive

WORD_MAX = (1 << 64) - 1
INIT = WORD_MAX  # second key word of the initial parameters


def step_key(seed: int, step: int) -> Array:
    """The key of one training step: uint64 (2,), (seed, step), both in 0 … 2⁶⁴ − 2.  UsageError otherwise."""
    return np.array([whole("seed", seed, 0, WORD_MAX), whole("step", step, 0, WORD_MAX - 1)], np.uint64)


def generator(seed: int, stream: int, purpose: int = INIT) -> np.random.Generator:
    """NumPy's generator over the words of stream `stream` under the key (seed, purpose): for initial parameters."""
    return np.random.Generator(_philox(whole("seed", seed, 0, WORD_MAX), purpose, stream))


def _philox(key0: int, key1: int, stream: int) -> np.random.Philox:
    # Key and counter as uint64 arrays: NumPy splits Python integers into words by its own rule otherwise.
    return np.random.Philox(
        key=np.array([key0, key1], np.uint64),
        counter=np.array([0, 0, 0, whole("stream", stream, 0, WORD_MAX)], np.uint64),
    )


def _uniform_shape(key: Shape, *, shape: Shape, dtype: str, stream: int) -> Shape:
    return tuple(shape)


def _samples(rng: np.random.Generator) -> Any:
    for shape, dtype, stream in (
        ((), "float64", 0),
        ((0, 3), "float32", 1),
        ((5,), "float32", 2),
        ((4, 3), "float64", 7),
    ):
        key = rng.integers(0, WORD_MAX, 2, np.uint64, endpoint=True)
        yield (key,), {"shape": shape, "dtype": dtype, "stream": stream}


@primitive(
    shape=_uniform_shape, latex=r"U_{{[0,1)}}\left({0}\right)", label="random", samples=_samples, differentiable=False
)
def uniform(xp: Any, key: Array, *, shape: Shape, dtype: str, stream: int) -> Array:
    """Uniform numbers in [0, 1) of that shape and dtype ("float32" or "float64"): a pure function of key and stream.

    key: uint64 (2,).  The module's docstring gives the recipe bit by bit.  UsageError for another key or dtype.
    """
    key = np.asarray(key)
    if key.shape != (2,) or key.dtype.kind not in "ui":
        raise UsageError(
            "a random key is two 64-bit integers",
            got=f"{key.dtype}{list(key.shape)}",
            fix="use nn.step_key(seed, step)",
        )
    if dtype not in ("float32", "float64"):
        raise UsageError("unknown dtype of uniform numbers", got=repr(dtype), want="float32 or float64")
    n = int(np.prod(shape, dtype=np.int64))
    k = key.astype(np.uint64)
    bits = _philox(int(k[0]), int(k[1]), stream)
    if dtype == "float64":
        flat = (bits.random_raw(n) >> np.uint64(11)) * 2.0**-53
    else:
        words = bits.random_raw((n + 1) // 2)
        halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=-1).reshape(-1)[:n]
        flat = (halves >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    out = flat.reshape(shape)[()]
    return out if xp is np else xp.asarray(out)
