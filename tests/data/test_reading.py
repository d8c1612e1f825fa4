"""One door for all formats: told by contents, the model's columns by name, the model's classes in its order."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.data.formats import gz, idx, mnist, npz, refused, table, write

from denpa.data import InputEncoding, TargetEncoding, read, read_inputs, read_like
from denpa.errors import DataError, MissingPackage, UsageError

TRAIN = table([["a", "b", "c", "kind"], *([i, i * i, -i, "pqr"[i % 3]] for i in range(30))])


@pytest.fixture
def trained(tmp_path: Path) -> tuple[InputEncoding, TargetEncoding]:
    data = read(write(tmp_path / "train.csv", TRAIN), target="kind")
    return InputEncoding.fit(data), TargetEncoding.fit(data)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    images, labels = np.zeros((4, 2, 2), np.uint8), np.array([0, 1, 0, 1])
    assert read(write(tmp_path / "table.npz", "x,y\n1,2\n2,3\n")).features == 1
    assert read(write(tmp_path / "arrays.csv", npz(x=images, y=labels))).image_shape == (2, 2)
    assert read(write(tmp_path / "no-suffix", gz(b"x,y\n1,2\n2,3\n"))).features == 1
    mnist(tmp_path, images, labels.astype(np.uint8))
    (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / "train-images")
    assert read(str(tmp_path / "train-images")).image_shape == (2, 2)


def npy_file() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ones(3))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (npy_file(), "which file has the targets?"),
        (b"PAR1\x15\0", "the Parquet or Arrow file is damaged"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x89PNG\r\n\x1a\n", "this is one picture"),
        (b"\x80\x05\x95", "never read"),
        (b"\x28\xb5\x2f\xfd\0", "the zstd data is damaged"),
        (gz(npz(x=np.ones(2))), "an archive inside gzip"),
        (b"\0\0\x07\x03", "not an IDX file"),
        (b"PK,y\n1,2\n2,3\n", ""),  # a column called PK is no archive
    ],
)
def test_foreign_files_are_named(content: bytes, fragment: str, tmp_path: Path) -> None:
    path = write(tmp_path / "data", content)
    if not fragment:
        assert read(path).input_names == ("PK",)
        return
    with refused(fragment, str(path)):
        read(path)


def test_digits() -> None:
    pytest.importorskip("sklearn.datasets")
    data = read("digits")
    assert (data.inputs.shape, data.inputs.dtype, data.image_shape, data.maximum) == (
        (1797, 8, 8),
        np.uint8,
        (8, 8),
        16,
    )
    assert (data.inputs.min(), data.inputs.max()) == (0, 16)
    assert data.classes == tuple("0123456789")
    assert np.bincount(data.targets).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]  # of the data's DESCR
    assert data.sha256 == read("digits").sha256
    encoded = InputEncoding.fit(data).encode(data.inputs)
    np.testing.assert_array_equal(encoded, data.inputs.reshape(1797, 64).astype(np.float32) / 16)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingPackage, match=r'pip install "denpa\[sklearn\]"'):
        read("digits")


def test_options_that_cannot_be_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", npz(x=np.ones((4, 1)), y=np.arange(4.0)))
    assert read(path, target="y").target_name == "y"
    with pytest.raises(UsageError, match="only a table has a target to choose"):
        read(path, target="z")
    with pytest.raises(UsageError, match="unknown task"):
        read(path, task="clustering")


def test_columns_are_matched_by_name_in_any_order(
    trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path
) -> None:
    rows = write(tmp_path / "new.csv", "note,c,a,b\nx,7,1,4\n?,8,2,5\n")
    found = read_inputs(rows, trained[0])
    assert found.inputs.tolist() == [[1, 4, 7], [2, 5, 8]]
    assert (found.input_names, found.ignored) == (("a", "b", "c"), ("note",))
    shuffled = write(tmp_path / "eval.csv", "kind,c,b,a\nr,7,4,1\np,8,5,2\n")
    data = read_like(shuffled, *trained)
    assert data.inputs.tolist() == [[1, 4, 7], [2, 5, 8]]
    assert (data.classes, data.targets.tolist()) == (("p", "q", "r"), [2, 0])


def test_missing_columns_are_named(trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path) -> None:
    path = write(tmp_path / "new.csv", "aa,b\n1,2\n")
    with refused("missing columns: 'a', 'c'; did you mean 'aa'?", "2 columns: 'aa', 'b'"):
        read_inputs(path, trained[0])
    with refused("missing columns: 'a', 'c', 'kind'"):
        read_like(path, *trained)


def test_a_single_column_is_enough_to_predict(tmp_path: Path) -> None:
    encoding = InputEncoding.fit(read(write(tmp_path / "t.csv", "x,y\n1,2\n2,3\n")))
    assert read_inputs(write(tmp_path / "new.csv", "x\n5\n"), encoding).inputs.tolist() == [[5]]


def test_bad_cells_in_columns_that_are_used_only(trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path) -> None:
    with refused("column 'c': 1 of 2 cells are not numbers", "line 3", "'forty'", "trained on"):
        read_inputs(write(tmp_path / "new.csv", "a,b,c,note\n1,2,3,?\n1,2,forty,?\n"), trained[0])


def test_unknown_labels(trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path) -> None:
    path = write(tmp_path / "new.csv", "a,b,c,kind\n1,2,3,p\n1,2,3,maybe\n1,2,3,maybe\n")
    with refused("labels that the training data did not have: 'maybe'", "line 3", "2 rows", "'p', 'q', 'r'"):
        read_like(path, *trained)


def test_one_class_is_enough_to_evaluate(trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path) -> None:
    assert read_like(write(tmp_path / "e.csv", "a,b,c,kind\n1,2,3,r\n"), *trained).targets.tolist() == [2]
    images = np.zeros((3, 2, 2), np.uint8)
    data = read(mnist(tmp_path / "train", images, np.array([0, 1, 4], np.uint8)), task="classification")
    encodings = InputEncoding.fit(data), TargetEncoding.fit(data)
    single = mnist(tmp_path / "test", images, np.array([4, 4, 4], np.uint8))
    assert read_like(single, *encodings).targets.tolist() == [2, 2, 2]
    arrays = write(tmp_path / "e.npz", npz(x=images, y=np.array([4, 4, 4])))
    assert read_like(arrays, *encodings).targets.tolist() == [2, 2, 2]
    assert (
        read_like(mnist(tmp_path / "train", images, np.array([0, 1, 4], np.uint8)).parent, *encodings).classes
        == data.classes
    )


def test_numeric_labels_keep_their_names(tmp_path: Path) -> None:
    """1 and 1.0 are the same class, and the classes of the file at hand do not renumber the model's."""
    data = read(write(tmp_path / "t.csv", table([["x", "y"], *([i, (3, 7)[i % 2]] for i in range(20))])))
    encodings = InputEncoding.fit(data), TargetEncoding.fit(data)
    assert read_like(write(tmp_path / "e.csv", "x,y\n1,7.0\n2,7\n"), *encodings).targets.tolist() == [1, 1]


