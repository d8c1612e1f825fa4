"""NPY files: inputs in one, targets in another of the same folder, told by name or by --target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.data.formats import gz, npy, npz, refused, write

from denpa.data import InputEncoding, TargetEncoding, read, read_inputs, read_like
from denpa.errors import UsageError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.choice(["no", "yes"], 40)


def zstd(content: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").compress(content))


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("inputs", "targets"), ("x_train", "y_train")])
@pytest.mark.parametrize(("pack", "end"), [(bytes, ".npy"), (gz, ".npy.gz"), (zstd, ".npy.zst")])
def test_pairs_by_name(names: tuple[str, str], pack: Callable[[bytes], bytes], end: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"{names[0]}{end}", pack(npy(X)))
    write(tmp_path / f"{names[1]}.npy", npy(Y))
    reference = read(write(tmp_path / "other" / "d.npz", npz(x=X, y=Y)))
    for source in (path, tmp_path):
        if source == tmp_path:
            (tmp_path / "other" / "d.npz").unlink(missing_ok=True)
        data = read(source)
        np.testing.assert_array_equal(data.inputs, reference.inputs)
        np.testing.assert_array_equal(data.targets, reference.targets)
        assert data.classes == reference.classes
        assert data.target_name == names[1]
        assert data.source == str(source)


@pytest.mark.parametrize("target", ["labels", "labels.npy"])
def test_the_target_is_named(target: str, tmp_path: Path) -> None:
    path = write(tmp_path / "features.npy", npy(X))
    write(tmp_path / "labels.npy", npy(Y))
    data = read(path, target)
    assert data.target_name == "labels"
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    np.testing.assert_array_equal(read_like(path, inputs, targets).targets, data.targets)
    np.testing.assert_array_equal(read_inputs(path, inputs).inputs, data.inputs)
    with refused("which file has the targets", "--target"):
        read(path)
    with refused("no file 'prize.npy'", "'features.npy', 'labels.npy'"):
        read(path, "prize")
    for far in ("../labels.npy", "/etc/labels.npy"):
        with pytest.raises(UsageError, match="named without a folder"):
            read(path, far)


def test_a_test_part(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (30, 4, 4)).astype("u1")
    labels = RNG.integers(0, 3, 30)
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
        write(tmp_path / f"x_{part}.npy", npy(images[rows]))
        write(tmp_path / f"y_{part}.npy", npy(labels[rows]))
    data = read(tmp_path)
    assert data.test is not None
    np.testing.assert_array_equal(data.test.inputs, images[20:])
    assert (data.image_shape, data.classes, data.maximum) == ((4, 4), ("0", "1", "2"), 255)
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    assert len(read_like(tmp_path, inputs, targets)) == 10
    assert len(read_like(tmp_path / "x_test.npy", inputs, targets)) == 10
    before = data.sha256
    write(tmp_path / "y_test.npy", npy(labels[:10]))
    assert read(tmp_path).sha256 != before
    write(tmp_path / "x_test.npy", npy(images[20:, :3]))
    with refused("another shape than the training rows"):
        read(tmp_path)


def test_doubtful_folders(tmp_path: Path) -> None:
    write(tmp_path / "x.npy", npy(X))
    with refused("which files are the inputs and the targets", "'x'"):
        read(tmp_path)
    with refused("no file 'y.npy'"):
        read(tmp_path / "x.npy")
    write(tmp_path / "y.npy", npy(Y))
    write(tmp_path / "y.npy.gz", gz(npy(Y)))
    with refused("more than one file 'y.npy'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("x", "y", "fragment"),
    [
        (npy(X), npy(Y[:-1]), "inputs and targets differ in number"),
        (npy(X)[:-4], npy(Y), "does not have the size its header declares"),
        (gz(npy(X)[:-4]), npy(Y), "does not have the size its header declares"),
        (gz(npy(X))[:-4], npy(Y), "damaged or cut off"),
        (npy(np.array([None, 1], object)), npy(Y), "never read"),
        (npy(X), b"label\n1\n", "not a NumPy array"),
        (npy(np.full((40, 2), np.nan)), npy(Y), "NaN or infinite"),
    ],
)
def test_faults(x: bytes, y: bytes, fragment: str, tmp_path: Path) -> None:
    write(tmp_path / "y.npy", y)
    with refused(fragment):
        read(write(tmp_path / "x.npy", x))
