"""Numerical differentiation that says how far it can be trusted.

Forward and central differences are taken at several steps, extrapolated to step 0 (Richardson 1911; Ridders 1982), and
the disagreement inside the tableau plus the rounding noise eps·|f|/h is the error estimate.  The complex step
Im f(x + ih)/h (Squire and Trapp 1998) subtracts nothing and is right to rounding, for analytic functions only.
Source: seed 000 (数値微分: easy, but slow), seed 003 (the definition; its step 1e-7 prints 3.00000000444089 for 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from denpa.arrays import Array, freeze, is_float
from denpa.errors import DTypeError, GradientError, ShapeError, UsageError, user_line
from denpa.graph import Tensor, no_grad, tensor
from denpa.tree import flatten, gradient_like

Method: TypeAlias = Literal["central", "forward", "complex"]

SAFETY = (
    4.0  # the smallest of some ten estimates is picked, which is optimistic; measured: 4 covers 99.9 % of the errors
)
COMPLEX_STEP = (
    2.0**-100
)  # far below the rounding of the real part, so that no truncation is left; no subtraction: no noise


@dataclass(frozen=True)
class NumericalDerivative:
    """A numerical derivative and the trust in it.

    value, error: the derivative and its estimated absolute error (NaN where one step gives no estimate, inf where f was
    not finite), in the shape of the result; step: the largest step taken, in units of max(1, |x|); evaluations of f.
    """

    value: Any
    error: Any
    step: float
    method: str
    evaluations: int


@dataclass(frozen=True)
class Slope:
    """φ′(0) of an array-valued φ(t): value ± error, and the one-sided derivatives where `kink` says they differ."""

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Array
    evaluations: int


def default_step(eps: float, method: str, levels: int) -> float:
    """The step that balances truncation hᵖ against rounding eps/h, a power of two.

    p is the order of the error *estimate*, one extrapolation below the value's, so that the trust reported is the best.
    """
    if method == "complex":
        return COMPLEX_STEP
    order = max(levels - 1, 1) * (2 if method == "central" else 1)
    return float(2.0 ** round(math.log2(eps ** (1 / (order + 1)))))


def extrapolate(differences: Sequence[Array], noise: Sequence[Array], base: float) -> tuple[Array, Array]:
    """Value and error from difference quotients at steps halved each time: Neville's tableau, best entry by element.

    base: 4 for central differences (errors h², h⁴, …), 2 for one-sided ones (h, h², …).  One quotient: error NaN.
    """
    value, error = differences[0], np.full(np.shape(differences[0]), np.inf)
    if len(differences) == 1:
        return value, np.full(np.shape(value), np.nan)
    above = [differences[0]]
    for k in range(1, len(differences)):
        row = [differences[k]]
        for j in range(1, min(k, 4) + 1):
            new = row[j - 1] + (row[j - 1] - above[j - 1]) / (base**j - 1)
            spread = np.maximum(np.abs(new - row[j - 1]), np.abs(new - above[j - 1]))
            estimate = SAFETY * (spread + noise[k])
            better = estimate < error  # False for NaN: a step that left the domain of f is never chosen
            value, error = np.where(better, new, value), np.where(better, estimate, error)
            row.append(new)
        above = row
    return value, error


def line_slope(
    phi: Callable[[float], Array], *, eps: float, step: float | None = None, levels: int = 6, one_sided: bool = False
) -> Slope:
    """Derivative at t = 0 of an array-valued function of one number, whose steps h are in units of its argument's size.

    Central differences at h, h/2, …; 2·levels evaluations, one more with one_sided, which also recognises kinks: both
    one-sided derivatives are consistent in themselves and differ by far more than their errors.
    """
    h = [(step or default_step(eps, "central", levels)) * 0.5**k for k in range(levels)]
    with np.errstate(all="ignore"):
        plus, minus = [_wide(phi(t)) for t in h], [_wide(phi(-t)) for t in h]
        central = [(p - m) / (2 * t) for p, m, t in zip(plus, minus, h, strict=True)]
        noise = [  # rounding of f, and of x + h
            eps * (np.maximum(np.abs(p), np.abs(m)) + np.abs(d)) / t
            for p, m, d, t in zip(plus, minus, central, h, strict=True)
        ]
        value, error = extrapolate(central, noise, 4.0)
        none = np.zeros(np.shape(value), bool)
        if not one_sided:
            return Slope(value, error, value, value, none, 2 * levels)
        here = _wide(phi(0.0))
        right, right_error = extrapolate([(p - here) / t for p, t in zip(plus, h, strict=True)], noise, 2.0)
        left, left_error = extrapolate([(here - m) / t for m, t in zip(minus, h, strict=True)], noise, 2.0)
        both = left_error + right_error
        kink = np.abs(right - left) > 10 * both + 1e-6 * np.maximum(np.abs(left), np.abs(right))
    error = np.where(kink, both, error)
    return Slope(value, error, np.where(kink, left, value), np.where(kink, right, value), kink, 2 * levels + 1)


def complex_slope(phi: Callable[[complex], Array], *, eps: float) -> Slope:
    """Im φ(ih)/h.  DTypeError when φ does not give a complex result (it is not evaluated analytically)."""
    with np.errstate(all="ignore"):
        result = np.asarray(phi(1j * COMPLEX_STEP))
    if result.dtype.kind != "c":
        raise DTypeError(
            "the complex step needs a function that can be evaluated on complex numbers",
            where=user_line(),
            got=f"a result of dtype {result.dtype}",
            fix='use method="central"',
        )
    value = np.asarray(result.imag, np.float64) / COMPLEX_STEP
    # rounding, and the truncation h²·f‴/6 with a margin for f‴
    error = 16 * eps * np.abs(value) + COMPLEX_STEP * np.abs(result.real) + 100 * COMPLEX_STEP**2
    return Slope(value, error, value, value, np.zeros(value.shape, bool), 1)


def _forward_slope(phi: Callable[[float], Array], *, eps: float, step: float, levels: int) -> Slope:
    h = [step * 0.5**k for k in range(levels)]
    with np.errstate(all="ignore"):
        here, plus = _wide(phi(0.0)), [_wide(phi(t)) for t in h]
        quotients = [(p - here) / t for p, t in zip(plus, h, strict=True)]
        noise = [
            2 * eps * (np.maximum(np.abs(p), np.abs(here)) + np.abs(d)) / t
            for p, d, t in zip(plus, quotients, h, strict=True)
        ]
        value, error = extrapolate(quotients, noise, 2.0)
    return Slope(value, error, value, value, np.zeros(np.shape(value), bool), levels + 1)


def _wide(value: Array) -> Array:
    return np.asarray(value, np.float64)


def numerical_derivative(
    f: Callable[[Any], Any],
    x: Any,
    direction: Any = 1.0,
    *,
    method: Method = "central",
    step: float | None = None,
    levels: int = 2,
) -> NumericalDerivative:
    """d/dt f(x + t·direction) at t = 0, in the shape of f's result; x is one array, direction broadcast to its shape.

    Cost: 2·levels forwards (central), levels + 1 (forward), 1 and a control of 4 (complex).  levels=1 takes one step
    and gives no error estimate.  DTypeError for an integer x.  Source: seed 003 (the limit definition).
    """
    value = _point(x, "x")
    v = np.broadcast_to(np.asarray(direction, np.float64), value.shape)
    with no_grad():
        phi = lambda t: f(_as_given(x, _moved(value, t, v)))  # noqa: E731
        slope, taken = _slope(phi, value, method, step, levels)
        if method == "complex":
            _must_be_analytic(phi, slope, value)
    return NumericalDerivative(slope.value[()], slope.error[()], taken, method, slope.evaluations)


def numerical_gradient(
    f: Callable[[Any], Any], x: Any, *, method: Method = "central", step: float | None = None, levels: int = 2
) -> NumericalDerivative:
    """The gradient of a scalar function by differences, element by element: value and error in the structure of x.

    x: float array, or nested dicts, lists, tuples, Tensors or a model of them; it is never changed.  step: the largest
    step, in units of max(1, |x_j|); chosen from the dtype when left out.  Cost for P numbers: 2P forwards for one
    central step, levels times that with the error estimate (the default, 4P); P·levels + P forward; P complex.
    DTypeError for integers, GradientError when f does not give shape ().  Source: seed 000 §4 (数値微分).
    """
    point = _Place.of(f, x)
    found: list[tuple[Array, Array]] = []
    evaluations, taken = 0, 0.0
    with no_grad():
        for i, value in enumerate(point.values):
            gradient, error = np.zeros(value.shape), np.zeros(value.shape)
            for j in np.ndindex(value.shape):
                slope, taken = _slope(point.along(i, j), value, method, step, levels)
                if slope.value.shape != ():
                    raise GradientError(
                        "a numerical gradient needs a function with a result of shape ()",
                        where=user_line(),
                        got=f"shape {slope.value.shape}",
                        fix="reduce it to one number, or use numerical_jacobian",
                    )
                gradient[j], error[j] = slope.value, slope.error
                evaluations += slope.evaluations
            found.append((gradient[()], error[()]))
        if method == "complex":
            point.must_be_analytic([g for g, _ in found])
    value, error = (gradient_like(x, [pair[k] for pair in found]) for k in (0, 1))
    return NumericalDerivative(value, error, taken, method, evaluations)


def numerical_jacobian(
    f: Callable[[Any], Any], x: Any, *, method: Method = "central", step: float | None = None, levels: int = 2
) -> NumericalDerivative:
    """J[k…, j…] = ∂f_k/∂x_j of an array-valued f at one array x: shape f(x).shape + x.shape.

    Steps, cost and errors as in `numerical_gradient`.
    """
    point = _Place.of(lambda parts: f(parts[0]), [x])
    value = point.values[0]
    columns: list[Slope] = []
    taken = 0.0
    with no_grad():
        for j in np.ndindex(value.shape):
            phi = point.along(0, j)
            slope, taken = _slope(phi, value, method, step, levels)
            if method == "complex":
                _must_be_analytic(phi, slope, value)
            columns.append(slope)
        shape = columns[0].value.shape if columns else _result(f(_as_given(x, value))).shape

    def join(parts: list[Array]) -> Array:
        return np.stack(parts, axis=-1).reshape(shape + value.shape) if parts else np.zeros(shape + value.shape)

    return NumericalDerivative(
        join([s.value for s in columns]),
        join([s.error for s in columns]),
        taken,
        method,
        sum(s.evaluations for s in columns),
    )


def _slope(
    f: Callable[[Any], Any], value: Array, method: Method, step: float | None, levels: int
) -> tuple[Slope, float]:
    """The slope of t ↦ f(t) by one of the methods, and the largest step taken."""
    if method not in ("central", "forward", "complex"):
        raise UsageError(
            f"no method {method!r} of numerical differentiation", where=user_line(), want="central, forward or complex"
        )
    if levels < 1 or (step is not None and not (0 < step < math.inf)):
        raise UsageError("levels must be ≥ 1 and step > 0", where=user_line(), got=f"levels={levels}, step={step}")
    if method == "complex":
        return complex_slope(lambda t: _result(f(t)), eps=float(np.finfo(np.float64).eps)), COMPLEX_STEP
    # the coarser of the dtypes of x and f(x) decides; a float32 result of a float64 x needs the steps of float32
    eps = float(np.finfo(value.dtype).eps)
    h = default_step(eps, method, levels) if step is None else step
    with np.errstate(all="ignore"):
        known = {h: _result(f(h))}
    eps = max(eps, float(np.finfo(known[h].dtype).eps))
    h = default_step(eps, method, levels) if step is None else step

    def phi(t: Any) -> Array:
        return known.pop(t) if t in known else _result(f(t))  # no evaluation is spent on the dtype alone

    if method == "central":
        return line_slope(phi, eps=eps, step=h, levels=levels), h
    return _forward_slope(phi, eps=eps, step=h, levels=levels), h


@dataclass(frozen=True)
class _Place:
    """A function, and the point of nested arrays at which it is differentiated."""

    f: Callable[[Any], Any]
    leaves: list[Any]
    values: list[Array]
    rebuild: Callable[[list[Any]], Any]

    @classmethod
    def of(cls, f: Callable[[Any], Any], x: Any) -> _Place:
        leaves, rebuild = flatten(x)
        return cls(f, [leaf for _, leaf in leaves], [_point(leaf, f"x{path}") for path, leaf in leaves], rebuild)

    def moved(self, t: Any, ways: dict[int, Array]) -> Any:
        """f where leaf i has gone t·ways[i]."""
        parts = [_moved(v, t, ways[i]) if i in ways else v for i, v in enumerate(self.values)]
        return self.f(self.rebuild([_as_given(leaf, part) for leaf, part in zip(self.leaves, parts, strict=True)]))

    def along(self, i: int, j: tuple[int, ...]) -> Callable[[Any], Any]:
        """t ↦ f with element j of leaf i moved by t times its size, divided by that size."""
        scale = 2.0 ** math.ceil(math.log2(max(1.0, abs(float(self.values[i][j])))))  # dividing by it is exact
        unit = np.zeros(self.values[i].shape)
        unit[j] = scale

        def phi(t: Any) -> Any:
            result = _result(self.moved(t, {i: unit}))
            return result / result.dtype.type(scale)

        return phi

    def must_be_analytic(self, gradients: list[Array]) -> None:
        """Control of a complex-step gradient by one central difference along a fixed direction through all elements."""
        rng = np.random.default_rng(0)
        ways = {i: rng.standard_normal(v.shape) for i, v in enumerate(self.values)}
        projected = np.asarray(sum(np.sum(g * ways[i]) for i, g in enumerate(gradients)), np.float64)
        whole = Slope(projected, projected, projected, projected, np.zeros((), bool), 0)
        _must_be_analytic(lambda t: self.moved(t, ways), whole, np.zeros(()))


def _point(x: Any, what: str) -> Array:
    """A float copy of the point; DTypeError for integers, whose x + h would be cut back to x."""
    value = np.array(x.value if isinstance(x, Tensor) else x)
    if not is_float(value) or value.dtype.kind == "c":
        raise DTypeError(
            "a numerical derivative needs real floating-point input",
            where=user_line(),
            got=f"{what} of dtype {value.dtype}",
            fix="give floats (1.0, not 1), or x.astype(float): an integer cannot be moved by a small step",
        )
    return value


def _moved(value: Array, t: Any, v: Array) -> Array:
    """value + t·v in value's dtype; complex for a complex t."""
    dtype = np.result_type(value.dtype, np.complex64) if isinstance(t, complex) else value.dtype
    return np.asarray(value + t * v).astype(dtype)


