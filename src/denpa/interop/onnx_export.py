"""A network as an ONNX file that predicts from raw columns: scaling before it, class names and units after it inside.

Operator set 13 and IR version 7 (ONNX 1.8), ai.onnx.ml 2: onnxruntime reads them since 1.6.  The bytes are the same for
the same model, whatever the process or the time.  Scaling is computed in float64, the network in its own dtype.
Source: the ONNX specification, https://github.com/onnx/onnx/blob/main/docs/IR.md and Operators.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.arrays import Array
from denpa.data import TargetEncoding
from denpa.errors import UsageError, installed_version, require, user_line
from denpa.interop import onnx_inputs
from denpa.interop.onnx_builder import ML, ML_OPSET, Builder
from denpa.nn import Dropout, Flatten, Identity, Layer, Linear, Network, Sequential
from denpa.nn.layers import ELU, GELU, Activation, LeakyReLU, Softmax, Softplus
from denpa.train.model_file import Predictor, description

OPSET, IR_VERSION = 13, 7
KEY = "denpa"  # of the metadata: the description of the model, as in a model file
LARGEST = (1 << 31) - (1 << 20)  # bytes: a protobuf message ends at 2 GiB
_PLAIN = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}  # one operator, float32 and float64 alike


def export_onnx(model: Predictor | Network | Sequential, path: str | Path) -> None:
    """Write a model as an ONNX file, durably.

    A Predictor (`load_model(run)`) takes raw rows: one input (N, 1) for each named column, text for categories and
    doubles otherwise (NaN where missing, days since 1970-01-01 for dates), or one input "x"; classes give "label" (N,)
    and "probabilities" (N, classes), several labels "labels" (N, labels) of 0 and 1 and "probabilities", numbers
    "prediction" (N, outputs) in their own unit.
    A Network or Sequential alone maps "x" (N, n_in) to "y" (N, n_out).  Dropout is left out.
    UsageError for layers that ONNX has no operator for, and above 2 GiB; TrainingError when it cannot be saved.
    """
    durable.write(path, onnx_bytes(model), what="the ONNX file")


def onnx_bytes(model: Predictor | Network | Sequential) -> bytes:
    """What `export_onnx` writes, checked by onnx's own checker."""
    made = _model(onnx_parts(model))
    if made.ByteSize() > LARGEST:
        raise UsageError("the network is too large for an ONNX file", got=f"{made.ByteSize():,} bytes")
    require("onnx", for_="writing an ONNX file", extra="onnx").checker.check_model(made, full_check=True)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


@dataclass(frozen=True, eq=False)
class Parts:
    """Nodes and constants, the declarations of inputs and outputs, and the metadata."""

    builder: Builder
    inputs: list[Any]
    outputs: list[Any]
    told: Mapping[str, str]

    def are(self, graph: Any, constants: Mapping[str, Array]) -> bool:
        """Whether a GraphProto has just these parts, beside these constants in this order."""
        mine, theirs = (self.builder.nodes, self.inputs, self.outputs), (graph.node, graph.input, graph.output)
        same = all(len(a) == len(b) and all(map(eq, a, b)) for a, b in zip(mine, theirs, strict=True))
        made = self.builder.constants
        return same and list(made) == list(constants) and all(_equal(made[name], constants[name]) for name in made)


def _equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


def onnx_parts(model: Predictor | Network | Sequential) -> Parts:
    """What the file is put together from."""
    network = model.network if isinstance(model, Predictor) else model
    if not isinstance(network, (Network, Sequential)):
        raise UsageError(
            "only a network can be exported", where=user_line(), got=type(model).__name__, want="what load_model gives"
        )
    parameters = {name: p.value for name, p in network.parameters().items()}
    _check_parameters(parameters)
    dtype = next(iter(parameters.values())).dtype.name
    return _whole(model, dtype) if isinstance(model, Predictor) else _bare(network, dtype)


