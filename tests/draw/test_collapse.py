"""Collapsed pictures and zooms: few boxes, no circles, the same numbers, and the boxes open by name."""

from __future__ import annotations

import numpy as np
import pytest
from tests.draw.graphs import network, tangle
from tests.draw.test_scene import mlp

import denpa as dp
from denpa.draw.collapse import LIMIT, by_cone, by_layer, clusters
from denpa.draw.layout_ranks import topological
from denpa.draw.view import View
from denpa.errors import UsageError
from denpa.explain.step import record_step
from denpa.nn.losses import LOSSES


def chain(count: int) -> dp.Graph:
    x = dp.tensor(1.0, name="x")
    for i in range(count):
        x = dp.sin(x) + 0.5 if i % 2 else x * x
    return dp.Graph(x)


def wide(count: int) -> dp.Graph:
    """Every value used twice: nothing can hide inside an expression."""
    values = [dp.tensor(1.0 + 0.1 * i, name=f"x{i}") for i in range(8)]
    for _ in range(count):
        values.append((values[-1] + values[-3] - values[-8]) * 0.5)
    return dp.Graph(sum(values[1:], values[0]))


LARGE = {
    "network": network([4, 8, 8, 3]),
    "tangle": tangle(190, 40, 1),
    "chain": chain(3000),
    "wide": wide(400),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_graph_becomes_few_boxes(name: str) -> None:
    view = View(LARGE[name])
    found = clusters(view)
    assert len(found) <= LIMIT
    assert sorted((n for c in found for n in c.nodes), key=lambda n: n.serial) == list(LARGE[name].nodes)
    of = {n: i for i, c in enumerate(found) for n in c.nodes}
    pairs = {(of[s], of[n]) for n in of for s in n.inputs if of[s] != of[n]}
    topological(len(found), sorted(pairs))  # raises when boxes depend on each other in a circle
    assert len({c.key for c in found}) == len(found)
    assert len(dp.draw(LARGE[name]).scene.boxes) == len(found) + 1


def test_small_graphs_stay_as_they_are() -> None:
    graph = network([2, 2, 2])
    assert all(not c.title for c in clusters(View(graph)))
    assert any(c.title for c in clusters(View(graph), True))
    assert len(clusters(View(LARGE["network"]), False)) == 407


def test_layers_by_their_roles() -> None:
    net, x, t = mlp([4, 8, 8, 3], hidden="sigmoid")
    view = View(dp.Graph(net.loss(x, t)))
    found = {c.key: c for c in clusters(view, True)}
    titles = {c.title for c in found.values()}
    assert titles == {"", "layer 1", "layer 2", "layer 3"}
    for l in (1, 2, 3):
        roles = {n.role for n in found[f"layer{l}"].nodes if n.role is not None}
        assert {r.layer for r in roles} == {l}
        assert {"weight", "bias", "preactivation"} <= {r.kind for r in roles}
    assert by_layer(View(LARGE["wide"])) is None


def test_roles_that_contradict_the_computation_are_no_layers() -> None:
    x = dp.tensor(1.0, name="x")
    a = x * 2
    a.node.role = dp.Role("activation", 2)
    b = a * 3
    b.node.role = dp.Role("activation", 1)
    assert by_layer(View(dp.Graph(b))) is None


def test_cones_hold_what_only_their_root_uses() -> None:
    graph = dp.formula("h = exp(x*2 + 1); h*h + sin(y)*h", x=1, y=2)
    sets = [{n.label for n in c.nodes} for c in by_cone(View(graph))]
    assert {"x"} in sets
    assert {"y"} in sets
    assert {"h", "+", "×", "2", "1"} in sets


def test_an_opened_box_keeps_its_numbers() -> None:
    net, x, t = mlp([4, 8, 8, 3])
    opened = dp.draw(net, x, t, expand=["layer2"])
    whole = dp.draw(net, x, t, collapse=False)
    (frame,) = opened.scene.frames
    assert frame.title == "layer 2"
    inside = {
        p.key: [r.text for r in p.rows] for p in opened.scene.pills if p.x > frame.x and p.x < frame.x + frame.width
    }
    everywhere = {p.key: [r.text for r in p.rows] for p in whole.scene.pills}
    assert len(inside) >= 4
    assert inside.items() <= everywhere.items()
    (members,) = [c.nodes for c in clusters(opened.view, True) if c.key == "layer2"]
    expected = {opened.view.keys[n] for n in members}
    assert {b.key for b in opened.scene.boxes if frame.x <= b.x <= frame.x + frame.width} == expected


def test_a_name_that_no_box_has() -> None:
    net, x, t = mlp([4, 8, 8, 3])
    with pytest.raises(UsageError, match="did you mean 'layer 2'"):
        dp.draw(net, x, t, expand=["layer 22"])
    with pytest.raises(UsageError, match="nothing is collapsed"):
        dp.draw(net, x, t, collapse=False, expand=["layer2"])


def test_an_edge_of_a_box_has_the_sum_of_what_its_uses_bring_back() -> None:
    """The gradient on the only edge into a box is the whole gradient of the value."""
    graph = LARGE["network"]
    drawn = dp.draw(graph)
    gradients = dp.backward(dp.Tensor(graph.output))
    groups = {b.key for b in drawn.scene.boxes if b.kind == "group"}
    sums: dict[str, float] = {}
    for wire in drawn.scene.wires:
        if wire.source.startswith("n") and wire.target in groups:
            pill = next(p for p in drawn.scene.pills if p.key == wire.key)
            sums[wire.source] = sums.get(wire.source, 0.0) + float(pill.rows[1].exact)
    assert len(sums) == 4
    for key, total in sums.items():
        assert total == pytest.approx(float(gradients.by_node[graph.nodes[int(key[1:])]]), rel=1e-12)


# -- zooms of a network ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("output", "loss"), [("softmax", None), ("sigmoid", None), ("sigmoid", "squared_error"),
                                              ("identity", "squared_error"), ("tanh", "absolute_error"),
                                              ("identity", "huber")])  # fmt: skip
