"""Scenes of real graphs: the right numbers at the right ports, nothing on top of anything, keys that stay."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.draw.geometry import overlaps, rectangles
from tests.draw.graphs import SHOP, SHOP_VALUES, corpus, network, tangle

import denpa as dp
from denpa.autodiff import contributions
from denpa.draw.diagram import Link, scale
from denpa.draw.quantities import magnitude, strip, value_rows
from denpa.draw.scene import Scene, parts
from denpa.formula import formula


def mlp(units: list[int], **more: object) -> tuple[dp.nn.Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    net = dp.nn.Network(units, dtype="float64", seed=1, **more)
    return net, rng.normal(size=(6, units[0])), rng.integers(0, units[-1], 6)


def scenes() -> dict[str, Scene]:
    made = {name: dp.draw(graph, collapse=False).scene for name, graph in corpus().items() if len(graph) < 130}
    for language in ("en", "ja"):
        labels = {"apple": "りんご", "n_apple": "りんごの個数がとても長い名前", "tax": "消費税"}
        made[f"shop {language}"] = dp.draw(SHOP, values=SHOP_VALUES, labels=labels, local=True, language=language).scene
    net, x, t = mlp([4, 8, 8, 3], hidden="sigmoid")
    for zoom in ("layers", "units", "operations"):
        made[f"network {zoom}"] = dp.draw(net, x, t, zoom=zoom).scene
    made["layers open"] = dp.draw(net, x, t, expand=["layer2", "layer 3"]).scene
    made["operations open"] = dp.draw(net, x, t, zoom="operations", expand=["layer1", "layer3"]).scene
    made["arrays"] = dp.draw(net, x, t, collapse=False, local=True).scene
    for notation in ("003", "pytorch"):  # whose names are long
        for zoom in ("layers", "units", "operations"):
            made[f"{zoom} {notation}"] = dp.draw(net, x, t, zoom=zoom, collapse=False, notation=notation).scene
    made["arrays summary"] = dp.draw(net, x, t, collapse=False, tensors="summary").scene
    wide, x, t = mlp([64, 32, 10])
    made["wide units"] = dp.draw(wide, x, t, zoom="units", notation="pytorch").scene
    made["407 collapsed"] = dp.draw(network([4, 8, 8, 3])).scene
    made["tangle collapsed"] = dp.draw(tangle(190, 40, 1)).scene
    return made


SCENES = scenes()


@pytest.mark.parametrize("name", SCENES)
def test_nothing_lies_on_anything(name: str) -> None:
    scene = SCENES[name]
    found = rectangles(scene)
    assert overlaps(found) == []
    for what, left, top, right, bottom in found:
        assert left >= 0 <= top, what
        assert right <= scene.width, what
        assert bottom <= scene.height, what
    for sample in scene.legend:
        assert max(bottom for *_, bottom in found) < sample.y < scene.height


def test_an_overlap_is_seen() -> None:
    scene = SCENES["shop en"]
    pill = scene.pills[0]
    moved = replace(pill, x=scene.boxes[0].x, y=scene.boxes[0].y)
    assert overlaps(rectangles(replace(scene, pills=(moved, *scene.pills[1:])))) != []


@pytest.mark.parametrize("name", SCENES)
def test_ports_of_one_box_are_38_px_apart(name: str) -> None:
    ends: dict[str, list[float]] = {}
    for wire in SCENES[name].wires:
        ends.setdefault(wire.target, []).append(wire.knots[-1][1])
    for heights in ends.values():
        heights.sort()
        assert all(b - a >= 38 - 1e-6 for a, b in pairwise(heights))


@pytest.mark.parametrize("name", SCENES)
def test_keys_are_unique_and_wires_join_boxes(name: str) -> None:
    scene = SCENES[name]
    things = (scene.boxes, scene.pills, scene.wires, scene.beads, scene.frames)
    assert len(parts(scene)) == sum(map(len, things))
    boxes = {box.key: box for box in scene.boxes}
    for wire in scene.wires:
        source, target = boxes[wire.source], boxes[wire.target]
        assert wire.knots[0][0] == pytest.approx(source.x + source.width / 2)
        assert wire.knots[-1][0] == pytest.approx(target.x - target.width / 2)
        assert abs(wire.knots[0][1] - source.y) <= source.height / 2
        assert abs(wire.knots[-1][1] - target.y) <= target.height / 2


def rows(scene: Scene) -> dict[str, list[str]]:
    return {pill.key: [row.text for row in pill.rows] for pill in scene.pills}


def test_the_numbers_of_seed_000() -> None:
    """Values of the apple and orange shop, and the gradients 2.2, 110, 3.3, 165, 650 at the consumers' ports."""
    found = rows(dp.draw(SHOP, values=SHOP_VALUES, local=True).scene)
    assert found == {
        "n5.0": ["100", "←2.2", "×2"],
        "n5.1": ["2", "←110", "×100"],
        "n6.0": ["150", "←3.3", "×3"],
        "n6.1": ["3", "←165", "×150"],
        "n7.0": ["200", "←1.1", "×1"],
        "n7.1": ["450", "←1.1", "×1"],
        "n8.0": ["650", "←1.1", "×1.1"],
        "n8.1": ["1.1", "←650", "×650"],
    }
    loss = dp.draw(SHOP, values=SHOP_VALUES).scene.boxes[-1]
    assert (loss.kind, loss.title, [row.text for row in loss.lines]) == ("loss", "total", ["715", "←1"])


