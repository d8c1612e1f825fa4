"""Softmax and the losses: values, derivatives, extremes, shapes and messages, against SciPy, mpmath and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ops.derivatives import first_order, second_order

import denpa as dp
from denpa.errors import DTypeError, ShapeError, UsageError
from denpa.ops import (
    absolute_error,
    huber,
    log_softmax,
    one_hot,
    sigmoid_cross_entropy,
    softmax,
    softmax_cross_entropy,
    squared_error,
)
from denpa.primitive import REGISTRY, Primitive

REDUCTIONS = ["mean", "sum", "none"]


def gradient(f, x, g=None):
    x = dp.tensor(x)
    return dp.backward(f(x), g)[x]


# -- softmax ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "axis"), [((3,), -1), ((2, 3), -1), ((2, 3), 0), ((2, 3, 4), 1), ((0, 3), -1), ((3, 0), -1)]
)
def test_softmax_and_its_log(shape, axis, rng) -> None:
    special = pytest.importorskip("scipy.special")
    x = rng.normal(size=shape) * 3
    if x.size:
        assert np.allclose(softmax(x, axis=axis), special.softmax(x, axis=axis), rtol=1e-14)
        assert np.allclose(log_softmax(x, axis=axis), special.log_softmax(x, axis=axis), rtol=1e-13)
    for f in (softmax, log_softmax):
        first_order(lambda x, f=f: f(x, axis=axis), (x,), rng)
        second_order(lambda x, f=f: f(x, axis=axis), (x,), rng)


@pytest.mark.parametrize(
    "row", [[1e4, -1e4, 0.0], [1e4, 1e4 + 1, 1e4 - 1], [-1e4, -1e4, -1e4 + 5], [0.0, -745.0, -800.0]]
)
def test_extreme_logits_against_mpmath(row) -> None:
    mp = pytest.importorskip("mpmath")
    with mp.workdps(60):
        e = [mp.exp(mp.mpf(v)) for v in row]
        p = [v / mp.fsum(e) for v in e]
        logs = [float(mp.log(v)) for v in p]
        for k in range(3):
            loss = -logs[k]
            slope = [float(v - (i == k)) for i, v in enumerate(p)]
            for targets in (np.array([k]), np.eye(3)[[k]], np.eye(3, dtype=int)[[k]]):
                f = lambda x, t=targets: softmax_cross_entropy(x, t)
                assert f(np.array([row])) == pytest.approx(loss, rel=1e-13, abs=1e-15)
                assert gradient(f, [row])[0] == pytest.approx(slope, rel=1e-12, abs=1e-15)
        assert softmax(np.array(row)) == pytest.approx([float(v) for v in p], rel=1e-12, abs=1e-320)
        assert log_softmax(np.array(row)) == pytest.approx(logs, rel=1e-14)


def test_a_logit_of_minus_infinity_is_a_class_that_cannot_be() -> None:
    x = np.array([[1.0, -np.inf, 2.0]])
    assert softmax(x)[0, 1] == 0
    assert log_softmax(x)[0, 1] == -np.inf
    for targets in (np.array([0]), np.array([[0.25, 0.0, 0.75]])):
        loss = softmax_cross_entropy(x, targets)
        assert np.isfinite(loss)
        two = targets if targets.ndim == 1 else targets[:, [0, 2]]
        assert loss == pytest.approx(softmax_cross_entropy(x[:, [0, 2]], two), rel=1e-15)
        assert np.isfinite(gradient(lambda x, t=targets: softmax_cross_entropy(x, t), x)).all()
    assert softmax_cross_entropy(x, np.array([1])) == np.inf
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(softmax(np.full(3, -np.inf))).all()  # 0/0


def test_nan_comes_out_as_nan_and_stays_in_its_row() -> None:
    x = np.array([[1.0, np.nan, 2.0], [0.0, 1.0, 2.0]])
    for targets in (np.array([0, 1]), np.eye(3)[[0, 1]]):
        f = lambda x, t=targets: softmax_cross_entropy(x, t, reduction="none")
        losses = f(x)
        assert np.isnan(losses[0])
        assert np.isfinite(losses[1])
        slope = gradient(f, x, np.ones(2))
        assert np.isnan(slope[0]).all()
        assert np.isfinite(slope[1]).all()
        assert np.isnan(softmax_cross_entropy(x, targets))


def test_a_cotangent_of_ones_cannot_see_a_softmax_without_gradient(rng) -> None:
    """Rows of a softmax sum to 1, so the gradient of their sum is 0: only another cotangent checks anything."""
    x = rng.normal(size=(2, 3))
    assert np.allclose(gradient(softmax, x, np.ones((2, 3))), 0, atol=1e-15)
    twin = Primitive(softmax.evaluate, name="twin", shape=softmax.shape)
    twin.vjp(lambda g, out, x, *, axis: (g * 0,))
    with pytest.raises(AssertionError):
        first_order(twin, (x,), rng)


# -- softmax cross-entropy -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (1, 4), (5, 4), (2, 3, 4)])
@pytest.mark.parametrize("kind", ["indices", "probabilities", "weights", "one-hot integers"])
def test_softmax_cross_entropy(shape, kind, reduction, rng) -> None:
    x, k = rng.normal(size=shape), rng.integers(0, 4, shape[:-1])[()]
    t = {
        "indices": k,
        "probabilities": rng.dirichlet(np.ones(4), shape[:-1]),
        "weights": rng.normal(size=shape),
        "one-hot integers": np.eye(4, dtype=int)[k],
    }[kind]
    rows = t if t.ndim == x.ndim else np.eye(4)[t]
    losses = -np.sum(rows * log_softmax(x), axis=-1)
    expected = {"mean": np.mean, "sum": np.sum, "none": lambda a: a}[reduction](losses)
    f = lambda x, t: softmax_cross_entropy(x, t, reduction)
    assert np.allclose(f(x, t), expected, rtol=1e-13)
    assert np.shape(f(x, t)) == expected.shape
    first_order(f, (x, t), rng)
    second_order(f, (x, t), rng)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("probabilities", [False, True])
def test_softmax_cross_entropy_equals_torchs(probabilities, reduction, rng) -> None:
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(6, 4)) * 5
    t = rng.dirichlet(np.ones(4), 6) if probabilities else rng.integers(0, 4, 6)
    u, v = torch.tensor(x, requires_grad=True), torch.tensor(t, requires_grad=probabilities)
    theirs = torch.nn.functional.cross_entropy(u, v, reduction=reduction)
    g = rng.normal(size=tuple(theirs.shape))
    theirs.backward(torch.tensor(g))
    x, t = dp.tensor(x), dp.tensor(t)
    ours = softmax_cross_entropy(x, t, reduction=reduction)
    grads = dp.backward(ours, g)
    assert np.allclose(ours.value, theirs.detach().numpy(), rtol=1e-13)
    assert np.allclose(grads[x], u.grad.numpy(), rtol=1e-12, atol=1e-16)
    if probabilities:
        assert np.allclose(grads[t], v.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_the_hessian_of_cross_entropy_is_the_covariance_of_the_softmax(rng) -> None:
    x = rng.normal(size=3)
    p = softmax(x)
    for t in (np.int64(1), np.array([0.2, 0.3, 0.5])):
        assert np.allclose(
            dp.hessian(lambda x, t=t: softmax_cross_entropy(x, t))(x), np.diag(p) - np.outer(p, p), atol=1e-15
        )


def test_the_gradient_of_the_logits_is_softmax_minus_target_over_n(rng) -> None:
    """Source: seed 000 §5.6.3."""
    x, t = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    expected = (softmax(x) - one_hot(t, n_classes=4)) / 5
    assert np.allclose(gradient(lambda x: softmax_cross_entropy(x, t), x), expected, rtol=1e-15, atol=1e-17)


def test_the_backward_pass_is_made_of_primitives(rng) -> None:
    x = dp.tensor(rng.normal(size=(5, 4)))
    slope = dp.backward(softmax_cross_entropy(x, rng.integers(0, 4, 5)), record=True)[x]
    ops = {n.op.name for n in dp.Graph(slope) if n.op}
    assert {"softmax", "one_hot", "subtract"} <= ops


def test_a_single_sample_takes_a_plain_number(rng) -> None:
    x = rng.normal(size=4)
    for logits in (x, dp.tensor(x), x.tolist()):
        assert float(softmax_cross_entropy(logits, 2)) == pytest.approx(-log_softmax(x)[2], rel=1e-14)
    with pytest.raises(UsageError, match="targets = 4"):
        softmax_cross_entropy(dp.tensor(x), 4)


@pytest.mark.parametrize(
    ("logits", "targets", "error", "says"),
    [
        ((3, 4), np.array([0, 1, 4]), UsageError, r"targets\[2\] = 4"),
        ((3, 4), np.array([0, -1, 3]), UsageError, r"targets\[1\] = -1"),
        ((2, 3, 4), np.array([[0, 0, 0], [0, 9, 0]]), UsageError, r"targets\[1, 1\] = 9"),
        ((3, 4), np.array([0.0, 1.0, 2.0]), DTypeError, "astype"),
        ((3, 4), np.array([True, False, True]), DTypeError, "integers"),
        ((3, 4), np.array([[0], [1], [2]]), ShapeError, r"targets\[..., 0\]"),
        ((3, 4), np.ones((4, 3)), ShapeError, "targets.T"),
        ((3, 4), np.array([0, 1]), ShapeError, r"\(3,\)"),
        ((3, 4), np.array(1), ShapeError, "targets"),
        ((3, 1), np.array([0, 1, 0]), UsageError, r"targets\[1\] = 1"),
        ((3, 4), np.arange(12).reshape(3, 4), UsageError, "0 or 1"),
        ((3, 0), np.zeros((3, 0)), ShapeError, "logits"),
        ((), np.array(0), ShapeError, "logits"),
        ((0, 4), np.zeros(0, int), ShapeError, "empty batch"),
    ],
)
def test_targets_that_do_not_belong_to_the_logits(logits, targets, error, says) -> None:
    for x in (np.zeros(logits), dp.tensor(np.zeros(logits))):
        with pytest.raises(error, match=says) as caught:
            softmax_cross_entropy(x, targets)
        assert "softmax_cross_entropy" in str(caught.value)
        assert "test_losses.py" in str(caught.value)


def test_an_empty_batch_has_a_sum_and_no_mean() -> None:
    x, none = dp.tensor(np.zeros((0, 4))), np.zeros(0, int)
    total = softmax_cross_entropy(x, none, reduction="sum")
    assert total.value == 0
    assert dp.backward(total)[x].shape == (0, 4)
    assert softmax_cross_entropy(x, none, reduction="none").shape == (0,)
    for f in (squared_error, absolute_error, huber):
        assert f(x, x.value, reduction="sum").value == 0
        with pytest.raises(ShapeError, match="empty batch"):
            f(x, x.value)
    with pytest.raises(ShapeError, match="empty batch"):
        sigmoid_cross_entropy(x, x.value)


def test_one_hot() -> None:
    assert one_hot(np.array([2, 0]), n_classes=3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.int64(1), n_classes=2, dtype=np.float32).dtype == np.float32
    assert one_hot(np.zeros((2, 0), int), n_classes=3).shape == (2, 0, 3)
    assert not one_hot(dp.tensor([1, 0]), n_classes=2).node.requires
    with pytest.raises(UsageError, match=r"targets\[1\] = 3"):
        one_hot(np.array([0, 3]), n_classes=3)
    with pytest.raises(DTypeError):
        one_hot(np.array([0.0]), n_classes=3)


# -- sigmoid cross-entropy -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (3, 2), (2, 3, 2)])
@pytest.mark.parametrize("kind", ["probabilities", "integers", "booleans"])
def test_sigmoid_cross_entropy(shape, kind, reduction, rng) -> None:
    x = rng.normal(size=shape)
    t = rng.uniform(0.1, 0.9, shape) if kind == "probabilities" else rng.integers(0, 2, shape)
    t = np.asarray(t == 1 if kind == "booleans" else t)[()]
    elements = np.log1p(np.exp(x)) - x * t
    losses = elements.sum(axis=tuple(range(1, x.ndim))) if x.ndim else elements
    expected = {"mean": np.mean, "sum": np.sum, "none": lambda a: a}[reduction](losses)
    f = lambda x, t: sigmoid_cross_entropy(x, t, reduction=reduction)
    assert np.allclose(f(x, t), expected, rtol=1e-13)
    assert np.shape(f(x, t)) == np.shape(expected)
    first_order(f, (x, t), rng)
    second_order(f, (x, t), rng)


def test_sigmoid_cross_entropy_equals_torchs(rng) -> None:
    torch = pytest.importorskip("torch")
    x, t = rng.normal(size=(6, 3)) * 5, rng.uniform(size=(6, 3))
    u, v = torch.tensor(x, requires_grad=True), torch.tensor(t, requires_grad=True)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(u, v, reduction="none").sum(1).mean()
    theirs.backward()
    x, t = dp.tensor(x), dp.tensor(t)
    ours = sigmoid_cross_entropy(x, t)
    grads = dp.backward(ours)
    assert ours.value == pytest.approx(theirs.item(), rel=1e-14)
    assert np.allclose(grads[x], u.grad.numpy(), rtol=1e-12)
    assert np.allclose(grads[t], v.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("x", [-1e4, -1e3, -40.0, -1e-3, 0.0, 1e-3, 40.0, 1e3, 1e4])
@pytest.mark.parametrize("t", [0.0, 1e-3, 0.5, 1.0])
def test_extreme_binary_logits_against_mpmath(x, t) -> None:
    mp = pytest.importorskip("mpmath")
    with mp.workdps(60):
        # log σ(x) at 60 digits: σ(1e4) differs from 1 by 1e-4343, so the logarithms are written as -log1p(exp(∓x)).
        loss = mp.mpf(t) * mp.log1p(mp.exp(-mp.mpf(x))) + (1 - mp.mpf(t)) * mp.log1p(mp.exp(mp.mpf(x)))
        slope = 1 / (1 + mp.exp(-mp.mpf(x))) - mp.mpf(t)
    assert sigmoid_cross_entropy(np.float64(x), np.float64(t)) == pytest.approx(float(loss), rel=1e-13, abs=1e-320)
    f = lambda x: sigmoid_cross_entropy(x, np.float64(t))
    assert gradient(f, x) == pytest.approx(float(slope), rel=1e-12, abs=1e-15)


def test_infinite_and_nan_binary_logits() -> None:
    x, t = np.array([np.inf, -np.inf, np.inf, -np.inf, np.nan]), np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    losses = sigmoid_cross_entropy(x, t, reduction="none")
    assert losses[:4].tolist() == [0, 0, np.inf, np.inf]
    assert np.isnan(losses[4])
    slope = gradient(lambda x: sigmoid_cross_entropy(x, t, reduction="sum"), x)
    assert slope[:4].tolist() == [0, 0, 1, -1]
    assert np.isnan(slope[4])


@pytest.mark.parametrize(
    ("targets", "error", "says"),
    [
        (np.zeros((3, 1)), ShapeError, "reshape"),
        (np.zeros(4), ShapeError, "does not broadcast"),
        (np.array([1.0, -1.0, 1.0]), UsageError, "between 0 and 1"),
        (np.array([0, 1, 2]), UsageError, "0 or 1"),
        (np.array([0, -1, 1]), UsageError, "0 or 1"),
    ],
)
def test_binary_targets_that_cannot_be(targets, error, says) -> None:
    with pytest.raises(error, match=says):
        sigmoid_cross_entropy(dp.tensor(np.zeros(3)), targets)


# -- composed losses -------------------------------------------------------------------------------------------------
ELEMENT = {
    "squared_error": (squared_error, lambda d: 0.5 * d**2),
    "absolute_error": (absolute_error, np.abs),
    "huber": (huber, lambda d: np.where(np.abs(d) <= 1, 0.5 * d**2, np.abs(d) - 0.5)),
}


@pytest.mark.parametrize("name", ELEMENT)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (3, 4), (2, 3, 2)])
def test_composed_losses(name, shape, reduction, rng) -> None:
    loss, element = ELEMENT[name]
    d, t = rng.normal(size=shape) * 2, rng.normal(size=shape)
    d = np.where(np.abs(d) < 0.05, 0.1, d)  # a difference must not step over the kinks at 0 and at huber's ±1
    d = np.where(np.abs(np.abs(d) - 1) < 0.05, 1.2, d)
    y = t + d
    losses = np.asarray(element(y - t))
    losses = losses.sum(axis=tuple(range(1, y.ndim))) if y.ndim else losses
    expected = {"mean": np.mean, "sum": np.sum, "none": lambda a: a}[reduction](losses)
    f = lambda y, t: loss(y, t, reduction=reduction)
    assert np.allclose(f(y, t), expected, rtol=1e-14)
    assert np.shape(f(dp.tensor(y), t).value) == np.shape(expected)
    first_order(f, (y, t), rng, analytic=name == "squared_error")
    assert np.allclose(
        loss(y, t, reduction=reduction, factor=3.0), f(y, t) * 3 / (0.5 if name == "squared_error" else 1)
    )


@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (lambda y, t: squared_error(y, t, factor=1 / 3), "MSELoss()"),
        (lambda y, t: squared_error(y, t, reduction="sum", factor=1), "MSELoss(reduction='sum')"),
        (lambda y, t: absolute_error(y, t, factor=1 / 3), "L1Loss()"),
        (lambda y, t: huber(y, t, delta=0.7, factor=1 / 3), "HuberLoss(delta=0.7)"),
        (lambda y, t: huber(y, t, delta=0.7, factor=1 / 3) / 0.7, "SmoothL1Loss(beta=0.7)"),
    ],
)
def test_the_documented_relation_to_torch(ours, torchs, rng) -> None:
    torch = pytest.importorskip("torch")
    name, _, options = torchs.partition("(")
    keywords = dict(part.split("=") for part in options.rstrip(")").split(",") if part)
    keywords = {k: v.strip("'") if k == "reduction" else float(v) for k, v in keywords.items()}
    y, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    u = torch.tensor(y, requires_grad=True)
    theirs = getattr(torch.nn, name)(**keywords)(u, torch.tensor(t))
    theirs.backward()
    y = dp.tensor(y)
    loss = ours(y, t)
    assert loss.value == pytest.approx(theirs.item(), rel=1e-13)
    assert np.allclose(dp.backward(loss)[y], u.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_squared_error_is_the_cost_of_seed_002(rng) -> None:
    """C_T = Σ_k ½ Σ_j (t_j - a_j)²; its gradient is a - t."""
    a, t = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    assert squared_error(a, t, reduction="sum") == pytest.approx(sum(0.5 * sum((t[k] - a[k]) ** 2) for k in range(4)))
    assert np.allclose(gradient(lambda a: squared_error(a, t, reduction="sum"), a), a - t, rtol=1e-15)


@pytest.mark.parametrize("loss", [squared_error, absolute_error, huber])
@pytest.mark.parametrize(("a", "b"), [((3, 1), (3,)), ((3,), (3, 1)), ((3, 4), (4,)), ((3, 4), (1, 4)), ((3,), ())])
def test_a_loss_never_broadcasts(loss, a, b) -> None:
    with pytest.raises(ShapeError, match="does not broadcast") as caught:
        loss(dp.tensor(np.zeros(a)), np.zeros(b))
    assert f"outputs {a}, targets {b}" in str(caught.value)
    assert ("targets.reshape" in str(caught.value)) == (np.prod(a) == np.prod(b))


@pytest.mark.parametrize("loss", [squared_error, absolute_error, huber, softmax_cross_entropy, sigmoid_cross_entropy])
def test_an_unknown_reduction_is_refused(loss) -> None:
    with pytest.raises(UsageError, match='"mean", "sum" or "none"'):
        loss(dp.tensor(np.zeros((2, 2))), np.zeros((2, 2)), reduction="average")


def test_huber_at_its_bounds_and_beyond_all_bounds() -> None:
    f = lambda y: huber(y, np.zeros(5), delta=2.0, reduction="sum")
    assert gradient(f, [2.0, -2.0, np.inf, 1e300, 1e-300]).tolist() == [2.0, -2.0, 2.0, 2.0, 1e-300]
    assert np.isnan(gradient(lambda y: huber(y, 0.0), np.nan))
    for delta in (0.0, -1.0, np.nan):
        with pytest.raises(UsageError, match="delta"):
            huber(np.ones(2), np.ones(2), delta=delta)


def test_the_absolute_errors_gradient_is_0_where_it_is_0() -> None:
    assert gradient(lambda y: absolute_error(y, np.zeros(3), reduction="sum"), [-1.0, 0.0, 1.0]).tolist() == [-1, 0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_outputs_is_kept_beside_integer_targets(dtype, rng) -> None:
    y = dp.tensor(rng.normal(size=(3, 2)), dtype=dtype)
    classes, bits = np.array([0, 1, 0]), np.array([[0, 1], [1, 0], [0, 1]])
    losses = [
        softmax_cross_entropy(y, classes),
        softmax_cross_entropy(y, bits),
        softmax_cross_entropy(y, bits == 1, reduction="none").sum(),
        sigmoid_cross_entropy(y, bits),
        sigmoid_cross_entropy(y, bits == 1),
        *(loss(y, bits) for loss in (squared_error, absolute_error, huber)),
        softmax(y)[0, 0],
        log_softmax(y)[0, 0],
    ]
    for loss in losses:
        assert loss.dtype == dtype, loss.node.label
        assert dp.backward(loss)[y].dtype == dtype
    assert squared_error(y[0, 0], 1.0).dtype == dtype
    assert squared_error(y[0, 0], 1).dtype == dtype


def test_the_rules_run_under_jax(rng) -> None:
    jax = pytest.importorskip("jax")
    x, t, p = rng.normal(size=(4, 3)).astype(np.float32), np.array([0, 2, 1, 1]), rng.dirichlet(np.ones(3), 4)
    for name, args, params in (
        ("softmax_cross_entropy", (x, t), {"reduction": "mean"}),
        ("softmax_cross_entropy", (x, p.astype(np.float32)), {"reduction": "none"}),
        ("sigmoid_cross_entropy", (x, p.astype(np.float32)), {"reduction": "sum"}),
        ("softmax", (x,), {"axis": -1}),
        ("one_hot", (t,), {"n_classes": 3, "dtype": np.float32}),
    ):
        op = REGISTRY[name]
        compiled = jax.jit(lambda *a, op=op, params=params: op.evaluate(jax.numpy, *a, **params))
        assert np.allclose(compiled(*args), op(*args, **params), rtol=1e-5)


# -- wrong twins -----------------------------------------------------------------------------------------------------
def twin_of(name, rule):
    op = REGISTRY[name]
    twin = Primitive(op.evaluate, name="twin", shape=op.shape)

    @twin.vjp
    def _(g, out, x, t, *, reduction="mean"):
        return rule(*op.pull_back(g, out, (x, t), {"reduction": reduction}, (True, True)))

    return twin


FAULTS = {
    "not divided by n": lambda gx, gt: (gx * 3, gt),
    "sign": lambda gx, gt: (-gx, gt),
    "a millionth": lambda gx, gt: (gx * (1 + 1e-6), gt),
    "sign of the targets' gradient": lambda gx, gt: (gx, -gt),
    "cotangent ignored": lambda gx, gt: (gx / np.abs(gx).max(), gt),
}


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_twin_is_caught(name, fault, rng) -> None:
    x, t = rng.normal(size=(3, 4)), rng.dirichlet(np.ones(4), 3)
    first_order(twin_of(name, lambda *parts: parts), (x, t), rng)
    with pytest.raises(AssertionError):
        first_order(twin_of(name, FAULTS[fault]), (x, t), rng)
