"""A kernel cache that is cold, shared, read-only or full, and a fork before the first use: time is lost, no number is.

Each case is a process of its own; all must print the same bits as one that has no trouble.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")
FULL = 6000  # bytes that a file may have: enough for the text of a kernel, too little for most of the code
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX users, limits and fork")

PROGRAM = """
import os, sys
import numpy as np
import denpa as dp
from denpa.engine.native.build import statistics

def f(x, w):
    return dp.sum(dp.tanh(x * w) ** 2)

def bits():
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    value, (gx, gw) = dp.compile(f, engine="native!", grad=(0, 1))(x, x + 0.5)
    return b"".join(np.ascontiguousarray(a).tobytes() for a in (value, gx, gw)).hex()

if "fork" in sys.argv:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, bits().encode())
        os._exit(0)
    here = bits()
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1 << 16).decode() == here
print(bits(), statistics.compiled)
"""


def environment(cache: Path) -> dict[str, str]:
    """Of a process with that cache, which keeps all kernels: under numba's bounds checks those that check are not."""
    return {**os.environ, "DENPA_CACHE": str(cache), "NUMBA_BOUNDSCHECK": "0"}


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[str, int]:
    """The bits, and how many kernels were compiled."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    bits, compiled = out.split()
    return bits, int(compiled)


@pytest.fixture(scope="module")
def warm() -> Iterator[tuple[Path, str]]:
    """A cache that has everything, in a folder that any user may enter, and the bits."""
    with tempfile.TemporaryDirectory(prefix="denpa-test-") as name:
        Path(name).chmod(0o755)
        folder = Path(name, "cache")
        bits, compiled = finish(start(folder))
        assert compiled > 0
        assert finish(start(folder)) == (bits, 0)
        yield folder, bits


def test_four_processes_with_one_cold_cache(warm: tuple[Path, str], tmp_path: Path) -> None:
    running = [start(tmp_path) for _ in range(4)]
    assert {finish(process)[0] for process in running} == {warm[1]}
    assert {path.suffix for path in (tmp_path / "kernels").iterdir()} <= {".o", ".py"}
    assert finish(start(tmp_path)) == (warm[1], 0)


@posix
def test_a_fork_before_the_first_use(warm: tuple[Path, str], tmp_path: Path) -> None:
    assert finish(start(tmp_path, "fork"))[0] == warm[1]


def as_anybody() -> None:
    """Root may write everywhere; without this capability (1, CAP_DAC_OVERRIDE) a mode of 0555 holds for root too."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(24, 1, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


def may_be_read_only() -> bool:
    return os.name == "posix" and (os.getuid() != 0 or (sys.platform == "linux" and "CapBnd" in _status()))


def _status() -> str:
    """Root in a container may not have the right to give up rights (8, CAP_SETPCAP)."""
    text = Path("/proc/self/status").read_text()
    effective = int(text.partition("CapEff:")[2].split()[0], 16)
    return text if effective >> 8 & 1 else ""


@pytest.mark.skipif(not may_be_read_only(), reason="this user can write everywhere")
def test_a_cache_that_cannot_be_written(warm: tuple[Path, str]) -> None:
    folder = warm[0].with_name("empty")
    folder.mkdir(mode=0o555)
    bits, compiled = finish(start(folder, preexec_fn=as_anybody))
    assert (bits, list(folder.iterdir())) == (warm[1], [])
    assert compiled > 0


@posix
def test_a_full_disk(warm: tuple[Path, str], tmp_path: Path) -> None:
    """Files that cannot grow further: what was half written must not be left, or taken."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))

    limited: Callable[[], None] = limit
    assert finish(start(tmp_path, preexec_fn=limited))[0] == warm[1]
    assert all(path.stat().st_size < FULL for path in (tmp_path / "kernels").iterdir())
    assert finish(start(tmp_path))[0] == warm[1]
