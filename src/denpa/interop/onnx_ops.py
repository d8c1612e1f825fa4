"""What an ONNX node does to rows on their way through a feedforward network: a table of operators.

Nothing is computed on rows; their chain of stages is what `onnx_import` builds the network from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import ModelFileError
from denpa.interop.onnx_file import DTYPES, STRING
from denpa.interop.onnx_values import Above, Call, Label, Rows, Stage

ROOT_HALF, ROOT_TOLERANCE = math.sqrt(0.5), 1e-6  # constants of GELU are float32 in most files
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875  # the operator's own defaults


PARTS = ("Erf", "Exp", "Log", "Abs")  # of activations that are put together: no layer by themselves
Rule = Callable[[Call], Any]
OPERATORS: dict[str, Rule] = {}  # "Gemm", and "ai.onnx.ml:Scaler"


def operator(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        OPERATORS.update(dict.fromkeys(names, rule))
        return rule

    return register


# -- weights and elementwise constants ---------------------------------------------------------------------------------
def _vector(call: Call, value: Array, features: int) -> Array:
    """A constant that is broadcast over rows, as float64: a number, or (features,)."""
    if value.size not in (1, features) or (value.size > 1 and value.shape[-1] != features) or value.ndim > 2:
        raise call.wrong("a constant does not fit the rows", str(value.shape), f"one number, or ({features},)")
    return np.asarray(value, np.float64).reshape(() if value.size == 1 else (features,))


def _linear(call: Call, rows: Rows, W: Array, bias: Any = None) -> Rows:
    """W (n_out, n_in)."""
    if W.dtype.kind != "f" or W.ndim != 2 or 0 in W.shape:
        raise call.wrong("the weights are no matrix of floats", f"{W.dtype} {W.shape}")
    if W.shape[1] != rows.features:
        raise call.wrong("the weights do not fit the rows", f"{rows.features} features", f"{W.shape[1]}")
    return rows.then(Stage("linear", value=W, bias=bias), W.shape[0])


@operator("Gemm")
def _gemm(call: Call) -> Any:
    call.only(3)
    alpha, beta = call.attributes.number("alpha", 1.0), call.attributes.number("beta", 1.0)
    transposed, turned = call.attributes.whole("transB", 0), call.attributes.whole("transA", 0)
    rows, W = call.flat(), call.numbers(1)
    if turned:
        raise call.wrong("the rows are transposed", "transA = 1", "transA = 0")
    W = W if transposed else W.T
    bias = None
    if len(call.inputs) > 2 and call.inputs[2] is not None and W.ndim == 2:
        C = _vector(call, call.numbers(2), W.shape[0]) * beta
        bias = np.broadcast_to(C, W.shape[:1])
    return _linear(call, rows, W if alpha == 1 else (W * np.float64(alpha)).astype(W.dtype), bias)


@operator("MatMul")
def _matmul(call: Call) -> Any:
    call.only(2)
    return _linear(call, call.flat(), call.numbers(1).T)


def _elementwise(kind: str) -> Rule:
    def rule(call: Call) -> Any:
        call.only(2)
        first, second = (*call.inputs, None, None)[:2]
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return _constants(call, kind, first, second)
        if isinstance(first, Rows) and isinstance(second, Rows):
            return _gelu(call, first, second) if kind == "multiply" else _halves(call, kind, first, second)
        if isinstance(first, Rows):
            return _after(call, kind, first, call.numbers(1))
        return _before(call, kind, call.numbers(0), call.rows(1))

    return rule


def _after(call: Call, kind: str, rows: Rows, constant: Array) -> Rows:
    """rows ∘ constant."""
    c = _vector(call, constant, rows.shape[-1] if rows.shape else 1)
    if c.ndim and len(rows.shape) != 1:
        raise call.wrong("a constant by columns needs flat rows", f"(N, {', '.join(map(str, rows.shape))})")
    if kind == "divide" and not c.all():
        raise call.wrong("a division by zero")
    return rows.then(Stage("add", value=-c) if kind == "subtract" else Stage(kind, value=c))


def _before(call: Call, kind: str, constant: Array, rows: Rows) -> Rows:
    """constant ∘ rows."""
    if kind == "divide":
        raise call.wrong("a number divided by rows is no step of a feedforward network")
    if kind == "subtract":
        rows = rows.then(Stage("multiply", value=np.float64(-1.0)))
        kind = "add"
    return _after(call, kind, rows, constant)


def _constants(call: Call, kind: str, a: Array, b: Array) -> Array:
    """Two constants; no larger than the larger of them, so no more memory than the file."""
    a, b = call.numbers(0), call.numbers(1)
    if a.size != 1 and b.size != 1 and a.shape != b.shape:
        raise call.wrong("constants of different shapes", f"{a.shape} and {b.shape}")
    functions: dict[str, Any] = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}
    with np.errstate(all="ignore"):  # checked next
        result: Array = functions[kind](a, b).astype(a.dtype)
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        raise call.wrong("the result of two constants is not finite")
    return result


for _op, _name in (("Add", "add"), ("Sub", "subtract"), ("Mul", "multiply"), ("Div", "divide")):
    operator(_op)(_elementwise(_name))


@operator("BatchNormalization")
def _batch_normalization(call: Call) -> Any:
    call.only(5)
    rows, epsilon = call.flat(), call.attributes.number("epsilon", 1e-5)
    if call.attributes.whole("training_mode", 0):
        raise call.wrong("the layer is in training mode", want="a model exported for inference (model.eval())")
    call.attributes.ignore("momentum", "spatial")
    scale, shift, mean, variance = (_vector(call, call.numbers(i), rows.features) for i in range(1, 5))
    if (variance + epsilon <= 0).any():
        raise call.wrong("a variance is not positive")
    for kind, value in (("add", -mean), ("divide", np.sqrt(variance + epsilon)), ("multiply", scale), ("add", shift)):
        rows = rows.then(Stage(kind, value=value))
    return rows


@operator("ai.onnx.ml:Scaler")
def _scaler(call: Call) -> Any:
    call.only(1)
    rows, offset, scale = call.flat(), call.attributes.numbers("offset"), call.attributes.numbers("scale")
    rows = rows.then(Stage("add", value=-_vector(call, offset, rows.features)))
    return rows.then(Stage("multiply", value=_vector(call, scale, rows.features)))


# -- activations -------------------------------------------------------------------------------------------------------
def _act(rows: Rows, name: str) -> Rows:
    return rows.then(Stage("act", name))


def _shortest(value: float) -> str:
    """An attribute is float32: 0.2 is in the file as 0.200000003."""
    return str(np.float32(value))


def _function(name: str) -> Rule:
    return lambda call: _act(call.rows(), name)


for _op in ("Relu", "Sigmoid", "Tanh", "Softplus", *PARTS):
    operator(_op)(_function(_op.lower()))


def _with(name: str, parameter: str) -> str:
    """The activation's name, with its parameter where that is not the usual one."""
    return name if {"leaky_relu": "0.01", "elu": "1.0"}[name] == parameter else f"{name}:{parameter}"


