"""Encodings: the numbers of the textbook formula, back again, and the same after a trip through JSON."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.data.formats import peak_memory, refused

from denpa.data import Dataset, InputEncoding, TargetEncoding, columns
from denpa.errors import DataError, ModelFileError


def dataset(inputs: Any, targets: Any = None, **more: Any) -> Dataset:
    inputs = np.asarray(inputs)
    targets = np.arange(float(len(inputs))) if targets is None else np.asarray(targets)
    given = {"target_name": "y", "classes": None, "task_reason": "", **more}
    return Dataset(inputs.copy(), "memory", "", targets=targets.copy(), **given)


MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 8), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-290),
)


@given(values=MATRICES)
def test_standardising(values: np.ndarray) -> None:
    data = dataset(values)
    table = InputEncoding.fit(data)
    encoded = table.encode(values, np.float64)
    spread = values.max(axis=0) > values.min(axis=0)
    np.testing.assert_allclose(np.array(table.mean), values.mean(axis=0), rtol=1e-12, atol=1e-9)
    scale = np.abs(values).max() or 1.0  # NumPy's squares vanish below 1e-160
    np.testing.assert_allclose(
        np.array(table.std)[spread] / scale, (values / scale).std(axis=0)[spread], rtol=1e-9, atol=1e-15
    )
    assert (encoded[:, ~spread] == 0).all()
    np.testing.assert_allclose(table.decode(encoded), values, rtol=1e-12, atol=1e-8)
    assert table.encode(values).dtype == np.float32


def test_only_the_training_rows_count(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(100, 3)) * [1, 10, 100]
    rows = np.arange(0, 100, 3)
    whole = InputEncoding.fit(dataset(values), rows)
    np.testing.assert_allclose(whole.mean, values[rows].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(whole.std, values[rows].std(axis=0), rtol=1e-12)
    monkeypatch.setattr(columns, "ROWS", 7)
    pieces = InputEncoding.fit(dataset(values), rows)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-14)
    np.testing.assert_array_equal(whole.encode(values), InputEncoding.fit(dataset(values), rows).encode(values))


def test_an_offset_of_1e9_keeps_its_digits() -> None:
    noise = np.random.default_rng(1).normal(size=(1000, 1))
    encoded = InputEncoding.fit(dataset(noise + 1e9)).encode(noise + 1e9)
    expected = (noise - noise.mean()) / noise.std()
    np.testing.assert_allclose(encoded, expected, atol=1e-6)
    naive = (noise + 1e9).astype(np.float32)  # the broken twin: rounding first leaves steps of 64
    assert np.abs((naive - naive.mean()) / 1.0 - expected).max() > 1


def test_constant_columns_are_noted() -> None:
    values = np.array([[1.1, 5, 2], [1.1, 6, 2], [1.1, 7, 2]])
    table = InputEncoding.fit(dataset(values, columns=("a", "b", "c")))
    assert table.std[::2] == (1, 1)
    assert (table.encode(values)[:, ::2] == 0).all()
    assert table.constant == (0, 2)
    assert "'a', 'c'" in table.notes[0]
    assert InputEncoding.fit(dataset(values[:, 1:2])).notes == ()


def test_extreme_magnitudes() -> None:
    with refused("column 'b' has a range that cannot be standardised"):
        InputEncoding.fit(dataset([[1, 1.7e308], [2, 1.6e308]], columns=("a", "b")))
    for size in (1e-290, 1e300):  # squares would vanish or overflow
        values = np.array([[1.0], [2.0], [6.0]]) * size
        np.testing.assert_allclose(InputEncoding.fit(dataset(values)).std, np.std(values / size) * size, rtol=1e-12)
    table = InputEncoding.fit(dataset([[1.0], [2.0]]))
    with refused("not finite in float32", "row 2, column 'x1'", "1e+300"):
        table.encode(np.array([[1.0], [1e300]]))
    with refused("not finite", "row 1", "nan"):
        table.encode(np.array([[np.nan]]))


def test_images_are_scaled_by_the_largest_value() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    image = InputEncoding.fit(dataset(pixels, maximum=255.0))
    encoded = image.encode(pixels)
    np.testing.assert_array_equal(encoded, pixels.reshape(16, 16).astype(np.float32) / np.float32(255))
    assert (encoded.min(), encoded.max(), encoded.dtype) == (0, 1, np.float32)
    np.testing.assert_allclose(image.decode(encoded), pixels.reshape(16, 16), rtol=1e-6)
    np.testing.assert_array_equal(image.encode(pixels.reshape(16, 16)), encoded)
    floats = InputEncoding.fit(dataset(pixels / 64.0, maximum=None), np.arange(8))
    assert (floats.maximum, floats.whole) == (127 / 64, False)


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.full((1, 2, 2), 0.5), "0.5"),
        (np.full((1, 2, 2), 17, np.uint8), "17"),
        (np.full((1, 2, 2), -1.0), "-1.0"),
        (np.full((1, 2, 2), np.nan), "nan"),
    ],
)
def test_pixels_of_another_scale_are_refused(pixels: np.ndarray, got: str) -> None:
    image = InputEncoding.fit(dataset(np.full((2, 2, 2), 9, np.uint8), maximum=16.0))
    with refused("4 pixels are not as in the training data", f"got:   {got}", "0 to 16", "pixel_0_0"):
        image.encode(pixels)


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 4), (2, 3, 1, 2), (6,)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    table = InputEncoding.fit(dataset(np.arange(6.0).reshape(2, 3)))
    with refused("another shape", "(n, 3)"):
        table.encode(np.zeros(shape))


def test_encoding_takes_no_second_copy_in_float64() -> None:
    values = np.random.default_rng(2).normal(size=(200_000, 10))
    table = InputEncoding.fit(dataset(values))
    assert peak_memory(lambda: table.encode(values)) < 1.5 * values.nbytes / 2 + (4 << 20)


@given(values=MATRICES)
def test_numbers_as_targets(values: np.ndarray) -> None:
    numbers = TargetEncoding.fit(dataset(np.zeros((len(values), 1)), values))
    assert numbers.outputs == values.shape[1]
    encoded = numbers.encode(values, np.float64)
    assert encoded.shape == values.shape
    decoded = numbers.decode(encoded)
    np.testing.assert_allclose(decoded.reshape(values.shape), values, rtol=1e-12, atol=1e-8)
    assert numbers.encode(values).dtype == np.float32


def test_one_output_is_a_column_and_comes_back_flat() -> None:
    numbers = TargetEncoding.fit(dataset(np.zeros((3, 1)), [1.0, 2.0, 4.0]))
    assert numbers.encode(np.array([1.0, 2.0, 4.0])).shape == (3, 1)
    assert numbers.decode(np.zeros((5, 1))).shape == (5,)
    with refused("another number of outputs", "(3, 2)"):
        numbers.encode(np.zeros((3, 2)))
    with refused("not finite", "row 2"):
        numbers.encode(np.array([1.0, np.inf]))


def test_classes() -> None:
    classes = TargetEncoding.fit(dataset(np.zeros((3, 1)), np.array([0, 2, 1]), classes=("a", "b", "c")))
    assert classes.outputs == 3
    encoded = classes.encode(np.array([2, 0], np.uint8))
    assert (encoded.tolist(), encoded.dtype) == ([2, 0], np.int64)
    assert classes.encode(np.array(["c", "a"])).tolist() == [2, 0]
    assert classes.decode(encoded).tolist() == ["c", "a"]
    for wrong in (np.array([0, 3]), np.array([-1]), np.array([0.0]), np.array([[0]]), np.array([True])):
        with refused("holds no class indices"):
            classes.encode(wrong)
    with refused("did not have: 'd'"):
        classes.encode(np.array(["a", "d"], dtype=object))


def encodings() -> list[InputEncoding | TargetEncoding]:
    values = np.random.default_rng(3).normal(size=(5, 3))
    pixels = np.ones((5, 2, 2), np.uint8)
    return [
        InputEncoding.fit(dataset(values)),
        InputEncoding.fit(dataset(np.where([1, 0, 1], values, 4.0), columns=("a", "b", "日本"))),
        InputEncoding.fit(dataset(pixels, maximum=255.0)),
        InputEncoding.fit(dataset(pixels / 3.0)),
        TargetEncoding.fit(dataset(values, values)),
        TargetEncoding.fit(dataset(values, values[:, 0])),
        TargetEncoding.fit(dataset(values, [0, 1, 0, 1, 0], classes=("no", "yes"))),
    ]


@pytest.mark.parametrize("one", encodings())
def test_through_json_and_back(one: InputEncoding | TargetEncoding) -> None:
    again = type(one).from_json(json.loads(json.dumps(one.to_json(), allow_nan=False)))
    assert again == one  # every float bit for bit: they are compared exactly


WRONG: list[Any] = [None, True, [], {}, "", "x", 0, -1, 1e999, float("nan"), 10**400, [None], [True], [[]], ["a", "a"]]


@pytest.mark.parametrize("one", encodings())
def test_from_json_is_strict(one: InputEncoding | TargetEncoding) -> None:
    """Each field in turn is dropped, and replaced by what it cannot be; one more is added."""
    good = one.to_json()
    cases = [*WRONG, {**good, "more": 1}, *({k: v for k, v in good.items() if k != drop} for drop in good)]
    for key, value in good.items():
        legal = {"name": ["", "x"], "maximum": [], "whole": [True], "names": [None], "constant": [[]]}.get(key, [])
        replaced = [wrong for wrong in WRONG if not any(type(wrong) is type(ok) and wrong == ok for ok in legal)]
        cases += [{**good, key: wrong} for wrong in replaced]
        if isinstance(value, list) and key != "constant" and len(value) > 1 and good["kind"] == "table":
            cases.append({**good, key: value[:-1]})
    for case in cases:
        with pytest.raises(ModelFileError):
            type(one).from_json(case)


def test_special_wrong_values() -> None:
    table = InputEncoding.fit(dataset(np.array([[1.0, 2.0], [2.0, 4.0]]), columns=("a", "b"))).to_json()
    for change in ({"std": [0.0, 1.0]}, {"std": [-1.0, 1.0]}, {"names": ["a", "a"]}, {"names": ["a", ""]}):
        with pytest.raises(ModelFileError):
            InputEncoding.from_json({**table, **change})
    for constant in ([2], [-1], [0, 1, 1], [0.0]):
        with pytest.raises(ModelFileError):
            InputEncoding.from_json({**table, "constant": constant})
    with pytest.raises(ModelFileError):
        TargetEncoding.from_json({"kind": "classes", "name": "y", "classes": ["one"]})


def test_a_huge_image_shape_takes_no_memory() -> None:
    value = {"kind": "image", "shape": [1 << 30, 1 << 30], "maximum": 255.0, "whole": True}
    assert peak_memory(lambda: InputEncoding.from_json(value)) < 1 << 16
    assert InputEncoding.from_json(value).features == 1 << 60


def test_a_dataset_that_cannot_be() -> None:
    with pytest.raises(DataError, match="differ in number"):
        dataset(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(DataError, match="no rows"):
        dataset(np.zeros((0, 1)))
