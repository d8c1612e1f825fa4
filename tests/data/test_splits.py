"""Rows are kept out by what they say: whatever the order, whatever is added; groups and times are not torn apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from denpa.data import Dataset, splits, stream
from denpa.data.coding import InputColumn
from denpa.errors import DataError, UsageError

ALL = slice(None)


def dataset(rng: np.random.Generator, n: int = 2000, classes: int = 3) -> Dataset:
    return Dataset(
        inputs=rng.standard_normal((n, 4)),
        source="made",
        sha256="",
        targets=rng.choice(classes, n, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2)),
        target_name="t",
        classes=tuple("abcdefgh"[:classes]),
        task_reason="made so",
    )


def out(data: Dataset, how: str = "row", fraction: float = 0.2, seed: int = 7) -> set[bytes]:
    """What the rows kept out say."""
    stay, kept = splits.keep_out(data, np.arange(len(data)), fraction, seed, how)
    assert sorted([*stay, *kept]) == list(range(len(data)))
    assert (np.diff(stay) > 0).all()
    assert (np.diff(kept) > 0).all()
    return {data.inputs[i].tobytes() + bytes([int(data.targets[i])]) for i in kept}


def test_rows_that_are_added_move_no_other(rng: np.random.Generator) -> None:
    data = dataset(rng)
    first = data.take(np.arange(1000))
    before, after = out(first), out(data)
    assert before <= after
    said = {first.inputs[i].tobytes() + bytes([int(first.targets[i])]) for i in range(1000)}
    assert after & said == before
    random = out(first, "random")  # the broken twin
    assert not random <= out(data, "random")


def test_the_order_of_the_rows_does_not_matter(rng: np.random.Generator) -> None:
    data = dataset(rng)
    order = np.argsort(data.targets, kind="stable")  # a file sorted by class
    assert out(data.take(order)) == out(data)
    assert out(data, seed=8) != out(data)


def test_the_share_and_the_classes_are_about_right(rng: np.random.Generator) -> None:
    data = dataset(rng, 20_000)
    _, kept = splits.keep_out(data, np.arange(len(data)), 0.2, 3, "row")
    assert len(kept) == pytest.approx(4000, abs=5 * 57)
    for c in range(3):
        of_class = np.count_nonzero(data.targets == c)
        assert np.count_nonzero(data.targets[kept] == c) == pytest.approx(0.2 * of_class, abs=5 * of_class**0.5 * 0.4)


def test_equal_rows_land_on_one_side(rng: np.random.Generator) -> None:
    data = dataset(rng, 100).take(rng.integers(0, 100, 1000))
    stay, kept = splits.keep_out(data, np.arange(1000), 0.3, 0, "row")
    said = [{data.inputs[i].tobytes() for i in rows} for rows in (stay, kept)]
    assert not said[0] & said[1]
    signed = replace(data, inputs=np.where(rng.random(data.inputs.shape) < 0.5, 0.0, -0.0))
    assert len(np.unique(splits.row_hashes(signed, np.arange(1000), 0))) <= 3  # one for each class


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_a_hash_is_of_every_part_of_a_row(dtype: type, rng: np.random.Generator) -> None:
    data = dataset(rng, 60)
    inputs = rng.integers(0, 200, (60, 5, 3)).astype(dtype)
    data = replace(data, inputs=inputs)
    hashes = splits.row_hashes(data, np.arange(60), 1)
    assert len(set(hashes.tolist())) == 60
    for place in np.ndindex(5, 3):
        other = inputs.copy()
        other[(ALL, *place)] += 1
        assert not (splits.row_hashes(replace(data, inputs=other), np.arange(60), 1) == hashes).any()
    swapped = inputs[:, ::-1].copy()
    different = (swapped != inputs).any(axis=(1, 2))
    assert (splits.row_hashes(replace(data, inputs=swapped), np.arange(60), 1) != hashes)[different].all()
    turned = replace(data, targets=(data.targets + 1) % 3)
    assert not (splits.row_hashes(turned, np.arange(60), 1) == hashes).any()


def test_categories_and_classes_count_by_their_names(rng: np.random.Generator) -> None:
    """A new category or class shifts the codes of those after it."""
    codes = rng.integers(0, 3, (50, 1)).astype(float)
    codes[0] = np.nan
    data = replace(
        dataset(rng, 50), inputs=codes, cells=(InputColumn("c", "category", ("k", "m", "z")),), columns=("c",)
    )
    shifted = replace(
        data,
        inputs=codes + 1,
        cells=(InputColumn("c", "category", ("a", "k", "m", "z")),),
        targets=data.targets + 1,
        classes=("A", "a", "b", "c"),
    )
    rows = np.arange(50)
    assert (splits.row_hashes(data, rows, 0) == splits.row_hashes(shifted, rows, 0)).all()


def test_every_class_is_on_both_sides(rng: np.random.Generator) -> None:
    for seed in range(40):
        data = dataset(rng, 30, 5)
        stay, kept = splits.keep_out(data, np.arange(30), 0.1, seed, "row")
        for c in range(5):
            count = np.count_nonzero(data.targets == c)
            assert count == 0 or c in data.targets[stay]
            assert count < 2 or c in data.targets[kept]


def test_groups_are_not_divided(rng: np.random.Generator) -> None:
    data = replace(dataset(rng), groups=rng.integers(0, 1 << 60, 100)[rng.integers(0, 100, 2000)])
    stay, kept = splits.keep_out(data, np.arange(2000), 0.3, 1, "group")
    assert data.groups is not None
    assert not set(data.groups[stay]) & set(data.groups[kept])
    assert 15 < len(set(data.groups[kept])) < 45
    fewer = data.take(np.arange(700))
    assert fewer.groups is not None
    _, early = splits.keep_out(fewer, np.arange(700), 0.3, 1, "group")
    assert set(fewer.groups[early]) == set(data.groups[kept]) & set(fewer.groups)
    assert splits.way("auto", data) == "group"
    one = replace(data, groups=np.zeros(2000, np.int64))
    with pytest.raises(DataError, match="too few groups"):
        splits.keep_out(one, np.arange(2000), 0.3, 1, "group")


def test_the_latest_rows_are_kept_out(rng: np.random.Generator) -> None:
    times = rng.integers(0, 50, 2000).astype(float)
    data = replace(dataset(rng), times=times)
    stay, kept = splits.keep_out(data, np.arange(2000), 0.2, 1, "time")
    assert times[stay].max() < times[kept].min()
    assert len(kept) == pytest.approx(400, abs=40)
    both = replace(data, groups=rng.integers(0, 300, 2000))
    assert both.groups is not None
    stay, kept = splits.keep_out(both, np.arange(2000), 0.2, 1, "time")
    assert not set(both.groups[stay]) & set(both.groups[kept])
    with pytest.raises(DataError, match="too few times"):
        splits.keep_out(replace(data, times=np.ones(2000)), np.arange(2000), 0.2, 1, "time")


def test_ways(rng: np.random.Generator) -> None:
    data = dataset(rng)
    assert splits.way("auto", data) == "row"
    assert splits.way("random", data) == "random"
    assert splits.way("auto", replace(data, times=np.arange(2000.0), groups=np.arange(2000))) == "time"
    for how in ("group", "time"):
        with pytest.raises(UsageError, match=f"no {how}s to be divided by"):
            splits.way(how, data)
    same = data.take(np.zeros(100, np.int64))
    with pytest.raises(DataError, match="too few different rows"):
        splits.keep_out(same, np.arange(100), 0.2, 0, "row")
    with pytest.raises(DataError, match="too few rows to split"):
        splits.keep_out(data, np.arange(5), 0.2, 0, "row")
    assert len(splits.keep_out(data, np.arange(5), 0.0, 0, "row")[1]) == 0


@pytest.mark.parametrize("how", ["row", "group"])
def test_folds_hold_every_row_out_once(how: str, rng: np.random.Generator) -> None:
    data = replace(dataset(rng, 503), groups=rng.integers(0, 40, 503))
    found = list(splits.folds(data, 5, 0, how))
    assert sorted(np.concatenate([kept for _, kept in found])) == list(range(503))
    assert data.groups is not None
    for stay, kept in found:
        assert sorted([*stay, *kept]) == list(range(503))
        if how == "group":
            assert not set(data.groups[stay]) & set(data.groups[kept])
            assert 80 < len(kept) < 121
        else:
            assert len(kept) in (100, 101)
            for c in range(3):
                assert abs(np.count_nonzero(data.targets[kept] == c) - np.count_nonzero(data.targets == c) / 5) <= 1
    assert [k.tolist() for _, k in splits.folds(data, 5, 0, how)] == [k.tolist() for _, k in found]


def test_folds_in_time_are_tested_on_what_follows(rng: np.random.Generator) -> None:
    times = rng.integers(0, 200, 1000).astype(float)
    data = replace(dataset(rng, 1000), times=times)
    found = list(splits.folds(data, 4, 0, "time"))
    for stay, kept in found:
        assert times[stay].max() < times[kept].min()
    assert [len(stay) for stay, _ in found] == pytest.approx([200, 400, 600, 800], abs=15)
    with pytest.raises(DataError, match="same time"):
        list(splits.folds(replace(data, times=np.minimum(times, 3)), 3, 0, "time"))


def test_folds_that_cannot_be(rng: np.random.Generator) -> None:
    data = dataset(rng, 10)
    with pytest.raises(UsageError, match="so many folds"):
        list(splits.folds(data, 1, 0, "row"))
    with pytest.raises(DataError, match="11 folds of 10 rows"):
        list(splits.folds(data, 11, 0, "row"))


def test_hashes_are_uniform(rng: np.random.Generator) -> None:
    """Rows that differ by one count, keyed by several seeds: each bit is as often 0 as 1, and bits of two seeds agree
    half of the time."""
    data = replace(dataset(rng, 4096), inputs=np.arange(4096.0)[:, None], targets=np.zeros(4096), classes=None)
    one, two = (splits.row_hashes(data, np.arange(4096), seed) for seed in (1, 2))
    for hashes in (one, one ^ two, one ^ np.roll(one, 1)):
        bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        assert abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / 64
    assert stream(1, "split", 1).integers(9) >= 0
