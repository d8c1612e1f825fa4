"""A feedforward network out of an ONNX file, as a model that predicts and can be traced, explained, checked and drawn.

The nodes are followed from the inputs in the file's order, each by the rule of its operator; what that gives is put
into layers.  A branch that the chosen output does not need is left out and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from denpa import tensorfile
from denpa.arrays import Array
from denpa.data import InputEncoding, TargetEncoding
from denpa.data.files import listed, shown, shown_path
from denpa.errors import ModelFileError, ShapeError, UsageError
from denpa.interop.onnx_columns import encode_columns
from denpa.interop.onnx_export import KEY, onnx_parts
from denpa.interop.onnx_file import STRING, Attributes, OnnxFile, read_onnx
from denpa.interop.onnx_layers import Chain, chain
from denpa.interop.onnx_ops import OPERATORS
from denpa.interop.onnx_values import Call, Failed, Label, Rows
from denpa.nn import Network
from denpa.train.model_file import Predictor, from_description

WHOLE, FLOATS = (2, 3, 4, 5, 6, 7, 12, 13), (1, 10, 11)  # element types of inputs
MOST_FEATURES = 1 << 24
_ROOM = 4 << 20  # bytes of constants that nodes may compute, beside twice those in the file


def import_onnx(
    path: str | Path,
    *,
    output: str | None = None,
    classes: Sequence[str] = (),
    columns: Sequence[str] = (),
    target: str | None = None,
    maximum: float | None = None,
) -> Predictor:
    """The model in an ONNX file; `save_model` or `denpa import` makes a model file of it.

    output: which of the file's outputs, by default the first that is one; a tensor inside of it will do.
    classes: names, in order; outputs that end without softmax or sigmoid are then taken as logits of a softmax.
    columns: names of the inputs, by default those of the file's inputs when there are several.
    target: the name of the column that is predicted.
    maximum: what inputs are divided by before they reach the network, 255 for pixels that it was trained on as 0 … 1.
    What was left out or changed stands in `about["notes"]`.  ModelFileError naming node and operator for what is no
    feedforward network, and for a file that is damaged, too large, or keeps its numbers in other files.
    """
    try:
        file = read_onnx(path)
        asked = any((output, classes, columns, target)) or maximum is not None
        model, doubts = (None, []) if asked or KEY not in file.told else _described(file)
        if model is not None:
            return model
        values = _follow(file)
        name, rows, known = _chosen(file, values, output)
        notes = doubts + _skipped(file, values, name, rows)
    except UnicodeDecodeError as error:
        raise ModelFileError("a name in the file is no text", where=shown_path(path), got=str(error)[:80]) from error
    where = f"{file.where}, output {shown(name)}"

    def fail(what: str) -> ModelFileError:
        return ModelFileError(f"this is no feedforward network: {what}", where=where)

    first = list(rows.back())[-1]
    built = chain(rows.stages(), first.features, fail)
    predicted = target or file.told.get("target") or name
    targets = _targets(built, tuple(map(str, classes)) or known, predicted, bool(classes), fail, notes)
    inputs = _inputs(built, first, file, tuple(columns), maximum, fail)
    notes += built.notes
    network = _network(built, _dtype(rows), fail)
    return Predictor(network, inputs, targets, None, _about(file, notes))


def _about(file: OnnxFile, notes: list[str]) -> dict[str, Any]:
    return {"source": Path(file.where).name, "sha256": file.sha256, "producer": file.producer, "notes": notes}


def _described(file: OnnxFile) -> tuple[Predictor | None, list[str]]:
    """The model that the file describes, in words that only denpa reads; None, and why, unless its graph is that model.

    The description is believed because the graph is what denpa writes for it, to the last number.
    """

    def broken(fact: str, got: Any = None, want: str | None = None) -> ModelFileError:
        return ModelFileError(f"the description is damaged: {fact}", where=file.where, got=got, want=want)

    try:
        about = tensorfile.strict_json(file.told[KEY].encode("utf-8", "surrogatepass"), broken)
        names = Network.from_spec(about.get("network")).shapes()
        used = [name for node in file.graph.node if node.op_type == "Gemm" for name in list(node.input)[1:]]
        arrays = {
            name: file.constants[tensor] for name, tensor in zip(names, used, strict=False) if tensor in file.constants
        }
        model = from_description({**about, "about": _about(file, [])}, arrays, file.where)
    except ModelFileError as error:
        return None, [f"the description by denpa is not used: {error.what}"]
    if not onnx_parts(model).are(file.graph, file.constants):
        return None, ["the description by denpa is not used: the graph is not what this version writes for it"]
    return model, []


# -- following the nodes -----------------------------------------------------------------------------------------------
def _follow(file: OnnxFile) -> dict[str, Any]:
    """The value of every tensor of the graph by name."""
    values: dict[str, Any] = dict(file.constants)
    room = _ROOM + 2 * sum(a.nbytes for a in file.constants.values())
    for declared in file.graph.input:
        if declared.name not in values:  # in old files initializers are declared as inputs, too
            values[declared.name] = _input(file, declared)
    for number, node in enumerate(file.graph.node, 1):
        operator = f"{node.domain}:{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        where = f"{file.where}, node {number} {shown(node.name or operator)}"
        found = _value(file, node, operator, where, values)
        room -= _taken(found)
        if room < 0:  # a constant of a megabyte cast ten thousand times over, say
            raise ModelFileError("the nodes compute more constants than a network needs", where=where)
        for place, name in enumerate(node.output):
            if name and name in values:
                raise ModelFileError("a tensor is computed twice", where=where, got=shown(name))
            if name:
                values[name] = found if place == 0 else _second(where, operator, place)
    return values


def _taken(value: Any) -> int:
    """Bytes of memory that a node's result may need: a constant, columns, or the weights of one more layer."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if not isinstance(value, Rows):
        return 0
    if value.stage is None:
        values = sum(len(column.kept) for column in value.columns or ())
        return 16 * len(value.inputs) + 120 * len(value.columns or ()) + 8 * values
    return int(value.stage.value.nbytes) if value.stage.kind == "linear" else 0


