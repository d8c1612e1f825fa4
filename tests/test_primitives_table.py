"""The lists of docs/primitives.md are what the registry holds.  `python tests/test_primitives_table.py` writes them."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import denpa as dp
import denpa.nn  # registers the random numbers of dropout
from denpa.graph import FUNCTIONS
from denpa.primitive import REGISTRY, Primitive

PAGE = Path(__file__).resolve().parent.parent / "docs" / "primitives.md"


def call(op: Primitive) -> str:
    """`sum(x, *, axis=None, keepdims=False)`: the evaluation's signature without `xp` and annotations."""
    parameters = list(inspect.signature(op.evaluate).parameters.values())[1:]
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    text = str(inspect.Signature(bare)).replace("<class 'numpy.float64'>", "float64")
    return f"{op.name}{text}"


def line(op: Primitive) -> str:
    says = (op.__doc__ or "").splitlines()[0].partition("  ")[0].removesuffix(".")
    cells = (f"`{call(op)}`", f"`{op.label}`", "yes" if op.differentiable else "–", says)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def primitives(registry: dict[str, Primitive]) -> str:
    own = [op for op in registry.values() if op.evaluate.__module__.startswith(("denpa.ops.", "denpa.nn."))]
    return "\n".join(["| call | symbol | ∂ | value |", "|---|---|---|---|", *map(line, own)])


def composites() -> str:
    names = [n for n in FUNCTIONS if n not in REGISTRY and n in dp.__dict__ and inspect.isfunction(getattr(dp, n))]
    return ", ".join(f"`{name}`" for name in sorted(names) if getattr(dp, name).__module__.startswith("denpa.ops"))


def between(text: str, what: str) -> str:
    return text.partition(f"<!-- {what}: begin -->\n")[2].partition(f"<!-- {what}: end -->")[0].strip()


@pytest.mark.parametrize(("what", "expected"), [("primitives", primitives(REGISTRY)), ("composites", composites())])
def test_the_page_lists_what_is_there(what: str, expected: str) -> None:
    written = between(PAGE.read_text(encoding="utf-8"), what)
    assert written == expected, f"run: python {Path(__file__).relative_to(PAGE.parent.parent)}"


def test_a_primitive_more_or_less_would_be_noticed() -> None:
    fewer = {name: op for name, op in REGISTRY.items() if name != "tanh"}
    assert "`tanh(x)`" in primitives(REGISTRY)
    assert primitives(fewer) != primitives(REGISTRY)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for what, new in (("primitives", primitives(REGISTRY)), ("composites", composites())):
        head, _, rest = text.partition(f"<!-- {what}: begin -->\n")
        _, _, tail = rest.partition(f"<!-- {what}: end -->")
        text = f"{head}<!-- {what}: begin -->\n\n{new}\n\n<!-- {what}: end -->{tail}"
    PAGE.write_text(text, encoding="utf-8")
