"""Independent derivatives for the tests of primitives: the complex step, and real steps where it does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np

import denpa as dp

STEP = 1e-40


def directional(f, args, i: int, d, analytic: bool = True) -> Any:
    """The derivative of f along d in its i-th argument: exact to rounding by the complex step; else to about 1e-9."""
    moved = lambda h: f(*args[:i], args[i] + h * d, *args[i + 1 :])
    if analytic:
        return np.imag(np.asarray(moved(STEP * 1j))) / STEP
    # Two central differences, extrapolated (Richardson): the error is of order h⁴.
    one, two = [(np.asarray(moved(h)) - np.asarray(moved(-h))) / (2 * h) for h in (1e-3, 2e-3)]
    return (4 * one - two) / 3


def floating(args) -> list[int]:
    return [i for i, a in enumerate(args) if np.asarray(a).dtype.kind == "f"]


def close(a, b, tolerance: float) -> bool:
    """Equal to the tolerance, relative to the largest number that took part."""
    a, b = np.asarray(a), np.asarray(b)
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0), 1.0)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance * scale))


def first_order(f, args, rng, analytic: bool = True) -> None:
    """<g, J d> = <Jᵀ g, d> for every floating argument, with random g and d and J d from the independent derivative."""
    tensors = [dp.tensor(a) if i in floating(args) else a for i, a in enumerate(args)]
    y = f(*tensors)
    g = rng.normal(size=y.shape)
    gradients = dp.backward(y, g)
    assert np.array_equal(y.value, f(*args), equal_nan=True), "the value on Tensors is the value on arrays"
    for i in floating(args):
        d = rng.normal(size=np.shape(args[i]))
        got = gradients[tensors[i]]
        assert got.shape == np.shape(args[i])
        expected = np.sum(g * directional(f, args, i, d, analytic))
        scale = 1.0 + np.sum(np.abs(got * d))
        assert abs(np.sum(got * d) - expected) <= (1e-12 if analytic else 1e-8) * scale, (i, got, expected)


def second_order(f, args, rng, analytic: bool = True) -> None:
    """The derivative of the gradient by a recorded backward pass, against that of the gradient as a plain function.

    The gradient itself is what `first_order` checks; here it is moved by a complex step (or two real ones).
    """
    which = floating(args)
    g = rng.normal(size=np.shape(f(*args)))
    u = [rng.normal(size=np.shape(args[i])) for i in which]

    def slope(*args: Any) -> Any:
        dtype = np.result_type(float, *[args[i] for i in which])
        tensors = [dp.tensor(a, dtype=dtype) if i in which else a for i, a in enumerate(args)]
        gradients = dp.backward(f(*tensors), g.astype(dtype))
        return sum(np.sum(gradients[tensors[i]] * v) for i, v in zip(which, u, strict=True))

    tensors = [dp.tensor(a) if i in which else a for i, a in enumerate(args)]
    gradients = dp.backward(f(*tensors), g, record=True)
    total = sum(((gradients[tensors[i]] * v).sum() for i, v in zip(which, u, strict=True)), dp.tensor(0.0))
    again = dp.backward(total)
    for i in which:
        d = rng.normal(size=np.shape(args[i]))
        got = again.get(tensors[i])
        got = np.zeros(np.shape(args[i])) if got is None else got
        expected = directional(slope, args, i, d, analytic)
        scale = 1.0 + np.sum(np.abs(got * d))
        assert abs(np.sum(got * d) - expected) <= (1e-11 if analytic else 1e-7) * scale, (i, got, expected)


def gradient(f, *values) -> Any:
    """The gradient of the sum of f at the values: an array, or a tuple of them for several values."""
    tensors = [dp.tensor(v) for v in values]
    y = f(*tensors)
    g = dp.backward(y, np.ones(y.shape, y.dtype))
    parts = tuple(np.asarray(g[t]) for t in tensors)
    return parts if len(parts) > 1 else parts[0]