def _second(where: str, operator: str, place: int) -> Failed:
    return Failed(ModelFileError(f"{operator}: output {place + 1} is not read", where=where))


def _value(file: OnnxFile, node: Any, operator: str, where: str, values: dict[str, Any]) -> Any:
    """What the node computes; Failed, with the first cause, when that cannot be told."""
    unknown = [name for name in node.input if name and name not in values]
    if unknown:
        raise ModelFileError(
            f"{operator}: an input is not computed before it is used",
            where=where,
            got=shown(unknown[0]),
            want="nodes in the order of computation, without a cycle",
        )
    given = tuple(values[name] if name else None for name in node.input)
    failed = next((value for value in given if isinstance(value, Failed)), None)
    if failed is not None:
        return failed
    if operator not in OPERATORS:
        return Failed(
            ModelFileError(
                f"the operator {shown(operator)} cannot be read",
                where=where,
                got=f"{operator[:60]}, opset {file.opset}",
                want=", ".join(sorted(OPERATORS)),
            )
        )
    try:
        attributes = Attributes(node, where)
        found = OPERATORS[operator](Call(operator, given, attributes, file.opset, where, tuple(node.input)))
        attributes.done()
    except ModelFileError as error:
        return Failed(error)
    return found


def _input(file: OnnxFile, declared: Any) -> Any:
    """Rows as they come in; Failed for inputs that are no rows of numbers or text."""
    tensor, where = declared.type.tensor_type, f"{file.where}, input {shown(declared.name)}"
    dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    if tensor.elem_type not in (*WHOLE, *FLOATS, STRING):
        got = f"element type {tensor.elem_type}"
        return Failed(ModelFileError("an input is neither of numbers nor of text", where=where, got=got))
    sizes = [n for n in dims[1:] if n is not None and 0 < n <= MOST_FEATURES]
    if len(dims) < 2 or len(sizes) != len(dims) - 1 or not 0 < _product(sizes) <= MOST_FEATURES:
        got = ", ".join("?" if n is None else str(n) for n in dims)
        return Failed(ModelFileError("an input has no fixed number of columns", where=where, got=f"({got})",
                                     want=f"(N, columns), at most {MOST_FEATURES:,}"))  # fmt: skip
    element = "text" if tensor.elem_type == STRING else "whole" if tensor.elem_type in WHOLE else "float"
    return Rows((declared.name,), tuple(sizes), widths=(_product(sizes),), element=element)


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for n in sizes:
        product *= n
    return product


