"""Terms → tasks: what moves elements becomes a view, what computes becomes a loop, a product or a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product as cartesian
from math import prod
from typing import Any

import numpy as np

from denpa.arrays import Shape
from denpa.engine.accumulate import Accumulation, accumulations
from denpa.engine.terms import Term, in_order, users
from denpa.engine.values import Statement, Store, Task, Value, View, full, name_of, reshaped

FLOATS = ("float32", "float64")
DTYPES = (*FLOATS, "int64", "int32", "bool", "uint8", "uint64")
OWN = 1 << 22  # multiply-adds of a product up to which our own kernels are faster than BLAS
LONG = 256  # terms of a dot product from which on it is worth its horizontal sum
MAX_BATCH = 1 << 12  # products of one batched matmul; more go to the fallback

# -Σ [t log σ(x) + (1 − t) log σ(−x)] as |x|·c + log1p(e^−|x|): see ops.losses.sigmoid_cross_entropy.
_C = "(1.0 - y if x > 0.0 else y)"
BINARY = f"(0.0 if {_C} == 0.0 and abs(x) == inf else abs(x) * {_C}) + log1p(exp(-abs(x)))"
ENTROPY = "0.0 if x == 0.0 and y == -inf else x * y"  # 0 · log 0 is 0: an excluded class costs nothing


class Lowering:
    """The tasks for some outputs, in an order in which each reads what was written before.

    transposed: shapes whose values are laid out with the first axis contiguous (samples, in small networks).
    """

    def __init__(
        self, outputs: Mapping[str, Term], state: Sequence[Term], transposed: Callable[[Shape], bool] = lambda _: False
    ) -> None:
        self.tasks: list[Task] = []
        self.env: dict[Term, View] = {}
        self.fallbacks: list[str] = []
        self.turned: dict[View, View] = {}
        self.transposed = transposed
        self.users = users(outputs.values())
        for root in outputs.values():
            self.users[root].append(root)  # an output is read by the caller
        self.accumulations, skipped = accumulations(self.users, set(state))
        self.losses, inside = _loss_gradients(self.users)
        skipped |= inside
        for term in in_order(outputs.values()):
            if term not in skipped:
                self.lower(term)
        self.outputs = {name: self.env[term] for name, term in outputs.items()}

    # -- values and tasks ----------------------------------------------------------------------------------------------
    def value(self, shape: Shape, dtype: Any, term: Term | None = None, row_major: bool = False) -> Value:
        order = (1, 0) if not row_major and self.transposed(tuple(shape)) else None
        node = term.node if term is not None else None
        return Value(shape, dtype, order=order, node=node, name=node.name if node is not None else None)

    def view(self, term: Term) -> View:
        return self.env[term]

    def add(self, kind: str, reads: Sequence[View], writes: Sequence[View], term: Term | None, **info: Any) -> Task:
        flops = info.pop("flops", 0)
        task = Task(kind, list(reads), list(writes), term.node if term is not None else None, flops, info)
        self.tasks.append(task)
        return task

    def loop(
        self, name: str, text: str, reads: Sequence[View], shape: Shape, dtype: Any, *, term: Term | None = None,
        params: Mapping[str, Any] | None = None, reduce: str | None = None, out: View | None = None,
        compute: str | None = None,
    ) -> View:  # fmt: skip
        """One statement over `shape`; reduce: over the axes where `out` has stride 0."""
        dtype = np.dtype(dtype)
        reads = [r.broadcast(shape) for r in reads]
        given = tuple(sorted((params or {}).items()))
        statement = Statement(
            name, text, tuple(range(len(reads))), given, compute or _compute(dtype, reads), name_of(dtype)
        )
        target = full(self.value(shape, dtype, term)) if out is None else out
        self.add(
            "loop", reads, [target], term, shape=tuple(shape), body=[statement], stores=[Store(0, reduce)],
            title=name, flops=prod(shape),
        )  # fmt: skip
        return target

    def rows(self, view: View) -> View:
        """The view, or a copy of it, contiguous in C order."""
        if view.contiguous():
            return view
        out = full(self.value(view.shape, view.dtype, row_major=True))
        return self.loop("copy", "x", [view], view.shape, view.dtype, out=out)

    def cast(self, view: View, dtype: Any) -> View:
        return view if view.dtype == np.dtype(dtype) else self.loop("cast", "x", [view], view.shape, dtype)

    # -- one term ------------------------------------------------------------------------------------------------------
    def lower(self, term: Term) -> None:
        if term in self.env:
            return
        if term in self.losses:
            self.lower(self.losses[term])  # leaves the gradient behind
        elif term.op is None:
            kind = "constant" if term.data is not None else "input"
            order = (1, 0) if kind == "input" and self.transposed(term.shape) else None
            value = Value(term.shape, term.dtype, kind, name=term.name, data=term.data, order=order, node=term.node)
            self.env[term] = full(value)
        elif term in self.accumulations:
            self.env[term] = self._accumulate(term, self.accumulations[term])
        else:
            views = [self.env[a] for a in term.inputs if a in self.env]
            self.env[term] = self._operation(term, views)

    def _operation(self, term: Term, views: list[View]) -> View:
        name = term.kind
        rule = RULES.get(name)
        supported = all(name_of(t.dtype) in DTYPES for t in (term, *term.inputs))
        reason = None if supported else f"dtype {term.dtype}"
        if supported and rule is not None:
            found = rule(self, term, views)
            if isinstance(found, View):
                return found
            reason = found
        elif supported and term.op is not None and term.op.scalar is not None:
            return self.loop(name, term.op.scalar, views, term.shape, term.dtype, term=term, params=term.params)
        return self.fallback(term, views, reason or "no kernel")

    def fallback(self, term: Term, views: list[View], reason: str) -> View:
        """The primitive's own evaluation, called from the native loop; listed with its reason."""
        self.fallbacks.append(f"{term.kind} {_shapes(term)}: {reason}")
        out = full(self.value(term.shape, term.dtype, term, row_major=True))
        self.add("call", views, [out], term, title=term.kind, op=term.op, params=dict(term.params))
        return out

    # -- products ------------------------------------------------------------------------------------------------------
    def product(
        self, a: View, b: View, out: View, term: Term | None, alpha: tuple[float, View | None] = (1.0, None),
        beta: tuple[float, View | None] = (0.0, None), base: View | None = None,
    ) -> None:  # fmt: skip
        """out ← α·a·b + β·base for matrices; base has the place of out, or is copied there by the planner."""
        a, b = self._steps(a), self._steps(b)
        m, k, n = *a.shape, b.shape[1]
        if m >= 8 and 1 < k < LONG and m * n * k <= OWN and b.strides[1] != 1 and out.strides[1] == 1 < n:
            b = self._turned(b)
        reads = [a, b, *([base] if base is not None else []), *[v for _, v in (alpha, beta) if v is not None]]
        self.add(
            "matmul", reads, [out], term, alpha=alpha, beta=beta, a=a, b=b, base=base, flops=2 * m * n * k,
            title=f"{m}×{k}·{k}×{n}",
        )  # fmt: skip

    def _steps(self, view: View) -> View:
        """The view, or a copy, with rows or columns contiguous and the other stride positive, as products read."""
        (m, n), (r, c) = view.shape, view.strides
        if ((c == 1 or n <= 1) and (r >= n or m <= 1)) or ((r == 1 or m <= 1) and (c >= m or n <= 1)):
            return view
        out = full(self.value(view.shape, view.dtype, row_major=True))
        return self.loop("copy", "x", [view], view.shape, view.dtype, out=out)

    def _turned(self, view: View) -> View:
        """A copy of a matrix with its rows contiguous: short dot products cost more than turning the weights once."""
        if view not in self.turned:
            out = full(self.value(view.shape, view.dtype, row_major=True))
            self.add("transpose", [view], [out], None, title="transpose")
            self.turned[view] = out
        return self.turned[view]

    def _accumulate(self, term: Term, found: Accumulation) -> View:
        a, b, base = self.env[found.a], self.env[found.b], self.env[found.base]
        if found.transposed:
            a, b = _flipped(b), _flipped(a)
        out = full(Value(term.shape, term.dtype, order=base.value.order, node=term.node))
        alpha, beta = self._scalar(found.alpha, term), self._scalar(found.beta, term)
        self.product(a, b, out, term, alpha, beta, base)
        return out

    def _scalar(self, factors: tuple[float, list[Term]], term: Term) -> tuple[float, View | None]:
        number, terms = factors
        known = [t for t in terms if t.data is not None]
        for t in known:
            number *= float(t.data)  # type: ignore[arg-type]
        views = [self.env[t] for t in terms if t.data is None]
        while len(views) > 1:
            views[:2] = [self.loop("multiply", "x * y", views[:2], (), term.dtype)]
        return number, views[0] if views else None


