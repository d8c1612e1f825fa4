"""`explain.loops`: a whole step as a program of scalars, lists, if and for, that imports nothing.

A feedforward network becomes a program as a textbook would write it, layer by layer; any other graph one operation
after the other (`loops_graph`).  Run with plain Python it prints the loss and the gradients the library computes.
Source: seed 003 (everything again with scalars and for-loops: one element is concrete, the rest is repetition).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denpa.arrays import Array
from denpa.errors import UsageError, user_line
from denpa.explain import loops_functions, loops_math
from denpa.explain.loops_words import in_japanese
from denpa.explain.notation import Notation, notation as find_notation
from denpa.explain.step import LayerStep, Step, record_step
from denpa.explain.subject import one_row
from denpa.explain.words import LANGUAGES, Language
from denpa.graph import Graph, Tensor
from denpa.tree import is_model

MAX_NUMBERS = 1_000_000  # written out in a program: some 20 MB of text

# What enters an activation function and what leaves it, as names of a program.
_LETTERS = {"001": ("a", "z"), "002": ("z", "a"), "book": ("A", "Z"), "003": ("output", "activate_output")}


def loops(
    network_or_graph: Any,
    x: Any = None,
    t: Any = None,
    *,
    row: int | None = None,
    notation: str | Notation = "001",
    loss: str | None = None,
    reduction: str | None = None,
    lang: Language = "en",
) -> str:
    """The text of a Python program that computes the step of these samples forward and backward, element by element.

    network_or_graph: a Network, a Sequential with its loss (and reduction), or a Graph or Tensor of shape () with its
    values.  x (batch, n_in), t, row: as for `explain`.  notation: letters, layer numbers and the symbols in comments.
    lang: "en" or "ja", of the comments.
    Agrees with the library in float64 to some 1e-13 of the largest gradient.  UsageError when there are more than
    MAX_NUMBERS numbers to write, a value is not finite, or an operation has no loops.
    """
    if lang not in LANGUAGES:
        raise UsageError("unknown language", where=user_line(), got=repr(lang)[:60], want=" or ".join(LANGUAGES))
    if is_model(network_or_graph):
        if x is None or t is None:
            raise UsageError(
                "the step of a network needs samples and their targets",
                where=user_line(),
                fix="denpa.explain.loops(network, x, t)",
            )
        x, t = one_row(x, t, row)
        values = {n: np.asarray(p.value, np.float64) for n, p in network_or_graph.parameters().items()}
        with np.errstate(all="ignore"):  # check_size says what is not finite
            step = record_step(network_or_graph.with_parameters(values), x, t, loss=loss, reduction=reduction)
        chosen = find_notation(notation).bound(step.depth, {layer.layer: layer.name for layer in step.layers})
        text = _Program(step, chosen).text()
        return in_japanese(text, chosen) if lang == "ja" else text
    if not isinstance(network_or_graph, (Graph, Tensor)) or x is not None or t is not None or row is not None:
        raise UsageError(
            "loops are written for a network with x and t, or for a recorded Graph alone",
            where=user_line(),
            got=type(network_or_graph).__name__,
        )
    from denpa.explain.loops_graph import program

    text = program(network_or_graph if isinstance(network_or_graph, Graph) else Graph(network_or_graph))
    return in_japanese(text) if lang == "ja" else text


def check_size(arrays: Sequence[Array]) -> None:
    """UsageError when the arrays have too many numbers, or one that is not finite: it has no literal."""
    count = sum(int(np.size(a)) for a in arrays)
    if count > MAX_NUMBERS:
        raise UsageError(
            "too many numbers to write into a program",
            where=user_line(),
            got=f"{count:,}",
            want=f"at most {MAX_NUMBERS:,}",
            fix="take fewer samples (row=...), or a smaller network",
        )
    for a in arrays:
        if np.asarray(a).dtype.kind in "fc" and not np.isfinite(a).all():
            raise UsageError("a value is not finite: the program would not compute the same", where=user_line())


def literal(array: Array) -> str:
    """An array as nested lists that read back as the same bits; a matrix one row a line."""
    value = np.asarray(array)
    if value.ndim < 2:
        return repr(value.tolist())
    rows = ",\n".join("    " + repr(row) for row in value.tolist())
    return f"[\n{rows},\n]" if len(value) else "[]"


@dataclass(frozen=True)
class _Program:
    """The program of one step of a feedforward network."""

    step: Step
    notation: Notation

    # -- names ---------------------------------------------------------------------------------------------------------
    def number(self, layer: int) -> int:
        return layer + self.notation.layers_from

    def pre(self, layer: int) -> str:
        return f"{_LETTERS.get(self.notation.key, ('z', 'a'))[0]}{self.number(layer)}"

    def post(self, layer: int) -> str:
        return f"{_LETTERS.get(self.notation.key, ('z', 'a'))[1]}{self.number(layer)}" if layer else "x"

    def symbol(self, kind: Any, layer: int) -> str:
        return self.notation.symbol(kind, layer).plain

    def units(self, layer: int) -> int:
        return int(self.step.below(layer + 1).shape[1]) if layer < self.step.depth else int(self.step.outputs.shape[1])

    @property
    def last(self) -> LayerStep:
        return self.step.layers[-1]

    # -- the whole -----------------------------------------------------------------------------------------------------
    def text(self) -> str:
        step = self.step
        for layer in step.layers:
            loops_functions.demand(layer.function)
        arrays = [step.inputs, step.targets, *(layer.weight for layer in step.layers)]
        check_size([*arrays, *(layer.preactivation for layer in step.layers)])
        body = [*self.data(), *self.forward(), *self.backward(), *self.printing()]
        functions = self.functions()
        return "\n".join([*self.heading(), *loops_math.needed([*functions, *body]), *functions, *body, ""])

    def heading(self) -> Iterator[str]:
        units = "-".join(str(self.units(layer)) for layer in range(self.step.depth + 1))
        names = ", ".join(layer.function.function for layer in self.step.layers)
        yield f'"""One step of a {units} network ({names}) on {self.step.batch} sample(s): forward, loss, backward.'
        yield ""
        yield f"The loss is {self.step.loss_name}, its {self.step.reduction} over the samples."
        yield "Scalars, lists, if and for only; nothing is imported.  Run it: python this_file.py"
        yield 'Indices count from 0: [k] is the sample, [i] the unit a weight leads to, [j] the unit it comes from."""'
        yield ""
        yield from textwrap.wrap(
            f"Letters: {self.notation.title.en}.", 110, initial_indent="# ", subsequent_indent="# "
        )
        if self.step.dropout:
            yield "# Dropout is left out, as in every step that is not training."
        yield ""

    def functions(self) -> list[str]:
        """Each activation function and its derivative, and what the loss needs."""
        step = self.step
        found: dict[str, list[str]] = {}
        for layer in step.layers:
            if layer is self.last and step.fused:
                name = "softmax" if step.loss_name.startswith("softmax") else "sigmoid"
                found.setdefault(name, loops_functions.value(name, layer.function))
            else:
                name = loops_functions.name(layer.function)
                found[name] = [
                    *loops_functions.value(name, layer.function),
                    *loops_functions.slope(name, layer.function),
                ]
        return ["\n".join(lines) for lines in found.values()]

    def data(self) -> Iterator[str]:
        yield "# ---- the samples and the parameters ----"
        yield f"x = {literal(self.step.inputs)}  # {self.symbol('activation', 0)}: x[k][j]"
        yield f"t = {literal(self.step.targets)}  # {self.symbol('target', 0)}: t[k][i]"
        for layer in self.step.layers:
            n = self.number(layer.layer)
            yield f"W{n} = {literal(layer.weight)}  # {self.symbol('weight', layer.layer)}: W{n}[i][j]"
            if layer.bias is not None:
                yield f"b{n} = {literal(layer.bias)}  # {self.symbol('bias', layer.layer)}: b{n}[i]"
        yield ""

    # -- forward -------------------------------------------------------------------------------------------------------
    def forward(self) -> Iterator[str]:
        yield "# ---- forward ----"
        for layer in self.step.layers:
            yield from self.forward_layer(layer)
        yield from self.loss()

    def forward_layer(self, layer: LayerStep) -> Iterator[str]:
        l, n = layer.layer, self.number(layer.layer)
        pre, post, below = self.pre(l), self.post(l), self.post(l - 1)
        yield f"# layer {n}: {self.symbol('preactivation', l)} from {self.symbol('activation', l - 1)}"
        yield f"{pre} = {_zeros(self.step.batch, self.units(l))}"
        yield f"for k in range({self.step.batch}):"
        yield f"    for i in range({self.units(l)}):"
        yield f"        total = {f'b{n}[i]' if layer.bias is not None else '0.0'}"
        yield f"        for j in range({self.units(l - 1)}):"
        yield f"            total = total + W{n}[i][j] * {below}[k][j]"
        yield f"        {pre}[k][i] = total"
        if layer is self.last and self.step.fused:
            return
        name = loops_functions.name(layer.function)
        yield f"# {self.symbol('activation', l)}: the activation function of each {self.symbol('preactivation', l)}"
        yield f"{post} = {_zeros(self.step.batch, self.units(l))}"
        yield f"for k in range({self.step.batch}):"
        if loops_functions.is_vector(layer.function):
            yield f"    {post}[k] = {name}({pre}[k])"
        else:
            yield f"    for i in range({self.units(l)}):"
            yield f"        {post}[k][i] = {name}({pre}[k][i])"

    @property
    def outputs(self) -> str:
        """What the loss takes: the last preactivation where it contains the output function."""
        return self.pre(self.step.depth) if self.step.fused else self.post(self.step.depth)

    def loss(self) -> Iterator[str]:
        yield f"# the loss {self.symbol('loss', 0)}"
        yield "loss = 0.0"
        yield f"for k in range({self.step.batch}):"
        yield from (
            f"    {line}"
            for line in loops_functions.loss(self.step.loss_name, self.outputs, self.units(self.step.depth))
        )
        if self.step.reduction == "mean":
            yield f"loss = loss / {self.step.batch}"
        yield ""

    # -- backward ------------------------------------------------------------------------------------------------------
    def backward(self) -> Iterator[str]:
        yield "# ---- backward ----"
        yield "# grad_<name> is the derivative of the loss with respect to <name>, element by element."
        yield from self.at_the_loss()
        for layer in reversed(self.step.layers):
            yield from self.parameters(layer)
            if layer.layer > 1:
                yield from self.below(layer)
        yield ""

    def at_the_loss(self) -> Iterator[str]:
        """The gradient at what the loss takes, and through the output function where it is a layer of its own."""
        n_out = self.units(self.step.depth)
        share = f" / {self.step.batch}" if self.step.reduction == "mean" and self.step.batch > 1 else ""
        note = ", divided by the number of samples as the mean is" if share else ""
        yield f"# the loss first{note}"
        yield f"grad_{self.outputs} = {_zeros(self.step.batch, n_out)}"
        yield f"for k in range({self.step.batch}):"
        lines = loops_functions.loss_slope(self.step.loss_name, self.outputs, n_out, share)
        yield from (f"    {line}" for line in lines)
        if not self.step.fused:
            yield from self.through_activation(self.last)

    def through_activation(self, layer: LayerStep) -> Iterator[str]:
        l, n = layer.layer, self.units(layer.layer)
        pre, post, name = self.pre(l), self.post(l), loops_functions.name(layer.function)
        yield f"# through the activation function of layer {self.number(l)}: the chain rule"
        yield f"grad_{pre} = {_zeros(self.step.batch, n)}"
        yield f"for k in range({self.step.batch}):"
        yield f"    for i in range({n}):"
        if loops_functions.is_vector(layer.function):
            yield "        total = 0.0"
            yield f"        for m in range({n}):"
            yield f"            total = total + grad_{post}[k][m] * {name}_derivative({post}[k], m, i)"
            yield f"        grad_{pre}[k][i] = total"
        else:
            yield f"        grad_{pre}[k][i] = grad_{post}[k][i] * {name}_derivative({pre}[k][i])"

    def parameters(self, layer: LayerStep) -> Iterator[str]:
        l, n = layer.layer, self.number(layer.layer)
        pre, below = self.pre(l), self.post(l - 1)
        left = self.symbol("weight", l)
        yield f"# layer {n}, the gradient of {left}: what arrives at i times what came from j, over all samples"
        yield f"grad_W{n} = {_zeros(self.units(l), self.units(l - 1))}"
        yield f"for i in range({self.units(l)}):"
        yield f"    for j in range({self.units(l - 1)}):"
        yield f"        for k in range({self.step.batch}):"
        yield f"            grad_W{n}[i][j] = grad_W{n}[i][j] + grad_{pre}[k][i] * {below}[k][j]"
        if layer.bias is not None:
            yield f"grad_b{n} = [0.0] * {self.units(l)}"
            yield f"for i in range({self.units(l)}):"
            yield f"    for k in range({self.step.batch}):"
            yield f"        grad_b{n}[i] = grad_b{n}[i] + grad_{pre}[k][i]"

    def below(self, layer: LayerStep) -> Iterator[str]:
        """One layer down: the forward weights, the other way round."""
        l, n = layer.layer, self.number(layer.layer)
        pre, below = self.pre(l), self.post(l - 1)
        yield f"# down to {self.symbol('activation', l - 1)}: unit j gets from every unit i it led to"
        yield f"grad_{below} = {_zeros(self.step.batch, self.units(l - 1))}"
        yield f"for k in range({self.step.batch}):"
        yield f"    for j in range({self.units(l - 1)}):"
        yield f"        for i in range({self.units(l)}):"
        yield f"            grad_{below}[k][j] = grad_{below}[k][j] + grad_{pre}[k][i] * W{n}[i][j]"
        yield from self.through_activation(self.step.layers[l - 2])

    # -- printing ------------------------------------------------------------------------------------------------------
    def printing(self) -> Iterator[str]:
        yield "# ---- what it found ----"
        yield 'print("loss =", loss)'
        for layer in self.step.layers:
            n, name = self.number(layer.layer), layer.name
            prefix = f"{name}." if name else ""
            yield f"for i in range({self.units(layer.layer)}):"
            yield f'    print("grad {prefix}weight[" + str(i) + "] =", grad_W{n}[i])'
            if layer.bias is not None:
                yield f'print("grad {prefix}bias =", grad_b{n})'


def _zeros(rows: int, columns: int) -> str:
    return f"[[0.0] * {columns} for k in range({rows})]"
