"""exp, expm1, log, log1p, tanh, sigmoid, softplus, erf, erfc, and sin and cos in float32, without a branch or a call.

A loop that calls them is vectorised by LLVM.  At most 4 ulp, in float32 over every bit pattern; NaN, inf, signed zeros
and denormals as IEEE 754 and NumPy have them.  Same bits on every machine that fuses multiply-adds.

Largest error in ulp over all 2³² float32: exp 0.99, expm1 1.44, log 0.84, log1p 1.39, tanh 2.50, sigmoid 2.40, softplus
1.68, erf 1.18, erfc 3.40, sin and cos 0.501.  On a processor that does not fuse, erfc reaches 4.7.

Reductions: eˣ = 2ⁿ·eʳ with n the integer nearest x·log₂e, found by adding 1.5·2^mantissa, which rounds to an integer
and leaves it in the low bits; log x = n·log 2 + log m with m in [√½, √2) (Cody and Waite, 1980; fdlibm, Sun 1993).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from denpa.engine.native import vecmath_tables as tables
from denpa.engine.native.intrinsics import float32, float64, int32, int64, select
from denpa.engine.native.vecbits import absolute, at_least, at_most, cast, copysign, fused, jit, polynomial, sqrt

Functions = dict[str, Any]
LIBRARY = ("tan", "sinh", "cosh", "atan")  # the C library's, one element at a time: no network needs them in a hot loop
LOG2E = 1.4426950408889634


@dataclass(frozen=True)
class Format:
    """What the algorithms must know of a floating-point format."""

    name: str
    mantissa: int  # bits that are stored
    bias: int
    ln2_high: float  # log 2 cut off so that n times it is exact for every exponent n
    ln2_low: float
    exp_low: float  # at and below, eˣ rounds to 0
    exp_high: float  # at and above, eˣ rounds to inf
    tanh_one: float  # at and above, tanh rounds to 1
    erfc_zero: float  # at and above, erfc rounds to 0
    erfc_map: tuple[float, float]
    head: int  # low bits to clear so that the square of what is left is exact

    def table(self, name: str) -> tuple[Any, ...]:
        real = np.dtype(self.name).type
        return tuple(real(c) for c in getattr(tables, f"{name}{8 * real().itemsize}"))


SINGLE = Format("float32", 23, 127, 0.693359375, -2.12194440e-4, -104.0, 89.0, 10.0, 10.25, (4.65625, 1.40625), 12)
DOUBLE = Format(
    "float64", 52, 1023, 6.93147180369123816490e-01, 1.90821492927058770002e-10,
    -746.0, 710.0, 20.0, 27.5, (4.25, 1.125), 27,
)  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """The reductions that the functions share."""

    reduce: Any
    tail: Any
    power: Any
    scale: Any


@cache
def _steps(k: Format) -> Steps:
    real = np.dtype(k.name).type
    integer = int32 if k is SINGLE else int64
    log2e, high, low = real(LOG2E), real(-k.ln2_high), real(-k.ln2_low)
    magic = real(1.5 * 2.0**k.mantissa)
    magic_bits = int(magic.view(f"i{magic.itemsize}"))
    mantissa, bias, coefficients = k.mantissa, k.bias, k.table("EXP")

    @jit
    def reduce(x: Any, total: Any) -> Any:
        """n and r with x = n·log 2 + r, n the integer nearest total·log₂e."""
        shifted = fused(total, log2e, magic)
        n = shifted - magic
        return integer(cast(shifted) - magic_bits), fused(n, low, fused(n, high, x))

    @jit
    def tail(r: Any) -> Any:
        """eʳ − 1 for |r| ≤ log(2)/2."""
        return fused(r * r, polynomial(r, coefficients), r)

    @jit
    def power(n: Any) -> Any:
        """2ⁿ for exponents of normal numbers."""
        return cast(integer(integer(n + bias) << mantissa))

    @jit
    def scale(p: Any, n: Any) -> Any:
        """p·2ⁿ in two steps, of which only the second rounds, so that results may be denormal or overflow."""
        half = integer(n >> 1)
        return p * power(half) * power(integer(n - half))

    return Steps(reduce, tail, power, scale)


def _exponentials(k: Format) -> Functions:
    real, s = np.dtype(k.name).type, _steps(k)
    reduce, tail, power, scale = s.reduce, s.tail, s.power, s.scale
    lowest, highest, last = real(k.exp_low), real(k.exp_high), real(-(k.mantissa + 3))
    zero, half, one, two, tanh_one = real(0), real(0.5), real(1), real(2), real(k.tanh_one)
    identity = real(0.25 * 2.0**-k.mantissa)  # below, eˣ − 1 rounds to x

    @jit
    def exp(x: Any) -> Any:
        x = at_most(at_least(x, lowest), highest)
        n, r = reduce(x, x)
        return scale(one + tail(r), n)

    @jit
    def expm1(x: Any) -> Any:
        c = at_most(at_least(x, last), highest)
        n, r = reduce(c, c)
        s = power(n - 1)  # half of 2ⁿ, which may be beyond the largest number
        y = fused(s, tail(r), s - half)
        return select(absolute(x) < identity, x, copysign(y + y, x))  # half of a denormal would lose its last bit

    @jit
    def tanh(x: Any) -> Any:
        """−t/(t + 2) with t = e^(−2|x|) − 1: no digits cancel."""
        a = at_most(absolute(x), tanh_one) * -two
        n, r = reduce(a, a)
        s = power(n)
        t = fused(s, tail(r), s - one)
        return copysign(t / (t + two), x)

    @jit
    def sigmoid(x: Any) -> Any:
        """1/(1 + e) or e/(1 + e) with e = e^(−|x|): no overflow, and full relative precision in the left tail."""
        e = exp(-absolute(x))
        return select(x < zero, e, one) / (one + e)

    return {"exp": exp, "expm1": expm1, "tanh": tanh, "sigmoid": sigmoid}


def _logarithms(k: Format, exp: Any) -> Functions:
    real = np.dtype(k.name).type
    integer = int32 if k is SINGLE else int64
    high, low, coefficients = real(k.ln2_high), real(k.ln2_low), k.table("LOG")
    zero, half, one, two, root = real(0), real(0.5), real(1), real(2), real(np.sqrt(2))
    inf, nan = real(np.inf), real(np.nan)
    mantissa, next_bias, least = k.mantissa, k.bias + 1, np.finfo(k.name).tiny
    up, shift = real(2.0 ** (k.mantissa + 1)), real(-(k.mantissa + 1))
    start = int(np.sqrt(half).view(f"i{half.itemsize}"))
    magic = real(1.5 * 2.0**k.mantissa)
    magic_bits = int(magic.view(f"i{magic.itemsize}"))

    @jit
    def split(x: Any) -> Any:
        """The exponent n of x = 2ⁿ·m, m in [√½, √2), as an integer; m; x positive and normal."""
        bits = cast(x)
        n = integer(integer(bits - start) >> mantissa)
        return n, cast(integer(bits - integer(n << mantissa)))

    @jit
    def number(n: Any) -> Any:
        """An integer as a floating-point number; AVX2 has no instruction for int64."""
        return cast(integer(n + magic_bits)) - magic

    @jit
    def join(n: Any, f: Any) -> Any:
        """n·log 2 + log(1 + f) for f in [√½ − 1, √2 − 1]."""
        s = f / (two + f)
        z = s * s
        h = half * f * f
        rest = fused(s, fused(z, polynomial(z, coefficients), h), n * low)
        return fused(n, high, f - (h - rest))

    @jit
    def log(x: Any) -> Any:
        tiny = x < least
        n, m = split(select(tiny, x * up, x))
        y = join(number(n) + select(tiny, shift, zero), m - one)
        y = select(x > zero, y, select(x == zero, -inf, nan))
        return select(x == inf, x, y)

    @jit
    def log1p(x: Any) -> Any:
        """log u for u = 1 + x, the rounding error of u put back into the mantissa."""
        u = one + x
        b = u - one
        error = (one - (u - b)) + (x - b)
        n, m = split(u)
        error *= cast(integer(integer(next_bias - n) << mantissa))  # 2·2⁻ⁿ: n is up to 128, and 2⁻¹²⁸ is not normal
        y = copysign(join(number(n), fused(error, half, m - one)), x)
        y = select(x > -one, y, select(x == -one, -inf, nan))
        return select(x == inf, x, y)

    @jit
    def softplus(x: Any) -> Any:
        """max(x, 0) + log(1 + e), e = e^(−|x|) between 0 and 1: one step of halving does for the reduction."""
        e = exp(-absolute(x))
        u = one + e
        large = u >= root
        n, part = select(large, one, zero), select(large, half, one)
        return select(x < zero, zero, x) + join(n, fused(u, part, -one) + (e - (u - one)) * part)

    return {"log": log, "log1p": log1p, "softplus": softplus}


def _error_functions(k: Format) -> Functions:
    real, s = np.dtype(k.name).type, _steps(k)
    reduce, tail, power, scale = s.reduce, s.tail, s.power, s.scale
    integer = int32 if k is SINGLE else int64
    inner, complement = k.table("ERF"), k.table("ERFC")
    end, factor, offset = real(k.erfc_zero), real(k.erfc_map[0]), real(-k.erfc_map[1])
    zero, one, two = real(0), real(1), real(2)
    mask = -(1 << k.head)

    @jit
    def positive(a: Any) -> Any:
        """erfc(a) for a ≥ 0.  −a² is −head² + rest: the exponential multiplies relative errors by a²."""
        a = at_most(a, end)
        head = cast(integer(cast(a) & mask))
        rest = (head - a) * (head + a)
        square = -head * head
        n, r = reduce(square, square + rest)
        v = a + two
        u = one / v
        missing = u * (fused(-u, v, one) - u * (a - (v - two)))  # lost by + and /; it would count 2.3 times
        q = polynomial(fused(missing, factor, fused(u, factor, offset)), complement)
        w = fused(q, u, q * missing)
        return scale(fused(w, tail(r + rest), w), n)

    @jit
    def erfc(x: Any) -> Any:
        y = positive(absolute(x))
        return select(x < zero, two - y, y)

    if k is DOUBLE:

        @jit
        def outside(a: Any) -> Any:
            return one - positive(a)

        limit = real(0.5)
    else:
        outer, four, limit = k.table("ERF_OUTER"), real(4), real(0.9)

        @jit
        def outside(a: Any) -> Any:
            p = polynomial(at_most(a, four), outer)
            n, r = reduce(p, p)
            return one - fused(power(n), tail(r), power(n))

    @jit
    def erf(x: Any) -> Any:
        a = absolute(x)
        return select(a < limit, fused(x, polynomial(x * x, inner), x), copysign(outside(a), x))

    return {"erf": erf, "erfc": erfc}


def _turns() -> Any:
    """2/π for each biased exponent of a float32, less what adds full turns, in three parts: (3, 256).

    The first two have 29 bits: a float32 times one of them is exact in float64.  Source: Payne and Hanek (1983).
    """
    parts = np.full((3, 256), np.nan)
    for exponent in range(255):
        last = max(exponent, 1) - 150  # the exponent of the mantissa's last bit; a full turn is 4 quarters
        rest = tables.TWO_OVER_PI % (1 << (258 - max(last, 0)))
        for i in range(2):
            cut = max(rest.bit_length() - 29, 0)
            parts[i, exponent] = math.ldexp(rest >> cut, cut - 256)
            rest &= (1 << cut) - 1
        parts[2, exponent] = math.ldexp(float(rest), -256)
    return parts


def _circular() -> Functions:
    """In float64, and rounded once at the end.  The unit is a quarter of a turn."""
    first, second, third = _turns()
    sines, cosines = (tuple(np.float64(c) for c in t) for t in (tables.SIN, tables.COS))
    magic, magic_bits = np.float64(1.5 * 2.0**52), int(np.float64(1.5 * 2.0**52).view("i8"))

    @jit
    def quarter(x: Any, more: Any) -> Any:
        """The sine of x and `more` quarter turns."""
        i = (cast(x) >> 23) & 255
        wide = float64(x)
        a, b = wide * first[i], wide * second[i]
        shifted = (a + b) + magic
        n = cast(shifted) - magic_bits + more
        y = ((a - (shifted - magic)) + b) + wide * third[i]
        z = y * y
        value = select((n & 1) != 0, fused(-z, polynomial(z, cosines), float64(1)), y * polynomial(z, sines))
        return float32(select((n & 2) != 0, -value, value))

    @jit
    def sin(x: Any) -> Any:
        return quarter(x, 0)

    @jit
    def cos(x: Any) -> Any:
        return quarter(x, 1)

    return {"sin": sin, "cos": cos}


def _library(name: str) -> Any:
    """The C library's function, one element at a time: a loop that calls it is not vectorised."""
    f = getattr(math, name)

    @jit
    def call(x: Any) -> Any:
        return f(x)

    return call


@cache
def functions(dtype: str) -> Functions:
    """Name → function of one number of that dtype ("float32", "float64"); copysign takes two."""
    k = {"float32": SINGLE, "float64": DOUBLE}[dtype]
    found = _exponentials(k)
    found |= _logarithms(k, found["exp"]) | _error_functions(k)
    found |= {"sqrt": sqrt, "abs": absolute, "copysign": copysign}
    # sin and cos of a float64 up to 1e308 would need 1200 bits of 2/π: the C library has them
    found |= _circular() if k is SINGLE else {name: _library(name) for name in ("sin", "cos")}
    return found | {name: _library(name) for name in LIBRARY}


FUNCTIONS32, FUNCTIONS64 = functions("float32"), functions("float64")
