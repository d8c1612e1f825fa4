"""Programs of loops: run with plain Python, in a process of their own, they print the library's loss and gradients."""

from __future__ import annotations

import ast
import io
import math
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.errors import UsageError
from denpa.explain import loops_functions, loops_math, loops_words
from denpa.explain.loops import MAX_NUMBERS, loops
from denpa.explain.loops_operations import lines_of
from denpa.explain.notation import PROFILES
from denpa.graph import Graph, Tensor
from denpa.nn import ELU, Dropout, Flatten, LeakyReLU, Linear, Network, Sequential, Softmax, Tanh
from denpa.primitive import REGISTRY


def run(program: str, folder: Path) -> dict[str, Any]:
    """What the program prints, by name; run isolated (-I), so that nothing but the language itself is there."""
    path = folder / "step.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr + program
    lines = (line.partition(" = ") for line in done.stdout.splitlines())
    return {name: ast.literal_eval(value) for name, _, value in lines}


def gradients(printed: dict[str, Any], name: str, shape: tuple[int, ...]) -> Any:
    """A parameter's gradient out of what was printed: a weight row by row."""
    if f"grad {name}" in printed:
        return np.array(printed[f"grad {name}"])
    return np.array([printed[f"grad {name}[{i}]"] for i in range(shape[0])])


def plain_only(program: str) -> None:
    """Seed 003's language: no import, no attribute but a list's append, no while, no call of what is not defined."""
    tree = ast.parse(program)
    defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    builtin = {"range", "len", "print", "str", "int", "float", "bool", "abs"}
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.Import, ast.ImportFrom, ast.While, ast.ClassDef, ast.Lambda, ast.Try))
        if isinstance(node, ast.Attribute):
            assert node.attr == "append"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id in defined | builtin


# -- the scalar functions ----------------------------------------------------------------------------------------------
REFERENCE = {"sin": (-500, 500), "cos": (-500, 500), "tan": (-500, 500), "exp": (-700, 700), "expm1": (-3, 3)}
REFERENCE |= {"tanh": (-25, 25), "sinh": (-30, 30), "cosh": (-30, 30), "atan": (-50, 50), "erf": (-6, 6)}
REFERENCE |= {"erfc": (-6, 20), "log": (1e-300, 10), "log1p": (-0.99, 10), "sqrt": (0, 1e10)}


def namespace(name: str) -> dict[str, Any]:
    """The functions as Python objects, from their texts."""
    found: dict[str, Any] = {}
    code = "\n".join(loops_math.needed([f"{name}(1.0)"]))
    exec(code, found)
    return found


@pytest.mark.parametrize("name", REFERENCE)
def test_the_scalar_functions_are_right_to_a_few_ulp(name: str, rng: np.random.Generator) -> None:
    mpmath = pytest.importorskip("mpmath")
    f = namespace(name)[name]
    low, high = REFERENCE[name]
    near_zero = [] if name == "log" else list(10.0 ** rng.uniform(-18, -1, 100))
    bound = 1e-13 if name == "erfc" else 1.5e-15  # erfc: x² has a rounding error of its own in exp(−x²)
    with mpmath.workdps(40):
        for x in [*rng.uniform(low, high, 400), *near_zero]:
            true = getattr(mpmath, name)(mpmath.mpf(float(x)))
            assert abs(mpmath.mpf(f(float(x))) - true) <= bound * abs(true), x


