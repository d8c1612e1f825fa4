"""Layers in the book's style inside graphs and networks: right gradients for x, W and b, training, pictures."""

from __future__ import annotations

import numpy as np
import pytest

import denpa as dp
from denpa import nn
from denpa.errors import GradientError, ShapeError, TrainingError, UsageError
from denpa.interop import BookLayer, Function, Network, check_layer, from_derivative
from denpa.interop.functions import twins


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Relu:
    """Overwrites its argument, as the book's does: in a graph that must do no harm."""

    def forward(self, x):
        self.mask = x <= 0
        x[self.mask] = 0
        return x

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class SoftmaxWithLoss:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p, self.t = np.exp(log_p), t
        return -np.mean(log_p[np.arange(len(t)), t])

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)


class Accumulates:
    """The second book's habit: lists, and gradients that are added to."""

    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0] += self.x.T @ dout
        return dout @ self.params[0].T


@pytest.fixture
def weights(rng: np.random.Generator):
    return rng.normal(size=(4, 3)), rng.normal(size=3)


def test_x_w_and_b_get_the_gradients_of_the_same_layer_of_denpa(rng, weights) -> None:
    W, b = weights
    layer = BookLayer(Affine(W, b))
    assert {n: t.shape for n, t in layer.parameters().items()} == {"W": (4, 3), "b": (3,)}
    x, g = dp.tensor(rng.normal(size=(5, 4))), rng.normal(size=(5, 3))
    own = dp.tensor(W), dp.tensor(b)
    y = layer(x)
    right = x @ own[0] + own[1]
    assert np.allclose(y.value, right.value)
    found, expected = dp.backward(y, g), dp.backward(right, g)
    named = layer.parameters()
    for mine, theirs in ((x, x), (named["W"], own[0]), (named["b"], own[1])):
        assert np.allclose(found[mine], expected[theirs], rtol=1e-12)


def test_a_layer_used_twice_keeps_both_states(rng, weights) -> None:
    W = weights[0][:3]
    layer = BookLayer(Accumulates(W.copy()))
    x = dp.tensor(rng.normal(size=(2, 3)))
    y = layer(layer(x)).sum()
    own = dp.tensor(W)
    right = dp.backward((dp.matmul(dp.matmul(x, own), own)).sum())
    for _ in range(2):  # and a second backward pass of the same graph gives the same, not twice as much
        found = dp.backward(y)
        assert np.allclose(found[layer.parameters()["params[0]"]], right[own])
        assert np.allclose(found[x], right[x])


def test_a_layer_that_damages_its_arguments_harms_nothing_else(rng) -> None:
    x = dp.tensor(rng.normal(size=(3, 4)))
    before = np.array(x.value)
    y = BookLayer(Relu())(x)
    grads = dp.backward((y + x).sum())
    assert np.array_equal(x.value, before)
    assert np.allclose(grads[x], 1 + (before > 0))


def test_dropout_keeps_the_mask_of_its_forward() -> None:
    class Dropout:
        def forward(self, x):
            self.mask = np.random.default_rng().random(x.shape) > 0.5
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    layer = BookLayer(Dropout())
    x = dp.tensor(np.ones((20, 20)))
    y, other = layer(x), layer(x)
    assert not np.array_equal(y.value, other.value)
    assert np.array_equal(dp.backward(y.sum())[x], y.value)


def test_a_gradient_through_a_book_layer_is_checked_like_any_other(rng, weights) -> None:
    W, b = weights
    layer = BookLayer(Affine(W, b))
    report = dp.check(
        lambda x, W: layer.with_parameters({"W": W, "b": b})(x).sum(), rng.normal(size=(2, 4)), W, orders=(1,)
    )
    assert report


def test_it_stands_among_denpas_layers_with_roles_and_names(weights) -> None:
    W, b = weights
    model = nn.Sequential(BookLayer(Affine(W, b)), nn.ReLU(), nn.Linear(3, 2, dtype="float64"))
    assert list(model.parameters()) == ["0.W", "0.b", "2.weight", "2.bias"]
    roles = {n: t.node.role for n, t in model.parameters().items()}
    assert roles["0.W"] == dp.Role("weight", 1)
    assert roles["0.b"] == dp.Role("bias", 1)
    assert roles["2.weight"] == dp.Role("weight", 2)


def test_faults_of_the_layer_are_said_and_not_guessed(weights) -> None:
    class NoGradient(Affine):
        def backward(self, dout):
            self.dW = None
            return super().backward(dout) if self.dW else np.dot(dout, self.W.T)

    class NoReturn(Affine):
        def forward(self, x):
            super().forward(x)

    x = dp.tensor(np.ones((2, 4)))
    with pytest.raises(GradientError, match="no gradient of its parameter W"):
        BookLayer(NoGradient(*weights))(x).sum().backward()
    with pytest.raises(UsageError, match="forward of NoReturn returns nothing"):
        BookLayer(NoReturn(*weights))(x)
    with pytest.raises(UsageError, match="not a layer in the book's style"):
        BookLayer(Affine)
    with pytest.raises(UsageError, match="no parameter 'V'"):
        BookLayer(Affine(*weights), parameters=["V"])
    with pytest.raises(UsageError, match="is a class"):
        Network(Affine)
    with pytest.raises(UsageError, match="no loss"):
        Network(Affine(*weights)).loss(x, np.zeros(2, int))
    with pytest.raises(UsageError, match="no loss is named"):
        Network(Affine(*weights), loss="crossentropy")


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def test_functions_in_pytorchs_style_join_a_graph(rng) -> None:
    x = dp.tensor(rng.normal(size=5))
    y = Square.apply(Square.apply(x))
    assert [n.label for n in dp.Graph(y)].count("Square") == 2
    assert np.allclose(dp.backward(y.sum())[x], 4 * x.value**3)


