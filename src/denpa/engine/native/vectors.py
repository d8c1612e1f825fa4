"""Blocks of matrix products and transposes in vector registers: what loops in Python cannot say.

A block of C of several rows and vectors stays in registers while k runs; its columns beyond the matrix are masked.
Strides are bytes.  With 512-bit registers (32 of them) a block has 8 rows × 3 vectors, with others 4 × 2.
"""

from __future__ import annotations

from typing import Any

from denpa.engine.native.intrinsics import extending, ir, types
from denpa.errors import require

cgutils = require("numba.core.cgutils", for_="compiling a kernel of the native engine", extra="native")
binding = require("llvmlite.binding", for_="compiling a kernel of the native engine", extra="native")

_features = binding.get_host_cpu_features()
BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx2") else 16
ROWS, COLUMNS = (8, 3) if BYTES == 64 else (4, 2)  # of a block: rows, vectors
SQUARE = 4  # of a block of dot products: rows and columns
i32, i64, i1 = ir.IntType(32), ir.IntType(64), ir.IntType(1)


def lanes(bits: int) -> int:
    """Numbers of that size in a vector."""
    return BYTES * 8 // bits


class Vectors:
    """Vector instructions of one dtype, on top of an LLVM builder."""

    def __init__(self, builder: Any, bits: int) -> None:
        self.builder, self.n, self.bits = builder, lanes(bits), bits
        self.scalar = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.type = ir.VectorType(self.scalar, self.n)
        self.suffix = f"v{self.n}f{bits}"
        self.zero = ir.Constant(self.type, [0.0] * self.n)

    def function(self, name: str, result: Any, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def pointer(self, address: Any, kind: Any = None) -> Any:
        return self.builder.inttoptr(address, (kind or self.type).as_pointer())

    def number(self, address: Any) -> Any:
        return self.builder.load(self.pointer(address, self.scalar))

    def splat(self, value: Any, kind: Any = None) -> Any:
        kind = kind or self.type
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, i32(0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(i32, self.n), [0] * self.n))

    def mask(self, count: Any) -> Any:
        """True in the first `count` lanes."""
        many = ir.VectorType(i64, self.n)
        return self.builder.icmp_signed("<", ir.Constant(many, list(range(self.n))), self.splat(count, many))

    def masks(self, count: Any, lines: Any) -> list[Any]:
        """For each of n lines: `mask(count)` in the first `lines` of them, nothing in the others."""
        mask, none = self.mask(count), ir.Constant(ir.VectorType(i1, self.n), [0] * self.n)
        return [self.builder.select(self.builder.icmp_signed("<", i64(r), lines), mask, none) for r in range(self.n)]

    def load(self, address: Any, mask: Any = None) -> Any:
        if mask is None:
            return self.builder.load(self.pointer(address), align=self.bits // 8)
        masks = ir.VectorType(i1, self.n)
        pointer = self.type.as_pointer()
        f = self.function(f"llvm.masked.load.{self.suffix}.p0", self.type, [pointer, i32, masks, self.type])
        return self.builder.call(f, [self.pointer(address), i32(self.bits // 8), mask, self.zero])

    def store(self, value: Any, address: Any, mask: Any = None) -> None:
        if mask is None:
            self.builder.store(value, self.pointer(address), align=self.bits // 8)
            return
        masks = ir.VectorType(i1, self.n)
        f = self.function(
            f"llvm.masked.store.{self.suffix}.p0", ir.VoidType(), [self.type, self.type.as_pointer(), i32, masks]
        )
        self.builder.call(f, [value, self.pointer(address), i32(self.bits // 8), mask])

    def prefetch(self, address: Any) -> None:
        """Bring a cache line nearer that will be read and written."""
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
        f = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(f, [self.pointer(address, ir.IntType(8)), i32(1), i32(3), i32(1)])

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        f = self.function(f"llvm.fma.{self.suffix}", self.type, [self.type] * 3)
        return self.builder.call(f, [x, y, z])

    def total(self, x: Any) -> Any:
        """The sum of the lanes, in any order."""
        f = self.function(f"llvm.vector.reduce.fadd.{self.suffix}", self.scalar, [self.scalar, self.type])
        return self.builder.call(f, [ir.Constant(self.scalar, -0.0), x], fastmath=("reassoc",))


def _kind(real: Any) -> int:
    return int(real.bitwidth)


@extending.intrinsic(prefer_literal=True)
def rows_block(
    context: Any, k: Any, a: Any, a_row: Any, a_k: Any, b: Any, b_k: Any, c: Any, c_row: Any,
    alpha: Any, beta: Any, last: Any, rows: Any, vectors: Any,
) -> Any:  # fmt: skip
    """C[rows, vectors] ← α·A·B + β·C, B and C contiguous along a row; `last` lanes of the last vector count."""
    height, width = rows.literal_value, vectors.literal_value
    integer = types.int64
    signature = types.void(*[integer] * 8, alpha, alpha, integer, rows, vectors)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        k, a, a_row, a_k, b, b_k, c, c_row, alpha_, beta_, last = arguments[:11]
        v = Vectors(builder, _kind(signature.args[8]))
        mask = v.mask(last)
        masks = [None] * (width - 1) + [mask]
        sums = [[cgutils.alloca_once_value(builder, v.zero) for _ in range(width)] for _ in range(height)]
        starts = [builder.add(a, builder.mul(a_row, i64(r))) for r in range(height)]
        with cgutils.for_range(builder, k) as loop:
            row = builder.add(b, builder.mul(loop.index, b_k))
            line = [v.load(builder.add(row, i64(j * BYTES)), masks[j]) for j in range(width)]
            shift = builder.mul(loop.index, a_k)
            for r in range(height):
                x = v.splat(v.number(builder.add(starts[r], shift)))
                for j in range(width):
                    builder.store(v.fma(x, line[j], builder.load(sums[r][j])), sums[r][j])
        _finish_rows(builder, v, sums, masks, (c, c_row), (alpha_, beta_))
        return context.get_dummy_value()

    return signature, generate


def _finish_rows(builder: Any, v: Vectors, sums: Any, masks: Any, place: Any, factors: Any) -> None:
    """C ← α·sums + β·C; C is not read when β is 0, as in BLAS: it may hold NaN."""
    (c, c_row), (alpha, beta) = place, factors
    al, be = v.splat(alpha), v.splat(beta)
    fresh = builder.fcmp_ordered("==", beta, ir.Constant(v.scalar, 0.0))
    with builder.if_else(fresh) as (new, old):
        for branch, add in ((new, False), (old, True)):
            with branch:
                for r, line in enumerate(sums):
                    for j, cell in enumerate(line):
                        at = builder.add(builder.add(c, builder.mul(c_row, i64(r))), i64(j * BYTES))
                        x = builder.fmul(al, builder.load(cell))
                        v.store(v.fma(be, v.load(at, masks[j]), x) if add else x, at, masks[j])


@extending.intrinsic(prefer_literal=True)
def dots_block(
    context: Any, k: Any, a: Any, a_row: Any, b: Any, b_column: Any, c: Any, c_row: Any, c_column: Any,
    alpha: Any, beta: Any, rows: Any, columns: Any,
) -> Any:  # fmt: skip
    """C[rows, columns] ← α·A·B + β·C with both A's rows and B's columns contiguous along k."""
    height, width = rows.literal_value, columns.literal_value
    signature = types.void(*[types.int64] * 8, alpha, alpha, rows, columns)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        k, a, a_row, b, b_column, c, c_row, c_column, alpha_, beta_ = arguments[:10]
        v = Vectors(builder, _kind(signature.args[8]))
        sums = [[cgutils.alloca_once_value(builder, v.zero) for _ in range(width)] for _ in range(height)]
        left = [builder.add(a, builder.mul(a_row, i64(r))) for r in range(height)]
        right = [builder.add(b, builder.mul(b_column, i64(j))) for j in range(width)]

        def step(shift: Any, mask: Any) -> None:
            line = [v.load(builder.add(p, shift), mask) for p in right]
            for r in range(height):
                x = v.load(builder.add(left[r], shift), mask)
                for j in range(width):
                    builder.store(v.fma(x, line[j], builder.load(sums[r][j])), sums[r][j])

        full = builder.sdiv(k, i64(v.n))
        with cgutils.for_range(builder, full) as loop:
            step(builder.mul(loop.index, i64(BYTES)), None)
        rest = builder.srem(k, i64(v.n))
        with builder.if_then(builder.icmp_signed(">", rest, i64(0))):
            step(builder.mul(full, i64(BYTES)), v.mask(rest))
        fresh = builder.fcmp_ordered("==", beta_, ir.Constant(v.scalar, 0.0))
        for r in range(height):
            for j in range(width):
                at = builder.add(c, builder.add(builder.mul(c_row, i64(r)), builder.mul(c_column, i64(j))))
                cell = v.pointer(at, v.scalar)
                x = builder.fmul(alpha_, v.total(builder.load(sums[r][j])))
                with builder.if_else(fresh) as (new, old):
                    with new:
                        builder.store(x, cell)
                    with old:
                        builder.store(builder.fadd(x, builder.fmul(beta_, builder.load(cell))), cell)
        return context.get_dummy_value()

    return signature, generate


@extending.intrinsic(prefer_literal=True)
def transpose_block(context: Any, a: Any, a_row: Any, c: Any, c_row: Any, rows: Any, columns: Any, dtype: Any) -> Any:
    """C ← Aᵀ for a square of one vector's length; only `rows` × `columns` of A are there."""
    kind = dtype.dtype
    signature = types.void(*[types.int64] * 6, dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, a_row, c, c_row, rows, columns = arguments[:6]
        v = Vectors(builder, _kind(kind))
        lines = [builder.add(a, builder.mul(a_row, i64(r))) for r in range(v.n)]
        _turn(v, lines, (c, c_row), v.masks(columns, rows), v.masks(rows, columns))
        return context.get_dummy_value()

    return signature, generate


@extending.intrinsic
def transpose_full(context: Any, a: Any, a_row: Any, c: Any, c_row: Any, dtype: Any) -> Any:
    """transpose_block where all of A is there."""
    kind = dtype.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, a_row, c, c_row = arguments[:4]
        v = Vectors(builder, _kind(kind))
        lines = [builder.add(a, builder.mul(a_row, i64(r))) for r in range(v.n)]
        _turn(v, lines, (c, c_row), [None] * v.n, [None] * v.n)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, dtype), generate


@extending.intrinsic
def gather_block(
    context: Any, a: Any, a_row: Any, numbers: Any, c: Any, c_row: Any, rows: Any, columns: Any, dtype: Any
) -> Any:
    """transpose_block of the rows of A with these numbers (int64, at an address)."""
    kind = dtype.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, a_row, numbers, c, c_row, rows, columns = arguments[:7]
        v = Vectors(builder, _kind(kind))
        lines = []
        for r in range(v.n):
            there = builder.select(builder.icmp_signed("<", i64(r), rows), i64(8 * r), i64(0))
            number = builder.load(v.pointer(builder.add(numbers, there), i64))
            lines.append(builder.add(a, builder.mul(a_row, number)))
        _turn(v, lines, (c, c_row), v.masks(columns, rows), v.masks(rows, columns))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7, dtype), generate


def _turn(v: Vectors, addresses: list[Any], target: tuple[Any, Any], loads: list[Any], stores: list[Any]) -> None:
    """Lines at the addresses into columns of the target (address, stride), each under a mask."""
    builder = v.builder
    c, c_row = target
    lines = [v.load(address, mask) for address, mask in zip(addresses, loads, strict=True)]
    step = 1
    while step < v.n:
        lines = _swapped(builder, v, lines, step)
        step *= 2
    for r in range(v.n):
        v.store(lines[r], builder.add(c, builder.mul(c_row, i64(r))), stores[r])


def _swapped(builder: Any, v: Vectors, lines: list[Any], step: int) -> list[Any]:
    """Swap the off-diagonal squares of side `step` between the lines r and r + step."""
    result = list(lines)
    low = [
        i + v.n - step if i & step else i for i in range(v.n)
    ]  # lane i: from the first line, or the second's i − step
    high = [i + v.n if i & step else i + step for i in range(v.n)]
    kind = ir.VectorType(i32, v.n)
    for r in range(v.n):
        if not r & step:
            first, second = lines[r], lines[r + step]
            result[r] = builder.shuffle_vector(first, second, ir.Constant(kind, low))
            result[r + step] = builder.shuffle_vector(first, second, ir.Constant(kind, high))
    return result
