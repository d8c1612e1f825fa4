"""Exported models are run by onnxruntime from raw rows and must answer as denpa does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.interop import networks

from denpa import nn
from denpa.data import InputEncoding, TargetEncoding
from denpa.errors import UsageError
from denpa.interop.onnx_check import check_onnx
from denpa.interop.onnx_export import IR_VERSION, OPSET, export_onnx, onnx_bytes
from denpa.train.model_file import Predictor

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def answers(data: bytes, feed: dict[str, Any]) -> list[Any]:
    return list(runtime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feed))


def judge(model: Predictor, raw: Any, atol: float = 1e-6) -> None:
    """Labels where the probabilities are apart, probabilities, and numbers in their unit: all to 1e-6."""
    found = answers(onnx_bytes(model), networks.feed(model, raw))
    predicted, outputs = model.predict_with_outputs(raw)
    if model.targets.kind == "classes":
        np.testing.assert_allclose(found[1], outputs, rtol=0, atol=atol)
        ordered = np.sort(outputs, axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 1e-5
        assert (found[0] == predicted)[clear].all()
    elif model.targets.kind == "labels":
        np.testing.assert_allclose(found[1], outputs, rtol=0, atol=atol)
        assert (found[0] == predicted)[np.abs(outputs - 0.5) > 1e-5].all()
    else:
        std = np.array(model.targets.std)
        size = max(1.0, np.abs(outputs).max())
        np.testing.assert_allclose(
            found[0] / std, predicted.reshape(found[0].shape) / std, rtol=1e-15, atol=atol * size
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(50))
def test_fifty_random_architectures_agree_with_onnxruntime(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    model = networks.predictor(rng, dtype)
    judge(model, networks.rows(model, 100, rng))


def test_the_fifty_have_every_activation_and_form() -> None:
    models = [networks.predictor(np.random.default_rng(seed)) for seed in range(50)]
    names = {name.partition(":")[0] for m in models for name in m.network.hidden}
    assert names == set(nn.ACTIVATIONS)
    assert {m.inputs.kind for m in models} == {"image", "table", "columns"}
    assert {(c.kind, c.missing) for m in models for c in m.inputs.cells} == {
        (kind, missing) for kind in ("number", "date", "category") for missing in (True, False)
    }
    assert any(m.inputs.silent for m in models)
    assert {m.inputs.positional for m in models} == {True, False}
    assert {m.targets.kind for m in models} == {"classes", "labels", "numbers"}
    assert {m.network.depth for m in models} >= {1, 2, 6}
    assert {m.network.bias for m in models} == {True, False}


@pytest.mark.slow
def test_a_thousand_more() -> None:
    """Sums of float32 in another order differ by more where logits are large: by 1.3e-6 in these."""
    for seed in range(1000, 2000):
        rng = np.random.default_rng(seed)
        model = networks.predictor(rng, "float64" if seed % 2 else "float32")
        judge(model, networks.rows(model, 50, rng), 1e-6 if seed % 2 else 2e-6)


@pytest.mark.parametrize("change", ["a weight", "the mean", "the target's unit"])
def test_the_judge_can_fail(change: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = InputEncoding("table", ("a", "b"), mean=(1.0, 2.0), std=(3.0, 4.0))
    targets = TargetEncoding("numbers", "y", mean=(5.0,), std=(6.0,))
    model = Predictor(nn.Network([2, 4, 1], output="identity", seed=1), inputs, targets, None, {})
    export_onnx(model, tmp_path / "m.onnx")
    raw = networks.rows(model, 20, rng)
    assert check_onnx(model, tmp_path / "m.onnx", raw)
    values = {n: p.value + (1e-4 if change == "a weight" else 0) for n, p in model.network.parameters().items()}
    wrong = replace(
        model,
        network=model.network.with_parameters({n: v.astype(np.float32) for n, v in values.items()}),
        inputs=replace(inputs, mean=(1.001, 2.0)) if change == "the mean" else inputs,
        targets=replace(targets, std=(6.001,)) if change == "the target's unit" else targets,
    )
    assert not check_onnx(wrong, tmp_path / "m.onnx", raw)


def test_large_values_keep_their_digits() -> None:
    """In float32 a column of 1e9 ± 1 would be constant."""
    inputs = InputEncoding("table", ("t",), mean=(1e9,), std=(1.0,))
    targets = TargetEncoding("numbers", "y", mean=(1e9,), std=(1.0,))
    model = Predictor(nn.Network([1, 1], output="identity", seed=1, dtype="float64"), inputs, targets, None, {})
    raw = 1e9 + np.linspace(-2, 2, 9)[:, None]
    (found,) = answers(onnx_bytes(model), {"t": raw})
    np.testing.assert_allclose(found[:, 0] - 1e9, model.predict(raw) - 1e9, atol=3e-7)
    assert np.ptp(found) > 0.1


def test_names_that_the_file_uses_itself() -> None:
    """Columns called as the outputs and constants are, and a class that is no ASCII."""
    columns = ("label", "probabilities", "mean", "0.weight", "concat", "", "x")
    inputs = InputEncoding("table", columns, mean=(0.0,) * 7, std=(1.0,) * 7)
    targets = TargetEncoding("classes", "種類", ("犬", "猫"))
    model = Predictor(nn.Network([7, 3, 2], seed=1), inputs, targets, None, {})
    with pytest.raises(UsageError, match="without a name"):
        onnx_bytes(model)
    model = replace(model, inputs=replace(inputs, columns=(*columns[:5], " ", "x")))
    judge(model, np.random.default_rng(0).standard_normal((9, 7)))
    proto = onnx.ModelProto.FromString(onnx_bytes(model))
    assert [o.name for o in proto.graph.output] == ["label_2", "probabilities_2"]


def test_models_without_encodings(rng: np.random.Generator) -> None:
    network = nn.Network([4, 8, 3], "leaky_relu:0.2", seed=1)
    layers = nn.Sequential(
        nn.Flatten(),
        nn.Linear(4, 5, init="he_normal"),
        nn.Dropout(0.4),
        nn.Sequential(nn.ELU(2.0), nn.Linear(5, 2, False)),
        seed=1,
    )
    x = rng.standard_normal((6, 4)).astype(np.float32)
    for model in (network, layers):
        np.testing.assert_allclose(answers(onnx_bytes(model), {"x": x})[0], model(x).value, atol=1e-6)


def test_the_same_model_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = "import denpa as dp, sys, hashlib\nfrom denpa.interop.onnx_export import onnx_bytes\n"
    code += "print(hashlib.sha256(onnx_bytes(dp.nn.Network([4, 8, 3], 'gelu', seed=1))).hexdigest())"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=env)
        for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    ]
    assert runs[0].stdout == runs[1].stdout


def test_versions_for_wide_support() -> None:
    proto = onnx.ModelProto.FromString(onnx_bytes(nn.Network([2, 2], seed=0)))
    assert (proto.ir_version, [(o.domain, o.version) for o in proto.opset_import]) == (IR_VERSION, [("", OPSET)])
    assert (IR_VERSION, OPSET) == (7, 13)
    assert proto.producer_name == "denpa"


class Cube(nn.Layer):
    def __call__(self, x: Any, *, training: bool = False, key: Any = None) -> Any:
        return x * x * x


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (nn.Sequential(nn.Linear(2, 2), Cube()), "no operator for this layer"),
        (nn.Sequential(nn.ReLU()), "nothing to export"),
        (3, "only a network"),
        (nn.Sequential(nn.Linear(2, 2, dtype="float64"), nn.Linear(2, 2)), "several dtypes"),
    ],
)
def test_what_cannot_be_exported(model: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_not_finite() -> None:
    network = nn.Network([2, 1], output="identity", seed=0)
    broken = network.with_parameters(
        {"0.weight": np.full((1, 2), np.nan, np.float32), "0.bias": np.zeros(1, np.float32)}
    )
    with pytest.raises(UsageError, match="NaN or infinite"):
        onnx_bytes(broken)
