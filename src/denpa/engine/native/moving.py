"""Kernels that place, take and add elements, and the checks of data that stop the loop.

Offsets are bytes from the arena's start, strides are elements.  The stop flag's value 2 means: data out of range; the
reference engine then says which.
"""

from __future__ import annotations

from typing import Any

from denpa.engine.native.intrinsics import CODES, advance, inlined, int64, select, view

STOP, BAD = 1, 2  # place of the stop flag in the header; its value for data out of range


def within(dtype: str) -> Any:
    """[source, count, index of the lowest and of the largest legal value among the constants]: contiguous elements.

    As NumPy's min and max compare: beside a NaN nothing is out of range.
    """
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        x, low, high = view(arena + code[0], code[1], real), constants[code[2]], constants[code[3]]
        outside, nan = int64(0), int64(0)
        for i in range(code[1]):
            outside |= int64(x[i] < low) | int64(x[i] > high)
            nan |= int64(x[i] != x[i])
        if outside != 0 and nan == 0:
            view(arena, 2, int64)[STOP] = BAD

    return kernel


def place(dtype: str) -> Any:
    """[target, count, index of the constant that fills it, source, first place inside, elements, axes, then for each
    axis its length, stride in the source, stride in the target]."""
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        y = view(arena + code[0], code[1], real)
        value = real(constants[code[2]])
        for i in range(code[1]):
            y[i] = value
        for i in range(code[5]):
            source, target, left = int64(0), code[4], i
            for axis in range(code[6] - 1, -1, -1):
                at = advance(code, 7 + 3 * axis)
                j = left % at[0]
                left //= at[0]
                source += j * at[1]
                target += j * at[2]
            y[target] = view(arena + code[3] + source * item, 1, real)[0]

    item = real.bitwidth // 8
    return kernel


def _position() -> Any:
    @inlined
    def position(arena: Any, code: Any, i: Any) -> Any:
        """Which row the index arrays name at place i; −1 when one is out of range."""
        row, good = int64(0), True
        for axis in range(code[4]):
            n = code[5 + 2 * axis]
            j = view(arena + code[6 + 2 * axis] + i * 8, 1, int64)[0]
            good &= (j >= -n) & (j < n)
            row = row * n + select(j < 0, j + n, j)
        return select(good, row, int64(-1))

    return position


def take(dtype: str) -> Any:
    """[source, target, count, width, axes, then for each axis its length and its index array, int64]: rows that index
    arrays name, one after the other.  Negative numbers count from the end."""
    real, position = CODES[dtype], _position()

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        width = code[3]
        for i in range(code[2]):
            row = position(arena, code, i)
            if row < 0:
                view(arena, 2, int64)[STOP] = BAD
                return
            x = view(arena + code[0] + row * width * item, width, real)
            y = view(arena + code[1] + i * width * item, width, real)
            for j in range(width):
                y[j] = x[j]

    item = real.bitwidth // 8
    return kernel


def add_back(dtype: str) -> Any:
    """[source, target, count, width, axes, … as `take`, then the target's elements]: zeros with rows added to them."""
    real, position = CODES[dtype], _position()

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        width, size = code[3], code[5 + 2 * code[4]]
        target = view(arena + code[1], size, real)
        for i in range(size):
            target[i] = real(0)
        for i in range(code[2]):
            row = position(arena, code, i)
            if row < 0:
                view(arena, 2, int64)[STOP] = BAD
                return
            x = view(arena + code[0] + i * width * item, width, real)
            y = view(arena + code[1] + row * width * item, width, real)
            for j in range(width):
                y[j] += x[j]

    item = real.bitwidth // 8
    return kernel


def pick(dtype: str, labels: str) -> Any:
    """[rows, k, source, class numbers, target]: minus the element of each row that the class number names."""
    real, whole = CODES[dtype], CODES[labels]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k = code[0], code[1]
        x, t, y = view(arena + code[2], m * k, real), view(arena + code[3], m, whole), view(arena + code[4], m, real)
        for i in range(m):
            if t[i] < 0 or t[i] >= k:
                view(arena, 2, int64)[STOP] = BAD
                return
            y[i] = -x[i * k + t[i]]

    return kernel


def running(dtype: str) -> Any:
    """[rows, k, source, target]: the sums up to each element of contiguous rows."""
    real = CODES[dtype]

    def kernel(arena: Any, code: Any, constants: Any) -> None:
        m, k = code[0], code[1]
        x, y = view(arena + code[2], m * k, real), view(arena + code[3], m * k, real)
        for i in range(m):
            total = real(0)
            for j in range(i * k, i * k + k):
                total += x[j]
                y[j] = total

    return kernel