def test_the_scalar_functions_at_their_ends() -> None:
    f = {name: namespace(name)[name] for name in loops_math.SOURCES}
    assert (f["exp"](0.0), f["exp"](1000.0), f["exp"](-1000.0)) == (1.0, math.inf, 0.0)
    assert f["exp"](709.7) == pytest.approx(math.exp(709.7), rel=1e-15)
    assert f["exp"](-740.0) == pytest.approx(math.exp(-740.0), rel=1e-2)  # subnormal
    assert (f["log"](0.0), f["log"](math.inf), f["log"](1.0)) == (-math.inf, math.inf, 0.0)
    assert (f["tanh"](40.0), f["tanh"](-40.0), f["tanh"](0.0)) == (1.0, -1.0, 0.0)
    assert all(math.isnan(f[n](math.nan)) for n in ("exp", "log", "sqrt", "log1p"))
    assert math.isnan(f["log"](-1.0))
    assert math.isnan(f["sqrt"](-1.0))
    assert (f["copysign"](2.0, -0.0), f["copysign"](-2.0, 0.0)) == (-2.0, 2.0)
    assert f["isnan"](math.nan)


# -- networks ----------------------------------------------------------------------------------------------------------
HIDDEN = ["tanh", "sigmoid", "relu", "softplus", "elu", "leaky_relu", "gelu", "identity", "softmax"]
ENDS = [
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
    ("identity", "squared_error"),
    ("identity", "huber"),
    ("identity", "absolute_error"),
    ("sigmoid", "squared_error"),
    ("tanh", "squared_error"),
    ("softmax", "squared_error"),
]


def random_network(rng: np.random.Generator, case: int) -> tuple[Network, Any, Any]:
    units = [int(n) for n in rng.integers(1, 7, int(rng.integers(2, 6)))]
    output, loss = ENDS[case % len(ENDS)]
    hidden = [HIDDEN[int(rng.integers(len(HIDDEN)))] for _ in units[2:]]
    network = Network(
        units,
        hidden=hidden,
        output=output,
        loss=loss,
        reduction=str(rng.choice(["mean", "sum"])),
        bias=bool(rng.random() < 0.8),
        dtype="float64",
    )
    network = network.with_parameters({n: rng.normal(size=p.shape) for n, p in network.parameters().items()})
    batch = int(rng.integers(1, 5))
    x = 2 * rng.normal(size=(batch, units[0]))
    if (output, loss) == ("softmax", "cross_entropy") and rng.random() < 0.5:
        return network, x, rng.integers(0, units[-1], batch)
    t = rng.random((batch, units[-1]))
    return network, x, t / t.sum(axis=1, keepdims=True) if output == "softmax" else t


def check_network(rng: np.random.Generator, case: int, folder: Path) -> None:
    network, x, t = random_network(rng, case)
    program = loops(network, x, t, notation=list(PROFILES)[case % len(PROFILES)])
    plain_only(program)
    printed = run(program, folder)
    loss = network.loss(x, t)
    found = dp.backward(loss)
    assert printed["loss"] == pytest.approx(float(loss.value), rel=1e-12, abs=1e-15)
    # Rounding of the intermediates, of size 1, reaches a gradient that cancels down to 1e-5 undiminished: the scale is
    # that of the largest gradient, and at least 1e-2.
    scale = max(1e-2, *(np.abs(found[p]).max() for p in network.parameters().values()))
    for name, parameter in network.parameters().items():
        want = found[parameter]
        got = gradients(printed, name, parameter.shape)
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 1e-12 * scale, name


@pytest.mark.parametrize("case", range(10))
def test_programs_of_random_networks_agree(case: int, rng: np.random.Generator, tmp_path: Path) -> None:
    check_network(rng, case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(100))
def test_programs_of_many_random_networks_agree(case: int, rng: np.random.Generator, tmp_path: Path) -> None:
    check_network(rng, case, tmp_path)


@pytest.mark.parametrize("function", ["relu", "gelu", "elu", "leaky_relu", "softplus", "softmax", "sigmoid", "tanh"])
def test_every_activation_has_its_loops(function: str, rng: np.random.Generator, tmp_path: Path) -> None:
    network = Network([3, 4, 2], hidden=function, output="identity", dtype="float64", seed=5)
    x, t = 3 * rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
    printed = run(loops(network, x, t), tmp_path)
    found = dp.backward(network.loss(x, t))
    for name, parameter in network.parameters().items():
        np.testing.assert_allclose(gradients(printed, name, parameter.shape), found[parameter], rtol=1e-12, atol=1e-15)


