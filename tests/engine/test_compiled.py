"""`dp.compile`: functions of every kind, value and gradients against `value_and_grad`, in both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa import nn
from denpa.engine import engine as engine_by_name
from denpa.engine.keep import kept
from denpa.errors import IndexingError, UsageError
from denpa.train.step import training_step
from denpa.tree import flatten

pytest.importorskip("numba")

Case = tuple[Callable[..., Any], tuple[Any, ...], tuple[int, ...]]
ENGINES = ["eager", "native"]


def random(seed: int, dtype: str) -> Callable[..., Any]:
    rng = np.random.default_rng(seed)
    return lambda *shape: (rng.standard_normal(shape) * 0.5).astype(dtype)


def logistic_regression(dtype: str) -> Case:
    """Elastic net: λ₁‖w‖₁ + λ₂‖w‖²."""
    r = random(0, dtype)
    x, t = r(200, 7), (r(200) > 0).astype(dtype)

    def loss(w: Any, b: Any) -> Any:
        z = x @ w + b
        return dp.sigmoid_cross_entropy(z, t) + 0.01 * dp.sum(dp.abs(w)) + 0.1 * dp.sum(w * w)

    return loss, (r(7), r()), (0, 1)


def residual_network(dtype: str) -> Case:
    r = random(1, dtype)

    def loss(p: Any, x: Any, t: Any) -> Any:
        h = x @ p["in"]
        for w, v in p["blocks"]:
            h = h + dp.relu(h @ w) @ v
        return dp.softmax_cross_entropy(h @ p["out"], t)

    blocks = [(r(12, 20), r(20, 12)) for _ in range(4)]
    t = np.random.default_rng(0).integers(0, 5, 33)
    return loss, ({"in": r(6, 12), "blocks": blocks, "out": r(12, 5)}, r(33, 6), t), (0,)


def autoencoder_with_tied_weights(dtype: str) -> Case:
    r = random(2, dtype)

    def loss(w: Any, b: Any, c: Any, x: Any) -> Any:
        return dp.mean((dp.sigmoid(dp.tanh(x @ w + b) @ w.T + c) - x) ** 2)

    return loss, (r(30, 8), r(8), r(30), r(50, 30)), (0, 1, 2)


def attention_block(dtype: str) -> Case:
    """One head over sequences (batch, position, width), masked to the past."""
    r = random(3, dtype)
    past = np.tril(np.ones((9, 9), bool))

    def loss(q: Any, k: Any, v: Any, x: Any) -> Any:
        scores = (x @ q) @ dp.matrix_transpose(x @ k) / np.asarray(4.0, dtype)
        weights = dp.softmax(dp.where(past, scores, np.asarray(-30.0, dtype)), axis=-1)
        return dp.mean((weights @ (x @ v) - x) ** 2)

    return loss, (r(16, 16), r(16, 16), r(16, 16), r(5, 9, 16)), (0, 1, 2, 3)


def recurrent_cell(dtype: str) -> Case:
    """Gated, unrolled over 12 steps."""
    r = random(4, dtype)

    def loss(w: Any, u: Any, x: Any) -> Any:
        h = np.zeros((4, 10), dtype)
        for i in range(12):
            gate = dp.sigmoid(x[i] @ w + h @ u)
            h = gate * h + (1.0 - gate) * dp.tanh(x[i] @ w - h @ u)
        return dp.mean(h**2)

    return loss, (r(3, 10), r(10, 10), r(12, 4, 3)), (0, 1)


def gaussian_mixture(dtype: str) -> Case:
    """Negative log-likelihood of diagonal Gaussians."""
    r = random(5, dtype)

    def loss(logits: Any, mean: Any, log_sd: Any, x: Any) -> Any:
        z = (x[:, None, :] - mean) * dp.exp(-log_sd)
        density = -0.5 * dp.sum(z * z, axis=2) - dp.sum(log_sd, axis=1)
        return -dp.mean(dp.logsumexp(density + dp.log_softmax(logits, axis=0), axis=1))

    return loss, (r(3), r(3, 2), r(3, 2), r(150, 2)), (0, 1, 2)


CASES = [
    logistic_regression,
    residual_network,
    autoencoder_with_tied_weights,
    attention_block,
    recurrent_cell,
    gaussian_mixture,
]


def close(found: Any, wanted: Any, tolerance: float) -> None:
    for (path, a), (_, b) in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype), path
        size = max(float(np.abs(b).max(initial=0)), 1e-3)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size, err_msg=path)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_value_and_gradients(case: Callable[[str], Case], engine: str, dtype: str, tolerance: float) -> None:
    f, args, wrt = case(dtype)
    compiled = dp.compile(f, engine=engine, grad=wrt)
    for _ in range(2):
        close(compiled(*args), dp.value_and_grad(f, wrt)(*args), tolerance)
    close(
        dp.compile(f, engine=engine)(*args), f(*args).value if isinstance(f(*args), dp.Tensor) else f(*args), tolerance
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_all_of_them_run_without_python(case: Callable[[str], Case]) -> None:
    f, args, wrt = case("float32")
    compiled = dp.compile(f, engine="native!", grad=wrt)
    compiled(*args)
    assert compiled.fallbacks == ()


def test_a_scalar_expression_of_ten_thousand_nodes() -> None:
    def f(x: Any, y: Any) -> Any:
        value = x
        for i in range(2500):
            value = (value * 0.5 + dp.sin(y * x)) if i % 3 else value * y - 0.1
        return value

    compiled = dp.compile(f, engine="native!", grad=(0, 1))
    assert len(dp.trace(f, 0.3, 0.7).nodes) > 10_000
    for point in ((0.3, 0.7), (-0.2, 0.9)):
        close(compiled(*point), dp.value_and_grad(f, (0, 1))(*point), 1e-12)


def test_transformations_of_any_order_compile() -> None:
    def f(x: Any) -> Any:
        return dp.sum(dp.tanh(x) ** 3)

    x = np.linspace(-1, 1, 4)
    close(dp.compile(dp.hessian(f), engine="native")(x), dp.hessian(f)(x), 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_program_for_shapes_dtypes_and_fixed_arguments(engine: str) -> None:
    calls = []

    def f(x: Any, times: int, *, negate: bool = False) -> Any:
        calls.append(x.shape)
        for _ in range(times):
            x = x * 2.0
        return {"result": -x if negate else x, "name": "f", "times": times}

    compiled = dp.compile(f, engine=engine)
    for x in (np.ones(3), np.full(3, 5.0), np.ones((2, 2)), np.ones(3, np.float32)):
        for times in (1, 3):
            found = compiled(x, times)
            assert found["name"] == "f"
            assert found["times"] == times
            np.testing.assert_array_equal(found["result"], x * 2.0**times)
            assert found["result"].dtype == x.dtype
    np.testing.assert_array_equal(compiled(np.ones(3), 1, negate=True)["result"], [-2.0] * 3)
    assert len(calls) == 7


def test_a_model_is_an_argument_and_its_activation_makes_another_program() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.random((20, 4)), rng.integers(0, 3, 20)

    def loss(network: Any, x: Any, t: Any) -> Any:
        return network.loss(x, t)

    compiled, reference = dp.compile(loss, engine="native", grad=0), dp.value_and_grad(loss)
    for hidden in ("relu", "tanh", "relu"):
        network = nn.Network([4, 6, 3], hidden=hidden, dtype="float64")
        network = network.with_parameters({n: p.value * 1.1 for n, p in network.parameters().items()})
        value, gradient = compiled(network, x, t)
        assert list(gradient) == ["0.weight", "0.bias", "2.weight", "2.bias"]
        close((value, gradient), reference(network, x, t), 1e-12)
    assert "2 programs" in repr(compiled)


@pytest.mark.parametrize("take", [bool, float, int, lambda t: t.item(), lambda t: t.numpy()])
def test_a_number_taken_out_of_a_traced_value_is_an_error(take: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match="takes a number out of a value"):
        dp.compile(lambda x: x * 2.0 if take(x * 3.0) else x)(1.5)


def test_a_number_taken_out_of_something_else_is_none() -> None:
    scale = dp.tensor(3.0)
    assert dp.compile(lambda x: x * float(scale))(2.0) == 6.0


def test_a_gradient_does_not_get_lost_in_a_compiled_function() -> None:
    compiled = dp.compile(lambda x: x * x)
    for call in (lambda: dp.grad(compiled)(1.0), lambda: compiled(dp.tensor(2.0) * 3.0)):
        with pytest.raises(UsageError, match="cannot pass through a compiled function"):
            call()
    outer = dp.compile(lambda x: compiled(x) + 1.0, grad=0)  # within another one it becomes a part of it
    assert outer(3.0) == (10.0, 6.0)


def test_plan_and_fallbacks() -> None:
    compiled = dp.compile(lambda x: dp.einsum("ij,jk->ik", x, x), engine="native")
    with pytest.raises(UsageError, match="when it is first called"):
        _ = compiled.plan
    compiled(np.eye(3))
    assert "bytes" in str(compiled.plan)
    eager = dp.compile(lambda x: x + 1.0, engine="eager")
    eager(1.0)
    with pytest.raises(UsageError, match="has no plan"):
        _ = eager.plan


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kept_node_is_read_after_the_call(engine: str) -> None:
    def f(x: Any) -> Any:
        z = dp.exp(x) * 2.0
        z.name = "z"
        return dp.sum(dp.tanh(z))

    compiled = dp.compile(f, engine=engine, keep="z", grad=0)
    for x in (np.arange(6.0).reshape(2, 3), np.ones((2, 3))):
        compiled(x)
        np.testing.assert_allclose(compiled.read("z"), np.exp(x) * 2.0, rtol=1e-14)
    with pytest.raises(UsageError, match="'y' was not kept"):
        compiled.read("y")
    with pytest.raises(UsageError, match="no node is named 'q'"):
        dp.compile(f, engine=engine, keep="q")(1.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_intermediates_of_the_last_batch_of_a_training(engine: str, optimizer: str) -> None:
    """a and z by role, the loss although it is a metric, the weights before the update; the run's bits stay."""
    rng = np.random.default_rng(1)
    network, opt = nn.Network([5, 8, 3], dtype="float64"), nn.optim.by_name(optimizer)
    data = {"x": rng.random((40, 5)), "t": rng.integers(0, 3, 40)}
    plain = training_step(network, opt, data["x"][:10], data["t"][:10], classify=True)
    step = kept(plain, ["preactivation 1", "activation 1", "loss", "0.weight", "new.0.weight"])
    assert step.metrics == plain.metrics
    rows = rng.integers(0, 40, (6, 10))
    start = {n: np.array(p.value) for n, p in network.parameters().items()} | opt.init(network.parameters())

    def run(step: Any, rows: Any, start: Any) -> tuple[Any, Any, Any]:
        state, program = dict(start), engine_by_name(engine).compile(step)
        metrics = program.run(state, data, rows, {"learning_rate": np.full(len(rows), 0.1)})
        return program, state, metrics

    _, before, _ = run(plain, rows[:5], start)
    _, wanted, _ = run(plain, rows, start)
    program, state, metrics = run(step, rows, start)
    close(state, wanted, 1e-14)
    z = data["x"][rows[-1]] @ before["0.weight"].T + before["0.bias"]
    np.testing.assert_allclose(program.read("preactivation 1"), z, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(program.read("activation 1"), np.maximum(z, 0), rtol=1e-12, atol=1e-14)
    assert program.read("loss") == metrics["loss"][-1]
    np.testing.assert_allclose(program.read("0.weight"), before["0.weight"], rtol=1e-13)
    np.testing.assert_array_equal(program.read("new.0.weight"), state["0.weight"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rule_that_looks_at_values_is_recorded_for_all_of_them(engine: str) -> None:
    """Eagerly, logsumexp has a shorter gradient where all is finite; the first call must not decide for the others."""
    compiled, reference = dp.compile(dp.logsumexp, engine=engine, grad=0), dp.value_and_grad(dp.logsumexp)
    for x in ([0.5, 1.0, 2.0], [np.inf, 1.0, np.inf], [-np.inf] * 3, [np.nan, 0.0, 1.0], [-np.inf, 0.0, 3.0]):
        for found, wanted in zip(compiled(np.array(x)), reference(np.array(x)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_bits_every_time_and_in_several_threads(engine: str) -> None:
    f, args, wrt = attention_block("float32")
    compiled = dp.compile(f, engine=engine, grad=wrt)

    def bits(_: int) -> bytes:
        return b"".join(np.ascontiguousarray(a).tobytes() for _, a in flatten(compiled(*args))[0])

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(bits, range(12))) == {bits(0)}
    assert "1 programs" in repr(compiled)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("columns", [False, True])
def test_an_index_outside_of_its_array_is_the_error_of_the_operation(engine: str, columns: bool) -> None:
    """Found by a kernel, and by NumPy where there is none (an index of columns)."""
    compiled = dp.compile(lambda x, i: dp.sum(x[:, i] if columns else x[i]), engine=engine, grad=0)
    compiled(np.ones((4, 5)), np.array([1, 2]))
    with pytest.raises(IndexingError, match=r"getitem: index 9 is out of bounds"):
        compiled(np.ones((4, 5)), np.array([1, 9]))
