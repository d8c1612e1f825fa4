"""Tensor files: what is written comes back, and nothing damaged, foreign or dangerous does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from denpa import tensorfile
from denpa.errors import ModelFileError

ARRAYS = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(2.5),
    "none": np.empty((0, 4), np.int64),
    "flags": np.array([True, False, True]),
    "重み": np.array([1, 2], np.uint64),
}
ABOUT = {"kind": "test", "text": '"sha256":"' + "0" * 64, "numbers": [1, 2.5, None]}


def raw(header: Any, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(tensorfile.encode(ARRAYS, ABOUT))
    file = tensorfile.read(path)
    assert {k: v for k, v in file.about.items() if k != "sha256"} == ABOUT
    for name, value in ARRAYS.items():
        got = file.arrays[name]
        assert (got.dtype, got.shape, got.tobytes()) == (value.dtype, value.shape, value.tobytes())
        assert not got.flags.writeable


def test_the_reference_library_reads_it() -> None:
    from safetensors.numpy import load

    found = load(tensorfile.encode(ARRAYS, ABOUT))
    assert {n: v.tobytes() for n, v in found.items()} == {n: v.tobytes() for n, v in ARRAYS.items()}


def test_a_file_of_the_reference_library_is_read_when_asked_for() -> None:
    from safetensors.numpy import save

    data = save({"w": np.ones((3, 2))})
    assert tensorfile.decode(data, "x", foreign=True).arrays["w"].shape == (3, 2)
    with pytest.raises(ModelFileError, match="no description by denpa"):
        tensorfile.decode(data, "x")


def test_the_bytes_do_not_depend_on_the_process() -> None:
    code = "import numpy as np; from denpa import tensorfile; import hashlib; "
    code += (
        "d = tensorfile.encode({n: np.arange(5.) for n in 'abcdefgh'}, {'k': 1}); print(hashlib.sha256(d).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_every_flipped_bit_is_found() -> None:
    data = tensorfile.encode(ARRAYS, ABOUT)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ModelFileError):
            tensorfile.decode(bytes(damaged), "x")


def test_every_cut_is_found() -> None:
    data = tensorfile.encode(ARRAYS, ABOUT)
    for size in range(len(data)):
        with pytest.raises(ModelFileError):
            tensorfile.decode(data[:size], "x")
    with pytest.raises(ModelFileError):
        tensorfile.decode(data + b"\0", "x")


BAD = {
    "overflowing shape": raw({"w": entry(shape=[1 << 62, 4])}, b"\0" * 8),
    "negative size": raw({"w": entry(shape=[-2, -1])}, b"\0" * 8),
    "float size": raw({"w": entry(shape=[2.0])}, b"\0" * 8),
    "true size": raw({"w": entry(shape=[True, 2])}, b"\0" * 8),
    "backwards": raw({"w": entry(data_offsets=[8, 0])}, b"\0" * 8),
    "beyond the end": raw({"w": entry(data_offsets=[0, 8])}, b"\0" * 4),
    "overlap": raw({"a": entry(), "b": entry(data_offsets=[4, 12])}, b"\0" * 12),
    "hole": raw({"a": entry(), "b": entry(data_offsets=[12, 20])}, b"\0" * 20),
    "trailing": raw({"a": entry()}, b"\0" * 9),
    "unknown dtype": raw({"w": entry(dtype="F4")}, b"\0" * 8),
    "list dtype": raw({"w": entry(dtype=["F32"])}, b"\0" * 8),
    "extra key": raw({"w": entry(code="os.system")}, b"\0" * 8),
    "no mapping": raw({"w": 3}),
    "many dimensions": raw({"w": entry(shape=[1] * 65 + [2])}, b"\0" * 8),
    "duplicate key": raw(b'{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{}}'),
    "NaN": raw(b'{"w":NaN}'),
    "out of range": raw(b'{"w":1e999}'),
    "deep": raw(b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "list": raw(b"[]" + b" " * 8),
    "not text": raw(b"{\xff\xfe}" + b" " * 8),
    "metadata number": raw({"__metadata__": {"a": 1}}),
    "metadata list": raw({"__metadata__": []}),
    "huge header": (1 << 62).to_bytes(8, "little") + b"{}" * 10,
    "header beyond the file": (100).to_bytes(8, "little") + b"{}" * 10,
    "empty": b"",
    "zip": b"PK\3\4" + b"\0" * 40,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_tensor_file_is_refused(name: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        tensorfile.decode(BAD[name], "somewhere", foreign=True)
    assert "somewhere" in str(caught.value)


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.lists(st.integers(), max_size=4), max_size=3))
def test_whatever_comes_only_one_error_leaves(payload: bytes, names: dict[str, list[int]]) -> None:
    header = {n: {"dtype": "U8", "shape": s, "data_offsets": s[:2]} for n, s in names.items()}
    for data in (payload, raw(header, payload)):
        try:
            file = tensorfile.decode(data, "x", foreign=True)
        except ModelFileError:
            continue
        assert sum(a.nbytes for a in file.arrays.values()) <= len(data)


def test_a_pipe_and_a_folder_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(ModelFileError):
            tensorfile.read(path)


def test_memory_is_not_taken_for_what_a_header_claims(tmp_path: Path) -> None:
    """32 GiB claimed by 100 bytes: refused under a limit of 2 GiB of address space."""
    path = tmp_path / "file"
    path.write_bytes(raw({"w": {"dtype": "F64", "shape": [1 << 32], "data_offsets": [0, 1 << 35]}}))
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); "
    code += "from denpa import tensorfile, errors\ntry: tensorfile.read(sys.argv[1], foreign=True)\n"
    code += "except errors.ModelFileError: print('refused')"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert done.stdout == "refused\n", done.stderr
