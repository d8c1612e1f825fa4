"""Single layers and how a Sequential puts them together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.autodiff import backward
from denpa.errors import ShapeError, UsageError
from denpa.graph import Graph, Role, Tensor, parameter, tensor


@pytest.mark.parametrize("kind", [c for c in nn.ACTIVATIONS.values() if c is not nn.Softmax])
def test_activations_agree_with_pytorch(kind: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x = 3 * rng.standard_normal((4, 5))
    theirs_in = torch.from_numpy(x).requires_grad_()
    theirs = getattr(torch.nn, kind.__name__)()(theirs_in)
    g = rng.standard_normal((4, 5))
    theirs.backward(torch.from_numpy(g))
    t = tensor(x, name="x")
    y = kind()(t)
    np.testing.assert_allclose(y.value, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(backward(y, g)["x"], theirs_in.grad.numpy(), rtol=1e-12, atol=1e-14)
    assert y.node.role == Role("activation", 1)


def test_settings_of_activations(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((4, 5))
    pairs = [
        (nn.LeakyReLU(0.3), torch.nn.LeakyReLU(0.3)),
        (nn.ELU(alpha=2.0), torch.nn.ELU(alpha=2.0)),
        (nn.Softmax(axis=0), torch.nn.Softmax(dim=0)),
        (nn.Softmax(), torch.nn.Softmax(dim=-1)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours(x).value, theirs(torch.from_numpy(x)).numpy(), rtol=1e-13)


def test_linear_by_hand() -> None:
    layer = nn.Linear(3, 2).with_parameters({"weight": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "bias": [10.0, 20.0]})
    z = layer([[1.0, 0.0, -1.0]])
    assert z.value.tolist() == [[8.0, 18.0]]
    assert z.node.role == Role("preactivation", 1)
    assert layer.bias is not None
    assert (layer.weight.name, layer.bias.name) == ("weight", "bias")
    assert nn.Affine is nn.Linear
    assert nn.Linear(3, 2, bias=False, seed=0).bias is None
    assert list(nn.Linear(3, 2, bias=False, seed=0).parameters()) == ["weight"]


def test_a_linear_needs_a_seed_or_a_sequential() -> None:
    layer = nn.Linear(3, 2)
    for use in (layer.parameters, lambda: layer.weight, lambda: layer(np.ones((1, 3)))):
        with pytest.raises(UsageError, match="no parameters yet"):
            use()
    alone = nn.Linear(3, 2, seed=5)
    again = nn.Linear(3, 2, seed=5)
    assert np.array_equal(alone.weight.value, again.weight.value)
    placed = nn.Sequential(nn.ReLU(), alone, seed=1)[1]
    assert isinstance(placed, nn.Linear)
    assert np.array_equal(placed.weight.value, alone.weight.value)
    assert placed.weight.name == "1.weight"
    assert alone.weight.name == "weight"


def test_a_sequential_inside_another_is_drawn_by_the_outer_one() -> None:
    def block() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    model = nn.Sequential(block(), block(), nn.Linear(4, 2), seed=3)
    flat = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), seed=3)
    nested = [p.value for p in model.parameters().values()]
    for a, b in zip(nested, flat.parameters().values(), strict=True):
        assert np.array_equal(a, b.value)
    assert not np.array_equal(nested[0], nested[2])
    roles = {p.name: p.node.role for p in model.parameters().values()}
    assert roles["1.0.weight"] == Role("weight", 2)
    assert roles["2.bias"] == Role("bias", 3)
    own = nn.Sequential(nn.Sequential(nn.Linear(4, 4), seed=9), seed=3)
    alone = nn.Sequential(nn.Linear(4, 4), seed=9)
    assert np.array_equal(own.parameters()["0.0.weight"].value, alone.parameters()["0.weight"].value)


def test_dropout_keeps_the_mean_and_is_a_function_of_the_key() -> None:
    x = np.full((400, 500), 3.0, np.float32)
    for p in (0.1, 0.5, 0.9):
        layer = nn.Dropout(p)
        y = layer(x, training=True, key=nn.step_key(1, 2)).value
        assert y.dtype == np.float32
        kept = y != 0
        n = x.size
        assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / n)
        assert abs(y.mean() - 3) < 5 * 3 * np.sqrt(p / (1 - p) / n)
        assert np.allclose(y[kept], 3 / (1 - p), rtol=1e-6)
        assert np.array_equal(y, layer(x, training=True, key=nn.step_key(1, 2)).value)
        assert not np.array_equal(y, layer(x, training=True, key=nn.step_key(1, 3)).value)
        assert np.array_equal(layer(x).value, x)
    t = tensor(x)
    assert nn.Dropout(0.0)(t, training=True) is t


def test_dropout_passes_the_gradient_through_the_mask() -> None:
    x = tensor(np.ones((5, 40)), name="x")
    y = nn.Dropout(0.25)(x, training=True, key=nn.step_key(0, 0))
    assert np.array_equal(backward(y, np.ones((5, 40)))["x"], y.value)


def test_dropout_lets_a_nan_be_seen() -> None:
    y = nn.Dropout(0.5)(np.full((10, 10), np.nan), training=True, key=nn.step_key(0, 0))
    assert np.isnan(y.value).all()


def test_the_mask_of_a_layer_does_not_depend_on_what_follows() -> None:
    def mask(*more: nn.Layer) -> Any:
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), *more)
        graph = Graph(model(np.ones((2, 3)), training=True, key=nn.step_key(0, 0)))
        return next(n.value for n in graph.nodes if n.op and n.op.name == "uniform")

    assert np.array_equal(mask(), mask(nn.ReLU(), nn.Linear(8, 2), nn.Dropout(0.5)))


def test_flatten() -> None:
    assert nn.Flatten()(np.ones((2, 3, 4))).shape == (2, 12)
    assert nn.Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    assert nn.Flatten()(np.ones(3)).shape == (3, 1)
    with pytest.raises(ShapeError, match="batch"):
        nn.Flatten()(1.0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert model(np.ones((5, 3, 4))).shape == (5, 2)


class Scale(nn.Layer):
    """A user's own layer: x · factor."""

    def __init__(self, factor: Any) -> None:
        self.factor = factor if isinstance(factor, Tensor) else parameter(factor)

    def parameters(self) -> dict[str, Tensor]:
        return {"factor": self.factor}

    def with_parameters(self, parameters: Any) -> Scale:
        return Scale(parameters["factor"])

    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Tensor:
        result: Tensor = x * self.factor
        return result