def test_a_program_of_seed_002_in_its_letters(rng: np.random.Generator, tmp_path: Path) -> None:
    network = Network(
        [12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", reduction="sum", dtype="float64"
    )
    x, t = rng.random((64, 12)), rng.integers(0, 2, (64, 2)).astype(float)
    program = loops(network, x, t, notation="002")
    for text in ("W2 = [", "b3 = [", "z2[k][i] = total", "a3[k][i] = activate_sigmoid(z3[k][i])", "C_T"):
        assert text in program
    printed = run(program, tmp_path)
    W = network.parameters()["0.weight"]
    np.testing.assert_allclose(
        gradients(printed, "0.weight", W.shape), dp.backward(network.loss(x, t))[W], rtol=1e-12, atol=1e-14
    )
    one = run(loops(network, x, t, row=7), tmp_path)
    expected = dp.backward(network.loss(x[7:8], t[7:8]))
    np.testing.assert_allclose(gradients(one, "0.weight", W.shape), expected[W], rtol=1e-12, atol=1e-15)


def test_a_sequential_with_settings_and_dropout(rng: np.random.Generator, tmp_path: Path) -> None:
    """PyTorch's way: the loss takes the logits.  Dropout does nothing outside of training; Flatten comes first."""
    layers = (Flatten(), Linear(4, 5), LeakyReLU(0.2), Dropout(0.5), Linear(5, 4), ELU(0.7), Linear(4, 3))
    model = Sequential(*layers, seed=2, dtype="float64")
    x, t = rng.normal(size=(3, 2, 2)), np.array([2, 0, 1])
    program = loops(model, x, t, loss="softmax_cross_entropy", reduction="sum")
    assert "Dropout is left out" in program
    printed = run(program, tmp_path)
    found = dp.backward(dp.softmax_cross_entropy(model(x), t, reduction="sum"))
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(gradients(printed, name, parameter.shape), found[parameter], rtol=1e-12, atol=1e-15)


def test_float32_networks_are_written_in_float64(rng: np.random.Generator, tmp_path: Path) -> None:
    network = Network([3, 4, 2])
    x, t = rng.normal(size=(2, 3)), np.array([0, 1])
    printed = run(loops(network, x, t), tmp_path)
    wide = network.with_parameters({n: p.value.astype(float) for n, p in network.parameters().items()})
    assert printed["loss"] == pytest.approx(float(wide.loss(x, t).value), rel=1e-13)


# -- graphs ------------------------------------------------------------------------------------------------------------
def check_graph(loss: Tensor, inputs: dict[str, Tensor], folder: Path) -> dict[str, Any]:
    program = loops(Graph({"loss": loss}, inputs))
    plain_only(program)
    printed = run(program, folder)
    found = dp.backward(loss)
    assert printed["loss"] == pytest.approx(float(loss.value), rel=1e-12)
    for name, t in inputs.items():
        np.testing.assert_allclose(np.array(printed[f"grad {name}"]), found[t], rtol=1e-12, atol=1e-14)
    return printed


def test_the_shop_of_seed_000(tmp_path: Path) -> None:
    apple, n_apple, orange, n_orange, tax = dp.inputs(apple=100.0, n_apple=2.0, orange=150.0, n_orange=3.0, tax=1.1)
    printed = run(loops(Graph((apple * n_apple + orange * n_orange) * tax)), tmp_path)
    assert printed["loss"] == pytest.approx(715)
    assert [printed[f"grad {n}"] for n in ("apple", "n_apple", "orange", "n_orange", "tax")] == pytest.approx(
        [2.2, 110, 3.3, 165, 650]
    )


# Primitives whose loops are not written, with the reason.
WITHOUT = {"argmax": "a position", "argmin": "a position", "uniform": "random numbers"}


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_primitive_has_loops_that_give_its_value(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """Forward alone, over the primitive's own samples: the loops give what evaluation gives."""
    op = REGISTRY[name]
    assert op.samples is not None
    programs, expected = [], []
    for args, params in op.samples(rng):
        node = op(*[dp.tensor(a) for a in args], **params).node
        if node.value.size == 0 or any(np.size(a) == 0 for a in args):
            continue
        names = [f"in{i}" for i in range(len(args))]
        if name in WITHOUT:
            with pytest.raises(UsageError, match="has no loops"):
                list(lines_of(node, "out", names))
            return
        lines = [f"{n} = {np.asarray(a).tolist()!r}" for n, a in zip(names, args, strict=True)]
        programs += [*lines, *lines_of(node, "out", names), "print(out)"]
        expected.append(node.value)
    done = "\n".join([*loops_math.needed(programs), *programs])
    path = tmp_path / "forward.py"
    path.write_text(done, encoding="utf-8")
    result = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    for line, want in zip(result.stdout.splitlines(), expected, strict=True):
        np.testing.assert_allclose(np.array(ast.literal_eval(line)), np.asarray(want), rtol=1e-13, atol=1e-15)


def test_graphs_of_many_operations(rng: np.random.Generator, tmp_path: Path) -> None:
    A, B, v = (dp.tensor(rng.normal(size=s), name=n) for n, s in {"A": (3, 4), "B": (4, 3), "v": (4,)}.items())
    inputs = {"A": A, "B": B, "v": v}
    check_graph(dp.sum(dp.tanh(A @ B) * 2.0 + dp.exp(-v[0])) + dp.sum(dp.maximum(B, 0.1)), inputs, tmp_path)
    check_graph(
        dp.logsumexp(A @ v) + dp.vector_norm(B[1:, ::2]) + dp.sum(v[np.array([0, 0, 3])] ** 2), inputs, tmp_path
    )
    check_graph(
        dp.sum(dp.softmax(A, axis=0).reshape(4, 3) * B) + dp.prod(v) + dp.max(A) + dp.sum(dp.pad(v, 2) ** 2),
        inputs,
        tmp_path,
    )
    check_graph(dp.einsum("ij,jk,j->", A, B, v) + dp.mean(dp.concat([A.T, B], axis=1)[::-1] ** 3), inputs, tmp_path)


def test_names_of_values_cannot_break_the_program(tmp_path: Path) -> None:
    """Names become identifiers: keywords, functions of the program, spaces, quotes, and two that become the same."""
    names = ["print", "for", "exp", "0.weight", "a b", "a_b", 'q"\n"""', "りんご", "total"]
    tensors = {name: dp.tensor(float(i + 1), name=name) for i, name in enumerate(names)}
    loss = dp.tensor(0.0, name="zero")
    inputs = {**tensors, "zero": loss}
    for t in tensors.values():
        loss = loss + dp.exp(-t)
    program = loops(Graph({"loss": loss}, inputs))
    plain_only(program)
    path = tmp_path / "named.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"loss = {float(loss.value)!r}"[:20] in done.stdout


# -- what is refused ---------------------------------------------------------------------------------------------------
def test_what_cannot_be_written(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network([3, 4, 2], dtype="float64")
    x, t = rng.normal(size=(2, 3)), np.array([0, 1])
    with pytest.raises(UsageError, match="needs samples"):
        loops(network)
    with pytest.raises(UsageError, match="no such row"):
        loops(network, x, t, row=2)
    with pytest.raises(UsageError, match="unknown notation"):
        loops(network, x, t, notation="01")
    with pytest.raises(UsageError, match="not finite"):
        loops(network, np.full_like(x, np.inf), t)
    with pytest.raises(UsageError, match="a network with x and t"):
        loops(Graph(network.loss(x, t)), x, t)
    with pytest.raises(UsageError, match="a network with x and t"):
        loops([1, 2])
    with pytest.raises(UsageError, match="one number"):
        loops(Graph(dp.tensor([1.0, 2.0]) * 2.0))
    boxed = dp.black_box(lambda v: v * 2, lambda g, out, v: g * 2, name="box")(dp.tensor(1.0))
    with pytest.raises(UsageError, match="no loops"):
        list(lines_of(boxed.node, "out", ["in0"]))
    with pytest.raises(UsageError, match="axis"):
        loops(Sequential(Linear(3, 4), Softmax(axis=0), Linear(4, 2), seed=0), x, x[:, :2], loss="squared_error")
    monkeypatch.setattr(sys.modules["denpa.explain.loops"], "MAX_NUMBERS", 10)
    with pytest.raises(UsageError, match="too many numbers"):
        loops(network, x, t)
    assert MAX_NUMBERS >= 100_000


def test_a_wrong_formula_in_the_program_shows(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, tmp_path: Path
) -> None:
    """The broken twin: a program with tanh′ = 1 + tanh² must not agree."""
    monkeypatch.setitem(loops_functions._SLOPES, "tanh", ("return 1.0 + tanh(v) * tanh(v)",))
    model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1), seed=0, dtype="float64")
    x, t = rng.normal(size=(2, 2)), rng.normal(size=(2, 1))
    printed = run(loops(model, x, t, loss="squared_error"), tmp_path)
    found = dp.backward(dp.squared_error(model(x), t))
    W = model.parameters()["0.weight"]
    assert np.abs(gradients(printed, "0.weight", W.shape) - found[W]).max() > 1e-6


# -- Japanese ----------------------------------------------------------------------------------------------------------
def words_of(program: str) -> list[str]:
    """Comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(program).readline)
    texts = [
        t.string for t in tokens if t.type == tokenize.COMMENT or (t.type == tokenize.STRING and '"""' in t.string)
    ]
    return [line for text in texts for line in text.split("\n") if line.strip('"# ')]


