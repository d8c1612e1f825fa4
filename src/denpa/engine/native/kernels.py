"""The kernels written by hand: `kernel(arena, code, constants)`, the arena's address and an instruction's numbers.

`FACTORIES` makes them by name for given dtypes.  Offsets are bytes from the arena's start, strides are elements, unless
said otherwise.  The first 64 bytes of the arena are the header: the step's number and the stop flag.
Names of sizes: m rows, n columns, k what is summed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import isnan
from typing import Any

from denpa.engine.native.intrinsics import (
    CODES,
    CONSTANTS,
    POINTER,
    advance,
    atomic_add,
    atomic_read,
    atomic_swap,
    atomic_write,
    call,
    cblas_gemm,
    inlined,
    int64,
    load,
    number_of,
    plus,
    pointer,
    put,
    rest,
    types,
    uint8,
    view,
)
from denpa.engine.native.moving import add_back, pick, place, running, take, within
from denpa.engine.native.random import uniform
from denpa.engine.native.tiles import factor_of, tiled
from denpa.engine.native.vecbits import maximum
from denpa.engine.native.vecmath import functions
from denpa.engine.native.vectors import COLUMNS, ROWS, dots_block, gather_block, lanes, rows_block, transpose_block

STEP, STOP = 0, 1  # places in the header, as int64
TICKET, DONE, GROUP, QUIT = 64, 128, 192, 200  # in bytes: what threads agree by, each in a cache line of its own
SHARED = 1  # in place of a kernel's address: the parts that follow are shared by threads

SIGNATURES = {
    "drive": types.int64(types.int64, POINTER, CONSTANTS, *[types.int64] * 4),
    "help": types.void(types.int64, CONSTANTS, types.int64),
}


def drive() -> Any:
    """Run the program for the steps first … last − 1; returns the step that was stopped, or last.

    An instruction is [kernel's address, length of all its numbers, …]; address 0 ends the program.  A group of parts is
    [SHARED, length with its parts, count, where each part starts …].  threads > 1: others are in `help` meanwhile.
    The ticket is (group's number, count, next part): who swaps in the next one has that part.
    """
    take = _take()

    def kernel(arena: Any, code: Any, constants: Any, first: Any, last: Any, threads: Any, give_way: Any) -> Any:
        header = view(arena, 2, int64)
        epoch = int64(0)
        for step in range(first, last):
            header[STEP] = step
            at = code
            while at[0] != 0:
                if at[0] != SHARED:
                    call(at[0], arena, advance(at, 2), constants)
                elif threads == 1:
                    for i in range(at[2]):
                        part = advance(at, at[3 + i])
                        call(part[0], arena, advance(part, 2), constants)
                else:
                    epoch = (epoch + 1) & int64(0xFFFFFF)
                    atomic_write(arena + DONE, 0)
                    atomic_write(arena + GROUP, number_of(at))
                    atomic_write(arena + TICKET, (epoch << int64(32)) | (at[2] << int64(16)))
                    while take(arena, constants):
                        pass
                    spins = int64(0)
                    while atomic_read(arena + DONE) != at[2]:
                        rest(give_way, spins)
                        spins += 1
                if header[STOP] != 0:
                    return step
                at = advance(at, at[1])
        return last

    return kernel


def _take() -> Any:
    @inlined
    def take(arena: Any, constants: Any) -> Any:
        """Run one part of the group, when there is one left; says whether there may be more."""
        ticket = atomic_read(arena + TICKET)
        count, part = (ticket >> int64(16)) & int64(0xFFFF), ticket & int64(0xFFFF)
        if part >= count:
            return False
        group = pointer(atomic_read(arena + GROUP))
        if atomic_swap(arena + TICKET, ticket, ticket + 1):
            at = advance(group, group[3 + part])
            call(at[0], arena, advance(at, 2), constants)
            atomic_add(arena + DONE, 1)
        return True

    return take


def help() -> Any:
    """Take parts until the driver says that it has left."""
    take = _take()

    def kernel(arena: Any, constants: Any, give_way: Any) -> None:
        spins = int64(0)
        while atomic_read(arena + QUIT) == 0:
            if take(arena, constants):
                spins = int64(0)
            else:
                rest(give_way, spins)
                spins += 1

    return kernel


def gather(dtype: str) -> Any:
    """[target, source address, address of row numbers, rows, width, stride of a target row, of a target column,
    rows of a step, first of them].  Row numbers of step s start at s·(rows of a step)."""
    real = CODES[dtype]
    item = real.bitwidth // 8

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        step = view(arena, 1, int64)[STEP]
        size, width, by_row, by_column = code[3], code[4], code[5], code[6]
        numbers = code[2] + (step * code[7] + code[8]) * 8
        rows = view(numbers, size, int64)
        if by_column == 1:
            for i in range(size):
                source = code[1] + rows[i] * width * item
                target = arena + code[0] + i * by_row * item
                for j in range(width):
                    put(target, j, load(source, j, real, 1), 0)
        else:
            turn(code[1], width, numbers, size, arena + code[0], by_row, by_column)

    turn = _turned_rows(real) if dtype in ("float32", "float64") else _columns(real)
    return kernel


def _columns(real: Any) -> Any:
    item = real.bitwidth // 8

    @inlined
    def turn(a: Any, width: Any, numbers: Any, size: Any, c: Any, by_row: Any, by_column: Any) -> None:
        """Rows with these numbers, any strides."""
        rows = view(numbers, size, int64)
        for j in range(width):
            target = c + j * by_column * item
            for i in range(size):
                put(target, i * by_row, load(a, rows[i] * width + j, real, 1), 0)

    return turn


def _turned_rows(real: Any) -> Any:
    item, wide = real.bitwidth // 8, lanes(real.bitwidth)
    columns = _columns(real)

    @inlined
    def turn(a: Any, width: Any, numbers: Any, size: Any, c: Any, by_row: Any, by_column: Any) -> None:
        """Rows with these numbers into columns, in squares of registers."""
        if by_row != 1:
            columns(a, width, numbers, size, c, by_row, by_column)
            return
        for i in range(0, size, wide):
            for j in range(0, width, wide):
                target = c + (j * by_column + i) * item
                gather_block(
                    a + j * item, width * item, numbers + i * 8, target, by_column * item, size - i, width - j, real
                )

    return turn


def fetch() -> Any:
    """[target, source address, bytes]: what belongs to this step, from an array with one entry a step."""

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        step = view(arena, 1, int64)[STEP]
        source = view(code[1] + step * code[2], code[2], uint8)
        target = view(arena + code[0], code[2], uint8)
        for i in range(code[2]):
            target[i] = source[i]

    return kernel


def record() -> Any:
    """[source, target address, bytes]: a metric of this step, into an array with one entry a step."""

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        step = view(arena, 1, int64)[STEP]
        source = view(arena + code[0], code[2], uint8)
        target = view(code[1] + step * code[2], code[2], uint8)
        for i in range(code[2]):
            target[i] = source[i]

    return kernel


def copy() -> Any:
    """[source, target, bytes]: contiguous."""

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        source, target = view(arena + code[0], code[2], uint8), view(arena + code[1], code[2], uint8)
        for i in range(code[2]):
            target[i] = source[i]

    return kernel


def finite(dtype: str) -> Any:
    """[source, count]: raises the stop flag when an element is NaN or infinite."""
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        x = view(arena + code[0], code[1], real)
        bad = False
        for i in range(code[1]):
            bad |= not (abs(x[i]) < real_inf)
        if bad:
            view(arena, 2, int64)[STOP] = 1

    real_inf = math.inf
    return kernel


def gemm(dtype: str) -> Any:
    """C ← α·op(A)·op(B) + β·C by the BLAS at an address.

    [address, transpose A, transpose B (111 no, 112 yes), m, n, k, lda, ldb, ldc, A, B, C,
     index of α's constant, offset of α's factor or −1, index of β's constant, offset of β's factor or −1].
    """
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        alpha, beta = real(constants[code[12]]), real(constants[code[14]])
        if code[13] >= 0:
            alpha *= view(arena + code[13], 1, real)[0]
        if code[15] >= 0:
            beta *= view(arena + code[15], 1, real)[0]
        sizes = (code[3], code[4], code[5], code[6], code[7], code[8])
        flags = (101, code[1], code[2])
        cblas_gemm(code[0], flags, sizes, alpha, arena + code[9], arena + code[10], beta, arena + code[11])

    return kernel


def product(dtype: str, form: str) -> Any:
    """C ← α·A·B + β·C without BLAS, which is slower below about 128 × 128 × 128.

    [m, n, k, A, B, C, A's strides by row and by k, B's by k and by column, C's by row and by column, then α, β as in
    gemm].  form "rows": B and C are contiguous along a row; "dots": A along a row and B along a column.
    """
    real = CODES[dtype]
    item, wide = real.bitwidth // 8, lanes(real.bitwidth)

    def rows(arena: Any, code: Any, constants: Any) -> None:
        m, n, k = code[0], code[1], code[2]
        alpha, beta = factor(arena, code, constants, 12), factor(arena, code, constants, 14)
        a_row, a_k, b_k, c_row = code[6] * item, code[7] * item, code[8] * item, code[10] * item
        vectors = (n + wide - 1) // wide
        j = 0
        while j < vectors:
            left = vectors - j
            width = COLUMNS if left >= COLUMNS and left != COLUMNS + 1 else min(left, 2)
            last = wide if j + width < vectors else n - (vectors - 1) * wide
            b, c = arena + code[4] + j * wide * item, arena + code[5] + j * wide * item
            if width == 1:
                strip1(m, k, arena + code[3], a_row, a_k, b, b_k, c, c_row, alpha, beta, last)
            elif width == 2:
                strip2(m, k, arena + code[3], a_row, a_k, b, b_k, c, c_row, alpha, beta, last)
            else:
                strip3(m, k, arena + code[3], a_row, a_k, b, b_k, c, c_row, alpha, beta, last)
            j += width

    def dots(arena: Any, code: Any, constants: Any) -> None:
        m, n, k = code[0], code[1], code[2]
        alpha, beta = factor(arena, code, constants, 12), factor(arena, code, constants, 14)
        a_row, b_column, c_row, c_column = code[6] * item, code[9] * item, code[10] * item, code[11] * item
        i = 0
        while i < m:
            a, c = arena + code[3] + i * a_row, arena + code[5] + i * c_row
            if m - i >= 4:
                band4(n, k, a, a_row, arena + code[4], b_column, c, c_row, c_column, alpha, beta)
                i += 4
            else:
                band1(n, k, a, a_row, arena + code[4], b_column, c, c_row, c_column, alpha, beta)
                i += 1

    factor = factor_of(real)
    strip1, strip2, strip3 = _strip(1), _strip(2), _strip(3)
    band1, band4 = _band(1), _band(4)
    return rows if form == "rows" else dots


def _strip(vectors: int) -> Any:
    """All rows of C, some vectors wide."""

    @inlined
    def strip(m: Any, k: Any, a: Any, a_row: Any, a_k: Any, b: Any, b_k: Any, c: Any, c_row: Any,
              alpha: Any, beta: Any, last: Any) -> None:  # fmt: skip
        i = 0
        while i + ROWS <= m:
            rows_block(k, a + i * a_row, a_row, a_k, b, b_k, c + i * c_row, c_row, alpha, beta, last, ROWS, vectors)
            i += ROWS
        while i + 2 <= m:
            rows_block(k, a + i * a_row, a_row, a_k, b, b_k, c + i * c_row, c_row, alpha, beta, last, 2, vectors)
            i += 2
        if i < m:
            rows_block(k, a + i * a_row, a_row, a_k, b, b_k, c + i * c_row, c_row, alpha, beta, last, 1, vectors)

    return strip


def _band(rows: int) -> Any:
    """All columns of C, some rows high, by dot products."""

    @inlined
    def band(n: Any, k: Any, a: Any, a_row: Any, b: Any, b_column: Any, c: Any, c_row: Any, c_column: Any,
             alpha: Any, beta: Any) -> None:  # fmt: skip
        j = 0
        while j + 4 <= n:
            dots_block(k, a, a_row, b + j * b_column, b_column, c + j * c_column, c_row, c_column, alpha, beta, rows, 4)
            j += 4
        while j < n:
            dots_block(k, a, a_row, b + j * b_column, b_column, c + j * c_column, c_row, c_column, alpha, beta, rows, 1)
            j += 1

    return band


def transpose(dtype: str) -> Any:
    """[rows, columns, source, target, stride of a source row, of a target row]: both contiguous along their rows."""
    real = CODES[dtype]
    item, wide = real.bitwidth // 8, lanes(real.bitwidth)

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, n, a_row, c_row = code[0], code[1], code[4] * item, code[5] * item
        for i in range(0, m, wide):
            for j in range(0, n, wide):
                a = arena + code[2] + i * a_row + j * item
                c = arena + code[3] + j * c_row + i * item
                transpose_block(a, a_row, c, c_row, m - i, n - j, real)

    return kernel


def softmax(dtype: str) -> Any:
    """[rows, k, source, target, logarithm?]: along contiguous rows.  e^(x − max) / Σ, without overflow."""
    real = CODES[dtype]
    item = real.bitwidth // 8
    exp, log = functions(dtype)["exp"], functions(dtype)["log"]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k = code[0], code[1]
        for i in range(m):
            x, y = arena + code[2] + i * k * item, arena + code[3] + i * k * item
            shift(x, y, k)
            total = real(0.0)
            if code[4] == 0:
                for j in range(k):
                    put(y, j, exp(load(y, j, real, 1)), 1)
                for j in range(k):
                    total = plus(total, load(y, j, real, 1))
                for j in range(k):
                    put(y, j, load(y, j, real, 1) / total, 1)
            else:
                for j in range(k):
                    total = plus(total, exp(load(y, j, real, 1)))
                total = log(total)
                for j in range(k):
                    put(y, j, load(y, j, real, 1) - total, 1)

    shift = _shift(real)
    return kernel


def _shift(real: Any) -> Any:
    @inlined
    def shift(x: Any, y: Any, k: Any) -> None:
        """y ← x − max x; all NaN when there is one.  Not indexed as arrays: a check for j < 0 is not vectorised."""
        top = load(x, 0, real, 0)
        for j in range(1, k):
            top = maximum(top, load(x, j, real, 0))
        for j in range(k):
            put(y, j, load(x, j, real, 0) - top, 1)

    return shift


def cross_entropy(dtype: str, labels: str) -> Any:
    """Softmax cross-entropy of class numbers, the loss and its gradient in one pass over the rows.

    [rows, k, logits, class numbers, loss, place for (softmax − onehot)·share, index of the loss's factor among the
     constants, offset of share or −1 when the gradient is not wanted].  Contiguous rows.
    A class number out of range raises the stop flag with value 2.
    """
    real, whole = CODES[dtype], CODES[labels]
    item = real.bitwidth // 8
    exp, log = functions(dtype)["exp"], functions(dtype)["log"]
    shift = _shift(real)

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k, out = code[0], code[1], arena + code[5]
        loss = 0.0
        for i in range(m):
            t = int64(load(arena + code[3], i, whole, 2))
            if t < 0 or t >= k:
                view(arena, 2, int64)[STOP] = 2
                return
            shift(arena + code[2] + i * k * item, out + i * k * item, k)
            loss -= load(out, i * k + t, real, 1)
        for j in range(m * k):
            put(out, j, exp(load(out, j, real, 1)), 1)
        share = real(0.0)
        if code[7] >= 0:
            share = view(arena + code[7], 1, real)[0]
        for i in range(m):
            y, t = out + i * k * item, int64(load(arena + code[3], i, whole, 2))
            total = real(0.0)
            for j in range(k):
                total = plus(total, load(y, j, real, 1))
            loss += log(total)
            if code[7] >= 0:
                scale = share / total
                hit = (load(y, t, real, 1) / total - real(1.0)) * share
                for j in range(k):
                    put(y, j, load(y, j, real, 1) * scale, 1)
                put(y, t, hit, 1)
        view(arena + code[4], 1, real)[0] = real(loss * constants[code[6]])

    return kernel


def argmax(dtype: str, smallest: int) -> Any:
    """[rows, k, source, target, stride of a row, of an element]: where the first largest is; the first NaN if any."""
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k, by_row, by_element = code[0], code[1], code[4], code[5]
        x = view(arena + code[2], (m - 1) * by_row + (k - 1) * by_element + 1, real)
        y = view(arena + code[3], m, int64)
        for i in range(m):
            best, place = x[i * by_row], 0
            for j in range(1, k):
                candidate = x[i * by_row + j * by_element]
                better = candidate < best if smallest else candidate > best
                if better or (isnan(candidate) and not isnan(best)):
                    best, place = candidate, j
            y[i] = place

    return kernel


def one_hot(labels: str, dtype: str) -> Any:
    """[count, k, source, target]: a class number out of range raises the stop flag with value 2."""
    whole, real = CODES[labels], CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k = code[0], code[1]
        t, y = view(arena + code[2], m, whole), view(arena + code[3], m * k, real)
        for i in range(m):
            if t[i] < 0 or t[i] >= k:
                view(arena, 2, int64)[STOP] = 2
                return
            for j in range(k):
                y[i * k + j] = real(t[i] == j)

    return kernel


FACTORIES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        drive,
        help,
        gather,
        fetch,
        record,
        copy,
        finite,
        gemm,
        product,
        tiled,
        transpose,
        softmax,
        cross_entropy,
        argmax,
        one_hot,
        uniform,
        within,
        place,
        take,
        add_back,
        pick,
        running,
    )
}