def _as_given(leaf: Any, value: Array) -> Any:
    """The moved value in the form the caller gave: a Tensor (a model's parameter) as a Tensor, an array read-only."""
    if isinstance(leaf, Tensor):
        return tensor(value)
    return value[()] if value.ndim == 0 else freeze(value)


def _result(out: Any) -> Array:
    value = np.asarray(out.value if isinstance(out, Tensor) else out)
    if not is_float(value):
        raise DTypeError(
            "a numerical derivative needs a floating-point result", where=user_line(), got=f"dtype {value.dtype}"
        )
    return value


def _must_be_analytic(f: Callable[[float], Any], slope: Slope, value: Array) -> None:
    """abs, max or conj inside f make a complex step wrong without a sign: central differences must agree to 1e-3."""
    control, _ = _slope(f, value, "central", None, 2)
    if control.value.shape != slope.value.shape:
        raise ShapeError(
            "f gave different shapes", where=user_line(), got=f"{control.value.shape}, {slope.value.shape}"
        )
    allowed = control.error + 1e-3 * np.abs(control.value) + 1e-9
    if np.any(np.abs(control.value - slope.value) > allowed):
        raise GradientError(
            "the complex step is not valid here: f is not evaluated analytically",
            where=user_line(),
            got=f"complex step {np.ravel(slope.value)[:3]}, central difference {np.ravel(control.value)[:3]}",
            fix='use method="central" (f uses abs, max, comparisons, real or conj)',
        )


def scales(x: Array) -> Iterator[Array]:
    """Sizes of x to take steps in, in the order to try: max(1, |x|); |x| itself (log near 0); small (a kink nearby)."""
    size = np.abs(np.asarray(x, np.float64))
    yield np.maximum(size, 1.0)
    if np.any((size > 0) & (size < 1)):
        yield np.where(size > 0, size, 1.0)
    yield np.maximum(size, 1.0) * 2.0**-10