def run_code(program: str) -> list[str]:
    """What runs: everything but comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(program).readline)
    return [t.string for t in tokens if t.type not in (tokenize.COMMENT, tokenize.NL) and '"""' not in t.string]


@pytest.mark.parametrize("hidden", ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu", "softplus", "identity"])
def test_a_program_in_japanese_differs_in_its_words_only(hidden: str) -> None:
    rng = np.random.default_rng(0)
    network = Network([3, 4, 2], hidden=hidden, output="softmax", dropout=0.5, seed=0)
    x, t = rng.normal(size=(5, 3)), rng.integers(0, 2, 5)
    for key in ("000", "001", "002", "003", "pytorch"):
        english, japanese = (loops(network, x, t, notation=key, lang=lang) for lang in ("en", "ja"))
        assert run_code(english) == run_code(japanese)
        for line in words_of(japanese):
            assert re.search(r"[ぁ-んァ-ン一-龥]", line) or re.fullmatch(r"# .*: ?[xtWb]\d*(\[\w\])+", line), line


def test_every_helper_of_a_program_is_told_in_japanese() -> None:
    """Each function that a program may bring along has its docstring in the table."""
    texts = re.findall(r'^    """(.*)"""$', "\n".join(loops_math.SOURCES.values()), flags=re.M)
    assert len(texts) > 10
    for text in [*texts, *loops_functions._PRESENT.values()]:
        assert text in loops_words._DOCS
    graph = dp.trace(
        lambda x, W: (dp.softmax(x @ W)[0] * dp.erf(x[0, :2]).max()).sum(), np.ones((2, 3)), np.ones((3, 2))
    )
    english, japanese = loops(graph), loops(graph, lang="ja")
    assert run_code(english) == run_code(japanese)
    assert "順伝播" in japanese
    assert "all elements" not in japanese
    with pytest.raises(UsageError, match="language"):
        loops(graph, lang="fr")  # type: ignore[arg-type]
