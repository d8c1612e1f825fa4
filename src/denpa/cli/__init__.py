"""The command line: verbs only.  Each parses, calls the library, prints and exits with the documented code.

Exit codes: 0 done, 1 training failed, 2 usage, 3 data or files, 130 interrupted (saved), 143 terminated (saved).
"""

from __future__ import annotations

import difflib
import os
import signal
import sys
import traceback

import click

from denpa.errors import EXIT_DATA, EXIT_INTERRUPTED, EXIT_TRAINING, DenpaError

VERBS = (
    "data",
    "train",
    "resume",
    "lr-find",
    "tune",
    "predict",
    "evaluate",
    "cv",
    "runs",
    "show",
    "compare",
    "report",
    "rm",
    "completion",
    "check",
    "draw",
    "trace",
    "explain",
    "doctor",
    "export",
    "import",
)


class Verbs(click.Group):
    """Loads the module of a verb when it is asked for, so that `denpa --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found: click.Command | None = None
        if name == "data":
            from denpa.cli import data

            found = data.profile
        elif name in ("train", "resume"):
            from denpa.cli import training

            found = training.train if name == "train" else training.resume
        elif name in ("predict", "evaluate"):
            from denpa.cli import using

            found = using.predict if name == "predict" else using.evaluate
        elif name in ("runs", "show", "compare", "report", "rm", "completion"):
            from denpa.cli import listing

            found = getattr(listing, name)
        elif name in ("lr-find", "tune"):
            from denpa.cli import searching

            found = searching.lr_find if name == "lr-find" else searching.tune
        elif name == "cv":
            from denpa.cli import crossing

            found = crossing.cv
        elif name == "check":
            from denpa.cli import checking

            found = checking.check
        elif name == "draw":
            from denpa.cli import drawing

            found = drawing.draw
        elif name == "trace":
            from denpa.cli import tracing

            found = tracing.trace
        elif name == "explain":
            from denpa.cli import explaining

            found = explaining.explain
        elif name == "doctor":
            from denpa.cli import doctoring

            found = doctoring.doctor
        elif name in ("export", "import"):
            from denpa.cli import exporting

            found = exporting.export if name == "export" else exporting.import_
        return found


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="denpa", prog_name="denpa")
def denpa() -> None:
    """denpa 伝播: train networks by backpropagation on your own files, and look inside every step.

    SOURCE is a CSV file, an NPZ file, an IDX file or a folder of them (MNIST), or "digits".
    Exit codes: 0 done, 1 training failed, 2 usage, 3 data or files, 130 interrupted with everything saved.
    """


def main() -> None:
    """The `denpa` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code.  What denpa foresees is one message; anything else is shown whole."""
    try:
        result = denpa.main(args=arguments, prog_name="denpa", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong, and nobody is left to tell
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  or the interpreter complains about the old one at exit
        return 128 + signal.SIGPIPE
    except BaseException as error:
        return _explain(error)


def _explain(error: BaseException) -> int:
    """Say what ended the command, and the exit code for it."""
    code = EXIT_TRAINING
    if isinstance(error, click.exceptions.Exit):
        code = error.exit_code
    elif isinstance(error, SystemExit):  # click's own way out when the reader of our output has gone
        code = error.code if isinstance(error.code, int) else EXIT_TRAINING
    elif isinstance(error, click.ClickException):
        error.show()
        code = error.exit_code
    elif isinstance(error, DenpaError):
        _say(error)
        code = error.exit_code
    elif isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("interrupted", err=True)
        code = EXIT_INTERRUPTED
    elif isinstance(error, OSError):
        click.echo(f"error: {error.strerror or error}\n  where: {error.filename or 'no file is named'}", err=True)
        code = EXIT_DATA
    elif isinstance(error, MemoryError):
        fix = "use a smaller --batch-size, fewer hidden units, or fewer rows"
        click.echo(f"error: not enough memory\n  fix:   {fix}", err=True)
    else:
        click.echo("a fault in denpa itself; please report it with the lines below", err=True)
        traceback.print_exception(error)
    return code


def _say(error: DenpaError) -> None:
    click.echo(f"error: {error}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(note, err=True)
