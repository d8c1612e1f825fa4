"""Mutated ONNX, weights and model files: read as before, or one clear error; never a traceback, never much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.interop import networks

from denpa import nn
from denpa.errors import DataError
from denpa.interop.onnx_export import onnx_bytes
from denpa.interop.onnx_import import import_onnx
from denpa.interop.state import load_state, save_state
from denpa.train.model_file import Predictor, load_model, save_model

onnx = pytest.importorskip("onnx")
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
SLOW = settings(QUICK, max_examples=20_000)
STATE = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), seed=0)

# what is done to a file: bytes changed, cut out, put in, moved; and the end cut off
PLACE = st.floats(0, 1, exclude_max=True)
CHANGE = st.one_of(
    st.tuples(st.just("set"), PLACE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("flip"), PLACE, st.integers(0, 7)),
    st.tuples(st.just("insert"), PLACE, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("delete"), PLACE, st.integers(1, 60)),
    st.tuples(st.just("repeat"), PLACE, st.integers(1, 400)),
    st.tuples(st.just("cut"), PLACE, st.just(0)),
)
CHANGES = st.lists(CHANGE, min_size=1, max_size=4)


def mutated(data: bytes, changes: list[tuple[str, float, Any]]) -> bytes:
    for how, place, what in changes:
        at = int(place * len(data))
        if how == "set":
            data = data[:at] + what + data[at + len(what) :]
        elif how == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (1 << what)]) + data[at + 1 :]
        elif how == "insert":
            data = data[:at] + what + data[at:]
        elif how == "delete":
            data = data[:at] + data[at + what :]
        elif how == "repeat":
            data = data[: at + what] + data[at:]
        elif how == "cut":
            data = data[:at]
    return data


def samples() -> list[bytes]:
    """Exports of denpa with and without the description beside the nodes: of tables, images, classes and numbers."""
    found = []
    for seed in range(8):
        data = onnx_bytes(networks.predictor(np.random.default_rng(seed), "float64" if seed % 2 else "float32"))
        proto = onnx.ModelProto.FromString(data)
        del proto.metadata_props[:]
        found += [data, proto.SerializeToString()]
    return [*found, networks.columns_file()]


SAMPLES = samples()


def judge(read: Callable[[Path], Any], path: Path, data: bytes) -> None:
    """Whatever is not a DataError fails the test; so does memory far beyond the file's size."""
    path.write_bytes(data)
    model, told = None, f"{path}: read"
    tracemalloc.start()
    try:
        model = read(path)
    except DataError as error:
        told = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * len(data) + (8 << 20)
    assert 10 < len(told) < 4000
    assert str(path) in told or "description" in told or "encoding" in told
    if isinstance(model, Predictor):
        assert all(np.isfinite(p.value).all() for p in model.network.parameters().values())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutated")
    import_onnx(_written(folder / "warm.onnx", SAMPLES[0]))  # imports what is needed
    return folder / "file"


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def weights(path: Path) -> bytes:
    save_state(STATE, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def model(path: Path) -> bytes:
    save_model(path, networks.predictor(np.random.default_rng(3)))
    return path.read_bytes()


@QUICK
@given(st.sampled_from(SAMPLES), CHANGES)
def test_mutated_onnx_files(path: Path, data: bytes, changes: Any) -> None:
    judge(import_onnx, path, mutated(data, changes))


@QUICK
@given(CHANGES)
def test_mutated_weights(path: Path, weights: bytes, changes: Any) -> None:
    judge(lambda p: load_state(STATE, p), path, mutated(weights, changes))


@QUICK
@given(CHANGES)
def test_mutated_models(path: Path, model: bytes, changes: Any) -> None:
    judge(load_model, path, mutated(model, changes))


@QUICK
@given(st.binary(max_size=300))
def test_bytes_of_nothing(path: Path, data: bytes) -> None:
    judge(import_onnx, path, data)


OPERATORS = [
    "Gemm",
    "Relu",
    "Add",
    "Concat",
    "Cast",
    "Softmax",
    "Reshape",
    "ArgMax",
    "Scaler",
    "Where",
    "Erf",
    "Gather",
    "OneHotEncoder",
    "Imputer",
]
SIZES = [-1, 0, 1, 2, 7, 1 << 24, 1 << 40]


def change_node(rng: np.random.Generator, proto: Any) -> None:
    graph = proto.graph
    node = graph.node[rng.integers(len(graph.node))]
    names = [n for other in graph.node for n in (*other.input, *other.output)] + ["", "nowhere"]
    what = int(rng.integers(4))
    if what == 0:
        node.op_type = str(rng.choice(OPERATORS))
    elif what == 1:
        node.output[0] = str(rng.choice(names))
    elif what == 2:
        name = str(rng.choice(["axis", "alpha", "transB", "to", "value", "x"]))
        node.attribute.add(name=name, type=int(rng.integers(0, 9)), f=2, i=int(rng.integers(-2, 12)))
    elif node.input:
        node.input[rng.integers(len(node.input))] = str(rng.choice(names))


def change_order(rng: np.random.Generator, proto: Any) -> None:
    nodes = proto.graph.node
    at = int(rng.integers(len(nodes)))
    if rng.integers(2):
        nodes.insert(int(rng.integers(len(nodes))), nodes[at])
    elif len(nodes) > 1:
        del nodes[at]


def change_constant(rng: np.random.Generator, proto: Any) -> None:
    tensor = proto.graph.initializer[rng.integers(len(proto.graph.initializer))]
    what = int(rng.integers(3))
    if what == 0:
        tensor.dims[:] = [int(n) for n in rng.choice(SIZES, rng.integers(0, 4))]
    elif what == 1:
        tensor.data_type = int(rng.integers(0, 24))
    else:
        tensor.raw_data = rng.bytes(int(rng.integers(0, 64)))


def change_frame(rng: np.random.Generator, proto: Any) -> None:
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    if rng.integers(2):
        dims[rng.integers(len(dims))].dim_value = int(rng.choice(SIZES))
    else:
        proto.opset_import[0].version = int(rng.integers(-1, 40))


def structured(rng: np.random.Generator, data: bytes) -> bytes:
    """Changes that protobuf can still read: fields of nodes, constants, inputs and attributes set to something else."""
    proto = onnx.ModelProto.FromString(data)
    for kind in rng.integers(4, size=int(rng.integers(1, 4))):
        (change_node, change_order, change_constant, change_frame)[kind](rng, proto)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("seed", range(5))
def test_changed_graphs(seed: int, path: Path) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        judge(import_onnx, path, structured(rng, SAMPLES[rng.integers(len(SAMPLES))]))


@pytest.mark.slow
@SLOW
@given(st.sampled_from(SAMPLES), CHANGES)
def test_many_mutated_onnx_files(path: Path, data: bytes, changes: Any) -> None:
    judge(import_onnx, path, mutated(data, changes))


@pytest.mark.slow
def test_many_changed_graphs(path: Path) -> None:
    rng = np.random.default_rng(99)
    for _ in range(20_000):
        judge(import_onnx, path, structured(rng, SAMPLES[rng.integers(len(SAMPLES))]))


@pytest.mark.slow
@SLOW
@given(CHANGES)
def test_many_mutated_models(path: Path, model: bytes, changes: Any) -> None:
    judge(load_model, path, mutated(model, changes))


def test_the_mutations_do_something() -> None:
    data = SAMPLES[0]
    assert mutated(data, [("flip", 0.5, 1)]) != data
    assert len(mutated(data, [("cut", 0.5, 0)])) == len(data) // 2
    assert structured(np.random.default_rng(0), data) != data