def test_each_branch_has_its_own_gradient() -> None:
    """y = x·x + exp(x)·x.  The reference writes each use of x as a variable of its own."""
    h, at = 1e-6, 0.7
    drawn = dp.draw("x*x + exp(x)*x", values={"x": at})

    def apart(a: float, b: float, c: float, d: float) -> float:
        return a * b + math.exp(c) * d

    for i, key in enumerate(("n1.0", "n1.1", "n2.0", "n3.1")):
        up, down = ([at + (h if j == i else 0) * sign for j in range(4)] for sign in (1, -1))
        slope = (apart(*up) - apart(*down)) / (2 * h)
        row = next(p for p in drawn.scene.pills if p.key == key).rows[1]
        assert float(row.exact) == pytest.approx(slope, rel=1e-8)
    (bead,) = drawn.scene.beads
    assert bead.key == "n0"
    assert float(bead.gradient.exact) == pytest.approx(2 * at + math.exp(at) * (1 + at))


def test_contributions_add_up_to_the_gradients(rng: np.random.Generator) -> None:
    x = dp.tensor(rng.normal(size=(3, 4)), name="x")
    w = dp.tensor(rng.normal(size=(4, 4)), name="w")
    h = x @ w
    y = ((h * h).sum(axis=0) + h[0] * x[1] - x.mean()) @ rng.normal(size=4)
    gradients = dp.backward(y)
    sums: dict[dp.Node, np.ndarray] = {}
    for (node, i), part in contributions(gradients).items():
        source = node.inputs[i]
        assert part.shape == source.value.shape
        sums[source] = sums.get(source, 0) + part
    assert sums.keys() == gradients.by_node.keys() - {y.node}
    for node, total in sums.items():
        np.testing.assert_allclose(total, gradients.by_node[node], rtol=1e-12, atol=1e-12)


def test_there_is_no_contribution_where_no_gradient_flows() -> None:
    x, k = dp.tensor(2.0, name="x"), dp.constant(3.0)
    y = dp.stop_gradient(x) * x * k
    parts_ = contributions(dp.backward(y))
    sources = {node.inputs[i].label for node, i in parts_}
    assert k.node not in {node.inputs[i] for node, i in parts_}
    assert sources == {"x", "×"}
    scene = dp.draw(y).scene
    assert [len(p.rows) for p in scene.pills if p.key.startswith("n3")] == [1, 2]  # stop_gradient(x) has none


