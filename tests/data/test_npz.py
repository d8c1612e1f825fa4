"""NPZ files: what NumPy wrote is read; forged sizes, pickles and unknown names are refused."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.data.formats import archive, npy, npz, refused, write

from denpa.data import read

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0.5, 1, 2, 3, 4, 5])


def arrays() -> st.SearchStrategy[np.ndarray]:
    kinds = hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes(sizes=(16, 32, 64))
    shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)
    finite = {"allow_nan": False, "allow_infinity": False}
    return st.tuples(kinds | hnp.boolean_dtypes(), shapes).flatmap(
        lambda both: hnp.arrays(both[0], both[1], elements=finite if both[0].kind == "f" else None)
    )


@given(x=arrays(), compressed=st.booleans(), fortran=st.booleans())
def test_what_numpy_wrote_is_read(
    x: np.ndarray, compressed: bool, fortran: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    y = np.arange(len(x) + 1)[1:] / 3
    x = np.concatenate([x, x])  # two rows at least: a target of one value is refused
    y = np.concatenate([y, -y])
    path = tmp_path_factory.getbasetemp() / "array.npz"
    write(path, npz(compressed, x=np.asfortranarray(x) if fortran else x, y=y))
    data = read(path)
    rows = x[:, None] if x.ndim == 1 else x
    np.testing.assert_array_equal(data.inputs, rows.astype(np.float64) if rows.dtype != np.uint8 else rows)
    np.testing.assert_array_equal(data.targets, y)
    assert data.image_shape == (rows.shape[1:] if rows.ndim > 2 else None)


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("inputs", "targets"), ("x_train", "y_train")])
def test_the_accepted_names(names: tuple[str, str], tmp_path: Path) -> None:
    data = read(write(tmp_path / "d.npz", npz(**{names[0]: X, names[1]: Y, "extra": X})))
    np.testing.assert_array_equal(data.inputs, X)
    assert (data.target_name, data.test) == (names[1], None)


def test_a_test_part(tmp_path: Path) -> None:
    labels = np.array(["b", "a", "b", "a", "b", "a"])
    data = read(write(tmp_path / "d.npz", npz(x_train=X, y_train=labels, x_test=X[:1], y_test=labels[:1])))
    assert data.classes == ("a", "b")
    assert data.targets.tolist() == [1, 0, 1, 0, 1, 0]
    assert data.test is not None
    assert data.test.targets.tolist() == [1]
    with refused("did not have: 'c'"):
        read(write(tmp_path / "d.npz", npz(x_train=X, y_train=labels, x_test=X[:1], y_test=np.array(["c"]))))
    with refused("x_test and y_test, or neither"):
        read(write(tmp_path / "d.npz", npz(x_train=X, y_train=labels, x_test=X[:1])))
    with refused("test rows have another shape", "(1,)", "(2,)"):
        read(write(tmp_path / "d.npz", npz(x_train=X, y_train=labels, x_test=X[:1, :1], y_test=labels[:1])))


def test_the_task_follows_the_targets(tmp_path: Path) -> None:
    def task(y: np.ndarray, x: np.ndarray | None = None) -> tuple[str, tuple[str, ...] | None]:
        data = read(write(tmp_path / "d.npz", npz(x=np.ones((len(y), 2)) if x is None else x, y=y)))
        return data.task, data.classes

    assert task(np.arange(100) % 2) == ("classification", ("0", "1"))
    assert task(np.arange(100) % 4) == ("classification", ("0", "1", "2", "3"))
    assert task(np.arange(100) % 5) == ("regression", None)  # 5 of 100 rows is not below 5 %
    assert task(np.arange(1000) % 21) == ("regression", None)  # more than 20
    assert task(np.array([1.5, 2.5] * 50)) == ("regression", None)  # no integers
    assert task(np.array([-1.0, 1.0] * 3)) == ("classification", ("-1", "1"))
    assert task(np.array([True, False])) == ("classification", ("0", "1"))
    assert task(np.eye(3)[[0, 2, 1, 1]]) == ("classification", ("0", "1", "2"))
    assert task(np.array([[1, 1], [0, 1], [1, 0]])) == ("regression", None)
    assert task(np.arange(60) % 26, np.zeros((60, 2, 2), np.uint8))[0] == "classification"
    assert task(np.arange(6.0)[:, None]) == ("regression", None)


@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order(order: str, tmp_path: Path) -> None:
    data = read(write(tmp_path / "d.npz", npz(x=X.astype(order + "f4"), y=Y.astype(order + "f8"))))
    np.testing.assert_array_equal(data.inputs, X)
    assert data.inputs.dtype == np.float32
    assert data.inputs.dtype.isnative


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "canary"),)

    content = npz(x=np.array([[Canary()]], dtype=object), y=Y[:1])
    with refused("pickled Python objects, which are never read", "array 'x'"):
        read(write(tmp_path / "d.npz", content))
    with np.load(tmp_path / "d.npz", allow_pickle=True) as loaded:  # the broken twin: the canary is alive
        loaded["x"]
    assert (tmp_path / "canary").is_dir()


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        pytest.param(npz(a=X, b=Y), ["arrays called 'a', 'b'", "(x, y) or (X, y)"], id="unknown names"),
        pytest.param(npz(x=X), ["arrays called 'x'"], id="no targets"),
        pytest.param(npz(x=X, X=X, y=Y), ["which arrays"], id="two pairs"),
        pytest.param(npz(x=X, y=Y[:5]), ["differ in number", "6 rows of inputs, 5 of targets"], id="counts"),
        pytest.param(npz(x=X, y=np.float64(3)), ["holds no rows"], id="scalar"),
        pytest.param(npz(x=X[:0], y=Y[:0]), ["holds no rows", "(0, 2)"], id="no rows"),
        pytest.param(npz(x=X * 1j, y=Y), ["cannot be trained on", "c16"], id="complex"),
        pytest.param(npz(x=X.astype("M8[s]"), y=Y), ["cannot be trained on", "M8[s]"], id="dates"),
        pytest.param(npz(x=np.zeros(6, [("a", "f4")]), y=Y), ["cannot be trained on"], id="structured"),
        pytest.param(npz(x=X.astype(str), y=Y), ["the inputs are not numbers"], id="text inputs"),
        pytest.param(npz(x=np.where(X == 5, np.nan, X), y=Y), ["inputs", "1 values", "row 3"], id="NaN input"),
        pytest.param(npz(x=X, y=np.where(Y == 5, np.inf, Y)), ["target 'y'", "1 values", "row 6"], id="inf target"),
        pytest.param(npz(x=X, y=Y * 0), ["one value only", "0.0 in all 6 rows"], id="constant"),
        pytest.param(npz(x=X, y=np.array(["a"] * 6)), ["1 class", "'a' in all 6 rows"], id="one class"),
        pytest.param(npz(x=X, y=np.array(list("abcdef"))), ["too many classes", "6 different"], id="identifiers"),
        pytest.param(npz(x=X.reshape(6, 1, 1, 1, 2), y=Y), ["header is damaged", "shape"], id="five dimensions"),
        pytest.param(archive([("x.npy", npy(X)), ("x.npy", npy(X))]), ["two arrays are called 'x'"], id="twice"),
        pytest.param(archive([("xl/sheet.xml", b"<a/>")]), ["without NumPy arrays", "xl/sheet.xml"], id="spreadsheet"),
        pytest.param(archive([]), ["without NumPy arrays", "an empty archive"], id="empty archive"),
        pytest.param(archive([("x.npy", b""), ("y.npy", npy(Y))]), ["header is damaged"], id="empty member"),
        pytest.param(npz(x=X, y=Y)[:-30], ["damaged or cut off"], id="cut off"),
        pytest.param(
            archive([("x.npy", npy(X)), ("y.npy", npy(Y))], zipfile.ZIP_BZIP2), ["unknown way", "12"], id="bzip2"
        ),
    ],
)
def test_a_wrong_file_is_refused(content: bytes, fragments: list[str], tmp_path: Path) -> None:
    with refused(*fragments, str(tmp_path)):
        read(write(tmp_path / "d.npz", content))


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (6, 2), }"


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        "{'shape': (6, 2), 'fortran_order': False, 'descr': '<f8'}\n",
        "{ 'descr' : '<f8' , 'fortran_order' : False,'shape':(6,2)}   \n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (6L, 2L), }",
    ],
)
@pytest.mark.parametrize("version", [b"\1\0", b"\2\0", b"\3\0"])
def test_headers_of_other_writers(header: str, version: bytes, tmp_path: Path) -> None:
    content = archive([("x.npy", npy(X, header, version)), ("y.npy", npy(Y))])
    np.testing.assert_array_equal(read(write(tmp_path / "d.npz", content)).inputs, X)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        GOOD.replace("'shape'", "'shapes'"),
        GOOD.replace("'shape'", "'descr'"),
        GOOD.replace("False", "0"),
        GOOD.replace("False", "(1,)"),
        GOOD.replace("(6, 2)", "(6, -2)"),
        GOOD.replace("(6, 2)", "(6, 2.0)"),
        GOOD.replace("(6, 2)", f"({'9' * 5000},)"),
        GOOD.replace("(6, 2)", "True"),
        GOOD.replace("(6, 2)", "(7, 2)"),
        GOOD.replace("(6, 2)", "(6, 0)"),
        GOOD.replace("(6, 2)", f"({2**61}, 2)"),
        GOOD.replace("<f8", "<f80"),
        GOOD.replace("<f8", "<f4"),
        GOOD.replace("'<f8'", "'<U999999'"),
        GOOD.replace("'<f8'", "__import__('os').getcwd()"),
        GOOD.replace("'<f8'", "[" * 3000 + "]" * 3000),
        GOOD + " " * 10_000,
        "-" * 9_999,
        ("'descr':[]," * 900)[:9_900],
    ],
)
def test_forged_headers_are_refused(header: str, tmp_path: Path) -> None:
    content = archive([("x.npy", npy(X, header)), ("y.npy", npy(Y))])
    with refused("array 'x'"):
        read(write(tmp_path / "d.npz", content))


def test_a_member_that_claims_another_size_is_refused(tmp_path: Path) -> None:
    content = bytearray(npz(x=X, y=Y))
    entry = content.index(b"PK\1\2")  # central directory: the uncompressed size stands at 24, the compressed one at 20
    for offset in (20, 24):
        forged = content.copy()
        forged[entry + offset : entry + offset + 4] = struct.pack("<I", 3_000_000_000)
        with refused("array 'x'", "3,000,000,000"):
            read(write(tmp_path / "d.npz", bytes(forged)))


def test_text_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    codes = np.array([97, 98, 97, 98, 0xD800, 0x110000], "<u4")
    content = archive(
        [("x.npy", npy(X)), ("y.npy", npy(codes, "{'descr': '<U1', 'fortran_order': False, 'shape': (6,), }"))]
    )
    with refused("what is no character", "array 'y'"):
        read(write(tmp_path / "d.npz", content))
