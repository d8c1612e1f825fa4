"""Products in tiles: right for every size and layout, and nothing but the product's own elements is written."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.engine.native.test_threads import result, training

from denpa.engine.native import encode
from denpa.engine.native.build import Kernel, address
from denpa.engine.native.program import NativeProgram

# a tile has 8 rows × 48 columns (float32), k is packed 512 at a time, 512 rows pass over a strip
SIZES = [(3, 1, 7), (8, 48, 16), (9, 64, 520), (13, 50, 33), (17, 97, 1000), (8, 33, 31), (600, 70, 1100)]
EDGE = 64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_give_the_product_and_write_nothing_else(size: tuple[int, int, int], dtype: str) -> None:
    m, n, k = size
    rng = np.random.default_rng(0)
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address(Kernel("tiled", (dtype,))))
    constants = np.array([-0.5, 0.0, 0.25])
    for a_turned, b_turned, beta in [(x, y, z) for x in (False, True) for y in (False, True) for z in (1, 2)]:
        a = rng.standard_normal((m, k)).astype(dtype, order="F" if a_turned else "C")
        b = rng.standard_normal((k, n)).astype(dtype, order="F" if b_turned else "C")
        wide = rng.standard_normal((m + 2, n + 2 * EDGE)).astype(dtype)
        c = wide[1:-1, EDGE:-EDGE]
        before, old = wide.copy(), c.astype(np.float64)
        if constants[beta] == 0:
            c[...] = np.nan  # as in BLAS: what is not wanted is not read
        strides = [s // a.itemsize for s in (*a.strides, *b.strides, *c.strides)]
        places = [a.ctypes.data, b.ctypes.data, c.ctypes.data]
        code = np.array([m, n, k, *places, *strides, 0, -1, beta, -1], np.int64)
        run(0, code.ctypes.data, constants.ctypes.data)
        expected = -0.5 * (a.astype(np.float64) @ b.astype(np.float64)) + constants[beta] * old
        unit = np.finfo(dtype).eps * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + np.abs(old))
        assert (np.abs(c - expected) <= np.sqrt(k + 4) * unit).all()
        before[1:-1, EDGE:-EDGE] = c
        np.testing.assert_array_equal(wide, before)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_in_tiles_agrees_with_blas(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(encode, "OWN", 0)
    found = []
    for tiles in (True, False):
        monkeypatch.setattr(encode, "wide_vectors", lambda tiles=tiles: tiles)
        made = training("sgd")
        names = {k.name for k, _ in _kernels(made[0])}
        assert ("tiled" in names) == tiles
        assert "gemm" in names  # narrow ones, in both
        found.append(np.frombuffer(result(threads, made)[0]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-11, atol=1e-13)


def _kernels(step: object) -> list[tuple[Kernel, list[int]]]:
    encoder = encode.Encoder()
    plan = NativeProgram(step, 1).plan  # type: ignore[arg-type]
    return [instruction for task in plan.tasks for instruction in encoder.encode(task)]
