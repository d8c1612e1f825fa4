"""`Network` and `Sequential` against PyTorch, hand-written NumPy, and their own contracts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.autodiff import backward
from denpa.errors import DTypeError, ModelFileError, ShapeError, UsageError
from denpa.graph import Graph, Role, Tensor, tensor
from denpa.transforms import grad, hessian, hvp, value_and_grad

TORCH_NAMES = {
    "identity": "Identity",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "softplus": "Softplus",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}


def torch_twin(network: nn.Network) -> Any:
    """The same network as PyTorch's nn.Sequential up to the logits, with our parameters loaded strictly."""
    torch = pytest.importorskip("torch")
    layers: list[Any] = []
    for layer in network.body:
        if isinstance(layer, nn.Linear):
            layers.append(torch.nn.Linear(layer.n_in, layer.n_out, bias=layer.has_bias))
        else:
            layers.append(getattr(torch.nn, TORCH_NAMES[layer.function])())
    twin = torch.nn.Sequential(*layers).double()
    ours = {name: np.array(p.value) for name, p in network.parameters().items()}
    theirs = {name: tuple(p.shape) for name, p in twin.state_dict().items()}
    assert {name: p.shape for name, p in ours.items()} == theirs
    assert list(ours) == list(theirs)
    twin.load_state_dict({name: torch.from_numpy(p) for name, p in ours.items()}, strict=True)
    return twin


def agree(ours: Any, theirs: Any) -> None:
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-12, atol=1e-12 * max(1.0, float(abs(theirs).max())))


def units(k: int) -> list[int]:
    return [7, 5, 6, 4, 8, 5, 3][: k + 1] if k == 6 else [*[7, 5, 6, 4, 8, 5][:k], 3]


def torch_loss(name: str, logits: Any, t: Any, output: str) -> Any:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    if name == "softmax_cross_entropy":
        return f.cross_entropy(logits, t)
    if name == "sigmoid_cross_entropy":
        return f.binary_cross_entropy_with_logits(logits, t, reduction="sum") / len(t)
    y = {"identity": lambda z: z, "sigmoid": torch.sigmoid, "softmax": lambda z: torch.softmax(z, -1)}[output](logits)
    return {
        "squared_error": lambda: ((y - t) ** 2).sum() / 2 / len(t),
        "absolute_error": lambda: f.l1_loss(y, t, reduction="sum") / len(t),
        "huber": lambda: f.huber_loss(y, t, reduction="sum") / len(t),
    }[name]()


COMBINATIONS = [
    ("softmax", "softmax_cross_entropy"),
    ("sigmoid", "sigmoid_cross_entropy"),
    *[(o, e) for o in ("identity", "sigmoid", "softmax") for e in ("squared_error", "absolute_error", "huber")],
]


