"""Nodes and constants of an ONNX graph, in order and under names that are not taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import require

ML, ML_OPSET = "ai.onnx.ml", 2


class Builder:
    """Nodes and constants in order, with names that no other tensor of the graph has."""

    def __init__(self, dtype: str, taken: Iterable[str] = ()) -> None:
        self.onnx = require("onnx", for_="writing an ONNX file", extra="onnx")
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.uses_ml = False
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
        text = array.dtype.kind in "UO"
        self.constants[name] = array.astype(object) if text else np.asarray(array, dtype or self.dtype, order="C")
        return name

    def initializers(self) -> Iterator[Any]:
        """The constants as messages, each a copy of the numbers."""
        for name, array in self.constants.items():
            if array.dtype == object:
                texts = [text.encode() for text in array.ravel()]
                yield self.onnx.helper.make_tensor(name, self.onnx.TensorProto.STRING, array.shape, texts)
            else:
                yield self.onnx.numpy_helper.from_array(array, name)

    def node(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output.  out: that name, reserved before; else one after the op."""
        name = out or self.name(op.lower())
        self.uses_ml |= attributes.get("domain") == ML
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
