"""The bit recipe of nn.random, against Philox written out in Python and its authors' published vectors."""

from __future__ import annotations

import numpy as np
import pytest

from denpa import nn
from denpa.errors import UsageError
from denpa.graph import Tensor, tensor
from denpa.nn.random import generator, step_key, uniform

M64 = (1 << 64) - 1


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64 with 10 rounds, from the paper."""
    (x0, x1, x2, x3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * x0, 0xCA5A826395121157 * x2
        x0, x1, x2, x3 = (p1 >> 64) ^ x1 ^ k0, p1 & M64, (p0 >> 64) ^ x3 ^ k1, p0 & M64
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & M64, (k1 + 0xBB67AE8584CAA73B) & M64
    return [x0, x1, x2, x3]


def words(n: int, key: list[int], stream: int) -> list[int]:
    found: list[int] = []
    j = 0
    while len(found) < n:
        found += philox4x64([j + 1, 0, 0, stream], key)
        j += 1
    return found[:n]


# Random123's kat_vectors, philox4x64 with 10 rounds
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("0 0 0 0", "0 0", "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
        (
            " ".join(["ffffffffffffffff"] * 4),
            " ".join(["ffffffffffffffff"] * 2),
            "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
        ),
        (
            "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
            "452821e638d01377 be5466cf34e90c6c",
            "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
        ),
    ],
)
def test_the_reference_is_philox(counter: str, key: str, expected: str) -> None:
    def parsed(text: str) -> list[int]:
        return [int(word, 16) for word in text.split()]

    assert philox4x64(parsed(counter), parsed(key)) == parsed(expected)


KEYS = [[0, 0], [1, 7], [M64, M64 - 1], [0x0123456789ABCDEF, 0xFEDCBA9876543210]]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("stream", [0, 3, 1 << 40])
def test_uniform_follows_the_recipe_bit_by_bit(key: list[int], stream: int) -> None:
    k = np.array(key, np.uint64)
    for shape in ((), (1,), (7,), (3, 5), (0, 4)):
        n = int(np.prod(shape))
        w = words(n, key, stream)
        u64 = np.array([(x >> 11) * 2.0**-53 for x in w]).reshape(shape)
        assert np.array_equal(uniform(k, shape=shape, dtype="float64", stream=stream), u64)
        halves = [half for x in w for half in (x & 0xFFFFFFFF, x >> 32)][:n]
        u32 = np.array([(h >> 8) * 2.0**-24 for h in halves], np.float32).reshape(shape)
        got = uniform(k, shape=shape, dtype="float32", stream=stream)
        assert got.dtype == np.float32
        assert np.array_equal(got, u32)


def test_uniform_is_uniform_and_its_streams_are_independent() -> None:
    n = 200_000
    a = uniform(step_key(5, 0), shape=(n,), dtype="float64", stream=0)
    others = [
        uniform(step_key(5, 1), shape=(n,), dtype="float64", stream=0),
        uniform(step_key(6, 0), shape=(n,), dtype="float64", stream=0),
        uniform(step_key(5, 0), shape=(n,), dtype="float64", stream=1),
    ]
    counts = np.histogram(a, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 170  # χ² with 99 degrees of freedom; 170 is 5 σ above
    for b in others:
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(n)


def test_uniform_records_the_key_as_an_input() -> None:
    key = tensor(step_key(1, 2), name="key")
    u = uniform(key, shape=(4,), dtype="float32", stream=3)
    assert isinstance(u, Tensor)
    assert u.node.inputs == (key.node,)
    assert not u.node.requires
    assert np.array_equal(u.value, uniform(step_key(1, 2), shape=(4,), dtype="float32", stream=3))


def test_bad_keys_and_counters() -> None:
    for key in (np.zeros(3, np.uint64), np.zeros(2), np.uint64(1)):
        with pytest.raises(UsageError, match="random key"):
            uniform(key, shape=(1,), dtype="float32", stream=0)
    with pytest.raises(UsageError, match="dtype"):
        uniform(step_key(0, 0), shape=(1,), dtype="float16", stream=0)
    for seed, step in ((-1, 0), (0, -1), (1 << 64, 0), (0, M64), (1.5, 0), (True, 0), ("1", 0)):
        with pytest.raises(UsageError, match=r"seed|step"):
            step_key(seed, step)  # type: ignore[arg-type]


def test_initial_parameters_use_a_key_no_step_has() -> None:
    first = generator(9, 2).random(8)
    k = np.array([9, M64], np.uint64)
    assert np.array_equal(first, uniform(k, shape=(8,), dtype="float64", stream=2))
    assert nn.step_key(9, 2**63).dtype == np.uint64