def test_regression_targets_are_numbers_whatever_they_look_like(tmp_path: Path) -> None:
    data = read(write(tmp_path / "t.csv", "x,y\n1,0.5\n2,1\n3,2\n"))
    encodings = InputEncoding.fit(data), TargetEncoding.fit(data)
    found = read_like(write(tmp_path / "e.csv", "x,y\n1,1\n2,0\n3,1\n"), *encodings)
    assert (found.classes, found.targets.tolist()) == (None, [1, 0, 1])
    with refused("column 'y': 2 of 2 cells are not numbers", "'high'"):
        read_like(write(tmp_path / "e.csv", "x,y\n1,high\n2,low\n"), *encodings)


def test_inputs_without_names(trained: tuple[InputEncoding, TargetEncoding], tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", npz(x=np.ones((2, 3)), y=np.arange(2)))
    with refused("knows its inputs by name", "'a', 'b', 'c'"):
        read_inputs(path, trained[0])
    with refused("knows its inputs by name"):
        read_like(path, *trained)
    data = read(path)
    encoding = InputEncoding.fit(data)
    assert read_inputs(path, encoding).inputs.shape == (2, 3)
    assert read_inputs(write(tmp_path / "t.csv", "x3,x1,x2\n1,2,3\n"), encoding).inputs.tolist() == [[2, 3, 1]]


def test_images_alone_are_enough_to_predict(tmp_path: Path) -> None:
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    data = read(mnist(tmp_path, images, np.array([0, 1, 0], np.uint8)))
    encoding = InputEncoding.fit(data)
    alone = write(tmp_path / "alone", idx(images))
    for source in (alone, write(tmp_path / "x.npz", npz(x_test=images)), tmp_path):
        np.testing.assert_array_equal(read_inputs(source, encoding).inputs, images)
    with refused("inputs called x_test, x"):
        read_inputs(write(tmp_path / "z.npz", npz(z=images)), encoding)
    as_table = table([encoding.names, *images.reshape(3, 4).tolist()])
    found = read_inputs(write(tmp_path / "pixels.csv", as_table), encoding)
    np.testing.assert_array_equal(encoding.encode(found.inputs), encoding.encode(images))


def test_models_of_before_columns_were_described(tmp_path: Path) -> None:
    """Their encodings know names, means and deviations only: numbers in every cell."""
    old = {"kind": "table", "names": ["a", "b"], "mean": [1.0, 2.0], "std": [1.0, 2.0], "constant": []}
    encoding = InputEncoding.from_json(old)
    found = read_inputs(write(tmp_path / "new.csv", "b,c,a\n4,x,3\n2,y,1\n"), encoding)
    np.testing.assert_array_equal(encoding.encode(found.inputs), [[2, 1], [0, 0]])
    with refused("column 'b': 1 of 2 cells are empty"):
        read_inputs(write(tmp_path / "gap.csv", "a,b\n1,\n1,2\n"), encoding)


WORDS = st.sampled_from(
    ["cook", "nurse", "01", "?", "NA", "", " pilot", "a,b", "2024-01-05", "2023/2/1", "x y", "true"]
)
FIGURES = st.sampled_from(["1", "2.50", "-3e2", "", "?", "nan", "007", "0.1", "12"])
COLUMN = st.sampled_from([WORDS, FIGURES]).flatmap(lambda cells: st.lists(cells, min_size=12, max_size=12))


@settings(max_examples=300)
@given(
    columns=st.lists(COLUMN, min_size=1, max_size=4), target=st.lists(st.sampled_from("pqr"), min_size=12, max_size=12)
)
def test_what_predict_reads_is_what_training_read(
    columns: list[list[str]], target: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A table with anything in it is refused, or gives the same network inputs in training and in predicting."""
    names = [f"c{i}" for i in range(len(columns))]
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write(path, table([[*names, "y"], *zip(*columns, target, strict=True)]))
    try:
        data = read(path)
    except DataError:
        return
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    encoded = inputs.encode(data.inputs, np.float64)
    assert np.isfinite(encoded).all()
    assert not encoded[:, [i for i, name in enumerate(inputs.names) if name.endswith("=<other>")]].any()
    again = InputEncoding.from_json(json.loads(json.dumps(inputs.to_json())))
    backward = write(path, table([["y", *names[::-1]], *zip(target, *columns[::-1], strict=True)]))
    found = read_inputs(backward, again)
    assert found.notices == ()
    np.testing.assert_array_equal(again.encode(found.inputs, np.float64), encoded)
    np.testing.assert_array_equal(read_like(backward, again, targets).targets, data.targets)
