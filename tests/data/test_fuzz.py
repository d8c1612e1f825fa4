"""Damaged files by the thousand, seeded: each gives a Dataset or a DataError, and none takes memory that it claims."""

from __future__ import annotations

import gzip
import io
import random
import resource
import struct
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.data.formats import (
    LONG,
    MUTATIONS,
    SLOW,
    archive,
    gz,
    idx,
    mutated,
    npy,
    npz,
    peak_memory,
    refused,
    table,
    write,
)

from denpa.data import InputEncoding, TargetEncoding, read, read_inputs, read_like
from denpa.data.files import MIB
from denpa.errors import DataError

IMAGES = np.arange(20 * 4 * 3, dtype=np.uint8).reshape(20, 4, 3)
LABELS = (np.arange(20) % 3).astype(np.uint8)
NAMES = np.array(["p", "q", "r"])[LABELS]
ROWS = table([["a", "b, c", "y"], *([i / 7, -i, "pqr"[i % 3]] for i in range(20))])
JOBS = ["cook", "nurse, night", ""]
CELLS = ([i / 7, i % 5, JOBS[i % 3], f"2024-01-{i % 28 + 1}", f"0{i % 3}1", "pq"[i % 2]] for i in range(30))
MIXED = table([["a", "n", "job", "day", "code", "y"], *CELLS])

SAMPLES = {
    "train-images": idx(IMAGES),
    "train-images.gz": gz(idx(IMAGES)),
    "stored.npz": npz(x=IMAGES / 7, y=LABELS),
    "deflated.npz": npz(compressed=True, x_train=IMAGES, y_train=NAMES, x_test=IMAGES, y_test=NAMES),
    "table.csv": ROWS,
    "table.csv.gz": gz(ROWS),
    "mixed.csv": MIXED,
}


def campaign(name: str, folder: Path, reader: Callable[[Path], object], count: int, seed: int = 0) -> Counter[str]:
    """How the reader took `count` mutations of a sample: "read", "DataError", "slow", or the name of what escaped."""
    draw, taken = random.Random(f"{name} {seed}"), Counter[str]()
    write(folder / "train-labels", idx(LABELS))
    for _ in range(count):
        path = write(folder / name, mutated(SAMPLES[name], draw))
        began = time.process_time()
        try:
            reader(path)
            taken["read"] += 1
        except Exception as error:
            taken[type(error).__name__] += 1
        taken["slow"] += time.process_time() - began > SLOW
    return +taken


