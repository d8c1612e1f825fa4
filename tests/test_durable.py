"""Durable writes: the order of system calls, and every one of them failing once."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from denpa import durable
from denpa.errors import TrainingError

CALLS = ("open", "fsync", "replace")


def trace(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Records what durable asks of the system: (call, the path's last part)."""
    seen: list[tuple[str, str]] = []
    paths: dict[int, str] = {}
    real_open, real_fsync, real_replace = os.open, os.fsync, os.replace

    def opened(path: Any, *args: Any, **kwargs: Any) -> int:
        descriptor = real_open(path, *args, **kwargs)
        paths[descriptor] = Path(path).name
        return descriptor

    def synced(descriptor: int) -> None:
        seen.append(("fsync", paths[descriptor]))
        real_fsync(descriptor)

    def replaced(a: Any, b: Any) -> None:
        seen.append(("replace", Path(b).name))
        real_replace(a, b)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


def test_file_synced_then_renamed_then_folder_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "名 前.bin"
    seen = trace(monkeypatch)
    durable.write(path, b"abc")
    (first, temporary), *rest = seen
    assert first == "fsync"
    assert temporary.startswith(".")
    assert rest == [("replace", "名 前.bin"), ("fsync", tmp_path.name)]
    assert path.read_bytes() == b"abc"
    assert durable.leftovers(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("n", [1, 2])
def test_every_call_may_fail(call: str, n: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file or the new one, an error that names both path and cause, and nothing left over."""
    path = tmp_path / "file"
    durable.write(path, b"old")
    real, count = getattr(os, call), 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == n:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, failing)
    if call == "replace" and n == 2:  # a write renames once
        durable.write(path, b"new")
    else:
        with pytest.raises(TrainingError, match=errno.errorcode[code]) as caught:
            durable.write(path, b"new", what="the thing")
        assert "the thing" in str(caught.value)
        assert str(path) in str(caught.value)
    monkeypatch.undo()
    assert path.read_bytes() in (b"old", b"new")
    assert durable.leftovers(tmp_path) == []


def test_space_is_looked_at_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*tuple(real)[:3], 0, 0, *tuple(real)[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(TrainingError, match="disk is full"):
        durable.write(tmp_path / "file", b"x" * 10)
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from denpa import durable
from denpa.errors import TrainingError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
path = Path(sys.argv[1])
durable.write(path, b"small")
try:
    durable.write(path, b"x" * 200_000)
except TrainingError as error:
    print(error)
assert path.read_bytes() == b"small", "the old file was touched"
assert durable.leftovers(path.parent) == [], "a part of the new one is still there"
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on file sizes")
def test_a_file_size_limit_met_in_the_middle_of_a_write(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "file")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "EFBIG" in done.stdout


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The temporary name could have been prepared by somebody else."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(outside)
    with pytest.raises(TrainingError):
        durable.write(tmp_path / "file", b"ours")
    assert outside.read_bytes() == b"theirs"


def test_append_truncate_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "lines"
    durable.make_folder(path.parent)
    durable.append(path, b"one\n")
    durable.append(path, b"two\n")
    durable.truncate(path, 4)
    assert path.read_bytes() == b"one\n"
    durable.remove([path, path])
    assert not path.exists()


@pytest.mark.parametrize("act", [lambda p: durable.write(p, b"x"), lambda p: durable.append(p, b"x")])
def test_a_folder_that_is_gone(act: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the folder is gone"):
        act(tmp_path / "gone" / "file")