def target(rng: np.random.Generator, loss: str, batch: int = 11, n: int = 3) -> Any:
    if loss == "softmax_cross_entropy":
        return rng.integers(0, n, batch)
    return rng.random((batch, n)) if loss != "huber" else 3 * rng.standard_normal((batch, n))


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize(("output", "loss"), COMBINATIONS)
def test_loss_and_gradients_agree_with_pytorch(k: int, output: str, loss: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    hidden = [list(TORCH_NAMES)[i % len(TORCH_NAMES)] for i in range(k, 2 * k - 1)]
    network = nn.Network(units(k), hidden=hidden, output=output, loss=loss, seed=k, dtype="float64")
    network = network.with_parameters({n: rng.standard_normal(s) / 2 for n, s in network.shapes().items()})
    twin = torch_twin(network)
    x, t = rng.standard_normal((11, 7)), target(rng, loss)

    agree(network.logits(x).value, twin(torch.from_numpy(x)))
    theirs = torch_loss(loss, twin(torch.from_numpy(x)), torch.from_numpy(t), output)
    theirs.backward()
    value, gradients = value_and_grad(lambda n: n.loss(x, t))(network)
    agree(value, theirs)
    for name, p in twin.named_parameters():
        agree(gradients[name], p.grad)


def test_second_order_agrees_with_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    network = nn.Network([4, 5, 3], hidden="tanh", seed=3, dtype="float64")
    twin = torch_twin(network)
    x, t = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    v = {name: rng.standard_normal(shape) for name, shape in network.shapes().items()}

    parameters = list(twin.parameters())
    loss = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)), torch.from_numpy(t))
    first = torch.autograd.grad(loss, parameters, create_graph=True)
    dot = sum((g * torch.from_numpy(v[n])).sum() for g, n in zip(first, v, strict=True))
    second = torch.autograd.grad(dot, parameters)

    def slope(n: nn.Network) -> Any:
        gradients = grad(lambda m: m.loss(x, t))(n)
        parts = [(g * v[name]).sum() for name, g in gradients.items()]
        return parts[0] + parts[1] + parts[2] + parts[3]

    ours = grad(slope)(network)
    for name, theirs in zip(v, second, strict=True):
        agree(ours[name], theirs)

    theta = nn.theta(network)
    by_theta = hvp(lambda w: nn.from_theta(network, w).loss(x, t), theta, nn.theta(v))
    np.testing.assert_allclose(by_theta, nn.theta({n: g.numpy() for n, g in zip(v, second, strict=True)}), atol=1e-12)


def test_the_hessian_of_a_small_network_is_symmetric_and_of_theta(rng: np.random.Generator) -> None:
    network = nn.Network([2, 2, 1], hidden="sigmoid", output="identity", seed=0, dtype="float64")
    x, t = rng.standard_normal((5, 2)), rng.standard_normal((5, 1))
    H = hessian(lambda w: nn.from_theta(network, w).loss(x, t))(nn.theta(network))
    assert H.shape == (9, 9)
    np.testing.assert_allclose(H, H.T, atol=1e-14)
    step = 1e-5 * np.eye(9)
    slope = grad(lambda w: nn.from_theta(network, w).loss(x, t))
    numeric = np.stack([(slope(nn.theta(network) + e) - slope(nn.theta(network) - e)) / 2e-5 for e in step])
    np.testing.assert_allclose(H, numeric, atol=1e-8)