@operator("LeakyRelu")
def _leaky_relu(call: Call) -> Any:
    return _act(call.rows(), _with("leaky_relu", _shortest(call.attributes.number("alpha", 0.01))))


@operator("Elu")
def _elu(call: Call) -> Any:
    return _act(call.rows(), _with("elu", _shortest(call.attributes.number("alpha", 1.0))))


@operator("Selu")
def _selu(call: Call) -> Any:
    """γ · elu(x, α)."""
    alpha, gamma = call.attributes.number("alpha", SELU_ALPHA), call.attributes.number("gamma", SELU_GAMMA)
    return _act(call.rows(), f"elu:{alpha!r}").then(Stage("multiply", value=np.float64(gamma)))


@operator("Gelu")
def _gelu_operator(call: Call) -> Any:
    if call.attributes.text("approximate", "none") != "none":
        raise call.wrong("the formula with tanh is another function", 'approximate = "tanh"', 'approximate = "none"')
    return _act(call.rows(), "gelu")


@operator("Softmax", "LogSoftmax")
def _softmax(call: Call) -> Any:
    rows = call.flat()
    axis = call.attributes.whole("axis", -1 if call.opset >= 13 else 1)
    if axis not in (-1, 1):
        raise call.wrong("it does not run over the columns", f"axis = {axis}", "axis = 1")
    return _act(rows, "softmax" if call.op == "Softmax" else "log_softmax")


def scaled(rows: Rows, last: Rows | None = None) -> tuple[Rows, float, float]:
    """(h, a, b) where the rows are a·h + b, a and b numbers: the steps by single numbers that come after `last`."""
    steps = []
    for h in rows.back():
        stage = h.stage
        if h is last or stage is None or stage.kind not in ("add", "multiply", "divide") or np.ndim(stage.value):
            break
        steps.append(stage)
    a, b = 1.0, 0.0
    for stage in reversed(steps):
        c = float(stage.value)
        a, b = {"add": (a, b + c), "multiply": (a * c, b * c), "divide": (a / c, b / c)}[stage.kind]
    return h, a, b


