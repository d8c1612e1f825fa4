"""Splits, orders and batches: every row once, every class in both parts, the same numbers whenever they are asked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from denpa.data import PURPOSES, batch_count, batches, order, split, stream
from denpa.errors import DataError, UsageError

PINNED = [11380976013312738065, 9953228286645834493]


def split_or_none(*args: object) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        return split(*args)  # type: ignore[arg-type]
    except DataError:
        return None


@given(st.integers(0, 200), st.floats(0, 0.99), st.integers(0, 2**64 - 1), st.integers(0, 12))
def test_a_split_is_a_partition(n: int, fraction: float, seed: int, classes: int) -> None:
    labels = np.random.default_rng(n).integers(0, classes, n) if classes else None
    parts = split_or_none(n, fraction, seed, labels)
    size = round(n * fraction)
    if parts is None:
        assert fraction > 0
        assert min(size, n - size) < 2
        return
    train, valid = parts
    assert len(valid) == (size if fraction else 0)
    assert sorted([*train, *valid]) == list(range(n))
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()
    if labels is None or not fraction:
        return
    counts = np.bincount(labels, minlength=classes)
    taken = np.bincount(labels[valid], minlength=classes)
    if len(valid) >= (counts >= 2).sum() and len(train) >= (counts >= 1).sum():
        assert (taken[counts >= 2] >= 1).all()
        assert (taken < np.maximum(counts, 1)).all()  # a class of one row trains


def test_shares_are_proportional() -> None:
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    assert np.bincount(labels[split(1000, 0.2, 0, labels)[1]]).tolist() == [140, 40, 20]
    rare = np.repeat([0, 1], [998, 2])
    assert np.bincount(rare[split(1000, 0.1, 0, rare)[1]]).tolist() == [99, 1]


def test_a_sorted_file_is_mixed() -> None:
    valid = split(1000, 0.2, 0)[1]
    assert abs(valid.mean() - 499.5) < 60  # standard error of 200 out of 1000: 18
    texts = np.array(["a"] * 500 + ["b"] * 500)
    assert (np.unique(texts[split(1000, 0.2, 0, texts)[1]], return_counts=True)[1] == 100).all()


def test_seeds_differ_and_repeat() -> None:
    assert split(100, 0.3, 1)[1].tolist() == split(100, 0.3, 1)[1].tolist()
    assert split(100, 0.3, 1)[1].tolist() != split(100, 0.3, 2)[1].tolist()


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_a_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(UsageError, match="validation fraction"):
        split(100, fraction, 0)


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match=r"7 rows at a validation fraction of 0\.2") as caught:
        split(7, 0.2, 0)
    assert "6 training and 1 validation rows" in str(caught.value)
    assert "--valid 0" in str(caught.value)


def test_labels_of_another_length() -> None:
    with pytest.raises(UsageError, match="one label for each row"):
        split(10, 0.5, 0, np.zeros(9))


def test_orders_are_permutations_of_the_epoch() -> None:
    orders = [order(50, 7, epoch) for epoch in range(20)]
    assert all(sorted(one) == list(range(50)) for one in orders)
    assert len({tuple(one) for one in orders}) == 20
    order(50, 7, 3)  # whatever was drawn in between
    np.testing.assert_array_equal(order(50, 7, 19), orders[19])
    assert order(0, 0, 0).shape == (0,)


@given(st.integers(0, 50), st.integers(1, 60))
def test_batches_cover_the_rows_in_order(n: int, size: int) -> None:
    rows = order(n, 0, 0)
    pieces = list(batches(rows, size))
    assert len(pieces) == batch_count(n, size)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert [row for piece in pieces for row in piece] == rows.tolist()


@pytest.mark.parametrize("size", [0, -3])
def test_an_empty_batch(size: int) -> None:
    with pytest.raises(UsageError, match="batch size"):
        list(batches(order(3, 0, 0), size))
    with pytest.raises(UsageError, match="batch size"):
        batch_count(3, size)


def test_streams_have_distinct_keys() -> None:
    """Also those that NumPy's SeedSequence takes for one: trailing zeros, and 2³² + 5 against the words 5, 1."""
    small = [0, 1, 2, 2**32, 2**32 + 5, 2**64 - 1]
    keys = [(seed, purpose) for seed in small for purpose in PURPOSES]
    keys += [(seed, "order", *more) for seed in small for k in (1, 2) for more in itertools.product(small, repeat=k)]
    first = {stream(*key).bit_generator.random_raw() for key in keys}  # type: ignore[arg-type]
    assert len(first) == len(keys)
    plain = [np.random.SeedSequence(words).generate_state(2).tolist() for words in ([1, 2], [1, 2, 0])]
    assert plain[0] == plain[1]  # the broken twin: plain tuples collide


def test_a_stream_is_made_of_its_key_alone() -> None:
    used = stream(3, "sample", 0)
    used.normal(size=1000)
    assert stream(3, "sample", 0).normal() == stream(3, "sample", np.int64(0)).normal()


def test_streams_are_the_same_in_every_version() -> None:
    """A change here would break the resume of every run that exists: Philox's raw words, as first released."""
    words = stream(0, "order", 1).bit_generator.random_raw(2).tolist()  # type: ignore[union-attr]
    assert words == PINNED
    assert len(set(PURPOSES.values())) == len(PURPOSES)


@pytest.mark.parametrize("wrong", [-1, 2**64, 1.0, "0", None, True])
def test_a_seed_out_of_range(wrong: object) -> None:
    with pytest.raises(UsageError, match="seed of a random stream"):
        stream(wrong, "sample")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="counter of a random stream"):
        stream(0, "sample", wrong)  # type: ignore[arg-type]


def test_an_unknown_purpose() -> None:
    with pytest.raises(UsageError, match="purpose"):
        stream(0, "noise")