def test_the_network_of_seed_002_by_hand(rng: np.random.Generator) -> None:
    """C_T = Σ_k ½ Σ_j (t − a)², and the delta rule for its gradients."""
    network = nn.Network(
        [12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", dtype="float64"
    )
    x, t = rng.integers(0, 2, (64, 12)).astype(float), rng.integers(0, 2, (64, 2)).astype(float)
    W1, b1, W2, b2 = (p.value for p in network.parameters().values())

    def s(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    a1 = s(x @ W1.T + b1)
    a2 = s(a1 @ W2.T + b2)
    d2 = (a2 - t) * a2 * (1 - a2)
    d1 = (d2 @ W2) * a1 * (1 - a1)
    cost, gradients = value_and_grad(lambda n: n.loss(x, t))(network)
    assert cost == pytest.approx(((t - a2) ** 2).sum() / 2, rel=1e-13)
    hand = {"0.weight": d1.T @ x, "0.bias": d1.sum(0), "2.weight": d2.T @ a1, "2.bias": d2.sum(0)}
    for name, g in hand.items():
        np.testing.assert_allclose(gradients[name], g, rtol=1e-12, atol=1e-14)
    mean = nn.Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    assert mean.loss(x, t).item() == pytest.approx(cost / 64, rel=1e-14)


def test_roles_and_names() -> None:
    network = nn.Network([5, 4, 4, 3], hidden=["relu", "tanh"], output="softmax", loss="squared_error")
    loss = network.loss(tensor(np.ones((2, 5)), name="pixels"), np.ones((2, 3)))
    nodes = Graph(loss).nodes
    roles = [n.role for n in nodes if n.role is not None]
    expected = [("input", 0), ("target", 3), ("loss", 3)]
    for l in (1, 2, 3):
        expected += [(kind, l) for kind in ("weight", "bias", "preactivation", "activation")]
    assert sorted(roles) == sorted(Role(*r) for r in expected)
    by_role = {n.role: n for n in nodes}
    assert by_role[Role("weight", 2)].name == "2.weight"
    assert by_role[Role("bias", 3)].name == "4.bias"
    assert by_role[Role("activation", 2)].op.name == "tanh"
    assert by_role[Role("activation", 3)].op.name == "softmax"
    assert by_role[Role("input", 0)].name == "pixels"
    assert by_role[Role("preactivation", 2)].value.shape == (2, 4)
    found = backward(loss)
    assert found["activation1"].shape == (2, 4)
    assert found["4.weight"].shape == (3, 4)
    assert Graph(loss)["preactivation3"] is by_role[Role("preactivation", 3)]

    fused = Graph(nn.Network([5, 4, 3]).loss(np.ones((2, 5)), [0, 1]))
    assert fused.output.name == "loss"
    assert [n.role for n in fused.nodes if n.role and n.role.layer == 2][-1] == Role("loss", 2)


def test_inputs_as_arrays_have_no_gradient_and_as_tensors_do() -> None:
    network = nn.Network([5, 4, 3])
    loss = network.loss(np.ones((2, 5)), [0, 1])
    assert not Graph(loss).inputs["x"].requires
    x = tensor(np.ones((2, 5)), name="x", dtype="float32")
    assert backward(network.loss(x, [0, 1]))["x"].shape == (2, 5)


def test_float32_stays_float32_whatever_the_arrays_are() -> None:
    for output, t in (("softmax", [0, 1]), ("identity", np.ones((2, 3))), ("sigmoid", np.ones((2, 3), int))):
        network = nn.Network([5, 4, 3], output=output)
        for x in (np.ones((2, 5)), np.ones((2, 5), np.uint8), np.ones((2, 5), bool).tolist()):
            value, gradients = value_and_grad(lambda n, x=x, t=t: n.loss(x, t))(network)
            assert value.dtype == np.float32
            assert {g.dtype for g in gradients.values()} == {np.dtype("float32")}
            assert network.predict(x).dtype == np.float32


def test_outputs_predictions_and_logits(rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 5))
    network = nn.Network([5, 4, 3], dtype="float64")
    p = network.predict(x)
    assert isinstance(p, np.ndarray)
    assert not p.flags.writeable
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    z = network.logits(x).value
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-13)
    assert np.array_equal(p, network(x).value)
    assert network(x).node.role == Role("activation", 2)
    single = nn.Network([5, 1], output="sigmoid")
    assert single.predict(x[0]).shape == (1,)


def test_extreme_logits_give_finite_losses_and_right_gradients() -> None:
    for output, t, expected in (("softmax", [1], [[1.0, -1.0]]), ("sigmoid", [[0.0, 1.0]], [[1.0, 0.0]])):
        network = nn.Network([1, 2], output=output)
        network = network.with_parameters({"0.weight": np.float32([[1e4], [-1e4]]), "0.bias": np.zeros(2, "float32")})
        if output == "sigmoid":
            t, expected = [[0.0, 1.0]], [[1.0, -1.0]]
        loss = network.loss([[1.0]], t)
        assert np.isfinite(loss.value)
        assert np.array_equal(backward(loss)["preactivation1"], expected)


# -- seeds -------------------------------------------------------------------------------------------------------------
def values(model: Any) -> dict[str, np.ndarray]:
    return {name: np.array(p.value) for name, p in model.parameters().items()}


def test_the_seed_decides_every_bit() -> None:
    a, b, c = (values(nn.Network([6, 5, 4], seed=s)) for s in (1, 1, 2))
    assert all(np.array_equal(a[n], b[n]) for n in a)
    assert not np.array_equal(a["0.weight"], c["0.weight"])
    wide = values(nn.Network([6, 5, 4], seed=1, dtype="float64"))
    assert all(np.array_equal(a[n], wide[n].astype("float32")) for n in a)


