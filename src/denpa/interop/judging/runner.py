"""The child process of `denpa check`: runs the learner's file and judges what is in it.  Run as a script, by path.

It is given one JSON argument and writes one JSON line a step to a pipe.  The file is the user's own program and is run
on purpose, with a time limit, a memory limit and nothing on its standard input; that is no fence against a file that
means harm.  Nothing of it is ever imported into the process that asked.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

NAME = "__denpa_check__"  # the file's __name__: what stands under `if __name__ == "__main__"` is not run
GRACE = 2  # seconds: after them the watchdog ends what the alarm's exception did not


def main() -> None:
    request = json.loads(sys.argv[1])
    sys.path[:] = request["path"]
    pipe = os.fdopen(request["pipe"], "w", encoding="utf-8")

    def tell(**message: Any) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    judge(request, tell)
    tell(done=True)
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of the file have nothing to say any more


def judge(request: dict[str, Any], tell: Callable[..., None]) -> None:
    from denpa.interop.judging import bench, faults, find  # before the file runs, so that it finds them loaded
    from denpa.primitive import REGISTRY

    file, seconds = request["file"], request["timeout"]
    limit_memory(request["memory"])
    bench.WATCHED.append(file)
    before = dict(REGISTRY)
    try:
        names = within(seconds, bench.TooLong, lambda: load(file))
    except BaseException as error:  # whatever a stranger's file raises, SystemExit and MemoryError too, is told
        tell(cannot=reason(error), line=error_line(error, bench.line_of(error)))
        return
    bench.GENERATORS.append(names)
    found, skipped = find.find(names, NAME, before)
    wanted = request["only"]
    if wanted and wanted not in [f.name for f in found]:
        tell(unknown=wanted, names=[f.name for f in found])
        return
    tell(names=[f.name for f in found], skipped=[[n, faults.words(w)] for n, w in skipped])
    for item in found:
        if not wanted or item.name == wanted:
            tell(now=item.name)
            try:
                judgement = within(seconds, bench.TooLong, lambda item=item: item.judge(request["seed"]))  # type: ignore[misc]
            except (bench.TooLong, bench.Endless) as error:  # it came between two calls of the file's code
                judgement = faults.too_slow(item.name, str(error))
            tell(judgement=faults.to_json(judgement))


def load(file: str) -> dict[str, Any]:
    """The names of the file after it has run."""
    import runpy

    sys.argv[:] = [file]
    sys.path.insert(0, os.path.dirname(file))
    return runpy.run_path(file, run_name=NAME)


def within(seconds: float, kind: type[BaseException], work: Callable[[], Any]) -> Any:
    """work(), with an exception of this kind raised inside it when the time is over.

    Code that catches it, or is stuck in C, is ended by a watchdog that writes where it was.
    """

    def ring(number: int, frame: Any) -> None:
        raise kind(f"still running after {seconds:g} s")

    signal.signal(signal.SIGALRM, ring)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=2)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def limit_memory(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the file ends the program itself: sys.exit({'' if error.code is None else repr(error.code)[:40]})"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = " ".join(str(error).split())[:300]
    name = type(error).__name__
    return text if name == "TooLong" else f"{name}: {text}" if text else name


def error_line(error: BaseException, innermost: int | None) -> int | None:
    return error.lineno if isinstance(error, SyntaxError) else innermost


if __name__ == "__main__":
    main()
