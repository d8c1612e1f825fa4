"""Kernels as files: kept, found again, never taken when damaged; a folder that cannot be written costs time only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from denpa.engine.native import build
from denpa.engine.native.build import Kernel

TEXT = """
from denpa.engine.native.intrinsics import int64, view

def kernel(arena, code, constants):
    view(arena, 1, int64)[0] = {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DENPA_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "_addresses", {})
    monkeypatch.setattr(build, "statistics", build.Statistics())
    return tmp_path / "kernels"


def test_a_kernel_is_compiled_once_and_then_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Kernel] = []
    monkeypatch.setattr(build, "watchers", [seen.append])
    kernel = Kernel("loop", text=TEXT.format(101))
    assert build.address(kernel) == build.address(kernel)
    monkeypatch.setattr(build, "_addresses", {})
    build.address(kernel)
    assert seen == [kernel]
    assert (build.statistics.compiled, build.statistics.loaded) == (1, 2)
    assert {path.suffix for path in folder.iterdir()} == {".o", ".py"}
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "head"])
def test_a_damaged_file_is_built_again(folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("loop", text=TEXT.format(102))
    build.address(kernel)
    (path,) = folder.glob("*.o")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes({
        "cut": whole[:middle], "empty": b"", "head": b"x" + whole[1:],
        "bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    }[damage])  # fmt: skip
    monkeypatch.setattr(build, "_addresses", {})
    build.address(kernel)
    assert build.statistics.compiled == 2
    assert path.read_bytes()[:15] == whole[:15]


def test_another_text_is_another_kernel(folder: Path) -> None:
    assert build.address(Kernel("loop", text=TEXT.format(103))) != build.address(Kernel("loop", text=TEXT.format(104)))
    assert len(list(folder.glob("*.o"))) == 2


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("DENPA_CACHE", str(blocked))
    monkeypatch.setattr(build, "_addresses", {})
    assert build.address(Kernel("loop", text=TEXT.format(105)))


def environment(cache: Path) -> dict[str, str]:
    """Of a process with that cache, which keeps all kernels: under numba's bounds checks those that check are not."""
    return {**os.environ, "DENPA_CACHE": str(cache), "NUMBA_BOUNDSCHECK": "0"}


def test_four_processes_share_a_cold_cache(tmp_path: Path) -> None:
    program = (
        "from denpa.engine.native.build import Kernel, address\n"
        "for n in (32, 64): address(Kernel('finite', (f'float{n}',))); address(Kernel('copy'))\n"
        "print('ready')"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert [o.strip() for o in outputs] == ["ready"] * 4
    assert len(list((tmp_path / "kernels").iterdir())) == 3  # no temporary files are left


def test_numba_is_not_imported_when_nothing_is_missing(tmp_path: Path) -> None:
    """Its import is half of the time of a short run."""
    program = (
        "import sys\nfrom denpa.engine.native.build import Kernel, address\n"
        "address(Kernel('copy'))\nprint('numba' in sys.modules)"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment(tmp_path), stdout=subprocess.PIPE,
            text=True, timeout=300, check=True,
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert found == ["True", "False"]
