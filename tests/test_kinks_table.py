"""The tables of docs/kinks.md: our column is what the registry declares and what comes out; the others are measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.primitive import REGISTRY, Special

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "kinks.md").read_text(encoding="utf-8")
Row = tuple[str, str, str, str, str]


def rows(heading: str) -> list[Row]:
    """The cells of the table under a heading, without its two head lines."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]
    assert cells, f"no table under {heading!r}"
    assert all(len(row) == 5 for row in cells)
    return cells  # type: ignore[return-value]


PRIMITIVES, COMPOSITES = rows("The primitives"), rows("Composites and NaN")


def shown(values: Sequence[Any]) -> str:
    """Numbers and arrays as the table writes them: `0.5, 0.5`, `[1 1 0]`; −0 is 0."""
    parts = []
    for value in values:
        numbers = [f"{x + 0.0:g}" for x in np.ravel(np.asarray(value, np.float64))]
        parts.append(f"[{' '.join(numbers)}]" if np.ndim(value) else numbers[0])
    return ", ".join(parts)


def point(text: str) -> list[Any]:
    """`0, 0.5` and `[1 1 0]` as arguments."""
    return [
        np.array([float(x) for x in part.strip(" []").split()]) if "[" in part else np.float64(part)
        for part in text.split(",")
    ]


def named(special: Special, name: str) -> str:
    params = special.params or {}
    return f"`{name}`" + (f" to −{-params['min']:g}…{params['max']:g}" if "min" in params else "")


def gradients(f: Callable[..., Any], args: Sequence[Any]) -> str:
    return shown(dp.grad(lambda *a: dp.sum(f(*a)), wrt=tuple(range(len(args))))(*args))


def test_our_column_is_what_the_registry_declares() -> None:
    declared = [
        (named(special, name), shown(special.args), shown(special.gradients))
        for name, op in REGISTRY.items()
        if op.evaluate.__module__.startswith("denpa.")
        for special in op.special
    ]
    assert sorted(row[:3] for row in PRIMITIVES) == sorted(declared)


OURS: dict[str, Callable[..., Any]] = {
    "`clip` to −1…2": lambda x: dp.clip(x, -1.0, 2.0),
    "`maximum(x, 0)`": lambda x: dp.maximum(x, 0.0),
    "`max` along an axis": lambda x: dp.max(x, axis=0),
    "`elu` with α = 2": lambda x: dp.elu(x, 2.0),
    "`absolute_error` to 0": lambda y: dp.absolute_error(y, np.zeros(1)),
    "`std` of equal values": dp.std,
    "`where(x > 0, sqrt(x), 0)`": lambda x: dp.where(x > 0, dp.sqrt(x), 0.0),
}


@pytest.mark.parametrize("row", PRIMITIVES + COMPOSITES, ids=lambda row: f"{row[0]} at {row[1]}")
def test_our_column_is_what_comes_out(row: Row) -> None:
    f = OURS.get(row[0]) or getattr(dp, row[0].strip("`"))
    assert gradients(f, point(row[1])) == row[2]


def same_version(library: Any, name: str) -> None:
    """The columns hold for the versions the page names; another version is another question."""
    told = re.search(rf"{name} (\d+\.\d+)", TEXT)
    assert told is not None, f"the page does not say which {name}"
    if not library.__version__.startswith(told[1] + "."):
        pytest.skip(f"the page describes {name} {told[1]}, here is {library.__version__}")


@pytest.mark.parametrize("row", PRIMITIVES + COMPOSITES, ids=lambda row: f"{row[0]} at {row[1]}")
def test_the_column_of_pytorch(row: Row) -> None:
    torch = pytest.importorskip("torch")
    same_version(torch, "PyTorch")
    special = {
        "`power`": torch.pow,
        "`vector_norm`": torch.linalg.vector_norm,
        "`clip` to −1…2": lambda x: torch.clamp(x, -1.0, 2.0),
        "`maximum(x, 0)`": lambda x: torch.clamp(x, min=0),
        "`max` along an axis": lambda x: torch.max(x, dim=0).values,
        "`leaky_relu`": torch.nn.functional.leaky_relu,
        "`elu` with α = 2": lambda x: torch.nn.functional.elu(x, 2.0),
        "`absolute_error` to 0": lambda y: torch.nn.functional.l1_loss(y, torch.zeros_like(y)),
        "`std` of equal values": lambda x: torch.std(x, correction=0),
        "`where(x > 0, sqrt(x), 0)`": lambda x: torch.where(x > 0, torch.sqrt(x), torch.zeros_like(x)),
    }
    f = special.get(row[0]) or getattr(torch, row[0].strip("`"))
    args = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in point(row[1])]
    f(*args).sum().backward()
    assert shown([a.grad.numpy() for a in args]) == row[3]


@pytest.mark.parametrize("row", PRIMITIVES + COMPOSITES, ids=lambda row: f"{row[0]} at {row[1]}")
@pytest.mark.filterwarnings("ignore")
def test_the_column_of_jax(row: Row) -> None:
    jax = pytest.importorskip("jax")
    same_version(jax, "JAX")
    jnp = jax.numpy
    special = {
        "`relu`": jax.nn.relu,
        "`leaky_relu`": jax.nn.leaky_relu,
        "`vector_norm`": jnp.linalg.norm,
        "`clip` to −1…2": lambda x: jnp.clip(x, -1.0, 2.0),
        "`maximum(x, 0)`": lambda x: jnp.maximum(x, 0.0),
        "`max` along an axis": lambda x: jnp.max(x, axis=0),
        "`elu` with α = 2": lambda x: jax.nn.elu(x, 2.0),
        "`absolute_error` to 0": lambda y: jnp.abs(y - 0.0).mean(),
        "`std` of equal values": jnp.std,
        "`where(x > 0, sqrt(x), 0)`": lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0),
    }
    f = special.get(row[0]) or getattr(jnp, row[0].strip("`"))
    with jax.enable_x64(True):
        args = [jnp.asarray(a, jnp.float64) for a in point(row[1])]
        got = jax.grad(lambda *a: f(*a).sum(), argnums=tuple(range(len(args))))(*args)
    assert shown([np.asarray(g) for g in got]) == row[4]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (("`relu`", "0", "0"), ("`relu`", "0", "1")),
        (("`clip` to −1…2", "2", "0"), ("`clip` to −1…2", "2", "0.5")),
    ],
)
def test_a_wrong_cell_would_be_noticed(row: tuple[str, str, str], wrong: tuple[str, str, str]) -> None:
    """The broken twin: the comparison of `test_our_column_is_what_comes_out` with a cell changed."""
    assert row in {r[:3] for r in PRIMITIVES}
    f = OURS.get(wrong[0]) or getattr(dp, wrong[0].strip("`"))
    assert gradients(f, point(wrong[1])) != wrong[2]
