"""vecmath against float64 NumPy (float32, up to every bit pattern), long double and mpmath (float64).

Also: special values as eager NumPy has them, the same bits in a vector, a tail and alone, and vectorised loops.
"""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

pytest.importorskip("numba")

import llvmlite.binding as llvm
import numba
from scipy import special

from denpa.engine.native import vecmath, vecmath_tables
from denpa.engine.native.scalar import FUNCTIONS as LANGUAGE

LIMIT = 4.0  # ulp
X86 = platform.machine() in ("x86_64", "AMD64")
FUSES = not X86 or llvm.get_host_cpu_features().get("fma", False)  # without, erfc is 4.7 ulp in float32


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


EXTENDED: dict[str, Callable[[Any], Any]] = {  # NumPy, in float64 or long double
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sigmoid": _sigmoid, "softplus": _softplus,
}  # fmt: skip
REFERENCE = EXTENDED | {"erf": special.erf, "erfc": special.erfc, "sin": np.sin, "cos": np.cos}
EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf, "erfc": mpmath.erfc,
}  # fmt: skip


@cache
def loop(name: str, dtype: str, contract: bool = False) -> Any:
    """The function over an array, as a kernel calls it."""
    return compiled(vecmath.functions(dtype)[name], contract)


def compiled(f: Any, contract: bool = False) -> Any:
    @numba.njit(error_model="numpy", nogil=True, fastmath={"contract"} if contract else False)
    def run(x, out):
        for i in range(x.size):
            out[i] = f(x[i])

    return run


def apply(run: Any, x: Any) -> Any:
    out = np.empty_like(x)
    run(x, out)
    return out


class Verdict(NamedTuple):
    ulp: float
    where: float
    wrong: int  # NaN, inf or sign of zero in the wrong place


@numba.njit(nogil=True)
def compare(x, got, reference):
    """Largest distance of float32 results from float64 references, in units of the last place of the reference."""
    worst, where, wrong = 0.0, x[0], 0
    for i in range(x.size):
        g, r = np.float64(got[i]), reference[i]
        nearest = np.float64(np.float32(r))
        if np.isnan(g) or np.isnan(r):
            wrong += np.isnan(g) != np.isnan(r)
        elif np.isinf(g) or np.isinf(nearest):
            wrong += g != nearest
        elif r == 0.0 or g == 0.0:
            wrong += np.signbit(r) != np.signbit(g)
            wrong += r == 0.0 and g != 0.0
        if np.isfinite(g) and np.isfinite(nearest):
            exponent = max(math.frexp(r)[1] - 1, -126) if r != 0.0 else -126
            distance = abs(g - r) * 2.0 ** (23 - exponent)
            if distance > worst:
                worst, where = distance, x[i]
    return worst, where, wrong


def judge(run: Any, reference: Callable[[Any], Any], x: Any) -> Verdict:
    with np.errstate(all="ignore"):
        return Verdict(*compare(x, apply(run, x), reference(x.astype(np.float64))))


def stratified(per: int, rng: np.random.Generator) -> Any:
    """All signs and exponents; of each the mantissas at the edges, every power of two, and one of each stratum."""
    powers = 1 << np.arange(23)
    edges = np.concatenate([[0], powers, powers - 1, (1 << 23) - powers])
    width = (1 << 23) // per
    strata = np.arange(per) * width
    inside = strata + rng.integers(0, width, (512, per))
    mantissas = np.concatenate([np.broadcast_to(edges, (512, edges.size)), inside], 1)
    return ((np.arange(512)[:, None] << 23) | mantissas).astype(np.uint32).ravel().view(np.float32)


def accepted(name: str) -> float:
    return 5.0 if name == "erfc" and not FUSES else LIMIT


@pytest.mark.parametrize("name", REFERENCE)
def test_float32_over_all_exponents(name: str, rng: np.random.Generator) -> None:
    found = judge(loop(name, "float32"), REFERENCE[name], stratified(1 << 13, rng))
    assert found.wrong == 0
    assert found.ulp <= accepted(name), f"{found.ulp} ulp at {found.where!r}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", REFERENCE)
def test_float32_over_every_bit_pattern(name: str) -> None:
    run, step = loop(name, "float32"), 1 << 20
    run(np.zeros(1, np.float32), np.zeros(1, np.float32))

    def part(start: int) -> Verdict:
        x = np.arange(start, start + step, dtype=np.int64).astype(np.uint32).view(np.float32)
        return judge(run, REFERENCE[name], x)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(part, range(0, 1 << 32, step)))
    worst = max(found)
    print(f"{name}: {worst.ulp:.4f} ulp at {worst.where!r}")  # noqa: T201  the result of the campaign
    assert sum(v.wrong for v in found) == 0
    assert worst.ulp <= accepted(name)