def test_functions_with_a_derivative_join_a_graph(rng) -> None:
    x = dp.tensor(rng.normal(size=5))
    tanh = from_derivative(np.tanh, lambda y: 1 - y**2, of="output", name="my_tanh")
    assert np.allclose(dp.backward(tanh(x).sum())[x], 1 - np.tanh(x.value) ** 2)

    def softmax(v):
        return np.exp(v) / np.exp(v).sum()

    def jacobian(v):
        return np.diag(softmax(v)) - np.outer(softmax(v), softmax(v))

    g = rng.normal(size=5)
    found = dp.backward(from_derivative(softmax, jacobian)(x), g)[x]
    assert np.allclose(found, dp.backward(dp.softmax(x), g)[x])
    with pytest.raises(UsageError, match="of the input or of the output"):
        from_derivative(np.tanh, np.tanh, of="both")  # type: ignore[arg-type]


def test_twins_are_found_by_name() -> None:
    names = {n: (lambda x: x) for n in ("f", "f_grad", "g", "h_derivative", "k", "k_prime", "k_grad")}
    assert twins(names) == {"f": "f_grad", "k": "k_grad"}


def book_network(rng, loss):
    first = Affine(rng.normal(size=(64, 30)) * 0.2, np.zeros(30))
    return first, Network(first, Relu(), Square, nn.Linear(30, 10, dtype="float64", seed=1), loss=loss)


def digits(shared_rows: int = 600):
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return data.data[:shared_rows] / 16, data.target[:shared_rows]


@pytest.mark.parametrize("loss", ["book", "softmax_cross_entropy"])
def test_a_network_of_all_kinds_of_layers_learns_real_digits(loss, rng) -> None:
    x, t = digits()
    rng = np.random.default_rng(3)
    first, network = book_network(rng, SoftmaxWithLoss() if loss == "book" else loss)
    before = first.W.copy()
    seen: list[int] = []
    done = network.fit(
        x, t, epochs=4, learning_rate=0.01, optimizer="adam", on_epoch=lambda epoch, value: seen.append(epoch)
    )
    assert seen == [1, 2, 3, 4]
    assert len(done.losses) == 5
    assert done.losses[-1] < 0.5 < done.losses[0]
    assert np.mean(network.predict(x).argmax(axis=1) == t) > 0.9
    assert not np.array_equal(first.W, before)  # written back into the learner's own object
    assert np.array_equal(first.W, network.parameters()["0.W"].value)
    h = np.maximum(x @ first.W + first.b, 0) ** 2
    assert np.allclose(
        network.predict(x), h @ network.parameters()["3.weight"].value.T + network.parameters()["3.bias"].value
    )


def test_the_books_loss_and_denpas_train_to_the_same_numbers() -> None:
    x, t = digits(200)
    losses = []
    for loss in (SoftmaxWithLoss(), "softmax_cross_entropy"):
        _, network = book_network(np.random.default_rng(0), loss)
        losses.append(network.fit(x, t, epochs=2, learning_rate=0.05).losses)
    assert np.allclose(losses[0], losses[1], rtol=1e-9)


def test_bad_calls_of_fit(weights) -> None:
    network = Network(Affine(*weights), loss="softmax_cross_entropy")
    with pytest.raises(ShapeError, match="a row of targets"):
        network.fit(np.ones((3, 4)), np.zeros(2, int))
    with pytest.raises(ShapeError, match="a row of targets"):
        network.fit(np.ones((0, 4)), np.zeros(0, int))
    with pytest.raises(UsageError, match="at least 1"):
        network.fit(np.ones((2, 4)), np.zeros(2, int), epochs=0)
    with pytest.raises(TrainingError, match="not finite"):
        network.fit(np.full((2, 4), np.nan), np.zeros(2, int))


def test_a_network_of_book_layers_is_drawn(weights) -> None:
    draw = pytest.importorskip("denpa.draw.graph_picture").draw
    network = Network(Affine(*weights), Relu(), loss=SoftmaxWithLoss())
    picture = draw(dp.Graph(network.loss(np.ones((2, 4)), np.array([0, 1]))))
    text = picture.svg() if callable(picture.svg) else picture.svg
    for name in ("Affine", "Relu", "SoftmaxWithLoss", "0.W", "0.b"):
        assert name in text


def test_what_is_wrong_in_the_class_is_wrong_in_the_graph_and_the_judge_says_so(rng) -> None:
    """The broken twin: a graph trusts a black box, so a wrong backward goes through; check and check_layer find it."""

    class Wrong(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.db = dout.mean(axis=0)
            return dx

    layer = BookLayer(Wrong(rng.normal(size=(4, 3)), rng.normal(size=3)))
    report = dp.check(
        lambda b: layer.with_parameters({"W": layer.parameters()["W"].value, "b": b})(np.ones((2, 4))).sum(),
        rng.normal(size=3),
        orders=(1,),
        raises=False,
    )
    assert not report
    assert [f.of for f in check_layer(Wrong).faults] == ["db"]