def test_keys_do_not_depend_on_the_run_or_the_values() -> None:
    first, second = (dp.draw(SHOP, values={**SHOP_VALUES, "apple": a}).scene for a in (100, 7))
    assert parts(first).keys() == parts(second).keys()
    assert [b.key for b in first.boxes][:3] == ["n0", "n1", "n2"]


def test_the_same_scene_every_time() -> None:
    graph = network([3, 3, 2])
    assert dp.draw(graph).scene == dp.draw(graph).scene
    assert dp.draw(network([3, 3, 2])).svg() == dp.draw(graph).svg()


# -- steps -------------------------------------------------------------------------------------------------------------
def test_steps_show_what_is_known() -> None:
    drawing = dp.draw(SHOP, values=SHOP_VALUES)
    assert drawing.scene.steps == 9  # 4 forward, the seed, 4 backward

    def known(k: int) -> set[str]:
        return {row.text for pill in drawing.scene.pills for row in pill.rows if row.at <= k}

    assert known(0) == {"100", "2", "150", "3", "1.1"}
    assert known(2) - known(0) == {"200", "450"}
    assert known(5) - known(4) == set()  # the seed stands in the loss
    assert known(6) - known(5) == {"←1.1", "←650"}
    assert known(9) >= {"←2.2", "←110", "←3.3", "←165"}
    assert len(drawing.scene.captions) == 10
    assert drawing.scene.captions[4] == "total = 650 × 1.1 = 715"
    assert "1 × 650 = 650" in drawing.scene.captions[6]


@pytest.mark.parametrize("name", ["network 2-2-2", "network operations", "layers open", "407 collapsed"])
def test_nothing_is_known_before_what_it_comes_from(name: str) -> None:
    scene = SCENES[name]
    boxes = {box.key: box for box in scene.boxes}
    for wire in scene.wires:
        source, target = boxes[wire.source], boxes[wire.target]
        assert source.forward <= target.forward
        if source.forward:
            assert source.forward < target.forward or target.kind in ("loss", "output")
        if source.backward is not None and target.backward is not None:
            assert target.backward < source.backward
        if wire.backward is not None:
            assert wire.backward >= scene.steps // 2


def test_a_step_that_does_not_exist() -> None:
    with pytest.raises(dp.UsageError, match="no such step"):
        dp.draw("x*x", values={"x": 1}, step=99)


# -- sizes and widths --------------------------------------------------------------------------------------------------
def links(*sizes: float | None) -> list[Link]:
    return [Link(str(i), 0, 1, 0, (), size) for i, size in enumerate(sizes)]


def test_widths_follow_the_logarithm_of_the_gradient() -> None:
    widths = scale(links(1e-3, 1e-1, 10.0, None))
    thin, middle, thick = (widths.width(g)[0] for g in (1e-3, 1e-1, 10.0))
    assert thin < middle < thick == 5.0
    assert middle - thin == pytest.approx(thick - middle)
    assert scale(links(1.0, 1.0)).width(1.0) == (5.0, False)


def test_a_vanishing_gradient_is_faint_and_none_is_not() -> None:
    widths = scale(links(1.0, 1e-9, 0.0))
    assert widths.width(1e-9)[1]
    assert widths.width(0.0)[1]
    assert not widths.width(None)[1]
    assert widths.width(math.inf) == (5.0, False)
    assert widths.width(math.nan) == (5.0, False)
    assert scale(links(0.0, 0.0)).width(0.0)[1]