SPECIALS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    -np.nan,
    2.0,
    -2.0,
    88.73,
    -104.1,
    709.8,
    -745.2,
    1e30,
    -1e30,
]
DTYPES = ("float32", "float64")


def specials(dtype: str) -> Any:
    info = np.finfo(dtype)
    edges = [info.tiny, info.smallest_subnormal, info.tiny * (1 - info.eps), info.max, 1 + info.eps, 1 - info.epsneg]
    ends = np.array([*SPECIALS, *edges, *(-np.array(edges))], dtype)
    with np.errstate(over="ignore"):
        return np.concatenate([ends, np.nextafter(ends, np.array(np.inf, dtype))])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "sqrt", "abs"])
def test_special_values_are_those_of_numpy(name: str, dtype: str) -> None:
    x = specials(dtype)
    got = apply(loop(name, dtype), x)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x)
    assert got.dtype == want.dtype == dtype
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[real], np.signbit(want)[real])
    np.testing.assert_array_max_ulp(got[real], want[real], 8, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sigmoid", {np.inf: 1.0, -np.inf: 0.0, 0.0: 0.5, 1e4: 1.0, -1e4: 0.0}),
        ("softplus", {np.inf: np.inf, -np.inf: 0.0, 1e4: 1e4, -1e4: 0.0}),
        ("erf", {np.inf: 1.0, -np.inf: -1.0, 0.0: 0.0, 1e4: 1.0, -1e4: -1.0}),
        ("erfc", {np.inf: 0.0, -np.inf: 2.0, 0.0: 1.0, 1e4: 0.0, -1e4: 2.0}),
    ],
)
def test_limits(name: str, values: dict[float, float], dtype: str) -> None:
    x = np.array([*values, np.nan, -np.nan], dtype)
    np.testing.assert_array_equal(apply(loop(name, dtype), x), np.array([*values.values(), np.nan, np.nan], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_odd_functions_keep_the_sign_of_zero_and_denormals(dtype: str) -> None:
    least = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, least, -least, 5 * least], dtype)
    for name in ("expm1", "log1p", "tanh", "sin"):
        np.testing.assert_array_equal(
            apply(loop(name, dtype), x).view(f"i{x.itemsize}"), x.view(f"i{x.itemsize}"), name
        )


def domain(name: str, rng: np.random.Generator, count: int) -> Any:
    """Doubles near 0, over the range where results are finite and not constant, and of all magnitudes."""
    low, high = {"tanh": (-23.0, 23.0), "erf": (-7.0, 7.0), "erfc": (-7.0, 27.2)}.get(name, (-745.0, 709.7))
    x = np.concatenate([
        rng.uniform(-2, 2, count), rng.uniform(-30, 30, count), rng.uniform(low, high, count),
        10.0 ** rng.uniform(-320, 2.8, count) * rng.choice([-1, 1], count),
    ])  # fmt: skip
    x = np.clip(x, low, high)
    return np.abs(x[x != 0]) * 10.0 ** rng.uniform(0, 300) if name == "log" else x[x > -1] if name == "log1p" else x


@pytest.mark.parametrize("name", EXACT)
def test_float64_against_mpmath(name: str, rng: np.random.Generator) -> None:
    x = domain(name, rng, 1000)
    got = apply(loop(name, "float64"), x)
    with mpmath.workdps(60):
        for value, found in zip(x, got, strict=True):
            exact = EXACT[name](mpmath.mpf(float(value)))
            ulp = mpmath.ldexp(1, max(int(np.frexp(float(exact))[1]) - 1, -1022) - 52)
            assert abs(mpmath.mpf(float(found)) - exact) <= LIMIT * ulp, f"{name}({value!r}) = {found!r}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double on this machine")
@pytest.mark.parametrize("name", EXTENDED)
def test_float64_against_long_double(name: str, rng: np.random.Generator) -> None:
    x = domain(name, rng, 1 << 17)
    with np.errstate(all="ignore"):
        exact = EXTENDED[name](x.astype(np.longdouble))
    got = apply(loop(name, "float64"), x)
    exponent = np.maximum(np.frexp(exact)[1] - 1, -1022)
    ulps = np.ldexp(np.abs(got - exact), 52 - exponent)
    assert ulps.max() <= LIMIT, f"{ulps.max()} ulp at {x[ulps.argmax()]!r}"