def test_a_layer_added_at_the_end_changes_no_other() -> None:
    short = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), seed=7)
    long = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2), seed=7)
    a, b = values(short), values(long)
    assert all(np.array_equal(a[n], b[n]) for n in a)
    assert len({v.tobytes() for n, v in b.items() if n.endswith("weight")}) == 3


def test_no_global_random_state() -> None:
    before = np.random.get_state()[1].copy()
    values(nn.Network([6, 5, 4], dropout=0.5))
    assert np.array_equal(before, np.random.get_state()[1])


def test_the_start_follows_the_activation() -> None:
    def variance(hidden: str) -> float:
        return float((nn.Network([400, 300, 10], hidden=hidden).parameters()["0.weight"].value ** 2).mean())

    assert variance("relu") == pytest.approx(2 / 400, rel=0.03)
    assert variance("tanh") == pytest.approx(2 / 700, rel=0.03)
    book = nn.Network([400, 300, 10], init="normal:0.01").parameters()
    assert book["2.weight"].value.std() == pytest.approx(0.01, rel=0.1)
    through = nn.Sequential(nn.Linear(400, 300), nn.Dropout(0.2), nn.ReLU())
    assert (values(through)["0.weight"] ** 2).mean() == pytest.approx(2 / 400, rel=0.03)


# -- parameters --------------------------------------------------------------------------------------------------------
def test_with_parameters_is_a_copy_and_strict() -> None:
    network = nn.Network([3, 2, 2], dtype="float64")
    old = values(network)
    new = network.with_parameters({n: v + 1 for n, v in old.items()})
    assert all(np.array_equal(values(network)[n], v) for n, v in old.items())
    assert all(np.array_equal(values(new)[n], v + 1) for n, v in old.items())
    for name, p in new.parameters().items():
        assert (p.node.kind, p.name, p.node.role) == (
            "parameter",
            name,
            Role(name[2:], 1 if name[0] == "0" else 2),
        )
    with pytest.raises(UsageError, match=r"missing 2\.bias"):
        network.with_parameters({n: v for n, v in old.items() if n != "2.bias"})
    with pytest.raises(UsageError, match=r"unknown 4\.weight"):
        network.with_parameters({**old, "4.weight": np.zeros(1)})
    with pytest.raises(ShapeError, match=r"parameter 2\.weight"):
        network.with_parameters({**old, "2.weight": np.zeros((2, 3))})
    with pytest.raises(DTypeError, match=r"parameter 0\.bias"):
        network.with_parameters({**old, "0.bias": np.zeros(2, int)})


def test_tensors_given_as_parameters_are_used_themselves() -> None:
    network = nn.Network([3, 2, 2], dtype="float64")
    w = tensor(np.ones((2, 3)), name="mine")
    given = {**network.parameters(), "0.weight": w * 2}
    loss = network.with_parameters(given).loss(np.ones((1, 3)), [0])
    assert backward(loss)["mine"].shape == (2, 3)


def test_tied_weights_through_with_parameters(rng: np.random.Generator) -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 3, bias=False))
    x = rng.standard_normal((4, 3))

    def loss(W: Any) -> Any:
        y = model.with_parameters({"0.weight": W, "2.weight": W.T})(x)
        return (y * y).sum()

    W = rng.standard_normal((3, 3))
    g = grad(loss)(W)
    numeric = np.zeros((3, 3))
    for i in np.ndindex(3, 3):
        e = np.zeros((3, 3))
        e[i] = 1e-6

        def f(w: Any) -> float:
            return float(loss(tensor(w)).value)

        numeric[i] = (f(W + e) - f(W - e)) / 2e-6
    np.testing.assert_allclose(g, numeric, rtol=1e-6, atol=1e-8)


