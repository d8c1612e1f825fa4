"""The structure holds: who imports whom, what nobody may call, and how long a file and a function may be.

`problems(package)` is the checker; it is run on src/denpa and, beside it, on small trees that each break one rule.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "denpa"

# A unit is a module or a folder directly under src/denpa.  It imports from lower floors; inside a folder, freely.
FLOORS = {
    0: {"errors", "arrays", "durable", "tensorfile", "formatting", "toml"},
    1: {"graph", "primitive", "tree", "scalartext"},
    2: {"ops", "blackbox"},
    3: {"autodiff", "transforms", "numeric", "check", "contract", "formula"},
    4: {"nn", "data"},
    5: {"engine", "explain"},
    6: {"draw", "train", "interop"},
    7: {"cli", "sklearn", "studio", "__main__"},
}
FLOOR = {unit: floor for floor, units in FLOORS.items() for unit in units}
FACADE = 6.5  # `denpa` itself (src/denpa/__init__.py) gathers the library for users; only floor 7 may import from it

# Same-floor imports between units, in one direction only.
SIDEWAYS = {
    ("arrays", "errors"),
    ("durable", "errors"),
    ("tensorfile", "errors"),
    ("toml", "errors"),
    ("primitive", "graph"),
    ("tree", "graph"),
    ("transforms", "autodiff"),
    ("check", "numeric"),
    ("check", "autodiff"),
    ("__main__", "cli"),
    ("train", "draw"),  # Trained.report writes a page
    ("interop", "train"),  # a model file's network goes to other programs, theirs becomes one
}
TYPE_ONLY = {("graph", "primitive")}  # under TYPE_CHECKING: a Node names the Primitive that made it

CORE_PACKAGES = {"click", "rich", "msgspec", "safetensors", "threadpoolctl"}  # imported inside functions
AT_THE_TOP = {"cli": {"click"}, "sklearn": {"sklearn"}}  # numpy apart, what a unit may import at module level

FORBIDDEN_IMPORTS = {
    "importlib": "import by name",
    "runpy": "runs files",
    "imp": "import by name",
    "pickle": "runs code from a file",
    "cloudpickle": "runs code from a file",
    "dill": "runs code from a file",
    "joblib": "runs code from a file",
    "marshal": "runs code from a file",
    "shelve": "runs code from a file",
}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
ALLOWED_IMPORTS = {
    ("errors.py", "require", "importlib"),  # the one door for optional packages
    ("errors.py", "installed", "importlib"),
    ("errors.py", "installed_version", "importlib"),
    ("engine/native/build.py", "_compile_text", "importlib"),  # a kernel that was generated and written by this process
    # `denpa check` runs the learner's own file on purpose, in a child process with limits, never in this one
    ("interop/judging/runner.py", "load", "runpy"),
}

FILE_BUDGET, FUNCTION_BUDGET = 400, 60  # lines of code: no blank lines, comments or docstrings
LONG_FILES: dict[str, str] = {}  # "ops/elementwise.py": "reason"
LONG_FUNCTIONS: dict[str, str] = {  # "train/loop.py:train": "reason"
    "sklearn/estimators.py:__init__": "scikit-learn wants every parameter named there and stored as it came",
}


@dataclass(frozen=True)
class Import:
    line: int
    module: str  # absolute, dotted
    function: str | None  # the innermost function around it
    type_only: bool


def denpa_module(node: ast.ImportFrom, file: Path) -> str:
    """`from ..x import y` as the absolute name of the module; `file` is relative to the package's folder."""
    if node.level == 0:
        return node.module or ""
    parents = ("denpa", *file.parts[:-1])
    return ".".join((*parents[: len(parents) - node.level + 1], *filter(None, [node.module])))


