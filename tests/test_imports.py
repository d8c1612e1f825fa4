"""What an import may bring along, and that pyproject.toml and the code name the same packages."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = {"all", "test", "bench"}

# Their import names.  Everything a user may or may not have, and that denpa therefore loads only when it is used.
NOT_AT_IMPORT = {"click", "rich", "msgspec", "safetensors", "threadpoolctl", "sklearn", "scipy", "numba"}
NOT_AT_IMPORT |= {"pandas", "polars", "matplotlib", "torch", "jax"}
IMPORT_NAMES = {"scikit-learn": "sklearn", "pillow": "PIL"}  # where the package's name is not the module's
RUNTIME = ("_cython_", "cython_runtime", "_sysconfigdata_")  # modules that NumPy's own extensions and Python make


def loaded_by(code: str) -> set[str]:
    """Top-level modules that running `code` adds to a fresh interpreter."""
    program = f"import json, sys\nbefore = set(sys.modules)\n{code}\n"
    program += "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def foreign(modules: set[str]) -> set[str]:
    rest = modules - sys.stdlib_module_names - {"denpa", "numpy"}
    return {name for name in rest if not name.startswith(RUNTIME)}


def distribution(requirement: str) -> str:
    """`scikit-learn>=1.5` → `scikit-learn`."""
    return requirement.partition(">=")[0].partition("[")[0]


def requires_in(source: str) -> set[tuple[str, str]]:
    """(package, extra) of each `require("package", ..., extra="extra")`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "require" and node.args:
            extra = next((k.value for k in node.keywords if k.arg == "extra"), None)
            assert isinstance(node.args[0], ast.Constant), f"line {node.lineno}: a package's name is written out"
            assert isinstance(extra, ast.Constant), f"line {node.lineno}: an extra's name is written out"
            found.add((node.args[0].value.partition(".")[0], extra.value))
    return found


def test_the_probe_sees_a_foreign_import() -> None:
    """The broken twin of the next test: the same question about an import that does bring something along."""
    assert "click" in foreign(loaded_by("import denpa, click"))


def test_import_denpa_loads_numpy_and_the_standard_library_only() -> None:
    loaded = loaded_by("import denpa")
    assert "numpy" in loaded
    assert foreign(loaded) == set()


def test_a_gradient_needs_numpy_only() -> None:
    assert foreign(loaded_by("import denpa; assert denpa.grad(lambda x: x * x)(3.0) == 6.0")) == set()


def test_denpa_works_where_nothing_but_numpy_is_installed() -> None:
    blocked = f"for name in {sorted(NOT_AT_IMPORT)!r}: sys.modules[name] = None\n"
    loaded_by(blocked + "import denpa; assert denpa.grad(lambda x: x * x)(3.0) == 6.0")


def test_help_loads_no_package_it_does_not_need() -> None:
    code = "from denpa.cli import main\nsys.argv = ['denpa', '--help']\n"
    code += "try: main()\nexcept SystemExit as end: assert not end.code, end.code"
    assert foreign(loaded_by(code)) & NOT_AT_IMPORT == {"click"}


def test_the_version_has_one_value() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import denpa; print(denpa.__version__)"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == PROJECT["version"], done.stderr


def test_every_required_package_is_in_its_extra() -> None:
    required = set()
    for path in (ROOT / "src" / "denpa").rglob("*.py"):
        required |= requires_in(path.read_text(encoding="utf-8"))
    assert required, "no call of errors.require was found"
    offered = {
        (IMPORT_NAMES.get(distribution(r), distribution(r)).replace("-", "_"), extra)
        for extra, requirements in EXTRAS.items()
        if extra not in FOR_DEVELOPERS
        for r in requirements
    }
    assert required - offered == set(), "errors.require names what pyproject.toml does not offer"
    assert offered - required == set(), "an extra that nothing uses"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("require('torch.nn', for_='x', extra='nn')", {("torch", "nn")}),
        ("errors.require('a', for_='x', extra='b')", {("a", "b")}),
        ("f('a', extra='b')", set()),
    ],
)
def test_requires_are_found(source: str, expected: set[tuple[str, str]]) -> None:
    assert requires_in(source) == expected


def test_all_is_every_extra_of_a_user() -> None:
    (everything,) = EXTRAS["all"]
    inside = everything.removeprefix("denpa[").removesuffix("]").split(",")
    assert set(inside) == set(EXTRAS) - FOR_DEVELOPERS