def _check_parameters(parameters: Mapping[str, Array]) -> None:
    if not parameters:
        raise UsageError("there is nothing to export", where=user_line(), got="a network without parameters")
    size = sum(a.nbytes for a in parameters.values())
    if size > LARGEST:
        raise UsageError(
            "the network is too large for an ONNX file",
            got=f"{size:,} bytes",
            want=f"at most {LARGEST:,}",
            fix="export the weights as safetensors",
        )
    if len({a.dtype for a in parameters.values()}) > 1:
        raise UsageError("the parameters have several dtypes", got="float32 and float64", want="one of them")
    for name, a in parameters.items():
        if not np.isfinite(a).all():
            raise UsageError("a parameter is NaN or infinite", got=name, fix="train again with a smaller learning rate")


# -- the parts of a file -----------------------------------------------------------------------------------------------
def _bare(network: Network | Sequential, dtype: str) -> Parts:
    b = Builder(dtype, ("x", "y"))
    shapes = [shape for name, shape in network.shapes().items() if name.endswith("weight")]
    logits = _layers(b, network.body if isinstance(network, Network) else network, "x")
    result = _activation(b, network.head, logits) if isinstance(network, Network) else logits
    b.node("Identity", result, out="y")
    element = b.element(dtype)
    return Parts(b, [b.info("x", element, shapes[0][1])], [b.info("y", element, shapes[-1][0])], {})


_OUTPUTS = {"classes": ("label", "probabilities"), "labels": ("labels", "probabilities"), "numbers": ("prediction",)}


def _whole(model: Predictor, dtype: str) -> Parts:
    network, kind = model.network, model.targets.kind
    b = Builder(dtype, onnx_inputs.names(model.inputs))
    names = [b.name(stem) for stem in _OUTPUTS[kind]]
    inputs, encoded = onnx_inputs.encoded(b, model.inputs)
    logits = _layers(b, network.body, encoded)
    outputs = _activation(b, network.head, logits)
    write = {"classes": _classes, "labels": _labels, "numbers": _numbers}[kind]
    about = {**description(model), "about": {}}  # where the training data lay is nobody's business
    told = {"target": model.targets.name, KEY: json.dumps(about, ensure_ascii=False, allow_nan=False)}
    return Parts(b, inputs, write(b, model.targets, logits, outputs, names), told)


def _classes(b: Builder, targets: TargetEncoding, logits: str, outputs: str, names: list[str]) -> list[Any]:
    """The label is that of the largest logit, as in denpa: float32 sigmoids are all 1 above 17."""
    label, probabilities = names
    best = b.node("ArgMax", logits, axis=1, keepdims=0)
    b.node("Gather", b.constant("classes", np.array(targets.classes)), best, out=label, axis=0)
    b.node("Identity", outputs, out=probabilities)
    text = b.onnx.TensorProto.STRING
    return [b.info(label, text), b.info(probabilities, b.element(b.dtype), targets.outputs)]


def _labels(b: Builder, targets: TargetEncoding, logits: str, outputs: str, names: list[str]) -> list[Any]:
    """1 where the probability is 1/2 or more."""
    labels, probabilities = names
    b.cast(b.node("GreaterOrEqual", outputs, b.constant("even", 0.5)), np.int64, out=labels)
    b.node("Identity", outputs, out=probabilities)
    elements = (b.element(np.int64), b.element(b.dtype))
    return [b.info(name, element, targets.outputs) for name, element in zip(names, elements, strict=True)]


def _numbers(b: Builder, targets: TargetEncoding, logits: str, outputs: str, names: list[str]) -> list[Any]:
    wide = b.cast(outputs, np.float64) if b.dtype != np.float64 else outputs
    scaled = b.node("Mul", wide, b.constant("target_std", targets.std, np.float64))
    b.node("Add", scaled, b.constant("target_mean", targets.mean, np.float64), out=names[0])
    return [b.info(names[0], b.element(np.float64), targets.outputs)]


