"""The contract of a primitive: kept by every registered one, and broken by each kind of fault that is planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.check import Contract, check_primitive
from denpa.check.contract import TWINS, twin
from denpa.check.scalar import evaluate_scalar
from denpa.primitive import REGISTRY, Primitive, Special, broadcast, primitive, same


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_primitive_keeps_its_contract(name: str) -> None:
    contract = check_primitive(REGISTRY[name], raises=False)
    assert contract, str(contract)
    assert contract.samples > 0


def test_the_contract_asks_for_all_of_it() -> None:
    """A clause that silently stops being checked would leave the test above green."""
    names = {c.name for c in check_primitive(REGISTRY["multiply"]).clauses}
    assert names >= {
        "samples", "latex", "evaluation", "shape", "dtype", "inputs unchanged", "scalar text", "float32 gradient",
        "complex step", "first derivative", "second derivative",
    }  # fmt: skip
    assert names >= {f"twin {t}" for t in ("× 0", "× 2", "× (1 + 1e-4)", "× (1 + 1e-6)", "negated", "transposed")}
    assert "special points" in {c.name for c in check_primitive(REGISTRY["maximum"]).clauses}
    assert any("needs" in {c.name for c in check_primitive(op).clauses} for op in REGISTRY.values() if op.needs)


def samples(rng: np.random.Generator) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    for shape in ((), (3,), (2, 3), (0, 2)):
        yield (rng.uniform(0.2, 2, shape)[()], rng.uniform(0.2, 2, shape)[()]), {}


def fresh(
    evaluate: Callable[..., Any] | None = None, rule: Callable[..., Any] | None = None, **stanza: Any
) -> Primitive:
    """x·y·y as a primitive outside the registry, with one thing of its stanza replaced."""
    stanza = {
        "shape": broadcast,
        "scalar": "x * y * y",
        "latex": "{0}{1}^2",
        "samples": samples,
        "analytic": True,
    } | stanza
    op = primitive(name="probe", register=False, **stanza)(evaluate or (lambda xp, x, y: x * y * y))
    op.vjp(rule or (lambda g, out, x, y: (g * y * y, 2.0 * g * x * y)))
    return op


def broken(contract: Contract) -> set[str]:
    return {c.name for c in contract.broken}


def test_a_users_own_primitive_passes() -> None:
    assert check_primitive(fresh())


def in_place(xp: Any, x: Any, y: Any) -> Any:
    out = x * y * y
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x *= 1.0 + 1e-9
    return out


def changes_g(g: Any, out: Any, x: Any, y: Any) -> Any:
    if isinstance(g, np.ndarray) and g.flags.writeable:
        g *= 1.0 + 1e-9
    return g * y * y, 2.0 * g * x * y


def needs_wrong(g: Any, out: Any, x: Any, y: Any, *, needs: Any) -> Any:
    return (g * y * y if needs[0] else None), (2.0 * g * x * y if needs[0] and needs[1] else None)


def plain_numpy(g: Any, out: Any, x: Any, y: Any) -> Any:
    x, y = (np.asarray(v.value if isinstance(v, dp.Tensor) else v) for v in (x, y))
    return g * (y * y), g * (2.0 * x * y)


FAULTS = [
    pytest.param(fresh(samples=None), "samples", id="no samples"),
    pytest.param(fresh(latex="{0}{1}{2}"), "latex", id="latex wants a third input"),
    pytest.param(fresh(latex=r"\frac{{ {0} {1}"), "latex", id="latex unbalanced"),
    pytest.param(fresh(latex="{0}"), "latex", id="latex forgets an input"),
    pytest.param(fresh(latex=r"\left({0} {1}"), "latex", id="latex without right"),
    pytest.param(fresh(shape=lambda x, y: (*x, 1)), "shape", id="shape rule"),
    pytest.param(fresh(lambda xp, x, y: x * y * y * np.float64(1.0)), "dtype", id="float32 becomes float64"),
    pytest.param(fresh(lambda xp, x, y: [x * y * y]), "evaluation", id="a list"),
    pytest.param(fresh(lambda xp, x, y: x * y * y / (x - x)), "evaluation", id="not finite"),
    pytest.param(fresh(in_place), "inputs unchanged", id="input changed in place"),
    pytest.param(fresh(rule=changes_g), "inputs unchanged", id="cotangent changed in place"),
    pytest.param(fresh(scalar="x * y"), "scalar text", id="scalar text of another function"),
    pytest.param(fresh(scalar="x * y * y + 1e-9"), "scalar text", id="scalar text off by 1e-9"),
    pytest.param(fresh(scalar="__import__('os')"), "scalar text", id="scalar text with a call"),
    pytest.param(fresh(lambda xp, x, y: x.real * y * y.real), "complex step", id="not analytic after all"),
    pytest.param(fresh(lambda xp, x, y: x * y * np.abs(y)), "complex step", id="abs inside"),
    pytest.param(
        fresh(rule=lambda g, out, x, y: (g * y * y * np.float64(1), g * x * y * 2)),
        "float32 gradient",
        id="wide gradient",
    ),
    pytest.param(fresh(rule=needs_wrong), "needs", id="needs"),
    pytest.param(fresh(rule=plain_numpy), "second derivative", id="rule in plain NumPy"),
    pytest.param(fresh(rule=lambda g, out, x, y: (g * y * y,)), "first derivative", id="one cotangent too few"),
    pytest.param(fresh(rule=lambda g, out, x, y: (g * y * y, g * x * y)), "first derivative", id="forgets the 2"),
    pytest.param(fresh(rule=lambda g, out, x, y: (g * y * y, None)), "first derivative", id="no cotangent"),
    pytest.param(
        fresh(rule=lambda g, out, x, y: (g * y * y, 2.0 * x * y)), "first derivative", id="ignores the cotangent"
    ),
    pytest.param(
        fresh(special=[Special((1.0, 2.0), (4.0, 5.0), "smooth")]), "special points", id="declared gradient is another"
    ),
    pytest.param(
        fresh(samples=lambda rng: [((np.zeros((0, 2)), np.zeros((0, 2))), {})]), None, id="only empty samples"
    ),
]


@pytest.mark.parametrize(("op", "clause"), FAULTS)
def test_each_fault_breaks_its_clause(op: Primitive, clause: str | None) -> None:
    contract = check_primitive(op, raises=False)
    if clause is None:  # nothing to differentiate: kept, though it proves little
        assert contract
        return
    assert clause in broken(contract), str(contract)
    with pytest.raises(dp.GradientMismatch, match="probe breaks its contract"):
        check_primitive(op)


def test_a_kink_outside_the_subgradient_is_caught() -> None:
    """max counted twice at a tie: each input's 1 lies between its own one-sided slopes, their sum does not."""
    op = primitive(
        name="twice", register=False, shape=broadcast, scalar="x if x > y else y", latex="{0}{1}", samples=samples,
        special=[Special((1.5, 1.5), (1.0, 1.0), "both")],
    )(lambda xp, x, y: xp.maximum(x, y))  # fmt: skip
    op.vjp(lambda g, out, x, y: (g * (x >= y), g * (y >= x)))
    assert "special points" in broken(check_primitive(op, raises=False))


