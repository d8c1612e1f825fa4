"""The published MNIST files and UCI tables, where they are there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests.data.formats import refused, write

from denpa.data import InputEncoding, TargetEncoding, read, read_inputs, read_like, split
from denpa.data.schema import Options
from denpa.data.source import Dialect


@pytest.fixture
def tabular(shared_data: Path) -> Path:
    return shared_data / "tabular"


def test_mnist(shared_data: Path) -> None:
    data = read(shared_data / "mnist")
    assert data.test is not None
    assert (data.inputs.shape, data.test.inputs.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert data.classes == data.test.classes == tuple("0123456789")
    # published class counts, http://yann.lecun.com/exdb/mnist/
    assert np.bincount(data.targets).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.inputs.mean()) / 255, 4) == 0.1307  # the mean that everybody's MNIST code has
    encoding = InputEncoding.fit(data)
    assert encoding.encode(data.test.inputs).shape == (10_000, 784)
    evaluated = read_like(shared_data / "mnist", encoding, TargetEncoding.fit(data))
    np.testing.assert_array_equal(evaluated.targets, data.test.targets)
    single = read(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(single.inputs, data.test.inputs)


@pytest.mark.parametrize(
    "name",
    [
        "abalone",
        "auto_imports",
        "banknote_authentication",
        "breast-cancer-wisconsin",
        "glass",
        "iris",
        "phoneme",
        "pima-indians-diabetes",
        "wine",
        "winequality-red",
    ],
)
def test_tables_without_a_header_are_recognised(name: str, tabular: Path) -> None:
    with refused("there is no header line"):
        read(tabular / f"{name}.csv")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("banknote_authentication", (1372, 5, 2)),
        ("glass", (214, 10, 6)),
        ("iris", (150, 5, 3)),
        ("phoneme", (5404, 6, 2)),
        ("pima-indians-diabetes", (768, 9, 2)),
        ("wine", (178, 14, 3)),
        ("winequality-red", (1599, 12, 6)),
    ],
)
def test_tables_with_a_header(name: str, shape: tuple[int, int, int], tabular: Path, tmp_path: Path) -> None:
    rows, columns, classes = shape
    names = [f"c{i}" for i in range(columns - 1)] + ["target"]
    content = (tabular / f"{name}.csv").read_bytes()
    path = write(tmp_path / "t.csv", ",".join(names).encode() + b"\n" + content)
    data = read(path)
    assert (len(data), data.features, len(data.classes or ())) == (rows, columns - 1, classes)
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    reference = np.loadtxt(tabular / f"{name}.csv", delimiter=",", usecols=range(columns - 1))
    np.testing.assert_array_equal(data.inputs, reference)
    train, valid = split(len(data), 0.2, 0, data.targets)
    assert set(data.targets[valid]) == set(data.targets[train])
    assert np.isfinite(InputEncoding.fit(data, train).encode(data.inputs)).all()


@pytest.mark.parametrize(
    ("name", "rows", "features", "notice"),
    [
        ("abalone", 4177, 11, None),  # M, F, I and others instead of one column
        ("breast-cancer-wisconsin", 699, 10, "column 'c6': '?' in 16 rows, taken as missing"),
        ("auto_imports", 201, 90, "column 'c2': '?' in 37 rows, taken as missing"),
    ],
)
def test_tables_with_text_and_missing_cells(
    name: str, rows: int, features: int, notice: str | None, tabular: Path
) -> None:
    width = len((tabular / f"{name}.csv").read_text().partition("\n")[0].split(","))
    data = read(tabular / f"{name}.csv", f"c{width}", options=Options(dialect=Dialect(header=False)))
    assert len(data) == rows
    encoding = InputEncoding.fit(data)
    assert encoding.encode(data.inputs).shape == (rows, features) == (rows, len(encoding.names))
    assert notice is None or notice in data.notices


def test_predicting_the_columns_in_another_order(tabular: Path, tmp_path: Path) -> None:
    rows = [line.split(",") for line in (tabular / "iris.csv").read_text().split()]
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    forward = write(tmp_path / "f.csv", "\n".join(map(",".join, [names, *rows])))
    backward = write(tmp_path / "b.csv", "\n".join(",".join(row[::-1]) for row in [names, *rows]))
    data = read(forward, target="species")
    encoding = InputEncoding.fit(data)
    np.testing.assert_array_equal(read_inputs(backward, encoding).inputs, data.inputs)
    assert data.classes == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
