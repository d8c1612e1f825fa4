"""Networks out of ONNX files of PyTorch, scikit-learn and denpa: they must answer as the originals do."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.interop import networks

import denpa as dp
from denpa.data import InputEncoding, TargetEncoding
from denpa.errors import ModelFileError, UsageError
from denpa.interop.onnx_export import export_onnx
from denpa.interop.onnx_import import import_onnx
from denpa.train.model_file import Predictor, load_model, save_model

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def same_answers(model: Predictor, again: Predictor, rng: np.random.Generator, folder: Path) -> Predictor:
    """To the last bit, also after the imported model went through a model file."""
    save_model(folder / "m.safetensors", again)
    again = load_model(folder / "m.safetensors")
    raw = networks.rows(model, 30, rng)
    for want, got in zip(model.predict_with_outputs(raw), again.predict_with_outputs(raw), strict=True):
        np.testing.assert_array_equal(got, want)
    return again


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(15))
def test_what_denpa_exports_comes_back_whole(seed: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    model = networks.predictor(rng, dtype)
    export_onnx(model, tmp_path / "m.onnx")
    again = same_answers(model, import_onnx(tmp_path / "m.onnx"), rng, tmp_path)
    assert (again.inputs, again.targets) == (model.inputs, model.targets)
    assert again.network.spec() == model.network.spec()
    assert again.about["notes"] == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(25))
def test_its_nodes_alone_give_the_same_network(seed: int, dtype: str, tmp_path: Path) -> None:
    """Without the description that denpa puts beside them."""
    rng = np.random.default_rng(seed)
    model = networks.predictor(rng, dtype)
    path = tmp_path / "m.onnx"
    export_onnx(model, path)
    proto = onnx.ModelProto.FromString(path.read_bytes())
    del proto.metadata_props[:]
    path.write_bytes(proto.SerializeToString())
    if model.inputs.kind == "columns":
        with pytest.raises(ModelFileError):
            import_onnx(path)
        return
    again = import_onnx(path)
    assert (again.inputs.columns, again.network.hidden) == (model.inputs.columns, model.network.hidden)
    if model.targets.kind == "labels":
        assert again.targets.kind == "numbers"
        np.testing.assert_array_equal(
            *(m.outputs(networks.rows(model, 9, np.random.default_rng(0))) for m in (model, again))
        )
        return
    same_answers(model, again, rng, tmp_path)
    assert again.targets.classes == model.targets.classes


def test_a_description_of_another_graph_is_not_believed(tmp_path: Path) -> None:
    """Weights, means or class names changed in one of the two places, or a description that is damaged."""
    inputs = InputEncoding("table", ("a", "b"), mean=(1.0, 2.0), std=(3.0, 4.0))
    targets = TargetEncoding("classes", "kind", ("no", "yes"))
    model = Predictor(dp.nn.Network([2, 3, 2], seed=1), inputs, targets, None, {})
    path = tmp_path / "m.onnx"
    export_onnx(model, path)
    data = path.read_bytes()
    assert import_onnx(path).about["notes"] == []
    raw = np.array([[3.0, -2.0]])
    for old, new in (
        ('"mean": [1.0', '"mean": [9.0'),
        ('"no"', '"NO"'),
        ('"units"', '"unitz"'),
        ('"format": 1', '"format": 7'),
    ):
        assert old.encode() in data
        path.write_bytes(data.replace(old.encode(), new.encode()))
        again = import_onnx(path)
        assert "the description by denpa is not used" in again.about["notes"][0]
        np.testing.assert_allclose(again.outputs(raw), model.outputs(raw), atol=1e-6)
        assert again.targets.classes == ("no", "yes")


# -- PyTorch -----------------------------------------------------------------------------------------------------------
def torch_networks(torch: Any) -> dict[str, tuple[Any, tuple[int, ...]]]:
    n = torch.nn
    everything = n.Sequential(
        *(n.Flatten(), n.Linear(12, 7), n.BatchNorm1d(7), n.GELU(), n.Linear(7, 6), n.BatchNorm1d(6), n.SELU()),
        *(n.BatchNorm1d(6), n.Dropout(0.1), n.Linear(6, 6), n.LeakyReLU(0.2), n.Linear(6, 5), n.Softplus()),
        *(n.Linear(5, 5), n.ELU(1.5), n.Linear(5, 4), n.ReLU(), n.Linear(4, 4, bias=False), n.Sigmoid()),
        *(n.Linear(4, 3), n.Tanh(), n.Identity(), n.Linear(3, 3), n.Softmax(1)),
    )
    return {
        "every layer": (everything, (1, 3, 4)),
        "numbers": (n.Sequential(n.Linear(5, 8), n.ReLU(), n.Linear(8, 2)), (5,)),
        "an activation at the end": (n.Sequential(n.Linear(5, 8), n.SELU()), (5,)),
        "two activations": (n.Sequential(n.Linear(5, 8), n.ReLU(), n.Sigmoid(), n.BatchNorm1d(8)), (5,)),
        "scaling first": (n.Sequential(n.BatchNorm1d(5), n.Linear(5, 8), n.Softmax(1)), (5,)),
        "two linear layers": (n.Sequential(n.Linear(5, 8), n.Linear(8, 2)), (5,)),
        "one unit": (n.Sequential(n.Linear(5, 1), n.BatchNorm1d(1), n.GELU(), n.Linear(1, 1), n.Sigmoid()), (5,)),
    }


@pytest.mark.parametrize(("opset", "dtype"), [(13, "float32"), (18, "float64"), (20, "float32"), ("dynamo", "float32")])
@pytest.mark.parametrize("name", list(torch_networks(pytest.importorskip("torch"))))
@pytest.mark.filterwarnings("ignore")
def test_pytorch_networks_agree(name: str, opset: int | str, dtype: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net, shape = torch_networks(torch)[name]
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_()
            module.bias.data.normal_()
    net = net.to(getattr(torch, dtype)).eval()
    x = torch.randn(20, *shape, dtype=getattr(torch, dtype))
    path = tmp_path / "m.onnx"
    if opset == "dynamo":
        pytest.importorskip("onnxscript", reason="PyTorch's newer exporter needs onnxscript")
        free = ({0: torch.export.Dim("n")},)
        torch.onnx.export(net, (x,), path, dynamo=True, verbose=False, external_data=False, dynamic_shapes=free)
    else:
        free = {"input": {0: "n"}}
        torch.onnx.export(net, (x,), path, dynamo=False, opset_version=opset, dynamic_axes=free, input_names=["input"])
    with torch.no_grad():
        want = net(x).numpy()
    model = import_onnx(path)
    predicted, outputs = model.predict_with_outputs(x.numpy())
    got = outputs if model.targets.kind == "classes" else predicted.reshape(want.shape)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    assert model.network.dtype == dtype


# -- scikit-learn ------------------------------------------------------------------------------------------------------
def sklearn_case(name: str, rng: np.random.Generator) -> tuple[Any, Any, Any, dict[str, Any]]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    X = (rng.standard_normal((80, 4)) * [1, 10, 100, 1e4] + [0, 5, -50, 1e5]).astype(np.float32)
    three = np.array(["a", "b", "c"])[rng.integers(0, 3, 80)]
    cases: dict[str, tuple[Any, Any]] = {
        "two classes": (MLPClassifier((5,), max_iter=30), X[:, 0] > 0),
        "three classes": (MLPClassifier((5, 3), activation="tanh", max_iter=30), three),
        "numbers": (MLPRegressor(hidden_layer_sizes=(5,), activation="logistic", max_iter=30), X[:, 0]),
        "no hidden layer": (MLPClassifier((), max_iter=30), three),
        "several labels": (MLPClassifier((5,), max_iter=30), (X[:, :3] > 0).astype(int)),
    }
    estimator, y = cases[name.partition(",")[0]]
    scaler = MinMaxScaler() if "MinMax" in name else StandardScaler()
    options = {id(estimator): {"zipmap": False}} if "zipmap" in name else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(scaler, estimator).fit(X, y), X, y, options


@pytest.mark.parametrize(
    "name",
    [
        *("two classes", "two classes, no zipmap", "two classes, MinMax", "three classes", "three classes, no zipmap"),
        *("numbers", "numbers, MinMax", "no hidden layer", "several labels", "several labels, no zipmap"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_pipelines_agree(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    pipeline, X, _, options = sklearn_case(name, rng)
    path = tmp_path / "m.onnx"
    path.write_bytes(skl2onnx.to_onnx(pipeline, X[:1], options=options or None).SerializeToString())
    model = import_onnx(path)
    predicted, outputs = model.predict_with_outputs(X)
    if name.startswith("numbers"):
        np.testing.assert_allclose(predicted, pipeline.predict(X), rtol=1e-6, atol=1e-6)
        return
    np.testing.assert_allclose(outputs, pipeline.predict_proba(X), atol=1e-6)
    if name.startswith("several labels"):  # several may hold at once: no class is chosen among them
        assert model.targets.kind == "numbers"
    else:
        assert model.targets.classes == tuple(str(int(c)) if c in (True, False) else str(c) for c in pipeline.classes_)
        assert (predicted == [str(int(c)) if c in (True, False) else str(c) for c in pipeline.predict(X)]).all()


# -- an imported model is a model --------------------------------------------------------------------------------------
def test_it_is_traced_explained_checked_and_drawn(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "m"], ["c"]),
        helper.make_node("Gemm", ["c", "W", "b"], ["h"], transB=1),
        helper.make_node("LeakyRelu", ["h"], ["a"], alpha=0.2),
        helper.make_node("Gemm", ["a", "V"], ["z"], transB=1),
        helper.make_node("Softmax", ["z"], ["p"]),
    ]
    rng = np.random.default_rng(0)
    constants = {
        "m": rng.normal(size=3),
        "W": rng.normal(size=(4, 3)),
        "b": rng.normal(size=4),
        "V": rng.normal(size=(2, 4)),
    }
    model = import_onnx(written(tmp_path, nodes, constants), classes=("no", "yes"), columns=("u", "v", "w"))
    raw = rng.normal(size=(5, 3))
    x, t = model.inputs.encode(raw, "float64"), np.array([0, 1, 1, 0, 1])
    traced = dp.trace_step(model.network, x, t)
    np.testing.assert_allclose(traced.step.outputs, model.outputs(raw), rtol=1e-5)
    assert dp.explain(model.network, "W[1][2,3]", x=x[:1], t=t[:1]).sections
    wide = {name: np.asarray(p.value, np.float64) for name, p in model.network.parameters().items()}
    assert dp.check(lambda w: model.network.with_parameters({**wide, "0.weight": w}).loss(x, t), wide["0.weight"])
    assert "<svg" in dp.draw(model.network, x, t).svg()
    assert model.predict(raw).tolist() == np.array(["no", "yes"])[model.outputs(raw).argmax(1)].tolist()


# -- single rules, by hand ---------------------------------------------------------------------------------------------
def written(
    folder: Path,
    nodes: list[Any],
    constants: dict[str, Any],
    outputs: tuple[str, ...] = ("p",),
    opset: int = 18,
    **more: Any,
) -> Path:
    """A model with the input x (N, 3)."""
    made = [
        onnx.numpy_helper.from_array(np.asarray(v, np.float32 if np.asarray(v).dtype.kind == "f" else None), name)
        for name, v in constants.items()
    ]
    shape = more.pop("shape", ["N", 3])
    inputs = [helper.make_tensor_value_info("x", FLOAT, shape)]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info(name) for name in outputs], made)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", more.pop("ml", 3))]
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=imports, **more).SerializeToString())
    return path


W, V = np.arange(6.0).reshape(2, 3) / 5 - 0.5, np.array([[1.0, -1.0]])
LINEAR = helper.make_node("Gemm", ["x", "W"], ["h"], transB=1)
SHIFTED = 1.7580993408473766  # α γ of SELU
RAW = np.array([[1.0, 2.0, -3.0], [0.5, -1.0, 2.0]])


def imported(folder: Path, nodes: list[Any], **constants: Any) -> Predictor:
    return import_onnx(written(folder, nodes, {"W": W, **constants}))


@pytest.mark.parametrize(
    ("node", "constants", "want"),
    [
        (helper.make_node("Mul", ["h", "c"], ["p"]), {"c": -2.0}, lambda h: -2 * h),
        (helper.make_node("Mul", ["c", "h"], ["p"]), {"c": [0.0, 3.0]}, lambda h: h * [0, 3]),
        (helper.make_node("Sub", ["c", "h"], ["p"]), {"c": [[1.0, 2.0]]}, lambda h: [1, 2] - h),
        (helper.make_node("Div", ["h", "c"], ["p"]), {"c": [2.0, -4.0]}, lambda h: h / [2, -4]),
        (helper.make_node("Neg", ["h"], ["p"]), {}, lambda h: -h),
        (helper.make_node("MatMul", ["h", "c"], ["p"]), {"c": V.T}, lambda h: h @ V.T),
        (
            helper.make_node("Gemm", ["h", "c", "d"], ["p"], alpha=2.0, beta=3.0, transB=1),
            {"c": V, "d": 0.5},
            lambda h: 2 * h @ V.T + 1.5,
        ),
        (helper.make_node("Reshape", ["h", "s"], ["p"]), {"s": np.array([-1, 2])}, lambda h: h),
        (helper.make_node("Cast", ["h"], ["p"], to=11), {}, lambda h: h),
        (helper.make_node("Dropout", ["h"], ["p"]), {}, lambda h: h),
        (
            helper.make_node("Selu", ["h"], ["p"]),
            {},
            lambda h: np.where(h > 0, 1.0507009873554805 * h, SHIFTED * np.expm1(h)),
        ),
    ],
)
def test_one_operator(node: Any, constants: dict[str, Any], want: Any, tmp_path: Path) -> None:
    model = imported(tmp_path, [LINEAR, node], **constants)
    np.testing.assert_allclose(model.predict(RAW).reshape(2, -1), want(RAW @ W.T).reshape(2, -1), rtol=1e-6, atol=1e-6)


def test_logits_with_classes(tmp_path: Path) -> None:
    nodes = [LINEAR, helper.make_node("Mul", ["h", "c"], ["p"])]
    path = written(tmp_path, nodes, {"W": W, "c": 2.0})
    model = import_onnx(path, classes=("no", "yes"))
    z = np.exp(2 * RAW @ W.T)
    np.testing.assert_allclose(model.outputs(RAW), z / z.sum(1, keepdims=True), rtol=1e-6)
    for wrong in (("a",), ("a", "a"), ("a", "")):
        with pytest.raises(UsageError, match="classes do not fit"):
            import_onnx(path, classes=wrong)
    with pytest.raises(UsageError, match="columns do not fit"):
        import_onnx(path, columns=("a", "b"))
    with pytest.raises(UsageError, match="no such output"):
        import_onnx(path, output="q")
    with pytest.raises(UsageError, match="maximum"):
        import_onnx(path, maximum=0)


def test_pixels_with_a_maximum(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "W"], ["p"], transB=1)]
    weights = np.random.default_rng(0).normal(size=(2, 12))
    model = import_onnx(written(tmp_path, nodes, {"W": weights}, shape=["N", 1, 3, 4]), maximum=255)
    assert (model.inputs.kind, model.inputs.image_shape, model.inputs.maximum) == ("image", (3, 4), 255.0)
    raw = np.random.default_rng(1).integers(0, 256, (5, 3, 4)).astype(np.uint8)
    np.testing.assert_allclose(model.predict(raw), raw.reshape(5, 12) / 255 @ weights.T, rtol=1e-5, atol=1e-6)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    nodes = [LINEAR, helper.make_node("Conv", ["x", "W"], ["q"]), helper.make_node("Relu", ["h"], ["p"])]
    model = import_onnx(written(tmp_path, nodes, {"W": W}, ("q", "p", "h")))
    assert model.about["notes"] == ["output 'q' left out: another output", "output 'h' left out: another output"]
    assert import_onnx(tmp_path / "m.onnx", output="h").network.output == "identity"
    with pytest.raises(ModelFileError, match="operator 'Conv' cannot be read"):
        import_onnx(tmp_path / "m.onnx", output="q")


# -- what is refused ---------------------------------------------------------------------------------------------------
def node(op: str, *inputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs or ("h",), ["p"], **attributes)


RELU = helper.make_node("Relu", ["h"], ["r"])
LOG = helper.make_node("LogSoftmax", ["h"], ["l"])
REFUSED = {
    "a convolution": ([LINEAR, node("Conv", "h", "W")], {}, "operator 'Conv' cannot be read"),
    "another domain": ([LINEAR, node("Relu", domain="com.example")], {}, "com.example:Relu"),
    "a residual connection": ([LINEAR, RELU, node("Add", "h", "r")], {}, "two branches"),
    "weights that do not fit": ([LINEAR, node("MatMul", "h", "c")], {"c": np.zeros((4, 3))}, "do not fit the rows"),
    "weights of no matrix": ([node("Gemm", "x", "c")], {"c": np.zeros(3)}, "no matrix"),
    "weights that are computed": ([LINEAR, node("MatMul", "h", "h")], {}, "not a constant"),
    "a constant that does not fit": ([LINEAR, node("Add", "h", "c")], {"c": [1.0, 2.0, 3.0]}, "does not fit the rows"),
    "a division by zero": ([LINEAR, node("Div", "h", "c")], {"c": [1.0, 0.0]}, "division by zero"),
    "a number over rows": ([LINEAR, node("Div", "c", "h")], {"c": 1.0}, "divided by rows"),
    "rows transposed": ([LINEAR, node("Gemm", "h", "c", transA=1)], {"c": np.eye(2)}, "transposed"),
    "softmax down the rows": ([LINEAR, node("Softmax", axis=0)], {}, "over the columns"),
    "tanh for GELU": ([LINEAR, node("Gelu", approximate="tanh")], {}, "another function"),
    "erf alone": ([LINEAR, node("Erf")], {}, "part of GELU"),
    "nothing at all": ([node("Identity", "x")], {}, "no layer with weights"),
    "a cycle": ([helper.make_node("Add", ["x", "p"], ["h"]), node("Relu")], {}, "before it is used"),
    "a tensor twice": ([LINEAR, LINEAR, node("Relu")], {}, "computed twice"),
    "an input that is not there": ([LINEAR, node("Add", "h", "nowhere")], {}, "before it is used"),
    "an unknown attribute": ([LINEAR, node("Relu", slope=2.0)], {}, "attribute of a node is not known"),
    "an attribute of another type": ([LINEAR, node("LeakyRelu", alpha="x")], {}, "another type"),
    "rows folded": ([LINEAR, node("Reshape", "h", "s")], {"s": np.array([-1, 1])}, "does not keep the rows"),
    "rows rounded": ([LINEAR, node("Cast", to=7)], {}, "rounds the rows"),
    "training": ([LINEAR, node("Dropout", "h", "r", "t")], {"r": 0.5, "t": np.array(True)}, "training mode"),
    "a mask": ([LINEAR, helper.make_node("Dropout", ["h"], ["d", "p"])], {}, "output 2 is not read"),
    "log-softmax inside": ([LINEAR, LOG, node("Gemm", "l", "c")], {"c": np.eye(2)}, "between two layers"),
    "an input twice": ([node("Concat", "x", "x", axis=1)], {}, "stands in it twice"),
    "weights that overflow": ([LINEAR, node("Mul", "h", "c")], {"c": [-3e38, 1.0], "W": W * 1e10}, "overflow"),
    "one class": ([helper.make_node("MatMul", ["x", "c"], ["h"]), node("Softmax")], {"c": np.ones((3, 1))},
                  "classes do not fit"),
    "a constant output": ([node("Identity", "W")], {}, "no output that depends"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_feedforward_network(name: str, tmp_path: Path) -> None:
    nodes, constants, told = REFUSED[name]
    with pytest.raises(ModelFileError, match=told) as found:
        imported(tmp_path, nodes, **constants)
    assert "m.onnx" in str(found.value)


def test_the_error_for_an_operator_names_node_opset_and_what_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as found:
        imported(tmp_path, [LINEAR, helper.make_node("Conv", ["h", "W"], ["p"], name="conv1")])
    text = str(found.value)
    assert all(part in text for part in ("node 2 'conv1'", "Conv, opset 18", "Gemm", "ai.onnx.ml:Scaler"))


def changed(folder: Path, change: Any) -> Path:
    path = written(folder, [LINEAR, node("Relu")], {"W": W})
    model = onnx.ModelProto.FromString(path.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def first(model: Any) -> Any:
    return model.graph.initializer[0]


def kind(model: Any) -> Any:
    return model.graph.input[0].type.tensor_type


CHANGES = {
    "numbers in another file": (outside, "another file, which is not opened"),
    "a location alone": (lambda m: first(m).external_data.add(key="location", value="x"), "another file"),
    "a billion weights": (lambda m: first(m).dims.__setitem__(0, 1 << 40), "numbers of its shape"),
    "a negative size": (lambda m: first(m).dims.__setitem__(0, -2), "impossible shape"),
    "too few bytes": (lambda m: setattr(first(m), "raw_data", b"1234"), "numbers of its shape"),
    "bytes that are no numbers": (lambda m: setattr(first(m), "raw_data", b"\xff" * 24), "NaN or infinity"),
    "another element type": (lambda m: setattr(first(m), "data_type", 14), "type that cannot be read"),
    "half precision": (lambda m: setattr(first(m), "data_type", 10), "type that cannot be read"),
    "a constant twice": (lambda m: m.graph.initializer.append(copy.deepcopy(first(m))), "occurs twice"),
    "sparse": (lambda m: m.graph.sparse_initializer.add(), "sparse"),
    "no graph": (lambda m: m.ClearField("graph"), "no graph"),
    "an opset of the future": (lambda m: setattr(m.opset_import[0], "version", 99), "version of the operators"),
    "an opset of the past": (lambda m: setattr(m.opset_import[0], "version", 6), "version of the operators"),
    "a trillion columns": (lambda m: setattr(kind(m).shape.dim[1], "dim_value", 1 << 40), "fixed number of columns"),
    "columns without a number": (lambda m: kind(m).shape.dim[1].Clear(), "fixed number of columns"),
    "text for an input": (lambda m: setattr(kind(m), "elem_type", 8), "input 1 is text"),
    "other columns": (lambda m: setattr(kind(m).shape.dim[1], "dim_value", 4), "do not fit the rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_cannot_be_meant(name: str, tmp_path: Path) -> None:
    change, told = CHANGES[name]
    with pytest.raises(ModelFileError, match=told):
        import_onnx(changed(tmp_path, change))


@pytest.mark.parametrize("name", [b"Relu", b"ai.onnx.ml", b"\x01h"])
def test_names_that_are_no_text(name: bytes, tmp_path: Path) -> None:
    path = changed(tmp_path, lambda model: None)
    assert name in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(name, name[:-1] + b"\xff"))
    with pytest.raises(ModelFileError, match="no text"):
        import_onnx(path)


def test_the_changing_itself_is_harmless(tmp_path: Path) -> None:
    assert import_onnx(changed(tmp_path, lambda model: None)).network.units == (3, 2)


def test_a_chain_of_many_nodes_is_no_recursion(tmp_path: Path) -> None:
    nodes, last = [LINEAR], "h"
    for i in range(5000):
        nodes.append(helper.make_node("Identity" if i % 2 else "Relu", [last], [f"n{i}"]))
        last = f"n{i}"
    nodes.append(helper.make_node("Identity", [last], ["p"]))
    assert len(imported(tmp_path, nodes).network.units) == 2 + 2499


def test_constants_that_multiply_in_memory(tmp_path: Path) -> None:
    """A megabyte cast a thousand times over would be a gigabyte."""
    nodes: list[Any] = [LINEAR, node("Relu")]
    nodes += [helper.make_node("Cast", ["big"], [f"c{i}"], to=11) for i in range(1000)]
    with pytest.raises(ModelFileError, match="more constants than a network needs"):
        imported(tmp_path, nodes, big=np.zeros(1 << 18))


@pytest.mark.parametrize("data", [b"", b"x", b"\x00" * 100, b"PK\x03\x04" + b"\x00" * 60, b'{"a": 1}'])
def test_what_is_no_onnx_file(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ModelFileError):
        import_onnx(tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match="cannot be read"):
        import_onnx(tmp_path / "not-there.onnx")
    with pytest.raises(ModelFileError):
        import_onnx(tmp_path)


PEAK = """
import os, sys
def memory(what):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(what))
from denpa.interop.onnx_import import import_onnx
import_onnx(sys.argv[1])  # imports what is needed
before = memory("VmRSS")
model = import_onnx(sys.argv[2])
print((memory("VmHWM") - before) / os.path.getsize(sys.argv[2]), model.network.units, len(model.about["notes"]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process from Linux's /proc")
@pytest.mark.parametrize("described", [True, False])
def test_the_memory_for_a_large_file(described: bool, tmp_path: Path) -> None:
    """The file and the network, each once, and a quarter of the largest layer to look for NaN: 2.15 were measured."""
    for name, units in (("small", (4, 2)), ("large", (2000, 3000, 1700, 2))):
        targets = TargetEncoding("classes", "kind", ("no", "yes"))
        inputs = InputEncoding("table", None, mean=(0.0,) * units[0], std=(1.0,) * units[0])
        model = Predictor(dp.nn.Network(units, seed=1), inputs, targets, None, {})
        export_onnx(model if described else model.network, tmp_path / f"{name}.onnx")
    command = [sys.executable, "-c", PEAK, str(tmp_path / "small.onnx"), str(tmp_path / "large.onnx")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    times, _, rest = told.partition(" ")
    assert rest.strip() == f"(2000, 3000, 1700, 2) {0 if described else 1}"
    assert 1 < float(times) < 3