def test_a_layer_of_ones_own() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Scale(2.0), nn.Sequential(Scale(3.0)))
    assert model.shapes() == {"0.weight": (2, 2), "0.bias": (2,), "1.factor": (), "2.0.factor": ()}
    assert [p.name for p in model.parameters().values()] == list(model.shapes())
    y = model(np.ones((1, 2)))
    g = backward(y.sum())
    assert g["2.0.factor"] == pytest.approx(y.sum().item() / 3)
    assert nn.theta(model).shape == (8,)
    doubled = model.with_parameters({n: 2 * p.value for n, p in model.parameters().items()})
    assert np.allclose(doubled(np.ones((1, 2))).value, 8 * y.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nn.Sequential, "at least one"),
        (lambda: nn.Sequential(nn.ReLU), "not a layer"),
        (lambda: nn.Sequential(nn.ReLU(), np.tanh), "item 1"),
        (lambda: nn.Linear(0, 2), "inputs"),
        (lambda: nn.Linear(2, -1), "units"),
        (lambda: nn.Linear(2.5, 1), "inputs"),
        (lambda: nn.Linear(2**20, 2**20), "too many weights"),
        (lambda: nn.Linear(2, 2, init="hee_normal"), "he_normal"),
        (lambda: nn.Linear(2, 2, seed=-1), "seed"),
        (lambda: nn.Linear(2, 2, dtype="float46"), "float64"),
        (lambda: nn.Sequential(nn.ReLU(), dtype="int32"), "dtype"),
        (lambda: nn.Dropout(1.0), "p is out of range"),
        (lambda: nn.Dropout(-0.1), "p is out of range"),
        (lambda: nn.Dropout(float("nan")), "p is out of range"),
        (lambda: nn.ReLU().with_parameters({"weight": 1}), "unknown weight"),
    ],
)
def test_what_cannot_be_meant(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_one_layer_twice_is_an_error() -> None:
    layer = nn.Linear(3, 3)
    with pytest.raises(UsageError, match="twice"):
        nn.Sequential(layer, nn.ReLU(), layer)
    relu = nn.ReLU()
    assert len(nn.Sequential(relu, relu)) == 2


def test_an_activation_by_name_and_parameter() -> None:
    assert nn.activation("relu") == nn.ReLU()
    assert nn.activation("leaky_relu:0.2") == nn.LeakyReLU(0.2)
    network = nn.Network([2, 3, 2, 1], ["leaky_relu:0.2", "elu:1.5"], "elu:2", dtype="float64")
    again = nn.Network.from_spec(network.spec())
    assert again.hidden == ("leaky_relu:0.2", "elu:1.5")
    x = np.array([[-3.0, -1.0], [1.0, -2.0]])
    w = {name: p.value for name, p in network.parameters().items()}
    hidden = nn.LeakyReLU(0.2)(x @ w["0.weight"].T).value @ w["2.weight"].T
    z = nn.ELU(1.5)(hidden).value @ w["4.weight"].T
    np.testing.assert_allclose(again.predict(x), np.where(z > 0, z, 2 * np.expm1(z)), rtol=1e-12)


@pytest.mark.parametrize(
    "text", ["relu:1", "softmax:1", "elu:", "elu:nan", "elu:x", "leaky_relu:0.2:3", "nothing:1", 3]
)
def test_an_activation_that_is_not_there(text: object) -> None:
    with pytest.raises(UsageError):
        nn.activation(text)