def imports(node: ast.AST, file: Path, function: str | None = None, type_only: bool = False) -> Iterator[Import]:
    """Every import under `node`, wherever it stands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, function, type_only)
        elif isinstance(child, ast.ImportFrom):
            module = denpa_module(child, file)
            for alias in child.names:
                name = f"{module}.{alias.name}" if module == "denpa" else module
                yield Import(child.lineno, name, function, type_only)
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from imports(ast.Module(child.body, []), file, function, True)
            yield from imports(ast.Module(child.orelse, []), file, function, type_only)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, file, child.name, type_only)
        else:
            yield from imports(child, file, function, type_only)


def floor_problem(unit: str, found: Import) -> str | None:
    """Why `unit` may not have this import of a part of denpa."""
    target = found.module.split(".")[1] if "." in found.module else ""
    if target not in FLOOR:  # `import denpa`, or a name that only denpa/__init__.py has
        return (
            None if FLOOR[unit] == 7 else f"{unit} imports from denpa/__init__.py; import from the module that has it"
        )
    if target == unit or FLOOR[target] < FLOOR[unit] or (unit, target) in SIDEWAYS:
        return None
    if found.type_only and (unit, target) in TYPE_ONLY:
        return None
    return f"{unit} (floor {FLOOR[unit]}) imports {target} (floor {FLOOR[target]})"


def package_problem(unit: str, file: Path, found: Import) -> str | None:
    """Why this import of something outside denpa may not be there."""
    top = found.module.partition(".")[0]
    if top in FORBIDDEN_IMPORTS:
        allowed = (file.as_posix(), found.function, top) in ALLOWED_IMPORTS
        return None if allowed else f"imports {top}: {FORBIDDEN_IMPORTS[top]}"
    if top in sys.stdlib_module_names or top == "numpy" or found.type_only or top in AT_THE_TOP.get(unit, ()):
        return None
    if top not in CORE_PACKAGES:
        return f"imports the optional package {top}; go through errors.require"
    return None if found.function else f"imports {top} at module level; import it in the function that uses it"


def import_problems(tree: ast.Module, file: Path) -> Iterator[str]:
    unit = file.parts[0].removesuffix(".py")
    facade = file == Path("__init__.py")
    if not facade and unit not in FLOOR:
        yield f"{file}: {unit} stands on no floor; give it one in FLOORS"
        return
    for found in imports(tree, file):
        if found.module.partition(".")[0] != "denpa":
            problem = package_problem(unit, file, found)
        elif facade:
            target = found.module.split(".")[1] if "." in found.module else ""
            problem = None if FLOOR.get(target, FACADE) < FACADE else f"denpa/__init__.py imports {target or 'itself'}"
        else:
            problem = floor_problem(unit, found)
        if problem:
            yield f"{file}:{found.line}: {problem}"


def call_problems(tree: ast.Module, file: Path) -> Iterator[str]:
    """Names that turn text into code, also as an alias (`run = eval`), and NumPy's door to pickle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            yield f"{file}:{node.lineno}: uses {node.id}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {f"builtins.{n}" for n in FORBIDDEN_NAMES}:
            yield f"{file}:{node.lineno}: uses {node.attr}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield f"{file}:{node.value.lineno}: allow_pickle is not False"