def bits(x: Any) -> Any:
    """With one NaN for all: which operand's payload survives is not decided by IEEE 754."""
    return np.where(np.isnan(x), x.dtype.type(np.nan), x).view(f"i{x.itemsize}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*EXACT, "sin", "cos"])
def test_same_bits_in_a_vector_a_tail_and_alone(name: str, dtype: str, rng: np.random.Generator) -> None:
    x = np.concatenate([rng.normal(0, 3, 3000), 10.0 ** rng.uniform(-45, 3, 1000), SPECIALS]).astype(dtype)
    run = loop(name, dtype)
    whole = bits(apply(run, x))
    np.testing.assert_array_equal(whole, bits(apply(loop(name, dtype, contract=True), x)), "in a kernel")
    np.testing.assert_array_equal(whole, np.concatenate([bits(apply(run, x[i : i + 1])) for i in range(x.size)]))
    for offset in range(9):
        for size in (*range(20), 63, 64, 65):
            part = slice(offset * 101, offset * 101 + size)
            np.testing.assert_array_equal(bits(apply(run, x[part])), whole[part], f"{offset}, {size}")
    f = vecmath.functions(dtype)[name]  # it has no entry for Python's calls: a call from Python would crash
    alone = numba.njit(lambda v: f(v), error_model="numpy")  # noqa: PLW0108  f alone would be taken as it is
    np.testing.assert_array_equal(bits(np.array([alone(v) for v in x[::7]], dtype)), whole[::7])


@pytest.mark.skipif(not X86, reason="reads x86-64 assembly")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_loops_are_vectorised(name: str, dtype: str, rng: np.random.Generator) -> None:
    run = loop(name, dtype)
    apply(run, np.ones(1, dtype))
    (assembly,) = run.inspect_asm().values()
    packed = re.findall(rf"\bv?(?:mul|fn?madd\d+)p{'s' if dtype == 'float32' else 'd'}\b", assembly)
    assert len(packed) >= 5


@numba.njit
def flushing(x):
    """No denormal results."""
    y = np.exp(x)
    return y if y > np.float32(1.2e-38) else np.float32(0.0)


@numba.njit
def overflowing(x):
    """e⁻ˣ is inf below −88.7, where the sigmoid is not yet 0."""
    return np.float32(1.0) / (np.float32(1.0) + np.exp(-x))


@numba.njit
def cancelling(x):
    return np.log(np.float32(1.0) + x)


@numba.njit
def forgetful(x):
    """A clamp that takes NaN for a number."""
    return np.tanh(x if x < np.float32(10.0) else np.float32(10.0))


@numba.njit
def unsigned(x):
    return np.tanh(x) + np.float32(0.0)


@pytest.mark.parametrize(
    ("name", "twin"),
    [("exp", flushing), ("sigmoid", overflowing), ("log1p", cancelling), ("tanh", forgetful), ("tanh", unsigned)],
)
def test_wrong_functions_are_caught(name: str, twin: Any, rng: np.random.Generator) -> None:
    found = judge(compiled(twin), REFERENCE[name], stratified(1 << 8, rng))
    assert found.wrong or found.ulp > LIMIT


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_function_of_scalar_texts_is_there(dtype: str) -> None:
    functions = vecmath.functions(dtype)
    assert {*LANGUAGE, "abs", "copysign", "sigmoid", "softplus"} <= functions.keys()
    x = np.array([0.25, 0.5, 1.25], dtype)
    for name in ("tan", "sinh", "cosh"):
        np.testing.assert_allclose(apply(loop(name, dtype), x), getattr(np, name)(x), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(apply(loop("atan", dtype), x), np.arctan(x), rtol=4 * np.finfo(dtype).eps)


def fit_tool() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "tools" / "fit_vecmath.py"
    spec = importlib.util.spec_from_file_location("fit_vecmath", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_what_the_fit_gives() -> None:
    tool = fit_tool()
    for single in (True, False):
        with mpmath.workdps(tool.DIGITS):
            fits = tool.fits(single)
        for fit in fits:
            assert fit.solve()[0] == list(getattr(vecmath_tables, fit.name)), fit.name
    with mpmath.workdps(100):
        assert int(2 / mpmath.pi * 2**256) == vecmath_tables.TWO_OVER_PI
