"""Orders that are computed: permutations, members by bits, and the statistics of chance."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from denpa.data.shuffle import BLOCK, Members, Order, Permutation, divide, sample
from denpa.data.streams import stream


def permutation(n: int, seed: int = 0) -> Permutation:
    return Permutation(n, stream(seed, "order", 1))


def members(mask: np.ndarray) -> Members:
    return Members(np.packbits(mask), len(mask))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 17, 1000, 12_345])
def test_each_number_comes_once(n: int) -> None:
    assert sorted(permutation(n)(np.arange(n)).tolist()) == list(range(n))


def test_of_more_than_a_word() -> None:
    """Above 2³² numbers another word size takes over: distinct numbers stay distinct and in range."""
    n = 5_000_000_011
    moved = permutation(n)(np.concatenate([np.arange(20_000), n - 1 - np.arange(20_000)]))
    assert len(np.unique(moved)) == 40_000
    assert 0 <= moved.min() < 1 << 32 <= moved.max() < n


def test_pieces_and_single_numbers_are_those_of_the_whole() -> None:
    p = permutation(30_000)
    whole = p(np.arange(30_000))
    assert np.array_equal(p(np.arange(9_000, 9_100)), whole[9_000:9_100])
    assert p(np.array([29_999]))[0] == whole[-1]


def test_seeds_epochs_and_sizes_differ() -> None:
    first = permutation(1000, 0)(np.arange(1000))
    assert not np.array_equal(first, permutation(1000, 1)(np.arange(1000)))
    assert not np.array_equal(first, Permutation(1000, stream(0, "order", 2))(np.arange(1000)))


def test_neighbours_part_as_by_chance() -> None:
    """Distances of neighbours over 64 classes: chi squared has mean 63 and deviation 11.2; 40 seeds, 5 deviations of
    the mean.  Correlations of neighbours: normal with 1/√n."""
    n, chi, correlations = 20_011, [], []
    for seed in range(40):
        moved = permutation(n, seed)(np.arange(n))
        counts = np.bincount(np.diff(moved) % n * 64 // n, minlength=64)
        chi.append(float(((counts - n / 64) ** 2 / (n / 64)).sum()))
        correlations.append(np.corrcoef(moved[:-1], moved[1:])[0, 1] * np.sqrt(n))
    assert abs(np.mean(chi) - 63) < 5 * 11.2 / np.sqrt(40)
    assert abs(np.mean(correlations)) < 5 / np.sqrt(40)
    assert 0.6 < np.std(correlations) < 1.4


def test_all_orders_of_four_come_about_equally_often() -> None:
    counts = Counter(tuple(permutation(4, seed)(np.arange(4)).tolist()) for seed in range(2400))
    assert len(counts) == 24
    assert min(counts.values()) > 50
    assert max(counts.values()) < 160


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 1.0])
def test_members_are_indexed_like_the_array_of_their_numbers(share: float, rng: np.random.Generator) -> None:
    mask = rng.random(3 * BLOCK + 77) < share
    some, rows = members(mask), np.flatnonzero(mask)
    assert len(some) == len(rows)
    assert np.array_equal(np.asarray(some), rows)
    assert list(some) == rows.tolist()
    for places in (
        slice(None),
        slice(0, 0),
        slice(3, 9),
        slice(BLOCK - 5, BLOCK + 5),
        slice(-7, None),
        slice(None, 40, 3),
    ):
        assert np.array_equal(some[places], rows[places]), places
    chosen = rng.integers(0, max(len(rows), 1), 50 if len(rows) else 0)
    assert np.array_equal(some[chosen], rows[chosen])
    asked = rng.integers(0, len(mask), 1000)
    assert np.array_equal(some.contain(asked), mask[asked])


def test_a_place_outside() -> None:
    with pytest.raises(IndexError):
        members(np.ones(10, bool))[np.array([10])]


def test_an_order_of_members_has_each_once_and_can_be_read_anywhere(rng: np.random.Generator) -> None:
    mask = rng.random(20_000) < 0.7
    order = Order(members(mask), seed=3, epoch=2)
    whole = order[0 : len(order)]
    assert np.array_equal(np.sort(whole), np.flatnonzero(mask))
    assert np.array_equal(order[5_000:5_100], whole[5_000:5_100])
    assert abs(np.corrcoef(np.arange(len(whole)), whole)[0, 1]) < 0.05


def test_an_order_of_few_rows_is_as_it_was(rng: np.random.Generator) -> None:
    train = np.flatnonzero(rng.random(500) < 0.8)
    expected = train[stream(9, "order", 4).permutation(len(train))]
    assert np.array_equal(Order(train, 9, 4)[0 : len(train)], expected)


@pytest.mark.parametrize(("valid", "test"), [(0.2, 0.0), (0.0, 0.0), (0.2, 0.1), (0.5, 0.5)])
def test_parts_are_disjoint_exact_and_scattered(valid: float, test: float) -> None:
    n = 50_021
    train, validation, tested = divide(n, valid, test, (1, 2))
    assert np.array_equal(np.sort(np.concatenate([train, validation, tested])), np.arange(n))
    assert len(tested) == round(n * test)
    assert len(validation) == round((n - len(tested)) * valid)
    if len(validation):
        assert abs(np.mean(np.asarray(validation)) / n - 0.5) < 0.02


def test_a_sample_is_drawn_once_from_the_rows(rng: np.random.Generator) -> None:
    mask = rng.random(9_000) < 0.5
    drawn = sample(members(mask), 0, 200)  # type: ignore[arg-type]
    assert len(drawn) == 200
    assert mask[drawn].all()
    assert (np.diff(drawn) > 0).all()
    assert len(sample(members(mask), 0, 10**6)) == mask.sum()  # type: ignore[arg-type]
