"""`check`: right is accepted, wrong is rejected and named, and where nobody can tell it says so."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.test_against_rivals import Program, denpa_library

import denpa as dp
from denpa import nn
from denpa.check import CheckReport, Verdict, check, tolerance
from denpa.check.verdict import compare, factor
from denpa.graph import FUNCTIONS as F
from denpa.primitive import REGISTRY, Primitive, broadcast, primitive, same

SEEDS = range(10)


def wrong(op: str, rule: Callable[..., Any], **changes: Any) -> Primitive:
    """A copy of a registered primitive with another rule (and other attributes)."""
    made = copy.copy(REGISTRY[op])
    for key, value in changes.items():
        setattr(made, key, value)
    made.vjp(rule)
    return made


def sigmoid_rule(factor: float) -> Callable[..., Any]:
    return lambda g, out, x: (g * out * (1.0 - out) * factor,)


def deep(first: Any, rest: Any) -> Callable[..., Any]:
    def network(weights: Any, x: Any) -> Any:
        for layer, w in enumerate(weights):
            x = (rest if layer else first)(x @ w)
        return x

    return network


def deep_arguments(seed: int, layers: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((4, 4)) for _ in range(layers)], rng.standard_normal((3, 4))


# -- right ---------------------------------------------------------------------------------------------------------


def test_right_functions_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3)), rng.uniform(0.5, 2, (3,))
    functions: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (lambda x, y: np.exp(x) / y, (x, y)),
        (lambda x: np.sum(np.sin(x) ** 2), (x,)),
        (lambda x: x, (x,)),
        (lambda x: [x.sum(axis=0), {"a": np.tanh(x)}], (x,)),
        (lambda p: p["w"] @ p["b"][0], ({"w": x, "b": [y]},)),
        (lambda x, k: x * k, (x, 3)),
        (lambda x: x.max(), (x,)),
        (lambda x: x * 2.0, (1.5,)),
        (lambda x: F["logsumexp"](x * 10.0), (x,)),
    ]
    for f, args in functions:
        report = check(f, *args)
        assert report, str(report)
        assert report.verdict is Verdict.RIGHT
        assert {r.order for r in report.rows} == {1, 2}


def test_no_false_alarm_on_random_programs() -> None:
    """Right programs of many operations are never called wrong, and nearly always right."""
    library = denpa_library()
    verdicts = []
    for seed in range(24):
        program = Program(seed)
        report = check(lambda *xs, p=program: p.run(library, xs), *program.inputs, seed=seed, probes=2, raises=False)
        assert report.verdict is not Verdict.WRONG, f"seed {seed}\n{program}\n{report}"
        verdicts.append(report.verdict)
    assert verdicts.count(Verdict.RIGHT) >= 23


def test_cancellation_is_no_mistake() -> None:
    """Saturated logsumexp: its second derivative of 1e-9 is a difference of numbers near 1e4, known to two digits."""
    x = np.random.default_rng(0).standard_normal((2, 3))
    report = check(lambda x: F["logsumexp"](x * 100.0), x)
    assert report.verdict is not Verdict.WRONG
    assert next(r for r in report.rows if r.order == 1).verdict is Verdict.RIGHT


def test_an_integer_argument_is_a_constant() -> None:
    report = check(lambda x, k: x**k, 2.0, 3)
    assert [r.argument for r in report.rows] == ["x", "x"]
    with pytest.raises(dp.DTypeError, match="floating-point argument"):
        check(lambda k: k * 2, 3)


def test_a_network_and_its_loss() -> None:
    network = nn.Network([4, 5, 3], hidden="relu", output="softmax", loss="cross_entropy", seed=0)
    x, t = np.random.default_rng(1).standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])
    report = check(lambda net, x: net.loss(x, t), network, x)
    assert report, str(report)
    assert {r.argument for r in report.rows if r.order == 1} >= {"net.0.weight", "net.0.bias", "x"}


def test_float32_arguments_are_checked_in_float64() -> None:
    x = np.linspace(-1, 1, 5, dtype=np.float32)
    report = check(np.tanh, x)
    assert report
    assert all(r.tolerance <= 1e-7 for r in report.rows)
    single = check(lambda x: F["astype"](np.tanh(x), dtype=np.float32) * np.float32(2), x, orders=(1,), raises=False)
    assert single.verdict is not Verdict.WRONG, str(single)  # the noise of a cast to float32 is not a wrong gradient


def test_the_arguments_are_not_touched() -> None:
    x = np.array([1.0, 2.0])
    check(np.sin, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])
    assert x.flags.writeable


def test_same_seed_same_report() -> None:
    f, x = (lambda x: np.sin(x) * x), np.linspace(0, 1, 20)
    assert str(check(f, x, seed=3)) == str(check(f, x, seed=3)) != str(check(f, x, seed=4))


# -- vanishing gradients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("analytic", [True, False], ids=["complex step", "central differences"])
def test_twenty_layers_do_not_blind_it(analytic: bool) -> None:
    """A first-layer σ′ five times too large at 20 layers: rejected 10 of 10, the right network accepted 10 of 10."""
    right = wrong("sigmoid", sigmoid_rule(1.0), analytic=analytic)
    five = wrong("sigmoid", sigmoid_rule(5.0), analytic=analytic)
    for seed in SEEDS:
        weights, x = deep_arguments(seed, 20)
        accepted = check(deep(right, right), weights, x, orders=(1,), probes=1)
        assert accepted.verdict is Verdict.RIGHT, f"seed {seed}\n{accepted}"
        with pytest.raises(dp.GradientMismatch, match="5 times the derivative") as caught:
            check(deep(five, right), weights, x, orders=(1,), probes=1)
        report: CheckReport = caught.value.report  # type: ignore[attr-defined]
        assert report.guilty is not None
        assert report.guilty.index == min(j.index for j in report.wrong) == 22  # 20 weights, x, product, σ
        assert len({j.index for j in report.wrong}) == 1


def test_the_other_checker_is_blinded() -> None:
    """PyTorch's gradcheck passes the same wrong network: what the test above claims to do better."""
    torch = pytest.importorskip("torch")

    class Five(torch.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            out = torch.sigmoid(x)
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (out,) = ctx.saved_tensors
            return 5.0 * g * out * (1.0 - out)

    passed = {}
    for layers in (5, 20):
        passed[layers] = 0
        for seed in SEEDS:
            weights, x = deep_arguments(seed, layers)
            inputs = [torch.tensor(a, requires_grad=True) for a in (*weights, x)]

            def network(*args: Any) -> Any:
                x = args[-1]
                for layer, w in enumerate(args[:-1]):
                    x = torch.sigmoid(x @ w) if layer else Five.apply(x @ w)
                return x

            passed[layers] += torch.autograd.gradcheck(network, inputs, raise_exception=False)
    assert passed[5] == 0
    assert passed[20] >= 8


def test_whole_network_differences_alone_would_not_tell() -> None:
    """Why the operations are looked at: at 20 layers the difference of the function is mostly noise."""
    weights, x = deep_arguments(0, 20)
    report = check(deep(F["sigmoid"], F["sigmoid"]), weights, x, orders=(1,), probes=1)
    assert report.rows[0].how == "node by node"
    assert report.rows[-2].how == "whole function"


# -- wrong ---------------------------------------------------------------------------------------------------------


def test_the_message_says_all_of_it() -> None:
    tanh = wrong("tanh", lambda g, out, x: (g * (1.0 - out),))

    def loss(x: Any, w: Any) -> Any:
        h = tanh(x @ w)
        h.name = "hidden"
        return (h * h).sum()

    with pytest.raises(dp.GradientMismatch) as caught:
        check(loss, np.ones((2, 3)) * 0.3, np.linspace(-1, 1, 12).reshape(3, 4))
    text = str(caught.value)
    for part in (
        "the gradient of loss is wrong",
        "tanh 'hidden'",
        "input shapes (2, 4)",
        "element [",
        "numerical",
        "vjp rule",
    ):
        assert part in text, text
    assert "argument x" in text or "argument w" in text
    assert "±" in text
    assert "1e-08" in text


def test_only_the_first_of_two_wrong_operations_is_guilty() -> None:
    sine = wrong("sin", lambda g, out, x: (g,))
    square = wrong("square", lambda g, out, x: (g * x,))
    report = check(lambda x: square(sine(x)).sum(), np.ones(3), raises=False)
    assert report.guilty is not None
    assert report.wrong[0].op == report.guilty.op == "sin"
    assert {j.op for j in report.wrong} == {"sin", "square"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda g, out, x: (g * 0.0,), "is zero"),
        (lambda g, out, x: (-g * F["cos"](x),), "sign is wrong"),
        (lambda g, out, x: (g * F["cos"](x) * 3.0,), "3 times"),
        (lambda g, out, x: (F["matrix_transpose"](g * F["cos"](x)),), "transpose"),
        (lambda g, out, x: (g * F["cos"](x) * np.nan,), "not finite"),
        (lambda g, out, x: 1 / 0, "raises ZeroDivisionError"),
    ],
)
def test_the_pattern_is_recognised(rule: Callable[..., Any], says: str) -> None:
    sine = wrong("sin", rule)
    report = check(sine, np.linspace(0.1, 1, 9).reshape(3, 3), orders=(1,), raises=False)
    assert report.guilty is not None
    if says != "transpose":  # elementwise with a random cotangent: a transposed result has no such simple pattern
        assert says in report.guilty.finding.reason
    assert not report


