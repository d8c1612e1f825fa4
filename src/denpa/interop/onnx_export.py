"""A network as an ONNX file that predicts from raw columns: scaling before it, class names and units after it inside.

Operator set 13 and IR version 7 (ONNX 1.8): onnxruntime reads them since 1.6.  The bytes are the same for the same
model, whatever the process or the time.  Scaling is computed in float64, the network in its own dtype.
Source: the ONNX specification, https://github.com/onnx/onnx/blob/main/docs/IR.md and Operators.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from denpa import durable
from denpa.arrays import Array
from denpa.data import InputEncoding, TargetEncoding
from denpa.errors import UsageError, installed_version, require, user_line
from denpa.nn import Dropout, Flatten, Identity, Layer, Linear, Network, Sequential
from denpa.nn.layers import ELU, GELU, Activation, LeakyReLU, Softmax, Softplus
from denpa.train.model_file import Predictor

OPSET, IR_VERSION = 13, 7
LARGEST = (1 << 31) - (1 << 20)  # bytes: a protobuf message ends at 2 GiB
_PLAIN = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}  # one operator, float32 and float64 alike


class Builder:
    """Nodes and constants in order, with names that no other tensor of the graph has."""

    def __init__(self, dtype: str, taken: Iterable[str] = ()) -> None:
        self.onnx = require("onnx", for_="writing an ONNX file", extra="onnx")
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._taken = set(taken)

    def name(self, stem: str) -> str:
        """`stem`, or `stem_2`, … when that is taken."""
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name

    def constant(self, stem: str, value: Any, dtype: Any = None) -> str:
        """An initializer.  dtype: the network's unless one is given; text becomes a string tensor."""
        name = self.name(stem)
        array = np.asarray(value)
        if array.dtype.kind in "UO":
            texts = [str(text).encode() for text in array.ravel()]
            made = self.onnx.helper.make_tensor(name, self.onnx.TensorProto.STRING, array.shape, texts)
        else:
            made = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array, dtype or self.dtype), name)
        self.constants.append(made)
        return name

    def node(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output.  out: that name, reserved before; else one after the op."""
        name = out or self.name(op.lower())
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def cast(self, value: str, dtype: Any, out: str | None = None) -> str:
        return self.node("Cast", value, out=out, to=self.element(dtype))

    def element(self, dtype: Any) -> int:
        """ONNX's number of a dtype."""
        found: int = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return found

    def info(self, name: str, element: int, *shape: int) -> Any:
        """The declaration of an input or output with rows of this shape."""
        return self.onnx.helper.make_tensor_value_info(name, element, ["N", *shape])


def export_onnx(model: Predictor | Network | Sequential, path: str | Path) -> None:
    """Write a model as an ONNX file, durably.

    A Predictor (`load_model(run)`) takes raw rows: one input (N, 1) of doubles for each named column, or one input "x";
    classes give "label" (N,) and "probabilities" (N, classes), numbers "prediction" (N, outputs) in their own unit.
    A Network or Sequential alone maps "x" (N, n_in) to "y" (N, n_out).  Dropout is left out.
    UsageError for layers that ONNX has no operator for, and above 2 GiB; TrainingError when it cannot be saved.
    """
    durable.write(path, onnx_bytes(model), what="the ONNX file")


def onnx_bytes(model: Predictor | Network | Sequential) -> bytes:
    """What `export_onnx` writes, checked by onnx's own checker."""
    network = model.network if isinstance(model, Predictor) else model
    if not isinstance(network, (Network, Sequential)):
        raise UsageError(
            "only a network can be exported", where=user_line(), got=type(model).__name__, want="what load_model gives"
        )
    parameters = {name: p.value for name, p in network.parameters().items()}
    _check_parameters(parameters)
    dtype = next(iter(parameters.values())).dtype.name
    builder, facts = _whole(model, dtype) if isinstance(model, Predictor) else _bare(network, dtype)
    return _serialised(builder, *facts)


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
def _bare(network: Network | Sequential, dtype: str) -> tuple[Builder, Any]:
    b = Builder(dtype, ("x", "y"))
    shapes = [shape for name, shape in network.shapes().items() if name.endswith("weight")]
    logits = _layers(b, network.body if isinstance(network, Network) else network, "x")
    result = _activation(b, network.head, logits) if isinstance(network, Network) else logits
    b.node("Identity", result, out="y")
    element = b.element(dtype)
    return b, ([b.info("x", element, shapes[0][1])], [b.info("y", element, shapes[-1][0])], {})


def _whole(model: Predictor, dtype: str) -> tuple[Builder, Any]:
    network, classes = model.network, model.targets.kind == "classes"
    if not classes and model.targets.kind != "numbers":
        raise UsageError("targets of this kind cannot be exported to ONNX yet", got=model.targets.kind)
    b = Builder(dtype, _input_names(model.inputs))
    names = [b.name(stem) for stem in (("label", "probabilities") if classes else ("prediction",))]
    inputs, encoded = _encoded(b, model.inputs)
    logits = _layers(b, network.body, encoded)
    outputs = _activation(b, network.head, logits)
    write = _classes if classes else _numbers
    told = {"target": model.targets.name, "denpa.targets": json.dumps(model.targets.to_json(), ensure_ascii=False)}
    return b, (inputs, write(b, model.targets, logits, outputs, names), told)


def _input_names(inputs: InputEncoding) -> tuple[str, ...]:
    return inputs.columns or ("x",)


def _encoded(b: Builder, inputs: InputEncoding) -> tuple[list[Any], str]:
    """The graph's inputs, and the network's input as (N, features) of its dtype."""
    if inputs.kind == "image":
        declared = [b.info("x", b.element(b.dtype), *inputs.shape)]
        flat = b.node("Flatten", "x", axis=1)
        return declared, b.node("Div", flat, b.constant("maximum", inputs.maximum))
    if inputs.kind != "table":
        raise UsageError("inputs of this kind cannot be exported to ONNX yet", got=inputs.kind)
    names, wide = _input_names(inputs), np.float64
    if not all(names):
        raise UsageError("a column without a name cannot be an input of an ONNX file", got=repr(names)[:80])
    element, width = b.element(wide), 1 if inputs.columns else inputs.features
    rows = b.node("Concat", *names, axis=1) if len(names) > 1 else names[0]
    shifted = b.node("Sub", rows, b.constant("mean", inputs.mean, wide))
    scaled = b.node("Div", shifted, b.constant("std", inputs.std, wide))
    return [b.info(name, element, width) for name in names], b.cast(scaled, b.dtype) if b.dtype != wide else scaled


def _classes(b: Builder, targets: TargetEncoding, logits: str, outputs: str, names: list[str]) -> list[Any]:
    """The label is that of the largest logit, as in denpa: float32 sigmoids are all 1 above 17."""
    label, probabilities = names
    best = b.node("ArgMax", logits, axis=1, keepdims=0)
    b.node("Gather", b.constant("classes", np.array(targets.classes)), best, out=label, axis=0)
    b.node("Identity", outputs, out=probabilities)
    text = b.onnx.TensorProto.STRING
    return [b.info(label, text), b.info(probabilities, b.element(b.dtype), targets.outputs)]


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


# -- bytes -------------------------------------------------------------------------------------------------------------
def _serialised(b: Builder, inputs: list[Any], outputs: list[Any], told: Mapping[str, str]) -> bytes:
    helper = b.onnx.helper
    graph = helper.make_graph(b.nodes, "denpa", inputs, outputs, b.constants)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="denpa",
        producer_version=installed_version("denpa"),
    )
    helper.set_model_props(model, dict(told))
    if model.ByteSize() > LARGEST:
        raise UsageError("the network is too large for an ONNX file", got=f"{model.ByteSize():,} bytes")
    b.onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