def test_strips_show_means_signs_and_what_is_not_finite() -> None:
    assert strip(np.array([1.0, -2.0, 0.0])).cells == ((0.5, -1.0, 0.0),)
    big = np.arange(1200.0).reshape(60, 20)
    cells = np.array(strip(big).cells)
    assert cells.shape == (6, 10)
    blocks = big.reshape(6, 10, 10, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(cells, blocks / blocks.max(), rtol=1e-12)
    odd = strip(np.array([[1.0, np.nan], [np.inf, -1.0]])).cells
    assert [math.isnan(c) for row in odd for c in row] == [False, True, True, False]
    assert strip(np.zeros((0, 3))) is None
    assert strip(np.zeros((3, 0))) is None
    assert strip(np.array([True, False])).cells == ((1.0, 0.0),)
    assert strip(np.zeros(4)).cells == ((0.0,) * 4,)
    assert strip(np.full(3, 1e308)).cells == ((1.0,) * 3,)


def test_rows_of_an_array() -> None:
    value = np.array([[1.0, -3.0], [2.5, 0.0]])
    assert [r.text for r in value_rows(value, tensors="summary")] == ["(2, 2)", "−3 / 0.125 / 2.5"]
    (row,) = value_rows(value)
    assert (row.text, row.strip is not None) == ("(2, 2)", True)
    assert "min -3, mean 0.125, max 2.5" in row.exact
    assert magnitude(value) == pytest.approx(math.sqrt(1 + 9 + 6.25))


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float64(715.0000000000001), "715"), (np.float32(-0.5), "−0.5"), (np.int64(12345), "12,345"),
     (np.bool_(True), "True"), (np.complex128(1 + 2j), "1 + 2i"), (np.float64("nan"), "NaN"),
     (np.float64("-inf"), "−∞"), (np.float64(1e-9), "1e−9")],
)  # fmt: skip
def test_numbers_in_pills(value: np.generic, text: str) -> None:
    (row,) = value_rows(value)
    assert row.text == text


def test_odd_values_are_shown() -> None:
    scene = dp.draw("log(x)*y + 0*x", values={"x": 0, "y": 2}).scene
    texts = {row.text for pill in scene.pills for row in pill.rows}
    assert {"−∞", "←∞"} <= texts


def test_one_node_an_unused_input_and_integers() -> None:
    assert len(dp.draw(dp.tensor(1.5, name="x")).scene.boxes) == 2
    graph = dp.trace(lambda x, y: x * 2, 3.0, 4.0)
    assert [b.title for b in dp.draw(graph).scene.boxes] == ["x", "2", "×", "out"]
    counted = dp.draw(dp.tensor(3, name="n") * dp.tensor(4, name="m")).scene
    assert [p.rows[0].text for p in counted.pills] == ["3", "4"]
    assert all(len(p.rows) == 1 for p in counted.pills)


def test_a_formula_and_a_tensor_give_the_same_picture() -> None:
    x, y = dp.inputs(x=2.0, y=3.0)
    z = x * y + x
    z.name = "z"
    assert dp.draw(z).scene == dp.draw(formula("z = x*y + x", x=2, y=3)).scene


@pytest.mark.parametrize(("name", "of_one", "of_all"), [("001", "L", "J̃"), ("002", "C", "C_T"), ("000", "L", "L")])
def test_the_loss_of_one_sample_has_the_letter_that_a_trace_gives_it(name: str, of_one: str, of_all: str) -> None:
    rng = np.random.default_rng(0)
    network = dp.nn.Network([2, 3, 2], hidden="sigmoid")
    x, t = rng.normal(size=(4, 2)), rng.integers(0, 2, 4)

    def loss(*args: object, **options: object) -> str:
        scene = dp.draw(network, *args, notation=name, **options).scene
        return next(box.title for box in scene.boxes if box.kind == "loss")

    assert loss(x, t) == of_all
    assert [loss(x, t, zoom=zoom) for zoom in ("units", "operations")] == [of_one] * 2
    assert loss(x[:1], t[:1]) == of_one
    traced = dp.trace_step(network, x[0], t[0], notation=name)
    table = next(section for section in traced.document.sections if section.key == "notation").blocks[1]
    assert [row[1] for row in table.rows if row[0].en == "loss"] == [of_one]