def scaled(by: float, rule: float) -> Primitive:
    op = primitive(name="scaled", register=False, shape=same, scalar=f"{by} * x")(lambda xp, x: x * by)
    op.vjp(lambda g, out, x: (g * rule,))
    return op


def test_a_wrong_sign_where_the_gradient_is_tiny() -> None:
    """gradcheck of PyTorch passes a wrong sign at 1e-6 and a 0 where the truth is 3e-6 (absolute tolerance 1e-5)."""
    for c, rule in ((1e-6, -1e-6), (3e-6, 0.0), (1e-30, -1e-30)):
        tiny = scaled(c, rule)
        with pytest.raises(dp.GradientMismatch, match="scaled"):
            check(lambda x, tiny=tiny: tiny(x), np.array([1.0, 2.0]))
        right = scaled(c, c)
        assert check(lambda x, right=right: right(x), np.array([1.0, 2.0]))


def test_one_wrong_element_among_many_in_a_large_argument() -> None:
    spoiled = np.ones(5000)
    spoiled[4321] = 1.001
    sine = wrong("sin", lambda g, out, x: (g * F["cos"](x) * spoiled,))
    with pytest.raises(dp.GradientMismatch, match="4321"):
        check(sine, np.linspace(-1, 1, 5000), orders=(1,))


