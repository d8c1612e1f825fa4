"""The error classes, their exit codes, and the one builder of messages.

Every error says what went wrong and, where it applies, where, what was got, what was wanted and what to do.
The command line prints `str(error)` and exits with `error.exit_code`; it never shows a traceback of a `DenpaError`.
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

EXIT_TRAINING, EXIT_USAGE, EXIT_DATA, EXIT_INTERRUPTED = 1, 2, 3, 130

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_COMMANDS = _PACKAGE + "cli" + os.sep


def message(
    what: str,
    *,
    where: str | None = None,
    got: Any = None,
    want: str | None = None,
    fix: str | None = None,
) -> str:
    """The one layout of an error: the fact first, then a line each for where, got, want and fix, where given."""
    lines = [what]
    for label, text in (("where", where), ("got", got), ("want", want), ("fix", fix)):
        if text is not None:
            lines.append(f"  {label + ':':<7}{text}")
    return "\n".join(lines)


def user_line() -> str | None:
    """`file:line  source` of the nearest calling frame outside denpa; None when there is none, and in a command."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = os.path.abspath(frame.f_code.co_filename)
        if path.startswith(_COMMANDS):  # whoever typed the command has no line: the next frame outside is click's
            return None
        if not path.startswith(_PACKAGE):
            import linecache

            source = linecache.getline(path, frame.f_lineno).strip()
            return f"{path}:{frame.f_lineno}" + (f"  `{source}`" if source else "")
        frame = frame.f_back
    return None


class DenpaError(Exception):
    """Base of every error denpa raises on purpose.  `exit_code` is what the command line exits with."""

    exit_code: int = EXIT_TRAINING

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: Any = None,
        want: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message(what, where=where, got=got, want=want, fix=fix))
        self.what, self.where, self.got, self.want, self.fix = what, where, got, want, fix


class UsageError(DenpaError, ValueError):
    """A command, option or argument that cannot be meant (exit code 2)."""

    exit_code = EXIT_USAGE


class ShapeError(DenpaError, ValueError):
    """Operand shapes that do not fit together."""


class IndexingError(DenpaError, IndexError):
    """An index that is outside the array, or that NumPy cannot index with."""


class DTypeError(DenpaError, TypeError):
    """A dtype the operation has no meaning for (a gradient of an integer, say)."""


class GradientError(DenpaError, RuntimeError):
    """A gradient that does not exist or was not computed."""


class GradientMismatch(DenpaError, AssertionError):
    """An analytic gradient that disagrees with the numerical one."""


class DataError(DenpaError, ValueError):
    """A data file or table that cannot be trained on (exit code 3)."""

    exit_code = EXIT_DATA


class ModelFileError(DataError):
    """A model, checkpoint or run folder that is damaged, foreign or of another version (exit code 3)."""


class TrainingError(DenpaError, RuntimeError):
    """Training that cannot go on: a loss that is NaN or infinite, a save that failed (exit code 1)."""


class MissingPackage(DenpaError, ImportError):
    """An optional package that is not installed; the message is the command that installs it (exit code 2)."""

    exit_code = EXIT_USAGE


def require(package: str, *, for_: str, extra: str) -> Any:
    """Import an optional package where it is used.  MissingPackage with the install command when it is absent."""
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package.partition(".")[0]:
            raise  # the package is there but one of its own imports is not: that is another fault, keep its message
        raise MissingPackage(
            f"{for_} needs the package {package!r}, which is not installed",
            fix=f'pip install "denpa[{extra}]"',
        ) from error


def installed(package: str) -> bool:
    """Is an optional package there?  Looked up, not imported."""
    import importlib.util

    return importlib.util.find_spec(package) is not None


def installed_version(package: str) -> str:
    """The version of a package that is installed, from its metadata: nothing is imported."""
    import importlib.metadata

    return importlib.metadata.version(package)
