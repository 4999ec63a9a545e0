"""Which cells are held out, how often, and what the folds say together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.completion.noisy.choose_rank import choose_rank
from rankfall.completion.noisy.folds import hold_out, split_cells
from rankfall.completion.result.column_errors import standard_error


def problem(m: int, n: int, share: float, seed: int) -> rf.Problem:
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((m, n))
    table[rng.random((m, n)) > share] = np.nan
    table[0, 0] = 1.0
    return rf.Problem.coerce(table)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 30), st.integers(2, 30), st.floats(0.2, 1.0), st.integers(0, 5))
def test_no_cell_is_held_out_twice_and_no_row_is_emptied(m: int, n: int, share: float, seed: int) -> None:
    whole = problem(m, n, share, seed)
    splits = hold_out(whole, seed, 10)
    seen = np.zeros(whole.shape, int)
    for train, held in splits:
        seen[held.rows, held.cols] += 1
        assert train.n_observed + held.n_observed == whole.n_observed
        assert np.all((train.row_counts > 0) == (whole.row_counts > 0))
        assert np.all((train.col_counts > 0) == (whole.col_counts > 0))
        assert np.all(held.row_counts <= whole.row_counts // 2)
    assert seen.max() <= 1
    first = hold_out(whole, seed)[0][1]
    np.testing.assert_array_equal(first.values, splits[0][1].values)


def test_small_tables_are_split_until_enough_cells_were_held_out() -> None:
    def splits(m: int, n: int) -> int:
        return len(split_cells(problem(m, n, 1.0, 0), 0, None))

    assert splits(20, 10) == 10
    assert splits(60, 50) == 5  # 1,500 of the 3,000 cells
    assert splits(63, 63) == 4
    assert splits(64, 64) == 1
    assert len(split_cells(problem(64, 64, 1.0, 0), 0, 7)) == 7


def test_the_folds_that_agree_count_more_than_cells() -> None:
    """The same cells say "larger rank" together, and nothing for sure where a single fold says all of it."""
    rng = np.random.default_rng(0)
    noise = [0.1 * rng.standard_normal(40) for _ in range(10)]
    reference = [np.full(40, 1.0) for _ in range(10)]
    alike = [1.06 + part for part in noise]
    in_one = [np.full(40, 1.0 + 0.6 * (k == 0)) + part for k, part in enumerate(noise)]
    for errors, rank in ((alike, 2), (in_one, 1)):
        found = {1: errors, 2: reference}
        assert choose_rank("one-se", found, 2, lambda r, found=found: found[r]) == rank
        assert choose_rank("min", found, 2, lambda r, found=found: found[r]) == 2


def test_a_factor_of_two_panels_is_found_again() -> None:
    """Fully observed panels with noise as large as a factor; published cross-validation finds nine of ten."""
    right = 0
    for seed in range(8):
        rng = np.random.default_rng(1000 + seed)
        panel = rng.standard_normal((30, 2)) @ rng.uniform(-np.sqrt(3), np.sqrt(3), (2, 40))
        right += rf.complete(panel + rng.standard_normal(panel.shape), seed=seed).rank == 2
    assert right >= 5


@pytest.fixture(scope="module")
def small() -> rf.Completion:
    rng = np.random.default_rng(3)
    table = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 8)) + 0.5 * rng.standard_normal((40, 8))
    table[rng.random(table.shape) < 0.2] = np.nan
    return rf.complete(table, seed=0)


def test_the_standard_error_is_that_of_the_jackknife_over_rows(small: rf.Completion) -> None:
    held = small.model.held_out
    assert held is not None
    errors = held.predicted - small.problem.to_dense()[held.rows, held.cols]
    rows = np.unique(held.rows)
    left = np.array([np.sqrt(np.mean(errors[held.rows != row] ** 2)) for row in rows])
    jackknife = np.sqrt((rows.size - 1) / rows.size * np.sum((left - left.mean()) ** 2))
    assert small.validation_standard_error == pytest.approx(jackknife, rel=0.1)
    assert f"with a standard error of {small.validation_standard_error:.2g}" in small.summary()
    assert standard_error(1e200 * errors, held.rows) == pytest.approx(1e200 * small.validation_standard_error)
    assert np.isnan(standard_error(errors, np.zeros(errors.size, int)))


def test_an_exact_result_has_no_held_out_error() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((20, 1)) @ rng.standard_normal((1, 15))
    table[rng.random(table.shape) < 0.3] = np.nan
    result = rf.complete(table, seed=0)
    assert np.isnan(result.validation_standard_error)
    assert "rank_choices" not in result.settings


def test_other_choices_of_the_rank_are_said_where_they_differ(small: rf.Completion) -> None:
    choices = small.settings["rank_choices"]
    assert isinstance(choices, dict)
    assert choices["one_se"] == small.rank
    assert len(choices["by_fold"]) == small.settings["folds"] == 10
    agreed = set(choices["by_fold"]) == {small.rank} and choices["smallest_error"] == small.rank
    assert ("Choice of the rank:" in small.summary()) != agreed
    assert rf.complete(small.problem, seed=0, rule="min").rank == choices["smallest_error"]
