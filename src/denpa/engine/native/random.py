"""Random numbers inside the loop: the recipe of nn/random.py, Philox4x64-10, to the same bits."""

from __future__ import annotations

from typing import Any

from denpa.engine.native.intrinsics import (
    CODES,
    extending,
    float32,
    float64,
    inlined,
    int32,
    int64,
    ir,
    types,
    uint64,
    view,
)

# The multipliers and key increments of Philox4x64 (Salmon et al. 2011, Random123 philox.h).
M0, M1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157
W0, W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
ROUNDS = 10
WORDS = 4  # words of 64 bits in a block


@extending.intrinsic
def high_product(context: Any, x: Any, y: Any) -> Any:
    """The upper 64 bits of the product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        full = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(full, wide(64)), word)

    return types.uint64(types.uint64, types.uint64), generate


@inlined
def block(counter: Any, stream: Any, k0: Any, k1: Any) -> Any:
    """The four words of the counter (counter, 0, 0, stream) under the key (k0, k1)."""
    a, b, c, d = uint64(counter), uint64(0), uint64(0), uint64(stream)
    for _ in range(ROUNDS):
        high_a, high_c = high_product(uint64(M0), a), high_product(uint64(M1), c)
        low_a, low_c = uint64(M0) * a, uint64(M1) * c
        a, b, c, d = high_c ^ b ^ k0, low_c, high_a ^ d ^ k1, low_a
        k0, k1 = k0 + uint64(W0), k1 + uint64(W1)
    return a, b, c, d


def uniform(dtype: str) -> Any:
    """[key, target, count, stream]: numbers in [0, 1), `count` of them, contiguous; the key is two uint64."""
    real = CODES[dtype]

    def doubles(arena: Any, code: Any, constants: Any) -> None:
        key, n = view(arena + code[0], 2, uint64), code[2]
        y = view(arena + code[1], n, real)
        for i in range(0, n, WORDS):
            a, b, c, d = block(i // WORDS + 1, code[3], key[0], key[1])
            double(y, i, n, a)
            double(y, i + 1, n, b)
            double(y, i + 2, n, c)
            double(y, i + 3, n, d)

    def singles(arena: Any, code: Any, constants: Any) -> None:
        key, n = view(arena + code[0], 2, uint64), code[2]
        y = view(arena + code[1], n, real)
        for i in range(0, n, 2 * WORDS):
            a, b, c, d = block(i // (2 * WORDS) + 1, code[3], key[0], key[1])
            pair(y, i, n, a)
            pair(y, i + 2, n, b)
            pair(y, i + 4, n, c)
            pair(y, i + 6, n, d)

    double, pair = _double(), _pair()
    return doubles if dtype == "float64" else singles


def _double() -> Any:
    @inlined
    def double(y: Any, i: Any, n: Any, word: Any) -> None:
        if i < n:
            y[i] = float64(int64(word >> uint64(11))) * 2.0**-53

    return double


def _pair() -> Any:
    @inlined
    def pair(y: Any, i: Any, n: Any, word: Any) -> None:
        """The low half's number, then the high half's; both fit into int32, which AVX2 converts."""
        if i < n:
            y[i] = float32(int32((word & uint64(0xFFFFFFFF)) >> uint64(8))) * scale
        if i + 1 < n:
            y[i + 1] = float32(int32(word >> uint64(40))) * scale

    scale = float32(2.0**-24)
    return pair