@pytest.mark.parametrize("hidden", ["sigmoid", "relu", "tanh", "leaky_relu", "elu", "gelu", "softplus", "softmax"])
def test_scalar_operations_give_the_networks_gradients(output: str, loss: str | None, hidden: str) -> None:
    rng = np.random.default_rng(7)
    net = dp.nn.Network([3, 4, 2], hidden=hidden, output=output, loss=loss, dtype="float64", seed=2)
    x, t = rng.normal(size=(5, 3)), rng.uniform(size=(5, 2))
    if output == "softmax":
        t = rng.integers(0, 2, 5)
    drawn = dp.draw(net, x, t, zoom="operations", row=3, notation="pytorch", collapse=False)
    step = record_step(net, x[3], t[3])
    assert float(drawn.view.graph.output.value) == pytest.approx(step.loss, rel=1e-12)
    assert all(node.value.shape == () for node in drawn.view.graph.nodes)
    for layer in step.layers:
        for i, j in np.ndindex(layer.weight.shape):
            found = drawn.view.gradients[f"{layer.name}.weight[{i}, {j}]"]
            assert float(found) == pytest.approx(layer.weight_gradient[i, j], rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_scalar_form(name: str) -> None:
    output = LOSSES[name].fused or "identity"
    net = dp.nn.Network([2, 3, 2], output=output, loss=name, dtype="float64")
    t = np.array([1]) if output == "softmax" else np.array([[0.0, 1.0]])
    dp.draw(net, np.array([[0.3, -0.2]]), t, zoom="operations")


def test_logits_of_thousands_do_not_overflow() -> None:
    net = dp.nn.Network([1, 2], dtype="float64", bias=False)
    net = net.with_parameters({"0.weight": np.array([[1.0], [-1.0]])})
    drawn = dp.draw(net, np.array([[4000.0]]), np.array([0]), zoom="operations")
    assert float(drawn.view.graph.output.value) == 0.0
    assert all(np.isfinite(g) for g in drawn.view.gradients.by_node.values())


def test_units_show_weights_outputs_and_deltas() -> None:
    net, x, t = mlp([3, 4, 2], hidden="tanh")
    step = record_step(net, x[2], t[2])
    scene = dp.draw(net, x, t, zoom="units", row=2).scene
    pills = {p.key: p.rows for p in scene.pills}
    for layer in step.layers:
        for i, j in np.ndindex(layer.weight.shape):
            value, gradient = pills[f"w{layer.layer}.{i}.{j}"]
            assert value.exact.endswith(repr(float(layer.weight[i, j])))
            assert float(gradient.exact) == layer.weight_gradient[i, j]
    boxes = {b.key: b for b in scene.boxes}
    for i in range(4):
        value, delta, _ = boxes[f"u1.{i}"].lines
        assert float(value.exact) == step.layers[0].activation[0, i]
        assert float(delta.exact) == step.layers[0].delta[0, i]
    assert boxes["loss"].kind == "loss"
    assert float(boxes["loss"].lines[0].exact) == step.loss


def test_the_rest_of_a_wide_layer_closes_the_sum() -> None:
    """Products of the edges that are shown, plus the sum of the others, plus the bias, are the preactivation."""
    net, x, t = mlp([20, 9, 3])
    step = record_step(net, x[0], t[0])
    pills = {p.key: p.rows for p in dp.draw(net, x, t, zoom="units").scene.pills}
    for l in (1, 2):
        layer, below = step.layers[l - 1], step.below(l)[0]
        total = float(pills[f"w{l}.0.rest"][0].exact)
        shown = [k for k in pills if k.startswith(f"w{l}.0.") and not k.endswith("rest")]
        total += sum(float(pills[k][0].exact.rpartition("= ")[2]) * below[int(k.rpartition(".")[2])] for k in shown)
        assert total + layer.bias[0] == pytest.approx(layer.preactivation[0, 0], rel=1e-12)
        assert len(shown) == 5


def test_notation_changes_letters_and_no_number() -> None:
    net, x, t = mlp([2, 3, 2])
    pictures = {n: dp.draw(net, x, t, zoom="operations", notation=n).scene for n in ("001", "002", "book", "pytorch")}
    numbers = {n: [[r.text for r in p.rows] for p in s.pills] for n, s in pictures.items()}
    assert numbers["001"] == numbers["002"] == numbers["book"] == numbers["pytorch"]
    titles = {n: {b.title for b in s.boxes} for n, s in pictures.items()}
    assert titles["001"] != titles["002"] != titles["book"] != titles["pytorch"]
