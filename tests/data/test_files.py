"""Opening: what is no readable, unchanging, honest file is told before anything is made of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.data.formats import gz, peak_memory, refused, write

from denpa.data import read
from denpa.data.files import ALLOWANCE, EXPANSION, MIB, check_expansion, listed, opened, shown, shown_path
from denpa.errors import EXIT_DATA, EXIT_USAGE, DataError, UsageError


@pytest.mark.parametrize("name", ["nothing.csv", "", "a\0b", "folder/nothing.csv", "x" * 300])
def test_a_missing_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, DataError)) as caught:
        read(name)
    if len(name) < 255:
        assert caught.value.exit_code == EXIT_USAGE
        assert "no such file or folder" in str(caught.value)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with refused("not a regular file"):
        read(tmp_path / "pipe")


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file is empty") as caught:
        read(write(tmp_path / "t.csv", ""))
    assert caught.value.exit_code == EXIT_DATA


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,y\n1,2\n")
    path.chmod(0)
    with refused("cannot be read", "Permission denied"):
        read(path)


def test_a_read_error_in_the_middle(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,y\n" + "1,2\n" * 100_000)
    with refused("cannot be read"), opened(path) as file:
        writer = os.open(path, os.O_WRONLY)
        os.dup2(writer, file.handle.fileno())  # reading from it now fails: EBADF
        os.close(writer)
        file.stream().read(1 << 20)  # beyond what is buffered


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,y\n1,2\n")
    with refused("changed while it was read"), opened(path), path.open("ab") as more:
        more.write(b"3,4\n")


def test_the_hash_is_of_the_stored_bytes(tmp_path: Path) -> None:
    text = b"a,y\n1,2\n3,4\n"
    assert read(write(tmp_path / "t.csv", text)).sha256 == hashlib.sha256(text).hexdigest()
    assert read(write(tmp_path / "t.csv", gz(text))).sha256 == hashlib.sha256(gz(text)).hexdigest()


def test_gzip_of_several_members(tmp_path: Path) -> None:
    data = read(write(tmp_path / "t.csv.gz", gz(b"a,y\n1,2\n") + gz(b"3,4\n")))
    assert data.inputs.tolist() == [[1], [3]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-1],
        lambda b: b[:-8],
        lambda b: b[:20],
        lambda b: b[:3],
        lambda b: b + b"garbage",
        lambda b: b[:-5] + b"\xff" + b[-4:],
        lambda b: b[:2] + b"\x09" + b[3:],
        lambda b: b[:12] + b"\xff\xff" + b[14:],
    ],
)
def test_damaged_gzip(damage: object, tmp_path: Path) -> None:
    content = gz(b"a,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(1000)))
    with refused("the gzip data is damaged or cut off", "gzip -t"):
        read(write(tmp_path / "t.csv.gz", damage(content)))  # type: ignore[operator]


def zst(content: bytes, **options: int) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    packed: bytes = zstandard.ZstdCompressor(**options).compress(content)
    return packed


def test_zstandard(tmp_path: Path) -> None:
    text = b"a,y\n" + b"".join(b"%d,%d\n" % (i * i % 977, i % 7) for i in range(200_000))
    assert len(read(write(tmp_path / "t.csv.zst", zst(text)), task="regression")) == 200_000
    frames = zst(b"a,y\n1,2\n") + zst(b"3,4\n", write_checksum=True) + zst(b"")
    assert read(write(tmp_path / "f.csv.zst", frames)).inputs.tolist() == [[1], [3]]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b[:-4], lambda b: b[:20], lambda b: b[:5], lambda b: b + b"garbage",
     lambda b: b[:40] + bytes([b[40] ^ 255]) + b[41:]],
)  # fmt: skip
def test_damaged_zstandard(damage: object, tmp_path: Path) -> None:
    content = zst(b"a,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(1000)), write_checksum=True)
    with refused("the zstd data is damaged or cut off", "zstd -t"):
        read(write(tmp_path / "t.csv.zst", damage(content)))  # type: ignore[operator]


def test_a_zstandard_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.zst", zst(b"1" * (1 << 30)))

    def run() -> None:
        with refused("expands too far"):
            read(path)

    assert path.stat().st_size < 200_000
    assert peak_memory(run) < 128 * MIB


def test_the_cap_on_expansion() -> None:
    check_expansion(1, ALLOWANCE, "f")
    check_expansion(MIB, EXPANSION * MIB, "f")
    with refused("expands too far", "out of 1"):
        check_expansion(1, ALLOWANCE + 1, "f")
    with refused("expands too far", "decompress the file first"):
        check_expansion(MIB, EXPANSION * MIB + 1, "f")


def test_what_files_hold_is_shown_harmlessly(tmp_path: Path) -> None:
    assert shown("a\x1b[31m\n") == r"'a\x1b[31m\n'"
    assert len(shown("x" * 1000)) == 60
    assert shown_path("データ.csv") == "データ.csv"
    assert shown_path("a\nb") == r"'a\nb'"
    assert shown_path(os.fsdecode(b"\xff.csv")).encode("ascii") == rb"'\udcff.csv'"
    assert listed([f"c{i}" for i in range(100)]).endswith("'c11', … (88 more)")
    path = tmp_path / os.fsdecode(b"bad\xff.csv")
    with pytest.raises(DataError) as caught:
        read(write(path, "a,y\n1,x,3\n"))
    str(caught.value).encode()  # printable whatever the name
