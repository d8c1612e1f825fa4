"""What vecmath is written with: bits of floating-point numbers, polynomials, rounding, in forms that LLVM vectorises.

Nothing here allows LLVM to reorder or contract: a vector, the tail of a loop and a single number give the same bits.
Where a multiply-add may be fused it says so itself (`fused`), the same way in all three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from denpa.engine.native.intrinsics import extending, float32, float64, inlined, int32, int64, ir, select

PAIRS = {float32: int32, float64: int64, int32: float32, int64: float64}


def jit(function: Callable[..., Any]) -> Any:
    """Compile for use in kernels: always inlined, and without a single fast-math flag."""
    return inlined(function)


def intrinsic(function: Callable[..., Any]) -> Any:
    """LLVM instructions as a function; arguments of types it returns None for are an error of compilation."""
    return extending.intrinsic(function)


def _multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    kind = ir.FunctionType(x.type, [x.type] * 3)
    return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [x.type], kind), [x, y, z])


@intrinsic
def fused(context: Any, x: Any, y: Any, z: Any) -> Any:
    """x·y + z, with one rounding where the processor can, else with two."""
    if not x == y == z:
        return None
    return x(x, x, x), lambda context, builder, signature, arguments: _multiply_add(builder, *arguments)


@intrinsic
def polynomial(context: Any, x: Any, coefficients: Any) -> Any:
    """c₀ + x·(c₁ + x·(c₂ + …)), without a loop."""
    if coefficients.dtype != x:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, c = arguments
        value = builder.extract_value(c, coefficients.count - 1)
        for i in reversed(range(coefficients.count - 1)):
            value = _multiply_add(builder, value, x, builder.extract_value(c, i))
        return value

    return x(x, coefficients), generate


@intrinsic
def cast(context: Any, x: Any) -> Any:
    """The same bits as an integer of that width, or as a floating-point number."""
    other = PAIRS.get(x)
    if other is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(other))

    return other(x), generate


def _intrinsic(name: str, arity: int) -> Any:
    def typed(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind] * arity))
        return builder.call(function, arguments)

    if arity == 1:

        @intrinsic
        def unary(context: Any, x: Any) -> Any:
            return x(x), typed

        return unary

    @intrinsic
    def binary(context: Any, x: Any, y: Any) -> Any:
        return x(x, x), typed

    return binary


sqrt = _intrinsic("llvm.sqrt", 1)  # IEEE asks for the nearest number
absolute = _intrinsic("llvm.fabs", 1)
copysign = _intrinsic("llvm.copysign", 2)
maximum = _intrinsic("llvm.maximum", 2)  # NaN beside NaN; a loop of it is vectorised


@jit
def at_most(x: Any, limit: Any) -> Any:
    """min(x, limit); NaN stays NaN."""
    return select(x > limit, limit, x)


@jit
def at_least(x: Any, limit: Any) -> Any:
    """max(x, limit); NaN stays NaN."""
    return select(x < limit, limit, x)
