"""Plans: what is left out, what is fused, where values lie, and a verifier that notices each kind of broken plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.autodiff import backward
from denpa.engine.memory import ALIGN
from denpa.engine.plan import Plan, plan
from denpa.engine.values import Value, View, full, reshaped
from denpa.engine.verify import PlanError, verify
from denpa.errors import UsageError
from denpa.graph import FUNCTIONS, Graph, constant, parameter, tensor
from denpa.nn import optim
from denpa.train.step import training_step


def network_plan(optimizer: str = "sgd", units: tuple[int, ...] = (30, 20, 10), **options: Any) -> Plan:
    rng = np.random.default_rng(0)
    network = nn.Network(list(units), **options)
    x, t = rng.random((16, units[0]), np.float32), rng.integers(0, units[-1], 16)
    step = training_step(network, optim.by_name(optimizer), x, t, classify=True)
    return plan(step.graph, carry=step.carry, by_row=step.by_row, by_step=step.by_step)


def kinds(made: Plan) -> list[str]:
    return [task.kind for task in made.tasks]


# -- what is computed ------------------------------------------------------------------------------------------------
def test_only_what_the_outputs_need_is_computed() -> None:
    x = tensor(np.ones(4), name="x")
    graph = Graph({"a": x + 1.0, "b": (x * 2.0).sum()})
    assert len(plan(graph, outputs=["a"]).tasks) == 1
    assert len(plan(graph, fused=False).tasks) == 3


def test_what_is_the_same_is_computed_once() -> None:
    x = tensor(np.ones(4), name="x")
    graph = Graph({"y": np.exp(x) * np.exp(x)})
    (task,) = plan(graph).tasks
    assert [s.name for s in task.info["body"]] == ["exp", "multiply"]


def test_the_same_operation_on_a_repeated_operand_is_another_one() -> None:
    """1 − x of shape (3,) and of shape (2, 3), x repeated: one must not stand for the other."""
    x = tensor(np.arange(3.0), name="x")
    ones, wide = constant(1.0), FUNCTIONS["broadcast_to"](x, shape=(2, 3))
    graph = Graph({"y": ones - x, "z": ones - wide}, {"x": x})
    made = plan(graph)
    assert made.outputs["y"].shape == (3,)
    assert made.outputs["z"].shape == (2, 3)


def test_constants_are_computed_when_the_plan_is_made() -> None:
    x = tensor(np.ones(3), name="x")
    two = tensor(np.ones(3)) + 1.0  # not an input of the graph below
    graph = Graph({"y": x * np.exp(two * 0.0)}, {"x": x})
    graph.nodes[0].kind = graph.nodes[0].kind
    made = plan(graph)
    assert len(made.tasks) <= 1


def test_a_chain_with_its_broadcasts_and_reductions_is_one_loop() -> None:
    x, b = tensor(np.ones((8, 5)), name="x"), tensor(np.ones(5), name="b")
    y = np.tanh(x + b) * 2.0
    graph = Graph({"rows": y.sum(axis=1), "columns": y.sum(axis=0), "all": (y * y).sum()})
    assert kinds(plan(graph)) == ["loop"]


def test_a_chain_is_not_fused_around_a_task_in_between() -> None:
    """exp(x) feeds a product and, beside it, the sum with that product: the loop must not swallow both ends."""
    x = tensor(np.ones((4, 4)), name="x")
    e = np.exp(x)
    graph = Graph({"y": e @ x + e})
    assert kinds(plan(graph)) == ["loop", "matmul", "loop"]


def test_transposes_cost_nothing() -> None:
    x, w = tensor(np.ones((4, 3)), name="x"), tensor(np.ones((5, 3)), name="w")
    assert kinds(plan(Graph({"y": x @ w.T}))) == ["matmul"]


def test_the_gradient_of_the_first_input_is_not_computed() -> None:
    made = network_plan()
    assert sum(kind == "matmul" for kind in kinds(made)) == 5  # two forward, one back, two updates


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_updates_are_products_in_place(optimizer: str) -> None:
    made = network_plan(optimizer)
    updates = [t for t in made.tasks if t.kind == "matmul" and t.info["base"] is not None]
    assert len(updates) == 2
    assert all(t.writes[0].value in made.layout.places for t in updates)
    assert made.copies == []


def test_adam_is_one_loop_for_each_parameter() -> None:
    made = network_plan("adam")
    updates = [
        t for t in made.tasks if t.kind == "loop" and len([v for v in t.writes if v.value in made.layout.places]) == 3
    ]
    assert len(updates) == 4
    assert made.copies == []


def test_a_gradient_that_is_also_an_output_is_kept() -> None:
    W, x = parameter(np.ones((3, 2)), name="W"), tensor(np.ones((4, 2)), name="x")
    loss = (x @ W.T).sum()
    g = backward(loss, record=True)[W]
    graph = Graph({"new.W": W - 0.1 * g, "g": g, "loss": loss}, {"W": W, "x": x})
    made = plan(graph, carry={"W": "new.W"})
    verify(made)
    assert all(t.info["base"] is None for t in made.tasks if t.kind == "matmul")


def test_unknown_outputs_are_named() -> None:
    with pytest.raises(UsageError, match="no output 'z'"):
        plan(Graph({"y": tensor(1.0) + 1.0}), outputs=["z"])


# -- where it lies ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("optimizer", optim.NAMES)
@pytest.mark.parametrize("fused", [True, False])
def test_plans_of_networks_are_sound(optimizer: str, fused: bool) -> None:
    rng = np.random.default_rng(0)
    network = nn.Network([9, 8, 7, 3], hidden="sigmoid", dropout=0.2)
    x, t = rng.random((16, 9), np.float32), rng.integers(0, 3, 16)
    step = training_step(network, optim.by_name(optimizer), x, t, classify=True, clip=1.0)
    verify(plan(step.graph, carry=step.carry, by_row=step.by_row, by_step=step.by_step, fused=fused))


def test_memory_is_shared_by_what_is_never_needed_together() -> None:
    x = tensor(np.ones((100, 100)), name="x")
    y = x
    for _ in range(20):
        y = np.tanh(y @ x)
    made = plan(Graph({"y": y}))
    assert made.bytes < 5 * 80_000
    verify(made)


def test_everything_is_aligned() -> None:
    made = network_plan("adam")
    assert all(v.value.offset % ALIGN == 0 for t in made.tasks for v in (*t.reads, *t.writes))


# -- the verifier ----------------------------------------------------------------------------------------------------
def temporaries(made: Plan) -> list[Value]:
    placed = made.layout.places
    return list(dict.fromkeys(v.value for t in made.tasks for v in t.writes if v.value not in placed))


def test_a_constant_in_a_freed_slot_is_noticed() -> None:
    """The trap of the prototype: right loss, wrong gradient."""
    made = network_plan(hidden="sigmoid")
    made.constants[0].offset = temporaries(made)[0].offset
    with pytest.raises(PlanError, match=r"share memory|overwritten"):
        verify(made)


def test_two_live_values_in_one_place_are_noticed() -> None:
    made = network_plan()
    matmul = next(t for t in made.tasks if t.kind == "matmul")
    matmul.writes[0].value.offset = matmul.reads[1].value.offset
    with pytest.raises(PlanError, match="still needed"):
        verify(made)


def test_a_task_out_of_order_is_noticed() -> None:
    made = network_plan()
    made.tasks.reverse()
    with pytest.raises(PlanError):
        verify(made)


def test_a_parameter_replaced_too_early_is_noticed() -> None:
    made = network_plan()
    update = next(
        t for t in made.tasks if t.kind == "matmul" and t.info["base"] is not None and t.writes[0].shape == (10, 20)
    )
    reader = next(i for i, t in enumerate(made.tasks) if t is not update and any(
        v.value is update.info["base"].value for v in t.reads) and i > 5)  # fmt: skip
    made.tasks.remove(update)
    made.tasks.insert(reader, update)
    with pytest.raises(PlanError):
        verify(made)


def test_an_access_outside_is_noticed() -> None:
    made = network_plan()
    task = next(t for t in made.tasks if t.kind == "matmul")
    view = task.reads[0]
    task.reads[0] = View(view.value, view.shape, view.strides, view.offset + 1)
    with pytest.raises(PlanError, match="outside of its value"):
        verify(made)


def test_an_output_that_was_freed_is_noticed() -> None:
    x = tensor(np.ones((50, 50)), name="x")
    a = x @ x
    graph = Graph({"a": a, "b": np.tanh(a @ a) @ x})
    made = plan(graph)
    last = made.tasks[-1].writes[0].value
    made.outputs["a"].value.offset, last.offset = last.offset, last.offset
    with pytest.raises(PlanError):
        verify(made)


def test_a_plan_that_ends_before_the_arena_does_is_noticed() -> None:
    made = network_plan()
    made.bytes -= 4096
    with pytest.raises(PlanError, match="outside of the arena"):
        verify(made)


# -- views and printing ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(30))
def test_reshaped_views_are_numpys(seed: int) -> None:
    """Where a view is found it shows NumPy's elements; None only where NumPy, too, has to copy."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4)))
    base = np.arange(np.prod(shape)).reshape(shape)
    order = rng.permutation(len(shape))
    x = base.transpose(order)
    view = View(Value(shape, "int64"), x.shape, tuple(s // 8 for s in x.strides))
    factors = [n for n in (2, 2, 3) if rng.random() < 0.5]
    new = (-1,) if x.size % max(int(np.prod(factors)), 1) else (*factors, x.size // int(np.prod(factors)))
    new = (x.size,) if new == (-1,) else new
    found = reshaped(view, tuple(new))
    wanted = x.reshape(new)
    if found is None:
        assert not np.shares_memory(wanted, base)
    else:
        strided = np.lib.stride_tricks.as_strided(
            base.reshape(-1)[found.offset :], found.shape, [8 * s for s in found.strides]
        )
        np.testing.assert_array_equal(strided, wanted)


def test_the_table_names_everything() -> None:
    made = network_plan("momentum")
    text = str(made)
    for piece in ("matmul 16×30·30×20", "0.weight", "softmax + CE", "β=0.9", f"{made.bytes:,} bytes", "activation1"):
        assert piece in text, piece
    assert made.flops > 2 * 16 * 30 * 20 * 2
    assert full(made.state[0]).whole
