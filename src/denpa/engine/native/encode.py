"""Tasks → instructions: which kernel, and the numbers it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from denpa.engine.lower import OWN
from denpa.engine.native.blas import gemm_address
from denpa.engine.native.build import Kernel, wide_vectors
from denpa.engine.native.generate import Generator, address
from denpa.engine.values import Task, View


@dataclass
class Encoder:
    """The constants that instructions refer to by number, the functions that are called back, and checked loops.

    checked: loops compare each of their indices with the bounds of its value.
    """

    checked: bool = False
    constants: list[float] = field(default_factory=list)
    calls: list[Task] = field(default_factory=list)
    loops: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def constant(self, value: float) -> int:
        if value not in self.constants:
            self.constants.append(value)
        return self.constants.index(value)

    def scalar(self, factor: tuple[float, View | None]) -> tuple[int, int]:
        """α or β: the number of its constant, and the place of the scalar it is multiplied by, −1 for none."""
        number, view = factor
        return self.constant(number), -1 if view is None else at(view)

    def encode(self, task: Task) -> list[tuple[Kernel, list[int]]]:
        """The task's instructions: one, or two where a copy goes before it."""
        return RULES[task.kind](self, task)


def at(view: View) -> int:
    """Where the view starts, in bytes from the arena's start."""
    return address(view)[0]


