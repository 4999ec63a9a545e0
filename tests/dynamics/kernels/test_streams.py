"""Random entries: known answers, uniformity, distinctness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankfall.dynamics import SGD
from rankfall.dynamics.kernels import reference, streams
from rankfall.dynamics.kernels.batches import draw_batch
from rankfall.dynamics.kernels.single import DISTINCT, EPOCHS

# Random123's table of known answers for philox4x32-10: counter, key, result
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_twin_gives_the_known_answers(counter, key, words):
    assert reference.philox_words(counter, *key) == words


@settings(max_examples=200)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**62), st.integers(1, 2**32 - 1))
def test_kernel_gives_the_twins_numbers(key, chain, index, bound):
    key64 = np.uint64(key)
    assert int(streams.random_bits(key64, chain, index)) == reference.philox(key, chain, index)[0]
    assert streams.random_below(key64, chain, index, bound) == reference.below(key, chain, index, bound)


@settings(max_examples=200)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**62))
def test_kernel_gives_the_twins_normal_numbers(key, chain, index):
    found = streams.random_normal(np.uint64(key), chain, index, streams.LABEL_NOISE)
    assert found == pytest.approx(
        reference.normal(key, chain, index, streams.LABEL_NOISE), rel=1e-13, abs=1e-14
    )


def test_normal_numbers_are_normal_and_unrelated_to_the_entries():
    """Kolmogorov-Smirnov, correlation of neighbours, and within the draws of one entry; false alarm 1e-5."""
    from scipy.stats import kstest, norm

    key, n = streams.stream_key(4), 40_000
    numbers = np.array([streams.random_normal(key, 1, t, streams.LABEL_NOISE) for t in range(n)])
    assert kstest(numbers, norm.cdf).pvalue > 1e-5
    assert abs(np.mean(numbers[1:] * numbers[:-1])) * np.sqrt(n) < 4.5
    entry = np.array([streams.random_below(key, 1, t, 5) for t in range(n)])
    for e in range(5):
        assert abs(numbers[entry == e].mean()) * np.sqrt(np.sum(entry == e)) < 4.9


@pytest.mark.parametrize("bound", [2, 7, 97])
def test_draws_are_uniform(bound):
    """Chi-square of 50,000 draws; with this fixed seed it passes for good (a fresh one fails 1 in 1e5)."""
    key = streams.stream_key(0)
    draws = [streams.random_below(key, 3, t, bound) for t in range(50_000)]
    assert _chi_square_p(np.bincount(draws, minlength=bound)) > 1e-5


def test_chains_and_neighbours_are_unrelated():
    """Pairs (draw t, draw t+1) and (chain 0, chain 1) fill an 8 x 8 table uniformly (false alarm 1e-5)."""
    key = streams.stream_key(1)
    chains = np.array([[streams.random_below(key, c, t, 8) for t in range(40_000)] for c in range(2)])
    for one, other in [(chains[0, :-1], chains[0, 1:]), (chains[0], chains[1])]:
        assert _chi_square_p(np.bincount(8 * one + other, minlength=64)) > 1e-5


@pytest.mark.parametrize(("size", "bound"), [(1, 1), (1, 9), (3, 9), (9, 9), (40, 57)])
def test_distinct_batches_are_distinct_and_uniform(size, bound):
    key = streams.stream_key(2)
    picked, table = np.zeros(size, np.int64), np.zeros(128, np.int64)
    counts = np.zeros(bound)
    for step in range(3000):
        streams.distinct_below(picked, table, key, 0, step * size, bound)
        assert len(set(picked.tolist())) == size
        counts[picked] += 1
    if size < bound:
        # a cell is in a batch with probability size/bound; the counts' covariance shrinks the statistic
        # by (1 - size/bound) bound/(bound - 1), so the factor below makes it a chi-square
        correction = (bound - 1) / (bound - size)
        assert _chi_square_p(counts, correction) > 1e-5
    else:
        assert (counts == 3000).all()


def test_distinct_pairs_are_uniform():
    """All 10 pairs out of 5 come equally often."""
    key = streams.stream_key(5)
    picked, table = np.zeros(2, np.int64), np.zeros(4, np.int64)
    counts = {}
    for step in range(20_000):
        streams.distinct_below(picked, table, key, 0, 2 * step, 5)
        pair = tuple(sorted(picked.tolist()))
        counts[pair] = counts.get(pair, 0) + 1
    assert len(counts) == 10
    assert _chi_square_p(np.array(list(counts.values()))) > 1e-5


def test_epochs_visit_every_entry_once_in_uniform_orders():
    key = streams.stream_key(3)
    n, size = 11, 4
    order, picked = np.zeros(n, np.int32), np.zeros(size, np.int64)
    none = np.zeros((0, 1), np.int64)
    first = np.zeros(n)
    for epoch in range(3000):
        seen = []
        for step in range(3):
            count = draw_batch(picked, none[0:0, 0], order, none, 0, 3 * epoch + step, n, key, 0, EPOCHS)
            seen += picked[:count].tolist()
        assert count == 3
        assert sorted(seen) == list(range(n))
        first[seen[0]] += 1
    assert _chi_square_p(first) > 1e-5


@pytest.mark.parametrize(("sampling", "code"), [("distinct", DISTINCT), ("epochs", EPOCHS)])
def test_twin_draws_the_same_batches(sampling, code):
    key = streams.stream_key(6)
    optimiser = SGD(lr=0.1, ridge=0.1, n_steps=50, batch_size=4, sampling=sampling)
    order, picked, table = np.zeros(13, np.int32), np.zeros(4, np.int64), np.zeros(8, np.int64)
    none = np.zeros((0, 1), np.int64)
    for step in range(50):
        count = draw_batch(picked, table, order, none, 0, step, 13, key, 2, code)
        assert picked[:count].tolist() == reference.batch(optimiser, 13, 6, 2, step)


def _chi_square_p(counts: np.ndarray, correction: float = 1.0) -> float:
    from scipy.stats import chi2

    expected = counts.sum() / counts.size
    return float(chi2.sf(correction * ((counts - expected) ** 2 / expected).sum(), counts.size - 1))