def _gelu(call: Call, first: Rows, second: Rows) -> Rows:
    """a·h · k·(1 + erf(h/√2)) = 2ak · gelu(h), with its factors in any order; no other join of branches is read."""
    for x, phi in ((first, second), (second, first)):
        erf, k, shift = scaled(phi)
        if erf.stage is None or erf.stage.name != "erf" or erf.parent is None:
            continue
        before = {id(rows) for rows in erf.parent.back()}
        h = next((rows for rows in x.back() if id(rows) in before), None)
        (base, inside, zero), (base2, a, zero2) = scaled(erf.parent, h), scaled(x, h)
        right = abs(inside - ROOT_HALF) < ROOT_TOLERANCE and k == shift and zero == zero2 == 0
        if h is base is base2 and right:
            return _act(base, "gelu").then(Stage("multiply", value=np.float64(2 * a * k)))
    raise _joined(call)


def _halves(call: Call, kind: str, first: Rows, second: Rows) -> Rows:
    """max(x, 0) + c · min(x, 0), max(x, 0) + c · (e^min(x, 0) − 1), max(x, 0) + log(1 + e^−|x|), as denpa writes them
    in float64."""
    h = first.parent
    after = list(second.back())
    place = next((i for i, rows in enumerate(after) if rows is h), None)
    relu = first.stage is not None and first.stage.name == "relu"
    if kind != "add" or not relu or h is None or place is None:
        raise _joined(call)
    names, numbers = [], []
    for rows in after[place - 1 :: -1] if place else []:
        stage = rows.stage
        assert stage is not None
        if stage.kind == "act":
            names.append(stage.name)
        elif not np.ndim(stage.value):
            names.append(stage.kind)
            numbers.append(float(stage.value))
    if names == ["min", "multiply"]:
        return _act(h, _with("leaky_relu", repr(numbers[0])))
    if names == ["min", "exp", "add", "multiply"] and numbers[0] == -1:
        return _act(h, _with("elu", repr(numbers[1])))
    if names == ["abs", "multiply", "exp", "add", "log"] and numbers == [-1, 1]:
        return _act(h, "softplus")
    raise _joined(call)


def _joined(call: Call) -> ModelFileError:
    return call.wrong("it joins two branches that depend on the inputs", want="one layer after the other")


@operator("Min")
def _min(call: Call) -> Any:
    call.only(2)
    if call.numbers(1).size != 1 or call.constant(1).any():
        raise call.wrong("the smaller of two numbers is read with 0 only", want="min(x, 0)")
    return _act(call.rows(), "min")


@operator("Neg")
def _neg(call: Call) -> Any:
    return call.rows().then(Stage("multiply", value=np.float64(-1.0)))


@operator("Greater")
def _greater(call: Call) -> Any:
    call.only(2)
    threshold = call.numbers(1)
    if threshold.size != 1 or not 15 <= float(threshold.ravel()[0]) <= 100:
        raise call.wrong("a comparison is read as part of PyTorch's softplus only")
    return Above(call.rows())


@operator("Where")
def _where(call: Call) -> Any:
    """Above 15, softplus differs from x by less than 4e-7."""
    condition, above, below = (*call.inputs, None, None, None)[:3]
    branches = isinstance(condition, Above) and above is condition.of and isinstance(below, Rows)
    if branches and below.parent is above and below.stage is not None and below.stage.name == "softplus":
        return below
    raise call.wrong("a choice is read as part of PyTorch's softplus only")


# -- shapes and types --------------------------------------------------------------------------------------------------
@operator("Identity")
def _identity(call: Call) -> Any:
    return call.inputs[0] if call.inputs else call.rows()


@operator("Dropout")
def _dropout(call: Call) -> Any:
    call.attributes.ignore("ratio", "seed", "is_test")
    mode = call.inputs[2] if len(call.inputs) > 2 else None
    if mode is not None and call.constant(2).any():
        raise call.wrong("the layer is in training mode", want="a model exported for inference (model.eval())")
    return call.rows()


@operator("Cast")
def _cast(call: Call) -> Any:
    to = call.attributes.whole("to", 1)
    call.attributes.ignore("saturate", "round_mode")
    value = call.inputs[0] if call.inputs else None
    if isinstance(value, Label):
        return value
    if isinstance(value, np.ndarray) and to in DTYPES and value.dtype.kind in "fib":
        return value.astype(DTYPES[to], copy=False)
    rows = call.cells()
    if to == STRING and rows.element != "float" and rows.stage is None:
        return replace(rows, element="text")
    if to not in (1, 11) and (to not in DTYPES or rows.element != "whole"):
        raise call.wrong("it rounds the rows", f"element type {to}", "float32 or float64")
    return call.rows()