def test_a_value_taken_out_of_the_graph_is_found() -> None:
    """x·(the value of x): every operation is right, the gradient is half of what it should be."""
    with pytest.raises(dp.GradientMismatch, match="the constant at node"):
        check(lambda x: x * x.value, np.array([1.0, 2.0]))
    with pytest.raises(dp.GradientMismatch, match="stop_gradient, which passes no gradient on"):
        check(lambda x: x * F["stop_gradient"](x), np.array([1.0, 2.0]))
    harmless = lambda x: F["exp"](x - F["stop_gradient"](x.max())) / F["exp"](x - F["stop_gradient"](x.max())).sum()
    assert check(harmless, np.array([1.0, 2.0]), orders=(1,))


def test_nothing_recorded() -> None:
    with pytest.raises(dp.UsageError, match="no floating-point Tensor"):
        check(lambda x: float(x) ** 2, 1.0)


def test_second_order_of_a_rule_in_plain_numpy() -> None:
    """Right once, not twice: the rule computes with .value, so its own derivative is lost."""
    hidden = wrong("square", lambda g, out, x: (g * (2.0 * np.asarray(x.value if isinstance(x, dp.Tensor) else x)),))
    assert check(hidden, np.array([1.0, 2.0]), orders=(1,))
    with pytest.raises(dp.GradientMismatch, match="second order") as caught:
        check(hidden, np.array([1.0, 2.0]))
    assert caught.value.report.guilty.finding.order == 2  # type: ignore[attr-defined]


# -- cannot tell ---------------------------------------------------------------------------------------------------


def drowned(rule: float) -> Primitive:
    """1e12 + x²: rounding of 1e-4 in the value leaves the numerical derivative some three digits."""
    op = primitive(name="drowned", register=False, shape=same)(lambda xp, x: x * x + 1e12)
    op.vjp(lambda g, out, x: (g * x * rule,))
    return op


def test_cannot_tell_is_neither_yes_nor_no() -> None:
    x = np.array([1.0, 2.0])
    for rule in (2.0, 2.0 * (1 + 1e-6)):  # the numerical value cannot tell these two apart
        report = check(drowned(rule), x, orders=(1,))
        assert report.verdict is Verdict.UNSURE, str(report)
        assert not report
        assert "cannot tell at this precision" in str(report)
        assert report.unsure
    with pytest.raises(dp.GradientMismatch):  # a factor of 5 it can
        check(drowned(10.0), x, orders=(1,))


