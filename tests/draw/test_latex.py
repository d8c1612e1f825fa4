from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.draw.charts import one_of_each
from tests.train.records import classification, regression

import denpa as dp
from denpa import nn
from denpa.draw import latex
from denpa.errors import UsageError
from denpa.explain.chain import chain
from denpa.explain.charts import LineChart, Series
from denpa.explain.document import (
    Document,
    Formula,
    Highlight,
    Highlights,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    Words,
)
from denpa.explain.trace import trace_step
from denpa.train.record import RunRecord
from denpa.train.report import report

HOSTILE = [
    "50% & more_$x$ #1 {a} \\input{/etc/passwd} ~^",
    "りんご ¥100",
    "W⁽¹⁾₂₁ ∂L/∂w ŷ J̃ ≤ ½ → … “q”",
    "\x1b[31m\u202e",
    "",
]


def page_of(words: Words) -> Document:
    wide = tuple(f"column {i}" for i in range(30))
    return Document(
        title=words or "title",
        lead=(Text(words), Highlights((Highlight(words, Number(0.5, "s"), words), Highlight("n", words)))),
        sections=(
            Section(
                words,
                (
                    Text(words, "note"),
                    Text(words, "warning"),
                    Text(words, "code"),
                    Formula(r"\frac{a}{b} = " + " + ".join(f"x_{{{i}}}" for i in range(80)), "a/b"),
                    Table((words, "b", "c"), ((words, 1, None), ("x", Number(1e-9), 2.5)), words),
                    Table(wide, (tuple(range(30)),) * 2),
                    Table(("h",), (), "empty"),
                    Table(("h", "n"), tuple((f"r{i}", i) for i in range(500)), "folded", folded=True),
                    Section("inner", (Section("deeper", (Section("deepest", (Section("more", (Text("t"),)),)),)),)),
                ),
            ),
        ),
    )


def balanced(source: str) -> bool:
    """Braces and environments match, escapes and comments apart."""
    bare = re.sub(r"(?m)(?<!\\)%.*$", "", source).replace(r"\\", " ")
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", bare):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    begun: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", bare):
        if kind == "begin":
            begun.append(name)
        elif not begun or begun.pop() != name:
            return False
    return depth == 0 and not begun


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_no_text_becomes_a_command(words: str, language: str) -> None:
    source = latex.page(page_of(words), language)  # type: ignore[arg-type]
    assert balanced(source)
    assert r"\input" not in source
    assert "\x1b" not in source
    assert "\u202e" not in source


def test_the_check_for_balance_can_fail() -> None:
    assert not balanced(r"\begin{a}{\end{a}")
    assert not balanced(r"\begin{a}\end{b}")
    assert balanced(r"\begin{a} \} {x} % }" + "\n" + r"\end{a}")


def test_escapes() -> None:
    assert latex.text("a_b 50% #1 & {x}") == r"a\_b 50\% \#1 \& \{x\}"
    assert latex.text("W₁₂⁽³⁾") == r"W\textsubscript{12}\textsuperscript{(3)}"
    assert latex.text("a⁽¹,²⁾") == r"a\textsuperscript{(1,2)}"
    assert latex.text("\\") == r"\textbackslash{}"


def test_a_formula_of_unknown_commands_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown command"):
        latex.page(Document("t", (Section("s", (Formula(r"\write18{ls}", "x"),)),)))


def test_the_first_line_names_the_program() -> None:
    assert latex.page(page_of("plain")).startswith("% compile with: pdflatex or lualatex\n")
    assert latex.page(page_of(T(en="apple", ja="りんご")), "ja").startswith("% compile with: lualatex\n")
    assert "luatexja" not in latex.page(page_of("plain"))


def test_wide_tables_repeat_their_first_column() -> None:
    source = latex.page(page_of("w"))
    assert source.count(r"\textbf{column 0}") > 1
    for i in range(1, 30):
        assert source.count(rf"\textbf{{column {i}}}") == 1


def compile_page(source: str, folder: Path) -> None:
    program = "lualatex" if source.startswith("% compile with: lualatex") else "pdflatex"
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    if program == "lualatex" and not shutil.which("kpsewhich"):
        pytest.skip("needs kpsewhich")
    packages = ["luatexja.sty"] if program == "lualatex" else []
    for package in [*packages, "iftex.sty", "longtable.sty", "booktabs.sty", "amsmath.sty", "tikz.sty"]:
        if not subprocess.run(["kpsewhich", package], capture_output=True, check=False).stdout:
            pytest.skip(f"needs {package}")
    (folder / "page.tex").write_text(source, encoding="utf-8")
    ran = subprocess.run(
        [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=280,
        check=False,
    )
    wrong = [line for line in ran.stdout.splitlines() if line.startswith("!") or "Missing character" in line]
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert not wrong
    assert (folder / "page.pdf").stat().st_size > 5000


@pytest.mark.parametrize(("words", "language"), [("plain 50% _x_", "en"), (T(en="apple", ja="りんご"), "ja")])
def test_every_kind_of_block_compiles(words: Words, language: str, tmp_path: Path) -> None:
    compile_page(latex.page(page_of(words), language), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "language"), [("001", "en"), ("book", "en"), ("003", "en"), ("002", "ja")])
def test_a_traced_step_compiles(key: str, language: str, tmp_path: Path, rng: np.random.Generator) -> None:
    network = nn.Network([5, 4, 2], hidden="relu", output="sigmoid", loss="squared_error", dtype="float64")
    trace = trace_step(network, rng.normal(size=(3, 5)), rng.uniform(size=(3, 2)), notation=key, learning_rate=0.1)
    compile_page(latex.page(trace.document, language), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_kind_of_chart_compiles(language: str, tmp_path: Path) -> None:
    pictures = tuple(Picture(chart, T(en="A chart.", ja="図。")) for chart in one_of_each())
    compile_page(latex.page(Document("charts", (), (Section("s", pictures),)), language), tmp_path)  # type: ignore[arg-type]


def test_a_descent_with_its_maps_compiles(tmp_path: Path) -> None:
    found = dp.descend(lambda x, y: x * x + 10 * y * y, (1.0, 1.0), learning_rate=0.05, steps=20)
    compile_page(latex.page(found.document()), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("record", [classification, regression])
def test_a_report_compiles(record: Callable[[], RunRecord], language: str, tmp_path: Path) -> None:
    compile_page(latex.page(report(record()), language), tmp_path)  # type: ignore[arg-type]


def test_a_picture_is_drawn_with_its_words() -> None:
    chart = LineChart((Series("g_norm", (0.0, 1.0), (1.0, 2.0)),), "50%", "y")
    source = latex.page(Document("t", (Picture(chart, "What it shows.", "More."),)))
    assert source.count(r"\begin{tikzpicture}") == 1
    assert r"{g\_norm}" in source
    assert r"\emph{What it shows.} More." in source
    assert balanced(source)


def test_a_derivation_compiles(tmp_path: Path) -> None:
    a, b = dp.inputs(**{"price_50%": 2.0, "りんご": -3.0})
    compile_page(latex.page(chain(dp.exp(a * b) / (a + b) ** 2, a)), tmp_path)