def _loop(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    if encoder.checked:
        encoder.loops.append(task)
    made = Generator(task, checked=len(encoder.loops))
    return [(made.kernel, made.numbers)]


def _matmul(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    a: View = task.info["a"]
    b: View = task.info["b"]
    c, base = task.writes[0], task.info["base"]
    before = []
    if base is not None and at(base) != at(c):
        before.append((Kernel("copy"), [at(base), at(c), c.size * c.dtype.itemsize]))
    scalars = [encoder.scalar(task.info[name]) for name in ("alpha", "beta")]
    dtype = c.dtype.name
    m, k, n = *a.shape, b.shape[1]
    blas = gemm_address(dtype)
    work = m * n * k
    high, long = (m, n) if _unit(c, 1) else (n, m)
    tiles = work > OWN and wide_vectors() and high >= 8 and long >= 32  # a tile's rows, most of its columns
    if not blas and not tiles and work > OWN:
        encoder.notes.append(f"matmul {m}×{k}·{k}×{n}: plain loops, no BLAS with 64-bit integers was found")
    if not _unit(c, 1):  # cᵀ = bᵀ aᵀ
        a, b, c = _transposed(b), _transposed(a), _transposed(c)
    loops = work <= OWN or not blas
    tail = [*scalars[0], *scalars[1]]
    if tiles and (_unit(b, 0) or _unit(b, 1)):
        return [*before, (Kernel("tiled", (dtype,)), _product(a, b, c, tail))]
    if loops:
        found = _plain(a, b, c, dtype, tail)
        if found is not None:
            return [*before, found]
    return [*before, _blas(blas, a, b, c, dtype, tail)]


def _unit(view: View, axis: int) -> bool:
    return view.strides[axis] == 1 or view.shape[axis] <= 1


def _transposed(view: View) -> View:
    return View(view.value, view.shape[::-1], view.strides[::-1], view.offset)


def _plain(a: View, b: View, c: View, dtype: str, tail: list[int]) -> tuple[Kernel, list[int]] | None:
    if _unit(b, 1) and _unit(c, 1) and not (a.shape[1] > 1 == b.shape[1]):
        form = "rows"
    elif _unit(a, 1) and _unit(b, 0):
        form = "dots"
    elif _unit(a, 0) and _unit(c, 0):
        a, b, c, form = _transposed(b), _transposed(a), _transposed(c), "rows"
    else:
        return None
    return Kernel("product", (dtype, form)), _product(a, b, c, tail)


def _product(a: View, b: View, c: View, tail: list[int]) -> list[int]:
    m, k, n = *a.shape, b.shape[1]
    return [m, n, k, at(a), at(b), at(c), *a.strides, *b.strides, *c.strides, *tail]


def _blas(blas: int, a: View, b: View, c: View, dtype: str, tail: list[int]) -> tuple[Kernel, list[int]]:
    m, k, n = *a.shape, b.shape[1]
    (ta, lda), (tb, ldb) = _leading(a), _leading(b)
    ldc = max(c.strides[0], n, 1)
    return Kernel("gemm", (dtype,)), [blas, ta, tb, m, n, k, lda, ldb, ldc, at(a), at(b), at(c), *tail]


def _leading(view: View) -> tuple[int, int]:
    """The transposition flag and leading dimension that BLAS reads the view with, rows first."""
    rows, columns = view.shape
    if _unit(view, 1) and (view.strides[0] >= columns or rows <= 1):
        return 111, max(view.strides[0] if rows > 1 else columns, columns, 1)
    return 112, max(view.strides[1] if columns > 1 else rows, rows, 1)


def _transpose(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    source, target = task.reads[0], task.writes[0]
    numbers = [*source.shape[::-1], at(source), at(target), source.strides[1], target.strides[0]]
    return [(Kernel("transpose", (source.dtype.name,)), numbers)]


def _softmax(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, y = task.reads[0], task.writes[0]
    k = x.shape[-1]
    return [(Kernel("softmax", (x.dtype.name,)), [x.size // max(k, 1), k, at(x), at(y), int(task.info["logarithm"])])]


def _cross_entropy(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, t = task.reads[:2]
    loss, scratch = task.writes
    k = x.shape[-1]
    share = at(task.reads[2]) if task.info["gradient"] else -1
    factor = encoder.constant(task.info["factor"])
    numbers = [x.size // k, k, at(x), at(t), at(loss), at(scratch), factor, share]
    return [(Kernel("cross_entropy", (x.dtype.name, t.dtype.name)), numbers)]


def _one_hot(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    t, y = task.reads[0], task.writes[0]
    return [(Kernel("one_hot", (t.dtype.name, y.dtype.name)), [t.size, y.shape[-1], at(t), at(y)])]


def _argmax(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, y = task.reads[0], task.writes[0]
    return [(Kernel("argmax", (x.dtype.name, int(task.info["smallest"]))), [*x.shape, at(x), at(y), *x.strides])]


def _uniform(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    y, stream = task.writes[0], task.info["stream"]
    signed = stream - (1 << 64) if stream >> 63 else stream
    return [(Kernel("uniform", (y.dtype.name,)), [at(task.reads[0]), at(y), y.size, signed])]


def _within(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, ends = task.reads[0], [encoder.constant(end) for end in task.info["ends"]]
    return [(Kernel("within", (x.dtype.name,)), [at(x), x.size, *ends])]


def _place(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, y, inside = task.reads[0], task.writes[0], task.info["inside"]
    axes = [n for axis in zip(inside.shape, x.strides, inside.strides, strict=True) for n in axis]
    filled = encoder.constant(task.info["value"])
    numbers = [at(y), y.size, filled, at(x), inside.offset, inside.size, len(inside.shape), *axes]
    return [(Kernel("place", (y.dtype.name,)), numbers)]


def _take(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    back = task.info["back"]
    x, *indices = task.reads
    y = task.writes[0]
    whole = y if back else x
    count = indices[0].size
    arrays = [n for length, index in zip(whole.shape, indices, strict=False) for n in (length, at(index))]
    numbers = [at(x), at(y), count, prod(whole.shape[len(indices) :]), len(indices), *arrays]
    name = "add_back" if back else "take"
    return [(Kernel(name, (_stored(y.dtype.name),)), [*numbers, y.size] if back else numbers)]


def _stored(dtype: str) -> str:
    return "uint8" if dtype == "bool" else dtype


def _pick(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, t = task.reads
    numbers = [t.size, x.shape[-1], at(x), at(t), at(task.writes[0])]
    return [(Kernel("pick", (x.dtype.name, t.dtype.name)), numbers)]


def _running(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    x, y = task.reads[0], task.writes[0]
    k = x.shape[-1]
    return [(Kernel("running", (x.dtype.name,)), [x.size // max(k, 1), k, at(x), at(y)])]


def _call(encoder: Encoder, task: Task) -> list[tuple[Kernel, list[int]]]:
    encoder.calls.append(task)
    return [(Kernel("call"), [len(encoder.calls) - 1])]


RULES: dict[str, Callable[[Encoder, Task], list[tuple[Kernel, list[int]]]]] = {
    "loop": _loop,
    "matmul": _matmul,
    "transpose": _transpose,
    "softmax": _softmax,
    "cross_entropy": _cross_entropy,
    "one_hot": _one_hot,
    "argmax": _argmax,
    "uniform": _uniform,
    "within": _within,
    "place": _place,
    "take": _take,
    "pick": _pick,
    "running": _running,
    "call": _call,
}
