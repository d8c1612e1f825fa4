"""IDX files: what was written is read, and what is not exactly what its header says is refused."""

from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.data.formats import IDX_CODES, gz, idx, mnist, refused, write

from denpa.data import idx as reader, read
from denpa.data.files import opened

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def arrays() -> st.SearchStrategy[np.ndarray]:
    kinds = st.sampled_from([np.dtype(kind) for kind in IDX_CODES])
    return kinds.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(max_dims=4, max_side=5)))


@given(array=arrays(), zipped=st.booleans())
def test_what_was_written_is_read(array: np.ndarray, zipped: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "array.idx"
    write(path, gz(idx(array)) if zipped else idx(array))
    with opened(path) as file:
        found = reader.read_array(file)
    assert found.shape == array.shape
    np.testing.assert_array_equal(found.astype(array.dtype), array)  # NaN equals NaN here


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        pytest.param(idx(LABELS)[:-1], ["5 bytes of values", "6 bytes for shape (6,)"], id="one byte short"),
        pytest.param(idx(LABELS) + b"\0", ["6 bytes for shape (6,)"], id="one byte long"),
        pytest.param(idx(LABELS)[:8], ["0 bytes of values"], id="header only"),
        pytest.param(idx(LABELS)[:6], ["header is cut off"], id="cut in the sizes"),
        pytest.param(idx(LABELS)[:3], ["not an IDX file", "00 00 08"], id="cut in the magic"),
        pytest.param(idx(LABELS, code=0x0A), ["not an IDX file", "00 00 0a 01"], id="unknown type"),
        pytest.param(idx(LABELS, code=0x0E), ["48 bytes for shape (6,)"], id="another type"),
        pytest.param(idx(LABELS, shape=()), ["not an IDX file"], id="no dimensions"),
        pytest.param(idx(LABELS, shape=(1,) * 9), ["not an IDX file"], id="nine dimensions"),
        pytest.param(idx(LABELS, shape=(0, 5)), ["holds nothing", "(0, 5)"], id="size zero"),
    ],
)
def test_a_wrong_file_is_refused(content: bytes, fragments: list[str], zipped: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "labels", gz(content) if zipped else content)
    with refused(*fragments, str(path)), opened(path) as file:
        reader.read_array(file)


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    good = bytearray(gz(idx(IMAGES)))
    good[-6] ^= 1  # in the CRC-32 of the trailer
    with refused("gzip data is damaged", "CRC"), opened(write(tmp_path / "a", bytes(good))) as file:
        reader.read_array(file)
    with refused("gzip data is damaged"), opened(write(tmp_path / "b", gz(idx(IMAGES))[:-9])) as file:
        reader.read_array(file)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_of_four_files(suffix: str, tmp_path: Path) -> None:
    mnist(tmp_path, IMAGES, LABELS, suffix=suffix)
    mnist(tmp_path, IMAGES[:2] + 1, LABELS[:2], "t10k", suffix)
    write(tmp_path / "README.txt", "not data")
    data = read(tmp_path)
    np.testing.assert_array_equal(data.inputs, IMAGES)
    np.testing.assert_array_equal(data.targets, LABELS)
    assert (data.classes, data.image_shape, data.maximum, data.task) == (("0", "1", "2"), (4, 3), 255, "classification")
    assert data.input_names[:2] == ("pixel_0_0", "pixel_0_1")
    assert len(data.input_names) == data.features == 12
    assert "labels file" in data.task_reason
    assert not data.inputs.flags.writeable
    assert not data.targets.flags.writeable
    assert data.test is not None
    np.testing.assert_array_equal(data.test.inputs, IMAGES[:2] + 1)
    assert data.test.classes == data.classes


def test_labels_that_are_not_0_to_n_become_indices(tmp_path: Path) -> None:
    data = read(mnist(tmp_path, IMAGES, np.array([7, 3, 7, 3, 7, 9], np.uint8)))
    assert data.classes == ("3", "7", "9")
    assert data.targets.tolist() == [1, 0, 1, 0, 1, 2]


def test_names_of_mirrors_and_an_own_prefix(tmp_path: Path) -> None:
    write(tmp_path / "train-images.idx3-ubyte", idx(IMAGES))
    write(tmp_path / "train-labels.idx1-ubyte", idx(LABELS))
    assert len(read(tmp_path)) == 6
    write(tmp_path / "e" / "emnist-letters-train-images-idx3-ubyte.gz", gz(idx(IMAGES)))
    write(tmp_path / "e" / "emnist-letters-train-labels-idx1-ubyte.gz", gz(idx(LABELS)))
    assert len(read(tmp_path / "e")) == 6


def test_the_hash_is_of_the_stored_files(tmp_path: Path) -> None:
    path = mnist(tmp_path, IMAGES, LABELS)
    first = read(path).sha256
    assert read(tmp_path).sha256 == read(tmp_path).sha256
    mnist(tmp_path, IMAGES, LABELS[::-1].copy())
    assert read(path).sha256 != first


def test_images_without_labels_beside_them(tmp_path: Path) -> None:
    path = mnist(tmp_path, IMAGES, LABELS)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with refused("no labels file beside the images"):
        read(path)
    with refused("the folder has no train labels"):
        read(tmp_path)
    with refused("name does not tell"):
        read(write(tmp_path / "digits.idx", idx(IMAGES)))


def test_the_labels_file_is_no_source(tmp_path: Path) -> None:
    mnist(tmp_path, IMAGES, LABELS)
    with refused("this is the labels file"):
        read(tmp_path / "train-labels-idx1-ubyte")


def test_pairs_that_do_not_fit(tmp_path: Path) -> None:
    with refused("differ in number", "6 images, 5 labels"):
        read(mnist(tmp_path / "a", IMAGES, LABELS[:5]))
    with refused("a labels file has one dimension"):
        read(mnist(tmp_path / "b", IMAGES, IMAGES))
    with refused("labels, not inputs"):
        read(mnist(tmp_path / "c", LABELS, LABELS))
    with refused("has 1 class", "'4'"):
        read(mnist(tmp_path / "d", IMAGES, np.full(6, 4, np.uint8)))
    mnist(tmp_path / "e", IMAGES, LABELS)
    mnist(tmp_path / "e", IMAGES[:2], np.array([0, 5], np.uint8), "t10k")
    with refused("labels that the training data did not have: '5'", "row 2"):
        read(tmp_path / "e")
    mnist(tmp_path / "f", IMAGES, LABELS)
    mnist(tmp_path / "f", IMAGES[:2, :2], LABELS[:2], "t10k")
    with refused("another size", "(2, 3)", "(4, 3)"):
        read(tmp_path / "f")


def test_doubtful_folders(tmp_path: Path) -> None:
    mnist(tmp_path, IMAGES, LABELS)
    mnist(tmp_path, IMAGES, LABELS, suffix=".gz")
    with refused("two files could be the train images"):
        read(tmp_path)
    with refused("more than one labels file"):
        read(tmp_path / "train-images-idx3-ubyte")
    (tmp_path / "empty").mkdir()
    with refused("no train images and no labels", "an empty folder"):
        read(tmp_path / "empty")


def test_float_images_keep_their_values_and_nan_is_refused(tmp_path: Path) -> None:
    images = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3)
    write(tmp_path / "train-labels", idx(LABELS[:2]))
    data = read(write(tmp_path / "train-images", idx(images)))
    np.testing.assert_array_equal(data.inputs, images)
    assert data.maximum is None
    images[1, 2, 0] = np.nan
    with refused("1 values that are NaN or infinite", "row 2"):
        read(write(tmp_path / "train-images", idx(images)))
