"""`denpa export` and `denpa import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denpa.cli.arguments import run_argument
from denpa.cli.data import dialect, text_options
from denpa.errors import UsageError

if TYPE_CHECKING:
    from denpa.train.model_file import Predictor

_FORMATS = {"onnx": ".onnx", "safetensors": ".safetensors", "numpy": ".npz", "tensorboard": ""}


@click.command("export")
@run_argument
@click.option("-f", "--format", "kind", type=click.Choice(list(_FORMATS)), help="Default: by the ending of -o.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Write the file here.")
@click.option("--check", "source", metavar="SOURCE", help="Of onnx: compare onnxruntime with denpa on these rows.")
@text_options
def export(run: Path, kind: str | None, out: Path, source: str | None, **text: Any) -> int:
    """Write RUN (a run folder or its model.safetensors) for other programs.

    onnx has the whole model: it predicts from raw columns, with scaling, class names and units inside.  safetensors and
    numpy have the weights alone, named and shaped as in PyTorch's nn.Sequential.  tensorboard writes the figures of
    every epoch as an event file into the folder that -o names.

    Exit code 1 when --check finds a difference above 1e-6.  --sep, --encoding and --header say how to read SOURCE.
    """
    from denpa.interop import state
    from denpa.interop.onnx_export import export_onnx
    from denpa.train.model_file import load_model

    kind = kind or {ending: name for name, ending in _FORMATS.items() if ending}.get(out.suffix.lower())
    if kind is None:
        raise UsageError("the format is not known", got=f"-o {out}", want=", ".join(_FORMATS), fix="add -f onnx")
    if source is not None and kind != "onnx":
        raise UsageError("only an ONNX file can be checked", got=f"--check with {kind}", fix="leave --check out")
    if source is None and any(value is not None for value in text.values()):
        raise UsageError("--sep, --encoding and --header are for the rows of --check", fix="add --check SOURCE")
    if kind == "tensorboard":
        from denpa.train.run import Run
        from denpa.train.tensorboard import export as write_events

        click.echo(f"{write_events(Run(run), out)}: show it with: tensorboard --logdir {out}")
        return 0
    model = load_model(run)
    write = {"onnx": export_onnx, "safetensors": state.save_state, "numpy": state.save_npz}[kind]
    write(model, out)
    inside = "the whole model" if kind == "onnx" else "the weights alone, without scaling and class names"
    click.echo(f"{out}: {inside}, {out.stat().st_size:,} bytes")
    return 0 if source is None else _checked(model, out, source, text)


def _checked(model: Predictor, out: Path, source: str, text: dict[str, Any]) -> int:
    from denpa.data import read_inputs
    from denpa.interop.onnx_check import TOLERANCE, check_onnx

    found = check_onnx(model, out, read_inputs(source, model.inputs, dialect(**text)))
    labels = f", {found.labels:,} other classes" if model.targets.kind == "classes" else ""
    verdict = "agrees" if found else "does not agree"
    difference = f"largest difference {found.difference:.1e} of the largest logit (at most {TOLERANCE:.0e})"
    click.echo(f"onnxruntime {verdict} on {found.rows:,} rows: {difference}{labels}")
    return 0 if found else 1


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Write the model file here.")
@click.option(
    "--output",
    metavar="NAME",
    help="Which output of the file, or tensor inside of it.  [default: the first output that can be read]",
)
@click.option("--class", "classes", metavar="NAME", multiple=True, help="Name of a class; repeat, in order.")
@click.option("--column", "columns", metavar="NAME", multiple=True, help="Name of an input; repeat, in order.")
@click.option("--target", metavar="NAME", help="Name of the column that is predicted.  [default: the output's]")
@click.option("--maximum", type=float, help="Divide inputs by this first: 255 for pixels trained on as 0 … 1.")
def import_(
    file: Path,
    out: Path,
    output: str | None,
    classes: tuple[str, ...],
    columns: tuple[str, ...],
    target: str | None,
    maximum: float | None,
) -> None:
    """Read a feedforward network from an ONNX FILE and write it as a model file.

    The model file is a RUN for predict, evaluate, trace, explain, draw and export.  FILE is one of PyTorch,
    scikit-learn (skl2onnx) or denpa, say: layers one after the other, with scaling and class names.
    """
    from denpa.interop.onnx_import import import_onnx
    from denpa.train.model_file import save_model

    model = import_onnx(file, output=output, classes=classes, columns=columns, target=target, maximum=maximum)
    save_model(out, model)
    network, predicted = model.network, model.targets
    kind = f"{len(predicted.classes)} classes" if predicted.kind == "classes" else "numbers"
    layers = "-".join(map(str, network.units))
    click.echo(f"{out}: {layers} ({', '.join((*network.hidden, network.output))}), {kind}, target {predicted.name!r}")
    for note in model.about["notes"]:
        click.echo(f"note: {note}")
