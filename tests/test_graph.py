from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import denpa as dp
from denpa.errors import DTypeError, UsageError


def test_operations_run_at_once_and_record_nodes_that_point_backwards() -> None:
    x, y = dp.inputs(x=3.0, y=4.0)
    z = (x + y) * x
    assert z.value == 21.0
    graph = dp.Graph(z)
    assert [n.op.name if n.op else n.name for n in graph] == ["x", "y", "add", "multiply"]
    for node in graph:
        assert all(parent.serial < node.serial for parent in node.inputs)


def test_values_cannot_be_changed_in_place() -> None:
    mine = np.arange(3.0)
    x = dp.tensor(mine)
    y = x * 2.0
    mine[:] = 100  # the caller's own array is the caller's
    assert dp.backward((y * x).sum())[x].tolist() == [0.0, 4.0, 8.0]
    for t in (x, y):
        with pytest.raises(ValueError, match="read-only"):
            t.value[0] = 1
        with pytest.raises(UsageError, match="in place"):
            t[0] = 1


def test_gradients_that_are_handed_out_cannot_be_changed_in_place() -> None:
    x, y = dp.inputs(x=[1.0, 2.0], y=[3.0, 4.0])
    grads = dp.backward((x + y).sum())
    with pytest.raises(ValueError, match="read-only"):
        grads[x][0] = 9  # add hands the same array to both inputs


def test_a_gradient_is_never_lost_through_a_list_or_numpys_plain_array() -> None:
    x = dp.tensor(2.0)
    y = x * x
    for lose in (
        lambda: dp.tensor([x, y]),
        lambda: np.array([x, y]),
        lambda: np.sum([x, y]),
        lambda: np.asarray(y),
        lambda: dp.exp([x, y]),
    ):
        with pytest.raises(UsageError, match=r"denpa\.stack"):
            lose()
    assert np.asarray(y.value) == 4.0
    assert np.asarray(dp.constant([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_no_grad_computes_and_records_nothing() -> None:
    x = dp.tensor(3.0)
    with dp.no_grad():
        y = x * x
        with dp.no_grad():
            pass
        assert (x * x).node.inputs == ()
    assert y.value == 9.0
    assert y.node.inputs == ()
    assert (x * x).node.inputs != ()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(RuntimeError, match="boom"), dp.no_grad():
        raise RuntimeError("boom")
    assert (dp.tensor(1.0) + 1.0).node.inputs


def test_dropping_the_names_frees_the_memory_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = dp.tensor(np.ones(1000))
        y = ((x * 2.0 + 1.0) * x).sum()
        y.backward()
        grads = dp.backward(y)
        dp.grad(lambda v: (v * v).sum())(np.ones(3))
        alive = [weakref.ref(t) for t in (x, y)]
        big = weakref.ref(y.node.inputs[0].value)
        del x, y, grads
        assert [r() for r in alive] == [None, None]
        assert big() is None
    finally:
        gc.enable()


def test_a_chain_of_100_000_nodes() -> None:
    x = dp.tensor(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    assert dp.backward(y)[x] == 100_001.0
    assert len(dp.Graph(y)) == 100_001
    del y  # releasing it must not overflow the stack either


def test_a_fan_out_of_100_000() -> None:
    x = dp.tensor(2.0)
    total = dp.concat([dp.reshape(x * float(k), (1,)) for k in range(100_000)]).sum()
    assert dp.backward(total)[x] == sum(range(100_000))


def test_names_find_nodes_and_wrong_names_list_the_right_ones() -> None:
    a, b = dp.inputs(a=1.0, b=2.0)
    c = a * b
    c.name = "product"
    graph = dp.Graph(c + a)
    assert graph["product"] is c.node
    assert graph.inputs == {"a": a.node, "b": b.node}
    with pytest.raises(UsageError, match="a, b, product"):
        graph["nothing"]


def test_inputs_may_be_integers_and_booleans_as_constants() -> None:
    x = dp.tensor(2.0)
    n = dp.tensor(3, name="n")
    assert (x * n).value == 6.0
    assert dp.backward(x * n)[x] == 3.0
    assert not n.node.requires
    assert (dp.tensor([True, False]) * x).value.tolist() == [2.0, 0.0]


def test_a_parameter_must_be_floating_point() -> None:
    with pytest.raises(DTypeError, match="parameter must be floating point"):
        dp.parameter([1, 2])


def test_tensors_are_keys_by_identity_and_compare_by_value() -> None:
    x, y = dp.tensor(1.0), dp.tensor(1.0)
    table = {x: "x", y: "y"}
    assert table[x] == "x"
    assert table[y] == "y"
    assert bool(x == y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_python_numbers_do_not_change_the_dtype(dtype: type) -> None:
    x = dp.tensor(np.ones(3, dtype))
    for y in (x * 2, 2 * x, x + 0.5, 1 - x, x / 3, x**2, -x):
        assert y.dtype == dtype


def test_graph_of_several_outputs_and_stops_at_given_inputs() -> None:
    x = dp.tensor(2.0, name="x")
    y = x * x
    z = y + 1.0
    graph = dp.Graph({"y": y, "z": z}, inputs={"y0": y})
    assert x.node not in graph.nodes
    with pytest.raises(UsageError, match="several outputs"):
        _ = graph.output
    with pytest.raises(UsageError, match="not a Tensor"):
        dp.Graph({"y": 3.0})  # type: ignore[dict-item]


def test_deepcopy_of_a_leaf_is_independent() -> None:
    from copy import deepcopy

    w = dp.parameter([1.0], name="w")
    v = deepcopy(w)
    (v * 3.0).sum().backward()
    assert w.grad is None
    assert v.grad.tolist() == [3.0]
    assert v.name == "w"
