"""Products that are added to what is there, W − η·(δᵀz), μ·m + δᵀz: one GEMM with β, and no gradient in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from denpa.engine.terms import Term

Factors = tuple[float, list[Term]]  # a number times scalar terms


@dataclass(frozen=True)
class Accumulation:
    """α·(a·b) + β·base, with (a·b)ᵀ when transposed."""

    a: Term
    b: Term
    base: Term
    alpha: Factors
    beta: Factors
    transposed: bool


def accumulations(
    users: Mapping[Term, list[Term]], state: Collection[Term]
) -> tuple[dict[Term, Accumulation], set[Term]]:
    """What can be accumulated, by the term that is the sum; and the terms that then need not be computed.

    The base is state (a parameter, a momentum): that the sum replaces it in place is what saves memory and time.
    """
    found: dict[Term, Accumulation] = {}
    skipped: set[Term] = set()
    for term in users:
        if term.kind not in ("add", "subtract") or len(term.shape) != 2 or term.dtype.kind != "f":
            continue
        pairs = [(term.inputs[0], term.inputs[1])]
        if term.kind == "add":
            pairs.append((term.inputs[1], term.inputs[0]))
        for left, right in pairs:
            match = left.shape == right.shape == term.shape and _match(
                left, right, -1.0 if term.kind == "subtract" else 1.0, users, state
            )
            if match:
                found[term], inner = match
                skipped |= inner
                break
    return found, skipped


def _match(
    left: Term, right: Term, sign: float, users: Mapping[Term, list[Term]], state: Collection[Term]
) -> tuple[Accumulation, set[Term]] | None:
    """β·state ± α·product, with nothing on the way read by anybody else."""
    base, beta, passed = _peeled(left, users, only_once=left not in state)
    if base not in state or base.shape != left.shape or base.dtype != left.dtype:
        return None
    inner = set(passed)
    core, alpha, passed = _peeled(right, users, only_once=True)
    inner |= set(passed)
    transposed = False
    while core.kind in ("matrix_transpose", "permute_dims") and len(users[core]) == 1 and len(core.shape) == 2:
        inner.add(core)
        transposed = transposed != (core.kind == "matrix_transpose" or tuple(core.params["axes"]) in ((1, 0), (-1, -2)))
        core = core.inputs[0]
    if core.kind != "matmul" or len(users[core]) != 1 or core.dtype != left.dtype:
        return None
    a, b = core.inputs
    if len(a.shape) != 2 or len(b.shape) != 2 or a.dtype != core.dtype or b.dtype != core.dtype:
        return None
    inner.add(core)
    return Accumulation(a, b, base, (sign, alpha), (1.0, beta), transposed), inner


def _peeled(term: Term, users: Mapping[Term, list[Term]], only_once: bool) -> tuple[Term, list[Term], list[Term]]:
    """Scalar factors taken off: the rest, the factors, and the terms that were the multiplications."""
    factors: list[Term] = []
    passed: list[Term] = []
    while only_once and term.kind == "multiply" and len(users[term]) == 1:
        x, y = term.inputs
        if x.shape == () and y.shape == term.shape and x.dtype == y.dtype:
            x, y = y, x
        if y.shape != () or x.shape != term.shape or y.dtype != x.dtype:
            break
        factors.append(y)
        passed.append(term)
        term = x
    return term, factors, passed
