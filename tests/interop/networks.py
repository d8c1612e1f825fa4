"""Random trained-looking models for the tests of ONNX, and raw rows for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa.data import InputEncoding, TargetEncoding
from denpa.data.coding import InputColumn
from denpa.nn import ACTIVATIONS, Network
from denpa.train.model_file import Predictor

Array = Any
NAMES = ("relu", "leaky_relu:0.3", "elu:1.5", *ACTIVATIONS)


def predictor(rng: np.random.Generator, dtype: str = "float32") -> Predictor:
    """Any depth, widths, activations, outputs; a table with or without names, or images; classes or numbers."""
    inputs = _inputs(rng)
    classify = bool(rng.integers(2))
    k = int(rng.integers(2, 7)) if classify else int(rng.integers(1, 4))
    depth = int(rng.integers(0, 6))
    units = [inputs.features, *(int(n) for n in rng.integers(1, 65, depth)), k]
    hidden = [str(rng.choice(NAMES)) for _ in range(depth)]
    output = str(rng.choice(["softmax", "sigmoid"] if classify else ["identity", "tanh", "softplus", "elu:0.5"]))
    network = Network(
        units,
        hidden,
        output,
        bias=bool(rng.integers(4)),
        seed=int(rng.integers(1 << 30)),
        dtype=dtype,
        dropout=float(rng.choice([0.0, 0.3])),
    )
    moved = {n: p.value + 0.1 * rng.standard_normal(p.shape).astype(dtype) for n, p in network.parameters().items()}
    return Predictor(network.with_parameters(moved), inputs, _targets(rng, classify, k, output), None, {})


def _inputs(rng: np.random.Generator) -> InputEncoding:
    kind = int(rng.integers(4))
    if kind == 0:
        shape = tuple(int(n) for n in rng.integers(2, 9, int(rng.integers(2, 4))))
        return InputEncoding("image", image_shape=shape, maximum=255.0, whole=True)
    if kind == 1:
        return _table(rng)
    f = int(rng.integers(1, 20))
    mean, std = 10.0 ** rng.uniform(-3, 9, f), 10.0 ** rng.uniform(-3, 3, f)
    columns = tuple(f"column {i}: 長さ" for i in range(f)) if kind == 2 else None
    return InputEncoding("table", columns, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def _table(rng: np.random.Generator) -> InputEncoding:
    """Numbers, dates and categories, some with missing cells, one slot that training never saw."""
    cells = []
    for i in range(int(rng.integers(1, 7))):
        kind, missing = str(rng.choice(["number", "date", "category"])), bool(rng.integers(2))
        values = tuple(f"v{j} 値" for j in range(int(rng.integers(1, 5)))) if kind == "category" else ()
        cells.append(InputColumn(f"{kind} {i}", kind, values, missing))
    slots = [(slot, cell.kind != "category" and slot == cell.name) for cell in cells for slot in cell.slots]
    mean = tuple(float(rng.normal(0, 1e4)) if plain else 0.0 for _, plain in slots)
    std = tuple(float(10.0 ** rng.uniform(-2, 3)) if plain else 1.0 for _, plain in slots)
    silent = tuple(i for i, (slot, _) in enumerate(slots) if slot.endswith("<other>"))[:1]
    names = tuple(cell.name for cell in cells)
    return InputEncoding("columns", names, mean=mean, std=std, cells=tuple(cells), na=("NA", "?"), silent=silent)


def _targets(rng: np.random.Generator, classify: bool, k: int, output: str) -> TargetEncoding:
    if classify and output == "sigmoid" and rng.integers(2):
        return TargetEncoding("labels", "tags", labels=tuple(f"tag {i}" for i in range(k)))
    if classify:
        return TargetEncoding("classes", "kind", tuple(f"class {i} é" for i in range(k)))
    mean, std = rng.uniform(-5, 5, k), 10.0 ** rng.uniform(-2, 2, k)
    return TargetEncoding("numbers", "price", mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def rows(model: Predictor, n: int, rng: np.random.Generator) -> Array:
    """(n, …) raw rows as a file would have them."""
    inputs = model.inputs
    if inputs.kind == "image":
        return rng.integers(0, 256, (n, *inputs.shape)).astype(np.uint8)
    if inputs.kind == "columns":
        return np.column_stack([_cells(inputs, i, n, rng) for i in range(len(inputs.cells))])
    return rng.standard_normal((n, inputs.features)) * np.array(inputs.std) + np.array(inputs.mean)


def _cells(inputs: InputEncoding, i: int, n: int, rng: np.random.Generator) -> Array:
    """Codes, numbers or days as a Dataset has them; every fifth is missing, whether that was so in training or not."""
    cell = inputs.cells[i]
    place = sum(len(other.slots) for other in inputs.cells[:i])
    numbers = inputs.mean[place] + inputs.std[place] * rng.standard_normal(n)
    values = rng.integers(0, len(cell.values) + 1, n).astype(float) if cell.kind == "category" else numbers
    return np.where(rng.integers(0, 5, n) == 0, np.nan, values)


def feed(model: Predictor, raw: Array) -> dict[str, Array]:
    """The same rows as the inputs of the exported file."""
    inputs = model.inputs
    if inputs.kind == "image":
        return {"x": raw.astype(model.network.dtype)}
    if inputs.columns is None:
        return {"x": raw}
    return {name: _as_given(inputs, i, raw[:, i : i + 1]) for i, name in enumerate(inputs.columns)}


def _as_given(inputs: InputEncoding, i: int, values: Array) -> Array:
    if not inputs.cells or inputs.cells[i].kind != "category":
        return values
    known = inputs.cells[i].values
    texts = ["?" if np.isnan(v) else "unheard of" if v == len(known) else known[int(v)] for v in values[:, 0]]
    return np.array(texts, object)[:, None]


def columns_file() -> bytes:
    """What skl2onnx writes for a ColumnTransformer before a network: text and whole numbers one-hot, numbers imputed
    and scaled, a column dropped."""
    onnx = pytest.importorskip("onnx")
    helper, ml = onnx.helper, "ai.onnx.ml"
    kinds = {"age": 1, "city": 8, "n": 7, "w": 1, "unused": 1}
    nodes = [
        helper.make_node("Concat", ["age", "w"], ["merged"], axis=1),
        helper.make_node("Imputer", ["merged"], ["imputed"], domain=ml, imputed_value_floats=[40.0, 0.5],
                         replaced_value_float=float("nan")),
        helper.make_node("Scaler", ["imputed"], ["scaled"], domain=ml, offset=[38.0, -1.0], scale=[0.25, 2.0]),
        helper.make_node("OneHotEncoder", ["city"], ["cities"], domain=ml, cats_strings=["a", "b", "猫"], zeros=1),
        helper.make_node("Cast", ["n"], ["whole"], to=7),
        helper.make_node("OneHotEncoder", ["whole"], ["counts"], domain=ml, cats_int64s=[0, 1, 2], zeros=0),
        helper.make_node("Gather", ["counts", "kept"], ["some"], axis=-1),
        helper.make_node("Concat", ["cities", "some"], ["coded"], axis=-1),
        helper.make_node("Reshape", ["coded", "shape"], ["flat"]),
        helper.make_node("Concat", ["flat", "scaled"], ["all"], axis=1),
        helper.make_node("Gemm", ["all", "W", "b"], ["h"], transB=1),
        helper.make_node("Softmax", ["h"], ["p"], axis=1),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    constants = {"kept": np.array([1, 2]), "shape": np.array([-1, 5]), "W": rng.normal(size=(3, 7)), "b": np.ones(3)}
    made = [
        onnx.numpy_helper.from_array(v if v.dtype.kind == "i" else v.astype(np.float32), name)
        for name, v in constants.items()
    ]
    inputs = [helper.make_tensor_value_info(name, kind, ["N", 1]) for name, kind in kinds.items()]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("p", 1, ["N", 3])], made)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(ml, 3)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