@pytest.mark.parametrize("name", SAMPLES)
def test_only_data_errors_escape(name: str, tmp_path: Path) -> None:
    taken = campaign(name, tmp_path, read, MUTATIONS)
    assert set(taken) <= {"read", "DataError"}, taken
    assert taken["DataError"] > MUTATIONS / 4
    assert taken["read"] > 0  # some wounds hit nothing that matters, or a pixel


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_only_data_errors_escape_in_a_long_campaign(name: str, tmp_path: Path) -> None:
    """With all that the process has taken in the end: a file is never larger than 20 kB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = campaign(name, tmp_path, read, LONG // len(SAMPLES), seed=random.getrandbits(32))
    assert set(taken) <= {"read", "DataError"}, taken
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


@pytest.mark.parametrize("name", SAMPLES)
def test_predict_and_evaluate_are_as_strict(name: str, tmp_path: Path) -> None:
    write(tmp_path / "train-labels", idx(LABELS))
    data = read(write(tmp_path / name, SAMPLES[name]))
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    for reader in (
        lambda path: inputs.encode(read_inputs(path, inputs).inputs),
        lambda path: read_like(path, inputs, targets),
    ):
        taken = campaign(name, tmp_path, reader, 300, seed=1)
        assert set(taken) <= {"read", "DataError"}, taken


def naive(path: Path) -> object:
    """The broken twin: the same formats read as a notebook would."""
    content = path.read_bytes()
    if path.suffix == ".npz":
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return [arrays[key] for key in arrays.files]
    if content[:2] == b"\x1f\x8b" or path.suffix == ".gz":
        content = gzip.decompress(content)
    if ".csv" in path.name:
        return np.loadtxt(io.StringIO(content.decode()), delimiter=",", skiprows=1, usecols=[0, 1])
    shape = struct.unpack(">3I", content[4:16])
    return np.frombuffer(content, np.uint8, offset=16).reshape(shape)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_the_campaign_finds_the_holes_of_a_naive_reader(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, SAMPLES[name])
    naive(tmp_path / name)
    assert len(set(campaign(name, tmp_path, naive, 500)) - {"read"}) >= 2


def claims() -> dict[str, bytes]:
    """Small files that declare gigabytes."""
    header = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"
    one, y = np.zeros(1), npy(LABELS)
    forged = bytearray(npz(x=IMAGES, y=LABELS))
    entry = forged.index(b"PK\1\2")
    forged[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    return {
        "images of 2^93 bytes": idx(one, 0x08, (2**31, 2**31, 2**31)),
        "images of 2^31 bytes": idx(one, 0x08, (2**31, 1, 1)),
        "zipped images of 2^31 bytes": gz(idx(one, 0x08, (2**31, 1, 1))),
        "zipped images of 12 MiB": gz(idx(one, 0x08, (12, 1024, 1024))),
        "array of 32 GiB": archive([("x.npy", npy(one, header.format("<f8", (2**32,)))), ("y.npy", y)]),
        "array of 2^64 items": archive([("x.npy", npy(one, header.format("<f8", (2**32, 2**32)))), ("y.npy", y)]),
        "text of 4 MB an item": archive(
            [("x.npy", npy(IMAGES)), ("y.npy", npy(one, header.format("<U999999", (20,))))]
        ),
        "header of 4 GiB": archive([("x.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff"), ("y.npy", y)]),
        "member of 4 GiB": bytes(forged),
    }


@pytest.mark.parametrize("name", claims())
def test_a_claimed_size_takes_no_memory(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "train-images", claims()[name])
    write(tmp_path / "train-labels", idx(LABELS))

    def attempt() -> None:
        with refused():
            read(path)

    attempt()  # once before: what Python imports and caches is not the file's
    assert peak_memory(attempt) < 4 * path.stat().st_size + 2 * MIB  # files are read 1 MiB at a time


def bombs() -> dict[str, bytes]:
    """Files that really expand, about 1000:1, to 64 MiB."""
    zeros = bytes(64 * MIB)
    digits = b"x,y\n" + b"1,2\n" * (16 * MIB)
    return {
        "idx": gz(idx(np.zeros((64, 1024, 1024), np.uint8))),
        "idx that hides its size": gz(idx(np.zeros((2, 2, 2), np.uint8)) + zeros),
        "csv": gz(digits),
        "csv of one line": gz(b"1" * 64 * MIB),
        "csv in members": gz(b"x,y\n1,2\n") + gz(digits) + gz(b"1,2\n"),
        "npz": npz(compressed=True, x=np.zeros((8, MIB)), y=np.arange(8)),
        "npz of a header": archive([("x.npy", zeros), ("y.npy", npy(LABELS))], zipfile.ZIP_DEFLATED),
    }


@pytest.fixture(scope="module")
def bomb_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    for name, content in bombs().items():
        assert len(content) < MIB
        write(folder / name / "train-images", content)
        write(folder / name / "train-labels", idx(np.zeros(64, np.uint8)))
    return folder


@pytest.mark.parametrize(
    "name", ["idx", "idx that hides its size", "csv", "csv of one line", "csv in members", "npz", "npz of a header"]
)
def test_bombs_are_refused_in_little_memory(name: str, bomb_files: Path) -> None:
    def attempt() -> None:
        with pytest.raises(DataError, match=r"expands too far|does not have the size"):
            read(bomb_files / name / "train-images")

    assert peak_memory(attempt) < 4 * MIB


def test_a_small_file_that_shrinks_well_is_read(tmp_path: Path) -> None:
    """A legal file of zeros reaches 900:1; below 16 MiB no ratio is refused."""
    path = write(tmp_path / "d.npz", npz(compressed=True, x=np.zeros((1000, 1000)), y=np.arange(1000) % 2))
    assert path.stat().st_size * 500 < 8_000_000
    assert read(path).inputs.shape == (1000, 1000)
    assert peak_memory(lambda: read(path)) < 4 * 8_000_000


def test_a_table_takes_no_more_than_four_times_its_file(tmp_path: Path) -> None:
    """The densest table there is: two bytes a cell become eight."""
    row = ",".join(["1"] * 99)
    path = write(
        tmp_path / "t.csv", ",".join([*(f"c{i}" for i in range(99)), "y"]) + "\n" + f"{row},0\n{row},1\n" * 20_000
    )
    size = path.stat().st_size
    assert size > 7 * MIB
    assert peak_memory(lambda: read(path)) < 5.5 * size + 8 * MIB  # 4 × 1.25 for growth, one chunk of texts beside it