# -- choosing the output -----------------------------------------------------------------------------------------------
def _chosen(file: OnnxFile, values: dict[str, Any], asked: str | None) -> tuple[str, Rows, tuple[str, ...]]:
    """The output's name, its rows, and the names of the classes if the file has them.

    Rows first, then a table of probabilities by class, then a class.
    """
    names = [declared.name for declared in file.graph.output]
    if asked is not None and asked not in values:
        raise UsageError("the file has no such output", where=file.where, got=repr(asked)[:80], want=listed(names))
    found = {name: values.get(name) for name in ([asked] if asked is not None else names)}
    labels = [v for v in (values.get(name) for name in names) if isinstance(v, Label) and v.classes]
    answers = [
        (n, v) for n, v in found.items() if isinstance(v, Label) or (isinstance(v, Rows) and v.element != "text")
    ]
    if answers:
        name, value = min(answers, key=lambda answer: _rank(answer[1]))  # the first among equals
        rows = value.of if isinstance(value, Label) else value
        return name, rows, next((v.classes for v in labels if v.classes and _names(v, rows)), ())
    failed = next((value for value in found.values() if isinstance(value, Failed)), None)
    if failed is not None:
        raise failed.error
    raise ModelFileError("the file has no output that depends on its inputs", where=file.where, got=listed(names))


def _rank(value: Rows | Label) -> int:
    return 0 if isinstance(value, Rows) else 1 if value.table else 2


def _names(label: Label, rows: Rows) -> bool:
    """Whether the label's classes are those of the rows, one answer each: of sigmoids, several may be large at once."""
    last = rows.stage.name if rows.stage is not None else ""
    return _same(label.of, rows) and not (label.table and last == "sigmoid")


def _same(scores: Rows, rows: Rows) -> bool:
    """Whether the largest of `scores` is the largest of `rows`: they are the same, or the logits of them."""
    after = next((i for i, r in enumerate(rows.back()) if r is scores), None)
    if after is None:
        return False
    between = [r.stage for r in list(rows.back())[:after]]
    return all(s is not None and s.kind == "act" and s.name in ("softmax", "log_softmax", "sigmoid") for s in between)


def _skipped(file: OnnxFile, values: dict[str, Any], chosen: str, rows: Rows) -> list[str]:
    """A sentence for each output that is not in the model."""
    notes = []
    for declared in file.graph.output:
        value = values.get(declared.name)
        if declared.name == chosen:
            continue
        label = isinstance(value, Label) and _same(value.of, rows)
        why = "the class follows from the probabilities" if label else "another output"
        notes.append(f"output {shown(declared.name)} left out: {why}")
    return notes


# -- the model ---------------------------------------------------------------------------------------------------------
def _dtype(rows: Rows) -> str:
    """float64 when a layer's weights are."""
    wide = any(s.kind == "linear" and s.value.dtype == np.float64 for s in rows.stages())
    return "float64" if wide else "float32"