def _flipped(view: View) -> View:
    return View(view.value, view.shape[::-1], view.strides[::-1], view.offset)


def _compute(dtype: np.dtype[Any], reads: Sequence[View]) -> str:
    """The dtype an operation is computed in: its result's, or for comparisons what its operands promote to."""
    if dtype != np.bool_:
        return name_of(dtype)
    common = np.result_type(*[r.dtype for r in reads]) if reads else dtype
    return "int64" if common.kind in "bi" else name_of(common)


def _shapes(term: Term) -> str:
    return ", ".join(f"{a.dtype}{list(a.shape)}" for a in term.inputs) + f" → {term.dtype}{list(term.shape)}"


# -- rules: (lowering, term, views of the operands) → the result's view, or why there is none
Rule = Callable[[Lowering, Term, list[View]], View | str]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def declare(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        return f

    return declare


@rule("permute_dims", "matrix_transpose", "broadcast_to", "flip")
def _moved(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    return _as_numpy(views[0], lambda x: term.op.evaluate(np, x, **term.params))  # type: ignore[union-attr]


@rule("getitem")
def _indexed(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    template = term.params["template"]
    if len(views) > 1:
        from denpa.engine.moving import taken

        return taken(lowering, term, views)
    if Ellipsis not in template:
        template = (*template, Ellipsis)  # so that one element stays a view too
    return _as_numpy(views[0], lambda x: x[template])


def _as_numpy(view: View, move: Callable[[Any], Any]) -> View:
    """Let NumPy work out strides and offset, on an array of bytes that nobody reads."""
    memory = np.empty(1, np.uint8)
    dummy = np.lib.stride_tricks.as_strided(memory, view.shape, view.strides, writeable=False)
    moved = move(dummy)
    if not isinstance(moved, np.ndarray):  # NumPy makes a scalar of one element: of shape (), so it was that before
        return view
    shift = moved.__array_interface__["data"][0] - memory.__array_interface__["data"][0] if moved.size else 0
    return View(view.value, tuple(moved.shape), tuple(moved.strides), view.offset + shift)


@rule("reshape")
def _reshape(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    found = reshaped(views[0], term.shape)
    if found is None:
        found = reshaped(lowering.rows(views[0]), term.shape)
    assert found is not None  # rows are contiguous
    return found


@rule("sum", "max", "min", "prod", "sum_to")
def _reduce(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x = views[0]
    if term.dtype.kind == "b" or (term.kind in ("max", "min") and (term.dtype.kind != "f" or x.size == 0)):
        return "no kernel for this dtype"
    out = full(lowering.value(term.shape, term.dtype, term))
    axes = _reduced_axes(term, x)
    if term.kind == "sum_to":
        target = View(out.value, x.shape, out.broadcast(x.shape).strides)
    else:
        it = iter(out.strides)
        strides = [0 if i in axes else next(it) for i in range(len(x.shape))]
        if term.params.get("keepdims"):
            strides = [0 if i in axes else s for i, s in enumerate(out.strides)]
        target = View(out.value, x.shape, tuple(strides))
    how = "sum" if term.kind == "sum_to" else term.kind
    lowering.loop(term.kind, "x", [x], x.shape, term.dtype, term=term, reduce=how, out=target)
    return out


def _reduced_axes(term: Term, x: View) -> set[int]:
    axis = term.params.get("axis")
    if axis is None:
        return set(range(len(x.shape)))
    return {a % len(x.shape) for a in ((axis,) if isinstance(axis, int) else axis)}


@rule("astype_discrete")
def _discrete(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    return lowering.loop("cast", "x", views, term.shape, term.dtype, term=term, compute=views[0].dtype.name)


@rule("matmul")
def _matmul(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    if term.dtype.name not in FLOATS:
        return "a product of integers"
    a, b = (lowering.cast(v, term.dtype) for v in views)
    out = full(lowering.value(term.shape, term.dtype, term))
    target = out
    if len(a.shape) == 1:
        a = _with_axis(a, 0)
        target = _with_axis(target, len(target.shape) - (len(b.shape) > 1))
    if len(b.shape) == 1:
        b = _with_axis(b, 1)
        target = _with_axis(target, len(target.shape))
    if len(target.shape) == 2:
        lowering.product(a, b, target, term)
        return out
    batch = target.shape[:-2]
    if len(b.shape) == 2:
        rows = (prod(batch) * a.shape[-2], a.shape[-1])
        flat = reshaped(a, rows) or reshaped(lowering.rows(a), rows)
        whole = reshaped(target, (rows[0], target.shape[-1]))
        if flat is not None and whole is not None:
            lowering.product(flat, b, whole, term)
            return out
    if prod(batch) > MAX_BATCH:
        return f"a batch of {prod(batch)} products"
    a, b = a.broadcast((*batch, *a.shape[-2:])), b.broadcast((*batch, *b.shape[-2:]))
    for index in cartesian(*map(range, batch)):
        lowering.product(_at(a, index), _at(b, index), _at(target, index), term)
    return out


def _with_axis(view: View, axis: int) -> View:
    """An axis of length 1 put in."""
    shape, strides = list(view.shape), list(view.strides)
    shape.insert(axis, 1)
    strides.insert(axis, 0)
    return View(view.value, tuple(shape), tuple(strides), view.offset)


def _at(view: View, index: tuple[int, ...]) -> View:
    n = len(index)
    offset = view.offset + sum(i * s for i, s in zip(index, view.strides, strict=False))
    return View(view.value, view.shape[n:], view.strides[n:], offset)


@rule("softmax", "log_softmax")
def _softmax(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    if term.dtype.name not in FLOATS or not term.shape:
        return "no kernel for this dtype or shape"
    axis = term.params["axis"] % len(term.shape)
    order = [*[i for i in range(len(term.shape)) if i != axis], axis]
    x = lowering.rows(_as_numpy(views[0], lambda a: a.transpose(order)))
    out = full(lowering.value(x.shape, term.dtype, term, row_major=True))
    lowering.add("softmax", [x], [out], term, title=term.kind, logarithm=term.kind == "log_softmax", flops=5 * x.size)
    return _as_numpy(out, lambda a: a.transpose(np.argsort(order)))


@rule("one_hot")
def _one_hot(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    out = full(lowering.value(term.shape, term.dtype, term, row_major=True))
    lowering.add("one_hot", [lowering.rows(views[0])], [out], term, title="one-hot")
    return out


@rule("argmax", "argmin")
def _argmax(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x, axis = views[0], term.params["axis"]
    if axis is None:
        x, axis = reshaped(lowering.rows(x), (x.size,)) or x, 0
    if len(x.shape) > 2 or x.size == 0:
        return "more than two axes"
    axis %= len(x.shape)
    if len(x.shape) == 1:
        x, axis = View(x.value, (1, *x.shape), (0, *x.strides), x.offset), 1
    if axis == 0:
        x = _flipped(x)
    out = full(lowering.value(term.shape, term.dtype, term, row_major=True))
    lowering.add("argmax", [x], [out], term, title=term.kind, smallest=term.kind == "argmin", flops=x.size)
    return out


@rule("softmax_cross_entropy")
def _cross_entropy(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x, t = views
    reduction = term.params["reduction"]
    if x.dtype.name not in FLOATS:
        return "no kernel for this dtype"
    if x.size == 0:  # no rows: the sum is 0, and there is no loss of each (their mean is an error when recorded)
        return full(Value(term.shape, term.dtype, "constant", data=np.zeros(term.shape, term.dtype)))
    m = prod(x.shape[:-1])
    if len(t.shape) == len(x.shape):
        return _soft_targets(lowering, term, x, t)
    if t.dtype.name not in ("int64", "int32"):
        return f"class numbers of dtype {t.dtype}"
    if reduction == "none":
        return _each_loss(lowering, term, lowering.rows(x), lowering.rows(t))
    loss = full(lowering.value((), term.dtype, term))
    after = next((g for g, of in lowering.losses.items() if of is term), None)
    scratch = full(lowering.value(x.shape, x.dtype, after, row_major=True))
    reads, share = [lowering.rows(x), lowering.rows(t)], None
    if after is not None:
        lowering.env[after] = scratch
        share = _share_of(after)
        lowering.lower(share)
        reads.append(lowering.env[share])
    lowering.add(
        "cross_entropy", reads, [loss, scratch], term, title="softmax + CE", gradient=after is not None,
        factor=1.0 / m if reduction == "mean" else 1.0, flops=8 * x.size,
    )  # fmt: skip
    return loss


def _each_loss(lowering: Lowering, term: Term, x: View, t: View) -> View:
    """One loss for each sample: −log softmax at its class."""
    logs = full(lowering.value(x.shape, x.dtype, row_major=True))
    lowering.add("softmax", [x], [logs], term, title="log_softmax", logarithm=True, flops=5 * x.size)
    out = full(lowering.value(term.shape, term.dtype, term, row_major=True))
    lowering.add("pick", [logs, t], [out], term, title="class's log")
    return out


def _require(lowering: Lowering, targets: View, low: float, high: float) -> None:
    """A check that the targets lie there; the loop stops where they do not, and the reference engine says why."""
    if targets.dtype.kind != "b" and targets.size:
        lowering.add("within", [lowering.rows(targets)], [], None, title=f"{low:g} … {high:g}?", ends=(low, high))


def _soft_targets(lowering: Lowering, term: Term, x: View, t: View) -> View | str:
    """Targets that are probabilities: −Σ t log softmax."""
    reduction, x = term.params["reduction"], lowering.rows(x)
    if t.dtype.kind in "iu":
        _require(lowering, t, 0, 1)
    logs = full(lowering.value(x.shape, x.dtype, row_major=True))
    lowering.add("softmax", [x], [logs], term, title="log_softmax", logarithm=True, flops=5 * x.size)
    out = full(lowering.value(term.shape, term.dtype, term))
    strides = (*out.strides, 0) if reduction == "none" else (0,) * len(x.shape)
    total = out if reduction == "none" else full(lowering.value((), term.dtype))
    lowering.loop(
        "entropy", ENTROPY, [lowering.cast(t, term.dtype), logs], x.shape, term.dtype, term=term, reduce="sum",
        out=View(total.value, x.shape, strides),
    )  # fmt: skip
    if reduction == "none":
        return lowering.loop("negative", "-x", [out], term.shape, term.dtype, term=term)
    count = prod(x.shape[:-1]) if reduction == "mean" else 1
    return lowering.loop("mean", "-x / n", [total], (), term.dtype, term=term, params={"n": float(count)})


@rule("sigmoid_cross_entropy")
def _binary(lowering: Lowering, term: Term, views: list[View]) -> View | str:
    x, t = views[0], lowering.cast(views[1], term.dtype)
    if term.dtype.name not in FLOATS or x.dtype != term.dtype:
        return "no kernel for this dtype"
    _require(lowering, views[1], *((-0.05, 1.05) if views[1].dtype.kind == "f" else (0, 1)))
    each = term.params["reduction"] == "none"
    out = full(lowering.value(x.shape[:1] if each else (), term.dtype))
    strides = (*out.strides, *[0] * (len(x.shape) - 1)) if each else (0,) * len(x.shape)
    lowering.loop("binary CE", BINARY, [x, t], x.shape, term.dtype, term=term, reduce="sum",
                  out=View(out.value, x.shape, strides))  # fmt: skip
    count = float(x.shape[0]) if term.params["reduction"] == "mean" and x.shape else 1.0
    return out if count == 1 else lowering.loop("mean", "x / n", [out], (), term.dtype, term=term, params={"n": count})


def _share_of(gradient: Term) -> Term:
    """The scalar that (softmax − onehot) is multiplied by."""
    return next(a for a in gradient.inputs if a.kind != "subtract")


def _loss_gradients(found: Mapping[Term, list[Term]]) -> tuple[dict[Term, Term], set[Term]]:
    """(softmax(x) − onehot(t))·share → the cross-entropy that computes it on the way; what then is not needed."""
    losses = {term.inputs: term for term in found if term.kind == "softmax_cross_entropy"}
    gradients: dict[Term, Term] = {}
    skipped: set[Term] = set()
    for term in found:
        if term.kind != "multiply" or not losses:
            continue
        for difference, share in (term.inputs, term.inputs[::-1]):
            if difference.kind != "subtract" or share.data is None or share.shape != () or share.dtype != term.dtype:
                continue
            p, hot = difference.inputs
            if p.kind != "softmax" or hot.kind != "one_hot" or p.params["axis"] not in (-1, len(p.shape) - 1):
                continue
            loss = losses.get((p.inputs[0], hot.inputs[0])) if p.size else None
            once = all(len(found[t]) == 1 for t in (difference, p, hot))
            if loss is None or not once or loss in gradients.values() or loss.params["reduction"] == "none":
                continue
            if hot.inputs[0].dtype.name in ("int64", "int32") and p.dtype.name in FLOATS:
                gradients[term] = loss
                skipped |= {difference, p, hot}
                break
    return gradients, skipped
