"""Large matrix products in tiles of registers, for processors with 512-bit vectors.

C is made in tiles of 8 rows × 3 vectors (2 at the end).  Before, the strip of B that a column of tiles needs is packed,
so that one load follows the other; all rows of a block of A then pass over it.  Measured on two Zen 5 cores beside
OpenBLAS: a whole step of 784-512-512-10 at batch 128 takes 0.6 of the time, of 1024-2048×3-1000 at batch 512 0.95.
Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from typing import Any

from denpa.engine.native.intrinsics import CODES, cgutils, extending, inlined, ir, types, view
from denpa.engine.native.vectors import BYTES, Vectors, i1, i64, lanes, transpose_block, transpose_full

ROWS, COLUMNS = 8, 3  # of a tile: rows, vectors
DEPTH = 512  # of k at most, packed at a time: a strip of 96 KiB
BLOCK = 512  # rows of A that pass over a strip: with DEPTH the 1 MiB of a second-level cache


@extending.intrinsic(prefer_literal=True)
def tile(
    context: Any, k: Any, a: Any, a_row: Any, a_k: Any, b: Any, c: Any, c_row: Any, alpha: Any, beta: Any,
    rows: Any, columns: Any, vectors: Any,
) -> Any:  # fmt: skip
    """C[rows, columns] ← α·A·B + β·C, B packed, so many vectors wide; at most ROWS rows.  C is not read when β is 0."""
    width = vectors.literal_value
    signature = types.void(*[types.int64] * 7, alpha, alpha, types.int64, types.int64, vectors)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        k, a, a_row, a_k, b, c, c_row, alpha_, beta_, rows, columns = arguments[:11]
        v = Vectors(builder, int(signature.args[7].bitwidth))
        sums = [[cgutils.alloca_once_value(builder, v.zero) for _ in range(width)] for _ in range(ROWS)]
        lines = [builder.add(c, builder.mul(c_row, i64(r))) for r in range(ROWS)]
        there = [builder.icmp_signed("<", i64(r), rows) for r in range(ROWS)]
        last = builder.sub(rows, i64(1))  # stands for rows that are not there: read, never written
        starts = [builder.add(a, builder.mul(a_row, builder.select(there[r], i64(r), last))) for r in range(ROWS)]
        for line in lines:
            for j in range(width):
                v.prefetch(builder.add(line, i64(j * BYTES)))
        with cgutils.for_range(builder, k) as loop:
            row = builder.add(b, builder.mul(loop.index, i64(width * BYTES)))
            right = [v.load(builder.add(row, i64(j * BYTES))) for j in range(width)]
            shift = builder.mul(loop.index, a_k)
            for r in range(ROWS):
                x = v.splat(v.number(builder.add(starts[r], shift)))
                for j in range(width):
                    builder.store(v.fma(x, right[j], builder.load(sums[r][j])), sums[r][j])
        none = ir.Constant(ir.VectorType(i1, v.n), [0] * v.n)
        fresh = builder.fcmp_ordered("==", beta_, ir.Constant(v.scalar, 0.0))
        masks = [v.mask(builder.sub(columns, i64(v.n * j))) for j in range(width)]
        al, be = v.splat(alpha_), v.splat(beta_)
        for r in range(ROWS):
            for j in range(width):
                at, new = builder.add(lines[r], i64(j * BYTES)), builder.select(there[r], masks[j], none)
                old = v.load(at, builder.select(fresh, none, new))
                v.store(v.fma(be, old, builder.fmul(al, builder.load(sums[r][j]))), at, new)
        return context.get_dummy_value()

    return signature, generate


@extending.intrinsic
def pack_line(context: Any, source: Any, target: Any, columns: Any, dtype: Any) -> Any:
    """One row of a strip, zeros beyond `columns`; a narrower strip's next row is written over what is too much."""
    kind = dtype.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, columns = arguments[:3]
        v = Vectors(builder, int(kind.bitwidth))
        for j in range(COLUMNS):
            mask = v.mask(builder.sub(columns, i64(v.n * j)))
            v.store(v.load(builder.add(source, i64(j * BYTES)), mask), builder.add(target, i64(j * BYTES)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, dtype), generate


@extending.intrinsic
def strip_memory(context: Any) -> Any:
    """Where a strip is packed: on the stack, so that every thread has its own."""
    size = (DEPTH * COLUMNS + COLUMNS) * BYTES

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(ir.IntType(8), size))
        memory.align = BYTES
        return builder.ptrtoint(memory, i64)

    return types.int64(), generate