def _network(built: Chain, dtype: str, fail: Any) -> Network:
    *hidden, output = [name for _, _, name in built.layers]
    if "log_softmax" in hidden:
        raise fail("log-softmax stands between two layers")
    try:
        network = Network(built.units, hidden, "softmax" if output == "log_softmax" else output, bias=built.bias,
                          dtype=dtype)  # fmt: skip
        names = iter(network.shapes())
        values: dict[str, Array] = {}
        with np.errstate(over="ignore"):  # checked next
            for W, b, _ in built.layers:
                values[next(names)] = W.astype(dtype, copy=False)
                if built.bias:
                    values[next(names)] = b.astype(dtype)
        if not all(np.isfinite(value).all() for value in values.values()):
            raise fail(f"its weights, with the constants beside them, overflow {dtype}")
        return network.with_parameters(values)
    except (UsageError, ShapeError) as error:
        raise fail(error.what) from error


def _targets(
    built: Chain, classes: tuple[str, ...], name: str, asked: bool, fail: Any, notes: list[str]
) -> TargetEncoding:
    W, b, output = built.layers[-1]
    plain = bool((built.scale == 1).all() and (built.shift == 0).all())
    if output == "log_softmax" and not classes and not plain:
        raise fail("log-softmax is scaled")
    if output == "log_softmax":
        notes.append("the outputs are probabilities, where the file's are their logarithms")
    if output in ("softmax", "log_softmax") and not classes and plain:
        classes = tuple(map(str, range(len(b))))
        notes.append("the classes have no names in the file: they are numbered from 0")
    if not classes:
        return TargetEncoding("numbers", name, mean=_list(built.shift), std=_list(built.scale))
    if len(classes) != len(b) or len(set(classes)) != len(classes) or not all(classes) or len(b) < 2:
        if not asked:
            raise fail(f"its classes do not fit its outputs, {len(b)}: {listed(classes)}")
        raise UsageError("the classes do not fit the outputs", got=listed(classes), want=f"{len(b)} different names")
    if output == "identity":
        W, b = W * built.scale[:, None], b * built.scale + built.shift
        built.layers[-1] = (W, b, "softmax")
        built.bias |= bool(b.any())
        notes.append("the outputs are taken as logits: the model answers with their softmax")
    elif output not in ("softmax", "log_softmax", "sigmoid") or not plain:
        raise fail(f"the outputs of {output} are no probabilities of classes")
    return TargetEncoding("classes", name, classes)


def _inputs(
    built: Chain, rows: Rows, file: OnnxFile, columns: tuple[str, ...], maximum: float | None, fail: Any
) -> InputEncoding:
    shapes = {d.name: tuple(x.dim_value for x in d.type.tensor_type.shape.dim)[1:] for d in file.graph.input}
    if maximum is not None and not 0 < maximum < float("inf"):
        raise UsageError("maximum is out of range", got=maximum, want="a number above 0")
    encoding = encode_columns(built, rows, columns, fail)
    if encoding is not None:
        if maximum is not None:
            raise UsageError("a maximum is of pixels; this model has columns with categories or missing cells")
        return encoding
    mean, std = built.mean * (maximum or 1.0), built.std * (maximum or 1.0)
    if not columns and all(_product(shapes[name]) == 1 for name in rows.inputs) and len(rows.inputs) > 1:
        columns = rows.inputs
    if columns and (len(columns) != built.features or len(set(columns)) != len(columns)):
        raise UsageError("the columns do not fit the inputs", got=listed(columns), want=f"{built.features} names")
    shape = shapes[rows.inputs[0]]
    shape = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape  # (1, height, width): PyTorch's channel first
    if len(rows.inputs) == 1 and len(shape) == 2 and not columns and not mean.any() and len(set(std.tolist())) == 1:
        return InputEncoding("image", image_shape=shape, maximum=float(std[0]))
    return InputEncoding("table", columns or None, mean=_list(mean), std=_list(std))


def _list(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())
