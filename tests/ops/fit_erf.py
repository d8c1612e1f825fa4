"""Computes the coefficients of denpa.ops.special with mpmath; test_special.py compares them with the source."""

from __future__ import annotations

from mpmath import mp, mpf


def chebyshev(f, terms: int, points: int = 64) -> list[mpf]:
    """The first Chebyshev coefficients of f on [−1, 1], by the discrete cosine sum over the Chebyshev points."""
    xs = [mp.cos(mp.pi * (k + mpf(1) / 2) / points) for k in range(points)]
    fs = [f(x) for x in xs]
    angles = [mp.pi * (k + mpf(1) / 2) / points for k in range(points)]
    c = [2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(fs, angles, strict=True)) / points for j in range(terms)]
    return [c[0] / 2, *c[1:]]


def monomials(c: list[mpf]) -> list[mpf]:
    """The same polynomial in powers of t.  The coefficients fall faster than 2⁻ᵏ, so Horner's rule loses nothing."""
    t = [[mpf(1)], [mpf(0), mpf(1)]]
    while len(t) < len(c):
        twice = [mpf(0), *[2 * v for v in t[-1]]]
        t.append([v - (t[-2][i] if i < len(t[-2]) else 0) for i, v in enumerate(twice)])
    return [mp.fsum(c[k] * t[k][i] for k in range(i, len(c))) for i in range(len(c))]


def substitute(p: list[mpf], a: mpf, b: mpf) -> list[mpf]:
    """Coefficients of p(a·z + b) in powers of z."""
    out = [mpf(0)]
    for c in reversed(p):
        scaled = [v * b for v in out] + [mpf(0)]
        out = [v + (out[i - 1] * a if i else c) for i, v in enumerate(scaled)]
    return out[: len(p)]


def erf_small(terms: int = 9, limit: str = "0.5") -> list[float]:
    """erf(x)/x in powers of z = x², for |x| < limit."""

    def f(t):
        x = mp.sqrt(mpf(limit) ** 2 * (t + 1) / 2)
        return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)

    with mp.workdps(60):
        return [float(v) for v in substitute(monomials(chebyshev(f, terms)), 2 / mpf(limit) ** 2, mpf(-1))]


def erfc_scaled(terms: int) -> list[float]:
    """(x + 2)·e^(x²)·erfc(x) in powers of t = (8/7)·(7/4 − x)/(x + 2), which maps x in [0, 28] to [−1, 1]."""

    def f(t):
        u = mpf(4) / 15 + mpf(7) / 30 * t  # 1/(x + 2), between 1/30 and 1/2
        x = 1 / u - 2
        return mp.exp(x * x) * mp.erfc(x) / u

    with mp.workdps(60):
        return [float(v) for v in monomials(chebyshev(f, terms))]