def test_numpy_loading_and_dropout_indices_follow_pytorch() -> None:
    torch = pytest.importorskip("torch")
    network = nn.Network([3, 4, 4, 2], dropout=0.25)
    t = torch.nn
    twin = t.Sequential(*[t.Linear(3, 4), t.ReLU(), t.Dropout(), t.Linear(4, 4), t.ReLU(), t.Dropout(), t.Linear(4, 2)])
    assert list(network.parameters()) == list(twin.state_dict())
    nested = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Flatten(), nn.Linear(4, 2, bias=False))
    twin = t.Sequential(t.Sequential(t.Linear(3, 4), t.ReLU()), t.Flatten(), t.Linear(4, 2, bias=False))
    assert nested.shapes() == {n: tuple(p.shape) for n, p in twin.state_dict().items()}
    assert [p.name for p in nested.parameters().values()] == list(twin.state_dict())


# -- dropout -----------------------------------------------------------------------------------------------------------
def test_dropout_in_a_network_follows_its_key(rng: np.random.Generator) -> None:
    network = nn.Network([6, 50, 50, 3], dropout=0.5, seed=1)
    x, t = rng.standard_normal((8, 6)), rng.integers(0, 3, 8)

    def run(step: int) -> float:
        return network.loss(x, t, training=True, key=nn.step_key(3, step)).item()

    assert run(5) == run(5)
    assert len({run(s) for s in range(20)}) == 20
    assert network.loss(x, t).item() == network.loss(x, t, key=nn.step_key(3, 5)).item()
    with pytest.raises(UsageError, match="key"):
        network.loss(x, t, training=True)
    masks = [
        n.value >= 0.5
        for n in Graph(network.loss(x, t, training=True, key=nn.step_key(3, 5))).nodes
        if n.op and n.op.name == "uniform"
    ]
    assert len(masks) == 2
    assert not np.array_equal(masks[0], masks[1])


def test_the_key_is_an_input_of_the_recorded_graph(rng: np.random.Generator) -> None:
    network = nn.Network([6, 5, 5, 3], dropout=0.5)
    graph = Graph(network.loss(rng.standard_normal((2, 6)), [0, 1], training=True, key=nn.step_key(0, 0)))
    assert sum(n.name == "key" for n in graph.nodes) == 1
    assert graph.inputs["key"].value.dtype == np.uint64


