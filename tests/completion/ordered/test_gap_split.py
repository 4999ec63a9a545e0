"""Cells held out in copies of the table's own gaps, and singly where cells are missing at random."""

from __future__ import annotations

import time

import numpy as np
import pytest

from rankfall import Problem
from rankfall.completion.ordered.gap_split import is_structured, split_in_gaps

Splits = list[tuple[Problem, Problem]]


def problem_of(observed: np.ndarray) -> Problem:
    return Problem.coerce(np.where(observed, 1.0 + np.arange(observed.size).reshape(observed.shape), np.nan))


def split(observed: np.ndarray, seed: int = 0, times: int = 1, **options: bool) -> Splits:
    return split_in_gaps(problem_of(observed), np.arange(observed.shape[0]), seed, times, **options)


def mask_of(problem: Problem) -> np.ndarray:
    out = np.zeros(problem.shape, bool)
    out[problem.rows, problem.cols] = True
    return out


def runs(column: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True."""
    edges = np.diff(np.concatenate([[0], column.astype(int), [0]]))
    return np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)


def with_runs(shape: tuple[int, int], length: int, each: int, seed: int = 0) -> np.ndarray:
    """In every column `each` runs of so many missing cells, never next to each other."""
    rng, (m, n) = np.random.default_rng(seed), shape
    observed = np.ones(shape, bool)
    places = np.arange(m // (2 * length)) * 2 * length
    for j in range(n):
        for start in rng.choice(places, each, replace=False):
            observed[start : start + length, j] = False
    return observed


def checked(observed: np.ndarray, splits: Splits) -> list[np.ndarray]:
    """The masks of what is held out, after what always holds was seen to hold."""
    assert splits
    whole, out = problem_of(observed), []
    for train, held in splits:
        there, kept = mask_of(held), mask_of(train)
        assert not np.any(there & ~observed)
        np.testing.assert_array_equal(kept, observed & ~there)
        for part in (train, held):
            np.testing.assert_array_equal(part.values, whole.to_dense()[part.rows, part.cols])
        counts = observed.sum(axis=0)
        assert np.all(kept.sum(axis=0) >= 0.5 * counts)
        # about a tenth of the cells
        assert 0.05 * counts.sum() <= there.sum() <= 0.35 * counts.sum()
        out.append(there)
    return out


# -- cells missing at random -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(400, 1), (300, 2), (120, 3), (20, 3), (30, 8), (100, 10), (40, 40), (30, 300), (400, 60)]
)
def test_cells_missing_at_random_are_no_gaps(shape: tuple[int, int]) -> None:
    """Up to luck of one table in two hundred."""
    rng = np.random.default_rng(shape)
    for share in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.97):
        found = [is_structured(rng.random(shape) > share) for _ in range(20)]
        assert sum(found) <= 1, share
        assert any(split(rng.random(shape) > share) == [] for _ in range(2))


def test_columns_with_rates_of_their_own_are_no_gaps() -> None:
    rng = np.random.default_rng(0)
    for shape in ((200, 5), (200, 40), (50, 400), (60, 2500)):
        found = [is_structured(rng.random(shape) > rng.uniform(0, 0.9, shape[1])) for _ in range(10)]
        assert sum(found) <= 1, shape


def test_columns_and_rows_without_entries_are_no_gaps_of_others() -> None:
    """Columns never are; rows are where their neighbours fill them."""
    observed = np.random.default_rng(0).random((200, 12)) > 0.2
    observed[:, [3, 7]] = False
    assert split(observed) == []
    assert split(observed.T, with_empty=False) == []
    assert split(observed.T, with_empty=True) != []


def test_few_missing_cells_are_no_pattern() -> None:
    observed = np.ones((100, 5), bool)
    assert split(observed) == []
    observed[10:20, 1] = False
    assert split(observed) == []


# -- gaps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "each"), [(4, 12), (10, 5), (25, 2)])
@pytest.mark.parametrize("n", [2, 12])
def test_runs_in_single_columns(length: int, each: int, n: int) -> None:
    observed = with_runs((400, n), length, each)
    lengths = []
    for there in checked(observed, split(observed, times=3)):
        for j in range(n):
            lengths += runs(there[:, j]).tolist()
    # some stand on cells that are missing already, or beside one another
    assert length * 0.8 <= np.median(lengths) <= length * 1.5
    assert np.mean(np.array(lengths) >= 0.5 * length) > 0.7


@pytest.mark.parametrize("length", [1, 3, 12])
def test_whole_rows(length: int) -> None:
    observed = np.ones((360, 10), bool)
    for start in range(6, 360, 36):
        observed[start : start + length] = False
    if length == 1:
        observed[np.random.default_rng(0).random(360) < 0.1] = False
    for there in checked(observed, split(observed, times=3)):
        held = there.any(axis=1)
        np.testing.assert_array_equal(there[held], np.ones((held.sum(), 10), bool))
        assert np.median(runs(held)) >= length * 0.7


def test_stations_that_fail_for_days() -> None:
    """24 rows in all the columns of a station."""
    rng, observed = np.random.default_rng(0), np.ones((960, 12), bool)
    for station in range(4):
        for day in rng.choice(40, 5, replace=False):
            observed[24 * day : 24 * (day + 1), 3 * station : 3 * station + 3] = False
    for there in checked(observed, split(observed, times=3)):
        for station in range(4):
            columns = there[:, 3 * station : 3 * station + 3]
            assert np.mean(columns.all(axis=1)[columns.any(axis=1)]) > 0.9
        lengths = [length for j in range(12) for length in runs(there[:, j])]
        assert 18 <= np.median(lengths) <= 48


def test_gaps_among_single_cells_are_held_out_as_often_as_they_are_missing() -> None:
    observed = with_runs((600, 6), 15, 6)
    single = np.random.default_rng(0).random(observed.shape) < 0.08
    for there in checked(observed & ~single, split(observed & ~single, times=3)):
        lengths = np.concatenate([runs(column) for column in there.T])
        in_runs = lengths[lengths >= 5].sum() / lengths.sum()
        assert 0.3 < in_runs < 0.98 and np.any(lengths <= 2)


def test_rows_count_in_their_order() -> None:
    """The table shuffled, with the order that undoes it: the same cells."""
    observed = with_runs((400, 6), 10, 5)
    shuffle = np.random.default_rng(1).permutation(400)
    (there,) = checked(observed, split(observed))
    ((_, held),) = split_in_gaps(problem_of(observed[shuffle]), np.argsort(shuffle), 0, 1)
    np.testing.assert_array_equal(mask_of(held), there[shuffle])
    # runs are none in the order of the shuffled table
    assert split(observed[shuffle]) == []


def test_the_seed_says_which() -> None:
    observed = with_runs((400, 6), 10, 5)

    def masks(seed: int) -> list[np.ndarray]:
        return checked(observed, split(observed, seed, times=2))

    np.testing.assert_array_equal(masks(0), masks(0))
    assert not np.array_equal(masks(0), masks(1))
    assert not np.array_equal(*masks(0))


def test_weights_stay_with_their_cells() -> None:
    observed = with_runs((200, 4), 10, 4)
    weights = np.random.default_rng(0).uniform(0.5, 2, observed.shape)
    problem = problem_of(observed).with_weights(weights)
    whole = np.zeros(observed.shape)
    whole[problem.rows, problem.cols] = problem.weights
    for parts in split_in_gaps(problem, np.arange(200), 0, 1):
        for part in parts:
            assert part.weights is not None
            np.testing.assert_array_equal(part.weights, whole[part.rows, part.cols])


# -- gaps for which there is no place --------------------------------------------------------------


@pytest.mark.parametrize("beside", [False, True])
def test_columns_that_begin_late_are_told_quickly(beside: bool) -> None:
    """Their gaps are longer than what is observed of them, so that no copy fits anywhere."""
    observed = np.ones((3000, 20), bool)
    observed[:1800, :10] = False
    if beside:
        observed[2000:2003, 15] = False
    start = time.perf_counter()
    assert split(observed, times=3) == []
    assert time.perf_counter() - start < 20


def test_a_split_is_none_if_hardly_anything_can_be_held_out() -> None:
    observed = np.ones((60, 5), bool)
    observed[:40, :4] = False
    assert split(observed) == []


def test_a_large_table_takes_moments() -> None:
    """Many small gaps, each of which is looked at for itself."""
    rng = np.random.default_rng(0)
    observed = rng.random((20000, 100)) > 0.05
    observed[rng.random(20000) < 0.05] = False
    start = time.perf_counter()
    ((_, held),) = split(observed)
    assert held.n_observed >= 50_000
    assert time.perf_counter() - start < 60
