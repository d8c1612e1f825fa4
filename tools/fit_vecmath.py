"""Fits the polynomials of denpa.engine.native.vecmath_tables with mpmath and prints them: python tools/fit_vecmath.py

Each is the minimax polynomial on a grid (Remez's exchange) for the error that is left in the function's result, found
at 60 digits and rounded to the dtype.  The errors stated beside the tables are those of the rounded polynomials.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

Function = Callable[[mpf], mpf]
DIGITS = 60


@dataclass
class Fit:
    """f ≈ Σ cᵢ xⁱ on [low, high], minimising the largest |weight · (f − Σ)|."""

    name: str
    says: str
    f: Function
    weight: Function
    low: mpf
    high: mpf
    terms: int
    dtype: type

    def solve(self) -> tuple[list[float], float]:
        """The coefficients, rounded to the dtype, and the largest weighted error with them."""
        with mp.workdps(DIGITS):
            count = 40 * self.terms
            middle, radius = (self.low + self.high) / 2, (self.high - self.low) / 2
            xs = [middle - radius * mp.cos(mp.pi * k / count) for k in range(count + 1)]
            fs, ws = [self.f(x) for x in xs], [self.weight(x) for x in xs]
            exact = remez(xs, fs, ws, self.terms)
            rounded = [float(self.dtype(float(c))) for c in exact]
            return rounded, float(max(abs(e) for e in errors(xs, fs, ws, [mpf(c) for c in rounded])))


def horner(c: list[mpf], x: mpf) -> mpf:
    """c[0] + c[1]·x + c[2]·x² + …"""
    total = c[-1]
    for a in reversed(c[:-1]):
        total = a + x * total
    return total


def errors(xs: list[mpf], fs: list[mpf], ws: list[mpf], c: list[mpf]) -> list[mpf]:
    return [w * (horner(c, x) - f) for x, f, w in zip(xs, fs, ws, strict=True)]


def remez(xs: list[mpf], fs: list[mpf], ws: list[mpf], terms: int) -> list[mpf]:
    """Weights that vanish within the interval are reached from even ones by steps: the exchange needs a good start."""
    points = [round(k * (len(xs) - 1) / terms) for k in range(terms + 1)]
    for floor in ("1", "0.3", "0.1", "0.03", "0.01", "0.001", "1e-6"):
        least = mpf(floor) * max(ws)
        c, points = exchange(xs, fs, [max(w, least) for w in ws], terms, points)
    return c


def exchange(xs: list[mpf], fs: list[mpf], ws: list[mpf], terms: int, points: list[int]) -> tuple[list[mpf], list[int]]:
    """Move the reference points to the extremes of the error until all of these are equally high."""
    for _ in range(30):
        a, b = mp.matrix(terms + 1), mp.matrix(terms + 1, 1)
        for row, j in enumerate(points):
            for i in range(terms):
                a[row, i] = xs[j] ** i
            a[row, terms] = (-1) ** row / ws[j]
            b[row] = fs[j]
        solution = list(mp.lu_solve(a, b))
        e = errors(xs, fs, ws, solution[:terms])
        points = extremes(e, terms + 1)
        if max(abs(v) for v in e) < abs(solution[terms]) * mpf("1.001"):
            return solution[:terms], points
    raise ArithmeticError("the exchange did not converge")


def extremes(e: list[mpf], wanted: int) -> list[int]:
    """The highest point of each stretch of one sign; too many are dropped from the lower end."""
    found: list[int] = []
    for j, value in enumerate(e):
        if found and (value >= 0) == (e[found[-1]] >= 0):
            if abs(value) > abs(e[found[-1]]):
                found[-1] = j
        else:
            found.append(j)
    while len(found) > wanted:
        found.pop(0 if abs(e[found[0]]) < abs(e[found[-1]]) else -1)
    if len(found) < wanted:
        raise ArithmeticError(f"{len(found)} extremes, {wanted} needed")
    return found


def tail(x: mpf) -> mpf:
    """eˣ = 1 + x + x²·tail(x)."""
    return mp.hyp1f1(1, 3, x) / 2


def atanh_tail(z: mpf) -> mpf:
    """log((1 + s)/(1 − s)) = 2s + s·z·atanh_tail(z) with z = s²."""
    return mpf(2) / 3 * mp.hyp2f1(1, mpf(3) / 2, mpf(5) / 2, z)


def erf_ratio(z: mpf) -> mpf:
    """erf(x)/x − 1 with z = x²."""
    return (mp.erf(mp.sqrt(z)) / mp.sqrt(z) if z else 2 / mp.sqrt(mp.pi)) - 1


def erfc_scaled(scale: float, shift: float) -> Function:
    """e^(x²)·erfc(x)·(x + 2) with t = scale/(x + 2) − shift."""

    def f(t: mpf) -> mpf:
        u = (t + mpf(shift)) / mpf(scale)
        x = 1 / u - 2
        return mp.exp(x * x) * mp.erfc(x) / u

    return f


def quarter(f: Function, power: int) -> Function:
    """sin or 1 − cos of a quarter of a turn times √z, divided by that power of √z."""

    def ratio(z: mpf) -> mpf:
        y = mp.sqrt(z + mpf(10) ** -30)
        return f(mp.pi / 2 * y) / y**power

    return ratio


def fits(single: bool) -> list[Fit]:
    dtype = np.float32 if single else np.float64
    # scale and shift of erfc: of those that map to about [−1, 1], ones whose rounded coefficients lose least
    half = mp.log(2) / 2 * mpf("1.0001")
    s2 = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mpf("1.0001")
    scale, shift, end = (4.65625, 1.40625, 10.25) if single else (4.25, 1.125, 27.5)
    low = mpf(scale) / (mpf(end) + 2) - shift
    f = erfc_scaled(scale, shift)
    small = mpf("0.9") if single else mpf("0.5")
    bits = "32" if single else "64"
    found = [
        Fit("EXP" + bits, "eʳ = 1 + r + r²·P(r), |r| ≤ log(2)/2; relative error of eʳ − 1",
            tail, lambda r: abs(r * r / mp.expm1(r)) if r else mpf(0), -half, half, 6 if single else 11, dtype),
        Fit("LOG" + bits, "log((1 + s)/(1 − s)) = 2s + s·z·P(z), z = s² ≤ 0.0295; relative error",
            atanh_tail, lambda z: z / 2, mpf(0), s2, 3 if single else 7, dtype),
        Fit("ERF" + bits, f"erf(x) = x + x·P(x²), |x| ≤ {float(small)}; relative error",
            erf_ratio, lambda z: 1 / (1 + erf_ratio(z)), mpf(0), small**2, 6 if single else 9, dtype),
        Fit("ERFC" + bits, f"erfc(x) = e^(−x²)·u·P({scale}·u − {shift}), u = 1/(x + 2), 0 ≤ x ≤ {end}; relative error",
            f, lambda t: 1 / f(t), low, mpf(scale) / 2 - shift, 10 if single else 26, dtype),
    ]  # fmt: skip
    if single:
        found += [
            Fit("ERF_OUTER32", "erf(x) = 1 − e^P(x), 0.9 ≤ x ≤ 4; relative error",
                lambda x: mp.log(mp.erfc(x)), lambda x: mp.erfc(x) / mp.erf(x), small, mpf(4), 7, dtype),
            Fit("SIN", "sin(π/2·y) = y·P(y²), |y| ≤ ½, in float64; relative error",
                quarter(mp.sin, 1), lambda z: 1 / quarter(mp.sin, 1)(z), mpf(0), mpf("0.2501"), 5, np.float64),
            Fit("COS", "cos(π/2·y) = 1 − y²·P(y²), |y| ≤ ½, in float64; relative error",
                quarter(lambda x: 1 - mp.cos(x), 2), lambda z: z, mpf(0), mpf("0.2501"), 4, np.float64),
        ]  # fmt: skip
    return found


def table(fit: Fit) -> str:
    coefficients, error = fit.solve()
    rows = "".join(f"    {c!r},\n" for c in coefficients)
    return f"# {fit.says} ≤ {error:.1e} (2^{math.log2(error):.1f})\n{fit.name} = (\n{rows})\n"


if __name__ == "__main__":
    with mp.workdps(DIGITS):
        sys.stdout.write("".join(table(fit) for single in (True, False) for fit in fits(single)))
    with mp.workdps(100):
        sys.stdout.write(f"# ⌊2/π · 2²⁵⁶⌋\nTWO_OVER_PI = 0x{int(2 / mp.pi * 2**256):X}\n")
