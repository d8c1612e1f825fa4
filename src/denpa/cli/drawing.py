"""`denpa draw`."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.errors import UsageError

if TYPE_CHECKING:
    from denpa.draw.graph_picture import Drawing

_FILES = "svg, png, html (steps, buttons and keys), tex (TikZ), dot or txt"


@click.command()
@click.argument("what")
@click.argument("values", nargs=-1, metavar="[NAME=NUMBER]...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help=f"Write the picture here: {_FILES}.")
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="Another name in the picture.")
@click.option("--title", help="Title of the picture.")
@click.option("--local", is_flag=True, help="Also the local derivative at each edge.")
@click.option("--no-gradients", is_flag=True, help="Values only.")
@click.option("--highlight", multiple=True, metavar="NAME", help="Mark what this node influences; several: between.")
@click.option("--step", type=click.IntRange(0), help="How far: 0 the inputs, then each node forward, then backward.")
@click.option("--steps", is_flag=True, help="A numbered series of files, one a step.")
@click.option("--collapse/--no-collapse", default=None, help="Collapse into boxes; by itself above --limit.")
@click.option("--expand", multiple=True, metavar="BOX", help="Open a collapsed box, e.g. layer2.")
@click.option("--limit", type=click.IntRange(1), help="Nodes above which it collapses by itself.  [default: 60]")
@click.option("--data", metavar="FILE", help="The rows to run a network on; needed when WHAT is a run or a model.")
@click.option("--row", type=click.IntRange(0), help="Only this row of the data (units and operations: 0).")
@click.option("--zoom", type=click.Choice(["layers", "units", "operations"]), help="Of a network.  [default: layers]")
@click.option("--notation", metavar="NAME", help="Letters of a network: 000, 001, 002, 003, 004 or pytorch.")
@click.option("--tensors", type=click.Choice(["strip", "summary"]), default="strip", show_default=True,
              help="Arrays as a small heat map, or as min / mean / max.")  # fmt: skip
@click.option(
    "--theme", type=click.Choice(["light", "dark", "auto"]), default="light", show_default=True, help="Colours."
)
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language of the text.")
@click.option("--quiet", is_flag=True, help="Do not print the forward and backward table.")
def draw(what: str, values: tuple[str, ...], out: Path | None, labels: tuple[str, ...], **options: Any) -> None:
    """Draw WHAT: a formula with its values, or a run (its folder or model.safetensors) with --data.

    \b
    denpa draw "(apple*n + orange*m)*tax" apple=100 n=2 orange=150 m=3 tax=1.1 -o shop.svg
    denpa draw runs/digits --data digits --row 3 --zoom units -o units.svg

    Left to right is forward; each edge has its value and, below it, the gradient that comes back.  Prints both passes
    as tables; without -o also the picture, in characters.  A formula has numbers, names, + - * / ** @ and functions
    such as exp(x); `h = x + y; h**2` names a part.  An array is given as x=[1,2,3].
    """
    from denpa.draw.graph_picture import FORMATS

    form = out.suffix.removeprefix(".").lower() if out is not None else ""
    if out is not None and form not in FORMATS:
        raise UsageError("no such form of a picture", got=str(out), want=", ".join(f".{f}" for f in FORMATS))
    if options["steps"] and out is None:
        raise UsageError("--steps needs -o FILE: the numbered files are called after it")
    drawing = _drawing(what, values, labels, options)
    _print(drawing, options["lang"], out, quiet=options["quiet"])
    if out is None:
        return
    written = drawing.save_steps(out) if options["steps"] else [drawing.save(out)]
    more = f" … {written[-1]} ({len(written)} files)" if len(written) > 1 else ""
    click.echo(f"picture: {written[0]}{more}")


def _print(drawing: Drawing, language: str, out: Path | None, quiet: bool) -> None:
    from denpa.draw.text import lines

    if out is None:
        click.echo(drawing.text())
        click.echo()
    if not quiet and drawing.table is not None:
        for line in lines(drawing.table, "ja" if language == "ja" else "en"):
            click.echo(line)


def _drawing(what: str, values: tuple[str, ...], labels: tuple[str, ...], options: dict[str, Any]) -> Drawing:
    from denpa.draw.graph_picture import draw as picture

    common = {name: options[name] for name in ("title", "local", "highlight", "step", "collapse", "expand", "theme")}
    common |= {"notation": options["notation"], "tensors": options["tensors"], "language": options["lang"]}
    common |= {} if options["limit"] is None else {"limit": options["limit"]}
    common |= {"gradients": False if options["no_gradients"] else None, "labels": _pairs(labels)}
    if options["data"] is None and not _is_model(what):
        for name in ("zoom", "row"):
            if options[name] is not None:
                raise UsageError(f"--{name} belongs to a network", fix="give a run and --data FILE")
        given = {name: _value(name, text) for name, text in _pairs(values).items()}
        return picture(what, values=given, **common)
    if values:
        raise UsageError("values belong to a formula", got=values[0], want="a run with --data FILE takes none")
    network, x, t, common["input_names"] = _sample(what, options["data"])
    row = options["row"]
    if row is not None and row >= len(x):
        raise UsageError("the data have no such row", got=f"--row {row}", want=f"0 … {len(x) - 1}")
    if options["zoom"] in ("units", "operations") or row is not None:
        x, t = x[row or 0 : (row or 0) + 1], t[row or 0 : (row or 0) + 1]
    return picture(network, x, t, zoom=options["zoom"] or "layers", **common)


def _is_model(what: str) -> bool:
    """A name of something that is there; a formula with a slash in it is not."""
    return re.search(r"[*+()=×]", what) is None and Path(what).exists()


def _sample(what: str, data: str | None) -> tuple[Any, Any, Any, tuple[str, ...]]:
    from denpa.data import read_like
    from denpa.train.model_file import load_model
    from denpa.train.parts import encode, input_names

    if data is None:
        raise UsageError("a network is drawn with data", got=what, fix="--data FILE, e.g. the file it was trained on")
    model = load_model(Path(what))
    x, t = encode(model.network, read_like(data, model.inputs, model.targets), model.inputs, model.targets)
    if not len(x):
        raise UsageError("the data have no rows", got=data)
    return model.network, x, t, input_names(model.inputs)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name or not value.strip():
            raise UsageError("this is not NAME=VALUE", got=repr(text), want="for example apple=100")
        if name in pairs:
            raise UsageError(f"{name!r} is given twice", got=f"{pairs[name]} and {value}")
        pairs[name] = value.strip()
    return pairs


def _value(name: str, text: str) -> Any:
    """A number, or a list of numbers in brackets."""
    try:
        value = json.loads(text, parse_int=float) if text.startswith("[") else float(text)
    except (ValueError, RecursionError):
        value = None
    if value is None or not _numbers(value):
        raise UsageError("this is not a number", got=f"{name}={text[:60]}", want="a number, or a list such as [1, 2.5]")
    return value


def _numbers(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif not isinstance(item, float) or math.isnan(item):
            return False
    return True