@operator("Constant")
def _constant(call: Call) -> Any:
    array = call.attributes.array("value")
    if array is not None:
        return array
    for name, read in (("value_float", call.attributes.number), ("value_int", call.attributes.whole)):
        if call.attributes.has(name):
            return np.array(read(name, 0), np.float32 if name == "value_float" else np.int64)
    floats, ints = call.attributes.numbers("value_floats"), call.attributes.wholes("value_ints")
    return np.array(ints, np.int64) if ints is not None else floats.astype(np.float32)


@operator("Transpose")
def _transpose(call: Call) -> Any:
    value, order = call.constant(0), call.attributes.wholes("perm")
    if order is not None and sorted(order) != list(range(value.ndim)):
        raise call.wrong("the axes are not those of the constant", str(order)[:60])
    return value.transpose(order)


@operator("Flatten")
def _flatten(call: Call) -> Any:
    rows, axis = call.rows(), call.attributes.whole("axis", 1)
    if axis not in (1, -len(rows.shape)):
        raise call.wrong("it does not keep the rows", f"axis = {axis}", "axis = 1")
    return replace(rows, shape=(rows.features,))


@operator("Reshape")
def _reshape(call: Call) -> Any:
    call.attributes.ignore("allowzero")
    value, shape = call.inputs[0] if call.inputs else None, call.whole(1)
    if isinstance(value, Label):
        return value
    if isinstance(value, np.ndarray):
        if 0 in shape or shape.count(-1) > 1 or (math.prod(shape) != value.size and -1 not in shape):
            raise call.wrong("a constant does not have so many numbers", str(shape)[:60], str(value.shape))
        if min(shape, default=0) < -1 or (-1 in shape and value.size % abs(math.prod(shape))):
            raise call.wrong("a constant does not have so many numbers", str(shape)[:60], str(value.shape))
        return value.reshape(shape)
    rows = call.cells()
    # what has as many numbers as a row after the first axis keeps the rows, whatever that axis is called
    first, rest = (shape[0], tuple(shape[1:])) if shape else (None, ())
    if rest == (-1,):
        rest = (rows.features,)
    if first is None or first < -1 or min(rest, default=0) < 1 or math.prod(rest) != rows.features:
        # skl2onnx ends an MLPRegressor of several targets so: (N, 2) becomes (2N, 1), in onnxruntime, too
        fix = f"import what goes into it instead: output={call.names[0]!r}, --output {call.names[0]}"
        got = f"rows of {rows.features} numbers as {str(shape)[:60]}"
        raise call.wrong("it does not keep the rows", got, f"[-1, {rows.features}]", fix if rows.stage else None)
    return replace(rows, shape=rest)


@operator("Squeeze", "Unsqueeze")
def _squeeze(call: Call) -> Any:
    value = call.inputs[0] if call.inputs else None
    if isinstance(value, Label):
        return value
    raise call.wrong("it is read on labels only")


# -- labels ------------------------------------------------------------------------------------------------------------
@operator("ArgMax")
def _argmax(call: Call) -> Any:
    axis = call.attributes.whole("axis", 0)
    call.attributes.ignore("keepdims", "select_last_index")
    if axis not in (1, -1):
        raise call.wrong("it does not run over the columns", f"axis = {axis}", "axis = 1")
    return Label(call.flat())


def labelled(call: Call, index: int, classes: Array) -> Label:
    label = call.inputs[index] if index < len(call.inputs) else None
    if not isinstance(label, Label) or label.classes is not None:
        raise call.wrong("it is read on the place of the largest probability only")
    return Label(label.of, tuple(str(c) for c in np.ravel(classes)))


@operator("ai.onnx.ml:ZipMap")
def _zipmap(call: Call) -> Any:
    """Probabilities as a table by class: the rows as they are, with the names of their columns."""
    texts, numbers = call.attributes.texts("classlabels_strings"), call.attributes.wholes("classlabels_int64s")
    return Label(call.flat(), tuple(texts) or tuple(str(n) for n in numbers or ()), table=True)


@operator("ai.onnx.ml:LabelEncoder")
def _label_encoder(call: Call) -> Any:
    keys, values = call.attributes.wholes("keys_int64s"), call.attributes.texts("values_strings")
    if call.inputs and isinstance(call.inputs[0], Rows):
        raise call.wrong(
            "it numbers categories, which are no amounts", want="one input a category", fix="OneHotEncoder"
        )
    if keys != list(range(len(values))):
        raise call.wrong("it does not name the classes 0, 1, …", str(keys)[:60])
    call.attributes.ignore("default_string", "default_int64", "default_float")
    return labelled(call, 0, np.array(values, object))