def test_a_value_that_is_not_finite() -> None:
    report = check(lambda x: np.log(x).sum(), np.array([0.0, 1.0]), raises=False)
    assert report.verdict is Verdict.UNSURE
    assert "not finite" in str(report)


def test_a_function_that_is_not_deterministic_is_reported() -> None:
    rng = np.random.default_rng(0)
    report = check(lambda x: x * rng.standard_normal(), np.array([1.0, 2.0]))
    assert not report.deterministic
    assert report.verdict is Verdict.UNSURE
    assert "not deterministic" in str(report)
    sine = wrong("sin", lambda g, out, x: (g,))
    with pytest.raises(dp.GradientMismatch):  # its operations are judged all the same
        check(lambda x: sine(x) * rng.standard_normal(), np.array([1.0, 2.0]))


def test_a_function_that_raises_beside_the_point() -> None:
    def picky(x: Any) -> Any:
        if not np.array_equal(x.value, [1.0, 2.0]):
            raise dp.UsageError("only at one point")
        return x * x

    report = check(picky, np.array([1.0, 2.0]), orders=(1,), raises=False)
    assert report.verdict is Verdict.UNSURE, str(report)


# -- kinks ---------------------------------------------------------------------------------------------------------

KINKS = [
    ("relu", F["relu"], np.array([-1.0, 0.0, 2.0])),
    ("abs", F["abs"], np.array([-1.0, 0.0, 2.0])),
    ("clip", lambda x: F["clip"](x, -1.0, 2.0), np.array([-1.0, 0.0, 2.0])),
    ("maximum", lambda x: F["maximum"](x, 2.0), np.array([-1.0, 0.0, 2.0])),
    ("minimum", lambda x: F["minimum"](x, 0.0), np.array([-1.0, 0.0, 2.0])),
    ("max", F["max"], np.array([2.0, 0.0, 2.0])),
    ("min", lambda x: F["min"](x * 1.0), np.array([2.0, 0.0, 0.0])),
]


@pytest.mark.parametrize(("op", "f", "x"), KINKS, ids=[k[0] for k in KINKS])
def test_a_kink_is_reported_with_its_convention(op: str, f: Callable[..., Any], x: np.ndarray) -> None:
    """Neither failed (as PyTorch's and JAX's checkers do with a correct ReLU at 0) nor passed in silence."""
    report = check(lambda x: (f(x) * np.array([1.0, 2.0, 3.0])).sum(), x)
    assert report.verdict is Verdict.RIGHT, str(report)
    assert {kink.op for _, kink in report.kinks} == {op}
    assert "kink" in str(report)
    assert "convention" in str(report)
    smooth = check(lambda x: (f(x) * np.array([1.0, 2.0, 3.0])).sum(), x + np.array([0.11, 0.23, 0.37]))
    assert not smooth.kinks
    assert smooth


def test_a_kink_near_the_point_is_no_kink() -> None:
    """x = 3e-7 lies inside the usual steps: PyTorch's gradcheck fails a correct ReLU there."""
    report = check(F["relu"], np.array([3e-7, -3e-7]))
    assert report, str(report)
    assert not report.kinks


def test_a_value_at_a_kink_that_is_no_subgradient() -> None:
    relu = wrong("relu", lambda g, out, x: (g * F["where"](x == 0, 1.5, x > 0),))
    with pytest.raises(dp.GradientMismatch, match="kink"):
        check(relu, np.array([-1.0, 0.0, 2.0]))


# -- black boxes and users' own operations -------------------------------------------------------------------------


def test_black_boxes_are_checked_the_same_way() -> None:
    right = dp.black_box(np.sinh, lambda g, out, x: g * np.cosh(x), name="box")
    report = check(lambda x: np.sin(right(x)).sum(), np.linspace(-1, 1, 4), orders=(1,))
    assert report, str(report)
    twice = check(lambda x: np.sin(right(x)).sum(), np.linspace(-1, 1, 4), raises=False)
    assert twice.verdict is not Verdict.WRONG  # a black box has no second derivative, which is said and not a fault
    assert "second" in str(twice)
    off = dp.black_box(np.sinh, lambda g, out, x: g * np.cosh(x) * 1.00001, name="box")
    with pytest.raises(dp.GradientMismatch, match="box"):
        check(lambda x: np.sin(off(x)).sum(), np.linspace(-1, 1, 4), orders=(1,))