# -- the network -------------------------------------------------------------------------------------------------------
def _layers(b: Builder, layer: Layer, value: str) -> str:
    """The output of a layer, of all of them in a Sequential."""
    if isinstance(layer, Sequential):
        for inner in layer:
            value = _layers(b, inner, value)
        return value
    if isinstance(layer, Linear):
        named = [b.constant(f"{layer.prefix}{n}", p.value) for n, p in layer.parameters().items()]
        return b.node("Gemm", value, *named, out=b.name(f"linear{layer.layer}"), transB=1)
    if isinstance(layer, Activation):
        return _activation(b, layer, value)
    if isinstance(layer, Dropout):
        return value
    if isinstance(layer, Flatten):
        return b.node("Flatten", value, axis=1)
    raise _without_operator(layer)


def _activation(b: Builder, layer: Activation, x: str) -> str:
    if isinstance(layer, Identity):
        return x
    if layer.function in _PLAIN:
        return b.node(_PLAIN[layer.function], x)
    if isinstance(layer, Softmax):
        return b.node("Softmax", x, axis=layer.axis)
    if isinstance(layer, GELU):
        return _gelu(b, x)
    if b.dtype == np.float64:
        return _put_together(b, layer, x)
    settings: dict[str, Any] = {}
    if isinstance(layer, LeakyReLU):
        settings = {"alpha": layer.negative_slope}
    elif isinstance(layer, ELU):
        settings = {"alpha": layer.alpha}
    elif not isinstance(layer, Softplus):
        raise _without_operator(layer)
    return b.node({"leaky_relu": "LeakyRelu", "elu": "Elu", "softplus": "Softplus"}[layer.function], x, **settings)


def _without_operator(layer: Layer) -> UsageError:
    return UsageError("ONNX has no operator for this layer", where=user_line(), got=repr(layer)[:80])


def _put_together(b: Builder, layer: Activation, x: str) -> str:
    """max(x, 0) + what is left: onnxruntime has LeakyRelu, Elu and Softplus for float32 alone."""
    one = b.constant("one", 1.0)
    if isinstance(layer, Softplus):
        rest = b.node("Log", b.node("Add", one, b.node("Exp", b.node("Neg", b.node("Abs", x)))))
    elif isinstance(layer, (LeakyReLU, ELU)):
        rest = b.node("Min", x, b.constant("zero", 0.0))
        if isinstance(layer, ELU):
            rest = b.node("Sub", b.node("Exp", rest), one)
        factor = layer.alpha if isinstance(layer, ELU) else layer.negative_slope
        rest = b.node("Mul", rest, b.constant("factor", factor))
    else:
        raise _without_operator(layer)
    return b.node("Add", b.node("Relu", x), rest)


def _gelu(b: Builder, x: str) -> str:
    """x/2 · (1 + erf(x/√2)): Gelu itself came with operator set 20.  onnxruntime's erf knows float32 alone: 1e-7."""
    wide = b.dtype == np.float64
    scaled = b.node("Div", x, b.constant("root_two", math.sqrt(2)))
    narrow = b.cast(scaled, np.float32) if wide else scaled
    erf = b.node("Erf", narrow)
    back = b.cast(erf, np.float64) if wide else erf
    return b.node("Mul", b.node("Mul", x, b.constant("half", 0.5)), b.node("Add", back, b.constant("one", 1.0)))


def _model(parts: Parts) -> Any:
    b, helper = parts.builder, parts.builder.onnx.helper
    model = helper.make_model(
        helper.make_graph(b.nodes, "denpa", parts.inputs, parts.outputs, list(b.initializers())),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)][: 1 + b.uses_ml],
        ir_version=IR_VERSION,
        producer_name="denpa",
        producer_version=installed_version("denpa"),
    )
    helper.set_model_props(model, dict(parts.told))
    return model