def test_samples_on_a_kink_are_noticed() -> None:
    op = primitive(
        name="bend",
        register=False,
        shape=same,
        scalar="abs(x)",
        latex="{0}",
        samples=lambda rng: [((np.zeros(2),), {})],
    )(lambda xp, x: abs(x))
    op.vjp(lambda g, out, x: (g * np.sign(x),))
    assert "first derivative" in broken(check_primitive(op, raises=False))


def test_twins_leave_the_registry_alone() -> None:
    op = REGISTRY["multiply"]
    rule = op.rule
    wrong = twin(op, TWINS["× 2"])
    assert wrong is not op
    assert op.rule is rule
    assert REGISTRY["multiply"] is op
    assert wrong.pull_back(1.0, 6.0, (2.0, 3.0), {})[0] == 6.0
    assert op.pull_back(1.0, 6.0, (2.0, 3.0), {})[0] == 3.0


def test_a_check_that_notices_nothing_is_itself_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins are the broken twin of the checker: with a judge that always says right they are not caught."""
    monkeypatch.setattr("denpa.check.contract.judge", lambda *args, **kwargs: [])
    assert broken(check_primitive(fresh(), raises=False)) == {f"twin {t}" for t in TWINS if t != "transposed"}


@pytest.mark.parametrize(
    ("text", "names", "value"),
    [
        ("x ** 2 - -y / 4 + +y", {"x": 3.0, "y": 2.0}, 11.5),
        ("isinf(x) or x == 2", {"x": np.float64(2.0)}, 1.0),
        ("a if 0 < x <= 1 and not y else -inf", {"a": 5.0, "x": 1.0, "y": 0.0}, 5.0),
        ("x if x > y or isnan(x) else y", {"x": np.float64("nan"), "y": 1.0}, np.nan),
        ("copysign(1.0, x) * exp(-abs(x)) + pi * 0", {"x": np.float64(-1.0)}, -np.exp(-1.0)),
        ("1.0 / x", {"x": np.float64(0.0)}, np.inf),
        ("exp(x)", {"x": np.float64(1e4)}, np.inf),
        ("erf(x) + erfc(x)", {"x": 0.3}, 1.0),
    ],
)
def test_scalar_text(text: str, names: dict[str, Any], value: float) -> None:
    assert evaluate_scalar(text, names) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.real",
        "x[0]",
        "(lambda: 1)()",
        "exp(x=1)",
        "'a'",
        "unknown",
        "x +",
        "x @ x",
        "x % 2",  # Python and NumPy, and so the engines, disagree about it at inf
        "exp(x, x)",
        "x is x",
        "True and __import__",
    ],
)
def test_scalar_text_is_no_python(text: str) -> None:
    with pytest.raises(dp.UsageError, match="scalar text"):
        evaluate_scalar(text, {"x": 1.0})