def test_a_large_input_is_checked_along_directions() -> None:
    op = primitive(name="mix", register=False, shape=broadcast, analytic=True)(lambda xp, x, y: x * xp.roll(y, 1))
    op.vjp(lambda g, out, x, y: (g * np.roll(y, 1), np.roll(g * x, 1)))  # rolled on instead of back
    x, y = (np.random.default_rng(s).standard_normal(3000) for s in (0, 1))
    report = check(op, x, y, orders=(1,), raises=False)
    assert report.guilty is not None
    assert report.guilty.finding.input == 1


# -- the verdict itself --------------------------------------------------------------------------------------------


def test_compare_is_three_valued() -> None:
    def says(a: Any, n: Any, e: Any, **k: Any) -> Verdict:
        return compare(np.asarray(a), np.asarray(n), np.asarray(n), np.asarray(e), rtol=1e-8, **k).verdict

    assert says([1.0, 2.0], [1.0, 2.0], [1e-12, 1e-12]) is Verdict.RIGHT
    assert says([1.0, 2.0], [1.0, 2.001], [1e-12, 1e-12]) is Verdict.WRONG
    assert says([1.0, 2.0], [1.0, 2.001], [1e-12, 1.0]) is Verdict.UNSURE
    assert says([1.0, 2.0], [1.0, 2.0], [1e-12, 1.0]) is Verdict.UNSURE  # equal, and yet nobody can know
    assert says([np.nan], [1.0], [1e-12]) is Verdict.WRONG
    assert says([np.nan], [np.nan], [np.inf]) is Verdict.UNSURE
    assert says([1.0, 0.0], [1.0, 1e-13], [1e-12, 1e-12]) is Verdict.RIGHT  # covered by noise, beside 1.0
    assert says([0.0], [1e-13], [1e-12]) is Verdict.UNSURE
    assert says([0.0], [1e-13], [1e-12], scale=1.0) is Verdict.RIGHT
    assert says([0.0], [3e-6], [1e-12], scale=1.0) is Verdict.WRONG
    assert says([0.0], [0.0], [1e-12]) is Verdict.RIGHT  # not one bit moved
    assert says([], [], []) is Verdict.RIGHT
    kinked = compare(np.array([0.5]), np.array([0.0]), np.array([1.0]), np.array([1e-12]), rtol=1e-8)
    assert kinked.verdict is Verdict.RIGHT


def test_factor() -> None:
    n = np.array([1.0, -2.0, 0.0, 4.0])
    noise = np.full(4, 1e-12)
    assert factor(5 * n, n, n, noise) == pytest.approx(5)
    assert factor(0 * n, n, n, noise) == 0.0
    assert factor(n + 1, n, n, noise) is None
    assert factor(n, 0 * n, 0 * n, noise) is None
    half = np.where(np.arange(n.size) % 2, n, 0)
    assert factor(3 * half, half, half, noise) == pytest.approx(3)
    assert factor(n - half, half, half, noise) is None  # a mask turned round is not "zero"


def test_tolerances() -> None:
    assert tolerance(np.float64, 1) < 1e-6  # a scale error of 1e-6 must show
    assert tolerance(np.float64, 1) <= tolerance(np.float64, 2) < tolerance(np.float32, 1) < tolerance(np.float16, 1)
    assert tolerance(np.float64, 1, "complex") == 1e-12
    assert tolerance(np.complex128) == tolerance(np.float64)


def test_bad_requests() -> None:
    with pytest.raises(dp.UsageError, match="orders"):
        check(lambda x: x, 1.0, orders=(3,))
    with pytest.raises(dp.UsageError, match="orders"):
        check(lambda x: x, 1.0, orders=())


def test_empty_arguments() -> None:
    assert check(lambda x, y: F["sum"](x) + y, np.zeros((0, 3)), 1.0)


def test_a_numerical_zero_is_trusted_to_a_size_and_not_to_a_share() -> None:
    table = str(dp.check(lambda x: dp.cos(x).sum(), np.zeros(3)))
    assert "inf" not in table
    assert "±2e-12" in table