def code_lines(source: str, tree: ast.Module) -> set[int]:
    """Numbers of the lines that hold code: neither blank, nor a comment, nor a docstring."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def budget_problems(source: str, tree: ast.Module, file: Path) -> Iterator[str]:
    lines = code_lines(source, tree)
    if len(lines) > FILE_BUDGET and file.as_posix() not in LONG_FILES:
        yield f"{file}: {len(lines)} lines of code, the budget is {FILE_BUDGET}; split it"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
            if length > FUNCTION_BUDGET and f"{file.as_posix()}:{node.name}" not in LONG_FUNCTIONS:
                yield f"{file}:{node.lineno}: {node.name} has {length} lines of code, the budget is {FUNCTION_BUDGET}"


def file_problems(path: Path, package: Path) -> Iterator[str]:
    file, source = path.relative_to(package), path.read_text(encoding="utf-8")
    tree = ast.parse(source, filename=str(path))
    yield from import_problems(tree, file)
    yield from call_problems(tree, file)
    yield from budget_problems(source, tree, file)


def problems(package: Path) -> list[str]:
    """Every broken rule in the package, as `file:line: what`."""
    return [problem for path in sorted(package.rglob("*.py")) for problem in file_problems(path, package)]


def test_the_package_keeps_its_structure() -> None:
    assert len(list(PACKAGE.rglob("*.py"))) > 5, f"no package to look at in {PACKAGE}"
    assert problems(PACKAGE) == []


def test_the_tables_hold_nothing_that_is_gone() -> None:
    """An exception outlives its reason unless somebody looks: each one must still be needed."""
    used = set()
    for path in PACKAGE.rglob("*.py"):
        file = path.relative_to(PACKAGE)
        for found in imports(ast.parse(path.read_text(encoding="utf-8")), file):
            if found.module.startswith("denpa."):
                used.add((file.parts[0].removesuffix(".py"), found.module.split(".")[1]))
    assert len(FLOOR) == sum(map(len, FLOORS.values())), "a unit stands on two floors"
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    assert {pair for pair in SIDEWAYS | TYPE_ONLY if there.issuperset(pair)} - used == set()
    assert [name for name in LONG_FILES if not (PACKAGE / name).is_file()] == []
    assert [name for name in LONG_FUNCTIONS if not (PACKAGE / name.partition(":")[0]).is_file()] == []


SOUND = {
    "__init__.py": "from denpa.graph import Tensor\nfrom denpa.ops import elementwise\n",
    "errors.py": "def require(name):\n    import importlib\n    return importlib.import_module(name)\n",
    "arrays.py": "import numpy as np\nfrom denpa.errors import require\n",
    "graph.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from denpa.primitive import Primitive\n",
    "primitive.py": "from denpa.graph import Tensor\n",
    "ops/__init__.py": "",
    "ops/elementwise.py": "import re\nfrom . import shaping\nPATTERN = re.compile('x')\n",
    "ops/shaping.py": "from ..graph import Tensor\n",
    "train/loop.py": "def save(x):\n    import safetensors.numpy\n    from rich.console import Console\n",
    "cli/__init__.py": "import click\nfrom denpa import grad\nfrom denpa.train import loop\n",
}
BROKEN = [
    pytest.param(
        "arrays.py", "from denpa.graph import Tensor", "arrays (floor 0) imports graph (floor 1)", id="upward"
    ),
    pytest.param("graph.py", "from .ops.elementwise import add", "graph (floor 1) imports ops", id="upward relative"),
    pytest.param("nn/layers.py", "from ..train import loop", "nn (floor 4) imports train", id="upward from a folder"),
    pytest.param(
        "graph.py", "def f():\n    import denpa.ops", "graph (floor 1) imports ops", id="upward in a function"
    ),
    pytest.param("arrays.py", "from denpa import graph", "arrays (floor 0) imports graph", id="upward as a name"),
    pytest.param("graph.py", "from denpa.primitive import Primitive", "graph (floor 1) imports", id="type-only at run"),
    pytest.param("errors.py", "from denpa.arrays import Array", "errors (floor 0) imports arrays", id="sideways"),
    pytest.param("nn/layers.py", "import denpa.data", "nn (floor 4) imports data (floor 4)", id="sideways folders"),
    pytest.param("ops/a.py", "from denpa import grad", "ops imports from denpa/__init__.py", id="facade"),
    pytest.param("ops/a.py", "import denpa", "ops imports from denpa/__init__.py", id="facade whole"),
    pytest.param("__init__.py", "from denpa.cli import main", "denpa/__init__.py imports cli", id="facade upward"),
    pytest.param("stray.py", "x = 1", "stray stands on no floor", id="no floor"),
    pytest.param("ops/a.py", "import importlib", "imports importlib", id="importlib"),
    pytest.param("errors.py", "import importlib", "imports importlib", id="importlib outside require"),
    pytest.param("ops/a.py", "def require():\n    import importlib.util", "imports importlib", id="another require"),
    pytest.param("ops/a.py", "def f():\n    from pickle import loads", "imports pickle", id="pickle"),
    pytest.param("ops/a.py", "import marshal as m", "imports marshal", id="marshal"),
    pytest.param("ops/a.py", "import shelve", "imports shelve", id="shelve"),
    pytest.param("ops/a.py", "import joblib", "imports joblib", id="joblib"),
    pytest.param("ops/a.py", "x = eval('1')", "uses eval", id="eval"),
    pytest.param("ops/a.py", "run = exec", "uses exec", id="exec alias"),
    pytest.param("ops/a.py", "compile('1', 'f', 'eval')", "uses compile", id="compile"),
    pytest.param("ops/a.py", "__import__('os')", "uses __import__", id="import call"),
    pytest.param("ops/a.py", "import builtins\nbuiltins.eval('1')", "uses eval", id="builtins.eval"),
    pytest.param("ops/a.py", "f('x.npy', allow_pickle=True)", "allow_pickle is not False", id="allow_pickle"),
    pytest.param("ops/a.py", "f('x.npy', allow_pickle=flag)", "allow_pickle is not False", id="allow_pickle variable"),
    pytest.param("ops/a.py", "import rich", "imports rich at module level", id="core at the top"),
    pytest.param("ops/a.py", "def f():\n    import torch", "optional package torch", id="optional"),
    pytest.param("ops/a.py", "x = 1\n" * 401, "401 lines of code, the budget is 400", id="long file"),
    pytest.param("ops/a.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines of code", id="long function"),
    pytest.param("ops/a.py", "class C:\n  async def f():\n" + "    x = 1\n" * 60, "f has 61 lines", id="long method"),
]


def write(package: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return package


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    assert problems(write(tmp_path, SOUND)) == []


@pytest.mark.parametrize(("name", "source", "expected"), BROKEN)
def test_a_broken_tree_is_caught(name: str, source: str, expected: str, tmp_path: Path) -> None:
    found = problems(write(tmp_path, {**SOUND, name: source}))
    assert len(found) == 1, found
    assert found[0].startswith(name)
    assert expected in found[0]


def test_only_code_counts(tmp_path: Path) -> None:
    """Docstrings, comments and blank lines are free: the budget must not punish an explanation."""
    words = '    """Long.\n' + "    text\n" * 100 + '    """\n' + "    # why\n\n" * 100
    body = "def f():\n" + words + "    x = '''\n\n'''\n" * 10 + "    return x\n"
    source = body * 10  # 320 lines of code: a text over three lines that is no docstring counts as three
    assert problems(write(tmp_path, {**SOUND, "ops/a.py": source})) == []
    assert len(code_lines(source, ast.parse(source))) == 320