def factor_of(real: Any) -> Any:
    @inlined
    def factor(arena: Any, code: Any, constants: Any, at: Any) -> Any:
        """α or β: a constant, times a scalar of the arena where one is given."""
        value = real(constants[code[at]])
        if code[at + 1] >= 0:
            value *= view(arena + code[at + 1], 1, real)[0]
        return value

    return factor


def tiled(dtype: str) -> Any:
    """C ← α·A·B + β·C, with the numbers of `product`.  B is contiguous along a row or a column, C along a row."""
    real = CODES[dtype]
    item, wide = real.bitwidth // 8, lanes(real.bitwidth)

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, n, k = code[0], code[1], code[2]
        alpha, beta = factor(arena, code, constants, 12), factor(arena, code, constants, 14)
        a_row, a_k, b_k, b_column, c_row = (
            code[6] * item, code[7] * item, code[8] * item, code[9] * item, code[10] * item
        )  # fmt: skip
        strip = strip_memory()
        blocks = (k + DEPTH - 1) // DEPTH
        depth = min(((k + blocks - 1) // blocks + wide - 1) // wide * wide, DEPTH)
        p = 0
        while p < k:
            deep = min(depth, k - p)
            for i in range(0, m, BLOCK):
                a, c = arena + code[3] + i * a_row + p * a_k, arena + code[5] + i * c_row
                j = 0
                while j < n:
                    width = 3 if n - j > 4 * wide or 2 * wide < n - j <= 3 * wide else 2
                    columns = min(width * wide, n - j)
                    pack(arena + code[4] + p * b_k + j * b_column, b_k, b_column, strip, width * BYTES, deep, columns)
                    sweep(min(BLOCK, m - i), deep, a, a_row, a_k, strip, c + j * item, c_row, alpha, beta, columns,
                          width)  # fmt: skip
                    j += columns
            beta = real(1.0)
            p += deep

    factor, pack, sweep = factor_of(real), _pack(real), _sweep()
    return kernel


def _sweep() -> Any:
    @inlined
    def sweep(m: Any, k: Any, a: Any, a_row: Any, a_k: Any, b: Any, c: Any, c_row: Any,
              alpha: Any, beta: Any, columns: Any, width: Any) -> None:  # fmt: skip
        if width == 3:
            for i in range(0, m, ROWS):
                tile(k, a + i * a_row, a_row, a_k, b, c + i * c_row, c_row, alpha, beta, m - i, columns, 3)
        else:
            for i in range(0, m, ROWS):
                tile(k, a + i * a_row, a_row, a_k, b, c + i * c_row, c_row, alpha, beta, m - i, columns, 2)

    return sweep


def _pack(real: Any) -> Any:
    item, wide = real.bitwidth // 8, lanes(real.bitwidth)

    @inlined
    def pack(b: Any, b_k: Any, b_column: Any, strip: Any, step: Any, k: Any, columns: Any) -> None:
        if b_column == item:
            for p in range(k):
                pack_line(b + p * b_k, strip + p * step, columns, real)
            return
        for j in range(0, columns, wide):
            for p in range(0, k, wide):
                source, target = b + j * b_column + p * item, strip + p * step + j * item
                if columns - j >= wide and k - p >= wide:
                    transpose_full(source, b_column, target, step, real)
                else:
                    transpose_block(source, b_column, target, step, columns - j, k - p, real)

    return pack