# -- descriptions ------------------------------------------------------------------------------------------------------
NETWORKS = [
    nn.Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", seed=2**64 - 1),
    nn.Network([4, 2]),
    nn.Network([4, 3, 3, 1], ["tanh", "elu"], "identity", "huber", bias=False, init="normal:0.01", dtype="float64"),
    nn.Network([4, 3, 2], output="sigmoid", dropout=0.1),
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_spec_gives_the_network_back(network: nn.Network) -> None:
    spec = json.loads(json.dumps(network.spec()))
    again = nn.Network.from_spec(spec)
    assert again.spec() == network.spec()
    assert repr(again) == repr(network)
    a, b = values(network), values(again)
    assert list(a) == list(b)
    assert all(np.array_equal(a[n], b[n]) for n in a)


GOOD = nn.Network([4, 3, 2]).spec()
BAD_SPECS: list[Any] = [
    None,
    3,
    "network",
    [],
    {},
    {**GOOD, "extra": 1},
    {k: v for k, v in GOOD.items() if k != "units"},
    *[{**GOOD, "kind": v} for v in ("os.system", None, ["network"])],
    *[
        {**GOOD, "units": v}
        for v in ([4], [], [4, 0], [4, -1, 2], [4, 3.0], "42", None, {"a": 1}, [True, 2], [4, None])
    ],
    *[{**GOOD, "units": v} for v in ([2**40, 2], [10**6, 10**6], [1] * 20_000, [4, 2**31])],
    *[{**GOOD, "hidden": v} for v in ("relu", ["rel"], ["relu", "relu"], [["relu"]], None, [None], ["__class__"])],
    *[{**GOOD, "output": v} for v in ("step", None, 3, ["softmax"])],
    *[{**GOOD, "loss": v} for v in ("sigmoid_cross_entropy", "mse", None, 3)],
    *[{**GOOD, "reduction": v} for v in ("none", "max", None, 3)],
    *[{**GOOD, "bias": v} for v in (1, None, "yes")],
    *[{**GOOD, "init": v} for v in ("he", "normal:", "normal:-1", 3, ["he_normal"])],
    *[{**GOOD, "seed": v} for v in (-1, 2**64, 0.5, None, "0", True)],
    *[{**GOOD, "dtype": v} for v in ("float16", "object", None, 3)],
    *[{**GOOD, "dropout": v} for v in (1, -0.1, math.nan, None, "0.5", True)],
]


@pytest.mark.parametrize("spec", BAD_SPECS, ids=lambda s: str(s)[:150])
def test_a_bad_spec_is_one_clear_error(spec: Any) -> None:
    with pytest.raises(ModelFileError) as caught:
        nn.Network.from_spec(spec)
    assert caught.value.exit_code == 3
    assert len(str(caught.value)) < 2000


def test_a_network_from_a_file_takes_no_memory_before_its_parameters_do() -> None:
    network = nn.Network.from_spec({**GOOD, "units": [40_000, 40_000, 2]})  # 6.4 GB once drawn
    assert network.shapes()["0.weight"] == (40_000, 40_000)
    with pytest.raises(UsageError, match="missing"):
        network.with_parameters({})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Network([4, 3, 2], hidden="rleu"), "did you mean 'relu'"),
        (lambda: nn.Network([4, 2], hidden="rleu"), "relu"),
        (lambda: nn.Network([4, 3, 2], hidden=["relu", "relu"]), "one activation for each hidden layer"),
        (lambda: nn.Network([4, 3, 2], output="sofmax"), "'softmax'"),
        (lambda: nn.Network([4, 3, 2], loss="squared"), "'squared_error'"),
        (lambda: nn.Network([4, 3, 2], output="identity", loss="cross_entropy"), "does not go with"),
        (lambda: nn.Network([4, 3, 2], output="sigmoid", loss="softmax_cross_entropy"), "does not go with"),
        (lambda: nn.Network([4, 3, 2], output="tanh", loss="cross_entropy"), "softmax"),
        (lambda: nn.Network([4]), "number of units"),
        (lambda: nn.Network(4), "number of units"),
        (lambda: nn.Network("42"), "number of units"),
        (lambda: nn.Network([4, 0, 2]), "number of units"),
        (lambda: nn.Network([4, 2.0]), "number of units"),
        (lambda: nn.Network([4, 2], dropout=1.0), "dropout"),
        (lambda: nn.Network([4, 2], seed=-1), "seed"),
        (lambda: nn.Network([4, 2], dtype="float16"), "dtype"),
        (lambda: nn.Network([4, 2], reduction="avg"), "reduction"),
        (lambda: nn.Network([10**6, 10**6]), "too many"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make()
    assert caught.value.exit_code == 2


def test_shapes_that_do_not_fit_name_the_layer() -> None:
    network = nn.Network([4, 3, 2])
    for x in (np.ones((5, 3)), np.ones(3), np.float32(1)):
        with pytest.raises(ShapeError, match="layer 1") as caught:
            network(x)
        assert "(batch, 4)" in str(caught.value)
        assert "test_network.py" in str(caught.value)
    with pytest.raises(ShapeError):
        network.loss(np.ones((5, 4)), np.zeros(4, int))
    regression = nn.Network([4, 1], output="identity")
    with pytest.raises(ShapeError):
        regression.loss(np.ones((5, 4)), np.ones(5))
    with pytest.raises(ShapeError, match="empty"):
        network.loss(np.ones((0, 4)), np.zeros(0, int))
    assert network.predict(np.ones((0, 4))).shape == (0, 2)


def test_the_default_loss() -> None:
    assert nn.Network([4, 2]).loss_function.name == "softmax_cross_entropy"
    assert nn.Network([4, 2], output="sigmoid").loss_function.name == "sigmoid_cross_entropy"
    assert nn.Network([4, 2], output="identity").loss_function.name == "squared_error"
    assert nn.Network([4, 2], output="sigmoid", loss="cross_entropy").loss_function.fused == "sigmoid"
    assert isinstance(nn.Network([4, 2]).loss(np.ones((1, 4)), [1]), Tensor)
